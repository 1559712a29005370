"""`otoscope steer`: what is transcribed when vectors are added, and features and heads scaled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.layout import count
from otoscope.cli import options
from otoscope.cli.job import Job, Result
from otoscope.cli.sources import DEMO, gather, note_label_problems, note_sounds, survey
from otoscope.cli.steer_changes import ADD_FORMS, Asked, strengths_of, where_of
from otoscope.cli.steer_tables import heads_summary, phones_summary, sounds_summary, sweep_summary

if TYPE_CHECKING:
    from otoscope.corpus import Corpus
    from otoscope.model.whisper import Whisper
    from otoscope.study.steer.phone_trials import Fits
    from otoscope.study.steer.steering import Change


JOB_OPTIONS = ("model", "device", "dtype", "out", "json", "overwrite", "quiet", "dry_run")


class Preset(StrEnum):
    """Experiments that are ready made."""

    HALLUCINATIONS = "hallucinations"
    HEADS = "heads"
    PHONES = "phones"


SiteOption = Annotated[
    str | None, typer.Option(metavar="SITE", help="Where --add adds a mean or a file that names no site.")
]
ScaleOption = Annotated[
    list[str] | None,
    typer.Option(metavar="SITE:INDEX=FACTOR", help="Multiply a feature's strength: 0 removes it; repeat it."),
]
HeadOption = Annotated[
    list[str] | None,
    typer.Option(metavar="HEAD=FACTOR", help="Multiply a head: decoder.0.cross_attn.2=0 removes it; repeat it."),
]
BasisOption = Annotated[
    str, typer.Option(metavar="neuron|random|sae:DIR", help="The basis of the features in SITE:INDEX.")
]
KindsOption = Annotated[
    list[str] | None,
    typer.Option(metavar="speech|silence|padding", help="Steer frames of this kind alone; repeat it."),
]
PresetOption = Annotated[
    Preset | None,
    typer.Option(
        help="hallucinations: the changes over silence, noise and music. heads: remove each head of the decoder "
        "there. phones: turn words into others by one phone."
    ),
]


def steer(
    corpus: options.Corpus,
    site: SiteOption = None,
    add: Annotated[list[str] | None, typer.Option(metavar="VECTOR", help=f"Add {ADD_FORMS}; repeat it.")] = None,
    scale: ScaleOption = None,
    head: HeadOption = None,
    basis: BasisOption = "neuron",
    strength: Annotated[
        str, typer.Option(metavar="S,S,...", help="Multiply vectors by each of these; factors go so far from 1.")
    ] = "1",
    frames: Annotated[
        str | None, typer.Option(metavar="FIRST-LAST", help="Steer these frames (20 ms) of each recording alone.")
    ] = None,
    kinds: KindsOption = None,
    phone: Annotated[
        list[str] | None, typer.Option(metavar="PHONE", help="Steer frames labelled with this phone alone; repeat it.")
    ] = None,
    word: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="Steer frames of this labelled word alone; repeat it.")
    ] = None,
    lag: Annotated[
        int | None, typer.Option(metavar="FRAMES", help="Frames by which the encoder answers late; found by default.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Take means from this harvest instead of finding them now.")
    ] = None,
    means: Annotated[
        str | None, typer.Option(metavar="CORPUS", help="Find means in this corpus; by default the one steered.")
    ] = None,
    draws: Annotated[int, typer.Option(metavar="N", help="Random changes as large, for comparison; 0 for none.")] = 1,
    redetect: Annotated[
        bool, typer.Option("--redetect", help="Let the steered model find the language anew in each recording.")
    ] = False,
    preset: PresetOption = None,
    sounds: Annotated[
        int, typer.Option(metavar="N", help="Sounds without speech of each kind, for the first two presets.")
    ] = 24,
    sound_s: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Their length; half the model's window by default.")
    ] = None,
    pairs: Annotated[
        int | None, typer.Option(metavar="N", help="With --preset phones: so many words at most; all by default.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Try a vector or a dictionary of another site or model.")
    ] = False,
    clips: options.Clips = None,
    language: options.Language = None,
    seed: options.Seed = 0,
    dry_run: options.DryRun = False,
    model: options.Model = "demo",
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    out: options.Out = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Transcribe a corpus with vectors added, and features and heads scaled, beside as much at random.

    --out gets steer.json and steer.png; with --preset steer_sounds, head_ablation or steer_phones, .json and .png.
    """
    settings = {name: value for name, value in locals().items() if name not in JOB_OPTIONS}
    settings["preset"] = None if preset is None else preset.value
    settings["run"] = None if run is None else str(run)
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    _check(settings)
    recordings = gather([corpus], clips)
    found = survey(recordings, job.console)
    note_label_problems(recordings, job.console)
    whisper = job.load()
    work = _PLANS[settings["preset"]](job, whisper, recordings, settings)
    job.console.note(f"{work.what}: {found.plan}, with {whisper.id}")
    if not dry_run:
        with job.console.progress("Steering", total=1) as advance:
            result = work.run(lambda done, of: advance(done / of if of else 0))
        job.deliver(result, whisper, settings, recordings.problems, text=work.tell(result))
    job.console.finish(recordings.problems, len(recordings))


