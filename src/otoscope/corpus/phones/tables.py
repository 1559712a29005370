"""Tables between the symbols of each phone set and the IPA.

To the IPA: the sounds of each symbol of a set, separated by a space. From the IPA: for each sound the symbol of each
set; "" where the set leaves such a sound out, None where it has no symbol for it.

Choices: from another set to ARPAbet, reduced and r-coloured vowels become those of the CMU dictionary (AX -> AH,
AXR -> ER, IX -> IH, UX -> UW) and syllabic consonants plain ones, so that corpora can be compared; the flap DX and the
glottal stop Q stay, since no other symbol has that sound. Closures become their stop, except in TIMIT-39, where they
are silence.

Source:
    ARPAbet: the CMU pronouncing dictionary; the reduced vowels, flaps, syllabic consonants and Q as in TIMIT's
    `phoncode.doc`. TIMIT-39: Lee & Hon 1989, "Speaker-independent phone recognition using hidden Markov models".
    eSpeak: the units of eSpeak NG 1.52's English voices, each for the sound that it has in its accent.
    Australian English: the machine-readable phonemic alphabet of Harrington, Cox & Evans 1997, and what EMU's
    database `ae` adds; its joint labels after that database's own links from phonetic labels to phonemes.
"""

from __future__ import annotations

ARPABET_VOWELS = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "EH": "ɛ", "ER": "ɝ", "EY": "eɪ", "IH": "ɪ",
    "IY": "i", "OW": "oʊ", "OY": "ɔɪ", "UH": "ʊ", "UW": "u",
}  # fmt: skip
ARPABET_REDUCED = {"AX": "ə", "AXR": "ɚ", "IX": "ɨ", "UX": "ʉ"}
ARPABET_CONSONANTS = {
    "B": "b", "CH": "tʃ", "D": "d", "DH": "ð", "F": "f", "G": "ɡ", "HH": "h", "JH": "dʒ", "K": "k", "L": "l", "M": "m",
    "N": "n", "NG": "ŋ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ", "T": "t", "TH": "θ", "V": "v", "W": "w", "Y": "j",
    "Z": "z", "ZH": "ʒ", "DX": "ɾ", "NX": "ɾ̃", "EL": "l̩", "EM": "m̩", "EN": "n̩", "Q": "ʔ",
}  # fmt: skip
ARPABET_OTHER_SPELLINGS = {"WH": "W", "HV": "HH", "ENG": "NG", "AXH": "AX", "AX-H": "AX"}

TIMIT61 = {
    "iy": "i", "ih": "ɪ", "eh": "ɛ", "ey": "eɪ", "ae": "æ", "aa": "ɑ", "aw": "aʊ", "ay": "aɪ", "ah": "ʌ", "ao": "ɔ",
    "oy": "ɔɪ", "ow": "oʊ", "uh": "ʊ", "uw": "u", "ux": "ʉ", "er": "ɝ", "ax": "ə", "ix": "ɨ", "axr": "ɚ", "ax-h": "ə̥",
    "b": "b", "d": "d", "g": "ɡ", "p": "p", "t": "t", "k": "k", "dx": "ɾ", "q": "ʔ", "jh": "dʒ", "ch": "tʃ",
    "s": "s", "sh": "ʃ", "z": "z", "zh": "ʒ", "f": "f", "th": "θ", "v": "v", "dh": "ð", "m": "m", "n": "n", "ng": "ŋ",
    "em": "m̩", "en": "n̩", "eng": "ŋ̍", "nx": "ɾ̃", "l": "l", "r": "ɹ", "w": "w", "y": "j", "hh": "h", "hv": "ɦ",
    "el": "l̩", "bcl": "b̚", "dcl": "d̚", "gcl": "ɡ̚", "pcl": "p̚", "tcl": "t̚", "kcl": "k̚",
}  # fmt: skip
"""58 of the 61; the other three (pau, epi, h#) are pauses."""
TIMIT61_TO_39 = {
    "ix": "ih", "ax": "ah", "ax-h": "ah", "ux": "uw", "ao": "aa", "axr": "er", "el": "l", "em": "m", "en": "n",
    "nx": "n", "eng": "ng", "zh": "sh", "hv": "hh", "q": "", "bcl": "", "dcl": "", "gcl": "", "pcl": "", "tcl": "",
    "kcl": "",
}  # fmt: skip
"""What changes from TIMIT-61 to TIMIT-39, whose 39th symbol is silence, a pause."""

