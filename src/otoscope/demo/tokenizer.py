"""The demo model's tokenizer: byte-level BPE over the demo language, with Whisper's special tokens in their order."""

from __future__ import annotations

import json
import random

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import WhisperTokenizer
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from otoscope.demo import grammar

TIMESTAMP_S = 0.02
_BPE_TOKENS = 1_900
_SENTENCES = 60_000


def build_tokenizer(window_s: float) -> WhisperTokenizer:
    """Train the BPE on sentences of the grammar and add the special tokens.

    Returns the tokenizer; most words of the language, with a space before them, are one token.
    Source: Order of special tokens: openai-whisper, `tokenizer.py`. The library finds a language by its offset, so
    every language is there although only English is used; timestamps come last and are not special.
    """
    rng = random.Random(0)
    texts = [f" {grammar.sentence(rng)}" for _ in range(_SENTENCES)]
    texts += [f" {word}" for word in grammar.vocabulary() for _ in range(20)]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=_BPE_TOKENS, initial_alphabet=alphabet, show_progress=False)
    )
    learnt = json.loads(bpe.to_str())["model"]
    tokenizer = WhisperTokenizer(vocab=learnt["vocab"], merges=[tuple(merge) for merge in learnt["merges"]])
    tasks = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
    specials = [f"<|{name}|>" for name in ("startoftranscript", *LANGUAGES, *tasks)]
    tokenizer.add_special_tokens({"extra_special_tokens": specials})
    n_timestamps = round(window_s / TIMESTAMP_S) + 1
    tokenizer.add_tokens(
        [AddedToken(f"<|{i * TIMESTAMP_S:.2f}|>", special=False, normalized=False) for i in range(n_timestamps)]
    )
    tokenizer.set_prefix_tokens()  # the constructor's template does not know the tokens just added
    return tokenizer
