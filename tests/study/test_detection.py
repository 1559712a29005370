from __future__ import annotations

import numpy as np
import pytest

from otoscope.study.phones import detection

N_LABELS, N_BINS = 5, 7


def random_counts(n_features: int = 4, seed: int = 0) -> np.ndarray:
    """Some bins and labels are empty."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 6, (n_features, N_LABELS, N_BINS)) * (rng.random((n_features, N_LABELS, N_BINS)) < 0.7)
    counts[:, :, 2] = 0
    return counts.astype(np.uint32)


def frames_of(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The label and the strength (the bin) of every frame of one feature."""
    labels, bins = np.nonzero(counts)
    n = counts[labels, bins]
    return np.repeat(labels, n), np.repeat(bins, n)


def pairwise_auroc(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Over all pairs, how often the positive is stronger; ties are one half."""
    won = [(p > n) + 0.5 * (p == n) for p in positives for n in negatives]
    return float(np.mean(won)) if won else float("nan")


def stepwise_precision(is_positive: np.ndarray, strength: np.ndarray) -> float:
    """Sum over thresholds, from the highest down, of the gain in recall times the precision."""
    total, recall = 0.0, 0.0
    for threshold in sorted(set(strength.tolist()), reverse=True):
        taken = strength >= threshold
        found = (is_positive & taken).sum()
        total += (found / is_positive.sum() - recall) * found / taken.sum()
        recall = found / is_positive.sum()
    return float(total)


SETS = np.array([[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 1, 1, 1, 0]], bool)


def test_aurocs_of_phones_and_sets_equal_the_share_of_pairs_won() -> None:
    counts = random_counts()
    sums, sizes = detection.rank_sums(counts), counts.sum(axis=2, dtype=float)
    found = detection.set_aurocs(sums, sizes, SETS)
    for feature in range(len(counts)):
        labels, strength = frames_of(counts[feature])
        for row, members in enumerate(SETS):
            is_in = members[labels]
            assert found[feature, row] == pytest.approx(pairwise_auroc(strength[is_in], strength[~is_in]), nan_ok=True)
    own = detection.own_set_auroc(sums, sizes, SETS[[0, 1, 2, 3]])
    np.testing.assert_allclose(own, np.diag(found))


def test_members_are_held_against_frames_outside_the_set_alone() -> None:
    counts = random_counts(seed=1)
    members = SETS[[2, 3, 0, 1]]
    found = detection.member_aurocs(counts, members)
    for feature, own in enumerate(members):
        labels, strength = frames_of(counts[feature])
        for label in range(N_LABELS):
            rest = strength[~own[labels] & (labels != label)]
            assert found[feature, label] == pytest.approx(pairwise_auroc(strength[labels == label], rest), nan_ok=True)


def test_average_precision_equals_the_sum_over_thresholds_in_both_signs() -> None:
    counts = random_counts(seed=2)
    positives, totals = counts[:, :2].sum(axis=1), counts.sum(axis=1)
    for sign in (1, -1):
        found = detection.average_precision(positives, totals, np.full(len(counts), sign))
        for feature in range(len(counts)):
            labels, strength = frames_of(counts[feature])
            assert found[feature] == pytest.approx(stepwise_precision(labels < 2, sign * strength))


def test_average_precision_of_all_ties_is_the_prevalence() -> None:
    found = detection.average_precision(np.array([[0, 3, 0]]), np.array([[0, 12, 0]]), np.array([1]))
    assert found == pytest.approx([0.25])


def test_a_perfect_detector_scores_one_and_its_mirror_zero() -> None:
    counts = np.zeros((2, 2, 3), np.uint32)
    counts[0, 0, 2] = counts[0, 1, 0] = 5
    counts[1, 0, 0] = counts[1, 1, 2] = 5
    found = detection.set_aurocs(detection.rank_sums(counts), counts.sum(axis=2, dtype=float), SETS[:1, :2])
    assert found[:, 0].tolist() == [1, 0]
    precision = detection.average_precision(counts[:, 0], counts.sum(axis=1), np.array([1, -1]))
    assert precision.tolist() == [1, 1]


def test_counts_of_millions_are_exact() -> None:
    counts = np.array([[[3_000_000_000, 1], [4_000_000_000, 0]]], np.uint32)
    found = detection.set_aurocs(detection.rank_sums(counts), counts.sum(axis=2, dtype=float), SETS[:1, :2])
    exact = (3_000_000_000 * 4_000_000_000 * 0.5 + 4_000_000_000) / (3_000_000_001 * 4_000_000_000)
    assert found[0, 0] == pytest.approx(exact, rel=1e-9)


def test_an_empty_side_has_no_auroc() -> None:
    counts = np.zeros((1, 2, 3), np.uint32)
    counts[0, 0] = 4
    sums, sizes = detection.rank_sums(counts), counts.sum(axis=2, dtype=float)
    assert np.isnan(detection.set_aurocs(sums, sizes, np.eye(2, dtype=bool))).all()
    assert np.isnan(detection.member_aurocs(counts, np.array([[True, False]])))[0, 1]
    assert np.isnan(detection.average_precision(counts[:, 1], counts.sum(axis=1), np.array([1])))


def test_information_equals_a_loop_over_cells_with_the_correction() -> None:
    counts = random_counts(seed=3)
    found = detection.mutual_information(counts)
    for feature, own in enumerate(counts.astype(float)):
        p, n = own / own.sum(), own.sum()
        plain = sum(
            p[i, j] * np.log2(p[i, j] / (p[i].sum() * p[:, j].sum()))
            for i in range(N_LABELS)
            for j in range(N_BINS)
            if p[i, j] > 0
        )
        cells, rows, columns = (own > 0).sum(), own.any(axis=1).sum(), own.any(axis=0).sum()
        assert found[feature] == pytest.approx(plain + (rows + columns - cells - 1) / (2 * n * np.log(2)))


def test_information_of_what_is_independent_is_about_zero_on_average() -> None:
    rng = np.random.default_rng(0)
    counts = np.zeros((300, 4, 6), np.uint32)
    for feature in range(len(counts)):
        np.add.at(counts[feature], (rng.integers(0, 4, 500), rng.integers(0, 6, 500)), 1)
    assert abs(detection.mutual_information(counts).mean()) < 0.002  # 0.02 without the correction
    assert np.isnan(detection.mutual_information(np.zeros((1, 2, 2), np.uint32)))
