"""`otoscope words`: which frames each word came from, in three ways, and how often each of them is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.layout import between, count, duration, one_line, table
from otoscope.cli import options
from otoscope.cli.job import Job
from otoscope.cli.sources import gather, is_one_recording, note_label_problems, one, survey

if TYPE_CHECKING:
    from otoscope.base.numbers import Interval
    from otoscope.study.words.experiment import WordSources
    from otoscope.study.words.scores import WordScores


def words(
    audio: Annotated[
        str,
        typer.Argument(metavar="AUDIO|CORPUS", help="One recording or demo:ID; or a corpus with word times: demo."),
    ],
    word: Annotated[
        str | None,
        typer.Option(metavar="WORD", help="Draw this word large: show (its text) or #3 (its number, from 0)."),
    ] = None,
    window: Annotated[
        int | None, typer.Option(metavar="N", help="Look at this window of a long recording alone, from 0.")
    ] = None,
    alignment_head: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BLOCK.HEAD",
            help="Follow this cross-attention head; repeat for several. Default: the model's.",
        ),
    ] = None,
    silence: Annotated[float, typer.Option(metavar="SECONDS", help="Silence so much sound at a time.")] = 0.2,
    step: Annotated[float, typer.Option(metavar="SECONDS", help="From one silenced stretch to the next.")] = 0.1,
    tolerance: Annotated[
        float, typer.Option(metavar="SECONDS", help="Of a corpus: a peak so near to a word counts as a hit.")
    ] = 0.05,
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", help="Silenced windows run at a time; 1 on the CPU, else 16.")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Let padding react to what is silenced, too; several times as slow.")
    ] = False,
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
    """Find the frames that each word came from: by attention, by relevance and by silencing.

    A corpus with word times is scored. --out gets words.json, words.npz, words.png and words_zoom.png, or
    word_scores.json and word_scores.png.
    """
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    tracing: dict[str, Any] = {
        "language": language,
        "alignment_heads": _heads(alignment_head),
        "stretch_s": silence,
        "step_s": step,
        "batch_size": batch_size,
        "exact": exact,
    }
    if is_one_recording([audio]):
        _one_recording(job, audio, tracing, word=word, window=window, is_dry=dry_run)
    elif (word, window) != (None, None):
        raise InputError(f"--word and --window are for one recording, and {audio!r} is a corpus. Leave them out.")
    else:
        _corpus(job, audio, tracing, clips=clips, tolerance=tolerance, seed=seed, is_dry=dry_run)


def _one_recording(
    job: Job, audio: str, tracing: dict[str, Any], *, word: str | None, window: int | None, is_dry: bool
) -> None:
    clip = one(audio, job.console)
    job.console.note(f"Tracing the words of {clip.id} ({duration(clip.duration_s)}), with {job.model}")
    if is_dry:
        return
    wanted = _word(word)
    whisper = job.load()

    from otoscope.study.words.experiment import words as measure

    with job.console.progress("Tracing", total=1) as advance:
        result = measure(
            whisper, clip, word=wanted, window=window, progress=lambda done, n: advance(done / n), **tracing
        )
    job.deliver(result, whisper, {"audio": audio, "word": word, "window": window, **tracing}, text=summary(result))


def _corpus(
    job: Job,
    source: str,
    tracing: dict[str, Any],
    *,
    clips: int | None,
    tolerance: float,
    seed: int,
    is_dry: bool,
) -> None:
    corpus = gather([source], clips)
    found = survey(corpus, job.console)
    note_label_problems(corpus, job.console)
    job.console.note(f"Tracing the words of {found.plan}, with {job.model}")
    if is_dry:
        job.console.finish(corpus.problems, len(corpus))
        return
    whisper = job.load()

    from otoscope.study.words.scores import word_sources

    with job.console.progress("Tracing", total=found.n_clips) as advance:
        result = word_sources(
            whisper, corpus, tolerance_s=tolerance, seed=seed, progress=lambda done, _: advance(done), **tracing
        )
    settings = {"corpus": source, "clips": clips, "tolerance_s": tolerance, "seed": seed, **tracing}
    job.deliver(result, whisper, settings, corpus.problems, text=scores_summary(result))
    job.console.finish(corpus.problems, len(corpus))


def _word(text: str | None) -> int | str | None:
    """Read which word is meant: `#3` is a number, anything else its text."""
    if text is None or not text.startswith("#"):
        return text
    try:
        return int(text.removeprefix("#"))
    except ValueError:
        raise InputError(f"--word {text!r} is no number: give #3 for the fourth word, or the word's text.") from None


def _heads(heads: list[str] | None) -> list[list[str]] | None:
    """Read cross-attention heads, checked against the model later."""
    return None if not heads else [head.split(".") for head in heads]


def summary(result: WordSources) -> str:
    """Put the three ways side by side, word by word."""
    if not result.words:
        return f"{result.clip_id}: the model writes nothing here, so there are no words to trace."
    from otoscope.study.writing import marked

    rows = []
    for number, row in enumerate(result.to_json()["words"]):
        ways = [f"{row[way]['peak_s']:.2f} ({_stretch(row[way]['stretch_s'])})" for way in _ways()]
        rows.append((str(number), row["word"], _stretch(row["true_s"]), *ways))
    header = ("", "word", "labelled", "attention", "relevance", "perturbation")
    lines = [
        f"{result.clip_id}: {marked(one_line(result.transcript), is_stopped=result.is_stopped)}",
        "Peak and stretch by each way, in seconds:",
    ]
    return "\n".join([*lines, table(header, rows)])


def _ways() -> tuple[str, ...]:
    from otoscope.study.words.experiment import WAYS

    return WAYS


def _stretch(seconds: list[float] | None) -> str:
    return "-" if seconds is None else f"{seconds[0]:.2f}-{seconds[1]:.2f}"


def scores_summary(result: WordScores) -> str:
    """Say in a table how often each way is right, beside the baselines."""
    from otoscope.study.words.scores import BASELINES, SCORES

    rows = []
    for way in (*_ways(), *BASELINES):
        others = result.hit_of_others(way) if way in _ways() else None
        rows.append((way, *(_rate(result.mean(way, score)) for score in SCORES), _rate(others)))
    without = f"; {count(len(result.clips_without_words), 'clip')} without" if result.clips_without_words else ""
    header = ("", f"peak within {result.tolerance_s:g} s", "overlap", "share inside", "peak in another word")
    return "\n".join(
        [
            f"{count(result.n_clips, 'clip')} with word times{without}. {len(result.words)} of "
            f"{count(result.n_labelled, 'word')} were transcribed as labelled; 95% intervals over clips:",
            table(header, rows),
            "In order: words of equal length, one after the other in the speech. Anywhere: the whole recording.",
        ]
    )


def _rate(rate: Interval | None) -> str:
    return "-" if rate is None else between(rate.value, rate.low, rate.high)
