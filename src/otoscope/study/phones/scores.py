"""Score the features of one group of a run against phones: detection, purity, names, ranges, and shuffled labels.

Detection works through a thousand features at a time; what is kept of a feature is about 2 kB.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from otoscope.base.errors import InputError
from otoscope.corpus.phones import phone_classes
from otoscope.harvest.maxima import TOP
from otoscope.harvest.opened import GroupKey, HarvestRun, PeakTable
from otoscope.study.phones import detection
from otoscope.study.phones.choosing import Detector, FrameCounts, best_detector
from otoscope.study.phones.maxima import ClipSample, MaximumCurve, maximum_curve, samples_of
from otoscope.study.phones.naming import Names, name_features
from otoscope.study.phones.polysemy import Polysemy, polysemy
from otoscope.study.phones.purity import TopPhones, count_labels, top_phones
from otoscope.study.phones.settings import PhoneSettings
from otoscope.study.phones.targets import Targets, class_targets, pair_targets, phone_targets

CHUNK = 1024
"""Features scored at a time."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What all features of a run share."""

    signs: tuple[int, ...]  # 1, and -1 where the run looked at it
    is_labelled: Bool[np.ndarray, " clip"]  # which clips have phones
    is_frequent: Bool[np.ndarray, " phone"]  # which phones have enough frames in both halves
    n_frames: dict[str, np.ndarray]  # speech frames of each half, by phone, "no phone" last: `choose` and `held_out`
    phones: Targets  # single phones to detect
    pairs: Targets  # pairs of phones
    classes: Targets  # classes of phones
    samples: tuple[ClipSample, ...] = ()  # samples of the clips, whose strongest peaks were kept; smallest first


@dataclass(frozen=True, eq=False)
class FeatureScores:
    """The scores of every feature of a group."""

    is_constant: Bool[np.ndarray, " feature"]  # its strength never changes over speech frames; it detects nothing
    phone: Detector  # the best phone
    pair: Detector  # the best pair of phones
    class_: Detector  # the best class of phones
    shuffled: Detector  # the best phone for shuffled labels, chosen on the same frames that score it, which favours it
    tops: dict[int, TopPhones]  # the phones of the top examples, by sign
    shuffled_tops: dict[int, TopPhones]  # the same with shuffled labels
    ranges: dict[int, Polysemy]  # the phones from range to range, by sign
    names: Names  # what each is called
    information: Float[np.ndarray, " feature"]  # bits between strength and phone, on held-out frames
    shuffled_information: Float[np.ndarray, " feature"]  # the same with shuffled labels

    def purity(self, *, shuffled: bool = False) -> Float[np.ndarray, " feature"]:
        """Return the purity of the purer sign; NaN where neither has enough examples."""
        tops = self.shuffled_tops if shuffled else self.tops
        best = np.max([np.nan_to_num(top.purity, nan=-1.0) for top in tops.values()], axis=0)
        return np.where(best < 0, np.nan, best)

    @property
    def is_judged(self) -> Bool[np.ndarray, " feature"]:
        """Which features have enough examples, in one sign at least."""
        return ~np.isnan(self.purity())

    @property
    def is_polysemantic(self) -> Bool[np.ndarray, " feature"]:
        """Which features are flagged in either sign."""
        return np.any([ranges.is_flagged for ranges in self.ranges.values()], axis=0)


@dataclass(frozen=True, eq=False)
class BestFeatures:
    """For every phone the feature of a group that detects it best; -1 and NaN for phones that are not judged."""

    feature: np.ndarray  # the feature with the highest AUROC, in either sign, on the frames to choose on
    auroc: Float[np.ndarray, " phone"]  # its AUROC on held-out frames, in that sign
    sign: np.ndarray  # that sign


@dataclass(frozen=True, eq=False)
class GroupScores:
    """A group of a run, scored."""

    key: GroupKey  # site, basis and number of features
    scores: FeatureScores  # of its features
    best: BestFeatures  # of its phones
    maximum: MaximumCurve | None = None  # features pure at their maximum; None where the run did not keep them


