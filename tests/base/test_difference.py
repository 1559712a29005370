"""What is said of two settings: every value that differs, and no other."""

from __future__ import annotations

from otoscope.base.difference import difference


def test_every_value_that_differs_is_named_and_no_other() -> None:
    found = {"seed": 0, "same": [1, 2], "inner": {"k": 3, "name": "a"}, "tasks": [{"site": "x"}, {"site": "y"}]}
    wanted = {"seed": 1, "same": [1, 2], "inner": {"k": 3, "name": "b"}, "tasks": [{"site": "x"}, {"site": "z"}]}
    assert difference(found, wanted) == (
        'seed was 0 and is 1; inner.name was "a" and is "b"; tasks[1].site was "y" and is "z"'
    )


def test_what_is_in_one_alone_differs_and_so_does_a_list_of_another_length() -> None:
    assert difference({"a": 1}, {"b": None, "c": [1]}) == "c was null and is [1]; a was 1 and is null"
    assert difference({"a": [1]}, {"a": [1, 2]}) == "a was [1] and is [1, 2]"
