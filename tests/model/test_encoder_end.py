from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.model.encoder_end import encoder_block, encoder_end
from otoscope.model.whisper import Whisper
from tests.study.conftest import build, make_clip


@pytest.fixture(scope="module")
def model() -> Whisper:
    return build()


def test_the_end_of_the_encoder_gives_what_the_whole_gives(model: Whisper) -> None:
    mel = model.windows(make_clip()).mel
    outputs = [f"encoder.blocks.{block}" for block in range(model.n_encoder_blocks)]
    with model.reading(outputs) as tape:
        whole = model.encode_mel(mel)
    for block, site in enumerate(outputs):
        assert torch.allclose(encoder_end(model, tape[site], block + 1), whole, atol=1e-5)
    for block, (before, after) in enumerate(itertools.pairwise(outputs), 1):
        assert torch.allclose(encoder_block(model, tape[before], block), tape[after], atol=1e-5)


def test_edits_and_windows_apply_and_readings_do_not_see_it(model: Whisper) -> None:
    mel = model.windows(make_clip()).mel

    def double(x: Tensor) -> Tensor:
        return 2 * x

    site = "encoder.blocks.1.mlp.1"
    with model.reading("encoder.blocks.0") as tape:
        model.encode_mel(mel)
    start = tape["encoder.blocks.0"]
    with model.attention_window(3, blocks=[1]), model.edit({site: double}):
        whole, again = model.encode_mel(mel), encoder_end(model, start, 1)
    # the window of block 1 changes nothing of block 0, so both begin from the same
    assert torch.allclose(whole, again, atol=1e-5)
    assert not torch.allclose(encoder_end(model, start, 1), again, atol=1e-2)
    with model.reading("encoder.ln_post") as unread:
        encoder_end(model, start, 1)
    assert "encoder.ln_post" not in unread


def test_blocks_before_do_not_run(model: Whisper) -> None:
    ran: list[int] = []
    handles = [
        layer.register_forward_pre_hook(lambda *_, i=i: ran.append(i))
        for i, layer in enumerate(model.hf.model.encoder.layers)
    ]
    try:
        encoder_end(model, torch.zeros(1, model.n_frames, model.d_model), 1)
    finally:
        for handle in handles:
            handle.remove()
    assert ran == list(range(1, model.n_encoder_blocks))


def test_a_block_that_is_not_there_is_refused(model: Whisper) -> None:
    with pytest.raises(InputError, match=f"block {model.n_encoder_blocks + 1} cannot be run from"):
        encoder_end(model, torch.zeros(1, model.n_frames, model.d_model), model.n_encoder_blocks + 1)
