"""`otoscope dream`: the log-mel that drives a feature most, and the sound that comes nearest to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.layout import between, count, table
from otoscope.cli import options
from otoscope.cli.job import Job
from otoscope.cli.sources import gather, one, survey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otoscope.model.whisper import Whisper
    from otoscope.study.dream.real import RealMoments
    from otoscope.study.dream.result import Dream
    from otoscope.study.dream.settings import DreamSettings
    from otoscope.study.feature import Feature

NOISE = "noise"
NONE = "none"


FeaturesOption = Annotated[
    list[str],
    typer.Argument(metavar="SITE:INDEX...", help="Features of the encoder, such as encoder.blocks.2.mlp.1:12."),
]
LengthOption = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="How much to dream; 2 s of noise or the whole recording by default."),
]
FramesOption = Annotated[
    str | None,
    typer.Option(
        metavar="FIRST-LAST",
        help="Drive the mean over these frames (20 ms); by default the middle of noise, and of a recording the "
        "frame that drives the feature most.",
    ),
]


def dream(
    features: FeaturesOption,
    basis: Annotated[
        str, typer.Option(metavar="neuron|random|sae:DIR", help="The basis of the features in SITE:INDEX.")
    ] = "neuron",
    start: Annotated[
        str, typer.Option("--from", metavar="noise|AUDIO", help="What to start from: faint noise, or a recording.")
    ] = NOISE,
    window: Annotated[int, typer.Option(metavar="N", help="Which window of a recording longer than one, from 0.")] = 0,
    length: LengthOption = None,
    frames: FramesOption = None,
    steps: Annotated[int, typer.Option(metavar="N", help="Steps of gradient ascent.")] = 100,
    lr: Annotated[float, typer.Option(metavar="RATE", help="How far a step goes, in units of the log-mel.")] = 0.05,
    smooth: Annotated[float, typer.Option(metavar="W", help="Weight of the smoothness over time and bands.")] = 1.0,
    stay: Annotated[float, typer.Option(metavar="W", help="Weight of the distance from the start.")] = 0.0,
    jitter: Annotated[
        int, typer.Option(metavar="N", help="Shift by up to N columns (10 ms), less with each step.")
    ] = 4,
    clamp: Annotated[bool, typer.Option("--clamp/--no-clamp", help="Keep to the range of real log-mels.")] = True,
    sound: Annotated[bool, typer.Option("--sound/--no-sound", help="Make the sound of every dream.")] = True,
    corpus: Annotated[
        str,
        typer.Option(metavar="CORPUS|none", help="Compare with the strongest moment of these recordings."),
    ] = "demo",
    run: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Compare with the strongest peaks of this harvest instead.")
    ] = None,
    clips: options.Clips = None,
    batch_size: Annotated[int, typer.Option(metavar="N", help="Features driven at a time.")] = 8,
    force: Annotated[
        bool, typer.Option("--force", help="Try a dictionary or a harvest of another site or model.")
    ] = False,
    dry_run: options.DryRun = False,
    seed: options.Seed = 0,
    model: options.Model = "demo",
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    out: options.Out = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Find the log-mel that drives features of the encoder most, and a sound for it.

    --out gets dream.json, dream.npz, dream.png and dream.flac; of several features, a picture and a sound of each.
    """
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    asked = dict(locals())
    settings = _settings(asked)
    clip = None if start == NOISE else one(start, job.console)
    real = None if run is not None or corpus == NONE else gather([corpus], clips)
    if real is not None:
        survey(real, job.console)
    whisper = job.load()
    found = _features(whisper, features, basis, seed=seed, force=force)
    _plan(job, found, asked, settings)
    if dry_run:
        return

    from otoscope.study.dream.experiment import dream as make

    with job.console.progress("Dreaming", total=1) as advance:
        result = make(
            whisper,
            found,
            clip,
            settings,
            window=window,
            real=real if run is None else _harvested(whisper, found, run, force=force),
            progress=lambda done, n_all: advance(done / n_all, "Dreaming"),
            listening=lambda done, n_all: advance(done / max(n_all, done), "Listening"),
        )
    failed = [] if real is None else real.problems
    names = [name for name in asked if name not in _NO_SETTINGS]
    job.deliver(result, whisper, {name: asked[name] for name in names}, failed, text=summary(result))
    if real is not None:
        job.console.finish(failed, len(real))


