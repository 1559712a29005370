"""`otoscope neighbours`: the tokens nearest to words in the decoder's embedding, and how alike they sound."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.base.layout import count, percent, table
from otoscope.cli import options
from otoscope.cli.job import Job
from otoscope.cli.sources import DEMO

if TYPE_CHECKING:
    from otoscope.base.numbers import Interval
    from otoscope.corpus.lexicon import Pronouncer
    from otoscope.model.whisper import Whisper
    from otoscope.study.neighbours.experiment import Neighbours, WordNeighbours
    from otoscope.study.neighbours.sounds_alike import Contrast, SoundsAlike
    from otoscope.study.neighbours.spaces import Common
    from otoscope.study.neighbours.words import WordVectors

ESPEAK = "espeak"
SPELLING = "spelling"
PAIRS = {"all": "all pairs", "unrelated": "without forms of one word"}


def neighbours(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[WORD]...", help="Words, or names of special tokens ('<|en|>').")
    ] = None,
    all_words: Annotated[
        bool,
        typer.Option("--all", help="Over all whole-word tokens: are the nearest more alike than random ones?"),
    ] = False,
    k: Annotated[
        int | None, typer.Option("--k", metavar="N", help="Nearest tokens of each word: 20, and 10 with --all.")
    ] = None,
    lexicon: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|CORPUS|espeak|spelling",
            help="Where pronunciations come from: a file in CMUdict's format, a corpus with words and phones in time "
            "(demo), espeak (the speech extra), or spelling for none; espeak where it is installed by default.",
        ),
    ] = None,
    phone_set: options.PhoneSet = None,
    vectors: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Word vectors as text (GloVe, word2vec), to say how alike words mean."),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --all: count words in this text, instead of taking token order."),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="List the nearest by the vectors as they are, too; --all compares both anyway."),
    ] = False,
    special: Annotated[
        bool, typer.Option("--special", help="Look among special tokens and times, too; not with --all.")
    ] = False,
    seed: options.Seed = 0,
    model: options.Model = "demo",
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    out: options.Out = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """List the tokens that lie nearest to words in the decoder's embedding, and say how alike they sound.

    What all text tokens have in common (their mean and first principal component) is taken away before they are
    compared: in released models it is nine tenths of a token's length.

    --out gets neighbours.json and neighbours.png, or with --all sounds_alike.json and sounds_alike.png.
    """
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    _check(words, all_words, text, special)
    settings = {"words": words, "all": all_words, "k": k, "lexicon": lexicon, "vectors": vectors, "text": text}
    settings |= {"phone_set": phone_set, "special": special, "raw": raw, "seed": seed}
    written = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
    pronounce = _pronouncer(job, lexicon, phone_set)
    if all_words:
        _over_all(job, pronounce, vectors, text, k=10 if k is None else k, seed=seed, settings=written)
        return
    whisper = job.load()

    from otoscope.study.neighbours.experiment import neighbours as measure

    meanings = _meanings(whisper, vectors)
    result = measure(
        whisper,
        words or [],
        k=20 if k is None else k,
        raw=raw,
        special=special,
        pronounce=pronounce,
        meanings=meanings,
    )
    job.deliver(result, whisper, written, text=summary(result))


def _check(words: list[str] | None, all_words: bool, text: Path | None, special: bool) -> None:
    if bool(words) == all_words:
        came = "words came with --all" if words else "no word came"
        raise InputError(f"{came}: give one word or more, such as rug, or --all for every word.")
    if all_words and special:
        raise InputError("--special came with --all, which compares whole words alone. Leave one out.")
    if text is not None and not all_words:
        raise InputError(
            f"--text '{text}' says how frequent words are, which --all alone asks. Add --all, or leave it out."
        )


def _over_all(
    job: Job,
    pronounce: Pronouncer | None,
    vectors: Path | None,
    text: Path | None,
    *,
    k: int,
    seed: int,
    settings: Mapping[str, object],
) -> None:
    from otoscope.study.neighbours.words import read_word_counts

    counts = None if text is None else read_word_counts(text)
    whisper = job.load()

    from otoscope.demo.grammar import vocabulary
    from otoscope.demo.pronounce import EspeakPronouncer
    from otoscope.study.neighbours.sounds_alike import sounds_alike

    if isinstance(pronounce, EspeakPronouncer) and counts is None and job.model != DEMO:
        job.console.note("eSpeak NG pronounces the beginnings of words, too: --text or --lexicon keeps to whole words.")
    with job.console.progress("Finding nearest tokens") as advance:
        result = sounds_alike(
            whisper,
            pronounce=pronounce,
            meanings=_meanings(whisper, vectors),
            counts=counts,
            words=vocabulary() if job.model == DEMO else None,  # its other tokens are pieces of words
            k=k,
            seed=seed,
            progress=lambda done, _: advance(done),
        )
    job.deliver(result, whisper, settings, text=contrast_summary(result))


def _pronouncer(job: Job, lexicon: str | None, phone_set: str | None) -> Pronouncer | None:
    """Find who says how words are pronounced, and tell; None for nobody."""
    from otoscope.corpus.lexicon import lexicon_of, read_lexicon
    from otoscope.demo.pronounce import EspeakPronouncer, is_installed

    asked = lexicon
    if asked is None:
        asked = ESPEAK if is_installed() else DEMO if job.model == DEMO else SPELLING
        if asked == SPELLING:
            job.console.note(
                "No pronunciations: words are compared by spelling. Give --lexicon FILE, or install eSpeak NG: "
                "pip install 'otoscope[speech]'"
            )
    if asked == SPELLING:
        return None
    if asked == ESPEAK:
        return EspeakPronouncer()
    if asked == DEMO or asked.startswith("hf:") or Path(asked).is_dir() or Path(asked).suffix in {".jsonl", ".parquet"}:
        from otoscope.corpus import corpus

        return lexicon_of(corpus(asked, phone_set=phone_set))
    return read_lexicon(asked, phone_set=phone_set)


def _meanings(model: Whisper, path: Path | None) -> WordVectors | None:
    if path is None:
        return None
    from otoscope.model.token_text import token_texts
    from otoscope.study.neighbours.words import read_word_vectors

    return read_word_vectors(path, words={text.strip().casefold() for text in token_texts(model).texts})


def summary(result: Neighbours) -> str:
    """List every word's neighbours, and say how alikeness was measured."""
    by = f"phones by {result.pronunciations}" if result.pronunciations else "no pronunciations"
    meaning = f", meaning by {result.meanings}" if result.meanings else ""
    same = "embedding and unembedding are one" if result.is_tied else "embedding and unembedding are two"
    head = f"{result.n_tokens:,} tokens of {result.model}, {same}; {by}{meaning}. Distances: 0 alike, 1 not."
    return "\n\n".join(
        [
            f"{head}\n{_in_common(result.common)}",
            *(_listed(word, has_meaning=result.meanings is not None) for word in result.found),
        ]
    )


