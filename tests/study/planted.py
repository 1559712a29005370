"""Speech that nobody spoke: phones in a row, and features that answer to them as planted."""

from __future__ import annotations

import numpy as np

from otoscope.corpus.phones import inventory, phone_classes
from tests.study.naive_harvest import LabelledClip

PHONES = inventory("arpabet")
COMMON = (
    "AA", "AE", "AH", "AO", "EH", "IH", "IY", "OW", "UW", "EY", "B", "CH", "D", "DH", "F", "G",
    "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T", "V", "W", "Z",
)  # fmt: skip
"""The phones that are spoken."""


def number(phone: str) -> int:
    return PHONES.index(phone)


def spoken(n_clips: int, n_frames: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Phones of 3 to 8 frames in random order, some with a pause between; no phone is -1."""
    weights = rng.uniform(0.5, 1.5, len(COMMON))
    clips = []
    for _ in range(n_clips):
        row: list[int] = []
        while len(row) < n_frames:
            if rng.random() < 0.08:
                row += [-1] * int(rng.integers(3, 8))
            phone = COMMON[rng.choice(len(COMMON), p=weights / weights.sum())]
            row += [number(phone)] * int(rng.integers(3, 9))
        clips.append(np.array(row[:n_frames]))
    return clips


def one_hot(phones: np.ndarray) -> np.ndarray:
    """[frame, phone]; nothing where there is no phone."""
    return np.eye(len(PHONES) + 1)[phones][:, :-1]


class Planting:
    """Features read from one-hot phones sent through a random projection, with noise in every dimension.

    `wanted` maps a name to the weight of each phone in it; a feature reads from the mixed dimensions the weighted
    sum of these phones, and is scaled at random. `n_noise` features read nothing but noise, smooth in time or not.
    """

    def __init__(
        self, wanted: list[tuple[str, dict[str, float]]], n_noise: int, *, seed: int, d: int = 512, noise: float = 0.12
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.wanted = wanted
        self.n_noise = n_noise
        self.noise = noise
        self.projection = self.rng.normal(0, d**-0.5, (len(PHONES), d))
        self.scales = np.exp(self.rng.normal(0, 1, len(wanted) + n_noise))
        self.offsets = np.where(np.arange(len(self.scales)) % 3 == 2, 0.1, 0.0) * self.scales
        weights = np.zeros((len(wanted), len(PHONES)))
        for row, (_, phones) in enumerate(wanted):
            for phone, weight in phones.items():
                weights[row, number(phone)] = weight
        self.directions = weights @ np.linalg.pinv(self.projection).T  # reads these phones and no others

    def strengths(self, phones: np.ndarray, lag: int = 0) -> np.ndarray:
        """Strengths [frame, feature] of a clip, `lag` frames behind its phones."""
        d = self.projection.shape[1]
        late = np.concatenate([np.full(lag, -1), phones[: len(phones) - lag]])
        sound = one_hot(late) @ self.projection + self.rng.normal(0, self.noise, (len(late), d))
        planted = sound @ self.directions.T
        noise = self.rng.normal(0, 1, (len(late), self.n_noise))
        smooth = noise + np.roll(noise, 1, axis=0) + np.roll(noise, 2, axis=0)
        noise[:, ::2] = smooth[:, ::2]
        return (np.concatenate([planted, noise], axis=1) * self.scales + self.offsets).astype(np.float32)


def clips_of(
    plantings: dict[tuple[str, str], Planting], n_clips: int, n_frames: int, *, seed: int, lag: int = 0
) -> list[LabelledClip]:
    """Clips of eight speakers, four of them held out."""
    rng = np.random.default_rng(seed)
    return [
        LabelledClip(
            {key: planting.strengths(phones, lag) for key, planting in plantings.items()},
            phones,
            f"speaker-{clip % 8}",
            "held_out" if clip % 8 >= 4 else "choose",
        )
        for clip, phones in enumerate(spoken(n_clips, n_frames, rng))
    ]


def members(name: str) -> list[str]:
    """The phones of a class that are spoken."""
    return [phone for phone in COMMON if phone in phone_classes("arpabet")[name]]


SITES = ("encoder.blocks.0.mlp.1", "encoder.blocks.1.mlp.1")
SMALL = [
    ("S", {"S": 1.0}),
    ("F", {"F": -1.0}),
    ("SH", {"SH": 1.0, "CH": 0.6}),
    ("nasal", dict.fromkeys(("M", "N", "NG"), 1.0)),
]
"""A detector, one by weakness, a mixture and a class: features 0 to 3 of a small run; 4 is noise, 5 is constant."""


def small_clips(seed: int = 0, n_clips: int = 32, bases: tuple[str, ...] = ("neuron", "random")) -> list[LabelledClip]:
    plantings = {
        (site, basis): Planting(SMALL if basis == "neuron" else [], 2 if basis == "neuron" else 6, seed=seed + place)
        for place, (site, basis) in enumerate((site, basis) for site in SITES for basis in bases)
    }
    clips = clips_of(plantings, n_clips, 200, seed=seed, lag=1)
    for clip in clips:
        for strengths in clip.strengths.values():
            strengths[:, 5] = 0.25
    return clips
