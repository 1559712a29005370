from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from otoscope.model.load import load
from tests.cli.conftest import Run
from tests.model.checkpoints.twins import openai_dims, openai_state, write_adapter, write_ct2, write_ggml
from tests.model.tiny import tiny_hf, tiny_tokenizer


@pytest.fixture
def machine(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a model in every place that programs keep them in."""
    home, tokenizer = tmp_path / "home", tiny_tokenizer()
    model = tiny_hf(tokenizer, max_tokens=14, seed=1)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("OTOSCOPE_MODELS", str(tmp_path / "mine"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    snapshot = home / "hub" / "models--someone--whisper-tuned" / "snapshots" / "1234"
    shutil.copytree(model_folder, snapshot)
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text("1234")
    other = home / "hub" / "models--someone--bert" / "snapshots" / "1"
    other.mkdir(parents=True)
    (other / "config.json").write_text('{"model_type": "bert"}')
    write_ct2(home / "hub" / "models--Systran--faster-whisper-x" / "snapshots" / "1", model, tokenizer, "float16")
    (home / ".cache" / "whisper").mkdir(parents=True)
    checkpoint = {"dims": openai_dims(model), "model_state_dict": openai_state(model)}
    torch.save(checkpoint, home / ".cache" / "whisper" / "tiny.pt")
    tokenizer.save_pretrained(home / ".cache" / "whisper")
    (home / "whisper.cpp" / "models").mkdir(parents=True)
    write_ggml(home / "whisper.cpp" / "models" / "ggml-x.bin", model, tokenizer)
    (tmp_path / "mine").mkdir()
    broken = Path(shutil.copytree(model_folder, tmp_path / "mine" / "broken"))
    (broken / "model.safetensors").write_bytes(b"short")
    return home


def test_every_place_is_listed_and_every_name_loads(run: Run, machine: Path) -> None:
    ran = run("models", "--json", model=False)
    assert ran.status == 0
    found = {row["name"]: row for row in json.loads(ran.out)["models"]}
    assert {name: (row["format"], row["precision"], row["loads"]) for name, row in found.items()} == {
        "someone/whisper-tuned": ("Hugging Face", "float32", True),
        "Systran/faster-whisper-x": ("CTranslate2", "float16", True),
        "tiny.pt": ("OpenAI", "float32", True),
        "ggml-x.bin": ("whisper.cpp", "float32", True),
        "broken": (None, None, False),
    }
    assert "cannot be read as safetensors" in found["broken"]["problem"]
    assert found["tiny.pt"]["size_bytes"] == (machine / ".cache" / "whisper" / "tiny.pt").stat().st_size
    expected = sum(parameter.numel() for parameter in tiny_hf(max_tokens=14).parameters())
    assert found["ggml-x.bin"]["parameters"] == found["tiny.pt"]["parameters"] == expected
    for name, row in found.items():
        if row["loads"]:
            assert load(name).d_model == 32


def test_the_table_says_what_does_not_load(run: Run, machine: Path) -> None:
    ran = run("models", model=False)
    rows = {line.split()[0]: line for line in ran.out.splitlines()}
    assert rows["tiny.pt"].endswith("yes") and rows["broken"].endswith("no")
    assert "bert" not in ran.out
    assert "broken: checkpoint" in ran.err and "5 models on this machine" in ran.err


def test_openais_own_file_stands_for_a_short_name(machine: Path) -> None:
    assert load("tiny").weights_hash == load(machine / ".cache" / "whisper" / "tiny.pt").weights_hash


def test_a_name_that_comes_twice_is_listed_by_its_path(run: Run, machine: Path, tmp_path: Path) -> None:
    shutil.copy(machine / "whisper.cpp" / "models" / "ggml-x.bin", tmp_path / "mine" / "ggml-x.bin")
    names = [row["name"] for row in json.loads(run("models", "--json", model=False).out)["models"]]
    assert names.count("ggml-x.bin") == 1 and str(machine / "whisper.cpp" / "models" / "ggml-x.bin") in names


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    module = "model.encoder.layers.0.self_attn.q_proj"
    factors = {f"{module}.lora_A.weight": torch.ones(4, 32), f"{module}.lora_B.weight": torch.ones(32, 4)}
    return write_adapter(tmp_path / "adapter", factors, "someone/absent")


def test_a_folder_that_is_looked_through_twice_lists_its_models_once(
    run: Run, machine: Path, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(model_folder, tmp_path / "models" / "mine")
    monkeypatch.setenv("OTOSCOPE_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)  # the folder "models" of where one stands is looked through, too
    found = [row["name"] for row in json.loads(run("models", "--json", model=False).out)["models"]]
    assert [name for name in found if name.endswith("mine")] == ["mine"]


def test_an_adapter_is_merged_into_the_base_model_of_any_command(run: Run, adapter: Path, model_folder: Path) -> None:
    assert run("sites", adapter, "--json", model=False).status == 2
    ran = run("sites", adapter, "--base-model", model_folder, "--json", model=False)
    assert ran.status == 0
    assert json.loads(ran.out)["model"] == f"{adapter}@{model_folder}"
    assert f"a LoRA adapter, merged into {model_folder}" in ran.err
    ran = run("transcribe", "demo:en-us-f2-1", "--model", adapter, "--base-model", model_folder, model=False)
    assert ran.status == 0 and "merged into" in ran.err


def test_bad_weights_are_status_2_and_named(run: Run, model_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "nan"))
    weights = load_file(folder / "model.safetensors")
    weights["model.encoder.conv1.bias"][0] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    ran = run("sites", folder, model=False)
    assert ran.status == 2 and "NaN or infinite values (model.encoder.conv1.bias)" in ran.err
