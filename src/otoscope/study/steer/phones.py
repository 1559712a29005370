"""Does adding one phone's mean and taking away another's make the model hear the other phone?

The trials are minimal pairs: a word that was heard, one of its phones, and another phone that would make it another
word ("rug", "mug"). Over the frames of that phone the mean of the other is added and its own taken away; it worked
where the other word is written instead. A random vector of equal length at the same frames is the baseline. Means come
from one half of the speakers and trials from the other. Costs two runs of encoder and decoder for each trial, site and
strength;
the clips of one half that fit a window are held in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import Interval, plain
from otoscope.corpus import Corpus
from otoscope.harvest.labels import LabelSet, label_set
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.estimates import wilson_interval
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich
from otoscope.study.steer import picture as steer_picture
from otoscope.study.steer.class_means import as_corpus, means_at
from otoscope.study.steer.phone_trials import Fits, Lexicon, Pair, Trials, words_by_sound
from otoscope.study.steer.rates import swaps
from otoscope.study.steer.steering import check_strengths, random_direction
from otoscope.study.writing import BATCH_SIZE

MARGIN_FRAMES = 2
"""A phone is heard before and after its labels end."""


@dataclass(frozen=True)
class SwapRates:
    """What happened at one site and strength.

    Attributes:
        site: The site.
        strength: What the difference of means was multiplied with.
        texts: Transcript of each trial.
        random_texts: The same with random vectors of equal length.
        is_stopped: Whether the decoder had no room to end either of them.
    """

    site: str
    strength: float
    texts: tuple[str, ...]
    random_texts: tuple[str, ...]
    is_stopped: tuple[tuple[bool, bool], ...]


@dataclass(frozen=True, repr=False)
class PhoneSwaps(Rich):
    """How often the other word was heard.

    Attributes:
        model: The model's id.
        n_clips: Clips that trials were looked for in: those of the held-out speakers, of one window.
        split_by: `speakers`, or `clips` where fewer than two speakers are known.
        lag: Frames by which the encoder was taken to answer late.
        margin_frames: Frames steered on either side of the phone, too.
        pairs: The trials.
        clean: Transcript of each trial's clip with nothing changed.
        rates: One for each site and strength.
        seed: Draws trials and random vectors.
    """

    model: str
    n_clips: int
    split_by: str
    lag: int
    margin_frames: int
    pairs: tuple[Pair, ...]
    clean: tuple[str, ...]
    rates: tuple[SwapRates, ...]
    seed: int

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

    def to_json(self) -> dict[str, Any]:
        """Give the table: rates by site and strength beside those at random, and every trial."""
        return {
            "model": self.model,
            "n_clips": self.n_clips,
            "n_pairs": len(self.pairs),
            "n_different_pairs": len({(pair.word, pair.target) for pair in self.pairs}),
            "means_from": f"the other half of the {self.split_by}",
            "lag_frames": self.lag,
            "margin_frames": self.margin_frames,
            "rates": [
                {
                    "site": rate.site,
                    "strength": rate.strength,
                    "target_heard": plain(self.hits(rate.texts)),
                    "target_heard_at_random": plain(self.hits(rate.random_texts)),
                    "word_gone": plain(self.gone(rate.texts)),
                    "word_gone_at_random": plain(self.gone(rate.random_texts)),
                }
                for rate in self.rates
            ],
            "intervals": "Wilson, 95%, trials taken as independent",
            "seed": self.seed,
            "pairs": [self._trial(place) for place in range(len(self.pairs))],
        }

    def _trial(self, place: int) -> dict[str, Any]:
        steered = [
            {
                "site": rate.site,
                "strength": rate.strength,
                "text": rate.texts[place],
                "at_random": rate.random_texts[place],
                "stopped": rate.is_stopped[place][0],
                "stopped_at_random": rate.is_stopped[place][1],
            }
            for rate in self.rates
        ]
        return {**vars(self.pairs[place]), "clean": self.clean[place], "steered": steered}

    def save(self, folder: str | Path) -> list[Path]:
        """Write `steer_phones.json` and `steer_phones.png`.

        Args:
            folder: Where to; made when missing.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        return [write_json(where / "steer_phones.json", self.to_json()), *drawn(self.plot, where / "steer_phones.png")]

    def plot(self, path: str | Path) -> Path:
        """Draw how often the other word was heard against strength, for each site.

        Args:
            path: Where to; PNG.

        Raises:
            OutputError: The file cannot be written.
        """
        sites = list(dict.fromkeys(rate.site for rate in self.rates))
        strengths = list(dict.fromkeys(rate.strength for rate in self.rates))
        panels = []
        for site in sites:
            own = [rate for rate in self.rates if rate.site == site]
            panels.append(
                steer_picture.Panel(
                    f"{site}: other word heard",
                    [self.hits(rate.texts) for rate in own],
                    [self.hits(rate.random_texts) for rate in own],
                    None,
                )
            )
        figure = steer_picture.sweep_figure(
            strengths,
            panels,
            "One phone's mean in place of another's",
            f"{self.model}: {pictures.count(len(self.pairs), 'word')} with a minimal pair; 95% intervals",
        )
        return pictures.save_figure(figure, path)

    def _shown(self) -> html.Shown:
        rows = [
            (
                rate.site,
                rate.strength,
                html.share(self.hits(rate.texts)),
                html.share(self.hits(rate.random_texts)),
                html.share(self.gone(rate.texts)),
                html.share(self.gone(rate.random_texts)),
            )
            for rate in self.rates
        ]
        columns = ("site", "strength", "other word heard", "at random", "word gone", "at random")
        return html.Shown(
            f"One phone made another: {self.model}",
            [
                ("trials", f"{len(self.pairs):,} in {self.n_clips:,} clips"),
                ("means from", f"the other half of the {self.split_by}"),
            ],
            [html.Table(columns, rows, "Share of trials with 95% intervals")],
        )


