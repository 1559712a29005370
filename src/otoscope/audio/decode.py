"""Read any recording as Whisper's samples: mono, 16 kHz, float32.

WAV, FLAC, Ogg Vorbis, Opus and MP3 are read by libsndfile; M4A, AAC and the sound of videos by FFmpeg through `av`, an
extra. Both are resampled by soxr: FFmpeg's own resampler lets a tone above 8 kHz through at -62 dB, soxr's HQ at
-141 dB. Works in blocks: memory is what the samples at 16 kHz need (230 MB an hour) and a few MB more.
"""

from __future__ import annotations

import importlib.util
import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
import soxr
from jaxtyping import Float32

from otoscope.audio.cut_short import promised_and_found
from otoscope.base.clocks import SAMPLE_RATE_HZ
from otoscope.base.errors import AudioError

BLOCK_SAMPLES = 1 << 18  # read at a time, per channel: 6 s at 44.1 kHz
MIN_RATE_HZ = 1_000  # anything slower is no speech, and a damaged header that claims 1 Hz would fill the memory
MAX_ABS_SAMPLE = 1e12  # full scale is 1; past this a power spectrum leaves float32
MP3_SLACK_S = 0.1  # the padding that encoders add is counted in some files and not in others
AV_SLACK_S = 0.5  # how far FFmpeg's stated durations may be off: edit lists and encoder delay
UNKNOWN_FORMAT = (1, 4)  # libsndfile's SF_ERR_UNRECOGNISED_FORMAT and SF_ERR_UNSUPPORTED_ENCODING
READABLE = "wav, flac, ogg, opus and mp3 are read as they are, m4a, aac and video with `pip install 'otoscope[av]'`"
SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")
VIDEO_SUFFIXES = (
    ".3gp",
    ".aac",
    ".ac3",
    ".amr",
    ".asf",
    ".avi",
    ".flv",
    ".m4a",
    ".m4b",
    ".m4v",
    ".mka",
    ".mkv",
    ".mov",
    ".mp4",
    ".mts",
    ".ts",
    ".webm",
    ".wma",
    ".wmv",
)


@dataclass(frozen=True)
class Stream:
    """Blocks of sound as they are decoded.

    Attributes:
        rate_hz: The recording's own rate.
        n_expected: Samples per channel that the recording claims, or 0 where it claims none.
        blocks: float32 [sample, channel], one after the other.
        slack: Samples that may be missing without a word.
    """

    rate_hz: int
    n_expected: int
    blocks: Iterator[np.ndarray]
    slack: int


def read_audio(path: str | Path) -> Float32[np.ndarray, " sample"]:
    """Read a recording of any format, rate and number of channels.

    Args:
        path: The file.

    Returns:
        Mono samples at 16 kHz (the mean of the channels), at least one; full scale is 1.

    Raises:
        AudioError: The file is missing, a folder, empty, cut short, no recording, without sound, not readable, or holds
            samples that are not finite.
    """
    path = Path(path)
    check_file(path)
    with path.open("rb") as file:
        samples = _read_with_soundfile(file, path)
    return _read_with_av(path, path) if samples is None else samples


def read_audio_bytes(content: bytes, name: str) -> Float32[np.ndarray, " sample"]:
    """Read a recording that is held in memory, as rows of a table hold it.

    Args:
        content: The whole file.
        name: What messages call it.

    Returns:
        Mono samples at 16 kHz, as `read_audio` gives them.

    Raises:
        AudioError: It is empty, cut short, no recording, without sound, not readable, or holds samples that are not
            finite.
    """
    if not content:
        raise AudioError(f"'{name}' is empty (0 bytes). Get the recording again.")
    short = promised_and_found(io.BytesIO(content))
    if short is not None:
        raise AudioError(_cut_short(name, short))
    samples = _read_with_soundfile(io.BytesIO(content), name)
    return _read_with_av(io.BytesIO(content), name) if samples is None else samples


