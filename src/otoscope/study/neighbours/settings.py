"""Settings of the experiments on tokens that lie near each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.settings import Seed, Setting, Settings


@dataclass(frozen=True)
class NeighboursSettings(Settings):
    """Which tokens are listed."""

    k: Annotated[int, Setting("Nearest tokens of each word.", "N", least=1, is_option=False)] = 20
    raw: Annotated[bool, Setting("Also list the nearest by the unchanged vectors; --all always compares both.")] = False
    special: Annotated[bool, Setting("Also search special tokens and timestamps; not with --all.")] = False


@dataclass(frozen=True)
class SoundsAlikeSettings(Settings):
    """How nearest tokens are compared with random ones."""

    k: Annotated[int, Setting("Nearest tokens of each word.", "N", least=1)] = 10
    close: Annotated[float, Setting("Phone and spelling distances up to here count as near.", least=0, most=1)] = 0.25
    draws: Annotated[int, Setting("Random words for each of the nearest.", "N", least=1)] = 10
    seed: Seed = 0
