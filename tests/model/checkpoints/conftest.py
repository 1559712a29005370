"""One tiny model for every format to be written from, and the cache's isolation."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from transformers import WhisperForConditionalGeneration, WhisperTokenizer
from transformers.models.whisper.modeling_whisper import sinusoids

from otoscope.model.whisper import Whisper
from tests.model.tiny import tiny_hf, tiny_tokenizer


class Original(NamedTuple):
    """The model that a format is written from."""

    model: WhisperForConditionalGeneration
    tokenizer: WhisperTokenizer


@pytest.fixture(scope="session")
def original() -> Original:
    """A tiny Whisper of d_model 32, so that its rows are whole blocks; its encoder's positions are sinusoids."""
    tokenizer = tiny_tokenizer()
    model = tiny_hf(tokenizer, max_tokens=16)
    with torch.no_grad():
        model.model.encoder.embed_positions.weight.copy_(sinusoids(100, 32))
    return Original(model, tokenizer)


def assert_equal_weights(loaded: Whisper, original: Original, *, exact: bool = True, steps: float = 0.0) -> None:
    """Compare all weights: to the bit, or to within a part of each row's largest value."""
    ours, theirs = loaded.hf.state_dict(), original.model.state_dict()
    assert list(ours) == list(theirs)
    for name, expected in theirs.items():
        if exact:
            assert torch.equal(ours[name], expected), name
        else:
            reach = expected.reshape(expected.shape[0], -1).abs().amax()
            assert (ours[name] - expected).abs().max() <= steps * reach, name
