"""What a harvest is asked for. Neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from otoscope.base.errors import InputError
from otoscope.base.settings import SEED, Setting, Settings


@dataclass(frozen=True)
class HarvestSettings(Settings):
    """What to gather of every feature."""

    sites: Annotated[
        tuple[str, ...],
        Setting("A site of the encoder, or a pattern; repeat it. The neurons by default.", "SITE", option="--site"),
    ] = ("encoder.blocks.*.mlp.1",)
    bases: Annotated[
        tuple[str, ...],
        Setting("neuron, random, pca, untrained or sae:DIR; repeat it.", "BASIS", option="--basis", has_commas=True),
    ] = ("neuron",)
    top: Annotated[int, Setting("Examples kept of every feature and sign.", "N", least=1, most=10_000)] = 20
    peaks_per_clip: Annotated[int, Setting("Examples that one clip may give.", "N", least=1, most=1_000)] = 1
    sign: Annotated[str, Setting("Whether strengths below zero count, too.", choices=("both", "positive"))] = "both"
    samples: Annotated[int, Setting("Peaks drawn from every range of strength.", "M", least=1, most=1_000)] = 10
    ranges: Annotated[int, Setting("Ranges of equal width, from the strongest peak to 0.", "N", least=1, most=32)] = 10
    seed: Annotated[
        int,
        replace(SEED, most=2**32 - 1),
    ] = 0
    phone_set: Annotated[
        str | None,
        Setting(
            "Convert phones to this set (arpabet, ipa, timit39, ...); arpabet by default where possible, else ipa.",
            "SET",
        ),
    ] = None
    lag: Annotated[int | None, Setting("How late the encoder answers, in frames; estimated by default.", "FRAMES")] = (
        None
    )
    save_activations: Annotated[
        str | None, Setting("Write the sites' activations too, for training.", choices=("float16", "float32"))
    ] = None
    part_clips: Annotated[
        int,
        Setting("Clips after which what was gathered is put together with what was before.", least=1, is_option=False),
    ] = 32
    force: Annotated[bool, Setting("Try a dictionary that was trained on another site or model.")] = False
    # like `force` no part of what a run is, so that a run and its dictionaries may be moved together
    root: Annotated[
        str | None,
        Setting("The folder from which a relative sae:DIR is looked for; here by default.", is_option=False),
    ] = None

    def __post_init__(self) -> None:
        """Refuse no sites, and bases that stand twice."""
        super().__post_init__()
        if not self.sites:
            raise InputError("no site is named: give one or more, such as 'encoder.blocks.*.mlp.1'.")
        if len(set(self.bases)) != len(self.bases) or not self.bases:
            raise InputError(f"bases are {list(self.bases)}: name one or more, each once.")

    @property
    def n_signs(self) -> int:
        """How many signs are collected."""
        return 2 if self.sign == "both" else 1