def survey(run: HarvestRun, settings: PhoneSettings) -> Ground:
    """Determine what can be scored in a run."""
    where = f"the run {str(run.folder)!r}"
    if not run.phones or run.phone_set is None:
        raise InputError(
            f"{where} has no phones: its corpus had no labels in time. Give a corpus with alignments beside the audio "
            "(TextGrid, .phn, .lab, _annot.json, CTM; 'otoscope corpus info CORPUS' says what is found), then harvest "
            "again."
        )
    kept = int(run.manifest["settings"]["top"])
    if settings.top is not None and settings.top > kept:
        raise InputError(f"top is {settings.top}: {where} keeps {kept} examples. Give fewer, or harvest with --top.")
    if not run.groups:
        raise InputError(f"{where} holds no features. Harvest again with --site.")
    counts = run.phone_counts(run.groups[0])
    n_frames = {part: counts[part][0].sum(axis=1, dtype=np.int64) for part in ("choose", "held_out")}
    for part, n in n_frames.items():
        if not n.sum():
            raise InputError(
                f"{where} has no labelled speech in the half {part!r}, and phones are chosen on one half and scored on "
                "the other. Harvest two labelled clips or more."
            )
    is_frequent = np.minimum(n_frames["choose"], n_frames["held_out"])[:-1] >= settings.min_frames
    if not is_frequent.any():
        raise InputError(
            f"no phone of {where} has {settings.min_frames} speech frames in both halves. Harvest more labelled clips, "
            "or lower --min-frames."
        )
    signs = (1, -1) if run.manifest["settings"]["sign"] == "both" else (1,)
    is_labelled = np.zeros(max((clip.clip for clip in run.clips), default=-1) + 1, bool)
    is_labelled[[clip.clip for clip in run.clips if clip.phones is not None]] = True
    return Ground(
        signs=signs,
        is_labelled=is_labelled,
        is_frequent=is_frequent,
        n_frames=n_frames,
        phones=phone_targets(run.phones, is_frequent),
        pairs=pair_targets(run.phones, is_frequent),
        classes=class_targets(run.phones, is_frequent, phone_classes(run.phone_set)),
        samples=samples_of(run, is_frequent, settings),
    )


def score_group(run: HarvestRun, group: GroupKey, ground: Ground, settings: PhoneSettings) -> GroupScores:
    """Score all features of a group."""
    counts = {part: FrameCounts(values) for part, values in run.phone_counts(group).items()}
    is_constant = np.asarray(run.features(group)["is_constant"], bool)
    tops, shuffled_tops, ranges = {}, {}, {}
    for sign in ground.signs:
        peaks = run.examples(group, sign)
        tops[sign] = _top_phones(peaks, peaks.phone, is_constant, ground, settings)
        shuffled_tops[sign] = _top_phones(peaks, peaks.shuffled_phone, is_constant, ground, settings)
        drawn = run.ranges(group, "width", sign)
        samples = count_labels(drawn.phone, labelled(drawn.clip, ground), len(run.phones))
        strongest = _top_phones(peaks, peaks.phone, is_constant, ground, at_most(settings, TOP))
        held_out = counts["held_out"].counts
        flagged, mixed = (
            polysemy(samples, held_out, top, sign, ground.is_frequent, settings) for top in (tops[sign], strongest)
        )
        ranges[sign] = dataclasses.replace(flagged, is_pure=mixed.is_pure, is_mixed=mixed.is_mixed)
    parts = []
    for first in range(0, group.n_features, CHUNK):
        chunk = slice(first, first + CHUNK)
        frames = {half: of_half.part(chunk) for half, of_half in counts.items()}
        examples = _part(tops, chunk), _part(shuffled_tops, chunk)
        parts.append(_detectors(frames, is_constant[chunk], *examples, ground, settings))
    detectors: dict[str, Any] = {name: _join([part[name] for part in parts]) for name in parts[0]}
    aurocs = {part: detectors.pop(f"{part}_aurocs") for part in ("choose", "held_out")}
    names = name_features(detectors["phone"], detectors["pair"], detectors["class_"], settings)
    scores = FeatureScores(
        is_constant=is_constant, tops=tops, shuffled_tops=shuffled_tops, ranges=ranges, names=names, **detectors
    )
    best = _best_features(aurocs["choose"], aurocs["held_out"], is_constant, ground.is_frequent)
    return GroupScores(group, scores, best, maximum_curve(run.maxima(group), ground.samples, is_constant, settings))


