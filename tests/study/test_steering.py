from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError, SiteError
from otoscope.harvest.bases import Directions
from otoscope.model.whisper import Whisper
from otoscope.study.direction import Direction
from otoscope.study.feature import Feature, feature_named
from otoscope.study.steer.steering import (
    HUGE,
    ScaleFeature,
    add_direction,
    check_sizes,
    check_strengths,
    random_direction,
    scale_feature,
    scale_head,
)
from otoscope.study.steer.transcripts import Steering
from tests.study.test_feature_edit import dictionary

SITE, D = "encoder.blocks.1", 16


def direction(site: str = SITE, d: int = D, **changes: Any) -> Direction:
    vector = np.random.default_rng(0).normal(size=d).astype(np.float32)
    return Direction(**{"vector": vector, "site": site, "name": "drawn", **changes})


def vectors(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(2, 7, D, generator=torch.Generator().manual_seed(1)).to(dtype)


def of_dictionary(**settings: Any) -> Feature:
    own = dictionary(**settings)
    return Feature(SITE, "sae:there", 3, Directions(dictionary=own), D, "tiny-random", "0")


def logits(model: Whisper, clip: Clip) -> Tensor:
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        return model.hf(encoder_outputs=(model.encode(clip),), decoder_input_ids=ids, use_cache=False).logits


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_vector_is_added_times_the_strength_in_the_type_of_the_site(model: Whisper, dtype: torch.dtype) -> None:
    change, x = add_direction(model, direction()), vectors(dtype)
    wanted = (x.float() + 2.5 * torch.from_numpy(change.direction.vector)).to(dtype)
    assert torch.equal(change.apply(x, 2.5), wanted) and torch.equal(change.apply(x, 0.0), x)


def test_a_random_twin_is_as_long_and_points_elsewhere(model: Whisper) -> None:
    own, rng = direction(), np.random.default_rng(3)
    twins = [add_direction(model, own).twin(rng).direction for _ in range(200)]
    assert [twin.length for twin in twins] == pytest.approx([own.length] * 200, rel=1e-5)
    cosines = [float(twin.vector @ own.vector) / own.length**2 for twin in twins]
    assert abs(np.mean(cosines)) < 4 / math.sqrt(200 * D) and np.std(cosines) == pytest.approx(D**-0.5, rel=0.25)


def test_removing_a_neuron_leaves_the_others(model: Whisper) -> None:
    x = vectors()
    wanted = x.clone()
    wanted[..., 4] = 0
    assert torch.equal(scale_feature(feature_named(model, f"{SITE}:4"), 0.0).apply(x, 1.0), wanted)


def test_a_removed_random_feature_has_no_strength_left(model: Whisper) -> None:
    found, x = feature_named(model, f"{SITE}:4", "random"), vectors()
    left = scale_feature(found, 0.0).apply(x, 1.0)
    assert found.strengths(left).abs().max() < 1e-5 < found.strengths(x).abs().max()


@pytest.mark.parametrize(("strength", "factor", "wanted"), [(1, 0, 0), (0.5, 0, 0.5), (2, 0, -1), (1, 3, 3), (2, 3, 5)])
def test_a_factor_goes_as_far_from_one_as_the_strength_says(strength: float, factor: float, wanted: float) -> None:
    found, x = of_dictionary(), vectors()
    own = dictionary()
    each = torch.stack([own.changed(window, {3: wanted}) for window in x])
    torch.testing.assert_close(ScaleFeature(found, factor).apply(x, strength), each)


def test_the_twin_of_a_feature_changes_each_frame_by_as_much() -> None:
    own, x = scale_feature(of_dictionary(), 0.0), vectors()
    twin = own.twin(np.random.default_rng(0))
    sizes = [(change.apply(x, 1.0) - x).norm(dim=-1) for change in (own, twin)]
    torch.testing.assert_close(*sizes)
    assert 0 < (sizes[0] > 0).float().mean() < 1 and not torch.equal(own.apply(x, 1.0), twin.apply(x, 1.0))


@pytest.mark.parametrize("head", ["encoder.1.1", "decoder.0.attn.0", "decoder.2.cross_attn.1"])
@pytest.mark.parametrize("factor", [0.0, 0.5])
def test_a_scaled_head_is_one_whose_pattern_is_scaled(model: Whisper, clip: Clip, head: str, factor: float) -> None:
    change = scale_head(model, head, factor)

    def slowly(pattern: Tensor) -> Tensor:
        pattern = pattern.clone()
        pattern[:, change.head] *= factor
        return pattern

    with model.edit(Steering((change,), 1.0).edits(model, None)):
        fast = logits(model, clip)
    with model.edit({change.site.replace(".value", ".pattern"): slowly}):
        slow = logits(model, clip)
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-5)
    assert (fast - logits(model, clip)).abs().max() > 1e-4


