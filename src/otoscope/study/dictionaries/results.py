"""What the scores of dictionaries are: a row for each dictionary and baseline at a site, and how they are written down.

Knows numbers, not models or clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from otoscope.base import html
from otoscope.base.files import atomic_path, write_json
from otoscope.base.numbers import finite, rounded
from otoscope.sae.centre import Massive
from otoscope.study import pictures
from otoscope.study.dictionaries import picture as dictionary_picture
from otoscope.study.dictionaries.measure import ByKind
from otoscope.study.dictionaries.transcripts import Hearing, ce_scores
from otoscope.study.dictionaries.undertrained import is_undertrained
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich

DICTIONARY, SECOND, RANDOM_DECODER = "dictionary", "second", "random decoder"
NEURONS, PCA, MEAN, ZERO = "neurons", "pca", "mean ablation", "zero ablation"


@dataclass(frozen=True, eq=False)
class Row:
    """One dictionary or baseline at one site.

    Attributes:
        site: The site.
        name: `dictionary`, or which baseline.
        what: What it is, in words.
        n_features: Its features.
        by_kind: Its scores by kind of frame.
        heard: What the transcripts say: CE and its parts, WER, CER; empty where nothing was transcribed.
    """

    site: str
    name: str
    what: str
    n_features: int
    by_kind: ByKind
    heard: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Give the row."""
        scores = {kind: None if found is None else found.to_json() for kind, found in self.by_kind.items()}
        return {
            "name": self.name,
            "what": self.what,
            "n_features": self.n_features,
            "scores": {kind: None if found is None else rounded(found) for kind, found in scores.items()},
            **self.heard,
        }


@dataclass(frozen=True)
class Stability:
    """How many features have a partner in a dictionary that was trained from another seed.

    Attributes:
        share: Features whose best cosine reaches `least`.
        mean: Of the best cosines.
        least: The cosine from which on a feature is a partner.
        n_features: Features compared: those that are active in some scored frame.
        n_dead: Features left out because they are not.
        n_second: The same of the second dictionary: active features.
        random_share: The share for random directions, as many, against the second dictionary.
        random_mean: Their mean.
    """

    share: float
    mean: float
    least: float
    n_features: int
    n_dead: int
    n_second: int
    random_share: float
    random_mean: float


@dataclass(frozen=True, eq=False)
class SiteScores:
    """The dictionary of one site and its baselines.

    Attributes:
        site: The site.
        about: What the dictionary is: folder, architecture, sizes.
        k: Features that the baselines may use at a time: the dictionary's L0.
        rows: The dictionary first.
        stability: Against a second dictionary, where one was given.
        massive: Dimensions of the site with massive activations, over all frames of the fitted clips.
        phones: For each basis how many features detect one phone, with the interval of the share; None where that
            was not looked for.
        claims: What `otoscope phones` says of the site.
    """

    site: str
    about: Mapping[str, Any]
    k: int
    rows: tuple[Row, ...]
    massive: tuple[Massive, ...] = ()
    stability: Stability | None = None
    phones: tuple[Mapping[str, Any], ...] | None = None
    claims: tuple[str, ...] = ()

    def row(self, name: str) -> Row:
        """Give a row by its name."""
        return next(row for row in self.rows if row.name == name)

    @property
    def is_undertrained(self) -> bool:
        """Whether the dictionary explains less of what it was scored on than as many principal components do."""
        explained = {name: _explained(self.row(name)) for name in (DICTIONARY, PCA)}
        return is_undertrained(explained[DICTIONARY], explained[PCA])

    def to_json(self) -> dict[str, Any]:
        """Give the site's table."""
        return {
            "site": self.site,
            "dictionary": dict(self.about),
            "k": self.k,
            "is_undertrained": self.is_undertrained,
            "massive_activations": [rounded(one._asdict()) for one in self.massive],
            "rows": [row.to_json() for row in self.rows],
            "stability": None if self.stability is None else rounded(vars(self.stability)),
            "phones": None if self.phones is None else [dict(row) for row in self.phones],
            "claims": list(self.claims),
        }


