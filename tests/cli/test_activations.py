from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from otoscope.cli import activations
from otoscope.model.load import load
from tests.cli.conftest import Run, noise, write

SITES = ("encoder.blocks.*.mlp.1", "encoder.blocks.0.attn.pattern", "decoder.blocks.1.cross_attn.pattern", "logits")
NAMES = [word for site in SITES for word in ("--site", site)]


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata())


def test_one_recording_is_one_file_whose_keys_are_the_sites(run: Run, tmp_path: Path, model_folder: Path) -> None:
    path = write(tmp_path / "long.wav", noise(2.5))
    ran = run("activations", path, *NAMES, "--out", tmp_path / "out")
    assert ran.status == 0
    found = load_file(tmp_path / "out" / "activations.safetensors")
    expected = load(model_folder).activations(path, SITES)
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], expected[name]) for name in found)
    assert found["encoder.blocks.0.mlp.1"].shape == (2, 100, 128)


def test_the_file_explains_itself(run: Run, recording: Path, tmp_path: Path, model_folder: Path) -> None:
    run("activations", recording, *NAMES, "--out", tmp_path / "out", "--text", "hello")
    path = tmp_path / "out" / "activations.safetensors"
    about, tensors = metadata_of(path), load_file(path)
    clock, clip = json.loads(about["clock"]), json.loads(about["clip"])
    assert about["model"] == str(model_folder)
    assert (clock["frame_s"], clock["sample_rate_hz"], clock["frames_per_window"]) == (0.02, 16_000, 100)
    assert (clip["id"], clip["audio"], clip["n_samples"]) == ("talk", str(recording), 24_000)
    assert json.loads(about["axes"])["logits"] == ["window", "token", "vocab"]
    [runs] = json.loads(about["kinds"])
    assert runs[-1] == ["padding", 75, 100] and runs[0][1] == 0
    assert all(before[2] == after[1] for before, after in itertools.pairwise(runs))
    tokenizer = load(model_folder).tokenizer
    [tokens] = json.loads(about["tokens"])
    assert tokenizer.decode(tokens, skip_special_tokens=True) == " hello"
    assert len(tokens) == tensors["logits"].shape[1]


def test_tokens_are_left_out_where_the_decoder_is_not_read(run: Run, recording: Path, tmp_path: Path) -> None:
    run("activations", recording, "--site", "encoder.ln_post", "--out", tmp_path / "out")
    assert "tokens" not in metadata_of(tmp_path / "out" / "activations.safetensors")


def test_every_site_can_be_written_at_once(run: Run, recording: Path, tmp_path: Path, model_folder: Path) -> None:
    assert run("activations", recording, "--site", "**", "--out", tmp_path / "out").status == 0
    names = {site.name for site in load(model_folder).sites()}
    assert set(load_file(tmp_path / "out" / "activations.safetensors")) == names


def test_several_recordings_are_several_files(run: Run, mixed_folder: Path, tmp_path: Path) -> None:
    ran = run("activations", mixed_folder, "--site", "encoder.conv2", "--out", tmp_path / "out")
    assert ran.status == 1 and "2 of 4 recordings could not be used" in ran.err
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.safetensors")}
    assert files == {"one.safetensors", "deep/two.safetensors"}
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert {row["clip"] for row in manifest["failed"]} == {"empty", "text"}


def test_without_out_the_spread_of_each_site_is_printed(run: Run, recording: Path, model_folder: Path) -> None:
    ran = run("activations", recording, "--site", "encoder.ln_post", "--json")
    result = json.loads(ran.out)
    values = load(model_folder).activations(recording, "encoder.ln_post")["encoder.ln_post"]
    assert result["clip"] == "talk"
    assert result["sites"][0]["shape"] == [1, 100, 32]
    assert result["sites"][0]["mean"] == pytest.approx(float(values.mean()))
    assert result["sites"][0]["std"] == pytest.approx(float(values.std(correction=0)))
    table = run("activations", recording, "--site", "encoder.ln_post").out
    assert table.splitlines()[1].split()[:5] == ["talk", "encoder.ln_post", "1", "x", "100"]


def test_the_attention_window_reaches_the_model(run: Run, recording: Path, tmp_path: Path, model_folder: Path) -> None:
    run("activations", recording, "--site", "encoder.ln_post", "--attention-window", 2, "--out", tmp_path / "out")
    found = load_file(tmp_path / "out" / "activations.safetensors")["encoder.ln_post"]
    expected = load(model_folder).activations(recording, "encoder.ln_post", attention_window=2)["encoder.ln_post"]
    assert torch.equal(found, expected)


def test_what_would_not_fit_in_memory_is_refused(
    run: Run, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 100 kB\nMemAvailable: 10 kB\n")
    monkeypatch.setattr(activations, "MEMORY", tmp_path / "meminfo")
    ran = run("activations", recording, "--site", "encoder.ln_post")
    assert ran.status == 2 and "takes about 26 KB of memory, and 10 KB are free. Give fewer sites" in ran.err


def test_a_text_that_fits_one_recording_and_not_another_does_the_one(run: Run, tmp_path: Path) -> None:
    for name, seconds in (("long", 3.0), ("short", 1.0)):
        write(tmp_path / f"{name}.wav", noise(seconds))
    ran = run("activations", tmp_path, "--site", "logits", "--text", "hello", "--out", tmp_path / "out")
    assert ran.status == 1
    assert "long" in ran.err and "takes 2 windows" in ran.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["manifest.json", "short.safetensors"]
