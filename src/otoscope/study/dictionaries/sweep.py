"""How much is explained, and how much misheard, at each sparsity? Dictionaries of one site, trained in one pass.

The dictionaries are trained side by side on the same batches, so that they differ in their coder and sparsity alone;
then they are scored together, beside principal components and neurons at the same L0. Training goes on where it was
stopped; scoring starts anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.harvest.activation_reader import ShardReader
from otoscope.harvest.feed_shards import ShardFeed
from otoscope.model.whisper import Whisper
from otoscope.sae.coder_settings import WITH_WEIGHT, CoderSettings
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.scores import Reconstructs, ScoreSums
from otoscope.sae.training import Task, train
from otoscope.sae.training_settings import TrainSettings
from otoscope.study.dictionaries.baselines import CHUNK_FRAMES, Fit, fit, fit_frames
from otoscope.study.dictionaries.entries import replaced_kinds
from otoscope.study.dictionaries.frontier import DictionarySweep, SweepPoint
from otoscope.study.dictionaries.measure import ByKind, Halves, add, finished, measure
from otoscope.study.dictionaries.notes import cut_notes, replaced_note, untrained_note
from otoscope.study.dictionaries.results import (
    MEAN,
    NEURONS,
    PCA,
    ZERO,
    ScoreRow,
    heard_row,
)
from otoscope.study.dictionaries.settings import SweepSettings
from otoscope.study.dictionaries.sources import Source
from otoscope.study.dictionaries.train import task_of
from otoscope.study.dictionaries.transcripts import Hearing, Replacing, hear

SHARD_FRAMES = 50_000
"""Frames of saved activations that are scored, and as many that baselines are fitted to."""
FIT_FRAMES = 20_000

Progress = Callable[[str, int, int], None]


def sweep_tasks(source: Source, settings: SweepSettings) -> list[Task]:
    """Settle the dictionaries of a sweep."""
    (site, d_in), *others = source.widths.items()
    if others:
        raise InputError(f"a sweep is of one site, and {1 + len(others)} are named. Name one, such as {site!r}.")
    return [task_of(source, name, site, coder) for name, coder in settings.points(d_in).items()]


def sweep(
    source: Source,
    settings: SweepSettings,
    training: TrainSettings,
    out: str | Path,
    *,
    test: Corpus | None = None,
    model: Whisper | None = None,
    device: str | torch.device = "cpu",
    overwrite: bool = False,
    progress: Progress = lambda what, done, n: None,
) -> DictionarySweep:
    """Train dictionaries of one site at many sparsities, and score them.

    `source`: where vectors come from, at one site.
    `test`: what to score on; None for the corpus that was trained on, or for saved activations as they are.
    `model`: hears the test; None for the source's own.
    Returns the frontier; its `save` writes beside the dictionaries.
    """
    site = next(iter(source.widths))
    model, corpus = model or source.model, test or source.corpus
    made_by: Mapping[str, Any] = source.about["model"]
    if corpus is not None and model is None:
        raise InputError("transcripts need a model, and none was given. Give one, or no test corpus.")
    if model is not None and made_by.get("weights_hash") not in (None, model.weights_hash):
        raise InputError(
            f"the activations in {source.name!r} are of {made_by.get('id')!r} with weights {made_by['weights_hash']}, "
            f"and the test is for {model.id!r} with weights {model.weights_hash}. Give the same model with --model."
        )
    tasks = sweep_tasks(source, settings)
    trained = train(
        source.feed,
        tasks,
        Path(out),
        training,
        about=source.about,
        device=device,
        overwrite=overwrite,
        progress=lambda done, n, _: progress("training", done, n),
    )
    dictionaries = {task.name: (task.coder, trained.dictionaries[task.name]) for task in tasks}
    kinds = frozenset(Kind[name.upper()] for name in source.about["kinds"])
    if model is not None and corpus is not None:
        result = score_sweep(
            model, corpus, site, dictionaries, settings, kinds=kinds, trained_on=source.name, progress=progress
        )
        if test is None:
            note = f"The dictionaries were trained on {corpus.name}, all of it."
            result = replace(result, notes=(*result.notes, note))
        return result
    assert isinstance(source.feed, ShardFeed), "a source without a model reads saved activations"
    return score_sweep_on_shards(
        source.feed.reader, site, dictionaries, settings, model_id=str(made_by.get("id", "unknown"))
    )


def score_sweep(
    model: Whisper,
    clips: Corpus,
    site: str,
    dictionaries: Mapping[str, tuple[CoderSettings, Dictionary]],
    settings: SweepSettings,
    *,
    kinds: frozenset[Kind] = frozenset({Kind.SPEECH}),
    trained_on: str = "",
    progress: Progress = lambda what, done, n: None,
) -> DictionarySweep:
    """Score the dictionaries of a sweep on clips."""
    halves = Halves(clips)
    replaced = replaced_kinds(settings.replaced, kinds)
    fitted = fit(
        model,
        halves.fitted(settings.seed),
        [site],
        kinds=kinds,
        replaced=replaced,
        pool_frames=FIT_FRAMES,
        progress=lambda done: progress("fitting baselines", done, halves.n_fitted),
    )[site]
    things = _things(dictionaries, fitted)
    placed = {
        (site, name): (site, thing.to(model.device) if isinstance(thing, Dictionary) else thing)
        for name, thing in things.items()
    }
    scores = measure(model, halves.scored(), placed, progress=lambda done: progress("scoring", done, halves.n_scored))
    hearing = None
    if settings.has_transcripts:
        hearing = hear(
            model,
            halves.scored(),
            {key: (site, Replacing(thing, replaced)) for key, (_, thing) in placed.items()},
            language=settings.language,
            progress=lambda done: progress("transcribing", done, halves.n_scored),
        )
    notes = [
        f"Baselines are fitted to {halves.n_fitted} clips of {clips.name}, and everything is scored on the other "
        f"{halves.n_scored}."
        if halves.split_by != "nothing"
        else "Baselines are fitted to the clip that all is scored on.",
    ]
    if hearing is not None:
        notes.append(replaced_note([replaced]))
        notes += cut_notes(hearing)
    if hearing is not None and replaced - kinds:
        notes.append(untrained_note(kinds))
    by_name = {name: scores[site, name] for name in things}
    return _sweep(site, model.name, trained_on, clips.name, dictionaries, by_name, hearing, settings, notes)


def score_sweep_on_shards(
    reader: ShardReader,
    site: str,
    dictionaries: Mapping[str, tuple[CoderSettings, Dictionary]],
    settings: SweepSettings,
    *,
    model_id: str = "",
) -> DictionarySweep:
    """Score the dictionaries of a sweep on saved activations: no transcripts, and frames that were trained on."""
    rows = _some_rows(reader, site, settings.seed)
    values, _ = next(rows)
    fitted = fit_frames(values)
    things = _things(dictionaries, fitted)
    sums = {name: [ScoreSums(values.shape[1], thing.n_features) for _ in Kind] for name, thing in things.items()}
    x, kinds = next(rows)
    for first in range(0, len(x), CHUNK_FRAMES):
        chunk = slice(first, first + CHUNK_FRAMES)
        for name, thing in things.items():
            add(sums[name], x[chunk], kinds[chunk], thing)
    notes = [
        f"Scored on {len(x):,} frames that were trained on, too, and without transcripts: give --test CORPUS for both. "
        f"Baselines are fitted to {len(values):,} others."
    ]
    by_name = {name: finished(by_kind) for name, by_kind in sums.items()}
    return _sweep(site, model_id, str(reader.folder), str(reader.folder), dictionaries, by_name, None, settings, notes)


def _some_rows(reader: ShardReader, site: str, seed: int) -> Iterator[tuple[torch.Tensor, np.ndarray]]:
    """Give frames in random order twice: half of what there is, or as many as are scored."""
    half = min(SHARD_FRAMES, len(reader) // 2)
    if half < 1:
        raise InputError(f"'{reader.folder}' holds fewer than two frames to score. Harvest more.")
    for rows in reader.batches(half, seed=seed):
        x = torch.as_tensor(np.asarray(rows.values[site], np.float32))
        if not bool(x.isfinite().all()):
            raise InputError(f"'{reader.folder}' holds NaN or infinite values at {site}. Harvest it again.")
        yield x, rows.kind


def _things(dictionaries: Mapping[str, tuple[CoderSettings, Dictionary]], fitted: Fit) -> dict[str, Reconstructs]:
    """Name all that is scored: dictionaries, baselines at each dictionary's L0, ablations."""
    things: dict[str, Reconstructs] = {name: dictionary for name, (_, dictionary) in dictionaries.items()}
    for k in sorted({fitted.active(dictionary) for _, dictionary in dictionaries.values()}):
        if k <= len(fitted.mean):
            things[f"{NEURONS} {k}"] = fitted.neurons(k)
            things[f"{PCA} {k}"] = fitted.components(k)
    return {**things, MEAN: fitted.mean_ablation(), ZERO: fitted.zero_ablation()}


