from __future__ import annotations

import itertools
import random

import numpy as np
import panphon
import pytest
from panphon.distance import Distance

from otoscope.base.errors import InputError
from otoscope.corpus.phones.distance import edit_distances, phone_distance, substitution_cost, substitution_costs
from otoscope.corpus.phones.ipa import ROWS


def slow(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """The edit distance as its definition says."""
    if not one or not other:
        return float(len(one) + len(other))
    return min(
        slow(one[1:], other) + 1,
        slow(one, other[1:]) + 1,
        slow(one[1:], other[1:]) + substitution_cost(one[0], other[0]),
    )


def words(n: int, longest: int = 4) -> list[tuple[str, ...]]:
    rng = random.Random(0)
    return [tuple(rng.choices(list(ROWS), k=rng.randint(0, longest))) for _ in range(n)]


@pytest.mark.parametrize(
    ("near", "far"),
    [("pb", "pɑ"), ("pt", "pk"), ("sz", "sm"), ("sʃ", "sl"), ("iɪ", "iɑ"), ("ʌɑ", "ʌi"), ("ji", "jɑ"), ("mn", "ms")],
)
def test_sounds_made_alike_cost_less_to_swap(near: str, far: str) -> None:
    assert substitution_cost(*near) < substitution_cost(*far)


def test_a_consonant_and_a_low_vowel_have_nothing_in_common() -> None:
    assert substitution_cost("p", "ɑ") == 1


def test_the_costs_are_a_metric() -> None:
    costs = substitution_costs().astype(float)
    assert np.array_equal(costs, costs.T) and (costs.diagonal() == 0).all() and costs.max() <= 1
    assert (costs + np.eye(len(costs)) > 0).all()
    ways_round = (costs[:, :, None] + costs[None, :, :]).min(axis=1)
    assert (costs <= ways_round + 1e-6).all()


def test_the_costs_rank_sounds_much_as_panphons_features_do() -> None:
    table = panphon.FeatureTable()
    known = [symbol for symbol in ROWS if len(symbol) == 1 and table.seg_known(symbol)]
    pairs = random.Random(0).sample(list(itertools.combinations(known, 2)), 400)
    panphons = Distance()
    ours = np.array([substitution_cost(one, other) for one, other in pairs])
    theirs = np.array([panphons.weighted_feature_edit_distance(*pair) for pair in pairs])
    rank = np.corrcoef(ours.argsort().argsort(), theirs.argsort().argsort())[0, 1]
    assert rank > 0.6


def test_distances_are_those_of_the_definition() -> None:
    for one, other in itertools.pairwise(words(60)):
        assert phone_distance(one, other, normalised=False) == pytest.approx(slow(one, other), abs=1e-5)


def test_many_pairs_at_once_are_the_same_as_one_by_one() -> None:
    said = words(30)
    numbers = {symbol: number for number, symbol in enumerate(ROWS)}
    flat = np.array([numbers[symbol] for word in said for symbol in word])
    starts = np.cumsum([0, *map(len, said)])
    left, right = (each.ravel() for each in np.meshgrid(np.arange(30), np.arange(30)))
    found = edit_distances(flat, starts, left, right, substitution_costs())
    expected = [phone_distance(said[i], said[j]) for i, j in zip(left, right, strict=True)]
    assert found == pytest.approx(np.array(expected), abs=1e-6)


def test_the_distance_is_a_metric_before_it_is_divided_by_a_length() -> None:
    for one, two, three in itertools.combinations(words(12), 3):
        straight = phone_distance(one, three, normalised=False)
        assert straight == phone_distance(three, one, normalised=False)
        around = phone_distance(one, two, normalised=False) + phone_distance(two, three, normalised=False)
        assert straight <= around + 1e-5


def test_a_normalised_distance_goes_from_0_for_the_same_to_1_for_nothing_in_common() -> None:
    assert phone_distance(("ɹ", "ʌ", "ɡ"), ("ɹ", "ʌ", "ɡ")) == 0
    assert phone_distance(("p",), ()) == 1
    assert phone_distance((), ()) == 0
    assert all(0 <= phone_distance(one, other) <= 1 for one, other in itertools.pairwise(words(40)))


def test_rug_is_nearer_to_mug_than_to_tea_in_any_phone_set() -> None:
    near = phone_distance(["R", "AH1", "G"], ["M", "AH1", "G"], "arpabet-stress")
    assert near == phone_distance(["ɹ", "ʌ", "ɡ"], ["m", "ʌ", "ɡ"])
    assert near < phone_distance(["R", "AH1", "G"], ["T", "IY1"], "arpabet-stress")


def test_a_diphthong_lies_between_the_vowels_that_it_joins() -> None:
    to_ends = substitution_cost("aɪ", "a"), substitution_cost("aɪ", "ɪ")
    assert max(to_ends) < substitution_cost("aɪ", "u")


def test_a_phone_that_the_set_does_not_know_is_named() -> None:
    with pytest.raises(InputError, match="'QX' is not in phone set 'arpabet'"):
        phone_distance(["QX"], ["R"], "arpabet")
