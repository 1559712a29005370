from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from otoscope.cli.transcribe import GROUP_CLIPS, _groups
from otoscope.model.load import load
from otoscope.sae.files import load_dictionary, save_dictionary
from otoscope.study.feature_edit import scaled_features
from tests.cli.conftest import Run, noise, write
from tests.cli.dictionaries import dictionary_of


def test_the_text_and_nothing_else_is_on_stdout(run: Run, recording: Path, model_folder: Path) -> None:
    ran = run("transcribe", recording)
    text = load(model_folder).transcribe(recording).text
    assert ran.status == 0 and ran.out == " ".join(text.split()) + "\n"
    assert "1 clip, 1.5 s of audio" in ran.err


def test_json_is_the_layout_of_openai_whisper(run: Run, recording: Path, model_folder: Path) -> None:
    ran = run("transcribe", recording, "--json", "--word-times", "--language", "en")
    expected = load(model_folder).transcribe(recording, word_times=True, language="en").to_json()
    assert json.loads(ran.out) == json.loads(json.dumps(expected))
    assert set(json.loads(ran.out)) == {"text", "segments", "language"}


def test_a_corpus_in_json_names_each_recording_and_what_failed(run: Run, mixed_folder: Path) -> None:
    ran = run("transcribe", mixed_folder, "--json")
    result = json.loads(ran.out)
    assert ran.status == 1
    assert [Path(row["audio"]).name for row in result["recordings"]] == ["two.flac", "one.wav"]
    assert {row["clip"] for row in result["failed"]} == {"empty", "text"}


def test_the_good_ones_are_done_and_the_bad_ones_listed(run: Run, mixed_folder: Path) -> None:
    ran = run("transcribe", mixed_folder, "--quiet")
    assert ran.status == 1
    assert [line.split(":")[0] for line in ran.out.splitlines()] == ["deep/two", "one"]
    assert ran.err.startswith("otoscope: 2 of 4 recordings could not be used:\n  empty: ")
    assert "\n  text: " in ran.err


@pytest.mark.parametrize(("format_", "suffixes"), [("srt", [".srt"]), ("all", [".json", ".srt", ".txt", ".vtt"])])
def test_out_gets_a_file_for_each_recording(
    run: Run, folder: Path, tmp_path: Path, format_: str, suffixes: list[str]
) -> None:
    out = tmp_path / "out"
    ran = run("transcribe", folder, "--out", out, "--format", format_)
    assert ran.status == 0 and ran.out == ""
    assert f"Results in {out}: " in ran.err
    for stem in ("deep/two", "one"):
        assert [path.suffix for path in sorted((out / stem).parent.glob(f"{Path(stem).name}.*"))] == suffixes
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["settings"]["beams"] == 1 and manifest["model"]["weights_hash"] and manifest["failed"] == []


def test_subtitles_go_to_stdout_for_one_recording(run: Run, recording: Path) -> None:
    assert run("transcribe", recording, "--format", "vtt").out.startswith("WEBVTT\n")


def test_words_are_printed_with_their_times(run: Run, recording: Path) -> None:
    lines = run("transcribe", recording, "--word-times").out.splitlines()
    assert lines[1].split() == ["start_s", "end_s", "word", "probability"]
    assert 0 <= float(lines[2].split()[0]) <= 2


def test_timestamps_stand_before_each_segment(run: Run, recording: Path) -> None:
    assert run("transcribe", recording, "--timestamps").out.startswith("[00:0")


def test_settings_reach_the_model(run: Run, recording: Path, model_folder: Path) -> None:
    words = ("--attention-window", 3, "--beams", 2, "--language", "de", "--translate", "--no-timestamps")
    settings = {"attention_window": 3, "beams": 2, "language": "de", "task": "translate", "timestamps": False}
    expected = load(model_folder).transcribe(recording, **settings).to_json()
    assert json.loads(run("transcribe", recording, "--json", *words).out) == json.loads(json.dumps(expected))


def test_alignment_heads_reach_the_model(run: Run, recording: Path, model_folder: Path) -> None:
    ran = run("transcribe", recording, "--json", "--word-times", "--alignment-head", "0.1", "--alignment-head", "1.0")
    expected = load(model_folder).transcribe(recording, word_times=True, alignment_heads=[(0, 1), (1, 0)]).to_json()
    assert json.loads(ran.out) == json.loads(json.dumps(expected))


# features of a dictionary


@pytest.fixture
def dictionary(model_folder: Path, tmp_path: Path) -> Path:
    return dictionary_of(model_folder, tmp_path / "sae")


def test_features_are_scaled_while_transcribing(
    run: Run, recording: Path, model_folder: Path, dictionary: Path
) -> None:
    ran = run("transcribe", recording, "--json", "--sae", dictionary, "--scale", "12=0", "--scale", "40=2.5")
    model = load(model_folder)
    with model.edit(scaled_features(model, load_dictionary(dictionary), {12: 0, 40: 2.5})):
        expected = model.transcribe(recording).to_json()
    assert ran.status == 0 and json.loads(ran.out) == json.loads(json.dumps(expected))
    assert expected != model.transcribe(recording).to_json()
    assert "; at encoder.blocks.1: feature 12 x 0, feature 40 x 2.5" in ran.err


def test_features_that_are_left_as_they_are_change_nothing(run: Run, recording: Path, dictionary: Path) -> None:
    plain = run("transcribe", recording, "--json")
    assert run("transcribe", recording, "--json", "--sae", dictionary, "--scale", "3=1").out == plain.out


def test_the_manifest_says_which_features_were_scaled(run: Run, folder: Path, dictionary: Path, tmp_path: Path) -> None:
    ran = run("transcribe", folder, "--sae", dictionary, "--scale", "3=-1", "--out", tmp_path / "out")
    settings = json.loads((tmp_path / "out" / "manifest.json").read_text())["settings"]
    assert ran.status == 0 and (settings["sae"], settings["scale"]) == (str(dictionary), {"3": -1.0})


def test_a_dictionary_of_another_model_is_refused_unless_forced(
    run: Run, recording: Path, dictionary: Path, tmp_path: Path
) -> None:
    read = load_dictionary(dictionary)
    other = save_dictionary(replace(read, metadata={**read.metadata, "weights_hash": "ffff"}), tmp_path / "other")
    words = ("transcribe", recording, "--scale", "3=0", "--sae")
    refused, forced, plain = run(*words, other), run(*words, other, "--force"), run(*words, dictionary)
    assert refused.status == 2 and "was trained on a model with weights ffff" in refused.err and refused.out == ""
    assert (forced.status, forced.out) == (0, plain.out)


def test_groups_hold_so_many_clips_or_so_much_audio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from otoscope.audio.clip import read_clip

    clip = read_clip(write(tmp_path / "a.wav", noise(1.0)))
    assert [len(group) for group in _groups([clip] * (GROUP_CLIPS + 3))] == [GROUP_CLIPS, 3]
    monkeypatch.setattr("otoscope.cli.transcribe.GROUP_S", 2.0)
    assert [len(group) for group in _groups([clip] * 5)] == [2, 2, 1]
