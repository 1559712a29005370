"""Dictionaries on disk, in any layout: load one, and find those in a folder.

`save_dictionary` writes SAELens's layout, the only one that is written.
"""

from __future__ import annotations

from pathlib import Path

from otoscope.base.errors import InputError
from otoscope.sae import dictionary_learning, saelens_files
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.dictionary_learning import read_dictionary_learning
from otoscope.sae.saelens_files import read_saelens, save_dictionary

__all__ = ["dictionaries_in", "load_dictionary", "save_dictionary"]

_LAYOUTS = (
    ((saelens_files.CONFIG, saelens_files.WEIGHTS), read_saelens),
    ((dictionary_learning.CONFIG, dictionary_learning.WEIGHTS), read_dictionary_learning),
)
MOST_NAMES = 12
"""Most dictionaries that a message names."""


def load_dictionary(folder: str | Path) -> Dictionary:
    """Read a dictionary from a folder in SAELens's or dictionary_learning's layout.

    Args:
        folder: Holds `cfg.json` and `sae_weights.safetensors`, or `config.json` and `ae.pt`; or a single such folder,
            as a training of one dictionary leaves it. Other files in it are ignored.

    Returns:
        The dictionary on the CPU, its weights in float32 whatever the file holds.

    Raises:
        InputError: There is no dictionary or more than one, a file is missing or damaged, or a setting or a tensor is
            missing or has the wrong type or shape.
    """
    folder = Path(folder)
    folders = dictionaries_in(folder)
    if len(folders) > 1:
        names = ", ".join(folders) if len(folders) <= MOST_NAMES else f"{', '.join(list(folders)[:MOST_NAMES])}, ..."
        raise InputError(
            f"folder {str(folder)!r} holds {len(folders)} dictionaries ({names}), but one is needed. "
            f"Name one of them: {str(next(iter(folders.values())))!r}."
        )
    (only,) = folders.values()
    return _read(only)


def dictionaries_in(folder: str | Path) -> dict[str, Path]:
    """Find the dictionaries of a folder: the folder itself, or its subfolders, as a training leaves them.

    Returns names of folders, sorted, to their paths; at least one. They have not been read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"dictionary {str(folder)!r} does not exist: give a folder in SAELens's layout, with "
            f"{saelens_files.CONFIG} and {saelens_files.WEIGHTS}, or in dictionary_learning's, with "
            f"{dictionary_learning.CONFIG} and {dictionary_learning.WEIGHTS}."
        )
    if _has_some(folder):
        return {folder.absolute().name: folder}
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    folders = {path.name: path for path in inner if _has_all(path)}
    if not folders:
        raise InputError(
            f"folder {str(folder)!r} has no {saelens_files.CONFIG}, and holds no folder with a dictionary: SAELens's "
            f"layout is {saelens_files.CONFIG} and {saelens_files.WEIGHTS} in one folder, dictionary_learning's "
            f"{dictionary_learning.CONFIG} and {dictionary_learning.WEIGHTS}. Give the folder that both are in."
        )
    return folders


def _read(folder: Path) -> Dictionary:
    for names, read in _LAYOUTS:
        if any((folder / name).is_file() for name in names):
            return read(folder)
    raise AssertionError("a folder without any of these files is not found")


def _has_some(folder: Path) -> bool:
    """Whether a folder has a dictionary's files, be they complete or not."""
    return any((folder / name).is_file() for names, _ in _LAYOUTS for name in names)


def _has_all(folder: Path) -> bool:
    return any(all((folder / name).is_file() for name in names) for names, _ in _LAYOUTS)
