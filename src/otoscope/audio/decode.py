"""Read any recording as Whisper's samples: mono, 16 kHz, float32.

libsndfile reads WAV, FLAC, Ogg Vorbis, Opus and MP3, one stream of a file at a time, after its length was counted
(`otoscope.audio.containers`); FFmpeg reads the rest (`otoscope.audio.ffmpeg`). Both are resampled by soxr: FFmpeg's
resampler lets a tone above 8 kHz through at -62 dB, soxr's HQ at -141 dB. Works in blocks: memory is what the samples
at 16 kHz need (230 MB an hour) and a few MB more.
"""

from __future__ import annotations

import mmap
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from jaxtyping import Float32

from otoscope.audio import ffmpeg
from otoscope.audio.containers import Content, Layout, SoundPart, layout_of
from otoscope.audio.ffmpeg import VIDEO_SUFFIXES, reason
from otoscope.audio.level import measure
from otoscope.audio.mono import Mixer
from otoscope.base.clocks import SAMPLE_RATE_HZ
from otoscope.base.errors import AudioError, OtoscopeError

__all__ = ["SOUND_SUFFIXES", "VIDEO_SUFFIXES", "Sound", "read_audio", "read_audio_bytes"]

BLOCK_SAMPLES = 1 << 18  # read at a time, per channel: 6 s at 44.1 kHz
MOST_AT_FIRST = 3600 * SAMPLE_RATE_HZ  # allocated before anything is decoded: a header's claim cannot be trusted
MOST_CLAIMED = 1 << 40  # libsndfile writes "not known" as nearly 1 << 63
MIN_RATE_HZ = 1_000  # speech needs more, and a damaged header that claims 1 Hz would fill the memory
MAX_ABS_SAMPLE = 1e12  # full scale is 1; beyond this a power spectrum overflows float32
MP3_SLACK_S = 0.1  # the padding that encoders add is counted in some files and not in others
UNKNOWN_FORMAT = (1, 4)  # libsndfile's SF_ERR_UNRECOGNISED_FORMAT and SF_ERR_UNSUPPORTED_ENCODING
SOUND_SUFFIXES = (
    ".wav",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".mp2",
    ".aif",
    ".aiff",
    ".aifc",
    ".au",
    ".snd",
    ".caf",
    ".w64",
    ".rf64",
    ".sph",
)


@dataclass(frozen=True)
class Sound:
    """A recording as Whisper hears it."""

    samples: Float32[np.ndarray, " sample"]  # mono at 16 kHz, at least one; full scale is 1
    # where the sound differs from what the file says, or may be incomplete: each a sentence about "its" parts
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stream:
    """Blocks of sound as they are decoded."""

    # rate in Hz and float32 [sample, channel], one after the other; either may change
    blocks: Iterator[tuple[int, np.ndarray]]
    n_expected: int = 0  # samples per channel that there should be, or 0 where that is not known
    slack: int = 0  # samples that may be missing without a note


def read_audio(path: str | Path) -> Sound:
    """Read a recording of any format, rate and number of channels."""
    path = Path(path)
    with decoder_errors(path):
        return _read(map_file(path), path)


def read_audio_bytes(content: bytes, name: str) -> Sound:
    """Read a recording that is held in memory, such as a cell of a table."""
    if not content:
        raise AudioError(f"'{name}' is empty (0 bytes). Get the recording again.")
    with decoder_errors(name):
        return _read(content, name)


def check_samples(samples: np.ndarray, what: str, *, first: int = 0) -> None:
    """Refuse samples that cannot be sound: none, or values that are not finite or far too large."""
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


