"""What would each block of the decoder say already? The logit lens, token by token over a transcript.

The final layer norm and the unembedding are applied to the decoder's residual stream after every block. Costs one
transcription, two runs of the decoder (one over the sound, one over padding alone), and one unembedding of every block.
Memory: the residual stream of one batch of windows, and logits of 256 rows. Many clips are for `lens_curve`.

It does not know how states are caught (`model.unembed`), nor how pictures are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from otoscope.audio.clip import as_clip
from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import finite
from otoscope.base.short_repr import ShortRepr
from otoscope.model.token_text import token_texts
from otoscope.model.unembed import decoder_stream, unembed
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.lens import picture as lens_picture
from otoscope.study.lens.text import Batch, said_over
from otoscope.study.result_files import drawn, write_arrays
from otoscope.study.rich import Rich
from otoscope.study.writing import text_of

ROWS = 256
"""Rows of logits held at once: 53 MB at the size of a released vocabulary."""

EMBEDDING = "embedding"


def stage_names(n_blocks: int) -> tuple[str, ...]:
    """Name the stages of a residual stream: the embedding, then every block."""
    return (EMBEDDING, *(f"block {block}" for block in range(n_blocks)))


@dataclass(frozen=True, eq=False, repr=False)
class Foretold(ShortRepr):
    """What every stage says at the places where some tokens are due.

    Attributes:
        top_ids: The likeliest tokens, [stage, token, k].
        top_probabilities: Theirs.
        log_probability: Of the token that is due, natural log.
        rank: Of the token that is due; 1 is the likeliest.
    """

    top_ids: Int[np.ndarray, "stage token k"]
    top_probabilities: Float[np.ndarray, "stage token k"]
    log_probability: Float[np.ndarray, "stage token"]
    rank: Int[np.ndarray, "stage token"]


@dataclass(frozen=True)
class LensToken:
    """A token that is due.

    Attributes:
        id: Its id.
        text: What it reads, spaces included.
        window: The window of the clip that it is said over.
    """

    id: int
    text: str
    window: int


@dataclass(frozen=True, eq=False, repr=False)
class Lens(Rich):
    """What every block of the decoder would say, token by token.

    Attributes:
        model: The model's id.
        clip_id: The clip's id.
        audio: The clip's file, or its id where it came from no file.
        text: What is said.
        is_own_text: Whether the model wrote it.
        language: What is spoken, in the first window.
        stages: The embedding and every block of the decoder.
        tokens: The tokens that are due, the end of text included.
        foretold: What every stage says where they are due.
        no_sound: The same with padding alone for sound: what the text before tells.
        texts: What the tokens in `foretold` read, by id.
        vocab_size: Tokens to choose from.
    """

    model: str
    clip_id: str
    audio: str
    text: str
    is_own_text: bool
    language: str
    stages: tuple[str, ...]
    tokens: tuple[LensToken, ...]
    foretold: Foretold
    no_sound: Foretold
    texts: Mapping[int, str]
    vocab_size: int

    @property
    def first_right(self) -> tuple[str | None, ...]:
        """The earliest stage from which on each token is the likeliest; None where it is not so at the end."""
        right = self.foretold.rank == 1
        from_here = np.flip(np.logical_and.accumulate(np.flip(right, axis=0), axis=0), axis=0)
        return tuple(
            self.stages[int(np.argmax(column))] if column.any() else None for column in np.transpose(from_here)
        )

    def to_json(self) -> dict[str, Any]:
        """Give the table: for every token what each stage says, and means over the tokens."""
        return {
            "model": self.model,
            "audio": self.audio,
            "text": self.text,
            "is_own_text": self.is_own_text,
            "language": self.language,
            "n_tokens": len(self.tokens),
            "uniform_log_probability": finite(-float(np.log(self.vocab_size))),
            "stages": [self._stage(index) for index in range(len(self.stages))],
            "tokens": [self._token(index) for index in range(len(self.tokens))],
        }

    def _stage(self, index: int) -> dict[str, Any]:
        """Average one stage over the tokens."""
        table: dict[str, Any] = {"stage": self.stages[index]}
        for name, foretold in (("sound", self.foretold), ("no_sound", self.no_sound)):
            table[name] = {
                "mean_log_probability": finite(float(foretold.log_probability[index].mean())),
                "n_likeliest": int((foretold.rank[index] == 1).sum()),
                "median_rank": finite(float(np.median(foretold.rank[index]))),
            }
        return table

    def _token(self, index: int) -> dict[str, Any]:
        token = self.tokens[index]
        return {
            "id": token.id,
            "text": token.text,
            "window": token.window,
            "right_from": self.first_right[index],
            "stages": [
                {
                    "stage": stage,
                    "log_probability": finite(float(self.foretold.log_probability[at, index])),
                    "rank": int(self.foretold.rank[at, index]),
                    "no_sound_log_probability": finite(float(self.no_sound.log_probability[at, index])),
                    "top": [
                        {"id": int(one), "text": self.texts[int(one)], "probability": finite(float(probability))}
                        for one, probability in zip(
                            self.foretold.top_ids[at, index], self.foretold.top_probabilities[at, index], strict=True
                        )
                    ],
                }
                for at, stage in enumerate(self.stages)
            ],
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `lens.npz` (the arrays of `foretold`, and those without sound), `lens.json` and two pictures.

        In `lens.png` the colours say how likely the token that is due is, in `lens_choice.png` how likely the first
        choice is.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        arrays = {
            **vars(self.foretold),
            **{f"no_sound_{name}": values for name, values in vars(self.no_sound).items()},
            "tokens": np.array([token.id for token in self.tokens]),
        }
        return [
            write_arrays(where / "lens.npz", **arrays),
            write_json(where / "lens.json", self.to_json()),
            *drawn(self.plot, where / "lens.png"),
            *drawn(self.plot, where / "lens_choice.png", colour_by="choice"),
        ]

    def plot(self, path: str | Path, *, colour_by: Literal["due", "choice"] = "due") -> Path:
        """Draw a row for each stage and a column for each token: the first choice, and how likely a token is.

        Args:
            path: Where to; PNG.
            colour_by: Colour by the probability of the token that is due, or of the first choice.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        return pictures.save_figure(lens_picture.grid_figure(self._view(colour_by)), path)

    def _view(self, colour_by: Literal["due", "choice"]) -> lens_picture.Grid:
        own = "its own transcript" if self.is_own_text else "a given text"
        return lens_picture.Grid(
            columns=tuple(token.text for token in self.tokens),
            rows=self.stages,
            cells=tuple(tuple(self.texts[int(one)] for one in row) for row in self.foretold.top_ids[:, :, 0]),
            probability=np.exp(self.foretold.log_probability)
            if colour_by == "due"
            else self.foretold.top_probabilities[:, :, 0],
            is_right=self.foretold.rank == 1,
            label="the due token" if colour_by == "due" else "the first choice",
            title="What each block of the decoder would say next",
            note=f"{self.model}, {self.clip_id}: {pictures.count(len(self.tokens), 'token')} of {own}",
        )

    def _shown(self) -> html.Shown:
        rows = [
            (
                stage,
                int((heard.rank[at] == 1).sum()),
                int((silent.rank[at] == 1).sum()),
                float(heard.log_probability[at].mean()),
                float(silent.log_probability[at].mean()),
            )
            for heard, silent in [(self.foretold, self.no_sound)]
            for at, stage in enumerate(self.stages)
        ]
        return html.Shown(
            f"What each block of the decoder would say, {self.clip_id}: {self.model}",
            [
                ("text", self.text),
                ("written by", "the model" if self.is_own_text else "someone else"),
                ("tokens", len(self.tokens)),
            ],
            [
                html.Table(
                    ("stage", "right", "right without sound", "log-probability", "without sound"),
                    rows,
                    "Tokens that are the first choice; mean log-probability of the due token (nats)",
                )
            ],
        )


