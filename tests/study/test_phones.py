from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from otoscope.base.errors import InputError
from otoscope.study.phones.experiment import PhoneSettings, PhoneStudy, phones
from tests.study.naive_harvest import bin_edges, delayed, harvest
from tests.study.planted import PHONES, SITES, number, small_clips


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harvest(tmp_path_factory.mktemp("runs") / "small", small_clips(), PHONES, lag=1)


@pytest.fixture(scope="module")
def study(run: Path) -> PhoneStudy:
    return phones(run, features=[f"{SITES[0]}:neuron:2"])


def test_names_and_flags_are_those_planted(study: PhoneStudy) -> None:
    for group in (group for group in study.run.groups if group.key.basis == "neuron"):
        names = [study.run.feature_name(group.scores, feature) for feature in range(6)]
        assert names == ["S", "F", "SH", "nasal", "unclear", "unclear"]
        assert group.scores.is_polysemantic.tolist() == [False, False, True, False, False, False]
        assert group.scores.names.sign.tolist() == [1, -1, 1, 1, 0, 0]


def test_scores_equal_those_of_the_frames_themselves(study: PhoneStudy) -> None:
    """AUROC over all pairs of held-out frames, strengths rounded to their bins; purity by counting examples."""
    clips, key = small_clips(), (SITES[0], "neuron")
    scores = study.run.groups[0].scores
    for feature, phone, sign in ((0, "S", 1), (1, "F", -1)):
        edges = bin_edges(np.concatenate([clip.strengths[key][:, feature] for clip in clips]))
        held_out = [clip for clip in clips if clip.half == "held_out"]
        x = np.concatenate([np.searchsorted(edges, clip.strengths[key][:, feature], side="right") for clip in held_out])
        is_phone = np.concatenate([delayed(clip.phones, 1) for clip in held_out]) == number(phone)
        a, b = sign * x[is_phone][:, None], sign * x[~is_phone][None]
        assert scores.phone.auroc[feature] == pytest.approx(((a > b) + 0.5 * (a == b)).mean())
        assert scores.phone.prevalence[feature] == pytest.approx(is_phone.mean())
        best = sorted(clips, key=lambda clip: -(sign * clip.strengths[key][:, feature]).max())[:20]
        peaks = [delayed(clip.phones, 1)[(sign * clip.strengths[key][:, feature]).argmax()] for clip in best]
        assert scores.tops[sign].purity[feature] == pytest.approx(np.mean(np.array(peaks) == number(phone)))


def test_a_constant_feature_is_judged_by_nothing(study: PhoneStudy) -> None:
    scores = study.run.groups[0].scores
    assert scores.is_constant.tolist() == [False] * 5 + [True]
    assert scores.phone.index[5] == -1 and np.isnan(scores.phone.auroc[5])
    assert np.isnan(scores.purity()[5]) and not scores.is_judged[5]
    assert "nothing to judge" in study.run.describe_feature(scores, 5)
    assert study.to_json()["sites"][0]["n_constant"] == 1


def test_the_summary_says_what_was_measured(study: PhoneStudy, run: Path) -> None:
    table = study.to_json()
    about = table["run"]
    assert (about["lag_frames"], about["split_by"], about["phone_set"]) == (1, "speakers", "arpabet")
    assert about["n_clips"] == about["n_labelled_clips"] == 32 and about["folder"] == str(run)
    assert [(row["site"], row["basis"]) for row in table["sites"]] == [
        (site, basis) for site in SITES for basis in ("neuron", "random")
    ]
    first = table["sites"][0]
    assert (first["n_both"], first["n_features"], first["n_polysemantic"]) == (3, 6, 1)
    assert first["n_named"] == {"phone": 3, "pair": 0, "class": 1, "unclear": 2}
    assert first["low_both"] < first["share_both"] == 0.5 < first["high_both"]
    counted = [(row["auroc"], row["purity"]) for row in table["thresholds"][:4]]
    assert counted == [(0.9, 0.8), (0.95, 0.8), (0.9, 0.6), (0.8, 0.6)]
    best = next(row for row in table["phones"] if row["phone"] == "S")
    assert (best["best_feature"], best["best_sign"], best["n_features"]) == (0, 1, 1)
    assert json.loads(json.dumps(table)) == table


