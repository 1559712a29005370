"""`otoscope steer`: the transcript when vectors are added, and features and heads scaled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from otoscope.base.errors import InputError
from otoscope.base.layout import count
from otoscope.cli import options
from otoscope.cli.command import command
from otoscope.cli.job import Deliverable, Job
from otoscope.cli.sources import DEMO, gather, note_label_problems, note_sounds, survey
from otoscope.cli.steer_changes import ADD_FORMS, ChangeReader, strengths_of, where_of
from otoscope.study.steer.settings import SteerCommandSettings

if TYPE_CHECKING:
    from otoscope.corpus import Corpus
    from otoscope.model.whisper import Whisper
    from otoscope.study.steer.phone_trials import Fits
    from otoscope.study.steer.steering import Change

Progress = Callable[[int, int], None]
Plan = tuple[str, Callable[[Progress], Deliverable]]
"""A description of the work, and the function that does it."""


_Preset = Annotated[
    Literal["hallucinations", "heads", "phones"] | None,
    typer.Option(
        help="hallucinations: make the changes over silence, noise and music. heads: remove each decoder head in "
        "turn over the same sounds. phones: change one phone of words, to turn them into other words."
    ),
]
_Strength = Annotated[
    str,
    typer.Option(
        metavar="S,S,...", help="Multiply vectors, and the distance of factors from 1, by each of these in turn."
    ),
]


@command(SteerCommandSettings)
def steer(
    corpus: options.Corpus,
    site: Annotated[
        str | None, typer.Option(metavar="SITE", help="The site where --add adds a mean, or a file that names no site.")
    ] = None,
    add: Annotated[
        list[str] | None, typer.Option(metavar="VECTOR", help=f"Add {ADD_FORMS}; repeat for several.")
    ] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SITE:INDEX=FACTOR", help="Multiply a feature's strength: 0 removes it; repeat for several."
        ),
    ] = None,
    head: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HEAD=FACTOR", help="Multiply a head: decoder.0.cross_attn.2=0 removes it; repeat for several."
        ),
    ] = None,
    basis: Annotated[
        str, typer.Option(metavar="neuron|random|sae:DIR", help="The basis of the features in SITE:INDEX.")
    ] = "neuron",
    strength: _Strength = "1",
    frames: Annotated[
        str | None, typer.Option(metavar="FIRST-LAST", help="Steer only these frames (20 ms) of each recording.")
    ] = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option(metavar="speech|silence|padding", help="Steer only frames of this kind; repeat for several."),
    ] = None,
    phone: Annotated[
        list[str] | None,
        typer.Option(metavar="PHONE", help="Steer only frames labelled with this phone; repeat for several."),
    ] = None,
    word: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="Steer only frames of this labelled word; repeat for several."),
    ] = None,
    lag: Annotated[
        int | None,
        typer.Option(metavar="FRAMES", help="Delay of the encoder's response after the sound; estimated by default."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Take means from this harvest instead of computing them.")
    ] = None,
    means: Annotated[
        str | None, typer.Option(metavar="CORPUS", help="Compute means over this corpus; by default over CORPUS.")
    ] = None,
    preset: _Preset = None,
    force: Annotated[
        bool, typer.Option("--force", help="Use a vector or dictionary even if it is for another site or model.")
    ] = False,
    clips: options.Clips = None,
    *,
    settings: SteerCommandSettings,
    job: Job,
) -> None:
    """Transcribe a corpus with vectors added, or features and heads scaled, and compare with random changes.

    --out gets steer.json and steer.png; with --preset steer_sounds, head_ablation or steer_phones, .json and .png.
    """
    given = {name: value for name, value in locals().items() if name not in ("settings", "job")}
    given["run"] = None if run is None else str(run)
    _check(given)
    recordings = gather([corpus], clips)
    usable = survey(recordings, job.console)
    note_label_problems(recordings, job.console)
    model = job.load()
    doing, measure = _PLANS[preset](job, model, recordings, given, settings)
    job.console.note(f"{doing}: {usable.plan}, with {model.id}")
    if not job.dry_run:
        with job.console.progress("Steering", total=1) as advance:
            result = measure(lambda done, n_all: advance(done / n_all if n_all else 0))
        job.deliver(result, model, {**given, **settings.to_json()}, recordings.problems)
    job.console.finish(recordings.problems, len(recordings))


def _sweep(job: Job, model: Whisper, recordings: Corpus, given: dict[str, Any], settings: SteerCommandSettings) -> Plan:
    from otoscope.study.steer.experiment import steer as measure

    reader, changes = _changes(job, model, recordings, given, settings)
    where = where_of(given["frames"], given["kinds"], given["phone"], given["word"], reader.lag)
    strengths = strengths_of(given["strength"])
    return _named(changes), lambda progress: measure(
        model, recordings, changes, strengths, settings=settings, where=where, progress=progress
    )


def _sounds(
    job: Job, model: Whisper, recordings: Corpus, given: dict[str, Any], settings: SteerCommandSettings
) -> Plan:
    from otoscope.study.steer.sounds import steer_sounds

    _, changes = _changes(job, model, recordings, given, settings)
    strengths = strengths_of(given["strength"])
    return f"{_named(changes)} over {settings.n_sounds} sounds of each kind", lambda progress: steer_sounds(
        model, recordings, changes, strengths, settings=settings, progress=progress
    )


def _heads(job: Job, model: Whisper, recordings: Corpus, given: dict[str, Any], settings: SteerCommandSettings) -> Plan:
    from otoscope.study.steer.head_ablation import ablate_heads, all_heads

    doing = f"Removing each of {count(len(all_heads(model)), 'head')} over {settings.n_sounds} sounds of each kind"
    return doing, lambda progress: ablate_heads(model, recordings, settings=settings, progress=progress)


def _phones(
    job: Job, model: Whisper, recordings: Corpus, given: dict[str, Any], settings: SteerCommandSettings
) -> Plan:
    from otoscope.harvest.activity import check_sites
    from otoscope.study.steer.phones import steer_phones

    sites = list(check_sites(model, [given["site"]]))
    strengths = strengths_of(given["strength"])
    fits = _demo_fits() if given["corpus"] == DEMO else None
    return f"Turning words into others at {count(len(sites), 'site')}", lambda progress: steer_phones(
        model, recordings, sites, strengths, settings=settings, fits=fits, progress=progress
    )


_PLANS = {None: _sweep, "hallucinations": _sounds, "heads": _heads, "phones": _phones}


def _named(changes: list[Change]) -> str:
    return f"Steering ({'; '.join(change.name for change in changes)})"


def _changes(
    job: Job, model: Whisper, recordings: Corpus, given: dict[str, Any], settings: SteerCommandSettings
) -> tuple[ChangeReader, list[Change]]:
    source = recordings if given["means"] is None else gather([given["means"]])
    names = ("site", "basis", "run", "lag", "force")
    reader = ChangeReader(model, source, job.console, seed=settings.seed, **{name: given[name] for name in names})
    changes = reader.changes(*(given[name] or [] for name in ("add", "scale", "head")))
    if source is not recordings:
        note_sounds(source.sound_notes, job.console)
    return reader, changes


def _check(given: dict[str, Any]) -> None:
    """Refuse options that do not go together, before anything is read."""
    preset = given["preset"]
    has_changes = any(given[name] for name in ("add", "scale", "head"))
    if preset in (None, "hallucinations") and not has_changes:
        raise InputError("no change was given: give --add, --scale or --head, or --preset heads or phones.")
    if preset in ("heads", "phones") and has_changes:
        raise InputError(f"--preset {preset} has changes of its own: leave out --add, --scale and --head.")
    if preset is not None and any(given[name] is not None for name in ("frames", "kinds", "phone", "word")):
        raise InputError("presets choose their frames: leave out --frames, --kinds, --phone and --word.")
    if preset == "phones" and given["site"] is None:
        raise InputError("--preset phones needs sites: give --site, such as --site 'encoder.blocks.*'.")
    strengths_of(given["strength"])


def _demo_fits() -> Fits:
    """Words of the demo language can replace each other if they are of one class."""
    from otoscope.demo.lexicon import CLASSES

    classes: dict[str, set[str]] = {}
    for name, entries in CLASSES.items():
        for entry in entries.split(","):
            word = entry.partition(":")[0].strip().lower()
            classes.setdefault(word, set()).add(name)
    return lambda word, target: bool(classes.get(word, set()) & classes.get(target, set()))