def map_file(path: Path) -> mmap.mmap:
    """Map a recording into memory; nothing is read yet."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise AudioError(f"'{path}' is a folder, not a recording. Name the files in it.")
        if not stat.S_ISREG(status.st_mode):
            raise AudioError(f"'{path}' is not a regular file: a recording is read by seeking in it. Save it first.")
        if status.st_size == 0:
            raise AudioError(f"'{path}' is empty (0 bytes). Get the recording again.")
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise AudioError(f"there is no recording '{path}'. Check the path; it is taken from {Path.cwd()}.") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        raise AudioError(f"'{path}' cannot be read: {reason(error)}. Check its permissions and the disk.") from error


def check_layout(layout: Layout, name: str | Path) -> None:
    """Refuse a recording whose end is missing."""
    if layout.cut_short is not None:
        raise AudioError(f"'{name}' is cut short: {layout.cut_short}. Get the whole recording.")


def decode(content: Content, layout: Layout, name: str | Path, notes: list[str]) -> Float32[np.ndarray, " sample"]:
    """Decode all recordings of a file, one after the other, without changing their scale.

    Returns mono samples at 16 kHz, at least one.
    """
    check_layout(layout, name)
    sounds = [_read_part(content, part, name, notes) for part in layout.parts]
    return sounds[0] if len(sounds) == 1 else np.concatenate(sounds)


def _read(content: Content, name: str | Path) -> Sound:
    layout = layout_of(content)
    notes = list(layout.notes)
    samples = decode(content, layout, name, notes)
    level = measure(samples)
    return Sound(level.apply(samples), tuple(dict.fromkeys((*notes, *level.notes))))


def _read_part(content: Content, part: SoundPart, name: str | Path, notes: list[str]) -> Float32[np.ndarray, " sample"]:
    """Read one recording of a file, with libsndfile if it knows the format, else with FFmpeg."""
    sound = open_part(content, part)
    if sound is not None:
        n = n_expected(sound) if part.is_counted else 0
        return to_samples(Stream(soundfile_blocks(sound), n, slack(sound)), name, notes)
    with part.open(content) as file:
        return to_samples(Stream(_in_blocks(ffmpeg.blocks(file, content, name, notes))), name, notes)


@contextmanager
def decoder_errors(name: str | Path) -> Iterator[None]:
    """Turn any exception of a decoder into an `AudioError`, so that one bad file never stops the others."""
    try:
        yield
    except OtoscopeError:
        raise
    except soundfile.LibsndfileError as error:
        raise AudioError(f"'{name}' is damaged or cut short ({reason(error)}). Get it again, whole.") from error
    except MemoryError as error:
        raise AudioError(f"'{name}' takes more memory than there is ({reason(error)}). Cut it into parts.") from error
    except Exception as error:  # on damaged files decoders raise all kinds of exceptions
        what = f"{type(error).__name__}: {reason(error)}"
        raise AudioError(f"'{name}' is damaged, and cannot be decoded ({what}). Get it again, whole.") from error


def counted_s(content: Content, layout: Layout) -> float | None:
    """Give the length of a file without decoding it; None where only decoding can tell."""
    total_s = 0.0
    for part in layout.parts:
        sound = open_part(content, part) if part.is_counted else None
        if sound is None:
            return None
        with sound:
            if not n_expected(sound):
                return None
            total_s += sound.frames / sound.samplerate
    return total_s


def open_part(content: Content, part: SoundPart) -> Forward | None:
    """Open one recording of a file with libsndfile.

    Returns the recording; None for a format that libsndfile does not know.
    """
    if part.is_ffmpeg:
        return None
    try:
        return Forward(part.open(content))
    except soundfile.LibsndfileError as error:
        if error.code in UNKNOWN_FORMAT:
            return None
        raise


class Forward(soundfile.SoundFile):
    """A recording that is read forwards, without seeking between reads.

    After every read of a seekable file, soundfile seeks to the next sample. At every seek an mp3 decoder loses its
    state from earlier frames, and the next 70 ms are wrong. So this class says that it is not seekable; `seek` itself
    works.
    """

    def seekable(self) -> bool:
        """Say no, so that reading does not seek."""
        return False


def n_expected(sound: soundfile.SoundFile) -> int:
    """Samples per channel that an open recording should hold; 0 where unknown."""
    return sound.frames if sound.frames < MOST_CLAIMED else 0


def slack(sound: soundfile.SoundFile) -> int:
    """Samples that an open recording may lack without a note."""
    return round(MP3_SLACK_S * sound.samplerate) if sound.format == "MP3" else 0


def soundfile_blocks(sound: soundfile.SoundFile, n_samples: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
    """Decode an open recording from its current position, and close it."""
    left = n_samples or n_expected(sound) or MOST_CLAIMED
    with sound:
        while left > 0:
            block = sound.read(min(BLOCK_SAMPLES, left), dtype="float32", always_2d=True)
            if not len(block):
                return
            left -= len(block)
            yield sound.samplerate, block


def _in_blocks(frames: Iterator[tuple[int, np.ndarray]]) -> Iterator[tuple[int, np.ndarray]]:
    """Put the small frames of a decoder together into blocks."""
    held: list[np.ndarray] = []
    kind, n_held = (0, 0), 0
    for rate_hz, frame in frames:
        if held and (kind != (rate_hz, frame.shape[1]) or n_held >= BLOCK_SAMPLES):
            yield kind[0], np.concatenate(held)
            held, n_held = [], 0
        kind = (rate_hz, frame.shape[1])
        held.append(frame)
        n_held += len(frame)
    if held:
        yield kind[0], np.concatenate(held)


def to_samples(stream: Stream, name: str | Path, notes: list[str]) -> Float32[np.ndarray, " sample"]:
    """Check, mix to mono and resample block by block, and join the blocks."""
    runs: list[_Run] = []
    n_read = 0
    for rate_hz, block in stream.blocks:
        if rate_hz < MIN_RATE_HZ:
            raise AudioError(f"'{name}' claims {rate_hz} samples a second: at least {MIN_RATE_HZ} are needed.")
        if not len(block):
            continue
        check_samples(block, f"'{name}'", first=n_read)
        if not runs or runs[-1].kind != (rate_hz, block.shape[1]):
            runs.append(_Run(rate_hz, block.shape[1], stream.n_expected))
        runs[-1].add(block)
        n_read += len(block)
    if n_read == 0:
        raise AudioError(f"'{name}' holds no samples: it is 0 s long. Give a recording with at least one sample.")
    if n_read < stream.n_expected - stream.slack:
        rate_hz = runs[-1].kind[0]
        raise AudioError(
            f"'{name}' is cut short: {stream.n_expected / rate_hz:.2f} s are promised and decoding stopped "
            f"after {n_read / rate_hz:.2f} s. Get the whole recording."
        )
    sounds = [run.samples(notes) for run in runs]
    return sounds[0] if len(sounds) == 1 else np.concatenate(sounds)


class _Run:
    """Converts blocks of one rate and one number of channels to mono at 16 kHz."""

    def __init__(self, rate_hz: int, n_channels: int, n_expected: int) -> None:
        self.kind = (rate_hz, n_channels)
        self._mixer = Mixer(n_channels, rate_hz)
        self._resampler = None
        if rate_hz != SAMPLE_RATE_HZ:
            self._resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
        self._out = _Growing(min(n_expected * SAMPLE_RATE_HZ // rate_hz + 1, MOST_AT_FIRST))
        self._last = np.zeros(1, dtype=np.float32)

    def add(self, block: np.ndarray) -> None:
        """Add a block, which must not be empty."""
        mixed = self._mixer.mix(block)
        self._last = mixed[-1:].copy()
        self._out.append(mixed if self._resampler is None else self._resampler.resample_chunk(mixed))

    def samples(self, notes: list[str]) -> Float32[np.ndarray, " sample"]:
        """Give all samples; may be called once."""
        if self._resampler is not None:
            self._out.append(self._resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
        gain, mixer_notes = self._mixer.gain_and_notes()
        notes += mixer_notes
        samples = self._out.samples() if self._out.n else self._last  # one sample at 44.1 kHz is resampled to none
        if gain != 1:
            samples *= np.float32(gain)
        return samples


class _Growing:
    """An array that can be appended to; memory is used only as it fills."""

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
