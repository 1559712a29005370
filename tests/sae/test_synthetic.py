from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch

from otoscope.base.errors import InputError
from otoscope.sae.synthetic import LEAST_STRENGTH, MOST_STRENGTH, SITE, Synthetic

DATA = Synthetic(d_in=16, n_directions=40, n_active=3, noise=0.2, seed=5)


def first(data: Synthetic, n: int, batch_frames: int = 32, position: Any = None) -> list:
    return list(itertools.islice(data.batches(batch_frames, position), n))


def test_the_same_seed_gives_the_same_vectors_and_another_one_others() -> None:
    a, b, c = (first(data, 3) for data in (DATA, replace(DATA), replace(DATA, seed=6)))
    for same, again, other in zip(a, b, c, strict=True):
        assert torch.equal(same.values[SITE], again.values[SITE])
        assert not torch.equal(same.values[SITE], other.values[SITE])
    assert not torch.equal(DATA.directions, replace(DATA, seed=6).directions)


@pytest.mark.parametrize("n_before", [0, 1, 4])
def test_going_on_from_a_position_gives_what_would_have_come(n_before: int) -> None:
    batches = first(DATA, 6)
    position = batches[n_before - 1].position if n_before else None
    for batch, expected in zip(first(DATA, 6 - n_before, position=position), batches[n_before:], strict=True):
        assert torch.equal(batch.values[SITE], expected.values[SITE])
        assert batch.position == expected.position


def test_no_two_batches_are_the_same() -> None:
    a, b = first(DATA, 2)
    assert not torch.equal(a.values[SITE], b.values[SITE])


def test_batches_are_full_float32_and_as_wide_as_is_said() -> None:
    (batch,) = first(DATA, 1, batch_frames=7)
    assert batch.values[SITE].shape == (7, DATA.widths[SITE])
    assert batch.values[SITE].dtype == torch.float32


def test_without_noise_a_frame_is_its_strengths_times_the_directions() -> None:
    data = replace(DATA, noise=0.0)
    x, strength = data.draw(50, 0)
    expected = torch.zeros(50, 16, dtype=torch.float64)
    for frame, direction in strength.nonzero().tolist():
        expected[frame] += strength[frame, direction].double() * data.directions[direction].double()
    torch.testing.assert_close(x.double(), expected, rtol=1e-5, atol=1e-5)


def test_noise_is_as_long_as_is_said() -> None:
    noisy, silent = replace(DATA, noise=0.5), replace(DATA, noise=0.0)
    noise = noisy.draw(4000, 1)[0] - silent.draw(4000, 1)[0]
    assert noise.square().sum(dim=1).mean().sqrt().item() == pytest.approx(0.5, rel=0.02)


def test_as_many_directions_are_active_as_is_said() -> None:
    _, strength = DATA.draw(20_000, 0)
    assert (strength > 0).sum(dim=1).double().mean().item() == pytest.approx(3, rel=0.03)
    share = (strength > 0).double().mean(dim=0)
    assert share.min() > 0.06 and share.max() < 0.09  # 3 of 40 is 0.075
    active = strength[strength > 0]
    assert active.min() >= LEAST_STRENGTH and active.max() <= MOST_STRENGTH


def test_directions_have_length_one() -> None:
    torch.testing.assert_close(DATA.directions.norm(dim=1), torch.ones(40))


@pytest.mark.parametrize(
    "wrong", [{"d_in": 0}, {"n_directions": 0}, {"n_active": 0}, {"n_active": 41}, {"noise": -1.0}, {"seed": -1}]
)
def test_numbers_out_of_range_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        replace(DATA, **wrong)


def test_a_position_of_another_feed_is_refused() -> None:
    with pytest.raises(InputError, match="position"):
        first(DATA, 1, position={"epoch": 0, "rows": 3})
