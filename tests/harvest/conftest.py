"""A tiny random Whisper and a small folder of recordings with phones in time. Read only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from otoscope.corpus.alignment import write_textgrid
from tests.harvest.fake import phones_of
from tests.model.tiny import tiny_whisper_folder

RATE_HZ = 16_000


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 s window, 2 blocks, d_model 32."""
    return tiny_whisper_folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven bursts of noise, some longer than a window, with TextGrids; and one that cannot be read."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    for number, seconds in enumerate((0.7, 2.6, 1.1, 4.2, 0.9, 2.0, 1.4)):
        time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
        samples = rng.normal(0, 0.1, len(time)) * (np.sin(2 * np.pi * 1.3 * time) > -0.3) + rng.normal(
            0, 1e-5, len(time)
        )
        path = folder / f"talk{number}.wav"
        soundfile.write(path, samples.astype(np.float32), RATE_HZ, subtype="FLOAT")
        if number != 2:
            write_textgrid(path.with_suffix(".TextGrid"), None, phones(rng, seconds), seconds)
    (folder / "talk7.wav").touch()
    return folder


def phones(rng: np.random.Generator, seconds: float) -> list:
    spans = phones_of(rng, int(seconds / 0.02))
    return [span for span in spans if span.end_s < seconds]
