from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otoscope.cli.study_text import summary
from otoscope.study.catalogue import part_names
from otoscope.study.whole.experiment import Study
from otoscope.study.whole.settings import StudySettings, preset
from tests.cli.conftest import Run
from tests.study.whole_study import SMALL

FEW = ("--only", "transcripts", "--only", "locality", "--only", "sounds", "--only", "harvest")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Settings of a study of which every part takes a moment."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL.to_toml())
    return path


def test_a_folder_of_recordings_becomes_a_study_with_pages(run: Run, folder: Path, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    ran = run("study", folder, "--settings", small, "--out", out, *FEW)
    assert ran.status == 0, ran.err
    index = out / "atlas" / "index.html"
    assert f"\nOpen {index}\n" in ran.out and f"\n  otoscope atlas serve {out}\n" in ran.out and index.is_file()
    assert "It took " in ran.out.splitlines()[-6]
    about = json.loads((out / "study.json").read_text())
    assert (about["corpus"]["n_clips"], about["preset"]) == (2, "small.toml")
    assert {row["name"] for row in about["parts"] if row["state"] == "done"} == {*FEW[1::2]}
    assert "splice: left out: it was not asked for." in ran.out
    assert "locality: How far does each head listen?" in ran.err


def test_json_is_the_study_alone_on_stdout(run: Run, folder: Path, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    line = ("study", folder, "--settings", small, "--out", out, *FEW, "--no-atlas", "--json", "--quiet")
    ran = run(*line)
    found = json.loads(ran.out)
    assert (ran.err, found["index"], Path(found["folder"])) == ("", None, out)
    assert found["parts"] == json.loads((out / "study.json").read_text())["parts"] and "claims" in found
    assert not (out / "atlas").exists()
    assert json.loads(run(*line).out) == found, "given again, it is told again"


def test_a_dry_run_prints_settings_that_can_be_given_again_and_writes_nothing(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    ran = run("study", folder, "--quick", "--seed", 3, "--language", "en", "--out", out, "--dry-run")
    tables = tomllib.loads(ran.out)
    assert (ran.status, list(tables)) == (0, list(preset("quick").to_json()))
    assert tables["study"] == {"seed": 3, "language": "en", "without": []}
    assert tables["harvest"] == json.loads(json.dumps(preset("quick").to_json()["harvest"]))
    assert "2 clips, 3.5 s of audio" in ran.err and "left out: the corpus has no words in time" in ran.err
    assert all(f"\n{name} " in ran.err for name in part_names())
    assert not out.exists()
    (tmp_path / "again.toml").write_text(ran.out)
    again = run("study", folder, "--settings", tmp_path / "again.toml", "--out", out, "--dry-run")
    assert again.out == ran.out


def test_a_dry_run_as_json_is_the_plan(run: Run, folder: Path, tmp_path: Path) -> None:
    ran = run("study", folder, "--quick", "--out", tmp_path / "study", "--dry-run", "--json", "--quiet")
    plan = json.loads(ran.out)
    assert ran.err == "" and [part["name"] for part in plan["parts"]] == [*part_names(), "pages"]
    assert plan["minutes"] == pytest.approx(sum(part["minutes"] or 0 for part in plan["parts"]))
    assert (plan["n_clips"], plan["settings"]["window"]["clips"]) == (2, preset("quick").window.clips)


def test_another_study_is_refused_unless_it_may_be_replaced(
    run: Run, folder: Path, small: Path, tmp_path: Path
) -> None:
    line = ("study", folder, "--settings", small, "--out", tmp_path / "study", "--only", "locality", "--no-atlas")
    assert run(*line).status == 0
    other = run(*line, "--seed", 1)
    assert other.status == 2 and "settings.study.seed was 0 and is 1" in other.err and "--overwrite" in other.err
    assert run(*line, "--seed", 1, "--overwrite").status == 0


def test_clips_that_cannot_be_used_end_with_status_1(run: Run, mixed_folder: Path, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    ran = run("study", mixed_folder, "--settings", small, "--out", out, "--only", "locality", "--no-atlas")
    assert ran.status == 1 and "2 of 4 recordings could not be used" in ran.err
    assert f"The study is in {out}." in ran.out


def test_a_part_that_failed_ends_with_status_1_and_is_named(
    run: Run, folder: Path, small: Path, tmp_path: Path
) -> None:
    text = SMALL.to_toml()
    assert text.count("prompts = []") == 1
    small.write_text(text.replace("prompts = []", f'prompts = ["{"word " * 900}"]'))
    ran = run("study", folder, "--settings", small, "--out", tmp_path / "study", "--only", "bigrams", "--no-atlas")
    assert ran.status == 1 and "parts of the study failed: bigrams" in ran.err
    assert "bigrams: failed: " in ran.out


def finding(**changed: Any) -> dict[str, Any]:
    plain = {"words": "70% of it, where 18% would if it were even.", "outcome": "holds", "needs": ""}
    return {**plain, "n": 1440, "n_of": "clips", **changed}


@pytest.fixture
def told() -> Callable[..., str]:
    """Makes the summary of a study with one claim."""

    def tell(*findings: dict[str, Any], **corpus: Any) -> str:
        claim = {"title": "Features are local", "verdict": "holds in part", "tally": "2 of 4 findings hold"}
        about = {
            "model": {"id": "tiny"},
            "corpus": {"name": "talks", "n_clips": 1, "hours": 0.5, **corpus},
            "parts": [{"name": "window", "state": "done", "why": None}],
        }
        return summary(Study(Path("study"), about, {"claims": [{**claim, "findings": list(findings)}]}))

    return tell


def test_a_claim_is_told_with_its_verdict_its_tally_and_findings(told: Callable[..., str]) -> None:
    unclear = finding(outcome="undecided", needs="about 40 more clips")
    untested = finding(outcome="not tested", words="word " * 40)
    text = told(finding(), finding(outcome="does not hold", n=None), unclear, untested)
    assert "Features are local: holds in part (2 of 4 findings hold).\n" in text
    assert "  [holds] 70% of it, where 18% would if it were even. (1,440 clips)\n" in text
    assert "  [does not hold] 70% of it, where 18% would if it were even.\n" in text
    assert "  [undecided] 70% of it" in text and "Deciding this takes about 40 more clips." in " ".join(text.split())
    assert "  [not tested] word word" in text
    assert max(map(len, text.splitlines())) <= 110


def test_error_rates_of_groups_of_voices_are_told_where_they_are_known(told: Callable[..., str]) -> None:
    wer = {"value": 0.041, "low": 0.03, "high": 0.05, "n": 72}
    text = told(finding(), groups=[{"name": "voices never heard", "n_clips": 72, "wer": wer}])
    assert "Word error rate, voices never heard: 4.1% (3.0% to 5.0%), 72 clips." in text
    assert "Word error rate" not in told(finding())


def test_settings_in_a_file_stand_over_a_preset_and_options_over_both(run: Run, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    path.write_text("[study]\nseed = 5\nlanguage = 'en'\nwithout = ['words']\n[lens]\nclips = 2\n")
    line = ("study", folder, "--full", "--settings", path, "--language", "de", "--without", "lens", "--dry-run")
    tables = tomllib.loads(run(*line, "--out", tmp_path / "study", "--quiet").out)
    assert tables["study"] == {"seed": 5, "language": "de", "without": ["lens", "words"]}
    assert tables["lens"] == {"clips": 2} and tables["locality"]["clips"] > StudySettings().locality.clips
