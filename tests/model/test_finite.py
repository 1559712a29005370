from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from otoscope.base.errors import ModelError
from otoscope.model.generation import forced_logits
from otoscope.model.next_tokens import NextTokens
from otoscope.model.transcribe import transcribe
from otoscope.model.whisper import Whisper
from tests.model.lively import features, lively, noise


@pytest.mark.parametrize(
    ("parameter", "site"),
    [("encoder.conv1.bias", "encoder.conv1"), ("decoder.layers.0.fc1.bias", "decoder.blocks.0.mlp.0")],
)
def test_what_overflows_in_half_precision_stops_and_is_named(parameter: str, site: str) -> None:
    model = lively()
    with torch.no_grad():
        model.hf.model.get_parameter(parameter).fill_(1e5)
    transcribe(model, noise(1.0), language="en")  # in single precision all is well
    half = Whisper(model.hf.half(), model.tokenizer, id="half", weights_hash="none")
    message = f"half computed values that are not numbers (NaN or infinite): the first is in the output of '{site}'"
    with pytest.raises(ModelError, match=re.escape(message) + r"\. float16 ends at 65,504"):
        transcribe(half, noise(1.0), language="en")


def replaced(value: float) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.full_like(x, value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("site", ["encoder.conv2", "encoder.blocks.0", "encoder.blocks.1.mlp.1", "encoder.ln_post"])
def test_an_edit_of_the_encoder_that_returns_no_number_is_named(site: str, value: float) -> None:
    model = lively()
    message = f"output of '{site}'. Edits are on at {site}: check what they return"
    with model.edit({site: replaced(value)}), pytest.raises(ModelError, match=re.escape(message)):
        model.encode(noise(1.0))


@pytest.mark.parametrize("beams", [1, 2])
@pytest.mark.parametrize("site", ["decoder.blocks.0", "decoder.blocks.1.cross_attn", "decoder.ln", "logits"])
def test_an_edit_of_the_decoder_that_returns_no_number_is_named(site: str, beams: int) -> None:
    model = lively()
    with model.edit({site: replaced(float("nan"))}), pytest.raises(ModelError, match=f"output of '{site}"):
        transcribe(model, noise(1.0), language="en", beams=beams)


def test_what_goes_wrong_after_some_tokens_stops_too() -> None:
    model = lively()
    n_calls = 0

    def later(x: Tensor) -> Tensor:
        nonlocal n_calls
        n_calls += 1
        return x if n_calls % 5 else x * float("nan")

    with model.edit({"decoder.blocks.1.mlp.1": later}), pytest.raises(ModelError, match=r"decoder\.blocks\.1\.mlp\.1"):
        transcribe(model, noise(1.3), language="en")


def test_every_way_to_run_the_decoder_stops() -> None:
    model = lively()
    encoded = model.encode_mel(features(noise(1.0)))
    with model.edit({"decoder.blocks.0.mlp.1": replaced(float("nan"))}):
        with pytest.raises(ModelError, match=r"decoder\.blocks\.0\.mlp\.1"):
            forced_logits(model, encoded, torch.tensor([[320, 5]]))
        with pytest.raises(ModelError, match=r"decoder\.blocks\.0\.mlp\.1"):
            list(NextTokens(model, encoded).logits([[320, 5]]))
        with pytest.raises(ModelError, match=r"decoder\.blocks\.0\.mlp\.1"):
            model.activations(noise(1.0), "decoder.blocks.1", text="the dog", language="en")


def test_tokens_ruled_out_by_an_edit_are_no_error() -> None:
    model = lively()
    wanted = transcribe(model, noise(1.3), language="en").tokens[0]

    def without_the_first(logits: Tensor) -> Tensor:
        return logits.index_fill(-1, torch.tensor([wanted[0]]), -torch.inf)

    with model.edit({"logits": without_the_first}):
        assert wanted[0] not in transcribe(model, noise(1.3), language="en").tokens[0]


def test_the_model_is_as_before_and_nothing_is_read_on_the_way() -> None:
    model = lively()
    hooks = [len(module._forward_hooks) for module in model.hf.modules()]
    with (
        model.reading("encoder.blocks.0") as tape,
        model.edit({"encoder.blocks.1": replaced(float("nan"))}),
        pytest.raises(ModelError, match=r"encoder\.blocks\.1"),
    ):
        model.encode(noise(1.0))
    assert len(tape.parts("encoder.blocks.0")) == 1
    assert [len(module._forward_hooks) for module in model.hf.modules()] == hooks
