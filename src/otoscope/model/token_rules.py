"""Which tokens the decoder may write next: those not suppressed, and timestamps in their order.

The framework has rules for both, but it takes all ids above `<|notimestamps|>` for timestamps, which includes words
added by fine-tuning; and it looks up its suppressed tokens at every step, a tenth of the time of greedy decoding.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import LogitsProcessor
from transformers.generation.logits_process import WhisperTimeStampLogitsProcessor

from otoscope.model.languages import Vocabulary


class Suppressed(LogitsProcessor):
    """Keeps tokens from being written; some of them only as the first token.

    `words`: what the tokens mean, and which are suppressed.
    """

    def __init__(self, words: Vocabulary, n_prompt: int, device: torch.device) -> None:
        self._n_prompt = n_prompt
        self._first, self._later = (mask.to(device) if mask.any() else None for mask in words.suppressed)

    def __call__(self, input_ids: Int[Tensor, "row token"], scores: Float[Tensor, "row vocab"]) -> Tensor:
        """Set the suppressed tokens' scores to minus infinity."""
        mask = self._first if input_ids.shape[1] == self._n_prompt else self._later
        return scores if mask is None else scores.masked_fill(mask, -torch.inf)


class TimestampRules(WhisperTimeStampLogitsProcessor):
    """The framework's rules for timestamps, for a vocabulary whose timestamps may be anywhere.

    Where the vocabulary is not in the order that those rules assume, it is brought into that order.
    """

    def __init__(self, words: Vocabulary, n_prompt: int, device: torch.device) -> None:
        config: Any = copy.copy(words.generation)
        self._order = words.order.to(device)
        self._position = self._order.argsort()
        self._is_in_order = bool((words.order == torch.arange(words.vocab_size)).all())
        config.eos_token_id = int(self._position[words.end_id])
        config.no_timestamps_token_id = int(self._position[words.no_timestamps_id])
        super().__init__(config, begin_index=n_prompt)

    def __call__(self, input_ids: Int[Tensor, "row token"], scores: Float[Tensor, "row vocab"]) -> Tensor:
        """Set the scores of tokens that may not come next to minus infinity."""
        if self._is_in_order:
            return super().__call__(input_ids, scores)
        return super().__call__(self._position[input_ids], scores[:, self._order])[:, self._position]
