from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.model.load import load
from tests.cli.conftest import Run
from tests.cli.dictionaries import random_dictionary

SITES = ("encoder.blocks.0", "encoder.blocks.1")


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """As a training of two sites leaves it."""
    for seed, site in enumerate(SITES):
        random_dictionary(tmp_path / "run" / site, site, seed)
    return tmp_path / "run"


QUICK = ("--clips", 4, "--baseline-frames", 0, "--no-phones")


def test_all_dictionaries_of_a_run_are_scored_in_one_table(run: Run, trained: Path) -> None:
    ran = run("sae", "score", trained, "demo", *QUICK, "--json")
    result = json.loads(ran.out)
    assert [site["site"] for site in result["sites"]] == list(SITES)
    assert next(row["name"] for row in result["sites"][0]["rows"]) == "dictionary"
    assert ran.status == 0


def test_a_table_is_printed_with_all_baselines_and_phones(run: Run, tmp_path: Path) -> None:
    own = random_dictionary(tmp_path / "one")
    second = random_dictionary(tmp_path / "two", seed=1)
    ran = run("sae", "score", own, "demo", "--clips", 12, "--baseline-frames", 500, "--second", second)
    assert ran.status == 0, ran.err
    lines = ran.out.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(SITES[0]) and "at a time in" in line)
    names = [line.split("  ")[0] for line in lines[first + 2 : first + 10]]
    assert names == [
        "dictionary", "second", "random decoder", "neurons", "pca", "mean ablation", "zero ablation",
        "random directions",
    ]  # fmt: skip
    assert "active features have a partner of cosine 0.7 or more" in ran.out and "detect one phone" in ran.out


def test_too_few_labels_leave_out_the_phones_and_it_is_said(run: Run, tmp_path: Path) -> None:
    ran = run(
        "sae",
        "score",
        random_dictionary(tmp_path / "one"),
        "demo",
        "--clips",
        2,
        "--baseline-frames",
        0,
        "--no-transcripts",
    )
    assert ran.status == 0 and "Phones are not scored: no phone of the run" in ran.out


def test_a_random_decoder_that_is_given_is_not_trained(run: Run, tmp_path: Path) -> None:
    given = random_dictionary(tmp_path / "random", seed=5)
    ran = run(
        "sae", "score", random_dictionary(tmp_path / "one"), "demo", "--clips", 4, "--no-phones", "--no-transcripts",
        "--random-decoder", given, "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert "random decoder" in [row["name"] for row in json.loads(ran.out)["sites"][0]["rows"]]
    assert not (tmp_path / "out" / "random_decoder").exists()


def test_a_dictionary_of_another_model_is_refused_unless_forced(run: Run, tmp_path: Path) -> None:
    own = random_dictionary(tmp_path / "one", model="another", weights_hash="0123")
    ran = run("sae", "score", own, "demo", *QUICK, "--no-transcripts")
    assert ran.status == 2 and "was trained on model 'another' with weights 0123" in ran.err and "--force" in ran.err
    assert run("sae", "score", own, "demo", *QUICK, "--no-transcripts", "--force").status == 0


def test_a_dictionary_of_the_same_weights_is_let_through(run: Run, tmp_path: Path, model_folder: Path) -> None:
    own = random_dictionary(tmp_path / "one", weights_hash=load(model_folder).weights_hash)
    assert run("sae", "score", own, "demo", *QUICK, "--no-transcripts").status == 0


def test_a_dictionary_without_a_site_is_scored_where_it_is_said_to_belong(run: Run, tmp_path: Path) -> None:
    nameless = random_dictionary(tmp_path / "nameless", None)
    ran = run("sae", "score", nameless, "demo", *QUICK, "--no-transcripts", "--site", SITES[1], "--json")
    assert json.loads(ran.out)["sites"][0]["site"] == SITES[1]
