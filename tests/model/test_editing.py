from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from otoscope.base.errors import InputError, SiteError
from otoscope.model.whisper import Whisper
from tests.model.test_reading import generate

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def test_a_block_set_to_zero_leaves_the_rest_of_the_model_nothing_else(whisper: Whisper, mel: Tensor) -> None:
    with whisper.edit({"encoder.blocks.1": lambda x: 0 * x}):
        encoded = whisper.encode_mel(mel)
    bias = whisper.hf.model.encoder.layer_norm.bias
    torch.testing.assert_close(encoded, bias.expand_as(encoded))


@pytest.mark.parametrize("site", ["encoder.conv1", "encoder.conv2", "encoder.blocks.0.attn", "encoder.ln_post"])
def test_an_edit_gets_the_axes_of_its_site(whisper: Whisper, mel: Tensor, site: str) -> None:
    shapes = []

    def look(x: Tensor) -> Tensor:
        shapes.append(tuple(x.shape))
        return x.clone()

    plain = whisper.encode_mel(mel)
    with whisper.edit({site: look}):
        edited = whisper.encode_mel(mel)
    assert shapes == [(2, 200 if site == "encoder.conv1" else 100, 32)]
    torch.testing.assert_close(edited, plain)


def test_a_convolution_is_edited_frame_by_frame(whisper: Whisper, mel: Tensor) -> None:
    def shift(x: Tensor) -> Tensor:
        x = x.clone()
        x[:, 7, 3] += 5.0
        return x

    encoder = whisper.hf.model.encoder
    wanted = F.conv1d(mel, encoder.conv1.weight, encoder.conv1.bias, padding=1)
    wanted[:, 3, 7] += 5.0
    wanted = F.conv1d(F.gelu(wanted), encoder.conv2.weight, encoder.conv2.bias, stride=2, padding=1)
    with whisper.edit({"encoder.conv1": shift}), whisper.reading("encoder.conv2") as tape:
        whisper.encode_mel(mel)
    torch.testing.assert_close(tape["encoder.conv2"], wanted.transpose(1, 2))


def test_edits_nest_the_outer_one_first(whisper: Whisper, mel: Tensor) -> None:
    with whisper.reading("encoder.blocks.0") as plain:
        whisper.encode_mel(mel)
    with (
        whisper.edit({"encoder.blocks.0": lambda x: x + 1}),
        whisper.edit({"encoder.blocks.0": lambda x: x * 2}),
        whisper.reading("encoder.blocks.0") as tape,
    ):
        whisper.encode_mel(mel)
    torch.testing.assert_close(tape["encoder.blocks.0"], (plain["encoder.blocks.0"] + 1) * 2)


def test_a_reading_sees_the_edit_whichever_was_put_on_first(whisper: Whisper, mel: Tensor) -> None:
    zero = {"encoder.blocks.0.mlp.1": torch.zeros_like}
    with whisper.reading("encoder.blocks.0.mlp.1") as outer, whisper.edit(zero):
        whisper.encode_mel(mel)
    with whisper.edit(zero), whisper.reading("encoder.blocks.0.mlp.1") as inner:
        whisper.encode_mel(mel)
    assert outer["encoder.blocks.0.mlp.1"].abs().max() == inner["encoder.blocks.0.mlp.1"].abs().max() == 0


def test_a_pattern_edits_every_site_it_finds(whisper: Whisper, mel: Tensor) -> None:
    with whisper.edit({"encoder.blocks.*.hook_mlp_out": torch.zeros_like}), whisper.reading("encoder.**") as tape:
        whisper.encode_mel(mel)
    for block in range(2):
        residual = tape["encoder.blocks.0"] if block else 0
        if block:
            torch.testing.assert_close(tape["encoder.blocks.1"], residual + tape["encoder.blocks.1.attn"])
        assert tape[f"encoder.blocks.{block}.mlp.2"].abs().max() == 0


