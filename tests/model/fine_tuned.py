"""Checkpoints as fine-tuning leaves them: words added after the timestamps, settings from here and there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from transformers import GenerationConfig, WhisperTokenizer

from otoscope.model.whisper import Whisper
from tests.model.lively import lively
from tests.model.real_shapes import real_tokenizer
from tests.model.tiny import save_folder, tiny_hf

ENGLISH_ONLY_SIZE = 51_864


def with_words(model: Whisper, *words: str) -> Whisper:
    """Add words to a model as fine-tuning does: ids after the timestamps, and rows in the embedding."""
    tokenizer = model.tokenizer
    tokenizer.add_tokens(list(words))
    model.hf.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return Whisper(model.hf, tokenizer, id="fine-tuned", weights_hash="none")


def lively_with_words(*words: str, seed: int = 1) -> Whisper:
    """A lively model with words added."""
    return with_words(lively(seed), *words)


def english_only_folder(folder: Path, *words: str, generation: GenerationConfig | None = None) -> Path:
    """Write a tiny model with the vocabulary of the English-only releases, words added, into a folder."""
    tokenizer = english_only_tokenizer(*words)
    model = tiny_hf(tokenizer)
    model.generation_config = generation or GenerationConfig()
    save_folder(folder, model, tokenizer)
    if generation is None:
        (folder / "generation_config.json").unlink()
    return folder


def english_only_tokenizer(*words: str) -> WhisperTokenizer:
    """A tokenizer of the size of the English-only releases, with words added."""
    tokenizer = real_tokenizer.__wrapped__(ENGLISH_ONLY_SIZE)  # not the cached one, which others use
    tokenizer.add_tokens(list(words))
    return tokenizer


def writes(*tokens: int, n_prompt: int) -> Callable[[Tensor], Tensor]:
    """An edit of the logits that makes a decoder write these tokens, one after the other, after its prompt."""
    position = -1

    def edit(logits: Tensor) -> Tensor:
        nonlocal position
        position = 0 if logits.shape[1] >= n_prompt else position + 1
        said = torch.full_like(logits, -100.0)
        said[..., tokens[min(position, len(tokens) - 1)]] = 100.0
        return said

    return edit
