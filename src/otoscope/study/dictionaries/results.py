"""What the scores of dictionaries are: a row for each dictionary and baseline at a site, and how they are written down.

Knows numbers, not models or clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from matplotlib.figure import Figure

from otoscope.base.files import write_json
from otoscope.base.layout import count, percent
from otoscope.base.numbers import Interval, finite, rounded, written
from otoscope.base.report import Column, Report, Table
from otoscope.sae.centre import Massive
from otoscope.sae.scores import Scores
from otoscope.study.dictionaries import picture as dictionary_picture
from otoscope.study.dictionaries.measure import ALL, KIND_NAMES, ByKind
from otoscope.study.dictionaries.settings import ScoreSettings
from otoscope.study.dictionaries.transcripts import Hearing, ce_scores
from otoscope.study.dictionaries.undertrained import is_undertrained
from otoscope.study.result_files import write_parquet
from otoscope.study.results import Result

DICTIONARY, SECOND, RANDOM_DECODER = "dictionary", "second", "random decoder"
NEURONS, PCA, MEAN, ZERO = "neurons", "pca", "mean ablation", "zero ablation"

RATES = {"WER": "wer", "CER": "cer", "words lost": "lost"}
"""Heading to the key of an error rate; with `_to_clean` it is the one against the clean transcript."""


@dataclass(frozen=True, eq=False)
class ScoreRow:
    """One dictionary or baseline at one site."""

    site: str
    name: str  # `dictionary`, or which baseline
    what: str  # what it is, in words
    by_kind: ByKind
    heard: Mapping[str, Any]  # what the transcripts say: CE and its parts, error rates; empty where there are none

    @property
    def everything(self) -> Scores:
        """Scores of all frames."""
        scores = self.by_kind[ALL]
        assert scores is not None, "some frame was scored"
        return scores

    @property
    def in_speech(self) -> Scores:
        """Scores of speech frames, or of all frames where there is no speech."""
        return self.by_kind["speech"] or self.everything

    def rate(self, name: str) -> Interval | None:
        """Give an error rate by its key; None where it is not known."""
        rate = self.heard.get(name)
        return None if rate is None else Interval(**rate)

    def rates(self) -> list[Interval | None]:
        """Give those of `RATES`, against what was said or else against the clean transcript."""
        return [self.rate(name) or self.rate(f"{name}_to_clean") for name in RATES.values()]

    def to_json(self) -> dict[str, Any]:
        """Give the row."""
        by_kind = {kind: scores and rounded(scores.to_json()) for kind, scores in self.by_kind.items()}
        n_features = self.everything.n_features
        return {"name": self.name, "what": self.what, "n_features": n_features, "scores": by_kind, **self.heard}


@dataclass(frozen=True)
class Stability:
    """How many features have a partner in a dictionary that was trained from another seed."""

    share: float  # features whose best cosine reaches `least`
    mean: float  # of the best cosines
    least: float  # the cosine from which on a feature is a partner
    n_features: int  # features compared: those that are active in some scored frame
    n_dead: int  # features left out because they are not
    n_second: int  # active features of the second dictionary
    random_share: float  # the share for random directions, as many, against the second dictionary
    random_mean: float  # their mean

    def text(self) -> str:
        """Say it in a sentence."""
        return (
            f"{percent(self.share)} of {count(self.n_features, 'active feature')} have a partner of cosine "
            f"{self.least:g} or more among {self.n_second} of the second dictionary (mean of the best "
            f"{self.mean:.3f}); of as many random directions {percent(self.random_share)} (mean "
            f"{self.random_mean:.3f}). {self.n_dead} dead features are left out."
        )


@dataclass(frozen=True, eq=False)
class SiteScores:
    """The dictionary of one site and its baselines."""

    site: str
    about: Mapping[str, Any]  # what the dictionary is: folder, architecture, sizes
    k: int  # features that the baselines may use at a time: the dictionary's L0
    rows: tuple[ScoreRow, ...]  # the dictionary first
    massive: tuple[Massive, ...] = ()  # dimensions with massive activations, over all frames of the fitted clips
    stability: Stability | None = None  # against a second dictionary, where one was given
    # for each basis how many features detect one phone, with the share's interval; None where that was not looked for
    phones: tuple[Mapping[str, Any], ...] | None = None
    claims: tuple[str, ...] = ()  # what `otoscope phones` says of the site

    def row(self, name: str) -> ScoreRow:
        """Give a row by its name."""
        return next(row for row in self.rows if row.name == name)

    @property
    def phone_shares(self) -> dict[str, Interval | None]:
        """The share of features that detect one phone by basis; None for what cannot be judged."""
        return {
            row["name"]: None if row["share"] is None else Interval(row["share"], row["low"], row["high"])
            for row in self.phones or ()
        }

    @property
    def is_undertrained(self) -> bool:
        """Whether the dictionary explains less of what it was scored on than as many principal components do."""
        explained, by_pca = (self.row(name).in_speech.explained_variance for name in (DICTIONARY, PCA))
        return is_undertrained(explained, by_pca)

    def to_json(self) -> dict[str, Any]:
        """Give the site's table."""
        return {
            "site": self.site,
            "dictionary": dict(self.about),
            "k": self.k,
            "is_undertrained": self.is_undertrained,
            "massive_activations": [rounded(massive._asdict()) for massive in self.massive],
            "rows": [row.to_json() for row in self.rows],
            "stability": None if self.stability is None else rounded(vars(self.stability)),
            "phones": None if self.phones is None else [dict(row) for row in self.phones],
            "claims": list(self.claims),
        }

    def table(self) -> Table:
        """Lay out the dictionary beside its baselines."""
        kinds = dict.fromkeys((*KIND_NAMES, ALL), "three digits")
        units = {"": "", "L0": "number", **kinds, "cossim": "three digits", "dead": "", "CE score": "three digits"}
        units |= {**dict.fromkeys(RATES, "share"), "one phone": "share"}
        shares = self.phone_shares
        rows = [(*_cells(row), shares.pop(row.name, None)) for row in self.rows]
        rows += [(name, *[None] * (len(units) - 2), share) for name, share in shares.items()]
        heads = {KIND_NAMES[0]: f"explained: {KIND_NAMES[0]}"}
        return Table(
            [Column(None, heads.get(name, name), unit) for name, unit in units.items()],
            rows,
            f"{self.site}: {self.about['architecture']} from {self.about['d_in']} to {self.about['n_features']} "
            f"features; {self.k} at a time in neurons and PCA",
        )


