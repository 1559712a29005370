"""Read a stretch of a long recording without decoding all of it.

What libsndfile reads is sought in; the sound of videos is decoded whole and cut. Either way the samples are those that
reading the whole recording and cutting it would give: a little more is read on both sides, because a resampler looks
around, and the reading starts where a sample of the file meets one at 16 kHz.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float32

from otoscope.audio.decode import (
    BLOCK_SAMPLES,
    MIN_RATE_HZ,
    MP3_SLACK_S,
    UNKNOWN_FORMAT,
    Stream,
    check_file,
    read_audio,
    soundfile_errors,
    to_samples,
)
from otoscope.base.clocks import FRAME_SAMPLES, SAMPLE_RATE_HZ, sample_to_seconds, seconds_to_sample
from otoscope.base.errors import AudioError

MARGIN_S = 0.5
"""Read so much more on both sides; soxr's HQ filter is far shorter at any rate."""


def read_stretch(path: str | Path, start_s: float, end_s: float | None = None) -> Float32[np.ndarray, " sample"]:
    """Read a stretch of a recording.

    Args:
        path: Any recording that `read_audio` reads.
        start_s: Where the stretch begins, seconds from the start of the recording.
        end_s: Where it ends; None for the end of the recording. It may lie up to 20 ms past that end, as rounded times
            do, and is then the end.

    Returns:
        Mono samples at 16 kHz, at least one.

    Raises:
        AudioError: The recording cannot be used, or the stretch is empty or not inside it.
        InputError: A time is negative or not finite.

    Source:
        Ours; tests compare it with the whole recording, cut.
    """
    path = Path(path)
    check_file(path)
    first = seconds_to_sample(start_s)
    last = None if end_s is None else seconds_to_sample(end_s)
    if last is not None and last <= first:
        raise AudioError(f"{start_s} s to {end_s} s is no stretch of '{path}': it ends after it begins.")
    samples = _sought(path, first, last)
    if samples is None:
        samples = read_audio(path)[first:last].copy()
    if len(samples) == 0 or (last is not None and len(samples) < last - first - FRAME_SAMPLES):
        end = "its end" if end_s is None else f"{end_s} s"
        raise AudioError(
            f"the stretch from {start_s} s to {end} is not inside '{path}', which ends at "
            f"{recording_duration_s(path):.2f} s. Correct the times."
        )
    return samples


def recording_duration_s(path: str | Path) -> float:
    """Say how long a recording is, from its header where it has one and by decoding it otherwise.

    Args:
        path: Any recording that `read_audio` reads.

    Returns:
        Seconds.

    Raises:
        AudioError: The recording cannot be used.
    """
    path = Path(path)
    check_file(path)
    with soundfile_errors(path), path.open("rb") as file:
        try:
            with soundfile.SoundFile(file) as sound:
                return float(sound.frames / sound.samplerate)
        except soundfile.LibsndfileError as error:
            if error.code not in UNKNOWN_FORMAT:
                raise
    return sample_to_seconds(len(read_audio(path)))


def recording_rate_hz(path: str | Path) -> int | None:
    """Say the sampling rate that a recording's header gives; None where libsndfile does not read it."""
    try:
        return int(soundfile.info(str(path)).samplerate)
    except (soundfile.LibsndfileError, OSError):
        return None


def _sought(path: Path, first: int, last: int | None) -> Float32[np.ndarray, " sample"] | None:
    """Seek and read samples [first, last) at 16 kHz; None where libsndfile does not know the format."""
    with soundfile_errors(path), path.open("rb") as file:
        try:
            sound = soundfile.SoundFile(file)
        except soundfile.LibsndfileError as error:
            if error.code in UNKNOWN_FORMAT:
                return None
            raise
        with sound:
            rate_hz = sound.samplerate
            if rate_hz < MIN_RATE_HZ or not sound.seekable():
                return None
            step = rate_hz // math.gcd(rate_hz, SAMPLE_RATE_HZ)  # so many samples of the file end on one at 16 kHz
            margin = round(MARGIN_S * rate_hz)
            start = max(0, first * rate_hz // SAMPLE_RATE_HZ - margin) // step * step
            stop = sound.frames
            if last is not None:
                stop = min(stop, -(-last * rate_hz // SAMPLE_RATE_HZ) + margin)
            if start >= stop:
                return np.zeros(0, dtype=np.float32)
            sound.seek(start)
            slack = round(MP3_SLACK_S * rate_hz) if sound.format == "MP3" else 0
            samples = to_samples(Stream(rate_hz, stop - start, _blocks(sound, stop - start), slack), path)
    offset = start * SAMPLE_RATE_HZ // rate_hz
    return samples[first - offset : None if last is None else last - offset].copy()


def _blocks(sound: soundfile.SoundFile, n_samples: int) -> Iterator[np.ndarray]:
    while n_samples > 0:
        block = sound.read(min(BLOCK_SAMPLES, n_samples), dtype="float32", always_2d=True)
        if not len(block):
            return
        n_samples -= len(block)
        yield block
