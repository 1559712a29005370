"""`otoscope words`: which frames each word came from, by three methods, and how often each method is right."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.cli import options
from otoscope.cli.command import command
from otoscope.cli.job import Job
from otoscope.cli.sources import is_one_recording
from otoscope.study.words.settings import WordSourcesSettings, WordsSettings


@command(WordSourcesSettings)
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
        int | None, typer.Option(metavar="N", help="Only this window of a long recording, from 0.")
    ] = None,
    alignment_head: options.AlignmentHead = None,
    clips: options.Clips = None,
    *,
    settings: WordSourcesSettings,
    job: Job,
) -> None:
    """Find the frames that each word came from: by attention, by relevance and by silencing.

    A corpus with word times is scored. --out gets words.json, words.npz, words.png and words_zoom.png, or
    word_scores.json and word_scores.png.
    """
    settings, doing = replace(settings, alignment_heads=options.heads(alignment_head)), "Tracing the words of"
    if is_one_recording([audio]):
        tracing = WordsSettings(**{field.name: getattr(settings, field.name) for field in fields(WordsSettings)})
        measure = "otoscope.study.words.experiment:words"
        job.on(audio, doing, measure, tracing, word=_number_or_text(word), window=window)
    elif (word, window) != (None, None):
        raise InputError(f"--word and --window are for one recording, and {audio!r} is a corpus. Leave them out.")
    else:
        job.over(audio, clips, doing, "otoscope.study.words.scores:word_sources", settings, needs_labels=True)


def _number_or_text(word: str | None) -> int | str | None:
    """Parse which word is meant: `#3` is a number, anything else its text."""
    if word is None or not word.startswith("#"):
        return word
    try:
        return int(word.removeprefix("#"))
    except ValueError:
        raise InputError(f"--word {word!r} is not a number: give #3 for the fourth word, or the word's text.") from None
