from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae.centre import geometric_median, input_scale


def cloud(n: int = 400, d: int = 5, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + torch.arange(d)


def distances(x: Tensor, point: Tensor) -> float:
    return float((x.double() - point.double()).norm(dim=1).sum())


def test_nothing_near_the_median_has_a_smaller_sum_of_distances() -> None:
    x = cloud() ** 3
    median = geometric_median(x)
    here = distances(x, median)
    for step in (1e-2, 1e-1):
        for axis in range(x.shape[1]):
            for sign in (-1, 1):
                moved = median.clone()
                moved[axis] += sign * step
                assert distances(x, moved) > here
    assert here < distances(x, x.mean(dim=0))


def test_in_one_dimension_it_is_the_median() -> None:
    x = torch.tensor([[0.0], [1.0], [2.5], [40.0], [1000.0]])
    torch.testing.assert_close(geometric_median(x), torch.tensor([2.5]), rtol=1e-3, atol=0)


def test_a_few_enormous_vectors_hardly_move_it() -> None:
    x = cloud()
    before = geometric_median(x)
    x[:8] = 1e5
    assert (x.mean(dim=0) - before).norm() > 1000
    assert (geometric_median(x) - before).norm() < 0.2


def test_it_may_be_one_of_the_vectors() -> None:
    corners = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    x = torch.cat([corners + 3, torch.full((1, 2), 3.0)])
    torch.testing.assert_close(geometric_median(x), torch.tensor([3.0, 3.0]))


def test_vectors_that_are_all_the_same_are_their_own_median() -> None:
    x = torch.full((7, 3), 0.1)
    torch.testing.assert_close(geometric_median(x), x[0])
    torch.testing.assert_close(geometric_median(x[:1]), x[0])


def test_most_vectors_at_one_point_hold_it_there() -> None:
    x = torch.cat([torch.zeros(60, 4), cloud(50, 4) + 1])
    torch.testing.assert_close(geometric_median(x), torch.zeros(4), rtol=0, atol=1e-3)


def test_it_moves_and_grows_with_the_vectors() -> None:
    x = cloud()
    torch.testing.assert_close(geometric_median(x * 4 + 2), geometric_median(x) * 4 + 2, rtol=1e-4, atol=1e-4)


def test_scaled_vectors_are_as_long_as_the_root_of_their_width() -> None:
    x = cloud() * 37
    assert (x * input_scale(x)).norm(dim=1).mean().item() == pytest.approx(math.sqrt(x.shape[1]), rel=1e-6)


@pytest.mark.parametrize("what", [geometric_median, input_scale])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_is_refused(what, value: float) -> None:
    x = cloud()
    x[3, 1] = x[9, 0] = value
    with pytest.raises(InputError, match="2 of 400 vectors"):
        what(x)


@pytest.mark.parametrize("what", [geometric_median, input_scale])
def test_no_vectors_are_refused(what) -> None:
    with pytest.raises(InputError, match="at least one frame"):
        what(torch.zeros(0, 4))


def test_zeros_have_no_scale() -> None:
    with pytest.raises(InputError, match="all 3 vectors are zeros"):
        input_scale(torch.zeros(3, 4))
