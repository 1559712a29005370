"""Do the strongest examples of a feature share one phone, and more so the rarer they are?

Takes one peak above zero per clip, and the ten strongest in samples of more and more clips. Reads counts of a run, no
strengths. `docs/phones.md` defines each number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, comb
from typing import Any

import numpy as np

from otoscope.base.numbers import Interval, finite
from otoscope.harvest.maxima import TOP, clip_samples
from otoscope.harvest.opened import HarvestRun, MaximaTable
from otoscope.study.estimates import wilson_interval
from otoscope.study.phones.settings import PhoneSettings

HALF = 0.5
Z = 1.959963984540054
AGREEMENTS = (1.0, 0.95, 0.9, 0.8, 0.7)
"""Shares of right labels for which the report says how many features of only one phone would reach the bar."""


@dataclass(frozen=True)
class ClipSample:
    """Samples of one size, together."""

    size: int  # clips in each
    numbers: tuple[int, ...]  # indices of the samples of the run
    n_clips: float  # labelled clips in each, on average
    n_frames: float  # frames of speech in those, on average
    n_phones: int  # phones of the run that can be judged
    n_reachable: float  # those in enough clips to be the phone of a feature that reaches the bar, on average


@dataclass(frozen=True)
class MaximumPoint:
    """One point of the curve: how many features of a group are pure at their maximum, in samples of one size."""

    sample: ClipSample  # the samples
    n_features: int  # features of the group
    n_judged: float  # those with enough examples, mean over the samples
    n_pure: float  # those whose purity reaches the bar, mean over the samples
    n_half: float  # those whose purity is at least one half, mean over the samples
    purity: Interval | None  # mean purity of those judged, with its 95% interval over features; None where none is


@dataclass(frozen=True)
class MaximumCurve:
    """The curve of a group, from the smallest samples to all clips."""

    points: tuple[MaximumPoint, ...]  # with the phones as labelled
    shuffled: tuple[MaximumPoint, ...]  # with the phones of each clip shuffled


def samples_of(run: HarvestRun, is_frequent: np.ndarray, settings: PhoneSettings) -> tuple[ClipSample, ...]:
    """Describe the samples of a run's clips, smallest first; none where the run did not keep them."""
    sizes = tuple(run.manifest.get("clip_samples") or ())
    if not sizes:
        return ()
    dealt = clip_samples(int(run.manifest["corpus"]["n_clips"]), int(run.manifest["settings"]["seed"]))
    clips = [clip for clip in run.clips if clip.phones is not None]
    numbers = {phone: number for number, phone in enumerate(run.phones) if is_frequent[number]}
    has = np.zeros((len(clips), len(run.phones)), bool)
    for row, clip in enumerate(clips):
        has[row, [numbers[span.text] for span in clip.phones or () if span.text in numbers]] = True
    of_clip = dealt.of_clip[[clip.clip for clip in clips]]
    n_frames = np.array([clip.n_speech_frames for clip in clips])
    least = ceil(round(settings.purity * TOP, 9))
    samples = []
    for size in dict.fromkeys(sizes):
        numbers_of_size = tuple(number for number, n_clips in enumerate(sizes) if n_clips == size)
        inside = [(of_clip == number).any(axis=1) for number in numbers_of_size]
        samples.append(
            ClipSample(
                size,
                numbers_of_size,
                float(np.mean([is_inside.sum() for is_inside in inside])),
                float(np.mean([n_frames[is_inside].sum() for is_inside in inside])),
                int(is_frequent.sum()),
                float(np.mean([(has[is_inside].sum(axis=0) >= least).sum() for is_inside in inside])),
            )
        )
    return tuple(samples)


