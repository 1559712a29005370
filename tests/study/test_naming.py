from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from otoscope.study.phones.choosing import Detector
from otoscope.study.phones.naming import KINDS, name_features
from otoscope.study.phones.settings import PhoneSettings


def detector(auroc: float, share: float, **fields: float) -> Detector:
    values = {
        "index": 0, "sign": 1, "chosen_auroc": auroc, "auroc": auroc, "average_precision": 0.5, "prevalence": 0.1,
        "share": share, "least_share": share, "n_members": 1, "n_raised": 1, **fields,
    }  # fmt: skip
    return Detector(**{field.name: np.array([values[field.name]]) for field in dataclasses.fields(Detector)})


NAN = float("nan")
PAIR = {"least_share": 0.3, "n_members": 2, "n_raised": 2}
CLASS = {"least_share": 0.0, "n_members": 6, "n_raised": 4}


@pytest.mark.parametrize(
    ("phone", "pair", "class_", "kind"),
    [
        (detector(0.9, 0.8), detector(0.99, 1.0, **PAIR), detector(0.99, 1.0, **CLASS), "phone"),
        (detector(0.95, 0.6), detector(0.97, 0.9, **PAIR), detector(0.8, 1.0, **CLASS), "pair"),
        (detector(0.89, 0.9), detector(0.95, 0.9, **PAIR), detector(0.94, 1.0, **CLASS), "pair"),
        (detector(0.95, 0.6), detector(0.95, 0.9, **PAIR), detector(0.97, 1.0, **CLASS), "class"),
        (
            detector(0.95, 0.6),
            detector(0.97, 0.9, **PAIR | {"least_share": 0.05}),
            detector(0.5, 0, **CLASS),
            "unclear",
        ),
        (detector(0.95, 0.6), detector(0.97, 0.9, **PAIR | {"n_raised": 1}), detector(0.93, 1.0, **CLASS), "class"),
        (detector(0.95, 0.6), detector(0.8, 0.7, **PAIR), detector(0.93, 1.0, **CLASS | {"n_raised": 2}), "unclear"),
        (detector(NAN, NAN), detector(NAN, NAN, **PAIR), detector(NAN, NAN, **CLASS), "unclear"),
        (detector(0.99, NAN), detector(0.99, NAN, **PAIR), detector(0.99, NAN, **CLASS), "unclear"),
    ],
)
def test_the_name_is_what_auroc_and_top_examples_bear_out(
    phone: Detector, pair: Detector, class_: Detector, kind: str
) -> None:
    found = name_features(phone, pair, class_, PhoneSettings())
    assert KINDS[found.kind[0]] == kind
    assert (found.sign[0] == 0) == np.isnan(found.auroc[0]) == (kind == "unclear")


def test_thresholds_are_settings() -> None:
    nothing = detector(NAN, NAN)
    weak = detector(0.85, 0.6)
    assert name_features(weak, nothing, nothing, PhoneSettings()).kind[0] == 3
    assert name_features(weak, nothing, nothing, PhoneSettings(auroc=0.85, purity=0.6)).kind[0] == 0


def test_names_are_given_by_the_first_thresholds_and_the_usual_ones_are_counted_too() -> None:
    assert PhoneSettings().thresholds == ((0.9, 0.8), (0.95, 0.8), (0.9, 0.6), (0.8, 0.6))
    assert PhoneSettings(auroc=0.7).thresholds[:2] == ((0.7, 0.8), (0.9, 0.8))
