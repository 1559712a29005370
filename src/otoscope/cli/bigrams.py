"""`otoscope bigrams`: what the decoder says next with no sound at all, and how well that agrees with a language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.layout import count, percent, table
from otoscope.cli import options
from otoscope.cli.job import Job
from otoscope.cli.sources import gather, survey

if TYPE_CHECKING:
    from otoscope.base.numbers import Interval
    from otoscope.corpus import Corpus, Problem
    from otoscope.model.whisper import Whisper
    from otoscope.study.bigrams.agreement import BigramAgreement, SoundAgreement
    from otoscope.study.bigrams.experiment import Bigrams, Continuation
    from otoscope.study.bigrams.known import KnownBigrams
    from otoscope.study.bigrams.no_sound import NoSound

N_SENTENCES = 8_000
"""Sentences drawn from the grammar: enough for a few of every word."""

N_COLLOCATIONS = 10
GRAMMAR = "the demo grammar"


@dataclass(frozen=True)
class _Asked:
    """What was asked for, besides the job."""

    sounds: tuple[str, ...]
    level: float
    corpus: str
    clips: int | None
    language: str | None
    seed: int
    dry_run: bool

    @property
    def settings(self) -> dict[str, Any]:
        """For the manifest."""
        mean = {"corpus": self.corpus, "clips": self.clips} if "mean" in self.sounds else {}
        return {
            "sound": self.sounds,
            "level_dbfs": self.level,
            **mean,
            "language": self.language,
            "seed": self.seed,
        }


def bigrams(
    prompts: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROMPT...", help="Words to go on from; several words in quotes are one prompt."),
    ] = None,
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Instead of prompts: compare with the bigrams of a text.")
    ] = None,
    grammar: Annotated[
        bool, typer.Option("--grammar", help="Instead of prompts: compare with the demo language's true bigrams.")
    ] = False,
    in_sentences: Annotated[
        bool,
        typer.Option("--in-sentences", help="With --text or --grammar: words after what precedes them, not alone."),
    ] = False,
    least: Annotated[
        int | None, typer.Option(metavar="N", help="With --text: tokens that occur N times or more. [10]")
    ] = None,
    sound: Annotated[
        list[str] | None,
        typer.Option(
            metavar="padding|silence|noise|music|mean",
            help="What is heard; with commas or repeated for several. mean: the mean output over --corpus. [padding]",
        ),
    ] = None,
    level: Annotated[float, typer.Option(metavar="DBFS", help="How loud noise and music are.")] = -40.0,
    corpus: Annotated[str, typer.Option(metavar="CORPUS", help="For --sound mean: the clips to take.")] = "demo",
    clips: options.Clips = None,
    top: Annotated[int, typer.Option(metavar="N", help="How many tokens to list.")] = 20,
    only_text: Annotated[bool, typer.Option("--only-text", help="List no special tokens and no timestamps.")] = False,
    language: Annotated[
        str | None, typer.Option(metavar="CODE", help="The language token (en, de, ...); the model's own, or English.")
    ] = None,
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
    """Show what the decoder says next after a prompt when it hears nothing, or compare that with a language.

    --out gets bigrams.json and bigrams.png, or bigram_agreement.json and bigram_agreement.png.
    """
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    _check(prompts, text, grammar, in_sentences, least)
    asked = _Asked(_sounds(sound), level, corpus, clips, language, seed, dry_run)
    if prompts:
        _continue(job, asked, prompts, top, only_text)
    else:
        _compare(job, asked, text, in_sentences, least)


def _check(prompts: list[str] | None, text: Path | None, grammar: bool, in_sentences: bool, least: int | None) -> None:
    """Refuse what does not go together."""
    n_asked = bool(prompts) + (text is not None) + grammar
    if n_asked != 1:
        came = "nothing was asked" if n_asked == 0 else "prompts, --text and --grammar exclude each other"
        raise InputError(f"{came}: give prompts ('otoscope bigrams traffic'), or --text FILE, or --grammar.")
    if in_sentences and prompts:
        raise InputError("--in-sentences goes with --text or --grammar. A prompt of several words stands in quotes.")
    if least is not None and text is None:
        raise InputError("--least goes with --text: it says how often a token must occur in it.")
    if text is not None and not text.is_file():
        raise InputError(f"there is no text file '{text}'. Give a file of plain text in UTF-8.")


def _sounds(values: list[str] | None) -> tuple[str, ...]:
    """Read sounds that were given with commas, by repeating the option, or both."""
    from otoscope.study.bigrams.no_sound import check_sounds

    return check_sounds([word.strip() for value in values or ["padding"] for word in value.split(",")])


def _clips(job: Job, asked: _Asked) -> Corpus | None:
    """The clips for the mean, read once through; None where no mean was asked for."""
    if "mean" not in asked.sounds:
        return None
    recordings = gather([asked.corpus], asked.clips)
    job.console.note(f"For the mean: {survey(recordings, job.console).plan}")
    return recordings


def _encoded(job: Job, asked: _Asked, whisper: Whisper, recordings: Corpus | None) -> Iterator[str | NoSound]:
    """The sounds, the mean over clips encoded already, with progress of its own."""
    from otoscope.study.bigrams.no_sound import no_sound

    for sound in asked.sounds:
        if sound != "mean" or recordings is None:
            yield sound
            continue
        with job.console.progress("Taking the mean", total=len(recordings)) as advance:
            mean = no_sound(whisper, sound, clips=recordings, progress=lambda done, _: advance(done))
        yield mean


def _finish(job: Job, recordings: Corpus | None) -> None:
    if recordings is not None:
        job.console.finish(recordings.problems, len(recordings))


def _problems(recordings: Corpus | None) -> Sequence[Problem]:
    return () if recordings is None else recordings.problems


def _continue(job: Job, asked: _Asked, prompts: list[str], top: int, only_text: bool) -> None:
    recordings = _clips(job, asked)
    sounds = ", ".join(asked.sounds)
    job.console.note(f"Going on from {count(len(prompts), 'prompt')}, hearing {sounds}, with {job.model}")
    if asked.dry_run:
        _finish(job, recordings)
        return
    whisper = job.load()

    from otoscope.study.bigrams.experiment import bigrams as measure

    sound = list(_encoded(job, asked, whisper, recordings))
    with job.console.progress("Going on", total=len(prompts) * len(asked.sounds)) as advance:
        result = measure(
            whisper,
            prompts,
            language=asked.language,
            sound=sound,
            level_dbfs=asked.level,
            n_next=top,
            only_text=only_text,
            seed=asked.seed,
            progress=lambda done, _: advance(done),
        )
    settings = {"prompts": prompts, "top": top, "only_text": only_text, **asked.settings}
    job.deliver(result, whisper, settings, _problems(recordings), text=summary(result))
    _finish(job, recordings)


def _compare(job: Job, asked: _Asked, text: Path | None, in_sentences: bool, least: int | None) -> None:
    recordings = _clips(job, asked)
    against = GRAMMAR if text is None else str(text)
    job.console.note(f"Comparing with the bigrams of {against}, hearing {', '.join(asked.sounds)}, with {job.model}")
    if asked.dry_run:
        _finish(job, recordings)
        return
    whisper = job.load()

    from otoscope.study.bigrams.agreement import bigram_agreement

    known = (
        _of_grammar(whisper, asked, in_sentences)
        if text is None
        else _of_text(whisper, asked, text, in_sentences, least)
    )
    sound = list(_encoded(job, asked, whisper, recordings))
    with job.console.progress("Comparing", total=len(known.contexts) * len(asked.sounds)) as advance:
        result = bigram_agreement(
            whisper,
            known,
            sound=sound,
            level_dbfs=asked.level,
            seed=asked.seed,
            progress=lambda done, _: advance(done),
        )
    settings = {"against": against, "in_sentences": in_sentences, "least": least, **asked.settings}
    job.deliver(result, whisper, settings, _problems(recordings), text=agreement_summary(result))
    _finish(job, recordings)


def _of_grammar(whisper: Whisper, asked: _Asked, in_sentences: bool) -> KnownBigrams:
    """The true bigrams of the demo language, without what begins and ends a sentence."""
    import random

    from otoscope.demo import grammar
    from otoscope.study.bigrams.known import bigrams_of_words

    ends = {grammar.START, grammar.END}
    counts = {pair: expected for pair, expected in grammar.bigrams().items() if not ends & set(pair)}
    rng = random.Random(asked.seed)
    sentences = [grammar.sentence(rng) for _ in range(N_SENTENCES)] if in_sentences else None
    known = bigrams_of_words(
        whisper, counts, name=GRAMMAR, language=asked.language, sentences=sentences, seed=asked.seed
    )
    if known.language != "en":
        raise InputError(f"the demo language is English, and --language is {known.language!r}. Leave it out.")
    return known


def _of_text(whisper: Whisper, asked: _Asked, path: Path, in_sentences: bool, least: int | None) -> KnownBigrams:
    from otoscope.study.bigrams.known import LEAST, bigrams_of_text

    return bigrams_of_text(
        whisper,
        _lines(path),
        name=path.name,
        language=asked.language,
        in_sentences=in_sentences,
        least=LEAST if least is None else least,
        seed=asked.seed,
    )


def _lines(path: Path) -> Iterator[str]:
    """Read a text line by line."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from file
    except UnicodeDecodeError as error:
        raise InputError(f"'{path}' is no UTF-8 text ({error.reason} at byte {error.start}). Convert it.") from error
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror}). Check its permissions.") from error


