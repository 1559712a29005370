from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from otoscope.model.generation import forced_logits
from otoscope.model.held import HeldWindow
from otoscope.model.whisper import Whisper
from otoscope.study.words.perturbation import silenced
from tests.model.lively import lively, noise

IDS = [3, 5, 7, 9, 11]
STRETCHES = [(2, 12), (20, 31), (0, 40)]


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return lively()


@pytest.fixture(scope="module")
def mel(whisper: Whisper) -> Tensor:
    return whisper.windows(noise(0.9)).mel


def run_whole(model: Whisper, mels: Tensor) -> Tensor:
    return forced_logits(model, model.encode_mel(mels), torch.tensor([IDS]).expand(len(mels), -1))


def test_a_window_of_which_nothing_is_held_is_run_as_the_model_runs_it(whisper: Whisper, mel: Tensor) -> None:
    mels = silenced(mel, STRETCHES)
    found = HeldWindow(whisper, mel, whisper.n_frames).logits(mels, IDS, 1)
    torch.testing.assert_close(found, run_whole(whisper, mels)[:, 1:], atol=1e-4, rtol=1e-4)


def test_frames_that_are_held_keep_their_residual_stream_in_every_block(whisper: Whisper, mel: Tensor) -> None:
    stop, mels = 50, silenced(mel, STRETCHES)
    blocks = [f"encoder.blocks.{block}" for block in range(whisper.n_encoder_blocks)]
    held = whisper.activations(noise(0.9), blocks)

    def hold(block: str):
        return lambda x: torch.cat([x[:, :stop], held[block][:, stop:].expand(len(x), -1, -1)], dim=1)

    with whisper.edit({block: hold(block) for block in blocks}):
        expected = run_whole(whisper, mels)
    found = HeldWindow(whisper, mel, stop).logits(mels, IDS, 0)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(found, run_whole(whisper, mels), atol=1e-3)  # holding is not the same as running anew


def test_readings_do_not_see_held_windows(whisper: Whisper, mel: Tensor) -> None:
    with whisper.reading(["encoder.blocks.0", "decoder.blocks.0"]) as tape:
        HeldWindow(whisper, mel, 40).logits(mel, IDS, 0)
        assert not list(tape)


def test_half_precision_is_run_too(mel: Tensor) -> None:
    model = lively()
    model.hf.to(torch.bfloat16)
    found = HeldWindow(model, mel, 50).logits(silenced(mel, STRETCHES), IDS, 2)
    assert found.dtype == torch.float32 and np.isfinite(found.numpy()).all()
