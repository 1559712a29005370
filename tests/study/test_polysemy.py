from __future__ import annotations

from math import comb

import numpy as np
import pytest

from otoscope.study.phones.polysemy import Polysemy, effective_number, least_unlikely, polysemy
from otoscope.study.phones.purity import TopPhones
from otoscope.study.phones.settings import PhoneSettings

N_PHONES = 20
S, CH, T = 0, 1, 2


def frames(*raised: int) -> np.ndarray:
    """100 frames of every phone and of none, evenly over weak bins; those of raised phones in stronger ones."""
    counts = np.zeros((1, N_PHONES + 1, 6), np.uint32)
    counts[0, :, :4] = 25
    for place, phone in enumerate(raised):
        counts[0, phone] = 0
        counts[0, phone, 5 - place] = 100
    return counts


def ranges(*rows: dict[int, int]) -> np.ndarray:
    samples = np.zeros((1, len(rows), N_PHONES + 1), int)
    for place, row in enumerate(rows):
        for phone, n in row.items():
            samples[0, place, phone] = n
    return samples


def judge(samples: np.ndarray, counts: np.ndarray, examples: dict[int, int] | None = None, **settings) -> Polysemy:
    top = np.zeros((1, N_PHONES + 1), int)
    for phone, n in (examples or {S: 20}).items():
        top[0, phone] = n
    tops = TopPhones(top, top.sum(axis=1) >= 10)
    return polysemy(samples, counts, tops, 1, np.ones(N_PHONES, bool), PhoneSettings(**settings))


SPREAD = dict.fromkeys(range(3, 13), 1)


def test_a_second_phone_below_a_pure_top_is_flagged_where_it_begins() -> None:
    found = judge(ranges({S: 10}, {S: 10}, {S: 3, CH: 7}, SPREAD), frames(S, CH))
    assert found.is_flagged.tolist() == [True]
    assert (found.top_phone[0], found.other_phone[0], found.mixed_range[0]) == (S, CH, 1)
    assert found.top_share[0] == 1 and found.other_share[0] == pytest.approx(7 / 20)
    assert found.other_auroc[0] == pytest.approx(1)
    assert found.effective[0].tolist() == pytest.approx([1, 1, np.exp(-0.3 * np.log(0.3) - 0.7 * np.log(0.7)), 10])


def test_a_mixture_at_the_very_top_is_not_pure_and_not_flagged() -> None:
    assert not judge(ranges({S: 5, CH: 5}, {CH: 10}), frames(S, CH)).is_flagged.any()


def test_top_examples_that_are_mixed_speak_against_a_pure_top() -> None:
    samples = ranges({S: 4, CH: 1}, {S: 3, CH: 7})
    assert judge(samples, frames(S, CH)).is_flagged.all()
    assert not judge(samples, frames(S, CH), {S: 12, CH: 8}).is_flagged.any()


def test_without_enough_top_examples_the_top_ranges_need_as_many_samples() -> None:
    few = {S: 5}
    assert not judge(ranges({S: 5}, {CH: 10}), frames(S, CH), few).is_flagged.any()
    assert judge(ranges({S: 10}, {CH: 10}), frames(S, CH), few).is_flagged.all()


def test_the_noise_below_a_pure_detector_is_no_mixture() -> None:
    found = judge(ranges({S: 10}, {S: 8, 5: 1, 6: 1}, SPREAD, {3: 3, 4: 3, 5: 4}), frames(S))
    assert not found.is_flagged.any() and found.mixed_range[0] == -1 and np.isnan(found.other_auroc[0])
    assert found.is_pure.all() and not found.is_mixed.any()


def test_a_phone_that_is_common_below_and_yet_not_told_from_the_rest_makes_no_feature_polysemantic() -> None:
    """Seven of ten peaks are CH, as where labels are a little off; strength does not tell CH from other phones."""
    found = judge(ranges({S: 10}, {S: 3, CH: 7}), frames(S))
    assert not found.is_flagged.any() and found.is_mixed.all(), "mixed below, and not told apart over all frames"


def test_a_phone_that_is_told_apart_and_yet_no_more_common_than_by_chance_is_no_mixture() -> None:
    assert not judge(ranges({S: 10}, {S: 8, CH: 2}), frames(S, CH)).is_flagged.any()


def test_few_samples_are_not_judged() -> None:
    found = judge(ranges({S: 10}, {CH: 4}), frames(S, CH))
    assert not found.is_flagged.any() and np.isnan(found.effective[0, 1])


def test_sparse_top_ranges_are_taken_together() -> None:
    found = judge(ranges({S: 1}, {S: 2}, {S: 4}, {CH: 10}), frames(S, CH))
    assert found.is_flagged.all() and found.mixed_range[0] == 3


def test_no_samples_are_no_flag() -> None:
    found = judge(ranges({}, {}), frames(S), {S: 1})
    assert not found.is_flagged.any() and found.top_phone[0] == -1 and np.isnan(found.top_share[0])


def test_effective_number_counts_even_phones_and_weighs_uneven_ones() -> None:
    counts = np.array([[5, 5, 0, 0], [10, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [9, 1, 0, 0]])
    found = effective_number(counts)
    assert found[:3].tolist() == pytest.approx([2, 1, 4])
    assert np.isnan(found[3]) and 1 < found[4] < 2


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5])
def test_unlikely_numbers_are_those_of_the_exact_tail(p: float) -> None:
    found = least_unlikely(30, p, 2e-4)
    for n in range(31):
        tails = [sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1)) for k in range(n + 2)]
        assert found[n] == next(k for k, tail in enumerate(tails) if tail <= 2e-4)


def test_a_phone_that_never_occurs_is_unlikely_at_once_and_one_that_always_does_never() -> None:
    assert least_unlikely(3, 0.0, 0.01).tolist() == [1, 1, 1, 1]
    assert least_unlikely(3, 1.0, 0.01).tolist() == [1, 2, 3, 4]
