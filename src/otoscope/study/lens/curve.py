"""How sure is each block of the decoder of the next token, over the transcripts of many clips?

Costs what `lens` costs for each clip; of each, a few numbers are kept. Beside every number stands the same with padding
alone for sound, what a choice among all tokens alike would give, and what always saying the commonest token would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.audio.clip import Clip
from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import finite
from otoscope.model.token_text import token_texts
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.clips import Progress, clip_count, each_clip
from otoscope.study.estimates import DRAWS, Means, grouped_means
from otoscope.study.lens import picture as lens_picture
from otoscope.study.lens.experiment import Foretold, foretell, stage_names, without_sound
from otoscope.study.lens.text import said_over
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich

MEASURES = ("log_probability", "reciprocal_rank", "is_likeliest", "is_final_choice")
SOUNDS = ("sound", "no_sound")


@dataclass(frozen=True, eq=False, repr=False)
class LensCurve(Rich):
    """How each stage of the decoder foretells the tokens of many transcripts.

    Attributes:
        model: The model's id.
        clip_ids: The clips.
        stages: The embedding and every block of the decoder.
        vocab_size: Tokens to choose from.
        n_tokens: Tokens foretold in each clip, int64 [clip].
        sums: Sums over a clip's tokens, float64 [clip, sound, stage, measure], in the order of `SOUNDS` and `MEASURES`.
        commonest: The token that is due most often in all clips.
        n_commonest: How often it is due in each clip, int64 [clip].
        seed: Seeds the bootstrap over clips.
    """

    model: str
    clip_ids: tuple[str, ...]
    stages: tuple[str, ...]
    vocab_size: int
    n_tokens: np.ndarray
    sums: np.ndarray
    commonest: str
    n_commonest: np.ndarray
    seed: int

    def means(self) -> Means:
        """Average over all tokens, [sound, stage, measure], with intervals over clips."""
        return grouped_means(self.sums, self.n_tokens, seed=self.seed)

    @property
    def chance(self) -> dict[str, float]:
        """What choosing among all tokens alike would give."""
        n = self.vocab_size
        return {
            "log_probability": -float(np.log(n)),
            "reciprocal_rank": float(np.sum(1 / np.arange(1, n + 1)) / n),
            "is_likeliest": 1 / n,
            "is_final_choice": 1 / n,
        }

    def beside_commonest(self) -> Means:
        """How often always saying the commonest token is right, and how much oftener the last stage unheard is, [2]."""
        unheard = self.sums[:, SOUNDS.index("no_sound"), -1, MEASURES.index("is_likeliest")]
        sums = np.stack([self.n_commonest, unheard - self.n_commonest], axis=-1)
        return grouped_means(sums, self.n_tokens, seed=self.seed)

    def to_json(self) -> dict[str, Any]:
        """Give the table: for each stage the means with and without sound, and beside them plainer guesses."""
        means, beside = self.means(), self.beside_commonest()
        return {
            "model": self.model,
            "n_clips": len(self.clip_ids),
            "n_tokens": int(self.n_tokens.sum()),
            "stages": [
                {
                    "stage": stage,
                    **{
                        sound: {
                            measure: means.at(at, index, number).to_json() for number, measure in enumerate(MEASURES)
                        }
                        for at, sound in enumerate(SOUNDS)
                    },
                }
                for index, stage in enumerate(self.stages)
            ],
            "chance": {name: finite(value, 9) for name, value in self.chance.items()},
            "commonest": {
                "token": self.commonest,
                "is_likeliest": beside.at(0).to_json(),
                "no_sound_above_it": beside.at(1).to_json(),
            },
            "intervals": f"95%, bootstrap over clips, {DRAWS} draws",
            "seed": self.seed,
            "clips": list(self.clip_ids),
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `lens_curve.json` and `lens_curve.png`.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        return [write_json(where / "lens_curve.json", self.to_json()), *drawn(self.plot, where / "lens_curve.png")]

    def plot(self, path: str | Path) -> Path:
        """Draw log-probability, and the share of tokens that are likeliest, over the stages.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        means = self.means()
        n = f"{pictures.count(int(self.n_tokens.sum()), 'token')} of {pictures.count(len(self.clip_ids), 'clip')}"
        panels = [
            lens_picture.Panel(
                curves=(
                    lens_picture.Curve("with the sound", means.part(0, number)),
                    lens_picture.Curve("with padding alone", means.part(1, number), pictures.ORANGE, "s"),
                ),
                label=label,
                chance=self.chance[MEASURES[number]],
                title=title,
                note=note,
            )
            for number, label, title, note in (
                (0, "mean log-probability of the due token (nats)", "How sure each block is", f"{self.model}: {n}"),
                (
                    2,
                    "share of tokens",
                    "How often the due token is its first choice",
                    "bands: 95%, bootstrap over clips",
                ),
            )
        ]
        return pictures.save_figure(lens_picture.curves_figure(self.stages, panels), path)

    def _shown(self) -> html.Shown:
        means = self.means()
        right, sure = MEASURES.index("is_likeliest"), MEASURES.index("log_probability")
        rows = [
            (
                stage,
                html.share(means.at(0, at, right)),
                html.share(means.at(1, at, right)),
                means.at(0, at, sure),
                means.at(1, at, sure),
            )
            for at, stage in enumerate(self.stages)
        ]
        tokens = pictures.count(int(self.n_tokens.sum()), "token")
        return html.Shown(
            f"How each block of the decoder foretells tokens: {self.model}",
            [
                ("measured on", f"{tokens} of {pictures.count(len(self.clip_ids), 'clip')}"),
                ("chance", html.share(self.chance["is_likeliest"])),
            ],
            [
                html.Table(
                    ("stage", "right", "right, padding alone", "log-probability", "padding alone"),
                    rows,
                    "Due token is the first choice, and its log-probability (nats); 95% intervals",
                )
            ],
        )


