from __future__ import annotations

import functools

import panphon
import pytest

from otoscope.base.errors import InputError
from otoscope.corpus.phones import PHONE_SETS, articulation, inventory, phone_classes
from otoscope.corpus.phones.ipa import ROWS, Articulation

LABIAL = {"bilabial", "labiodental", "labial-velar", "labial-palatal"}
TIED = {"ts": "t͡s", "dz": "d͡z", "tʃ": "t͡ʃ", "dʒ": "d͡ʒ"}
UNKNOWN_TO_PANPHON = {"p̚", "b̚", "t̚", "d̚", "k̚", "ɡ̚", "ŋ̍", "ɚ", "ɝ", "eɪ", "aɪ", "ɔɪ", "aʊ", "oʊ", "əʊ", "ɪə", "ɛə", "ʊə"}
SEEN_OTHERWISE = {
    ("ʔ", "son"): "panphon takes glottals for glides, the chart for stops and fricatives",
    ("h", "son"): "as above",
    ("ɦ", "son"): "as above",
    ("ɹ", "round"): "panphon's is the rounded one of American English; the chart's is not",
    ("a", "back"): "front on the chart, and in eSpeak's English voices; back in panphon, which has no central",
    ("aː", "back"): "as above",
    ("ɐ", "lo"): "near-open, which is low in a table of three heights",
}


@functools.cache
def features() -> panphon.FeatureTable:
    return panphon.FeatureTable()


def expected(symbol: str, made: Articulation) -> dict[str, bool]:
    """What panphon's features should say of a row; central vowels are not judged by `back`, which knows two steps."""
    is_vowel = made.manner in {"vowel", "diphthong"}
    says = {
        "syl": is_vowel or symbol in {"m̩", "n̩", "l̩"},
        "voi": made.voiced,
        "son": made.manner not in {"stop", "affricate", "fricative"},
        "cont": made.manner not in {"stop", "affricate", "nasal"},
        "delrel": made.manner == "affricate",
        "nas": made.manner == "nasal" or symbol == "ɾ̃",
        "lat": made.manner == "lateral",
        "round": made.rounded,
    }
    if is_vowel:
        says |= {"hi": made.height == "high", "lo": made.height == "low"}
        if made.backness != "central":
            says["back"] = made.backness == "back"
    else:
        says |= {"lab": made.place in LABIAL}
        if made.place not in {"glottal"}:  # panphon has no place for these
            says["back"] = made.place in {"velar", "uvular", "labial-velar"}
        if made.manner != "lateral" or made.place != "palatal":  # coronal in panphon alone
            says["cor"] = made.place in {"dental", "alveolar", "postalveolar"}
        if made.place in {"palatal", "velar", "labial-velar", "labial-palatal"}:
            says["hi"] = True
        if made.manner in {"fricative", "affricate"} and made.place in {"dental", "alveolar", "postalveolar"}:
            says["strid"] = made.place != "dental"
    return says


@pytest.mark.parametrize("symbol", ROWS)
def test_the_table_agrees_with_panphon_wherever_panphon_knows_the_sound(symbol: str) -> None:
    segment = TIED.get(symbol, symbol)
    if not features().seg_known(segment):
        assert symbol in UNKNOWN_TO_PANPHON
        return
    found = features().fts(segment)
    for name, value in expected(symbol, ROWS[symbol]).items():
        differs = found[name] != 0 and (found[name] > 0) != value
        assert differs == ((symbol, name) in SEEN_OTHERWISE), name


def test_the_exceptions_are_about_rows_of_the_table() -> None:
    assert {symbol for symbol, _ in SEEN_OTHERWISE} | UNKNOWN_TO_PANPHON <= set(ROWS)


@pytest.mark.parametrize("phone_set", PHONE_SETS)
def test_every_phone_of_every_set_is_a_vowel_or_a_consonant_with_a_place(phone_set: str) -> None:
    for symbol in inventory(phone_set):
        made = articulation(symbol, phone_set)
        is_vowel = made.manner in {"vowel", "diphthong"}
        assert (made.place is None) == (made.height is not None) == (made.backness is not None) == is_vowel


@pytest.mark.parametrize("phone_set", PHONE_SETS)
def test_classes_hold_some_of_the_phones_and_no_two_are_the_same(phone_set: str) -> None:
    classes = phone_classes(phone_set)
    phones = set(inventory(phone_set))
    assert all(len(members) >= 2 and members < phones for members in classes.values())
    assert len(set(classes.values())) == len(classes)


def test_the_classes_of_timit_39_are_those_of_a_textbook() -> None:
    classes = phone_classes("timit39")
    assert classes["nasal"] == {"m", "n", "ng"}
    assert classes["stop"] == {"b", "d", "g", "p", "t", "k"}
    assert classes["voiceless stop"] == {"p", "t", "k"}
    assert classes["sibilant"] == {"s", "z", "sh", "ch", "jh"}
    assert classes["fricative"] == {"f", "v", "th", "dh", "s", "z", "sh", "hh"}
    assert classes["glide"] == {"w", "y"}
    assert classes["liquid"] == {"l", "r"}
    assert classes["approximant"] == {"l", "r", "w", "y"}
    assert classes["affricate"] == {"ch", "jh"}
    assert classes["diphthong"] == {"ey", "ay", "oy", "aw", "ow"}
    assert classes["high vowel"] == {"iy", "ih", "uw", "uh"}
    assert classes["front vowel"] == {"iy", "ih", "eh", "ae"}
    assert classes["labial"] == {"p", "b", "m", "f", "v", "w"}
    assert classes["velar"] == {"k", "g", "ng", "w"}
    assert "closure" not in classes
    assert phone_classes("timit61")["closure"] == {"bcl", "dcl", "gcl", "pcl", "tcl", "kcl"}


def test_a_unit_of_two_is_described_by_its_first() -> None:
    assert articulation("ɑːɹ", "espeak") == articulation("ɑː", "espeak")
    assert articulation("AA R", "arpabet") == articulation("AA", "arpabet")
    assert articulation("OW1", "arpabet-stress").rounded


@pytest.mark.parametrize(
    ("symbol", "why"), [("sil", "a pause or part of another phone"), ("H", "a pause or part"), ("%", "not in the set")]
)
def test_what_is_no_phone_has_no_articulation(symbol: str, why: str) -> None:
    with pytest.raises(InputError, match=f"has no articulation: it is {why}"):
        articulation(symbol, "sampa-au")
