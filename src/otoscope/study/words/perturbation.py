"""Which stretch of sound does a word need? Stretches are silenced one at a time, and the word is scored again.

Costs one run of encoder and decoder for each stretch, in batches; of the encoder only the frames of the recording are
run, unless the padding is to react too. Memory is that of a batch and its logits. It does not know how words are found
nor what their stretches mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.audio.kinds import Kind
from otoscope.audio.mel import FLOOR, RANGE
from otoscope.base.clocks import MEL_FRAMES_PER_FRAME
from otoscope.model.generation import forced_logits
from otoscope.model.held import HeldWindow
from otoscope.model.whisper import Whisper
from otoscope.model.windows import Windows

HELD_AFTER_FRAMES = 25
"""Padding is held fixed from half a second after the recording on; nearer frames react most."""

LOGITS_AT_ONCE = 1 << 26
"""Logits that the decoder returns at a time at most (256 MB in float32), but at least those of one window."""


@dataclass(frozen=True)
class WordTokens:
    """The position of one word in what the decoder is given."""

    first: int  # index of its first token, the prompt counted
    stop: int  # the index after its last token


def sliding(n_frames: int, length: int, step: int) -> tuple[list[int], list[tuple[int, int]]]:
    """Lay out stretches whose centres are evenly spaced from the first frame on, so that all frames are silenced.

    `length`: frames of a stretch; those at both ends are cut short.
    `step`: frames from one centre to the next.
    Returns the centre of each stretch, and its (start, stop), in order.
    Source: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks" (arXiv 1311.2901), occlusion.
    """
    centres = list(range(0, n_frames, step))
    if centres[-1] + length - length // 2 < n_frames:  # the end would never be silenced
        centres.append(n_frames - 1)
    return centres, [(max(centre - length // 2, 0), min(centre + length - length // 2, n_frames)) for centre in centres]


def silence_level(mel: Float[Tensor, "1 n_mels mel_frame"]) -> float:
    """Return what a window's log-mel holds where there is no sound at all.

    Returns its floor: as far below its loudest point as is kept, and no lower than Whisper's own.
    Source: OpenAI Whisper, `whisper/audio.py`, `log_mel_spectrogram`.
    """
    return max(float(mel.amax()) - RANGE / 4.0, (math.log10(FLOOR) + 4.0) / 4.0)


def silenced(
    mel: Float[Tensor, "1 n_mels mel_frame"], stretches: Sequence[tuple[int, int]]
) -> Float[Tensor, "stretch n_mels mel_frame"]:
    """Silence one stretch of a window in each of many copies; the rest stays as it is, to the bit."""
    copies = mel.repeat(len(stretches), 1, 1)
    level = silence_level(mel)
    for copy, (start, stop) in zip(copies, stretches, strict=True):
        copy[:, start * MEL_FRAMES_PER_FRAME : stop * MEL_FRAMES_PER_FRAME] = level
    return copies


def word_scores(
    logits: Float[Tensor, "window token vocab"], ids: Sequence[int], words: Sequence[WordTokens], first: int = 0
) -> Float[Tensor, "window word"]:
    """Sum the log-probabilities of each word's tokens, given the sound and the tokens before.

    `logits`: the decoder's output after each of the ids from `first` on, float32.
    `ids`: what it was given; the prompt comes first.
    Returns natural logarithms, over the whole vocabulary; differentiable.
    """
    chosen = torch.tensor(ids[first + 1 :], device=logits.device)
    before = logits[:, : len(chosen)]
    picked = before.gather(-1, chosen[None, :, None].expand(len(logits), -1, 1)).squeeze(-1)
    scores = picked - before.logsumexp(dim=-1)
    rows = [slice(word.first - 1 - first, word.stop - 1 - first) for word in words]
    return torch.stack([scores[:, row].sum(dim=-1) for row in rows], dim=-1)


@torch.no_grad()
def stretch_scores(
    model: Whisper,
    windows: Windows,
    ids: Sequence[int],
    words: Sequence[WordTokens],
    stretches: Sequence[tuple[int, int]],
    *,
    batch_size: int,
    exact: bool = False,
    progress: Callable[[int], None] = lambda n: None,
) -> Float[np.ndarray, "stretch word"]:
    """Score every word with each stretch silenced; active edits and attention windows apply."""
    mel, first = windows.mel, words[0].first - 1
    logits = _whole_logits(model, ids, first) if exact or model.is_changed else _held_logits(model, windows, ids, first)
    at_once = max(1, min(batch_size, LOGITS_AT_ONCE // (len(ids) * model.vocab_size)))
    scores = []
    with model.reading_paused():
        for start in range(0, len(stretches), at_once):
            batch = stretches[start : start + at_once]
            scores.append(word_scores(logits(silenced(mel, batch)), ids, words, first).cpu().numpy())
            progress(len(batch))
    return np.concatenate(scores).astype(np.float32)


def _whole_logits(model: Whisper, ids: Sequence[int], first: int) -> Callable[[Tensor], Tensor]:
    """Return a function that runs whole windows, to the decoder's logits after each id from `first` on."""
    given = torch.tensor([list(ids)])

    def logits(mels: Tensor) -> Tensor:
        encoded = model.encode_mel(mels, batch_size=len(mels))
        return forced_logits(model, encoded, given.expand(len(mels), -1))[:, first:]

    return logits


def _held_logits(model: Whisper, windows: Windows, ids: Sequence[int], first: int) -> Callable[[Tensor], Tensor]:
    """Return a function that runs the recording's frames alone, to the decoder's logits after ids from `first` on."""
    n_sound = int((windows.kinds[0] != Kind.PADDING).sum())
    held = HeldWindow(model, windows.mel, min(n_sound + HELD_AFTER_FRAMES, model.n_frames))
    return lambda mels: held.logits(mels, ids[:-1], first)


def drop_curves(
    scores: Float[np.ndarray, "stretch word"],
    whole: Float[np.ndarray, " word"],
    centres: Sequence[int],
    n_sound: int,
    n_frames: int,
) -> Float[np.ndarray, "word frame"]:
    """Turn scores by stretch into a curve over frames: the drop when the sound around a frame is silenced.

    Returns how far the log-probability falls, float32; below 0 where silence helps, and 0 in the padding.
    """
    frames = np.arange(n_sound)
    curves = np.zeros((len(whole), n_frames), dtype=np.float32)
    for curve, drops in zip(curves, (whole[None] - scores).T, strict=True):
        curve[:n_sound] = np.interp(frames, centres, drops)
    return curves
