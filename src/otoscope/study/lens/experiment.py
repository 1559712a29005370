"""What would each block of the decoder say already? The logit lens, token by token over a transcript.

The final layer norm and the unembedding are applied to the decoder's residual stream after every block. Costs one
transcription, two runs of the decoder (one over the sound, one over padding only), and one unembedding of every block.
Memory: the residual stream of one batch of windows, and logits of 256 rows. For many clips use `lens_curve`.

It does not know how states are caught (`model.unembed`), nor how pictures are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from torch import Tensor

from otoscope.audio.clip import as_clip
from otoscope.base.errors import InputError
from otoscope.base.layout import count, one_line
from otoscope.base.report import Column, Report, Table
from otoscope.base.settings import takes
from otoscope.base.short_repr import ShortRepr
from otoscope.base.text import visible
from otoscope.model.token_text import token_texts
from otoscope.model.unembed import decoder_stream, unembed
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.lens import picture
from otoscope.study.lens.settings import LensSettings
from otoscope.study.lens.text import SaidBatch, WindowTokens, said_batches
from otoscope.study.results import Result
from otoscope.study.writing import text_of

ROWS = 256
"""Rows of logits held at once: 53 MB at the size of a released vocabulary."""

MOST_TOKENS = 200
"""Tokens of one transcript in the report at most."""

EMBEDDING = "embedding"


def stage_names(n_blocks: int) -> tuple[str, ...]:
    """Name the stages of a residual stream: the embedding, then every block."""
    return (EMBEDDING, *(f"block {block}" for block in range(n_blocks)))


@dataclass(frozen=True, eq=False, repr=False)
class TokenPredictions(ShortRepr):
    """What every stage predicts where tokens are due."""

    top_ids: Int[np.ndarray, "stage token k"]  # the likeliest tokens
    top_probabilities: Float[np.ndarray, "stage token k"]  # their probabilities
    log_probability: Float[np.ndarray, "stage token"]  # of the token that is due, natural log
    rank: Int[np.ndarray, "stage token"]  # of the token that is due; 1 is the likeliest

    def over_tokens(self, stage: int) -> dict[str, Any]:
        """Sum up one stage over the tokens."""
        return {
            "mean_log_probability": float(self.log_probability[stage].mean()),
            "n_likeliest": int((self.rank[stage] == 1).sum()),
            "median_rank": float(np.median(self.rank[stage])),
        }


@dataclass(frozen=True)
class LensToken:
    """A token that is due."""

    id: int
    text: str  # its text, spaces included
    window: int  # the window of the clip that it is said over


def sample(tokens: Sequence[LensToken], *, is_own_text: bool) -> str:
    """Describe the sample: how many tokens, and who wrote them."""
    return f"{count(len(tokens), 'token')} of {'its own transcript' if is_own_text else 'a given text'}"


@dataclass(frozen=True, eq=False, repr=False)
class Lens(Result):
    """What every block of the decoder would say, token by token."""

    name = "lens"

    model: str
    clip_id: str
    audio: str  # the clip's file, or its id where it came from no file
    text: str  # what is said
    is_own_text: bool  # whether the model wrote it
    language: str  # language of the first window
    stages: tuple[str, ...]  # the embedding and every block of the decoder
    tokens: tuple[LensToken, ...]  # those that are due, the end of text included
    foretold: TokenPredictions  # what every stage predicts where they are due
    no_sound: TokenPredictions  # the same with padding in place of sound: what the text before predicts by itself
    texts: Mapping[int, str]  # the texts of the tokens in `foretold`, by id
    vocab_size: int  # tokens to choose from

    @property
    def first_right(self) -> tuple[str | None, ...]:
        """The earliest stage from which on each token is the likeliest; None where it is not so at the end."""
        right = self.foretold.rank == 1
        from_here = np.flip(np.logical_and.accumulate(np.flip(right, axis=0), axis=0), axis=0)
        return tuple(
            self.stages[int(np.argmax(column))] if column.any() else None for column in np.transpose(from_here)
        )

    def report(self) -> Report:
        """Show each stage's first choice token by token, and means over the tokens."""
        return Report(
            f"What each block of the decoder would say next: {self.model}, {self.clip_id}",
            sample(self.tokens, is_own_text=self.is_own_text),
            {
                **self.fields("model", "audio", "text", "is_own_text", "language"),
                "n_tokens": len(self.tokens),
                "uniform_log_probability": -float(np.log(self.vocab_size)),
            },
            display_only=[("text", one_line(self.text))],
            parts=[self._tokens(), self._stages()],
        )

    def _tokens(self) -> Table:
        """Lay out what each stage predicts at each token."""
        columns = [
            *(Column(key) for key in ("id", "text", "window", "right_from", "stages")),
            *(Column(None, label) for label in ("due", *self.stages)),
        ]
        rows = [
            (
                token.id,
                token.text,
                token.window,
                right_from,
                [self._at(stage, number) for stage in range(len(self.stages))],
                visible(token.text),
                *(self._cell(stage, number) for stage in range(len(self.stages))),
            )
            for number, (token, right_from) in enumerate(zip(self.tokens, self.first_right, strict=True))
        ]
        caption = "First choice of each stage, and the probability of the next token (*: it is the first choice)"
        return Table(columns, rows, caption, "tokens", MOST_TOKENS)

    def _at(self, stage: int, token: int) -> dict[str, Any]:
        """Return what one stage predicts at one token."""
        likeliest = zip(self.foretold.top_ids[stage, token], self.foretold.top_probabilities[stage, token], strict=True)
        return {
            "stage": self.stages[stage],
            "log_probability": float(self.foretold.log_probability[stage, token]),
            "rank": int(self.foretold.rank[stage, token]),
            "no_sound_log_probability": float(self.no_sound.log_probability[stage, token]),
            "top": [
                {"id": int(number), "text": self.texts[int(number)], "probability": float(probability)}
                for number, probability in likeliest
            ],
        }

    def _cell(self, stage: int, token: int) -> str:
        choice = visible(self.texts[int(self.foretold.top_ids[stage, token, 0])])
        mark = "*" if self.foretold.rank[stage, token] == 1 else ""
        return f"{choice} {np.exp(self.foretold.log_probability[stage, token]):.2f}{mark}"

    def _stages(self) -> Table:
        """Average each stage over the tokens."""
        columns = [Column("stage", ""), Column("sound"), Column("no_sound")]
        for prefix in ("", "without sound: "):
            columns += [Column(None, f"{prefix}log-probability", "two digits"), Column(None, f"{prefix}first choice")]
        rows = []
        for number, stage in enumerate(self.stages):
            heard, unheard = self.foretold.over_tokens(number), self.no_sound.over_tokens(number)
            numbers = [sums[key] for sums in (heard, unheard) for key in ("mean_log_probability", "n_likeliest")]
            rows.append((stage, heard, unheard, *numbers))
        caption = f"Mean log-probability of the next token (nats), and of {len(self.tokens)} how many come first"
        return Table(columns, rows, caption, "stages", len(rows))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what the stages predict with the sound and without, and the tokens' ids."""
        return {
            **vars(self.foretold),
            **{f"no_sound_{name}": values for name, values in vars(self.no_sound).items()},
            "tokens": np.array([token.id for token in self.tokens]),
        }

    def figures(self) -> dict[str, Callable[[], Figure]]:
        """Draw a grid coloured by the probability of the next token, and one by that of the first choice."""
        note = f"{self.model}, {self.clip_id}: {sample(self.tokens, is_own_text=self.is_own_text)}"
        return {
            self.name: partial(picture.grid_figure, self, note),
            "lens_choice": partial(picture.grid_figure, self, note, of_choice=True),
        }


