from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.model.load import load
from otoscope.study.bigrams.experiment import bigrams
from tests.cli.conftest import Run


def test_prompts_in_json(run: Run, model_folder: Path) -> None:
    ran = run("bigrams", "dog", "the little", "--top", 5, "--json")
    table = json.loads(ran.out)
    assert table == json.loads(json.dumps(bigrams(load(model_folder), ["dog", "the little"], n_next=5).to_json()))
    assert [one["prompt"] for one in table["continuations"]] == ["dog", "the little"]


def test_the_table_shows_tokens_of_the_prompt_and_what_follows(run: Run) -> None:
    ran = run("bigrams", "the little", "--top", 3, "--language", "de")
    lines = ran.out.splitlines()
    assert lines[3].split() == ["prompt", "sound", "any", "text", "the", "end", "entropy", "(bits)"]
    assert lines[4].startswith("the little  padding ")
    assert lines[5].startswith("the little: ") and " tokens, ␣the " in lines[5]
    assert lines[6].split() == ["padding", "logit", "p"] and len(lines) == 10


def test_sounds_stand_side_by_side_and_results_are_written(run: Run, tmp_path: Path, folder: Path) -> None:
    words = ("--sound", "padding,noise", "--sound", "mean", "--level", -20, "--corpus", folder, "--only-text")
    ran = run("bigrams", "dog", *words, "--out", tmp_path / "out")
    assert ran.status == 0 and "noise at −20 dBFS" in ran.out and "the mean of 3 windows" in ran.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"bigrams.json", "bigrams.png", "manifest.json"}
    settings = json.loads((tmp_path / "out" / "manifest.json").read_text())["settings"]
    assert settings["sound"] == ["padding", "noise", "mean"] and settings["corpus"] == str(folder)


def test_recordings_that_cannot_be_used_are_status_1(run: Run, mixed_folder: Path) -> None:
    ran = run("bigrams", "dog", "--sound", "mean", "--corpus", mixed_folder, "--json")
    assert ran.status == 1 and json.loads(ran.out)["sounds"] == ["the mean of 3 windows"]
    assert "2 of 4 recordings could not be used" in ran.err


def test_clips_limits_the_mean(run: Run) -> None:
    ran = run("bigrams", "dog", "--sound", "mean", "--clips", 2, "--json")
    assert "2 clips" in ran.err and json.loads(ran.out)["sounds"][0].startswith("the mean of ")


def test_a_text_is_compared(run: Run, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the little dog sees a green boat\nthe old house\n" * 10)
    ran = run("bigrams", "--text", text, "--least", 5, "--in-sentences", "--out", tmp_path / "out", "--json")
    table = json.loads(ran.out)
    assert table["known"] == "text.txt" and table["in_sentences"] and table["n_contexts"] > 2
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"bigram_agreement.json", "bigram_agreement.png", "manifest.json"}


def test_the_grammar_is_compared_in_words_and_a_table(run: Run) -> None:
    ran = run("bigrams", "--grammar", "--sound", "silence")
    lines = ran.out.splitlines()
    assert lines[0].endswith("tiny with no sound, against the demo grammar") and "contexts alone" in lines[1]
    assert any(line.startswith("cross-entropy (bits)") for line in lines)
    assert lines[-12].endswith("the strongest collocations:") and lines[-11].split()[:3] == [
        "after",
        "follows",
        "known",
    ]


def test_a_dry_run_prints_the_plan_and_stops(run: Run) -> None:
    ran = run("bigrams", "dog", "--sound", "mean", "--clips", 2, "--dry-run")
    assert (ran.status, ran.out) == (0, "") and "2 clips" in ran.err and "Continuing 1 prompt" in ran.err
    ran = run("bigrams", "--grammar", "--dry-run")
    assert (ran.status, ran.out) == (0, "") and "the demo grammar" in ran.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing was asked: give prompts"),
        (["dog", "--grammar"], "prompts, --text and --grammar exclude each other"),
        (["dog", "--in-sentences"], "--in-sentences goes with --text or --grammar"),
        (["--grammar", "--least", 3], "--least goes with --text"),
        (["--text", "nowhere.txt"], "there is no text file 'nowhere.txt'"),
        ([""], "prompt '' is empty"),
        (["dog " * 40], "has room for"),
        (["<|endoftext|>"], "holds a special token"),
        (["dog", "--sound", "hush"], "sound 'hush' is not known"),
        (["dog", "--sound", "noise", "--level", 9], "level_dbfs is 9.0: give a number from -120 to 0"),
        (["dog", "--top", 0], "n_next is 0: give a whole number of 1 or more"),
        (["dog", "--language", "xx"], "language 'xx' is not one of"),
        (["--grammar", "--language", "de"], "the demo language is English"),
        (["dog", "--sound", "mean", "--corpus", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_asked_is_status_2_and_leaves_nothing(
    run: Run, tmp_path: Path, words: list[object], message: str
) -> None:
    ran = run("bigrams", *words, "--out", tmp_path / "out")
    assert ran.status == 2 and ran.out == "" and message in ran.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff\xfe\x00bad", "is not UTF-8 text"), (b"", "of 0 token pairs"), (b"a b\n", "occurs 10 times or more")],
)
def test_texts_that_cannot_be_used_are_status_2(run: Run, tmp_path: Path, content: bytes, message: str) -> None:
    text = tmp_path / "text.txt"
    text.write_bytes(content)
    ran = run("bigrams", "--text", text)
    assert ran.status == 2 and message in ran.err
