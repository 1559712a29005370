from __future__ import annotations

import json
from pathlib import Path

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
    settings = json.loads((tmp_path / "out" / "manifest.json").read_text())["settings"]
    assert settings["sound"] == ["padding", "noise", "mean"] and settings["corpus"] == str(folder)


def test_clips_limits_the_mean(run: Run) -> None:
    ran = run("bigrams", "dog", "--sound", "mean", "--clips", 2, "--json")
    assert "2 clips" in ran.err and json.loads(ran.out)["sounds"][0].startswith("the mean of ")


def test_a_text_is_compared(run: Run, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the little dog sees a green boat\nthe old house\n" * 10)
    ran = run("bigrams", "--text", text, "--least", 5, "--in-sentences", "--json")
    table = json.loads(ran.out)
    assert table["known"] == "text.txt" and table["in_sentences"] and table["n_contexts"] > 2


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
