"""Steer a model and see what is transcribed: a sweep over strengths, beside random changes of the same size.

Each clip is transcribed with nothing changed, once for each strength, and once for each strength and random twin; see
`transcripts` for what that costs. The words that changed do not show by themselves that a direction does what its name
says: the random twin shows how many would have changed anyway.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.audio.clip import as_clip
from otoscope.base.errors import InputError
from otoscope.base.layout import count
from otoscope.base.numbers import Interval, written
from otoscope.base.report import Column, Report, Table
from otoscope.base.settings import takes
from otoscope.corpus import Corpus
from otoscope.harvest.labels import label_set
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.clips import as_corpus, clip_count
from otoscope.study.error_rate import words_of
from otoscope.study.estimates import wilson_interval
from otoscope.study.results import Result
from otoscope.study.steer.picture import rates_panel, sweep_figure
from otoscope.study.steer.rates import pooled_rate, rate_change, swaps
from otoscope.study.steer.settings import SteerSettings
from otoscope.study.steer.steering import Add, Change, check_sizes, check_strengths
from otoscope.study.steer.transcripts import Steered, Steering, steered_transcripts, vector_lengths
from otoscope.study.steer.where import Where

MOST_SWAPS = 20
"""Changes of words that are listed at most, the commonest first."""

SHOWN_SWAPS = 5
SHOWN_LETTERS = 60
"""Changes in the report at most, and letters of the words on either side."""

NOTHING = "∅"
"""Stands for no words."""


@dataclass(frozen=True)
class StrengthOutcome:
    """What was transcribed at one strength; the steering itself has one draw."""

    strength: float
    texts: tuple[tuple[str, ...], ...]  # [draw][clip]
    languages: tuple[tuple[str, ...], ...]  # of every clip's first window, [draw][clip]
    is_stopped: tuple[tuple[bool, ...], ...]  # whether the decoder had no room to end the text, [draw][clip]


@dataclass(frozen=True, repr=False)
class Steer(Result):
    """What was transcribed under a steering."""

    name = "steer"

    model: str
    changes: tuple[str, ...]  # names of what was changed
    where: str  # which frames were steered
    n_frames: int  # number of these frames in all clips
    lengths: tuple[float, ...]  # of each added vector: its length at strength 1 over the mean length at its site
    clip_ids: tuple[str, ...]
    references: tuple[str | None, ...]  # what was said in each clip, where that is known
    clean: tuple[str, ...]  # transcripts with nothing changed
    clean_languages: tuple[str, ...]
    steered: tuple[StrengthOutcome, ...]  # at each strength
    random: tuple[StrengthOutcome, ...]  # with random changes of the same size; empty where there are none
    seed: int  # of the random changes

    @property
    def n_references(self) -> int:
        """The number of clips for which it is known what was said."""
        return len(self._known)

    @property
    def strengths(self) -> tuple[float, ...]:
        """The strengths of the steering."""
        return tuple(outcome.strength for outcome in self.steered)

    def pairs(self) -> list[tuple[StrengthOutcome, StrengthOutcome | None]]:
        """Pair the outcome at each strength with that of the random changes, or None."""
        return list(zip(self.steered, self.random or [None] * len(self.steered), strict=True))

    def changed(self, outcome: StrengthOutcome) -> Interval | None:
        """Share of transcripts whose words are not those of the clean one; Wilson's interval."""
        clean = [words_of(text) for text in self.clean]
        pairs = [(before, words_of(text)) for draw in outcome.texts for before, text in zip(clean, draw, strict=True)]
        return wilson_interval(sum(before != after for before, after in pairs), len(pairs))

    def language_changed(self, outcome: StrengthOutcome) -> Interval | None:
        """Share of clips heard in another language than with nothing changed; Wilson's interval."""
        pairs = [pair for draw in outcome.languages for pair in zip(self.clean_languages, draw, strict=True)]
        return wilson_interval(sum(before != after for before, after in pairs), len(pairs))

    def wer(self, outcome: StrengthOutcome | None) -> Interval | None:
        """Word error rate against what was said; None for the clean transcripts' own. None where nothing is known."""
        texts = (self.clean,) if outcome is None else outcome.texts
        return (
            pooled_rate(self._with_reference(self.references), [self._with_reference(draw) for draw in texts])
            if self._known
            else None
        )

    def wer_change(self, outcome: StrengthOutcome) -> Interval | None:
        """By how much the word error rate rose, with a paired interval."""
        if not self._known:
            return None
        draws = [self._with_reference(draw) for draw in outcome.texts]
        return rate_change(self._with_reference(self.references), self._with_reference(self.clean), draws)

    def wer_to_clean(self, outcome: StrengthOutcome) -> Interval:
        """Word error rate against the clean transcripts: how much was changed."""
        return pooled_rate(self.clean, outcome.texts)

    def swaps(self, outcome: StrengthOutcome) -> list[tuple[str, str, int]]:
        """Return words before, words after, and in how many transcripts; commonest first."""
        counts = Counter(
            pair for draw in outcome.texts for clean, text in zip(self.clean, draw, strict=True)
            for pair in swaps(clean, text)
        )  # fmt: skip
        return [(before, after, n) for (before, after), n in counts.most_common(MOST_SWAPS)]

    @property
    def _known(self) -> list[int]:
        return [index for index, said in enumerate(self.references) if said is not None]

    def _with_reference(self, texts: Sequence[str | None]) -> list[str]:
        return [texts[index] or "" for index in self._known]

    def _rate(self, outcome: StrengthOutcome) -> Interval | None:
        return self.wer(outcome) if self.n_references else self.wer_to_clean(outcome)

    @property
    def sample(self) -> str:
        """The sample of the rates, in words."""
        n_draws = len(self.random[0].texts) if self.random else 0
        draws = f"; {count(n_draws, 'random draw')} at each strength" if n_draws else ""
        return f"{count(len(self.clip_ids), 'clip')}{draws}; 95% intervals"

    def table(self, caption: str = "") -> Table:
        """Lay out what changed at each strength, beside random changes."""
        wer = "WER" if self.n_references else "WER to clean"
        columns = [
            Column(None, "strength"),
            Column(None, "transcripts changed", "share"),
            Column(None, "at random", "share"),
            Column(None, wer, "share"),
            Column(None, f"{wer} at random", "share"),
            Column(None, "other language", "share"),
        ]
        rows = []
        for outcome, random in self.pairs():
            changed, rate = (
                [None if x is None else f(x) for x in (outcome, random)] for f in (self.changed, self._rate)
            )
            language = self.language_changed(outcome)
            rows.append((outcome.strength, *changed, *rate, None if language is None else language.value))
        return Table(columns, rows, caption)

    def report(self) -> Report:
        """Report what changed at each strength, beside random changes; JSON has every transcript."""
        lengths = ", ".join(f"{length:.2f}" for length in self.lengths)
        return Report(
            f"Steering ({' and '.join(self.changes)}): {self.model}",
            f"{self.where} ({count(self.n_frames, 'frame')}); {self.sample}",
            {
                **self.fields("model", "changes", "where"),
                "n_frames_steered": self.n_frames,
                "length_over_mean_of_site": self.lengths,
                "n_clips": len(self.clip_ids),
                "n_references": self.n_references,
                "clean": {"wer": self.wer(None)},
                "steered": [self._row(outcome) for outcome in self.steered],
                "random": [self._row(outcome) for outcome in self.random],
                "intervals": "95%; word error rates: bootstrap over clips, changes of them paired; shares: Wilson, "
                "transcripts taken as independent",
                "seed": self.seed,
                "clips": [self._clip(index) for index in range(len(self.clip_ids))],
            },
            display_only=[
                ("added at strength 1, over the mean length of what the site holds", lengths or None),
                *self.remarks(),
            ],
            parts=[self.table("At each strength")],
        )

    def remarks(self) -> list[tuple[str, str | None]]:
        """List the word error rate with nothing changed, and the commonest changes of words at each strength."""
        remarks: list[tuple[str, str | None]] = [
            ("clips with a reference", f"{self.n_references:,}"),
            ("WER with nothing changed", written(self.wer(None), "share") if self._known else None),
        ]
        for outcome in self.steered:
            changes = [
                f"{_shortened(before)} → {_shortened(after)}" + (f" ({n})" if n > 1 else "")
                for before, after, n in self.swaps(outcome)[:SHOWN_SWAPS]
            ]
            remarks.append((f"words changed at strength {outcome.strength:g}", "; ".join(changes) or None))
        return remarks

    def _row(self, outcome: StrengthOutcome) -> dict[str, Any]:
        return {
            "strength": outcome.strength,
            "n_draws": len(outcome.texts),
            "n_transcripts": len(outcome.texts) * len(self.clip_ids),
            "n_stopped": sum(sum(draw) for draw in outcome.is_stopped),
            "changed": self.changed(outcome),
            "wer": self.wer(outcome),
            "wer_change": self.wer_change(outcome),
            "wer_to_clean": self.wer_to_clean(outcome),
            "language_changed": self.language_changed(outcome),
            "swaps": [{"before": before, "after": after, "n": n} for before, after, n in self.swaps(outcome)],
        }

    def _clip(self, index: int) -> dict[str, Any]:
        steered = [
            {
                "strength": outcome.strength,
                "text": outcome.texts[0][index],
                "stopped": outcome.is_stopped[0][index],
                "language": outcome.languages[0][index],
                "swaps": swaps(self.clean[index], outcome.texts[0][index]),
            }
            for outcome in self.steered
        ]
        return {
            "clip": self.clip_ids[index],
            "reference": self.references[index],
            "clean": self.clean[index],
            "language": self.clean_languages[index],
            "steered": steered,
        }

    def wer_panel(self, label: str = "word error rate") -> Callable[[Axes], None]:
        """Return a function that draws the word error rate against strength."""
        return partial(
            rates_panel,
            strengths=self.strengths,
            label=label if self.n_references else f"{label} against the clean transcripts",
            steered=[self._rate(outcome) for outcome in self.steered],
            random=[self._rate(outcome) for outcome in self.random],
            clean=self.wer(None),
        )

    def figure(self) -> Figure:
        """Draw word error rate and share of transcripts changed against strength, beside those of random changes."""
        changed = partial(
            rates_panel,
            strengths=self.strengths,
            label="transcripts whose words changed",
            steered=[self.changed(outcome) for outcome in self.steered],
            random=[self.changed(outcome) for outcome in self.random],
        )
        note = f"{self.model}, {self.where}: {self.sample}"
        return sweep_figure([self.wer_panel(), changed], " and ".join(self.changes), note)