@takes(LensSettings)
def lens(model: Whisper, clip: Sound, *, settings: LensSettings) -> Lens:
    """Read what every block of the decoder would say already, token by token.

    Args:
        model: Any Whisper.
        clip: A clip, an array at 16 kHz or a path.
        settings: What is said, and how many of the likeliest tokens are kept. A text is said over one window.

    Returns:
        What each stage predicts at each token of the text and at its end.

    Raises:
        InputError: The text, the window, the language or `top` cannot be used.
        AudioError: The recording cannot be used.

    Source:
        nostalgebraist 2020, "interpreting GPT: the logit lens". Early blocks write in a basis of their own, so what
        the lens reads there is a lower bound of what they know (Belrose et al. 2023, arXiv 2303.08112).
    """
    top = settings.top
    if top > model.vocab_size:
        raise InputError(f"top is {top!r}: give a whole number from 1 to {model.vocab_size}, the tokens there are.")
    recording = as_clip(clip)
    said: list[WindowTokens] = []
    predictions: list[TokenPredictions] = []
    no_sound: list[TokenPredictions] = []
    for batch in said_batches(
        model, [recording], text=settings.text, window=settings.window, language=settings.language
    ):
        said += batch.said
        predictions += predict_tokens(model, batch, top)
        no_sound += predict_tokens(model, without_sound(model, batch), top)
    names = token_texts(model).texts
    heard = _join(predictions)
    return Lens(
        model=model.name,
        clip_id=recording.id,
        audio=recording.source,
        text=said_text(model, said),
        is_own_text=settings.text is None,
        language=said[0].language,
        stages=stage_names(model.n_decoder_blocks),
        tokens=due_tokens(names, said),
        foretold=heard,
        no_sound=_join(no_sound),
        texts={int(token): _name(names, int(token)) for token in np.unique(heard.top_ids)},
        vocab_size=model.vocab_size,
    )


