"""What decides when a feature detects a phone, and when it is polysemantic. Building it does no work."""

from __future__ import annotations

from dataclasses import dataclass

from otoscope.base.errors import InputError

OTHER_THRESHOLDS = ((0.95, 0.8), (0.9, 0.6), (0.8, 0.6))


@dataclass(frozen=True)
class PhoneSettings:
    """How features are judged; `docs/phones.md` says why these values.

    Attributes:
        top: Top examples looked at in each sign; None for all that the run keeps.
        auroc: A phone, pair or class is detected from this held-out AUROC on.
        purity: A feature has a name when this share of its top examples bears it out.
        min_frames: A phone with fewer speech frames in either half is not judged.
        min_examples: A feature with fewer labelled top examples in a sign has no purity there.
        member_auroc: The AUROC, against frames outside, that the phones of a pair or class need by themselves.
        part_share: Each phone of a pair has at least this share of the top examples.
        min_samples: Ranges with fewer labelled samples are not judged.
        top_purity: The top ranges are pure when this share of their samples is of one phone.
        mixture_share: A lower range is a mixture when another phone has at least this share of its samples.
        alpha: How unlikely by chance that share must be, over all phones and ranges of a feature.
        label_agreement: Share of the labels at peaks that are right, where it is known, such as the agreement of an
            aligner with hand labels; None where it is not.
    """

    top: int | None = None
    auroc: float = 0.9
    purity: float = 0.8
    min_frames: int = 20
    min_examples: int = 10
    member_auroc: float = 0.8
    part_share: float = 0.1
    min_samples: int = 5
    top_purity: float = 0.8
    mixture_share: float = 0.2
    alpha: float = 0.01
    label_agreement: float | None = None

    def __post_init__(self) -> None:
        for name in ("auroc", "member_auroc"):
            if not 0.5 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}: give a number from 0.5 (chance) to 1.")
        for name in ("purity", "part_share", "top_purity", "mixture_share", "alpha"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}: give a share above 0 and at most 1.")
        if self.label_agreement is not None and not 0 < self.label_agreement <= 1:
            raise InputError(f"label_agreement is {self.label_agreement}: give a share above 0 and at most 1.")
        for name in ("top", "min_frames", "min_examples", "min_samples"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}: give a whole number of 1 or more.")

    @property
    def thresholds(self) -> tuple[tuple[float, float], ...]:
        """The pairs of AUROC and purity that features are counted at, those that names are given by first."""
        main = (self.auroc, self.purity)
        return (main, *(pair for pair in ((0.9, 0.8), *OTHER_THRESHOLDS) if pair != main))
