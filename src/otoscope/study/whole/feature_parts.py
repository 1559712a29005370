"""The parts on what features hear: dictionaries, the harvest, phones, examples to hear, scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from otoscope.base.results import MANIFEST
from otoscope.corpus import Corpus
from otoscope.harvest.activity import EncoderReader, Reads, check_sites
from otoscope.harvest.bases import DICTIONARY
from otoscope.harvest.opened import HarvestRun, open_run
from otoscope.harvest.run import run_harvest as gather
from otoscope.harvest.settings import HarvestSettings
from otoscope.harvest.stored import StoredReader
from otoscope.sae.files import dictionaries_in, load_dictionary
from otoscope.sae.training import Task
from otoscope.sae.training_settings import TrainSettings
from otoscope.study.dictionaries.entries import Entry, site_of
from otoscope.study.dictionaries.measure import Halves
from otoscope.study.dictionaries.scores import score_entries
from otoscope.study.dictionaries.settings import (
    DEFAULT_FRAMES,
    MOST_PASSES,
    CoderChoice,
    ScoreSettings,
    fitting_batch,
)
from otoscope.study.dictionaries.sources import Source, corpus_source
from otoscope.study.dictionaries.train import tasks_of, train_on
from otoscope.study.examples.sounds_of_run import write_pieces
from otoscope.study.examples.traces import write_traces
from otoscope.study.phones.experiment import phones as score_phones
from otoscope.study.phones.settings import PhoneSettings
from otoscope.study.whole.context import Context, NotHereError
from otoscope.study.whole.folder import ACTIVITY
from otoscope.study.whole.settings import StudySettings
from otoscope.study.whole.stretches import origin

OWN = "sae"
"""The basis that stands for the study's own dictionaries."""
DICTIONARIES = "dictionaries"
OWN_BASIS = f"{DICTIONARY}{DICTIONARIES}"
"""Its name in tables: relative to the study, which may be moved."""


def dictionaries(context: Context, out: Path) -> None:
    """Train a sparse dictionary of every block; a training that was stopped resumes."""
    source, tasks, training = training_of(context)
    train_on(
        source,
        tasks,
        training,
        out,
        device=context.model.device,
        progress=lambda done, n_all, rows: context.tell("dictionaries", done, n_all),
    )


def training_of(context: Context) -> tuple[Source, list[Task], TrainSettings]:
    """Return what the dictionaries of a study are trained on, which there are, and how they are trained."""
    settings = context.settings.dictionaries
    reader = _reader(context, settings.sites)
    source = corpus_source(context.model, _unscored(context), settings.sites, seed=context.seed, reader=reader)
    choice = CoderChoice(settings.coder, settings.expansion, k=settings.k, seed=context.seed)
    n_pass = source.amount.n_frames
    n_frames = min(settings.frames or DEFAULT_FRAMES, max(1, MOST_PASSES * n_pass))
    batch = fitting_batch(n_frames, n_pass)
    return source, tasks_of(source, choice), TrainSettings(n_frames, batch, checkpoint_s=60.0)


def _unscored(context: Context) -> Corpus:
    """Choose what dictionaries are trained on: what is harvested, except for the clips that they are scored on.

    Where less than half of the sound would be left, such as of two long recordings, all of it is taken.
    """
    chosen = context.hours(context.settings.harvest.hours)
    halves = Halves(context.stretches(context.settings.scores.clips))
    scored = {origin(source)[0] for source in halves.scored_sources()}
    kept = [source for source in chosen.sources if source.id not in scored]
    left_s, all_s = (sum(context.lengths_s[source.id] for source in sources) for sources in (kept, chosen.sources))
    if halves.split_by == "nothing" or left_s < all_s / 2:
        return chosen
    return replace(chosen, name=f"{chosen.name}, but for what is scored", sources=kept)


def harvest(context: Context, out: Path) -> None:
    """Gather what drives every feature; a harvest that was stopped resumes."""
    settings = context.settings.harvest
    own_bases = (OWN_BASIS,) if (context.folder / DICTIONARIES / MANIFEST).is_file() else ()
    bases = tuple(name for basis in settings.bases for name in (own_bases if basis == OWN else (basis,)))
    gather(
        context.model,
        context.hours(settings.hours),
        harvest_settings(context.settings, bases, context.folder),
        out,
        reader=_reader(context, settings.sites, "untrained" in bases),
        progress=lambda what, done, n_all: context.tell(f"harvest: {what}", done, n_all),
    )


