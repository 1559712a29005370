from __future__ import annotations

import numpy as np
import pytest

from otoscope.study.estimates import bootstrap, bootstrap_mean, grouped_means, mean_interval, ratio


def test_a_bootstrap_is_that_of_a_plain_loop() -> None:
    sums = np.random.default_rng(1).random((9, 2)) + 1
    estimate = bootstrap(sums, ratio, seed=4).at()
    chosen = np.random.default_rng(4).integers(9, size=(1000, 9))
    values = [sums[draw, 0].sum() / sums[draw, 1].sum() for draw in chosen]
    assert estimate.value == pytest.approx(sums[:, 0].sum() / sums[:, 1].sum())
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_fewer_than_six_groups_have_no_bounds() -> None:
    assert bootstrap_mean([1.0, 0.0] * 5, list("abcde") * 2, seed=0).low is None
    assert bootstrap_mean([1.0, 0.0] * 6, list("abcdef") * 2, seed=0).low is not None


def test_many_means_hold_what_was_never_counted_as_nan() -> None:
    sums, counts = np.ones((8, 3)), np.ones((8, 3))
    sums[:, 1] = counts[:, 1] = 0
    means = grouped_means(sums, counts)
    assert means.value[[0, 2]] == pytest.approx([1, 1]) and np.isnan(means.value[1])
    assert means.low is not None and np.isnan(means.low[1]) and means.low[0] == 1


def test_many_means_pool_the_members_of_groups() -> None:
    counts = np.array([1, 3, 2, 4] * 2)
    sums = counts[:, None] * np.array([[1.0, 5.0], [2.0, 5.0], [0.0, 5.0], [3.0, 5.0]] * 2)
    means = grouped_means(sums, counts)
    np.testing.assert_allclose(means.value, sums.sum(axis=0) / 20)
    assert means.low is not None and means.high is not None
    assert means.low[0] < means.value[0] < means.high[0]
    assert means.low[1] == means.high[1] == 5


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        interval = mean_interval(random.normal(3, 1, 40).tolist(), seed=trial)
        covered += interval.low <= 3 <= interval.high
    assert 0.89 <= covered / 200 <= 0.99
