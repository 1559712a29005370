from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from otoscope.base.errors import ModelError
from otoscope.model.load import load
from tests.model.checkpoints.conftest import Original, assert_equal_weights
from tests.model.checkpoints.twins import write_mlx


@pytest.mark.parametrize("file", ["weights.safetensors", "model.safetensors", "weights.npz"])
def test_every_file_loads_to_equal_weights(original: Original, tmp_path: Path, file: str) -> None:
    loaded = load(write_mlx(tmp_path, *original, file))
    assert_equal_weights(loaded, original)
    assert loaded.tokenizer.get_vocab() == original.tokenizer.get_vocab()


def test_alignment_heads_among_the_tensors_are_used(original: Original, tmp_path: Path) -> None:
    folder = write_mlx(tmp_path, *original)
    state = load_file(folder / "weights.safetensors") | {"alignment_heads": torch.tensor([[1, 1]])}
    save_file(state, folder / "weights.safetensors")
    assert load(folder).hf.generation_config.alignment_heads == [[1, 1]]


@pytest.mark.parametrize(("bits", "steps"), [(8, 1 / 255), (4, 1 / 15), (2, 1 / 3)])
def test_packed_weights_load_to_within_half_a_step(original: Original, tmp_path: Path, bits: int, steps: float) -> None:
    loaded = load(write_mlx(tmp_path, *original, bits=bits))
    assert_equal_weights(loaded, original, exact=False, steps=1.001 * steps)
    assert loaded.notes == (f"its weights are stored in {bits} bits with scales: close to the original's, not equal",)


def test_what_is_missing_or_spoilt_is_named(original: Original, tmp_path: Path) -> None:
    folder = write_mlx(tmp_path, *original, bits=8)
    file = folder / "weights.safetensors"
    whole = load_file(file)
    stem = "decoder.blocks.1.attn.key"
    save_file({name: tensor for name, tensor in whole.items() if name != f"{stem}.biases"}, file)
    with pytest.raises(ModelError, match=rf"scales and biases of '{stem}\.weight' are missing, and must be \[32, 1\]"):
        load(folder)
    save_file(whole | {f"{stem}.scales": torch.ones(32, 3)}, file)
    with pytest.raises(ModelError, match=rf"scales and biases of '{stem}\.weight' are \[32, 3\] and \[32, 1\]"):
        load(folder)
    save_file(whole | {"decoder.ln.bias": torch.full((32,), torch.nan)}, file)
    with pytest.raises(ModelError, match=r"NaN or infinite values \(model\.decoder\.layer_norm\.bias\)"):
        load(folder)
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(told | {"quantization": {"group_size": 32, "bits": 3}}))
    with pytest.raises(
        ModelError, match=r"is quantised, and its config\.json says .*only groups.*2, 4, 8 bits can be read"
    ):
        load(folder)
    (folder / "config.json").write_text(json.dumps(told | {"n_text_head": 0}))
    with pytest.raises(ModelError, match="no whole number above 0 for n_text_head"):
        load(folder)
    file.unlink()
    with pytest.raises(ModelError, match="is an MLX folder without weights: one of weights.safetensors"):
        load(folder)
    np.savez(folder / "weights.npz", a=np.array([{}], dtype=object))
    with pytest.raises(ModelError, match=r"weights\.npz .* cannot be read as npz"):
        load(folder)
