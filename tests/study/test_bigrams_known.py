from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest

from otoscope.base.errors import InputError
from otoscope.demo import grammar
from otoscope.model.load import load
from otoscope.model.next_tokens import PromptReader, prompt_reader
from otoscope.model.whisper import Whisper
from otoscope.study.bigrams.known import N_LEADS, KnownContext, bigrams_of_text, bigrams_of_words

LINES = ["the little dog", "", "the little boat  ", "the dog sees the little dog", "<|en|>dog<|0.00|>"]


@pytest.fixture(scope="module")
def reader(model: Whisper) -> PromptReader:
    return prompt_reader(model, "en")


@pytest.fixture(scope="module")
def demo() -> PromptReader:
    return prompt_reader(load("demo", device="cpu"), "en")


def pairs(context: KnownContext) -> dict[int, float]:
    return dict(zip(context.tokens.tolist(), context.probabilities.tolist(), strict=True))


def test_a_text_is_counted_token_by_token_within_its_lines(reader: PromptReader) -> None:
    counts: dict[int, list[int]] = {}
    for line in LINES[:4]:
        ids = reader.ids(f" {line.strip()}") if line else ()
        for before, after in pairwise(ids):
            counts.setdefault(before, []).append(after)
    known = bigrams_of_text(reader.model, LINES[:4], name="lines", least=1)
    assert {context.prompts[0][0] for context in known.contexts} == set(counts)
    for context in known.contexts:
        after = counts[context.prompts[0][0]]
        assert context.weight == len(after)
        assert pairs(context) == pytest.approx({token: after.count(token) / len(after) for token in after})
    assert known.share == 1.0


def test_special_tokens_in_a_text_do_not_count(reader: PromptReader) -> None:
    known = bigrams_of_text(reader.model, LINES, name="lines", least=1)
    assert all(reader.texts.is_text[token] for context in known.contexts for token in context.tokens)


def test_rare_contexts_are_left_out_and_said(reader: PromptReader) -> None:
    whole = bigrams_of_text(reader.model, LINES, name="lines", least=1)
    known = bigrams_of_text(reader.model, LINES, name="lines", least=3)
    assert {context.text for context in known.contexts} < {context.text for context in whole.contexts}
    kept = sum(context.weight for context in whole.contexts if context.weight >= 3)
    assert known.share == pytest.approx(kept / sum(context.weight for context in whole.contexts)) and known.share < 1


def test_contexts_in_sentences_end_in_the_context_and_begin_a_line(reader: PromptReader) -> None:
    known = bigrams_of_text(reader.model, LINES[:4] * 20, name="lines", in_sentences=True)
    lines = {reader.ids(f" {line.strip()}") for line in LINES[:4]}
    for context in known.contexts:
        assert 1 <= len(context.prompts) <= N_LEADS
        for prompt in context.prompts:
            assert reader.texts.texts[prompt[-1]] == context.text
            assert any(line[: len(prompt)] == prompt for line in lines)


def test_sentences_are_drawn_fairly() -> None:
    """Of 200 places, early and late ones are drawn alike."""
    from otoscope.study.bigrams.known import _Leads

    drawn = []
    for seed in range(100):
        leads = _Leads(seed)
        for place in range(200):
            leads.offer("x", [place])
        drawn += [ids[0] for ids in leads.drawn("x")]
    assert len(drawn) == 100 * N_LEADS
    assert abs(np.mean(drawn) - 99.5) < 4 * 57.7 / np.sqrt(len(drawn))


def test_the_grammars_words_become_tokens_and_keep_their_probabilities(demo: PromptReader) -> None:
    counts = {pair: n for pair, n in grammar.bigrams().items() if not {grammar.START, grammar.END} & set(pair)}
    known = bigrams_of_words(demo.model, counts, name="the grammar")
    by_word = {context.text: context for context in known.contexts}
    for word in ("traffic", "thank", "very", "prime"):
        wanted: dict[int, float] = {}
        for after, chance in grammar.next_words(word).items():
            mark = after in (".", ",", "?", "!")
            token = demo.ids(after if mark else f" {after}")[0]
            wanted[token] = wanted.get(token, 0) + chance
        assert pairs(by_word[word]) == pytest.approx(wanted)
        assert by_word[word].prompts == (demo.ids(f" {word}"),)
    assert sum(context.weight for context in known.contexts) == pytest.approx(sum(counts.values()))


def test_words_are_found_in_sentences_whatever_their_capital(demo: PromptReader) -> None:
    counts = {("good", "luck"): 1.0, ("the", "dog"): 2.0, ("Tom", "saw"): 1.0}
    known = bigrams_of_words(
        demo.model, counts, name="x", sentences=["Good luck.", "The dog saw the cat.", "Tom saw it."]
    )
    prompts = {context.text: set(context.prompts) for context in known.contexts}
    assert prompts == {
        "good": {demo.ids(" Good")},
        "the": {demo.ids(" The"), demo.ids(" The dog saw the")},
        "Tom": {demo.ids(" Tom")},
    }
    assert known.in_sentences


def test_contexts_in_no_sentence_are_left_out_and_said(demo: PromptReader) -> None:
    counts = {("good", "luck"): 1.0, ("the", "dog"): 3.0}
    known = bigrams_of_words(demo.model, counts, name="x", sentences=["A good cat."])
    assert [context.text for context in known.contexts] == ["good"] and known.share == 0.25


def test_sentences_of_the_grammar_lead_to_nearly_all_its_words(demo: PromptReader) -> None:
    counts = {pair: n for pair, n in grammar.bigrams().items() if not {grammar.START, grammar.END} & set(pair)}
    rng = random.Random(0)
    known = bigrams_of_words(demo.model, counts, name="x", sentences=[grammar.sentence(rng) for _ in range(1_000)])
    assert known.share > 0.95


def test_languages_without_spaces_get_none(model: Whisper) -> None:
    reader = prompt_reader(model, "ja")
    known = bigrams_of_words(model, {("a", "b"): 1.0, ("b", "c"): 1.0}, name="x", language="Japanese")
    assert known.contexts[0].prompts == (reader.ids("a"),)


def test_what_cannot_be_counted_is_refused(reader: PromptReader) -> None:
    with pytest.raises(InputError, match="lines: of [0-9]+ token pairs in it, none .* occurs 50 times or more"):
        bigrams_of_text(reader.model, LINES[:3], name="lines", least=50)
    with pytest.raises(InputError, match="empty: of 0 token pairs in it"):
        bigrams_of_text(reader.model, [], name="empty")
    with pytest.raises(InputError, match="least is 0: give a whole number of 1 or more"):
        bigrams_of_text(reader.model, LINES, name="lines", least=0)
    with pytest.raises(InputError, match="it holds no word pair"):
        bigrams_of_words(reader.model, {}, name="x")
    with pytest.raises(InputError, match="'a' is followed by 'b' -1 times"):
        bigrams_of_words(reader.model, {("a", "b"): -1}, name="x")
    with pytest.raises(InputError, match="none of its 1 contexts fits into the decoder or is in the sentences"):
        bigrams_of_words(reader.model, {("a", "b"): 1}, name="x", sentences=["c d"])
