from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.audio.clip import Clip
from otoscope.corpus import open_corpus
from otoscope.model.load import load
from otoscope.model.whisper import Whisper
from otoscope.study.error_rate import word_errors
from otoscope.study.lens.encoder import NO_SOUND, EncoderLens, encoder_lens
from tests.study.conftest import build, make_clip


@pytest.fixture(scope="module")
def ended(model: Whisper, clips: list[Clip]) -> EncoderLens:
    return encoder_lens(model, clips, language="en")


def test_the_last_block_gives_the_models_own_transcript(model: Whisper, clips: list[Clip], ended: EncoderLens) -> None:
    assert ended.stages[:2] == (NO_SOUND, "embedding") and len(ended.stages) == model.n_encoder_blocks + 2
    for clip, row in zip(clips, ended.clips, strict=True):
        assert row.texts[-1] == model.transcribe(clip, language="en").text.strip()
        assert row.words(len(ended.stages) - 1).errors == 0


@pytest.mark.parametrize("n_blocks", [0, 1, 2])
def test_a_stage_is_the_transcript_without_the_blocks_above(
    clips: list[Clip], ended: EncoderLens, n_blocks: int
) -> None:
    short = build()
    short.hf.model.encoder.layers = short.hf.model.encoder.layers[:n_blocks]
    for clip, row in zip(clips, ended.clips, strict=True):
        assert row.texts[1 + n_blocks] == short.transcribe(clip, language="en").text.strip()


def test_the_baseline_hears_padding(model: Whisper, ended: EncoderLens) -> None:
    silent = model.transcribe(np.zeros(32_000, np.float32), language="en").text.strip()
    assert {row.texts[0] for row in ended.clips} == {silent}


def test_log_probabilities_are_those_of_the_clean_transcript(
    model: Whisper, clips: list[Clip], ended: EncoderLens
) -> None:
    names = ("startoftranscript", "en", "transcribe", "notimestamps")
    prompt = model.tokenizer.convert_tokens_to_ids([f"<|{name}|>" for name in names])
    text = model.tokenizer(f" {ended.clips[0].texts[-1]}", add_special_tokens=False).input_ids
    due = [*model.transcribe(clips[0], language="en").tokens[0]]
    due = [token for token in due if token not in model.tokenizer.all_special_ids]
    assert model.tokenizer.decode(due).strip() == model.tokenizer.decode(text).strip()
    n = ended.clips[0].n_tokens
    due = [*due, model.hf.generation_config.eos_token_id][:n]
    short = build()
    for n_blocks in range(model.n_encoder_blocks, -1, -1):
        short.hf.model.encoder.layers = short.hf.model.encoder.layers[:n_blocks]
        with torch.no_grad():
            logits = short.hf(
                encoder_outputs=(short.encode(clips[0]),), decoder_input_ids=torch.tensor([prompt + due])
            ).logits
        odds = logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        wanted = float(odds[torch.arange(n), torch.tensor(due)].sum())
        assert ended.clips[0].log_probabilities[1 + n_blocks] == pytest.approx(wanted, rel=1e-4, abs=1e-3)


def test_error_rates_pool_the_clips(ended: EncoderLens) -> None:
    errors = [word_errors(row.texts[-1], row.texts[1]) for row in ended.clips]
    assert ended.wer(1).value == pytest.approx(sum(e.errors for e in errors) / sum(e.n_reference for e in errors))
    reference = [word_errors("the little dog", row.texts[1]) for row in ended.clips]
    rate = ended.reference_wer(1)
    assert rate is not None and rate.value == pytest.approx(sum(e.errors for e in reference) / 9)


def test_long_clips_are_joined_and_batches_do_not_change_them(model: Whisper) -> None:
    long, short = make_clip(3.5), make_clip(1.0, seed=4, transcript=None)
    both = encoder_lens(model, [long, short], language="en")
    assert both.n_references == 1
    alone = encoder_lens(model, short, language="en").clips[0]
    assert both.clips[1].texts == alone.texts
    assert both.clips[1].log_probabilities == pytest.approx(alone.log_probabilities, rel=1e-4)
    assert len(both.clips[0].texts[-1].split()) > len(alone.texts[-1].split())


def test_edits_reach_every_stage_above_them(model: Whisper, clips: list[Clip], ended: EncoderLens) -> None:
    with model.edit({"encoder.blocks.1.attn": torch.zeros_like}):
        edited = encoder_lens(model, clips, language="en")
    for before, after in zip(ended.clips, edited.clips, strict=True):
        assert before.texts[1:3] == after.texts[1:3]
    assert any(before.texts[3] != after.texts[3] for before, after in zip(ended.clips, edited.clips, strict=True))


def test_one_clip_has_no_interval_and_a_picture(model: Whisper, ended: EncoderLens, clip: Clip, tmp_path: Path) -> None:
    table = ended.to_json()
    assert table["n_clips"] == 3 and [row["stage"] for row in table["stages"]] == list(ended.stages)
    single = encoder_lens(model, clip, language="en")
    assert single.to_json()["stages"][0]["wer"]["low"] is None
    assert single.plot(tmp_path / "one.png").stat().st_size


def test_the_demo_models_decoder_hears_more_in_later_blocks() -> None:
    result = encoder_lens(load("demo"), list(open_corpus("demo").first(6)))
    rates = [result.wer(stage).value for stage in range(len(result.stages))]
    assert rates[-1] == 0
    assert rates[1] > rates[-2]
    odds = result.log_probability().value
    assert odds[0] < odds[1] < odds[2] < odds[-1]
