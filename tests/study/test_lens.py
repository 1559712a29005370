from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError
from otoscope.corpus import open_corpus
from otoscope.model.load import load
from otoscope.model.whisper import Whisper
from otoscope.study.lens.curve import MEASURES, LensCurve, lens_curve
from otoscope.study.lens.experiment import Lens, lens
from tests.study.conftest import build, make_clip


@pytest.fixture(scope="module")
def lensed(model: Whisper, clip: Clip) -> Lens:
    return lens(model, clip, language="en")


@pytest.fixture(scope="module")
def curve(model: Whisper, clips: list[Clip]) -> LensCurve:
    return lens_curve(model, clips, language="en")


def prompt_of(model: Whisper) -> list[int]:
    names = ("startoftranscript", "en", "transcribe", "notimestamps")
    return list(model.tokenizer.convert_tokens_to_ids([f"<|{name}|>" for name in names]))


def naive(encoded: torch.Tensor, ids: list[int], n_prompt: int) -> list[np.ndarray]:
    """Log-probabilities at every stage, [token, vocab], from the framework's own hidden states."""
    hf = build().hf
    with torch.no_grad():
        output = hf.model.decoder(
            input_ids=torch.tensor([ids[:-1]]), encoder_hidden_states=encoded, output_hidden_states=True
        )
        normed = [hf.model.decoder.layer_norm(state) for state in output.hidden_states[:-1]]
        rows = [hf.proj_out(state)[0, n_prompt - 1 :].double() for state in [*normed, output.last_hidden_state]]
    return [torch.log_softmax(row, dim=-1).numpy() for row in rows]


def test_the_last_block_gives_the_models_own_logits(model: Whisper, clip: Clip, lensed: Lens) -> None:
    prompt, due = prompt_of(model), [token.id for token in lensed.tokens]
    with torch.no_grad():
        logits = model.hf(encoder_outputs=(model.encode(clip),), decoder_input_ids=torch.tensor([prompt + due])).logits
    wanted = logits[0, len(prompt) - 1 : -1].float().log_softmax(-1)
    assert np.array_equal(lensed.foretold.top_ids[-1], wanted.topk(5).indices.numpy())
    due_odds = wanted[torch.arange(len(due)), torch.tensor(due)].numpy()
    np.testing.assert_allclose(lensed.foretold.log_probability[-1], due_odds, atol=1e-5)


@pytest.mark.parametrize("with_sound", [True, False])
def test_every_stage_agrees_with_the_lens_written_again(
    model: Whisper, clip: Clip, lensed: Lens, with_sound: bool
) -> None:
    encoded = model.encode(clip) if with_sound else model.encode(np.zeros(32_000, np.float32))
    foretold = lensed.foretold if with_sound else lensed.no_sound
    prompt, due = prompt_of(model), [token.id for token in lensed.tokens]
    stages = naive(encoded, prompt + due, len(prompt))
    assert len(stages) == len(lensed.stages) == model.n_decoder_blocks + 1
    for stage, odds in enumerate(stages):
        for place, token in enumerate(due):
            assert foretold.log_probability[stage, place] == pytest.approx(odds[place, token], abs=1e-4)
            assert foretold.rank[stage, place] == 1 + (odds[place] > odds[place, token]).sum()
            best = np.sort(np.exp(odds[place]))[::-1][:5]
            np.testing.assert_allclose(foretold.top_probabilities[stage, place], best, atol=1e-5)


def test_the_text_is_the_models_own_transcript(model: Whisper, clip: Clip, lensed: Lens) -> None:
    assert lensed.is_own_text
    assert lensed.text == model.transcribe(clip, language="en").text.strip()


def test_a_given_text_is_spelt_and_ended(model: Whisper, clip: Clip) -> None:
    result = lens(model, clip, text="the little dog", language="en")
    assert not result.is_own_text and result.text == "the little dog"
    assert "".join(token.text for token in result.tokens) == " the little dog<|endoftext|>"


def test_a_transcript_that_broke_off_has_no_end(clip: Clip) -> None:
    short = build()
    short.hf.generation_config.max_new_tokens = 3
    assert [token.text for token in lens(short, clip, language="en").tokens].count("<|endoftext|>") == 0
    assert len(lens(short, clip, language="en").tokens) == 3


def test_a_long_clip_is_its_windows_side_by_side(model: Whisper) -> None:
    long = make_clip(3.5)
    whole = lens(model, long, language="en")
    second = lens(model, long, window=1, language="en")
    assert {token.window for token in whole.tokens} == {0, 1}
    chosen = [place for place, token in enumerate(whole.tokens) if token.window == 1]
    assert [whole.tokens[place].id for place in chosen] == [token.id for token in second.tokens]
    np.testing.assert_allclose(
        whole.foretold.log_probability[:, chosen], second.foretold.log_probability, rtol=1e-4, atol=1e-4
    )


def test_the_first_right_stage_is_right_from_there_on(lensed: Lens) -> None:
    right = lensed.foretold.rank == 1
    for place, stage in enumerate(lensed.first_right):
        if stage is None:
            assert not right[-1, place]
            continue
        at = lensed.stages.index(stage)
        assert right[at:, place].all()
        assert at == 0 or not right[at - 1, place]


