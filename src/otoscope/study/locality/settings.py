"""Settings of the attended distances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.settings import Setting, Settings


@dataclass(frozen=True)
class LocalitySettings(Settings):
    """Which heads count as local."""

    local_within: Annotated[
        int,
        Setting(
            "A head is local when enough of its attention is at most this many frames (20 ms) away.", "FRAMES", least=0
        ),
    ] = 50
    local_share: Annotated[float, Setting("How much is enough, above 0 and up to 1.", "SHARE", above=0, most=1)] = 0.9
