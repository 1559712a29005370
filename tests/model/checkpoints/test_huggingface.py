"""Folders and files as trainers and downloads leave them: all hold one model, and load to it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from otoscope.base.errors import ModelError
from otoscope.model.load import load
from tests.model.checkpoints.conftest import Original, assert_equal_weights
from tests.model.checkpoints.twins import State, body, openai_dims, openai_state
from tests.model.hub_server import COMMIT
from tests.model.real_shapes import random_model, real_config, real_tokenizer
from tests.model.tiny import save_folder


@pytest.fixture
def folder(original: Original, tmp_path: Path) -> Path:
    return save_folder(tmp_path / "model", *original)


@pytest.fixture
def bare(folder: Path) -> Path:
    """The folder without its weights."""
    (folder / "model.safetensors").unlink()
    return folder


def without_model(state: State) -> State:
    return {name.removeprefix("model."): tensor for name, tensor in state.items()}


PREFIXES = {
    "torch.compile": lambda name: f"_orig_mod.{name}",
    "torch.compile of the blocks": lambda name: re.sub(r"(layers\.\d\.)", r"\1_orig_mod.", name),
    "DataParallel": lambda name: f"module.{name}",
    "compiled DataParallel": lambda name: f"module._orig_mod.{name}",
    "Lightning": lambda name: f"model.{name}",
    "PEFT": lambda name: f"base_model.model.{name}",
    "FSDP": lambda name: f"_fsdp_wrapped_module.{name.replace('self_attn.', 'self_attn._fsdp_wrapped_module.')}",
}


@pytest.mark.parametrize("wrapper", PREFIXES)
@pytest.mark.parametrize("names", ["whole", "body", "openai"])
def test_the_prefixes_of_wrappers_are_taken_away(original: Original, bare: Path, wrapper: str, names: str) -> None:
    state = body(original.model)
    state = {"whole": state, "body": without_model(state), "openai": openai_state(original.model)}[names]
    save_file({PREFIXES[wrapper](name): tensor for name, tensor in state.items()}, bare / "model.safetensors")
    assert_equal_weights(load(bare), original)


def test_a_tensor_that_comes_twice_is_refused(original: Original, bare: Path) -> None:
    state = body(original.model)
    save_file(state | {f"module.{name}": tensor.clone() for name, tensor in state.items()}, bare / "model.safetensors")
    with pytest.raises(ModelError, match=r"holds one tensor twice, as '.*model\.\w+coder.*' and as '.*model\.\w+coder"):
        load(bare)


@pytest.mark.parametrize(
    "name", ["model.fp16.safetensors", "pytorch_model.bin", "pytorch_model.fp16.bin", "model.safetensors"]
)
def test_every_name_of_the_weights_file_loads(original: Original, bare: Path, name: str) -> None:
    save = save_file if name.endswith("safetensors") else torch.save
    save(body(original.model), bare / name)
    assert_equal_weights(load(bare), original)
    assert_equal_weights(load(bare / name), original)


@pytest.mark.parametrize("stem", ["model", "pytorch_model"])
def test_shards_of_both_kinds_load(original: Original, bare: Path, stem: str) -> None:
    ending = "safetensors" if stem == "model" else "bin"
    state, where = body(original.model), {}
    for i in (1, 2):
        shard = {name: tensor for j, (name, tensor) in enumerate(state.items()) if j % 2 == i - 1}
        file = f"{stem}-0000{i}-of-00002.{ending}"
        (save_file if stem == "model" else torch.save)(shard, bare / file)
        where |= dict.fromkeys(shard, file)
    (bare / f"{stem}.{ending}.index.json").write_text(json.dumps({"weight_map": where}))
    assert_equal_weights(load(bare), original)
    (bare / f"{stem}-00002-of-00002.{ending}").unlink()
    with pytest.raises(ModelError, match=rf"1 of 2 shards are missing \({stem}-00002-of-00002\.{ending}\)"):
        load(bare)


@pytest.mark.parametrize("ending", ["pt", "bin", "ckpt", "safetensors"])
def test_a_bare_state_dict_takes_its_sizes_from_the_config_beside_it(
    original: Original, bare: Path, ending: str
) -> None:
    path = bare / f"best.{ending}"
    (save_file if ending == "safetensors" else torch.save)(without_model(body(original.model)), path)
    loaded = load(path)
    assert_equal_weights(loaded, original)
    assert loaded.tokenizer.get_vocab() == original.tokenizer.get_vocab()


def test_a_checkpoint_of_a_trainer_loads(original: Original, bare: Path) -> None:
    state = {f"model.{name}": tensor for name, tensor in body(original.model).items()}
    lightning = {
        "epoch": 3,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": state,
        "hyper_parameters": {"lr": 1e-5},
    }
    torch.save(lightning, bare / "last.ckpt")
    assert_equal_weights(load(bare / "last.ckpt"), original)
    torch.save({"dims": openai_dims(original.model), "model_state_dict": openai_state(original.model)}, bare / "o.pt")
    assert_equal_weights(load(bare / "o.pt"), original)


def test_without_a_config_the_sizes_of_a_release_are_read_off_the_shapes(tmp_path: Path) -> None:
    made = random_model(real_config("tiny.en"))
    torch.save(dict(body(made).items()), tmp_path / "tuned.pt")
    real_tokenizer(51_864).save_pretrained(tmp_path)
    loaded = load(tmp_path / "tuned.pt")
    assert loaded.n_heads == 6 and loaded.n_encoder_blocks == 4
    assert loaded.hf.generation_config.alignment_heads[:3] == [[1, 0], [2, 0], [2, 5]]
    assert loaded.hf.generation_config.is_multilingual is False
    save_folder(tmp_path / "folder", made, real_tokenizer(51_864))
    (tmp_path / "folder" / "generation_config.json").unlink()
    assert load(tmp_path / "folder").hf.generation_config.alignment_heads == loaded.hf.generation_config.alignment_heads


LAST_HALF = [[0, head] for head in range(6)]


@pytest.mark.parametrize(
    ("blocks", "given", "used"),
    [(1, [[2, 2], [3, 0]], LAST_HALF), (2, [[0, 0], [3, 5]], [[0, 0]]), (1, None, LAST_HALF)],
)
def test_a_distilled_decoder_is_read_at_those_of_its_teachers_heads_that_it_has(
    tmp_path: Path, blocks: int, given: list[list[int]] | None, used: list[list[int]]
) -> None:
    made = random_model(real_config("tiny", decoder_layers=blocks))
    made.generation_config.alignment_heads = given
    loaded = load(save_folder(tmp_path, made, real_tokenizer(51_865)))
    heads = loaded.hf.generation_config.alignment_heads
    assert heads == used
    assert any("those of a larger decoder than its own" in note for note in loaded.notes) == (given is not None)


def test_a_training_checkpoint_takes_what_it_lacks_from_its_base(original: Original, folder: Path) -> None:
    tuned = folder.parent / "checkpoint-500"
    tuned.mkdir()
    save_file(body(original.model), tuned / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (tuned / "config.json").write_text(json.dumps(config | {"_name_or_path": str(folder)}))
    loaded = load(tuned)
    assert loaded.tokenizer.get_vocab() == original.tokenizer.get_vocab()
    assert loaded.notes == (f"it has no tokenizer and no generation settings of its own: taken from {folder}",)
    (tuned / "config.json").write_text(json.dumps(config | {"_name_or_path": "openai/whisper-tiny"}))
    with pytest.raises(ModelError, match="tokenizer"):
        _ = load(tuned).tokenizer
    named = load(tuned, base_model=folder)
    assert named.tokenizer.get_vocab() == original.tokenizer.get_vocab()
    assert named.id == f"{tuned}@{folder}"
    assert named.name == f"{tuned.name}@{folder.name}"
    assert load(named.id).weights_hash == named.weights_hash
    with pytest.raises(ModelError, match=r"is the folder of a training with checkpoint-500, checkpoint-900 in it"):
        (folder.parent / "checkpoint-900").mkdir()
        (folder.parent / "model").rename(folder.parent / "other")
        load(folder.parent)


def test_a_folder_of_the_cache_stands_for_its_snapshot(original: Original, folder: Path, tmp_path: Path) -> None:
    repository = tmp_path / "models--openai--whisper-tiny"
    shutil.copytree(folder, repository / "snapshots" / COMMIT)
    (repository / "snapshots" / "older").mkdir()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    for path in (repository, repository / "snapshots", repository / "snapshots" / COMMIT):
        assert_equal_weights(load(path), original)
    shutil.rmtree(repository / "snapshots" / "older")
    shutil.rmtree(repository / "snapshots" / COMMIT)
    with pytest.raises(ModelError, match="this folder of the cache holds no snapshot"):
        load(repository)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 151061672\n"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"onnx/encoder_model.onnx": b"x"}, r"is for ONNX \(onnx\), which is not read\. Give the PyTorch weights"),
        ({"encoder_model.onnx": b"x"}, r"is for ONNX \(encoder_model\.onnx\)"),
        ({"tf_model.h5": b"x"}, r"is for TensorFlow \(tf_model\.h5\)"),
        ({"saved_model.pb": b"x"}, r"is for TensorFlow \(saved_model\.pb\)"),
        ({"flax_model.msgpack": b"x"}, r"is for Flax \(flax_model\.msgpack\)"),
        ({"model.safetensors": POINTER}, r"model\.safetensors \(\d+ bytes\) is a Git LFS pointer.*git lfs pull"),
        ({"pytorch_model.bin": POINTER}, r"pytorch_model\.bin \(\d+ bytes\) is a Git LFS pointer"),
        ({"model.bin": POINTER}, r"model\.bin \(\d+ bytes\) is a Git LFS pointer"),
    ],
)
@pytest.mark.parametrize("with_config", [True, False])
def test_what_is_not_read_is_refused_by_name(
    bare: Path, files: dict[str, bytes], message: str, with_config: bool
) -> None:
    for name, content in files.items():
        (bare / name).parent.mkdir(exist_ok=True)
        (bare / name).write_bytes(content)
    if not with_config and "model.safetensors" not in files and "pytorch_model.bin" not in files:
        (bare / "config.json").unlink()
    with pytest.raises(ModelError, match=message):
        load(bare)


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"quant_method": "awq", "bits": 4}, "AWQ"),
        ({"quant_method": "gptq", "bits": 4}, "GPTQ"),
        ({"load_in_8bit": True}, "bitsandbytes"),
        ({"quant_method": "bitsandbytes"}, "bitsandbytes"),
    ],
)
def test_quantised_checkpoints_are_refused_by_the_name_of_their_method(
    folder: Path, told: dict[str, object], name: str
) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": told}))
    with pytest.raises(ModelError, match=rf"is quantised by {name} \(quantization_config.*Give the model it was made"):
        load(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.onnx", b"12345678", r"is for ONNX \(x\.onnx\)"),
        ("x.h5", b"\x89HDF", "is for TensorFlow"),
        ("x.msgpack", b"12345678", "is for Flax"),
        ("x.pt", POINTER, "is a Git LFS pointer"),
        ("ggml-x.bin", POINTER, "is a Git LFS pointer"),
        ("x.gguf", POINTER, "is a Git LFS pointer"),
        ("x.gguf", b"<!DOCTYPE html>", "is a web page, not a model"),
        ("x.dat", b"12345678", r"of no format that is known \(it begins with b'12345678'\)"),
        ("x.dat", b"", r"is empty \(0 bytes\)"),
    ],
)
def test_files_of_other_kinds_are_refused_by_name(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load(tmp_path / name)
