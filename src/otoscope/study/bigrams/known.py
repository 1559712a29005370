"""What is known of a language's bigrams: which token follows each context, how often, from a text or from a table.

A text is read line by line and never held. It knows a tokenizer; it does not know what a decoder makes of the prompts.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float64, Int64

from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.settings import takes
from otoscope.base.short_repr import ShortRepr
from otoscope.model.next_tokens import PromptReader, prompt_reader
from otoscope.model.whisper import Whisper
from otoscope.study.bigrams.settings import TextBigramsSettings
from otoscope.study.rich import Rich

N_LEADS = 8
"""Sentences in which a context is given at most."""

LINES_AT_ONCE = 256


@dataclass(frozen=True, eq=False, repr=False)
class KnownContext(ShortRepr):
    """A word or token, and what follows it."""

    text: str  # its text
    prompts: tuple[tuple[int, ...], ...]  # ids that give it to a decoder, without start tokens: alone, or in sentences
    weight: float  # how often it occurs
    tokens: Int64[np.ndarray, " follower"]  # what may follow it, each once
    probabilities: Float64[np.ndarray, " follower"]  # of each token; they add up to 1


@dataclass(frozen=True, eq=False, repr=False)
class KnownBigrams(Rich):
    """The bigrams of a language, as far as they are known."""

    name: str  # the text or the grammar
    language: str  # Whisper's code
    in_sentences: bool  # contexts are given at the end of sentences, or else alone
    contexts: tuple[KnownContext, ...]  # all that are used
    share: float  # share of all bigrams, by frequency, whose context is used

    def _shown(self) -> html.Shown:
        often = sorted(self.contexts, key=lambda context: -context.weight)[: html.MOST_ROWS]
        rows = [
            (item.text, item.weight, len(item.tokens), html.share(float(item.probabilities.max()))) for item in often
        ]
        return html.Shown(
            f"What follows what in {self.name}",
            [
                ("language", self.language),
                ("contexts", len(self.contexts)),
                ("share of all bigrams", html.share(self.share)),
                ("given", "at the end of sentences" if self.in_sentences else "alone"),
            ],
            [
                html.ShownTable(
                    ("context", "occurs", "followers", "likeliest one"), rows, "Commonest", len(self.contexts)
                )
            ],
        )


@takes(TextBigramsSettings)
def bigrams_of_text(model: Whisper, lines: Iterable[str], *, name: str, settings: TextBigramsSettings) -> KnownBigrams:
    """Count which token follows which in a text, as the model's tokenizer cuts it.

    Args:
        model: Gives the tokenizer.
        lines: The text, line by line; nothing is counted across line ends.
        name: What the text is called.
        settings: How it is counted. In sentences a context is given to the decoder in up to `N_LEADS` places, drawn
            from all there are.

    Returns:
        The contexts that occur often enough.

    Raises:
        InputError: No context occurs often enough, a setting is out of bounds, or the language is not the model's.

    Source:
        Maximum likelihood, so that entropies come out too low where counts are low.
    """
    reader = prompt_reader(model, settings.language)
    followers: dict[int, Counter[int]] = defaultdict(Counter)
    leads, in_sentences, least = _Leads(settings.seed), settings.in_sentences, settings.least
    for ids in _lines_of_ids(reader, lines):
        for index, (context, follower) in enumerate(pairwise(ids)):
            followers[context][follower] += 1
            if in_sentences and index < reader.longest:
                leads.offer(context, ids[: index + 1])
    n_all = sum(counts.total() for counts in followers.values())
    used = {token: counts for token, counts in followers.items() if counts.total() >= least}
    if not used:
        raise InputError(
            f"{name}: of {n_all:,} token pairs in it, none has a first token that occurs {least} times or more. "
            "Give a longer text, or a smaller count."
        )
    contexts = [
        _context(reader.texts.texts[token], leads.drawn(token) if in_sentences else [(token,)], counts)
        for token, counts in sorted(used.items())
    ]
    kept = tuple(context for context in contexts if context.prompts)
    return KnownBigrams(name, reader.language, in_sentences, kept, sum(context.weight for context in kept) / n_all)


def bigrams_of_words(
    model: Whisper,
    counts: Mapping[tuple[str, str], float],
    *,
    name: str,
    language: str | None = None,
    sentences: Iterable[str] | None = None,
    seed: int = 0,
) -> KnownBigrams:
    """Make bigrams of known counts of word pairs; the second word of a pair counts as its first token.

    Args:
        model: Gives the tokenizer.
        counts: How often the second word (or mark) follows the first; a context of several tokens is one prompt.
        name: What the counts are called.
        language: Code or name of their language; by default the checkpoint's own, or else English.
        sentences: Sentences drawn from the same language: contexts are then given to the decoder with the text before
            them in up to `N_LEADS` of these, drawn from all there are, rather than alone.
        seed: Draws those places.

    Returns:
        The contexts that the decoder has room for; with sentences, those that are in one.

    Raises:
        InputError: There are no counts, one is negative or not finite, or the language is not the model's.
    """
    reader = prompt_reader(model, language)
    followers: dict[str, dict[str, float]] = defaultdict(dict)
    for (before, after), count in counts.items():
        if not 0 <= count < float("inf"):
            raise InputError(f"{before!r} is followed by {after!r} {count!r} times: give counts of 0 or more.")
        if count:
            followers[before][after] = float(count)
    if not followers:
        raise InputError(f"{name}: it holds no word pair. Give how often each word follows another.")
    leads = None if sentences is None else _word_leads(reader, sentences, set(followers), seed)
    contexts = []
    for word, others in followers.items():
        by_token: dict[int, float] = defaultdict(float)
        for other, count in others.items():
            by_token[reader.ids(_written(reader, other))[0]] += count
        alone = reader.ids(_written(reader, word))
        prompts = leads.drawn(word) if leads is not None else [alone][: len(alone) <= reader.longest]
        contexts.append(_context(word, prompts, by_token))
    kept = tuple(context for context in contexts if context.prompts)
    if not kept:
        raise InputError(
            f"{name}: none of its {len(contexts)} contexts fits into the decoder or is in the sentences. Give more."
        )
    whole = sum(context.weight for context in contexts)
    return KnownBigrams(name, reader.language, leads is not None, kept, sum(context.weight for context in kept) / whole)


class _Leads:
    """A few prompts for each context, drawn fairly from all that are offered (reservoir sampling; Vitter 1985)."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._kept: dict[object, list[tuple[int, ...]]] = defaultdict(list)
        self._n: Counter[object] = Counter()

    def offer(self, context: object, ids: Sequence[int]) -> None:
        kept, self._n[context] = self._kept[context], self._n[context] + 1
        if len(kept) < N_LEADS:
            kept.append(tuple(ids))
        elif (slot := int(self._rng.integers(self._n[context]))) < N_LEADS:
            kept[slot] = tuple(ids)

    def drawn(self, context: object) -> list[tuple[int, ...]]:
        return self._kept.get(context, [])


