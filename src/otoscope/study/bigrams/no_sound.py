"""The encoder's output for no sound: padding, a quiet room, noise, music, or the mean of its output for speech.

Costs one window of the encoder; the mean costs one for each window of the clips, eight at a time. It does not know what
the decoder does with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.audio.nonspeech import ROOM_DBFS, nonspeech
from otoscope.base.errors import InputError
from otoscope.base.layout import count
from otoscope.base.numbers import minus
from otoscope.base.settings import takes
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.bigrams.settings import SOUNDS, NoSoundSettings
from otoscope.study.clips import each_clip

BATCH_WINDOWS = 8


@dataclass(frozen=True, eq=False)
class NoSound:
    """A final encoder output without speech."""

    sound: str  # which of `SOUNDS`
    label: str  # the same with its level or sample size, for tables and pictures
    encoding: Float[Tensor, "1 frame d_model"]  # on the model's device and in its dtype


def check_sounds(sounds: Iterable[str]) -> tuple[str, ...]:
    """Return the sounds without repeats; refuse unknown ones, and none at all."""
    chosen = tuple(dict.fromkeys(sounds))
    for sound in chosen:
        if sound not in SOUNDS:
            raise InputError(f"sound {sound!r} is not known: there are {', '.join(SOUNDS)}. Choose one of these.")
    if not chosen:
        raise InputError(f"no sound was named: choose one or more of {', '.join(SOUNDS)}.")
    return chosen


def no_sounds(
    model: Whisper,
    sound: str | NoSound | Iterable[str | NoSound],
    settings: NoSoundSettings,
    clips: Iterable[Sound] | None,
) -> list[NoSound]:
    """Encode one sound or several; those that are encoded already are kept."""
    meant = list(dict.fromkeys([sound] if isinstance(sound, str | NoSound) else sound))
    check_sounds(item if isinstance(item, str) else item.sound for item in meant)
    return [no_sound(model, item, settings=settings, clips=clips) if isinstance(item, str) else item for item in meant]


@takes(NoSoundSettings)
def no_sound(
    model: Whisper,
    sound: str = "padding",
    *,
    settings: NoSoundSettings,
    clips: Iterable[Sound] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NoSound:
    """Encode one window in which nobody speaks.

    `sound`: `padding`: the digital zeros that a clip is filled up with. `silence`, `noise`, `music`: a window full of
    these (`otoscope.audio.nonspeech`). `mean`: the mean over the windows of clips, frame position by frame position,
    padding included as it comes: neither silence nor speech, but what is the same in all speech.
    Returns the final encoder output; active edits and attention windows apply.
    Source: Padding: "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 3. The mean: mean ablation, as in Wang
    et al. 2022 (arXiv 2211.00593).
    """
    check_sounds([sound])
    if sound == "padding":
        return NoSound(sound, "padding", model.padded_encoding())
    if sound == "mean":
        if clips is None:
            raise InputError("sound 'mean' is the mean over clips, and none were given. Give clips, or another sound.")
        return _mean(model, clips, progress)
    level_dbfs = settings.level_dbfs
    clip = nonspeech(sound, model.window_s, level_dbfs=level_dbfs, seed=settings.seed)  # type: ignore[arg-type]
    level = minus(f"{ROOM_DBFS if sound == 'silence' else level_dbfs:g}")
    label = f"{sound} at {level} dBFS"
    return NoSound(sound, label, model.encode(clip)[:1])


def _mean(model: Whisper, clips: Iterable[Sound], progress: Callable[[int, int], None] | None) -> NoSound:
    total = torch.zeros(1, model.n_frames, model.d_model, dtype=torch.float64)
    n_windows = 0
    for mel in _batches(model, clips, progress):
        total += model.encode_mel(mel).double().sum(dim=0, keepdim=True).cpu()
        n_windows += len(mel)
    if n_windows == 0:
        raise InputError("sound 'mean' is the mean over clips, and there are none. Give one clip or more.")
    mean = (total / n_windows).to(model.device, model.dtype)
    return NoSound("mean", f"the mean of {count(n_windows, 'window')}", mean)


def _batches(
    model: Whisper, clips: Iterable[Sound], progress: Callable[[int, int], None] | None
) -> Iterator[Float[Tensor, "window n_mels mel_frame"]]:
    """Yield the clips' windows as log-mels, eight at a time, across clips."""
    held: list[Tensor] = []
    for clip in each_clip(clips, progress):
        for windows in model.each_window(clip):
            held.append(windows.mel)
            if len(held) == BATCH_WINDOWS:
                yield torch.cat(held)
                held = []
    if held:
        yield torch.cat(held)
