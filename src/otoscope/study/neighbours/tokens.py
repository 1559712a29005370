"""Which token stands for a word, and which tokens are whole words. Knows the tokenizer's texts, no vectors."""

from __future__ import annotations

from dataclasses import dataclass

from otoscope.base.errors import InputError
from otoscope.model.token_text import TokenTexts, pieces
from otoscope.model.whisper import Whisper


@dataclass(frozen=True)
class WordToken:
    """A word, and the token that stands for it."""

    word: str  # as given
    token: int  # the id whose neighbours are searched for
    pieces: tuple[str, ...]  # texts of all tokens that the word takes; one where the token is the whole word
    piece: int = 0  # index of the token among them

    @property
    def is_whole(self) -> bool:
        """Whether the token is the whole word."""
        return len(self.pieces) == 1


def find_token(model: Whisper, table: TokenTexts, word: str) -> WordToken:
    """Find the token that stands for a word.

    Returns the token of the word with a space before it; where there is none, that of the word alone; where there is
    none either, the longest of the word's tokens, of several the first.
    """
    plain = word.strip() if isinstance(word, str) else ""
    if not plain:
        raise InputError(f"word {word!r} is empty. Give a word, such as 'rug'.")
    if plain.startswith("<|"):
        return WordToken(plain, _special(table, plain), (plain,))
    spaced = pieces(model, " " + plain)
    alone = pieces(model, plain)
    ids = alone if len(alone) == 1 < len(spaced) else spaced
    texts = tuple(table.texts[token] for token in ids)
    lengths = [
        len(text.strip()) if table.is_whole[token] and any(map(str.isalnum, text)) else 0
        for token, text in zip(ids, texts, strict=True)
    ]
    if not any(lengths):
        spelt = " ".join(repr(text) for text in texts)
        raise InputError(
            f"the tokenizer of {model.id} has no token for {plain!r}, nor for a part of it that can be read: it writes "
            f"it as {spelt}. Give a word in letters or digits that its vocabulary holds."
        )
    longest = lengths.index(max(lengths))
    return WordToken(plain, ids[longest], texts, longest)


def _special(table: TokenTexts, name: str) -> int:
    if name not in table.texts:
        raise InputError(
            f"there is no special token {name!r} in this vocabulary. Give one such as '<|en|>', or a word."
        )
    return table.texts.index(name)


def whole_words(table: TokenTexts) -> dict[str, int]:
    """List the tokens that are words by themselves: a space, then two letters or more, apostrophes among them.

    Returns the word in small letters -> its token. Of tokens that differ in case alone the lowest id, which is the
    commonest as a rule, stands for all. The start of a longer word looks like a word here: only a lexicon tells.
    """
    words: dict[str, int] = {}
    for token, text in enumerate(table.texts):
        if table.is_whole[token] and text[:1] == " " and is_word(text[1:]):
            words.setdefault(text[1:].casefold(), token)
    return words


def is_word(text: str) -> bool:
    """Whether a text is two letters or more, with apostrophes between them at most."""
    letters = text.replace("'", "")
    return len(letters) >= 2 and letters.isalpha() and text[0] != "'" and text[-1] != "'"


KIN_LETTERS = 4
SHORTEST_STEM = 3


def are_kin(word: str, other: str) -> bool:
    """Whether two words look like forms of one: the same first four letters, or the one begins with the other.

    A cautious substitute for a morphology: it also takes some unrelated words for forms of one.
    """
    shorter, longer = sorted((word, other), key=len)
    if len(shorter) >= SHORTEST_STEM and longer.startswith(shorter):
        return True
    return len(shorter) >= KIN_LETTERS and word[:KIN_LETTERS] == other[:KIN_LETTERS]