ESPEAK = {
    "i": "i", "iː": "iː", "ɪ": "ɪ", "ᵻ": "ɨ", "ɛ": "ɛ", "e": "ɛ", "eː": "eː", "æ": "æ", "ɛə": "æ", "a": "a", "aː": "aː",
    "ʌ": "ʌ", "ə": "ə", "ɐ": "ɐ", "ɑː": "ɑː", "ɑə": "ɑː", "ɒ": "ɒ", "ɔ": "ɔ", "o": "ɔ", "ɔː": "ɔː", "oə": "ɔː",
    "ɔə": "ɔː", "ʊ": "ʊ", "uː": "uː", "əu": "uː", "ʉ": "ʉ", "ʉː": "ʉː", "ɜ": "ɜ", "ɜː": "ɜː", "ɚ": "ɚ", "əɹ": "ɚ",
    "ʌɹ": "ɝ", "əɪ": "ɝ", "eɪ": "eɪ", "ei": "iː", "aɪ": "aɪ", "ɔɪ": "ɔɪ", "oɪ": "ɔɪ", "aʊ": "aʊ", "æʊ": "aʊ",
    "ʌʉ": "aʊ", "oʊ": "oʊ", "oː": "oː", "ʌʊ": "oʊ", "əʊ": "əʊ", "ɪə": "ɪə", "eə": "ɛə", "ʊə": "ʊə", "ɛː": "ɛː",
    "b": "b", "d": "d", "f": "f", "k": "k", "l": "l", "m": "m", "n": "n", "n̩": "n̩", "p": "p", "s": "s", "t": "t",
    "v": "v", "w": "w", "ʍ": "ʍ", "z": "z", "h": "h", "j": "j", "ʲ": "j", "ɹ": "ɹ", "r": "r", "ɡ": "ɡ", "ŋ": "ŋ",
    "ð": "ð", "θ": "θ", "t̪": "θ", "ʃ": "ʃ", "ʒ": "ʒ", "tʃ": "tʃ", "dʒ": "dʒ", "ɾ": "ɾ", "ʔ": "ʔ", "x": "x",
    "əl": "ə l", "iə": "i ə", "aɪə": "aɪ ə", "aɪɚ": "aɪ ɚ", "ɑːɹ": "ɑː ɹ", "ɔːɹ": "ɔː ɹ", "ɛɹ": "ɛ ɹ", "ɪɹ": "ɪ ɹ",
    "ʊɹ": "ʊ ɹ",
}  # fmt: skip
ESPEAK_OTHER_SPELLINGS = {"a:": "aː", "aa": "aː", "g": "ɡ"}

SAMPA_AU = {
    "i:": "iː", "I": "ɪ", "E": "ɛ", "A": "æ", "a:": "ɑː", "V": "ʌ", "O": "ɒ", "o:": "ɔː", "U": "ʊ", "u:": "ʉː",
    "@:": "ɜː", "@": "ə", "ei": "eɪ", "ai": "aɪ", "oi": "ɔɪ", "au": "aʊ", "@u": "əʊ", "i@": "ɪə", "e@": "ɛə",
    "u@": "ʊə", "p": "p", "b": "b", "t": "t", "d": "d", "k": "k", "g": "ɡ", "tS": "tʃ", "dZ": "dʒ", "f": "f", "v": "v",
    "T": "θ", "D": "ð", "s": "s", "z": "z", "S": "ʃ", "Z": "ʒ", "h": "h", "m": "m", "n": "n", "N": "ŋ", "l": "l",
    "r": "ɹ", "w": "w", "j": "j",
}  # fmt: skip
SAMPA_AU_OTHER_SPELLINGS = {
    "H": "", "pH": "p", "bH": "b", "tH": "t", "dH": "d", "kH": "k", "gH": "g", "mH": "m", "nH": "n", "NH": "N",
    "Or": "r", "Ow": "w", "On": "n", "Om": "m", "zs": "z s", "pt": "p t", "kt": "k t", "db": "d b",
    "e:": "e@",
}  # fmt: skip
"""`H` is the breath after a stop's burst, a part of that stop and not a separate phone; a nasal or glide after `O`, or
before `H`, is that nasal or glide; two symbols together are two sounds without a clear boundary."""

