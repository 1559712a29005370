"""The parts on what the decoder knows by itself: bigrams, neighbours, the lens over its blocks."""

from __future__ import annotations

from pathlib import Path

from otoscope.base.errors import InputError
from otoscope.corpus.lexicon import Lexicon, lexicon_of
from otoscope.study.bigrams.agreement import bigram_agreement
from otoscope.study.bigrams.experiment import bigrams as go_on
from otoscope.study.bigrams.known import bigrams_of_text
from otoscope.study.lens.curve import lens_curve
from otoscope.study.lens.heads_mean import head_lens_mean
from otoscope.study.neighbours.experiment import neighbours as nearest
from otoscope.study.neighbours.sounds_alike import sounds_alike
from otoscope.study.whole.context import Context, NotHereError

N_PROMPTS, N_WORDS = 4, 4


def bigrams(context: Context, out: Path) -> None:
    """Measure what the decoder says next with no sound, and how that agrees with the corpus's own bigrams."""
    settings = context.settings.bigrams
    go_on(
        context.model,
        settings.prompts or context.frequent_words(N_PROMPTS),
        sound=settings.sounds,
        level_dbfs=settings.level_dbfs,
        language=context.language,
        seed=context.seed,
        progress=context.progress("bigrams: next words"),
    ).save(out)
    try:
        known = bigrams_of_text(
            context.model,
            context.transcripts,
            name=f"transcripts of {context.corpus.name}",
            language=context.language,
            seed=context.seed,
        )
        progress = context.progress("bigrams: agreement")
        agreement = bigram_agreement(context.model, known, seed=context.seed, progress=progress)
    except (InputError, NotHereError):  # too little text for a word or two to occur often enough, or none
        return
    agreement.save(out)


def neighbours(context: Context, out: Path) -> None:
    """Find which tokens lie nearest, and whether the nearest sound alike."""
    settings = context.settings.neighbours
    words = settings.words or context.frequent_words(N_WORDS)
    lexicon = _lexicon(context)
    nearest(context.model, words, k=settings.k, raw=True, pronounce=lexicon).save(out)
    try:
        sounds_alike(context.model, pronounce=lexicon, seed=context.seed, progress=context.progress("neighbours")).save(
            out
        )
    except InputError:  # too few whole words in the vocabulary
        return


def lens(context: Context, out: Path) -> None:
    """Measure from which block on the decoder would say what it says in the end, and what each head adds to it."""
    clips = context.clips(context.settings.lens.clips)
    progress = context.progress("lens: blocks")
    lens_curve(context.model, clips, language=context.language, seed=context.seed, progress=progress).save(out)
    progress = context.progress("lens: heads")
    head_lens_mean(context.model, clips, language=context.language, seed=context.seed, progress=progress).save(out)


def _lexicon(context: Context) -> Lexicon | None:
    """Make a lexicon of the corpus's own words and phones in time, where it has both."""
    if not (context.info.words.n_clips and context.info.phones.n_clips):
        return None
    try:
        return lexicon_of(context.corpus)
    except InputError:
        return None
