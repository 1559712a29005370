"""What probes gave: scores of every site beside their baselines, and the directions that the probes point in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32

from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import atomic_path, write_json
from otoscope.base.numbers import Interval, finite
from otoscope.study import pictures
from otoscope.study.direction import Direction
from otoscope.study.probe import picture as probe_picture
from otoscope.study.probe.fit import Fitted, Score
from otoscope.study.result_files import drawn, write_arrays
from otoscope.study.rich import Rich

MOST_DIRECTIONS = 500
"""So many are written as files of their own at most; all of them are in `probe.npz`."""


@dataclass(frozen=True, eq=False)
class SiteProbe:
    """The probe of one site.

    Attributes:
        site: The site.
        fitted: Scores, confusion and weights.
        spread: Standard deviation of the rows along each class's weights, float32 [class].
    """

    site: str
    fitted: Fitted
    spread: Float32[np.ndarray, " class"]


@dataclass(frozen=True, eq=False, repr=False)
class Probe(Rich):
    """What can be read off sites linearly.

    Attributes:
        model: The model's id.
        weights_hash: Of the model's weights.
        corpus: What the rows are from.
        task: What was asked.
        is_of_frames: Whether every frame was asked, or every clip.
        classes: The labels that were learnt, in the order of their numbers.
        left_out: Labels that too few speakers or clips had, with the rows they had.
        n_by_class: Held-out rows of each class.
        n_rows_learnt: Rows that probes were learnt from, over all folds.
        n_clips: Clips that gave rows.
        n_groups: Speakers or clips that were dealt into folds.
        held_out: What no probe was scored on after hearing it: `speakers` or `clips`.
        n_folds: Folds; 1 where other clips were given to score on.
        n_without_speaker: Clips left out because nobody says who speaks.
        classifier: `logistic` or `ridge`.
        lag: Frames by which the encoder was taken to answer late.
        seed: Seeded draws, folds and shuffles.
        majority: The score of what always says the commonest class.
        sites: One probe for each site, in the model's order.
    """

    model: str
    weights_hash: str
    corpus: str
    task: str
    is_of_frames: bool
    classes: tuple[str, ...]
    left_out: tuple[tuple[str, int], ...]
    n_by_class: tuple[int, ...]
    n_rows_learnt: int
    n_clips: int
    n_groups: int
    held_out: str
    n_folds: int
    n_without_speaker: int
    classifier: str
    lag: int
    seed: int
    majority: Score
    sites: tuple[SiteProbe, ...]

    @property
    def n_rows(self) -> int:
        """Held-out rows that were scored."""
        return sum(self.n_by_class)

    @property
    def best(self) -> SiteProbe:
        """The site with the highest balanced accuracy."""
        return max(self.sites, key=lambda each: each.fitted.score.balanced.value)

    @property
    def sample(self) -> str:
        """What was measured, in words."""
        rows = "frame" if self.is_of_frames else "clip"
        of = f" of {pictures.count(self.n_clips, 'clip')}" if self.is_of_frames else ""
        return (
            f"{pictures.count(self.n_rows, rows)}{of}, {len(self.classes)} classes, "
            f"{self.n_groups} {self.held_out} held out " + ("in turn" if self.n_folds > 1 else "or learnt from")
        )

    def direction(self, site: str, label: str) -> Direction:
        """Give the direction that a site's probe reads a class in, for steering.

        It is the class's weights (less the mean over classes), at the length of one standard deviation of the rows
        along them: adding it once moves a row by one standard deviation towards the class.

        Args:
            site: One of the sites probed.
            label: One of the classes.

        Raises:
            InputError: There is no such site or class, or its weights are all zero.
        """
        found = next((each for each in self.sites if each.site == site), None)
        if found is None:
            known = ", ".join(each.site for each in self.sites)
            raise InputError(f"site {site!r} was not probed: {known} were. Name one of these.")
        if label not in self.classes:
            known = ", ".join(map(repr, self.classes))
            raise InputError(f"label {label!r} is no class of this probe: it tells {known} apart. Name one of these.")
        number = self.classes.index(label)
        weights = found.fitted.probe.weights[number]
        length = float(np.linalg.norm(weights))
        if not length > 0:
            raise InputError(f"the probe of {site!r} learnt nothing of {label!r}: its weights are all zero.")
        step = float(found.spread[number]) / length
        scored = found.fitted.score.balanced
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

    def to_json(self) -> dict[str, Any]:
        """Give the table: every site's scores with 95% intervals, beside both baselines."""
        return {
            "model": self.model,
            "corpus": self.corpus,
            "task": self.task,
            "of": "frames" if self.is_of_frames else "clips",
            "classifier": self.classifier,
            "held_out": self.held_out,
            "n_folds": self.n_folds,
            "n_rows": self.n_rows,
            "n_rows_learnt": self.n_rows_learnt,
            "n_clips": self.n_clips,
            f"n_{self.held_out}": self.n_groups,
            "n_clips_without_speaker": self.n_without_speaker,
            "lag_frames": self.lag,
            "seed": self.seed,
            "classes": dict(zip(self.classes, self.n_by_class, strict=True)),
            "classes_left_out": dict(self.left_out),
            "intervals": f"95%, percentile bootstrap over {self.held_out}",
            "majority": _score(self.majority),
            "sites": [self._row(each) for each in self.sites],
        }

    def _row(self, each: SiteProbe) -> dict[str, Any]:
        fitted = each.fitted
        right = np.diag(fitted.confusion) / np.maximum(fitted.confusion.sum(axis=1), 1)
        return {
            "site": each.site,
            **_score(fitted.score),
            "shuffled": _score(fitted.shuffled),
            "recall": {
                label: finite(float(share)) if n else None
                for label, share, n in zip(self.classes, right, fitted.confusion.sum(axis=1), strict=True)
            },
            "penalties": list(fitted.penalties),
            "n_fits_unconverged": fitted.n_unconverged,
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `probe.json`, `probe.parquet`, `probe.npz`, `probe.png`, `confusion.png` and `directions/`.

        `probe.npz` holds of every site `weights/SITE` [class, d], `intercepts/SITE` [class] and `confusion/SITE`
        [true class, predicted class], and `classes`. Directions are one file for each site and class.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        arrays: dict[str, np.ndarray] = {"classes": np.array(self.classes)}
        for each in self.sites:
            arrays[f"weights/{each.site}"] = each.fitted.probe.weights
            arrays[f"intercepts/{each.site}"] = each.fitted.probe.intercepts
            arrays[f"confusion/{each.site}"] = each.fitted.confusion
        return [
            write_json(where / "probe.json", self.to_json()),
            self._write_table(where / "probe.parquet"),
            write_arrays(where / "probe.npz", **arrays),
            *self._write_directions(where / "directions"),
            *drawn(self.plot, where / "probe.png"),
            *drawn(self.plot_confusion, where / "confusion.png"),
        ]

    def _write_table(self, path: Path) -> Path:
        rows = []
        for each in self.sites:
            row: dict[str, Any] = {"site": each.site, "task": self.task, "n": self.n_rows}
            for name, score in (
                ("", each.fitted.score),
                ("shuffled_", each.fitted.shuffled),
                ("majority_", self.majority),
            ):
                for kind in ("accuracy", "balanced"):
                    interval: Interval = getattr(score, kind)
                    row |= {
                        f"{name}{kind}": interval.value,
                        f"{name}{kind}_low": interval.low,
                        f"{name}{kind}_high": interval.high,
                    }
            rows.append(row)
        with atomic_path(path) as temporary:
            pq.write_table(pa.Table.from_pylist(rows), temporary)
        return path

    def _write_directions(self, folder: Path) -> list[Path]:
        written: list[Path] = []
        taken: set[str] = set()
        for each in self.sites:
            for label, weights in zip(self.classes, each.fitted.probe.weights, strict=True):
                if len(written) == MOST_DIRECTIONS or not weights.any():
                    continue
                stem = f"{each.site}--{re.sub(r'[^A-Za-z0-9._-]+', '-', label)[:60]}"
                name, number = stem, 1
                while name.lower() in taken:
                    number += 1
                    name = f"{stem}-{number}"
                taken.add(name.lower())
                written.append(self.direction(each.site, label).save(folder / f"{name}.safetensors"))
        return written

    def plot(self, path: str | Path) -> Path:
        """Draw the balanced accuracy of every site with its interval, over both baselines.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        view = probe_picture.View(
            sites=tuple(each.site for each in self.sites),
            found=tuple(each.fitted.score.balanced for each in self.sites),
            shuffled=tuple(each.fitted.shuffled.balanced for each in self.sites),
            majority=self.majority.balanced,
            heading=f"{self.task}: what a linear probe reads off {self.model}",
            sample=f"{self.sample}; 95% intervals over {self.held_out}",
        )
        return pictures.save_figure(probe_picture.sites_figure(view), path)

    def plot_confusion(self, path: str | Path) -> Path:
        """Draw what is taken for what at the best site.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        best = self.best
        figure = probe_picture.confusion_figure(
            best.fitted.confusion,
            self.classes,
            f"{self.task} at {best.site}",
            f"{self.model}; {self.n_rows:,} held out; balanced accuracy {best.fitted.score.balanced.value:.0%}",
        )
        return pictures.save_figure(figure, path)

    def _shown(self) -> html.Shown:
        rows = [
            (
                each.site,
                html.share(each.fitted.score.balanced),
                html.share(each.fitted.shuffled.balanced),
                html.share(each.fitted.score.accuracy),
            )
            for each in self.sites
        ]
        return html.Shown(
            f"What can be read off linearly: {self.task}, {self.model}",
            [
                ("measured on", self.sample),
                ("corpus", self.corpus),
                ("always the commonest class", html.share(self.majority.accuracy)),
                ("best site", self.best.site if self.sites else None),
            ],
            [html.Table(("site", "balanced accuracy", "shuffled labels", "accuracy"), rows, "Held out, 95% intervals")],
        )


def _score(score: Score) -> dict[str, Any]:
    return {
        name: {"value": finite(each.value), "low": finite(each.low), "high": finite(each.high)}
        for name, each in (("accuracy", score.accuracy), ("balanced_accuracy", score.balanced))
    }
