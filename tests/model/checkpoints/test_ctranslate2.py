from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from otoscope.base.errors import ModelError
from otoscope.model.load import load
from tests.model.checkpoints.conftest import Original, assert_equal_weights
from tests.model.checkpoints.twins import ct2_variables, write_ct2, write_ct2_file
from tests.released import TINY_EN, model_folder, released


def test_a_folder_loads_to_equal_weights_tokens_and_settings(original: Original, tmp_path: Path) -> None:
    loaded = load(write_ct2(tmp_path / "ct2", *original))
    assert_equal_weights(loaded, original)
    assert loaded.tokenizer.get_vocab() == original.tokenizer.get_vocab()
    assert loaded.hf.config.encoder_attention_heads == 2
    settings = loaded.hf.generation_config
    assert settings.suppress_tokens == [5, 6] and settings.begin_suppress_tokens == [7]
    assert settings.alignment_heads == original.model.generation_config.alignment_heads
    assert settings.lang_to_id == original.model.generation_config.lang_to_id
    assert settings.decoder_start_token_id == original.tokenizer.convert_tokens_to_ids("<|startoftranscript|>")
    assert loaded.notes == ()


@pytest.mark.parametrize(
    ("stored", "steps"), [("float16", 2**-11), ("bfloat16", 2**-8), ("int8", 0.5 / 127 * 1.001), ("int16", 2 / 1024)]
)
def test_fewer_bits_load_to_within_half_a_step(original: Original, tmp_path: Path, stored: str, steps: float) -> None:
    loaded = load(write_ct2(tmp_path / "ct2", *original, stored))
    assert_equal_weights(loaded, original, exact=False, steps=steps)
    is_whole = stored.startswith("int")
    assert loaded.notes == (
        (f"its weights are stored as {stored} with scales: close to the original's, not equal",) * is_whole
    )


@pytest.mark.parametrize("stored", ["int8_float16", "int8_bfloat16"])
def test_mixed_precisions_load(original: Original, tmp_path: Path, stored: str) -> None:
    assert_equal_weights(load(write_ct2(tmp_path, *original, stored)), original, exact=False, steps=0.01)


def test_without_tokenizer_files_the_vocabulary_makes_the_tokenizer(original: Original, tmp_path: Path) -> None:
    folder = write_ct2(tmp_path, *original)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    made = load(folder).tokenizer
    assert made.get_vocab() == original.tokenizer.get_vocab()
    text = " the little dog, 日本 celebrities"
    assert made.encode(text) == original.tokenizer.encode(text)


def test_the_file_alone_stands_for_its_folder(original: Original, tmp_path: Path) -> None:
    folder = write_ct2(tmp_path, *original)
    assert load(folder / "model.bin").weights_hash == load(folder).weights_hash


def test_an_aliased_tensor_is_its_targets_and_an_untied_output_is_kept(original: Original, tmp_path: Path) -> None:
    folder, variables = write_ct2(tmp_path, *original), ct2_variables(original.model)
    norm = "encoder/layer_0/ffn/layer_norm/gamma"
    variables[norm] = variables.pop("encoder/layer_1/ffn/layer_norm/gamma")
    variables["decoder/projection/weight"] = variables["decoder/embeddings/weight"] * 2
    write_ct2_file(folder / "model.bin", variables, {"encoder/layer_1/ffn/layer_norm/gamma": norm})
    layers = load(folder).hf.model.encoder.layers
    assert torch.equal(layers[0].final_layer_norm.weight, layers[1].final_layer_norm.weight)
    hf = load(folder).hf
    assert torch.equal(hf.proj_out.weight, 2 * hf.model.decoder.embed_tokens.weight)


