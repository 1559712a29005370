"""Read a stretch of a long recording without decoding all of it.

Files that libsndfile reads are sought in; videos, and files that hold several recordings, are decoded whole and cut.
Either way the samples are those that decoding the whole recording and cutting it would give. For this, a little more is
read on both sides, for the resampler, and reading starts where a sample of the file coincides with one at 16 kHz. Only
whether channels cancel, and whether one of them is silent, is judged by the stretch alone.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from otoscope.audio.containers import Content, Layout, layout_of
from otoscope.audio.decode import (
    MIN_RATE_HZ,
    Sound,
    Stream,
    check_layout,
    counted_s,
    decode,
    decoder_errors,
    map_file,
    n_expected,
    open_part,
    read_audio,
    slack,
    soundfile_blocks,
    to_samples,
)
from otoscope.audio.level import FAINT, Level, measure, peak
from otoscope.base.clocks import FRAME_SAMPLES, SAMPLE_RATE_HZ, sample_to_seconds, seconds_to_sample
from otoscope.base.errors import AudioError

MARGIN_S = 0.5
"""How much more is read on both sides; soxr's HQ filter is far shorter at any rate."""


def read_stretch(path: str | Path, start_s: float, end_s: float | None = None) -> Sound:
    """Read a stretch of a recording.

    Returns its samples, at least one, and notes on the recording.
    """
    path = Path(path)
    first = seconds_to_sample(start_s)
    last = None if end_s is None else seconds_to_sample(end_s)
    if last is not None and last <= first:
        raise AudioError(
            f"{start_s} s to {end_s} s is not a stretch of '{path}': the end must be later than the start."
        )
    with decoder_errors(path):
        content = map_file(path)
        sound = _sought(content, path, first, last)
    if sound is None:
        whole = read_audio(path)
        sound = Sound(whole.samples[first:last].copy(), whole.notes)
    if len(sound.samples) == 0 or (last is not None and len(sound.samples) < last - first - FRAME_SAMPLES):
        end = "its end" if end_s is None else f"{end_s} s"
        raise AudioError(
            f"the stretch from {start_s} s to {end} is not inside '{path}', which ends at "
            f"{recording_duration_s(path):.2f} s. Correct the times."
        )
    return sound


def recording_duration_s(path: str | Path) -> float:
    """Give the length of a recording; it is decoded only where its length cannot be counted otherwise."""
    path = Path(path)
    with decoder_errors(path):
        layout = _layout(path)
        check_layout(layout, path)
        seconds = counted_s(map_file(path), layout)
    return sample_to_seconds(len(read_audio(path).samples)) if seconds is None else seconds


def recording_rate_hz(path: str | Path) -> int | None:
    """Give the sampling rate in a recording's header; None where libsndfile does not read the file."""
    try:
        return int(soundfile.info(str(path)).samplerate)
    except (soundfile.LibsndfileError, OSError):
        return None


def _open(content: Content, layout: Layout) -> soundfile.SoundFile | None:
    """Open a file that is one recording of known length; None for any other."""
    is_one = len(layout.parts) == 1 and layout.parts[0].is_counted
    sound = open_part(content, layout.parts[0]) if is_one else None
    if sound is None:
        return None
    if sound.samplerate < MIN_RATE_HZ or not soundfile.SoundFile.seekable(sound) or not n_expected(sound):
        sound.close()
        return None
    return sound


def _sought(content: Content, path: Path, first: int, last: int | None) -> Sound | None:
    """Seek and read samples [first, last) at 16 kHz; None where the recording must be decoded whole."""
    layout = _layout(path)
    check_layout(layout, path)
    sound = _open(content, layout)
    if sound is None:
        return None
    is_float = sound.subtype in ("FLOAT", "DOUBLE")
    rate_hz = sound.samplerate
    step = rate_hz // math.gcd(
        rate_hz, SAMPLE_RATE_HZ
    )  # every `step` samples of the file coincide with a sample at 16 kHz
    margin = round(MARGIN_S * rate_hz)
    start = max(0, first * rate_hz // SAMPLE_RATE_HZ - margin) // step * step
    stop = sound.frames
    if last is not None:
        stop = min(stop, -(-last * rate_hz // SAMPLE_RATE_HZ) + margin)
    notes = list(layout.notes)
    if start >= stop:
        sound.close()
        return Sound(np.zeros(0, dtype=np.float32), tuple(notes))
    sound.seek(start)
    stream = Stream(soundfile_blocks(sound, stop - start), stop - start, slack(sound))
    samples = to_samples(stream, path, notes)
    offset = start * SAMPLE_RATE_HZ // rate_hz
    samples = samples[first - offset : None if last is None else last - offset].copy()
    if is_float or peak(samples) < FAINT:
        status = path.stat()
        level = _level(path, status.st_mtime_ns, status.st_size)
        samples = level.apply(samples)
        notes += level.notes
    return Sound(samples, tuple(dict.fromkeys(notes)))


def _layout(path: Path) -> Layout:
    """What is in a file; found once for all stretches of it."""
    status = path.stat()
    return _known_layout(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _known_layout(path: Path, changed: int, n_bytes: int) -> Layout:
    return layout_of(map_file(path))


@lru_cache(maxsize=16)
def _level(path: Path, changed: int, n_bytes: int) -> Level:
    """The scale of a whole recording, which a quiet stretch does not show."""
    content = map_file(path)
    return measure(decode(content, layout_of(content), path, []))
