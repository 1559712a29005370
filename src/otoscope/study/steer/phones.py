"""Does adding one phone's mean and taking away another's make the model hear the other phone?

The trials are minimal pairs: a word that was heard, one of its phones, and another phone that would make it another
word ("rug", "mug"). Over the frames of that phone the mean of the other is added and its own subtracted; a trial
succeeds where the other word is transcribed instead. A random vector of equal length at the same frames is the
baseline. Means come from one half of the speakers and trials from the other. Costs two runs of encoder and decoder for
each trial, site and strength; the clips of one half that fit a window are held in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from otoscope.base.errors import InputError
from otoscope.base.layout import count
from otoscope.base.numbers import Interval
from otoscope.base.report import Column, Fact, Report, Table
from otoscope.base.settings import takes
from otoscope.corpus import Corpus
from otoscope.harvest.labels import LabelSet, label_set
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.clips import as_corpus
from otoscope.study.estimates import wilson_interval
from otoscope.study.results import Result
from otoscope.study.steer.class_means import means_at
from otoscope.study.steer.phone_trials import Fits, Lexicon, Pair, Trials, words_by_sound
from otoscope.study.steer.picture import rates_panel, sweep_figure
from otoscope.study.steer.rates import swaps
from otoscope.study.steer.settings import PhoneSwapSettings
from otoscope.study.steer.steering import check_strengths, random_direction
from otoscope.study.writing import BATCH_SIZE


@dataclass(frozen=True)
class SwapRates:
    """What happened at one site and strength."""

    site: str
    strength: float  # what the difference of means was multiplied with
    texts: tuple[str, ...]  # the transcript of each trial
    random_texts: tuple[str, ...]  # the same with random vectors of equal length
    is_stopped: tuple[tuple[bool, bool], ...]  # whether the decoder had no room to end either of them


@dataclass(frozen=True, repr=False)
class PhoneSwaps(Result):
    """How often the other word was heard."""

    name = "steer_phones"

    model: str
    n_clips: int  # clips searched for trials: those of the held-out speakers that fit one window
    split_by: str  # `speakers`, or `clips` where fewer than two speakers are known
    lag: int  # frames by which the encoder was assumed to answer late
    margin_frames: int  # frames that are also steered on either side of the phone
    pairs: tuple[Pair, ...]  # the trials
    clean: tuple[str, ...]  # transcript of each trial's clip with nothing changed
    rates: tuple[SwapRates, ...]  # one for each site and strength
    seed: int  # of trials and random vectors

    def hits(self, texts: Sequence[str]) -> Interval | None:
        """Share of trials in which the target stands where the word stood; Wilson's interval."""
        return self._share(texts, lambda pair, gone, come: pair.word in gone and pair.target in come)

    def gone(self, texts: Sequence[str]) -> Interval | None:
        """Share of trials in which the word is not there any more; Wilson's interval."""
        return self._share(texts, lambda pair, gone, come: pair.word in gone)

    def _share(self, texts: Sequence[str], is_hit: Callable[[Pair, list[str], list[str]], bool]) -> Interval | None:
        n = 0
        for pair, before, after in zip(self.pairs, self.clean, texts, strict=True):
            n += any(is_hit(pair, gone.split(), come.split()) for gone, come in swaps(before, after))
        return wilson_interval(n, len(self.pairs))

    def report(self) -> Report:
        """Report how often the other word was heard, beside random vectors; JSON has every trial."""
        n_different = len({(pair.word, pair.target) for pair in self.pairs})
        columns = [
            Column("site", "site"),
            Column("strength", "strength"),
            Column("target_heard", "other word heard", "share"),
            Column("target_heard_at_random", "at random", "share"),
            Column("word_gone", "word gone", "share"),
            Column("word_gone_at_random", "at random", "share"),
        ]
        rows = [
            (
                rate.site,
                rate.strength,
                self.hits(rate.texts),
                self.hits(rate.random_texts),
                self.gone(rate.texts),
                self.gone(rate.random_texts),
            )
            for rate in self.rates
        ]
        rates = Table(columns, rows, "Share of trials, with 95% intervals")
        return Report(
            f"One phone's mean in place of another's: {self.model}",
            f"{count(len(self.pairs), 'word')} with a minimal pair ({n_different} different) in "
            f"{count(self.n_clips, 'clip')}",
            {
                "model": self.model,
                "n_clips": self.n_clips,
                "n_pairs": len(self.pairs),
                "n_different_pairs": n_different,
                "means_from": Fact(f"the other half of the {self.split_by}", "means of phones from"),
                "lag_frames": self.lag,
                "margin_frames": self.margin_frames,
                "rates": rates.to_json(),
                "intervals": "Wilson, 95%, trials taken as independent",
                "seed": self.seed,
                "pairs": [self._trial(number) for number in range(len(self.pairs))],
            },
            parts=[rates],
        )

    def _trial(self, number: int) -> dict[str, Any]:
        steered = [
            {
                "site": rate.site,
                "strength": rate.strength,
                "text": rate.texts[number],
                "at_random": rate.random_texts[number],
                "stopped": rate.is_stopped[number][0],
                "stopped_at_random": rate.is_stopped[number][1],
            }
            for rate in self.rates
        ]
        return {**vars(self.pairs[number]), "clean": self.clean[number], "steered": steered}

    def figure(self) -> Figure:
        """Draw how often the other word was heard against strength, for each site."""
        panels = []
        for site in dict.fromkeys(rate.site for rate in self.rates):
            rates = [rate for rate in self.rates if rate.site == site]
            panels.append(
                partial(
                    rates_panel,
                    strengths=[rate.strength for rate in rates],
                    label=f"{site}: other word heard",
                    steered=[self.hits(rate.texts) for rate in rates],
                    random=[self.hits(rate.random_texts) for rate in rates],
                )
            )
        note = f"{self.model}: {count(len(self.pairs), 'word')} with a minimal pair; 95% intervals"
        return sweep_figure(panels, "One phone's mean in place of another's", note)


