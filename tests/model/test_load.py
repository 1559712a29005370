from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import WhisperForConditionalGeneration

from otoscope.base.errors import InputError, ModelError
from otoscope.model.checkpoint import empty_model
from otoscope.model.load import SHORT_NAMES, load
from tests.model.real_shapes import random_model, real_config, real_tokenizer
from tests.model.tiny import save_folder

CONV = "model.encoder.conv1.weight"


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint, to be spoilt."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def rewrite(path: Path, **changes: Any) -> None:
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not ...}))


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def assert_same_model(ours: WhisperForConditionalGeneration, theirs: WhisperForConditionalGeneration) -> None:
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for (name, left), right in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert torch.equal(left, right) and left.dtype == right.dtype, name


def test_a_folder_loads_as_transformers_loads_it(tiny_folder: Path) -> None:
    model = load(tiny_folder)
    theirs = WhisperForConditionalGeneration.from_pretrained(tiny_folder).eval()
    assert_same_model(model.hf, theirs)
    mel = torch.randn(1, 80, 200)
    asked = {"language": "en", "task": "transcribe", "return_timestamps": True}
    torch.testing.assert_close(model.hf.generate(mel, **asked), theirs.generate(mel, **asked), rtol=0, atol=0)


def test_a_loaded_model_is_ready_to_read_and_asks_no_gradients(tiny_folder: Path) -> None:
    hf = load(str(tiny_folder)).hf
    assert not hf.training
    assert not any(parameter.requires_grad for parameter in hf.parameters())
    assert hf.config._attn_implementation == "sdpa"
    assert hf.proj_out.weight is hf.model.decoder.embed_tokens.weight
    assert not any(tensor.is_meta for tensor in [*hf.parameters(), *hf.buffers()])


def test_the_file_can_be_overwritten_while_the_model_is_in_use(folder: Path) -> None:
    model = load(folder)
    before = model.hf.model.encoder.conv1.weight.clone()
    (folder / "model.safetensors").write_bytes(b"\xff" * 600_000)
    assert torch.equal(model.hf.model.encoder.conv1.weight, before)


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_are_float32_whatever_the_file_holds_unless_asked(folder: Path, stored: torch.dtype) -> None:
    change_weights(folder, lambda weights: weights.update({k: v.to(stored) for k, v in weights.items()}))
    rewrite(folder / "config.json", dtype="float16")
    assert {p.dtype for p in load(folder).hf.parameters()} == {torch.float32}
    assert {p.dtype for p in load(folder, dtype="bfloat16").hf.parameters()} == {torch.bfloat16}


