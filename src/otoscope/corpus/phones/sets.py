"""The phone sets: the symbols of each in a fixed order, their other spellings, and how to detect the set of labels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from otoscope.base.errors import InputError
from otoscope.corpus.phones import ipa, tables

PHONE_SETS = ("timit61", "timit39", "arpabet", "arpabet-stress", "espeak", "ipa", "sampa-au")

_PAUSES = frozenset({
    "sil", "sp", "spn", "nsn", "lau", "ssil", "pau", "brth", "epi", "h#", "#h", "_", "#", "(.)", "...", "<sil>", "<sp>",
    "<spn>", "<nsn>", "<eps>", "<s>", "</s>", "<p>", "<p:>", "<nib>", "<usb>", "<noise>", "[sil]", "[noise]", "+noise+",
    "++noise++", "+spn+", "+nsn+", "+brth+",
})  # fmt: skip
_ALSO_WORDS = frozenset({"lau", "pau", "brth", "epi"})
"""Symbols of noise and pauses in phone sets that are words in a tier of words, mostly names."""
_POSITION = re.compile(r"_[BIES]$")
_STRESSED = re.compile(r"([A-Z]+)([012])")
_MANY = 30
"""This many different symbols are enough to show which symbols a set leaves out."""


def is_pause(symbol: str) -> bool:
    """Whether a label is a pause or noise, not a phone: `sil`, `sp`, `spn`, `pau`, `h#` in any case, or empty."""
    plain = _POSITION.sub("", symbol.strip()).lower()
    return not plain or plain in _PAUSES


def is_pause_among_words(text: str) -> bool:
    """Whether a label in a tier of words is a pause or noise: `sil`, `<eps>` or empty, but not `pau`."""
    return is_pause(text) and text.strip().lower() not in _ALSO_WORDS


@cache
def inventory(phone_set: str) -> tuple[str, ...]:
    """The symbols of a phone set, pauses left out, in the order in which harvests number them."""
    if phone_set == "timit61":
        return tuple(tables.TIMIT61)
    if phone_set == "timit39":
        return tuple(symbol for symbol in tables.TIMIT61 if symbol not in tables.TIMIT61_TO_39)
    if phone_set == "arpabet":
        return (*tables.ARPABET_VOWELS, *tables.ARPABET_REDUCED, *tables.ARPABET_CONSONANTS)
    if phone_set == "arpabet-stress":
        stressed = [vowel + stress for vowel in tables.ARPABET_VOWELS for stress in "012"]
        return (*stressed, *inventory("arpabet"))  # a vowel without a digit has unknown stress
    if phone_set == "espeak":
        return tuple(tables.ESPEAK)
    if phone_set == "ipa":
        return tuple(ipa.ROWS)
    if phone_set == "sampa-au":
        return tuple(tables.SAMPA_AU)
    raise InputError(f"phone set {phone_set!r} is not known. Choose one of {', '.join(PHONE_SETS)}.")


@cache
def numbers(phone_set: str) -> dict[str, int]:
    """The index of each symbol in its inventory."""
    return {symbol: number for number, symbol in enumerate(inventory(phone_set))}


def spell(symbol: str, phone_set: str) -> tuple[str, ...] | None:
    """Find the symbols of a set's inventory that a label of that set stands for.

    `symbol`: the label as written, perhaps several symbols separated by spaces.
    Returns the symbols; () for a pause or for a sound that is part of another; None if the label is unknown.
    """
    known = numbers(phone_set)
    if is_pause(symbol):
        return ()
    symbols: list[str] = []
    for part in symbol.split():
        spelling = part if part in known else _other_spelling(part, phone_set)
        if spelling is None:
            return None
        symbols += spelling.split()
    return tuple(symbols)


def _other_spelling(symbol: str, phone_set: str) -> str | None:
    if phone_set in {"timit61", "timit39"}:
        spelling: str | None = symbol.lower()
    elif phone_set in {"arpabet", "arpabet-stress"}:
        spelling = _POSITION.sub("", symbol).upper()
        spelling = tables.ARPABET_OTHER_SPELLINGS.get(spelling, spelling)
        match = _STRESSED.fullmatch(spelling)
        if match and match[1] in tables.ARPABET_REDUCED and phone_set == "arpabet-stress":
            spelling = match[1]
    elif phone_set == "espeak":
        spelling = symbol.replace("ˈ", "").replace("ˌ", "").replace("͡", "")
        spelling = tables.ESPEAK_OTHER_SPELLINGS.get(spelling, spelling)
    elif phone_set == "ipa":
        spelling = ipa.spell(symbol)
    else:
        return tables.SAMPA_AU_OTHER_SPELLINGS.get(symbol)
    return spelling if spelling in numbers(phone_set) else None


def detect_phone_set(symbols: Iterable[str]) -> str:
    """Find the phone set that labels are written in.

    Where labels fit several sets, the simpler one is chosen: ARPAbet before its form with stress, the IPA before
    eSpeak's units. ARPAbet in lower case looks like TIMIT; it is TIMIT-61 if there is a symbol that only TIMIT has (a
    closure, `ax-h`, `hv`, `eng`, `h#`), and TIMIT-39 if there are at least 30 different symbols, none of which TIMIT-39
    leaves out.

    `symbols`: the labels, in any number and order; pauses may be among them.
    Returns one of `PHONE_SETS`.
    """
    written = set(symbols)
    phones = {symbol for symbol in written if not is_pause(symbol)}
    if not phones:
        raise InputError("the labels hold no phone, only pauses. Give labels with phones, or none.")
    unknown = {name: sorted(symbol for symbol in phones if spell(symbol, name) is None) for name in PHONE_SETS}
    fitting = {name for name in PHONE_SETS if not unknown[name]}
    if _is_lower(phones):
        only_timit = {"ax-h", "hv", "eng", "h#", "#h", "epi"} | {s for s in tables.TIMIT61 if s.endswith("cl")}
        if "timit61" in fitting and written & only_timit:
            return "timit61"
        if "timit39" in fitting and "arpabet" in fitting and len(phones) >= _MANY:
            return "timit39"
    for name in ("arpabet", "arpabet-stress", "ipa", "espeak", "sampa-au"):
        if name in fitting and _is_own_case(phones, name):
            return name
    nearest = min(PHONE_SETS, key=lambda name: len(unknown[name]))
    shown = ", ".join(repr(symbol) for symbol in unknown[nearest][:10])
    more = f" and {len(unknown[nearest]) - 10} more" if len(unknown[nearest]) > 10 else ""
    raise InputError(
        f"the phone labels belong to no phone set that otoscope knows ({', '.join(PHONE_SETS)}): the nearest is "
        f"{nearest!r}, which does not have {shown}{more}. Correct these labels, or convert them to one of the sets."
    )


def _is_lower(phones: set[str]) -> bool:
    return all(symbol == symbol.lower() for symbol in phones)


def _is_own_case(phones: set[str], phone_set: str) -> bool:
    """Whether letters have the set's case: ARPAbet is all upper or all lower case, never mixed as in SAMPA."""
    is_arpabet = phone_set.startswith("arpabet")
    return (
        not is_arpabet or _is_lower(phones) or all(_POSITION.sub("", s).upper() == _POSITION.sub("", s) for s in phones)
    )
