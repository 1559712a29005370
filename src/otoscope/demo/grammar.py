"""The grammar of the demo language: sentences are drawn from it, and its exact word statistics can be computed.

A grammar is a set of rules; a rule has weighted alternatives; an alternative is a sequence of words, rules in braces
and word classes in angle brackets. It is not recursive, so every statistic is a finite sum. `sentence` draws a
sentence as Whisper would write it (capital, full stop); `bigrams` gives the exact expected counts of word pairs, so
that what the decoder says on padding only can be compared with the truth.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from otoscope.demo.lexicon import CLASSES, EXTRA_WORDS

START, END = "<start>", "<end>"
"""Stand for the beginning and the end of a sentence in `bigrams`."""

RULES: dict[str, str] = {
    "sentence": """
        {statement}.:44 | {question}?:11 | {saying}:6 | {thanks}.:3 | {announcement}.:9""",
    "statement": """
        {who} <act> {object}:14 | {who} <act> {object} <when>:5 | {who} <move> <toward> the <place>:9
        | {who} <move> <toward> the <place> with {companion}:3 | {object} is <near> {object}:7
        | {object} is very <feeling>:0.5 | {who} was very <feeling>:6 | {who} <rest> <near> the <place>:6
        | {who} <consume> {meal} <when>:6 | {who} <consume> {meal} and {meal}:4 | {who} <rest> <near> {object}:3
        | there are <number> <plural> <near> the <place>:7 | {who} has <number> <plural>:6
        | the <weather> will come on <day>:3 | it was <weathery> in <month>:4 | it is very <weathery> in <country>:4
        | {who} lives in <country>:6 | {who} went to <country> in <month>:4 | {who} flew to <country> on <day>:4
        | {who} plays <game> on <day>:5 | {who} teaches <subject> at school:3 | my favourite colour is <colour>:3
        | the <animal> jumped over the <thing>:3 | the <animal> and the <animal> ran away:3
        | the shop opens at <hour> o'clock:3 | the train leaves at <hour> o'clock:3 | {who} will come on <day>:4""",
    "question": """
        where is {object}:5 | did {who} see {object}:3 | can you see {object} <near> the <place>:4
        | have you been to <country>:3 | do you want {meal}:4 | would you like {meal} and {meal}:3
        | do you like <colour> or <colour>:2 | how many <plural> are there:3 | who lives in the <quality> <place>:2
        | what time is it:2 | are you very <feeling>:3 | is it very <weathery> in <country>:2""",
    "saying": """
        good morning.:5 | good night.:3 | good luck.:3 | good news.:2 | good morning, <person>.:3
        | good night, <person>.:2
        | how are you today?:2 | happy birthday, <person>!:2 | happy new year!:2 | see you on <day>.:3
        | see you next week.:2 | ladies and gentlemen.:2 | please sit down.:2 | very good, <person>.:1""",
    "thanks": """
        thank you very much:8 | thank you very much for the <thing>:5 | thank you for the <food>:3
        | thank you, <person>:3""",
    "announcement": """
        the traffic lights are <colour>:4 | the traffic jam is very long:3 | the traffic police stopped the <thing>:1
        | the traffic is very <quality>:0.5 | the sun is very hot:2 | the prime minister lives in <country>:2
        | the police found the <thing> <near> the <place>:2 | the bus stop is <near> the <place>:3
        | ice cream is very <quality>:1 | the post office is closed on <day>:3 | <day> and <day> are free:2
        | the United Kingdom is <near> <country>:1 | <country> and <country> are far away:2""",
    "who": """
        <person>:6 | the <relation>:4 | my <relation>:3 | the <quality> <relation>:2 | he:3 | she:3 | his <relation>:1.5
        | our <relation>:1 | the <quality> <animal>:1 | a <relation>:0.5""",
    "companion": "<person>:3 | her <relation>:2 | his <relation>:2 | the <animal>:2",
    "object": """
        the <thing>:5 | the <colour> <thing>:4 | the <quality> <thing>:4 | the <animal>:2 | the <quality> <animal>:2
        | my <thing>:2 | the <quality> <colour> <thing>:2""",
    "meal": """
        <food>:6 | the <food>:1 | some <food>:3 | a cup of tea:2 | a cup of coffee:2 | a glass of milk:2
        | a piece of cake:2 | a bowl of <food>:1""",
}
"""Rule name -> alternatives. A weight follows an alternative's last colon."""


