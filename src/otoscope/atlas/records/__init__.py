"""What pages read: named records, each put together from a study's tables as plain JSON.

One module a page. A record's name is a path (`features/2/14`), its first step the module that makes it; the pages'
scripts ask for records by these names, from disk or from a server.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.errors import InputError

MODULES = ("overview", "listening", "features", "phones", "dictionaries", "decoder", "methods")
"""Each has `names(folder)`, the records that it can make, and `make(folder, name)`; KeyError for others."""

_DAMAGE = (TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError, pa.ArrowException)
"""What comes of a value that is not of the kind, or not in the place, that a study of this version has it."""


def all_names(folder: StudyFolder) -> Iterator[str]:
    """Name every record of a study."""
    for module in MODULES:
        with _damage_told(folder, module):
            names = list(_module(module).names(folder))
        yield from names


def record(folder: StudyFolder, name: str) -> dict[str, Any]:
    """Make one record.

    Args:
        folder: The study.
        name: One of `all_names`.

    Returns:
        Values that JSON has.

    Raises:
        KeyError: There is none of that name.
        InputError: A table that it is made of is damaged, lacks a column or key, or holds what this version does not.
    """
    module = name.partition("/")[0]
    if module not in MODULES:
        raise KeyError(name)
    with _damage_told(folder, name):
        made: dict[str, Any] = _module(module).make(folder, name)
    return made


@contextmanager
def _damage_told(folder: StudyFolder, name: str) -> Iterator[None]:
    """Say in words that a record cannot be made of a study; a `KeyError` of the record's own name is left as it is."""
    try:
        yield
    except KeyError as error:
        if error.args == (name,):
            raise
        raise InputError(
            f"the study {str(folder.path)!r} lacks {error.args[0]!r}, of which the record {name!r} is made. Is it of "
            "another version of otoscope? Make the study again."
        ) from error
    except _DAMAGE as error:
        raise InputError(
            f"the study {str(folder.path)!r} is damaged, or of another version of otoscope: the record {name!r} cannot "
            f"be made of it ({type(error).__name__}: {str(error)[:200]}). Make the study again."
        ) from error


def _module(name: str) -> Any:
    return importlib.import_module(f"{__name__}.{name}")