_NO_SETTINGS = {"job", "model", "device", "dtype", "out", "json", "overwrite", "quiet", "dry_run"}


def _settings(asked: dict[str, Any]) -> DreamSettings:
    from otoscope.study.dream.settings import DreamSettings

    return DreamSettings(
        steps=asked["steps"],
        learning_rate=asked["lr"],
        frames=_frames(asked["frames"]),
        length_s=asked["length"],
        smooth=asked["smooth"],
        stay=asked["stay"],
        jitter=asked["jitter"],
        clamp=asked["clamp"],
        sound=asked["sound"],
        batch_size=asked["batch_size"],
        seed=asked["seed"],
    )


def _frames(text: str | None) -> tuple[int, int] | None:
    """Read which frames are driven: one, or the first and the last."""
    if text is None:
        return None
    first, mark, last = text.partition("-")
    if not first.strip().isdecimal() or (mark and not last.strip().isdecimal()):
        raise InputError(f"--frames {text!r} is no stretch: give FIRST-LAST in frames of 20 ms, such as 50-54, or one.")
    return int(first), int(last if mark else first) + 1


def _features(whisper: Whisper, names: Sequence[str], basis: str, *, seed: int, force: bool) -> list[Feature]:
    from otoscope.study.dream.experiment import check_features
    from otoscope.study.feature import feature_named

    found = [feature_named(whisper, name, basis, seed=seed, force=force) for name in names]
    check_features(whisper, found)
    return found


def _plan(job: Job, features: Sequence[Feature], asked: dict[str, Any], settings: DreamSettings) -> None:
    compared = asked["corpus"] if asked["run"] is None else str(asked["run"])
    against = "nothing" if asked["run"] is None and compared == NONE else compared
    job.console.note(
        f"Driving {count(len(features), 'feature')} from {asked['start']} for {count(settings.steps, 'step')}, with "
        f"{job.model}; compared with {against}"
    )


def _harvested(whisper: Whisper, features: Sequence[Feature], run: Path, *, force: bool) -> RealMoments:
    """Look up what the dreams are compared with in a harvest."""
    from otoscope.harvest.opened import open_run
    from otoscope.study.dream.real import strongest_in_run

    return strongest_in_run(whisper, features, open_run(run), force=force)


def summary(result: Dream) -> str:
    """Say in a table how strongly each feature was driven, and in words how often more than by any real moment."""
    rows = []
    for each in result.features:
        real, sound = each.real, each.sound
        rows.append(
            (
                each.name,
                f"{each.frames[0]}-{each.frames[1] - 1}",
                f"{each.start_strength:.3f}",
                f"{each.strength:.3f}",
                "-" if sound is None else f"{sound.strength:.3f}",
                "-" if sound is None else f"{sound.correlation:.3f}",
                "-" if real is None else f"{real.strength:.3f}",
                "-" if real is None else real.clip_id,
            )
        )
    header = ("feature", "frames", "start", "dream", "its sound", "mel r", "real", "in clip")
    lines = [table(header, rows)]
    if result.source is not None:
        lines.append(
            f"Real: the largest strength in {count(result.n_frames, 'speech frame')} of "
            f"{count(result.n_clips, 'clip')} ({result.source})."
        )
    shares = (
        (result.share_above_real, "dreams"),
        (result.share_of_sounds_above_real, "sounds"),
        (result.share_of_starts_above_real, "starts, the baseline"),
    )
    above = f"Of {count(len(result.compared), 'feature')} that real speech drives above 0, stronger than there:"
    rates = [f"{between(share.value, share.low, share.high)} of {what}" for share, what in shares if share is not None]
    if rates and len(result.features) > 1:
        lines.append(f"{above} {', '.join(rates)}.")
    return "\n".join(lines)
