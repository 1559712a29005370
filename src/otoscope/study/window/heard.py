"""What is heard in clips: without attention windows, under those that are on, and with one head limited after another.

Costs one encoding and one decoding of each clip and each limit. A limited head is encoded from its own block on, since
the blocks before do not change, and several heads are written down in one batch. Under a limit a clip that fits into
one window of the model is written down to the room that `room_beside` gives; what runs on from there is a loop.
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
class Heard:
    """What is heard in a clip without a limit.

    Attributes:
        text: The transcript.
        n_tokens: Its tokens; None for a clip longer than one window of the model.
        is_stopped: Whether the decoder had no room to end it; not known of a longer clip.
    """

    text: str
    n_tokens: int | None
    is_stopped: bool = False


def read_clips(clips: Iterable[Sound] | Sound) -> list[Clip]:
    """Read one clip or several, before any of them is transcribed.

    Raises:
        InputError: There are none.
    """
    if isinstance(clips, Clip | np.ndarray | str | Path):
        return [as_clip(clips)]
    read = [as_clip(clip) for clip in clips]
    if not read:
        raise InputError("no clips were given: one or more are needed. Give recordings, or a corpus that holds some.")
    return read


def hear(model: Whisper, clips: Sequence[Clip], language: str | None = None) -> list[Heard]:
    """Transcribe clips, to set transcripts under a limit beside.

    Args:
        model: Any Whisper.
        clips: The clips.
        language: What is spoken, as Whisper's code; None for that of each clip, or else the model decides.

    Returns:
        For each clip what is heard.

    Raises:
        InputError: A language is not the model's.
    """
    found: dict[int, Heard] = {}
    for batch in _batches([place for place, clip in enumerate(clips) if _is_short(model, clip)]):
        some = [clips[place] for place in batch]
        rows = write_windows(model, model.encode_mel(_mels(model, some)), _languages(some, language))
        for place, (_, row) in zip(batch, rows, strict=True):
            found[place] = Heard(text_of(model, row.tokens), len(row.tokens), row.is_stopped)
    long = [place for place in range(len(clips)) if place not in found]
    found |= {place: Heard(row.text, None) for place, row in _hear_long(model, clips, long, language).items()}
    return [found[place] for place in range(len(clips))]


def known_or_heard(
    model: Whisper, clips: Sequence[Clip], language: str | None, known: Sequence[Heard] | None
) -> Sequence[Heard]:
    """Take what is known to be heard without a limit, or hear it.

    Raises:
        InputError: What is known is not of as many clips.
    """
    if known is None:
        return hear(model, clips, language)
    if len(known) != len(clips):
        raise InputError(f"{len(known)} transcripts were given for {len(clips)} clips: give those of these clips.")
    return known


def hear_masked(model: Whisper, clips: Sequence[Clip], language: str | None, unmasked: Sequence[Heard]) -> list[Text]:
    """Transcribe clips with the attention windows that are on.

    Args:
        model: Any Whisper.
        clips: The clips.
        language: What is spoken, as Whisper's code; None for that of each clip, or else the model decides.
        unmasked: What is heard in each without a limit.

    Returns:
        For each clip its transcript.
    """
    short, long = _by_length(unmasked)
    found = _hear_long(model, clips, long, language)
    for batch in _batches(short):
        some = [clips[place] for place in batch]
        encodings = model.encode_mel(_mels(model, some))
        rows = write_texts(model, encodings, _languages(some, language), most_tokens=_rooms(unmasked, batch))
        found |= dict(zip(batch, rows, strict=True))
    return [found[place] for place in range(len(clips))]


def hear_by_head(
    model: Whisper,
    clips: Sequence[Clip],
    k: int,
    heads: Sequence[Head],
    language: str | None,
    unmasked: Sequence[Heard],
) -> Iterator[tuple[int, Head, str]]:
    """Transcribe clips while one encoder head after another may attend to k frames on either side alone.

    Args:
        model: Any Whisper.
        clips: The clips.
        k: Frames on either side.
        heads: Which heads, in order of block.
        language: What is spoken, as Whisper's code; None for that of each clip, or else the model decides.
        unmasked: What is heard in each without a limit.

    Yields:
        A clip's place, the head, and the transcript: one for each clip and head, in no order.
    """
    short, long = _by_length(unmasked)
    for batch in _batches(short):
        some = [clips[place] for place in batch]
        spoken, rooms = _languages(some, language), _rooms(unmasked, batch)
        waiting: list[tuple[Head, Tensor]] = []
        for head, encodings in _encode_by_head(model, _mels(model, some), k, heads):
            waiting.append((head, encodings))
            if head != heads[-1] and (len(waiting) + 1) * len(batch) <= BATCH_SIZE:
                continue
            together = torch.cat([encodings for _, encodings in waiting])
            rows = write_texts(model, together, spoken * len(waiting), most_tokens=rooms * len(waiting))
            places = [(place, head) for head, _ in waiting for place in batch]
            yield from ((place, head, row.text) for (place, head), row in zip(places, rows, strict=True))
            waiting = []
    for head in heads if long else ():
        with model.attention_window(k, blocks=head[:1], heads=head[1:]):
            found = _hear_long(model, clips, long, language)
        yield from ((place, head, row.text) for place, row in found.items())


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


def _hear_long(model: Whisper, clips: Sequence[Clip], places: Sequence[int], language: str | None) -> dict[int, Text]:
    """Transcribe the clips of more than one window."""
    heard = model.transcribe_many([clips[place] for place in places], language=language)
    return {place: Text(one.language, one.text.strip()) for place, one in zip(places, heard, strict=True)}


def _is_short(model: Whisper, clip: Clip) -> bool:
    return len(clip.samples) <= model.window_samples


def _by_length(unmasked: Sequence[Heard]) -> tuple[list[int], list[int]]:
    """Part the places of clips of one window, those of few tokens first, from those of longer clips."""
    known = [(one.n_tokens, place) for place, one in enumerate(unmasked) if one.n_tokens is not None]
    return [place for _, place in sorted(known)], [place for place, one in enumerate(unmasked) if one.n_tokens is None]


def _rooms(unmasked: Sequence[Heard], places: Sequence[int]) -> list[int]:
    return [room_beside(unmasked[place].n_tokens or 0) for place in places]


def _batches(places: Sequence[int]) -> Iterator[Sequence[int]]:
    return (places[start : start + BATCH_SIZE] for start in range(0, len(places), BATCH_SIZE))


def _mels(model: Whisper, clips: Sequence[Clip]) -> Float[Tensor, "window n_mels mel_frame"]:
    return torch.cat([model.windows(clip).mel for clip in clips])


def _languages(clips: Sequence[Clip], language: str | None) -> list[str | None]:
    return [language or clip.language for clip in clips]
