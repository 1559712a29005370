"""What the Phones record says of the maximum: what the verdict says, and the same curve for each site."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.atlas.records import phones
from otoscope.atlas.study_folder import StudyFolder
from otoscope.study.whole.claim_phones import phone_findings
from otoscope.study.whole.part_files import PartFiles
from tests.atlas.records.tables import add_maximum
from tests.atlas.synthetic import make_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    made = make_study(tmp_path / "study", 60, sounds=False)
    add_maximum(made)
    return made


def maximum(study: Path) -> dict:
    found = phones.make(StudyFolder(study), "phones")["maximum"]
    assert "/home/x" not in json.dumps(found, allow_nan=False)
    return found


def test_a_harvest_without_samples_has_no_curve(tmp_path: Path) -> None:
    assert maximum(make_study(tmp_path / "study", 12, sounds=False)) is None


@pytest.mark.parametrize(("place", "name"), [(0, "neuron_maximum"), (1, "sae_maximum")])
def test_the_last_points_over_all_sites_are_what_the_verdict_is_read_from(study: Path, place: int, name: str) -> None:
    finding = next(one for one in phone_findings(PartFiles(study)) if one["id"] == name)
    own, *others = maximum(study)["groups"][place]["lines"]
    last = own["points"][-1]
    assert last["n_clips"] == 400
    assert [last["pure"][key] for key in ("value", "low", "high", "of")] == [
        pytest.approx(finding[key], abs=1e-6) for key in ("value", "low", "high", "n")
    ]
    highest = next(one for one in others if one["name"] == finding["baseline"]["name"])
    assert highest["points"][-1]["pure"]["value"] == pytest.approx(finding["baseline"]["value"], abs=1e-6)
    assert f"{own['name']} {100 * last['purity']['value']:.1f}%" in finding["words"]


def test_a_site_has_a_line_for_each_basis_and_one_for_shuffled_labels(study: Path) -> None:
    groups = maximum(study)["groups"]
    assert [one["name"] for one in groups[2:]] == [
        "encoder.blocks.0.mlp.1", "encoder.blocks.1.mlp.1", "encoder.blocks.1",
    ]  # fmt: skip
    lines = {line["name"]: line["points"] for line in groups[2]["lines"]}
    assert list(lines) == ["neurons", "random directions", "shuffled labels, neurons"]
    assert [point["n_clips"] for point in lines["neurons"]] == [30, 400]
    assert [point["pure"]["n"] for point in lines["neurons"]] == [5, 15]
    assert [point["pure"]["n"] for point in lines["shuffled labels, neurons"]] == [1, 1]


def test_mean_purity_over_sites_is_that_of_all_their_features_together(study: Path) -> None:
    rows = json.loads((study / "phones" / "phones.json").read_text())["maximum"]
    own = [row for row in rows if row["basis"] == "neuron" and row["n_clips"] == 400]
    purity = maximum(study)["groups"][0]["lines"][0]["points"][-1]["purity"]
    n = sum(row["n_judged"] for row in own)
    assert purity["value"] == pytest.approx(sum(row["n_judged"] * row["mean_purity"] for row in own) / n, abs=1e-6)
    half = 0.1 * sum(row["n_judged"] ** 2 for row in own) ** 0.5 / n
    assert purity["high"] - purity["value"] == pytest.approx(half, abs=2e-6)


def test_samples_findings_and_label_noise_are_those_of_the_study(study: Path) -> None:
    found = maximum(study)
    assert [(one["n_clips"], one["clips_an_example"]) for one in found["samples"]] == [(30, 3), (400, 40)]
    assert (found["top"], found["purity"]) == (10, 0.8)
    assert [one["outcome"] for one in found["findings"]]
    assert all(set(one) == {"question", "outcome", "needs", "words"} for one in found["findings"])
    assert "Wrong labels lower this" in found["findings"][0]["words"]
    assert (found["label_noise"][0]["agreement"], found["label_noise"][0]["share"]) == (1.0, 1.0)
    assert not any(row["is_told"] for row in found["label_noise"])


def test_rows_of_a_baseline_run_are_left_out(study: Path) -> None:
    before = maximum(study)
    path = study / "phones" / "phones.json"
    found = json.loads(path.read_text())
    found["maximum"] += [{**row, "run": "another", "n_pure": 0} for row in found["maximum"]]
    path.write_text(json.dumps(found))
    assert maximum(study) == before