def summary(result: Bigrams) -> str:
    """List what follows each prompt, sounds side by side."""
    n = len(result.sounds)
    groups = [result.continuations[start : start + n] for start in range(0, len(result.continuations), n)]
    return "\n\n".join(_listed(group) for group in groups)


def _listed(group: Sequence[Continuation]) -> str:
    """One prompt: its tokens, how sure the decoder is that text comes, and the likeliest tokens."""
    first = group[0]
    tokens = " ".join(f"[{piece}]" for piece in first.pieces)
    head = f"{first.prompt}: {count(len(first.tokens), 'token')} {tokens}"
    rows = [
        [cell for one in group for cell in _cells(one, place)] for place in range(max(len(one.next) for one in group))
    ]
    header = [name for one in group for name in (one.label, "logit", "p")]
    notes = [
        f"{one.label}: text comes next {percent(one.text_probability)}, the end {percent(one.end_probability)}; "
        f"entropy {one.entropy_bits:.1f} bits"
        for one in group
    ]
    return "\n".join([head, *notes, table(header, rows)])


def _cells(one: Continuation, place: int) -> tuple[str, str, str]:
    token = one.next[place]
    return _name(token.text, strip=False), f"{token.logit:.2f}", f"{token.probability:.2%}"


def agreement_summary(result: BigramAgreement) -> str:
    """Say in a table for each sound how the model does beside the baselines, and list collocations."""
    way = "at the end of sentences" if result.in_sentences else "alone"
    head = (
        f"{result.model} against {result.known}: {count(result.n_contexts, 'context')} {way} "
        f"({count(result.n_prompts, 'prompt')}), {percent(result.share)} of all bigrams; "
        f"weighted by frequency, 95% intervals over contexts"
    )
    return "\n\n".join([head, *(_agreement(one, result.floor_bits) for one in result.sounds)])


