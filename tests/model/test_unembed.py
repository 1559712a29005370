from __future__ import annotations

import pytest
import torch

from otoscope.model.unembed import (
    attention_places,
    decoder_stream,
    encoder_stages,
    head_outputs,
    readout,
    run_decoder,
    unembed,
)
from otoscope.model.whisper import Whisper
from tests.study.conftest import build, make_clip

IDS = torch.tensor([[3, 40, 7, 25, 90], [60, 2, 33, 8, 41]])


@pytest.fixture(scope="module")
def model() -> Whisper:
    return build()


@pytest.fixture(scope="module")
def encoded(model: Whisper) -> torch.Tensor:
    return torch.cat([model.encode(make_clip(seed=seed)) for seed in range(2)])


def logits_of(model: Whisper, encoded: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.hf(encoder_outputs=(encoded,), decoder_input_ids=IDS, use_cache=False).logits


def test_the_last_stage_gives_the_models_own_logits(model: Whisper, encoded: torch.Tensor) -> None:
    stream = decoder_stream(model, encoded, IDS)
    assert stream.shape == (model.n_decoder_blocks + 1, *IDS.shape, model.d_model)
    torch.testing.assert_close(unembed(model, stream[-1]), logits_of(model, encoded), rtol=1e-5, atol=1e-5)


def test_the_stages_are_the_frameworks_hidden_states(model: Whisper, encoded: torch.Tensor) -> None:
    hf = build().hf
    with torch.no_grad():
        states = hf.model.decoder(
            input_ids=IDS, encoder_hidden_states=encoded, use_cache=False, output_hidden_states=True
        ).hidden_states
    for ours, theirs in zip(decoder_stream(model, encoded, IDS)[:-1], states[:-1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("site", ["decoder.ln", "logits", "decoder.blocks.1", "decoder.token_embedding"])
def test_edits_apply_to_what_a_stage_says(model: Whisper, encoded: torch.Tensor, site: str) -> None:
    plain = unembed(model, decoder_stream(model, encoded, IDS)[-1])
    with model.edit({site: lambda x: x * 0.5 + 0.1}):
        edited = unembed(model, decoder_stream(model, encoded, IDS)[-1])
        torch.testing.assert_close(edited, logits_of(model, encoded), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(plain, edited)


def test_the_last_encoder_stage_is_the_encoders_output_to_the_bit(model: Whisper) -> None:
    mel = model.windows(make_clip()).mel
    stages = list(encoder_stages(model, mel))
    assert len(stages) == model.n_encoder_blocks + 1
    assert torch.equal(stages[-1], model.encode_mel(mel))


@pytest.mark.parametrize("n_blocks", [0, 1, 2])
def test_an_encoder_stage_is_an_encoder_without_the_blocks_above(model: Whisper, n_blocks: int) -> None:
    mel = model.windows(make_clip()).mel
    short = build().hf
    short.model.encoder.layers = short.model.encoder.layers[:n_blocks]
    with torch.no_grad():
        wanted = short.model.encoder(mel).last_hidden_state
    torch.testing.assert_close(list(encoder_stages(model, mel))[n_blocks], wanted, rtol=1e-5, atol=1e-5)


def test_the_linear_map_gives_logits_back(model: Whisper, encoded: torch.Tensor) -> None:
    hidden = decoder_stream(model, encoded, IDS)[-1, 0]
    targets = torch.tensor([[5, 9], [1, 300], [7, 7], [0, 2], [44, 4]])
    out = readout(model, hidden, targets)
    logits = unembed(model, hidden)
    wanted = logits.gather(1, targets) - logits.mean(dim=1, keepdim=True)
    torch.testing.assert_close(out.of(hidden) + out.constants, wanted, rtol=1e-4, atol=1e-4)
    among = [3, 8, 21]
    compared = readout(model, hidden, targets, among)
    wanted = logits.gather(1, targets) - logits[:, among].mean(dim=1, keepdim=True)
    torch.testing.assert_close(compared.of(hidden) + compared.constants, wanted, rtol=1e-4, atol=1e-4)


def test_outputs_of_heads_mix_into_the_attentions_outputs(model: Whisper, encoded: torch.Tensor) -> None:
    sites = {(block, part): f"decoder.blocks.{block}.{part}" for block, part in attention_places(model)}
    with model.reading(list(sites.values())) as tape, head_outputs(model) as heads, torch.no_grad():
        run_decoder(model, encoded, IDS)
        assert set(heads) == set(sites)
        for (block, part), site in sites.items():
            layer = model.hf.model.decoder.layers[block]
            mixed = (layer.self_attn if part == "attn" else layer.encoder_attn).out_proj(heads[block, part])
            torch.testing.assert_close(mixed, tape[site], rtol=1e-5, atol=1e-5)


def test_no_hook_is_left_even_after_an_error(model: Whisper) -> None:
    with pytest.raises(RuntimeError, match="midway"), head_outputs(model):
        raise RuntimeError("midway")
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.hf.modules())
