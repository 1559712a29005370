"""The three kinds of frame: speech, silence and padding.

Speech is told from silence by its energy relative to the rest of the recording, without a model, and without a
threshold in decibels of full scale. Against forced alignments of 32 read sentences, 96% of the frames agree, and speech
ends within 4 frames of the label, 1 too early on average. It cannot tell a voice from a slamming door.
"""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float32, Int8

from otoscope.base.clocks import FRAME_SAMPLES, frames_begun
from otoscope.base.errors import InputError

LOUD_SHARE = 0.02  # the loudest fiftieth of the frames ...
LOUD_FRAMES = 15  # ... but no more than 0.3 s of them set the level of speech: an hour may hold one sentence
QUIET_SHARE = 0.05  # the quietest twentieth sets the noise floor
RANGE_DB = 12.0  # a floor closer to the loud frames than this is a hum or a hiss, not speech
DEPTH_DB = 35.0  # speech lies within this of its loud frames
ABOVE_FLOOR = 0.25  # and above this share of the way from the floor to the loud frames
HANGOVER_FRAMES = 5  # 100 ms on either side: closures of plosives inside words stay speech
EDGE_FRAMES = 2  # kept on either side of a stretch: weak beginnings and endings
CLICK_FRAMES = 2  # a stretch no longer than this, alone, is a click

FRAMES_AT_ONCE = 4_096  # 10 MB in double precision; two hours at once would take a gigabyte


class Kind(IntEnum):
    """What a frame holds."""

    SPEECH = 0
    SILENCE = 1
    PADDING = 2


def frame_kinds(samples: Float32[np.ndarray, " sample"], n_frames: int) -> Int8[np.ndarray, " frame"]:
    """Classify every frame as speech, silence or padding.

    `samples`: the whole recording, mono at 16 kHz, without padding: the level of speech is taken from all of it.
    `n_frames`: number of frames to classify, 20 ms each: that of one window, or of all windows together. Frames that
    begin at or after the end of the recording are padding.
    Returns a `Kind` per frame.
    Source: The constants were chosen on forced alignments of 32 sentences of LJ Speech.
    """
    if samples.ndim != 1 or len(samples) == 0:
        raise InputError(f"samples of shape {list(samples.shape)} have no kinds: give one row, not empty.")
    n_recorded = frames_begun(len(samples))
    if n_recorded > n_frames:
        raise InputError(f"{n_frames} frames are too few for a recording of {n_recorded}: give all windows.")
    kinds = np.full(n_frames, Kind.PADDING, dtype=np.int8)
    kinds[:n_recorded] = np.where(_is_speech(_level_db(samples)), Kind.SPEECH, Kind.SILENCE)
    return kinds


def window_kinds(samples: Float32[np.ndarray, " sample"], window_samples: int) -> Int8[np.ndarray, "window frame"]:
    """Classify a recording's frames in windows, cut as by `windows.cut`.

    `samples`: the whole recording, mono at 16 kHz.
    `window_samples`: length of a window, a multiple of a frame's 320 samples.
    Returns a `Kind` per frame.
    """
    if window_samples < FRAME_SAMPLES or window_samples % FRAME_SAMPLES:
        raise InputError(f"a window of {window_samples} samples is not made of whole frames of {FRAME_SAMPLES}.")
    n_windows = max(1, -(-len(samples) // window_samples))
    frames_per_window = window_samples // FRAME_SAMPLES
    return frame_kinds(samples, n_windows * frames_per_window).reshape(n_windows, frames_per_window)


def speech_end_frame(kinds: Int8[np.ndarray, " frame"]) -> int:
    """Find where speech ends.

    Returns the index after the last frame of speech; 0 where there is none.
    """
    speech = np.flatnonzero(np.asarray(kinds) == Kind.SPEECH)
    return int(speech[-1]) + 1 if len(speech) else 0


def _level_db(samples: Float32[np.ndarray, " sample"]) -> Float32[np.ndarray, " frame"]:
    """The level of every frame without its constant part, in dB; -inf for a constant frame."""
    n_whole = len(samples) // FRAME_SAMPLES
    whole = samples[: n_whole * FRAME_SAMPLES].reshape(n_whole, FRAME_SAMPLES)
    power = np.empty(n_whole)
    for start in range(0, n_whole, FRAMES_AT_ONCE):
        frames = whole[start : start + FRAMES_AT_ONCE]
        power[start : start + FRAMES_AT_ONCE] = frames.var(axis=1, dtype=np.float64)
    rest = samples[n_whole * FRAME_SAMPLES :]
    if len(rest):
        power = np.append(power, rest.var(dtype=np.float64))
    with np.errstate(divide="ignore"):
        return (10 * np.log10(power)).astype(np.float32)


def _is_speech(level_db: Float32[np.ndarray, " frame"]) -> Bool[np.ndarray, " frame"]:
    is_speech = np.zeros(len(level_db), dtype=bool)
    levels = np.sort(level_db)
    loud_db = float(levels[-min(LOUD_FRAMES, math.ceil(LOUD_SHARE * len(levels)))])
    floor_db = float(levels[int(QUIET_SHARE * len(levels))])
    if loud_db == -math.inf or loud_db - floor_db < RANGE_DB:
        return is_speech
    threshold_db = loud_db - min(DEPTH_DB, (1 - ABOVE_FLOOR) * (loud_db - floor_db))
    for start, stop in _stretches(level_db >= threshold_db):
        if stop - start > CLICK_FRAMES:
            is_speech[max(0, start - EDGE_FRAMES) : stop + EDGE_FRAMES] = True
    return is_speech


def _stretches(is_loud: Bool[np.ndarray, " frame"]) -> list[tuple[int, int]]:
    """Stretches of loud frames, [start, stop); gaps of up to a hangover on either side are closed."""
    changes = np.flatnonzero(np.diff(is_loud, prepend=False, append=False))
    starts, stops = changes[::2], changes[1::2]
    is_pause = starts[1:] - stops[:-1] > 2 * HANGOVER_FRAMES
    kept_starts = starts[np.append(True, is_pause)] if len(starts) else starts
    kept_stops = stops[np.append(is_pause, True)] if len(stops) else stops
    return list(zip(kept_starts.tolist(), kept_stops.tolist(), strict=True))
