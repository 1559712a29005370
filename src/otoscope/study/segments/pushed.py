"""Which words does one stretch of a clip push up? What the decoder would say next over the stretch, less over padding.

Costs two runs of the decoder, and a few over the tokens found, to write each of them out as a word.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.audio.clip import as_clip
from otoscope.base import html
from otoscope.base.clocks import FRAME_S, frames_begun
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import finite
from otoscope.model.generation import forced_logits
from otoscope.model.spelling import decode
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich
from otoscope.study.segments import picture as segments_picture
from otoscope.study.segments.experiment import said
from otoscope.study.segments.score import Listener, spelt
from otoscope.study.splice.experiment import stretch_frames

TOP = 20
LEAST = 1e-3
MOST_TOKENS = 6
"""Tokens that a word is written out to at most."""


@dataclass(frozen=True)
class Pushed:
    """A token that may come next.

    Attributes:
        token: Its id.
        text: As it is written.
        word: The word that the decoder makes of it over the stretch.
        log_probability: Of the token over the stretch, natural log.
        lift: The same less that over padding alone.
    """

    token: int
    text: str
    word: str
    log_probability: float
    lift: float


@dataclass(frozen=True, repr=False)
class PushedUp(Rich):
    """The words that a stretch pushes up.

    Attributes:
        model: The model's id.
        clip_id: The clip's id.
        audio: Its file, or its id where it came from no file.
        start_s: Where the stretch begins in the clip.
        stop_s: Where it ends.
        said: Words whose middle lies in it; None where they are not known.
        context: What the transcript was taken to begin with.
        least: Tokens less probable over the stretch are left out.
        words: Most pushed up first.
    """

    model: str
    clip_id: str
    audio: str
    start_s: float
    stop_s: float
    said: tuple[str, ...] | None
    context: str
    least: float
    words: tuple[Pushed, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the table."""
        return {
            "model": self.model,
            "clip": self.clip_id,
            "audio": self.audio,
            "seconds": [finite(self.start_s), finite(self.stop_s)],
            "said": None if self.said is None else list(self.said),
            "context": self.context,
            "least_probability": self.least,
            "words": [
                {
                    "word": each.word,
                    "token": each.token,
                    "text": each.text,
                    "probability": finite(math.exp(each.log_probability)),
                    "log_probability": finite(each.log_probability),
                    "lift": finite(each.lift),
                }
                for each in self.words
            ],
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `pushed_up.json` and `pushed_up.png`.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        return [write_json(where / "pushed_up.json", self.to_json()), *drawn(self.plot, where / "pushed_up.png")]

    def plot(self, path: str | Path) -> Path:
        """Draw how far each word is pushed up.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        heard = "" if self.said is None else f"; said: “{' '.join(self.said)}”"
        figure = segments_picture.pushed_figure(
            [each.word for each in self.words],
            [each.lift for each in self.words],
            [math.exp(each.log_probability) for each in self.words],
            f"What {self.start_s:.2f} to {self.stop_s:.2f} s of {self.clip_id} pushes up",
            f"{self.model}; tokens of probability {self.least:g} or more{heard}",
        )
        return pictures.save_figure(figure, path)

    def _shown(self) -> html.Shown:
        rows = [(each.word, each.lift, html.share(math.exp(each.log_probability))) for each in self.words]
        return html.Shown(
            f"What {self.start_s:.2f} to {self.stop_s:.2f} s of {self.clip_id} pushes up: {self.model}",
            [("said there", self.said), ("after", self.context or "the start")],
            [html.Table(("word", "pushed up (nats)", "probability"), rows)],
        )


def pushed_up(
    model: Whisper,
    clip: Sound,
    start_s: float,
    stop_s: float,
    *,
    top: int = TOP,
    least: float = LEAST,
    context: str = "",
    language: str | None = None,
) -> PushedUp:
    """Find the words that a stretch pushes up.

    Args:
        model: Any Whisper.
        clip: A clip, an array at 16 kHz or a path.
        start_s: Where the stretch begins, from the start of the clip.
        stop_s: Where it ends; every frame that it touches is heard. It lies in one window.
        top: Words given at most.
        least: Leave out tokens less probable than this over the stretch: what is pushed up from nothing to next to
            nothing says little.
        context: What the transcript is taken to begin with.
        language: What is spoken, as Whisper's code; by default what the model hears in the whole window.

    Returns:
        Words by their log-probability right after the start tokens, less that over padding alone.

    Raises:
        InputError: The stretch is empty, not in the clip or in two windows, or a setting is wrong.
        AudioError: The recording cannot be used.
    """
    read = as_clip(clip)
    if not isinstance(top, int) or isinstance(top, bool) or top < 1 or not 0 <= least < 1:
        raise InputError(f"top is {top!r} and least {least!r}: give 1 or more words, and a probability below 1.")
    first, last = stretch_frames(start_s, stop_s, "seconds", frames_begun(len(read.samples)))
    number = first // model.n_frames
    if number != (last - 1) // model.n_frames:
        edge_s = (number + 1) * model.window_s
        raise InputError(f"{start_s:g} to {stop_s:g} s lie in two windows: end at {edge_s:g} s, or begin there.")
    listener = Listener(model, (), spelt(model, f" {context.strip()}") if context.strip() else (), language)
    if listener.longest < 1:
        raise InputError(f"the context leaves no room in {model.id} for a word. Shorten it.")
    window = next(each for at, each in enumerate(model.each_window(read)) if at == number)
    encoding = model.encode_mel(window.mel)[0]
    prompt = listener.prompt(encoding)
    offset = number * model.n_frames
    alone = listener.alone(encoding, [(first - offset, last - offset)])
    found, silent = listener.next_token(torch.cat([alone, listener.padding[None]]), prompt)
    return PushedUp(
        model=model.id,
        clip_id=read.id,
        audio=read.source,
        start_s=first * FRAME_S,
        stop_s=last * FRAME_S,
        said=said(read, first * FRAME_S, last * FRAME_S),
        context=context,
        least=least,
        words=_words(listener, alone, prompt, found, found - silent, top, least),
    )


def _words(
    listener: Listener,
    alone: Float[Tensor, "1 frame d"],
    prompt: tuple[int, ...],
    found: Float[Tensor, " vocab"],
    lift: Float[Tensor, " vocab"],
    top: int,
    least: float,
) -> tuple[Pushed, ...]:
    """Take the text tokens that rise most, and write each out as a word."""
    words = listener.model.vocabulary
    probable = (found >= math.log(least) if least > 0 else found > -torch.inf).nonzero().flatten().tolist()
    chosen = sorted((token for token in probable if words.is_text(token)), key=lambda token: -lift[token].item())[:top]
    if not chosen:
        return ()
    written = _write_out(listener, alone, prompt, chosen)
    decode = listener.model.tokenizer.decode
    return tuple(
        Pushed(token, decode([token]), word, found[token].item(), lift[token].item())
        for token, word in zip(chosen, written, strict=True)
    )


def _write_out(
    listener: Listener, alone: Float[Tensor, "1 frame d"], prompt: tuple[int, ...], tokens: list[int]
) -> list[str]:
    """Let the decoder go on greedily from each token to the end of the word."""
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
