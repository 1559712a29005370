"""Which phones drive one feature at its strongest, and in every range of strength below?

Reads the samples of a finished run; knows no models.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from otoscope.base.errors import InputError
from otoscope.base.report import Column, Report, Table
from otoscope.corpus.phones import by_class
from otoscope.harvest.opened import GroupKey, HarvestRun
from otoscope.study.phones.polysemy import effective_number
from otoscope.study.phones.purity import count_labels
from otoscope.study.phones.ranges_picture import ranges_figure
from otoscope.study.phones.scores import Ground, labelled
from otoscope.study.results import Result


@dataclass(frozen=True, eq=False)
class SignRanges:
    """The ranges of one feature in one sign, from the top down."""

    sign: int  # 1 for strengths above zero, -1 for those below
    low: Float[np.ndarray, " range"]  # lower bound of each, as an absolute strength
    high: Float[np.ndarray, " range"]  # upper bound
    n_peaks: Int[np.ndarray, " range"]  # peaks from which the samples were drawn
    counts: Int[np.ndarray, "range label"]  # labelled samples by phone, "no phone" last


COLUMNS = (
    Column("sign"),
    Column("range"),
    Column("low"),
    Column("high"),
    Column(None, "strengths"),
    Column(None, "range"),
    Column("n_peaks", "peaks"),
    Column("n_labelled_samples"),
    Column("effective_phones", "effective phones", "two digits"),
    Column("phones"),
    Column("no_phone"),
    Column(None, "samples by phone"),
)


@dataclass(frozen=True, eq=False, repr=False)
class FeatureRanges(Result):
    """The phones of one feature from range to range; strengths have the site's unit."""

    name = "ranges"

    site: str
    basis: str
    feature: int
    phones: tuple[str, ...]  # of the run
    phone_set: str  # to which they belong
    detects: str  # what the feature detects, with its score, in words
    min_samples: int  # ranges with fewer labelled samples have no effective number of phones
    signs: tuple[SignRanges, ...]  # in which it has peaks

    @property
    def stem(self) -> str:
        """The stem of its picture's file: `ranges_encoder.blocks.2.mlp.1_neuron_1`."""
        return f"ranges_{self.site}_{re.sub(r'[^A-Za-z0-9.-]+', '-', self.basis)}_{self.feature}"

    def report(self) -> Report:
        """Report for each sign and range its bounds, its peaks, and the samples by phone."""
        about = {"site": self.site, "basis": self.basis, "feature": self.feature, "name": self.detects}
        title = f"Phones at the peaks of {self.site}:{self.basis}:{self.feature}"
        return Report(title, facts=about, parts=[self.table()])

    def table(self) -> Table:
        """List the ranges."""
        rows = [row for ranges in self.signs for row in self._rows(ranges)]
        caption = f"{self.site}:{self.basis}:{self.feature} {self.detects}"
        return Table(COLUMNS, rows, caption, "ranges", most=max(len(rows), 1))

    def _rows(self, ranges: SignRanges) -> list[tuple[Any, ...]]:
        effective = effective_number(ranges.counts[:, :-1])
        rows = []
        for index, counts in enumerate(ranges.counts):
            low, high = float(ranges.low[index]), float(ranges.high[index])
            by_phone = {self.phones[p]: int(counts[p]) for p in np.argsort(-counts[:-1], kind="stable") if counts[p]}
            n_without = int(counts[-1])
            row = (
                ranges.sign,
                index,
                low,
                high,
                "above 0" if ranges.sign > 0 else "below 0",
                f"{low:.2f}-{high:.2f}",
                int(ranges.n_peaks[index]),
                int(counts.sum()),
                float(effective[index]) if counts.sum() >= self.min_samples else None,
                by_phone,
                n_without,
                " ".join(f"{phone} {n}" for phone, n in [*by_phone.items(), ("none", n_without)] if n),
            )
            rows.append(row)
        return rows

    def figures(self) -> dict[str, Callable[[], Figure]]:
        """Draw the samples by phone for each range, from the top down."""
        heading = f"{self.site} - {self.basis} {self.feature}"
        return {
            self.stem: lambda: ranges_figure(
                heading, self.detects, self.phones, by_class(self.phones, self.phone_set), self.signs
            )
        }


def feature_ranges(
    run: HarvestRun, group: GroupKey, feature: int, ground: Ground, *, detects: str, min_samples: int
) -> FeatureRanges:
    """Read the ranges of one feature of a run with phones, in each sign in which it has peaks.

    Source: After the charts in "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 2.
    """
    signs = []
    for sign in ground.signs:
        table = run.ranges(group, "width", sign)
        if not table.n_peaks[feature].sum():
            continue
        counts = count_labels(table.phone[feature], labelled(table.clip[feature], ground), len(run.phones))
        signs.append(SignRanges(sign, table.low[feature], table.high[feature], table.n_peaks[feature], counts))
    assert run.phone_set is not None, "a run with phones has their set"
    return FeatureRanges(
        group.site, group.basis, feature, run.phones, run.phone_set, detects, min_samples, tuple(signs)
    )


def find_feature(run: HarvestRun, name: str) -> tuple[GroupKey, int]:
    """Find the feature that `SITE:BASIS:INDEX` names, such as `encoder.blocks.2.mlp.1:neuron:1`."""
    site, _, rest = name.partition(":")
    basis, _, index = rest.rpartition(":")
    if not site or not basis or not index.isdecimal():
        raise InputError(
            f"feature {name!r} is not named SITE:BASIS:INDEX: write, for example, {run.groups[0].site}:"
            f"{run.groups[0].basis}:0."
        )
    for group in run.groups:
        if (group.site, group.basis) == (site, basis):
            if int(index) >= group.n_features:
                raise InputError(
                    f"feature {name!r} is not in the run: {site}:{basis} has features 0 to {group.n_features - 1}."
                )
            return group, int(index)
    known = ", ".join(f"{group.site}:{group.basis}" for group in run.groups)
    raise InputError(f"feature {name!r} is not in the run {str(run.folder)!r}: it holds {known}.")
