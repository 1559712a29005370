"""eSpeak's units and the ARPAbet phones they stand for.

eSpeak says some pairs of vowel and consonant as one unit (`ɑːɹ`). Such a unit maps to two phones and is not split,
because the boundary between them is not known. Stress marks are left out.
"""

from __future__ import annotations

ARPABET: dict[str, str] = {
    "b": "B", "d": "D", "f": "F", "k": "K", "l": "L", "m": "M", "n": "N", "p": "P", "s": "S", "t": "T",
    "v": "V", "w": "W", "z": "Z", "h": "HH", "j": "Y", "ʲ": "Y", "ɹ": "R", "r": "R", "ɡ": "G", "ŋ": "NG",
    "ð": "DH", "θ": "TH", "t̪": "TH", "ʃ": "SH", "ʒ": "ZH", "tʃ": "CH", "dʒ": "JH", "ɾ": "DX", "ʔ": "Q",
    "ʍ": "W", "n̩": "N", "əl": "AH L", "iː": "IY", "i": "IY", "ɪ": "IH", "ᵻ": "IH", "ɛ": "EH", "æ": "AE",
    "a": "AE", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "ɑː": "AA", "ɒ": "AA", "aː": "AA", "a:": "AA", "aa": "AA",
    "ɔ": "AO", "ɔː": "AO", "o": "AO", "oə": "AO", "ɔə": "AO", "ɑə": "AA", "ʊ": "UH", "uː": "UW", "ʉ": "UW",
    "ʉː": "UW", "əu": "UW", "ɜː": "ER", "ɜ": "ER", "ɚ": "ER", "əɹ": "ER", "ʌɹ": "ER", "əɪ": "ER", "eɪ": "EY",
    "eː": "EY", "e": "EH", "ei": "IY", "aɪ": "AY", "ɔɪ": "OY", "oɪ": "OY", "aʊ": "AW", "æʊ": "AW", "ʌʉ": "AW",
    "oʊ": "OW", "oː": "OW", "əʊ": "OW", "ʌʊ": "OW", "iə": "IY AH", "eə": "EH R", "ɛə": "AE", "aɪə": "AY AH",
    "aɪɚ": "AY ER", "ɑːɹ": "AA R", "ɔːɹ": "AO R", "ɛɹ": "EH R", "ɪɹ": "IH R", "ʊɹ": "UH R",
}  # fmt: skip
"""eSpeak unit without stress -> ARPAbet, two phones apart by a space where the unit holds two.

Source:
    Heard in the voices of `voices.py`; ARPAbet after the CMU pronouncing dictionary, DX (flap) and Q (glottal stop)
    after TIMIT.
"""


def arpabet(unit: str) -> str:
    """Give the ARPAbet of an eSpeak unit, ignoring stress marks; KeyError for a unit that is not in the table."""
    return ARPABET[unit.replace("ˈ", "").replace("ˌ", "")]