def test_the_hash_follows_the_weights_and_nothing_else(folder: Path, tiny_folder: Path) -> None:
    expected = load(tiny_folder).weights_hash
    assert load(folder, dtype="float16").weights_hash == expected
    theirs = WhisperForConditionalGeneration.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    theirs.save_pretrained(folder, max_shard_size="200KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    sharded = load(folder)
    assert sharded.weights_hash == expected
    assert_same_model(sharded.hf, theirs.eval())
    with torch.no_grad():
        theirs.model.encoder.conv1.bias[0] += 1e-3
    theirs.save_pretrained(folder / "changed")
    shutil.copy(folder / "tokenizer.json", folder / "changed")
    assert load(folder / "changed").weights_hash != expected


def test_older_layouts_load_too(folder: Path) -> None:
    expected = load(folder).weights_hash
    weights = load_file(folder / "model.safetensors")
    save_file({name.removeprefix("model."): w for name, w in weights.items()}, folder / "model.safetensors")
    assert load(folder).weights_hash == expected, "the body alone"
    (folder / "model.safetensors").unlink()
    with_copy = weights | {"proj_out.weight": weights["model.decoder.embed_tokens.weight"].clone()}
    torch.save(with_copy, folder / "pytorch_model.bin")
    assert load(folder).weights_hash == expected, "a .bin with the tied weight twice"


def test_an_untied_output_layer_is_kept(folder: Path) -> None:
    change_weights(folder, lambda weights: weights.update({"proj_out.weight": torch.ones(1929, 32)}))
    with pytest.raises(ModelError, match=r"proj_out\.weight differs from .*tie_word_embeddings to false"):
        load(folder)
    rewrite(folder / "config.json", tie_word_embeddings=False)
    hf = load(folder).hf
    assert torch.equal(hf.proj_out.weight, torch.ones(1929, 32))
    assert not torch.equal(hf.model.decoder.embed_tokens.weight, hf.proj_out.weight)


SPOILT: dict[str, tuple[Callable[[dict[str, torch.Tensor]], object], str]] = {
    "missing": (lambda w: w.pop(CONV), rf"1 missing \({CONV}\)"),
    "four missing": (
        lambda w: [w.pop(f"model.encoder.conv{i}.{kind}") for i in (1, 2) for kind in ("weight", "bias")],
        r"of the \d+ tensors that its config describes, 4 missing \(model.* and 1 more\)",
    ),
    "extra": (lambda w: w.update(extra=torch.ones(1)), r"1 not Whisper's \(extra\)"),
    "misshapen": (
        lambda w: w.update({CONV: torch.ones(32, 128, 3)}),
        rf"1 misshapen \({CONV} is \[32, 128, 3\], not \[32, 80, 3\]\)",
    ),
    "whole numbers": (
        lambda w: w.update({CONV: torch.ones(32, 80, 3, dtype=torch.int8)}),
        rf"1 of a type not read \({CONV} is torch.int8\)",
    ),
    "NaN": (
        lambda w: [w[name][0].fill_(torch.nan) for name in (CONV, "model.decoder.layer_norm.bias")],
        r"2 of \d+ tensors hold NaN or infinite values \(model\.decoder\.layer_norm\.bias, model\.encoder\.conv1",
    ),
    "infinite": (lambda w: w[CONV].view(-1)[5].fill_(-torch.inf), rf"NaN or infinite values \({CONV}\)"),
    "a block short": (
        lambda w: [w.pop(name) for name in list(w) if "encoder.layers.1" in name],
        "config says 2 encoder blocks and its weights hold 1",
    ),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_spoilt_weights_are_refused_by_name_and_number(folder: Path, kind: str) -> None:
    change, message = SPOILT[kind]
    change_weights(folder, change)
    with pytest.raises(ModelError, match=message):
        load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "wav2vec2"}, r"is not a Whisper: model_type is 'wav2vec2'.*must be 'whisper'"),
        ({"model_type": ...}, "model_type is None"),
        ({"d_model": "wide", "encoder_layers": 0}, r"d_model is 'wide', encoder_layers is 0; each must be a whole"),
        ({"decoder_attention_heads": 5}, "no model can be made of its config.*divisible"),
        ({"dropout": "much"}, r"its config\.json is refused"),
        ({"vocab_size": 1000}, "tokenizer has 1929 tokens and its model 1000"),
        ({"activation_function": "shout"}, "no model can be made of its config"),
    ],
)
def test_a_wrong_config_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    rewrite(folder / "config.json", **changes)
    with pytest.raises(ModelError, match=message):
        load(folder)


def test_missing_and_damaged_files_are_named(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"model\.safetensors \(\d+ bytes\) cannot be read as safetensors: it is cut"):
        load(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no weights: model\.safetensors, or shards"):
        load(folder)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}))
    with pytest.raises(ModelError, match=r"2 of 2 shards are missing \(model-1\.safetensors, model-2\.safetensors\)"):
        load(folder)
    index.write_text(json.dumps({"weight_map": {"a": "../elsewhere.safetensors"}}))
    with pytest.raises(ModelError, match=r"names '\.\./elsewhere\.safetensors', which is not a file beside it"):
        load(folder)
    (folder / "generation_config.json").write_text("{")
    (folder / "model.safetensors").write_bytes(whole)
    with pytest.raises(ModelError, match=r"generation_config\.json cannot be read"):
        load(folder)
    (folder / "generation_config.json").write_text("{}")
    (folder / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(ModelError, match=r"tokenizer files in .* cannot be read"):
        load(folder)
    (folder / "config.json").write_text('{"model_type": "whis')
    with pytest.raises(ModelError, match=r"config\.json cannot be read \(Unterminated"):
        load(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(ModelError, match=r"config\.json holds no JSON object"):
        load(folder)
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"has no config\.json .*it holds generation_config\.json, model"):
        load(folder)


def test_a_pickled_folder_that_carries_code_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"weights": print}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="carries code"):
        load(folder)


def test_generation_settings_are_made_where_they_are_missing(folder: Path) -> None:
    expected = load(folder).hf.generation_config.to_dict()
    (folder / "generation_config.json").unlink()
    made = load(folder).hf.generation_config.to_dict()
    assert {name for name in expected if made.get(name) != expected[name]} <= {"transformers_version"}


def test_old_generation_settings_are_completed_and_kept_where_they_speak(folder: Path) -> None:
    old = {"max_length": 20, "alignment_heads": [[0, 1]], "forced_decoder_ids": [[1, None], [2, 422]]}
    (folder / "generation_config.json").write_text(json.dumps(old))
    hf = load(folder).hf
    assert hf.generation_config.max_length == 20
    assert hf.generation_config.alignment_heads == [[0, 1]]
    assert hf.generation_config.lang_to_id["<|en|>"] == 322
    said = hf.generate(torch.randn(1, 80, 200), language="en", task="transcribe")
    assert said.shape[1] <= 20


