from __future__ import annotations

import numpy as np

from otoscope.study.phones.targets import class_targets, pair_targets, phone_targets

PHONES = ("AA", "M", "N", "NG", "S")
FREQUENT = np.array([True, True, True, False, True])


def test_rare_phones_are_no_targets_and_pairs_are_named_in_order() -> None:
    assert phone_targets(PHONES, FREQUENT).names == ("AA", "M", "N", "S")
    pairs = pair_targets(PHONES, FREQUENT)
    assert pairs.names == ("AA/M", "AA/N", "AA/S", "M/N", "M/S", "N/S")
    assert pairs.sets[3].tolist() == [False, True, True, False, False, False]
    assert pairs.name_of(3) == "M/N" and pairs.name_of(-1) is None


def test_classes_keep_rare_members_and_need_two_frequent_ones_and_one_outside() -> None:
    classes = {
        "nasal": frozenset({"M", "N", "NG"}),
        "voiced sonorant": frozenset({"M", "N"}),  # the same to whoever cannot judge NG
        "velar": frozenset({"NG", "S"}),
        "all": frozenset(PHONES),
        "foreign": frozenset({"X", "Y"}),
    }
    found = class_targets(PHONES, FREQUENT, classes)
    assert found.names == ("nasal",)
    assert found.sets[0].tolist() == [False, True, True, True, False, False]
    assert found.judged[0].tolist() == [False, True, True, False, False, False]


def test_nothing_frequent_is_no_target() -> None:
    none = np.zeros(5, bool)
    assert pair_targets(PHONES, none).sets.shape == (0, 6)
    assert class_targets(PHONES, none, {"nasal": frozenset({"M", "N"})}).names == ()