NAME = "decoder/layer_1/attention/linear_1/weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop(NAME), r"2 missing \(model\.decoder\.layers\.1\.encoder_attn\.k_proj\.weight"),
        (lambda v: v.update(extra=torch.ones(2)), r"1 not Whisper's \(extra\)"),
        (lambda v: v.update({NAME: torch.ones(64, 31)}), r"2 misshapen \(model\.decoder\.layers\.1.* is \[32, 31\]"),
        (lambda v: v.update({NAME: torch.ones(63, 32)}), rf"tensor '{NAME}' has 63 rows for 2 parts"),
        (
            lambda v: v[NAME].fill_(torch.nan),
            r"2 of \d+ tensors hold NaN or infinite values \(model\.decoder\.layers\.1",
        ),
        (lambda v: v.update({NAME: v[NAME].to(torch.int8)}), rf"tensor '{NAME}_scale' is missing.*needs one .*or 64"),
        (
            lambda v: v.update({NAME: v[NAME].to(torch.int8), f"{NAME}_scale": torch.ones(3)}),
            rf"tensor '{NAME}_scale' is \[3\]",
        ),
        (
            lambda v: v["encoder/layer_0/self_attention/linear_0/bias"].fill_(1.0),
            r"linear_0/bias' has a bias for the keys, and Whisper's keys have none",
        ),
        (lambda v: v["decoder/activation"].fill_(0), r"decoder/activation is 0, and Whisper's is 3 \(GELU\)"),
        (lambda v: v.update({f"{NAME}_zero": torch.ones(2)}), r"quantised by AWQ, which is not read"),
        (lambda v: v.pop("encoder/conv1/weight"), r"model\.encoder\.conv1\.weight is missing, and the sizes"),
    ],
)
def test_spoilt_tensors_are_named(original: Original, tmp_path: Path, change: object, message: str) -> None:
    folder, variables = write_ct2(tmp_path, *original), ct2_variables(original.model)
    change(variables)  # type: ignore[operator]
    write_ct2_file(folder / "model.bin", variables)
    with pytest.raises(ModelError, match=message):
        load(folder)


def test_damaged_files_say_where_they_end(original: Original, tmp_path: Path) -> None:
    folder = write_ct2(tmp_path, *original)
    file = folder / "model.bin"
    whole = file.read_bytes()
    cases = {
        r"is cut short or damaged: it ends within tensor 'decoder/": whole[: len(whole) // 3],
        r"it ends or breaks at its header": whole[:10],
        r"it ends or breaks at its aliases": whole[:-4],
        r"4 bytes follow its last tensor": whole + b"more",
        r"is of CTranslate2's binary version 5, and version 6 is read": b"\x05" + whole[1:],
        r"is a Git LFS pointer, not the weights": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    }
    for message, content in cases.items():
        file.write_bytes(content)
        with pytest.raises(ModelError, match=message):
            load(folder)
    write_ct2_file(file, ct2_variables(original.model), spec="TransformerSpec")
    with pytest.raises(ModelError, match=r"is a CTranslate2 model of the kind 'TransformerSpec'"):
        load(folder)
    write_ct2_file(file, ct2_variables(original.model), {"decoder/projection/weight": "nowhere"})
    with pytest.raises(ModelError, match=r"'decoder/projection/weight' is said to be 'nowhere', which is not there"):
        load(folder)
    file.write_bytes(whole)
    (folder / "config.json").write_text(json.dumps({"suppress_ids": 3}))
    with pytest.raises(ModelError, match=r"suppress_ids in its config\.json is 3, and must be a list"):
        load(folder)


def test_ctranslate2s_own_converter_writes_what_is_read(original: Original, tmp_path: Path, tiny_folder: Path) -> None:
    converters = pytest.importorskip("ctranslate2.converters", reason="ctranslate2 is not installed")
    for stored in (None, "int8", "float16"):
        folder = tmp_path / str(stored)
        converters.TransformersConverter(str(tiny_folder), load_as_float16=False).convert(
            str(folder), quantization=stored
        )
        shutil.copy(tiny_folder / "tokenizer.json", folder)
        loaded, theirs = load(folder), load(tiny_folder)
        if stored is None:
            assert loaded.weights_hash == theirs.weights_hash
        for ours, expected in zip(loaded.hf.parameters(), theirs.hf.parameters(), strict=True):
            torch.testing.assert_close(ours, expected, atol=0.02, rtol=0.01)


@pytest.mark.real
def test_the_released_folder_loads_with_its_own_heads_and_vocabulary(tmp_path: Path) -> None:
    model = released()
    assert model.weights_hash == "27d1ed6c0d8c35db"  # of OpenAI's own file
    assert model.hf.generation_config.alignment_heads[:3] == [[1, 0], [2, 0], [2, 5]]
    for name in ("model.bin", "config.json", "vocabulary.txt"):
        shutil.copy(model_folder(TINY_EN) / name, tmp_path)
    bare = load(tmp_path)
    text = " Café naïve 日本語 don't 1234"
    assert bare.tokenizer.get_vocab() == model.tokenizer.get_vocab()
    assert bare.tokenizer.encode(text) == model.tokenizer.encode(text)