def lens_curve(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    *,
    language: str | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LensCurve:
    """Measure how each block of the decoder foretells what the model writes, over many clips.

    Args:
        model: Any Whisper.
        clips: The clips; each is said as the model writes it.
        language: What is spoken, as Whisper's code; the model decides by default.
        seed: Seeds the bootstrap.
        progress: Called with the number of clips done and the number in all (0 when it is not known).

    Returns:
        Log-probability, reciprocal rank, and how often a stage's first choice is the due token or the last block's.

    Raises:
        InputError: There are no clips, or the language is not the model's.

    Source:
        As `lens`.
    """
    counted = Counted(clips, progress)
    sums: dict[int, np.ndarray] = {}
    due: dict[int, Counter[int]] = {}
    for batch in said_over(model, counted, language=language):
        with_sound = foretell(model, batch)
        with_none = foretell(model, without_sound(model, batch))
        for one, heard, unheard in zip(batch.said, with_sound, with_none, strict=True):
            found = np.stack([_measure(heard), _measure(unheard)])
            sums[one.clip] = sums.get(one.clip, 0) + found
            due.setdefault(one.clip, Counter()).update(one.tokens)
        counted.report(batch.said[-1].clip + 1)
    counted.check()
    tokens = [due[place] for place in sorted(due)]
    commonest = max(sum(tokens, Counter()).items(), key=lambda item: (item[1], -item[0]))[0]
    return LensCurve(
        model=model.id,
        clip_ids=tuple(counted.ids),
        stages=stage_names(model.n_decoder_blocks),
        vocab_size=model.vocab_size,
        n_tokens=np.array([one.total() for one in tokens]),
        sums=np.stack([sums[place] for place in sorted(sums)]),
        commonest=token_texts(model).texts[commonest],
        n_commonest=np.array([one[commonest] for one in tokens]),
        seed=seed,
    )


class Counted:
    """Clips one after the other, whose names are kept.

    Args:
        clips: One or many.
        progress: Called by `report`.
    """

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
        """Say how many are done: fewer than were read, while a batch is being filled."""
        if self._progress is not None:
            self._progress(n_done, clip_count(self._clips))

    def check(self) -> None:
        """Refuse to make a result of nothing.

        Raises:
            InputError: There were no clips.
        """
        if not self.ids:
            raise InputError("there are no clips: one or more are needed. Give a recording or a corpus.")


def _measure(found: Foretold) -> np.ndarray:
    """Sum the measures over a window's tokens, [stage, measure]."""
    agrees = found.top_ids[:, :, 0] == found.top_ids[-1:, :, 0]
    return np.stack(
        [found.log_probability.sum(axis=1), (1 / found.rank).sum(axis=1), (found.rank == 1).sum(axis=1), agrees.sum(1)],
        axis=-1,
    ).astype(float)