def lens(
    model: Whisper,
    clip: Sound,
    *,
    text: str | None = None,
    window: int | None = None,
    top: int = 5,
    language: str | None = None,
) -> Lens:
    """Read what every block of the decoder would say already, token by token.

    Args:
        model: Any Whisper.
        clip: A clip, an array at 16 kHz or a path.
        text: What the decoder is made to say, over one window; its own transcript by default.
        window: Look at this window alone; all by default.
        top: How many of the likeliest tokens to keep.
        language: What is spoken, as Whisper's code; the model decides by default.

    Returns:
        What each stage says at each token of the text and at its end.

    Raises:
        InputError: The text, the window, the language or `top` cannot be used.
        AudioError: The recording cannot be used.

    Source:
        nostalgebraist 2020, "interpreting GPT: the logit lens". Early blocks write in a basis of their own, so what
        the lens reads there is a lower bound of what they know (Belrose et al. 2023, arXiv 2303.08112).
    """
    if isinstance(top, bool) or not isinstance(top, int) or not 1 <= top <= model.vocab_size:
        raise InputError(f"top is {top!r}: give a whole number from 1 to {model.vocab_size}, the tokens there are.")
    read = as_clip(clip)
    batches = [
        (batch.said, foretell(model, batch, top), foretell(model, without_sound(model, batch), top))
        for batch in said_over(model, [read], text=text, window=window, language=language)
    ]
    said = [one for batch, _, _ in batches for one in batch]
    foretold = _join([one for _, found, _ in batches for one in found])
    no_sound = _join([one for _, _, found in batches for one in found])
    names = token_texts(model).texts
    tokens = tuple(LensToken(token, _name(names, token), one.window) for one in said for token in one.tokens)
    return Lens(
        model=model.id,
        clip_id=read.id,
        audio=read.source,
        text=" ".join(filter(None, (text_of(model, one.tokens) for one in said))),
        is_own_text=text is None,
        language=said[0].language,
        stages=stage_names(model.n_decoder_blocks),
        tokens=tokens,
        foretold=foretold,
        no_sound=no_sound,
        texts={int(one): _name(names, int(one)) for one in np.unique(foretold.top_ids)},
        vocab_size=model.vocab_size,
    )