@dataclass(frozen=True, eq=False, repr=False)
class DictionaryScores(Rich):
    """Dictionaries beside their baselines, all on the same clips.

    Attributes:
        model: The model's id.
        corpus: What the corpus was asked for as.
        settings: What was asked for.
        n_fitted: Clips that baselines were fitted to.
        n_scored: Clips that all were scored on.
        split_by: What the halves are halves of.
        sites: Each site's table.
        hearing: What was transcribed; None where nothing was.
        notes: What a reader of the numbers must know.
    """

    model: str
    corpus: str
    settings: Mapping[str, Any]
    n_fitted: int
    n_scored: int
    split_by: str
    sites: tuple[SiteScores, ...]
    hearing: Hearing | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give all tables, without the transcripts and the density of single features."""
        return {
            "model": self.model,
            "corpus": self.corpus,
            "settings": dict(self.settings),
            "n_clips_fitted": self.n_fitted,
            "n_clips_scored": self.n_scored,
            "split_by": self.split_by,
            "intervals": "95%: bootstrap over clips for error rates, Wilson for shares of features",
            "notes": list(self.notes),
            "clean": clean_row(self.hearing),
            "sites": [site.to_json() for site in self.sites],
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write the tables and the picture.

        Args:
            folder: Where to; made when missing.

        Returns:
            `scores.json`, `scores.parquet` (a row for each site, thing and kind of frame), `density.parquet` (for each
            feature of each), `transcripts.json` where there are any, and `scores.png`.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        rows = [row for site in self.sites for row in site.rows]
        written = [
            write_json(where / "scores.json", self.to_json()),
            write_table(where / "scores.parquet", [flat for row in rows for flat in flat_rows(row)]),
            _write(where / "density.parquet", _densities(rows)),
        ]
        if self.hearing is not None:
            written.append(write_json(where / "transcripts.json", transcripts(self.hearing)))
        return written + drawn(self.plot, where / "scores.png")

    def plot(self, path: str | Path) -> Path:
        """Draw explained variance, WER and, where phones were looked for, the share of one-phone features by site.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        return pictures.save_figure(dictionary_picture.score_figure(self), path)

    def _shown(self) -> html.Shown:
        rows = []
        for site in self.sites:
            for row in site.rows:
                found = row.by_kind["speech"] or row.by_kind["all"]
                explained = None if found is None else html.share(found.explained_variance)
                rows.append((site.site, row.name, row.n_features, explained, None if found is None else found.l0,
                             html.share(row.heard.get("wer"))))  # fmt: skip
        clean = clean_row(self.hearing) or {}
        return html.Shown(
            f"Dictionaries beside baselines: {self.model}",
            [
                ("scored on", f"{pictures.count(self.n_scored, 'clip')} of {self.corpus}"),
                ("WER with nothing in place", html.share(clean.get("wer"))),
            ],
            [html.ShownTable(("site", "", "features", "explained variance", "L0", "WER"), rows, "In speech frames")],
        )


def clean_row(hearing: Hearing | None) -> dict[str, Any] | None:
    """Give what was heard with nothing in place."""
    if hearing is None:
        return None
    targets = {what: hearing.targets.count(what) for what in dict.fromkeys(hearing.targets)}
    return {
        "ce_loss_without_sae": finite(hearing.clean.ce_loss),
        "n_tokens": sum(hearing.clean.n_tokens),
        "ce_loss_of": targets,
        "n_clips_with_reference": sum(said is not None for said in hearing.references),
        **hearing.rates(hearing.clean),
    }


def heard_row(hearing: Hearing, site: str, name: str) -> dict[str, Any]:
    """Give what was heard with one thing in place at a site, beside what was heard without and with the ablations."""
    heard = hearing.by_name[site, name]
    mean, zero = hearing.by_name[site, MEAN], hearing.by_name[site, ZERO]
    return {**ce_scores(hearing.clean, heard, mean, zero), **hearing.rates(heard), "n_cut": heard.n_cut}


def transcripts(hearing: Hearing) -> list[dict[str, Any]]:
    """Give for each clip what was said, what was heard with each thing in place of each site, and what was stopped."""
    rows = []
    for number, (clip_id, said) in enumerate(zip(hearing.clip_ids, hearing.references, strict=True)):
        row: dict[str, Any] = {"clip": clip_id, "reference": said, "clean": hearing.clean.texts[number]}
        for (site, name), heard in hearing.by_name.items():
            row.setdefault(site, {})[name] = heard.texts[number]
        row["stopped"] = [[site, name] for (site, name), heard in hearing.by_name.items() if heard.is_cut[number]]
        rows.append(row)
    return rows


def flat_rows(row: Row) -> Iterator[dict[str, Any]]:
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
    """Write rows as Parquet: text, whole numbers for `n_` and `dead_features`, float64 for the rest.

    Raises:
        OutputError: The file cannot be written.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    schema = pa.schema([(name, _type_of(name, rows)) for name in names])
    return _write(path, pa.Table.from_pylist([dict(row) for row in rows], schema))


def _type_of(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.DataType:
    if any(isinstance(row.get(name), str) for row in rows):
        return pa.string()
    return pa.int64() if name.startswith("n_") or name in ("dead_features", "k") else pa.float64()


def _densities(rows: Sequence[Row]) -> pa.Table:
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


def _write(path: Path, table: pa.Table) -> Path:
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return path


def _explained(row: Row) -> float | None:
    """The share of variance that is explained of speech, or of all frames where there is none."""
    found = row.by_kind["speech"] or row.by_kind["all"]
    return None if found is None else found.explained_variance
