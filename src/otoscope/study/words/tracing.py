"""Trace every word of one window back to its frames: by attention, by relevance, by silencing.

Costs one run of the encoder in the graph, one transcription, two runs of the decoder, one backward pass for each word,
and one run of both for each stretch that is silenced. Memory: all patterns of the window, [block, head, frame, frame]
in the encoder, and once more what the framework keeps of them; the gradients of one block at a time.
It does not know where the window lies in a recording, nor how good the result is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int8
from torch import Tensor

from otoscope.audio.kinds import Kind
from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.model.alignment import Head, align, check_heads
from otoscope.model.generation import prompt_tokens, read_logits
from otoscope.model.reading import Tape
from otoscope.model.spelling import split_words
from otoscope.model.whisper import Whisper
from otoscope.model.windows import Windows
from otoscope.study.target import TargetWord
from otoscope.study.word_target import find_word
from otoscope.study.words import bimodal, perturbation
from otoscope.study.words.perturbation import WordTokens
from otoscope.study.words.settings import WordsSettings
from otoscope.study.writing import text_of, write_windows

TASK = "transcribe"


@dataclass(frozen=True)
class Tracing:
    """How words are traced with one model, in frames."""

    heads: tuple[Head, ...]  # cross-attention heads that words are aligned by
    stretch: int  # frames silenced at a time
    step: int  # frames from one silenced stretch to the next
    batch_size: int  # windows run at a time
    exact: bool  # whether padding reacts to what is silenced (`perturbation.stretch_scores`)


@dataclass(frozen=True)
class TracedWord:
    """One word of a window's transcript."""

    text: str  # as written, without spaces around it
    tokens: tuple[int, ...]
    log_probability: float  # of its tokens together, given the sound and all tokens before; natural logarithm
    aligned: tuple[int, int]  # its frames [start, stop) by alignment, without the silence before and after


@dataclass(frozen=True, eq=False)
class Trace:
    """The words of one window and their curves over its frames, float32."""

    language: str  # what is spoken, as Whisper's code
    transcript: str
    words: tuple[TracedWord, ...]
    attention: Float[np.ndarray, "word frame"]  # mean pattern of the alignment heads over the rows that predict it
    relevance: Float[np.ndarray, "word frame"]  # carried through decoder and encoder
    perturbation: Float[np.ndarray, "word frame"]  # fall of its log-probability when a frame is silenced
    is_stopped: bool  # whether the decoder had no room to end the text


def in_frames(model: Whisper, settings: WordsSettings) -> Tracing:
    """Check settings against a model and convert them to frames."""
    stretch, step = (round(seconds / FRAME_S) for seconds in (settings.stretch_s, settings.step_s))
    if stretch > model.n_frames:
        raise InputError(
            f"stretch_s={settings.stretch_s:g} is longer than the model's window of {model.window_s:g} s. Give less."
        )
    batch_size = settings.batch_size or (1 if model.device.type == "cpu" else 16)
    return Tracing(check_heads(model, settings.alignment_heads), stretch, step, batch_size, settings.exact)


def n_sound_frames(kinds: Int8[np.ndarray, " frame"]) -> int:
    """Count the frames of a window that hold recording; padding follows them."""
    return int((kinds != Kind.PADDING).sum())


