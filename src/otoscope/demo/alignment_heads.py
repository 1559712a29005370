"""Chooses the cross-attention heads of the demo model that time words best, by clips whose word times are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from otoscope.audio.clip import Clip
from otoscope.demo.evaluate import normalised
from otoscope.model.whisper import Whisper

Head = tuple[int, int]
_MOST_HEADS = 6


def timing_error_s(model: Whisper, clips: Sequence[Clip], heads: Sequence[Head]) -> float:
    """Mean absolute error of word starts and ends in seconds, over clips that were transcribed without error."""
    distances: list[float] = []
    for clip, heard in zip(clips, model.transcribe_many(clips, word_times=True, alignment_heads=heads), strict=True):
        words = heard.words or ()
        if clip.words is None or [normalised(w.text) for w in words] != [normalised(w.text) for w in clip.words]:
            continue
        for timed, true in zip(words, clip.words, strict=True):
            distances += [abs(timed.start_s - true.start_s), abs(timed.end_s - true.end_s)]
    return float(np.mean(distances)) if distances else float("inf")


def choose_heads(model: Whisper, clips: Sequence[Clip]) -> tuple[list[Head], float]:
    """Rank heads by themselves, then take the best n together, for the n with the lowest error (in seconds)."""
    heads = [(block, head) for block in range(model.n_decoder_blocks) for head in range(model.n_heads)]
    ranked = sorted(heads, key=lambda head: timing_error_s(model, clips, [head]))
    sets = [ranked[:size] for size in range(1, _MOST_HEADS + 1)]
    errors = [timing_error_s(model, clips, chosen) for chosen in sets]
    best = int(np.argmin(errors))
    return sorted(sets[best]), errors[best]