def test_settings_of_the_first_releases_stand_in_config_json(folder: Path) -> None:
    (folder / "generation_config.json").unlink()
    rewrite(folder / "config.json", suppress_tokens=[5, 6], begin_suppress_tokens=[7], max_length=448)
    settings = load(folder).hf.generation_config
    assert settings.suppress_tokens == [5, 6]
    assert settings.begin_suppress_tokens == [7]
    assert settings.max_length == 64


def test_a_folder_without_a_tokenizer_loads_and_only_text_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    model = load(folder)
    assert model.hf.config.vocab_size == 1929
    with pytest.raises(ModelError, match="tokenizer"):
        _ = model.tokenizer


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:1", ""])
def test_an_unknown_device_is_refused(device: str) -> None:
    with pytest.raises(InputError, match=r"is not one of auto, cpu, cuda, cuda:N"):
        load("nowhere", device=device)


def test_cuda_is_refused_where_there_is_none_and_auto_falls_back(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"device 'cuda' is not there: .* sees 0 CUDA devices.*cpu or auto"):
        load(tiny_folder, device="cuda")
    assert load(tiny_folder).device.type == "cpu"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_auto_takes_the_gpu(tiny_folder: Path) -> None:
    assert load(tiny_folder).device.type == "cuda"
    assert load(tiny_folder, device="cuda:0", dtype="bfloat16").hf.dtype == torch.bfloat16


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(InputError, match=r"dtype 'int8' is not one of float32, float16, bfloat16"):
        load("nowhere", dtype="int8")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("./nowhere", r"'\./nowhere': there is no such file or folder\. .*'demo', a folder"),
        (Path("nowhere"), "there is no such file or folder"),
        ("models/mine.pt", "there is no such file or folder"),
        ("tinyy", "Did you mean 'tiny'"),
        ("", "is not a name or a path"),
        (3, "3 is not a name or a path"),
    ],
)
def test_a_source_that_is_nothing_says_what_can_be_given(source: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(source)


def test_the_weights_file_of_a_folder_stands_for_the_folder(tiny_folder: Path) -> None:
    file = load(tiny_folder / "model.safetensors")
    assert_same_model(file.hf, load(tiny_folder).hf)
    assert file.tokenizer.get_vocab() == load(tiny_folder).tokenizer.get_vocab()
    with pytest.raises(ModelError, match=rf"Give the folder that holds it, '{tiny_folder}'"):
        load(tiny_folder / "config.json")


def test_a_short_name_goes_before_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"'openai/whisper-tiny' is not in the cache"):
        load("tiny")
    with pytest.raises(ModelError, match=r"checkpoint '\./tiny' has no config\.json"):
        load("./tiny")


def test_the_demo_model_is_the_folder_in_the_package(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    with pytest.raises(ModelError, match=r"the demo model is not in this installation .*otoscope\.demo\.train"):
        load()
    shutil.copytree(tiny_folder, tmp_path / "demo" / "model")
    model = load()
    assert model.id == "demo"
    assert model.weights_hash == load(tiny_folder).weights_hash


def test_short_names_are_public() -> None:
    assert SHORT_NAMES["turbo"] == "openai/whisper-large-v3-turbo"


@pytest.mark.parametrize(
    ("name", "changes"),
    [("tiny", {}), ("tiny.en", {}), ("base", {}), ("large-v3-turbo", {"encoder_layers": 1, "decoder_layers": 1})],
)
def test_the_shapes_of_the_releases_load_and_run(tmp_path: Path, name: str, changes: dict[str, int]) -> None:
    config = real_config(name, **changes)
    made = random_model(config)
    tokenizer = real_tokenizer(config.vocab_size)
    save_folder(tmp_path, made, tokenizer)
    (tmp_path / "generation_config.json").unlink()
    model = load(tmp_path)
    assert model.n_mels == (128 if name == "large-v3-turbo" else 80)
    assert model.hf.dtype == torch.float32
    settings = model.hf.generation_config
    assert settings.no_timestamps_token_id == config.vocab_size - 1502
    asked = {"language": "de", "task": "transcribe"} if settings.is_multilingual else {}
    said = model.hf.generate(torch.randn(1, model.n_mels, 3000), max_new_tokens=2, **asked)
    assert said.shape == (1, 2)
    assert not set(said[0].tolist()) & set(settings.suppress_tokens)
    assert isinstance(model.tokenizer.decode(said[0]), str)


def test_the_whole_of_turbo_has_a_structure_to_check_against() -> None:
    model = empty_model(real_config("large-v3-turbo"), "turbo")
    assert all(parameter.is_meta for parameter in model.parameters())
    assert sum(parameter.numel() for parameter in model.parameters()) == 808_878_080
