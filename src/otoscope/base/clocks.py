"""The three clocks of Whisper (sample, mel frame, frame) and seconds, converted here and nowhere else.

Time goes through whole samples first: 0.58 / 0.02 is 28.999999999999996 in floating point, and frame 28 is wrong.

Source:
    OpenAI Whisper, `whisper/audio.py`: 16 kHz, a mel frame every 160 samples, and an encoder that halves the rate.
"""

from __future__ import annotations

import math
import operator

from otoscope.base.errors import InputError

SAMPLE_RATE_HZ = 16_000
HOP_SAMPLES = 160
MEL_FRAMES_PER_FRAME = 2
FRAME_SAMPLES = HOP_SAMPLES * MEL_FRAMES_PER_FRAME
MEL_FRAME_S = HOP_SAMPLES / SAMPLE_RATE_HZ
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ


def seconds_to_sample(seconds: float) -> int:
    """Find the sample nearest to a moment.

    `seconds`: time from the start of the recording, 0 or more.
    Returns index of the sample.
    """
    if not math.isfinite(seconds) or seconds < 0:
        raise InputError(f"a time of {seconds} s is not in a recording: give seconds from its start, 0 or more.")
    return round(seconds * SAMPLE_RATE_HZ)


def sample_to_seconds(sample: int) -> float:
    """Give the moment of a sample, in seconds from the start."""
    return sample / SAMPLE_RATE_HZ


def seconds_to_frame(seconds: float) -> int:
    """Find the frame that holds a moment; a stretch of frames starts here.

    `seconds`: time from the start of the recording, 0 or more.
    Returns index of the frame, 20 ms each.
    """
    return seconds_to_sample(seconds) // FRAME_SAMPLES


def seconds_to_stop_frame(seconds: float) -> int:
    """Find the first frame that begins at or after a moment; a stretch of frames [start, stop) stops here.

    `seconds`: time from the start of the recording, 0 or more.
    Returns index of the frame, 20 ms each.
    """
    return frames_begun(seconds_to_sample(seconds))


def frame_to_seconds(frame: int) -> float:
    """Give the moment at which a frame begins, in seconds from the start."""
    return operator.index(frame) * FRAME_SAMPLES / SAMPLE_RATE_HZ


def frames_begun(n_samples: int) -> int:
    """Count the frames that begin within a recording of `n_samples` samples; the last may be partly padding."""
    return -(-operator.index(n_samples) // FRAME_SAMPLES)
