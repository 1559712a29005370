"""Recordings in a folder, each with its transcript, its alignment, and the speaker whose subfolder it is in.

Where there is no text file, transcripts come from tables (`metadata.csv`, ...).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from otoscope.audio.decode import SOUND_SUFFIXES, VIDEO_SUFFIXES
from otoscope.base.errors import InputError, LabelError
from otoscope.corpus.alignment import AlignmentIndex
from otoscope.corpus.metadata import TableEntry, read_tables
from otoscope.corpus.reader import Reader
from otoscope.corpus.source import Source
from otoscope.corpus.transcripts import TranscriptIndex

SUFFIXES: tuple[str, ...] = (*SOUND_SUFFIXES, *VIDEO_SUFFIXES)
"""Endings of recordings; other files in a folder are ignored."""
MOST_NAMES = 3
"""How many files a note names at most."""
NO_SPEAKERS = frozenset({"train", "training", "test", "testing", "dev", "valid", "validation", "eval"})
"""Subfolders of these names are parts of a corpus, not speakers."""


def sources(root: Path) -> tuple[list[Source], tuple[str, ...]]:
    """Find the recordings below a folder; a path may also be a single recording.

    Returns the clips, sorted by path, and notes on files that are not used. Only file names and tables of transcripts
    are read.
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
        entry = tables.get(path, TableEntry())
        text = find_text(transcripts, path, notes) or entry.text
        speaker, language = entry.speaker or speakers.get(path), entry.language
        if _is_libritts(path):
            speaker, language = path.parent.parent.name, "en"
        readers.append(Reader(path, name, text, alignment, problem, speaker, language))
    without_text = [reader.path for reader in readers if reader.transcript is None and reader.alignment is None]
    return [reader.source() for reader in readers], (*notes, *notes_on(paths, without_text, transcripts, alignments))


def _is_libritts(path: Path) -> bool:
    """Whether a recording is named as in LibriTTS: `SPEAKER/CHAPTER/SPEAKER_CHAPTER_PARAGRAPH_SENTENCE.wav`."""
    match = re.fullmatch(r"(\d+)_(\d+)_\d{6}_\d{6}", path.stem)
    return match is not None and match.groups() == (path.parent.parent.name, path.parent.name)


def one_recording(path: Path) -> Source:
    """One recording with the files beside it; if it does not exist, reading it raises."""
    try:
        alignment, problem = find_labels(
            AlignmentIndex(path), path
        )  # an index of no folder: finds only what is beside it
    except (OSError, ValueError):  # there is no such folder: reading the recording says so
        alignment, problem = None, None
    return Reader(path, path.stem or str(path), find_text(TranscriptIndex(path), path, []), alignment, problem).source()


def find_labels(index: AlignmentIndex, path: Path) -> tuple[Path | None, str | None]:
    """Find the alignment of a recording.

    Returns the alignment if there is one, and an error message if two are equally near.
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
    """All recordings below a folder, sorted; hidden files are skipped."""
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
    """A unique id for each recording: its path below the folder, without the suffix unless two would be the same."""
    relative = [path.relative_to(root) for path in paths]
    stems = [path.with_suffix("").as_posix() for path in relative]
    times = Counter(stems)
    ids = [stem if times[stem] == 1 else path.as_posix() for stem, path in zip(stems, relative, strict=True)]
    return ids if len(set(ids)) == len(ids) else [path.as_posix() for path in relative]  # a.wav beside a.wav.wav


def notes_on(
    paths: Sequence[Path], without_text: Sequence[Path], transcripts: TranscriptIndex, alignments: AlignmentIndex
) -> list[str]:
    """List files that belong to a corpus but are not used.

    Returns notes on recordings without a transcript, where others have one, and on transcripts and alignments of no
    recording.
    """
    notes = []
    if 0 < len(without_text) < len(paths):
        notes.append(f"{len(without_text):,} of {len(paths):,} recordings have no transcript: {_names(without_text)}.")
    for what, index in (("transcript", transcripts), ("alignment", alignments)):
        unused = index.unused()
        if unused:
            are = f"1 {what} is named after" if len(unused) == 1 else f"{len(unused):,} {what}s are named after"
            notes.append(f"{are} no recording here, and ignored: {_names(unused)}.")
    return notes


def _names(paths: Sequence[Path]) -> str:
    shown = ", ".join(repr(path.name) for path in paths[:MOST_NAMES])
    return f"{shown}, ..." if len(paths) > MOST_NAMES else shown


def find_speakers(root: Path, paths: Sequence[Path]) -> dict[Path, str]:
    """Take subfolders that directly hold recordings for speakers, as the Montreal Forced Aligner does.

    This needs at least two such subfolders, one of them with several recordings. EMU's bundles (`x_bndl`) and sessions
    (`x_ses`) are not speakers, nor are `train` and `test`.
    """
    names = {path: path.parent.name for path in paths if path.parent != root and _may_be_speaker(path.parent.name)}
    sizes = Counter(path.parent for path in names)
    return names if len(sizes) >= 2 and max(sizes.values()) >= 2 else {}


def _may_be_speaker(name: str) -> bool:
    return not name.lower().endswith(("_bndl", "_ses")) and name.lower() not in NO_SPEAKERS
