"""What features dream of: numbers, tables, pictures and sounds. `dream` makes them; this only writes them down."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.audio.excerpt import FULL_SCALE, encode
from otoscope.audio.player import player
from otoscope.base import html
from otoscope.base.clocks import FRAME_S
from otoscope.base.files import atomic_path, write_json
from otoscope.base.numbers import Interval, finite
from otoscope.base.short_repr import ShortRepr
from otoscope.study import pictures
from otoscope.study.dream import picture as dream_picture
from otoscope.study.dream.real import RealMoment
from otoscope.study.dream.settings import DreamSettings
from otoscope.study.estimates import wilson_interval
from otoscope.study.result_files import drawn, write_arrays
from otoscope.study.rich import Rich


@dataclass(frozen=True, eq=False, repr=False)
class DreamtSound(ShortRepr):
    """The sound that comes nearest to a dream.

    Attributes:
        samples: Mono at 16 kHz, float32 [sample]; they may lie beyond full scale.
        strength: What the feature's strength is when the model hears it, in the mean over the dream's frames.
        correlation: Of the dreamt log-mel with that of the sound.
    """

    samples: np.ndarray
    strength: float
    correlation: float


@dataclass(frozen=True, eq=False, repr=False)
class FeatureDream(ShortRepr):
    """What one feature dreams of.

    Attributes:
        name: The feature.
        site: Where it is.
        basis: In which basis.
        index: Its number.
        driven_at: The site at which its gradient was taken.
        frames: The feature was driven in the mean over frames [first, stop).
        start_strength: Its strength there to begin with.
        start_largest: Its largest strength in any frame of the start.
        strength: Its strength there at the end.
        real: The real moment that drives it most; None where nothing was compared, or nothing found.
        sound: None where none was made.
        mel: The dreamt log-mel, float32 [n_mels, mel_frame].
        curve: Strength by step, float32 [steps + 1]; while it is driven, of the log-mel as it was shifted.
        strengths: Strength in every frame at the end, float32 [frame].
    """

    name: str
    site: str
    basis: str
    index: int
    driven_at: str
    frames: tuple[int, int]
    start_strength: float
    start_largest: float
    strength: float
    real: RealMoment | None
    sound: DreamtSound | None
    mel: np.ndarray
    curve: np.ndarray
    strengths: np.ndarray

    @property
    def beats_real(self) -> bool | None:
        """Whether the dream drives it more than every real moment; None where there is none to compare with."""
        return None if self.real is None else self.strength > self.real.strength

    @property
    def sound_beats_real(self) -> bool | None:
        """Whether the sound of the dream does; None where there is nothing to compare."""
        return None if self.real is None or self.sound is None else self.sound.strength > self.real.strength

    @property
    def file_name(self) -> str:
        """What its files are called."""
        return re.sub(r"[^A-Za-z0-9.]+", "_", f"{self.site} {self.basis} {self.index}")[-100:]

    def to_json(self) -> dict[str, Any]:
        """Give the numbers."""
        return {
            "feature": self.name,
            "site": self.site,
            "basis": self.basis,
            "index": self.index,
            "driven_at": self.driven_at,
            "frames": [self.frames[0], self.frames[1] - 1],
            "start": {"strength": finite(self.start_strength), "largest": finite(self.start_largest)},
            "dream": finite(self.strength),
            "real": None if self.real is None else self.real.to_json(),
            "beats_real": self.beats_real,
            "sound": None
            if self.sound is None
            else {
                "strength": finite(self.sound.strength),
                "mel_correlation": finite(self.sound.correlation),
                "beats_real": self.sound_beats_real,
            },
            "mel_range": [finite(float(self.mel.min())), finite(float(self.mel.max()))],
            "curve": [finite(float(each)) for each in self.curve],
        }


@dataclass(frozen=True, eq=False, repr=False)
class Dream(Rich):
    """What features of a model dream of.

    Attributes:
        model: The model's id.
        start: What the dreams start from: `noise`, or the recording.
        start_mel: Its log-mel, float32 [n_mels, mel_frame].
        settings: How they were made.
        source: The corpus or the harvest that the dreams are compared with; None for none.
        n_clips: Recordings in it.
        n_frames: Frames of speech in them.
        features: One for each feature, in the order asked for.
    """

    model: str
    start: str
    start_mel: np.ndarray
    settings: DreamSettings
    source: str | None
    n_clips: int
    n_frames: int
    features: tuple[FeatureDream, ...]

    @property
    def compared(self) -> tuple[FeatureDream, ...]:
        """The features that some real moment drives above 0: to beat a neuron that is never active says nothing."""
        return tuple(each for each in self.features if each.real is not None and each.real.strength > 0)

    @property
    def share_above_real(self) -> Interval | None:
        """The share of those whose dream drives them more than every real moment; None where there are none."""
        return _share([each.beats_real for each in self.compared])

    @property
    def share_of_sounds_above_real(self) -> Interval | None:
        """The same of the sounds."""
        return _share([each.sound_beats_real for each in self.compared])

    @property
    def share_of_starts_above_real(self) -> Interval | None:
        """The baseline: the share of those that some frame of the start drives more than every real moment."""
        return _share([each.real is not None and each.start_largest > each.real.strength for each in self.compared])

    @property
    def share_above_start(self) -> Interval | None:
        """The share of features whose dream drives them more than any frame of the start."""
        return _share([each.strength > each.start_largest for each in self.features])

    def to_json(self) -> dict[str, Any]:
        """Give the table: settings, shares with their intervals, and every feature."""
        shares = {
            "above_start": self.share_above_start,
            "above_real": self.share_above_real,
            "sound_above_real": self.share_of_sounds_above_real,
            "start_above_real": self.share_of_starts_above_real,
        }
        return {
            "model": self.model,
            "start": self.start,
            "settings": asdict(self.settings),
            "frame_s": FRAME_S,
            "compared_with": None
            if self.source is None
            else {"source": self.source, "n_clips": self.n_clips, "n_speech_frames": self.n_frames},
            "shares": {name: None if share is None else asdict(share) for name, share in shares.items()},
            "n_features": len(self.features),
            "n_compared": len(self.compared),
            "intervals": "Wilson, 95%, features taken as independent",
            "features": [each.to_json() for each in self.features],
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `dream.json`, `dream.npz`, `dream.png`, and a sound; of several features, pictures and sounds of each.

        `dream.npz` holds `start_mel`, and by feature `mel`, `curve` and `strengths`.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        arrays = {name: np.stack([getattr(each, name) for each in self.features]) for name in _ARRAYS}
        files = [
            write_json(where / "dream.json", self.to_json()),
            write_arrays(where / "dream.npz", start_mel=self.start_mel, **arrays),
        ]
        is_one = len(self.features) == 1
        stems = ["dream" if is_one else each.file_name for each in self.features]
        for stem, each in zip(stems, self.features, strict=True):
            if each.sound is not None:
                files.append(_write_sound(where / f"{stem}.flac", each.sound.samples))
        files += drawn(self.plot, where / "dream.png")
        for number, stem in enumerate([] if is_one else stems):
            files += drawn(self.plot, where / f"{stem}.png", number)
        return files

    def plot(self, path: str | Path, number: int | None = None) -> Path:
        """Draw one feature's dream beside the real moment, or the dreams of several on one sheet.

        Args:
            path: Where to; PNG.
            number: Which of the features; None for the only one, or the sheet of all.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        note, compared = self._notes()
        if number is None and len(self.features) > 1:
            note = f"{note}; compared with {compared}" if compared else note
            figure = dream_picture.sheet_figure([self._view(each) for each in self.features], note)
        else:
            figure = dream_picture.feature_figure(self._view(self.features[number or 0]), note, compared)
        return pictures.save_figure(figure, path)

    def _notes(self) -> tuple[str, str]:
        own = self.settings
        range_ = "" if own.clamp else ", no limits"
        note = f"{self.model}: from {self.start}, {pictures.count(own.steps, 'step')}, smooth {own.smooth:g}{range_}"
        return note, "" if self.source is None else f"{pictures.count(self.n_clips, 'clip')} ({self.source})"

    def _view(self, each: FeatureDream) -> dream_picture.View:
        return dream_picture.View(
            name=each.name,
            mel=each.mel,
            frames=each.frames,
            curve=each.curve,
            strengths=each.strengths,
            start=each.start_strength,
            strength=each.strength,
            sound=None if each.sound is None else each.sound.strength,
            real=None if each.real is None else each.real.strength,
            real_mel=None if each.real is None else each.real.mel,
            real_frame=0 if each.real is None else each.real.mel_frame,
            real_clip="" if each.real is None else each.real.clip_id,
        )

    def _shown(self) -> html.Shown:
        rows = [
            (
                each.name,
                each.start_largest,
                None if each.real is None else each.real.strength,
                each.strength,
                None if each.sound is None else each.sound.strength,
                None if each.sound is None else player(each.sound.samples, f"Dream of {each.name}", width="11em"),
            )
            for each in self.features[: html.MOST_ROWS]
        ]
        columns = ("feature", "largest at the start", "largest in real sound", "dream", "its sound", "hear")
        compared = "nothing" if self.source is None else f"{self.n_clips:,} clips ({self.source})"
        return html.Shown(
            f"What features dream of: {self.model}",
            [
                ("from", self.start),
                ("compared with", compared),
                ("dreams above all real sound", html.share(self.share_above_real)),
                ("their sounds above it", html.share(self.share_of_sounds_above_real)),
                ("the start above it", html.share(self.share_of_starts_above_real)),
            ],
            [html.Table(columns, rows, "Strengths", len(self.features))],
        )


_ARRAYS = ("mel", "curve", "strengths")


def _write_sound(path: Path, samples: np.ndarray) -> Path:
    """Write a sound, turned down where it would lie beyond full scale."""
    loudest = float(np.abs(samples).max())
    sound = samples * min(1.0, FULL_SCALE / loudest) if loudest > 0 else samples
    with atomic_path(path) as temporary:
        temporary.write_bytes(encode(sound.astype(np.float32), "flac"))
    return path


def _share(answers: Sequence[bool | None]) -> Interval | None:
    given = [answer for answer in answers if answer is not None]
    return wilson_interval(sum(given), len(given))