def _cells(row: ScoreRow) -> tuple[Any, ...]:
    """What a table shows of a row, but for its phones."""
    everything = row.everything
    return (
        row.name,
        row.in_speech.l0,
        *(None if scores is None else scores.explained_variance for scores in row.by_kind.values()),
        row.in_speech.cossim,
        f"{everything.dead_features} of {everything.n_features}" if everything.n_features else None,
        row.heard.get("ce_loss_score"),
        *row.rates(),
    )


@dataclass(frozen=True, eq=False, repr=False)
class DictionaryScores(Result):
    """Dictionaries beside their baselines, all on the same clips."""

    name = "scores"

    model: str
    corpus: str  # what the corpus was asked for as
    settings: ScoreSettings
    n_fitted: int  # clips that baselines were fitted to
    n_scored: int  # clips that all were scored on
    split_by: str  # what the halves are halves of
    sites: tuple[SiteScores, ...]
    hearing: Hearing | None  # what was transcribed; None where nothing was
    notes: tuple[str, ...]  # what a reader of the numbers must know

    @property
    def clean(self) -> dict[str, Any] | None:
        """What was heard with nothing in place."""
        return clean_row(self.hearing)

    def report(self) -> Report:
        """Lay out each dictionary beside its baselines; transcripts and densities have files of their own."""
        intervals = "95%: bootstrap over clips for error rates, Wilson for shares of features"
        clean = self.clean
        return Report(
            f"Dictionaries beside baselines: {self.model}",
            f"{count(self.n_scored, 'clip')} of {self.corpus}; intervals are {intervals}",
            {
                **self.fields("model", "corpus", "settings"),
                "n_clips_fitted": self.n_fitted,
                "n_clips_scored": self.n_scored,
                "split_by": self.split_by,
                "intervals": intervals,
                "notes": self.notes,
                "clean": clean,
                "sites": self.sites,
            },
            display_only=[
                *(("note", note) for note in self.notes),
                ("with nothing in place", None if clean is None else clean_text(clean)),
                *((site.site, site.stability.text()) for site in self.sites if site.stability is not None),
                *((site.site, claim) for site in self.sites for claim in site.claims),
            ],
            parts=[site.table() for site in self.sites],
        )

    def figure(self) -> Figure:
        """Draw explained variance, WER and, where phones were looked for, the share of one-phone features by site."""
        return dictionary_picture.score_figure(self)

    def save(self, folder: str | Path) -> list[Path]:
        """Write the tables and the picture.

        Returns `scores.json`, `scores.png`, `scores.parquet` (a row for each site, thing and kind of frame),
        `density.parquet` (for each feature of each), and `transcripts.json` where there are any.
        """
        where = Path(folder)
        rows = [row for site in self.sites for row in site.rows]
        return [
            *super().save(where),
            write_table(where / "scores.parquet", [flat for row in rows for flat in flat_rows(row)]),
            write_parquet(where / "density.parquet", _densities(rows)),
            *write_transcripts(where / "transcripts.json", self.hearing),
        ]


