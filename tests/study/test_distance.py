from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.study import distance

N_FRAMES = 13


@pytest.fixture
def rows() -> np.ndarray:
    rows = np.zeros(N_FRAMES, dtype=bool)
    rows[[0, 2, 3, 4, 9]] = True
    return rows


@pytest.fixture
def maps() -> torch.Tensor:
    return torch.rand(2, 3, N_FRAMES, N_FRAMES, generator=torch.Generator().manual_seed(0))


def naive_offsets(values: np.ndarray, rows: np.ndarray, sources: np.ndarray | None = None) -> np.ndarray:
    mass = np.zeros(2 * N_FRAMES - 1)
    for destination in np.flatnonzero(rows):
        for source in range(N_FRAMES) if sources is None else np.flatnonzero(sources):
            mass[source - destination + N_FRAMES - 1] += values[destination, source]
    return mass


@pytest.mark.parametrize("counted", [[0, 2, 3, 4, 9], [5], [N_FRAMES - 1, 3], range(N_FRAMES), []])
def test_offset_mass_agrees_with_a_loop_over_pairs(maps: torch.Tensor, counted: list[int]) -> None:
    rows = np.isin(np.arange(N_FRAMES), counted)
    for sources in (np.full(N_FRAMES, True), np.arange(N_FRAMES) % 3 > 0):
        mass = distance.offset_mass(maps, torch.as_tensor(rows), torch.as_tensor(sources)).numpy()
        for index in np.ndindex(2, 3):
            wanted = naive_offsets(maps[index].numpy(), rows, sources)
            np.testing.assert_allclose(mass[index], wanted, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("n_sources", [0, 1, 7, N_FRAMES])
def test_even_attention_is_what_a_uniform_map_gives(rows: np.ndarray, n_sources: int) -> None:
    sources = np.arange(N_FRAMES) < n_sources
    uniform = np.tile(sources / max(n_sources, 1), (N_FRAMES, 1))
    expected = naive_offsets(uniform, rows)
    np.testing.assert_allclose(distance.uniform_offset_mass(rows, sources), expected, atol=1e-12)


def test_distances_quantiles_and_shares_agree_with_sorted_pairs(maps: torch.Tensor, rows: np.ndarray) -> None:
    values = maps[0, 0].numpy().astype(np.float64)
    by_distance = distance.distance_mass(naive_offsets(values, rows))
    pairs = sorted((abs(s - d), values[d, s]) for d in np.flatnonzero(rows) for s in range(N_FRAMES))
    far, weight = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    for share in (0.05, 0.25, 0.5, 0.75, 0.95, 1.0):
        reached = far[np.searchsorted(np.cumsum(weight), share * weight.sum() * (1 - 1e-9))]
        assert distance.mass_quantile(by_distance, share) == reached
    for k in (0, 1, 4, N_FRAMES + 5):
        assert distance.share_within(by_distance, k) == pytest.approx(weight[far <= k].sum() / weight.sum())


def test_row_shares_agree_with_a_loop(maps: torch.Tensor, rows: np.ndarray) -> None:
    values = maps[1, 2].numpy()
    values[5] = 0
    for k in (0, 2, 100):
        shares = distance.row_share_within(values, k, np.full(N_FRAMES, True))
        np.testing.assert_array_equal(distance.row_share_within(values, k, rows), shares[rows])
        assert np.isnan(shares[5])
        for row in set(range(N_FRAMES)) - {5}:
            near = [values[row, s] for s in range(N_FRAMES) if abs(s - row) <= k]
            assert shares[row] == pytest.approx(sum(near) / values[row].sum(), rel=1e-5)


def test_no_mass_has_no_share() -> None:
    assert np.isnan(distance.share_within(np.zeros(4), 2))