def _agreement(one: SoundAgreement, floor_bits: float) -> str:
    names = {
        "cross_entropy_bits": "cross-entropy, bits",
        "kl_bits": "KL divergence, bits",
        "rank_correlation": "rank correlation",
        "top_1": "likeliest agrees",
        "top_5": "likeliest in top 5",
        "possible_mass": "mass on what can follow",
    }
    guesses = ("model", "another context", "unigram", "model - unigram")
    rows = [
        (
            label,
            *(
                _number(one.scores[guess][score], is_share=score in ("top_1", "top_5", "possible_mass"))
                for guess in guesses
            ),
        )
        for score, label in names.items()
    ]
    collocations = [
        (
            _name(row.context),
            _name(row.likeliest),
            percent(row.known),
            percent(row.model),
            percent(row.unigram),
            _name(row.says),
        )
        for row in one.collocations(N_COLLOCATIONS)
    ]
    return "\n".join(
        [
            f"{one.label}: text comes next {percent(one.text_probability)}; no cross-entropy is below "
            f"{floor_bits:.2f} bits, that of what is known",
            table(("", *guesses), rows),
            "the strongest collocations:",
            table(("after", "follows", "known", "model", "unigram", "model says"), collocations),
        ]
    )


def _number(one: Interval, *, is_share: bool) -> str:
    def write(value: float) -> str:
        return percent(value) if is_share else f"{value:.2f}"

    if one.low is None or one.high is None:
        return write(one.value)
    return f"{write(one.value)} ({write(one.low)} to {write(one.high)})"


def _name(text: str, *, strip: bool = True) -> str:
    """Write a token on one line, and so that it can be seen."""
    seen = text.strip() if strip and text.strip() else text
    return repr(seen)[1:-1] if text.strip() else repr(text)