def test_the_twin_of_a_head_is_another_head_of_the_same_kind(model: Whisper) -> None:
    own = scale_head(model, "decoder.1.cross_attn.1")
    twins = [own.twin(np.random.default_rng(seed)) for seed in range(40)]
    places = {twin.short_name for twin in twins if twin is not None}
    assert places == {f"decoder.{block}.cross_attn.{head}" for block in range(3) for head in range(2)} - {
        own.short_name
    }


def test_frames_that_are_not_chosen_keep_every_bit(model: Whisper, clip: Clip) -> None:
    changes = (add_direction(model, direction()), scale_feature(feature_named(model, f"{SITE}:4"), 0.0))
    chosen = torch.zeros(1, model.n_frames, dtype=torch.bool)
    chosen[:, 20:31] = True
    with model.reading([SITE]) as before:
        model.encode(clip)
    with model.edit(Steering(changes, 2.0).edits(model, chosen)), model.reading([SITE]) as after:
        model.encode(clip)
    assert torch.equal((before[SITE] != after[SITE]).any(dim=-1), chosen)
    wanted = before[SITE] + 2 * torch.from_numpy(changes[0].direction.vector)
    wanted[..., 4] *= -1  # at strength 2 what is removed is turned round
    torch.testing.assert_close(after[SITE][chosen], wanted[chosen])


def test_the_first_layers_have_two_places_for_each_frame(model: Whisper, clip: Clip) -> None:
    change = add_direction(model, direction("encoder.conv1"))
    chosen = torch.zeros(1, model.n_frames, dtype=torch.bool)
    chosen[:, 20:31] = True
    with model.reading(["encoder.conv1"]) as before:
        model.encode(clip)
    with model.edit(Steering((change,), 1.0).edits(model, chosen)), model.reading(["encoder.conv1"]) as after:
        model.encode(clip)
    touched = (before["encoder.conv1"] != after["encoder.conv1"]).any(dim=-1)[0].nonzero()[:, 0]
    assert touched.tolist() == list(range(40, 62))


def test_a_site_that_is_not_there_is_told_with_its_neighbours(model: Whisper) -> None:
    with pytest.raises(SiteError, match=r"encoder\.blocks\.7.*blocks 0-2.*Nearest"):
        add_direction(model, direction("encoder.blocks.7"))


@pytest.mark.parametrize("strength", [HUGE * 10, -HUGE * 10, 1e30])
def test_huge_vectors_are_refused(model: Whisper, strength: float) -> None:
    change = add_direction(model, direction())
    with pytest.raises(InputError, match=r"long, and what encoder\.blocks\.1 holds 1 on average"):
        check_sizes(model, [change], [0.0, strength], {SITE: 1.0})
    check_sizes(model, [change], [1.0], {SITE: 1.0})


def test_vectors_beyond_the_type_of_the_model_are_refused(model: Whisper) -> None:
    half = Whisper(model.hf, None, id="half", weights_hash="0")
    change = add_direction(model, direction(vector=np.full(D, 60.0, np.float32)))
    check_sizes(half, [change], [2000.0], {SITE: 1000.0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Whisper, "dtype", property(lambda _: torch.float16))
        with pytest.raises(InputError, match="within float16"):
            check_sizes(half, [change], [2000.0], {SITE: 1000.0})


@pytest.mark.parametrize("factor", [math.nan, math.inf, 2 * HUGE])
def test_factors_that_cannot_be_used_are_refused(model: Whisper, factor: float) -> None:
    with pytest.raises(InputError, match="give a finite number"):
        scale_feature(feature_named(model, f"{SITE}:4"), factor)
    with pytest.raises(InputError, match="give a finite number"):
        scale_head(model, "encoder.0.0", factor)


@pytest.mark.parametrize(
    ("head", "error", "message"),
    [
        ("decoder.0.2", InputError, "give ROOM.BLOCK.PART.HEAD"),
        ("0.2", InputError, "give ROOM.BLOCK.PART.HEAD"),
        ("encoder.0.mlp.2", InputError, "give ROOM.BLOCK.PART.HEAD"),
        ("decoder.9.attn.0", SiteError, "blocks 0-2"),
        ("encoder.0.cross_attn.0", SiteError, "is not in"),
        ("decoder.0.attn.2", SiteError, "Give a head from 0 to 1"),
    ],
)
def test_heads_that_are_not_there_are_refused(model: Whisper, head: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        scale_head(model, head)


@pytest.mark.parametrize("strengths", [[], [math.nan], [1.0, math.inf]])
def test_strengths_that_are_no_numbers_are_refused(strengths: list[float]) -> None:
    with pytest.raises(InputError, match="give one or more finite numbers"):
        check_strengths(strengths)


def test_strengths_given_twice_are_taken_once() -> None:
    assert check_strengths([2, 0, 2.0, 1]) == (2.0, 0.0, 1.0)


def test_a_vector_of_zeros_has_no_random_twin() -> None:
    with pytest.raises(InputError, match="points nowhere"):
        random_direction(direction(vector=np.zeros(D, np.float32)), np.random.default_rng(0))
