"""Which phone does each feature detect, and how well? Scores a finished harvest against its labels.

Every number is defined in `docs/phones.md`. Reads tables alone: no model, no sound, no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from otoscope.base.errors import InputError
from otoscope.base.report import Report
from otoscope.base.settings import takes
from otoscope.base.short_repr import ShortRepr
from otoscope.corpus.phones import by_class
from otoscope.harvest.opened import GroupKey, HarvestRun, open_run
from otoscope.study.phones import report as phone_report
from otoscope.study.phones import tables as phone_tables
from otoscope.study.phones.claims import claims, notes
from otoscope.study.phones.counts import detected_by_phone, maximum_rows, plain, share_bars, short_basis
from otoscope.study.phones.maxima_picture import maximum_figure
from otoscope.study.phones.naming import KINDS, UNCLEAR
from otoscope.study.phones.picture import layer_figure, shares_figure
from otoscope.study.phones.ranges import FeatureRanges, feature_ranges, find_feature
from otoscope.study.phones.scores import FeatureScores, Ground, GroupScores, score_group, survey
from otoscope.study.phones.settings import PhoneSettings
from otoscope.study.results import Result

__all__ = ["PhoneSettings", "PhoneStudy", "ScoredRun", "phones"]


@dataclass(frozen=True, eq=False, repr=False)
class ScoredRun(ShortRepr):
    """A run whose features are scored."""

    name: str  # its name in tables: as much of its folder's path as distinguishes it
    folder: str
    model: str
    corpus: str
    phone_set: str  # the phone set of its labels
    phones: tuple[str, ...]  # in order
    lag_frames: int | None  # frames of 20 ms by which the encoder answers later than the sound, over all groups
    lags: tuple[dict[str, Any], ...]  # the same for each group, with its curve, and what features' own lags gain
    split_by: str  # what the halves are halves of: `speakers`, or `clips` where fewer than two are known
    n_clips: int  # clips harvested
    n_labelled: int  # clips that have phones
    clip_ids: frozenset[str]
    ground: Ground  # what could be scored
    groups: tuple[GroupScores, ...]

    def feature_name(self, scores: FeatureScores, feature: int) -> str:
        """What a feature detects: `S`, `S/SH`, `fricative`, or `unclear`."""
        kind = KINDS[scores.names.kind[feature]]
        if kind == UNCLEAR:
            return UNCLEAR
        detector, targets = {
            "phone": (scores.phone, self.ground.phones),
            "pair": (scores.pair, self.ground.pairs),
            "class": (scores.class_, self.ground.classes),
        }[kind]
        return targets.names[detector.index[feature]]

    def describe_feature(self, scores: FeatureScores, feature: int) -> str:
        """Say what a feature detects with its scores: `detects S (AUROC 0.987, 95% of its top examples)`."""
        name, best = self.feature_name(scores, feature), scores.phone
        if name != UNCLEAR:
            weak = " when weak" if scores.names.sign[feature] < 0 else ""
            words = (
                f"detects {name}{weak} (AUROC {scores.names.auroc[feature]:.3f}, "
                f"{scores.names.share[feature]:.0%} of its top examples)"
            )
        elif best.index[feature] < 0:
            words = "unclear; nothing to judge"
        else:
            phone = self.ground.phones.names[best.index[feature]]
            words = f"unclear; best phone {phone} (AUROC {best.auroc[feature]:.3f})"
        others = [
            f"{self.phones[ranges.other_phone[feature]]} below {self.phones[ranges.top_phone[feature]]}"
            for ranges in scores.ranges.values()
            if ranges.is_flagged[feature]
        ]
        return words + (f"; polysemantic: {', '.join(others)}" if others else "")


@dataclass(frozen=True, eq=False, repr=False)
class PhoneStudy(Result):
    """The features of a run, scored against phones beside its baselines."""

    name = "phones"

    run: ScoredRun  # the run that is studied
    baselines: tuple[ScoredRun, ...]  # runs that it is compared with
    settings: PhoneSettings
    features: tuple[FeatureRanges, ...] = ()  # the features requested by name, range by range

    @property
    def runs(self) -> tuple[ScoredRun, ...]:
        """The run that is studied, and then its baselines."""
        return (self.run, *self.baselines)

    @property
    def notes(self) -> list[str]:
        """What a reader of the numbers must know about the runs."""
        return notes(self)

    @property
    def claims(self) -> list[str]:
        """A sentence for each site and basis: how many features detect one phone, and whether they beat baselines."""
        return claims(self)

    def report(self) -> Report:
        """Report what the features detect."""
        return phone_report.report(self)

    def to_json(self) -> dict[str, Any]:
        """Return the summary; the scores of single features are in `feature_scores.parquet`."""
        return phone_report.table(self)

    def save(self, folder: str | Path) -> list[Path]:
        """Write the summary, the tables and the pictures.

        Args:
            folder: Where to; made when missing.

        Returns:
            `phones.json`, the pictures (one `phone_by_layer_BASIS.png` for each basis of the run, `detect_shares.png`,
            `pure_at_maximum.png` where the run kept what it takes, and one `ranges_...png` for each feature asked for),
            `feature_scores.parquet` and `detect_counts.parquet`.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        return [
            *super().save(where),
            phone_tables.write_feature_scores(where / "feature_scores.parquet", self),
            phone_tables.write_detect_counts(where / "detect_counts.parquet", self),
        ]

    def figures(self) -> dict[str, Callable[[], Figure]]:
        """Draw phone by layer for each basis, shares beside baselines, shares at the maximum, and features' ranges."""
        bases = dict.fromkeys(group.key.basis for group in self.run.groups)
        short = {basis: short_basis(basis, list(bases)) for basis in bases}
        rule = f"AUROC at least {self.settings.auroc:g}, purity at least {self.settings.purity:g}"
        figures: dict[str, Callable[[], Figure]] = {
            f"phone_by_layer_{plain(name)}": partial(self._layers, basis, f"{name}; {rule}")
            for basis, name in short.items()
        }
        figures["detect_shares"] = lambda: shares_figure(share_bars(self), rule)
        curves: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for row in maximum_rows(self):
            if row["run"] == self.run.name:
                curves.setdefault(row["site"], {}).setdefault(short[row["basis"]], []).append(row)
        if curves:
            figures["pure_at_maximum"] = lambda: maximum_figure(curves, self.settings.purity)
        for feature in self.features:
            figures |= feature.figures()
        return figures

    def _layers(self, basis: str, note: str) -> Figure:
        """Draw phone by layer: how many features of each site detect each phone, and how well the best does."""
        run = self.run
        classes = {p: made for p, made in by_class(run.phones, run.phone_set).items() if run.ground.is_frequent[p]}
        order = np.array(list(classes), int)
        groups = [group for group in run.groups if group.key.basis == basis]
        detected = [detected_by_phone(run, group.scores) for group in groups]
        return layer_figure(
            {group.key.site: group.key.n_features for group in groups},
            {run.phones[p]: made for p, made in classes.items()},
            np.stack([counts[order] for counts in detected], axis=1),
            np.stack([group.best.auroc[order] for group in groups], axis=1),
            note,
        )


