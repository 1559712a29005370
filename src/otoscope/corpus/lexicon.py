"""How words are pronounced: from a pronunciation lexicon (CMUdict's format), or from the labels of a corpus.

Reading the CMU dictionary (135,000 lines) takes about a second. Pronunciations are given in the IPA, so that lexicons
in different phone sets can be compared. Knows no models.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from otoscope.audio.clip import Span
from otoscope.base.errors import InputError
from otoscope.corpus.corpus import Corpus
from otoscope.corpus.phones.maps import to_phones
from otoscope.corpus.phones.sets import PHONE_SETS, detect_phone_set, is_pause, spell

__all__ = ["Lexicon", "Pronouncer", "Pronunciation", "lexicon_of", "read_lexicon"]

Pronunciation = tuple[str, ...]
"""Phones in the IPA."""

EXPECTED = "a word and its phones separated by spaces, such as 'rug  R AH1 G'"
_VARIANT = re.compile(r"\(\d+\)$")
_NUMBER = re.compile(r"\d*\.?\d+(e-?\d+)?", re.IGNORECASE)
_APOSTROPHES = str.maketrans({"\u2019": "'", "\u02bc": "'"})


class Pronouncer(Protocol):
    """Anything that gives the pronunciations of words."""

    @property
    def name(self) -> str:
        """Its name in tables and pictures."""

    def __call__(self, words: Sequence[str], /) -> list[tuple[Pronunciation, ...]]:
        """Give each word's pronunciations in the IPA, the commonest first; empty for an unknown word."""


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Words and how they are pronounced."""

    name: str  # where the words come from
    # each word in lower case to its pronunciations in the IPA, in the lexicon's order
    entries: Mapping[str, tuple[Pronunciation, ...]]

    def __call__(self, words: Sequence[str], /) -> list[tuple[Pronunciation, ...]]:
        """Give each word's pronunciations; empty for a word that is not in the lexicon.

        Returns for each word its pronunciations in the IPA.
        """
        return [self.entries.get(_key(word), ()) for word in words]


def _key(word: str) -> str:
    return word.strip().casefold().translate(_APOSTROPHES)


def read_lexicon(path: str | Path, *, phone_set: str | None = None) -> Lexicon:
    """Read a pronunciation lexicon: `WORD  P1 P2 ...` a line.

    `WORD(2)` is another pronunciation of WORD; lines that begin with `;;;` and text after ` #` are comments. Numbers
    between the word and its phones, as the Montreal Forced Aligner writes them, are skipped. `phone_set` is the set of
    the phones; detected by default.

    Source:
        The format of the CMU pronouncing dictionary, 0.7b.
    """
    path = Path(path)
    rows: list[tuple[int, str, tuple[str, ...]]] = []
    for number, line in enumerate(_lines(path), 1):
        parts = line.partition(" #")[0].split()
        if not parts or line.startswith((";;;", "##")):
            continue
        written = parts[1:]
        while written and _NUMBER.fullmatch(written[0]):
            written = written[1:]
        if not written:
            raise InputError(f"{path}, line {number}: {line.strip()!r} has no phones. Expected {EXPECTED}.")
        rows.append((number, parts[0], tuple(written)))
    if not rows:
        raise InputError(f"the lexicon '{path}' holds no word. Expected lines with {EXPECTED}.")
    chosen = _phone_set(path, rows) if phone_set is None else phone_set
    _check_phones(path, rows, chosen)
    entries: dict[str, list[Pronunciation]] = defaultdict(list)
    for _, word, phones in rows:
        sounds = _in_ipa(phones, chosen)
        known = entries[_key(_VARIANT.sub("", word))]
        if sounds and sounds not in known:
            known.append(sounds)
    return Lexicon(path.name, {word: tuple(known) for word, known in entries.items() if known})


def _lines(path: Path) -> list[str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"the lexicon '{path}' cannot be read: {error.strerror or error}. Expected a text file of lines with "
            f"{EXPECTED}."
        ) from None
    if b"\0" in content[:4096]:
        raise InputError(f"the lexicon '{path}' is not a text file. Expected lines with {EXPECTED}.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # CMUdict's older files
    return re.split(r"\r\n|\n|\r", text)


def _phone_set(path: Path, rows: Sequence[tuple[int, str, tuple[str, ...]]]) -> str:
    symbols = {phone for _, _, phones in rows for phone in phones}
    try:
        return detect_phone_set(symbols)
    except InputError:
        nearest = min(PHONE_SETS, key=lambda name: sum(spell(symbol, name) is None for symbol in symbols))
        _check_phones(path, rows, nearest)
        raise


def _check_phones(path: Path, rows: Sequence[tuple[int, str, tuple[str, ...]]], phone_set: str) -> None:
    known: dict[str, bool] = {}
    for number, word, phones in rows:
        for phone in phones:
            if phone not in known:
                known[phone] = to_phones(phone, phone_set, "ipa") is not None
            if not known[phone]:
                raise InputError(
                    f"{path}, line {number}: {phone!r} in the pronunciation of {word!r} is not a phone of {phone_set}, "
                    f"the set of most of the lexicon. Expected {EXPECTED}; correct the line or name another set."
                )


def _in_ipa(phones: Iterable[str], phone_set: str) -> Pronunciation:
    return tuple(sound for phone in phones for sound in to_phones(phone, phone_set, "ipa") or ())


def lexicon_of(source: Corpus) -> Lexicon:
    """Make a lexicon from a corpus with words and phones in time.

    Returns:
        For each word the pronunciation that was labelled most often; on a tie the shortest, then the first in the
        alphabet. A phone belongs to the word in which its middle lies.
    """
    counted: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for clip in source.sources:
        try:
            labels = clip.read() if clip.labels is None else clip.labels()
        except InputError:  # reported when the clip itself is used
            continue
        if labels is not None and labels.words and labels.phones:
            for word, phones in _words_with_phones(labels.words, labels.phones):
                counted[_key(word)][phones] += 1
    symbols = {phone for counts in counted.values() for phones in counts for phone in phones}
    if not symbols:
        raise InputError(
            f"no clip of '{source.name}' has words and phones in time, so it does not give pronunciations. "
            "Give a corpus with both, or a lexicon in CMUdict's format."
        )
    chosen = source.phone_set or detect_phone_set(symbols)
    entries = {}
    for word, counts in counted.items():
        best = min(counts, key=lambda phones: (-counts[phones], len(phones), phones))
        sounds = _in_ipa(best, chosen)
        if sounds:
            entries[word] = (sounds,)
    return Lexicon(f"the labels of {source.name}", entries)


def _words_with_phones(words: Sequence[Span], phones: Sequence[Span]) -> Iterable[tuple[str, tuple[str, ...]]]:
    spoken = [phone for phone in phones if not is_pause(phone.text)]
    middles = [(phone.start_s + phone.end_s) / 2 for phone in spoken]
    at = 0
    for word in words:
        while at < len(spoken) and middles[at] < word.start_s:
            at += 1
        symbols = []
        while at < len(spoken) and middles[at] < word.end_s:
            symbols.append(spoken[at].text)
            at += 1
        if symbols:
            yield word.text.strip('.,!?;:"()'), tuple(symbols)