def test_an_edited_pattern_is_the_one_that_mixes_the_values(whisper: Whisper, mel: Tensor) -> None:
    site = "encoder.blocks.1.attn.pattern"

    def only_itself(pattern: Tensor) -> Tensor:
        return torch.eye(pattern.shape[-1]).expand_as(pattern).clone()

    with (
        whisper.edit({site: only_itself}),
        whisper.reading(["encoder.blocks.1.attn*", "encoder.blocks.1.attn.*"]) as tape,
    ):
        whisper.encode_mel(mel)
    out = whisper.hf.model.encoder.layers[1].self_attn.out_proj
    wanted = F.linear(tape["encoder.blocks.1.attn.value"], out.weight, out.bias)
    torch.testing.assert_close(tape["encoder.blocks.1.attn"], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "site", ["encoder.blocks.0.attn.pattern", "decoder.**.pattern", "decoder.blocks.1.attn.pattern"]
)
def test_patterns_in_the_open_agree_with_the_fast_kernel(whisper: Whisper, mel: Tensor, site: str) -> None:
    plain = generate(whisper, mel)
    with whisper.edit({site: lambda x: x}):
        opened = generate(whisper, mel)
    assert torch.equal(plain.sequences, opened.sequences)
    for one, other in zip(plain.logits, opened.logits, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_the_decoder_stays_causal_when_its_pattern_is_edited(whisper: Whisper, mel: Tensor) -> None:
    ids = torch.tensor([[321, 322, 423, 427, 9, 8], [321, 322, 423, 427, 7, 6]])
    other = ids.clone()
    other[:, -1] = 50
    with torch.no_grad(), whisper.edit({"decoder.blocks.*.attn.pattern": lambda x: x}):
        one = whisper.hf(mel, decoder_input_ids=ids, use_cache=False).logits
        two = whisper.hf(mel, decoder_input_ids=other, use_cache=False).logits
    torch.testing.assert_close(one[:, :-1], two[:, :-1], rtol=0, atol=0)
    assert not torch.equal(one[:, -1], two[:, -1])


def test_logits_are_edited_while_the_decoder_generates(whisper: Whisper, mel: Tensor) -> None:
    steps = []

    def say_65(logits: Tensor) -> Tensor:
        steps.append(tuple(logits.shape))
        logits = logits.clone()
        logits[..., 65] = 1e4
        return logits

    with whisper.edit({"logits": say_65}):
        written = generate(whisper, mel, max_new_tokens=4)
    assert written.sequences[:, -4:].tolist() == [[65] * 4] * 2
    assert [shape[1] for shape in steps] == [4, 1, 1, 1]


def test_cross_attention_keys_are_computed_and_edited_once(whisper: Whisper, mel: Tensor) -> None:
    calls = []

    def count(x: Tensor) -> Tensor:
        calls.append(tuple(x.shape))
        return x

    with whisper.edit({"decoder.blocks.0.cross_attn.key": count}):
        generate(whisper, mel)
    assert calls == [(2, 100, 32)]


def test_edits_apply_to_beams(whisper: Whisper, mel: Tensor) -> None:
    plain = generate(whisper, mel, num_beams=2).sequences
    with whisper.edit({"decoder.blocks.*.cross_attn": lambda x: -x}):
        assert not torch.equal(generate(whisper, mel, num_beams=2).sequences, plain)


def test_an_edit_of_a_gradient_reading_passes_gradients_on(whisper: Whisper, mel: Tensor) -> None:
    with (
        whisper.edit({"encoder.blocks.1": lambda x: 3 * x}),
        whisper.reading(["encoder.blocks.0", "encoder.blocks.1"], gradients=True) as tape,
    ):
        encoded = whisper.encode_mel(mel)
        gradients = torch.autograd.grad(encoded.square().sum(), [tape["encoder.blocks.0"], tape["encoder.blocks.1"]])
    assert all(gradient.abs().max() > 0 for gradient in gradients)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda x: None, r"the edit of 'encoder\.blocks\.0' returned None instead of a tensor"),
        (lambda x: 3, r"returned a int instead of a tensor"),
        (lambda x: x[:, :-1], r"returned \[2, 99, 32\] torch\.float32 on cpu\. An edit takes \[2, 100, 32\]"),
        (lambda x: x.double(), r"returned \[2, 100, 32\] torch\.float64 on cpu"),
    ],
)
def test_what_cannot_stand_in_is_refused(
    whisper: Whisper, mel: Tensor, edit: Callable[[Tensor], Any], message: str
) -> None:
    with pytest.raises(InputError, match=message), whisper.edit({"encoder.blocks.0": edit}):
        whisper.encode_mel(mel)


def test_an_edit_is_a_function(whisper: Whisper) -> None:
    with pytest.raises(InputError, match=r"the edit of 'encoder\.blocks\.0' is 3: give a function"):
        whisper.edit({"encoder.blocks.0": 3})  # type: ignore[dict-item]


def test_an_unknown_site_is_refused_before_anything_runs(whisper: Whisper) -> None:
    with pytest.raises(SiteError, match="its encoder has blocks 0-1"):
        whisper.edit({"encoder.blocks.9": lambda x: x})


def test_the_model_is_as_before_after_an_error_in_an_edit(whisper: Whisper, mel: Tensor) -> None:
    plain = whisper.encode_mel(mel)

    def fail(x: Tensor) -> Tensor:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"), whisper.edit({"encoder.blocks.*.attn.pattern": fail, "logits": fail}):
        whisper.encode_mel(mel)
    assert torch.equal(whisper.encode_mel(mel), plain)


def test_edits_end_in_any_order(whisper: Whisper, mel: Tensor) -> None:
    plain = whisper.encode_mel(mel)
    one, two = whisper.edit({"encoder.ln_post": lambda x: x + 1}), whisper.edit({"encoder.ln_post": lambda x: x + 2})
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    torch.testing.assert_close(whisper.encode_mel(mel), plain + 2)
    two.__exit__(None, None, None)
    assert torch.equal(whisper.encode_mel(mel), plain)
