from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError
from otoscope.corpus import open_corpus
from otoscope.model.load import load
from otoscope.model.whisper import Whisper
from otoscope.study.lens.head_parts import GROUPS
from otoscope.study.lens.heads import HeadLens, head_lens
from otoscope.study.lens.heads_mean import HeadLensMean, head_lens_mean
from tests.study.conftest import build, make_clip

TEXT = "the little dog sees a boat"


@pytest.fixture(scope="module")
def lensed(model: Whisper, clip: Clip) -> HeadLens:
    return head_lens(model, clip, text=TEXT, language="en")


@pytest.fixture(scope="module")
def mean(model: Whisper, clips: list[Clip]) -> HeadLensMean:
    return head_lens_mean(model, clips, language="en")


def given_to_decoder(model: Whisper, lensed: HeadLens) -> torch.Tensor:
    names = ("startoftranscript", "en", "transcribe", "notimestamps")
    prompt = model.tokenizer.convert_tokens_to_ids([f"<|{name}|>" for name in names])
    return torch.tensor([[*prompt, *(token.id for token in lensed.tokens[:-1])]])


def check_sum(model: Whisper, clip: Clip, lensed: HeadLens) -> None:
    ids = given_to_decoder(model, lensed)
    with torch.no_grad():
        logits = model.hf(encoder_outputs=(model.encode(clip),), decoder_input_ids=ids).logits[0, 3:]
    due = torch.tensor([token.id for token in lensed.tokens])
    own = logits[torch.arange(len(due)), due].numpy()
    explained = lensed.contributions[:-1].sum(axis=0)
    np.testing.assert_allclose(explained, own - logits.mean(dim=-1).numpy(), atol=1e-3)
    np.testing.assert_allclose(explained + lensed.mean_logits, own, atol=1e-3)
    np.testing.assert_allclose(lensed.logits + lensed.mean_logits, own, atol=1e-3)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_contributions_add_up_to_the_logit_whatever_the_number_of_heads(clip: Clip, heads: int) -> None:
    own = build(heads=heads, blocks=2)
    lensed = head_lens(own, clip, text=TEXT, language="en")
    assert lensed.heads("self-attention").shape == lensed.heads().shape == (2, heads, len(lensed.tokens))
    check_sum(own, clip, lensed)


def test_contributions_add_up_where_norms_and_biases_are_not_plain(clip: Clip) -> None:
    """With gains, biases and an unembedding of its own."""
    own = build()
    own.hf.proj_out.weight = torch.nn.Parameter(torch.randn_like(own.hf.proj_out.weight) * 0.1, requires_grad=False)
    with torch.no_grad():
        for name, parameter in own.hf.model.decoder.named_parameters():
            if name.endswith("bias") or "layer_norm" in name:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    check_sum(own, clip, head_lens(own, clip, text=TEXT, language="en"))


def test_contributions_add_up_on_the_demo_model() -> None:
    own, clip = load("demo"), next(iter(open_corpus("demo")))
    lensed = head_lens(own, clip, text=clip.transcript, language="en")
    check_sum(own, clip, lensed)
    assert np.abs(lensed.groups()["rest"]).max() < 1e-3


def naive_heads(model: Whisper, clip: Clip, lensed: HeadLens, block: int) -> np.ndarray:
    """Cross-attention heads of one block, written straight from the formula: [head, token]."""
    site = f"decoder.blocks.{block}.cross_attn"
    ids = given_to_decoder(model, lensed)
    sites = [f"{site}.pattern", f"{site}.value", f"decoder.blocks.{model.n_decoder_blocks - 1}"]
    with model.reading(sites) as tape, torch.no_grad():
        model.hf(encoder_outputs=(model.encode(clip),), decoder_input_ids=ids, use_cache=False)
    pattern, value, last = (tape[name][0].double() for name in sites)
    decoder = model.hf.model.decoder
    unembedding = model.hf.proj_out.weight.double()
    mixing = decoder.layers[block].encoder_attn.out_proj.weight.double()
    n_heads, width = pattern.shape[0], value.shape[1] // pattern.shape[0]
    rows = np.zeros((n_heads, len(lensed.tokens)))
    for head in range(n_heads):
        own = slice(head * width, (head + 1) * width)
        for place, token in enumerate(lensed.tokens):
            at = 3 + place
            vector = mixing[:, own] @ (pattern[head, at] @ value[:, own])
            centred = vector - vector.mean()
            scaled = centred / torch.sqrt(last[at].var(unbiased=False) + decoder.layer_norm.eps)
            normed = scaled * decoder.layer_norm.weight.double()
            rows[head, place] = normed @ (unembedding[token.id] - unembedding.mean(dim=0))
    return rows


