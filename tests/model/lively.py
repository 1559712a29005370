"""A tiny random Whisper that writes varied text: an untrained one tends to repeat one special token."""

from __future__ import annotations

import numpy as np
import torch
from transformers import WhisperFeatureExtractor

from otoscope.model.whisper import Whisper
from tests.model.tiny import tiny_hf, tiny_tokenizer

SECONDS = 2
RATE_HZ = 16_000


def lively(seed: int = 1) -> Whisper:
    """Build one that lets sound and position weigh on what it writes, without special tokens and late timestamps."""
    tokenizer = tiny_tokenizer()
    hf = tiny_hf(tokenizer, seconds=SECONDS, seed=seed)
    with torch.no_grad():
        for name, weight in hf.named_parameters():
            if "decoder.layers" in name and weight.ndim == 2:
                weight.mul_(6)
            if "decoder.embed_positions" in name:
                weight.mul_(20)
    settings = hf.generation_config
    last = settings.no_timestamps_token_id + 1 + 50 * SECONDS
    specials = [index for index in tokenizer.all_special_ids if index != settings.eos_token_id]
    settings.suppress_tokens = specials + list(range(last + 1, len(tokenizer)))
    return Whisper(hf, tokenizer, id="lively", weights_hash="none")


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Bursts of noise with pauses, float32 at 16 kHz."""
    time = np.arange(int(RATE_HZ * seconds)) / RATE_HZ
    bursts = np.sin(2 * np.pi * 1.3 * time) > 0
    return (np.random.default_rng(seed).standard_normal(len(time)) * 0.1 * bursts).astype(np.float32)


def features(samples: np.ndarray) -> torch.Tensor:
    """Compute transformers' own features: one padded window, or all of a longer recording."""
    is_long = len(samples) > SECONDS * RATE_HZ
    extractor = WhisperFeatureExtractor(feature_size=80, chunk_length=SECONDS)
    padding = "longest" if is_long else "max_length"
    return extractor(
        samples, sampling_rate=RATE_HZ, return_tensors="pt", truncation=False, padding=padding
    ).input_features


def plain(model: Whisper, samples: np.ndarray, **settings: object) -> list[int]:
    """Generate with transformers alone."""
    settings = {"language": "en", "task": "transcribe", **settings}
    ids: list[int] = model.hf.generate(features(samples), **settings)[0].tolist()
    return ids