@takes(PhoneSwapSettings)
def steer_phones(
    model: Whisper,
    clips: Corpus | Iterable[Sound],
    sites: Sequence[str],
    strengths: Sequence[float] = (1.0, 2.0),
    *,
    settings: PhoneSwapSettings,
    lexicon: Lexicon | None = None,
    fits: Fits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PhoneSwaps:
    """Try to turn words into others by one phone each.

    Args:
        model: Any Whisper.
        clips: A corpus, or clips, with words and phones in time.
        sites: Sites of the encoder that hold one vector for each frame; patterns may be given.
        strengths: What the difference of the means is multiplied with.
        settings: Which words, and over which frames. Without a language, each clip's own, or else the one that the
            model detects.
        lexicon: Word to its pronunciations in ARPAbet (IPA for labels in other sets); None for those that the clips'
            own labels show.
        fits: Which words can stand for which; None for all, of which most do not fit their sentence.
        progress: Called with the number of runs over a batch done and the number in all.

    Returns:
        How often the other word was heard.

    Raises:
        SiteError: A site is not in the model.
        InputError: A site has no vectors by frame, a number cannot be used, or no clip has a minimal pair.
    """
    once, seed = check_strengths(strengths), settings.seed
    corpus = as_corpus(clips)
    labels = label_set(corpus, None, seed)
    fitted, tried = (_half(corpus, labels, is_held_out) for is_held_out in (False, True))
    means = means_at(model, fitted, "phone", sites) if fitted.sources else {}
    if not means:
        raise InputError("no clip is left to find means in: give two clips or more, of two speakers or more.")
    lag = next(iter(means.values())).lag or 0
    short = [clip for clip in tried if len(clip.samples) <= model.window_samples]
    by_sound = words_by_sound(lexicon, corpus, labels)
    trials = Trials(model, short, labels, by_sound, next(iter(means.values())), settings.language, fits)
    pairs = trials.drawn(settings.n_pairs, seed)
    if not pairs:
        raise InputError(
            f"no word of {len(short)} clips was heard and has a phone that would make it another word. Give more clips "
            "with words and phones in time, or a larger lexicon."
        )
    rng = np.random.default_rng(seed)
    n_batches = -(-len(pairs) // BATCH_SIZE)
    n_all, done = 2 * n_batches * len(once) * len(means), 0
    rates = []
    for site, site_means in means.items():
        vectors = [site_means.direction(pair.other, pair.phone) for pair in pairs]
        random = [random_direction(vector, rng) for vector in vectors]
        for strength in once:
            texts = []
            for directions in (vectors, random):
                rows = np.stack([strength * direction.vector for direction in directions]).astype(np.float32)
                texts.append(trials.steered(pairs, site, rows, lag, settings.margin_frames))
                done += n_batches
                if progress is not None:
                    progress(done, n_all)
            steered, at_random = (tuple(text.text for text in row) for row in texts)
            is_stopped = tuple((text.is_stopped, twin.is_stopped) for text, twin in zip(*texts, strict=True))
            rates.append(SwapRates(site, strength, steered, at_random, is_stopped))
    return PhoneSwaps(
        model=model.name,
        n_clips=len(short),
        split_by=labels.split_by,
        lag=lag,
        margin_frames=settings.margin_frames,
        pairs=tuple(pairs),
        clean=tuple(trials.clean[pair.clip_id] for pair in pairs),
        rates=tuple(rates),
        seed=seed,
    )


def _half(corpus: Corpus, labels: LabelSet, is_held_out: bool) -> Corpus:
    """Return one half of the speakers' clips, unread."""
    pairs = zip(corpus.sources, labels.held_out, strict=True)
    sources = [source for source, out in pairs if out == is_held_out]
    return Corpus(corpus.name, sources, asked_phone_set=corpus.phone_set)
