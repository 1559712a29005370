"""`otoscope sae sweep`: dictionaries at many sparsities, and what each explains and spoils."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text
from otoscope.base.layout import between, count, duration, size, table
from otoscope.cli import options, sae_options
from otoscope.cli.console import Console
from otoscope.cli.job import load_model
from otoscope.cli.sae_score import stages
from otoscope.cli.sources import gather, note_sounds, survey

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from otoscope.corpus import Corpus
    from otoscope.model.whisper import Whisper
    from otoscope.sae.training_settings import TrainSettings
    from otoscope.study.dictionaries.sources import Source
    from otoscope.study.dictionaries.sweep import DictionarySweep, SweepSettings


def sweep(
    source: sae_options.Source,
    test: Annotated[
        str | None, typer.Option(metavar="CORPUS", help="Score on these clips; on those trained on by default.")
    ] = None,
    site: Annotated[str, typer.Option(metavar="SITE", help="The site of the encoder.")] = "encoder.blocks.2",
    coder: Annotated[
        list[str] | None, typer.Option(metavar="CODER", help="Coders, with commas or repeated; batchtopk by default.")
    ] = None,
    k: Annotated[
        list[str] | None, typer.Option(metavar="K", help="Features active at a time; 8,16,32,64 by default.")
    ] = None,
    sparsity: Annotated[
        list[str] | None,
        typer.Option(metavar="L", help="Weights of the sparsity term, for jumprelu, standard and tied."),
    ] = None,
    expansion: sae_options.Expansion = 8,
    features: sae_options.Features = None,
    frames: sae_options.Frames = None,
    batch: sae_options.Batch = None,
    lr: sae_options.LearningRate = None,
    kinds: sae_options.Kinds = None,
    train_dtype: sae_options.TrainDtype = "float32",
    replace: sae_options.Replace = "trained",
    no_transcripts: sae_options.NoTranscripts = False,
    checkpoint_minutes: sae_options.CheckpointMinutes = 5,
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
    """Train dictionaries of one site at many sparsities in one pass, and draw what each explains and spoils.

    --out gets a folder for each dictionary, curves.parquet, sweep.json, sweep.parquet, sweep.png and transcripts.json.
    Training that was stopped goes on where it was when the same command is given again.
    """
    if out is None and not dry_run:
        raise InputError("a sweep needs a folder for its dictionaries: give --out DIR.")
    sae_options.check_training(train_dtype, checkpoint_minutes)
    console = Console(quiet)
    from otoscope.model.load import device_named
    from otoscope.study.dictionaries.sweep import SweepSettings

    settings = SweepSettings(
        coders=sae_options.words(coder) or ("batchtopk",),
        ks=options.numbers(k, "--k", least=1) or (8, 16, 32, 64),
        sparsities=_weights(sparsity),
        n_features=features,
        expansion=expansion,
        precision=train_dtype,
        seed=seed,
        replaced=replace,
        has_transcripts=not no_transcripts,
        language=language,
    )
    recordings = None if test is None else gather([test])
    if recordings is not None:
        survey(recordings, console)
    wanted = sae_options.words(kinds) or ("speech",)
    data, whisper = _source(source, test, site, wanted, clips, seed, (model, device, dtype), console)
    training = sae_options.train_settings(data.amount.n_frames, frames, batch, lr, checkpoint_minutes)
    console.note(_plan(data, settings, training, recordings))
    if dry_run:
        return
    assert out is not None, "asked for above"
    asked = (data, settings, training, out)
    result = _train_and_score(asked, recordings, whisper, device_named(device), console, overwrite=overwrite)
    names = ", ".join(sorted(path.name for path in result.save(out)))
    note_sounds(data.sound_notes, console)
    console.note(f"Results in {out}: {names}")
    print(to_json_text(result.to_json()) if json else summary(result))
    problems = [*data.problems, *(recordings.problems if recordings is not None else ())]
    console.finish(problems, len(data.corpus or ()) + len(recordings or ()))


def _train_and_score(
    asked: tuple[Source, SweepSettings, TrainSettings, Path],
    test: Corpus | None,
    whisper: Whisper | None,
    device: torch.device,
    console: Console,
    *,
    overwrite: bool,
) -> DictionarySweep:
    from otoscope.study.dictionaries.sweep import sweep

    with stages(console) as told:
        return sweep(*asked, test=test, model=whisper, device=device, overwrite=overwrite, progress=told)


def _source(
    name: str,
    test: str | None,
    site: str,
    kinds: tuple[str, ...],
    clips: int | None,
    seed: int,
    asked_model: tuple[str, str, str],
    console: Console,
) -> tuple[Source, Whisper | None]:
    """Open saved activations, or a corpus; load the model where one has to hear anything."""
    from otoscope.study.dictionaries.sources import corpus_source, shards_source, source_of

    shards = source_of(name)
    whisper = None
    if shards is None or test is not None:
        model, device, dtype = asked_model
        whisper = load_model(console, model, device, dtype)
    if shards is not None:
        if clips is not None:
            raise InputError(f"--clips takes the first clips of a corpus, and {name!r} holds saved activations.")
        return shards_source(name, [site], kinds=kinds, seed=seed), whisper
    assert whisper is not None, "loaded for a corpus"
    recordings = gather([name], clips)
    for note in recordings.notes:
        console.note(note)
    return corpus_source(whisper, recordings, [site], kinds=kinds, seed=seed), whisper


def _plan(data: Source, settings: SweepSettings, training: TrainSettings, test: Corpus | None) -> str:
    """Say how much there is to do, and what it takes."""
    from otoscope.study.dictionaries.plan import plan_training
    from otoscope.study.dictionaries.sweep import sweep_tasks

    tasks = sweep_tasks(data, settings)
    plan = plan_training(data, tasks, training)
    if data.corpus is None and test is None:
        scored = "on activations that were trained on, without transcripts"
    else:
        scored = f"on {count(len(test or data.corpus or ()), 'clip')}, half of them for the baselines"
    return (
        f"Training {count(len(tasks), 'point')} ({', '.join(task.name for task in tasks)}; "
        f"{tasks[0].coder.n_features:,} features from {tasks[0].coder.d_in}) on {data.name}: {plan.n_frames:,} frames "
        f"in {count(plan.n_steps, 'step')}, {plan.n_passes:.1f} passes, about {duration(plan.seconds)}, "
        f"{size(plan.memory_bytes)} of memory, up to {size(plan.disk_bytes)} of disk. Then they are scored {scored}."
    )


def summary(result: DictionarySweep) -> str:
    """Say in words and a table where the frontier lies."""
    from otoscope.study.dictionaries.picture import error_name

    lines = list(result.notes)
    name = "wer" if result.clean is None else error_name(result.clean)
    if result.clean is not None:
        rate = result.clean[name]
        against = "what was said" if name == "wer" else "the clean transcript"
        lines.append(
            f"Nothing in place: WER {between(rate['value'], rate['low'], rate['high'])} against {against}, "
            f"CE {result.clean['ce_loss_without_sae']:.3f}."
        )
    rows = []
    for line, points in result.lines.items():
        for l0, row in points:
            found = row.by_kind["speech"] or row.by_kind["all"]
            assert found is not None
            explained = found.explained_variance
            score, rate = row.heard.get("ce_loss_score"), row.heard.get(name)
            rows.append(
                (
                    row.name if line not in ("neurons", "pca") else f"{line} {l0:.0f}",
                    f"{found.l0:.1f}",
                    "-" if explained is None else f"{explained:.3f}",
                    str(found.dead_features),
                    "-" if score is None else f"{score:.3f}",
                    "-" if rate is None else between(rate["value"], rate["low"], rate["high"]),
                )
            )
    lines.append(table((result.site, "L0", "explained", "dead", "CE score", "WER"), rows))
    return "\n".join(lines)


def _weights(given: list[str] | None) -> tuple[float, ...]:
    found = []
    for word in sae_options.words(given):
        try:
            found.append(float(word))
        except ValueError:
            raise InputError(f"--sparsity {word!r} is no number: give weights such as 0.5,1,2.") from None
        if not 0 < found[-1] < float("inf"):
            raise InputError(f"--sparsity {word} is no weight: give numbers above 0.")
    return tuple(found)
