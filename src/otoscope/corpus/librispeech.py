"""A LibriSpeech tree: `SPEAKER/CHAPTER/SPEAKER-CHAPTER-UTTERANCE.flac`, and a `.trans.txt` in each chapter.

Recognised by its `.trans.txt` files, at any depth: the root may be above the parts (`dev-clean`), a part, a speaker or
a chapter. Alignments below the root are found by name, as in any folder.
"""

from __future__ import annotations

from pathlib import Path

from otoscope.base.errors import InputError
from otoscope.base.text import lines, one_line
from otoscope.corpus.alignment import AlignmentIndex
from otoscope.corpus.folder import find_labels, find_recordings, notes_on
from otoscope.corpus.reader import Reader
from otoscope.corpus.rows import read_table_text
from otoscope.corpus.source import Source, check_ids
from otoscope.corpus.transcripts import TranscriptIndex

LANGUAGE = "en"
TRANSCRIPTS = ".trans.txt"


def is_tree(root: Path) -> bool:
    """Whether a folder holds chapters as in LibriSpeech."""
    return root.is_dir() and any(path == _transcripts_of(path.parent) for path in root.rglob(f"*{TRANSCRIPTS}"))


def sources(root: Path) -> tuple[list[Source], tuple[str, ...]]:
    """Find the utterances of a tree.

    Returns the clips, sorted by path, and notes on files that are not used; the transcripts are read, the sound is not.
    """
    paths = find_recordings(root)
    check_ids(((path.stem, f"'{path}'") for path in paths), f"LibriSpeech tree '{root}'")
    texts = {folder: _read_transcripts(_transcripts_of(folder)) for folder in {path.parent for path in paths}}
    index = AlignmentIndex(root)
    readers = []
    for path in paths:
        alignment, problem = find_labels(index, path)
        text, speaker = texts[path.parent].get(path.stem), path.absolute().parent.parent.name
        readers.append(Reader(path, path.stem, text, alignment, problem, speaker, LANGUAGE))
    without_text = [reader.path for reader in readers if reader.transcript is None]
    names = {path.stem for path in paths}
    without_recording = [name for texts_of in texts.values() for name in texts_of if name not in names]
    notes = notes_on(paths, without_text, TranscriptIndex(root), index)
    if without_recording:
        notes.append(
            f"{len(without_recording):,} transcripts are of recordings that are not here, "
            f"such as {without_recording[0]!r}."
        )
    return [reader.source() for reader in readers], tuple(notes)


def _transcripts_of(chapter: Path) -> Path:
    whole = chapter.absolute()
    return chapter / f"{whole.parent.name}-{whole.name}{TRANSCRIPTS}"


def _read_transcripts(path: Path) -> dict[str, str]:
    """Transcript by utterance; empty where there is no file."""
    if not path.is_file():
        return {}
    texts: dict[str, str] = {}
    start = path.name.removesuffix(TRANSCRIPTS) + "-"
    for number, line in enumerate(lines(read_table_text(path, "table")), 1):
        name, _, text = line.strip().partition(" ")
        if not name:
            continue
        if not name.startswith(start) or not text.strip():
            raise InputError(
                f"'{path}', line {number}: {line[:80]!r} is not a transcript. Expected '{start}0000 WHAT IS SAID'."
            )
        texts[name] = one_line(text)
    return texts
