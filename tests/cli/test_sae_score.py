from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from otoscope.model.load import load
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.files import save_dictionary
from tests.cli.conftest import Run

SITES = ("encoder.blocks.0", "encoder.blocks.1")
D = 32


def write(folder: Path, site: str | None = SITES[0], seed: int = 0, **metadata: object) -> Path:
    """A dictionary of random directions."""
    rows = torch.randn(2 * D, D, generator=torch.Generator().manual_seed(seed))
    rows /= rows.norm(dim=1, keepdim=True)
    weights = {"W_enc": rows.T.contiguous(), "b_enc": torch.zeros(2 * D), "W_dec": rows, "b_dec": torch.zeros(D)}
    own = {"site": site, **metadata} if site else metadata
    save_dictionary(Dictionary("topk", weights, True, "none", False, 4, own), folder)
    return folder


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """As a training of two sites leaves it."""
    for seed, site in enumerate(SITES):
        write(tmp_path / "run" / site, site, seed)
    return tmp_path / "run"


QUICK = ("--clips", 4, "--baseline-frames", 0, "--no-phones")


def test_all_dictionaries_of_a_run_are_scored_in_one_table(run: Run, trained: Path, tmp_path: Path) -> None:
    ran = run("sae", "score", trained, "demo", *QUICK, "--out", tmp_path / "out", "--json")
    result = json.loads(ran.out)
    assert [site["site"] for site in result["sites"]] == list(SITES)
    assert next(row["name"] for row in result["sites"][0]["rows"]) == "dictionary"
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "scores.json", "scores.parquet", "density.parquet", "scores.png", "transcripts.json", "manifest.json",
    }  # fmt: skip
    assert ran.status == 0 and json.loads((tmp_path / "out" / "scores.json").read_text()) == result


def test_a_table_is_printed_with_all_baselines_and_phones(run: Run, tmp_path: Path) -> None:
    own = write(tmp_path / "one")
    ran = run(
        "sae",
        "score",
        own,
        "demo",
        "--clips",
        12,
        "--baseline-frames",
        500,
        "--second",
        write(tmp_path / "two", seed=1),
    )
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
    ran = run("sae", "score", write(tmp_path / "one"), "demo", "--clips", 2, "--baseline-frames", 0, "--no-transcripts")
    assert ran.status == 0 and "Phones are not scored: no phone of the run" in ran.out


def test_a_random_decoder_that_is_given_is_not_trained(run: Run, tmp_path: Path) -> None:
    given = write(tmp_path / "random", seed=5)
    ran = run(
        "sae", "score", write(tmp_path / "one"), "demo", "--clips", 4, "--no-phones", "--no-transcripts",
        "--random-decoder", given, "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert "random decoder" in [row["name"] for row in json.loads(ran.out)["sites"][0]["rows"]]
    assert not (tmp_path / "out" / "random_decoder").exists()


def test_a_dry_run_says_what_would_be_scored(run: Run, trained: Path) -> None:
    ran = run("sae", "score", trained, "demo", "--clips", 2, "--dry-run")
    assert (ran.status, ran.out) == (0, "") and "2 sites (encoder.blocks.0, encoder.blocks.1) on 2 clips" in ran.err


def test_recordings_that_cannot_be_used_are_listed_and_are_status_1(
    run: Run, mixed_folder: Path, tmp_path: Path
) -> None:
    ran = run("sae", "score", write(tmp_path / "one"), mixed_folder, "--baseline-frames", 0, "--json")
    assert ran.status == 1 and "2 of 4 recordings could not be used" in ran.err
    assert json.loads(ran.out)["n_clips_scored"] == 1


def test_a_dictionary_of_another_model_is_refused_unless_forced(run: Run, tmp_path: Path) -> None:
    own = write(tmp_path / "one", model="another", weights_hash="0123")
    ran = run("sae", "score", own, "demo", *QUICK, "--no-transcripts")
    assert ran.status == 2 and "was trained on model 'another' with weights 0123" in ran.err and "--force" in ran.err
    assert run("sae", "score", own, "demo", *QUICK, "--no-transcripts", "--force").status == 0


def test_a_dictionary_of_the_same_weights_is_let_through(run: Run, tmp_path: Path, model_folder: Path) -> None:
    own = write(tmp_path / "one", weights_hash=load(model_folder).weights_hash)
    assert run("sae", "score", own, "demo", *QUICK, "--no-transcripts").status == 0


def test_bad_requests_are_status_2_and_leave_nothing(run: Run, trained: Path, tmp_path: Path) -> None:
    nameless, out = write(tmp_path / "nameless", None), tmp_path / "out"
    requests: list[tuple[list[object], str]] = [
        ([nameless, "demo"], "does not say of which site"),
        ([nameless, "demo", "--site", "encoder.blocks.9"], "encoder.blocks.9"),
        ([trained, "demo", "--site", SITES[0]], "holds 2 dictionaries"),
        ([tmp_path / "nowhere", "demo"], "nowhere"),
        ([trained, "demo", "--second", nameless, "--site", SITES[0]], "holds 2 dictionaries"),
        ([trained / SITES[0], "demo", "--second", trained / SITES[1]], "none of encoder.blocks.0"),
        ([trained, "demo", "--replace", "vowels"], "'vowels' is not one of 'trained', 'speech', 'all'"),
        ([trained, "demo", "--baseline-frames", -1], "baseline_frames is -1"),
        ([trained, tmp_path / "nothing"], "nothing"),
    ]
    for words, message in requests:
        ran = run("sae", "score", *words, "--clips", 2, "--out", out)
        assert ran.status == 2 and ran.out == "" and message in ran.err, words
        assert not out.exists()


def test_a_dictionary_without_a_site_is_scored_where_it_is_said_to_belong(run: Run, tmp_path: Path) -> None:
    nameless = write(tmp_path / "nameless", None)
    ran = run("sae", "score", nameless, "demo", *QUICK, "--no-transcripts", "--site", SITES[1], "--json")
    assert json.loads(ran.out)["sites"][0]["site"] == SITES[1]
