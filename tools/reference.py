"""Write docs/reference.md, every command and setting, and docs/api.md, every public name. `make reference`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import typer

from otoscope.base.settings import Settings, setting_fields
from otoscope.cli.app import application
from otoscope.cli.command import SHARED
from otoscope.study.catalogue import parts
from otoscope.study.part_settings import General
from tools import api

PAGE = Path(__file__).parent.parent / "docs" / "reference.md"

HEAD = """# Reference of commands and settings

Every command with its options, and every setting of `study.toml`. This page is written from the code by
`make reference`; do not change it by hand. For a guide with examples see [usage.md](usage.md), for Python
[api.md](api.md).
"""

COMMON = {f"--{name.replace('_', '-')}" for name in SHARED} | {"--help", "--base-model"}


def page() -> str:
    """Write the whole page."""
    tree = typer.main.get_command(application())
    commands = list(_leaves(tree, ""))
    shared = next(command for name, command in commands if name == "splice")
    rows = [_row(option) for option in shared.params if set(option.opts) & COMMON]
    sections = [
        HEAD,
        _section("Options that most commands take", "Commands list only their other options below.", rows),
        *(_command(name, command) for name, command in commands),
        "## Settings of a study: study.toml\n\n`otoscope study CORPUS --dry-run` prints them all. A file needs only "
        "the tables and keys that you change; give it with `--settings`.\n",
        _settings("study", "What holds for all parts.", General()),
        *(_settings(name, question, table) for name, (question, table) in _tables().items()),
    ]
    return "\n".join(sections)


def _tables() -> dict[str, tuple[str, Settings]]:
    """Give every table of study.toml with the questions of the parts that read it."""
    tables: dict[str, tuple[str, Settings]] = {}
    for part in parts():
        name = part.table or part.name
        before = f"{tables[name][0]} " if name in tables else ""
        tables[name] = (before + part.question, part.standard)
    return tables


def _leaves(group: Any, above: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _leaves(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


def _command(name: str, command: Any) -> str:
    options = [option for option in command.params if not (set(option.opts) & COMMON)]
    return _section(f"otoscope {name}", inspect.cleandoc(command.help or ""), [_row(option) for option in options], "`")


def _section(title: str, text: str, rows: list[str], quote: str = "") -> str:
    table = ["| option | meaning | default |", "|---|---|---|", *rows] if rows else []
    return "\n".join([f"## {quote}{title}{quote}", "", text, "", *table, *([""] if table else [])])


def _row(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts) if name.startswith("-"))
    metavar = option.metavar or (option.human_readable_name.upper() if option.param_type_name == "argument" else "")
    name = names or f"`{metavar}`"
    if names and metavar:
        name = f"{names} `{metavar}`"
    is_plain = isinstance(option.default, int | float | str) and not isinstance(option.default, bool)
    default = f"`{option.default}`" if is_plain and option.default != "" else ""
    if option.default is True:
        default = "on"
    return f"| {_cell(name)} | {_cell(option.help or '')} | {default} |"


def _settings(name: str, text: str, table: Any) -> str:
    rows = []
    for field in setting_fields(type(table)):
        value = getattr(table, field.name, None)
        shown = "" if value is None or value is MISSING else f"`{list(value) if isinstance(value, tuple) else value}`"
        rows.append(f"| `{field.name}` | {_cell(field.about.help)} | {shown} |")
    return "\n".join([f"### `[{name}]`", "", text, "", "| key | meaning | usual value |", "|---|---|---|", *rows, ""])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    api.PAGE.write_text(api.page(), encoding="utf-8")