def without_sound(model: Whisper, batch: Batch) -> Batch:
    """Give a batch the encoder output of padding alone."""
    with model.reading_paused():
        silent = model.padded_encoding()
    return Batch(silent.expand(len(batch.said), -1, -1), batch.said, batch.ids)


def foretell(model: Whisper, batch: Batch, top: int = 1) -> list[Foretold]:
    """Read what every stage says where the tokens of each window are due.

    Args:
        model: Any Whisper.
        batch: The windows, and what is said over them.
        top: How many of the likeliest tokens to keep.

    Returns:
        One for each window.
    """
    stream = decoder_stream(model, batch.encoded, batch.ids)
    states = torch.cat([stream[:, place, one.rows] for place, one in enumerate(batch.said)], dim=1)
    due = torch.tensor([token for one in batch.said for token in one.tokens], device=states.device)
    whole = _join_stages([_score(model, states[stage], due, top) for stage in range(len(states))])
    edges = np.cumsum([len(one.tokens) for one in batch.said])[:-1]
    pieces = [np.split(values, edges, axis=1) for values in vars(whole).values()]
    return [Foretold(*parts) for parts in zip(*pieces, strict=True)]


def _score(
    model: Whisper, hidden: Float[Tensor, "token d_model"], due: Int[Tensor, " token"], top: int
) -> tuple[Tensor, ...]:
    """Unembed one stage: the likeliest tokens, their probabilities, and log-probability and rank of those due."""
    rows: list[tuple[Tensor, ...]] = []
    for states, wanted in zip(hidden.split(ROWS), due.split(ROWS), strict=True):
        logits = unembed(model, states)
        own = logits.gather(1, wanted[:, None])
        normaliser = logits.logsumexp(dim=-1, keepdim=True)
        best = logits.topk(top, dim=-1)
        rank = (logits > own).sum(dim=-1) + 1
        rows.append((best.indices, (best.values - normaliser).exp(), (own - normaliser)[:, 0], rank))
    return tuple(torch.cat(parts).cpu() for parts in zip(*rows, strict=True))


def _join_stages(stages: Sequence[tuple[Tensor, ...]]) -> Foretold:
    return Foretold(*(torch.stack(parts).numpy() for parts in zip(*stages, strict=True)))


def _join(windows: Sequence[Foretold]) -> Foretold:
    """Put windows side by side along the token axis."""
    return Foretold(*(np.concatenate([vars(one)[name] for one in windows], axis=1) for name in vars(windows[0])))


def _name(names: Sequence[str], token: int) -> str:
    """Say what a token reads; its number where the tokenizer does not reach so far."""
    return names[token] or f"token {token}"