def maximum_curve(
    table: MaximaTable | None, samples: Sequence[ClipSample], is_constant: np.ndarray, settings: PhoneSettings
) -> MaximumCurve | None:
    """Count, for samples of every size, the features that are pure at their maximum.

    Source: After "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 2: the maximum-activating dataset examples
    of a neuron share one phone. The curve over how rare they are is ours.
    """
    if table is None or not samples:
        return None
    is_judged = (table.n_peaks >= min(TOP, settings.min_examples)) & ~is_constant[:, None]
    curves = [
        tuple(_point(sample, n_same / np.maximum(table.n_peaks, 1), is_judged, settings) for sample in samples)
        for n_same in (table.n_in_phone, table.n_in_phone_shuffled)
    ]
    return MaximumCurve(*curves)


def _point(sample: ClipSample, purity: np.ndarray, is_judged: np.ndarray, settings: PhoneSettings) -> MaximumPoint:
    purities, judged = purity[:, sample.numbers], is_judged[:, sample.numbers]
    n = len(sample.numbers)

    def reaching(bar: float) -> float:
        return float((judged & (purities >= bar - 1e-9)).sum() / n)

    return MaximumPoint(
        sample,
        len(purities),
        float(judged.sum() / n),
        reaching(settings.purity),
        reaching(HALF),
        _mean(np.where(judged, purities, 0).sum(axis=1)[judged.any(axis=1)] / judged.sum(axis=1)[judged.any(axis=1)]),
    )


def _mean(values: np.ndarray) -> Interval | None:
    if len(values) < 2:
        return None
    mean, half = float(values.mean()), Z * float(values.std(ddof=1)) / len(values) ** 0.5
    return Interval(mean, mean - half, mean + half)


def chance_of_reaching(agreement: float, bar: float, n: int = TOP) -> float:
    """Return the chance that a feature of only one phone reaches the bar if a share `agreement` of labels is right."""
    least = ceil(round(bar * n, 9))
    return sum(comb(n, k) * agreement**k * (1 - agreement) ** (n - k) for k in range(least, n + 1))


def label_noise(settings: PhoneSettings) -> dict[str, Any]:
    """Return what wrong labels do to the share of features that are pure at their maximum."""
    agreements = sorted({*AGREEMENTS, *([settings.label_agreement] if settings.label_agreement else [])}, reverse=True)
    return {
        "label_agreement": settings.label_agreement,
        "reached_by_features_of_one_phone": [
            {"agreement": agreement, "share": round(chance_of_reaching(agreement, settings.purity), 4)}
            for agreement in agreements
        ],
    }


def point_row(point: MaximumPoint, shuffled: MaximumPoint) -> dict[str, Any]:
    """Return a point of the curve as JSON."""
    sample = point.sample
    row: dict[str, Any] = {
        "n_clips": round(sample.n_clips, 1),
        "n_samples": len(sample.numbers),
        "clips_an_example": finite(sample.n_clips / TOP, 4),
        "frames_an_example": finite(sample.n_frames / TOP, 1),
        "n_phones": sample.n_phones,
        "n_phones_reachable": round(sample.n_reachable, 1),
        "n_features": point.n_features,
    }
    for suffix, measured in (("", point), ("_shuffled", shuffled)):
        row[f"n_judged{suffix}"] = round(measured.n_judged)
        for name, n in (("pure", measured.n_pure), ("half", measured.n_half)):
            share = wilson_interval(round(n), measured.n_features)
            row[f"n_{name}{suffix}"] = round(n)
            for key, end in (("share", "value"), ("low", "low"), ("high", "high")):
                row[f"{key}_{name}{suffix}"] = None if share is None else finite(getattr(share, end))
        for key, end in (("mean_purity", "value"), ("low_purity", "low"), ("high_purity", "high")):
            row[f"{key}{suffix}"] = None if measured.purity is None else finite(getattr(measured.purity, end))
    return row


def in_words(sample: ClipSample) -> str:
    """Say how rare the examples of a sample are: `the top 10 of 639 clips, 1 in 64`."""
    return f"the top {TOP} of {sample.n_clips:,.0f} clips, 1 in {max(1.0, sample.n_clips / TOP):,.0f}"
