"""A Whisper of the same shape with random weights: a baseline for every claim about the trained one."""

from __future__ import annotations

import torch
from transformers import WhisperForConditionalGeneration

from otoscope.model.whisper import Whisper


def untrained(model: Whisper, seed: int = 0) -> Whisper:
    """Make a model of the same shape, on the same device and in the same dtype, with random weights.

    Returns the model, weights drawn as the framework draws them before training. It has no tokenizer.
    Source: transformers, `WhisperPreTrainedModel._init_weights`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hf = WhisperForConditionalGeneration(model.hf.config)
    hf.to(device=model.device, dtype=model.dtype)  # type: ignore[call-arg]  # its stubs take a model for self
    suffix = f"untrained, seed {seed}"
    return Whisper(hf, None, id=f"{model.id} {suffix}", name=f"{model.name} {suffix}", weights_hash=f"untrained-{seed}")
