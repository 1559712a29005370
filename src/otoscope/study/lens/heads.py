"""Which part of the decoder said it? What each head, MLP, embedding and bias adds to the logit of the next token.

Costs one transcription and one run of the decoder; memory is [part, token]. The contributions of all parts add up to
the logit less the mean logit of the vocabulary. Means over many clips are for `head_lens_mean`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure

from otoscope.audio.clip import as_clip
from otoscope.base.layout import one_line
from otoscope.base.report import Column, Fact, Report, Table
from otoscope.base.settings import takes
from otoscope.base.text import visible
from otoscope.model.token_text import token_texts
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.estimates import Means
from otoscope.study.lens.experiment import MOST_TOKENS, LensToken, due_tokens, said_text, sample
from otoscope.study.lens.head_parts import GROUPS, Contributions, LogitPart, contributions, parts_of, run_stream
from otoscope.study.lens.heads_picture import token_figure
from otoscope.study.lens.settings import SaidSettings
from otoscope.study.lens.text import SaidBatch, WindowTokens, said_batches
from otoscope.study.results import Result

N_NAMED = 5
"""Heads named for each token in JSON."""

N_SHOWN = 3
"""Heads named for each token in the report."""

UNIT = "logits, less the mean logit of the vocabulary"


@dataclass(frozen=True, eq=False, repr=False)
class HeadLens(Result):
    """What each part of the decoder adds to the logit of each token."""

    name = "head_lens"

    model: str
    clip_id: str
    audio: str  # the clip's file, or its id where it came from no file
    text: str  # what is said
    is_own_text: bool  # whether the model wrote it
    tokens: tuple[LensToken, ...]  # those that are due, the end of text included
    parts: tuple[LogitPart, ...]  # what adds up, the rest last
    contributions: np.ndarray  # logits that each part adds, float32 [part, token]
    logits: np.ndarray  # of the next token less the mean logit of the vocabulary, float32 [token]
    mean_logits: np.ndarray  # that mean, float32 [token]

    def heads(self, group: str = "cross-attention") -> np.ndarray:
        """Return the contributions of the heads of one kind of attention, float32 [block, head, token]."""
        return heads_of(self.parts, self.contributions, group)

    def groups(self) -> dict[str, np.ndarray]:
        """Sum up the parts by group, each float32 [token]."""
        return groups_of(self.parts, self.contributions)

    def report(self) -> Report:
        """Show for each token the sum of every group, and the heads that add most."""
        means = self.contributions.mean(axis=1)
        return Report(
            f"What adds to the logit of each token: {self.model}, {self.clip_id}",
            sample(self.tokens, is_own_text=self.is_own_text),
            {
                **self.fields("model", "audio", "text", "is_own_text"),
                "n_tokens": len(self.tokens),
                "unit": UNIT,
                "largest_rest": Fact(float(np.abs(self.groups()["rest"]).max()), "edits and rounding add at most"),
                "mean_over_tokens": {part.name: float(mean) for part, mean in zip(self.parts, means, strict=True)},
            },
            display_only=[("text", one_line(self.text))],
            parts=[self._tokens()],
        )

    def _tokens(self) -> Table:
        sums = {name: values.tolist() for name, values in self.groups().items()}
        shown = [name for name in GROUPS if name != "rest"]
        columns = [
            *(Column(key) for key in ("id", "text", "window", "logit", "mean_logit", "groups", "heads")),
            Column(None, "due"),
            *(Column(None, name, "two digits") for name in ("logit", *shown)),
            Column(None, "heads that add most"),
        ]
        rows = []
        for number, token in enumerate(self.tokens):
            heads = self._strongest(number)
            rows.append(
                (
                    token.id,
                    token.text,
                    token.window,
                    float(self.logits[number] + self.mean_logits[number]),
                    float(self.mean_logits[number]),
                    {name: values[number] for name, values in sums.items()},
                    [{"part": part.name, "logits": logits} for part, logits in heads],
                    visible(token.text),
                    float(self.logits[number]),
                    *(sums[name][number] for name in shown),
                    ", ".join(f"{part.short_name} {logits:+.1f}" for part, logits in heads[:N_SHOWN]),
                )
            )
        caption = "Logits, less the mean logit of the vocabulary; c: cross-attention, s: self-attention, block.head"
        return Table(columns, rows, caption, "tokens", MOST_TOKENS)

    def _strongest(self, token: int) -> list[tuple[LogitPart, float]]:
        """Return the heads that add most to a token's logit, up or down, and what they add."""
        added = zip(self.parts, self.contributions[:, token].tolist(), strict=True)
        return sorted(((part, logits) for part, logits in added if part.head is not None), key=lambda p: -abs(p[1]))[
            :N_NAMED
        ]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all contributions, with the parts and the tokens that they belong to."""
        return {
            "contributions": self.contributions,
            "parts": np.array([part.name for part in self.parts]),
            "logits": self.logits,
            "mean_logits": self.mean_logits,
            "tokens": np.array([token.id for token in self.tokens]),
        }

    def figure(self) -> Figure:
        """Draw what each cross-attention head adds to each token, and the sums of all groups."""
        note = f"{self.model}, {self.clip_id}: {sample(self.tokens, is_own_text=self.is_own_text)}"
        return token_figure(self, note)


@takes(SaidSettings)
def head_lens(model: Whisper, clip: Sound, *, settings: SaidSettings) -> HeadLens:
    """Take the logit of each token of a transcript apart into what each part of the decoder adds directly.

    Args:
        model: Any Whisper.
        clip: A clip, an array at 16 kHz or a path.
        settings: What is said. A text is said over one window.

    Returns:
        The contributions.

    Raises:
        InputError: The text, the window or the language cannot be used.
        AudioError: The recording cannot be used.

    Source:
        Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits", direct logit attribution; the final
        norm is held at the scale it has. What a head does through later blocks is not in its own contribution.
    """
    recording = as_clip(clip)
    said: list[WindowTokens] = []
    batches: list[Contributions] = []
    for batch in said_batches(
        model, [recording], text=settings.text, window=settings.window, language=settings.language
    ):
        said += batch.said
        batches.append(due_contributions(model, batch))
    return HeadLens(
        model=model.name,
        clip_id=recording.id,
        audio=recording.source,
        text=said_text(model, said),
        is_own_text=settings.text is None,
        tokens=due_tokens(token_texts(model).texts, said),
        parts=parts_of(model),
        contributions=torch.cat([added.parts[..., 0] for added in batches], dim=1).numpy(),
        logits=torch.cat([added.logits[:, 0] for added in batches]).numpy(),
        mean_logits=torch.cat([added.mean_logits for added in batches]).numpy(),
    )


def due_contributions(model: Whisper, batch: SaidBatch, others: list[int] | None = None) -> Contributions:
    """Take apart the logits of the tokens that are due in a batch, one window after the other."""
    stream = run_stream(model, batch.encoded, batch.ids, [window.rows for window in batch.said])
    due = torch.tensor([token for window in batch.said for token in window.tokens])
    targets = due[:, None] if others is None else torch.stack([due, torch.tensor(others)], dim=1)
    return contributions(model, stream, targets)


def heads_of(parts: tuple[LogitPart, ...], values: np.ndarray, group: str) -> np.ndarray:
    """Return the rows of the heads of one kind of attention, [block, head, ...]."""
    chosen = [index for index, part in enumerate(parts) if part.group == group]
    n_blocks = len({parts[index].block for index in chosen})
    return values[chosen].reshape(n_blocks, -1, *values.shape[1:])


def cross_attention(parts: tuple[LogitPart, ...], means: Means) -> Means:
    """Return the cross-attention heads of means [two, part], as [block, head, two]."""
    return means.mapped(lambda values: heads_of(parts, np.moveaxis(values, -1, 0), "cross-attention"))


def groups_of(parts: tuple[LogitPart, ...], values: np.ndarray) -> dict[str, np.ndarray]:
    """Sum up the first axis by group."""
    return {
        group: values[[index for index, part in enumerate(parts) if part.group == group]].sum(axis=0)
        for group in GROUPS
    }
