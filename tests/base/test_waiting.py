from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from otoscope.base.waiting import SETTINGS


def settings_after(program: str, **environment: str) -> list[str | None]:
    """What a fresh process has in its environment after a program."""
    inherited = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    told = f"{program}; import json, os; print(json.dumps([os.environ.get(name) for name in {list(SETTINGS)}]))"
    ran = subprocess.run(
        [sys.executable, "-c", told], env=inherited | environment, capture_output=True, text=True, check=True
    )
    found: list[str | None] = json.loads(ran.stdout)
    return found


def test_threads_do_not_spin_once_otoscope_is_imported() -> None:
    assert settings_after("import otoscope") == ["PASSIVE", "0"]


@pytest.mark.parametrize("name", list(SETTINGS))
def test_what_is_set_already_stays(name: str) -> None:
    kept = settings_after("import otoscope", **{name: "1"})
    assert kept[list(SETTINGS).index(name)] == "1"


def test_nothing_is_set_where_torch_was_there_before() -> None:
    assert settings_after("import sys, types; sys.modules['torch'] = types.ModuleType('torch'); import otoscope") == [
        None,
        None,
    ]