def at_most(settings: PhoneSettings, top: int) -> PhoneSettings:
    """Return the settings with at most `top` top examples: with few clips, further examples are not maxima."""
    return dataclasses.replace(settings, top=min(settings.top or top, top))


def labelled(clip: np.ndarray, ground: Ground) -> np.ndarray:
    """Return which entries of a table are peaks of labelled clips; clip -1 marks an empty entry."""
    return (clip >= 0) & ground.is_labelled[np.maximum(clip, 0)]


def _top_phones(
    peaks: PeakTable, phone: np.ndarray, is_constant: np.ndarray, ground: Ground, settings: PhoneSettings
) -> TopPhones:
    top = slice(settings.top)
    is_labelled = labelled(peaks.clip[:, top], ground)
    is_labelled &= ~is_constant[:, None]  # a flat stretch begins with a peak, which means nothing
    return top_phones(phone[:, top], is_labelled, len(ground.is_frequent), settings.min_examples)


def _detectors(
    frames: dict[str, FrameCounts],
    is_constant: np.ndarray,
    tops: dict[int, TopPhones],
    shuffled_tops: dict[int, TopPhones],
    ground: Ground,
    settings: PhoneSettings,
) -> dict[str, Any]:
    choose, held_out, shuffled = frames["choose"], frames["held_out"], frames["shuffled"]

    def best(targets: Targets) -> Detector:
        return best_detector(choose, held_out, targets, tops, is_constant, settings.member_auroc)

    singles = np.eye(len(ground.is_frequent) + 1, dtype=bool)[:-1]
    return {
        "phone": best(ground.phones),
        "pair": best(ground.pairs),
        "class_": best(ground.classes),
        "shuffled": best_detector(shuffled, shuffled, ground.phones, shuffled_tops, is_constant, settings.member_auroc),
        "information": detection.mutual_information(held_out.counts),
        "shuffled_information": detection.mutual_information(shuffled.counts),
        "choose_aurocs": detection.set_aurocs(choose.sums, choose.sizes, singles),
        "held_out_aurocs": detection.set_aurocs(held_out.sums, held_out.sizes, singles),
    }


def _best_features(
    choose: np.ndarray, held_out: np.ndarray, is_constant: np.ndarray, is_frequent: np.ndarray
) -> BestFeatures:
    distance = np.where(is_constant[:, None] | ~is_frequent, -1.0, np.nan_to_num(np.abs(choose - 0.5), nan=-1.0))
    feature, phone = distance.argmax(axis=0), np.arange(len(is_frequent))
    is_none = distance[feature, phone] < 0
    sign = np.where(choose[feature, phone] < 0.5, -1, 1)
    auroc = np.where(sign > 0, held_out[feature, phone], 1 - held_out[feature, phone])
    return BestFeatures(np.where(is_none, -1, feature), np.where(is_none, np.nan, auroc), np.where(is_none, 0, sign))


def _part(value: Any, features: slice) -> Any:
    """Select some of the features in arrays, and in dictionaries and dataclasses of arrays."""
    if isinstance(value, dict):
        return {key: _part(item, features) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return type(value)(**{name: _part(getattr(value, name), features) for name in names})
    return value[features]


def _join(parts: list[Any]) -> Any:
    """Concatenate what was computed for some features at a time."""
    if dataclasses.is_dataclass(parts[0]):
        names = [field.name for field in dataclasses.fields(parts[0])]
        kind: Any = type(parts[0])
        return kind(**{name: _join([getattr(part, name) for part in parts]) for name in names})
    return np.concatenate(parts)
