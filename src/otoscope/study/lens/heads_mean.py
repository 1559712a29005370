"""What does each head of the decoder add to the logit of the token that is due, on average over many clips?

Costs what `head_lens` costs for each clip; of each, one number is kept for every part. Beside each mean stands what the
same part adds to another token of the same clip, which is not due there: what adds alike to both decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import finite
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.estimates import DRAWS, Means, grouped_means
from otoscope.study.lens import heads_picture as head_lens_picture
from otoscope.study.lens.curve import Counted
from otoscope.study.lens.head_parts import GROUPS, Part, parts_of
from otoscope.study.lens.heads import due_contributions, groups_of, heads_of
from otoscope.study.lens.text import Said, said_over
from otoscope.study.result_files import drawn, write_arrays
from otoscope.study.rich import Rich


@dataclass(frozen=True, eq=False, repr=False)
class HeadLensMean(Rich):
    """Mean contributions of each part of the decoder.

    Attributes:
        model: The model's id.
        clip_ids: The clips.
        parts: What adds up, the rest last.
        n_tokens: Tokens compared in each clip, int64 [clip].
        n_left_out: Tokens left out, because their clip holds no other token to compare with.
        sums: Logits summed over a clip's tokens, float64 [clip, due or another, part].
        largest_rest: The largest part of a logit that the parts do not explain.
        seed: Draws the other tokens and the bootstrap.
    """

    model: str
    clip_ids: tuple[str, ...]
    parts: tuple[Part, ...]
    n_tokens: np.ndarray
    n_left_out: int
    sums: np.ndarray
    largest_rest: float
    seed: int

    def means(self) -> Means:
        """Average over tokens, [due or another, part]."""
        return grouped_means(self.sums, self.n_tokens, seed=self.seed)

    def differences(self) -> Means:
        """Average how much more each part adds to the due token than to another, [part]."""
        return grouped_means(self.sums[:, 0] - self.sums[:, 1], self.n_tokens, seed=self.seed)

    def to_json(self) -> dict[str, Any]:
        """Give the table: each part and each group, with what it adds to another token as the baseline."""
        means, differences = self.means(), self.differences()
        group_means, group_differences = self._groups(), self._group_differences()
        return {
            "model": self.model,
            "n_clips": len(self.clip_ids),
            "n_tokens": int(self.n_tokens.sum()),
            "n_left_out": self.n_left_out,
            "unit": "logits, less the mean logit of the vocabulary",
            "largest_rest": finite(self.largest_rest),
            "groups": {
                name: {
                    "due": group_means.at(0, at).to_json(),
                    "another": group_means.at(1, at).to_json(),
                    "difference": group_differences.at(at).to_json(),
                }
                for at, name in enumerate(GROUPS)
            },
            "parts": [
                {
                    "part": part.name,
                    "group": part.group,
                    "block": part.block,
                    "head": part.head,
                    "due": means.at(0, at).to_json(),
                    "another": means.at(1, at).to_json(),
                    "difference": differences.at(at).to_json(),
                }
                for at, part in enumerate(self.parts)
            ],
            "intervals": f"95%, bootstrap over clips, {DRAWS} draws; each part by itself",
            "seed": self.seed,
            "clips": list(self.clip_ids),
        }

    def _groups(self) -> Means:
        return grouped_means(np.stack(list(self._grouped(self.sums)), axis=-1), self.n_tokens, seed=self.seed)

    def _group_differences(self) -> Means:
        sums = self.sums[:, 0] - self.sums[:, 1]
        return grouped_means(np.stack(list(self._grouped(sums)), axis=-1), self.n_tokens, seed=self.seed)

    def _grouped(self, sums: np.ndarray) -> Any:
        return groups_of(self.parts, np.moveaxis(sums, -1, 0)).values()

    def save(self, folder: str | Path) -> list[Path]:
        """Write `head_lens_mean.npz` (`sums`, `n_tokens`, `parts`), `head_lens_mean.json` and `.png`.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        names = np.array([part.name for part in self.parts])
        return [
            write_arrays(where / "head_lens_mean.npz", sums=self.sums, n_tokens=self.n_tokens, parts=names),
            write_json(where / "head_lens_mean.json", self.to_json()),
            *drawn(self.plot, where / "head_lens_mean.png"),
        ]

    def plot(self, path: str | Path) -> Path:
        """Draw the mean contribution of each cross-attention head and of each group.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        means, groups = self.means(), self._groups()
        heads = means.mapped(lambda values: heads_of(self.parts, np.moveaxis(values, -1, 0), "cross-attention"))
        n = f"{pictures.count(int(self.n_tokens.sum()), 'token')} of {pictures.count(len(self.clip_ids), 'clip')}"
        figure = head_lens_picture.mean_figure(
            heads.mapped(lambda values: values[..., 0]),
            heads.mapped(lambda values: values[..., 1]),
            {name: (groups.part_at(0, at), groups.part_at(1, at)) for at, name in enumerate(GROUPS)},
            f"{self.model}: {n}",
        )
        return pictures.save_figure(figure, path)

    def _shown(self) -> html.Shown:
        means, differences = self.means(), self.differences()
        order = sorted(range(len(self.parts)), key=lambda at: -abs(float(differences.value[at])))
        rows = [
            (self.parts[at].name, means.at(0, at), means.at(1, at), differences.at(at))
            for at in order
            if self.parts[at].head is not None
        ]
        tokens = pictures.count(int(self.n_tokens.sum()), "token")
        return html.Shown(
            f"What each head adds to the due token's logit: {self.model}",
            [("measured on", f"{tokens} of {pictures.count(len(self.clip_ids), 'clip')}")],
            [html.Table(("head", "to the due token", "to another", "difference"), rows, "Logits, 95% intervals")],
        )


def head_lens_mean(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    *,
    language: str | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> HeadLensMean:
    """Average what each part of the decoder adds to the logit of the token that is due.

    Args:
        model: Any Whisper.
        clips: The clips; each is said as the model writes it.
        language: What is spoken, as Whisper's code; the model decides by default.
        seed: Draws the other tokens and the bootstrap.
        progress: Called with the number of clips done and the number in all (0 when it is not known).

    Returns:
        Means with intervals over clips, and what the same parts add to another token of the same window.

    Raises:
        InputError: There are no clips, the model writes nothing over any of them, or the language is not the model's.

    Source:
        As `head_lens`; the other token is ours.
    """
    counted = Counted(clips, progress)
    rng = np.random.default_rng(seed)
    parts = parts_of(model)
    sums: dict[int, np.ndarray] = {}
    n_tokens: dict[int, int] = {}
    n_left_out, largest = 0, 0.0
    for batch in said_over(model, counted, language=language):
        others = [other for one in batch.said for other in _others(one, rng)]
        found = due_contributions(model, batch, [0 if other is None else other for other in others]).parts.numpy()
        largest = max(largest, float(np.abs(found[-1, :, 0]).max()))
        has_other = np.array([other is not None for other in others])
        start = 0
        for one in batch.said:
            own = slice(start, start + len(one.tokens))
            start = own.stop
            kept = found[:, own][:, has_other[own]]
            sums[one.clip] = sums.get(one.clip, 0) + kept.sum(axis=1, dtype=float).T
            n_tokens[one.clip] = n_tokens.get(one.clip, 0) + kept.shape[1]
            n_left_out += len(one.tokens) - kept.shape[1]
        counted.report(batch.said[-1].clip + 1)
    counted.check()
    if not any(n_tokens.values()):
        raise InputError(
            f"{model.id} writes nothing over these clips, so no token has another to be compared with. "
            "Give clips with speech."
        )
    return HeadLensMean(
        model=model.id,
        clip_ids=tuple(counted.ids),
        parts=parts,
        n_tokens=np.array([n_tokens[place] for place in sorted(n_tokens)]),
        n_left_out=n_left_out,
        sums=np.stack([sums[place] for place in sorted(sums)]),
        largest_rest=largest,
        seed=seed,
    )


def _others(said: Said, rng: np.random.Generator) -> list[int | None]:
    """Draw for each token another one of the same window; None where there is none."""
    found: list[int | None] = []
    for token in said.tokens:
        choices = [other for other in said.tokens if other != token]
        found.append(int(rng.choice(choices)) if choices else None)
    return found
