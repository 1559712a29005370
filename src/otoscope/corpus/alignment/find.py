"""Find the alignment that belongs to a recording: beside it, or by its name anywhere below the corpus's folder.

The index of a folder holds a path for each alignment below it, and of CTM files the recordings they hold.
"""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from otoscope.audio.decode import SOUND_SUFFIXES
from otoscope.base.errors import LabelError
from otoscope.corpus.alignment import ctm

ENDINGS = (".textgrid", "_annot.json", ".phn", ".wrd", ".lab", ".ctm")
"""How the name of an alignment goes on after the recording's, in any case; the richest format first."""


class AlignmentIndex:
    """The alignments below a folder, listed when one is first looked for that is not beside its recording.

    Make one for a corpus and ask it for every clip.

    Args:
        root: The corpus's folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._by_stem: dict[str, list[Path]] | None = None
        self._recordings: dict[str, list[Path]] = defaultdict(list)
        self._beside: tuple[Path, dict[str, list[Path]]] | None = None  # of the folder looked at last

    def find(self, audio: Path) -> Path | None:
        """Find the alignment of a recording; nothing is read but CTM files and the first words of `.lab` files.

        Args:
            audio: The recording.

        Returns:
            The file beside the recording, of the richest format; or the nearest one below the folder: in folders
            named alike first, then fewest folders away, then of the richest format. None if there is none, or if it
            lies nearer to another recording of the same name. A `.lab` that holds a transcript, as the Montreal Forced
            Aligner takes it, is no alignment.

        Raises:
            LabelError: Two are equally near.
        """
        audio = Path(audio)
        stem = audio.stem.lower()
        if self._beside is None or self._beside[0] != audio.parent:
            names = sorted(audio.parent.iterdir()) if audio.parent.is_dir() else []
            self._beside = (audio.parent, _by_stem(names))
        beside = [path for path in self._beside[1].get(stem, []) if _is_alignment(path)]
        if beside:
            return _nearest(audio, beside)
        if self._by_stem is None:
            shown = (
                [path for path in sorted(self.root.rglob("*")) if self._is_shown(path)] if self.root.is_dir() else []
            )
            self._by_stem = _by_stem(shown)
            self._recordings = defaultdict(list)
            for path in shown:
                if path.suffix.lower() in SOUND_SUFFIXES:
                    self._recordings[path.stem.lower()].append(path)
        anywhere = [path for path in self._by_stem.get(stem, []) if _is_alignment(path)]
        if not anywhere:
            return None
        found = _nearest(audio, anywhere)
        return None if self._is_nearer_to_another(found, audio) else found

    def _is_nearer_to_another(self, alignment: Path, audio: Path) -> bool:
        """Whether a recording of the same name lies nearer: another speaker's sentence of that number."""
        return any(
            _distance(other, alignment) < _distance(audio, alignment) for other in self._recordings[audio.stem.lower()]
        )

    def _is_shown(self, path: Path) -> bool:
        return not any(part.startswith(".") for part in path.relative_to(self.root).parts)


def find_alignment(audio: Path, root: Path) -> Path | None:
    """Find the alignment of one recording; for many, make an `AlignmentIndex` once.

    Args:
        audio: The recording.
        root: The folder to search where none is beside the recording.

    Returns:
        The file, or None.

    Raises:
        LabelError: Two are equally near.
    """
    return AlignmentIndex(root).find(audio)


def _by_stem(paths: list[Path]) -> dict[str, list[Path]]:
    """Alignments by the name of the recording they are for, in lower case."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        ending = _ending(path)
        if ending is None or path.name.startswith(".") or not path.is_file():
            continue
        stems = {path.name[: -len(ending)].lower()}
        if ending == ".ctm":
            with suppress(LabelError):  # found by its own name only; reading it says what is wrong
                stems |= {Path(name).name.lower() for name in ctm.recordings(path)}
        for stem in stems:
            found[stem].append(path)
    return found


def _ending(path: Path) -> str | None:
    return next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), None)


def _is_alignment(path: Path) -> bool:
    """Whether a file is one by its beginning: a `.lab` may be a transcript."""
    if path.suffix.lower() != ".lab":
        return True
    try:
        with path.open("rb") as file:
            beginning = file.read(4096).decode("utf-8-sig", errors="replace")
    except OSError:
        return True  # reading it says what is wrong
    return re.match(r"\s*[+-]?[\d.]", beginning) is not None or re.search(r"^\s*#\s*$", beginning, re.M) is not None


def _nearest(audio: Path, paths: list[Path]) -> Path:
    def rank(path: Path) -> tuple[int, int, int]:
        ending = _ending(path)
        assert ending is not None  # only alignments are in the index
        return (*_distance(audio, path), ENDINGS.index(ending))

    partners = {ctm.partner(path) for path in paths if path.suffix.lower() == ".ctm" and ctm.holds_phones(path)}
    ranked = sorted((path for path in paths if path not in partners), key=rank)
    if len(ranked) > 1 and rank(ranked[0]) == rank(ranked[1]):
        raise LabelError(
            f"'{ranked[0]}' and '{ranked[1]}' are both named after recording '{audio}' and equally near. "
            "Expected one alignment. Put the right one beside the recording."
        )
    return ranked[0]


def _distance(audio: Path, alignment: Path) -> tuple[int, int]:
    """How far apart two files are, least first: folders named alike, then steps from one to the other."""
    here, there = audio.parent.absolute(), alignment.parent.absolute()
    return -_alike(here, there), _steps(here, there)


def _alike(a: Path, b: Path) -> int:
    """How many folders at the end of two paths have the same names."""
    count = 0
    for x, y in zip(reversed(a.parts), reversed(b.parts), strict=False):
        if x.lower() != y.lower():
            break
        count += 1
    return count


def _steps(a: Path, b: Path) -> int:
    """How many folders lie between two folders, up and down."""
    shared = 0
    for x, y in zip(a.parts, b.parts, strict=False):
        if x != y:
            break
        shared += 1
    return len(a.parts) + len(b.parts) - 2 * shared
