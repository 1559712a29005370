"""What the encoder makes of no sound: padding, a quiet room, noise, music, or the mean of what it makes of speech.

Costs one window of the encoder; the mean costs one for each window of the clips, eight at a time. It does not know what
the decoder is asked afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.audio.nonspeech import NONSPEECH, ROOM_DBFS, nonspeech
from otoscope.base.errors import InputError
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.clips import each_clip

SOUNDS = ("padding", *NONSPEECH, "mean")
"""What "no sound" may mean."""

BATCH_WINDOWS = 8


@dataclass(frozen=True, eq=False)
class NoSound:
    """A final encoder output that says nothing.

    Attributes:
        sound: Which of `SOUNDS`.
        label: The same with its level or sample size, for tables and pictures.
        encoding: Float [1, frame, d_model], on the model's device and in its dtype.
    """

    sound: str
    label: str
    encoding: Float[Tensor, "1 frame d_model"]


def check_sounds(sounds: Iterable[str]) -> tuple[str, ...]:
    """Return the sounds that are meant, each once.

    Raises:
        InputError: There is no such sound, or none was named.
    """
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
    *,
    level_dbfs: float,
    seed: int,
    clips: Iterable[Sound] | None,
) -> list[NoSound]:
    """Encode one or several; what was encoded already is taken as it is. The arguments are those of `no_sound`.

    Raises:
        InputError: There is no such sound, none was named, or a number cannot be used.
        AudioError: A clip cannot be used.
    """
    asked = list(dict.fromkeys([sound] if isinstance(sound, str | NoSound) else sound))
    check_sounds(one if isinstance(one, str) else one.sound for one in asked)
    return [
        no_sound(model, one, level_dbfs=level_dbfs, seed=seed, clips=clips) if isinstance(one, str) else one
        for one in asked
    ]


def no_sound(
    model: Whisper,
    sound: str = "padding",
    *,
    level_dbfs: float = -40.0,
    seed: int = 0,
    clips: Iterable[Sound] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NoSound:
    """Encode one window in which nobody speaks.

    Args:
        model: Any Whisper.
        sound: `padding`: digital zeros, as a clip is filled up with. `silence`, `noise`, `music`: a window full of
            these (`otoscope.audio.nonspeech`). `mean`: the mean over the windows of clips, frame position by frame
            position, padding included as it comes: neither silence nor speech, but what is the same in all speech.
        level_dbfs: Level of noise and music.
        seed: Draws silence, noise and music.
        clips: For `mean`, the clips.
        progress: For `mean`, called after each clip with the number done and the number in all (0 when not known).

    Returns:
        The final encoder output; edits and attention windows that are on apply.

    Raises:
        InputError: There is no such sound, a number cannot be used, or the mean has no clips.
        AudioError: A clip cannot be used.

    Source:
        Padding: "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 3. The mean: mean ablation, as in Wang et
        al. 2022 (arXiv 2211.00593).
    """
    check_sounds([sound])
    if sound == "padding":
        return NoSound(sound, "padding", model.padded_encoding())
    if sound == "mean":
        if clips is None:
            raise InputError("sound 'mean' is the mean over clips, and none were given. Give clips, or another sound.")
        return _mean(model, clips, progress)
    clip = nonspeech(sound, model.window_s, level_dbfs=level_dbfs, seed=seed)  # type: ignore[arg-type]
    label = f"{sound} at {ROOM_DBFS if sound == 'silence' else level_dbfs:g} dBFS"
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
    windows = "1 window" if n_windows == 1 else f"{n_windows:,} windows"
    return NoSound("mean", f"the mean of {windows}", mean)


def _batches(
    model: Whisper, clips: Iterable[Sound], progress: Callable[[int, int], None] | None
) -> Iterator[Float[Tensor, "window n_mels mel_frame"]]:
    """Yield the clips' windows as log-mels, eight at a time, whichever clip they are of."""
    held: list[Tensor] = []
    for clip in each_clip(clips, progress):
        for windows in model.each_window(clip):
            held.append(windows.mel)
            if len(held) == BATCH_WINDOWS:
                yield torch.cat(held)
                held = []
    if held:
        yield torch.cat(held)
