"""Experiments that run the decoder over a text stop where it computes no numbers, and name the site."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from otoscope.audio.clip import Clip
from otoscope.base.errors import ModelError
from otoscope.model.encoder_end import encoder_end
from otoscope.model.encoder_start import encoder_start
from otoscope.model.unembed import unembed
from otoscope.model.whisper import Whisper
from otoscope.study.lens.encoder import encoder_lens
from otoscope.study.lens.experiment import lens
from otoscope.study.lens.heads import head_lens
from otoscope.study.listening.live import LiveModel
from otoscope.study.relevance.experiment import relevance
from otoscope.study.target import TargetWord
from otoscope.study.words.experiment import words
from tests.study.conftest import build

SITE = "decoder.blocks.1.mlp.1"
N_PROMPT = 4


def over_a_text(x: Tensor) -> Tensor:
    """Overflow once more is given than a transcript begins with: writing one stays as it was."""
    return x if x.shape[1] <= N_PROMPT else torch.full_like(x, torch.inf)


EXPERIMENTS: dict[str, Callable[[Whisper, Clip, Path], object]] = {
    "words": lambda model, clip, _: words(model, clip, language="en"),
    "relevance": lambda model, clip, _: relevance(model, clip, target=TargetWord(1), language="en"),
    "lens": lambda model, clip, _: lens(model, clip, language="en"),
    "head lens": lambda model, clip, _: head_lens(model, clip, language="en"),
    "encoder lens": lambda model, clip, _: encoder_lens(model, [clip], language="en"),
    "live": lambda model, clip, folder: LiveModel(model, folder, "0").ask(clip.samples),
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_overflow_while_a_text_is_scored_is_named(name: str, clip: Clip, tmp_path: Path) -> None:
    model = build()
    with model.edit({SITE: over_a_text}), pytest.raises(ModelError, match=rf"the first is in the output of '{SITE}'"):
        EXPERIMENTS[name](model, clip, tmp_path)


def test_a_word_that_is_traced_later_is_looked_at_too(clip: Clip, tmp_path: Path) -> None:
    model = build()
    live = LiveModel(model, tmp_path, "0")
    _, state = live.ask(clip.samples)
    with model.edit({SITE: over_a_text}), pytest.raises(ModelError, match=SITE):
        live.word(state, 0)


def test_logits_of_a_state_that_overflow_are_named(model: Whisper) -> None:
    with pytest.raises(ModelError, match=r"output of 'decoder\.ln'"):
        unembed(model, torch.full((1, model.d_model), torch.inf))


def test_a_part_of_the_encoder_that_overflows_is_named(clip: Clip) -> None:
    model = build()
    mel = model.windows(clip).mel
    entering = encoder_start(model, mel, "encoder.blocks.0")["encoder.blocks.0"]
    with model.edit({"encoder.blocks.1": lambda x: torch.full_like(x, torch.nan)}):
        with pytest.raises(ModelError, match=r"output of 'encoder\.blocks\.1'"):
            encoder_start(model, mel, ["encoder.blocks.1.attn", "encoder.blocks.1"])
        with pytest.raises(ModelError, match=r"output of 'encoder\.blocks\.1'"):
            encoder_end(model, entering, 1)
