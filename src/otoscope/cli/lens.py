"""`otoscope lens`: what each block would say already, which heads said it, in which language, and encoder blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.layout import duration
from otoscope.cli import lens_tables, options
from otoscope.cli.job import Job
from otoscope.cli.sources import gather, is_one_recording, one, survey

if TYPE_CHECKING:
    from collections.abc import Callable

    from otoscope.model.whisper import Whisper


def lens(
    audio: Annotated[
        str, typer.Argument(metavar="AUDIO|CORPUS", help="One recording or demo:ID, token by token; or a corpus.")
    ],
    heads: Annotated[
        bool, typer.Option("--heads", help="What each head adds to the logit of the token that is due.")
    ] = False,
    languages: Annotated[
        bool, typer.Option("--languages", help="Which language each block and head takes it for.")
    ] = False,
    encoder: Annotated[
        bool, typer.Option("--encoder", help="Transcribe with the encoder ended after each of its blocks.")
    ] = False,
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Make the decoder say this; its own transcript by default.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(metavar="N", help="Look at this window of a long recording alone, from 0.")
    ] = None,
    top: Annotated[
        int | None, typer.Option(metavar="N", help="Keep so many of the likeliest tokens at every block; 5 by default.")
    ] = None,
    clips: options.Clips = None,
    language: options.Language = None,
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
    """Read what every block of the decoder would say already.

    One recording is taken token by token, a corpus on average. --out gets lens.json, lens.npz and lens.png, or for a
    corpus lens_curve.json and .png; head_lens, language_lens and encoder_lens the same way.
    """
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    wanted = _wanted(heads=heads, languages=languages, encoder=encoder)
    is_one = is_one_recording([audio])
    _check(wanted, audio, is_one=is_one, text=text, window=window, top=top, clips=clips, language=language)
    settings: dict[str, Any] = {"audio": audio, "language": language, "seed": seed, "clips": clips}
    if is_one and wanted in ("blocks", "heads"):
        _one_recording(job, wanted, settings, text=text, window=window, top=top, is_dry=dry_run)
    else:
        _corpus(job, wanted, settings, is_one=is_one, is_dry=dry_run)


def _wanted(*, heads: bool, languages: bool, encoder: bool) -> str:
    """Say what is asked for: one thing at a time."""
    asked = [name for name, is_on in (("heads", heads), ("languages", languages), ("encoder", encoder)) if is_on]
    if len(asked) > 1:
        raise InputError(f"--{' and --'.join(asked)} are different experiments: ask for one at a time.")
    return asked[0] if asked else "blocks"


def _check(
    wanted: str,
    audio: str,
    *,
    is_one: bool,
    text: str | None,
    window: int | None,
    top: int | None,
    clips: int | None,
    language: str | None,
) -> None:
    """Refuse options that do not go together, before anything is read."""
    if (text, window) != (None, None) and not (is_one and wanted in ("blocks", "heads")):
        raise InputError(
            "--text and --window are for the blocks or --heads of one recording. Leave them out, or name one recording."
        )
    if top is not None and not (is_one and wanted == "blocks"):
        raise InputError("--top is for the blocks of one recording. Leave it out, or name one recording.")
    if is_one and clips is not None:
        raise InputError(f"--clips counts the recordings of a corpus, and {audio!r} is one recording. Leave it out.")
    if wanted == "languages" and language is not None:
        raise InputError("--languages asks which language is heard: leave --language out.")
    if text is not None and not text.strip():
        raise InputError(f"--text {text!r} is empty: give the words to be said, or leave it out.")


def _one_recording(
    job: Job,
    wanted: str,
    settings: dict[str, Any],
    *,
    text: str | None,
    window: int | None,
    top: int | None,
    is_dry: bool,
) -> None:
    clip = one(settings["audio"], job.console)
    what = "blocks" if wanted == "blocks" else "heads"
    job.console.note(f"Reading the decoder's {what} over {clip.id} ({duration(clip.duration_s)}), with {job.model}")
    if is_dry:
        return
    whisper = job.load()
    given: dict[str, Any] = {"text": text, "window": window, "language": settings["language"]}
    with job.console.progress("Reading"):
        if wanted == "blocks":
            from otoscope.study.lens.experiment import lens as measure

            given["top"] = 5 if top is None else top
            found = measure(whisper, clip, **given)
            job.deliver(found, whisper, {"audio": settings["audio"], **given}, text=lens_tables.lens_summary(found))
            return
        from otoscope.study.lens.heads import head_lens

        heads = head_lens(whisper, clip, **given)
    job.deliver(heads, whisper, {"audio": settings["audio"], **given}, text=lens_tables.heads_summary(heads))


def _corpus(job: Job, wanted: str, settings: dict[str, Any], *, is_one: bool, is_dry: bool) -> None:
    corpus = gather([settings["audio"]], settings["clips"])
    found = survey(corpus, job.console)
    job.console.note(f"Reading the {_PLANS[wanted]} over {found.plan}, with {job.model}")
    if is_dry:
        job.console.finish(corpus.problems, len(corpus))
        return
    whisper = job.load()
    with job.console.progress("Reading", total=found.n_clips) as advance:
        result, summary = _measured(whisper, wanted, corpus, settings, lambda done, _: advance(done), is_one=is_one)
    job.deliver(result, whisper, {"experiment": wanted, **settings}, corpus.problems, text=summary)
    job.console.finish(corpus.problems, len(corpus))


_PLANS = {
    "blocks": "decoder's blocks",
    "heads": "decoder's heads",
    "languages": "languages",
    "encoder": "encoder, ended after each block,",
}


def _measured(
    whisper: Whisper,
    wanted: str,
    corpus: Any,
    settings: dict[str, Any],
    progress: Callable[[int, int], None],
    *,
    is_one: bool,
) -> tuple[Any, str]:
    """Run the experiment over a corpus, and lay out what it found."""
    if wanted == "languages":
        from otoscope.study.lens.languages import language_lens

        heard = language_lens(whisper, corpus, seed=settings["seed"], progress=progress)
        return heard, lens_tables.languages_summary(heard)
    given: dict[str, Any] = {"language": settings["language"], "seed": settings["seed"], "progress": progress}
    if wanted == "encoder":
        from otoscope.study.lens.encoder import encoder_lens

        ended = encoder_lens(whisper, corpus, **given)
        return ended, lens_tables.encoder_summary(ended, is_one=is_one)
    if wanted == "heads":
        from otoscope.study.lens.heads_mean import head_lens_mean

        heads = head_lens_mean(whisper, corpus, **given)
        return heads, lens_tables.mean_heads_summary(heads)
    from otoscope.study.lens.curve import lens_curve

    curve = lens_curve(whisper, corpus, **given)
    return curve, lens_tables.curve_summary(curve)
