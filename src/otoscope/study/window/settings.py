"""Settings of transcripts under attention windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.settings import Language, Seed, Setting, Settings

KS = (100, 75, 50, 20, 10)
"""The half widths of "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1, in frames."""

HEAD_K = 10
"""The window, in frames on either side, that most heads are said to tolerate when limited alone."""


@dataclass(frozen=True)
class WindowSettings(Settings):
    """How far each frame may attend, and where."""

    ks: Annotated[
        tuple[int, ...],
        Setting(
            "Frames (20 ms) on either side that a frame may attend to; with commas or repeated.",
            "K,...",
            least=0,
            option="--k",
        ),
    ] = KS
    blocks: Annotated[
        tuple[int, ...] | None,
        Setting("Limit only these encoder blocks; all by default.", "B,...", option="--block"),
    ] = None
    heads: Annotated[
        tuple[int, ...] | None,
        Setting("Limit only these heads of those blocks; all by default.", "H,...", option="--head"),
    ] = None
    language: Language = None
    seed: Seed = 0


@dataclass(frozen=True)
class HeadWindowsSettings(Settings):
    """How far the frames of a limited head may attend, and how many heads are tried."""

    k: Annotated[int, Setting("Frames (20 ms) on either side that the limited head may attend to.", "K", least=0)] = (
        HEAD_K
    )
    most_heads: Annotated[
        int | None, Setting("Draw this many heads where the model has more; all by default.", "N", least=1)
    ] = None
    language: Language = None
    seed: Seed = 0
