"""What a sweep over sparsities is asked for, and what comes of it: the frontier, its table and its picture.

Knows numbers, not models or clips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.sae.coders import check_name
from otoscope.sae.coders.coder import CoderSettings
from otoscope.study import pictures
from otoscope.study.dictionaries import picture as dictionary_picture
from otoscope.study.dictionaries.entries import check_replaced
from otoscope.study.dictionaries.results import Row, clean_row, flat_rows, transcripts, write_table
from otoscope.study.dictionaries.train import CoderChoice
from otoscope.study.dictionaries.transcripts import Hearing
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich

SPARSITY_CODERS = ("tied", "standard", "jumprelu")
"""Coders whose sparsity is set by a weight; that of the others by k."""


@dataclass(frozen=True)
class SweepSettings:
    """Which dictionaries to train.

    Attributes:
        coders: Names of coders.
        ks: Features active at a time, for the coders that are told it.
        sparsities: Weights of the sparsity term, for the coders that have one.
        n_features: Features of each; None for `expansion` times the width of the site.
        expansion: How many times the width.
        precision: `float32` or `bfloat16`.
        seed: Of the weights at the start.
        replaced: Frames that a reconstruction takes the place of in transcription: those of the kinds that were
            `trained` on, `speech` or `all`.
        has_transcripts: Whether to transcribe.
        language: What is spoken; each clip's own by default.
    """

    coders: tuple[str, ...] = ("batchtopk",)
    ks: tuple[int, ...] = (8, 16, 32, 64)
    sparsities: tuple[float, ...] = ()
    n_features: int | None = None
    expansion: float = 8
    precision: str = "float32"
    seed: int = 0
    replaced: str = "trained"
    has_transcripts: bool = True
    language: str | None = None

    def __post_init__(self) -> None:
        if not self.coders or len(set(self.coders)) != len(self.coders):
            raise InputError(f"coders are {list(self.coders)}: name one or more, each once.")
        for coder in self.coders:
            check_name(coder)
        if any(coder not in SPARSITY_CODERS for coder in self.coders) and not self.ks:
            raise InputError("no k is given: give one or more, such as 8, 16, 32, 64.")
        by_weight = [coder for coder in self.coders if coder in SPARSITY_CODERS]
        if by_weight and not self.sparsities:
            raise InputError(
                f"the sparsity of {', '.join(by_weight)} is set by the weight of a term, and none is given: give some "
                "with --sparsity."
            )
        check_replaced(self.replaced)

    def points(self, d_in: int) -> dict[str, CoderSettings]:
        """Name the dictionaries: `batchtopk-k32`, `standard-l0.5`.

        Raises:
            InputError: There is no such coder, or a k is larger than the dictionary.
        """
        found: dict[str, CoderSettings] = {}
        for coder in self.coders:
            own = CoderChoice(coder, self.expansion, self.n_features, k=1, precision=self.precision, seed=self.seed)
            if coder in SPARSITY_CODERS:
                choices = {f"{coder}-l{value:g}": replace(own, sparsity=value) for value in self.sparsities}
            else:
                choices = {f"{coder}-k{k}": replace(own, k=k) for k in self.ks}
            found |= {name: choice.settings(d_in) for name, choice in choices.items()}
        return found


@dataclass(frozen=True, eq=False)
class SweepPoint:
    """One dictionary of the sweep.

    Attributes:
        name: Its folder.
        coder: Its coder.
        setting: `k` or `sparsity`, and its value.
        row: Its scores.
    """

    name: str
    coder: str
    setting: tuple[str, float]
    row: Row

    def to_json(self) -> dict[str, Any]:
        """Give the row with what it was asked for."""
        return {"coder": self.coder, self.setting[0]: self.setting[1], **self.row.to_json()}


@dataclass(frozen=True, eq=False, repr=False)
class DictionarySweep(Rich):
    """Dictionaries of one site at many sparsities, beside baselines at the same.

    Attributes:
        site: The site.
        model: The model's id.
        trained_on: Where the activations for training came from.
        scored_on: What was scored.
        frames_scored: In words, which frames explained variance is of.
        points: The dictionaries.
        baselines: (baseline, k) to its scores.
        ablations: With the mean, and with zeros.
        hearing: What was transcribed; None where nothing was.
        settings: What was asked for.
        notes: What a reader of the numbers must know.
    """

    site: str
    model: str
    trained_on: str
    scored_on: str
    frames_scored: str
    points: tuple[SweepPoint, ...]
    baselines: Mapping[tuple[str, int], Row]
    ablations: tuple[Row, ...]
    hearing: Hearing | None
    settings: Mapping[str, Any]
    notes: tuple[str, ...] = field(default=())

    @property
    def n_clips(self) -> int:
        """Clips that were transcribed."""
        return 0 if self.hearing is None else len(self.hearing.clip_ids)

    @property
    def clean(self) -> dict[str, Any] | None:
        """What was heard with nothing in place."""
        return clean_row(self.hearing)

    @property
    def lines(self) -> dict[str, list[tuple[float, Row]]]:
        """The frontier: coder or baseline to (L0, scores), from sparse to dense."""
        found: dict[str, list[tuple[float, Row]]] = {}
        for point in self.points:
            found.setdefault(point.coder, []).append((l0_of(point.row), point.row))
        for (name, k), row in self.baselines.items():
            found.setdefault(name, []).append((float(k), row))
        return {name: sorted(line, key=lambda each: each[0]) for name, line in found.items()}

    def to_json(self) -> dict[str, Any]:
        """Give the tables, without the transcripts."""
        return {
            "site": self.site,
            "model": self.model,
            "trained_on": self.trained_on,
            "scored_on": self.scored_on,
            "settings": dict(self.settings),
            "n_clips": self.n_clips,
            "notes": list(self.notes),
            "clean": self.clean,
            "points": [point.to_json() for point in self.points],
            "baselines": [{"k": k, **row.to_json()} for (_, k), row in self.baselines.items()],
            "ablations": [row.to_json() for row in self.ablations],
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `sweep.json`, `sweep.parquet` (a row for each thing and kind of frame), `sweep.png` and transcripts.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        rows = [{**flat, "coder": point.coder, point.setting[0]: point.setting[1]}
                for point in self.points for flat in flat_rows(point.row)]  # fmt: skip
        rows += [{**flat, "k": k} for (_, k), row in self.baselines.items() for flat in flat_rows(row)]
        rows += [flat for row in self.ablations for flat in flat_rows(row)]
        written = [
            write_json(where / "sweep.json", self.to_json()),
            write_table(where / "sweep.parquet", rows),
        ]
        if self.hearing is not None:
            written.append(write_json(where / "transcripts.json", transcripts(self.hearing)))
        return written + drawn(self.plot, where / "sweep.png")

    def plot(self, path: str | Path) -> Path:
        """Draw the frontier of sparsity against explained variance and WER.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        return pictures.save_figure(dictionary_picture.frontier_figure(self), path)

    def _shown(self) -> html.Shown:
        rows = []
        for point in self.points:
            found = point.row.by_kind["speech"] or point.row.by_kind["all"]
            explained = None if found is None else html.share(found.explained_variance)
            rows.append((point.name, l0_of(point.row), explained, html.share(point.row.heard.get("wer"))))
        return html.Shown(
            f"Dictionaries of {self.site} at many sparsities: {self.model}",
            [
                ("trained on", self.trained_on),
                ("scored on", self.scored_on),
                ("WER with nothing in place", html.share((self.clean or {}).get("wer"))),
            ],
            [html.ShownTable(("dictionary", "L0", "explained variance", "WER"), rows, self.frames_scored)],
        )


def l0_of(row: Row) -> float:
    """L0 in speech, or in all frames where there is no speech."""
    found = row.by_kind["speech"] or row.by_kind["all"]
    assert found is not None
    return found.l0