@takes(SteerSettings)
def steer(
    model: Whisper,
    clips: Iterable[Sound],
    changes: Sequence[Change],
    strengths: Sequence[float] = (1.0,),
    *,
    settings: SteerSettings,
    where: Where | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Steer:
    """Transcribe clips under a steering at several strengths, and under random changes of the same size.

    Args:
        model: Any Whisper.
        clips: One or more; those with transcripts have a word error rate.
        changes: From `otoscope.study.steer.steering`: `add`, `scale_feature`, `scale_head`.
        strengths: Each multiplies the vectors that are added, and the distance of factors from 1.
        where: The frames that are steered; None for all. Phones are those of ARPAbet where the clips' labels are
            English and of the IPA elsewhere, as in `class_means`; a stream of clips has them as they are written.
        settings: How clips are transcribed. Without a language, each clip's own, or else the one that the model detects
            with nothing changed.
        progress: Called after each group of clips with the number done and the number in all (0 when it is not known).

    Returns:
        Transcripts and rates. A strength of 0 changes nothing, to the bit.

    Raises:
        InputError: There is nothing to change or to transcribe, a strength cannot be used, or a vector is huge.

    Source:
        Adding class means: "Interpreting OpenAI's Whisper" (Ellena Reid, 2023); Turner et al. 2023 (arXiv 2308.10248).
    """
    if not changes:
        raise InputError("nothing is to be changed: give a vector to add, or a feature or a head to scale.")
    once = check_strengths(strengths)
    n_all, frames = clip_count(clips), _with_labels(where or Where(), clips)
    stream = iter(clips)
    first = next(stream, None)
    if first is None:
        raise InputError("no clips were given to steer: one or more are needed. Give recordings.")
    added = [change for change in changes if isinstance(change, Add)]
    sizes = vector_lengths(model, as_clip(first), [change.site for change in added], settings.language)
    check_sizes(model, changes, once, sizes)
    rng = np.random.default_rng(settings.seed)
    twins = [twin for _ in range(settings.draws) if (twin := _twin(changes, rng)) is not None]
    steerings: dict[Hashable, Steering] = {
        (number, strength): Steering(tuple(steered), strength)
        for number, steered in enumerate([changes, *twins])
        for strength in once
    }
    heard = steered_transcripts(
        model,
        chain([first], stream),
        steerings,
        where=frames,
        language=settings.language,
        redetect=settings.redetect,
        progress=lambda done: progress(done, n_all) if progress is not None else None,
    )
    return Steer(
        model=model.name,
        changes=tuple(change.name for change in changes),
        where=frames.name,
        n_frames=heard.n_frames,
        lengths=tuple(change.direction.length / sizes[change.site] for change in added),
        clip_ids=heard.clip_ids,
        references=heard.references,
        clean=heard.clean.texts,
        clean_languages=heard.clean.languages,
        steered=tuple(_outcome(heard, strength, [0]) for strength in once),
        random=tuple(_outcome(heard, strength, range(1, 1 + len(twins))) for strength in once) if twins else (),
        seed=settings.seed,
    )


def _shortened(words: str) -> str:
    return textwrap.shorten(words, SHOWN_LETTERS, placeholder=" …") or NOTHING


def _with_labels(where: Where, clips: Iterable[Sound]) -> Where:
    """Name phones as `class_means` does, where all clips can be read beforehand."""
    if where.phones is None or where.labels is not None or not isinstance(clips, Corpus | list | tuple):
        return where
    labels = label_set(as_corpus(clips), None, 0)
    return where if labels.target is None else replace(where, labels=labels)


def _twin(changes: Sequence[Change], rng: np.random.Generator) -> tuple[Change, ...] | None:
    """Return all changes in random directions; None where one of them has no alternative."""
    twins = [change.twin(rng) for change in changes]
    return tuple(twin for twin in twins if twin is not None) if all(twins) else None


def _outcome(heard: Steered, strength: float, numbers: Iterable[int]) -> StrengthOutcome:
    rows = [heard.by_name[number, strength] for number in numbers]
    texts, languages = tuple(row.texts for row in rows), tuple(row.languages for row in rows)
    return StrengthOutcome(strength, texts, languages, tuple(row.is_stopped for row in rows))
