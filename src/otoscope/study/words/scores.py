"""How often is each way of tracing words right? Over the words of many clips with known times.

Costs what `words` costs, clip by clip. Beside the three ways stand two baselines that do not listen, words
spread evenly over the speech in their order and the recording as a whole, and each way's answers held against other
words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.audio.kinds import Kind
from otoscope.base import html
from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import Interval, finite, plain
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.clips import each_clip
from otoscope.study.error_rate import normalise
from otoscope.study.estimates import DRAWS, bootstrap_mean
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich
from otoscope.study.words import picture as words_picture
from otoscope.study.words.curves import overlap, part_of, share_inside
from otoscope.study.words.experiment import WAYS, WordSources, words

POSITION, EVEN = "in order", "anywhere"
BASELINES = (POSITION, EVEN)
"""Words as long as each other one after the other in the speech; and any moment of the recording."""

SCORES = ("hit", "overlap", "inside")


@dataclass(frozen=True)
class Score:
    """How well an answer fits a word's labelled time.

    Attributes:
        hit: Whether the peak lies in it, give or take the tolerance; for the baseline `anywhere` how likely that is.
        overlap: Intersection over union of the stretch found and the labelled time.
        inside: Share of the curve above 0 that lies in it.
    """

    hit: float
    overlap: float
    inside: float


@dataclass(frozen=True)
class ScoredWord:
    """One word and how well each way found it.

    Attributes:
        clip_id: The clip.
        window: Which window of it.
        index: The word's place in that window's transcript.
        text: As transcribed.
        scores: Way or baseline to score.
        hit_of_others: Way to the share of the window's other words with known times that its peak would have hit; None
            where there are no others.
    """

    clip_id: str
    window: int
    index: int
    text: str
    scores: dict[str, Score]
    hit_of_others: dict[str, float] | None


@dataclass(frozen=True, repr=False)
class WordScores(Rich):
    """How well each way found the words of many clips.

    Attributes:
        model: The model's id.
        n_clips: Clips with word times.
        clips_without_words: Clips without word times, left out.
        n_labelled: Words with times.
        tolerance_s: A peak counts as a hit when it is this near to the word.
        stretch_s: Seconds silenced at a time.
        step_s: Seconds from one silenced stretch to the next.
        seed: Seeds the bootstrap.
        words: One for each word that is transcribed as labelled.
    """

    model: str
    n_clips: int
    clips_without_words: tuple[str, ...]
    n_labelled: int
    tolerance_s: float
    stretch_s: float
    step_s: float
    seed: int
    words: tuple[ScoredWord, ...]

    def mean(self, way: str, score: str) -> Interval | None:
        """Average a score over words.

        Args:
            way: One of `WAYS` or `BASELINES`.
            score: One of `SCORES`.

        Returns:
            The mean with its 95% interval; None where there are no words.
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

    def to_json(self) -> dict[str, Any]:
        """Give the table: counts, mean scores with intervals, and every word."""
        table = {
            way: {score: plain(self.mean(way, score)) for score in SCORES}
            | ({"hit_of_another_word": plain(self.hit_of_others(way))} if way in WAYS else {})
            for way in (*WAYS, *BASELINES)
        }
        return {
            "model": self.model,
            "n_clips": self.n_clips,
            "clips_without_words": list(self.clips_without_words),
            "n_labelled": self.n_labelled,
            "n_words": len(self.words),
            "n_misheard": self.n_labelled - len(self.words),
            "tolerance_s": finite(self.tolerance_s),
            "silenced_s": finite(self.stretch_s),
            "step_s": finite(self.step_s),
            "ways": table,
            "above_in_order": {
                way: {score: plain(self.above(way, POSITION, score)) for score in SCORES} for way in WAYS
            },
            "intervals": f"95%, bootstrap over clips, {DRAWS} draws",
            "seed": self.seed,
            "words": [self._row(word) for word in self.words],
        }

    @staticmethod
    def _row(word: ScoredWord) -> dict[str, Any]:
        scores = {
            way: {name: finite(float(getattr(score, name))) for name in SCORES} for way, score in word.scores.items()
        }
        return {"clip": word.clip_id, "window": word.window, "index": word.index, "word": word.text, **scores}

    def save(self, folder: str | Path) -> list[Path]:
        """Write `word_scores.json` and `word_scores.png`.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        return [write_json(where / "word_scores.json", self.to_json()), *drawn(self.plot, where / "word_scores.png")]

    def plot(self, path: str | Path) -> Path:
        """Draw the mean scores of all ways and baselines with their intervals.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        heads = {
            "hit": f"Peak in the word (± {self.tolerance_s:g} s)",
            "overlap": "Overlap with the word",
            "inside": "Share inside the word",
        }
        rows = {way: [self.mean(way, score) for score in SCORES] for way in (*WAYS, *BASELINES)}
        sample = f"{pictures.count(len(self.words), 'word')} of {pictures.count(self.n_clips, 'clip')}"
        misheard = f"{self.n_labelled - len(self.words)} more misheard"
        note = f"{self.model}: {sample} ({misheard}); 95% intervals, bootstrap over clips"
        return pictures.save_figure(words_picture.scores_figure(list(heads.values()), rows, BASELINES, note), path)

    def _shown(self) -> html.Shown:
        rows = [
            (way, html.share(self.mean(way, "hit")), self.mean(way, "overlap"), html.share(self.mean(way, "inside")))
            for way in (*WAYS, *BASELINES)
        ]
        return html.Shown(
            f"How well each way finds words: {self.model}",
            [
                ("words", f"{len(self.words):,} of {self.n_labelled:,} labelled, in {self.n_clips:,} clips"),
                ("a hit is a peak within", f"{self.tolerance_s:g} s of the word"),
            ],
            [
                html.Table(
                    ("way", "peak hits the word", "overlap", "of the curve inside"),
                    rows if self.words else [],
                    "Mean over words with 95% intervals; the last two are baselines",
                )
            ],
        )