@pytest.mark.parametrize("block", [0, 2])
def test_heads_agree_with_the_formula_written_again(model: Whisper, clip: Clip, lensed: HeadLens, block: int) -> None:
    wanted = naive_heads(model, clip, lensed, block)
    assert np.abs(wanted).max() > 1e-3
    np.testing.assert_allclose(lensed.heads()[block], wanted, atol=1e-4 * np.abs(wanted).max())


def test_a_head_whose_pattern_is_removed_adds_nothing(model: Whisper, clip: Clip, lensed: HeadLens) -> None:
    def remove(pattern: torch.Tensor) -> torch.Tensor:
        changed = pattern.clone()
        changed[:, 1] = 0
        return changed

    with model.edit({"decoder.blocks.1.cross_attn.pattern": remove}):
        edited = head_lens(model, clip, text=TEXT, language="en")
    assert np.abs(lensed.heads()[1, 1]).max() > 0
    np.testing.assert_array_equal(edited.heads()[1, 1], 0)
    assert np.abs(edited.groups()["rest"]).max() < 1e-3


def test_the_rest_is_what_an_edit_of_the_stream_adds(model: Whisper, clip: Clip) -> None:
    vector = torch.linspace(-1, 1, model.d_model)
    with model.edit({"decoder.blocks.2": lambda x: x + vector}):
        rest = head_lens(model, clip, text=TEXT, language="en").groups()["rest"]
    assert np.abs(rest).max() > 1e-2


def test_groups_hold_every_part_once(lensed: HeadLens) -> None:
    assert list(lensed.groups()) == list(GROUPS)
    np.testing.assert_allclose(sum(lensed.groups().values()), lensed.contributions.sum(axis=0), atol=1e-5)
    assert len({part.name for part in lensed.parts}) == len(lensed.parts)


def test_means_are_those_of_single_clips(model: Whisper, clips: list[Clip], mean: HeadLensMean) -> None:
    single = [head_lens(model, clip, language="en") for clip in clips]
    assert mean.n_left_out == 0
    together = np.concatenate([one.contributions for one in single], axis=1)
    np.testing.assert_allclose(mean.means().value[0], together.mean(axis=1), atol=1e-4)
    np.testing.assert_allclose(mean.differences().value, mean.means().value[0] - mean.means().value[1], atol=1e-6)


def test_one_seed_gives_one_result(model: Whisper, clips: list[Clip], mean: HeadLensMean) -> None:
    again = head_lens_mean(model, clips, language="en")
    np.testing.assert_array_equal(again.sums, mean.sums)
    other = head_lens_mean(model, clips, language="en", seed=1)
    np.testing.assert_allclose(other.sums[:, 0], mean.sums[:, 0])
    assert not np.allclose(other.sums[:, 1], mean.sums[:, 1])


def test_progress_counts_clips(model: Whisper, clips: list[Clip]) -> None:
    seen: list[tuple[int, int]] = []
    head_lens_mean(model, clips, language="en", progress=lambda done, n: seen.append((done, n)))
    assert seen[-1] == (3, 3)


def test_groups_of_a_token_add_up_in_the_table(lensed: HeadLens) -> None:
    for token in lensed.to_json()["tokens"]:
        assert sum(token["groups"].values()) == pytest.approx(token["logit"] - token["mean_logit"], abs=1e-3)


def test_many_heads_are_drawn_as_a_map(clip: Clip, tmp_path: Path) -> None:
    own = build(heads=8, blocks=7)
    assert head_lens_mean(own, [clip], language="en").plot(tmp_path / "mean.png").stat().st_size
    assert head_lens(own, clip, language="en").plot(tmp_path / "one.png").stat().st_size


def test_clips_without_words_are_refused() -> None:
    silent = build()
    end = silent.hf.generation_config.eos_token_id
    silent.hf.generation_config.suppress_tokens = [one for one in range(silent.vocab_size) if one != end]
    with pytest.raises(InputError, match="writes nothing over these clips"):
        head_lens_mean(silent, [make_clip()])


def test_cross_attention_tells_the_due_token_from_another_on_the_demo_model() -> None:
    """The sound decides there: what the heads that look at it add is larger to the word that was said."""
    result = head_lens_mean(load("demo"), list(open_corpus("demo").first(6)))
    table = result.to_json()["groups"]["cross-attention"]["difference"]
    assert table["low"] > 0
    assert result.largest_rest < 1e-3
