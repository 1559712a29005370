"""What features dream of: numbers, tables, pictures and sounds. `dream` makes them; this only presents them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from otoscope.audio.excerpt import FULL_SCALE, encode
from otoscope.audio.player import player
from otoscope.base import html
from otoscope.base.clocks import FRAME_S
from otoscope.base.files import atomic_path, short_name
from otoscope.base.layout import count
from otoscope.base.numbers import Interval, finite
from otoscope.base.report import Column, Estimates, Report, Series, Table
from otoscope.base.short_repr import ShortRepr
from otoscope.study.dream.picture import feature_figure, sheet_figure
from otoscope.study.dream.real import RealMoment
from otoscope.study.dream.settings import DreamSettings
from otoscope.study.estimates import wilson_interval
from otoscope.study.results import Result

COLUMNS = (
    Column(None, "feature"),
    Column(None, "frames"),
    Column(None, "start", "three digits"),
    Column(None, "largest at the start", "three digits"),
    Column(None, "dream", "three digits"),
    Column(None, "its sound", "three digits"),
    Column(None, "mel r", "three digits"),
    Column(None, "real", "three digits"),
    Column(None, "in clip"),
)

BEATEN = {
    "above_real": "dreams",
    "sound_above_real": "their sounds",
    "start_above_real": "the start, as baseline",
}
"""What may be stronger than every real moment."""


@dataclass(frozen=True, eq=False, repr=False)
class DreamtSound(ShortRepr):
    """The sound that comes nearest to a dream."""

    samples: np.ndarray  # mono at 16 kHz, float32 [sample]; they may lie beyond full scale
    strength: float  # of the feature when the model hears it, mean over the dream's frames
    correlation: float  # between the dreamt log-mel and that of the sound


@dataclass(frozen=True, eq=False, repr=False)
class FeatureDream(ShortRepr):
    """What one feature dreams of."""

    name: str
    site: str
    basis: str
    index: int  # in the basis
    driven_at: str  # the site at which its gradient was taken
    frames: tuple[int, int]  # [first, stop): it was driven in the mean over these frames
    start_strength: float  # mean over these frames, at the start
    start_largest: float  # largest in any frame, at the start
    strength: float  # mean over these frames, at the end
    real: RealMoment | None  # the real moment that drives it most; None where nothing was compared or drives it
    sound: DreamtSound | None  # None where none was made
    mel: np.ndarray  # the dreamt log-mel, float32 [n_mels, mel_frame]
    curve: np.ndarray  # strength by step, float32 [steps + 1]; while it is driven, of the log-mel as it was shifted
    strengths: np.ndarray  # in every frame at the end, float32 [frame]

    @property
    def beats_real(self) -> bool | None:
        """Whether the dream drives it more than every real moment; None where there is none to compare with."""
        return None if self.real is None else self.strength > self.real.strength

    @property
    def sound_beats_real(self) -> bool | None:
        """Whether the dream's sound drives it more than every real moment; None where there is nothing to compare."""
        return None if self.real is None or self.sound is None else self.sound.strength > self.real.strength

    @property
    def file_name(self) -> str:
        """The stem of its files."""
        return re.sub(r"[^A-Za-z0-9.]+", "_", f"{self.site} {self.basis} {self.index}")[-100:]

    def row(self) -> tuple[Any, ...]:
        """Return the cells of `COLUMNS`."""
        sound = (None, None) if self.sound is None else (self.sound.strength, self.sound.correlation)
        real = (None, None) if self.real is None else (self.real.strength, self.real.clip_id)
        frames = f"{self.frames[0]}-{self.frames[1] - 1}"
        return (self.name, frames, self.start_strength, self.start_largest, self.strength, *sound, *real)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers."""
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
            "curve": [finite(float(strength)) for strength in self.curve],
        }


@dataclass(frozen=True, eq=False, repr=False)
class Dream(Result):
    """What features of a model dream of."""

    name = "dream"

    model: str
    start: str  # what the dreams start from: `noise`, or the recording
    start_mel: np.ndarray  # its log-mel, float32 [n_mels, mel_frame]
    settings: DreamSettings
    source: str | None  # the corpus or the harvest that the dreams are compared with
    n_clips: int  # in it
    n_frames: int  # of speech in them
    features: tuple[FeatureDream, ...]  # in the requested order

    @property
    def compared(self) -> tuple[FeatureDream, ...]:
        """The features that some real moment drives above 0: beating a neuron that is never active shows nothing."""
        return tuple(dream for dream in self.features if dream.real is not None and dream.real.strength > 0)

    @property
    def share_above_real(self) -> Interval | None:
        """The share of compared features that dreams drive more than every real moment; None if there are none."""
        return _share([dream.beats_real for dream in self.compared])

    @property
    def share_of_sounds_above_real(self) -> Interval | None:
        """The same for the sounds of dreams."""
        return _share([dream.sound_beats_real for dream in self.compared])

    @property
    def share_of_starts_above_real(self) -> Interval | None:
        """The baseline: the share of compared features that some frame of the start drives more than real moments."""
        return _share([dream.real is not None and dream.start_largest > dream.real.strength for dream in self.compared])

    @property
    def share_above_start(self) -> Interval | None:
        """The share of features that their dream drives more than any frame of the start."""
        return _share([dream.strength > dream.start_largest for dream in self.features])

    def report(self) -> Report:
        """Report how strongly each feature was driven, and how often more than by any real moment."""
        shares = {
            "above_start": self.share_above_start,
            "above_real": self.share_above_real,
            "sound_above_real": self.share_of_sounds_above_real,
            "start_above_real": self.share_of_starts_above_real,
        }
        parts: list[Table | Estimates] = [Table(COLUMNS, [dream.row() for dream in self.features], "Strengths")]
        if self.compared and len(self.features) > 1:
            caption = (
                f"Of {count(len(self.compared), 'feature')} that real speech drives above 0, share driven more strongly"
            )
            parts.append(Estimates(BEATEN, [Series("share", shares)], caption))
        sample = f"{count(self.n_frames, 'speech frame')} of {count(self.n_clips, 'clip')} ({self.source})"
        return Report(
            f"What features dream of: {self.model}",
            f"{count(len(self.features), 'feature')} from {self.start}, {count(self.settings.steps, 'step')}",
            {
                "model": self.model,
                "start": self.start,
                "settings": self.settings.to_json(),
                "frame_s": FRAME_S,
                "compared_with": None
                if self.source is None
                else {"source": self.source, "n_clips": self.n_clips, "n_speech_frames": self.n_frames},
                "shares": shares,
                "n_features": len(self.features),
                "n_compared": len(self.compared),
                "intervals": "Wilson, 95%, features taken as independent",
                "features": [dream.to_json() for dream in self.features],
            },
            display_only=[("real: the largest strength in", None if self.source is None else sample)],
            parts=parts,
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Return `start_mel`, and by feature `mel`, `curve` and `strengths`."""
        stacked = {
            name: np.stack([getattr(dream, name) for dream in self.features]) for name in ("mel", "curve", "strengths")
        }
        return {"start_mel": self.start_mel, **stacked}

    def save(self, folder: str | Path) -> list[Path]:
        """Write `dream.json`, `dream.npz`, `dream.png`, and a sound; of several features, pictures and sounds of each.

        Args:
            folder: Where to; made when missing.

        Raises:
            OutputError: A file cannot be written.
        """
        files = super().save(folder)
        for stem, dream in zip(self._stems, self.features, strict=True):
            if dream.sound is not None:
                files.append(_write_sound(Path(folder) / f"{stem}.flac", dream.sound.samples))
        return files

    @property
    def _stems(self) -> list[str]:
        return [self.name] if len(self.features) == 1 else [dream.file_name for dream in self.features]

    def figures(self) -> dict[str, Callable[[], Figure]]:
        """Draw the dreams of several features on one sheet, and each beside the real moment."""
        limits = "" if self.settings.clamp else ", no limits"
        note = f"{self.model}: from {self.start}, {count(self.settings.steps, 'step')}, smooth {self.settings.smooth:g}"
        note += limits
        compared = "" if self.source is None else f"{count(self.n_clips, 'clip')} ({short_name(self.source)})"
        sheet_note = f"{note}; compared with {compared}" if compared else note
        by_feature: dict[str, Callable[[], Figure]] = {
            stem: partial(feature_figure, dream, note, compared)
            for stem, dream in zip(self._stems, self.features, strict=True)
        }
        return {
            self.name: lambda: sheet_figure(self.features, sheet_note)
        } | by_feature  # a single feature has no sheet

    def _shown(self) -> html.Shown:
        """Show the report, with a player beside each feature."""
        shown = super()._shown()
        strengths, *more = shown.tables
        rows = [
            [
                *row,
                None if dream.sound is None else player(dream.sound.samples, f"Dream of {dream.name}", width="11em"),
            ]
            for row, dream in zip(strengths.rows, self.features, strict=False)
        ]
        return replace(shown, tables=[replace(strengths, columns=[*strengths.columns, "hear"], rows=rows), *more])


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