def test_each_basis_is_compared_with_plainer_ones_and_with_shuffled_labels(study: PhoneStudy) -> None:
    rows = [row for row in study.to_json()["comparisons"] if row["site"] == SITES[0] and row["measure"] == "both"]
    assert [(row["basis"], row["baseline"]) for row in rows] == [
        ("neuron", "random"),
        ("neuron", "shuffled labels"),
        ("random", "shuffled labels"),
    ]
    assert rows[0]["difference"] == 0.5 and rows[0]["beats"] == (rows[0]["low"] > 0)
    assert not rows[2]["beats"] and "does NOT beat its baselines: shuffled labels" in study.claims[1].replace("It ", "")


def test_files_hold_what_the_result_holds(study: PhoneStudy, tmp_path: Path) -> None:
    paths = study.save(tmp_path)
    assert sorted(path.name for path in paths) == sorted(path.name for path in tmp_path.iterdir())
    assert {path.name for path in paths} == {
        "phones.json", "feature_scores.parquet", "detect_counts.parquet", "detect_shares.png",
        "phone_by_layer_neuron.png", "phone_by_layer_random.png", f"ranges_{SITES[0]}_neuron_2.png",
    }  # fmt: skip
    assert json.loads((tmp_path / "phones.json").read_text()) == study.to_json()
    scores = pq.read_table(tmp_path / "feature_scores.parquet").to_pylist()
    assert len(scores) == 24
    row = scores[1]
    assert (row["name"], row["name_kind"], row["name_sign"], row["phone_best"]) == ("F", "phone", -1, "F")
    assert row["purity_negative"] >= 0.8 and row["purity_phone_negative"] == "F"
    mixed = scores[2]
    assert (mixed["is_polysemantic_positive"], mixed["top_phone_positive"], mixed["other_phone_positive"]) == (
        True,
        "SH",
        "CH",
    )
    assert len(mixed["effective_phones_positive"]) == 10 and scores[5]["phone_best"] is None
    counts = pq.read_table(tmp_path / "detect_counts.parquet").to_pylist()
    assert counts == study.to_json()["thresholds"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths if path.suffix == ".png")


def test_a_baseline_run_is_compared_by_site_and_basis(run: Path, tmp_path: Path) -> None:
    bases = ("neuron", "random")
    other = harvest(tmp_path / "untrained", small_clips(seed=50, bases=bases), PHONES, lag=1)
    study = phones(run, baselines=[other])
    names = [row["baseline"] for row in study.to_json()["comparisons"] if row["measure"] == "both"][:3]
    assert names == ["random", "neuron of untrained", "shuffled labels"]
    assert "neuron of untrained 50.0%, +0.0 points" in study.claims[0] and "NOT beat all of its" in study.claims[0]
    assert len(study.to_json()["sites"]) == 8 and study.to_json()["baselines"][0]["name"] == "untrained"


def test_a_baseline_of_other_clips_or_without_common_groups_is_said_so(run: Path, tmp_path: Path) -> None:
    clips = small_clips(n_clips=16)
    for clip in clips:
        clip.strengths = {("encoder.conv1", basis): x for (_, basis), x in clip.strengths.items()}
    study = phones(run, baselines=[harvest(tmp_path / "other", clips, PHONES)])
    assert any("was harvested on other clips" in note for note in study.notes)
    assert any("shares no site and basis" in note for note in study.notes)


def test_baselines_that_cannot_be_compared_are_refused(run: Path, tmp_path: Path) -> None:
    other = harvest(tmp_path / "few", small_clips(n_clips=8), PHONES[:-1])
    with pytest.raises(InputError, match="they cannot be compared. Harvest both with one --phone-set"):
        phones(run, baselines=[other])
    with pytest.raises(InputError, match="compared with itself"):
        phones(run, baselines=[run])


def test_clips_without_labels_are_left_out_and_said_so(tmp_path: Path) -> None:
    clips = small_clips()
    for clip in clips[:4]:
        clip.phones = None
    study = phones(harvest(tmp_path / "run", clips, PHONES, lag=1))
    assert "4 of 32 clips have no phones and are left out." in study.notes
    tops = study.run.groups[0].scores.tops[1]
    assert 10 <= tops.n_examples[0] < 20 and tops.purity[0] >= 0.8


def test_one_speaker_is_halved_by_clips_and_said_so(tmp_path: Path) -> None:
    clips = [replace(clip, speaker="one") for clip in small_clips()]
    study = phones(harvest(tmp_path / "run", clips, PHONES, lag=1))
    assert study.run.split_by == "clips" and "not on held-out speakers" in study.notes[0]


