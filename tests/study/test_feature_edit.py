from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError, SiteError
from otoscope.model.whisper import Whisper
from otoscope.sae.dictionary import Dictionary
from otoscope.study.feature_edit import scaled_features

SITE = "encoder.blocks.1"
D, N = 16, 40


def dictionary(d: int = D, **metadata: Any) -> Dictionary:
    generator = torch.Generator().manual_seed(0)
    shapes = {"W_enc": (d, N), "W_dec": (N, d), "b_enc": (N,), "b_dec": (d,)}
    weights = {name: torch.randn(*shape, generator=generator) * 0.3 for name, shape in shapes.items()}
    return Dictionary("standard", weights, True, "none", False, None, {"site": SITE, **metadata})


def held(model: Whisper, clip: Clip, edits: dict[str, Any], site: str = SITE) -> Tensor:
    with model.edit(edits), model.reading([site]) as tape:
        model.encode(clip)
    return tape[site]


@pytest.mark.parametrize("factor", [0.0, 2.5])
def test_the_feature_alone_is_scaled_at_its_site(model: Whisper, clip: Clip, factor: float) -> None:
    own, before = dictionary(), held(model, clip, {})
    after = held(model, clip, scaled_features(model, own, {3: factor}))
    strength = own.encode(before.flatten(0, 1))[:, 3].view(before.shape[:2])
    assert 0 < (strength > 0).float().mean() < 1
    wanted = before + (factor - 1) * strength[..., None] * own.weights["W_dec"][3]
    torch.testing.assert_close(after, wanted, rtol=1e-5, atol=1e-5)
    assert torch.equal(after[strength == 0], before[strength == 0])


def test_a_factor_of_one_changes_no_bit_of_what_the_model_computes(model: Whisper, clip: Clip) -> None:
    edits = scaled_features(model, dictionary(), {3: 1.0, 4: 1})
    with model.edit(edits):
        encoded, heard = model.encode(clip), model.transcribe(clip)
    assert torch.equal(encoded, model.encode(clip)) and heard == model.transcribe(clip)


def test_what_is_heard_follows_the_features(model: Whisper, clip: Clip) -> None:
    with model.edit(scaled_features(model, dictionary(), dict.fromkeys(range(N), 30.0))):
        changed = model.transcribe(clip).text
    assert changed != model.transcribe(clip).text


def test_windows_are_changed_one_like_the_other(model: Whisper) -> None:
    edit = scaled_features(model, dictionary(), {3: 0.0, 7: 4.0})[SITE]
    x = torch.randn(3, 10, D, generator=torch.Generator().manual_seed(1))
    assert torch.equal(edit(x), torch.cat([edit(window[None]) for window in x]))


def test_another_site_can_be_named(model: Whisper) -> None:
    unnamed = dictionary(site=None)
    assert list(scaled_features(model, unnamed, {0: 0.0}, site="encoder.blocks.0")) == ["encoder.blocks.0"]
    forced = scaled_features(model, dictionary(), {0: 0.0}, site="encoder.blocks.0", force=True)
    assert list(forced) == ["encoder.blocks.0"]


@pytest.mark.parametrize(
    ("metadata", "settings", "message"),
    [
        (
            {"site": None},
            {},
            "does not say on which site it was trained. Name the site, or write it into the dictionary",
        ),
        (
            {},
            {"site": "encoder.blocks.0"},
            "was trained on site 'encoder.blocks.1', and is to be used on 'encoder.blocks.0",
        ),
        ({"weights_hash": "ffff"}, {}, "was trained on a model with weights ffff, and is to be used on 'tiny-random'"),
        ({"site": "encoder.blocks.1.mlp.1"}, {}, "takes 16 values, and its site 'encoder.blocks.1.mlp.1' holds 64"),
        (
            {"site": "encoder.blocks.1.attn.pattern"},
            {},
            "has axes .* features are scaled where a site holds one vector",
        ),
        (
            {"site": "encoder.blocks.*"},
            {},
            "'encoder.blocks.\\*' is 3 sites of tiny-random, and a dictionary is of one",
        ),
        ({}, {"factors": {N: 0.0}}, "feature 40 is not in the dictionary, which has 40"),
        ({}, {"factors": {3: float("nan")}}, "the factor of feature 3 is nan"),
    ],
)
def test_what_cannot_be_scaled_is_refused(
    model: Whisper, metadata: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        scaled_features(model, dictionary(**metadata), **{"factors": {3: 0.0}, **settings})


def test_a_site_that_is_not_there_is_refused(model: Whisper) -> None:
    with pytest.raises(SiteError, match="encoder.blocks.9"):
        scaled_features(model, dictionary(site="encoder.blocks.9"), {3: 0.0})
