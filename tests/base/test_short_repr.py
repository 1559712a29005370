from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from otoscope.base.short_repr import WIDTH, ShortRepr, short_repr


@dataclass(repr=False)
class Thing(ShortRepr):
    name: str = "short"
    array: np.ndarray | None = None
    items: tuple[Any, ...] = ()
    table: Mapping[str, Any] = field(default_factory=dict)


def test_a_small_dataclass_prints_as_python_writes_it() -> None:
    assert repr(Thing()) == "Thing(name='short', array=None, items=(), table={})"
    assert repr(Thing(items=(1, 2))) == "Thing(name='short', array=None, items=(1, 2), table={})"


def test_arrays_and_long_sequences_print_by_their_sizes() -> None:
    text = repr(Thing(array=np.zeros((300, 400), np.float32), items=tuple(range(5000)), table={"a": 1, "b": 2}))
    assert "float32[300, 400]" in text and "(5,000 int)" in text and "{2 entries}" in text


def test_any_dataclass_prints_in_a_few_lines() -> None:
    text = repr(Thing("x" * 10_000, np.zeros((9, 9, 9)), tuple("y" * 999 for _ in range(9)), {"z" * 999: "z"}))
    assert text.count("\n") < 10
    assert max(map(len, text.splitlines())) <= WIDTH


def test_the_members_of_a_result_are_named_and_not_written_out() -> None:
    outer = Thing(items=tuple(Thing(array=np.zeros(9)) for _ in range(3)))
    assert "(3 Thing)" in repr(outer)
    assert "Thing(...)" in repr(Thing(table={"one": 1}, array=None, items=(), name=Thing("n" * 90)))  # type: ignore[arg-type]


def test_a_text_may_stand_before_the_fields() -> None:
    assert short_repr(Thing(), text="hello").startswith("Thing(text='hello', name='short'")
