from __future__ import annotations

import numpy as np
import pytest

from otoscope.base.errors import InputError
from otoscope.study.probe.fit import Folds, fit, folds_of, learn, majority, score


def planted(
    n_classes: int = 2, n_groups: int = 12, per_group: int = 40, d: int = 8, strength: float = 3.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Noise alike in all directions, an offset for each group, and a known direction for each class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n_groups * per_group)
    groups = np.repeat(np.arange(n_groups), per_group)
    directions = np.linalg.qr(rng.normal(size=(d, d)))[0][:n_classes]
    offsets = rng.normal(0, 0.3, (n_groups, d))
    x = rng.normal(size=(len(y), d)) + offsets[groups] + strength * directions[y]
    return x.astype(np.float32), y, groups, directions


def test_a_probe_recovers_the_planted_directions() -> None:
    x, y, groups, directions = planted()
    weights = fit(x, y, groups, folds_of(y, groups, 4, 0), 2).probe.weights
    wanted = directions[1] - directions[0]
    cosine = weights[1] @ wanted / np.linalg.norm(weights[1]) / np.linalg.norm(wanted)
    assert cosine > 0.9
    np.testing.assert_allclose(weights[0], -weights[1], rtol=1e-5)


@pytest.mark.parametrize("classifier", ["logistic", "ridge"])
def test_a_probe_of_planted_classes_beats_both_baselines_and_none_of_noise_does(classifier: str) -> None:
    x, y, groups, _ = planted(n_classes=3)
    folds = folds_of(y, groups, 4, 0)
    found = fit(x, y, groups, folds, 3, classifier=classifier)
    chance = majority(y, groups, folds, 3)
    assert found.score.accuracy.low is not None and found.shuffled.accuracy.high is not None
    assert found.score.accuracy.low > max(found.shuffled.accuracy.high, chance.accuracy.high or 1)
    assert found.score.balanced.value > 0.9
    noise = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    nothing = fit(noise, y, groups, folds, 3, classifier=classifier)
    assert abs(nothing.score.balanced.value - 1 / 3) < 0.1


def test_what_is_specific_to_a_group_cannot_be_read_of_another() -> None:
    """Rows say to which group they belong, and the label is the group's: held out, it is gone."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(16), 20)
    y = (groups % 2).astype(np.int64)
    x = (np.eye(16)[groups] * 5 + rng.normal(0, 0.1, (len(y), 16))).astype(np.float32)
    held_out = fit(x, y, groups, folds_of(y, groups, 4, 0), 2)
    every_row = np.arange(len(y))
    mixed = fit(x, y, every_row, folds_of(y, every_row, 4, 0), 2)
    assert mixed.score.accuracy.value == 1.0
    assert held_out.score.accuracy.value < 0.7


def test_every_row_is_predicted_once_and_no_group_is_in_both_parts() -> None:
    _, y, groups, _ = planted()
    folds = folds_of(y, groups, 5, 0)
    assert sorted(folds.predicted.tolist()) == list(range(len(y)))
    assert len(folds.parts) == 5
    for train, test in folds.parts:
        assert not set(groups[train]) & set(groups[test])


def test_weights_in_the_units_of_the_site_predict_what_standardised_ones_do() -> None:
    x, y, _, _ = planted(n_classes=3)
    x = x * np.array([1, 10, 0.1, 1, 5, 1, 1, 1], np.float32) + 7
    linear = learn(x, y, 3, 0.01, "logistic")
    from sklearn.linear_model import LogisticRegression

    scaled = (x - x.mean(0)) / x.std(0)
    twin = LogisticRegression(C=1 / (0.01 * len(x)), max_iter=300, tol=1e-3).fit(scaled, y)
    assert (linear.predict(x) == twin.predict(scaled)).mean() > 0.995


def test_a_class_that_was_not_learnt_is_never_said() -> None:
    x, y, _, _ = planted(n_classes=3)
    linear = learn(x[y != 1], y[y != 1], 3, 0.01, "logistic")
    assert 1 not in linear.predict(x)
    assert not linear.weights[1].any()


def test_scores_agree_with_counting_by_hand() -> None:
    y = np.array([0, 0, 0, 1, 1, 2])
    told = np.array([0, 0, 1, 1, 0, 2])
    found = score(y, told, np.arange(6), 3)
    assert found.accuracy.value == pytest.approx(4 / 6)
    assert found.balanced.value == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert found.accuracy.low is not None and found.accuracy.high is not None
    assert found.accuracy.low < 4 / 6 < found.accuracy.high
    alone = score(y, told, np.zeros(6, int), 3)
    assert (alone.accuracy.low, alone.accuracy.high) == (None, None)


def test_intervals_draw_whole_groups_as_a_slow_loop_does() -> None:
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(10), 30)
    y = np.zeros(300, int)
    told = (rng.random(300) > np.linspace(0.1, 0.9, 10)[groups]).astype(int)
    found = score(y, told, groups, 2).accuracy
    slow = []
    for _ in range(2000):
        rows = np.concatenate([np.flatnonzero(groups == group) for group in rng.integers(10, size=10)])
        slow.append((told[rows] == 0).mean())
    assert (found.low, found.high) == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.03)


def test_the_majority_is_that_of_the_rows_learnt_from() -> None:
    y = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    folds = Folds(((np.arange(4), np.arange(4, 8)),))
    assert majority(y, np.arange(8), folds, 2).accuracy.value == 0.0


def test_one_group_or_one_class_in_a_fold_is_refused() -> None:
    with pytest.raises(InputError, match="all rows are of one group"):
        folds_of(np.array([0, 1]), np.array([0, 0]), 5, 0)
    with pytest.raises(InputError, match="leaves a single class"):
        folds_of(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), 2, 0)
