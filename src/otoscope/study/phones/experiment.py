"""Which phone does each feature detect, and how well? Scores a finished harvest against its labels.

Every number is defined in `docs/phones.md`. Reads tables alone: no model, no sound, no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.short_repr import ShortRepr
from otoscope.corpus.phones import articulation
from otoscope.harvest.opened import GroupKey, HarvestRun, open_run
from otoscope.study import pictures
from otoscope.study.estimates import wilson_interval
from otoscope.study.phones import maxima_picture
from otoscope.study.phones import picture as phone_picture
from otoscope.study.phones import report as phone_report
from otoscope.study.phones import tables as phone_tables
from otoscope.study.phones.naming import KINDS, UNCLEAR
from otoscope.study.phones.ranges import FeatureRanges, feature_ranges, find_feature
from otoscope.study.phones.scores import FeatureScores, Ground, GroupScores, score_group, survey
from otoscope.study.phones.settings import PhoneSettings
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich

__all__ = ["PhoneSettings", "PhoneStudy", "ScoredRun", "phones"]


@dataclass(frozen=True, eq=False, repr=False)
class ScoredRun(ShortRepr):
    """A run whose features are scored.

    Attributes:
        name: What it is called in tables: its folder, by as much of the path as tells it from the others.
        folder: Where it is.
        model: The model's id.
        corpus: The corpus's name.
        phone_set: The set its labels are counted in.
        phones: The phones, in order.
        lag_frames: Frames of 20 ms by which the encoder answers later than the sound, over all groups.
        lags: The same of each group, in their order, with its curve, and what own lags of features gain.
        split_by: What the halves are halves of: `speakers`, or `clips` where fewer than two are known.
        n_clips: Clips harvested.
        n_labelled: Those that have phones.
        clip_ids: What they are called.
        ground: What could be scored.
        groups: The scores of each group.
    """

    name: str
    folder: str
    model: str
    corpus: str
    phone_set: str
    phones: tuple[str, ...]
    lag_frames: int | None
    lags: tuple[dict[str, Any], ...]
    split_by: str
    n_clips: int
    n_labelled: int
    clip_ids: frozenset[str]
    ground: Ground
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
class PhoneStudy(Rich):
    """The features of a run, scored against phones beside its baselines.

    Attributes:
        run: The run in question.
        baselines: Runs that it is compared with.
        settings: The thresholds.
        features: The features that were asked for by name, range by range.
    """

    run: ScoredRun
    baselines: tuple[ScoredRun, ...]
    settings: PhoneSettings
    features: tuple[FeatureRanges, ...] = ()

    @property
    def runs(self) -> tuple[ScoredRun, ...]:
        """The run in question first."""
        return (self.run, *self.baselines)

    @property
    def notes(self) -> list[str]:
        """What a reader of the numbers must know about the runs."""
        return phone_report.notes(self)

    @property
    def claims(self) -> list[str]:
        """For each site and basis of the run, in words: how many detect one phone, and whether baselines are beaten."""
        return phone_report.claims(self)

    def to_json(self) -> dict[str, Any]:
        """Give the summary; the scores of single features are in `feature_scores.parquet`.

        Returns:
            Standard JSON values only.
        """
        return phone_report.summary(self)

    def save(self, folder: str | Path) -> list[Path]:
        """Write the summary, the tables and the pictures.

        Args:
            folder: Where to; made when missing.

        Returns:
            `phones.json`, `feature_scores.parquet`, `detect_counts.parquet`, `detect_shares.png`,
            `pure_at_maximum.png` (where the run kept what it takes), one `phone_by_layer_BASIS.png` for each basis of
            the run, and one `ranges_...png` for each feature asked for.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        return [
            write_json(where / "phones.json", self.to_json()),
            phone_tables.write_feature_scores(where / "feature_scores.parquet", self),
            phone_tables.write_detect_counts(where / "detect_counts.parquet", self),
            *drawn(self.plot_shares, where / "detect_shares.png"),
            *(drawn(self.plot_maximum, where / "pure_at_maximum.png") if phone_report.maximum_rows(self) else []),
            *chain.from_iterable(
                drawn(self.plot, where / f"phone_by_layer_{phone_report.plain(self._short(basis))}.png", basis)
                for basis in self.bases
            ),
            *chain.from_iterable(drawn(each.plot, where / each.file_name) for each in self.features),
        ]

    @property
    def bases(self) -> tuple[str, ...]:
        """The bases of the run, in order."""
        return tuple(dict.fromkeys(group.key.basis for group in self.run.groups))

    def plot(self, path: str | Path, basis: str | None = None) -> Path:
        """Draw phone by layer: how many features of each site detect each phone, and how well the best does.

        Args:
            path: Where to; PNG.
            basis: One of the run's; its first by default.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
            InputError: The run has no such basis.
        """
        basis = self.bases[0] if basis is None else basis
        groups = [group for group in self.run.groups if group.key.basis == basis]
        if not groups:
            raise InputError(f"basis {basis!r} is not in the run: it has {', '.join(self.bases)}.")
        order = self._phone_order()
        manners = [articulation(self.run.phones[p], self.run.phone_set).manner for p in order]
        detected = [phone_report.detected_by_phone(self.run, group.scores) for group in groups]
        view = phone_picture.LayerView(
            basis=self._short(basis),
            sites=[group.key.site for group in groups],
            n_features=[group.key.n_features for group in groups],
            phones=[self.run.phones[p] for p in order],
            manners=manners,
            n_detecting=np.stack([counts[order] for counts in detected], axis=1),
            best_auroc=np.stack([group.best.auroc[order] for group in groups], axis=1),
            auroc=self.settings.auroc,
            purity=self.settings.purity,
        )
        return pictures.save_figure(phone_picture.layer_figure(view), path)

    def plot_shares(self, path: str | Path) -> Path:
        """Draw the share of features that detect one phone, for every site and basis beside its baselines.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        bars = phone_report.share_bars(self)
        words = f"AUROC at least {self.settings.auroc:g}, purity at least {self.settings.purity:g}"
        return pictures.save_figure(phone_picture.shares_figure(bars, words), path)

    def plot_maximum(self, path: str | Path) -> Path:
        """Draw the share of features that are pure at their maximum, over how rare their examples are.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        curves: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for row in phone_report.maximum_rows(self):
            if row["run"] == self.run.name:
                of_site = curves.setdefault(row["site"], {})
                of_site.setdefault(self._short(row["basis"]), []).append(row)
        return pictures.save_figure(maxima_picture.maximum_figure(curves, self.settings.purity), path)

    def _short(self, basis: str) -> str:
        """What pictures and files call a basis."""
        return phone_report.short_basis(basis, self.bases)

    def _phone_order(self) -> np.ndarray:
        """Phones that can be judged, by manner of articulation, then in the order of the set."""
        made = [articulation(phone, self.run.phone_set) for phone in self.run.phones]
        manners = list(dict.fromkeys(each.manner for each in made))
        places = [p for p in range(len(made)) if self.run.ground.is_frequent[p]]
        return np.array(sorted(places, key=lambda p: (manners.index(made[p].manner), not made[p].voiced, p)), int)

    def _shown(self) -> html.Shown:
        rows = []
        for group in self.run.groups:
            found, chance = (
                phone_report.reaching(group.scores, self.settings.auroc, self.settings.purity, shuffled=is_shuffled)[
                    "both"
                ]
                for is_shuffled in (False, True)
            )
            n = group.key.n_features
            share = None if found is None else html.share(wilson_interval(found, n))
            polysemantic = int(group.scores.is_polysemantic.sum())
            rows.append((group.key.site, group.key.basis, n, found, share, chance, polysemantic))
        columns = ("site", "basis", "features", "detect one phone", "share", "labels shuffled", "polysemantic")
        return html.Shown(
            f"Which phones features detect: {self.run.model}",
            [
                ("run", f"{self.run.n_labelled:,} labelled clips of {self.run.corpus}"),
                ("phone set", self.run.phone_set),
                ("a feature detects a phone from", f"AUROC {self.settings.auroc:g}, purity {self.settings.purity:g}"),
                ("compared with", [run.name for run in self.baselines] or "no other run"),
            ],
            [html.Table(columns, rows, "With 95% intervals")],
        )


