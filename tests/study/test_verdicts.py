"""Verdicts: every figure comes from a part's file, every rule can fail, and what was not measured is not judged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from otoscope.study.whole.verdicts import verdicts
from tests.study.verdict_files import BIGRAMS, PHONES, SCORES, around, files, findings, judge, point, put, site

__all__ = ["judge"]


def test_claims_hold_when_every_finding_does(judge) -> None:
    claims = judge(files())
    assert {name: claim["verdict"] for name, claim in claims.items()} == dict.fromkeys(
        ("local", "interpretable", "language_model"), "holds"
    )


NEAR, SPLICED = "relevance/relevance_shares.json", "splice/splice_words.json"
LOSS_75 = "window/window.json > curve > 2 > reference_loss"
KL = f"{BIGRAMS} > sounds > 1 > by_frequency"
WORSE = [
    ("relevance_near", f"{NEAR} > more_than_even", around(-0.1), around(0.01)),
    ("relevance_end", f"{NEAR} > end_more_than_even", around(-0.1), around(0.01)),
    ("window", LOSS_75, around(0.2), around(0.09)),
    ("splice_gone", f"{SPLICED} > more_than_elsewhere > gone", around(-0.1), around(0.01)),
    ("splice_exact", f"{SPLICED} > own_frames > exact", around(0.4), around(0.51)),
    ("splice_exact", f"{SPLICED} > more_than_elsewhere > exact", around(-0.1), around(0.01)),
    ("words", "words/word_scores.json > above_in_order > relevance > hit", around(-0.1), around(0.01)),
    ("neuron_maximum", f"{PHONES} > maximum > 1 > n_pure", 320, 250),
    ("neuron_maximum", f"{PHONES} > maximum > 2 > n_pure", 320, 245),
    ("neuron_maximum", f"{PHONES} > maximum > 0 > n_pure_shuffled", 320, 245),
    ("sae_maximum", f"{PHONES} > maximum > 3 > n_pure", 100, 252),
    ("neurons_rarer", f"{PHONES} > maximum > 4 > n_pure", 320, 245),
    ("neuron_detects", f"{PHONES} > sites > 1 > n_auroc", 320, 250),
    ("sae_detects", f"{PHONES} > sites > 3 > n_auroc", 100, 252),
    ("polysemantic", f"{PHONES} > sites > 1 > n_mixed_below", 200, 145),
    ("reconstruction", f"{SCORES} > sites > 1 > rows > 0 > wer", None, around(0.13)),
    ("random_decoder", f"{SCORES} > sites > 0 > rows > 1 > lost", around(0.03), around(0.07)),
    ("bigrams_counts", f"{KL} > model - unigram > kl_bits", around(0.1), around(0.01)),
    ("bigrams_context", f"{KL} > model - another context > kl_bits", around(0.1), around(-0.01)),
    ("sounds_alike", "neighbours/sounds_alike.json > contrasts > 1 > more_alike", around(-0.1), around(0.01)),
    ("lens", "lens/lens_curve.json > commonest > no_sound_above_it", around(-0.1), around(0.01)),
]
CASES = [
    (name, path, value, outcome)
    for name, path, *values in WORSE
    for value, outcome in zip(values, ("does not hold", "undecided"), strict=True)
    if value is not None
]


@pytest.mark.parametrize(("name", "path", "value", "outcome"), CASES)
def test_each_finding_can_fail_and_is_undecided_within_reach_of_its_bar(
    judge, name: str, path: str, value: object, outcome: str
) -> None:
    parts = files()
    put(parts, path, value)
    claims = judge(parts)
    others = {key: one for key, one in findings(claims).items() if one["outcome"] not in ("holds", "not tested")}
    assert {key: one["outcome"] for key, one in others.items()} == {name: outcome}
    assert bool(others[name]["needs"]) == (outcome == "undecided")
    (claim,) = (claim for claim in claims.values() if name in {one["id"] for one in claim["findings"]})
    assert claim["verdict"] == ("holds in part" if others[name]["is_core"] else "holds")
    assert ("Not found: " if outcome == "does not hold" else "Undecided: ") in claim["sentence"]


@pytest.mark.parametrize(("n_local", "outcome"), [(14, "holds"), (13, "holds"), (12, "does not hold")])
def test_heads_are_counted_and_have_no_interval(judge, n_local: int, outcome: str) -> None:
    """14 of 24 are most: the heads of a model are all there are."""
    parts = files()
    parts["locality/locality.json"]["heads"] = [
        {"is_local": place < n_local, "mean_frames": 9.0} for place in range(24)
    ]
    found = findings(judge(parts))["heads"]
    assert (found["outcome"], found["low"], found["high"]) == (outcome, None, None)
    assert found["value"] == n_local / 24


def test_clips_too_short_to_tell_a_local_head_decide_nothing(judge) -> None:
    parts = files()
    put(parts, "locality/locality.json > uniform_baseline > share_within > 50", 0.8)
    found = findings(judge(parts))["heads"]
    assert found["outcome"] == "undecided" and "longer clips" in found["needs"]


def heads(*wers: dict[str, float]) -> list[dict[str, Any]]:
    return [{"block": place // 6, "head": place % 6, "wer": wer} for place, wer in enumerate(wers)]


@pytest.mark.parametrize(
    ("n_bear", "n_unclear", "n_model", "outcome"),
    [
        (21, 3, 24, "holds"),
        (12, 0, 24, "does not hold"),
        (12, 1, 24, "undecided"),
        (16, 0, 640, "undecided"),  # 16 of 24 drawn from many
        (22, 0, 640, "holds"),
        (3, 1, 640, "does not hold"),
    ],
)
def test_heads_that_bear_a_window_alone_are_counted(
    judge, n_bear: int, n_unclear: int, n_model: int, outcome: str
) -> None:
    parts = files()
    wers = [around(0.02)] * n_bear + [around(0.1, 0.05)] * n_unclear
    rows = heads(*wers, *[around(0.4)] * (24 - len(wers)))
    parts["window/window_heads.json"] |= {"heads": rows, "n_model_heads": n_model}
    found = findings(judge(parts))["window_heads"]
    assert found["outcome"] == outcome
    assert (found["low"] is None) == (n_model == 24)
    assert f"{n_bear} of 24 heads" in found["words"]


def test_three_clips_do_not_decide_a_window(judge) -> None:
    """14.7% against 13.2%, with an interval from 8 to 32%, says nothing: it takes more clips."""
    parts = files()
    put(parts, LOSS_75, {"value": 0.015, "low": -0.06, "high": 0.18})
    parts["window/window.json"] |= {"n_clips": 3, "n_clips_with_reference": 3}
    found = findings(judge(parts))["window"]
    assert found["outcome"] == "undecided"
    assert found["needs"] == "about 9 more clips, if the value stays"  # (0.165 / 0.085)^2 = 3.8 times as many


def test_where_few_clips_have_transcripts_all_are_held_against_the_model_itself(judge) -> None:
    parts = files()
    parts["window/window.json"]["n_clips_with_reference"] = 3
    found = findings(judge(parts))["window"]
    assert found["n"] == 40 and "the transcript without a limit" in found["words"]
    assert "known of 3 of them" in found["words"]


def test_a_part_that_was_done_and_gave_nothing_is_undecided(judge) -> None:
    parts = files()
    del parts["splice/splice_words.json"]
    parts["study.json"]["parts"] = [{"name": "splice", "state": "done", "why": None}]
    found = findings(judge(parts))["splice_gone"]
    assert found["outcome"] == "undecided" and found["needs"].startswith("words in time")


def test_every_finding_says_its_figure_baseline_sample_and_rule(judge) -> None:
    for one in findings(judge(files())).values():
        assert one["low"] is None or one["low"] <= one["value"] <= one["high"], one["id"]
        assert one["baseline"]["name"] and one["baseline"]["value"] is not None, one["id"]
        assert one["n"] > 0 and one["n_of"] and one["rule"].startswith("holds when "), one["id"]
        assert one["question"].endswith("?") and one["words"].endswith("."), one["id"]
        assert one["unit"] in ("share", "rate", "bits", "distance"), one["id"]


def test_without_any_part_nothing_is_judged_and_each_finding_says_why(judge) -> None:
    why = "the corpus has no labels"
    row = {"name": "phones", "state": "left out", "why": why}
    claims = judge({"study.json": {"parts": [row]}})
    assert {claim["verdict"] for claim in claims.values()} == {"not tested"}
    for one in findings(claims).values():
        assert one["outcome"] == "not tested" and one["value"] is None and not one["needs"]
        assert one["words"].startswith(f"Not measured whether {one['short']}: ")
    assert why in findings(claims)["neurons_most"]["words"]


def test_what_was_not_tested_keeps_a_claim_from_holding_whole(judge) -> None:
    parts = files()
    del parts["neighbours/sounds_alike.json"], parts[BIGRAMS]
    claim = judge(parts)["language_model"]
    assert claim["verdict"] == "holds in part"
    assert claim["tally"] == "1 of 4 findings holds, 3 were not tested" and claim["tally"] in claim["sentence"]
    assert (claim["n_tested"], claim["n_findings"]) == (1, 4)


def test_a_claim_is_not_tested_by_what_only_goes_with_it(judge) -> None:
    """Transcripts that a dictionary keeps say nothing of what its features answer to."""
    parts = files()
    del parts[PHONES]
    claim = judge(parts)["interpretable"]
    assert {one["id"] for one in claim["findings"] if one["outcome"] == "holds"} == {"reconstruction", "random_decoder"}
    assert claim["verdict"] == "not tested"
    assert "nothing that the claim says was measured" in claim["sentence"]


def test_neurons_and_random_directions_of_other_sites_are_not_compared(judge) -> None:
    parts = files()
    put(parts, f"{PHONES} > sites > 1 > site", "encoder.blocks.3")
    found = findings(judge(parts))
    assert found["polysemantic"]["value"] == pytest.approx(0.5) and found["polysemantic"]["outcome"] == "undecided"
    put(parts, f"{PHONES} > maximum > 1 > site", "encoder.blocks.3")
    assert "random directions" not in findings(judge(parts))["neuron_maximum"]["words"].split("Mean")[0]


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"sites": null}', '{"curve": null, "heads": null}', "\ufffd"])
def test_damaged_and_empty_files_count_as_not_measured(judge, tmp_path: Path, text: str) -> None:
    judge(files())
    for name in files():
        (tmp_path / name).write_text(text, encoding="utf-16" if text == "\ufffd" else "utf-8")
    claims = {claim["id"]: claim for claim in verdicts(tmp_path)["claims"]}
    assert {claim["verdict"] for claim in claims.values()} == {"not tested"}


def test_a_number_that_is_not_known_is_never_judged(judge) -> None:
    """A single clip has a value and no interval: it cannot be told from its baseline."""
    parts = files()
    single = {"value": 0.01, "low": None, "high": None}
    put(parts, LOSS_75, single)
    put(parts, "words/word_scores.json > above_in_order > relevance > hit", single)
    put(parts, "relevance/relevance_shares.json > if_even", None)
    found = findings(judge(parts))
    assert {found[name]["outcome"] for name in ("window", "words", "relevance_near")} == {"undecided"}


BASELINES = [
    ("relevance_near", "relevance/relevance_shares.json > if_even"),
    ("heads", "locality/locality.json > uniform_baseline"),
    ("window", "window/window.json > curve > 0 > reference_wer > value"),
    ("splice_gone", "splice/splice_words.json > as_long_elsewhere"),
    ("splice_exact", "splice/splice_words.json > as_long_elsewhere > exact"),
    ("words", "words/word_scores.json > ways > in order"),
    ("neurons_most", f"{PHONES} > maximum > 0 > n_pure_shuffled"),
    ("polysemantic", f"{PHONES} > sites > 1 > n_mixed_below"),
    ("reconstruction", f"{SCORES} > clean"),
    ("random_decoder", f"{SCORES} > sites > 0 > rows > 1"),
    ("bigrams_counts", f"{BIGRAMS} > sounds > 1 > by_frequency > unigram"),
    ("bigrams_context", f"{BIGRAMS} > sounds > 1 > by_frequency > another context"),
    ("sounds_alike", "neighbours/sounds_alike.json > contrasts > 1 > random"),
    ("lens", "lens/lens_curve.json > commonest > is_likeliest"),
]


@pytest.mark.parametrize(("name", "path"), BASELINES)
def test_nothing_holds_without_its_baseline(judge, name: str, path: str) -> None:
    parts = files()
    put(parts, path, None)
    found = findings(judge(parts))
    assert name not in found or found[name]["outcome"] in ("undecided", "not tested")


ROWS = [
    "locality/locality.json > heads",
    "window/window.json > curve",
    "window/window_heads.json > heads",
    f"{PHONES} > sites",
    f"{SCORES} > sites",
    f"{SCORES} > sites > 0 > rows",
    f"{BIGRAMS} > sounds",
    "neighbours/sounds_alike.json > contrasts",
    "lens/lens_curve.json > stages",
    "study.json > parts",
]


@pytest.mark.parametrize("path", ROWS)
def test_rows_of_nothing_change_nothing(judge, path: str) -> None:
    parts = files()
    parts["study.json"]["parts"] = []
    clean = judge(parts)
    file, *keys = path.split(" > ")
    rows = parts[file]
    for key in keys:
        rows = rows[int(key) if isinstance(rows, list) else key]
    rows.extend([None, None])
    assert judge(parts) == clean


def test_a_count_that_is_not_known_is_not_counted_as_none(judge) -> None:
    parts = files()
    parts[PHONES]["sites"].append({**site("neuron", 0), "n_auroc": None})
    parts[PHONES]["maximum"].append({**point("neuron", 0), "n_pure": None})
    found = findings(judge(parts))
    assert (found["neurons_most"]["n"], found["neuron_detects"]["n"]) == (400, 400)


@pytest.mark.parametrize(
    ("names", "path"),
    [
        (["window"], "window/window.json > curve > 0 > reference_wer"),
        (["reconstruction"], f"{SCORES} > clean > wer"),
        (["random_decoder"], f"{SCORES} > clean > lost"),
    ],
)
def test_speech_that_the_model_cannot_follow_is_not_judged_by_its_losses(judge, names: list[str], path: str) -> None:
    parts = files()
    put(parts, path, around(1.04))
    found = findings(judge(parts))
    for name in names:
        assert found[name]["outcome"] == "undecided" and "speech of which" in found[name]["needs"]
        assert "not judged" in found[name]["words"]


def test_without_transcripts_windows_are_held_against_the_model_itself(judge) -> None:
    parts = files()
    parts["window/window.json"]["n_clips_with_reference"] = 0
    for row in parts["window/window.json"]["curve"]:
        del row["reference_wer"], row["reference_loss"]
        row["wer"] = around(0.0, 0.0) if row["k"] is None else row["wer"]
    found = findings(judge(parts))["window"]
    assert found["outcome"] == "holds" and found["baseline"]["value"] == 0.0
    assert "the transcript without a limit" in found["words"]


def test_the_smallest_window_is_the_last_before_words_are_lost(judge) -> None:
    parts = files()
    assert "down to k = 75" in findings(judge(parts))["window"]["words"]
    put(parts, "window/window.json > curve > 4 > reference_loss", around(0.02))  # a lucky k = 5 below a failing 20
    assert "down to k = 75" in findings(judge(parts))["window"]["words"]
    put(parts, "window/window.json > curve > 1 > reference_loss", around(0.5))
    assert "At no window tried, up to k = 100" in findings(judge(parts))["window"]["words"]


def test_a_window_that_was_not_tried_is_not_judged(judge) -> None:
    parts = files()
    del parts["window/window.json"]["curve"][2]
    parts["study.json"]["parts"] = [{"name": "window", "state": "done", "why": None}]
    found = findings(judge(parts))["window"]
    assert found["outcome"] == "undecided" and "k = 75 was not among" in found["words"]


def test_without_pronunciations_spelling_is_compared_and_named(judge) -> None:
    parts = files()
    for row in parts["neighbours/sounds_alike.json"]["contrasts"]:
        row["measure"] = "spelling"
    found = findings(judge(parts))["sounds_alike"]
    assert found["outcome"] == "holds" and "in spelling" in found["question"] and "sound" not in found["short"]


def test_like_sounding_words_are_judged_without_forms_of_the_same_word(judge) -> None:
    assert findings(judge(files()))["sounds_alike"]["value"] == 0.6


def test_no_folder_of_the_machine_is_told(judge) -> None:
    assert "home" not in json.dumps(judge(files()))


def test_names_that_are_hostile_are_kept_as_they_are(judge) -> None:
    parts = files()
    parts["study.json"] = {"model": {"id": "<script>"}, "corpus": {"name": 'a "b" {c} %s'}}
    sentence = judge(parts)["local"]["sentence"]
    assert '<script>, on the corpus a "b" {c} %s' in sentence


def test_verdicts_need_no_torch() -> None:
    code = "import sys; import otoscope.study.whole.verdicts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
