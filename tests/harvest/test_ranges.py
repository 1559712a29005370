from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from otoscope.harvest.grid import N_CELLS, cell_edges
from otoscope.harvest.ranges import QUANTILES, Ranges, ranges_of
from tests.harvest.fake import WINDOW, FakeClip, contents, harvest, odd_clips


def counted(seed: int, n: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts, octaves and strongest peaks of features, among them some with a single peak and one with none."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.uniform(0, 4, (n, N_CELLS))).astype(np.uint32)
    counts[:5, 1:] = 0
    counts[0] = 0
    counts[1:, 49:] += rng.integers(0, 2, (n - 1, 16)).astype(np.uint32)
    octaves = rng.integers(1, 250, n)
    octaves[0] = 0
    top = [np.flatnonzero(row)[-1] if row.any() else -1 for row in counts]
    for feature in range(1, n):
        if top[feature] < 49:  # the strongest peak lies in the octave
            counts[feature, 60], top[feature] = 1, 60
    edges = cell_edges(octaves)
    highest = np.array(
        [0.0 if cell < 0 else edges[feature, cell] * 1.01 for feature, cell in enumerate(top)], np.float32
    )
    return counts, octaves, highest


def assert_whole(ranges: Ranges, counts: np.ndarray, highest: np.ndarray) -> None:
    """The ranges follow each other from the strongest peak to zero, and every peak is in one."""
    assert (ranges.n_peaks.sum(axis=1) == counts.sum(axis=1)).all()
    assert (ranges.high[:, 0] == highest).all() and (ranges.low[:, -1] == 0).all()
    assert (ranges.high[:, 1:] == ranges.low[:, :-1]).all() and (ranges.low <= ranges.high).all()
    assert (ranges.stop_cell[:, 1:] == ranges.first_cell[:, :-1]).all()


@pytest.mark.parametrize("n_ranges", [1, 2, 10, 32])
def test_ranges_of_equal_width_follow_each_other_down_to_zero(n_ranges: int) -> None:
    counts, octaves, highest = counted(n_ranges)
    ranges = ranges_of("width", n_ranges, counts, octaves, highest)
    assert_whole(ranges, counts, highest)
    assert ranges.low.shape == (len(counts), n_ranges)
    assert (ranges.n_peaks[1:, 0] > 0).all(), "the strongest peak is in the first"
    wanted = highest[:, None] * np.arange(n_ranges - 1, -1, -1) / n_ranges
    edges = cell_edges(octaves)
    for feature in range(1, len(counts)):
        distance = np.abs(ranges.low[feature] - wanted[feature])
        least = np.abs(edges[feature][:, None] - wanted[feature]).min(axis=0)
        assert (distance <= least * (1 + 1e-5)).all()


def test_quantile_ranges_are_the_least_that_hold_their_share() -> None:
    counts, octaves, highest = counted(3)
    ranges = ranges_of("quantile", 10, counts, octaves, highest)
    assert_whole(ranges, counts, highest)
    assert ranges.low.shape[1] == len(QUANTILES)
    for feature in range(1, len(counts)):
        total = counts[feature].sum()
        for share, first in zip(QUANTILES, ranges.first_cell[feature], strict=True):
            assert counts[feature, first:].sum() >= share * total
            assert first == N_CELLS - 1 or counts[feature, first + 1 :].sum() < share * total or share == 1


# the samples


def even_clip(n_windows: int, d: int, name: str = "even") -> FakeClip:
    """Every second frame is a peak of strength 1 of every feature: all are in one range."""
    n = n_windows * WINDOW
    x = np.repeat((np.arange(n) % 2 == 1)[:, None], d, axis=1).astype(np.float32)
    return FakeClip(name, np.zeros(n, np.int8), {"even": x})


def chi_square(n_drawn: np.ndarray, n_features: int, n_samples: int) -> float:
    """How far counts are from even, in standard deviations: every feature draws `n_samples` peaks, none twice."""
    n = len(n_drawn)
    share = n_samples / n
    square = ((n_drawn - n_features * share) ** 2 / (n_features * share * (1 - share))).sum() * (n - 1) / n
    return (square - (n - 1)) / np.sqrt(2 * (n - 1))


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_every_peak_has_the_same_chance_whatever_its_clip_frame_and_feature(seed: int, tmp_path: Path) -> None:
    n_features, n_samples, n_clips = 1500, 10, 3
    clips = [even_clip(1, n_features, str(number)) for number in range(n_clips)]
    run = harvest(clips, tmp_path / "run", samples=n_samples, ranges=1, sign="positive", seed=seed, top=1)
    table = run.ranges(run.groups[0])
    n_peaks = n_clips * WINDOW // 2
    assert (table.n_peaks == n_peaks).all()
    peak = table.clip[:, 0] * (WINDOW // 2) + table.frame[:, 0] // 2  # [feature, sample]
    assert all(len({*row}) == n_samples for row in peak.tolist()), "no peak is drawn twice"
    assert abs(chi_square(np.bincount(peak.ravel(), minlength=n_peaks), n_features, n_samples)) < 4
    first = np.bincount(peak[:, 0], minlength=n_peaks)
    assert abs(chi_square(first, n_features, 1)) < 4, "nor is the first of a sample any peak rather than another"
    drawn = np.zeros((n_features, n_peaks))
    np.put_along_axis(drawn, peak, 1, axis=1)
    shared = (drawn[:-1] * drawn[1:]).sum(axis=1)  # by features side by side: hypergeometric
    mean, variance = n_samples**2 / n_peaks, n_samples**2 * (n_peaks - n_samples) ** 2 / (n_peaks**2 * (n_peaks - 1))
    assert abs(shared.mean() - mean) < 4 * np.sqrt(variance / len(shared))
    together = np.triu(drawn.T @ drawn, 1)[np.triu_indices(n_peaks, 1)]  # two peaks of one feature
    share = n_samples * (n_samples - 1) / (n_peaks * (n_peaks - 1))
    assert abs(together - n_features * share).max() < 6 * np.sqrt(n_features * share)


def test_another_seed_draws_other_peaks(tmp_path: Path) -> None:
    tables = []
    for seed in (0, 1):
        run = harvest([even_clip(4, 40)], tmp_path / str(seed), seed=seed)
        tables.append(run.ranges(run.groups[0]).frame[:, 0])
    shared = np.mean([len({*a} & {*b}) for a, b in zip(*(table.tolist() for table in tables), strict=True)])
    assert 0.5 < shared < 2.5  # ten of eighty, twice: 1.25


def test_examples_ranges_and_counts_do_not_depend_on_how_clips_are_gathered(tmp_path: Path) -> None:
    names = ("examples", "ranges", "histograms", "phone_counts", "clips")
    found = []
    for part_clips in (1, 2, 100):
        run = harvest(odd_clips(), tmp_path / str(part_clips), part_clips=part_clips, peaks_per_clip=2)
        found.append({name: run.table(name).to_pylist() for name in names})
        columns = run.features(run.groups[0])
        found[-1] |= {name: columns[name].tolist() for name in ("minimum", "maximum", "share_above_zero", "edges")}
    assert found[0] == found[1] == found[2]


def test_a_run_with_the_same_seed_is_the_same(tmp_path: Path) -> None:
    for name in ("a", "b"):
        harvest(odd_clips(), tmp_path / name, bases=("neuron", "random", "pca"), seed=5)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