def phones(
    run: HarvestRun | str | Path,
    *,
    baselines: Sequence[HarvestRun | str | Path] = (),
    features: Sequence[str] = (),
    settings: PhoneSettings | None = None,
) -> PhoneStudy:
    """Score every feature of a harvest against the phones.

    Args:
        run: A finished run, or its folder.
        baselines: Runs to compare it with, such as one of an untrained model; they count the same phone set.
        features: Features to show range by range, as `SITE:BASIS:INDEX`.
        settings: The thresholds; the defaults where None.

    Returns:
        The scores of all features, and what they add up to beside the baselines.

    Raises:
        InputError: A run cannot be read or has no phones, baselines count other phones, or a feature is not there.

    Source:
        Ours, after "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 2; scores as in `docs/phones.md`.
    """
    settings = settings or PhoneSettings()
    opened = [each if isinstance(each, HarvestRun) else open_run(each) for each in (run, *baselines)]
    main = opened[0]
    grounds = [survey(each, settings) for each in opened]
    for other in opened[1:]:
        if other.phones != main.phones:
            raise InputError(
                f"the run {str(other.folder)!r} counts phones in {other.phone_set}, and {str(main.folder)!r} in "
                f"{main.phone_set}: they cannot be compared. Harvest both with one --phone-set."
            )
    wanted = [find_feature(main, name) for name in dict.fromkeys(features)]
    names = _short_names([each.folder for each in opened])
    scored = [_score(*each, settings) for each in zip(opened, names, grounds, strict=True)]
    shown = tuple(_show(main, scored[0], key, feature, settings) for key, feature in wanted)
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
        model=str(run.manifest["model"]["id"]),
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
    name = scored.describe_feature(scores, feature)
    return feature_ranges(run, key, feature, scored.ground, name=name, min_samples=settings.min_samples)


def _short_names(folders: Sequence[Path]) -> list[str]:
    """The last parts of each path, as few as tell them apart."""
    parts = [folder.absolute().parts for folder in folders]
    for n in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-n:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    raise InputError("a run is compared with itself: a baseline is another run. Name each once.")
