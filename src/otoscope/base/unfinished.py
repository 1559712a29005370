"""A folder of long work that can be stopped: what is unfinished lies in `.work`, and the same request resumes it."""

from __future__ import annotations

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from otoscope.base.difference import difference
from otoscope.base.errors import InputError
from otoscope.base.files import output_errors, write_json
from otoscope.base.results import MANIFEST


class Unfinished(ABC):
    """The folder, and the working files in it."""

    kind: ClassVar[str]  # what is done in it, for messages: `harvest`
    folder_kind: ClassVar[str]  # what such a folder is: `harvest run`
    settings_key: ClassVar[str]  # the settings in the manifest of a finished one

    def __init__(self, path: Path) -> None:
        self.path = path
        self.scratch = path / ".work"

    def begin(self, settings: Mapping[str, Any], *, overwrite: bool) -> bool:
        """Begin, or resume; returns whether it is finished already."""
        settings = json.loads(json.dumps(settings))
        existing = self._settings()
        if existing is None:
            if self.path.is_dir() and {*self.path.iterdir()} - {self.scratch} and not overwrite:
                raise InputError(
                    f"the folder '{self.path}' exists and is not a {self.folder_kind}. Choose another name, "
                    "or pass --overwrite."
                )
        elif existing != settings:
            if not overwrite and self.is_worth_keeping():
                raise InputError(
                    f"'{self.path}' holds a {self.kind} with other settings: {difference(existing, settings)}. Choose "
                    "another folder, or pass --overwrite to replace it."
                )
        elif (self.path / MANIFEST).is_file():
            if not overwrite:
                self.finish()
                return True
        else:
            return False
        with output_errors(self.path):
            self.clear(existing)
            self.scratch.mkdir(parents=True)
        write_json(self.scratch / "settings.json", settings)
        return False

    def _settings(self) -> dict[str, Any] | None:
        for path, key in ((self.scratch / "settings.json", None), (self.path / MANIFEST, self.settings_key)):
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                return content if key is None else content[key]
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return None

    def is_worth_keeping(self) -> bool:
        """Whether there is something that only `--overwrite` may replace."""
        return True

    @abstractmethod
    def clear(self, existing: Mapping[str, Any] | None) -> None:
        """Remove what was written with some settings, the manifest first: without it nothing is finished."""

    def finish(self) -> None:
        """Remove the working files."""
        shutil.rmtree(self.scratch, ignore_errors=True)
