"""What the decoder would say next after many prompts, all given the same encoder output.

The cross-attention's keys and values are computed once and shared by all prompts as a view; only the last position goes
through the unembedding. Costs one decoder pass over the prompts. Memory: [prompt, vocab] of one batch and, for that
batch, the framework's cache of the prompts' own keys and values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.model.cross_attention import cross_keys_values, decoder_cache
from otoscope.model.finite import finite_logits
from otoscope.model.generation import prompt_tokens
from otoscope.model.token_text import TokenTexts, token_texts
from otoscope.model.transcription import UNSPACED_LANGUAGES

if TYPE_CHECKING:
    from otoscope.model.whisper import Whisper

BATCH_SIZE = 128
"""Prompts run at once: 27 MB of logits at the size of a released vocabulary."""


@dataclass(frozen=True)
class Prompt:
    """The beginning of a transcript, as the decoder is given it."""

    text: str  # as the user gave it
    tokens: tuple[int, ...]  # ids of the text, without the start tokens


class PromptBatch(NamedTuple):
    """The logits after some of the prompts."""

    indices: list[int]  # which of the prompts these are
    logits: Float[Tensor, "prompt vocab"]  # of the token after each, float32 on the model's device


@dataclass(frozen=True, eq=False)
class PromptReader:
    """Turns words into prompts of one model in one language."""

    model: Whisper  # any Whisper
    language: str  # whisper's code

    @cached_property
    def texts(self) -> TokenTexts:
        """The text of every token."""
        return token_texts(self.model)

    @cached_property
    def start(self) -> tuple[int, ...]:
        """The ids that a transcript begins with."""
        return tuple(prompt_tokens(self.model, language=self.language))

    @property
    def longest(self) -> int:
        """Most tokens of text that a prompt may have: what the decoder holds, less the start."""
        return self.model.hf.config.max_target_positions - len(self.start)

    @property
    def space(self) -> str:
        """What stands between words."""
        return "" if self.language in UNSPACED_LANGUAGES else " "

    def ids(self, text: str) -> tuple[int, ...]:
        """Tokenize a text as it is."""
        return tuple(self.model.tokenizer(text, add_special_tokens=False).input_ids)

    def read(self, text: str) -> Prompt:
        """Turn a word or several into a prompt, with a space in front as Whisper writes words in mid-sentence.

        Args:
            text: The words; a space in front is added where the language is written with spaces.

        Returns:
            The prompt; it may be several tokens, even for one word.

        Raises:
            InputError: The text is empty, too long, or holds a special token.
        """
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"prompt {text!r} is empty: give a word, or several in quotes, such as 'traffic'.")
        tokens = self.ids(self.space + text.strip())
        if not all(token < self.model.vocab_size and self.texts.is_text[token] for token in tokens):
            raise InputError(
                f"prompt {text!r} holds a special token: prompts are plain text, and the start tokens are "
                "added automatically. Leave out what stands between <| and |>; the language has a setting of its own."
            )
        if len(tokens) > self.longest:
            short = text if len(text) <= 40 else f"{text[:37]}..."
            raise InputError(
                f"prompt {short!r} is {len(tokens)} tokens: {self.model.id} has room for {self.longest} after the "
                f"{len(self.start)} that a transcript begins with. Give a shorter one."
            )
        return Prompt(text, tokens)


def prompt_reader(model: Whisper, language: str | None) -> PromptReader:
    """Make a reader of prompts in a language; None takes the checkpoint's own, or English, or its first language."""
    words = model.vocabulary
    code = words.check_language(language)
    if code is None:
        code = "en" if "en" in words.language_ids else words.any_language
    return PromptReader(model, code)


class NextTokens:
    """The decoder over one encoder output that many prompts share.

    Args:
        model: Any Whisper.
        encoded: The encoder's output of one window; edits of the cross-attention's keys and values apply.
    """

    @torch.no_grad()
    def __init__(self, model: Whisper, encoded: Float[Tensor, "1 frame d_model"]) -> None:
        self._model = model
        self._encoded = encoded.to(model.device, model.dtype)
        with model.reading_paused():
            self._cross = cross_keys_values(model, self._encoded)

    @torch.no_grad()
    def logits(self, prompts: Sequence[Sequence[int]], *, batch_size: int = BATCH_SIZE) -> Iterator[PromptBatch]:
        """Run the decoder over prompts (token ids, start tokens included): what would it say next after each?

        Edits apply; readings do not see these passes, which are not part of a transcript being written.
        """
        if isinstance(batch_size, bool) or batch_size < 1:
            raise InputError(f"batch_size is {batch_size!r}: give a whole number of 1 or more.")
        for indices in _by_length(prompts, batch_size):
            yield PromptBatch(indices, self._last_logits([prompts[index] for index in indices]))

    def _last_logits(self, prompts: Sequence[Sequence[int]]) -> Float[Tensor, "prompt vocab"]:
        model = self._model
        ids = torch.tensor([list(prompt) for prompt in prompts], device=model.device)

        def run() -> Tensor:
            hidden = model.hf.model.decoder(
                input_ids=ids,
                encoder_hidden_states=self._encoded.expand(len(prompts), -1, -1),
                use_cache=True,
                **decoder_cache(model, self._cross, len(prompts)),
            ).last_hidden_state
            logits: Tensor = model.hf.proj_out(hidden[:, -1:])[:, 0]
            return logits

        with model.reading_paused():
            return finite_logits(model, run)


def _by_length(prompts: Sequence[Sequence[int]], batch_size: int) -> Iterator[list[int]]:
    """Group prompts of one length: then none needs padding, and the model's own causal mask suffices."""
    by_length: dict[int, list[int]] = {}
    for index, prompt in enumerate(prompts):
        by_length.setdefault(len(prompt), []).append(index)
    for length in sorted(by_length):
        indices = by_length[length]
        for start in range(0, len(indices), batch_size):
            yield indices[start : start + batch_size]
