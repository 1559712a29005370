from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.study.naive_harvest import harvest
from tests.study.planted import PHONES, SITES, small_clips


@pytest.fixture(scope="module")
def harvested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harvest(tmp_path_factory.mktemp("runs") / "small", small_clips(), PHONES, lag=1)


def test_the_summary_has_lag_table_claims_and_phones(run: Run, harvested: Path) -> None:
    ran = run("phones", harvested, model=False)
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert "sites answer 20 ms after the sound." in lines[1] and "split by speakers" in lines[1]
    header = next(index for index, line in enumerate(lines) if line.startswith("site "))
    words = lines[header + 1].split()
    assert words[:3] == [SITES[0], "neuron", "6"] and words[5] == "3"
    assert any(line.startswith(f"{SITES[0]}, neuron: 3 of 6 features (50.0%") for line in lines)
    assert not any(line.startswith(f"{SITES[0]}, random:") for line in lines)  # a baseline claims nothing
    claims = json.loads(run("phones", harvested, "--json", model=False).out)["claims"]
    assert any(claim.startswith(f"{SITES[0]}, random: 0 of 6") and "does NOT beat" in claim for claim in claims)
    of_s = next(line.split() for line in lines if line.split()[:1] == ["S"])
    assert of_s[1] == "2" and of_s[3] in {f"{site}:neuron:0" for site in SITES}


def test_a_feature_is_shown_range_by_range(run: Run, harvested: Path, tmp_path: Path) -> None:
    name = f"{SITES[1]}:neuron:2"
    ran = run("phones", harvested, "--feature", name, "--out", tmp_path / "out", model=False)
    assert f"{name} detects SH" in ran.out and "polysemantic: CH below SH" in ran.out
    assert "effective phones" in ran.out and (tmp_path / "out" / f"ranges_{SITES[1]}_neuron_2.png").is_file()


def test_thresholds_top_and_baselines_reach_the_scoring(run: Run, harvested: Path, tmp_path: Path) -> None:
    other = harvest(tmp_path / "untrained", small_clips(seed=9), PHONES, lag=1)
    words = ["--auroc", 0.8, "--purity", 0.5, "--top", 12, "--min-examples", 11, "--min-frames", 30]
    ran = run("phones", harvested, "--baseline", other, *words, "--json", model=False)
    table = json.loads(ran.out)
    settings = table["settings"]
    assert (settings["auroc"], settings["purity"], settings["top"]) == (0.8, 0.5, 12)
    assert (settings["min_examples"], settings["min_frames"]) == (11, 30)
    assert any(row["baseline"] == "neuron of untrained" for row in table["comparisons"])
    text = run("phones", harvested, "--baseline", other, model=False).out
    assert "neuron of untrained" in text
