"""Name a feature by what it detects: a phone, a pair of phones, a class of phones, or nothing clear.

Knows scores alone. `docs/phones.md` gives the rule in words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from otoscope.study.phones.choosing import Detector
from otoscope.study.phones.settings import PhoneSettings

UNCLEAR = "unclear"
KINDS = ("phone", "pair", "class", UNCLEAR)


@dataclass(frozen=True, eq=False)
class Names:
    """The names of features."""

    kind: Int[np.ndarray, " feature"]  # index into `KINDS`
    auroc: Float[np.ndarray, " feature"]  # of what the name states; NaN where it is unclear
    share: Float[np.ndarray, " feature"]  # of the top examples that agree with it; NaN where it is unclear
    sign: Int[np.ndarray, " feature"]  # 1 where strength detects it, -1 where weakness does, 0 where it is unclear


def detects(detector: Detector, auroc: float, purity: float) -> Bool[np.ndarray, " feature"]:
    """Return which features detect their best target, by thresholds of both AUROC and share of the top examples."""
    return (np.nan_to_num(detector.auroc) >= auroc) & (np.nan_to_num(detector.share) >= purity)


def name_features(phone: Detector, pair: Detector, class_: Detector, settings: PhoneSettings) -> Names:
    """Name every feature by the phone, pair or class that it detects.

    Returns a phone where its AUROC and purity are high enough. Otherwise a pair whose AUROC and purity are, if both
    phones are detected by themselves and are among the top examples; or a class whose AUROC and purity are, if at least
    half of its phones are detected by themselves. If both qualify, the one with the higher AUROC on the frames that it
    was chosen on. Otherwise unclear.
    """
    is_phone = detects(phone, settings.auroc, settings.purity)
    is_pair = detects(pair, settings.auroc, settings.purity) & (pair.n_raised == pair.n_members)
    is_pair &= np.nan_to_num(pair.least_share) >= settings.part_share
    is_class = detects(class_, settings.auroc, settings.purity) & (2 * class_.n_raised >= class_.n_members)
    with np.errstate(invalid="ignore"):
        is_wider = is_class & (class_.chosen_auroc > pair.chosen_auroc)
    is_pair &= ~is_wider
    choices = [is_phone, is_pair, is_class]

    def pick(field: str, otherwise: float) -> np.ndarray:
        return np.select(choices, [getattr(detector, field) for detector in (phone, pair, class_)], otherwise)

    kind = np.select(choices, [0, 1, 2], 3)
    return Names(kind, pick("auroc", np.nan), pick("share", np.nan), pick("sign", 0).astype(np.int64))