def steer_phones(
    model: Whisper,
    clips: Corpus | Iterable[Sound],
    sites: Sequence[str],
    strengths: Sequence[float] = (1.0, 2.0),
    *,
    lexicon: Lexicon | None = None,
    fits: Fits | None = None,
    margin_frames: int = MARGIN_FRAMES,
    n_pairs: int | None = None,
    language: str | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> PhoneSwaps:
    """Try to turn words into others by one phone each.

    Args:
        model: Any Whisper.
        clips: A corpus, or clips, with words and phones in time.
        sites: Sites of the encoder that hold one vector for each frame; patterns may be given.
        strengths: What the difference of the means is multiplied with.
        lexicon: Word to its pronunciations in ARPAbet (IPA for labels in other sets); None for those that the clips'
            own labels show.
        fits: Which words can stand for which; None for all, of which most do not fit their sentence.
        margin_frames: Frames of 20 ms to steer on either side of the phone, too.
        n_pairs: So many trials at most, drawn at random; None for all.
        language: What is spoken; None for each clip's own, or else what the model hears.
        seed: Draws trials and random vectors.
        progress: Called with what is done and how much there is, in runs over a batch.

    Returns:
        How often the other word was heard.

    Raises:
        SiteError: A site is not in the model.
        InputError: A site has no vectors by frame, a number cannot be used, or no clip has a minimal pair.
    """
    found = check_strengths(strengths)
    if n_pairs is not None and n_pairs < 1:
        raise InputError(f"n_pairs={n_pairs}: give 1 or more, or None for all.")
    if margin_frames < 0:
        raise InputError(f"margin_frames={margin_frames}: give 0 or more. The default is {MARGIN_FRAMES}.")
    corpus = as_corpus(clips)
    labels = label_set(corpus, None, seed)
    fitted, tried = (_half(corpus, labels, is_held_out) for is_held_out in (False, True))
    means = means_at(model, fitted, "phone", sites) if fitted.sources else {}
    if not means:
        raise InputError("no clip is left to find means in: give two clips or more, of two speakers or more.")
    lag = next(iter(means.values())).lag or 0
    short = [clip for clip in tried if len(clip.samples) <= model.window_samples]
    known = words_by_sound(lexicon, corpus, labels)
    trials = Trials(model, short, labels, known, next(iter(means.values())), language, fits)
    pairs = trials.drawn(n_pairs, seed)
    if not pairs:
        raise InputError(
            f"no word of {len(short)} clips was heard and has a phone that would make it another word. Give more clips "
            "with words and phones in time, or a larger lexicon."
        )
    rng = np.random.default_rng(seed)
    n_batches = -(-len(pairs) // BATCH_SIZE)
    n_all, done = 2 * n_batches * len(found) * len(means), 0
    rates = []
    for site, own in means.items():
        vectors = [own.direction(pair.other, pair.phone) for pair in pairs]
        random = [random_direction(vector, rng) for vector in vectors]
        for strength in found:
            heard = []
            for chosen in (vectors, random):
                rows = np.stack([strength * direction.vector for direction in chosen]).astype(np.float32)
                heard.append(trials.steered(pairs, site, rows, lag, margin_frames))
                done += n_batches
                if progress is not None:
                    progress(done, n_all)
            texts, at_random = (tuple(one.text for one in each) for each in heard)
            is_stopped = tuple((one.is_stopped, other.is_stopped) for one, other in zip(*heard, strict=True))
            rates.append(SwapRates(site, strength, texts, at_random, is_stopped))
    clean = tuple(trials.clean[pair.clip_id] for pair in pairs)
    return PhoneSwaps(
        model.id, len(short), labels.split_by, lag, margin_frames, tuple(pairs), clean, tuple(rates), seed
    )


def _half(corpus: Corpus, labels: LabelSet, is_held_out: bool) -> Corpus:
    """Give one half of the speakers' clips, unread."""
    pairs = zip(corpus.sources, labels.held_out, strict=True)
    sources = [source for source, out in pairs if out == is_held_out]
    return Corpus(corpus.name, sources, asked_phone_set=corpus.phone_set)
