"""What a harvest is asked for. Building it does no work."""

from __future__ import annotations

from dataclasses import dataclass

from otoscope.base.errors import InputError

SIGNS = ("both", "positive")
SAVED_DTYPES = ("float16", "float32")


@dataclass(frozen=True)
class HarvestSettings:
    """What to gather of every feature.

    Attributes:
        sites: Names or patterns of encoder sites.
        bases: `neuron`, `random`, `pca`, `untrained` or `sae:DIR`, each once; tables name it as it is here.
        top: Examples kept of every feature and sign.
        peaks_per_clip: Peaks that one clip may have among them.
        sign: `both`, or `positive` to leave out strengths below zero.
        samples: Peaks drawn from every range.
        ranges: Ranges of equal width from the strongest peak down to zero.
        seed: Seeds the sampling of peaks, the random directions, the untrained model and the shuffled labels.
        phone_set: The set that labels are turned into; None for `arpabet` where it can be, `ipa` elsewhere.
        lag: Frames by which the encoder answers later than the sound; None to estimate it.
        save_activations: `float16` or `float32` to write the sites' activations too; None to write none.
        part_clips: Clips after which what was gathered is put together with what was before.
        force: Try dictionaries that were trained on another site or model.
        root: The folder from which a relative `sae:DIR` is looked for; None for the working directory. Like `force` no
            part of what a run is, so that a run and its dictionaries may be moved together.
    """

    sites: tuple[str, ...]
    bases: tuple[str, ...] = ("neuron",)
    top: int = 20
    peaks_per_clip: int = 1
    sign: str = "both"
    samples: int = 10
    ranges: int = 10
    seed: int = 0
    phone_set: str | None = None
    lag: int | None = None
    save_activations: str | None = None
    part_clips: int = 32
    force: bool = False
    root: str | None = None

    def __post_init__(self) -> None:
        for name, most in (("top", 10_000), ("peaks_per_clip", 1_000), ("samples", 1_000), ("ranges", 32)):
            value = getattr(self, name)
            if not 1 <= value <= most:
                raise InputError(f"{name} is {value}: give a whole number from 1 to {most}.")
        if self.part_clips < 1:
            raise InputError(f"part_clips is {self.part_clips}: give 1 or more.")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"the seed is {self.seed}: give a whole number from 0 to {2**32 - 1}.")
        if self.sign not in SIGNS:
            raise InputError(f"sign is {self.sign!r}: give one of {', '.join(SIGNS)}.")
        if self.save_activations not in (None, *SAVED_DTYPES):
            raise InputError(f"activations cannot be saved as {self.save_activations!r}: give float16 or float32.")
        if not self.sites:
            raise InputError("no site is named: give one or more, such as 'encoder.blocks.*.mlp.1'.")
        if len(set(self.bases)) != len(self.bases) or not self.bases:
            raise InputError(f"bases are {list(self.bases)}: name one or more, each once.")

    @property
    def n_signs(self) -> int:
        """How many signs are looked at."""
        return 2 if self.sign == "both" else 1
