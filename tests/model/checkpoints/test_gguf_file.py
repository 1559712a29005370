from __future__ import annotations

from pathlib import Path

import pytest

from otoscope.base.errors import ModelError
from otoscope.model.load import load
from tests.model.checkpoints.conftest import Original, assert_equal_weights
from tests.model.checkpoints.twins import body, openai_state, write_gguf

pytest.importorskip("gguf", reason="gguf is not installed")

HEADS = {"whisper.encoder.attention.head_count": 2, "whisper.decoder.attention.head_count": 2}


@pytest.mark.parametrize("names", ["transformers", "openai"])
def test_both_ways_of_naming_load_to_equal_weights(original: Original, tmp_path: Path, names: str) -> None:
    state = body(original.model) if names == "transformers" else openai_state(original.model)
    original.tokenizer.save_pretrained(tmp_path)
    loaded = load(write_gguf(tmp_path / "x.gguf", state, HEADS))
    assert_equal_weights(loaded, original)
    assert loaded.tokenizer.get_vocab() == original.tokenizer.get_vocab()


def test_quantised_tensors_load_to_within_a_step_and_are_told(original: Original, tmp_path: Path) -> None:
    original.tokenizer.save_pretrained(tmp_path)
    loaded = load(write_gguf(tmp_path / "x.gguf", body(original.model), HEADS, "q8_0"))
    assert_equal_weights(loaded, original, exact=False, steps=0.6 / 127)
    assert loaded.notes == ("its weights are stored as q8_0: close to the original's, not equal",)


def test_the_config_beside_the_file_tells_the_heads(original: Original, tmp_path: Path) -> None:
    original.tokenizer.save_pretrained(tmp_path)
    path = write_gguf(tmp_path / "x.gguf", body(original.model))
    with pytest.raises(
        ModelError, match=r"does not say how many heads it has, and its width, 32, is not a multiple of"
    ):
        load(path)
    original.model.config.save_pretrained(tmp_path)
    assert_equal_weights(load(path), original)


def test_another_model_and_a_damaged_file_are_refused(original: Original, tmp_path: Path) -> None:
    state = {f"blk.0.{name}": tensor for name, tensor in body(original.model).items()}
    path = write_gguf(tmp_path / "x.gguf", state, architecture="llama")
    with pytest.raises(ModelError, match=r"of the architecture 'llama' whose tensors are not a Whisper's.*blk\.0"):
        load(path)
    whole = path.read_bytes()
    for cut in (whole[: len(whole) // 2], whole[:20]):
        path.write_bytes(cut)
        with pytest.raises(ModelError, match=r"x\.gguf \(\d+ bytes\) cannot be read as GGUF: it is cut short"):
            load(path)
