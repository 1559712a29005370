from __future__ import annotations

import pytest

from otoscope.base.errors import InputError
from otoscope.corpus.phones import PHONE_SETS, detect_phone_set, inventory, is_pause


@pytest.mark.parametrize("phone_set", PHONE_SETS)
def test_an_inventory_names_each_phone_once_and_no_pause_and_is_recognised(phone_set: str) -> None:
    phones = inventory(phone_set)
    assert len(set(phones)) == len(phones)
    assert not any(is_pause(phone) for phone in phones)
    assert detect_phone_set(phones) == phone_set


def test_the_sizes_are_those_of_the_literature_less_the_pauses() -> None:
    assert len(inventory("timit61")) == 61 - 3
    assert len(inventory("timit39")) == 39 - 1
    cmu = {symbol for symbol in inventory("arpabet-stress") if symbol[-1] in "012"}
    assert len(cmu) == 3 * 15
    assert inventory("arpabet")[0] == "AA"


@pytest.mark.parametrize(
    "symbol", ["", " ", "sil", "SIL", "sp", "spn", "pau", "h#", "H#", "epi", "SIL_S", "<eps>", "_", "<p:>"]
)
def test_pauses_and_noise_are_known_in_any_case(symbol: str) -> None:
    assert is_pause(symbol)


@pytest.mark.parametrize("symbol", ["s", "SP1", "H", "q", "AA", "tcl"])
def test_phones_are_no_pauses(symbol: str) -> None:
    assert not is_pause(symbol)


@pytest.mark.parametrize(
    ("symbols", "phone_set"),
    [
        (["sp", "AH0", "T", "N"], "arpabet-stress"),
        (["AH0_B", "T_I", "SIL_S"], "arpabet-stress"),
        (["AA", "T", "AA R", "sil"], "arpabet"),
        (["pau", "hh", "iy", "t", "er", "ax"], "arpabet"),
        (["h#", "sh", "iy"], "timit61"),
        (["sh", "iy", "tcl", "t"], "timit61"),
        (["ˈoʊ", "ˌɛɹ", "ɚ", "ᵻ", "ɾ"], "espeak"),
        (["m", "ə", "r", "i"], "ipa"),
        (["kʰ", "ow", "t̪", "ɫ", "aj", "spn"], "ipa"),
        (["H#", "V", "m", "N", "t", "H", "@:", "zs"], "sampa-au"),
    ],
)
def test_the_set_of_labels_as_corpora_write_them_is_found(symbols: list[str], phone_set: str) -> None:
    assert detect_phone_set(symbols) == phone_set


def test_strangers_are_named() -> None:
    with pytest.raises(
        InputError, match="the nearest is 'arpabet-stress', which does not have 'PT'. Correct these labels"
    ):
        detect_phone_set(["AA1", "B", "PT"])
    with pytest.raises(InputError, match="and 2 more"):
        detect_phone_set([f"?{n}" for n in range(12)])


def test_labels_without_a_phone_have_no_set() -> None:
    with pytest.raises(InputError, match="hold no phone, only pauses"):
        detect_phone_set(["sil", ""])


def test_an_unknown_set_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match="phone set 'x-sampa' is not known. Choose one of timit61, timit39, arpabet"):
        inventory("x-sampa")
