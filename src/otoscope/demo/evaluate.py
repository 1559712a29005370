"""Word error rates of the demo model, on sentences and voices that it was not trained on."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import jiwer
import numpy as np
import torch
from transformers import WhisperForConditionalGeneration, WhisperTokenizer

from otoscope.audio.mel import log_mel
from otoscope.base.clocks import SAMPLE_RATE_HZ
from otoscope.demo.network import N_MELS
from otoscope.demo.speech import Studio, held_out_sentences
from otoscope.demo.voices import foreign_voice, training_voice, unheard_voice

_BATCH = 20


@dataclass(frozen=True)
class HeldOutSpeech:
    """Held-out sentences spoken by one kind of voice, one per window."""

    texts: tuple[str, ...]  # what is said
    samples: np.ndarray  # float32 [window, sample] at 16 kHz


@dataclass(frozen=True)
class WordErrors:
    """Word errors over a set of sentences, as shares of the words spoken."""

    wer: float
    substitutions: float
    insertions: float
    deletions: float
    words: int
    sentences: int


def held_out_speech(n_sentences: int, window_s: float, seed: int) -> dict[str, HeldOutSpeech]:
    """Speak held-out sentences in voices heard in training, in unheard voices, and in unheard accents."""
    kinds = {"seen voices": training_voice, "unheard voices": unheard_voice, "unheard accents": foreign_voice}
    studio = Studio()
    spoken = {}
    for kind, draw_voice in kinds.items():
        rng = random.Random(f"{seed} {kind}")
        texts = held_out_sentences(rng, n_sentences)
        samples = np.zeros((n_sentences, round(window_s * SAMPLE_RATE_HZ)), np.float32)
        for row, text in zip(samples, texts, strict=True):
            utterance = studio.passage([text], draw_voice(rng), rng).pieces[0].samples
            start = rng.randint(0, SAMPLE_RATE_HZ // 2)
            row[start : start + len(utterance)] = utterance[: len(row) - start] * 10 ** (rng.uniform(-15, 0) / 20)
        spoken[kind] = HeldOutSpeech(tuple(texts), samples)
    return spoken


def normalised(text: str) -> str:
    """Give a text in lower case without punctuation, as word error rates compare it."""
    return " ".join(re.sub(r"[^\w' ]", " ", text.lower()).split())


def error_rate(texts: Sequence[str], heard: Sequence[str]) -> WordErrors:
    """Count word errors between what was said and what was heard."""
    out = jiwer.process_words([normalised(text) for text in texts], [normalised(text) for text in heard])
    words = out.hits + out.substitutions + out.deletions
    rates = (out.wer, out.substitutions / words, out.insertions / words, out.deletions / words)
    return WordErrors(*rates, words=words, sentences=len(texts))


@torch.no_grad()
def transcripts(
    network: WhisperForConditionalGeneration, tokenizer: WhisperTokenizer, samples: np.ndarray, *, timestamps: bool
) -> list[str]:
    """Transcribe windows greedily, float32 [window, sample]."""
    heard = []
    for start in range(0, len(samples), _BATCH):
        mel = log_mel(torch.from_numpy(samples[start : start + _BATCH]), N_MELS)
        ids = network.generate(mel, language="en", task="transcribe", return_timestamps=timestamps)
        heard += tokenizer.batch_decode(ids, skip_special_tokens=True)
    return heard


def evaluate(
    network: WhisperForConditionalGeneration, tokenizer: WhisperTokenizer, speech: dict[str, HeldOutSpeech]
) -> dict[str, dict[str, float | int]]:
    """Word error rates by kind of voice."""
    was_training = network.training
    network.eval()
    rates = {}
    for kind, spoken in speech.items():
        heard = transcripts(network, tokenizer, spoken.samples, timestamps=False)
        rates[kind] = asdict(error_rate(spoken.texts, heard))
    network.train(was_training)
    return rates