def word_sources(
    model: Whisper,
    clips: Iterable[Sound],
    *,
    tolerance_s: float = 0.05,
    language: str | None = None,
    alignment_heads: Sequence[Sequence[int]] | None = None,
    stretch_s: float = 0.2,
    step_s: float = 0.1,
    batch_size: int | None = None,
    exact: bool = False,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> WordScores:
    """Score each way of tracing words over clips with word times.

    Words that are not transcribed as labelled are counted and left out, as are clips without word times.

    Args:
        model: Any Whisper with a tokenizer.
        clips: Clips with words in time.
        tolerance_s: How far outside a word its peak may lie, in seconds.
        language: What is spoken; by default what the model finds.
        alignment_heads: Cross-attention heads to follow, as (block, head); None for the checkpoint's own.
        stretch_s: Seconds silenced at a time.
        step_s: Seconds from one silenced stretch to the next.
        batch_size: Silenced windows run at a time; by default 1 on the CPU, else 16.
        exact: Encode the whole window for every silenced stretch, as in `words`.
        seed: Seeds the bootstrap.
        progress: Called after each clip with the number done and the number in all (0 when it is not known).

    Returns:
        Every word's scores, and their means.

    Raises:
        InputError: A setting cannot be used, or no clip has words in time.
    """
    if not (np.isfinite(tolerance_s) and tolerance_s >= 0):
        raise InputError(f"tolerance_s={tolerance_s:g}: 0 seconds or more are needed. The default is 0.05.")
    scored: list[ScoredWord] = []
    without: list[str] = []
    n_clips = n_labelled = 0
    for clip in each_clip(clips, progress):
        labelled = sum(bool(normalise(word.text)) for word in clip.words or ())
        if labelled:
            found = words(
                model,
                clip,
                language=language,
                alignment_heads=alignment_heads,
                stretch_s=stretch_s,
                step_s=step_s,
                batch_size=batch_size,
                exact=exact,
            )
            scored += score_words(found, tolerance_s)
            n_clips, n_labelled = n_clips + 1, n_labelled + labelled
        else:
            without.append(clip.id)
    if n_clips == 0:
        raise InputError(
            f"none of {len(without)} clips has words in time: they say which frames are right. Give clips with words, "
            "or make them with 'otoscope corpus align'."
        )
    return WordScores(
        model=model.id,
        n_clips=n_clips,
        clips_without_words=tuple(without),
        n_labelled=n_labelled,
        tolerance_s=tolerance_s,
        stretch_s=stretch_s,
        step_s=step_s,
        seed=seed,
        words=tuple(scored),
    )


def score_words(found: WordSources, tolerance_s: float) -> list[ScoredWord]:
    """Hold the words of one recording against their labelled times.

    Args:
        found: Words and curves.
        tolerance_s: How far outside a word its peak may lie, in seconds.

    Returns:
        One for each word whose time is known.
    """
    rows = []
    for number, word in enumerate(found.words):
        if word.true_s is None:
            continue
        others = [
            other.true_s
            for other in found.words
            if other.true_s is not None and other.window == word.window and other.index != word.index
        ]
        scores: dict[str, Score] = {}
        of_others: dict[str, float] = {}
        for way in WAYS:
            peak_s = (found.peak(way, number) + 0.5) * FRAME_S
            scores[way] = Score(
                hit=float(_is_hit(peak_s, word.true_s, tolerance_s)),
                overlap=overlap(_seconds(found.stretch(way, number)), word.true_s),
                inside=share_inside(found.curve(way, number), word.true_s),
            )
            of_others[way] = float(np.mean([float(_is_hit(peak_s, other, tolerance_s)) for other in others] or [0.0]))
        scores |= _baselines(found, number, word.true_s, tolerance_s)
        rows.append(
            ScoredWord(found.clip_id, word.window, word.index, word.text, scores, of_others if others else None)
        )
    return rows


def _baselines(found: WordSources, number: int, true_s: tuple[float, float], tolerance_s: float) -> dict[str, Score]:
    """Score what can be said of a word without listening to it."""
    word = found.words[number]
    n_frames = len(found.curve(WAYS[0], number))
    kinds = found.kinds[found.windows.index(word.window)][:n_frames]
    speech = np.flatnonzero(kinds == Kind.SPEECH)
    first, stop = (int(speech[0]), int(speech[-1]) + 1) if len(speech) else (0, n_frames)
    n_words = sum(other.window == word.window for other in found.words)
    edges = [FRAME_S * (first + (stop - first) * part / n_words) for part in (word.index, word.index + 1)]
    turn = (edges[0], edges[1])
    whole = (0.0, n_frames * FRAME_S)
    near = (max(true_s[0] - tolerance_s, 0.0), min(true_s[1] + tolerance_s, whole[1]))
    return {
        POSITION: Score(
            float(_is_hit((turn[0] + turn[1]) / 2, true_s, tolerance_s)), overlap(turn, true_s), part_of(turn, true_s)
        ),
        EVEN: Score(part_of(whole, near), overlap(whole, true_s), part_of(whole, true_s)),
    }


def _seconds(stretch: tuple[int, int]) -> tuple[float, float]:
    return stretch[0] * FRAME_S, stretch[1] * FRAME_S


def _is_hit(moment_s: float, true_s: tuple[float, float], tolerance_s: float) -> bool:
    return true_s[0] - tolerance_s <= moment_s <= true_s[1] + tolerance_s
