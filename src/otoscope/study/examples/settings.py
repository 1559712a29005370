"""Settings of examples: which moments to look up, and how to write their sounds. Neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.settings import Setting, Settings


@dataclass(frozen=True)
class ExamplesSettings(Settings):
    """Which of the moments that drive features most to look up."""

    sites: Annotated[
        tuple[str, ...] | None,
        Setting("A site or a pattern of the run's; repeat for several. All by default.", "S", option="--site"),
    ] = None
    bases: Annotated[
        tuple[str, ...] | None,
        Setting("A basis of the run's; repeat for several. All by default.", "B", option="--basis", has_commas=True),
    ] = None
    features: Annotated[
        tuple[int, ...] | None,
        Setting("Features by number, which every site and basis has; all by default.", is_option=False),
    ] = None
    sign: Annotated[
        str,
        Setting("Peaks above zero, below, or both where the run has both.", choices=("positive", "negative", "both")),
    ] = "both"
    top: Annotated[
        int | None, Setting("Only the N strongest of each; all that the run kept by default.", "N", least=1)
    ] = None
    ranges: Annotated[bool, Setting("The peaks drawn from every range of strength, too.")] = False


@dataclass(frozen=True)
class SoundSettings(Settings):
    """How the sounds of examples are written."""

    length_s: Annotated[float, Setting("Length of each sound.", "SECONDS", option="--length")] = 2.0
    sound_format: Annotated[
        str, Setting("How sounds are written, 16 bits a sample.", choices=("flac", "wav"), option="--format")
    ] = "flac"


@dataclass(frozen=True)
class ExamplesOptions(ExamplesSettings, SoundSettings):
    """Which moments to look up, and how to write their sounds."""
