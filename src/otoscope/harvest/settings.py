"""What a harvest is asked for. Building it does no work."""

from __future__ import annotations

from dataclasses import dataclass

from otoscope.base.errors import InputError

SIGNS = ("both", "positive")
SAVED_DTYPES = ("float16", "float32")


@dataclass(frozen=True)
class HarvestSettings:
    """What to gather of every feature."""

    sites: tuple[str, ...]  # names or patterns of encoder sites
    # `neuron`, `random`, `pca`, `untrained` or `sae:DIR`, each once; tables name it as it is here
    bases: tuple[str, ...] = ("neuron",)
    top: int = 20  # examples kept of every feature and sign
    peaks_per_clip: int = 1  # peaks that one clip may have among them
    sign: str = "both"  # `both`, or `positive` to leave out strengths below zero
    samples: int = 10  # peaks drawn from every range
    ranges: int = 10  # ranges of equal width from the strongest peak down to zero
    seed: int = 0  # seeds the sampling of peaks, the random directions, the untrained model and the shuffled labels
    # the set that labels are turned into; None for `arpabet` where it can be, `ipa` elsewhere
    phone_set: str | None = None
    lag: int | None = None  # frames by which the encoder answers later than the sound; None to estimate it
    # `float16` or `float32` to write the sites' activations too; None to write none
    save_activations: str | None = None
    part_clips: int = 32  # clips after which what was gathered is put together with what was before
    force: bool = False  # try dictionaries that were trained on another site or model
    # the folder from which a relative `sae:DIR` is looked for; None for the working directory. Like `force` no part
    # of what a run is, so that a run and its dictionaries may be moved together.
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
