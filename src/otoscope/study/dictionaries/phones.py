"""How many features of a dictionary detect one phone, beside the neurons, random directions and principal components.

A harvest over the corpus, scored as `otoscope phones` scores it; `docs/phones.md` defines every number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.harvest.bases import DICTIONARY as DICTIONARY_BASIS
from otoscope.harvest.run import run_harvest
from otoscope.harvest.settings import HarvestSettings
from otoscope.model.whisper import Whisper
from otoscope.study.dictionaries.results import DICTIONARY, NEURONS, PCA, RANDOM_DECODER
from otoscope.study.estimates import newcombe_interval
from otoscope.study.phones.experiment import PhoneStudy, phones

RANDOM_DIRECTIONS = "random directions"
PLAIN = {"neuron": NEURONS, "pca": PCA, "random": RANDOM_DIRECTIONS}


class UnjudgedError(InputError):
    """The corpus has too few labels to say what any feature detects."""


@dataclass(frozen=True)
class PhoneRows:
    """What the features of one site detect."""

    # for each basis `name`, `n_features`, `n` that detect one phone, `share` with `low` and `high`, `n_shuffled` that
    # do with shuffled labels, and `median_auroc`; None for what cannot be judged
    rows: tuple[Mapping[str, Any], ...]
    claims: tuple[str, ...]  # whether the dictionary beats its baselines, in words


def phone_scores(
    model: Whisper,
    corpus: Corpus,
    folders: Mapping[str, Mapping[str, Path]],
    out: Path,
    *,
    seed: int = 0,
    force: bool = False,
    progress: Callable[[str, int, int], None] = lambda what, done, n: None,
) -> dict[str, PhoneRows]:
    """Harvest a corpus in the directions of dictionaries and plain bases, and score their features."""
    names = {f"{DICTIONARY_BASIS}{folder}": name for named in folders.values() for name, folder in named.items()}
    settings = HarvestSettings(sites=tuple(folders), bases=(*PLAIN, *names), seed=seed, force=force)
    run = run_harvest(model, corpus, settings, out, progress=progress)
    try:
        study = phones(run)
    except InputError as error:
        raise UnjudgedError(str(error)) from error
    return {site: _of_site(study, site, {**PLAIN, **names}) for site in folders}


def _of_site(study: PhoneStudy, site: str, names: Mapping[str, str]) -> PhoneRows:
    rows = {
        names[row["basis"]]: _row(row, names[row["basis"]]) for row in study.to_json()["sites"] if row["site"] == site
    }
    claims = [
        claim.replace(basis, names[basis])
        for claim in study.claims
        for basis in names
        if names[basis] == DICTIONARY and claim.startswith(f"{site}, {basis}:")
    ]
    if DICTIONARY in rows and RANDOM_DECODER in rows:
        claims += _beside_random_decoder(rows[DICTIONARY], rows[RANDOM_DECODER])
    order = (DICTIONARY, RANDOM_DECODER, *PLAIN.values())
    return PhoneRows(tuple(sorted(rows.values(), key=lambda row: order.index(row["name"]))), tuple(claims))


def _beside_random_decoder(dictionary: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Say how far a dictionary is from its nearest baseline; nothing where one of them cannot be judged."""
    if dictionary["n"] is None or other["n"] is None:
        return []
    more = newcombe_interval(dictionary["n"], dictionary["n_features"], other["n"], other["n_features"])
    if more is None or more.low is None or more.high is None:
        return []
    points, low, high = (100 * bound for bound in (more.value, more.low, more.high))
    verb = "beats" if low > 0 else "does NOT beat"
    return [
        f"It {verb} the random decoder with a trained encoder: {other['share']:.1%}, {points:+.1f} points "
        f"({low:+.1f} to {high:+.1f})."
    ]


def _row(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {
        "name": name,
        "n_features": row["n_features"],
        "n": row["n_both"],
        "share": row["share_both"],
        "low": row["low_both"],
        "high": row["high_both"],
        "n_shuffled": row["n_both_shuffled"],
        "median_auroc": row["median_auroc"],
    }