def trace_window(
    model: Whisper,
    windows: Windows,
    tracing: Tracing,
    *,
    language: str | None,
    target: TargetWord | None = None,
    progress: Callable[[int], None] = lambda n: None,
) -> Trace:
    """Trace every word of a window.

    Source: Chefer, Gur and Wolf 2021 (arXiv 2103.15679) for relevance; OpenAI Whisper, `whisper/timing.py`, for
    alignment; Zeiler and Fergus 2014 (arXiv 1311.2901) for silencing.
    """
    sites = pattern_sites(model)
    with model.reading([site for room in sites for site in room], gradients=True) as tape:
        encoding = model.encode_mel(windows.mel)
        with model.reading_paused():
            code, written = write_windows(model, encoding.detach(), [language])[0]
        words = model.vocabulary
        tokens = [token for token in written.tokens if words.is_text(token)]
        spelt = split_words(model.tokenizer, tokens, code) if tokens else []
        transcript = text_of(model, tokens)
        if target is not None:
            find_word([text for text, _ in spelt], target, transcript=transcript)
        if not spelt:
            none = np.zeros((0, model.n_frames), np.float32)
            return Trace(code, transcript, (), none, none, none, written.is_stopped)
        prompt = prompt_tokens(model, language=code)
        spans = word_tokens(len(prompt), [len(ids) for _, ids in spelt])
        ids = [*prompt, *tokens]
        with torch.enable_grad():
            logits = read_logits(model, encoding, torch.tensor([ids]))
            scores = perturbation.word_scores(logits, ids, spans)[0]
    relevance = relevance_curves(scores, spans, tape, sites)
    attention = attention_curves(tape, sites[2], spans, tracing.heads)
    whole = scores.detach().cpu().numpy()
    encoding = encoding.detach()
    del logits, scores, tape  # the graph goes before the windows of silenced stretches come
    kinds = windows.kinds[0]
    n_sound = n_sound_frames(kinds)
    (aligned,) = align(
        model, words, encoding, [tokens], language=code, task=TASK, heads=tracing.heads, n_frames=n_sound
    )
    centres, stretches = perturbation.sliding(n_sound, tracing.stretch, tracing.step)
    silenced = perturbation.stretch_scores(
        model,
        windows,
        ids,
        spans,
        stretches,
        batch_size=tracing.batch_size,
        exact=tracing.exact,
        progress=progress,
    )
    traced = tuple(
        TracedWord(text.strip(), tuple(word_ids), float(score), spoken(word.start_frame, word.end_frame, kinds))
        for (text, word_ids), score, word in zip(spelt, whole, aligned, strict=True)
    )
    falls = perturbation.drop_curves(silenced, whole, centres, n_sound, model.n_frames)
    return Trace(code, transcript, traced, attention, relevance, falls, written.is_stopped)


def pattern_sites(model: Whisper) -> tuple[list[str], list[str], list[str]]:
    """Name the patterns of the encoder, of the decoder's self-attention and of its cross-attention."""
    decoder = range(model.n_decoder_blocks)
    return (
        [f"encoder.blocks.{block}.attn.pattern" for block in range(model.n_encoder_blocks)],
        [f"decoder.blocks.{block}.attn.pattern" for block in decoder],
        [f"decoder.blocks.{block}.cross_attn.pattern" for block in decoder],
    )


def word_tokens(n_prompt: int, lengths: Sequence[int]) -> list[WordTokens]:
    """Return where words of the given lengths lie after the prompt."""
    stops = (n_prompt + np.cumsum(lengths)).tolist()
    return [WordTokens(stop - length, stop) for stop, length in zip(stops, lengths, strict=True)]


def relevance_curves(
    scores: Float[Tensor, " word"],
    spans: Sequence[WordTokens],
    tape: Tape,
    sites: tuple[list[str], list[str], list[str]],
) -> Float[np.ndarray, "word frame"]:
    """Carry each word's relevance through decoder and encoder, in one backward pass each."""
    encoder, decoder, cross = ([tape.parts(site)[0] for site in room] for room in sites)
    curves = []
    for score, span in zip(scores, spans, strict=True):
        weighted = bimodal.weighted_attention(score, encoder, decoder, cross)
        drawn = bimodal.token_relevance(weighted)[span.first - 1 : span.stop - 1].sum(dim=0, keepdim=True)
        curves.append(bimodal.carry(drawn, weighted.encoder)[0].cpu().numpy())
    return np.stack(curves)


def attention_curves(
    tape: Tape, cross: Sequence[str], spans: Sequence[WordTokens], heads: Sequence[Head]
) -> Float[np.ndarray, "word frame"]:
    """Average the patterns of the alignment heads over the rows that predict each word."""
    patterns = torch.stack([tape.parts(cross[block])[0][0, head].detach().float() for block, head in heads]).mean(dim=0)
    rows = [patterns[span.first - 1 : span.stop - 1].mean(dim=0) for span in spans]
    return torch.stack(rows).cpu().numpy()


def spoken(start: int, stop: int, kinds: Int8[np.ndarray, " frame"]) -> tuple[int, int]:
    """Leave out the silence at both ends of a stretch; a stretch without speech stays as it is."""
    speech = np.flatnonzero(kinds[start:stop] == Kind.SPEECH)
    return (start + int(speech[0]), start + int(speech[-1]) + 1) if len(speech) else (start, stop)
