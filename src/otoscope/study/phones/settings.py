"""What decides when a feature detects a phone, and when it is polysemantic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.settings import Setting, Settings

OTHER_THRESHOLDS = ((0.95, 0.8), (0.9, 0.6), (0.8, 0.6))


@dataclass(frozen=True)
class PhoneSettings(Settings):
    """How features are judged; `docs/phones.md` says why these values."""

    top: Annotated[
        int | None, Setting("Only the N strongest examples; all that the run kept by default.", "N", least=1)
    ] = None
    auroc: Annotated[
        float, Setting("A phone, pair or class is detected from this held-out AUROC on.", "A", least=0.5, most=1)
    ] = 0.9
    purity: Annotated[float, Setting("And where this share of the top examples falls in it.", "P", above=0, most=1)] = (
        0.8
    )
    min_frames: Annotated[
        int, Setting("A phone with fewer speech frames in either half is not judged.", "N", least=1)
    ] = 20
    min_examples: Annotated[int, Setting("A feature with fewer labelled top examples has no purity.", "N", least=1)] = (
        10
    )
    member_auroc: Annotated[
        float,
        Setting(
            "The AUROC, against frames outside, that the phones of a pair or class need by themselves.",
            least=0.5,
            most=1,
            is_option=False,
        ),
    ] = 0.8
    part_share: Annotated[
        float,
        Setting("Each phone of a pair has at least this share of the top examples.", above=0, most=1, is_option=False),
    ] = 0.1
    min_samples: Annotated[
        int, Setting("Ranges with fewer labelled samples are not judged.", least=1, is_option=False)
    ] = 5
    top_purity: Annotated[
        float,
        Setting(
            "The top ranges are pure when this share of their samples is of one phone.",
            above=0,
            most=1,
            is_option=False,
        ),
    ] = 0.8
    mixture_share: Annotated[
        float,
        Setting(
            "A lower range is a mixture when another phone has at least this share of its samples.",
            above=0,
            most=1,
            is_option=False,
        ),
    ] = 0.2
    alpha: Annotated[
        float,
        Setting(
            "How unlikely by chance that share must be, over all phones and ranges of a feature.",
            above=0,
            most=1,
            is_option=False,
        ),
    ] = 0.01
    label_agreement: Annotated[
        float | None,
        Setting("Share of the labels that are right, such as an aligner's against hand labels.", "A", above=0, most=1),
    ] = None

    @property
    def thresholds(self) -> tuple[tuple[float, float], ...]:
        """The pairs of AUROC and purity that features are counted at, those that names are given by first."""
        main = (self.auroc, self.purity)
        return (main, *(pair for pair in ((0.9, 0.8), *OTHER_THRESHOLDS) if pair != main))
