"""What every command writes as JSON is what was frozen."""

from __future__ import annotations

import json

import pytest

from tests.golden.commands import COMMANDS, SLOW
from tests.golden.differences import differences
from tests.golden.freeze import FROZEN, Workshop

MOST_SHOWN = 20


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Runs every command once: some take the results of others."""
    return Workshop(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in COMMANDS]
)
def test_a_command_writes_what_was_frozen(workshop: Workshop, name: str) -> None:
    file = FROZEN / f"{name}.json"
    old = json.loads(file.read_text(encoding="utf-8"))
    lines = list(differences(old, workshop.freeze(name), file.name))
    more = f"\nand {len(lines) - MOST_SHOWN} more" if len(lines) > MOST_SHOWN else ""
    assert not lines, "\n".join(["", *lines[:MOST_SHOWN]]) + more


def test_every_frozen_file_belongs_to_a_command() -> None:
    assert {path.stem for path in FROZEN.glob("*.json")} == set(COMMANDS)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ({"a": [1, 2.0]}, {"a": [1, 2.001]}, []),
        ({"a": [1, 2.0]}, {"a": [3, 2.1]}, ["f.a[0]: was 1, is 3", "f.a[1]: was 2.0, is 2.1"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": True}, {"b": None}, ["f.b: null is new", "f.a: true is missing"]),
        ([1], [1.0, 2], ["f.length: was 1, is 2", "f[0]: was 1, is 1.0"]),
        (True, 1, ["f: was true, is 1"]),
    ],
)
def test_a_difference_names_its_keys_and_both_values(old: object, new: object, lines: list[str]) -> None:
    assert list(differences(old, new, "f")) == lines
