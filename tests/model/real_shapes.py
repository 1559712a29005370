"""Checkpoints with the shapes of OpenAI's releases and random weights, and a tokenizer of the real size."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice, product
from typing import Any

import torch
from tokenizers import AddedToken, pre_tokenizers
from torch import nn
from transformers import WhisperConfig, WhisperForConditionalGeneration, WhisperTokenizer

from otoscope.model.vocabulary import special_ids
from tests.model.tiny import special_tokens, timestamp_tokens

# Source: openai-whisper, `whisper/__init__.py` and its README: width, heads, encoder and decoder blocks, mels, tokens
_SHAPES = {
    "tiny": (384, 6, 4, 4, 80, 51_865),
    "tiny.en": (384, 6, 4, 4, 80, 51_864),
    "base": (512, 8, 6, 6, 80, 51_865),
    "large-v3-turbo": (1280, 20, 32, 4, 128, 51_866),
}


def real_config(name: str, **changes: Any) -> WhisperConfig:
    """Return the config of a release, with changes."""
    width, heads, encoder_layers, decoder_layers, n_mels, vocab_size = _SHAPES[name]
    ids = special_ids(vocab_size, None)
    values: dict[str, Any] = {
        "vocab_size": vocab_size,
        "num_mel_bins": n_mels,
        "d_model": width,
        "encoder_layers": encoder_layers,
        "decoder_layers": decoder_layers,
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * width,
        "decoder_ffn_dim": 4 * width,
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|endoftext|>"],
        "pad_token_id": ids["<|endoftext|>"],
        "decoder_start_token_id": ids["<|startoftranscript|>"],
        "begin_suppress_tokens": None,
    }
    return WhisperConfig(**(values | changes))


def random_model(config: WhisperConfig, dtype: torch.dtype = torch.float16) -> WhisperForConditionalGeneration:
    """Build a model with cheap random weights, light on disk."""
    with torch.device("meta"):
        model = WhisperForConditionalGeneration(config)
    model = model.to(dtype).to_empty(device="cpu")
    model.tie_weights()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.05, 0.05)
        for norm in (m for m in model.modules() if isinstance(m, nn.LayerNorm)):
            norm.weight.fill_(1.0)
    return model.eval()


@lru_cache
def real_tokenizer(vocab_size: int) -> WhisperTokenizer:
    """Build a tokenizer with as many byte-level entries as OpenAI's, invented, and the real special tokens."""
    n_languages = 100 if vocab_size == 51_866 else 99
    n_bytes = vocab_size - 1501 - len(special_tokens(n_languages)) - 1
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = list(islice(product(alphabet, alphabet), n_bytes - len(alphabet)))
    vocab = {text: i for i, text in enumerate([*alphabet, *(left + right for left, right in merges)])}
    tokenizer = WhisperTokenizer(vocab=vocab, merges=merges)
    tokenizer.add_special_tokens({"extra_special_tokens": special_tokens(n_languages)})
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in timestamp_tokens()])
    tokenizer.set_prefix_tokens()
    return tokenizer
