"""What does each head of the decoder add to the logit of the token that is due, on average over many clips?

Costs what `head_lens` costs for each clip; one number per part is kept of each. The baseline of each mean is what the
same part adds to another token of the same clip, which is not due there: what adds equally to both decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from otoscope.base.errors import InputError
from otoscope.base.numbers import Interval
from otoscope.base.report import Column, Report, Table
from otoscope.base.settings import takes
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.clips import Progress
from otoscope.study.estimates import DRAWS, Means, grouped_means
from otoscope.study.lens.curve import Counted, TokenMeans
from otoscope.study.lens.head_parts import GROUPS, LogitPart, parts_of
from otoscope.study.lens.heads import UNIT, cross_attention, due_contributions, groups_of
from otoscope.study.lens.heads_picture import mean_figure
from otoscope.study.lens.settings import LensCurveSettings
from otoscope.study.lens.text import WindowTokens, said_batches

N_NAMED = 10
"""Heads in the report."""


@dataclass(frozen=True, eq=False, repr=False)
class HeadLensMean(TokenMeans):
    """Mean contributions of each part of the decoder: sums of logits are [clip, due or another, part]."""

    name = "head_lens_mean"

    parts: tuple[LogitPart, ...]  # what adds up, the rest last
    n_left_out: int  # tokens whose clip holds no other token to compare with
    largest_rest: float  # the largest part of a logit that the parts do not explain

    def differences(self) -> Means:
        """Average how much more each part adds to the next token than to another, [part]."""
        return grouped_means(self.sums[:, 0] - self.sums[:, 1], self.n_tokens, seed=self.seed)

    def groups(self) -> dict[str, dict[str, Interval]]:
        """Average the sum of each group: what it adds to the next token and to another, and the difference."""
        sums = np.stack(list(groups_of(self.parts, np.moveaxis(self.sums, -1, 0)).values()), axis=-1)
        means = grouped_means(sums, self.n_tokens, seed=self.seed)
        differences = grouped_means(sums[:, 0] - sums[:, 1], self.n_tokens, seed=self.seed)
        return {name: _measures(means, differences, number) for number, name in enumerate(GROUPS)}

    def report(self) -> Report:
        """Report what each group and each head adds, with what it adds to another token as the baseline."""
        means, differences, groups = self.means(), self.differences(), self.groups()
        measures = [(part, _measures(means, differences, number)) for number, part in enumerate(self.parts)]
        heads = [(part.name, values) for part, values in measures if part.head is not None]
        heads.sort(key=lambda head: -abs(head[1]["difference"].value))
        columns = [
            Column(None, label, "two digits") for label in ("", "to the next token", "to another token", "difference")
        ]
        kinds = [(name, *values.values()) for name, values in groups.items() if name != "rest"]
        return Report(
            f"What each head adds to the logit of the next token: {self.model}",
            f"{self.sample}; 95% intervals over clips",
            {
                "model": self.model,
                "n_clips": len(self.clip_ids),
                "n_tokens": int(self.n_tokens.sum()),
                "n_left_out": self.n_left_out,
                "unit": UNIT,
                "largest_rest": self.largest_rest,
                "groups": groups,
                "parts": [
                    {"part": part.name, "group": part.group, "block": part.block, "head": part.head, **values}
                    for part, values in measures
                ],
                "intervals": f"95%, bootstrap over clips, {DRAWS} draws; each part by itself",
                "seed": self.seed,
                "clips": self.clip_ids,
            },
            display_only=[("tokens left out, with no other to compare", self.n_left_out or None)],
            parts=[
                Table(columns, kinds, "Logits that all parts of a kind add"),
                Table(
                    columns,
                    [(name, *values.values()) for name, values in heads],
                    "Heads, those that tell the next token best from another first",
                    most=N_NAMED,
                ),
            ],
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the sums of each clip, its number of tokens, and the names of the parts."""
        return {"sums": self.sums, "n_tokens": self.n_tokens, "parts": np.array([part.name for part in self.parts])}

    def figure(self) -> Figure:
        """Draw the mean contribution of each cross-attention head and of each group."""
        pairs = {name: (values["due"], values["another"]) for name, values in self.groups().items()}
        return mean_figure(cross_attention(self.parts, self.means()), pairs, f"{self.model}: {self.sample}")


def _measures(means: Means, differences: Means, index: int) -> dict[str, Interval]:
    """Return the estimates of one part or group."""
    return {"due": means.at(0, index), "another": means.at(1, index), "difference": differences.at(index)}


@takes(LensCurveSettings)
def head_lens_mean(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    *,
    settings: LensCurveSettings,
    progress: Progress | None = None,
) -> HeadLensMean:
    """Average what each part of the decoder adds to the logit of the token that is due.

    Args:
        model: Any Whisper.
        clips: The clips; each is said as the model writes it.
        settings: How averages are taken; the seed draws the other tokens and the bootstrap.
        progress: Called with the number of clips done and the number in all (0 when it is not known).

    Returns:
        Means with intervals over clips, and what the same parts add to another token of the same window.

    Raises:
        InputError: There are no clips, the model writes nothing over any of them, or the language is not the model's.

    Source:
        As `head_lens`, with another token as the baseline.
    """
    counted = Counted(clips, progress)
    rng = np.random.default_rng(settings.seed)
    sums: dict[int, np.ndarray] = {}
    n_tokens: dict[int, int] = {}
    n_left_out, largest_rest = 0, 0.0
    for batch in said_batches(model, counted, language=settings.language):
        others = [other for window in batch.said for other in _others(window, rng)]
        added = due_contributions(model, batch, [0 if other is None else other for other in others]).parts.numpy()
        largest_rest = max(largest_rest, float(np.abs(added[-1, :, 0]).max()))
        has_other = np.array([other is not None for other in others])
        start = 0
        for window in batch.said:
            rows = slice(start, start + len(window.tokens))
            start = rows.stop
            kept = added[:, rows][:, has_other[rows]]
            sums[window.clip] = sums.get(window.clip, 0) + kept.sum(axis=1, dtype=float).T
            n_tokens[window.clip] = n_tokens.get(window.clip, 0) + kept.shape[1]
            n_left_out += len(window.tokens) - kept.shape[1]
        counted.report(batch.said[-1].clip + 1)
    counted.check()
    if not any(n_tokens.values()):
        raise InputError(
            f"{model.id} writes nothing over these clips, so no token has another to be compared with. "
            "Give clips with speech."
        )
    return HeadLensMean(
        model=model.name,
        clip_ids=tuple(counted.ids),
        parts=parts_of(model),
        n_tokens=np.array([n_tokens[clip] for clip in sorted(n_tokens)]),
        n_left_out=n_left_out,
        sums=np.stack([sums[clip] for clip in sorted(sums)]),
        largest_rest=largest_rest,
        seed=settings.seed,
    )


def _others(said: WindowTokens, rng: np.random.Generator) -> list[int | None]:
    """Draw for each token another one of the same window; None where there is none."""
    drawn: list[int | None] = []
    for token in said.tokens:
        choices = [other for other in said.tokens if other != token]
        drawn.append(int(rng.choice(choices)) if choices else None)
    return drawn
