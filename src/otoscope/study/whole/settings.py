"""Every setting of a whole study: one table for each part, as in study.toml. Knows neither models nor clips."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli_w

from otoscope.base.errors import InputError
from otoscope.base.settings import Settings, refuse_unknown
from otoscope.study.catalogue import PRESETS, parts
from otoscope.study.part_settings import General


def _usual() -> dict[str, Settings]:
    return {part.table or part.name: part.standard for part in parts()}


@dataclass(frozen=True)
class StudySettings:
    """Every setting of a study; `settings.window` is the table of the part `window`."""

    study: General = field(default_factory=General)  # what holds for all parts
    tables: Mapping[str, Settings] = field(default_factory=_usual)

    def __getattr__(self, name: str) -> Any:
        """Return the table of a part."""
        if name in self.__dict__.get("tables", ()):
            return self.tables[name]
        raise AttributeError(f"there is no part {name!r} with settings")

    def put(self, **tables: Settings) -> StudySettings:
        """Return settings with some tables replaced: `settings.put(lens=Clips(3), study=General(seed=1))`."""
        study = tables.pop("study", self.study)
        assert isinstance(study, General), "study is a table of General"
        return StudySettings(study, {**self.tables, **tables})

    def to_json(self) -> dict[str, Any]:
        """Return the tables; None is left out, because TOML has no such value."""
        return {name: table.to_toml() for name, table in {"study": self.study, **self.tables}.items()}

    def to_toml(self) -> str:
        """Write all tables as TOML, which `read` takes."""
        return tomli_w.dumps(self.to_json())


def preset(name: str) -> StudySettings:
    """Return the settings of a study of one of `PRESETS`."""
    assert name in PRESETS, name
    return StudySettings(tables={part.table or part.name: part.settings(name) for part in parts()})


def read(path: str | Path, base: StudySettings) -> StudySettings:
    """Read settings from TOML, over others.

    `path`: the file; tables and keys that it lacks stay as they are in `base`.
    `base`: settings for what the file does not give.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the settings {str(path)!r} cannot be read ({error}). Give a file of TOML.") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"the settings {str(path)!r} are no TOML: {error}. Correct that line.") from error
    label = f"settings {str(path)!r}"
    known = {"study": base.study, **base.tables}
    changed = {}
    for name, table in tables.items():
        refuse_unknown(name, list(known), f"{label}: there is no table", "tables")
        if not isinstance(table, Mapping):
            raise InputError(f"{label}: {name} is {table!r}. Write it as a table: [{name}].")
        changed[name] = known[name].changed(table, f"{label}: [{name}]")
    return base.put(**changed)


def with_general(settings: StudySettings, **changes: Any) -> StudySettings:
    """Change what holds for all parts."""
    return replace(settings, study=replace(settings.study, **changes))
