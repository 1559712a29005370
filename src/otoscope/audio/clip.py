"""A clip: a stretch of audio with its transcript and, where known, its words and phones in time.

Holds the samples in memory: 64 kB a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from otoscope.audio.decode import check_samples, read_audio
from otoscope.audio.level import measure
from otoscope.audio.player import player, waveform
from otoscope.base import html
from otoscope.base.clocks import SAMPLE_RATE_HZ, sample_to_seconds
from otoscope.base.errors import AudioError, InputError
from otoscope.base.short_repr import ShortRepr


@dataclass(frozen=True)
class Span:
    """One word or one phone in time."""

    start_s: float  # where it begins, seconds from the start of the clip
    end_s: float  # where it ends, seconds from the start of the clip
    text: str  # the word as written, or the phone's symbol

    def __post_init__(self) -> None:
        if not 0 <= self.start_s <= self.end_s < float("inf"):
            raise InputError(
                f"{self.text!r} runs from {self.start_s} s to {self.end_s} s: "
                "a word or phone starts at 0 or later and ends no earlier than it starts. Correct the labels."
            )


@dataclass(frozen=True, eq=False, repr=False)
class Clip(ShortRepr):
    """A stretch of audio and what is known about it."""

    samples: Float32[np.ndarray, " sample"]  # mono at 16 kHz, finite, at least one
    id: str  # a name, unique in its corpus
    transcript: str | None = None  # what is said, if known
    words: tuple[Span, ...] | None = None  # the words in time, if known
    phones: tuple[Span, ...] | None = None  # the phones in time, if known
    speaker: str | None = None  # who speaks, if known
    language: str | None = None  # the language as Whisper's code (`en`), if known
    path: Path | None = None  # the file it came from, if any
    # why the labels that were found for it cannot be used; it then has neither words nor phones
    label_problem: str | None = None
    notes: tuple[str, ...] = ()  # where its recording differs from what its header says, or may be incomplete
    # whether the transcript was made from the labels (words, or utterances), as there was no other
    is_transcript_from_labels: bool = False

    def __post_init__(self) -> None:
        samples = self.samples
        if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim != 1:
            given = (
                f"{samples.dtype} {list(samples.shape)}" if isinstance(samples, np.ndarray) else type(samples).__name__
            )
            raise InputError(
                f"clip {self.id!r} was given samples as {given}: a clip takes a float32 array [sample], mono at "
                f"{SAMPLE_RATE_HZ} Hz. Use otoscope.as_clip, which converts, or otoscope.read_clip, which reads a file."
            )
        check_samples(samples, f"clip {self.id!r}")

    @property
    def duration_s(self) -> float:
        """How long the clip is, in seconds."""
        return sample_to_seconds(len(self.samples))

    @property
    def source(self) -> str:
        """The recording's name in results: its file, or the clip's id where it came from no file."""
        return self.id if self.path is None else str(self.path)

    def _repr_html_(self) -> str:
        """Write what a notebook shows: transcript, player, and the waveform with its words."""
        return html.display(self, self._shown, lambda _: waveform(self.samples, self.words))

    def _shown(self) -> html.Shown:
        known = [
            ("transcript, from its labels" if self.is_transcript_from_labels else "transcript", self.transcript),
            ("speaker", self.speaker),
            ("language", self.language),
            ("words in time", None if self.words is None else len(self.words)),
            ("phones in time", None if self.phones is None else len(self.phones)),
            ("labels that cannot be used", self.label_problem),
            ("notes", self.notes or None),
        ]
        length = ("length", f"{self.duration_s:,.2f} s")
        sounds = [player(self.samples, f"Clip {self.id}")]
        return html.Shown(f"Clip {self.id}", [length, *(fact for fact in known if fact[1] is not None)], (), sounds)


def read_clip(path: str | Path, **labels: Any) -> Clip:
    """Read a recording as a clip.

    Args:
        path: Any recording that `read_audio` reads.
        **labels: What is known about it: `id` (default: the file's name without its ending), `transcript`, `words`,
            `phones`, `speaker`, `language`.

    Returns:
        The clip, mono at 16 kHz; its `notes` say what was read otherwise than the file says.

    Raises:
        AudioError: The recording cannot be used.
    """
    path = Path(path)
    sound = read_audio(path)
    return Clip(**{"samples": sound.samples, "id": path.stem, "path": path, "notes": sound.notes, **labels})


def as_clip(x: Clip | np.ndarray | str | Path) -> Clip:
    """Turn samples or the path of a recording into a clip.

    Args:
        x: A clip (returned as it is), an array of samples (mono, 16 kHz, floating point or 16-bit integers), or the
            path of a recording.

    Returns:
        The clip.

    Raises:
        AudioError: The recording or the samples cannot be used.
        InputError: `x` is none of these.
    """
    if isinstance(x, Clip):
        return x
    if isinstance(x, str | Path):
        return read_clip(x)
    if isinstance(x, np.ndarray):
        return _array_clip(x)
    raise InputError(
        f"a {type(x).__name__} is not a clip: give a Clip, the path of a recording, "
        f"or a NumPy array of samples (mono at {SAMPLE_RATE_HZ} Hz)."
    )


def _array_clip(array: np.ndarray) -> Clip:
    samples = _mono_float32(array)
    check_samples(samples, "the array")
    level = measure(samples)
    return Clip(level.apply(samples), id="array", notes=level.notes)


def _mono_float32(samples: np.ndarray) -> Float32[np.ndarray, " sample"]:
    if samples.ndim != 1:
        raise AudioError(
            f"an array of shape {list(samples.shape)} is not a clip: samples are one row, mono at {SAMPLE_RATE_HZ} Hz. "
            "Average the channels first."
        )
    if samples.dtype == np.int16:
        return np.ascontiguousarray(samples, dtype=np.float32) / np.float32(32768)
    if not np.issubdtype(samples.dtype, np.floating):
        raise AudioError(f"an array of {samples.dtype} is not a clip: give floating point (full scale is 1) or int16.")
    return np.ascontiguousarray(samples, dtype=np.float32)


def known_seconds(clips: object) -> float:
    """How much sound a list holds, where its clips were read already; 0 where that is not known."""
    known = clips if isinstance(clips, list | tuple) else ()
    return sum(clip.duration_s for clip in known) if all(isinstance(clip, Clip) for clip in known) else 0.0
