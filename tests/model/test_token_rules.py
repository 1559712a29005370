"""The rules for what may be written next, against the framework's own on a vocabulary in its order."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers.generation.logits_process import (
    SuppressTokensAtBeginLogitsProcessor,
    SuppressTokensLogitsProcessor,
    WhisperTimeStampLogitsProcessor,
)

from otoscope.model.languages import Vocabulary
from otoscope.model.token_rules import Suppressed, TimestampRules
from tests.model.fine_tuned import lively_with_words
from tests.model.lively import lively

CPU = torch.device("cpu")
N_PROMPT = 3


def written(words: Vocabulary) -> list[list[int]]:
    """Beginnings of transcripts: nothing yet, a time, a time and text, a pair of times, and text after it."""
    prompt, (first, later) = words.prompt("en", "transcribe", timestamps=True), (words.timestamp_ids[i] for i in (3, 9))
    return [[*prompt, *said] for said in ([], [first], [first, 5], [first, 5, 6, later], [first, 5, later, later, 7])]


def scores(n: int) -> Tensor:
    return torch.randn(1, n, generator=torch.Generator().manual_seed(n))


@pytest.mark.parametrize("case", range(5))
def test_the_rules_are_the_frameworks_where_the_vocabulary_is_as_released(case: int) -> None:
    model = lively()
    words = model.vocabulary
    ids = torch.tensor([written(words)[case]])
    theirs = WhisperTimeStampLogitsProcessor(model.hf.generation_config, begin_index=N_PROMPT)
    offered = scores(model.vocab_size)
    assert torch.equal(TimestampRules(words, N_PROMPT, CPU)(ids, offered), theirs(ids, offered))


@pytest.mark.parametrize("case", range(5))
def test_added_words_are_text_to_the_rules(case: int) -> None:
    model = lively_with_words("one", "two")
    words, plain = model.vocabulary, lively()
    added = [model.tokenizer.get_vocab()[text] for text in ("one", "two")]
    ids = torch.tensor([written(words)[case]])
    offered = scores(model.vocab_size)
    n = plain.vocab_size
    found = TimestampRules(words, N_PROMPT, CPU)(ids, offered)
    text_may_come = torch.isfinite(TimestampRules(plain.vocabulary, N_PROMPT, CPU)(ids, offered[:, :n])[0, 5])
    assert torch.isfinite(found[0, added]).all() == text_may_come
    # An added word that was written is text: the time after it may end the segment, and no time need follow it.
    after = torch.tensor([[*written(words)[1], added[0]]])
    assert torch.isfinite(
        TimestampRules(words, N_PROMPT, CPU)(after, offered * 0)[0, list(words.timestamp_ids[3:5])]
    ).any()


@pytest.mark.parametrize("n_written", [0, 2])
def test_suppressed_tokens_are_the_frameworks(n_written: int) -> None:
    model = lively()
    settings = model.hf.generation_config
    settings.begin_suppress_tokens = [5, 320]
    offered = scores(model.vocab_size)
    ids = torch.tensor([[1] * (N_PROMPT + n_written)])
    wanted = SuppressTokensLogitsProcessor(settings.suppress_tokens)(ids, offered)
    wanted = SuppressTokensAtBeginLogitsProcessor(settings.begin_suppress_tokens, N_PROMPT)(ids, wanted)
    assert torch.equal(Suppressed(model.vocabulary, N_PROMPT, CPU)(ids, offered), wanted)
