from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from otoscope.cli import demo
from otoscope.demo.grammar import next_words
from otoscope.study.error_rate import word_errors
from tests.cli.conftest import Run

DEMO = ("demo", "--clips", 2)


@pytest.fixture(autouse=True)
def few_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "KS", (50, 5))


def test_everything_is_run_and_written(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = run(*DEMO, "--out", out)
    assert ran.status == 0
    assert ran.out.endswith(f"Read on, with pictures: {out / 'summary.md'}\n")
    page = (out / "summary.md").read_text()
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", page)
    assert len(pictures) == 12 and all((out / name).is_file() for name in pictures)
    tables = {path.relative_to(out).as_posix() for path in out.rglob("*.json")}
    for group in ("heard", "unheard"):
        names = ("relevance/relevance", "window/window", "splice/splice", "splice_words/splice_words", "transcripts")
        assert {f"{group}/{name}.json" for name in names} <= tables
    assert {"locality/locality.json", "summary.json", "manifest.json"} <= tables
    assert {"bigrams/bigrams.json", "neighbours/neighbours.json"} <= tables
    found = json.loads((out / "summary.json").read_text())
    check_figures(found, out)
    assert found["bigrams"]["grammar"]["The traffic"] == pytest.approx(next_words("traffic"))
    assert ran.out.count("in the language of the clips:") == len(found["bigrams"]["grammar"])
    for line in ran.out.splitlines():  # what the terminal shows is on the page, too
        if "WER" in line:
            assert line.strip() in page


def check_figures(found: dict[str, Any], out: Path) -> None:
    """Compute the error rates of the summary again, from what was said and heard."""
    for group, voices in found["voices"].items():
        rows = json.loads((out / group / "transcripts.json").read_text())
        errors = [word_errors(row["said"], row["heard"]) for row in rows]
        rate = sum(error.errors for error in errors) / sum(error.n_reference for error in errors)
        assert voices["wer"]["value"] == pytest.approx(rate)
        assert voices["window_curve"][0]["reference_wer"]["value"] == pytest.approx(rate, abs=1e-6)
        assert [point["k"] for point in voices["window_curve"]] == [None, 50, 5]
        assert voices["splice"]["word"] in " ".join(row["said"] for row in rows)


def test_a_collocation_of_the_grammar_is_what_the_demo_model_says_over_noise(run: Run, tmp_path: Path) -> None:
    ran = run("demo", "--clips", 1, "--out", tmp_path / "out", "--json", "--quiet", model=False)
    found, asked = json.loads(ran.out)["bigrams"], ("The traffic", "noise")
    over_noise = next(one for one in found["continuations"] if (one["prompt"], one["sound"]) == asked)
    likeliest = [row["text"].strip() for row in over_noise["next"][:2]]
    assert set(likeliest) == set(list(next_words("traffic"))[:2])


def test_json_is_the_summary(run: Run, tmp_path: Path) -> None:
    ran = run("demo", "--clips", 1, "--out", tmp_path / "out", "--json", "--quiet")
    assert json.loads(ran.out) == json.loads((tmp_path / "out" / "summary.json").read_text()) and ran.err == ""


def test_clips_come_from_all_voices_in_turn_heard_and_unheard_apart() -> None:
    heard, unheard = demo._clips(12, heard=True), demo._clips(6, heard=False)
    assert len({clip.speaker for clip in heard}) == 12 and len({clip.speaker for clip in unheard}) == 6
    assert not {clip.speaker for clip in heard} & {clip.speaker for clip in unheard}


def test_a_dry_run_prints_the_plan_and_stops(run: Run, tmp_path: Path) -> None:
    ran = run(*DEMO, "--out", tmp_path / "out", "--dry-run")
    assert (ran.status, ran.out) == (0, "") and "4 clips, " in ran.err
    assert not (tmp_path / "out").exists()


def test_no_clips_are_too_few(run: Run, tmp_path: Path) -> None:
    ran = run("demo", "--clips", 0, "--out", tmp_path / "out")
    assert ran.status == 2 and "--clips is 0: 1 or more are needed" in ran.err
