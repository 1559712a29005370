from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.demo import pronounce
from otoscope.model.load import load
from otoscope.study.neighbours.experiment import neighbours
from tests.cli.conftest import Run

LEXICON = "RUG  R AH1 G\nMUG  M AH1 G\nJUG  JH AH1 G\n"


@pytest.fixture
def lexicon(tmp_path: Path) -> Path:
    path = tmp_path / "words.dict"
    path.write_text(LEXICON)
    return path


def test_neighbours_in_json_are_those_of_the_function(run: Run, model_folder: Path) -> None:
    ran = run("neighbours", "the", "--k", 4, "--lexicon", "spelling", "--json")
    assert json.loads(ran.out) == json.loads(json.dumps(neighbours(load(model_folder), ["the"], k=4).to_json()))


def test_neighbours_of_the_demo_model_are_listed_with_how_they_sound(run: Run, lexicon: Path) -> None:
    ran = run("neighbours", "rug", "rugged", "--lexicon", lexicon, model=False)
    lines = ran.out.splitlines()
    assert "embedding and unembedding are one; phones by words.dict" in lines[1]
    assert lines[2].startswith("mean of all text tokens in the embedding: ")
    assert lines[3] == "␣rug in the corrected embedding, said ɹ ʌ ɡ:"
    assert lines[4].split()[:3] == ["token", "cosine", "phones"]
    assert any(line.startswith("␣mug ") and line.endswith("m ʌ ɡ") for line in lines)
    assert "'rugged' is 3 tokens, ␣rug g ed, and the longest was taken" in ran.out


def test_a_token_that_training_never_used_is_said_to_be_one(run: Run) -> None:
    ran = run("neighbours", "bed", "rug", "--lexicon", "spelling", model=False)
    bed, rug = (line for line in ran.out.splitlines() if "in the corrected embedding" in line)
    assert "training hardly moved this token" in bed and "training" not in rug


def test_pronunciations_come_from_a_corpus_and_meanings_from_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("rug 1 0\nmug 0.6 0.8\n")
    words = ("neighbours", "rug", "--lexicon", "demo", "--vectors", tmp_path / "v.txt", "--json")
    result = json.loads(run(*words, model=False).out)
    assert result["pronunciations"] == "the labels of demo" and result["meanings"] == "v.txt"
    mug = next(each for each in result["words"][0]["neighbours"] if each["text"] == " mug")
    assert mug["meaning_cosine"] == pytest.approx(0.6) and 0 < mug["phone_distance"] < 0.5


def test_over_all_words_the_contrast_is_a_table(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("rug mug jug bug dog fog log day way may say tea sea key the a of\n" * 2)
    words = ("neighbours", "--all", "--k", 3, "--lexicon", "demo", "--text", tmp_path / "t.txt", "--seed", 1)
    ran = run(*words, "--out", tmp_path / "out", model=False)
    assert ran.status == 0 and "more alike by" in ran.out and "counts in the text" in ran.out
    result = json.loads((tmp_path / "out" / "sounds_alike.json").read_text())
    assert result["k"] == 3 and result["seed"] == 1 and result["n_words"] + result["n_unknown"] <= 17


def test_without_espeak_the_demo_models_words_are_said_as_its_clips_are_labelled(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pronounce, "is_installed", lambda: False)
    result = json.loads(run("neighbours", "rug", "--json", model=False).out)
    assert result["pronunciations"] == "the labels of demo"


def test_without_espeak_other_models_are_compared_by_spelling_and_it_is_said(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pronounce, "is_installed", lambda: False)
    ran = run("neighbours", "the")
    assert ran.status == 0 and "No pronunciations: words are compared by spelling" in ran.err
    assert "no pronunciations" in ran.out.splitlines()[1]


@pytest.mark.skipif(not pronounce.is_installed(), reason="needs the speech extra")
def test_it_is_said_that_espeak_takes_pieces_for_words(run: Run) -> None:
    assert "--text or --lexicon to keep to whole words" in run("neighbours", "--all", "--k", 1).err
