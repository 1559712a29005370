"""The results of probes: scores of every site beside their baselines, and the directions that the probes point in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from matplotlib.figure import Figure

from otoscope.base.errors import InputError
from otoscope.base.layout import count
from otoscope.base.numbers import finite, written
from otoscope.base.report import Column, Fact, Report, Table
from otoscope.study.direction import Direction
from otoscope.study.probe.fit import Fitted, ProbeScore
from otoscope.study.probe.picture import confusion_figure, sites_figure
from otoscope.study.result_files import write_rows
from otoscope.study.results import Result

MOST_DIRECTIONS = 500
"""At most this many are written as files of their own; all of them are in `probe.npz`."""

MOST_CLASSES = 12
"""With more classes than this, the report does not list the number of rows of each."""

MOST_SITES = 40

COLUMNS = (
    Column("site", "site"),
    Column("balanced_accuracy", "balanced accuracy", "share"),
    Column("accuracy", "accuracy", "share"),
    Column("shuffled"),
    Column(None, "balanced, shuffled labels", "share"),
    Column(None, "accuracy, shuffled labels", "share"),
    Column("recall"),
    Column("penalties"),
    Column("n_fits_unconverged"),
)


@dataclass(frozen=True, eq=False)
class SiteProbe:
    """The probe of one site."""

    site: str
    fitted: Fitted  # scores, confusion and weights
    spread: Float32[np.ndarray, " class"]  # standard deviation of the rows along each class's weights


@dataclass(frozen=True, eq=False, repr=False)
class Probe(Result):
    """What can be read off sites linearly."""

    name = "probe"

    model: str
    weights_hash: str  # of the model
    corpus: str  # what the rows are from
    task: str  # what was predicted
    is_of_frames: bool  # whether it was predicted for every frame, or for every clip
    classes: tuple[str, ...]  # the labels that were learnt, in the order of their numbers
    left_out: tuple[tuple[str, int], ...]  # labels that too few speakers or clips had, with their number of rows
    n_by_class: tuple[int, ...]  # held-out rows
    n_rows_learnt: int  # rows that probes were learnt from, over all folds
    n_clips: int  # clips that gave rows
    n_groups: int  # speakers or clips that were divided into folds
    held_out: str  # what was held out: `speakers` or `clips`
    n_folds: int  # 1 where other clips were given to score on
    n_without_speaker: int  # clips left out because their speaker is not known
    classifier: str  # `logistic` or `ridge`
    lag: int  # frames by which the encoder was taken to answer late
    seed: int  # of draws, folds and shuffles
    majority: ProbeScore  # of always predicting the commonest class
    sites: tuple[SiteProbe, ...]  # in the model's order

    @property
    def n_rows(self) -> int:
        """Held-out rows that were scored."""
        return sum(self.n_by_class)

    @property
    def best(self) -> SiteProbe:
        """The site with the highest balanced accuracy."""
        return max(self.sites, key=lambda site: site.fitted.score.balanced.value)

    @property
    def sample(self) -> str:
        """The size of the sample, in words."""
        clips = f" of {count(self.n_clips, 'clip')}" if self.is_of_frames else ""
        return (
            f"{count(self.n_rows, 'frame' if self.is_of_frames else 'clip')}{clips}, {len(self.classes)} classes, "
            f"{self.n_groups} {self.held_out} held out " + ("in turn" if self.n_folds > 1 else "or learnt from")
        )

    def direction(self, site: str, label: str) -> Direction:
        """Return the direction in which a site's probe reads a class, for steering.

        It is the class's weights (less the mean over classes), at the length of one standard deviation of the rows
        along them: adding it once moves a row by one standard deviation towards the class.

        Args:
            site: One of the sites probed.
            label: One of the classes.

        Raises:
            InputError: There is no such site or class, or its weights are all zero.
        """
        probed = {probe.site: probe for probe in self.sites}
        if site not in probed:
            known = ", ".join(probed)
            raise InputError(f"site {site!r} was not probed: {known} were. Name one of these.")
        if label not in self.classes:
            known = ", ".join(map(repr, self.classes))
            raise InputError(f"label {label!r} is no class of this probe: it tells {known} apart. Name one of these.")
        number = self.classes.index(label)
        weights = probed[site].fitted.probe.weights[number]
        length = float(np.linalg.norm(weights))
        if not length > 0:
            raise InputError(f"the probe of {site!r} learnt nothing of {label!r}: its weights are all zero.")
        step = float(probed[site].spread[number]) / length
        scored = probed[site].fitted.score.balanced
        details = {
            "found_by": f"{self.classifier} probe of {self.task}",
            "label": label,
            "corpus": self.corpus,
            "n_rows": self.n_rows_learnt,
            "unit": "one standard deviation of the site's rows along the direction",
            "raises_score_by": finite(length * step),
            "balanced_accuracy": finite(scored.value),
            "balanced_accuracy_95": [finite(scored.low), finite(scored.high)],
        }
        vector = (weights / length * step).astype(np.float32)
        return Direction(vector, site, f"{self.task} {label}", self.model, self.weights_hash, details)

    def report(self) -> Report:
        """Report every site's scores beside both baselines."""
        n_unconverged = sum(site.fitted.n_unconverged for site in self.sites)
        by_class = zip(self.classes, self.n_by_class, strict=True)
        return Report(
            f"{self.task}: what a linear probe reads off {self.model}",
            f"{self.sample}; 95% intervals over {self.held_out}",
            {
                "model": self.model,
                "corpus": Fact(self.corpus, "corpus"),
                "task": self.task,
                "of": "frames" if self.is_of_frames else "clips",
                **self.fields("classifier", "held_out", "n_folds", "n_rows", "n_rows_learnt", "n_clips"),
                f"n_{self.held_out}": self.n_groups,
                "n_clips_without_speaker": self.n_without_speaker,
                "lag_frames": self.lag,
                "seed": self.seed,
                "classes": dict(zip(self.classes, self.n_by_class, strict=True)),
                "classes_left_out": dict(self.left_out),
                "intervals": f"95%, percentile bootstrap over {self.held_out}",
                "majority": self.majority,
            },
            display_only=[
                ("always the commonest class, balanced accuracy", written(self.majority.balanced, "share")),
                ("always the commonest class, accuracy", written(self.majority.accuracy, "share")),
                ("classes", [f"{label} {n:,}" for label, n in by_class] if len(self.classes) <= MOST_CLASSES else None),
                (
                    f"left out, of one {self.held_out[:-1]} alone",
                    [f"{label} ({count(n, 'row')})" for label, n in self.left_out],
                ),
                ("clips left out because their speaker is not known", self.n_without_speaker or None),
                ("fits that stopped before the solver's tolerance was reached", n_unconverged or None),
            ],
            parts=[Table(COLUMNS, [self._row(site) for site in self.sites], "Held out", "sites", most=MOST_SITES)],
        )

    def _row(self, site: SiteProbe) -> tuple[Any, ...]:
        fitted = site.fitted
        n = fitted.confusion.sum(axis=1)
        recalls = np.diag(fitted.confusion) / np.maximum(n, 1)
        return (
            site.site,
            fitted.score.balanced,
            fitted.score.accuracy,
            fitted.shuffled,
            fitted.shuffled.balanced,
            fitted.shuffled.accuracy,
            {label: float(recall) if k else None for label, recall, k in zip(self.classes, recalls, n, strict=True)},
            fitted.penalties,
            fitted.n_unconverged,
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Return `classes`, and for every site `weights/SITE`, `intercepts/SITE` and `confusion/SITE`."""
        arrays: dict[str, np.ndarray] = {"classes": np.array(self.classes)}
        for site in self.sites:
            arrays[f"weights/{site.site}"] = site.fitted.probe.weights
            arrays[f"intercepts/{site.site}"] = site.fitted.probe.intercepts
            arrays[f"confusion/{site.site}"] = site.fitted.confusion
        return arrays

    def figures(self) -> dict[str, Callable[[], Figure]]:
        """Draw balanced accuracy over sites, and which classes are confused at the best site."""
        return {self.name: lambda: sites_figure(self), "confusion": lambda: confusion_figure(self)}

    def save(self, folder: str | Path) -> list[Path]:
        """Write `probe.json`, `probe.npz`, `probe.png`, `confusion.png`, `probe.parquet` and `directions/`.

        `probe.npz` holds for every site `weights/SITE` [class, d], `intercepts/SITE` [class] and `confusion/SITE`
        [true class, predicted class], and `classes`. Directions are one file for each site and class.

        Args:
            folder: Where to; made when missing.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        return [
            *super().save(where),
            write_rows(where / "probe.parquet", [self._flat(site) for site in self.sites]),
            *self._write_directions(where / "directions"),
        ]

    def _flat(self, site: SiteProbe) -> dict[str, Any]:
        """Flatten a site's scores into one row of plain columns."""
        row: dict[str, Any] = {"site": site.site, "task": self.task, "n": self.n_rows}
        for name, score in (
            ("", site.fitted.score),
            ("shuffled_", site.fitted.shuffled),
            ("majority_", self.majority),
        ):
            for kind, interval in (("accuracy", score.accuracy), ("balanced", score.balanced)):
                row |= {
                    f"{name}{kind}": interval.value,
                    f"{name}{kind}_low": interval.low,
                    f"{name}{kind}_high": interval.high,
                }
        return row

    def _write_directions(self, folder: Path) -> list[Path]:
        files: list[Path] = []
        taken: set[str] = set()
        for site in self.sites:
            for label, weights in zip(self.classes, site.fitted.probe.weights, strict=True):
                if len(files) == MOST_DIRECTIONS or not weights.any():
                    continue
                stem = f"{site.site}--{re.sub(r'[^A-Za-z0-9._-]+', '-', label)[:60]}"
                name, number = stem, 1
                while name.lower() in taken:
                    number += 1
                    name = f"{stem}-{number}"
                taken.add(name.lower())
                files.append(self.direction(site.site, label).save(folder / f"{name}.safetensors"))
        return files
