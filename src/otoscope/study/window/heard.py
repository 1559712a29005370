"""Transcripts of clips: without attention windows, under active ones, and with one head limited after another.

Costs one encoding and one decoding of each clip and each limit. A limited head is encoded from its own block on, since
the blocks before do not change, and several heads are transcribed in one batch. Under a limit, a clip that fits into
one window of the model is transcribed up to the limit that `room_beside` gives; what continues beyond that is a loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.audio.clip import Clip, as_clip
from otoscope.base.errors import InputError
from otoscope.model.encoder_end import encoder_block, encoder_end
from otoscope.model.encoder_start import encoder_start
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.writing import BATCH_SIZE, Text, room_beside, text_of, write_texts, write_windows

Head = tuple[int, int]
"""An encoder head: its block, and its number there."""


@dataclass(frozen=True)
class ClipTranscript:
    """A clip's transcript without a limit."""

    text: str
    n_tokens: int | None  # None for a clip longer than one window of the model
    is_stopped: bool = False  # whether the decoder had no room to end it; not known for a longer clip


def read_clips(clips: Iterable[Sound] | Sound) -> list[Clip]:
    """Read one clip or several, before any of them is transcribed."""
    if isinstance(clips, Clip | np.ndarray | str | Path):
        return [as_clip(clips)]
    read = [as_clip(clip) for clip in clips]
    if not read:
        raise InputError("no clips were given: one or more are needed. Give recordings, or a corpus that holds some.")
    return read


def hear(model: Whisper, clips: Sequence[Clip], language: str | None = None) -> list[ClipTranscript]:
    """Transcribe clips without a limit.

    `language`: language spoken, as Whisper's code; None for each clip's own, or else the one that the model detects.
    """
    heard: dict[int, ClipTranscript] = {}
    for batch in _batches([index for index, clip in enumerate(clips) if _is_short(model, clip)]):
        short = [clips[index] for index in batch]
        rows = write_windows(model, model.encode_mel(_mels(model, short)), _languages(short, language))
        for index, (_, row) in zip(batch, rows, strict=True):
            heard[index] = ClipTranscript(text_of(model, row.tokens), len(row.tokens), row.is_stopped)
    long = [index for index in range(len(clips)) if index not in heard]
    heard |= {index: ClipTranscript(row.text, None) for index, row in _hear_long(model, clips, long, language).items()}
    return [heard[index] for index in range(len(clips))]


def known_or_heard(
    model: Whisper, clips: Sequence[Clip], language: str | None, known: Sequence[ClipTranscript] | None
) -> Sequence[ClipTranscript]:
    """Return the known transcripts without a limit, or transcribe the clips."""
    if known is None:
        return hear(model, clips, language)
    if len(known) != len(clips):
        raise InputError(f"{len(known)} transcripts were given for {len(clips)} clips: give those of these clips.")
    return known


def hear_masked(
    model: Whisper, clips: Sequence[Clip], language: str | None, unmasked: Sequence[ClipTranscript]
) -> list[Text]:
    """Transcribe clips under the active attention windows, given the transcript of each without them."""
    short, long = _by_length(unmasked)
    texts = _hear_long(model, clips, long, language)
    for batch in _batches(short):
        together = [clips[index] for index in batch]
        encodings = model.encode_mel(_mels(model, together))
        rows = write_texts(model, encodings, _languages(together, language), most_tokens=_rooms(unmasked, batch))
        texts |= dict(zip(batch, rows, strict=True))
    return [texts[index] for index in range(len(clips))]


def hear_by_head(
    model: Whisper,
    clips: Sequence[Clip],
    k: int,
    heads: Sequence[Head],
    language: str | None,
    unmasked: Sequence[ClipTranscript],
) -> Iterator[tuple[int, Head, str]]:
    """Transcribe clips while one encoder head after another may attend to k frames on either side only.

    Yields the index of a clip, the head, and the transcript: one for each clip and head, in no order.
    """
    short, long = _by_length(unmasked)
    for batch in _batches(short):
        together = [clips[index] for index in batch]
        spoken, rooms = _languages(together, language), _rooms(unmasked, batch)
        waiting: list[tuple[Head, Tensor]] = []
        for head, encodings in _encode_by_head(model, _mels(model, together), k, heads):
            waiting.append((head, encodings))
            if head != heads[-1] and (len(waiting) + 1) * len(batch) <= BATCH_SIZE:
                continue
            stacked = torch.cat([encodings for _, encodings in waiting])
            rows = write_texts(model, stacked, spoken * len(waiting), most_tokens=rooms * len(waiting))
            trials = [(index, head) for head, _ in waiting for index in batch]
            yield from ((index, head, row.text) for (index, head), row in zip(trials, rows, strict=True))
            waiting = []
    for head in heads if long else ():
        with model.attention_window(k, blocks=head[:1], heads=head[1:]):
            texts = _hear_long(model, clips, long, language)
        yield from ((index, head, text.text) for index, text in texts.items())


def _encode_by_head(
    model: Whisper, mels: Float[Tensor, "window n_mels mel_frame"], k: int, heads: Sequence[Head]
) -> Iterator[tuple[Head, Float[Tensor, "window frame d_model"]]]:
    """Encode windows with one head limited after another, each from its own block on; heads in order of block."""
    first = "encoder.blocks.0"
    entering: Tensor | None = None  # what block `reached` takes, with nothing limited; None for the log-mels
    reached = 0
    for block, head in heads:
        for passed in range(reached, block):
            if entering is None:
                entering = encoder_start(model, mels, first)[first]
            else:
                entering = encoder_block(model, entering, passed)
        reached = block
        with model.attention_window(k, blocks=[block], heads=[head]):
            encodings = model.encode_mel(mels) if entering is None else encoder_end(model, entering, block)
        yield (block, head), encodings


def _hear_long(model: Whisper, clips: Sequence[Clip], indices: Sequence[int], language: str | None) -> dict[int, Text]:
    """Transcribe the clips of more than one window."""
    heard = model.transcribe_many([clips[index] for index in indices], language=language)
    return {index: Text(said.language, said.text.strip()) for index, said in zip(indices, heard, strict=True)}


def _is_short(model: Whisper, clip: Clip) -> bool:
    return len(clip.samples) <= model.window_samples


def _by_length(unmasked: Sequence[ClipTranscript]) -> tuple[list[int], list[int]]:
    """Return the indices of clips of one window, those of few tokens first, and those of longer clips."""
    short = [(heard.n_tokens, index) for index, heard in enumerate(unmasked) if heard.n_tokens is not None]
    return [index for _, index in sorted(short)], [i for i, heard in enumerate(unmasked) if heard.n_tokens is None]


def _rooms(unmasked: Sequence[ClipTranscript], indices: Sequence[int]) -> list[int]:
    return [room_beside(unmasked[index].n_tokens or 0) for index in indices]


def _batches(indices: Sequence[int]) -> Iterator[Sequence[int]]:
    return (indices[start : start + BATCH_SIZE] for start in range(0, len(indices), BATCH_SIZE))


def _mels(model: Whisper, clips: Sequence[Clip]) -> Float[Tensor, "window n_mels mel_frame"]:
    return torch.cat([model.windows(clip).mel for clip in clips])


def _languages(clips: Sequence[Clip], language: str | None) -> list[str | None]:
    return [language or clip.language for clip in clips]
