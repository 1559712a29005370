"""One tiny random checkpoint for every test of the room that only reads it, and no way out to the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.tiny import tiny_whisper_folder


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
