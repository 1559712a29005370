from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae.centre import geometric_median, input_scale, massive_activations


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
    x = cloud(401) * 37
    lengths = (x * input_scale(x)).norm(dim=1)
    assert lengths.median().item() == pytest.approx(math.sqrt(x.shape[1]), rel=1e-6)
    lengths = (x * input_scale(x, "expected_average_only_in")).norm(dim=1)
    assert lengths.mean().item() == pytest.approx(math.sqrt(x.shape[1]), rel=1e-6)


def test_massive_activations_are_named_and_do_not_rule_the_scale() -> None:
    x = cloud(1000, 8)
    before = input_scale(x)
    assert massive_activations(x) == []
    x[::100, 3] = 600.0
    x[5, 6] = -450.0
    (first, second) = massive_activations(x)
    assert (first.dimension, first.largest, second.dimension, second.largest) == (3, 600.0, 6, 450.0)
    shares = x.double().var(dim=0, correction=0) / x.double().var(dim=0, correction=0).sum()
    assert (first.variance_share, second.variance_share) == pytest.approx((float(shares[3]), float(shares[6])))
    assert input_scale(x) == pytest.approx(before, rel=0.02)
    assert input_scale(x, "expected_average_only_in") < 0.7 * before


def test_values_that_are_large_throughout_are_not_massive() -> None:
    assert massive_activations(cloud(100, 8) * 1000) == [] and massive_activations(cloud(0)) == []


def test_vectors_that_are_mostly_zeros_are_scaled_by_their_mean_length() -> None:
    x = torch.zeros(9, 4)
    x[0] = 3.0
    assert input_scale(x) == input_scale(x, "expected_average_only_in") == pytest.approx(2 / (6 / 9))


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
