from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
import torch

from otoscope.base.errors import ModelError
from otoscope.model.load import load
from tests.model.checkpoints.conftest import Original, assert_equal_weights
from tests.model.checkpoints.twins import openai_state, write_ggml


def test_a_file_loads_to_equal_weights_and_makes_its_tokenizer(original: Original, tmp_path: Path) -> None:
    loaded = load(write_ggml(tmp_path / "ggml-x.bin", *original))
    assert_equal_weights(loaded, original)
    assert loaded.tokenizer.get_vocab() == original.tokenizer.get_vocab()
    text = " the little dog, 日本 celebrities"
    assert loaded.tokenizer.encode(text) == original.tokenizer.encode(text)
    assert loaded.hf.config.decoder_start_token_id == original.model.config.decoder_start_token_id
    assert loaded.notes == ()


@pytest.mark.parametrize(
    ("stored", "steps"),
    [
        ("f16", 2**-11),
        ("q8_0", 0.6 / 127),
        ("q5_0", 1.1 / 16),
        ("q5_1", 1.1 / 31),
        ("q4_0", 1.1 / 8),
        ("q4_1", 1.1 / 15),
    ],
)
def test_fewer_bits_load_to_within_a_step(original: Original, tmp_path: Path, stored: str, steps: float) -> None:
    if stored != "f16":
        pytest.importorskip("gguf", reason="gguf is not installed")
    loaded = load(write_ggml(tmp_path / "ggml-x.bin", *original, stored))
    assert_equal_weights(loaded, original, exact=False, steps=steps)
    quantised = (f"its weights are stored as {stored}: close to the original's, not equal",)
    assert loaded.notes == (() if stored == "f16" else quantised)


def test_old_versions_of_quantised_layouts_are_refused_or_told(original: Original, tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="gguf is not installed")
    with pytest.raises(ModelError, match=r"quantised in version 1 of ggml's layouts, and version 2 is read"):
        load(write_ggml(tmp_path / "ggml-x.bin", *original, "q8_0", version=1))
    loaded = load(write_ggml(tmp_path / "ggml-x.bin", *original, "q8_0", version=0))
    assert "names no version of its quantised layouts" in loaded.notes[1]


def test_without_gguf_quantised_files_say_what_to_install(
    original: Original, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gguf", reason="gguf is not installed")
    path = write_ggml(tmp_path / "ggml-x.bin", *original, "q8_0")
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ModelError, match=r"pip install 'otoscope\[gguf\]'"):
        load(path)
    assert_equal_weights(load(write_ggml(tmp_path / "ggml-y.bin", *original)), original)


NAME = "decoder.blocks.1.cross_attn.key.weight"
THEIRS = r"model\.decoder\.layers\.1\.encoder_attn\.k_proj\.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop(NAME), rf"1 missing \({THEIRS}\)"),
        (lambda s: s.update(extra=torch.ones(2)), r"1 not Whisper's \(extra\)"),
        (lambda s: s.update({NAME: torch.ones(32, 31)}), rf"1 misshapen \({THEIRS} is \[32, 31\], not \[32, 32\]"),
        (lambda s: s.update({NAME: torch.full((32, 32), torch.nan)}), rf"hold NaN or infinite values \({THEIRS}\)"),
    ],
)
def test_spoilt_tensors_are_named(original: Original, tmp_path: Path, change: object, message: str) -> None:
    state = openai_state(original.model)
    change(state)  # type: ignore[operator]
    with pytest.raises(ModelError, match=message):
        load(write_ggml(tmp_path / "ggml-x.bin", *original, state=state))


def test_damaged_files_say_where_they_end(original: Original, tmp_path: Path) -> None:
    path = write_ggml(tmp_path / "ggml-x.bin", *original)
    whole = path.read_bytes()
    first = whole.index(b"encoder.conv1.weight")
    cases = {
        r"is cut short or damaged: it ends within tensor 'decoder\.token_embedding": whole[: len(whole) // 2],
        r"is cut short or damaged: it ends within its header": whole[:30],
        r"what follows tensor '[a-z.]+' is not a tensor": whole + b"12",
        r"is a ggml file, but not a Whisper: its header says": whole[:4] + struct.pack("<i", -3) + whole[8:],
        r"what follows its vocabulary is not a tensor": whole[: first - 24] + b"\xff" * 24 + whole[first:],
    }
    for message, content in cases.items():
        path.write_bytes(content)
        with pytest.raises(ModelError, match=message):
            load(path)


def test_a_vocabulary_of_another_size_makes_no_tokenizer(original: Original, tmp_path: Path) -> None:
    path = write_ggml(tmp_path / "ggml-x.bin", *original, n_text=300)
    with pytest.raises(ModelError, match=r"vocabulary of 1929 tokens needs its tokenizer"):
        load(path)
