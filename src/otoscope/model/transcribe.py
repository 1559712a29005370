"""Write down what is said in recordings of any length, many at a time.

A recording that fits the model's window is one pass of encoder and decoder. A longer one is decoded window by
window: with timestamps each window begins where the last finished segment of the previous one ended, as in OpenAI's
program and in the long-form `generate` of transformers, token for token; without them windows lie side by side, as
`Whisper.windows` cuts them. Everything runs through the framework's own `generate`, so readings, edits and attention
windows that are on apply. Memory: the log-mel of the recordings of one batch, 115 MB an hour at 80 bands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from otoscope.audio.clip import Clip, as_clip
from otoscope.base.errors import InputError
from otoscope.model.alignment import Head, align, check_heads
from otoscope.model.generation import Decoding, Written, detect, top, write
from otoscope.model.languages import Vocabulary
from otoscope.model.long_mel import long_log_mel
from otoscope.model.segments import cut
from otoscope.model.stretches import Pass, Stretch, Talk
from otoscope.model.transcription import Transcription

if TYPE_CHECKING:
    from torch import Tensor

    from otoscope.model.whisper import Sound, Whisper

__all__ = ["Transcription", "transcribe", "transcribe_many"]


def transcribe(model: Whisper, clip: Sound, *, batch_size: int = 8, **settings: object) -> Transcription:
    """Write down what is said in one recording.

    `batch_size`: windows run at a time, where they do not depend on each other.
    Returns text, segments and, where requested, words in time.
    """
    return transcribe_many(model, [clip], batch_size=batch_size, **settings)[0]  # type: ignore[arg-type]


def transcribe_many(
    model: Whisper,
    clips: Iterable[Sound],
    *,
    batch_size: int = 16,
    language: str | None = None,
    task: str | None = None,
    timestamps: bool | None = None,
    word_times: bool = False,
    beams: int = 1,
    alignment_heads: Sequence[Sequence[int]] | None = None,
    max_new_tokens: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Transcription]:
    """Write down what is said in recordings, several at a time.

    Args:
        model: Any Whisper with a tokenizer.
        clips: The sounds, of any length; taken one batch at a time.
        batch_size: Windows run at a time.
        language: What is spoken, as code or English name, in all of them; None for that of each clip or,
            where it has none, the one detected in its first window.
        task: `transcribe`, or `translate` for English from any language; None for what a fine-tuned checkpoint says it
            is for, by default `transcribe`.
        timestamps: Whether the decoder writes timestamps, so that segments are sentences. False gives one segment for
            every window, and windows side by side. None is True for recordings longer than a window.
        word_times: Whether to find where each word was spoken. Segments then begin and end with their words.
        beams: Width of the search; 1 is greedy.
        alignment_heads: Cross-attention heads to find words by, as (block, head); None for the checkpoint's own.
        max_new_tokens: Limit for one window, or None for the checkpoint's own.
        progress: Called after each pass over a window with the seconds of recording that it finished.

    Returns:
        A transcription of every recording, in order.

    Raises:
        InputError: A setting cannot be used; the message says which are allowed.
        AudioError: A recording cannot be used.
        ModelError: The model has no tokenizer.
    """
    words = model.vocabulary
    words.check_language(language)
    decoding = Decoding(words.check_task(task), bool(timestamps), beams, max_new_tokens)
    _check(model, words, decoding, batch_size, clips)
    heads = check_heads(model, alignment_heads) if word_times or alignment_heads is not None else ()
    job = _Job(model, words, decoding, heads if word_times else (), progress or (lambda _: None))
    done: dict[int, Transcription] = {}
    for batch in _batches(_stretches(job, clips, language, timestamps), batch_size):
        _decode(job, batch)
        done |= {talk.index: talk.finish(model, words, decoding.task) for talk in _talks(batch) if talk.is_done}
    return [done[index] for index in sorted(done)]


@dataclass(frozen=True)
class _Job:
    """What is the same for all recordings of one call; without heads, words are not aligned."""

    model: Whisper
    words: Vocabulary
    decoding: Decoding
    heads: tuple[Head, ...]
    progress: Callable[[float], None]


def _check(model: Whisper, words: Vocabulary, decoding: Decoding, batch_size: int, clips: object) -> None:
    """Refuse settings that cannot be used before anything is computed."""
    if isinstance(clips, str | Path | Clip | np.ndarray):
        raise InputError(
            f"clips is one {type(clips).__name__}: give a list of clips, or use transcribe for a single one."
        )
    for name, value in (("beams", decoding.beams), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name} is {value!r}: give a whole number of 1 or more.")
    limit = decoding.max_new_tokens
    room = model.hf.config.max_target_positions - len(words.prompt(words.any_language, decoding.task, timestamps=False))
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= room):
        raise InputError(
            f"max_new_tokens is {limit!r}: the decoder of {model.id} has room for 1 to {room}, or give None."
        )


def _stretches(job: _Job, clips: Iterable[Sound], language: str | None, timestamps: bool | None) -> Iterator[Stretch]:
    """Yield what is to be decoded: whole recordings where timestamps say where windows begin, else single windows."""
    for index, sound in enumerate(clips):
        clip = as_clip(sound)
        is_long = len(clip.samples) > job.model.window_samples
        is_timed = is_long if timestamps is None else timestamps
        talk = Talk(index, clip, _language_of(job.words, clip, language))
        if is_long and is_timed:
            mels = [long_log_mel(torch.from_numpy(clip.samples), job.model.n_mels)]
        else:
            mels = list(job.model.windows(clip).mel)
        talk.n_left = len(mels)
        n_window = 2 * job.model.n_frames
        yield from (Stretch(talk, mel, i * n_window, n_window, is_timed) for i, mel in enumerate(mels))


def _language_of(words: Vocabulary, clip: Clip, requested: str | None) -> str | None:
    """The language requested, or that of the clip's corpus, or the checkpoint's own; None to detect it."""
    if requested is not None or clip.language is None:
        return words.check_language(requested)
    try:
        return words.check_language(clip.language)
    except InputError as error:
        raise InputError(f"clip {clip.id!r}, as its corpus has it: {error}") from error


def _batches(stretches: Iterable[Stretch], size: int) -> Iterator[list[Stretch]]:
    """Gather stretches into batches, with and without timestamps separately: their prompts differ."""
    waiting: dict[bool, list[Stretch]] = {False: [], True: []}
    for stretch in stretches:
        batch = waiting[stretch.is_timed]
        batch.append(stretch)
        if len(batch) == size:
            waiting[stretch.is_timed] = []
            yield batch
    yield from (batch for batch in waiting.values() if batch)


def _talks(batch: list[Stretch]) -> list[Talk]:
    return list({stretch.talk.index: stretch.talk for stretch in batch}.values())


def _decode(job: _Job, batch: list[Stretch]) -> None:
    """Decode the stretches of a batch together, window after window, until all are done."""
    decoding = Decoding(job.decoding.task, batch[0].is_timed, job.decoding.beams, job.decoding.max_new_tokens)
    n_passes = 0
    while remaining := [stretch for stretch in batch if not stretch.is_done]:
        mel = torch.stack([stretch.window() for stretch in remaining])
        encoded = job.model.encode_mel(mel, batch_size=len(remaining)).detach()
        _find_languages(job, remaining, encoded)
        languages = [stretch.talk.known_language for stretch in remaining]
        written = write(job.model, job.words, encoded, languages, decoding, n_passes_before=n_passes)
        for i, stretch in enumerate(remaining):
            stretch.take(_finish_pass(job, stretch, written[i], encoded[i : i + 1]), job.progress)
        n_passes += 1


def _find_languages(job: _Job, stretches: list[Stretch], encoded: Tensor) -> None:
    """Detect the language of recordings whose language is not known yet, from their first window."""
    rows: dict[int, int] = {}
    for row, stretch in enumerate(stretches):
        if stretch.talk.language is None:
            rows.setdefault(stretch.talk.index, row)
    if not rows:
        return
    detected = detect(job.model, job.words, encoded[list(rows.values())])
    for row, probabilities in zip(rows.values(), detected, strict=True):
        stretches[row].talk.probabilities = probabilities
        stretches[row].talk.language = top(probabilities)


def _finish_pass(job: _Job, stretch: Stretch, written: Written, encoded: Tensor) -> Pass:
    """Cut what was written for one window into segments and, where requested, find its words."""
    window_cut = cut(written.tokens, job.words.frame, stretch.n_mel_frames)
    aligned = None
    if job.heads:
        aligned = align(
            job.model,
            job.words,
            encoded,
            [[token for token in segment.tokens if job.words.is_text(token)] for segment in window_cut.segments],
            language=stretch.talk.known_language,
            task=job.decoding.task,
            heads=job.heads,
            n_frames=stretch.n_sound_frames(window_cut.advance),
        )
    return Pass(stretch.start + stretch.seek, written, window_cut, aligned)