def _in_common(spaces: Mapping[str, Common]) -> str:
    """Say how much of a token is the same in all."""
    return "\n".join(
        f"In the {space} the mean of all text tokens is {percent(common.mean_share)} of a token's length; corrected "
        f"vectors are without it and without the first principal component ({percent(common.component_share)} of the "
        f"variance). {count(common.n_hardly_trained, 'token')} that training hardly moved "
        f"{'is' if common.n_hardly_trained == 1 else 'are'} left out."
        for space, common in spaces.items()
    )


def _listed(word: WordNeighbours, *, has_meaning: bool) -> str:
    asked = word.asked
    head = f"{_quoted(word.text)} in the {word.form} {word.space}" + (
        f", said {' '.join(word.phones)}" if word.phones else ""
    )
    if not asked.is_whole:
        cut = " ".join(_quoted(piece) for piece in asked.pieces)
        head += f"; '{asked.word}' is {len(asked.pieces)} tokens, {cut}: the longest was taken"
    if not word.is_trained:
        head += "; training hardly moved this token, and what is near it says nothing"
    rows = [
        (
            _quoted(each.text),
            f"{each.cosine:.3f}",
            _distance(each.sound),
            _distance(each.spelling),
            *([_distance(each.meaning)] if has_meaning else []),
            " ".join(each.phones) or "-",
        )
        for each in word.neighbours
    ]
    columns = ("token", "cosine", "phones", "spelling", *(["meaning"] if has_meaning else []), "said")
    return f"{head}\n{table(columns, rows)}"


def _quoted(text: str) -> str:
    return "'" + "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text) + "'"


def _distance(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def contrast_summary(result: SoundsAlike) -> str:
    """Say in a table by how much nearest tokens are more alike than random ones."""
    by = f", said by {result.pronunciations}" if result.pronunciations else ", compared by spelling alone"
    unknown = f"; {result.n_unknown:,} of unknown pronunciation left out" if result.n_unknown else ""
    frequency = "token order" if result.frequencies == "token order" else "counts in the text"
    rows = [_contrast_row(each) for each in result.contrasts]
    columns = ("", "vectors", "pairs", "words", "nearest", "random", "more alike by", "near, nearest", "near, random")
    return "\n".join(
        [
            f"{count(result.n_words, 'whole-word token')} of {result.model}{by}{unknown}.",
            f"The {result.k} nearest of each, beside random words as frequent ({frequency}, "
            f"{count(result.n_bins, 'bin')}):",
            table(columns, rows),
            _in_common(result.common),
            f"Distances: 0 alike, 1 not; meaning is a cosine. Near: at most {result.close:g}. Intervals: 95%, "
            "bootstrap over words.",
        ]
    )


def _contrast_row(each: Contrast) -> tuple[str, ...]:
    near = ("-", "-") if each.near is None else tuple(percent(share.value) for share in each.near)
    measure = each.measure if each.space == "embedding" else f"{each.measure} ({each.space})"
    return (
        measure, each.form, PAIRS[each.pairs], f"{each.n_words:,}",
        f"{each.nearest.value:.3f}", f"{each.random.value:.3f}",
        _interval(each.more_alike), *near,
    )  # fmt: skip


def _interval(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return f"{interval.value:.3f}"
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"
