from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from otoscope.base.errors import ModelError
from otoscope.model.checkpoints.names import to_transformers_name
from otoscope.model.load import load
from tests.model.openai_twin import OpenAITwin, twin_dims
from tests.model.tiny import tiny_tokenizer


class Payload:
    """What an attacker would put into a checkpoint: unpickled, it makes a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


def write(path: Path, checkpoint: Any) -> Path:
    torch.save(checkpoint, path)
    return path


@pytest.mark.parametrize(("n_vocab", "n_mels"), [(51_864, 80), (51_865, 80), (51_866, 128)])
def test_a_pt_file_computes_what_openais_layers_compute(tmp_path: Path, n_vocab: int, n_mels: int) -> None:
    twin = OpenAITwin(twin_dims(n_vocab, n_mels=n_mels)).eval()
    model = load(write(tmp_path / "x.pt", twin.checkpoint()))
    mel, tokens = torch.randn(2, n_mels, 100), torch.randint(0, n_vocab, (2, 7))
    with torch.no_grad():
        expected = twin(mel, tokens)
        got = model.hf(mel, decoder_input_ids=tokens, use_cache=False).logits
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)
    assert model.hf.proj_out.weight is model.hf.model.decoder.embed_tokens.weight


def test_half_precision_files_are_run_in_float32_unless_asked(tmp_path: Path) -> None:
    twin = OpenAITwin(twin_dims(51_865)).half()
    path = write(tmp_path / "x.pt", twin.checkpoint())
    assert load(path).hf.dtype == torch.float32
    assert load(path, dtype="bfloat16").hf.dtype == torch.bfloat16


def test_the_same_weights_have_one_hash_in_both_layouts_and_in_half_precision(tmp_path: Path) -> None:
    twin = OpenAITwin(twin_dims(51_865)).half()
    half = load(write(tmp_path / "half.pt", twin.checkpoint()))
    full = load(write(tmp_path / "full.pt", twin.float().checkpoint()))
    half.hf.save_pretrained(tmp_path / "folder")
    folder = load(tmp_path / "folder")
    assert half.weights_hash == full.weights_hash == folder.weights_hash
    assert len(half.weights_hash) == 16
    other = load(write(tmp_path / "other.pt", OpenAITwin(twin_dims(51_865), seed=1).checkpoint()))
    assert other.weights_hash != half.weights_hash


@pytest.mark.parametrize("kind", ["bare pickle", "torch file", "inside the state dict", "legacy torch file"])
def test_a_pickle_that_carries_code_is_refused_and_not_run(tmp_path: Path, kind: str) -> None:
    target, path = tmp_path / "made-by-the-payload", tmp_path / "evil.pt"
    payload = Payload(target)
    if kind == "bare pickle":
        path.write_bytes(pickle.dumps({"dims": {}, "model_state_dict": payload}))
    elif kind == "torch file":
        torch.save(payload, path)
    elif kind == "inside the state dict":
        checkpoint: dict[str, Any] = OpenAITwin(twin_dims(51_865)).checkpoint()
        checkpoint["model_state_dict"]["encoder.conv1.weight"] = payload
        torch.save(checkpoint, path)
    else:
        torch.save({"dims": payload}, path, _use_new_zipfile_serialization=False)
    asked = "more than data" if kind == "bare pickle" else r"run or build \w+\.mkdir"
    with pytest.raises(
        ModelError, match=rf"carries code.*it asks (for |to ){asked}\): refused, and none of it was run"
    ):
        load(path)
    assert not target.exists()


def test_a_cut_file_an_empty_file_and_a_text_are_called_damaged(tmp_path: Path) -> None:
    whole = write(tmp_path / "x.pt", OpenAITwin(twin_dims(51_865)).checkpoint()).read_bytes()
    for name, content in {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"hello there, this is text"}.items():
        path = tmp_path / f"{name}.pt"
        path.write_bytes(content)
        with pytest.raises(ModelError, match=rf"{name}\.pt' \({len(content)} bytes\) cannot be read as a torch file"):
            load(path)


def test_other_contents_are_told_apart(tmp_path: Path) -> None:
    good = OpenAITwin(twin_dims(51_865)).checkpoint()
    state, dims = good["model_state_dict"], good["dims"]
    cases: dict[str, Any] = {
        r"0\.pt holds list, and must hold tensors by name": [1, 2],
        r"1\.pt holds a dict of epoch, loss, and must hold tensors": {"epoch": 1, "loss": 2.0},
        r"how many heads it has, and its width, 16, is not a multiple of 64": state,
        r"must be dicts": {"dims": 3, "model_state_dict": state},
        r"no whole number above 0 for n_mels, n_text_head": {
            "dims": dims | {"n_mels": 0, "n_text_head": "two"},
            "model_state_dict": state,
        },
        r"encoder is 16 wide and its decoder 24": {"dims": dims | {"n_text_state": 24}, "model_state_dict": state},
        r"note in its model_state_dict is not a tensor": {"dims": dims, "model_state_dict": state | {"note": "hi"}},
        r"1 not Whisper's \(decoder\.blocks\.0\.attn\.gate\.weight\)": {
            "dims": dims,
            "model_state_dict": state | {"decoder.blocks.0.attn.gate.weight": torch.zeros(2)},
        },
        r"1 missing \(model\.encoder\.conv2\.bias\)": {
            "dims": dims,
            "model_state_dict": {k: v for k, v in state.items() if k != "encoder.conv2.bias"},
        },
        r"conv1\.weight is \[16, 80, 3\], not \[16, 128, 3\]": {
            "dims": dims | {"n_mels": 128},
            "model_state_dict": state,
        },
        r"config says 3 encoder blocks and its weights hold 2": {
            "dims": dims | {"n_audio_layer": 3},
            "model_state_dict": state,
        },
        r"1 of \d+ tensors hold NaN or infinite values \(model\.decoder\.layer_norm\.bias\)": {
            "dims": dims,
            "model_state_dict": state | {"decoder.ln.bias": torch.full((16,), torch.nan)},
        },
    }
    for i, (message, content) in enumerate(cases.items()):
        with pytest.raises(ModelError, match=message):
            load(write(tmp_path / f"{i}.pt", content))


def test_every_tensor_name_is_mapped_and_strange_names_are_left(tmp_path: Path) -> None:
    names = OpenAITwin(twin_dims(51_865)).state_dict()
    mapped = {to_transformers_name(name) for name in names}
    assert len(mapped) == len(names)
    assert all(name.startswith("model.") for name in mapped)
    strange = ["encoder.blocks.0.mlp.1.weight", "encoder.blocks.x.attn.query.weight", "optimizer", "decoder.conv1.bias"]
    for name in strange:
        assert to_transformers_name(name) == name


@pytest.mark.parametrize(
    ("n_vocab", "n_mels", "known"),
    [
        (51_864, 80, {"eos": 50256, "start": 50257, "no_timestamps": 50362, "transcribe": None}),
        (51_865, 80, {"eos": 50257, "start": 50258, "no_timestamps": 50363, "transcribe": 50359}),
        (51_866, 128, {"eos": 50257, "start": 50258, "no_timestamps": 50364, "transcribe": 50360}),
    ],
)
def test_without_a_tokenizer_the_ids_of_the_releases_are_known(
    tmp_path: Path, n_vocab: int, n_mels: int, known: dict[str, int | None]
) -> None:
    model = load(write(tmp_path / "x.pt", OpenAITwin(twin_dims(n_vocab, n_mels=n_mels)).checkpoint()))
    settings = model.hf.generation_config
    assert settings.eos_token_id == known["eos"]
    assert settings.decoder_start_token_id == known["start"]
    assert settings.no_timestamps_token_id == known["no_timestamps"]
    assert settings.is_multilingual == (known["transcribe"] is not None)
    if known["transcribe"] is not None:
        assert settings.task_to_id["transcribe"] == known["transcribe"]
        assert settings.lang_to_id["<|en|>"] == 50259
        assert len(settings.lang_to_id) == n_vocab - 51_766
    assert settings.alignment_heads == [[1, 0], [1, 1]]
    assert settings.begin_suppress_tokens == [220, known["eos"]]
    assert known["start"] in settings.suppress_tokens and max(settings.suppress_tokens) < known["no_timestamps"]
    with pytest.raises(ModelError, match="tokenizer"):
        _ = model.tokenizer


def test_a_tokenizer_beside_the_file_is_used_if_it_fits(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    path = write(tmp_path / "tuned.pt", OpenAITwin(twin_dims(len(tokenizer))).checkpoint())
    with pytest.raises(ModelError, match=r"vocabulary of 1929 tokens needs its tokenizer.*tokenizer\.json"):
        load(path)
    tokenizer.save_pretrained(tmp_path)
    assert load(path).tokenizer.get_vocab() == tokenizer.get_vocab()
    real = load(write(tmp_path / "real.pt", OpenAITwin(twin_dims(51_865)).checkpoint()))
    with pytest.raises(ModelError, match="tokenizer"):  # the one that lies there is for another vocabulary
        _ = real.tokenizer
    shutil.rmtree(tmp_path)


def test_a_short_pt_name_says_that_the_file_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.pt': there is no such file"):
        load(tmp_path / "absent.pt")
