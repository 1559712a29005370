"""How the phones of each set are made, and the classes of phones that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from otoscope.base.errors import InputError
from otoscope.corpus.phones.ipa import ROWS, Articulation
from otoscope.corpus.phones.maps import to_ipa
from otoscope.corpus.phones.sets import inventory, spell

__all__ = ["MANNERS", "Articulation", "articulation", "by_class", "phone_classes"]

MANNERS = (
    *("vowel", "diphthong", "stop", "affricate", "fricative", "nasal", "lateral", "approximant", "glide"),
    *("flap", "trill", "closure"),
)
"""How phones are made, in the order in which they are shown."""

_LABIAL = frozenset({"bilabial", "labiodental", "labial-velar", "labial-palatal"})
_OBSTRUENT = frozenset({"stop", "affricate", "fricative"})
_VOCALIC = frozenset({"vowel", "diphthong"})
_NO_SOUND = "closure"


def articulation(symbol: str, phone_set: str) -> Articulation:
    """Describe how a phone is made; a unit of two phones is described by its first.

    Returns voicing, place, manner, height, backness and rounding.
    """
    symbols = spell(symbol, phone_set)
    if not symbols:
        what = "a pause or part of another phone" if symbols == () else "not in the set"
        raise InputError(
            f"{symbol!r} of phone set {phone_set!r} has no articulation: it is {what}. Give a phone of the set."
        )
    return ROWS[to_ipa(symbols[0], phone_set)[0]]


def by_class(phones: Sequence[str], phone_set: str) -> dict[int, str]:
    """Order phones by how they are made, the same everywhere: vowels, stops, fricatives, and so on.

    Args:
        phones: Phones of the set.
        phone_set: One of `PHONE_SETS`.

    Returns:
        The index of each phone and the name of its class, in the order of `MANNERS`; within a class voiced phones come
        first, then the order given.

    Raises:
        InputError: A phone is not in the set.
    """
    made = [articulation(phone, phone_set) for phone in phones]
    order = sorted(range(len(made)), key=lambda p: (MANNERS.index(made[p].manner), not made[p].voiced, p))
    return {index: made[index].manner for index in order}


@cache
def phone_classes(phone_set: str) -> dict[str, frozenset[str]]:
    """Give the classes of phones of a set, by the names that phoneticians use.

    Diphthongs are only in `vowel`, `diphthong` and `voiced`, since they move; closures only in `closure`, since place
    and voice cannot be heard in them.

    Returns each class's symbols. A class has at least two phones, but not all, and no two classes are equal.
    """
    phones = {symbol: articulation(symbol, phone_set) for symbol in inventory(phone_set)}
    classes: dict[str, frozenset[str]] = {}
    for name, belongs in _CLASSES.items():
        members = frozenset(symbol for symbol, made in phones.items() if belongs(made))
        if 2 <= len(members) < len(phones) and members not in classes.values():
            classes[name] = members
    return classes


def _manner(*manners: str, voiced: bool | None = None) -> Callable[[Articulation], bool]:
    return lambda made: made.manner in manners and voiced in {None, made.voiced}


def _place(*places: str) -> Callable[[Articulation], bool]:
    return lambda made: made.place in places and made.manner != _NO_SOUND


def _height(height: str) -> Callable[[Articulation], bool]:
    return lambda made: made.manner == "vowel" and made.height == height


def _backness(backness: str) -> Callable[[Articulation], bool]:
    return lambda made: made.manner == "vowel" and made.backness == backness


def _sibilant(made: Articulation) -> bool:
    return made.manner in {"fricative", "affricate"} and made.place in {"alveolar", "postalveolar"}


_CLASSES: dict[str, Callable[[Articulation], bool]] = {
    "vowel": _manner(*_VOCALIC),
    "front vowel": _backness("front"),
    "central vowel": _backness("central"),
    "back vowel": _backness("back"),
    "high vowel": _height("high"),
    "mid vowel": _height("mid"),
    "low vowel": _height("low"),
    "rounded vowel": lambda made: made.manner == "vowel" and made.rounded,
    "diphthong": _manner("diphthong"),
    "consonant": lambda made: made.manner not in {*_VOCALIC, _NO_SOUND},
    "obstruent": _manner(*_OBSTRUENT),
    "voiced obstruent": _manner(*_OBSTRUENT, voiced=True),
    "voiceless obstruent": _manner(*_OBSTRUENT, voiced=False),
    "sonorant consonant": lambda made: made.manner not in {*_VOCALIC, *_OBSTRUENT, _NO_SOUND},
    "stop": _manner("stop"),
    "voiced stop": _manner("stop", voiced=True),
    "voiceless stop": _manner("stop", voiced=False),
    "closure": _manner(_NO_SOUND),
    "fricative": _manner("fricative"),
    "voiced fricative": _manner("fricative", voiced=True),
    "voiceless fricative": _manner("fricative", voiced=False),
    "sibilant": _sibilant,
    "voiced sibilant": lambda made: _sibilant(made) and made.voiced,
    "voiceless sibilant": lambda made: _sibilant(made) and not made.voiced,
    "affricate": _manner("affricate"),
    "nasal": _manner("nasal"),
    "flap": _manner("flap"),
    "liquid": _manner("approximant", "lateral", "trill"),
    "lateral": _manner("lateral"),
    "glide": _manner("glide"),
    "approximant": _manner("approximant", "lateral", "glide"),
    "labial": _place(*_LABIAL),
    "dental": _place("dental"),
    "alveolar": _place("alveolar"),
    "postalveolar": _place("postalveolar"),
    "palatal": _place("palatal", "labial-palatal"),
    "velar": _place("velar", "labial-velar"),
    "glottal": _place("glottal"),
    "voiced": lambda made: made.voiced and made.manner != _NO_SOUND,
    "voiceless": lambda made: not made.voiced and made.manner != _NO_SOUND,
}
