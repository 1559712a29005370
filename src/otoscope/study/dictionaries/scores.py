"""How good are dictionaries? Scores of each beside its baselines, fitted to one half of a corpus, scored on the other.

Costs one pass of the encoder over each half; for transcripts another pass and two of the decoder for each dictionary
and each baseline; for phones a harvest. Every number is beside that of a random decoder of the same size with a trained
encoder, of the raw neurons, and of as many principal components as the dictionary has features active at a time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.model.whisper import Whisper
from otoscope.sae.files import save_dictionary
from otoscope.sae.scores import Reconstructs
from otoscope.study.clips import as_corpus
from otoscope.study.dictionaries.baselines import Fit, fit
from otoscope.study.dictionaries.entries import Entry, check_entry, kinds_of, replaced_kinds
from otoscope.study.dictionaries.measure import ByKind, Halves, measure
from otoscope.study.dictionaries.notes import kind_names, notes, row_words, stability_of
from otoscope.study.dictionaries.phones import PhoneRows, UnjudgedError, phone_scores
from otoscope.study.dictionaries.random import random_decoder
from otoscope.study.dictionaries.results import (
    DICTIONARY,
    MEAN,
    NEURONS,
    PCA,
    RANDOM_DECODER,
    SECOND,
    ZERO,
    DictionaryScores,
    ScoreRow,
    SiteScores,
    heard_row,
)
from otoscope.study.dictionaries.settings import ScoreSettings
from otoscope.study.dictionaries.transcripts import Hearing, Replacing, hear

POOL_BYTES = 256_000_000
"""Frames kept for training random decoders, of all sites together."""
SOME_FRAMES = 20_000
"""Frames kept where none is trained: they tell the dictionary's L0."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many clips are, and of how many."""


def score_entries(
    model: Whisper,
    clips: Corpus | Iterable[Clip],
    entries: Sequence[Entry],
    settings: ScoreSettings,
    *,
    out: Path | None = None,
    progress: Progress = lambda what, done, n: None,
) -> DictionaryScores:
    """Score dictionaries of several sites, each beside its baselines."""
    corpus = as_corpus(clips)
    sites = [entry.site for entry in entries]
    if not entries or len(set(sites)) != len(sites):
        raise InputError(f"dictionaries are of the sites {sites}: give one or more, each of another site.")
    for entry in entries:
        check_entry(model, entry, force=settings.force)
    halves = Halves(corpus)
    with ExitStack() as stack:
        home = out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        fits = _fit(model, halves, entries, settings, progress)
        entries = [_with_random_decoder(entry, fits[entry.site], settings, home) for entry in entries]
        ks = {entry.site: fits[entry.site].active(entry.dictionary) for entry in entries}
        things = {
            (entry.site, name): (entry.site, thing)
            for entry in entries
            for name, thing in _things(entry, fits[entry.site], ks[entry.site], model.device).items()
        }
        n = halves.n_scored
        scores = measure(model, halves.scored(), things, progress=lambda done: progress("scoring", done, n))
        hearing = _hear(model, halves, entries, things, settings, progress) if settings.has_transcripts else None
        phones, unjudged = _phones(model, corpus, entries, settings, home, progress)
    tables = [_site(entry, fits, ks, scores, hearing, phones, settings) for entry in entries]
    return DictionaryScores(
        model=model.name,
        corpus=corpus.name,
        settings=settings,
        n_fitted=halves.n_fitted,
        n_scored=halves.n_scored,
        split_by=halves.split_by,
        sites=tuple(tables),
        hearing=hearing,
        notes=tuple(notes(corpus, halves, entries, fits, tables, hearing, settings, unjudged)),
    )


def _fit(
    model: Whisper, halves: Halves, entries: Sequence[Entry], settings: ScoreSettings, progress: Progress
) -> dict[str, Fit]:
    """Fit baselines to the frames that the dictionaries were trained on; dictionaries of one kind share a pass."""
    fits: dict[str, Fit] = {}
    for kinds in dict.fromkeys(kinds_of(entry.dictionary) for entry in entries):
        alike = [entry for entry in entries if kinds_of(entry.dictionary) == kinds]
        is_trained = any(entry.random_decoder is None for entry in alike) and settings.baseline_frames > 0
        most = POOL_BYTES // (4 * sum(entry.dictionary.d_in for entry in alike))
        fits |= fit(
            model,
            halves.fitted(settings.seed),
            [entry.site for entry in alike],
            kinds=kinds,
            replaced=replaced_kinds(settings.replaced, kinds),
            pool_frames=max(1, min(most, settings.baseline_frames if is_trained else SOME_FRAMES)),
            progress=lambda done: progress("fitting baselines", done, halves.n_fitted),
        )
    return fits


