"""Recordings in a folder, each with its transcript beside it where there is a `.txt` of the same name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from otoscope.audio.clip import Clip, read_clip
from otoscope.audio.decode import SOUND_SUFFIXES, VIDEO_SUFFIXES
from otoscope.base.errors import InputError

SUFFIXES: tuple[str, ...] = (*SOUND_SUFFIXES, *VIDEO_SUFFIXES)
"""What a recording's name ends with; other files in a folder are left alone."""


def find_recordings(source: Path) -> list[Path]:
    """All recordings at a path, sorted; folders are searched to any depth, hidden files passed over.

    Raises:
        InputError: The path is not there, or no recording is in it.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise InputError(
            f"corpus {str(source)!r} is not there: a corpus is 'demo', a folder of recordings or one recording."
        )
    paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES and _is_shown(path, source))
    if not paths:
        raise InputError(f"folder {str(source)!r} holds no recording: looked for {', '.join(SUFFIXES)}.")
    return paths


def _is_shown(path: Path, root: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)


def clip_ids(root: Path, paths: list[Path]) -> list[str]:
    """A unique id for each recording: its path below the folder without the suffix, or with it where two would meet."""
    relative = [path.relative_to(root) if root.is_dir() else Path(path.name) for path in paths]
    stems = [path.with_suffix("").as_posix() for path in relative]
    times = Counter(stems)
    return [stem if times[stem] == 1 else path.as_posix() for stem, path in zip(stems, relative, strict=True)]


@dataclass(frozen=True)
class Reader:
    """Reads one recording and what lies beside it."""

    path: Path
    id: str

    def __call__(self) -> Clip:
        """Read the clip.

        Raises:
            AudioError: The recording cannot be used.
            InputError: Its transcript is not UTF-8 text.
        """
        return read_clip(self.path, id=self.id, transcript=self._transcript())

    def _transcript(self) -> str | None:
        beside = self.path.with_suffix(".txt")
        if not beside.is_file():
            return None
        try:
            return " ".join(beside.read_text(encoding="utf-8-sig").split())
        except UnicodeDecodeError as error:
            raise InputError(
                f"transcript {str(beside)!r} is not UTF-8 text (byte {error.start}). Save it as UTF-8."
            ) from error
