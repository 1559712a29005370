"""Which words does one stretch of a clip push up? What the decoder predicts next over the stretch, less over padding.

Costs two runs of the decoder, and a few over the tokens found, to write each of them out as a word.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from otoscope.audio.clip import as_clip
from otoscope.base.clocks import FRAME_S, frames_begun
from otoscope.base.errors import InputError
from otoscope.base.report import Column, Report, Table
from otoscope.base.settings import takes
from otoscope.model.generation import forced_logits
from otoscope.model.spelling import decode
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.results import Result
from otoscope.study.segments.experiment import said
from otoscope.study.segments.picture import pushed_figure
from otoscope.study.segments.score import Listener, spelt
from otoscope.study.segments.settings import PushedUpSettings
from otoscope.study.splice.experiment import stretch_frames

MOST_TOKENS = 6
"""Tokens to which a word is completed at most."""


@dataclass(frozen=True)
class Pushed:
    """A token that may come next."""

    token: int
    text: str  # the token as written
    word: str  # the word to which the decoder completes it over the stretch
    log_probability: float  # of the token over the stretch, natural log
    lift: float  # the same minus that over padding only


@dataclass(frozen=True, repr=False)
class PushedUp(Result):
    """The words that a stretch pushes up."""

    name = "pushed_up"

    model: str
    clip_id: str
    audio: str  # the clip's file, or its id where it came from no file
    start_s: float  # where the stretch begins in the clip
    stop_s: float
    said: tuple[str, ...] | None  # words whose middle lies in it; None where they are not known
    context: str  # what the transcript was assumed to begin with
    least: float  # tokens less probable over the stretch are left out
    words: tuple[Pushed, ...]  # most pushed up first

    @property
    def heard(self) -> str:
        """What is said in the stretch, in words."""
        return "not known" if self.said is None else " ".join(self.said) or "nothing"

    def report(self) -> Report:
        """List the words, most pushed up first."""
        columns = [
            Column("word", "word"),
            Column("token"),
            Column("text"),
            Column(None, "token"),
            Column("probability", "probability", "share"),
            Column("log_probability", "log-probability", "two digits"),
            Column("lift", "above padding", "two digits"),
        ]
        rows = [
            (
                pushed.word,
                pushed.token,
                pushed.text,
                repr(pushed.text),
                math.exp(pushed.log_probability),
                pushed.log_probability,
                pushed.lift,
            )
            for pushed in self.words
        ]
        return Report(
            f"What {self.start_s:.2f} to {self.stop_s:.2f} s of {self.clip_id}, heard alone, pushes up: {self.model}",
            f"tokens of probability {self.least:g} or more",
            {
                "model": self.model,
                "clip": self.clip_id,
                "audio": self.audio,
                "seconds": [self.start_s, self.stop_s],
                "said": self.said,
                "context": self.context,
                "least_probability": self.least,
            },
            display_only=[("said there", self.heard), ("after", self.context or "the start")],
            parts=[Table(columns, rows, "Log-probability in nats", "words", most=max(len(rows), 1))],
        )

    def figure(self) -> Figure:
        """Draw how far each word is pushed up."""
        return pushed_figure(self)


@takes(PushedUpSettings)
def pushed_up(model: Whisper, clip: Sound, start_s: float, stop_s: float, *, settings: PushedUpSettings) -> PushedUp:
    """Find the words that a stretch pushes up.

    Args:
        model: Any Whisper.
        clip: A clip, an array at 16 kHz or a path.
        start_s: Where the stretch begins, from the start of the clip.
        stop_s: Where it ends; every frame that it touches is heard. It lies in one window.
        settings: Which words are listed; a rise of a negligible probability means little. Without a language, it is the
            one that the model detects in the whole window.

    Returns:
        Words by their log-probability right after the start tokens, less that over padding only.

    Raises:
        InputError: The stretch is empty, not in the clip or in two windows, or a setting is out of bounds.
        AudioError: The recording cannot be used.
    """
    read, context = as_clip(clip), settings.context
    first, last = stretch_frames(start_s, stop_s, "seconds", frames_begun(len(read.samples)))
    number = first // model.n_frames
    if number != (last - 1) // model.n_frames:
        edge_s = (number + 1) * model.window_s
        raise InputError(f"{start_s:g} to {stop_s:g} s lie in two windows: end at {edge_s:g} s, or begin there.")
    before = spelt(model, f" {context.strip()}") if context.strip() else ()
    listener = Listener(model, (), before, settings.language)
    if listener.longest < 1:
        raise InputError(f"the context leaves no room in {model.id} for a word. Shorten it.")
    window = next(window for at, window in enumerate(model.each_window(read)) if at == number)
    encoding = model.encode_mel(window.mel)[0]
    prompt = listener.prompt(encoding)
    offset = number * model.n_frames
    alone = listener.alone(encoding, [(first - offset, last - offset)])
    spoken, silent = listener.next_token(torch.cat([alone, listener.padding[None]]), prompt)
    return PushedUp(
        model=model.name,
        clip_id=read.id,
        audio=read.source,
        start_s=first * FRAME_S,
        stop_s=last * FRAME_S,
        said=said(read, first * FRAME_S, last * FRAME_S),
        context=context,
        least=settings.least,
        words=_words(listener, alone, prompt, spoken, spoken - silent, settings),
    )


def _words(
    listener: Listener,
    alone: Float[Tensor, "1 frame d"],
    prompt: tuple[int, ...],
    spoken: Float[Tensor, " vocab"],
    lift: Float[Tensor, " vocab"],
    settings: PushedUpSettings,
) -> tuple[Pushed, ...]:
    """Take the text tokens that rise most, and complete each to a word."""
    words, least = listener.model.vocabulary, settings.least
    probable = (spoken >= math.log(least) if least > 0 else spoken > -torch.inf).nonzero().flatten().tolist()
    texts = sorted((token for token in probable if words.is_text(token)), key=lambda token: -lift[token].item())
    chosen = texts[: settings.top]
    if not chosen:
        return ()
    written = _write_out(listener, alone, prompt, chosen)
    decode = listener.model.tokenizer.decode
    return tuple(
        Pushed(token, decode([token]), word, spoken[token].item(), lift[token].item())
        for token, word in zip(chosen, written, strict=True)
    )


def _write_out(
    listener: Listener, alone: Float[Tensor, "1 frame d"], prompt: tuple[int, ...], tokens: list[int]
) -> list[str]:
    """Let the decoder continue greedily from each token to the end of the word."""
    model, is_text = listener.model, listener.model.vocabulary.is_text
    rows = [[token] for token in tokens]
    growing = rows
    for _ in range(min(MOST_TOKENS, listener.longest) - 1):
        if not growing:
            break
        ids = torch.tensor([[*prompt, *row] for row in growing])
        following = forced_logits(model, alone.expand(len(growing), -1, -1), ids)[:, -1].argmax(dim=-1).tolist()
        going_on = []
        for row, token in zip(growing, following, strict=True):
            if is_text(token) and decode(model.tokenizer, [token])[:1].isalnum():
                row.append(token)
                going_on.append(row)
        growing = going_on
    return [decode(model.tokenizer, row).strip() or repr(decode(model.tokenizer, row)) for row in rows]
