"""The parts that ask what features hear: dictionaries, the harvest, phones, examples to hear, scores."""

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
from otoscope.study.dictionaries.scores import score_dictionaries
from otoscope.study.dictionaries.settings import (
    DEFAULT_FRAMES,
    MOST_PASSES,
    CoderChoice,
    ScoreSettings,
    fitting_batch,
)
from otoscope.study.dictionaries.sources import Source, corpus_source
from otoscope.study.dictionaries.train import tasks_of, train_dictionaries
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
"""What tables call it: relative to the study, which may be moved, and names no folder of the machine."""


def dictionaries(context: Context, out: Path) -> None:
    """A sparse dictionary of every block; a training that was stopped goes on."""
    source, tasks, training = training_of(context)
    train_dictionaries(
        source,
        tasks,
        training,
        out,
        device=context.model.device,
        progress=lambda done, of, rows: context.tell("dictionaries", done, of),
    )


def training_of(context: Context) -> tuple[Source, list[Task], TrainSettings]:
    """Settle what the dictionaries of a study are trained on, what they are, and how."""
    settings = context.settings.dictionaries
    reader = _reader(context, settings.sites)
    source = corpus_source(context.model, _unscored(context), settings.sites, seed=context.seed, reader=reader)
    choice = CoderChoice(settings.coder, settings.expansion, k=settings.k, seed=context.seed)
    n_pass = source.amount.n_frames
    n_frames = min(settings.frames or DEFAULT_FRAMES, max(1, MOST_PASSES * n_pass))
    batch = fitting_batch(n_frames, n_pass)
    return source, tasks_of(source, choice), TrainSettings(n_frames, batch, checkpoint_s=60.0)


def _unscored(context: Context) -> Corpus:
    """Choose what dictionaries are trained on: what is harvested, but for the clips that they are scored on.

    Where less than half of the sound would be left, such as of two long recordings, all of it is taken.
    """
    chosen = context.hours(context.settings.harvest.hours)
    halves = Halves(context.stretches(context.settings.scores.clips))
    scored = {origin(source)[0] for source in halves.scored_sources()}
    kept = [source for source in chosen.sources if source.id not in scored]
    left_s, all_s = (sum(context.lengths_s[one.id] for one in sources) for sources in (kept, chosen.sources))
    if halves.split_by == "nothing" or left_s < all_s / 2:
        return chosen
    return replace(chosen, name=f"{chosen.name}, but for what is scored", sources=kept)


def harvest(context: Context, out: Path) -> None:
    """What drives every feature; a harvest that was stopped goes on."""
    settings = context.settings.harvest
    own = (OWN_BASIS,) if (context.folder / DICTIONARIES / MANIFEST).is_file() else ()
    bases = tuple(one for basis in settings.bases for one in (own if basis == OWN else (basis,)))
    gather(
        context.model,
        context.hours(settings.hours),
        harvest_settings(context.settings, bases, context.folder),
        out,
        reader=_reader(context, settings.sites, "untrained" in bases),
        progress=lambda what, done, of: context.tell("harvest", done, of),
    )


def harvest_settings(settings: StudySettings, bases: Sequence[str], root: Path | None = None) -> HarvestSettings:
    """Put together what the harvest of a study is asked for."""
    asked = settings.harvest
    return HarvestSettings(
        sites=asked.sites,
        bases=tuple(bases),
        top=asked.top,
        samples=asked.samples,
        ranges=asked.ranges,
        seed=settings.study.seed,
        root=None if root is None else str(root),
    )


def phone_settings(settings: StudySettings) -> PhoneSettings:
    """Put together when a feature of a study detects a phone."""
    asked = settings.phones
    return PhoneSettings(auroc=asked.auroc, purity=asked.purity, label_agreement=asked.label_agreement)


def phones(context: Context, out: Path) -> None:
    """Which phone each feature detects, beside its baselines."""
    run = _run(context)
    if not run.phones:
        raise NotHereError("the corpus has no phones in time")
    score_phones(run, settings=phone_settings(context.settings)).save(out)


def traces(context: Context, out: Path) -> None:
    """Strength over time around every example that pages show."""
    shown, asked = context.settings.examples, context.settings.harvest
    problems = write_traces(
        context.model,
        context.hours(asked.hours),
        _run(context),
        out,
        top=shown.top,
        samples_per_range=shown.samples,
        root=context.folder,
        reader=_reader(context, asked.sites, "untrained" in asked.bases),
        progress=context.progress("traces"),
    )
    context.note(problems)


def sounds(context: Context, out: Path) -> None:
    """The sound and the spectrogram of every clip that pages show a part of."""
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
    """How good the dictionaries are, beside their baselines."""
    folder = context.folder / DICTIONARIES
    if not (folder / MANIFEST).is_file():
        raise NotHereError("it needs the part dictionaries, which is not there")
    settings = context.settings.scores
    entries = []
    for place in dictionaries_in(folder).values():
        dictionary = load_dictionary(place)
        entries.append(Entry(site=site_of(context.model, dictionary), dictionary=dictionary, folder=place))
    order = [site.name for site in context.model.sites()]
    clips = context.stretches(settings.clips)
    if len(clips) < 2:
        raise NotHereError("it takes two clips or more: one half is for the baselines")
    score_dictionaries(
        context.model,
        clips,
        sorted(entries, key=lambda entry: order.index(entry.site)),
        ScoreSettings(
            has_phones=False,  # the part phones looks for them, over the whole corpus
            baseline_frames=settings.baseline_frames,
            language=context.language,
            seed=context.seed,
        ),
        progress=lambda what, done, of: context.tell(f"scores: {what}", done, of),
    ).save(out)


def _reader(context: Context, sites: Sequence[str], has_untrained: bool = False) -> Reads:
    """Read sites, from what the parts share where it is there."""
    model, asked = context.model, context.settings
    own = EncoderReader(model, sites, context.seed if has_untrained else None)
    if model.device.type != "cpu":  # where the encoder is quick, reading files is not worth it
        return own
    shared = {*check_sites(model, asked.dictionaries.sites), *check_sites(model, asked.harvest.sites)}
    seed = context.seed if "untrained" in asked.harvest.bases else None

    def whole() -> Reads:
        return EncoderReader(model, sorted(shared), seed)

    return StoredReader(own, whole, context.folder / ACTIVITY, model.window_samples)


def _run(context: Context) -> HarvestRun:
    folder = context.folder / "harvest"
    if not (folder / MANIFEST).is_file():
        raise NotHereError("it needs the part harvest, which is not there")
    return open_run(folder)
