"""Sounds to listen to: a few seconds of a clip around a moment, and the same with that moment amplified.

The result can be written as 16-bit samples: a sound beyond full scale is scaled down as a whole, without a limiter.
Works on samples alone; does not know why a moment is worth hearing.
"""

from __future__ import annotations

import io

import numpy as np
import soundfile
from jaxtyping import Float32, Float64

from otoscope.base.clocks import SAMPLE_RATE_HZ, seconds_to_sample
from otoscope.base.errors import InputError

EXCERPT_S = 2.0
FADE_S = 0.01
"""Length of the fade at both ends of every sound, which prevents clicks."""
BRIGHT_S = 0.1
"""Length around the moment that is amplified in full, as in the recordings of the study that this grew from."""
EDGE_S = 0.03
"""Length over which the gain falls, on either side."""
CONTRAST_DB = 20.0
"""How much quieter the rest is than the moment: the tenfold gain of the same recordings."""
MOST_GAIN = 10.0
"""The largest factor for a faint moment: beyond it, the noise of the recording would be heard most."""
FULL_SCALE = 0.98
FORMATS = ("flac", "wav")


def excerpt_bounds(n_samples: int, peak_s: float, *, length_s: float = EXCERPT_S) -> tuple[int, int]:
    """Find the samples [start, stop) of a clip around a moment; they end where the clip ends."""
    if n_samples < 1:
        raise InputError("a clip of 0 samples has no moment to listen to. Give one with at least one sample.")
    if not 2 * FADE_S <= length_s < float("inf"):
        raise InputError(
            f"an excerpt of {length_s} s cannot be heard: give {2 * FADE_S:g} s or more; {EXCERPT_S:g} s by default."
        )
    peak = min(seconds_to_sample(peak_s), n_samples - 1)
    half = seconds_to_sample(length_s / 2)
    return max(0, peak - half), min(n_samples, peak + half)


def excerpt(
    samples: Float32[np.ndarray, " sample"], peak_s: float, *, length_s: float = EXCERPT_S
) -> Float32[np.ndarray, " excerpt"]:
    """Cut a clip to a few seconds around a moment, with short fades at both ends.

    Args:
        samples: The clip, mono at 16 kHz.
        peak_s: The moment, in seconds from the clip's start.
        length_s: Length to keep, half of it on either side; less where the clip begins or ends.

    Returns:
        A copy, as loud as the clip; if a sample lies beyond 0.98 of full scale, all are scaled down by one factor.

    Raises:
        InputError: There are no samples, the moment is not a valid time, or the length is too short.
    """
    start, stop = excerpt_bounds(len(samples), peak_s, length_s=length_s)
    sound = _within_full_scale(samples[start:stop])
    return (sound * _fades(len(sound))).astype(np.float32)


def amplified(
    samples: Float32[np.ndarray, " sample"],
    peak_s: float,
    *,
    length_s: float = EXCERPT_S,
    bright_s: float = BRIGHT_S,
    edge_s: float = EDGE_S,
    contrast_db: float = CONTRAST_DB,
) -> Float32[np.ndarray, " excerpt"]:
    """Cut a clip around a moment, amplify the moment and turn the rest down.

    The gain changes along raised cosines. It is applied to the difference from the excerpt's mean, so that a constant
    offset stays as it is and makes no thump.

    Args:
        samples: The clip, mono at 16 kHz.
        peak_s: The moment, in seconds from the clip's start.
        length_s: Length to keep, half of it on either side; less where the clip begins or ends.
        bright_s: Length that is amplified in full, half of it on either side of the moment.
        edge_s: Length over which the gain falls, on either side of that.
        contrast_db: How much quieter the rest is than the moment.

    Returns:
        As long as `excerpt`'s. The gain of the moment is the largest at which no sample is beyond full scale,
        and at most 10.

    Raises:
        InputError: There are no samples, a time or the contrast is negative or not finite, or the length is too short.

    Source:
        The recordings of the study that otoscope grew from, as described: 0.1 s around the peak, about 20 dB above the
        rest.
    """
    for name, value in (("bright_s", bright_s), ("edge_s", edge_s), ("contrast_db", contrast_db)):
        if not 0 <= value < float("inf"):
            raise InputError(f"{name} is {value}: it must be 0 or more, and finite.")
    start, stop = excerpt_bounds(len(samples), peak_s, length_s=length_s)
    sound = _within_full_scale(samples[start:stop])
    peak = min(seconds_to_sample(peak_s), len(samples) - 1) - start
    offset = float(sound.mean())
    swing = (sound - offset) * _contrast(len(sound), peak, bright_s, edge_s, contrast_db)
    loudest = float(np.abs(swing).max())
    room = FULL_SCALE - abs(offset)
    gain = min(MOST_GAIN, room / loudest) if loudest > 0 else 1.0
    return ((offset + gain * swing) * _fades(len(sound))).astype(np.float32)


def encode(samples: Float32[np.ndarray, " sample"], format_: str) -> bytes:
    """Encode a sound as the bytes of a file, 16 bits a sample.

    `samples`: mono at 16 kHz, within full scale.
    Source: libsndfile, through soundfile.
    """
    if format_ not in FORMATS:
        raise InputError(f"sounds are not written as {format_!r}: choose {' or '.join(FORMATS)}.")
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE_HZ, format=format_.upper(), subtype="PCM_16")
    return file.getvalue()


def _within_full_scale(sound: np.ndarray) -> Float64[np.ndarray, " excerpt"]:
    """Scale a sound down until no sample is beyond full scale, if any is."""
    loudest = float(np.abs(sound).max())
    return sound.astype(np.float64) * (FULL_SCALE / loudest if loudest > FULL_SCALE else 1.0)


def _fades(n_samples: int) -> Float64[np.ndarray, " excerpt"]:
    """A gain that rises from 0 at the first sample and falls to 0 at the last; short sounds get shorter fades."""
    n_faded = min(seconds_to_sample(FADE_S), n_samples // 4)
    gain = np.ones(n_samples)
    if n_faded:
        rise = _raised_cosine(np.arange(n_faded) / n_faded)
        gain[:n_faded], gain[-n_faded:] = rise, rise[::-1]
    return gain


def _contrast(
    n_samples: int, peak: int, bright_s: float, edge_s: float, contrast_db: float
) -> Float64[np.ndarray, " excerpt"]:
    """A gain of 1 around the peak that falls along raised cosines to the gain of the rest."""
    rest = 10 ** (-contrast_db / 20)
    beyond_s = np.abs(np.arange(n_samples) - peak) / SAMPLE_RATE_HZ - bright_s / 2
    inside = beyond_s <= 0
    share = np.where(inside, 1.0, _raised_cosine(1 - beyond_s / edge_s) if edge_s > 0 else 0.0)
    return rest + (1 - rest) * share


def _raised_cosine(x: np.ndarray) -> np.ndarray:
    """Rise smoothly from 0 at 0 to 1 at 1, flat beyond."""
    return (1 - np.cos(np.pi * np.clip(x, 0, 1))) / 2
