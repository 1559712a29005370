from __future__ import annotations

import pytest
import torch

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError, SiteError
from otoscope.model.encoder_start import encoder_start
from otoscope.model.whisper import Whisper
from tests.model.tiny import tiny_hf, tiny_tokenizer
from tests.study.conftest import build, make_clip


@pytest.fixture(scope="module")
def model() -> Whisper:
    return build()


@pytest.fixture(scope="module")
def clip() -> Clip:
    return make_clip()


def test_sites_hold_what_a_reading_of_the_whole_encoder_finds(model: Whisper, clip: Clip) -> None:
    mel = model.windows(clip).mel
    sites = ["encoder.conv2", "encoder.blocks.1.mlp.0", "encoder.blocks.1.mlp.1", "encoder.blocks.1.attn"]
    found = encoder_start(model, mel, sites)
    with model.reading(sites) as tape:
        model.encode_mel(mel)
    assert set(found) == set(sites)
    for site in sites:
        assert torch.allclose(found[site], tape[site], atol=1e-6)


def test_blocks_after_the_last_site_do_not_run(model: Whisper, clip: Clip) -> None:
    ran = []
    layers = model.hf.model.encoder.layers
    handles = [layer.register_forward_pre_hook(lambda *_, i=i: ran.append(i)) for i, layer in enumerate(layers)]
    try:
        encoder_start(model, model.windows(clip).mel, ["encoder.blocks.1.mlp.1"])
    finally:
        for handle in handles:
            handle.remove()
    assert ran == [0, 1]


def test_the_gradient_is_that_of_finite_differences() -> None:
    hf = tiny_hf(seconds=1, d_model=16, blocks=2, seed=3).double()
    model = Whisper(hf, tiny_tokenizer(), id="tiny", weights_hash="0")
    generator = torch.Generator().manual_seed(0)
    mel = torch.randn(1, 80, 100, dtype=torch.float64, generator=generator)

    def value(at: torch.Tensor) -> torch.Tensor:
        return encoder_start(model, at, "encoder.blocks.1.mlp.0")["encoder.blocks.1.mlp.0"][0, 20:23, 5].mean()

    leaf = mel.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(leaf), leaf)
    for _ in range(5):
        way = torch.randn(mel.shape, dtype=torch.float64, generator=generator)
        step = 1e-5
        slope = (value(mel + step * way) - value(mel - step * way)) / (2 * step)
        assert slope.item() == pytest.approx((gradient * way).sum().item(), rel=1e-5)


def test_edits_and_windows_that_are_on_apply_and_readings_stay_unread(model: Whisper, clip: Clip) -> None:
    mel = model.windows(clip).mel
    site = "encoder.blocks.2"
    plain = encoder_start(model, mel, site)[site]
    with model.edit({"encoder.blocks.0": lambda x: 2 * x}):
        edited = encoder_start(model, mel, site)[site]
    with model.attention_window(3):
        near = encoder_start(model, mel, site)[site]
    with model.edit({site: lambda x: x + 1}):
        moved = encoder_start(model, mel, site)[site]
    with model.reading(site) as tape:
        encoder_start(model, mel, site)
        assert len(tape) == 0
    assert not torch.allclose(edited, plain) and not torch.allclose(near, plain)
    assert torch.allclose(moved, plain + 1)
    assert torch.equal(encoder_start(model, mel, site)[site], plain)  # and the model is as it was


def test_sites_that_the_encoder_does_not_have_are_refused(model: Whisper, clip: Clip) -> None:
    mel = model.windows(clip).mel
    with pytest.raises(InputError, match="name sites of the encoder"):
        encoder_start(model, mel, "decoder.blocks.0")
    with pytest.raises(InputError, match="no site"):
        encoder_start(model, mel, [])
    with pytest.raises(SiteError, match="is not in"):
        encoder_start(model, mel, "encoder.blocks.9")
