"""The grammar states its own statistics: drawn sentences must agree with them."""

import random
import re
from collections import Counter
from itertools import pairwise

import pytest

from otoscope.demo import grammar
from otoscope.demo.lexicon import CLASSES


def test_sentences_are_written_as_whisper_writes() -> None:
    rng = random.Random(3)
    for _ in range(300):
        text = grammar.sentence(rng)
        assert text[0].isupper() and text[-1] in ".?!"
        assert not re.search(r" [.,?!]|  |[{}<>]", text)


def test_a_seed_gives_the_same_sentences() -> None:
    first, second = random.Random(5), random.Random(5)
    assert [grammar.sentence(first) for _ in range(20)] == [grammar.sentence(second) for _ in range(20)]


def test_stated_bigrams_agree_with_drawn_ones() -> None:
    """Expected counts are exact: over many sentences every frequent pair lies within five standard errors."""
    rng = random.Random(1)
    n_sentences = 20_000
    seen: Counter[tuple[str, str]] = Counter()
    for _ in range(n_sentences):
        words = [grammar.START, *grammar._draw("{sentence}", rng), grammar.END]
        seen.update(pairwise(words))
    stated = grammar.bigrams()
    assert set(seen) <= set(stated)
    frequent = {pair: count for pair, count in stated.items() if count > 0.002}
    assert len(frequent) > 100
    for pair, expected in frequent.items():
        error = (expected / n_sentences) ** 0.5 * 5
        assert abs(seen[pair] / n_sentences - expected) < error, pair


def test_next_words_are_probabilities_likeliest_first() -> None:
    followers = grammar.next_words("traffic")
    assert sum(followers.values()) == pytest.approx(1)
    assert list(followers)[:2] == ["lights", "jam"]
    assert list(followers.values()) == sorted(followers.values(), reverse=True)


def test_the_claims_words_are_in_the_language() -> None:
    words = set(grammar.vocabulary())
    assert {"rug", "mug", "tug", "jug", "bug", "hug", "boat", "coat", "goat", "UK", "Britain", "England"} <= words
    assert {"Monday", "Sunday", "January", "red", "three"} <= words
    assert 700 < len(words) < 1_200


def test_every_class_and_rule_is_used() -> None:
    text = " ".join(grammar.RULES.values())
    assert {f"<{name}>" for name in CLASSES} <= set(re.findall(r"<\w+>", text))
    assert {f"{{{name}}}" for name in grammar.RULES} - {"{sentence}"} <= set(re.findall(r"{\w+}", text))


def test_word_lists_are_words_of_the_language() -> None:
    words = grammar.word_list(random.Random(2), 12).split()
    assert len(words) == 12
    assert set(words) <= set(grammar.vocabulary())
