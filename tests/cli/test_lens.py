from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from otoscope.model.load import load
from otoscope.study.lens.experiment import lens
from tests.cli.conftest import Run

ONE = [
    ([], {"lens.json", "lens.npz", "lens.png", "lens_choice.png"}),
    (["--heads"], {"head_lens.json", "head_lens.npz", "head_lens.png"}),
    (["--languages"], {"language_lens.json", "language_lens.npz", "language_lens.png"}),
    (["--encoder"], {"encoder_lens.json", "encoder_lens.png"}),
]
MANY = [
    ([], {"lens_curve.json", "lens_curve.png"}),
    (["--heads"], {"head_lens_mean.json", "head_lens_mean.npz", "head_lens_mean.png"}),
    (["--languages"], {"language_lens.json", "language_lens.npz", "language_lens.png"}),
    (["--encoder"], {"encoder_lens.json", "encoder_lens.png"}),
]


@pytest.mark.parametrize(("words", "files"), ONE)
def test_one_recording_gives_a_table_and_files(
    run: Run, recording: Path, tmp_path: Path, words: list[str], files: set[str]
) -> None:
    ran = run("lens", recording, *words, "--out", tmp_path / "out")
    assert ran.status == 0 and len(ran.out.splitlines()) > 3
    assert {path.name for path in (tmp_path / "out").iterdir()} == files | {"manifest.json"}


@pytest.mark.parametrize(("words", "files"), MANY)
def test_a_corpus_gives_means(run: Run, tmp_path: Path, words: list[str], files: set[str]) -> None:
    ran = run("lens", "demo", *words, "--clips", 2, "--out", tmp_path / "out", "--json", model=False)
    result = json.loads(ran.out)
    assert ran.status == 0 and result["n_clips"] == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == files | {"manifest.json"}


@pytest.mark.parametrize("words", [words for words, _ in MANY])
def test_means_are_printed_with_their_sample_size(run: Run, words: list[str]) -> None:
    ran = run("lens", "demo", *words, "--clips", 2, model=False)
    assert ran.status == 0 and "95% intervals" in ran.out
    assert re.search(r"\b2 clips[,;]", ran.out)


def test_the_json_is_what_the_function_returns(run: Run, recording: Path, model_folder: Path) -> None:
    ran = run("lens", recording, "--text", "the little dog", "--top", 2, "--language", "en", "--json")
    wanted = lens(load(model_folder), recording, text="the little dog", top=2, language="en").to_json()
    assert json.loads(ran.out) == json.loads(json.dumps(wanted))


def test_one_window_of_a_long_recording(run: Run, folder: Path) -> None:
    ran = run("lens", folder / "deep" / "two.flac", "--window", 1, "--heads", "--json")
    assert {token["window"] for token in json.loads(ran.out)["tokens"]} == {1}


def test_a_dry_run_prints_the_plan_and_stops(run: Run, recording: Path) -> None:
    assert run("lens", recording, "--dry-run").out == ""
    ran = run("lens", "demo", "--encoder", "--clips", 3, "--dry-run")
    assert (ran.status, ran.out) == (0, "") and "3 clips, " in ran.err


def test_recordings_that_cannot_be_read_are_status_1(run: Run, mixed_folder: Path) -> None:
    ran = run("lens", mixed_folder, "--encoder", "--json")
    assert ran.status == 1 and json.loads(ran.out)["n_clips"] == 2
    assert "2 of 4 recordings could not be used" in ran.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--heads", "--encoder"], "--heads and --encoder are different experiments: give one at a time"),
        (["--encoder", "--text", "dog"], "--text and --window are for the blocks or --heads of one recording"),
        (["--languages", "--window", 0], "--text and --window are for the blocks or --heads of one recording"),
        (["--languages", "--language", "en"], "leave out --language"),
        (["--heads", "--top", 3], "--top is for the blocks of one recording"),
        (["--clips", 3], "--clips counts the recordings of a corpus"),
        (["--text", " "], "the text is ' '"),
        (["--text", "the <|en|> dog"], "holds a special token"),
        (["--text", "dog " * 99], "has room for"),
        (["--window", 3], "window 3 is not in talk: it has window 0 alone"),
        (["--top", 0], "top is 0"),
        (["--language", "klingon"], "language 'klingon'"),
    ],
)
def test_what_cannot_be_used_is_status_2(run: Run, recording: Path, tmp_path: Path, words: list, message: str) -> None:
    ran = run("lens", recording, *words, "--out", tmp_path / "out")
    assert ran.status == 2 and ran.out == "" and message in ran.err
    assert not (tmp_path / "out").exists()


def test_text_over_a_corpus_is_status_2(run: Run) -> None:
    ran = run("lens", "demo", "--text", "dog")
    assert ran.status == 2 and "name one recording" in ran.err
