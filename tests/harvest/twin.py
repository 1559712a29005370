"""A harvest from its definitions, by plain loops over all strengths of all clips at once.

Shares no code with the harvest. What is drawn at random is drawn with the seeds that it documents: a feature's salt
from the seed and the group's name, a peak's hash from seed, clip, frame and salt.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

SPEECH, SILENCE, PADDING = 0, 1, 2
KIND_NAMES = ("speech", "silence", "padding")
SHARES = (0.01, 0.05, 0.2, 0.5, 1.0)
Phone = tuple[float, float, str]


@dataclass
class Heard:
    """One clip of one group: strengths [frame, feature] of all its windows."""

    number: int
    name: str
    kinds: np.ndarray
    strengths: np.ndarray
    window: int
    phones: list[Phone] | None = None
    speaker: str | None = None
    language: str | None = None
    half: str = "choose"

    @property
    def speech(self) -> list[int]:
        return [t for t in range(len(self.kinds)) if self.kinds[t] == SPEECH]

    def of_kind(self, feature: int, kind: int) -> np.ndarray:
        return self.strengths[self.kinds == kind, feature].astype(np.float64)

    def phone_at(self, frame: int, lag: int, *, shuffled_by: int | None = None) -> str | None:
        """The phone that covers the middle of a frame, the lag taken off."""
        middle = (frame - lag + 0.5) * 0.02
        phones = self.phones or []
        texts = [text for _, _, text in phones]
        if shuffled_by is not None:
            order = np.random.default_rng([shuffled_by, zlib.crc32(self.name.encode())]).permutation(len(phones))
            texts = [texts[place] for place in order]
        for (start, end, _), text in zip(phones, texts, strict=True):
            if start <= middle < end:
                return text
        return None


@dataclass(frozen=True)
class Peak:
    strength: np.float32
    clip: int
    frame: int


# peaks


def peaks(clips: list[Heard], feature: int, sign: int) -> list[Peak]:
    """Frames of speech above the speech frame before and not below the one after, inside one window, and above zero."""
    found = []
    for clip in clips:
        x = clip.strengths[:, feature] * np.float32(sign)
        for t in clip.speech:
            has_before = t % clip.window > 0 and clip.kinds[t - 1] == SPEECH
            has_after = t + 1 < len(x) and (t + 1) % clip.window > 0 and clip.kinds[t + 1] == SPEECH
            if x[t] <= 0 or (has_before and x[t] <= x[t - 1]) or (has_after and x[t] < x[t + 1]):
                continue
            found.append(Peak(x[t], clip.number, t))
    return found


def top(found: list[Peak], n: int, per_clip: int) -> list[Peak]:
    kept: list[Peak] = []
    n_of_clip: Counter[int] = Counter()
    for peak in sorted(found, key=lambda each: (-each.strength, each.clip, each.frame)):
        if n_of_clip[peak.clip] < per_clip and len(kept) < n:
            kept.append(peak)
            n_of_clip[peak.clip] += 1
    return kept


# the sample


def scrambled(x: int) -> int:
    """`lowbias32`."""
    x ^= x >> 16
    x = x * 0x7FEB352D % 2**32
    x ^= x >> 15
    x = x * 0x846CA68B % 2**32
    return x ^ x >> 16


def peak_hash(seed: int, salt: int, clip: int, frame: int) -> int:
    moment = scrambled((clip * 0x9E3779B1 + frame * 0x85EBCA77 + seed) % 2**32)
    return (moment ^ salt) * 0x9E3779B1 % 2**32 ^ salt >> 7


def salts(seed: int, name: str, n_features: int) -> list[int]:
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return rng.integers(0, 2**32, n_features, dtype=np.uint32).tolist()


def drawn(found: list[Peak], n: int, seed: int, salt: int) -> list[Peak]:
    return sorted(found, key=lambda each: (peak_hash(seed, salt, each.clip, each.frame), each.clip, each.frame))[:n]


# ranges


FIVE_BITS = (np.arange(0, 255 << 4) << 19).astype(np.int32).view(np.float32).astype(np.float64)
"""All floats above or at zero of five significant bits."""


def grid(strongest: float) -> list[float]:
    """Zero, and the floats of five significant bits in the octave of the strongest and in the three below it.

    The smallest octave of a float32 reaches down to zero."""
    octave = max(math.frexp(strongest)[1] - 1, -126)
    lowest = 2.0 ** (octave - 3) if octave - 3 >= -126 else 0.0
    return [0.0, *(edge for edge in FIVE_BITS.tolist() if lowest <= edge < 2.0 ** (octave + 1) and edge > 0)]


def ranges(found: list[Peak], kind: str, n_ranges: int) -> list[tuple[float, float, list[Peak]]]:
    """Low, high and peaks of every range from the top down; the top one holds its high too."""
    if not found:
        return [(0.0, 0.0, [])] * (n_ranges if kind == "width" else len(SHARES))
    strongest = max(peak.strength for peak in found)
    edges = grid(float(strongest))
    if kind == "width":
        wanted = [strongest * (np.float32(i) / np.float32(n_ranges)) for i in range(n_ranges - 1, 0, -1)]
        splits = [min(edges, key=lambda edge: (abs(edge - float(each)), edge)) for each in wanted]
    else:
        splits = [
            max(edge for edge in edges if sum(peak.strength >= edge for peak in found) >= share * len(found))
            for share in SHARES[:-1]
        ]
    result = []
    for number, (high, low) in enumerate(zip([float(strongest), *splits], [*splits, 0.0], strict=True)):
        inside = [peak for peak in found if low <= peak.strength and (peak.strength < high or number == 0)]
        result.append((low, high, inside))
    return result


# statistics


def histogram_edges() -> list[float]:
    """Eight steps to the octave from 2^-10 to 2^12, on either side of zero."""
    positive = [2.0**octave * (1 + step / 8) for octave in range(-10, 12) for step in range(8)]
    return [-edge for edge in reversed(positive)] + positive


def histogram(x: np.ndarray) -> list[int]:
    """Bins hold their edge nearer to zero."""
    edges = histogram_edges()
    half = len(edges) // 2
    counts = [0] * (len(edges) + 1)
    for value in x.tolist():
        place = sum(edge <= abs(value) for edge in edges[half:])
        counts[half + (place if value > 0 else -place)] += 1
    return counts


def moments(x: np.ndarray) -> tuple[float, float, float]:
    """Mean, variance and excess kurtosis."""
    mean = x.mean()
    variance = ((x - mean) ** 2).mean()
    return mean, variance, ((x - mean) ** 4).mean() / variance**2 - 3 if variance else math.nan


def tenth(strongest: np.float32) -> float:
    """The highest edge of the histogram at or below a tenth of the maximum, the lowest above zero at least."""
    positive = histogram_edges()[len(histogram_edges()) // 2 :]
    return max([edge for edge in positive if edge <= strongest / np.float32(10)], default=positive[0])


def mean_by(clips: list[Heard], feature: int, label_of: Any) -> dict[str, tuple[int, float]]:
    """Frames and mean over the speech frames of each label; `label_of` takes a clip and a frame."""
    values: dict[str, list[float]] = {}
    for clip in clips:
        for t in clip.speech:
            label = label_of(clip, t)
            if label is not None:
                values.setdefault(label, []).append(float(clip.strengths[t, feature]))
    return {label: (len(some), float(np.mean(some))) for label, some in values.items()}


def phone_counts(
    clips: list[Heard], feature: int, part: str, phones: tuple[str, ...], edges: np.ndarray, lag: int, seed: int
) -> np.ndarray:
    """Speech frames by phone and strength; the last row is for no phone."""
    counts = np.zeros((len(phones) + 1, len(edges) + 1), int)
    for clip in clips:
        if clip.phones is None or clip.half != ("choose" if part == "choose" else "held_out"):
            continue
        for t in clip.speech:
            phone = clip.phone_at(t, lag, shuffled_by=seed if part == "shuffled" else None)
            row = len(phones) if phone is None else phones.index(phone)
            counts[row, sum(edge <= clip.strengths[t, feature] for edge in edges)] += 1
    return counts
