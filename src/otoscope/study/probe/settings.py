"""Settings of probes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.settings import Seed, Setting, Settings

AUTO, SPEAKERS, CLIPS = "auto", "speakers", "clips"


@dataclass(frozen=True)
class ProbeSettings(Settings):
    """How probes are learnt."""

    rows: Annotated[int, Setting("Frames drawn at most, as many from every clip; or clips used.", "N", least=10)] = (
        10_000
    )
    folds: Annotated[
        int, Setting("Parts that speakers are dealt into, each predicted by a probe of the others.", "N", least=2)
    ] = 5
    classifier: Annotated[
        str, Setting("ridge is quicker, and worse for many classes.", "logistic|ridge", choices=("logistic", "ridge"))
    ] = "logistic"
    split: Annotated[
        str,
        Setting(
            "What is held out; auto holds out clips if no speaker is known.",
            "auto|speakers|clips",
            choices=(AUTO, SPEAKERS, CLIPS),
        ),
    ] = AUTO
    lag: Annotated[
        int | None,
        Setting("How late the encoder answers, for tasks of frames: 0 by default, or what a harvest found.", "FRAMES"),
    ] = None
    seed: Seed = 0
