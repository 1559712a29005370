"""What comes of a sweep over sparsities: the frontier, its table and its picture.

Knows numbers, not models or clips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from otoscope.base.layout import count
from otoscope.base.report import Column, Fact, Report, Table
from otoscope.study.dictionaries import picture as dictionary_picture
from otoscope.study.dictionaries.results import (
    ScoreRow,
    clean_row,
    clean_text,
    flat_rows,
    write_table,
    write_transcripts,
)
from otoscope.study.dictionaries.settings import SweepSettings
from otoscope.study.dictionaries.transcripts import Hearing
from otoscope.study.results import Result


@dataclass(frozen=True, eq=False)
class SweepPoint:
    """One dictionary of the sweep."""

    name: str  # its folder
    coder: str
    setting: tuple[str, float]  # `k` or `sparsity`, and its value
    row: ScoreRow

    def to_json(self) -> dict[str, Any]:
        """Give the row with what it was asked for."""
        return {"coder": self.coder, self.setting[0]: self.setting[1], **self.row.to_json()}


@dataclass(frozen=True, eq=False, repr=False)
class DictionarySweep(Result):
    """Dictionaries of one site at many sparsities, beside baselines at the same."""

    name = "sweep"

    site: str
    model: str
    trained_on: str  # where the activations for training came from
    scored_on: str
    frames_scored: str  # in words, which frames explained variance is of
    points: tuple[SweepPoint, ...]
    baselines: Mapping[tuple[str, int], ScoreRow]  # (baseline, k) to its scores
    ablations: tuple[ScoreRow, ...]  # with the mean, and with zeros
    hearing: Hearing | None  # what was transcribed; None where nothing was
    settings: SweepSettings
    notes: tuple[str, ...] = field(default=())  # what a reader of the numbers must know

    @property
    def n_clips(self) -> int:
        """Clips that were transcribed."""
        return 0 if self.hearing is None else len(self.hearing.clip_ids)

    @property
    def clean(self) -> dict[str, Any] | None:
        """What was heard with nothing in place."""
        return clean_row(self.hearing)

    @property
    def lines(self) -> dict[str, list[tuple[float, ScoreRow]]]:
        """The frontier: coder or baseline to (L0, scores), from sparse to dense."""
        lines: dict[str, list[tuple[float, ScoreRow]]] = {}
        for point in self.points:
            lines.setdefault(point.coder, []).append((point.row.in_speech.l0, point.row))
        for (name, k), row in self.baselines.items():
            lines.setdefault(name, []).append((float(k), row))
        return {name: sorted(line, key=lambda point: point[0]) for name, line in lines.items()}

    def report(self) -> Report:
        """Lay out the frontier; transcripts have a file of their own."""
        clean = self.clean
        return Report(
            f"Dictionaries of {self.site} at many sparsities: {self.model}",
            f"{self.frames_scored}; error rates of {count(self.n_clips, 'clip')} with 95% intervals over clips"
            if self.n_clips
            else self.frames_scored,
            {
                "site": self.site,
                "model": self.model,
                "trained_on": Fact(self.trained_on, "trained on"),
                "scored_on": Fact(self.scored_on, "scored on"),
                **self.fields("settings", "n_clips", "notes"),
                "clean": clean,
                "points": self.points,
                "baselines": [{"k": k, **row.to_json()} for (_, k), row in self.baselines.items()],
                "ablations": self.ablations,
            },
            display_only=[
                *(("note", note) for note in self.notes),
                ("with nothing in place", None if clean is None else clean_text(clean)),
            ],
            parts=[self._table()],
        )

    def _table(self) -> Table:
        error = "wer" if self.clean is None else dictionary_picture.error_name(self.clean)
        units = {self.site: "", "L0": "number", "explained": "three digits", "dead": "count"}
        units |= {"CE score": "three digits", f"WER to {dictionary_picture.target(error)}": "share"}
        rows = [
            (
                f"{line} {l0:.0f}" if line in dictionary_picture.LOOKS else row.name,
                row.in_speech.l0,
                row.in_speech.explained_variance,
                row.in_speech.dead_features,
                row.heard.get("ce_loss_score"),
                row.rate(error),
            )
            for line, points in self.lines.items()
            for l0, row in points
        ]
        return Table([Column(None, name, unit) for name, unit in units.items()], rows, most=max(len(rows), 1))

    def figure(self) -> Figure:
        """Draw the frontier of sparsity against explained variance and WER."""
        return dictionary_picture.frontier_figure(self)

    def save(self, folder: str | Path) -> list[Path]:
        """Write `sweep.json`, `sweep.png`, `sweep.parquet` (a row for each thing and kind of frame) and transcripts."""
        where = Path(folder)
        rows = [{**flat, "coder": point.coder, point.setting[0]: point.setting[1]}
                for point in self.points for flat in flat_rows(point.row)]  # fmt: skip
        rows += [{**flat, "k": k} for (_, k), row in self.baselines.items() for flat in flat_rows(row)]
        rows += [flat for row in self.ablations for flat in flat_rows(row)]
        return [
            *super().save(where),
            write_table(where / "sweep.parquet", rows),
            *write_transcripts(where / "transcripts.json", self.hearing),
        ]
