"""How often is each way of tracing words right? Over the words of many clips with known times.

Costs what `words` costs, clip by clip. There are two baselines that do not listen: words
spread evenly over the speech in their order, and the recording as a whole. A third holds each way's answers against
other words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from otoscope.audio.kinds import Kind
from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.base.layout import count
from otoscope.base.numbers import Interval, plain
from otoscope.base.report import Estimates, Fact, Report, Series
from otoscope.base.settings import takes
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.clips import each_clip
from otoscope.study.error_rate import normalise
from otoscope.study.estimates import DRAWS, bootstrap_mean
from otoscope.study.results import Result
from otoscope.study.words.curves import overlap, part_of, share_inside
from otoscope.study.words.experiment import WAY_NAMES, WAYS, WordSources, words
from otoscope.study.words.settings import WordSourcesSettings

POSITION, EVEN = "in order", "anywhere"
BASELINES = (POSITION, EVEN)
"""Words of equal length, one after the other in the speech; and any moment of the recording."""

SCORES = ("hit", "overlap", "inside")
OTHERS = "hit_of_another_word"


@dataclass(frozen=True)
class WayScore:
    """How well an answer fits a word's labelled time."""

    hit: float  # whether the peak lies in it, within the tolerance; for `anywhere` the probability of that
    overlap: float  # intersection over union of the stretch found and the labelled time
    inside: float  # share of the curve above 0 that lies in it


@dataclass(frozen=True)
class ScoredWord:
    """One word and the scores of each way."""

    clip_id: str
    window: int  # which window of the clip
    index: int  # among the words of that window's transcript
    text: str  # as transcribed
    scores: dict[str, WayScore]  # by way or baseline
    hit_of_others: dict[str, float] | None  # by way: share of the window's other labelled words that its peak would hit

    def to_json(self) -> dict[str, Any]:
        """Return the row."""
        scores = {way: plain(asdict(score)) for way, score in self.scores.items()}
        return {"clip": self.clip_id, "window": self.window, "index": self.index, "word": self.text, **scores}


@dataclass(frozen=True, repr=False)
class WordScores(Result):
    """How well each way found the words of many clips."""

    name = "word_scores"

    model: str
    n_clips: int  # clips with word times
    clips_without_words: tuple[str, ...]  # clips left out
    n_labelled: int  # words with times
    tolerance_s: float  # a peak counts as a hit when it is this near to the word
    stretch_s: float  # length of sound silenced at a time
    step_s: float  # from one silenced stretch to the next
    seed: int  # of the bootstrap
    words: tuple[ScoredWord, ...]  # one for each word that is transcribed as labelled

    def mean(self, way: str, score: str) -> Interval | None:
        """Average a score over words.

        Args:
            way: One of `WAYS` or `BASELINES`.
            score: One of `SCORES`.

        Returns:
            The mean with its 95% interval over clips; None where there are no words.
        """
        values = [float(getattr(word.scores[way], score)) for word in self.words]
        return bootstrap_mean(values, [word.clip_id for word in self.words], seed=self.seed)

    def above(self, way: str, baseline: str, score: str) -> Interval | None:
        """Average how much better a way scores than another on the same words, with its 95% interval."""
        values = [getattr(word.scores[way], score) - getattr(word.scores[baseline], score) for word in self.words]
        return bootstrap_mean(values, [word.clip_id for word in self.words], seed=self.seed)

    def hit_of_others(self, way: str) -> Interval | None:
        """Average how often a way's peak would hit another word of the same window, with its 95% interval."""
        counted = [(word.hit_of_others[way], word.clip_id) for word in self.words if word.hit_of_others is not None]
        return bootstrap_mean([value for value, _ in counted], [clip for _, clip in counted], seed=self.seed)

    def report(self) -> Report:
        """Report the mean scores of all ways and baselines side by side."""
        ways: dict[str, dict[str, Interval | None]] = {
            way: {score: self.mean(way, score) for score in SCORES} for way in (*WAYS, *BASELINES)
        }
        for way in WAYS:
            ways[way][OTHERS] = self.hit_of_others(way)
        measures = {
            "hit": f"peak within {self.tolerance_s:g} s",
            "overlap": "overlap",
            "inside": "share inside",
            OTHERS: "peak in another word",
        }
        labels = {way: f"{way} (baseline)" if way in BASELINES else WAY_NAMES[way] for way in ways}
        return Report(
            f"How well each way finds the sound of words: {self.model}",
            f"{len(self.words):,} of {count(self.n_labelled, 'word')} transcribed as labelled, in "
            f"{count(self.n_clips, 'clip')} with word times; 95% intervals over clips",
            {
                "model": self.model,
                "n_clips": self.n_clips,
                "clips_without_words": Fact(self.clips_without_words, "clips without word times, left out"),
                "n_labelled": self.n_labelled,
                "n_words": len(self.words),
                "n_misheard": self.n_labelled - len(self.words),
                "tolerance_s": self.tolerance_s,
                "silenced_s": self.stretch_s,
                "step_s": self.step_s,
                "ways": ways,
                "above_in_order": {way: {score: self.above(way, POSITION, score) for score in SCORES} for way in WAYS},
                "intervals": f"95%, bootstrap over clips, {DRAWS} draws",
                "seed": self.seed,
                "words": self.words,
            },
            display_only=[
                (POSITION, "words of equal length, one after the other in the speech"),
                (EVEN, "the whole recording"),
            ],
            parts=[
                Estimates(measures, [Series(labels[way], values) for way, values in ways.items()], "Mean over words")
            ],
        )


