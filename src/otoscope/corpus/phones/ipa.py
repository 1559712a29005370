"""The sounds of the International Phonetic Alphabet that occur in the phone sets, and how each is made.

A diphthong is described by its start. A closure (`t̚`) is the silent part of a stop, which TIMIT labels separately.
Height has three steps: high, mid, low (near-open and open are low).

Source:
    The International Phonetic Association's chart (2020). Tests compare the table with panphon (Mortensen et al. 2016).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True)
class Articulation:
    """How a sound is made."""

    voiced: bool  # whether the vocal folds vibrate
    # where a consonant is made (`bilabial`, `labiodental`, `dental`, `alveolar`, `postalveolar`, `palatal`, `velar`,
    # `uvular`, `labial-velar`, `labial-palatal`, `glottal`); None for a vowel
    place: str | None
    # `stop`, `closure`, `affricate`, `fricative`, `nasal`, `flap`, `trill`, `approximant`, `lateral`, `glide`,
    # `vowel` or `diphthong`
    manner: str
    height: str | None = None  # `high`, `mid` or `low`; None for a consonant
    backness: str | None = None  # `front`, `central` or `back`; None for a consonant
    rounded: bool = False  # whether the lips are rounded


_CONSONANTS: dict[str, tuple[str, str, bool]] = {
    "p": ("bilabial", "stop", False), "b": ("bilabial", "stop", True),
    "t̪": ("dental", "stop", False), "d̪": ("dental", "stop", True),
    "t": ("alveolar", "stop", False), "d": ("alveolar", "stop", True),
    "c": ("palatal", "stop", False), "ɟ": ("palatal", "stop", True),
    "k": ("velar", "stop", False), "ɡ": ("velar", "stop", True), "ʔ": ("glottal", "stop", False),
    "p̚": ("bilabial", "closure", False), "b̚": ("bilabial", "closure", True),
    "t̚": ("alveolar", "closure", False), "d̚": ("alveolar", "closure", True),
    "k̚": ("velar", "closure", False), "ɡ̚": ("velar", "closure", True),
    "ts": ("alveolar", "affricate", False), "dz": ("alveolar", "affricate", True),
    "tʃ": ("postalveolar", "affricate", False), "dʒ": ("postalveolar", "affricate", True),
    "f": ("labiodental", "fricative", False), "v": ("labiodental", "fricative", True),
    "θ": ("dental", "fricative", False), "ð": ("dental", "fricative", True),
    "s": ("alveolar", "fricative", False), "z": ("alveolar", "fricative", True),
    "ʃ": ("postalveolar", "fricative", False), "ʒ": ("postalveolar", "fricative", True),
    "ç": ("palatal", "fricative", False), "x": ("velar", "fricative", False), "ɣ": ("velar", "fricative", True),
    "χ": ("uvular", "fricative", False), "ʁ": ("uvular", "fricative", True),
    "h": ("glottal", "fricative", False), "ɦ": ("glottal", "fricative", True),
    "m": ("bilabial", "nasal", True), "m̩": ("bilabial", "nasal", True), "ɱ": ("labiodental", "nasal", True),
    "n": ("alveolar", "nasal", True), "n̩": ("alveolar", "nasal", True), "ɲ": ("palatal", "nasal", True),
    "ŋ": ("velar", "nasal", True), "ŋ̍": ("velar", "nasal", True),
    "ɾ": ("alveolar", "flap", True), "ɾ̃": ("alveolar", "flap", True), "r": ("alveolar", "trill", True),
    "ɹ": ("alveolar", "approximant", True), "l": ("alveolar", "lateral", True), "ɫ": ("alveolar", "lateral", True),
    "l̩": ("alveolar", "lateral", True), "ʎ": ("palatal", "lateral", True), "j": ("palatal", "glide", True),
    "ɥ": ("labial-palatal", "glide", True), "w": ("labial-velar", "glide", True), "ʍ": ("labial-velar", "glide", False),
}  # fmt: skip
_ROUNDED_CONSONANTS = frozenset({"w", "ʍ", "ɥ"})
_DEVOICED_VOWELS = frozenset({"ə̥"})

_VOWELS: dict[str, tuple[str, str, bool]] = {
    "i": ("high", "front", False), "iː": ("high", "front", False), "ɪ": ("high", "front", False),
    "y": ("high", "front", True), "ɨ": ("high", "central", False), "ʉ": ("high", "central", True),
    "ʉː": ("high", "central", True), "ʊ": ("high", "back", True), "u": ("high", "back", True),
    "uː": ("high", "back", True), "ɯ": ("high", "back", False),
    "e": ("mid", "front", False), "eː": ("mid", "front", False), "ɛ": ("mid", "front", False),
    "ɛː": ("mid", "front", False), "ø": ("mid", "front", True), "œ": ("mid", "front", True),
    "ə": ("mid", "central", False), "ə̥": ("mid", "central", False), "ɚ": ("mid", "central", False),
    "ɜ": ("mid", "central", False), "ɜː": ("mid", "central", False), "ɝ": ("mid", "central", False),
    "ʌ": ("mid", "back", False), "o": ("mid", "back", True), "oː": ("mid", "back", True),
    "ɔ": ("mid", "back", True), "ɔː": ("mid", "back", True),
    "æ": ("low", "front", False), "a": ("low", "front", False), "aː": ("low", "front", False),
    "ɐ": ("low", "central", False), "ɑ": ("low", "back", False), "ɑː": ("low", "back", False),
    "ɒ": ("low", "back", True), "ɒː": ("low", "back", True),
}  # fmt: skip

_DIPHTHONGS: dict[str, tuple[str, str, bool]] = {
    "eɪ": ("mid", "front", False), "aɪ": ("low", "front", False), "ɔɪ": ("mid", "back", True),
    "aʊ": ("low", "front", False), "oʊ": ("mid", "back", True), "əʊ": ("mid", "central", False),
    "ɪə": ("high", "front", False), "ɛə": ("mid", "front", False), "ʊə": ("high", "back", True),
}  # fmt: skip

ROWS: dict[str, Articulation] = {
    **{
        symbol: Articulation(voiced, place, manner, rounded=symbol in _ROUNDED_CONSONANTS)
        for symbol, (place, manner, voiced) in _CONSONANTS.items()
    },
    **{
        symbol: Articulation(symbol not in _DEVOICED_VOWELS, None, manner, height, backness, rounded)
        for manner, table in (("vowel", _VOWELS), ("diphthong", _DIPHTHONGS))
        for symbol, (height, backness, rounded) in table.items()
    },
}
"""Every sound, in the order in which harvests number them."""

_OTHER_SPELLINGS = {
    "aj": "aɪ", "ej": "eɪ", "aw": "aʊ", "ow": "oʊ", "ɔj": "ɔɪ", "əw": "əʊ", "ai": "aɪ", "ei": "eɪ", "au": "aʊ",
    "ɔi": "ɔɪ", "eə": "ɛə", "iə": "ɪə", "ᵻ": "ɨ", "ɻ": "ɹ", "ɫ̩": "l̩", "ŋ̩": "ŋ̍", "ə˞": "ɚ", "ɜ˞": "ɝ", "ɾ̥": "ɾ",
}  # fmt: skip
"""Other ways to write a sound; `aj`, `ow` and the like are from the Montreal Forced Aligner's IPA models."""
_REPLACED = str.maketrans({"g": "ɡ", ":": "ː", "ˈ": None, "ˌ": None, "͡": None, "͜": None, "'": None, "ˑ": None})


def spell(symbol: str) -> str | None:
    """Find the row of a sound in the IPA; None if there is none.

    Stress and tie bars are ignored, and so are secondary articulations (`tʰ`, `kʷ`, `pʲ`) and lengths without a row
    of their own.
    """
    plain = unicodedata.normalize("NFC", symbol.translate(_REPLACED))
    bare = "".join(c for c in unicodedata.normalize("NFD", plain) if unicodedata.category(c) not in {"Mn", "Lm"})
    long = bare + "ː" if "ː" in plain else bare
    without_modifiers = "".join(c for c in plain if unicodedata.category(c) != "Lm")
    for spelling in (plain, without_modifiers, long, bare):
        spelling = _OTHER_SPELLINGS.get(spelling, spelling)
        if spelling in ROWS:
            return spelling
    return None
