from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest

from otoscope.base.errors import InputError
from otoscope.base.settings import Language, Seed, Setting, Settings, setting_fields, takes


@dataclass(frozen=True)
class Walk(Settings):
    steps: Annotated[int, Setting("Steps.", "N", least=1)] = 10
    share: Annotated[float, Setting("How much.", above=0, most=1)] = 0.5
    ks: Annotated[tuple[int, ...], Setting("Half widths.", least=0)] = (5, 2)
    way: Annotated[str, Setting("Which way.", choices=("there", "back"))] = "there"
    limit_s: Annotated[float | None, Setting("How long.", above=0)] = None
    language: Language = None
    seed: Seed = 0


@takes(Walk)
def walk(model: str, *, settings: Walk, progress: object = None) -> tuple[str, Walk]:
    """Walk."""
    return model, settings


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps", 0, "steps is 0: give a whole number of 1 or more."),
        ("steps", 1.5, "give a whole number"),
        ("steps", True, "give a whole number"),
        ("share", 0, "share is 0: give a number above 0 and up to 1."),
        ("share", float("nan"), "give a number above 0"),
        ("ks", (3, -1), "ks is -1: give a whole number of 0 or more."),
        ("way", "bac", "give one of there, back. Did you mean 'back'?"),
        ("limit_s", 0, "give a number above 0"),
        ("seed", -1, "give a whole number of 0 or more"),
    ],
)
def test_what_is_out_of_bounds_is_refused(name: str, value: object, message: str) -> None:
    with pytest.raises(InputError) as refused:
        Walk(**{name: value})
    assert message in str(refused.value)


def test_a_list_is_taken_for_a_tuple() -> None:
    assert Walk(ks=[5, 2]) == Walk(ks=range(5, 1, -3)) == Walk()  # type: ignore[arg-type]


def test_settings_go_to_toml_and_back() -> None:
    settings = Walk(ks=(7,), limit_s=2.0)
    assert Walk().changed(settings.to_toml(), "[walk]") == settings
    assert "language" not in settings.to_toml() and settings.to_json()["language"] is None
    assert Walk().changed({"share": 1}, "[walk]").share == 1.0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"stepps": 1}, "[walk] has no 'stepps'. Did you mean 'steps'? The keys are steps, share"),
        ({"steps": "3"}, "[walk] steps is '3': give a whole number."),
        ({"ks": 3}, "[walk] ks is 3: give a list, in square brackets."),
        ({"way": 1}, "[walk] way is 1: give text in quotes."),
    ],
)
def test_a_table_with_other_names_or_values_is_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as refused:
        Walk().changed(table, "[walk]")
    assert message in str(refused.value)


def test_a_function_takes_every_setting_by_name_too() -> None:
    assert walk("m", steps=3) == ("m", Walk(steps=3))
    assert walk("m", settings=Walk(steps=3), seed=2) == ("m", Walk(steps=3, seed=2))
    assert walk("m") == ("m", Walk())
    with pytest.raises(TypeError, match="stepps"):
        walk("m", stepps=3)
    with pytest.raises(InputError, match="steps is 0"):
        walk("m", steps=0)
    assert "steps: Steps." in str(walk.__doc__)


def test_what_is_known_of_a_setting() -> None:
    fields = {field.name: field for field in setting_fields(Walk)}
    assert fields["ks"].is_tuple and fields["ks"].kind is int
    assert fields["limit_s"].can_be_none and fields["limit_s"].option == "--limit-s"