@dataclass(frozen=True)
class _Work:
    """What is to be done, and how it is told."""

    what: str
    run: Callable[[Callable[[int, int], None]], Result]
    tell: Callable[[Any], str]


def _sweep(job: Job, whisper: Whisper, recordings: Corpus, settings: dict[str, Any]) -> _Work:
    from otoscope.study.steer.experiment import steer as measure

    asked, changes = _changes(job, whisper, recordings, settings)
    where = where_of(settings["frames"], settings["kinds"], settings["phone"], settings["word"], asked.lag)
    strengths = strengths_of(settings["strength"])
    own = {name: settings[name] for name in ("draws", "language", "redetect", "seed")}
    return _Work(
        f"Steering ({'; '.join(change.name for change in changes)})",
        lambda told: measure(whisper, recordings, changes, strengths, where=where, progress=told, **own),
        sweep_summary,
    )


def _sounds(job: Job, whisper: Whisper, recordings: Corpus, settings: dict[str, Any]) -> _Work:
    from otoscope.study.steer.sounds import steer_sounds

    _, changes = _changes(job, whisper, recordings, settings)
    strengths = strengths_of(settings["strength"])
    own = {name: settings[name] for name in ("draws", "language", "seed")}
    own |= {"n_sounds": settings["sounds"], "duration_s": settings["sound_s"]}
    return _Work(
        f"Steering ({'; '.join(change.name for change in changes)}) over {settings['sounds']} sounds of each kind",
        lambda told: steer_sounds(whisper, recordings, changes, strengths, progress=told, **own),
        sounds_summary,
    )


def _heads(job: Job, whisper: Whisper, recordings: Corpus, settings: dict[str, Any]) -> _Work:
    from otoscope.study.steer.head_ablation import ablate_heads, all_heads

    own = {"n_sounds": settings["sounds"], "duration_s": settings["sound_s"]}
    own |= {name: settings[name] for name in ("language", "seed")}
    return _Work(
        f"Removing each of {count(len(all_heads(whisper)), 'head')} over {settings['sounds']} sounds of each kind",
        lambda told: ablate_heads(whisper, recordings, progress=told, **own),
        heads_summary,
    )


def _phones(job: Job, whisper: Whisper, recordings: Corpus, settings: dict[str, Any]) -> _Work:
    from otoscope.harvest.activity import check_sites
    from otoscope.study.steer.phones import steer_phones

    sites = list(check_sites(whisper, [settings["site"]]))
    strengths = strengths_of(settings["strength"])
    fits = _demo_fits() if settings["corpus"] == DEMO else None
    own = {"n_pairs": settings["pairs"], "language": settings["language"], "seed": settings["seed"]}
    return _Work(
        f"Turning words into others at {count(len(sites), 'site')}",
        lambda told: steer_phones(whisper, recordings, sites, strengths, fits=fits, progress=told, **own),
        phones_summary,
    )


_PLANS = {None: _sweep, "hallucinations": _sounds, "heads": _heads, "phones": _phones}


def _changes(job: Job, whisper: Whisper, recordings: Corpus, settings: dict[str, Any]) -> tuple[Asked, list[Change]]:
    source = recordings if settings["means"] is None else gather([settings["means"]])
    names = ("site", "basis", "run", "lag", "seed", "force")
    asked = Asked(whisper, source, console=job.console, **{name: settings[name] for name in names})
    wanted = (settings[name] or [] for name in ("add", "scale", "head"))
    changes = asked.changes(*wanted)
    if source is not recordings:
        note_sounds(source.sound_notes, job.console)
    return asked, changes


def _check(settings: dict[str, Any]) -> None:
    """Refuse options that do not belong together, before anything is read."""
    preset = settings["preset"]
    has_changes = any(settings[name] for name in ("add", "scale", "head"))
    if preset in (None, "hallucinations") and not has_changes:
        raise InputError("nothing is to be changed: give --add, --scale or --head, or --preset heads or phones.")
    if preset in ("heads", "phones") and has_changes:
        raise InputError(f"--preset {preset} has changes of its own: leave out --add, --scale and --head.")
    if preset is not None and any(settings[name] is not None for name in ("frames", "kinds", "phone", "word")):
        raise InputError("presets choose their frames: leave out --frames, --kinds, --phone and --word.")
    if preset == "phones" and settings["site"] is None:
        raise InputError("--preset phones needs sites: give --site, such as --site 'encoder.blocks.*'.")
    strengths_of(settings["strength"])


def _demo_fits() -> Fits:
    """Words of the demo language that can stand for each other are those of one class."""
    from otoscope.demo.lexicon import CLASSES

    classes: dict[str, set[str]] = {}
    for name, entries in CLASSES.items():
        for entry in entries.split(","):
            word = entry.partition(":")[0].strip().lower()
            classes.setdefault(word, set()).add(name)
    return lambda word, target: bool(classes.get(word, set()) & classes.get(target, set()))
