from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae import matching
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.matching import best_cosines, recovered_share, stability


def rows(n: int, d: int = 6, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def dictionary_of(decoder: Tensor) -> Dictionary:
    n, d = decoder.shape
    weights = {"W_enc": decoder.T, "W_dec": decoder, "b_enc": torch.zeros(n), "b_dec": torch.zeros(d)}
    return Dictionary("standard", weights, True, "none", False, None, {})


@pytest.mark.parametrize("piece", [1, 10, 1 << 24])
def test_best_cosines_are_those_of_every_pair(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_LARGEST_PIECE", piece)
    a, b = rows(17, seed=1), rows(9, seed=2)
    expected = [
        max(sum(p * q for p, q in zip(x, y, strict=True)) / math.hypot(*x) / math.hypot(*y) for y in b.tolist())
        for x in a.tolist()
    ]
    torch.testing.assert_close(best_cosines(a, b), torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_length_does_not_matter_and_direction_does() -> None:
    a = rows(5, d=40)
    torch.testing.assert_close(best_cosines(a, a * 7), torch.ones(5))
    assert (best_cosines(a, -a) < 0.6).all()


def test_a_row_of_zeros_is_like_nothing() -> None:
    a = rows(3)
    a[1] = 0
    assert best_cosines(a, a).tolist() == pytest.approx([1, 0, 1])
    assert best_cosines(a, torch.zeros(2, 6)).tolist() == [0, 0, 0]


def test_stability_counts_partners_and_averages_the_closest() -> None:
    a = torch.eye(4)
    angle = math.acos(0.8)
    b = torch.zeros(3, 4)
    b[0, 0] = 1
    b[1, 1], b[1, 2] = math.cos(angle), math.sin(angle)
    b[2, 3] = -1
    found = stability(a, b)
    assert found.share == 0.5  # the first, and the second at 0.8; the third is at 0.6
    assert found.mean_cosine == pytest.approx((1 + 0.8 + 0.6 + 0) / 4)
    assert (found.least, found.n_features) == (0.7, 4)
    assert stability(a, b, least=0.5).share == 0.75


def test_partners_may_be_shared() -> None:
    assert stability(torch.ones(5, 3), torch.ones(1, 3)).share == 1


def test_recovered_share_looks_for_the_truth_in_the_decoder() -> None:
    truth = torch.eye(6)[:4]
    decoder = torch.cat([truth[:3] * 0.2, rows(1) * 0 + 1])
    assert recovered_share(dictionary_of(decoder), truth) == 0.75
    assert recovered_share(dictionary_of(truth + 0.02), truth) == 1


@pytest.mark.parametrize("compare", [best_cosines, stability])
def test_directions_of_other_lengths_are_refused(compare) -> None:
    with pytest.raises(InputError, match=r"\[2, 6\] and \[2, 5\]"):
        compare(rows(2), rows(2, d=5))


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(InputError, match="compare with"):
        best_cosines(rows(2), rows(0))
    with pytest.raises(InputError, match="look for"):
        stability(rows(0), rows(2))
