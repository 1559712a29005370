"""What pages read: named records, each put together from a study's tables as plain JSON.

One module a page. A record's name is a path (`features/2/14`), its first step the module that makes it; the pages'
scripts ask for records by these names, from disk or from a server.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.errors import InputError

MODULES = ("overview", "listening", "features", "phones", "dictionaries", "decoder", "methods")
"""Each has `names(folder)`, the records that it can make, and `make(folder, name)`; KeyError for others."""


def all_names(folder: StudyFolder) -> Iterator[str]:
    """Name every record of a study."""
    for module in MODULES:
        yield from _module(module).names(folder)


def record(folder: StudyFolder, name: str) -> dict[str, Any]:
    """Make one record.

    Args:
        folder: The study.
        name: One of `all_names`.

    Returns:
        Values that JSON has.

    Raises:
        KeyError: There is none of that name.
        InputError: A table that it is made of is damaged, or lacks a column or key.
    """
    module = name.partition("/")[0]
    if module not in MODULES:
        raise KeyError(name)
    try:
        made: dict[str, Any] = _module(module).make(folder, name)
    except KeyError as error:
        if error.args == (name,):
            raise
        raise InputError(
            f"the study {str(folder.path)!r} lacks {error.args[0]!r}, of which the record {name!r} is made. Is it of "
            "another version of otoscope? Make the study again."
        ) from error
    return made


def _module(name: str) -> Any:
    return importlib.import_module(f"{__name__}.{name}")