def test_edits_reach_the_lens_and_the_model_is_left_as_it_was(model: Whisper, clip: Clip, lensed: Lens) -> None:
    with model.edit({"decoder.blocks.1.cross_attn": torch.zeros_like}):
        edited = lens(model, clip, text=lensed.text, language="en")
    plain = lens(model, clip, text=lensed.text, language="en")
    np.testing.assert_array_equal(edited.foretold.log_probability[:2], plain.foretold.log_probability[:2])
    assert not np.allclose(edited.foretold.log_probability[2:], plain.foretold.log_probability[2:])
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.hf.modules())


def test_the_curve_is_the_mean_over_the_tokens_of_all_clips(
    model: Whisper, clips: list[Clip], curve: LensCurve
) -> None:
    single = [lens(model, clip, language="en") for clip in clips]
    assert curve.n_tokens.tolist() == [len(single_clip.tokens) for single_clip in single]
    for sound, name in enumerate(("foretold", "no_sound")):
        odds = np.concatenate([getattr(single_clip, name).log_probability for single_clip in single], axis=1)
        rank = np.concatenate([getattr(single_clip, name).rank for single_clip in single], axis=1)
        means = curve.means().value[sound]
        np.testing.assert_allclose(means[:, MEASURES.index("log_probability")], odds.mean(axis=1), atol=1e-4)
        np.testing.assert_allclose(means[:, MEASURES.index("reciprocal_rank")], (1 / rank).mean(axis=1), atol=1e-4)
        np.testing.assert_allclose(means[:, MEASURES.index("is_likeliest")], (rank == 1).mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(curve.means().value[:, -1, MEASURES.index("is_final_choice")], 1)


def test_chance_is_what_equal_probabilities_give(curve: LensCurve) -> None:
    ranks = np.arange(1, curve.vocab_size + 1)
    assert curve.chance["reciprocal_rank"] == pytest.approx((1 / ranks).mean())
    assert np.exp(curve.chance["log_probability"]) * curve.vocab_size == pytest.approx(1)
    told = curve.to_json()["chance"]["is_likeliest"]
    assert told == round(1 / curve.vocab_size, 9) != round(1 / curve.vocab_size, 6)


def test_the_commonest_token_is_counted_beside_what_is_said_without_sound(
    model: Whisper, clips: list[Clip], curve: LensCurve
) -> None:
    single = [lens(model, clip, language="en") for clip in clips]
    due = [[token.id for token in single_clip.tokens] for single_clip in single]
    counts = Counter(token for row in due for token in row)
    n_most = max(counts.values())
    assert curve.n_commonest.sum() == n_most
    commonest = min(token for token, n in counts.items() if n == n_most)
    assert curve.n_commonest.tolist() == [row.count(commonest) for row in due]
    beside, n_all = curve.beside_commonest().value, curve.n_tokens.sum()
    unheard = sum(int((single_clip.no_sound.rank[-1] == 1).sum()) for single_clip in single)
    assert beside == pytest.approx([n_most / n_all, (unheard - n_most) / n_all])
    told = curve.to_json()["commonest"]
    assert told["token"] == curve.commonest and told["is_likeliest"]["value"] == pytest.approx(n_most / n_all, abs=1e-6)


def test_files_hold_what_the_result_holds(lensed: Lens, curve: LensCurve, tmp_path: Path) -> None:
    arrays = lensed.arrays()
    np.testing.assert_array_equal(arrays["log_probability"], lensed.foretold.log_probability)
    np.testing.assert_array_equal(arrays["no_sound_rank"], lensed.no_sound.rank)
    first, choice = lensed.plot(tmp_path / "1.png"), lensed.plot(tmp_path / "2.png", "lens_choice")
    assert first.read_bytes() != choice.read_bytes()
    table = curve.to_json()
    assert table["n_clips"] == 3 and len(table["stages"]) == len(curve.stages)


def test_a_long_transcript_is_drawn_in_strips_and_cut(model: Whisper, tmp_path: Path) -> None:
    """One token is drawn, and more than a picture holds."""
    silent = lens(model, Clip(samples=np.zeros(100, np.float32), id="none"), text="a", language="en")
    assert silent.plot(tmp_path / "short.png").stat().st_size
    long = lens(model, make_clip(32), language="en")
    assert len(long.tokens) > 96
    assert long.plot(tmp_path / "long.png").stat().st_size


def test_a_text_over_several_windows_needs_one_of_them(model: Whisper) -> None:
    long = make_clip(3.5)
    with pytest.raises(InputError, match="takes 2 windows: a text is said over one"):
        lens(model, long, text="dog")
    assert {token.window for token in lens(model, long, text="dog", window=1, language="en").tokens} == {1}


def test_later_blocks_of_the_demo_model_know_more_and_need_the_sound() -> None:
    result = lens_curve(load("demo"), list(open_corpus("demo").first(8)))
    means = result.means()
    odds = means.value[:, :, MEASURES.index("log_probability")]
    assert odds[0, 1] < odds[0, 2] < odds[0, -1]
    assert means.high is not None and means.low is not None
    assert means.high[1, -1, 0] < means.low[0, -1, 0]
    np.testing.assert_array_equal(odds[0, 0], odds[1, 0])
