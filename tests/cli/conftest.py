"""A tiny random model in a folder, recordings of every kind, and a way to run the command line in this process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import soundfile

from otoscope.cli.main import main
from tests.model.tiny import tiny_whisper_folder

if TYPE_CHECKING:
    from tests.cli.places import Places

RATE_HZ = 16_000


class Ran(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random Whisper (2 s window, 2 + 2 blocks, 2 heads) that says little. Read only."""
    return tiny_whisper_folder(tmp_path_factory.mktemp("model") / "tiny", d_model=32, max_tokens=14, seed=1)


@pytest.fixture
def run(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run a command on the tiny model; `{model}` goes where the model is named."""
    handler = signal.getsignal(signal.SIGTERM)

    def run_it(*words: object, model: bool = True) -> Ran:
        line = [str(word) for word in words]
        capsys.readouterr()
        status = main([*line, "--model", str(model_folder)] if model else line)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ran(status, captured.out, captured.err)

    yield run_it
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(scope="session")
def places(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Paths that the lines of the table tests name; read only."""
    from tests.cli.places import Places

    return Places(tmp_path_factory.mktemp("places"), model_folder)


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Speech, as far as energy tells: noise in the middle, silence at both ends."""
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE_HZ)).astype(np.float32)
    edge = len(samples) // 5
    samples[:edge] *= 1e-4
    samples[-edge:] *= 1e-4
    return samples


def write(path: Path, samples: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT" if path.suffix == ".wav" else None)
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """One good recording, 1.5 s long."""
    return write(tmp_path / "talk.wav", noise(1.5))


def make_folder(path: Path) -> Path:
    """Make two good recordings, one with a transcript beside it, the other longer than the model's window."""
    write(path / "one.wav", noise(1.0, 1))
    write(path / "deep" / "two.flac", noise(2.5, 2) * 0.5)
    (path / "one.txt").write_text("hello there")
    return path


def make_mixed(path: Path) -> Path:
    """Make the same with an empty file and one that is no recording."""
    make_folder(path)
    (path / "empty.wav").touch()
    (path / "text.wav").write_text("this is no sound at all")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "talks")


@pytest.fixture
def mixed_folder(tmp_path: Path) -> Path:
    return make_mixed(tmp_path / "talks")
