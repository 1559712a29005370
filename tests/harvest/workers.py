"""What worker processes need to make a pass over made-up clips: they cannot be handed a function of a test."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.harvest.calibration import calibration_of
from otoscope.harvest.labels import label_set
from otoscope.harvest.part import CorpusPass
from otoscope.harvest.run import make_pass
from otoscope.harvest.settings import HarvestSettings
from otoscope.harvest.work import Work
from tests.harvest.fake import FakeClip, FakeReader, odd_clips


def clips_with_a_bad_one() -> list[FakeClip]:
    clips = odd_clips()
    clips[8].bad_window = 2
    return clips


@dataclass(frozen=True)
class FakeMaker:
    """Stands in for what loads the model in another process."""

    about_model: dict[str, Any]
    corpus: Corpus
    settings: HarvestSettings
    out: Path

    def __call__(self, threads: int) -> tuple[CorpusPass, Work]:
        reader, work = FakeReader(self.clips()), Work(self.out)
        found = work.arrays("calibration")
        assert found is not None
        calibration = calibration_of(found[0], reader, self.settings)
        labels = label_set(self.corpus, self.settings.phone_set, self.settings.seed)
        return make_pass(reader, self.corpus, labels, self.settings, calibration, threads), work

    def clips(self) -> list[FakeClip]:
        return clips_with_a_bad_one()


class FineMaker(FakeMaker):
    """No clip fails."""

    def clips(self) -> list[FakeClip]:
        return odd_clips()


class DyingMaker(FakeMaker):
    """The process dies, as when memory runs out."""

    def __call__(self, threads: int) -> tuple[CorpusPass, Work]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class FailingMaker(FakeMaker):
    """The model cannot be loaded."""

    def __call__(self, threads: int) -> tuple[CorpusPass, Work]:
        raise InputError("model 'fake' has changed since the harvest began. Start the harvest again.")
