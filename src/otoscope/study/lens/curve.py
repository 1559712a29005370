"""How sure is each block of the decoder of the next token, over the transcripts of many clips?

Costs what `lens` costs for each clip; a few numbers are kept per clip. Each number comes with its baselines: the same
with padding in place of sound, a uniform choice among all tokens, and always the commonest token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError
from otoscope.base.layout import count
from otoscope.base.numbers import written
from otoscope.base.report import Column, Fact, Report, Table
from otoscope.base.settings import takes
from otoscope.base.text import visible
from otoscope.model.token_text import token_texts
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import marks, pictures
from otoscope.study.clips import Progress, clip_count, each_clip
from otoscope.study.estimates import DRAWS, Means, grouped_means
from otoscope.study.lens.experiment import TokenPredictions, predict_tokens, stage_names, without_sound
from otoscope.study.lens.picture import draw_curves
from otoscope.study.lens.settings import LensCurveSettings
from otoscope.study.lens.text import said_batches
from otoscope.study.results import Result

MEASURES = ("log_probability", "reciprocal_rank", "is_likeliest", "is_final_choice")
SOUNDS = {"sound": "with the sound", "no_sound": "with padding only"}


@dataclass(frozen=True, eq=False, repr=False)
class TokenMeans(Result):
    """Measures of the tokens of many clips."""

    model: str
    clip_ids: tuple[str, ...]
    n_tokens: np.ndarray  # tokens measured in each clip, int64 [clip]
    sums: np.ndarray  # of the measures over a clip's tokens, float64 [clip, ...]
    seed: int  # of the bootstrap over clips, and of what is drawn

    def means(self) -> Means:
        """Average over all tokens, [...], with intervals over clips."""
        return grouped_means(self.sums, self.n_tokens, seed=self.seed)

    @property
    def sample(self) -> str:
        """The size of the sample, in words."""
        return f"{count(int(self.n_tokens.sum()), 'token')} of {count(len(self.clip_ids), 'clip')}"


@dataclass(frozen=True, eq=False, repr=False)
class LensCurve(TokenMeans):
    """How well each stage predicts tokens: sums are [clip, sound, stage, measure], as in `SOUNDS` and `MEASURES`."""

    name = "lens_curve"

    stages: tuple[str, ...]  # the embedding and every block of the decoder
    vocab_size: int  # tokens to choose from
    commonest: str  # the token that is due most often in all clips
    n_commonest: np.ndarray  # how often it is due in each clip, int64 [clip]

    @property
    def chance(self) -> dict[str, float]:
        """The measures of a uniform choice among all tokens."""
        n = self.vocab_size
        return {
            "log_probability": -float(np.log(n)),
            "reciprocal_rank": float(np.sum(1 / np.arange(1, n + 1)) / n),
            "is_likeliest": 1 / n,
            "is_final_choice": 1 / n,
        }

    def beside_commonest(self) -> Means:
        """How often the commonest token is right, and how much more often the last stage is without sound, [2]."""
        unheard = self.sums[:, list(SOUNDS).index("no_sound"), -1, MEASURES.index("is_likeliest")]
        sums = np.stack([self.n_commonest, unheard - self.n_commonest], axis=-1)
        return grouped_means(sums, self.n_tokens, seed=self.seed)

    def report(self) -> Report:
        """Report how well each stage predicts with and without sound, beside the baselines."""
        chance, beside = self.chance, self.beside_commonest()
        return Report(
            f"How well each block of the decoder predicts tokens: {self.model}",
            f"{self.sample}; 95% intervals over clips",
            {
                "model": self.model,
                "n_clips": len(self.clip_ids),
                "n_tokens": int(self.n_tokens.sum()),
                "chance": Fact(chance, digits=9),
                "commonest": {
                    "token": self.commonest,
                    "is_likeliest": beside.at(0),
                    "no_sound_above_it": beside.at(1),
                },
                "intervals": f"95%, bootstrap over clips, {DRAWS} draws",
                "seed": self.seed,
                "clips": self.clip_ids,
            },
            display_only=[
                (
                    "chance, all tokens alike",
                    f"log-probability {chance['log_probability']:.2f}, first choice {chance['is_likeliest']:.1%}",
                ),
                (
                    f"always saying the commonest token, {visible(self.commonest)!r}",
                    f"first choice {written(beside.at(0), 'share')}",
                ),
                ("the last block without sound, above the commonest token", written(beside.at(1), "share")),
            ],
            parts=[self._stages()],
        )

    def _stages(self) -> Table:
        means = self.means()
        columns = [Column("stage", ""), *(Column(sound) for sound in SOUNDS)]
        for prefix in ("", "without sound: "):
            columns += [
                Column(None, f"{prefix}log-probability", "two digits"),
                Column(None, f"{prefix}first choice", "share"),
            ]
        rows = []
        for stage, label in enumerate(self.stages):
            sounds = [
                {measure: means.at(sound, stage, number) for number, measure in enumerate(MEASURES)}
                for sound in range(len(SOUNDS))
            ]
            cells = [values[measure] for values in sounds for measure in ("log_probability", "is_likeliest")]
            rows.append((label, *sounds, *cells))
        caption = "Mean log-probability of the next token (nats), and how often it is the first choice"
        return Table(columns, rows, caption, "stages", len(rows))

    def figure(self) -> Figure:
        """Draw log-probability, and the share of tokens that are likeliest, over the stages."""
        means = self.means()
        figure = pictures.new_figure(10.8, 3.8)
        panels = (
            ("log_probability", "mean log-probability of the next token (nats)", "How sure each block is"),
            ("is_likeliest", "share of tokens", "How often the next token is its first choice"),
        )
        notes = (f"{self.model}: {self.sample}", "bands: 95%, bootstrap over clips")
        for axes, (measure, label, title), note in zip(figure.subplots(1, 2), panels, notes, strict=True):
            number = MEASURES.index(measure)
            curves = {
                name: [means.at(sound, stage, number) for stage in range(len(self.stages))]
                for sound, name in enumerate(SOUNDS.values())
            }
            draw_curves(axes, self.stages, curves, label, (self.chance[measure], "all tokens alike"))
            if measure == "is_likeliest":
                marks.share_axis(axes, "y")
            pictures.title(axes, title, note)
        return figure


@takes(LensCurveSettings)
def lens_curve(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    *,
    settings: LensCurveSettings,
    progress: Progress | None = None,
) -> LensCurve:
    """Measure how well each block of the decoder predicts what the model writes, over many clips.

    Args:
        model: Any Whisper.
        clips: The clips; each is said as the model writes it.
        settings: How averages are taken; the seed is that of the bootstrap.
        progress: Called with the number of clips done and the number in all (0 when it is not known).

    Returns:
        Log-probability, reciprocal rank, and how often a stage's first choice is the next token or the last block's.

    Raises:
        InputError: There are no clips, or the language is not the model's.

    Source:
        As `lens`.
    """
    counted = Counted(clips, progress)
    sums: dict[int, np.ndarray] = {}
    due: dict[int, Counter[int]] = {}
    for batch in said_batches(model, counted, language=settings.language):
        with_sound = predict_tokens(model, batch)
        with_none = predict_tokens(model, without_sound(model, batch))
        for window, heard, unheard in zip(batch.said, with_sound, with_none, strict=True):
            sums[window.clip] = sums.get(window.clip, 0) + np.stack([_measure(heard), _measure(unheard)])
            due.setdefault(window.clip, Counter()).update(window.tokens)
        counted.report(batch.said[-1].clip + 1)
    counted.check()
    tokens = [due[clip] for clip in sorted(due)]
    commonest = max(sum(tokens, Counter()).items(), key=lambda item: (item[1], -item[0]))[0]
    return LensCurve(
        model=model.name,
        clip_ids=tuple(counted.ids),
        stages=stage_names(model.n_decoder_blocks),
        vocab_size=model.vocab_size,
        n_tokens=np.array([counts.total() for counts in tokens]),
        sums=np.stack([sums[clip] for clip in sorted(sums)]),
        commonest=token_texts(model).texts[commonest],
        n_commonest=np.array([counts[commonest] for counts in tokens]),
        seed=settings.seed,
    )


class Counted:
    """Goes through one clip or many, and keeps their ids."""

    def __init__(self, clips: Iterable[Sound] | Sound, progress: Progress | None) -> None:
        self._clips: Iterable[Sound] = [clips] if isinstance(clips, Clip | np.ndarray | str | Path) else clips
        self._progress = progress
        self.ids: list[str] = []

    def __iter__(self) -> Iterator[Clip]:
        """Read them."""
        for clip in each_clip(self._clips):
            self.ids.append(clip.id)
            yield clip

    def report(self, n_done: int) -> None:
        """Report how many are done: fewer than were read while a batch is being filled."""
        if self._progress is not None:
            self._progress(n_done, clip_count(self._clips))

    def check(self) -> None:
        """Refuse an empty input."""
        if not self.ids:
            raise InputError("there are no clips: one or more are needed. Give a recording or a corpus.")


def _measure(predictions: TokenPredictions) -> np.ndarray:
    """Sum the measures over a window's tokens, [stage, measure]."""
    choices, rank = predictions.top_ids[:, :, 0], predictions.rank
    measures = (predictions.log_probability, 1 / rank, rank == 1, choices == choices[-1:])
    return np.stack([values.sum(axis=1) for values in measures], axis=-1).astype(float)
