from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DynamicCache, EncoderDecoderCache, WhisperForConditionalGeneration

from otoscope.base.errors import InputError, SiteError
from otoscope.model.whisper import Whisper
from tests.model.conftest import hooks_of
from tests.model.tiny import tiny_hf, tiny_tokenizer

TIMESTAMPS = list(range(428, 1929))


@pytest.fixture(scope="module")
def mel() -> Tensor:
    return torch.randn(3, 80, 200, generator=torch.Generator().manual_seed(1))


pytestmark = pytest.mark.usefixtures("nothing_is_left")


def generate(whisper: Whisper, mel: Tensor, **settings: object) -> Tensor:
    from otoscope.model.generation import quiet

    settings = {"language": "en", "max_new_tokens": 6, "suppress_tokens": TIMESTAMPS, **settings}
    with quiet():
        return whisper.hf.generate(mel, return_dict_in_generate=True, output_logits=True, **settings)


def by_hand(hf: WhisperForConditionalGeneration, mel: Tensor) -> dict[str, Tensor]:
    """The encoder written out in plain tensor algebra: what each site must hold."""
    held: dict[str, Tensor] = {}
    encoder = hf.model.encoder
    x = F.conv1d(mel, encoder.conv1.weight, encoder.conv1.bias, padding=1)
    held["encoder.conv1"] = x.transpose(1, 2)
    x = F.conv1d(F.gelu(x), encoder.conv2.weight, encoder.conv2.bias, stride=2, padding=1)
    held["encoder.conv2"] = x.transpose(1, 2)
    x = F.gelu(x).transpose(1, 2) + encoder.embed_positions.weight
    for index, layer in enumerate(encoder.layers):
        name, n_heads = f"encoder.blocks.{index}", layer.self_attn.num_heads
        held[f"{name}.attn_ln"] = normed = layer_norm(x, layer.self_attn_layer_norm)
        q, k, v = (F.linear(normed, p.weight, p.bias) for p in projections(layer.self_attn))
        held |= {f"{name}.attn.query": q, f"{name}.attn.key": k, f"{name}.attn.value": v}
        q, k, v = (y.unflatten(-1, (n_heads, -1)) for y in (q, k, v))
        scores = torch.einsum("wqhd,wkhd->whqk", q, k) / q.shape[-1] ** 0.5
        held[f"{name}.attn.pattern"] = pattern = scores.exp() / scores.exp().sum(-1, keepdim=True)
        mixed = torch.einsum("whqk,wkhd->wqhd", pattern, v).flatten(-2)
        held[f"{name}.attn"] = out = F.linear(mixed, layer.self_attn.out_proj.weight, layer.self_attn.out_proj.bias)
        x = x + out
        held[f"{name}.mlp_ln"] = normed = layer_norm(x, layer.final_layer_norm)
        held[f"{name}.mlp.0"] = pre = F.linear(normed, layer.fc1.weight, layer.fc1.bias)
        held[f"{name}.mlp.1"] = post = pre * 0.5 * (1 + torch.erf(pre / 2**0.5))
        held[f"{name}.mlp.2"] = out = F.linear(post, layer.fc2.weight, layer.fc2.bias)
        held[name] = x = x + out
    held["encoder.ln_post"] = layer_norm(x, encoder.layer_norm)
    return held


