"""A tiny random Whisper, tokenizer included, for tests: real structure, real special tokens, no training.

The folder has the layout that `save_pretrained` writes today. Its tokenizer is a byte-level BPE of a few hundred
entries followed by Whisper's special tokens in their real order (all languages, 1,501 timestamps), so every rule that
counts token ids from `<|startoftranscript|>` or from the first timestamp holds as in a released checkpoint. Attention
is sharper than a default initialisation makes it, so that a test of attention cannot pass on uniform patterns.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)
from transformers.models.whisper.modeling_whisper import WhisperAttention
from transformers.models.whisper.tokenization_whisper import LANGUAGES

TEXTS = (
    " the little dog sees a green boat near the old house",
    " we keep seven cups of tea and nine red shoes",
    " the show where celebrities answer hot questions",
)
AFTER_LANGUAGES = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")


def special_tokens(n_languages: int = len(LANGUAGES)) -> list[str]:
    """Return Whisper's special tokens in their real order, without `<|endoftext|>` and the timestamps."""
    names = ["startoftranscript", *list(LANGUAGES)[:n_languages], *AFTER_LANGUAGES]
    return [f"<|{name}|>" for name in names]


def timestamp_tokens() -> list[str]:
    """Return the 1,501 timestamp tokens, `<|0.00|>` to `<|30.00|>`."""
    return [f"<|{0.02 * i:.2f}|>" for i in range(1501)]


@lru_cache
def _byte_pairs(vocab_size: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Train the byte-level vocabulary and merges once per size."""
    import json

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    raw.train_from_iterator(TEXTS, trainer)
    state = json.loads(raw.to_str())["model"]
    return state["vocab"], [tuple(pair) for pair in state["merges"]]


def tiny_tokenizer(vocab_size: int = 320, n_languages: int = len(LANGUAGES)) -> WhisperTokenizer:
    """Build a Whisper tokenizer over a small byte-level vocabulary.

    Args:
        vocab_size: Byte-level entries at most, before the special tokens; at least 256.
        n_languages: 100 as in large-v3, 99 as in every earlier checkpoint.

    Returns:
        The tokenizer; its ids are the byte-level entries, `<|endoftext|>`, the special tokens, the timestamps.
    """
    vocab, merges = _byte_pairs(vocab_size)
    tokenizer = WhisperTokenizer(vocab=dict(vocab), merges=list(merges))
    tokenizer.add_special_tokens({"extra_special_tokens": special_tokens(n_languages)})
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in timestamp_tokens()])
    tokenizer.set_prefix_tokens()  # the constructor made its template before these tokens existed
    return tokenizer


def sharpen(model: WhisperForConditionalGeneration, seed: int = 0) -> None:
    """Redraw the weights so that sound, position and earlier tokens all move the result, whatever the width."""
    generator = torch.Generator().manual_seed(seed)
    sharp = {id(p) for m in model.modules() if isinstance(m, WhisperAttention) for p in (m.q_proj, m.k_proj)}
    loud = {id(layer.encoder_attn.out_proj) for layer in model.model.decoder.layers}  # sound outweighs earlier tokens
    with torch.no_grad():
        for module in model.model.modules():
            if isinstance(module, nn.Linear | nn.Conv1d):
                fan_in = module.weight[0].numel()
                std = (2.0 if id(module) in sharp else 6.0 if id(module) in loud else 1.0) / fan_in**0.5
                module.weight.normal_(0.0, std, generator=generator)
                if module.bias is not None:
                    module.bias.normal_(0.0, 0.1, generator=generator)
            if isinstance(module, nn.LayerNorm):
                module.weight.normal_(1.0, 0.1, generator=generator)
                module.bias.normal_(0.0, 0.1, generator=generator)
        decoder = model.model.decoder
        decoder.embed_tokens.weight.normal_(0.0, 0.3, generator=generator)
        decoder.embed_positions.weight.normal_(0.0, 0.3, generator=generator)


def tiny_hf(
    tokenizer: WhisperTokenizer | None = None,
    *,
    seconds: int = 2,
    d_model: int = 32,
    blocks: int = 2,
    heads: int = 2,
    n_mels: int = 80,
    max_tokens: int = 64,
    seed: int = 0,
) -> WhisperForConditionalGeneration:
    """Build a tiny random model in evaluation mode, with a complete generation config.

    Args:
        tokenizer: Where the special ids come from; a fresh `tiny_tokenizer()` by default.
        seconds: Length of the window.
        d_model: Width; a multiple of `heads`.
        blocks: Encoder blocks, and decoder blocks.
        heads: Attention heads, everywhere.
        n_mels: 80 or 128.
        max_tokens: Decoder positions.
        seed: Draws the weights.

    Returns:
        The model in float32 on the CPU.
    """
    tokenizer = tokenizer or tiny_tokenizer()
    ids = tokenizer.convert_tokens_to_ids
    end, start = ids("<|endoftext|>"), ids("<|startoftranscript|>")
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=n_mels,
        d_model=d_model,
        encoder_layers=blocks,
        decoder_layers=blocks,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=4 * d_model,
        decoder_ffn_dim=4 * d_model,
        max_source_positions=50 * seconds,
        max_target_positions=max_tokens,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=start,
        begin_suppress_tokens=None,
        suppress_tokens=None,
    )
    torch.manual_seed(seed)
    model = WhisperForConditionalGeneration(config).eval()
    sharpen(model, seed)
    languages = [code for code in LANGUAGES if f"<|{code}|>" in tokenizer.get_vocab()]
    model.generation_config = GenerationConfig(
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=start,
        is_multilingual=True,
        lang_to_id={f"<|{code}|>": ids(f"<|{code}|>") for code in languages},
        task_to_id={"transcribe": ids("<|transcribe|>"), "translate": ids("<|translate|>")},
        no_timestamps_token_id=ids("<|notimestamps|>"),
        prev_sot_token_id=ids("<|startofprev|>"),
        max_initial_timestamp_index=50,
        max_length=max_tokens,
        alignment_heads=[[block, head] for block in range(blocks // 2, blocks) for head in range(heads)],
    )
    return model


def save_folder(folder: Path, model: WhisperForConditionalGeneration, tokenizer: WhisperTokenizer) -> Path:
    """Write model, tokenizer and feature extractor settings as one Hugging Face folder."""
    model.save_pretrained(folder)
    seconds = model.config.max_source_positions // 50
    extractor = WhisperFeatureExtractor(feature_size=model.config.num_mel_bins, chunk_length=seconds)
    WhisperProcessor(extractor, tokenizer).save_pretrained(folder)
    return folder


def tiny_whisper_folder(folder: Path, **settings: int) -> Path:
    """Write a tiny random Whisper, tokenizer included, into `folder` and return it. The settings are `tiny_hf`'s."""
    tokenizer = tiny_tokenizer()
    return save_folder(folder, tiny_hf(tokenizer, **settings), tokenizer)
