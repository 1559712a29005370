from __future__ import annotations

import pytest

from otoscope.base.errors import InputError
from otoscope.cli.options import numbers


@pytest.mark.parametrize(
    ("given", "read"), [(None, None), ([], None), (["3"], (3,)), (["100, 50", "7"], (100, 50, 7)), (["-1"], (-1,))]
)
def test_numbers_come_with_commas_or_by_repeating(given: list[str] | None, read: tuple[int, ...] | None) -> None:
    assert numbers(given, "--k") == read


@pytest.mark.parametrize("given", ["", "1,", "x", "1.5", "1 2"])
def test_what_is_no_number_is_named(given: str) -> None:
    with pytest.raises(InputError, match="--k '.*' is not a whole number: give numbers with commas"):
        numbers([given], "--k")
