"""Which phones drive one feature at its strongest, and in every range of strength below?

Reads the samples of a finished run; knows no models.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.numbers import finite
from otoscope.harvest.opened import GroupKey, HarvestRun
from otoscope.study import pictures
from otoscope.study.phones import ranges_picture
from otoscope.study.phones.polysemy import effective_number
from otoscope.study.phones.purity import count_labels
from otoscope.study.phones.scores import Ground, labelled
from otoscope.study.rich import Rich


@dataclass(frozen=True, eq=False)
class SignRanges:
    """The ranges of one feature in one sign, from the top down.

    Attributes:
        sign: 1 for strengths above zero, -1 for those below.
        low: Where each begins, of the size of the strength.
        high: Where each ends.
        n_peaks: Peaks in each, of which the samples were drawn.
        counts: Labelled samples by phone, "no phone" last.
    """

    sign: int
    low: Float[np.ndarray, " range"]
    high: Float[np.ndarray, " range"]
    n_peaks: Int[np.ndarray, " range"]
    counts: Int[np.ndarray, "range label"]


@dataclass(frozen=True, eq=False, repr=False)
class FeatureRanges(Rich):
    """The phones of one feature from range to range.

    Attributes:
        site: Its site.
        basis: Its basis.
        feature: Its number.
        phones: The run's phones.
        name: What it detects, with its score, in words.
        min_samples: Ranges with fewer labelled samples have no effective number of phones.
        signs: The signs in which it has peaks.
    """

    site: str
    basis: str
    feature: int
    phones: tuple[str, ...]
    name: str
    min_samples: int
    signs: tuple[SignRanges, ...]

    @property
    def file_name(self) -> str:
        """A name for its picture: `ranges_encoder.blocks.2.mlp.1_neuron_1.png`."""
        return f"ranges_{self.site}_{re.sub(r'[^A-Za-z0-9.-]+', '-', self.basis)}_{self.feature}.png"

    def to_json(self) -> dict[str, Any]:
        """Give the table: for each sign and range its bounds, its peaks, and the samples by phone.

        Returns:
            Standard JSON values only; strengths have the site's unit.
        """
        return {
            "site": self.site,
            "basis": self.basis,
            "feature": self.feature,
            "name": self.name,
            "ranges": [row for ranges in self.signs for row in self._rows(ranges)],
        }

    def plot(self, path: str | Path) -> Path:
        """Draw the samples by phone for each range, from the top down.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        panels = [
            ranges_picture.Panel(sign=each.sign, low=each.low, high=each.high, n_peaks=each.n_peaks, counts=each.counts)
            for each in self.signs
        ]
        heading = f"{self.site} - {self.basis} {self.feature}"
        return pictures.save_figure(ranges_picture.ranges_figure(heading, self.name, self.phones, panels), path)

    def _rows(self, ranges: SignRanges) -> list[dict[str, Any]]:
        effective = effective_number(ranges.counts[:, :-1])
        return [
            {
                "sign": ranges.sign,
                "range": index,
                "low": finite(ranges.low[index]),
                "high": finite(ranges.high[index]),
                "n_peaks": int(ranges.n_peaks[index]),
                "n_labelled_samples": int(counts.sum()),
                "effective_phones": finite(effective[index]) if counts.sum() >= self.min_samples else None,
                "phones": {
                    self.phones[p]: int(counts[p]) for p in np.argsort(-counts[:-1], kind="stable") if counts[p]
                },
                "no_phone": int(counts[-1]),
            }
            for index, counts in enumerate(ranges.counts)
        ]

    def _shown(self) -> html.Shown:
        rows = [
            (
                row["sign"],
                f"{row['low']:.3g} – {row['high']:.3g}",
                row["n_peaks"],
                ", ".join(f"{phone} {n}" for phone, n in list(row["phones"].items())[:6]),
                row["effective_phones"],
            )
            for ranges in self.signs
            for row in self._rows(ranges)
        ]
        return html.Shown(
            f"{self.site} - {self.basis} {self.feature}",
            [("feature", self.name)],
            [html.Table(("sign", "strength", "peaks", "phones of the samples", "effective phones"), rows)],
        )


def feature_ranges(
    run: HarvestRun, group: GroupKey, feature: int, ground: Ground, *, name: str, min_samples: int
) -> FeatureRanges:
    """Look at the ranges of one feature.

    Args:
        run: A finished run with phones.
        group: One of its groups.
        feature: Number of the feature in it.
        ground: What `phone_scores.survey` found in the run.
        name: What the feature detects, in words.
        min_samples: Ranges with fewer labelled samples have no effective number of phones.

    Returns:
        The ranges of each sign in which it has peaks.

    Source:
        After the charts in "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 2.
    """
    signs = []
    for sign in ground.signs:
        table = run.ranges(group, "width", sign)
        if not table.n_peaks[feature].sum():
            continue
        counts = count_labels(table.phone[feature], labelled(table.clip[feature], ground), len(run.phones))
        signs.append(SignRanges(sign, table.low[feature], table.high[feature], table.n_peaks[feature], counts))
    return FeatureRanges(group.site, group.basis, feature, run.phones, name, min_samples, tuple(signs))


def find_feature(run: HarvestRun, wanted: str) -> tuple[GroupKey, int]:
    """Find the feature that `SITE:BASIS:INDEX` names.

    Args:
        run: A finished run.
        wanted: The name: `encoder.blocks.2.mlp.1:neuron:1`.

    Raises:
        InputError: It is no such name, or the run has no such feature.
    """
    site, _, rest = wanted.partition(":")
    basis, _, index = rest.rpartition(":")
    if not site or not basis or not index.isdecimal():
        raise InputError(
            f"feature {wanted!r} is not named SITE:BASIS:INDEX: write, for one, {run.groups[0].site}:"
            f"{run.groups[0].basis}:0."
        )
    for group in run.groups:
        if (group.site, group.basis) == (site, basis):
            if int(index) >= group.n_features:
                raise InputError(
                    f"feature {wanted!r} is not in the run: {site}:{basis} has features 0 to {group.n_features - 1}."
                )
            return group, int(index)
    known = ", ".join(f"{group.site}:{group.basis}" for group in run.groups)
    raise InputError(f"feature {wanted!r} is not in the run {str(run.folder)!r}: it holds {known}.")
