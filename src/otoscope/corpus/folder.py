"""Recordings in a folder: the transcript of each, its alignment, and the speaker whose subfolder it is in.

Tables (`metadata.csv`, ...) give transcripts where there is no text file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from otoscope.audio.decode import SOUND_SUFFIXES, VIDEO_SUFFIXES
from otoscope.base.errors import InputError, LabelError
from otoscope.corpus.alignment import AlignmentIndex
from otoscope.corpus.metadata import About, read_tables
from otoscope.corpus.reader import Reader
from otoscope.corpus.source import Source
from otoscope.corpus.transcripts import TranscriptIndex

SUFFIXES: tuple[str, ...] = (*SOUND_SUFFIXES, *VIDEO_SUFFIXES)
"""What a recording's name ends with; other files in a folder are left alone."""
MOST_NAMES = 3
"""Up to so many files are named in a note."""
NO_SPEAKERS = frozenset({"train", "training", "test", "testing", "dev", "valid", "validation", "eval"})
"""Subfolders of these names are parts of a corpus, and nobody's name."""


def sources(root: Path) -> tuple[list[Source], tuple[str, ...]]:
    """Find the recordings below a folder, or the one recording that a path is.

    Args:
        root: The folder or recording.

    Returns:
        The clips, sorted by path, and notes on files that are not used; nothing is read but the names of files, and
        tables of transcripts.

    Raises:
        InputError: The path is not there, no recording is in it, or a table of transcripts is wrong.
    """
    if root.is_file():
        return [one_recording(root)], ()
    paths = find_recordings(root)
    tables, notes = read_tables(root, paths)
    speakers = find_speakers(root, paths)
    alignments, transcripts = AlignmentIndex(root), TranscriptIndex(root)
    readers = []
    for name, path in zip(clip_ids(root, paths), paths, strict=True):
        alignment, problem = find_labels(alignments, path)
        about = tables.get(path, About())
        text = find_text(transcripts, path, notes) or about.text
        speaker, language = about.speaker or speakers.get(path), about.language
        if _is_libritts(path):
            speaker, language = path.parent.parent.name, "en"
        readers.append(Reader(path, name, text, alignment, problem, speaker, language))
    untold = [reader.path for reader in readers if reader.transcript is None and reader.alignment is None]
    return [reader.source() for reader in readers], (*notes, *notes_on(paths, untold, transcripts, alignments))


def _is_libritts(path: Path) -> bool:
    """Whether a recording lies as LibriTTS has them: `SPEAKER/CHAPTER/SPEAKER_CHAPTER_PARAGRAPH_SENTENCE.wav`."""
    match = re.fullmatch(r"(\d+)_(\d+)_\d{6}_\d{6}", path.stem)
    return match is not None and match.groups() == (path.parent.parent.name, path.parent.name)


def one_recording(path: Path) -> Source:
    """One recording with what lies beside it; whether it is there shows when it is read."""
    try:
        alignment, problem = find_labels(AlignmentIndex(path), path)  # the index of no folder: only beside it
    except (OSError, ValueError):  # there is no such folder: reading the recording says so
        alignment, problem = None, None
    return Reader(path, path.stem or str(path), find_text(TranscriptIndex(path), path, []), alignment, problem).source()


def find_labels(index: AlignmentIndex, path: Path) -> tuple[Path | None, str | None]:
    """Find the alignment of a recording, or say why none can be chosen.

    Returns:
        The alignment if there is one, and what is wrong if two are equally near.
    """
    try:
        return index.find(path), None
    except LabelError as error:
        return None, str(error)


def find_text(index: TranscriptIndex, path: Path, notes: list[str]) -> Path | None:
    """Find the text file of a recording."""
    try:
        return index.find(path)
    except LabelError as error:
        notes.append(f"{error}")
    except (OSError, ValueError):  # there is no such folder: reading the recording says so
        pass
    return None


def find_recordings(root: Path) -> list[Path]:
    """All recordings below a folder, sorted; hidden files are passed over."""
    if not root.is_dir():
        raise InputError(
            f"corpus {str(root)!r} is not there: a corpus is 'demo', a folder of recordings, a manifest (.jsonl, "
            ".csv, .tsv or .parquet), hf:NAME or one recording."
        )
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and _is_shown(path, root))
    if not paths:
        raise InputError(f"folder {str(root)!r} holds no recording: looked for {', '.join(SUFFIXES)}.")
    return paths


def _is_shown(path: Path, root: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)


def clip_ids(root: Path, paths: Sequence[Path]) -> list[str]:
    """A unique id for each recording: its path below the folder without the suffix, or with it where two would meet."""
    relative = [path.relative_to(root) for path in paths]
    stems = [path.with_suffix("").as_posix() for path in relative]
    times = Counter(stems)
    ids = [stem if times[stem] == 1 else path.as_posix() for stem, path in zip(stems, relative, strict=True)]
    return ids if len(set(ids)) == len(ids) else [path.as_posix() for path in relative]  # a.wav beside a.wav.wav


def notes_on(
    paths: Sequence[Path], untold: Sequence[Path], transcripts: TranscriptIndex, alignments: AlignmentIndex
) -> list[str]:
    """Say which files that are meant for a corpus are not used.

    Returns:
        Notes on recordings without transcript, where others have one, and on labels of no recording.
    """
    notes = []
    if 0 < len(untold) < len(paths):
        notes.append(f"{len(untold):,} of {len(paths):,} recordings have no transcript: {_some(untold)}.")
    for what, index in (("transcript", transcripts), ("alignment", alignments)):
        unused = index.unused()
        if unused:
            are = f"1 {what} is named after" if len(unused) == 1 else f"{len(unused):,} {what}s are named after"
            notes.append(f"{are} no recording here, and left aside: {_some(unused)}.")
    return notes


def _some(paths: Sequence[Path]) -> str:
    shown = ", ".join(repr(path.name) for path in paths[:MOST_NAMES])
    return f"{shown}, ..." if len(paths) > MOST_NAMES else shown


def find_speakers(root: Path, paths: Sequence[Path]) -> dict[Path, str]:
    """Take the subfolders that directly hold recordings for speakers, where they look like it.

    They do where there are at least two and one holds several recordings, as the Montreal Forced Aligner takes them;
    not EMU's bundles (`x_bndl`) and sessions (`x_ses`), and not `train` and `test`.
    """
    names = {path: path.parent.name for path in paths if path.parent != root and _may_be_speaker(path.parent.name)}
    sizes = Counter(path.parent for path in names)
    return names if len(sizes) >= 2 and max(sizes.values()) >= 2 else {}


def _may_be_speaker(name: str) -> bool:
    return not name.lower().endswith(("_bndl", "_ses")) and name.lower() not in NO_SPEAKERS
