"""Settings of relevance maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.settings import Language, Setting, Settings


@dataclass(frozen=True)
class RelevanceSettings(Settings):
    """Which window is mapped, and the language of a target word."""

    window: Annotated[int, Setting("Which window of a recording longer than one, from 0.", "N", least=0)] = 0
    language: Language = None
