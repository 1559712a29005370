"""Recordings in a folder: the transcript beside each, its alignment, and the speaker whose subfolder it is in.

`metadata.csv` as LJ Speech has it (`id|text|normalised text`) gives transcripts where there is no `.txt`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from otoscope.audio.decode import SOUND_SUFFIXES, VIDEO_SUFFIXES
from otoscope.base.errors import InputError, LabelError
from otoscope.corpus.alignment import AlignmentIndex
from otoscope.corpus.reader import Reader
from otoscope.corpus.source import Source

SUFFIXES: tuple[str, ...] = (*SOUND_SUFFIXES, *VIDEO_SUFFIXES)
"""What a recording's name ends with; other files in a folder are left alone."""
METADATA = "metadata.csv"
NO_SPEAKERS = frozenset({"train", "training", "test", "testing", "dev", "valid", "validation", "eval"})
"""Subfolders of these names are parts of a corpus, and nobody's name."""


def sources(root: Path) -> list[Source]:
    """Find the recordings below a folder, or the one recording that a path is.

    Args:
        root: The folder or recording.

    Returns:
        The clips, sorted by path; nothing is read but the names of files and `metadata.csv`.

    Raises:
        InputError: The path is not there, no recording is in it, or `metadata.csv` is wrong.
    """
    if root.is_file():
        return [one_recording(root)]
    paths = find_recordings(root)
    texts = read_metadata(root / METADATA)
    speakers = find_speakers(root, paths)
    index = AlignmentIndex(root)
    readers = []
    for name, path in zip(clip_ids(root, paths), paths, strict=True):
        alignment, problem = find_labels(index, path)
        text = text_beside(path) or texts.get(path.stem)
        readers.append(Reader(path, name, text, alignment, problem, speakers.get(path)))
    return [reader.source() for reader in readers]


def one_recording(path: Path) -> Source:
    """One recording with what lies beside it; whether it is there shows when it is read.

    Args:
        path: The recording.

    Returns:
        The clip.
    """
    try:
        alignment, problem = find_labels(AlignmentIndex(path), path)  # the index of no folder: only beside it
    except (OSError, ValueError):  # there is no such folder: reading the recording says so
        alignment, problem = None, None
    return Reader(path, path.stem or str(path), text_beside(path), alignment, problem).source()


def find_labels(index: AlignmentIndex, path: Path) -> tuple[Path | None, str | None]:
    """Find the alignment of a recording, or say why none can be chosen.

    Args:
        index: Of the corpus's folder.
        path: The recording.

    Returns:
        The alignment if there is one, and what is wrong if two are equally near.
    """
    try:
        return index.find(path), None
    except LabelError as error:
        return None, str(error)


def find_recordings(root: Path) -> list[Path]:
    """All recordings below a folder, sorted; hidden files are passed over.

    Args:
        root: The folder, searched to any depth.

    Returns:
        Their paths.

    Raises:
        InputError: The folder is not there, or no recording is in it.
    """
    if not root.is_dir():
        raise InputError(
            f"corpus {str(root)!r} is not there: a corpus is 'demo', a folder of recordings, a manifest (.jsonl or "
            ".parquet), hf:NAME or one recording."
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


def text_beside(path: Path) -> Path | None:
    """The `.txt` of a recording's name beside it, in small or capital letters."""
    beside = (path.with_suffix(suffix) for suffix in (".txt", ".TXT")) if path.name else ()
    return next((text for text in beside if text.is_file()), None)


def find_speakers(root: Path, paths: Sequence[Path]) -> dict[Path, str]:
    """Take the subfolders that directly hold recordings for speakers, where they look like it.

    They do where there are at least two and one holds several recordings, as the Montreal Forced Aligner takes them;
    not EMU's bundles (`x_bndl`) and sessions (`x_ses`), and not `train` and `test`.

    Args:
        root: The corpus's folder.
        paths: The recordings in it.

    Returns:
        Speaker by recording, for those that have one.
    """
    names = {path: path.parent.name for path in paths if path.parent != root and _may_be_speaker(path.parent.name)}
    sizes = Counter(path.parent for path in names)
    return names if len(sizes) >= 2 and max(sizes.values()) >= 2 else {}


def _may_be_speaker(name: str) -> bool:
    return not name.lower().endswith(("_bndl", "_ses")) and name.lower() not in NO_SPEAKERS


def read_metadata(path: Path) -> dict[str, str]:
    """Read a `metadata.csv` as LJ Speech has it: `id|text|normalised text` a line, without a header.

    Args:
        path: The file; one that is not there, or has no `|` in its first line, holds nothing.

    Returns:
        Transcript by id, the normalised one where there is one.

    Raises:
        InputError: It is not UTF-8, a line is not as expected, or two lines have one id.

    Source:
        LJ Speech 1.1, README: fields are separated by `|` and never quoted.
    """
    if not path.is_file():
        return {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"'{path}' is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from error
    if not lines or "|" not in lines[0]:
        return {}
    texts: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, *forms = line.split("|")
        if not forms or not name.strip():
            raise InputError(f"'{path}', line {number}: {line[:80]!r} is not 'id|text|normalised text'. Correct it.")
        if name in texts:
            raise InputError(f"'{path}', line {number}: id {name!r} is there already. Remove one of the two lines.")
        texts[name] = " ".join((forms[1] if len(forms) > 1 and forms[1].strip() else forms[0]).split())
    return texts
