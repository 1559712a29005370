from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from otoscope.cli.transcribe import GROUP_CLIPS, _groups
from otoscope.model.load import load
from otoscope.sae.files import load_dictionary, save_dictionary
from otoscope.study.feature_edit import scaled_features
from tests.cli.conftest import Run, noise, write
from tests.sae.saelens import random
from tests.sae.saelens import write as write_dictionary


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "all"], "--format all writes four files"),
        (["--format", "srt", "--json"], "--json and --format srt both write to stdout"),
        (["--format", "srt"], "2 recordings as srt make 2 files"),
        (["--alignment-head", "3"], "--alignment-head '3' is not a head: give block and head from 0, such as 3.1"),
        (["--alignment-head", "7.0"], r"alignment head \(7, 0\) is not in"),
        (["--beams", "0"], "beams is 0: give a whole number of 1 or more"),
        (["--language", "klingon"], "klingon"),
        (["--attention-window", "-1"], "attention window is -1"),
    ],
)
def test_settings_that_cannot_be_used_are_status_2(run: Run, folder: Path, words: list[str], message: str) -> None:
    ran = run("transcribe", folder, *words)
    assert ran.status == 2 and ran.out == ""
    assert re.search(message, ran.err)


# features of a dictionary


@pytest.fixture
def dictionary(model_folder: Path, tmp_path: Path) -> Path:
    """A dictionary of the tiny model's second block."""
    shapes = {"W_enc": (32, 50), "W_dec": (50, 32), "b_enc": (50,), "b_dec": (32,)}
    weights = {name: random(*shape, seed=seed) for seed, (name, shape) in enumerate(shapes.items())}
    metadata = {"site": "encoder.blocks.1", "weights_hash": load(model_folder).weights_hash}
    return write_dictionary(tmp_path / "sae", "standard", weights, d_in=32, d_sae=50, metadata=metadata)


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scale", "3=0"], "--sae DIR and --scale FEATURE=FACTOR go together"),
        (["--sae", "{sae}"], "--sae DIR and --scale FEATURE=FACTOR go together"),
        (
            ["--sae", "{sae}", "--scale", "3"],
            "--scale '3' is not a feature with a factor: give a whole number, = and a",
        ),
        (["--sae", "{sae}", "--scale", "x=1"], "--scale 'x=1' is not a feature with a factor"),
        (["--sae", "{sae}", "--scale", "1.5=1"], "--scale '1.5=1' is not a feature with a factor"),
        (["--sae", "{sae}", "--scale", "3=off"], "--scale '3=off' is not a feature with a factor"),
        (["--sae", "{sae}", "--scale", "3=nan"], "the factor of feature 3 is nan: give a finite number"),
        (["--sae", "{sae}", "--scale", "50=0"], "feature 50 is not in the dictionary, which has 50"),
        (["--sae", "{sae}", "--scale", "-1=0"], "feature -1 is not in the dictionary"),
        (["--sae", "{sae}", "--scale", "3=0", "--scale", "3=1"], "--scale names feature 3 twice"),
        (["--sae", "{sae}/none", "--scale", "3=0"], "none' does not exist: give a folder in SAELens's layout"),
    ],
)
def test_features_that_cannot_be_scaled_are_status_2(
    run: Run, recording: Path, dictionary: Path, words: list[str], message: str
) -> None:
    ran = run("transcribe", recording, *(word.format(sae=dictionary) for word in words))
    assert ran.status == 2 and ran.out == "" and message in ran.err


def test_groups_hold_so_many_clips_or_so_much_audio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from otoscope.audio.clip import read_clip

    clip = read_clip(write(tmp_path / "a.wav", noise(1.0)))
    assert [len(group) for group in _groups([clip] * (GROUP_CLIPS + 3))] == [GROUP_CLIPS, 3]
    monkeypatch.setattr("otoscope.cli.transcribe.GROUP_S", 2.0)
    assert [len(group) for group in _groups([clip] * 5)] == [2, 2, 1]
