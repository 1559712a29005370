"""Steer a model and see what is transcribed: a sweep over strengths, beside changes as large at random.

Each clip is transcribed with nothing changed, once for each strength, and once for each strength and random twin; see
`steer_transcripts` for what that costs. Whether a direction does what its name says is not told by the words that
changed alone: the random twin says how many would have changed anyway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.audio.clip import as_clip
from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import Interval, finite, plain
from otoscope.corpus import Corpus
from otoscope.harvest.labels import label_set
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.clips import clip_count
from otoscope.study.error_rate import words_of
from otoscope.study.estimates import wilson_interval
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich
from otoscope.study.steer import picture as steer_picture
from otoscope.study.steer.class_means import as_corpus
from otoscope.study.steer.rates import pooled_rate, rate_change, swaps
from otoscope.study.steer.steering import Add, Change, check_sizes, check_strengths
from otoscope.study.steer.transcripts import Heard, Steered, Steering, steered_transcripts, vector_lengths
from otoscope.study.steer.where import Where

MOST_SWAPS = 20
"""So many of the commonest changes of words are listed."""

NOTHING = "∅"
"""Stands in tables for no words."""


@dataclass(frozen=True)
class Outcome:
    """What was transcribed at one strength.

    Attributes:
        strength: The strength.
        texts: Of every clip, for each draw; the steering itself has one draw.
        languages: Of every clip's first window, for each draw.
        is_stopped: Whether the decoder had no room to end the text, of every clip, for each draw.
    """

    strength: float
    texts: tuple[tuple[str, ...], ...]
    languages: tuple[tuple[str, ...], ...]
    is_stopped: tuple[tuple[bool, ...], ...]


@dataclass(frozen=True, repr=False)
class Steer(Rich):
    """What was transcribed under a steering.

    Attributes:
        model: The model's id.
        changes: What was changed, by name.
        where: Which frames.
        n_frames: How many frames that is, in all clips.
        lengths: For each vector that was added, its length at strength 1 over the mean length of what its site holds.
        clip_ids: The clips.
        references: What was said in each, where that is known.
        clean: What was transcribed with nothing changed.
        clean_languages: The language of each clip with nothing changed.
        own: At each strength.
        random: The same with changes as large at random; empty where none was asked for or can be made.
        seed: Draws the random changes.
    """

    model: str
    changes: tuple[str, ...]
    where: str
    n_frames: int
    lengths: tuple[float, ...]
    clip_ids: tuple[str, ...]
    references: tuple[str | None, ...]
    clean: tuple[str, ...]
    clean_languages: tuple[str, ...]
    own: tuple[Outcome, ...]
    random: tuple[Outcome, ...]
    seed: int

    @property
    def n_references(self) -> int:
        """Clips of which it is known what was said."""
        return sum(said is not None for said in self.references)

    def changed(self, outcome: Outcome) -> Interval | None:
        """Share of transcripts whose words are not those of the clean one; Wilson's interval."""
        clean = [words_of(text) for text in self.clean]
        pairs = [(before, words_of(text)) for draw in outcome.texts for before, text in zip(clean, draw, strict=True)]
        return wilson_interval(sum(before != after for before, after in pairs), len(pairs))

    def language_changed(self, outcome: Outcome) -> Interval | None:
        """Share of clips heard in another language than with nothing changed; Wilson's interval."""
        pairs = [pair for draw in outcome.languages for pair in zip(self.clean_languages, draw, strict=True)]
        return wilson_interval(sum(before != after for before, after in pairs), len(pairs))

    def wer(self, outcome: Outcome | None) -> Interval | None:
        """Word error rate against what was said; None for the clean transcripts' own. None where nothing is known."""
        texts = (self.clean,) if outcome is None else outcome.texts
        return pooled_rate(self._said(self.references), [self._said(draw) for draw in texts]) if self._known else None

    def wer_change(self, outcome: Outcome) -> Interval | None:
        """By how much the word error rate rose, with a paired interval."""
        if not self._known:
            return None
        draws = [self._said(draw) for draw in outcome.texts]
        return rate_change(self._said(self.references), self._said(self.clean), draws)

    def wer_to_clean(self, outcome: Outcome) -> Interval:
        """Word error rate against the clean transcripts: how much was changed."""
        return pooled_rate(self.clean, outcome.texts)

    def swaps(self, outcome: Outcome) -> list[tuple[str, str, int]]:
        """Words before, words after and in how many transcripts; commonest first."""
        found = Counter(
            pair for draw in outcome.texts for clean, text in zip(self.clean, draw, strict=True)
            for pair in swaps(clean, text)
        )  # fmt: skip
        return [(before, after, n) for (before, after), n in found.most_common(MOST_SWAPS)]

    @property
    def _known(self) -> list[int]:
        return [place for place, said in enumerate(self.references) if said is not None]

    def _said(self, texts: Sequence[str | None]) -> list[str]:
        return [texts[place] or "" for place in self._known]

    def to_json(self) -> dict[str, Any]:
        """Give the table: rates at each strength beside those at random, and every transcript that changed."""
        return {
            "model": self.model,
            "changes": list(self.changes),
            "where": self.where,
            "n_frames_steered": self.n_frames,
            "length_over_mean_of_site": [finite(length) for length in self.lengths],
            "n_clips": len(self.clip_ids),
            "n_references": self.n_references,
            "clean": {"wer": plain(self.wer(None))},
            "steered": [self._row(outcome) for outcome in self.own],
            "random": [self._row(outcome) for outcome in self.random],
            "intervals": "95%; word error rates: bootstrap over clips, changes of them paired; shares: Wilson, "
            "transcripts taken as independent",
            "seed": self.seed,
            "clips": [self._clip(place) for place in range(len(self.clip_ids))],
        }

    def _row(self, outcome: Outcome) -> dict[str, Any]:
        return {
            "strength": outcome.strength,
            "n_draws": len(outcome.texts),
            "n_transcripts": len(outcome.texts) * len(self.clip_ids),
            "n_stopped": sum(sum(draw) for draw in outcome.is_stopped),
            "changed": plain(self.changed(outcome)),
            "wer": plain(self.wer(outcome)),
            "wer_change": plain(self.wer_change(outcome)),
            "wer_to_clean": plain(self.wer_to_clean(outcome)),
            "language_changed": plain(self.language_changed(outcome)),
            "swaps": [{"before": before, "after": after, "n": n} for before, after, n in self.swaps(outcome)],
        }

    def _clip(self, place: int) -> dict[str, Any]:
        clean = self.clean[place]
        steered = [
            {
                "strength": outcome.strength,
                "text": outcome.texts[0][place],
                "stopped": outcome.is_stopped[0][place],
                "language": outcome.languages[0][place],
                "swaps": [list(pair) for pair in swaps(clean, outcome.texts[0][place])],
            }
            for outcome in self.own
        ]
        return {
            "clip": self.clip_ids[place],
            "reference": self.references[place],
            "clean": clean,
            "language": self.clean_languages[place],
            "steered": steered,
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `steer.json` and `steer.png`.

        Args:
            folder: Where to; made when missing.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        return [write_json(where / "steer.json", self.to_json()), *drawn(self.plot, where / "steer.png")]

    def plot(self, path: str | Path) -> Path:
        """Draw word error rate and share of transcripts changed against strength, beside those at random.

        Args:
            path: Where to; PNG.

        Raises:
            OutputError: The file cannot be written.
        """
        has_wer = bool(self._known)
        rate: Callable[[Outcome], Interval | None] = self.wer if has_wer else self.wer_to_clean
        panels = [
            steer_picture.Panel(
                "word error rate" if has_wer else "word error rate against the clean transcripts",
                [rate(outcome) for outcome in self.own],
                [rate(outcome) for outcome in self.random],
                self.wer(None) if has_wer else None,
            ),
            steer_picture.Panel(
                "transcripts whose words changed",
                [self.changed(outcome) for outcome in self.own],
                [self.changed(outcome) for outcome in self.random],
                None,
            ),
        ]
        n_draws = len(self.random[0].texts) if self.random else 0
        drawn = f"; {pictures.count(n_draws, 'random draw')} at each strength" if n_draws else ""
        figure = steer_picture.sweep_figure(
            [outcome.strength for outcome in self.own],
            panels,
            " and ".join(self.changes),
            f"{self.model}, {self.where}: {pictures.count(len(self.clip_ids), 'clip')}{drawn}; 95% intervals",
        )
        return pictures.save_figure(figure, path)

    def _shown(self) -> html.Shown:
        twins = {outcome.strength: outcome for outcome in self.random}
        rows = [
            (
                outcome.strength,
                html.share(self.changed(outcome)),
                html.share(self.changed(twins[outcome.strength])) if outcome.strength in twins else None,
                html.share(self.wer(outcome)),
                html.share(self.wer(twins[outcome.strength])) if outcome.strength in twins else None,
                ", ".join(f"{before or NOTHING} → {after or NOTHING} ({n})" for before, after, n in swapped[:3]),
            )
            for outcome in self.own
            for swapped in [self.swaps(outcome)]
        ]
        columns = ("strength", "transcripts changed", "at random", "WER", "WER at random", "commonest changes")
        return html.Shown(
            f"Steering {' and '.join(self.changes)}: {self.model}",
            [
                ("frames steered", f"{self.n_frames:,}: {self.where}"),
                ("clips", f"{len(self.clip_ids):,}, {self.n_references:,} with a reference"),
                ("WER with nothing changed", html.share(self.wer(None))),
            ],
            [html.Table(columns, rows, "With 95% intervals")],
        )


def steer(
    model: Whisper,
    clips: Iterable[Sound],
    changes: Sequence[Change],
    strengths: Sequence[float] = (1.0,),
    *,
    where: Where | None = None,
    draws: int = 1,
    language: str | None = None,
    redetect: bool = False,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Steer:
    """Transcribe clips under a steering at several strengths, and beside it under changes as large at random.

    Args:
        model: Any Whisper.
        clips: One or more; those with transcripts have a word error rate.
        changes: From `otoscope.study.steer.steering`: `add`, `scale_feature`, `scale_head`.
        strengths: Each of them multiplies vectors that are added, and takes factors that far from 1.
        where: The frames that are steered; None for all. Phones are those of ARPAbet where the clips' labels are
            English and of the IPA elsewhere, as in `class_means`; a stream of clips has them as they are written.
        draws: Random twins of the steering; 0 for none.
        language: What is spoken, as Whisper's code; None for each clip's own, or else what the model hears with nothing
            changed.
        redetect: Let the model find the language anew under each steering.
        seed: Draws the twins.
        progress: Called after each group of clips with the number done and the number in all (0 when it is not known).

    Returns:
        Transcripts and rates. A strength of 0 changes no bit.

    Raises:
        InputError: There is nothing to change or to transcribe, a strength cannot be used, or a vector is huge.

    Source:
        Adding class means: "Interpreting OpenAI's Whisper" (Ellena Reid, 2023); Turner et al. 2023 (arXiv 2308.10248).
    """
    if not changes:
        raise InputError("nothing is to be changed: give a vector to add, or a feature or a head to scale.")
    if draws < 0:
        raise InputError(f"draws={draws}: 0 or more random twins can be drawn. The default is 1.")
    found = check_strengths(strengths)
    n_all, place = clip_count(clips), _with_labels(where or Where(), clips)
    stream = iter(clips)
    first = next(stream, None)
    if first is None:
        raise InputError("no clips were given to steer: one or more are needed. Give recordings.")
    added = [change for change in changes if isinstance(change, Add)]
    sizes = vector_lengths(model, as_clip(first), [change.site for change in added], language)
    check_sizes(model, changes, found, sizes)
    rng = np.random.default_rng(seed)
    twins = [twin for _ in range(draws) if (twin := _twin(changes, rng)) is not None]
    steerings: dict[Hashable, Steering] = {("own", strength): Steering(tuple(changes), strength) for strength in found}
    for number, twin in enumerate(twins):
        steerings |= {(number, strength): Steering(twin, strength) for strength in found}
    heard = steered_transcripts(
        model,
        chain([first], stream),
        steerings,
        where=place,
        language=language,
        redetect=redetect,
        progress=lambda done: progress(done, n_all) if progress is not None else None,
    )
    return Steer(
        model=model.id,
        changes=tuple(change.name for change in changes),
        where=place.name,
        n_frames=heard.n_frames,
        lengths=tuple(change.direction.length / sizes[change.site] for change in added),
        clip_ids=heard.clip_ids,
        references=heard.references,
        clean=heard.clean.texts,
        clean_languages=heard.clean.languages,
        own=tuple(_outcome(heard, strength, ["own"]) for strength in found),
        random=tuple(_outcome(heard, strength, range(len(twins))) for strength in found) if twins else (),
        seed=seed,
    )


def _with_labels(where: Where, clips: Iterable[Sound]) -> Where:
    """Name phones as `class_means` does, where all clips can be looked at before."""
    if where.phones is None or where.labels is not None or not isinstance(clips, Corpus | list | tuple):
        return where
    labels = label_set(as_corpus(clips), None, 0)
    return where if labels.target is None else replace(where, labels=labels)


def _twin(changes: Sequence[Change], rng: np.random.Generator) -> tuple[Change, ...] | None:
    """Give all changes in random directions; None where one has no other."""
    found = [change.twin(rng) for change in changes]
    return tuple(change for change in found if change is not None) if all(found) else None


def _outcome(heard: Steered, strength: float, names: Iterable[Hashable]) -> Outcome:
    rows: list[Heard] = [heard.by_name[name, strength] for name in names]
    texts, languages = tuple(row.texts for row in rows), tuple(row.languages for row in rows)
    return Outcome(strength, texts, languages, tuple(row.is_stopped for row in rows))
