"""Watch the framework's `generate` while it runs, and keep it quiet.

Watching changes nothing: hooks and filters are put in for one call and taken out after it, errors included.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import LogitsProcessor, WhisperForConditionalGeneration

from otoscope.model.finite import NotFiniteError, are_numbers

_NOISY = ("transformers.generation.utils", "transformers.models.whisper.generation_whisper")


class ChosenLogprobs(LogitsProcessor):
    """Keeps the log-probability of each token that `generate` picks; must be the last of its processors."""

    def __init__(self) -> None:
        self._offered: Tensor | None = None
        self._kept: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Keep what the previous step picked, note what this step offers, change nothing."""
        self._keep(input_ids[:, -1])
        self._offered = scores
        return scores

    def _keep(self, picked: Tensor) -> None:
        if self._offered is not None:
            logprobs = self._offered.float().log_softmax(dim=-1)
            self._kept.append(logprobs.gather(-1, picked[:, None]))

    def finish(self, sequences: Int[Tensor, "window token"], n_prompt: int) -> Float[Tensor, "window new_token"]:
        """Return the log-probability of every new token; past a row's end they are meaningless."""
        n_new = sequences.shape[1] - n_prompt
        if len(self._kept) < n_new:
            self._keep(sequences[:, -1])
        return torch.cat(self._kept[:n_new], dim=-1)


@contextmanager
def watched_logits(hf: WhisperForConditionalGeneration) -> Iterator[list[Tensor]]:
    """Keep the logits after `<|startoftranscript|>`, the first token of the first step; watches this thread only."""
    kept: list[Tensor] = []
    thread = threading.get_ident()

    def look(_module: torch.nn.Module, _inputs: tuple[Any, ...], logits: Tensor) -> None:
        if threading.get_ident() != thread:
            return
        if not kept:
            kept.append(logits[:, 0].detach())
        if not are_numbers(logits):
            raise NotFiniteError

    handle = hf.proj_out.register_forward_hook(look)
    try:
        yield kept
    finally:
        handle.remove()


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the framework's log messages below an error, of this thread only, while the block runs.

    They concern settings that are chosen here on purpose (no attention mask, both limits of length given).
    """
    thread = threading.get_ident()

    def passes(record: logging.LogRecord) -> bool:
        return record.thread != thread or record.levelno >= logging.ERROR

    loggers = [logging.getLogger(name) for name in _NOISY]
    for logger in loggers:
        logger.addFilter(passes)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(passes)