@dataclass(frozen=True)
class _Option:
    weight: float
    symbols: tuple[str, ...]  # words, `{rule}` or `<class>`


def _options(text: str, separator: str) -> tuple[_Option, ...]:
    """Parse weighted alternatives and scale their weights to sum to one."""
    weighted = []
    for part in text.split(separator):
        words = " ".join(part.split())
        if not words:
            continue
        body, _, weight = words.rpartition(":") if re.search(r":[\d.]+$", words) else (words, "", "1")
        weighted.append((float(weight), tuple(re.findall(r"[{<]\w+[}>]|[.,?!]|[\w']+", body))))
    total = sum(weight for weight, _ in weighted)
    return tuple(_Option(weight / total, symbols) for weight, symbols in weighted)


@cache
def _expansions(symbol: str) -> tuple[_Option, ...]:
    if symbol.startswith("{"):
        return _options(RULES[symbol[1:-1]], "|")
    return _options(CLASSES[symbol[1:-1]], ",")


def _is_word(symbol: str) -> bool:
    return symbol[0] not in "{<"


def _draw(symbol: str, rng: random.Random) -> list[str]:
    if _is_word(symbol):
        return [symbol]
    options = _expansions(symbol)
    choice = rng.choices(options, [option.weight for option in options])[0]
    return [word for part in choice.symbols for word in _draw(part, rng)]


def written(words: list[str]) -> str:
    """Join words and punctuation as text: no space before a mark, the first letter a capital."""
    text = re.sub(r" ([.,?!])", r"\1", " ".join(words))
    return text[:1].upper() + text[1:]


def sentence(rng: random.Random) -> str:
    """Draw one sentence, written with capital and punctuation."""
    return written(_draw("{sentence}", rng))


def word_list(rng: random.Random, n_words: int) -> str:
    """Draw unrelated words, each as likely as any other, without capital or full stop."""
    return " ".join(rng.choices(vocabulary(), k=n_words))


@cache
def vocabulary() -> tuple[str, ...]:
    """Every word of the language, sorted; names and places keep their capital."""
    words = {word.strip() for entry in EXTRA_WORDS.split(",") for word in entry.split()}
    for name in CLASSES:
        words |= {word for option in _expansions(f"<{name}>") for word in option.symbols}
    for name in RULES:
        words |= {s for option in _expansions(f"{{{name}}}") for s in option.symbols if _is_word(s)}
    return tuple(sorted(word for word in words if word[0].isalpha()))


@dataclass(frozen=True)
class _Statistics:
    """The probability of each first and last word of a symbol, and expected counts of word pairs inside it."""

    first: dict[str, float]
    last: dict[str, float]
    pairs: dict[tuple[str, str], float]


@cache
def _statistics(symbol: str) -> _Statistics:
    if _is_word(symbol):
        return _Statistics({symbol: 1.0}, {symbol: 1.0}, {})
    first: dict[str, float] = defaultdict(float)
    last: dict[str, float] = defaultdict(float)
    pairs: dict[tuple[str, str], float] = defaultdict(float)
    for option in _expansions(symbol):
        parts = [_statistics(part) for part in option.symbols]
        for word, chance in parts[0].first.items():
            first[word] += option.weight * chance
        for word, chance in parts[-1].last.items():
            last[word] += option.weight * chance
        for part in parts:
            for pair, count in part.pairs.items():
                pairs[pair] += option.weight * count
        for left, right in pairwise(parts):
            for before, chance_before in left.last.items():
                for after, chance_after in right.first.items():
                    pairs[before, after] += option.weight * chance_before * chance_after
    return _Statistics(dict(first), dict(last), dict(pairs))


def bigrams() -> dict[tuple[str, str], float]:
    """Expected number of times one word (or mark) follows another in one sentence, exactly.

    Words are as in the grammar, before the first letter of a sentence becomes a capital; `START` and `END` mark the
    sentence's ends. Dividing by the sum over next words gives the conditional probability of the next word.
    """
    whole = _statistics("{sentence}")
    counts = dict(whole.pairs)
    counts.update({(START, word): chance for word, chance in whole.first.items()})
    counts.update({(word, END): chance for word, chance in whole.last.items()})
    return counts


def next_words(word: str) -> dict[str, float]:
    """The true probability of every word that can follow `word`, likeliest first."""
    followers = {after: count for (before, after), count in bigrams().items() if before == word}
    total = sum(followers.values())
    return {after: count / total for after, count in sorted(followers.items(), key=lambda item: -item[1])}
