"""The records that pages read: plain JSON, made from a study's tables.

There is one module for each page. A record's name is a path such as `features/2/14`; its first part is the module that
makes it. The pages' scripts load records by these names, from disk or from a server.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from otoscope.atlas.published import named, without_paths
from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.errors import InputError

MODULES = ("overview", "listening", "features", "phones", "dictionaries", "decoder", "methods")
"""Each has `names(folder)`, the records that it can make, and `make(folder, name)`; KeyError for other names."""

FEATURES = "features"
"""Its records of single features hold words, phones and numbers alone: there are thousands, and no path is in them."""

_DAMAGE = (TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError, pa.ArrowException)
"""Errors caused by a value that is missing or of the wrong type for a study of this version."""


def all_names(folder: StudyFolder) -> Iterator[str]:
    """Name every record of a study."""
    for module in MODULES:
        with damage_as_input_error(folder, module):
            names = list(_module(module).names(folder))
        yield from names


def record(folder: StudyFolder, name: str) -> dict[str, Any]:
    """Make one record.

    Args:
        folder: The study.
        name: One of `all_names`.

    Returns:
        Plain JSON values.

    Raises:
        KeyError: There is no record of that name.
        InputError: A table behind it is damaged, lacks a column or key, or is from another version.
    """
    module = name.partition("/")[0]
    if module not in MODULES:
        raise KeyError(name)
    with damage_as_input_error(folder, name):
        made: dict[str, Any] = _module(module).make(folder, name)
        return made if "/" in name and module == FEATURES else without_paths(named(made, folder.study))


@contextmanager
def damage_as_input_error(folder: StudyFolder, name: str) -> Iterator[None]:
    """Raise InputError where a study's tables are damaged; a `KeyError` for the record's own name passes unchanged."""
    try:
        yield
    except KeyError as error:
        if error.args == (name,):
            raise
        raise InputError(
            f"the study {str(folder.path)!r} lacks {error.args[0]!r}, which the record {name!r} needs. Is it from "
            "another version of otoscope? Make the study again."
        ) from error
    except _DAMAGE as error:
        raise InputError(
            f"the study {str(folder.path)!r} is damaged, or from another version of otoscope: the record {name!r} "
            f"cannot be made ({type(error).__name__}: {str(error)[:200]}). Make the study again."
        ) from error


def _module(name: str) -> Any:
    return importlib.import_module(f"{__name__}.{name}")