FROM_IPA: dict[str, tuple[str | None, str | None, str | None, str | None]] = {
    # IPA: ARPAbet, TIMIT-61, eSpeak, Australian English
    "p": ("P", "p", "p", "p"), "b": ("B", "b", "b", "b"), "t̪": ("TH", "th", "t̪", "T"), "d̪": ("DH", "dh", "ð", "D"),
    "t": ("T", "t", "t", "t"), "d": ("D", "d", "d", "d"), "c": ("K", "k", "k", "k"), "ɟ": ("G", "g", "ɡ", "g"),
    "k": ("K", "k", "k", "k"), "ɡ": ("G", "g", "ɡ", "g"), "ʔ": ("Q", "q", "ʔ", ""),
    "p̚": ("P", "pcl", "p", "p"), "b̚": ("B", "bcl", "b", "b"), "t̚": ("T", "tcl", "t", "t"),
    "d̚": ("D", "dcl", "d", "d"), "k̚": ("K", "kcl", "k", "k"), "ɡ̚": ("G", "gcl", "ɡ", "g"),
    "ts": ("T S", "t s", "t s", "t s"), "dz": ("D Z", "d z", "d z", "d z"),
    "tʃ": ("CH", "ch", "tʃ", "tS"), "dʒ": ("JH", "jh", "dʒ", "dZ"),
    "f": ("F", "f", "f", "f"), "v": ("V", "v", "v", "v"), "θ": ("TH", "th", "θ", "T"), "ð": ("DH", "dh", "ð", "D"),
    "s": ("S", "s", "s", "s"), "z": ("Z", "z", "z", "z"), "ʃ": ("SH", "sh", "ʃ", "S"), "ʒ": ("ZH", "zh", "ʒ", "Z"),
    "ç": ("HH", "hh", "h", "h"), "x": (None, None, "x", None), "ɣ": (None, None, None, None),
    "χ": (None, None, None, None), "ʁ": (None, None, None, None), "h": ("HH", "hh", "h", "h"),
    "ɦ": ("HH", "hv", "h", "h"), "m": ("M", "m", "m", "m"), "m̩": ("M", "em", "m", "m"), "ɱ": ("M", "m", "m", "m"),
    "n": ("N", "n", "n", "n"), "n̩": ("N", "en", "n̩", "n"), "ɲ": ("N", "n", "n", "n"), "ŋ": ("NG", "ng", "ŋ", "N"),
    "ŋ̍": ("NG", "eng", "ŋ", "N"), "ɾ": ("DX", "dx", "ɾ", "t"), "ɾ̃": ("N", "nx", "n", "n"), "r": ("R", "r", "r", "r"),
    "ɹ": ("R", "r", "ɹ", "r"), "l": ("L", "l", "l", "l"), "ɫ": ("L", "l", "l", "l"), "l̩": ("L", "el", "əl", "l"),
    "ʎ": ("L", "l", "l", "l"), "j": ("Y", "y", "j", "j"), "ɥ": (None, None, None, None), "w": ("W", "w", "w", "w"),
    "ʍ": ("W", "w", "ʍ", "w"),
    "i": ("IY", "iy", "i", "i:"), "iː": ("IY", "iy", "iː", "i:"), "ɪ": ("IH", "ih", "ɪ", "I"),
    "y": (None, None, None, None), "ɨ": ("IH", "ix", "ᵻ", "I"), "ʉ": ("UW", "ux", "ʉ", "u:"),
    "ʉː": ("UW", "ux", "ʉː", "u:"), "ʊ": ("UH", "uh", "ʊ", "U"), "u": ("UW", "uw", "uː", "u:"),
    "uː": ("UW", "uw", "uː", "u:"), "ɯ": (None, None, None, None), "e": ("EH", "eh", "e", "E"),
    "eː": ("EY", "ey", "eː", "ei"), "ɛ": ("EH", "eh", "ɛ", "E"), "ɛː": ("EH R", "eh r", "ɛː", "e@"),
    "ø": (None, None, None, None), "œ": (None, None, None, None), "ə": ("AH", "ax", "ə", "@"),
    "ə̥": ("AH", "ax-h", "ə", "@"), "ɚ": ("ER", "axr", "ɚ", "@"), "ɜ": ("ER", "er", "ɜ", "@:"),
    "ɜː": ("ER", "er", "ɜː", "@:"), "ɝ": ("ER", "er", "ɜː", "@:"), "ʌ": ("AH", "ah", "ʌ", "V"),
    "o": ("OW", "ow", "oː", "@u"), "oː": ("OW", "ow", "oː", "@u"), "ɔ": ("AO", "ao", "ɔ", "o:"),
    "ɔː": ("AO", "ao", "ɔː", "o:"), "æ": ("AE", "ae", "æ", "A"), "a": ("AE", "ae", "a", "A"),
    "aː": ("AA", "aa", "aː", "a:"), "ɐ": ("AH", "ah", "ɐ", "V"), "ɑ": ("AA", "aa", "ɑː", "a:"),
    "ɑː": ("AA", "aa", "ɑː", "a:"), "ɒ": ("AA", "aa", "ɒ", "O"), "ɒː": ("AO", "ao", "ɔː", "o:"),
    "eɪ": ("EY", "ey", "eɪ", "ei"), "aɪ": ("AY", "ay", "aɪ", "ai"), "ɔɪ": ("OY", "oy", "ɔɪ", "oi"),
    "aʊ": ("AW", "aw", "aʊ", "au"), "oʊ": ("OW", "ow", "oʊ", "@u"), "əʊ": ("OW", "ow", "əʊ", "@u"),
    "ɪə": ("IH R", "ih r", "ɪə", "i@"), "ɛə": ("EH R", "eh r", "eə", "e@"), "ʊə": ("UH R", "uh r", "ʊə", "u@"),
}  # fmt: skip