def _with_random_decoder(entry: Entry, fitted: Fit, settings: ScoreSettings, home: Path) -> Entry:
    """Train the baseline of a random decoder, where there is none yet."""
    if entry.random_decoder is not None or not settings.baseline_frames:
        return entry
    k = fitted.active(entry.dictionary)
    trained = random_decoder(
        fitted.frames, entry.dictionary, k=k, n_frames=settings.baseline_frames, seed=settings.seed
    )
    folder = home / "random_decoder" / entry.site
    save_dictionary(trained, folder)
    return replace(entry, random_decoder=trained, random_folder=folder)


def _things(entry: Entry, fitted: Fit, k: int, device: torch.device) -> dict[str, Reconstructs]:
    """Name what is scored at a site: the dictionary first."""
    things: dict[str, Reconstructs] = {DICTIONARY: entry.dictionary.to(device)}
    if entry.second is not None:
        things[SECOND] = entry.second.to(device)
    if entry.random_decoder is not None:
        things[RANDOM_DECODER] = entry.random_decoder.to(device)
    ablations: dict[str, Reconstructs] = {MEAN: fitted.mean_ablation(), ZERO: fitted.zero_ablation()}
    return {**things, NEURONS: fitted.neurons(k), PCA: fitted.components(k), **ablations}


def _hear(
    model: Whisper,
    halves: Halves,
    entries: Sequence[Entry],
    things: Mapping[tuple[str, str], tuple[str, Reconstructs]],
    settings: ScoreSettings,
    progress: Progress,
) -> Hearing:
    kinds = {entry.site: replaced_kinds(settings.replaced, kinds_of(entry.dictionary)) for entry in entries}
    edits = {key: (site, Replacing(thing, kinds[site])) for key, (site, thing) in things.items() if key[1] != SECOND}
    return hear(
        model,
        halves.scored(),
        edits,
        language=settings.language,
        progress=lambda done: progress("transcribing", done, halves.n_scored),
    )


def _phones(
    model: Whisper, corpus: Corpus, entries: Sequence[Entry], settings: ScoreSettings, home: Path, progress: Progress
) -> tuple[dict[str, PhoneRows] | None, str | None]:
    """Look for features that detect one phone, or say why that cannot be."""
    if not settings.has_phones:
        return None, None
    if corpus.phone_set is None:
        return None, "the corpus has no phones in time"
    if any(entry.folder is None for entry in entries):
        return None, "a harvest reads a dictionary from its folder, and none is known"
    folders = {
        entry.site: {
            name: folder
            for name, folder in ((DICTIONARY, entry.folder), (RANDOM_DECODER, entry.random_folder))
            if folder is not None
        }
        for entry in entries
    }
    try:
        return phone_scores(
            model, corpus, folders, home / "harvest", seed=settings.seed, force=settings.force, progress=progress
        ), None
    except UnjudgedError as error:
        return None, str(error).rstrip(".")


def _site(
    entry: Entry,
    fits: Mapping[str, Fit],
    ks: Mapping[str, int],
    scores: Mapping[tuple[str, str], ByKind],
    hearing: Hearing | None,
    phones: Mapping[str, PhoneRows] | None,
    settings: ScoreSettings,
) -> SiteScores:
    site = entry.site
    words = row_words(entry, ks[site], fits[site])
    rows = [
        ScoreRow(
            site=site,
            name=name,
            what=words[name],
            by_kind=by_kind,
            heard={} if hearing is None or (site, name) not in hearing.by_name else heard_row(hearing, site, name),
        )
        for (where, name), by_kind in scores.items()
        if where == site
    ]
    phone_rows = None if phones is None else phones[site]
    return SiteScores(
        site=site,
        about={
            "folder": None if entry.folder is None else str(entry.folder),
            "architecture": entry.dictionary.architecture,
            "d_in": entry.dictionary.d_in,
            "n_features": entry.dictionary.n_features,
            "kinds": kind_names(kinds_of(entry.dictionary)),
            "replaced": kind_names(replaced_kinds(settings.replaced, kinds_of(entry.dictionary))),
            "n_steps": entry.dictionary.metadata.get("n_steps"),
        },
        k=ks[site],
        rows=tuple(rows),
        massive=tuple(fits[site].massive),
        stability=None if entry.second is None else stability_of(entry, scores, settings),
        phones=None if phone_rows is None else phone_rows.rows,
        claims=() if phone_rows is None else phone_rows.claims,
    )
