"""`otoscope bigrams`: what the decoder says next without sound, and how well that agrees with a language's bigrams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.layout import count
from otoscope.cli import options
from otoscope.cli.command import command
from otoscope.cli.job import Job
from otoscope.cli.sources import gather, survey
from otoscope.study.bigrams.settings import SOUNDS, BigramsSettings

if TYPE_CHECKING:
    from otoscope.corpus import Corpus
    from otoscope.model.whisper import Whisper
    from otoscope.study.bigrams.agreement import BigramAgreement
    from otoscope.study.bigrams.experiment import Bigrams
    from otoscope.study.bigrams.known import KnownBigrams
    from otoscope.study.bigrams.no_sound import NoSound

N_SENTENCES = 8_000
"""Sentences drawn from the grammar: enough for every word to occur a few times."""

GRAMMAR = "the demo grammar"


@command(BigramsSettings)
def bigrams(
    prompts: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROMPT...", help="Words to continue from; several words in quotes are one prompt."),
    ] = None,
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Instead of prompts: compare with the bigrams of a text.")
    ] = None,
    grammar: Annotated[
        bool, typer.Option("--grammar", help="Instead of prompts: compare with the demo language's true bigrams.")
    ] = False,
    in_sentences: Annotated[
        bool,
        typer.Option(
            "--in-sentences", help="With --text or --grammar: prompt with the sentence so far, not with one word."
        ),
    ] = False,
    least: Annotated[
        int | None, typer.Option(metavar="N", help="With --text: tokens that occur N times or more. [10]")
    ] = None,
    sound: Annotated[
        list[str] | None,
        typer.Option(
            metavar="|".join(SOUNDS),
            help="The sound; with commas or repeated for several. mean: the encoder's mean output over --corpus. "
            "[padding]",
        ),
    ] = None,
    corpus: Annotated[str, typer.Option(metavar="CORPUS", help="For --sound mean: the clips to average.")] = "demo",
    clips: options.Clips = None,
    *,
    settings: BigramsSettings,
    job: Job,
) -> None:
    """Show which tokens the decoder predicts after a prompt with no speech, or compare them with a language.

    --out gets bigrams.json and bigrams.png, or bigram_agreement.json and bigram_agreement.png.
    """
    _check(prompts, text, grammar, in_sentences, least)
    sounds = _sounds(sound)
    recordings = gather([corpus], clips) if "mean" in sounds else None
    manifest: dict[str, Any] = {"sound": sounds, **({} if recordings is None else {"corpus": corpus, "clips": clips})}
    if recordings is not None:
        job.console.note(f"For the mean: {survey(recordings, job.console).plan}")
    hearing = f"hearing {', '.join(sounds)}, with {job.model}"
    if prompts:
        manifest |= {"prompts": prompts}
        job.console.note(f"Continuing {count(len(prompts), 'prompt')}, {hearing}")
    else:
        against = GRAMMAR if text is None else str(text)
        manifest |= {"against": against, "in_sentences": in_sentences, "least": least}
        job.console.note(f"Comparing with the bigrams of {against}, {hearing}")
    if not job.dry_run:
        model = job.load()
        result: Bigrams | BigramAgreement
        if prompts:
            result = _continue(job, model, prompts, list(_encoded(job, model, sounds, recordings)), settings)
        else:
            known = _known(model, text, in_sentences, least, settings)
            result = _compare(job, model, known, list(_encoded(job, model, sounds, recordings)), settings)
        failed = () if recordings is None else recordings.problems
        job.deliver(result, model, {**manifest, **settings.to_json()}, failed)
    if recordings is not None:
        job.console.finish(recordings.problems, len(recordings))


def _check(prompts: list[str] | None, text: Path | None, grammar: bool, in_sentences: bool, least: int | None) -> None:
    """Refuse options that do not go together."""
    n_modes = bool(prompts) + (text is not None) + grammar
    if n_modes != 1:
        problem = "nothing was asked" if n_modes == 0 else "prompts, --text and --grammar exclude each other"
        raise InputError(f"{problem}: give prompts ('otoscope bigrams traffic'), or --text FILE, or --grammar.")
    if in_sentences and prompts:
        raise InputError("--in-sentences goes with --text or --grammar. Put a prompt of several words in quotes.")
    if least is not None and text is None:
        raise InputError("--least goes with --text: it says how often a token must occur in it.")
    if text is not None and not text.is_file():
        raise InputError(f"there is no text file '{text}'. Give a file of plain text in UTF-8.")


def _sounds(values: list[str] | None) -> tuple[str, ...]:
    """Read sounds that were given with commas, by repeating the option, or both."""
    from otoscope.study.bigrams.no_sound import check_sounds

    return check_sounds([word.strip() for value in values or ["padding"] for word in value.split(",")])


def _encoded(job: Job, model: Whisper, sounds: Sequence[str], recordings: Corpus | None) -> Iterator[str | NoSound]:
    """Give the sounds; the mean over clips is computed here, with its own progress bar."""
    from otoscope.study.bigrams.no_sound import no_sound

    for sound in sounds:
        if sound != "mean" or recordings is None:
            yield sound
            continue
        with job.console.progress("Averaging", total=len(recordings)) as advance:
            mean = no_sound(model, sound, clips=recordings, progress=lambda done, _: advance(done))
        yield mean


def _continue(
    job: Job, model: Whisper, prompts: list[str], sound: Sequence[str | NoSound], settings: BigramsSettings
) -> Bigrams:
    from otoscope.study.bigrams.experiment import bigrams

    with job.console.progress("Continuing", total=len(prompts) * len(sound)) as advance:
        return bigrams(model, prompts, sound=sound, settings=settings, progress=lambda done, _: advance(done))


def _compare(
    job: Job, model: Whisper, known: KnownBigrams, sound: Sequence[str | NoSound], settings: BigramsSettings
) -> BigramAgreement:
    from otoscope.study.bigrams.agreement import bigram_agreement

    with job.console.progress("Comparing", total=len(known.contexts) * len(sound)) as advance:
        return bigram_agreement(model, known, sound=sound, settings=settings, progress=lambda done, _: advance(done))


def _known(
    model: Whisper, text: Path | None, in_sentences: bool, least: int | None, settings: BigramsSettings
) -> KnownBigrams:
    """Count the bigrams of a text, or give the true ones of the demo language."""
    from otoscope.study.bigrams.known import bigrams_of_text

    if text is None:
        return _grammar_bigrams(model, in_sentences, settings)
    chosen = {} if least is None else {"least": least}
    return bigrams_of_text(
        model,
        _lines(text),
        name=text.name,
        language=settings.language,
        in_sentences=in_sentences,
        seed=settings.seed,
        **chosen,
    )


def _grammar_bigrams(model: Whisper, in_sentences: bool, settings: BigramsSettings) -> KnownBigrams:
    """The true bigrams of the demo language, without the marks for the start and end of a sentence."""
    import random

    from otoscope.demo import grammar
    from otoscope.study.bigrams.known import bigrams_of_words

    ends = {grammar.START, grammar.END}
    counts = {pair: expected for pair, expected in grammar.bigrams().items() if not ends & set(pair)}
    rng = random.Random(settings.seed)
    sentences = [grammar.sentence(rng) for _ in range(N_SENTENCES)] if in_sentences else None
    known = bigrams_of_words(
        model, counts, name=GRAMMAR, language=settings.language, sentences=sentences, seed=settings.seed
    )
    if known.language != "en":
        raise InputError(f"the demo language is English, and --language is {known.language!r}. Leave it out.")
    return known


def _lines(path: Path) -> Iterator[str]:
    """Read a text line by line."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from file
    except UnicodeDecodeError as error:
        raise InputError(f"'{path}' is not UTF-8 text ({error.reason} at byte {error.start}). Convert it.") from error
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror}). Check its permissions.") from error
