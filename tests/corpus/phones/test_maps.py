from __future__ import annotations

import itertools

import pytest

from otoscope.audio.clip import Span
from otoscope.base.errors import InputError
from otoscope.corpus.phones import PHONE_SETS, convert_spans, inventory, to_phones
from otoscope.corpus.phones.ipa import ROWS
from otoscope.corpus.phones.tables import FROM_IPA
from otoscope.demo.phones import ARPABET

LEE_AND_HON = """
iy | ih ix | eh | ae | ax ah ax-h | uw ux | uh | ao aa | ey | ay | oy | aw | ow | er axr | l el | r | w | y | m em |
n en nx | ng eng | v | f | dh | th | z | s | zh sh | jh | ch | b | p | d | dx | t | g | k | hh hv
"""
NOT_ENGLISH = {"x", "ɣ", "χ", "ʁ", "ɥ", "y", "ɯ", "ø", "œ"}


@pytest.mark.parametrize(("source", "target"), list(itertools.product(PHONE_SETS, PHONE_SETS)))
def test_every_phone_maps_into_the_inventory_of_every_other_set(source: str, target: str) -> None:
    known = set(inventory(target))
    for symbol in inventory(source):
        phones = to_phones(symbol, source, target)
        if phones is None:
            assert symbol in NOT_ENGLISH
        else:
            assert set(phones) <= known


@pytest.mark.parametrize("phone_set", PHONE_SETS)
def test_a_set_maps_to_itself_unchanged(phone_set: str) -> None:
    assert all(to_phones(symbol, phone_set, phone_set) == (symbol,) for symbol in inventory(phone_set))


def test_every_sound_of_the_ipa_has_its_row_in_the_table_of_maps() -> None:
    assert set(FROM_IPA) == set(ROWS)


def test_there_and_back_through_the_ipa_only_folds_what_is_said_to_fold() -> None:
    assert all(to_phones(to_phones(s, "timit61", "ipa")[0], "ipa", "timit61") == (s,) for s in inventory("timit61"))  # type: ignore[index]
    assert all(to_phones(to_phones(s, "timit39", "ipa")[0], "ipa", "timit39") == (s,) for s in inventory("timit39"))  # type: ignore[index]
    folds = {}
    for symbol in inventory("arpabet"):
        back = to_phones(to_phones(symbol, "arpabet", "ipa")[0], "ipa", "arpabet")  # type: ignore[index]
        if back != (symbol,):
            folds[symbol] = back
    assert folds == {
        "AX": ("AH",), "AXR": ("ER",), "IX": ("IH",), "UX": ("UW",), "NX": ("N",),
        "EL": ("L",), "EM": ("M",), "EN": ("N",),
    }  # fmt: skip


def test_timit_folds_as_lee_and_hon_fold_it() -> None:
    groups = [group.split() for group in LEE_AND_HON.split("|")]
    expected = {symbol: group for group in groups for symbol in group}
    assert len(groups) == 38
    seen = {}
    for symbol in inventory("timit61"):
        phones = to_phones(symbol, "timit61", "timit39")
        if symbol.endswith("cl") or symbol == "q":
            assert phones == ()
        else:
            assert phones is not None
            seen.setdefault(phones[0], []).append(symbol)
            assert phones[0] in expected[symbol]
    assert sorted(sorted(group) for group in seen.values()) == sorted(sorted(group) for group in groups)


@pytest.mark.parametrize(("unit", "phones"), ARPABET.items())
def test_espeaks_units_are_the_phones_that_the_demo_clips_are_labelled_with(unit: str, phones: str) -> None:
    assert to_phones(unit, "espeak", "arpabet") == tuple(phones.split())