def _lines_of_ids(reader: PromptReader, lines: Iterable[str]) -> Iterator[list[int]]:
    """Tokenize a text, some lines at a time; special tokens written out in it are cut away."""
    is_text = reader.texts.is_text
    for group in _groups(f"{reader.space}{line.strip()}" for line in lines if line.strip()):
        for ids in reader.model.tokenizer(group, add_special_tokens=False).input_ids:
            yield [token for token in ids if token < len(is_text) and is_text[token]]


def _groups(lines: Iterable[str]) -> Iterator[list[str]]:
    held: list[str] = []
    for line in lines:
        held.append(line)
        if len(held) == LINES_AT_ONCE:
            yield held
            held = []
    if held:
        yield held


def _word_leads(reader: PromptReader, sentences: Iterable[str], contexts: set[str], seed: int) -> _Leads:
    """Collect the text before each context in sentences; the capital that begins a sentence does not count."""
    leads = _Leads(seed)
    for sentence in sentences:
        for number, match in enumerate(re.finditer(r"[^\W_][\w']*|[^\w\s]", sentence)):
            word = match.group()
            if number == 0 and word not in contexts:
                word = word[:1].lower() + word[1:]
            if word in contexts:
                ids = reader.ids(reader.space + sentence[: match.end()])
                if len(ids) <= reader.longest:
                    leads.offer(word, ids)
    return leads


def _written(reader: PromptReader, word: str) -> str:
    """Write a word with the space before it; a mark has none."""
    return reader.space + word if any(character.isalnum() for character in word) else word


def _context(text: str, prompts: Sequence[tuple[int, ...]], counts: Mapping[int, float]) -> KnownContext:
    tokens = np.array(sorted(counts), dtype=np.int64)
    values = np.array([counts[token] for token in tokens.tolist()], dtype=np.float64)
    return KnownContext(text, tuple(prompts), float(values.sum()), tokens, values / values.sum())
