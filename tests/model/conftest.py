"""One tiny random checkpoint for every test of the room that only reads it, and no way out to the network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import WhisperForConditionalGeneration

from otoscope.model.whisper import Whisper
from tests.model.tiny import tiny_hf, tiny_tokenizer, tiny_whisper_folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random Whisper (2 s window, 2 + 2 blocks, 2 heads, d_model 32, 80 mels). Read only."""
    return tiny_whisper_folder(tmp_path_factory.mktemp("tiny_whisper"))


@pytest.fixture(autouse=True)
def empty_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the Hugging Face cache at an empty folder and forbid downloads, whatever this machine holds."""
    from huggingface_hub import constants

    cache = tmp_path_factory.mktemp("hub_cache")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return cache


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    tokenizer = tiny_tokenizer()
    return Whisper(tiny_hf(tokenizer), tokenizer, id="tiny", weights_hash="0")


@pytest.fixture(scope="module")
def mel() -> Tensor:
    return torch.randn(2, 80, 200, generator=torch.Generator().manual_seed(1))


def hooks_of(hf: WhisperForConditionalGeneration) -> list[object]:
    """Everything a reading could leave behind."""
    left: list[object] = [sorted(vars(hf)), hf.training, hf.config._attn_implementation]
    for module in hf.modules():
        tables = (module._forward_hooks, module._forward_pre_hooks, module._forward_hooks_with_kwargs)
        left += [list(table) for table in tables] + [id(vars(module).get("config"))]
    return left


@pytest.fixture
def nothing_is_left(whisper: Whisper) -> Iterator[None]:
    """For modules that read or change the model: afterwards it is as it was."""
    before = hooks_of(whisper.hf)
    weights = {name: weight.clone() for name, weight in whisper.hf.state_dict().items()}
    yield
    assert hooks_of(whisper.hf) == before
    assert all(torch.equal(weight, weights[name]) for name, weight in whisper.hf.state_dict().items())
