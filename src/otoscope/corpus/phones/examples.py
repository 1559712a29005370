"""Words of English in which each sound is heard, to explain a phone to readers who do not know its symbol.

Source:
    Common words, in part the key words of the CMU pronouncing dictionary and of Wells 1982, "Accents of English".
"""

from __future__ import annotations

from otoscope.base.errors import InputError
from otoscope.corpus.phones.maps import to_ipa
from otoscope.corpus.phones.sets import numbers

_WORDS: dict[str, str] = {
    "p": "pie happy cup", "b": "buy rubber cab", "t": "tie attack cat", "d": "die idea mad", "k": "key locker back",
    "ɡ": "go bigger bag", "ʔ": "uh-oh", "tʃ": "chair teacher watch", "dʒ": "joy magic page", "f": "fish coffee laugh",
    "v": "voice seven give", "θ": "thin author bath", "ð": "this mother breathe", "s": "sea lesson bus",
    "z": "zoo easy nose", "ʃ": "she station wash", "ʒ": "vision measure beige", "h": "he ahead who",
    "ɦ": "ahead behind", "m": "me summer time", "m̩": "bottom rhythm", "n": "no dinner sun",
    "n̩": "button garden", "ŋ": "sing finger long",
    "ŋ̍": "washington", "ɾ": "water city ladder", "ɾ̃": "winter", "ɹ": "red very right", "r": "red very right",
    "l": "leg yellow ball", "ɫ": "ball milk feel", "l̩": "bottle little", "j": "yes you beyond", "w": "we away queen",
    "ʍ": "which where", "x": "loch", "p̚": "cup", "b̚": "cab", "t̚": "cat", "d̚": "mad", "k̚": "back", "ɡ̚": "bag",
    "i": "see eat happy", "ɪ": "it big ship", "ɨ": "roses wanted", "ʉ": "goose food", "u": "too food blue",
    "ʊ": "book good put", "ɛ": "bed ten said", "e": "bed ten said", "ə": "about sofa", "ə̥": "potato",
    "ɚ": "butter letter", "ɝ": "bird her work", "ɜ": "bird her work", "ɐ": "comma sofa",
    "ʌ": "cup sun money", "ɔ": "law caught dog",
    "o": "go home", "æ": "cat hand laugh", "a": "cat hand", "ɑ": "father hot palm", "ɒ": "lot dog watch",
    "eɪ": "day make eight", "aɪ": "my time eye", "ɔɪ": "boy noise coin", "aʊ": "now house out", "oʊ": "go home boat",
    "əʊ": "go home boat", "ɪə": "near here", "ɛə": "hair square", "ʊə": "tour cure",
}  # fmt: skip


def explained(symbol: str, phone_set: str) -> tuple[str, tuple[str, ...]] | None:
    """Explain a phone to a reader who does not know its symbol.

    Args:
        symbol: A symbol of the set's inventory.
        phone_set: The set.

    Returns:
        Its spelling in the IPA, and English words in which it is heard, which may be none; None for a symbol that is
        not in the set, or for an unknown set.
    """
    try:
        if symbol not in numbers(phone_set):
            return None
    except InputError:
        return None
    sounds = to_ipa(symbol, phone_set)
    words = _WORDS.get(sounds[0], _WORDS.get(sounds[0].rstrip("ː"), "")) if len(sounds) == 1 else ""
    return "".join(sounds), tuple(words.split())