def said_text(model: Whisper, said: Sequence[WindowTokens]) -> str:
    """Join what is said over windows."""
    return " ".join(filter(None, (text_of(model, window.tokens) for window in said)))


def due_tokens(names: Sequence[str], said: Sequence[WindowTokens]) -> tuple[LensToken, ...]:
    """List the tokens that are due, window after window."""
    return tuple(LensToken(token, _name(names, token), window.window) for window in said for token in window.tokens)


def without_sound(model: Whisper, batch: SaidBatch) -> SaidBatch:
    """Return the batch with the encoder output of padding in place of its own."""
    with model.reading_paused():
        silent = model.padded_encoding()
    return SaidBatch(silent.expand(len(batch.said), -1, -1), batch.said, batch.ids)


def predict_tokens(model: Whisper, batch: SaidBatch, top: int = 1) -> list[TokenPredictions]:
    """Read for each window what every stage predicts where its tokens are due, and keep the `top` likeliest."""
    stream = decoder_stream(model, batch.encoded, batch.ids)
    states = torch.cat([stream[:, index, window.rows] for index, window in enumerate(batch.said)], dim=1)
    due = torch.tensor([token for window in batch.said for token in window.tokens], device=states.device)
    scored = [_score(model, states[stage], due, top) for stage in range(len(states))]
    whole = [torch.stack(parts).numpy() for parts in zip(*scored, strict=True)]
    edges = np.cumsum([len(window.tokens) for window in batch.said])[:-1]
    return [
        TokenPredictions(*parts) for parts in zip(*(np.split(values, edges, axis=1) for values in whole), strict=True)
    ]


def _score(
    model: Whisper, hidden: Float[Tensor, "token d_model"], due: Int[Tensor, " token"], top: int
) -> tuple[Tensor, ...]:
    """Unembed one stage: the likeliest tokens, their probabilities, and log-probability and rank of those due."""
    rows: list[tuple[Tensor, ...]] = []
    for states, due_here in zip(hidden.split(ROWS), due.split(ROWS), strict=True):
        logits = unembed(model, states)
        due_logits = logits.gather(1, due_here[:, None])
        normaliser = logits.logsumexp(dim=-1, keepdim=True)
        best = logits.topk(top, dim=-1)
        rank = (logits > due_logits).sum(dim=-1) + 1
        rows.append((best.indices, (best.values - normaliser).exp(), (due_logits - normaliser)[:, 0], rank))
    return tuple(torch.cat(parts).cpu() for parts in zip(*rows, strict=True))


def _join(windows: Sequence[TokenPredictions]) -> TokenPredictions:
    """Put windows side by side along the token axis."""
    return TokenPredictions(
        *(np.concatenate(parts, axis=1) for parts in zip(*(vars(w).values() for w in windows), strict=True))
    )


def _name(names: Sequence[str], token: int) -> str:
    """Return a token's text, or its number where the tokenizer has no text for it."""
    return names[token] or f"token {token}"