@takes(PhoneSettings)
def phones(
    run: HarvestRun | str | Path,
    *,
    baselines: Sequence[HarvestRun | str | Path] = (),
    features: Sequence[str] = (),
    settings: PhoneSettings,
) -> PhoneStudy:
    """Score every feature of a harvest against the phones.

    Args:
        run: A finished run, or its folder.
        baselines: Runs to compare it with, such as one of an untrained model; they count the same phone set.
        features: Features to show range by range, as `SITE:BASIS:INDEX`.
        settings: The thresholds.

    Returns:
        The scores of all features, and what they add up to beside the baselines.

    Raises:
        InputError: A run cannot be read or has no phones, baselines count other phones, or a feature is not there.

    Source:
        After "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 2; scores as in `docs/phones.md`.
    """
    opened = [given if isinstance(given, HarvestRun) else open_run(given) for given in (run, *baselines)]
    main = opened[0]
    grounds = [survey(harvest, settings) for harvest in opened]
    for other in opened[1:]:
        if other.phones != main.phones:
            raise InputError(
                f"the run {str(other.folder)!r} counts phones in {other.phone_set}, and {str(main.folder)!r} in "
                f"{main.phone_set}: they cannot be compared. Harvest both with one --phone-set."
            )
    requested = [find_feature(main, name) for name in dict.fromkeys(features)]
    names = _short_names([harvest.folder for harvest in opened])
    scored = [_score(*about, settings) for about in zip(opened, names, grounds, strict=True)]
    shown = tuple(_show(main, scored[0], key, feature, settings) for key, feature in requested)
    return PhoneStudy(scored[0], tuple(scored[1:]), settings, shown)


_LAGS = ("site", "basis", "lag_frames", "n_own_lags", "own_lag_gain", "lag_scores")


def _score(run: HarvestRun, name: str, ground: Ground, settings: PhoneSettings) -> ScoredRun:
    labelled = [clip for clip in run.clips if clip.phones is not None]
    speakers = {half: {clip.speaker for clip in labelled if clip.half == half} for half in ("choose", "held_out")}
    by_speaker = None not in set().union(*speakers.values()) and not speakers["choose"] & speakers["held_out"]
    assert run.phone_set is not None, "a run with phones has a phone set"
    return ScoredRun(
        name=name,
        folder=str(run.folder),
        model=run.model_name,
        corpus=str(run.manifest["corpus"]["name"]),
        phone_set=run.phone_set,
        phones=run.phones,
        lag_frames=run.lag_frames,
        lags=tuple(
            {**{name: about.get(name) for name in _LAGS}, "lag_frames": run.lag_of(group)}
            for about, group in zip(run.manifest["groups"], run.groups, strict=True)
        ),
        split_by="speakers" if by_speaker else "clips",
        n_clips=len(run.clips),
        n_labelled=len(labelled),
        clip_ids=frozenset(clip.id for clip in run.clips),
        ground=ground,
        groups=tuple(score_group(run, group, ground, settings) for group in run.groups),
    )


def _show(run: HarvestRun, scored: ScoredRun, key: GroupKey, feature: int, settings: PhoneSettings) -> FeatureRanges:
    scores = next(group.scores for group in scored.groups if group.key == key)
    detects = scored.describe_feature(scores, feature)
    return feature_ranges(run, key, feature, scored.ground, detects=detects, min_samples=settings.min_samples)


def _short_names(folders: Sequence[Path]) -> list[str]:
    """Return the last parts of each path, as few as tell them apart."""
    parts = [folder.absolute().parts for folder in folders]
    for n in range(1, max(map(len, parts)) + 1):
        names = ["/".join(path[-n:]) for path in parts]
        if len(set(names)) == len(names):
            return names
    raise InputError("a run is compared with itself: a baseline is another run. Name each once.")
