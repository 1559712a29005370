from __future__ import annotations

import json
from pathlib import Path

import pytest

import otoscope.harvest.run
from otoscope.audio.clip import Span
from otoscope.base.errors import OtoscopeError
from otoscope.corpus.alignment import write_textgrid
from otoscope.harvest.activation_reader import ShardReader
from otoscope.harvest.opened import open_run
from tests.cli.conftest import Run, noise, write
from tests.cli.dictionaries import dictionary_of

SITE = ("--site", "encoder.blocks.1")


@pytest.fixture
def labelled(folder: Path) -> Path:
    """The two recordings with phones in time."""
    for path, seconds in ((folder / "one.wav", 1.0), (folder / "deep" / "two.flac", 2.5)):
        starts = [i / 10 for i in range(round(seconds * 10))]
        phones = [
            Span(start, start + 0.1, text) for start, text in zip(starts, ["AA", "S", "IY", "M"] * 9, strict=False)
        ]
        write_textgrid(path.with_suffix(".TextGrid"), None, phones, seconds)
    return folder


def test_a_folder_is_harvested_and_the_run_can_be_opened(run: Run, labelled: Path, tmp_path: Path) -> None:
    ran = run("harvest", labelled, *SITE, "--basis", "neuron", "--basis", "random", "--out", tmp_path / "run")
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert lines[0].startswith("2 clips, 3.5 s of audio: ") and "frames of speech" in lines[0]
    assert lines[1].startswith("2 clips have phones, counted in arpabet. Lag: ")
    columns = "site basis features constant lag own lags above 0 above max/10"
    assert " ".join(lines[2].split()) == columns
    assert [line.split()[:4] for line in lines[3:5]] == [
        ["encoder.blocks.1", basis, "32", "0"] for basis in ("neuron", "random")
    ]
    assert lines[5] == f"Tables in {tmp_path / 'run'}. Score them with: otoscope phones {tmp_path / 'run'}"
    assert "about 3.5 s of audio in 3 windows" in ran.err and "1 site, neuron, random: about 64 features" in ran.err
    assert "Phones are in arpabet, and counted in arpabet; halves are of clips." in ran.err
    opened = open_run(tmp_path / "run")
    assert len(opened.clips) == 2 and len(opened.groups) == 2


def test_all_neurons_are_read_by_default(run: Run, folder: Path, tmp_path: Path) -> None:
    ran = run("harvest", folder, "--out", tmp_path / "run", "--quiet")
    assert ran.status == 0 and ran.err == ""
    groups = open_run(tmp_path / "run").groups
    assert groups == (("encoder.blocks.0.mlp.1", "neuron", 128), ("encoder.blocks.1.mlp.1", "neuron", 128))


def test_json_says_what_the_manifest_says(run: Run, labelled: Path, tmp_path: Path, model_folder: Path) -> None:
    options = {"top": 3, "peaks-per-clip": 2, "sign": "positive", "samples": 4, "ranges": 5, "seed": 6, "lag": 2}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    ran = run("harvest", labelled, *SITE, *words, "--phone-set", "ipa", "--out", tmp_path / "run", "--json")
    told = json.loads(ran.out)
    manifest = open_run(tmp_path / "run").manifest
    assert told["run"] == str(tmp_path / "run") and told["model"]["id"] == str(model_folder)
    assert all(told[name] == manifest[name] for name in set(told) - {"run"})
    assert {name: told["settings"][name.replace("-", "_")] for name in options} == options
    assert (told["phone_set"], told["lag_frames"]) == ("ipa", 2)


def test_a_clip_that_cannot_be_read_ends_with_status_1(run: Run, mixed_folder: Path, tmp_path: Path) -> None:
    ran = run("harvest", mixed_folder, *SITE, "--out", tmp_path / "run")
    assert ran.status == 1 and "2 of 4 recordings could not be used:" in ran.err
    assert "  empty: " in ran.err and "  text: " in ran.err
    assert len(open_run(tmp_path / "run").clips) == 2 and ran.out.startswith("2 clips")
    again = run("harvest", mixed_folder, *SITE, "--out", tmp_path / "run")
    assert again.status == 1 and "2 of 4 recordings could not be used:" in again.err


@pytest.mark.parametrize("strict", [False, True])
def test_labels_that_cannot_be_used_are_told_and_strict_ends_with_status_1(
    strict: bool, run: Run, labelled: Path, tmp_path: Path
) -> None:
    (labelled / "one.TextGrid").write_text("this is no TextGrid")
    ran = run("harvest", labelled, *SITE, "--out", tmp_path / "run", *["--strict"][: int(strict)])
    assert ran.status == int(strict)
    assert "the labels of 1 clip could not be used:\n  one: " in ran.err and "one.TextGrid" in ran.err
    assert [clip.phones is None for clip in open_run(tmp_path / "run").clips].count(True) == 1


def test_a_run_that_was_stopped_goes_on_and_a_finished_one_is_told_again(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*words: object) -> None:
        raise OtoscopeError("stopped here")

    words = ("harvest", folder, *SITE, "--out", tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(otoscope.harvest.run, "_write", stop)
        ran = run(*words)
        assert ran.status != 0 and "stopped here" in ran.err
    told = run(*words)
    assert told.status == 0
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()}
    assert run(*words).out == told.out
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()} == before
    other = run(*words, "--seed", 3)
    assert other.status == 2 and "settings.seed was 0 and is 3" in other.err
    assert run(*words, "--seed", 3, "--overwrite").status == 0
    assert open_run(tmp_path / "run").manifest["settings"]["seed"] == 3


def test_activations_are_saved(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run("harvest", folder, *SITE, "--save-activations", "float16", "--out", tmp_path / "run").status == 0
    frames = open_run(tmp_path / "run").manifest["n_frames"]
    reader = ShardReader(tmp_path / "run" / "activations", kinds=["speech", "silence"])
    assert len(reader) == frames["speech"] + frames["silence"]


def test_a_file_in_place_of_the_folder_is_left_alone(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    ran = run("harvest", folder, *SITE, "--out", tmp_path / "file")
    assert ran.status != 0 and f"'{tmp_path / 'file'}' cannot be written" in ran.err
    assert (tmp_path / "file").read_text() == "mine"


def test_recordings_without_speech_are_told(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "quiet" / "a.wav", noise(1.0) * 0)
    ran = run("harvest", tmp_path / "quiet", *SITE, "--out", tmp_path / "run")
    assert ran.status == 2 and "1 of its 1 clips could be read" in ran.err


def test_a_dictionary_of_another_model_is_tried_when_forced(run: Run, folder: Path, tmp_path: Path) -> None:
    sae = dictionary_of(None, tmp_path / "sae")
    words = ("harvest", folder, *SITE, "--basis", f"sae:{sae}", "--out", tmp_path / "run")
    refused = run(*words)
    assert refused.status == 2 and "was trained on a model with weights ffff" in refused.err
    assert "--force to try" in refused.err and not (tmp_path / "run").exists()
    forced = run(*words, "--force")
    assert forced.status == 0 and "about 50 features" in forced.err
    assert [group.n_features for group in open_run(tmp_path / "run").groups] == [50]