def layer_norm(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias


def projections(attention: nn.Module) -> list[nn.Linear]:
    return [attention.q_proj, attention.k_proj, attention.v_proj]


def test_every_encoder_site_holds_what_its_name_says(whisper: Whisper, mel: Tensor) -> None:
    with whisper.reading("encoder.**") as tape:
        whisper.encode_mel(mel)
    wanted = by_hand(whisper.hf, mel)
    assert list(tape) == list(wanted)
    for site, tensor in wanted.items():
        torch.testing.assert_close(
            tape[site], tensor, rtol=2e-4, atol=2e-5, msg=lambda why, site=site: f"{site}: {why}"
        )


def test_decoder_sites_hold_what_the_framework_reports(whisper: Whisper, mel: Tensor) -> None:
    tokenizer = tiny_tokenizer()
    plain = tiny_hf(tokenizer)
    plain.set_attn_implementation("eager")
    ids = torch.randint(0, 300, (3, 7), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        wanted = plain(mel, decoder_input_ids=ids, output_attentions=True, output_hidden_states=True)
        with whisper.reading(["decoder.**", "logits"]) as tape:
            whisper.hf(mel, decoder_input_ids=ids)
    for block in range(2):
        near = {"rtol": 2e-4, "atol": 2e-5}
        torch.testing.assert_close(
            tape[f"decoder.blocks.{block}.attn.pattern"], wanted.decoder_attentions[block], **near
        )
        torch.testing.assert_close(
            tape[f"decoder.blocks.{block}.cross_attn.pattern"], wanted.cross_attentions[block], **near
        )
    torch.testing.assert_close(tape["decoder.blocks.0"], wanted.decoder_hidden_states[1], rtol=2e-4, atol=2e-5)
    torch.testing.assert_close(tape["decoder.ln"], wanted.decoder_hidden_states[-1], rtol=2e-4, atol=2e-5)
    torch.testing.assert_close(tape["logits"], wanted.logits, rtol=2e-4, atol=2e-5)
    keys = F.linear(wanted.encoder_last_hidden_state, plain.model.decoder.layers[1].encoder_attn.k_proj.weight)
    torch.testing.assert_close(tape["decoder.blocks.1.cross_attn.key"], keys, rtol=2e-4, atol=2e-5)
    torch.testing.assert_close(tape["decoder.token_embedding"], plain.model.decoder.embed_tokens(ids), rtol=0, atol=0)
    assert torch.equal(tape.tokens, ids)


def test_reading_changes_no_bit(whisper: Whisper, mel: Tensor) -> None:
    plain, written = whisper.encode_mel(mel), generate(whisper, mel)
    with whisper.reading("**"):
        assert torch.equal(whisper.encode_mel(mel), plain)
        read = generate(whisper, mel)
    assert torch.equal(read.sequences, written.sequences)
    assert all(torch.equal(one, other) for one, other in zip(read.logits, written.logits, strict=True))


def test_steps_of_a_generating_decoder_follow_each_other_along_the_tokens(whisper: Whisper, mel: Tensor) -> None:
    with whisper.reading(["decoder.**", "logits"]) as tape:
        generate(whisper, mel)
    ids = tape.tokens
    assert ids.shape == (3, 4 + 6 - 1)  # the prompt, and all that was written but the last
    with torch.no_grad(), whisper.reading(["decoder.**", "logits"]) as forced:
        whisper.hf(mel, decoder_input_ids=ids, use_cache=False)
    assert set(tape) == set(forced)
    for site in tape:
        torch.testing.assert_close(
            tape[site], forced[site], rtol=1e-3, atol=1e-4, msg=lambda why, site=site: f"{site}: {why}"
        )
    assert tape["decoder.blocks.0.attn.pattern"].triu(1).abs().max() == 0


def test_encoder_runs_follow_each_other_along_the_windows(whisper: Whisper, mel: Tensor) -> None:
    with whisper.reading(["encoder.blocks.0", "encoder.blocks.1.attn.pattern"]) as tape:
        encoded = whisper.encode_mel(mel, batch_size=2)
    assert encoded.shape == (3, 100, 32)
    assert [len(part) for part in tape.parts("encoder.blocks.0")] == [2, 1]
    torch.testing.assert_close(
        tape["encoder.blocks.0"], by_hand(whisper.hf, mel)["encoder.blocks.0"], rtol=2e-4, atol=2e-5
    )
    assert tape["encoder.blocks.1.attn.pattern"].shape == (3, 2, 100, 100)
    assert len(tape.parts("encoder.blocks.0")) == 1  # the pieces are not kept beside what was joined from them


def test_decodings_of_different_lengths_are_filled_up_with_zeros(whisper: Whisper, mel: Tensor) -> None:
    sites = ["decoder.ln", "decoder.blocks.0.attn.pattern", "decoder.blocks.0.cross_attn.value"]
    with whisper.reading(sites) as tape:
        generate(whisper, mel[:1], max_new_tokens=2)
        generate(whisper, mel[1:], max_new_tokens=5)
    assert tape["decoder.ln"].shape == (3, 8, 32)
    assert tape["decoder.ln"][0, 5:].abs().max() == 0
    assert tape["decoder.ln"][0, 4].abs().max() > 0
    assert tape["decoder.blocks.0.attn.pattern"].shape == (3, 2, 8, 8)
    assert tape["decoder.blocks.0.cross_attn.value"].shape == (3, 100, 32)
    assert tape.tokens[0].tolist()[5:] == [-1, -1, -1]
    assert tape.tokens[1:].min() >= 0


def test_a_tape_can_be_looked_at_while_it_fills(whisper: Whisper, mel: Tensor) -> None:
    with whisper.reading("decoder.ln") as tape:
        generate(whisper, mel, max_new_tokens=3)
        assert tape["decoder.ln"].shape == (3, 6, 32)
        generate(whisper, mel, max_new_tokens=3)
        assert tape["decoder.ln"].shape == (6, 6, 32)
    assert tape["decoder.ln"].shape == (6, 6, 32)


def test_the_search_for_the_language_is_not_read(whisper: Whisper, mel: Tensor) -> None:
    with whisper.reading(["decoder.ln", "encoder.ln_post"]) as tape:
        written = generate(whisper, mel, language=None, task="transcribe")
    assert tape["decoder.ln"].shape[:2] == (3, 9)
    assert torch.equal(tape.tokens[:, 4:], written.sequences[:, -6:-1])
    assert tape["encoder.ln_post"].shape[0] == 3


@pytest.mark.parametrize("name", ["past_key_values", "cache"])
def test_a_step_is_told_by_its_cache_whatever_the_framework_calls_it(whisper: Whisper, name: str) -> None:
    caches = [EncoderDecoderCache(DynamicCache(), DynamicCache()) for _ in range(2)]
    with whisper.reading("decoder.ln") as tape:
        for first, cache in zip((5, 7), caches, strict=True):
            whisper._board._step(whisper.hf.model.decoder, (), {"input_ids": torch.tensor([[first]]), name: cache})
            cache.self_attention_cache.update(torch.zeros(1, 2, 1, 16), torch.zeros(1, 2, 1, 16), 0)
            whisper._board._step(whisper.hf.model.decoder, (torch.tensor([[first + 1]]),), {name: cache})
    assert tape.tokens.tolist() == [[5, 6], [7, 8]]


def test_a_paused_reading_sees_nothing_and_edits_stay_on(whisper: Whisper, mel: Tensor) -> None:
    with whisper.reading("encoder.ln_post") as tape, whisper.edit({"encoder.ln_post": lambda x: 0 * x}):
        with whisper.reading_paused():
            assert whisper.encode_mel(mel).abs().max() == 0
        assert len(tape) == 0
        whisper.encode_mel(mel)
    assert tape["encoder.ln_post"].shape[0] == 3


def test_beams_are_refused_while_the_decoder_is_read(whisper: Whisper, mel: Tensor) -> None:
    with whisper.reading("decoder.ln"), pytest.raises(InputError, match="cannot be read with more than one beam"):
        generate(whisper, mel, num_beams=2)
    with whisper.reading("encoder.ln_post") as tape:
        generate(whisper, mel, num_beams=2)
    assert tape["encoder.ln_post"].shape[0] == 3
    plain = generate(whisper, mel, num_beams=2).sequences
    with whisper.reading("decoder.ln"), whisper.reading_paused():
        assert torch.equal(generate(whisper, mel, num_beams=2).sequences, plain)


def test_what_is_read_is_the_models_own_memory(whisper: Whisper, mel: Tensor) -> None:
    passed: list[int] = []

    def look(module: nn.Module, args: tuple, output: Tensor) -> None:
        passed.append(output.data_ptr())

    handle = whisper.hf.model.encoder.layers[0].activation_fn.register_forward_hook(look)
    try:
        with whisper.reading("encoder.blocks.0.mlp.1") as tape:
            whisper.encode_mel(mel)
    finally:
        handle.remove()
    assert [tape["encoder.blocks.0.mlp.1"].data_ptr()] == passed


def test_writing_into_a_result_does_not_reach_the_tape(whisper: Whisper, mel: Tensor) -> None:
    with whisper.reading("encoder.ln_post") as tape:
        whisper.encode_mel(mel).zero_()
    assert tape["encoder.ln_post"].abs().max() > 0


@pytest.mark.parametrize("site", ["encoder.blocks.0.attn.pattern", "encoder.blocks.1.mlp.1", "encoder.conv1"])
def test_gradients_of_a_site_equal_a_small_step(whisper: Whisper, mel: Tensor, site: str) -> None:
    weights = torch.randn(1, 100, 32, generator=torch.Generator().manual_seed(3))
    with whisper.reading(site, gradients=True) as tape:
        score = (whisper.encode_mel(mel[:1]) * weights).sum()
        (gradient,) = torch.autograd.grad(score, [tape[site]])
    step = torch.randn(gradient.shape, generator=torch.Generator().manual_seed(4)) * 1e-3
    ends = []
    for sign in (1, -1):
        with whisper.edit({site: lambda x, sign=sign: x + sign * step}):
            ends.append((whisper.encode_mel(mel[:1]).double() * weights).sum().item())
    assert (gradient * step).sum().item() == pytest.approx((ends[0] - ends[1]) / 2, rel=0.05, abs=2e-4)


def test_gradients_of_all_patterns_equal_the_frameworks(whisper: Whisper, mel: Tensor) -> None:
    plain = tiny_hf(tiny_tokenizer())
    plain.set_attn_implementation("eager")
    ids = torch.tensor([[321, 322, 423]])
    wanted = plain(mel[:1], decoder_input_ids=ids, output_attentions=True, use_cache=False)
    theirs = torch.autograd.grad(wanted.logits[0, -1, 5], wanted.encoder_attentions + wanted.cross_attentions)
    sites = [f"encoder.blocks.{block}.attn.pattern" for block in range(2)]
    sites += [f"decoder.blocks.{block}.cross_attn.pattern" for block in range(2)]
    with whisper.reading(sites, gradients=True) as tape:
        logits = whisper.hf(mel[:1], decoder_input_ids=ids, use_cache=False).logits
        ours = torch.autograd.grad(logits[0, -1, 5], [tape[site] for site in sites])
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_backward_leaves_gradients_at_sites_and_none_at_weights(whisper: Whisper, mel: Tensor) -> None:
    sites = ["encoder.blocks.0", "encoder.blocks.1.attn.pattern"]
    with whisper.reading(sites, gradients=True) as tape:
        whisper.encode_mel(mel).square().sum().backward()
    assert all(tape[site].grad is not None and tape[site].grad.abs().max() > 0 for site in sites)
    assert all(weight.grad is None for weight in whisper.hf.parameters())


def test_without_gradients_nothing_is_kept_in_a_graph(whisper: Whisper, mel: Tensor) -> None:
    with whisper.reading("**") as tape, torch.enable_grad():
        assert not whisper.encode_mel(mel).requires_grad
    assert not any(tensor.requires_grad for tensor in tape.values())


def test_readings_nest_and_end_in_any_order(whisper: Whisper, mel: Tensor) -> None:
    first, second = whisper.reading("encoder.blocks.*"), whisper.reading("encoder.blocks.0")
    one = first.__enter__()
    two = second.__enter__()
    whisper.encode_mel(mel)
    first.__exit__(None, None, None)
    whisper.encode_mel(mel)
    second.__exit__(None, None, None)
    whisper.encode_mel(mel)
    assert (one["encoder.blocks.0"].shape[0], one["encoder.blocks.1"].shape[0], two["encoder.blocks.0"].shape[0]) == (
        3,
        3,
        6,
    )


def test_hooks_are_gone_after_an_error(whisper: Whisper, mel: Tensor) -> None:
    before = hooks_of(whisper.hf)
    with pytest.raises(ZeroDivisionError), whisper.reading("**"):
        assert hooks_of(whisper.hf) != before
        whisper.encode_mel(mel)
        raise ZeroDivisionError
    assert hooks_of(whisper.hf) == before


def test_reading_nothing_puts_in_no_hook(whisper: Whisper, mel: Tensor) -> None:
    before = hooks_of(whisper.hf)
    with whisper.reading([]) as tape:
        assert hooks_of(whisper.hf) == before
        whisper.encode_mel(mel)
    assert dict(tape) == {}


def test_the_training_mode_stays(mel: Tensor) -> None:
    whisper = Whisper(tiny_hf(tiny_tokenizer()), None, id="tiny", weights_hash="0")
    whisper.hf.train()
    with whisper.reading("**"), whisper.edit({"encoder.blocks.0": lambda x: x}):
        whisper.encode_mel(mel)
    assert whisper.hf.training


def test_a_tape_answers_to_aliases(whisper: Whisper, mel: Tensor) -> None:
    with whisper.reading("model.encoder.layers.0.fc1") as tape:
        whisper.encode_mel(mel)
    assert torch.equal(tape["encoder.blocks.0.mlp.hook_pre"], tape["encoder.blocks.0.mlp.0"])


def test_a_site_that_was_not_read_is_named(whisper: Whisper, mel: Tensor) -> None:
    with whisper.reading(["encoder.blocks.0", "decoder.ln"]) as tape:
        whisper.encode_mel(mel)
    assert "encoder.blocks.0" in tape
    assert "decoder.ln" not in tape
    with pytest.raises(
        SiteError, match=r"'logits' is not on this tape: the reading named encoder\.blocks\.0, decoder\.ln"
    ):
        tape["logits"]
    with pytest.raises(SiteError, match="is not in tiny"):
        tape["nonsense"]
    with pytest.raises(InputError, match=r"nothing has passed 'decoder\.ln' yet: run the decoder"):
        tape["decoder.ln"]
    with pytest.raises(InputError, match="no token has been read"):
        _ = tape.tokens
