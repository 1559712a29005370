from __future__ import annotations

import numpy as np
import pytest

from otoscope.study.phones.purity import count_labels, top_phones


def test_purity_is_the_share_of_the_most_common_phone_and_no_phone_is_none() -> None:
    phone = np.array([[0, 0, 1, -1], [-1, -1, -1, 1], [-1, -1, -1, -1], [1, 0, 1, 0]])
    found = top_phones(phone, np.ones((4, 4), bool), 2, 4)
    assert found.purity.tolist() == [0.5, 0.25, 0.0, 0.5]
    assert found.phone.tolist() == [0, 1, -1, 0]
    np.testing.assert_array_equal(found.share_of(np.array([[1, 1, 0]] * 4, bool)), [0.75, 0.25, 0, 1])


def test_empty_places_and_clips_without_labels_do_not_count() -> None:
    phone = np.array([[0, 1, 1, 1]])
    is_labelled = np.array([[True, True, False, False]])
    found = top_phones(phone, is_labelled, 2, 2)
    assert found.n_examples.tolist() == [2] and found.purity.tolist() == [0.5]
    too_few = top_phones(phone, is_labelled, 2, 3)
    assert np.isnan(too_few.purity).all() and np.isnan(too_few.shares()).all() and not too_few.is_judged.any()


def test_counting_equals_a_loop() -> None:
    rng = np.random.default_rng(0)
    phone, is_labelled = rng.integers(-1, 5, (3, 4, 6)), rng.random((3, 4, 6)) < 0.6
    found = count_labels(phone, is_labelled, 5)
    for place in np.ndindex(3, 4):
        own = phone[place][is_labelled[place]]
        assert found[place].tolist() == [*((own == p).sum() for p in range(5)), (own == -1).sum()]


def test_no_places_at_all_are_no_examples() -> None:
    found = top_phones(np.zeros((2, 0), int), np.zeros((2, 0), bool), 3, 1)
    assert found.n_examples.tolist() == [0, 0] and found.phone.tolist() == [-1, -1]
    assert np.isnan(found.share_of(np.ones((2, 4), bool))).all()
    assert found.shares().shape == (2, 4)
    assert pytest.approx(0) == found.counts.sum()