def harvest_settings(settings: StudySettings, bases: Sequence[str], root: Path | None = None) -> HarvestSettings:
    """Make the settings of a study's harvest."""
    part = settings.harvest
    return HarvestSettings(
        sites=part.sites,
        bases=tuple(bases),
        top=part.top,
        samples=part.samples,
        ranges=part.ranges,
        seed=settings.study.seed,
        root=None if root is None else str(root),
    )


def phone_settings(settings: StudySettings) -> PhoneSettings:
    """Make the settings by which a feature of a study detects a phone."""
    part = settings.phones
    return PhoneSettings(auroc=part.auroc, purity=part.purity, label_agreement=part.label_agreement)


def phones(context: Context, out: Path) -> None:
    """Score which phone each feature detects, beside its baselines."""
    run = _run(context)
    if not run.phones:
        raise NotHereError("the corpus has no phones in time")
    score_phones(run, settings=phone_settings(context.settings)).save(out)


def traces(context: Context, out: Path) -> None:
    """Write the strength over time around every example that pages show."""
    shown, harvested = context.settings.examples, context.settings.harvest
    problems = write_traces(
        context.model,
        context.hours(harvested.hours),
        _run(context),
        out,
        top=shown.top,
        samples_per_range=shown.samples,
        root=context.folder,
        reader=_reader(context, harvested.sites, "untrained" in harvested.bases),
        progress=context.progress("traces"),
    )
    context.note(problems)


def sounds(context: Context, out: Path) -> None:
    """Write the sound and the spectrogram of every clip that pages show a part of."""
    shown = context.settings.examples
    problems = write_pieces(
        _run(context),
        context.hours(context.settings.harvest.hours),
        out,
        top=shown.top,
        samples_per_range=shown.samples,
        progress=context.progress("sounds"),
    )
    context.note(problems)


def scores(context: Context, out: Path) -> None:
    """Score the dictionaries, beside their baselines."""
    folder = context.folder / DICTIONARIES
    if not (folder / MANIFEST).is_file():
        raise NotHereError("it needs the part dictionaries, which is not there")
    settings = context.settings.scores
    entries = []
    for path in dictionaries_in(folder).values():
        dictionary = load_dictionary(path)
        entries.append(Entry(site=site_of(context.model, dictionary), dictionary=dictionary, folder=path))
    order = [site.name for site in context.model.sites()]
    clips = context.stretches(settings.clips)
    if len(clips) < 2:
        raise NotHereError("it takes two clips or more: one half is for the baselines")
    score_entries(
        context.model,
        clips,
        sorted(entries, key=lambda entry: order.index(entry.site)),
        ScoreSettings(
            has_phones=False,  # the part `phones` scores them, over the whole corpus
            baseline_frames=settings.baseline_frames,
            language=context.language,
            seed=context.seed,
        ),
        progress=lambda what, done, n_all: context.tell(f"scores: {what}", done, n_all),
    ).save(out)


def _reader(context: Context, sites: Sequence[str], has_untrained: bool = False) -> Reads:
    """Return a reader of sites, which takes what other parts stored where there is such."""
    model, settings = context.model, context.settings
    reader = EncoderReader(model, sites, context.seed if has_untrained else None)
    if model.device.type != "cpu":  # where the encoder is fast, reading files is not worth it
        return reader
    shared = {*check_sites(model, settings.dictionaries.sites), *check_sites(model, settings.harvest.sites)}
    seed = context.seed if "untrained" in settings.harvest.bases else None

    def whole() -> Reads:
        return EncoderReader(model, sorted(shared), seed)

    return StoredReader(reader, whole, context.folder / ACTIVITY, model.window_samples)


def _run(context: Context) -> HarvestRun:
    folder = context.folder / "harvest"
    if not (folder / MANIFEST).is_file():
        raise NotHereError("it needs the part harvest, which is not there")
    return open_run(folder)
