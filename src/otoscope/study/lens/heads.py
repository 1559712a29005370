"""Which part of the decoder said it? What each head, MLP, embedding and bias adds to the logit of the due token.

Costs one transcription and one run of the decoder; memory is [part, token]. The contributions of all parts add up to
the logit less the mean logit of the vocabulary. Means over many clips are for `head_lens_mean`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from otoscope.audio.clip import as_clip
from otoscope.base import html
from otoscope.base.files import write_json
from otoscope.base.numbers import finite
from otoscope.model.token_text import token_texts
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.lens import heads_picture as head_lens_picture
from otoscope.study.lens.experiment import LensToken
from otoscope.study.lens.head_parts import GROUPS, Contributions, Part, contributions, parts_of, run_stream
from otoscope.study.lens.text import Batch, said_over
from otoscope.study.result_files import drawn, write_arrays
from otoscope.study.rich import Rich
from otoscope.study.writing import text_of

N_NAMED = 5
"""Heads named for each token."""


@dataclass(frozen=True, eq=False, repr=False)
class HeadLens(Rich):
    """What each part of the decoder adds to the logit of each token.

    Attributes:
        model: The model's id.
        clip_id: The clip's id.
        audio: The clip's file, or its id where it came from no file.
        text: What is said.
        is_own_text: Whether the model wrote it.
        tokens: The tokens that are due, the end of text included.
        parts: What adds up, the rest last.
        contributions: Logits that each part adds, float32 [part, token].
        logits: The logit of the token that is due less the mean logit of the vocabulary, float32 [token].
        mean_logits: That mean, float32 [token].
    """

    model: str
    clip_id: str
    audio: str
    text: str
    is_own_text: bool
    tokens: tuple[LensToken, ...]
    parts: tuple[Part, ...]
    contributions: np.ndarray
    logits: np.ndarray
    mean_logits: np.ndarray

    def heads(self, group: str = "cross-attention") -> np.ndarray:
        """Give the contributions of the heads of one kind of attention, float32 [block, head, token]."""
        return heads_of(self.parts, self.contributions, group)

    def groups(self) -> dict[str, np.ndarray]:
        """Sum up the parts by group, each float32 [token]."""
        return groups_of(self.parts, self.contributions)

    def to_json(self) -> dict[str, Any]:
        """Give the table: for each token the sum of every group, and the heads that add most."""
        groups = self.groups()
        return {
            "model": self.model,
            "audio": self.audio,
            "text": self.text,
            "is_own_text": self.is_own_text,
            "n_tokens": len(self.tokens),
            "unit": "logits, less the mean logit of the vocabulary",
            "largest_rest": finite(float(np.abs(groups["rest"]).max())),
            "tokens": [
                {
                    "id": token.id,
                    "text": token.text,
                    "window": token.window,
                    "logit": finite(float(self.logits[at] + self.mean_logits[at])),
                    "mean_logit": finite(float(self.mean_logits[at])),
                    "groups": {name: finite(float(values[at])) for name, values in groups.items()},
                    "heads": [
                        {"part": self.parts[one].name, "logits": finite(float(self.contributions[one, at]))}
                        for one in self._strongest(at)
                    ],
                }
                for at, token in enumerate(self.tokens)
            ],
            "mean_over_tokens": {
                part.name: finite(float(values.mean()))
                for part, values in zip(self.parts, self.contributions, strict=True)
            },
        }

    def _strongest(self, token: int) -> list[int]:
        """Name the heads that add most to a token's logit, up or down."""
        heads = [place for place, part in enumerate(self.parts) if part.head is not None]
        return sorted(heads, key=lambda place: -abs(float(self.contributions[place, token])))[:N_NAMED]

    def save(self, folder: str | Path) -> list[Path]:
        """Write `head_lens.npz` (`contributions`, `parts`, `logits`, `mean_logits`, `tokens`), `.json` and `.png`.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        arrays = {
            "contributions": self.contributions,
            "parts": np.array([part.name for part in self.parts]),
            "logits": self.logits,
            "mean_logits": self.mean_logits,
            "tokens": np.array([token.id for token in self.tokens]),
        }
        return [
            write_arrays(where / "head_lens.npz", **arrays),
            write_json(where / "head_lens.json", self.to_json()),
            *drawn(self.plot, where / "head_lens.png"),
        ]

    def plot(self, path: str | Path) -> Path:
        """Draw what each cross-attention head adds to each token, and the sums of all groups.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        own = "its own transcript" if self.is_own_text else "a given text"
        figure = head_lens_picture.token_figure(
            self.heads(),
            self.groups(),
            tuple(token.text for token in self.tokens),
            f"{self.model}, {self.clip_id}: {pictures.count(len(self.tokens), 'token')} of {own}",
        )
        return pictures.save_figure(figure, path)

    def _shown(self) -> html.Shown:
        groups = self.groups()
        rows = [
            (
                token.text,
                float(self.logits[at]),
                float(groups["cross-attention"][at]),
                float(groups["self-attention"][at]),
                float(groups["mlp"][at]),
                self.parts[strongest[0]].name if (strongest := self._strongest(at)) else None,
            )
            for at, token in enumerate(self.tokens)
        ]
        return html.Shown(
            f"What adds to each token's logit, {self.clip_id}: {self.model}",
            [("text", self.text), ("written by", "the model" if self.is_own_text else "someone else")],
            [
                html.Table(
                    ("token", "logit", "cross-attention", "self-attention", "mlp", "strongest head"),
                    rows,
                    "Logits less the vocabulary's mean",
                )
            ],
        )