def check_samples(samples: np.ndarray, what: str, *, first: int = 0) -> None:
    """Refuse samples that are no sound.

    Args:
        samples: Any shape.
        what: What they belong to, for the message.
        first: Number of the first of them, where they are a part of it.

    Raises:
        AudioError: There are none, or one of them is not finite or absurdly large.
    """
    if samples.size == 0:
        raise AudioError(f"{what} holds no samples: it is 0 s long. Give a recording with at least one sample.")
    # One pass without a temporary array: a NaN anywhere makes both comparisons false.
    if not (samples.min() >= -MAX_ABS_SAMPLE and samples.max() <= MAX_ABS_SAMPLE):
        bad = ~(np.abs(samples) <= MAX_ABS_SAMPLE)
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise AudioError(
            f"{what} holds values that are no sound ({int(bad.sum())} here), the first at sample {first + where[0]} "
            f"({samples[where]}): samples are finite, and full scale is 1. Export the recording again."
        )


def check_file(path: Path) -> None:
    """Refuse a path that cannot be a recording, before it is decoded.

    Args:
        path: The file.

    Raises:
        AudioError: It is missing, a folder, no regular file, empty, unreadable or cut short.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise AudioError(f"'{path}' is a folder, not a recording. Name the files in it.")
        if not stat.S_ISREG(status.st_mode):
            raise AudioError(f"'{path}' is not a regular file: a recording is read by seeking in it. Save it first.")
        if status.st_size == 0:
            raise AudioError(f"'{path}' is empty (0 bytes). Get the recording again.")
        with path.open("rb") as file:
            short = promised_and_found(file)
    except FileNotFoundError as error:
        raise AudioError(f"there is no recording '{path}'. Check the path; it is taken from {Path.cwd()}.") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        raise AudioError(f"'{path}' cannot be read: {_reason(error)}. Check its permissions and the disk.") from error
    if short is not None:
        raise AudioError(_cut_short(path, short))


def _cut_short(name: str | Path, short: tuple[int, int]) -> str:
    return (
        f"'{name}' is cut short: its header promises {short[0]:,} bytes and {short[1]:,} are there. "
        "Get the whole recording."
    )


def _read_with_soundfile(file: BinaryIO | io.BytesIO, name: str | Path) -> Float32[np.ndarray, " sample"] | None:
    """Read all of a recording with libsndfile; None for a format that it does not know."""
    with soundfile_errors(name):
        stream = _open_soundfile(file)
        return None if stream is None else to_samples(stream, name)


@contextmanager
def soundfile_errors(name: str | Path) -> Iterator[None]:
    """Turn what libsndfile raises into an `AudioError`.

    Args:
        name: What messages call the recording.

    Yields:
        Nothing.

    Raises:
        AudioError: The recording is damaged, or raw samples.
    """
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise AudioError(f"'{name}' is damaged or cut short ({_reason(error)}). Get it again, whole.") from error
    except TypeError as error:  # soundfile wants to be told the rate of .raw files
        raise AudioError(f"'{name}' is raw samples, and nothing says how. Convert it to wav: {READABLE}.") from error


def _open_soundfile(file: BinaryIO | io.BytesIO) -> Stream | None:
    """Open a recording with libsndfile; None for a format that it does not know.

    It is given the content alone: given a path, it takes anything that is called .flac for FLAC.
    """
    try:
        sound = soundfile.SoundFile(file)
    except soundfile.LibsndfileError as error:
        if error.code in UNKNOWN_FORMAT:
            return None
        raise
    slack_s = MP3_SLACK_S if sound.format == "MP3" else 0.0
    return Stream(sound.samplerate, sound.frames, _soundfile_blocks(sound), slack=round(slack_s * sound.samplerate))


def _soundfile_blocks(sound: soundfile.SoundFile) -> Iterator[np.ndarray]:
    with sound:
        while len(block := sound.read(BLOCK_SAMPLES, dtype="float32", always_2d=True)):
            yield block


def to_samples(stream: Stream, name: str | Path) -> Float32[np.ndarray, " sample"]:
    """Mix to mono, check, resample and put together, block by block.

    Args:
        stream: The recording as it is decoded.
        name: What messages call it.

    Returns:
        Mono samples at 16 kHz, at least one.

    Raises:
        AudioError: The rate is too low, there are no samples or fewer than promised, or one is not finite.
    """
    if stream.rate_hz < MIN_RATE_HZ:
        raise AudioError(f"'{name}' claims {stream.rate_hz} samples a second: at least {MIN_RATE_HZ} are needed.")
    resampler = None
    if stream.rate_hz != SAMPLE_RATE_HZ:
        resampler = soxr.ResampleStream(stream.rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
    out = _Growing(stream.n_expected * SAMPLE_RATE_HZ // stream.rate_hz + 1)
    n_read = 0
    last = np.zeros(1, dtype=np.float32)
    for block in stream.blocks:
        check_samples(block, f"'{name}'", first=n_read)
        last = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
        n_read += len(last)
        out.append(last if resampler is None else resampler.resample_chunk(last))
    if n_read == 0:
        raise AudioError(f"'{name}' holds no samples: it is 0 s long. Give a recording with at least one sample.")
    if n_read < stream.n_expected - stream.slack:
        raise AudioError(
            f"'{name}' is cut short: {stream.n_expected / stream.rate_hz:.2f} s are promised and decoding stopped "
            f"after {n_read / stream.rate_hz:.2f} s. Get the whole recording."
        )
    if resampler is not None:
        out.append(resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
    return out.samples() if out.n else last[:1].copy()  # a sample at 44.1 kHz is less than one at 16 kHz


class _Growing:
    """An array that grows at its end; memory is touched only as it fills."""

    def __init__(self, capacity: int) -> None:
        self._array = np.empty(max(capacity, 1), dtype=np.float32)
        self.n = 0

    def append(self, chunk: np.ndarray) -> None:
        needed = self.n + len(chunk)
        if needed > len(self._array):
            grown = np.empty(max(needed, len(self._array) * 3 // 2), dtype=np.float32)
            grown[: self.n] = self._array[: self.n]
            self._array = grown
        self._array[self.n : needed] = chunk
        self.n = needed

    def samples(self) -> Float32[np.ndarray, " sample"]:
        return self._array[: self.n]


def _read_with_av(source: Path | io.BytesIO, name: str | Path) -> Float32[np.ndarray, " sample"]:
    if isinstance(source, Path):
        with source.open("rb") as file:
            head = file.read(16)
    else:
        head = source.getvalue()[:16]
    if importlib.util.find_spec("av") is None:
        if Path(name).suffix.lower() in VIDEO_SUFFIXES or _is_media(head):
            raise AudioError(f"'{name}' needs one more library: run `pip install 'otoscope[av]'` ({READABLE}).")
        raise AudioError(f"'{name}' is not a recording that can be read: {READABLE}.")
    import av

    try:
        with av.open(str(source) if isinstance(source, Path) else source) as container:
            # FFmpeg goes by the name too: a text called .txt is pictures to it, and one called .flac has 0 Hz.
            if not container.streams.audio or not container.streams.audio[0].rate:
                raise AudioError(f"'{name}' has no sound in it, or is not a recording: {READABLE}.")
            return to_samples(_av_stream(container), name)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise AudioError(
            f"'{name}' is not a recording, or damaged or cut short ({_reason(error)}): {READABLE}."
        ) from error


def _is_media(head: bytes) -> bool:
    """Whether a file's first bytes are those of an MP4, Matroska, AVI, ADTS, ASF, FLV or AMR file."""
    starts = (b"\x1aE\xdf\xa3", b"\xff\xf1", b"\xff\xf9", b"0&\xb2u", b"FLV", b"#!AMR")
    return head[4:8] == b"ftyp" or head.startswith(starts) or head[8:12] == b"AVI "


def _av_stream(container: Any) -> Stream:
    stream = container.streams.audio[0]
    rate_hz = stream.rate
    seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    n_expected = round(seconds * rate_hz)
    return Stream(rate_hz, n_expected, _av_blocks(container, stream), slack=round(AV_SLACK_S * rate_hz))


def _av_blocks(container: Any, stream: Any) -> Iterator[np.ndarray]:
    import av

    to_float = av.AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)  # converts, does not resample
    for frame in container.decode(stream):
        for converted in to_float.resample(frame):
            yield converted.to_ndarray().T
    for converted in to_float.resample(None):
        yield converted.to_ndarray().T


def _reason(error: Exception) -> str:
    """The last part of a library's message, without the path that it repeats."""
    strerror = getattr(error, "strerror", None)
    if strerror:
        return str(strerror)
    text = getattr(error, "error_string", None) or str(error)
    return text.rsplit(": ", 1)[-1].strip(". ") or type(error).__name__
