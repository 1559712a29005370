"""How sure the decoder is of words when it hears a stretch alone: spellings, stretches, and one batch after another.

A stretch is heard alone by giving the decoder padding's encoder output everywhere else, so that its frames stay where
they were and keep what the encoder made of their surroundings. Costs, for each stretch, one run of the decoder over the
start tokens, and one more for each spelling of several tokens. Memory: the encoder outputs of one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otoscope.base.clocks import FRAME_S, frame_to_seconds, seconds_to_frame
from otoscope.base.errors import InputError
from otoscope.model.generation import detect, forced_logits, prompt_tokens, top
from otoscope.model.spelling import decode
from otoscope.model.whisper import Whisper

BATCH = 16


@dataclass(frozen=True)
class Spelled:
    """A word as the decoder may write it."""

    word: str
    spellings: tuple[tuple[int, ...], ...]  # token ids: as it is, and with a capital, both after a space
    texts: tuple[str, ...]  # the same as text


def spell(model: Whisper, word: str, longest: int) -> Spelled:
    """Spell a word, or several that belong together, as the decoder would; there is room for `longest` tokens."""
    text = " ".join(word.split()) if isinstance(word, str) else ""
    if not text:
        raise InputError(f"the word is {word!r}: give a word to look for.")
    texts = tuple(dict.fromkeys(f" {form}" for form in (text, text[:1].upper() + text[1:])))
    spellings = tuple(spelt(model, form) for form in texts)
    if max(map(len, spellings)) > longest:
        raise InputError(
            f"the word {text!r} takes {max(map(len, spellings))} tokens, and after the start tokens there is room for "
            f"{longest}. Give a shorter one."
        )
    return Spelled(text, spellings, texts)


def spelt(model: Whisper, text: str) -> tuple[int, ...]:
    """Turn text into tokens."""
    ids = tuple(model.tokenizer(text, add_special_tokens=False).input_ids)
    back = decode(model.tokenizer, ids)
    words = model.vocabulary
    if not ids or back.strip() != text.strip() or not all(words.is_text(token) for token in ids):
        raise InputError(
            f"{text.strip()!r} is unknown to the tokenizer of {model.id}: it writes {back.strip()!r}. Give a word that "
            "it can write."
        )
    return ids


@dataclass(eq=False)
class Listener:
    """Measures how sure a model's decoder is of words over stretches."""

    model: Whisper
    words: Sequence[Spelled]  # the words to score
    context: tuple[int, ...] = ()  # tokens that the transcript is assumed to begin with
    language: str | None = None  # language spoken; None to detect it from each window's encoder output
    padding: Float[Tensor, "frame d"] = field(init=False)  # the encoder output of padding only
    _silent: dict[tuple[int, ...], Float[Tensor, " word"]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        words = self.model.vocabulary
        self.language = words.check_language(self.language)
        self.padding = self.model.padded_encoding()[0]

    @property
    def longest(self) -> int:
        """The number of tokens that fit after the start tokens and the context."""
        start = prompt_tokens(self.model, language=self.model.vocabulary.any_language)
        return int(self.model.hf.config.max_target_positions) - len(start) - len(self.context)

    def prompt(self, encoding: Float[Tensor, "frame d"]) -> tuple[int, ...]:
        """Return the tokens before the word, in the language of a window."""
        code = self.language or top(detect(self.model, self.model.vocabulary, encoding[None])[0])
        return (*prompt_tokens(self.model, language=code), *self.context)

    def alone(
        self, encoding: Float[Tensor, "frame d"], stretches: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "stretch frame d"]:
        """Put padding's encoder output everywhere but in each stretch [start, stop)."""
        spliced = self.padding.expand(len(stretches), -1, -1).clone()
        for row, (start, stop) in zip(spliced, stretches, strict=True):
            row[start:stop] = encoding[start:stop]
        return spliced

    def listen(
        self, encoding: Float[Tensor, "frame d"], stretches: Sequence[tuple[int, int]], prompt: Sequence[int]
    ) -> Float[Tensor, "stretch word"]:
        """Return the log-probability of every word over every stretch, float32 on the CPU."""
        rows = [
            self.log_probabilities(self.alone(encoding, stretches[first : first + BATCH]), prompt)
            for first in range(0, len(stretches), BATCH)
        ]
        return torch.cat(rows)

    def silent(self, prompt: tuple[int, ...]) -> Float[Tensor, " word"]:
        """Return the log-probability of every word over padding only."""
        if prompt not in self._silent:
            self._silent[prompt] = self.log_probabilities(self.padding[None], prompt)[0]
        return self._silent[prompt]

    def log_probabilities(
        self, encodings: Float[Tensor, "stretch frame d"], prompt: Sequence[int]
    ) -> Float[Tensor, "stretch word"]:
        """Return the log-probability of every word right after the prompt, over its tokens and spellings."""
        first = self.next_token(encodings, prompt)
        columns = []
        for word in self.words:
            spellings = [
                first[:, ids[0]] if len(ids) == 1 else self._sum(encodings, prompt, ids) for ids in word.spellings
            ]
            columns.append(torch.stack(spellings).logsumexp(dim=0))
        return torch.stack(columns, dim=1).cpu()

    def next_token(
        self, encodings: Float[Tensor, "stretch frame d"], prompt: Sequence[int]
    ) -> Float[Tensor, "stretch vocab"]:
        """Return the log-probability of every token right after the prompt."""
        return forced_logits(self.model, encodings, _repeat(prompt, len(encodings)))[:, -1].log_softmax(dim=-1)

    def _sum(
        self, encodings: Float[Tensor, "stretch frame d"], prompt: Sequence[int], ids: Sequence[int]
    ) -> Float[Tensor, " stretch"]:
        given = _repeat([*prompt, *ids[:-1]], len(encodings))
        rows = forced_logits(self.model, encodings, given)[:, len(prompt) - 1 :].log_softmax(dim=-1)
        targets = torch.tensor(ids, device=rows.device)[None, :, None].expand(len(rows), -1, 1)
        return rows.gather(-1, targets).squeeze(-1).sum(dim=1)


def _repeat(ids: Sequence[int], n: int) -> Int[Tensor, "stretch token"]:
    return torch.tensor([list(ids)] * n)


def starts_in(n_frames: int, length: int, step: int) -> list[int]:
    """Return the starts of stretches of `length` frames that slide by `step`; the last ends with the frames."""
    last = max(0, n_frames - length)
    starts = list(range(0, last + 1, step))
    return starts if starts[-1] == last else [*starts, last]


def whole_frames(name: str, seconds: float, most: int) -> int:
    """Turn a length of time into whole frames."""
    if seconds_to_frame(seconds) > most:
        window_s = frame_to_seconds(most)
        raise InputError(
            f"{name} is {seconds!r}: give seconds, from {FRAME_S:g} (one frame) to {window_s:g} (a window)."
        )
    return seconds_to_frame(seconds)