def clean_row(hearing: Hearing | None) -> dict[str, Any] | None:
    """Give what was heard with nothing in place."""
    if hearing is None:
        return None
    targets = {target: hearing.targets.count(target) for target in dict.fromkeys(hearing.targets)}
    return {
        "ce_loss_without_sae": finite(hearing.clean.ce_loss),
        "n_tokens": sum(hearing.clean.n_tokens),
        "ce_loss_of": targets,
        "n_clips_with_reference": sum(said is not None for said in hearing.references),
        **hearing.rates(hearing.clean),
    }


def clean_text(clean: Mapping[str, Any]) -> str:
    """Say in a line what was heard with nothing in place."""
    targets = " and ".join(f"the {target} of {count(n, 'clip')}" for target, n in clean["ce_loss_of"].items())
    return (
        f"WER {written(clean['wer'], 'share')}, CER {written(clean['cer'], 'share')}, "
        f"CE {clean['ce_loss_without_sae']:.3f} over {count(clean['n_tokens'], 'token')} ({targets})"
    )


def heard_row(hearing: Hearing, site: str, name: str) -> dict[str, Any]:
    """Give what was heard with one thing in place at a site, beside what was heard without and with the ablations."""
    heard = hearing.by_name[site, name]
    mean, zero = hearing.by_name[site, MEAN], hearing.by_name[site, ZERO]
    return {**ce_scores(hearing.clean, heard, mean, zero), **hearing.rates(heard), "n_cut": heard.n_cut}


def write_transcripts(path: Path, hearing: Hearing | None) -> list[Path]:
    """Write for each clip what was said, what was heard with each thing in place of each site, and what was stopped."""
    if hearing is None:
        return []
    rows = []
    for number, (clip_id, said) in enumerate(zip(hearing.clip_ids, hearing.references, strict=True)):
        row: dict[str, Any] = {"clip": clip_id, "reference": said, "clean": hearing.clean.texts[number]}
        for (site, name), heard in hearing.by_name.items():
            row.setdefault(site, {})[name] = heard.texts[number]
        row["stopped"] = [[site, name] for (site, name), heard in hearing.by_name.items() if heard.is_cut[number]]
        rows.append(row)
    return [write_json(path, rows)]


def flat_rows(row: ScoreRow) -> Iterator[dict[str, Any]]:
    """Give a row for each kind of frame, all columns numbers or text; error rates stand in every one of them."""
    heard: dict[str, Any] = {}
    for name, value in row.heard.items():
        if isinstance(value, dict):
            heard |= {name: value["value"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
        else:
            heard[name] = value
    for kind, scores in row.by_kind.items():
        if scores is not None:
            yield {"site": row.site, "name": row.name, "kind": kind, **scores.to_json(), **heard}


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows as Parquet: text, whole numbers for `n_` and `dead_features`, float64 for the rest."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    schema = pa.schema([(name, _type_of(name, rows)) for name in names])
    return write_parquet(path, pa.Table.from_pylist([dict(row) for row in rows], schema))


def _type_of(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.DataType:
    if any(isinstance(row.get(name), str) for row in rows):
        return pa.string()
    return pa.int64() if name.startswith("n_") or name in ("dead_features", "k") else pa.float64()


def _densities(rows: Sequence[ScoreRow]) -> pa.Table:
    columns: dict[str, list[Any]] = {"site": [], "name": [], "kind": [], "feature": [], "feature_density": []}
    for row in rows:
        for kind, scores in row.by_kind.items():
            n = 0 if scores is None else scores.n_features
            columns["site"] += [row.site] * n
            columns["name"] += [row.name] * n
            columns["kind"] += [kind] * n
            columns["feature"] += range(n)
            columns["feature_density"] += [] if scores is None else scores.feature_density.tolist()
    types = [pa.string(), pa.string(), pa.string(), pa.int32(), pa.float64()]
    return pa.table({name: pa.array(column, kind) for (name, column), kind in zip(columns.items(), types, strict=True)})
