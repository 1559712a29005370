"""What the tests of training share: a feed with known directions, and small settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.feed import FrameBatch, Position
from otoscope.sae.training import Task, Trained
from otoscope.sae.training_settings import TrainSettings

D_IN = 12
SETTINGS = TrainSettings(n_frames=32 * 40, batch_frames=32, log_every=4, dead_after_frames=96, checkpoint_s=0.0)


@dataclass
class SmallFeed:
    """Vectors of two sites, drawn batch by batch; counts what it gave, and can fail or spoil a batch.

    Attributes:
        fails_at: Raises at this batch.
        huge_from: Vectors of one site are beyond all measure from this batch on.
        n_frames: Frames in a pass, as far as it tells.
        error: What it raises.
        given: Numbers of the batches that were made.
    """

    fails_at: int | None = None
    huge_from: int | None = None
    n_frames: int | None = None
    given: list[int] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def widths(self) -> Mapping[str, int]:
        return {"low": D_IN, "high": D_IN}

    def batches(self, batch_frames: int, position: Position | None = None) -> Iterator[FrameBatch]:
        number = 0 if position is None else int(position["next"])
        while True:
            if number == self.fails_at and self.error is not None:
                raise self.error
            self.given.append(number)
            generator = torch.Generator().manual_seed(number)
            values = {site: _frames(batch_frames, generator) for site in self.widths}
            if self.huge_from is not None and number >= self.huge_from:
                values["high"] = values["high"] * 1e6
            number += 1
            yield FrameBatch(values, {"next": number})


def _frames(n_frames: int, generator: torch.Generator) -> torch.Tensor:
    """Sums of a few directions, which can be learnt, about a middle that is not 0."""
    directions = torch.randn(16, D_IN, generator=torch.Generator().manual_seed(1))
    strengths = torch.rand(n_frames, 16, generator=generator) * (torch.rand(n_frames, 16, generator=generator) < 0.15)
    return strengths @ directions + 1


def tasks(coder: str = "batchtopk", **changes: object) -> list[Task]:
    settings = CoderSettings(coder, D_IN, 24, k=3, **changes)  # type: ignore[arg-type]
    return [Task("one", "low", settings), Task("other", "high", settings)]


def weights(trained: Trained) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{weight}": value
        for name, dictionary in trained.dictionaries.items()
        for weight, value in dictionary.weights.items()
    }


def files(folder: Path) -> dict[str, bytes]:
    """Every file in a folder but those that hold times."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix == ".safetensors"
    }