@takes(WordSourcesSettings)
def word_sources(
    model: Whisper,
    clips: Iterable[Sound],
    *,
    settings: WordSourcesSettings,
    progress: Callable[[int, int], None] | None = None,
) -> WordScores:
    """Score each way of tracing words over clips with word times.

    Words that are not transcribed as labelled are counted and left out, as are clips without word times.

    Args:
        model: Any Whisper with a tokenizer.
        clips: Clips with words in time.
        settings: How words are traced and scored.
        progress: Called after each clip with the number done and the number in all (0 when it is not known).

    Returns:
        Every word's scores, and their means.

    Raises:
        InputError: A setting cannot be used, or no clip has words in time.
    """
    scored: list[ScoredWord] = []
    without: list[str] = []
    n_clips = n_labelled = 0
    for clip in each_clip(clips, progress):
        n_in_clip = sum(bool(normalise(word.text)) for word in clip.words or ())
        if n_in_clip:
            scored += score_words(words(model, clip, settings=settings), settings.tolerance_s)
            n_clips, n_labelled = n_clips + 1, n_labelled + n_in_clip
        else:
            without.append(clip.id)
    if n_clips == 0:
        raise InputError(
            f"none of {len(without)} clips has words in time: they say which frames are right. Give clips with words, "
            "or make them with 'otoscope corpus align'."
        )
    return WordScores(
        model=model.name,
        n_clips=n_clips,
        clips_without_words=tuple(without),
        n_labelled=n_labelled,
        tolerance_s=settings.tolerance_s,
        stretch_s=settings.stretch_s,
        step_s=settings.step_s,
        seed=settings.seed,
        words=tuple(scored),
    )


def score_words(sources: WordSources, tolerance_s: float) -> list[ScoredWord]:
    """Compare the words of one recording with their labelled times."""
    rows = []
    for number, word in enumerate(sources.words):
        if word.true_s is None:
            continue
        others = [
            other.true_s
            for other in sources.words
            if other.true_s is not None and other.window == word.window and other.index != word.index
        ]
        scores: dict[str, WayScore] = {}
        hit_of_others: dict[str, float] = {}
        for way in WAYS:
            peak_s = (sources.peak(way, number) + 0.5) * FRAME_S
            start, stop = sources.stretch(way, number)
            scores[way] = WayScore(
                hit=float(_is_hit(peak_s, word.true_s, tolerance_s)),
                overlap=overlap((start * FRAME_S, stop * FRAME_S), word.true_s),
                inside=share_inside(sources.curve(way, number), word.true_s),
            )
            hits = [float(_is_hit(peak_s, other, tolerance_s)) for other in others]
            hit_of_others[way] = float(np.mean(hits or [0.0]))
        scores |= _baselines(sources, number, word.true_s, tolerance_s)
        rows.append(
            ScoredWord(sources.clip_id, word.window, word.index, word.text, scores, hit_of_others if others else None)
        )
    return rows


def _baselines(
    sources: WordSources, number: int, true_s: tuple[float, float], tolerance_s: float
) -> dict[str, WayScore]:
    """Score what can be guessed of a word's time without listening."""
    word = sources.words[number]
    n_frames = len(sources.curve(WAYS[0], number))
    kinds = sources.kinds[sources.windows.index(word.window)][:n_frames]
    speech = np.flatnonzero(kinds == Kind.SPEECH)
    first, stop = (int(speech[0]), int(speech[-1]) + 1) if len(speech) else (0, n_frames)
    n_words = sum(other.window == word.window for other in sources.words)
    edges = [FRAME_S * (first + (stop - first) * part / n_words) for part in (word.index, word.index + 1)]
    turn = (edges[0], edges[1])
    whole = (0.0, n_frames * FRAME_S)
    near = (max(true_s[0] - tolerance_s, 0.0), min(true_s[1] + tolerance_s, whole[1]))
    return {
        POSITION: WayScore(
            float(_is_hit((turn[0] + turn[1]) / 2, true_s, tolerance_s)), overlap(turn, true_s), part_of(turn, true_s)
        ),
        EVEN: WayScore(part_of(whole, near), overlap(whole, true_s), part_of(whole, true_s)),
    }


def _is_hit(moment_s: float, true_s: tuple[float, float], tolerance_s: float) -> bool:
    return true_s[0] - tolerance_s <= moment_s <= true_s[1] + tolerance_s
