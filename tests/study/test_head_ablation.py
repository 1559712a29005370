from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import otoscope
from otoscope.audio.clip import Clip
from otoscope.model.whisper import Whisper
from otoscope.study.error_rate import words_of
from otoscope.study.steer.head_ablation import ablate_heads, all_heads
from otoscope.study.steer.settings import SoundsSettings
from otoscope.study.steer.sounds import made_sounds
from tests.study.conftest import make_clip


def test_each_head_is_removed_in_turn_and_its_words_are_counted(model: Whisper, clips: list[Clip]) -> None:
    result = ablate_heads(model, clips, n_sounds=2, language="en", seed=1)
    assert {effect.name for effect in result.effects} == {
        f"decoder.{block}.{part}.{head}" for block in range(3) for part in ("attn", "cross_attn") for head in range(2)
    }
    sounds = [clip for made in made_sounds(model, SoundsSettings(n_sounds=2, seed=1)).values() for clip in made]

    def words(heard: list) -> float:
        return float(np.mean([len(words_of(each.text)) for each in heard]))

    before = words([model.transcribe(sound, language="en") for sound in sounds])
    assert result.words.value == pytest.approx(before)
    for effect in result.effects[:2]:

        def without(pattern: Tensor, head: int = effect.head) -> Tensor:
            kept = torch.ones(pattern.shape[1])
            kept[head] = 0
            return pattern * kept[:, None, None]

        with model.edit({f"decoder.blocks.{effect.block}.{effect.part}.pattern": without}):
            after = words([model.transcribe(sound, language="en") for sound in sounds])
        assert effect.words.value == pytest.approx(after)
        assert effect.words_change.value == pytest.approx(after - before)
    sizes = [abs(effect.words_change.value) for effect in result.effects]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 0
    arrays, top = result.arrays(), result.effects[0]
    assert arrays[f"{top.part}_words_change"][top.block, top.head] == pytest.approx(top.words_change.value)
    assert arrays["attn_wer_change"].shape == (3, 2)


def test_without_transcripts_there_is_no_error_rate(model: Whisper, tmp_path: Path) -> None:
    result = ablate_heads(model, [make_clip(transcript=None), make_clip(transcript=" ")], n_sounds=1)
    assert (result.n_clips, result.wer, result.effects[0].wer_change) == (0, None, None)
    assert result.to_json()["heads"][0]["wer"] is None
    assert result.plot(tmp_path / "heads.png").is_file()


def test_some_head_of_the_demo_model_is_behind_the_words_it_makes_up() -> None:
    demo = otoscope.load("demo")
    result = ablate_heads(demo, [], n_sounds=2)  # of each kind
    assert result.words.value > 1, "the demo model writes words over half a window without speech"
    assert any(effect.words_change.high is not None and effect.words_change.high < 0 for effect in result.effects)


def test_every_head_of_the_decoder_is_listed(model: Whisper) -> None:
    heads = all_heads(model)
    assert len({head.short_name for head in heads}) == len(heads) == 2 * model.n_decoder_blocks * 2
    assert {head.factor for head in heads} == {0.0}
