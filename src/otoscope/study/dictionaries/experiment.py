"""Dictionaries in Python: train them on a corpus or on saved activations, and score them beside their baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from otoscope.audio.clip import as_clip
from otoscope.base.errors import InputError
from otoscope.base.settings import takes
from otoscope.corpus import Corpus, open_corpus
from otoscope.harvest.opened import HarvestRun
from otoscope.model.load import device_named
from otoscope.model.whisper import Sound, Whisper
from otoscope.sae.dictionary import Dictionary
from otoscope.study.clips import as_corpus
from otoscope.study.dictionaries.entries import Entry, read_by_site, site_of
from otoscope.study.dictionaries.results import DictionaryScores
from otoscope.study.dictionaries.scores import score_entries
from otoscope.study.dictionaries.settings import CoderChoice, ScoreSettings, TrainOptions
from otoscope.study.dictionaries.sources import Source, corpus_source, shards_source, source_of
from otoscope.study.dictionaries.train import DictionaryTraining, tasks_of, train_on

Clips = Corpus | Iterable[Sound] | str | Path
Dictionaries = Dictionary | DictionaryTraining | str | Path


@takes(TrainOptions)
def train_dictionaries(
    model: Whisper | None,
    clips: Clips | HarvestRun,
    sites: str | Iterable[str] = "encoder.blocks.*",
    out: str | Path = "dictionaries",
    *,
    settings: TrainOptions,
    device: str | torch.device | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> DictionaryTraining:
    """Train a sparse autoencoder for every site, all from one pass over the same frames.

    A training that was stopped continues when the same call is made again. A finished one is read from its folder.

    Args:
        model: Any Whisper. It may be None where the activations were saved by a harvest.
        clips: The clips, or a corpus as `open_corpus` takes it; or a harvest that saved activations, or its folder.
        sites: Sites of the encoder, or patterns; each gets its own dictionary.
        out: The training's folder: a folder for each dictionary in SAELens's layout, curves, and a manifest.
        settings: What to train, and on how much.
        device: Where to train; None for the model's device, or for what is there.
        overwrite: Whether another training in the folder may be replaced.
        progress: Called with the number of steps done and the number in all.

    Returns:
        How every dictionary ended, and the curves; `dictionary(site)` reads one.

    Raises:
        InputError: A site or setting cannot be used, there are too few frames for a batch, or the folder holds
            something else.
        TrainingDivergedError: A loss grew without bound.
        OutputError: The folder cannot be written.
    """
    names = [sites] if isinstance(sites, str) else list(sites)
    source = _source(model, clips, names, settings)
    where = device if device is not None else (model.device if model is not None else device_named("auto"))
    return train_on(
        source,
        tasks_of(source, settings.narrowed(CoderChoice)),
        settings.settled(source.amount.n_frames, settings.normalise),
        out,
        device=where,
        overwrite=overwrite,
        progress=None if progress is None else lambda done, n_all, _: progress(done, n_all),
    )


@takes(ScoreSettings)
def score_dictionaries(
    model: Whisper,
    clips: Clips,
    dictionaries: Dictionaries,
    settings: ScoreSettings,
    *,
    site: str | None = None,
    second: Dictionaries | None = None,
    random_decoder: Dictionaries | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> DictionaryScores:
    """Score dictionaries beside their baselines, which are fitted to one half of the clips; the other half is scored.

    The baselines are raw neurons, as many principal components as the dictionary has features active, a dictionary
    with a random decoder, and the mean. Takes one pass of the encoder over each half, and for transcripts another, and
    two of the decoder, for each dictionary and baseline.

    Args:
        model: The model that the dictionaries were trained on.
        clips: The clips, or a corpus as `open_corpus` takes it.
        dictionaries: A dictionary, a training, or the folder of either; one for a site. Phones are scored only for
            those with a folder.
        settings: What of them to score.
        site: Where a single dictionary belongs; None for the site that it names.
        second: Dictionaries of the same sites from another seed, to see which features come again.
        random_decoder: Dictionaries with a random decoder, where they are trained already.
        progress: Called with what is being done, the number of clips done and the number in all.

    Returns:
        A table for every site: variance explained, active features, and error rates of what is transcribed through
        the dictionary.

    Raises:
        InputError: A dictionary does not say where it belongs, does not fit the model, or there is none.
    """
    scored = _by_site(model, dictionaries, site)
    others = {} if second is None else _by_site(model, second, site)
    randoms = {} if random_decoder is None else _by_site(model, random_decoder, site)
    if (others and not scored.keys() & others.keys()) or (randoms and not scored.keys() & randoms.keys()):
        raise InputError(f"the other dictionaries are of none of the sites {', '.join(scored)}, which are scored.")
    entries = [
        Entry(
            site=name,
            dictionary=dictionary,
            folder=folder,
            second=others[name][1] if name in others else None,
            random_decoder=randoms[name][1] if name in randoms else None,
            random_folder=randoms[name][0] if name in randoms else None,
        )
        for name, (folder, dictionary) in scored.items()
    ]
    told = progress if progress is not None else lambda what, done, n: None
    return score_entries(model, _corpus(clips), entries, settings, progress=told)


def _source(model: Whisper | None, clips: Clips | HarvestRun, sites: list[str], settings: TrainOptions) -> Source:
    """Open saved activations, or a corpus that the model hears."""
    saved = source_of(str(clips)) if isinstance(clips, str | Path) else None
    if isinstance(clips, HarvestRun):
        saved = source_of(str(clips.folder))
    if saved is not None:
        return shards_source(saved, sites, kinds=settings.kinds, seed=settings.seed)
    if model is None or isinstance(clips, HarvestRun):
        raise InputError(
            "there are no saved activations to train on: give a model and clips, or a harvest that was made with "
            "save_activations='float16'."
        )
    return corpus_source(model, _corpus(clips), sites, kinds=settings.kinds, seed=settings.seed)


def _corpus(clips: Clips) -> Corpus:
    if isinstance(clips, Corpus):
        return clips
    return open_corpus(clips) if isinstance(clips, str | Path) else as_corpus(map(as_clip, clips))


def _by_site(model: Whisper, dictionaries: Dictionaries, site: str | None) -> dict[str, tuple[Path | None, Dictionary]]:
    """Give dictionaries by their sites, with the folder of each where it is known."""
    if isinstance(dictionaries, Dictionary):
        return {site or site_of(model, dictionaries): (None, dictionaries)}
    folder = dictionaries.folder if isinstance(dictionaries, DictionaryTraining) else Path(dictionaries)
    return dict(read_by_site(model, folder, site))
