"""Trace every word of one window back to its frames: by attention, by relevance, by silencing.

Costs one run of the encoder in the graph, one transcription, two runs of the decoder, one backward pass for each word,
and one run of both for each stretch that is silenced. Memory: all patterns of the window, [block, head, frame, frame]
in the encoder, and once more what the framework keeps of them; the gradients of one block at a time.
It does not know where the window lies in a recording, nor how well it did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int8
from torch import Tensor

from otoscope.audio.kinds import Kind
from otoscope.model.alignment import Head, align
from otoscope.model.generation import prompt_tokens, read_logits
from otoscope.model.reading import Tape
from otoscope.model.spelling import split_words
from otoscope.model.whisper import Whisper, Windows
from otoscope.study.target import Word
from otoscope.study.word_target import find_word
from otoscope.study.words import bimodal, perturbation
from otoscope.study.words.perturbation import WordTokens
from otoscope.study.writing import text_of, write_windows

TASK = "transcribe"


@dataclass(frozen=True)
class Settings:
    """How words are traced.

    Attributes:
        heads: Cross-attention heads that words are aligned by.
        stretch: Frames silenced at a time.
        step: Frames from one silenced stretch to the next.
        batch_size: Windows run at a time.
        exact: Whether padding reacts to what is silenced (`perturbation.stretch_scores`).
    """

    heads: tuple[Head, ...]
    stretch: int
    step: int
    batch_size: int
    exact: bool = False


@dataclass(frozen=True)
class TracedWord:
    """One word of a window's transcript.

    Attributes:
        text: As written, without spaces around it.
        tokens: Its token ids.
        log_probability: Of its tokens together, given the sound and all tokens before; natural logarithm.
        aligned: Its frames [start, stop) by alignment, without the silence before and after.
    """

    text: str
    tokens: tuple[int, ...]
    log_probability: float
    aligned: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Trace:
    """The words of one window and their curves over its frames.

    Attributes:
        language: What is spoken, as Whisper's code.
        transcript: The window's text.
        words: Its words.
        attention: Mean pattern of the alignment heads over the rows that predict the word, float32 [word, frame].
        relevance: Relevance carried through decoder and encoder, float32 [word, frame].
        perturbation: Fall of the word's log-probability when a frame is silenced, float32 [word, frame].
        is_stopped: Whether the decoder had no room to end the text.
    """

    language: str
    transcript: str
    words: tuple[TracedWord, ...]
    attention: Float[np.ndarray, "word frame"]
    relevance: Float[np.ndarray, "word frame"]
    perturbation: Float[np.ndarray, "word frame"]
    is_stopped: bool


def n_sound_frames(kinds: Int8[np.ndarray, " frame"]) -> int:
    """Count the frames of a window that hold recording; padding follows them."""
    return int((kinds != Kind.PADDING).sum())


def trace_window(
    model: Whisper,
    windows: Windows,
    settings: Settings,
    *,
    language: str | None,
    wanted: Word | None = None,
    progress: Callable[[int], None] = lambda n: None,
) -> Trace:
    """Trace every word of a window.

    Args:
        model: Any Whisper.
        windows: One window.
        settings: How.
        language: What is spoken; the model finds out by default.
        wanted: A word that must be in the transcript.
        progress: Called with the number of stretches silenced since the last call.

    Returns:
        Words and curves; none where nothing is written.

    Raises:
        InputError: The wanted word is not there, or the language is not the model's.

    Source:
        Chefer, Gur and Wolf 2021 (arXiv 2103.15679) for relevance; OpenAI Whisper, `whisper/timing.py`, for alignment;
        Zeiler and Fergus 2014 (arXiv 1311.2901) for silencing.
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
        if wanted is not None:
            find_word([text for text, _ in spelt], wanted, transcript=transcript)
        if not spelt:
            none = np.zeros((0, model.n_frames), np.float32)
            return Trace(code, transcript, (), none, none, none, written.is_stopped)
        prompt = prompt_tokens(model, language=code)
        places = word_tokens(len(prompt), [len(ids) for _, ids in spelt])
        ids = [*prompt, *tokens]
        with torch.enable_grad():
            logits = read_logits(model, encoding, torch.tensor([ids]))
            scores = perturbation.word_scores(logits, ids, places)[0]
    relevance = relevance_curves(scores, places, tape, sites)
    attention = attention_curves(tape, sites[2], places, settings.heads)
    whole = scores.detach().cpu().numpy()
    encoding = encoding.detach()
    del logits, scores, tape  # the graph goes before the windows of silenced stretches come
    n_sound = n_sound_frames(windows.kinds[0])
    aligned = align(model, words, encoding, [tokens], language=code, task=TASK, heads=settings.heads, n_frames=n_sound)[
        0
    ]
    centres, stretches = perturbation.sliding(n_sound, settings.stretch, settings.step)
    silenced = perturbation.stretch_scores(
        model,
        windows,
        ids,
        places,
        stretches,
        batch_size=settings.batch_size,
        exact=settings.exact,
        progress=progress,
    )
    traced = tuple(
        TracedWord(text.strip(), tuple(own), float(score), spoken(word.start_frame, word.end_frame, windows.kinds[0]))
        for (text, own), score, word in zip(spelt, whole, aligned, strict=True)
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
    """Place words of so many tokens after the prompt."""
    stops = (n_prompt + np.cumsum(lengths)).tolist()
    return [WordTokens(stop - length, stop) for stop, length in zip(stops, lengths, strict=True)]


def relevance_curves(
    scores: Float[Tensor, " word"],
    places: Sequence[WordTokens],
    tape: Tape,
    sites: tuple[list[str], list[str], list[str]],
) -> Float[np.ndarray, "word frame"]:
    """Carry each word's relevance through decoder and encoder, in one backward pass each."""
    encoder, decoder, cross = ([tape.parts(site)[0] for site in room] for room in sites)
    curves = []
    for score, place in zip(scores, places, strict=True):
        weighted = bimodal.weighted_attention(score, encoder, decoder, cross)
        drawn = bimodal.token_relevance(weighted)[place.first - 1 : place.stop - 1].sum(dim=0, keepdim=True)
        curves.append(bimodal.carry(drawn, weighted.encoder)[0].cpu().numpy())
    return np.stack(curves)


def attention_curves(
    tape: Tape, cross: Sequence[str], places: Sequence[WordTokens], heads: Sequence[Head]
) -> Float[np.ndarray, "word frame"]:
    """Average the patterns of the alignment heads over the rows that predict each word."""
    patterns = torch.stack([tape.parts(cross[block])[0][0, head].detach().float() for block, head in heads]).mean(dim=0)
    rows = [patterns[place.first - 1 : place.stop - 1].mean(dim=0) for place in places]
    return torch.stack(rows).cpu().numpy()


def spoken(start: int, stop: int, kinds: Int8[np.ndarray, " frame"]) -> tuple[int, int]:
    """Leave out the silence at both ends of a stretch; a stretch without speech stays as it is."""
    speech = np.flatnonzero(kinds[start:stop] == Kind.SPEECH)
    return (start + int(speech[0]), start + int(speech[-1]) + 1) if len(speech) else (start, stop)