def head_lens(
    model: Whisper, clip: Sound, *, text: str | None = None, window: int | None = None, language: str | None = None
) -> HeadLens:
    """Take the logit of each token of a transcript apart into what each part of the decoder adds directly.

    Args:
        model: Any Whisper.
        clip: A clip, an array at 16 kHz or a path.
        text: What the decoder is made to say, over one window; its own transcript by default.
        window: Look at this window alone; all by default.
        language: What is spoken, as Whisper's code; the model decides by default.

    Returns:
        The contributions.

    Raises:
        InputError: The text, the window or the language cannot be used.
        AudioError: The recording cannot be used.

    Source:
        Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits", direct logit attribution; the final
        norm is held at the scale it has. What a head does by way of later blocks is not in its own contribution.
    """
    read = as_clip(clip)
    said = []
    found = []
    for batch in said_over(model, [read], text=text, window=window, language=language):
        said += batch.said
        found.append(due_contributions(model, batch))
    names = token_texts(model).texts
    return HeadLens(
        model=model.id,
        clip_id=read.id,
        audio=read.source,
        text=" ".join(filter(None, (text_of(model, one.tokens) for one in said))),
        is_own_text=text is None,
        tokens=tuple(
            LensToken(token, names[token] or f"token {token}", one.window) for one in said for token in one.tokens
        ),
        parts=parts_of(model),
        contributions=torch.cat([one.parts[..., 0] for one in found], dim=1).numpy(),
        logits=torch.cat([one.logits[:, 0] for one in found]).numpy(),
        mean_logits=torch.cat([one.mean_logits for one in found]).numpy(),
    )


def due_contributions(model: Whisper, batch: Batch, others: list[int] | None = None) -> Contributions:
    """Take apart the logits of the tokens that are due in a batch, one window after the other.

    Args:
        model: Any Whisper.
        batch: The windows, and what is said over them.
        others: For each token, another one to take apart beside it, as a second target.

    Returns:
        The contributions.
    """
    stream = run_stream(model, batch.encoded, batch.ids, [one.rows for one in batch.said])
    due = torch.tensor([token for one in batch.said for token in one.tokens])
    targets = due[:, None] if others is None else torch.stack([due, torch.tensor(others)], dim=1)
    return contributions(model, stream, targets)


def heads_of(parts: tuple[Part, ...], values: np.ndarray, group: str) -> np.ndarray:
    """Give the rows of the heads of one kind of attention, [block, head, ...]."""
    chosen = [place for place, part in enumerate(parts) if part.group == group]
    n_blocks = len({parts[place].block for place in chosen})
    return values[chosen].reshape(n_blocks, -1, *values.shape[1:])


def groups_of(parts: tuple[Part, ...], values: np.ndarray) -> dict[str, np.ndarray]:
    """Sum up the first axis by group."""
    return {
        group: values[[place for place, part in enumerate(parts) if part.group == group]].sum(axis=0)
        for group in GROUPS
    }
