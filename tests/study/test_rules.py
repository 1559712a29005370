"""Rules by which findings hold: three outcomes, and how much more data would decide."""

from __future__ import annotations

import pytest

from otoscope.study.whole.rules import (
    FAILS,
    HOLDS,
    UNDECIDED,
    Judgement,
    all_of,
    decide_above,
    decide_below,
    decide_census,
    decide_gap,
    decide_loss,
    decide_more,
    decide_part,
)


def found(value: float, low: float | None, high: float | None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


@pytest.mark.parametrize(
    ("low", "high", "outcome"), [(0.6, 0.8, HOLDS), (0.2, 0.4, FAILS), (0.4, 0.6, UNDECIDED), (0.5, 0.6, UNDECIDED)]
)
def test_an_interval_decides_where_it_excludes_the_bar(low: float, high: float, outcome: str) -> None:
    interval = found((low + high) / 2, low, high)
    assert decide_above(interval, 0.5).outcome == outcome
    mirrored = found(1 - interval["value"], 1 - high, 1 - low)
    assert decide_below(mirrored, 0.5).outcome == outcome


def test_nothing_is_decided_without_an_interval_or_a_bar() -> None:
    for judged in (decide_above(found(0.9, None, None), 0.5), decide_above(None, 0.5), decide_gap(None)):
        assert judged.outcome == UNDECIDED and judged.needed(1, "clips") == "more clips: no interval could be given"
    assert decide_above(found(0.9, 0.8, 1.0), None).outcome == UNDECIDED


@pytest.mark.parametrize(
    ("interval", "n", "needs"),
    [
        (found(0.6, 0.4, 0.8), 10, "about 30 more clips, if the value stays"),  # half of 0.2 to 0.1: four times
        (found(0.4, 0.2, 0.6), 10, "about 30 more clips, if the value stays"),
        (found(0.501, 0.3, 0.7), 10, "more than 100 times as many clips: the value lies too close to its bar"),
        (found(0.6, 0.45, 0.75), 4000, "about 5,000 more clips, if the value stays"),
    ],
)
def test_what_would_decide_follows_from_the_interval(interval: dict[str, float], n: int, needs: str) -> None:
    assert decide_above(interval, 0.5).needed(n, "clips") == needs


def test_as_much_data_as_was_told_does_decide() -> None:
    """Halves of intervals shrink with the root of the data: at four times as much the bar is reached."""
    judged = decide_above(found(0.6, 0.4, 0.8), 0.5)
    assert judged.times == pytest.approx(4.0)
    half = 0.2 / (1.01 * judged.times) ** 0.5
    assert decide_above(found(0.6, 0.6 - half, 0.6 + half), 0.5).outcome == HOLDS


@pytest.mark.parametrize(
    ("own", "other", "outcome"),
    [
        ((60, 100), (20, 100), HOLDS),
        ((20, 100), (60, 100), FAILS),
        ((35, 100), (30, 100), UNDECIDED),
        ((0, 40), (0, 40), UNDECIDED),
        ((20_000, 100_000), (20_000, 100_000), FAILS),  # the same for sure, to within a point
    ],
)
def test_shares_are_compared_by_their_difference(own: tuple, other: tuple, outcome: str) -> None:
    assert decide_more(own, other)["judged"].outcome == outcome


def test_a_loss_is_decided_by_how_much_may_be_lost() -> None:
    assert decide_loss(found(0.03, 0.0, 0.06), 0.1, "no limit").outcome == HOLDS
    assert decide_loss(found(0.3, 0.2, 0.4), 0.1, "no limit").outcome == FAILS
    assert decide_loss(found(0.015, -0.05, 0.17), 0.1, "no limit").outcome == UNDECIDED


def test_a_census_has_no_interval() -> None:
    assert decide_census(14, 24).outcome == HOLDS
    assert decide_census(12, 24).outcome == FAILS
    unclear = decide_census(12, 24, n_unclear=1, needs="more clips")
    assert (unclear.outcome, unclear.needed(24, "heads")) == (UNDECIDED, "more clips")


def test_a_part_drawn_from_many_is_a_sample() -> None:
    judged, share = decide_part(14, 24, 24)
    assert judged.outcome == HOLDS and share == {"value": 14 / 24}
    judged, share = decide_part(14, 24, 640)
    assert judged.outcome == UNDECIDED and share["low"] < 0.5 < share["high"]


def test_joined_rules_hold_when_all_do() -> None:
    holds, fails, unclear = (Judgement(outcome, times=3.0) for outcome in (HOLDS, FAILS, UNDECIDED))
    assert all_of(holds, holds, rule="both").outcome == HOLDS
    assert all_of(unclear, fails, rule="both").outcome == FAILS
    assert all_of(holds, unclear, rule="both") == Judgement(UNDECIDED, "both", "", 3.0)