def _sweep(
    site: str,
    model_id: str,
    trained_on: str,
    scored_on: str,
    dictionaries: Mapping[str, tuple[CoderSettings, Dictionary]],
    scores: Mapping[str, ByKind],
    hearing: Hearing | None,
    settings: SweepSettings,
    notes: Sequence[str],
) -> DictionarySweep:
    def row(name: str, shown: str, what: str) -> ScoreRow:
        return ScoreRow(site, shown, what, scores[name], {} if hearing is None else heard_row(hearing, site, name))

    points = []
    for name, (made, dictionary) in dictionaries.items():
        setting = ("sparsity", float(made.sparsity or 0)) if made.coder in WITH_WEIGHT else ("k", float(made.k))
        points.append(SweepPoint(name, made.coder, setting, row(name, name, dictionary.architecture)))
    baselines = {}
    for name in scores:
        kind, _, k = name.rpartition(" ")
        if kind in (NEURONS, PCA) and name not in dictionaries:
            baselines[kind, int(k)] = row(name, kind, f"{k} of {scores[name]['all'].n_features}")  # type: ignore[union-attr]
    return DictionarySweep(
        site=site,
        model=model_id,
        trained_on=trained_on,
        scored_on=scored_on,
        frames_scored="speech frames",
        points=tuple(points),
        baselines=baselines,
        ablations=(row(MEAN, MEAN, "the mean of the replaced frames"), row(ZERO, ZERO, "zeros")),
        hearing=hearing,
        settings=settings,
        notes=tuple(notes),
    )
