from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch

from otoscope.audio.clip import Clip, Span
from otoscope.model.load import load
from otoscope.model.whisper import Whisper
from tests.model.tiny import tiny_hf, tiny_tokenizer


def build(*, seconds: int = 2, blocks: int = 3, heads: int = 2, seed: int = 0) -> Whisper:
    """A tiny random Whisper that is a new one each time and writes words that follow the sound, none of them twice."""
    tokenizer = tiny_tokenizer()
    hf = tiny_hf(tokenizer, seconds=seconds, d_model=16, blocks=blocks, heads=heads, max_tokens=24, seed=seed)
    is_word = re.compile(r"Ġ[a-z]{2,}|<\|endoftext\|>").fullmatch
    others = [index for token, index in tokenizer.get_vocab().items() if not is_word(token)]
    hf.generation_config.suppress_tokens = sorted(others)
    hf.generation_config.no_repeat_ngram_size = 1
    with torch.no_grad():
        for layer in hf.model.decoder.layers:
            layer.encoder_attn.out_proj.weight.mul_(4)
    return Whisper(hf, tokenizer, id="tiny-random", weights_hash="0")


@pytest.fixture(scope="session")
def model() -> Whisper:
    return build()


@pytest.fixture(scope="session")
def demo() -> Whisper:
    return load("demo", device="cpu")


def make_clip(duration_s: float = 1.6, *, seed: int = 0, **labels: object) -> Clip:
    """Bursts of noise with quiet between them: the first and last tenth of a second hold none."""
    rng = np.random.default_rng(seed)
    n = round(duration_s * 16_000)
    time_s = np.arange(n) / 16_000
    is_burst = (np.sin(2 * np.pi * 2.5 * time_s) > -0.7) & (time_s > 0.1) & (time_s < duration_s - 0.1)
    samples = rng.normal(0, 1, n) * np.where(is_burst, 0.2, 0.0002)
    settings: dict = {"id": f"bursts-{seed}", "transcript": "the little dog", **labels}
    return Clip(samples=samples.astype(np.float32), **settings)


@pytest.fixture(scope="session")
def clip() -> Clip:
    return make_clip()


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    return [make_clip(1.2 + 0.1 * seed, seed=seed) for seed in range(3)]


@pytest.fixture
def spans() -> Callable[..., tuple[Span, ...]]:
    """Makes word times: words side by side, each as long."""

    def words(text: str, start_s: float, word_s: float) -> tuple[Span, ...]:
        starts = [start_s + word_s * index for index in range(len(text.split()))]
        return tuple(Span(at, at + word_s, word) for at, word in zip(starts, text.split(), strict=True))

    return words
