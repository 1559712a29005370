"""`otoscope neighbours`: the tokens nearest to words in the decoder's embedding, and how alike they sound."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.cli import options
from otoscope.cli.command import command
from otoscope.cli.job import Job
from otoscope.cli.sources import DEMO
from otoscope.study.neighbours.settings import NeighboursSettings, SoundsAlikeSettings

if TYPE_CHECKING:
    from otoscope.corpus.lexicon import Pronouncer
    from otoscope.model.whisper import Whisper
    from otoscope.study.neighbours.experiment import Neighbours
    from otoscope.study.neighbours.sounds_alike import SoundsAlike
    from otoscope.study.neighbours.words import WordVectors

ESPEAK = "espeak"
SPELLING = "spelling"


@command(NeighboursSettings)
def neighbours(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[WORD]...", help="Words, or names of special tokens ('<|en|>').")
    ] = None,
    all_words: Annotated[
        bool,
        typer.Option(
            "--all", help="For all whole-word tokens: do the nearest tokens sound more alike than random ones?"
        ),
    ] = False,
    k: Annotated[
        int | None, typer.Option("--k", metavar="N", help="Nearest tokens of each word: 20, and 10 with --all.")
    ] = None,
    lexicon: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|CORPUS|espeak|spelling",
            help="Source of pronunciations: a file in CMUdict's format, a corpus with the times of words and phones "
            "(demo), espeak (the speech extra), or spelling for none. Default: espeak if it is installed.",
        ),
    ] = None,
    phone_set: options.PhoneSet = None,
    vectors: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Word vectors as text (GloVe, word2vec), to compare meanings too."),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="With --all: word frequencies from this text, instead of from the order of tokens."
        ),
    ] = None,
    seed: options.Seed = 0,
    *,
    settings: NeighboursSettings,
    job: Job,
) -> None:
    """List the tokens nearest to words in the decoder's embedding, and how alike they sound.

    What all text tokens have in common (their mean and first principal component) is removed before they are compared:
    in released models it makes up nine tenths of a token's norm.

    --out gets neighbours.json and neighbours.png, or with --all sounds_alike.json and sounds_alike.png.
    """
    _check(words, all_words, text, settings.special)
    pronounce = _pronouncer(job, lexicon, phone_set)
    nearest: dict[str, Any] = {} if k is None else {"k": k}
    listed, compared = replace(settings, **nearest), SoundsAlikeSettings(**nearest, seed=seed)
    counts = None if text is None else _counts(text)
    named = "every word" if all_words else ", ".join(words or [])
    job.console.note(f"Finding the tokens nearest to {named}, with {job.model}")
    if job.dry_run:
        return
    model = job.load()
    meanings = None if vectors is None else _meanings(model, vectors)
    result: Neighbours | SoundsAlike
    if all_words:
        result = _over_all(job, model, pronounce, meanings, counts, compared)
    else:
        from otoscope.study.neighbours.experiment import neighbours as measure

        result = measure(model, words or [], settings=listed, pronounce=pronounce, meanings=meanings)
    files = {name: path and str(path) for name, path in (("vectors", vectors), ("text", text))}
    manifest = {"words": words, "all": all_words, "lexicon": lexicon, "phone_set": phone_set, **files, "seed": seed}
    job.deliver(result, model, {**manifest, **listed.to_json(), **(compared.to_json() if all_words else {})})


def _check(words: list[str] | None, all_words: bool, text: Path | None, special: bool) -> None:
    if bool(words) == all_words:
        problem = "words were given with --all" if words else "no word was given"
        raise InputError(f"{problem}: give one word or more, such as rug, or --all for every word.")
    if all_words and special:
        raise InputError("--special does not go with --all, which compares only whole words. Leave one out.")
    if text is not None and not all_words:
        raise InputError(f"--text '{text}' gives word frequencies, which only --all uses. Add --all, or leave it out.")


def _over_all(
    job: Job,
    model: Whisper,
    pronounce: Pronouncer | None,
    meanings: WordVectors | None,
    counts: dict[str, int] | None,
    settings: SoundsAlikeSettings,
) -> SoundsAlike:
    from otoscope.demo.grammar import vocabulary
    from otoscope.demo.pronounce import EspeakPronouncer
    from otoscope.study.neighbours.sounds_alike import sounds_alike

    if isinstance(pronounce, EspeakPronouncer) and counts is None and job.model != DEMO:
        job.console.note(
            "eSpeak NG also pronounces tokens that only begin words. Give --text or --lexicon to keep to whole words."
        )
    with job.console.progress("Finding nearest tokens") as advance:
        return sounds_alike(
            model,
            settings=settings,
            pronounce=pronounce,
            meanings=meanings,
            counts=counts,
            words=vocabulary() if job.model == DEMO else None,  # its other tokens are pieces of words
            progress=lambda done, _: advance(done),
        )


def _pronouncer(job: Job, lexicon: str | None, phone_set: str | None) -> Pronouncer | None:
    """Choose the source of pronunciations; None, after a note if it was not asked for, to compare spelling only."""
    from otoscope.corpus.lexicon import lexicon_of, read_lexicon
    from otoscope.demo.pronounce import EspeakPronouncer, is_installed

    if lexicon is None:
        lexicon = ESPEAK if is_installed() else DEMO if job.model == DEMO else SPELLING
        if lexicon == SPELLING:
            job.console.note(
                "No pronunciations: words are compared by spelling. Give --lexicon FILE, or install eSpeak NG: "
                "pip install 'otoscope[speech]'"
            )
    if lexicon == SPELLING:
        return None
    if lexicon == ESPEAK:
        return EspeakPronouncer()
    is_corpus = lexicon == DEMO or lexicon.startswith("hf:") or Path(lexicon).is_dir()
    if is_corpus or Path(lexicon).suffix in {".jsonl", ".parquet"}:
        from otoscope.corpus import open_corpus

        return lexicon_of(open_corpus(lexicon, phone_set=phone_set))
    return read_lexicon(lexicon, phone_set=phone_set)


def _counts(path: Path) -> dict[str, int]:
    from otoscope.study.neighbours.words import read_word_counts

    return read_word_counts(path)


def _meanings(model: Whisper, path: Path) -> WordVectors:
    from otoscope.model.token_text import token_texts
    from otoscope.study.neighbours.words import read_word_vectors

    return read_word_vectors(path, words={text.strip().casefold() for text in token_texts(model).texts})
