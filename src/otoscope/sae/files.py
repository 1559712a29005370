"""Dictionaries on disk, whatever their layout: load one, and find those in a folder.

`save_dictionary` is that of SAELens's layout, the only one that is written.
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
"""Up to so many dictionaries are named in a message; of more, their number."""


def load_dictionary(folder: str | Path) -> Dictionary:
    """Read a dictionary from SAELens's folder or dictionary_learning's.

    Args:
        folder: Holds `cfg.json` and `sae_weights.safetensors`, or `config.json` and `ae.pt`; or one folder that does,
            as a training run of one dictionary leaves it. Other files in it are left alone.

    Returns:
        The dictionary on the CPU, its weights in float32 whatever the file holds.

    Raises:
        InputError: There is no dictionary or more than one, a file is missing or damaged, or a setting or a tensor is
            missing or of another kind or shape than it must be.
    """
    folder = Path(folder)
    found = dictionaries_in(folder)
    if len(found) > 1:
        names = ", ".join(found) if len(found) <= MOST_NAMES else f"{', '.join(list(found)[:MOST_NAMES])}, ..."
        raise InputError(
            f"folder {str(folder)!r} holds {len(found)} dictionaries ({names}), and one is wanted. "
            f"Name one of them: {str(next(iter(found.values())))!r}."
        )
    (place,) = found.values()
    return _read(place)


def dictionaries_in(folder: str | Path) -> dict[str, Path]:
    """Find the dictionaries of a folder: itself, or those in the folders that it holds, as a training run leaves them.

    Args:
        folder: A dictionary's folder, or the folder of a training run.

    Returns:
        Names of folders, in order, and where they are; one at least. None of them has been read.

    Raises:
        InputError: There is none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"dictionary {str(folder)!r} is not there: give a folder in SAELens's layout, with {saelens_files.CONFIG} "
            f"and {saelens_files.WEIGHTS}, or in dictionary_learning's, with {dictionary_learning.CONFIG} and "
            f"{dictionary_learning.WEIGHTS}."
        )
    if _has_some(folder):
        return {folder.absolute().name: folder}
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    found = {path.name: path for path in inner if _has_all(path)}
    if not found:
        raise InputError(
            f"folder {str(folder)!r} has no {saelens_files.CONFIG}, and holds no folder with a dictionary: SAELens's "
            f"layout is {saelens_files.CONFIG} and {saelens_files.WEIGHTS} in one folder, dictionary_learning's "
            f"{dictionary_learning.CONFIG} and {dictionary_learning.WEIGHTS}. Give the folder that both are in."
        )
    return found


def _read(folder: Path) -> Dictionary:
    for names, read in _LAYOUTS:
        if any((folder / name).is_file() for name in names):
            return read(folder)
    raise AssertionError("a folder without any of these files is not found")


def _has_some(folder: Path) -> bool:
    """Whether a folder means to be a dictionary, be it complete or not."""
    return any((folder / name).is_file() for names, _ in _LAYOUTS for name in names)


def _has_all(folder: Path) -> bool:
    return any(all((folder / name).is_file() for name in names) for names, _ in _LAYOUTS)
