"""The page of released models says what was measured, cell by cell, on pieces made up here."""

from __future__ import annotations

import json
from typing import Any

from reproduction import page, printed
from reproduction.studies import Finished


def pieces(next_tokens: list[str]) -> dict[str, Any]:
    return {
        "windows": {json.dumps(k): f"heard at {k}" for k in printed.WINDOWS},
        "splices": {f"{start}-{stop}": "" for start, stop in printed.SPLICES},
        "next_tokens": dict.fromkeys(printed.NEXT_TOKENS, next_tokens),
        "neighbours": {
            "words": [{"word": word, "neighbours": [{"text": f" near-{word}"}]} for word in printed.NEIGHBOURS]
        },
        "relevance": {"share_within": {"25": {"added": 0.4, "even": 0.05}}, "speech_end_frame": 550},
        "no_speech": {kind: {"you": 3, "": 1} for kind in page.SOUNDS},
    }


def finding(outcome: str, value: float | None, low: float | None = None) -> dict[str, Any]:
    base = {"name": "chance", "value": None if value is None else 0.1}
    high = None if low is None else 0.9
    return {
        "id": "a",
        "short": "it holds",
        "outcome": outcome,
        "unit": "share",
        "value": value,
        "low": low,
        "high": high,
        "baseline": base,
    }


def study(row: dict[str, Any], neurons: dict[tuple[str, int], dict[str, Any]] | None = None) -> Finished:
    about = {"corpus": {"n_clips": 7, "hours": 0.5, "n_speakers": 2}, "minutes": 1.5}
    claims = [{"id": "local", "title": "Local", "verdict": row["outcome"], "findings": [row]}]
    return Finished(about, claims, neurons or {})


def row_of(text: str, begin: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {begin} |"))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_every_output_of_the_study_stands_beside_that_of_each_model() -> None:
    text = page.write({"one": pieces([" lights"]), "other": pieces([" jam", " police"])}, {}, "Made today.")
    assert row_of(text, "k = 75") == ["k = 75", printed.WINDOWS[75], "heard at 75", "heard at 75"]
    assert row_of(text, "k = 10")[1] == "(nothing)"
    assert row_of(text, "frames 0 to 50")[2] == "(nothing)"
    traffic = row_of(text, "`traffic`")
    assert traffic[2].endswith("`lights` (1 of the study's 19)")
    assert traffic[3].endswith("`jam`, `police` (2 of the study's 19)")
    assert row_of(text, "`rug`")[2] == "`near-rug`"
    assert row_of(text, "one") == ["one", "40.0%", "5.0%", "550"]
    assert row_of(text, "digital silence")[2] == '"you" 3 of 4, "(nothing)" 1 of 4'


def test_a_finding_is_told_with_outcome_interval_and_baseline() -> None:
    studies = {
        ("read", "one"): study(finding("holds", 0.5, 0.4)),
        ("read", "other"): study(finding("undecided", None)),
        ("spoken", "one"): study(finding("does not hold", 0.25)),
    }
    text = page.write({"one": pieces([])}, studies, "")
    assert row_of(text, "it holds") == [
        "it holds",
        "holds: 50.0% (40.0% to 90.0%); chance 10.0%",
        "undecided",
        "does not hold: 25.0%; chance 10.0%",
    ]
    assert row_of(text, "**verdict**")[1:] == ["**holds**", "**undecided**", "**does not hold**"]
    assert "- read, one: 7 clips, 30.0 minutes of sound, 2 speakers; 1.5 minutes of computing" in text


def test_named_neurons_are_told_by_maximum_and_over_all_frames() -> None:
    row = {"purity_phone_positive": "M", "purity_positive": 0.9, "phone_best": "M", "phone_auroc": 0.951}
    done = study(finding("holds", 0.5), {("encoder.blocks.2.mlp.1", 0): row})
    text = page.write({"one": pieces([])}, {("read", "one"): done}, "")
    assert row_of(text, "`encoder.blocks.2.mlp.1`, 0") == [
        "`encoder.blocks.2.mlp.1`, 0",
        "m",
        "at the maximum M 90%; over all frames M 0.95",
    ]
    assert row_of(text, "`encoder.blocks.2.mlp.1`, 3")[2] == ""
    row |= {"purity_positive": float("nan"), "phone_best": None, "phone_auroc": float("nan")}
    text = page.write({"one": pieces([])}, {("read", "one"): done}, "")
    told = "at the maximum too few examples; over all frames no phone"
    assert row_of(text, "`encoder.blocks.2.mlp.1`, 0")[2] == told, "a share that could not be measured is no number"