@pytest.mark.parametrize(
    ("symbol", "source", "target", "phones"),
    [
        ("AH0", "arpabet-stress", "arpabet", ("AH",)),
        ("AH0", "arpabet-stress", "timit61", ("ax",)),
        ("AX", "arpabet", "arpabet", ("AX",)),
        ("ax", "timit61", "arpabet", ("AH",)),
        ("dx", "timit61", "arpabet", ("DX",)),
        ("tcl", "timit61", "arpabet", ("T",)),
        ("AO", "arpabet", "timit39", ("aa",)),
        ("AA R", "arpabet", "arpabet", ("AA", "R")),
        ("AA R", "arpabet", "timit39", ("aa", "r")),
        ("ɑːɹ", "espeak", "arpabet", ("AA", "R")),
        ("ˈoʊ", "espeak", "arpabet-stress", ("OW1",)),
        ("ˌɛɹ", "espeak", "arpabet-stress", ("EH2", "R")),
        ("oʊ", "espeak", "arpabet-stress", ("OW",)),
        ("AA", "arpabet", "arpabet-stress", ("AA",)),
        ("ax", "arpabet", "arpabet", ("AX",)),
        ("HH_B", "arpabet", "arpabet", ("HH",)),
        ("AX0", "arpabet-stress", "arpabet", ("AX",)),
        ("kʰ", "ipa", "arpabet", ("K",)),
        ("t͡ʃ", "ipa", "arpabet", ("CH",)),
        ("ow", "ipa", "arpabet", ("OW",)),
        ("g", "ipa", "ipa", ("ɡ",)),
        ("c\u0327", "ipa", "ipa", ("ç",)),
        ("ã", "ipa", "ipa", ("a",)),
        ("sː", "ipa", "ipa", ("s",)),
        ("zs", "sampa-au", "sampa-au", ("z", "s")),
        ("dH", "sampa-au", "arpabet", ("D",)),
        ("H", "sampa-au", "arpabet", ()),
        ("Ow", "sampa-au", "arpabet", ("W",)),
        ("A", "sampa-au", "arpabet", ("AE",)),
        ("u:", "sampa-au", "ipa", ("ʉː",)),
        ("sil", "ipa", "timit39", ()),
        ("spn", "arpabet-stress", "arpabet", ()),
        ("AA1", "arpabet", "arpabet", None),
        ("y", "ipa", "arpabet", None),
        ("?", "timit61", "ipa", None),
    ],
)
def test_maps_say_what_a_phonetician_would(
    symbol: str, source: str, target: str, phones: tuple[str, ...] | None
) -> None:
    assert to_phones(symbol, source, target) == phones


def test_an_unknown_set_is_refused_as_source_and_as_target() -> None:
    for source, target in (("klingon", "ipa"), ("ipa", "klingon")):
        with pytest.raises(InputError, match="phone set 'klingon' is not known"):
            to_phones("a", source, target)


def test_a_clips_phones_are_converted_with_pauses_left_out_and_units_of_two_whole() -> None:
    spans = [Span(0, 1, "sil"), Span(1, 2, "ɑːɹ"), Span(2, 3, "t")]
    assert convert_spans(spans, "espeak", "arpabet") == (Span(1, 2, "AA R"), Span(2, 3, "T"))


def test_the_breath_after_a_stop_becomes_part_of_it_and_of_nothing_else() -> None:
    spans = [Span(0, 1, "H"), Span(1, 2, "pt"), Span(2, 3, "H"), Span(3, 4, "s"), Span(4, 5, "H"), Span(5, 6, "t")]
    spans += [Span(7, 8, "H")]
    found = convert_spans(spans, "sampa-au", "timit39")
    assert found == (Span(1, 3, "p t"), Span(3, 4, "s"), Span(5, 6, "t"))


def test_a_phone_that_cannot_be_said_is_named_with_its_time() -> None:
    with pytest.raises(InputError, match="phone 'y' at 1.500 s goes .* 'arpabet' has no symbol for that sound"):
        convert_spans([Span(1.5, 2, "y")], "ipa", "arpabet")
    with pytest.raises(InputError, match="phone '%' at 1.500 s goes .* 'ipa' does not have it. Correct the label"):
        convert_spans([Span(1.5, 2, "%")], "ipa", "arpabet")