def test_rare_phones_are_not_judged_and_named(tmp_path: Path) -> None:
    clips = small_clips()
    clips[0].phones[20:24] = number("ZH")
    study = phones(harvest(tmp_path / "run", clips, PHONES, lag=1))
    assert "ZH" not in study.run.ground.phones.names
    assert any(note.startswith("Not judged, for fewer than 20") and note.endswith("ZH.") for note in study.notes)


def test_too_few_examples_leave_purity_unjudged_and_the_claim_unmade(tmp_path: Path) -> None:
    run = harvest(tmp_path / "run", small_clips(n_clips=8), PHONES, lag=1)
    study = phones(run, settings=PhoneSettings(min_frames=5))
    assert "cannot be judged. No feature has 10 labelled top examples (the most is 8)" in study.claims[0]
    row = study.to_json()["sites"][0]
    assert row["n_both"] is None and row["share_both"] is None and row["n_auroc"] >= 3
    study.save(tmp_path / "out")
    lenient = phones(run, settings=PhoneSettings(min_frames=5, min_examples=5))
    assert lenient.to_json()["sites"][0]["n_both"] is not None


def test_a_run_of_strengths_above_zero_alone_is_scored_without_the_others(tmp_path: Path) -> None:
    study = phones(harvest(tmp_path / "run", small_clips(), PHONES, lag=1, sign="positive"))
    scores = study.run.groups[0].scores
    assert [study.run.feature_name(scores, feature) for feature in range(3)] == ["S", "unclear", "SH"]
    assert any("below zero were not harvested" in note for note in study.notes)
    study.save(tmp_path / "out")
    row = pq.read_table(tmp_path / "out" / "feature_scores.parquet").to_pylist()[0]
    assert row["purity_negative"] is None and row["is_polysemantic_negative"] is None
    assert row["purity_positive"] >= 0.8


def test_without_baselines_the_reader_is_told_what_to_harvest(tmp_path: Path) -> None:
    study = phones(harvest(tmp_path / "run", small_clips(bases=("neuron",)), PHONES, lag=1))
    assert any("only baseline here. Harvest with --basis neuron --basis random" in note for note in study.notes)


def test_fewer_top_examples_may_be_asked_for_and_not_more(run: Path) -> None:
    study = phones(run, settings=PhoneSettings(top=12))
    assert study.run.groups[0].scores.tops[1].n_examples[0] == 12
    with pytest.raises(InputError, match=r"top is 21: the run .* keeps 20 examples"):
        phones(run, settings=PhoneSettings(top=21))


def test_scores_do_not_depend_on_how_many_features_are_taken_at_a_time(
    study: PhoneStudy, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otoscope.study.phones.scores.CHUNK", 4)
    assert phones(run).to_json()["sites"] == study.to_json()["sites"]


def test_a_run_without_phones_says_how_to_get_some(tmp_path: Path) -> None:
    clips = small_clips(n_clips=8)
    for clip in clips:
        clip.phones = None
    run = harvest(tmp_path / "run", clips, ())
    with pytest.raises(InputError, match=r"has no phones: its corpus had no labels in time. Give a corpus with align"):
        phones(run)


@pytest.mark.parametrize("half", ["choose", "held_out"])
def test_labels_in_one_half_alone_cannot_be_scored(tmp_path: Path, half: str) -> None:
    clips = [replace(clip, half=half) for clip in small_clips(n_clips=4)]
    other = {"choose": "held_out", "held_out": "choose"}[half]
    with pytest.raises(InputError, match=f"no labelled speech in the half '{other}'"):
        phones(harvest(tmp_path / "run", clips, PHONES))


def test_no_phone_that_is_frequent_enough_is_refused(run: Path) -> None:
    with pytest.raises(InputError, match="no phone of the run .* has 100000 speech frames in both halves"):
        phones(run, settings=PhoneSettings(min_frames=100_000))


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a harvest run"):
        phones(tmp_path)


def test_an_unknown_picture_is_refused(study: PhoneStudy, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no picture 'pca': there are phone_by_layer_neuron, phone_by_layer"):
        study.plot(tmp_path / "p.png", "pca")
    assert study.plot(tmp_path / "p.png", "phone_by_layer_random").is_file()


def test_scoring_imports_no_torch() -> None:
    heavy = "[m for m in ('torch', 'transformers') if m in sys.modules]"
    program = f"import sys, otoscope.study.phones.experiment; print({heavy})"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
