"""Verdicts: every figure comes from a part's file, every rule can fail, and what was not measured is not judged."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otoscope.study.whole.verdicts import verdicts

PHONES, SCORES, BIGRAMS = "phones/phones.json", "scores/scores.json", "bigrams/bigram_agreement.json"


def around(value: float, half: float = 0.02) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def site(basis: str, n_auroc: int, n_mixed: int = 0, **more: Any) -> dict[str, Any]:
    return {"run": "run", "site": "encoder.blocks.0", "basis": basis, "n_features": 400,
            "n_auroc": n_auroc, "n_auroc_shuffled": 0, "n_polysemantic": 3, "n_mixed_below": n_mixed, "n_pure_top": 300,
            **more}  # fmt: skip


def point(basis: str, n_pure: int, n_clips: float = 2000, **more: Any) -> dict[str, Any]:
    """A point of the curve of features that are pure at their maximum."""
    return {"run": "run", "site": "encoder.blocks.0", "basis": basis, "n_clips": n_clips, "n_features": 400,
            "clips_an_example": n_clips / 10, "frames_an_example": 20 * n_clips, "n_phones": 39,
            "n_phones_reachable": 39.0, "n_pure": n_pure, "n_half": 380, "n_judged": 400, "n_pure_shuffled": 0,
            "mean_purity": 0.7, **more}  # fmt: skip


def both(rate: float) -> dict[str, Any]:
    """The same rate of word errors and of words lost."""
    return {"wer": around(rate), "lost": around(rate)}


def files() -> dict[str, dict[str, Any]]:
    """What the parts of a study wrote in which everything holds."""
    curve = [{"k": k, "wer": around(rate), "reference_wer": around(rate), "loss": around(rate - 0.03),
              "reference_loss": around(rate - 0.03)} for k, rate in
             ((None, 0.03), (100, 0.04), (75, 0.05), (20, 0.3), (5, 0.9))]  # fmt: skip
    rates = {"dictionary": 0.06, "random decoder": 0.5, "neurons": 0.6, "pca": 0.3}
    ways = {way: {"hit": around(hit)} for way, hit in (("relevance", 0.9), ("attention", 0.8), ("in order", 0.6))}
    bits = {"model": around(2.0), "unigram": around(3.0), "another context": around(6.0),
            "model - unigram": around(-1.0), "model - another context": around(-4.0)}  # fmt: skip
    alike = {"space": "embedding", "form": "corrected", "n_words": 300, "random": around(0.7),
             "more_alike": around(0.1), "near_nearest": around(0.05), "near_random": around(0.03)}  # fmt: skip
    table = {guess: {"kl_bits": value} for guess, value in bits.items()}
    return {
        "study.json": {"model": {"id": "tiny"}, "corpus": {"name": "talks"}},
        "relevance/relevance_shares.json": {
            "within_frames": 25, "share": around(0.7), "if_even": around(0.1), "more_than_even": around(0.6),
            "end_share": around(0.5) | {"n": 80}, "end_if_even": around(0.04), "end_more_than_even": around(0.46),
            "padding_share": around(0.2), "n_clips": 90},
        "locality/locality.json": {
            "local": {"within_frames": 50, "share": 0.9}, "heads": [{"is_local": True, "mean_frames": 10.0}] * 24,
            "uniform_baseline": {"mean_frames": 150.0, "share_within": {"50": 0.2}}},
        "window/window.json": {"n_clips": 40, "n_clips_with_reference": 40, "curve": curve},
        "window/window_heads.json": {"k": 10, "n_clips": 8, "n_model_heads": 24, "heads": [
            {"block": place // 6, "head": place % 6, "wer": around(0.01)} for place in range(24)]},
        "splice/splice_words.json": {
            "own_frames": {"n": 500, "gone": around(0.9), "exact": around(0.8)},
            "as_long_elsewhere": {"n": 500, "gone": around(0.1), "exact": around(0.05)},
            "more_than_elsewhere": {"gone": around(0.8), "exact": around(0.75)}},
        "words/word_scores.json": {
            "n_words": 200, "ways": ways, "above_in_order": {"relevance": {"hit": around(0.3)}}},
        PHONES: {"settings": {"auroc": 0.9, "purity": 0.8}, "run": {"name": "run"}, "sites": [
            site("neuron", 250, 150), site("random", 20, 30), site("untrained", 0), site("sae:/home/x/d", 350, 40)],
            "label_noise": {"label_agreement": None, "reached_by_features_of_one_phone": [
                {"agreement": 1.0, "share": 1.0}, {"agreement": 0.9, "share": 0.93}]},
            "maximum": [point("neuron", 250), point("random", 20), point("untrained", 5), point("sae:/home/x/d", 350),
                        point("neuron", 40, 30)]},
        SCORES: {"n_clips_scored": 36, "clean": both(0.04), "sites": [
            {"site": "encoder.blocks.0", "rows": [{"name": name, **both(rate)} for name, rate in rates.items()]},
            {"site": "encoder.blocks.1", "rows": [{"name": "dictionary", **both(0.05)}]}]},
        BIGRAMS: {"n_contexts": 20, "in_sentences": False, "sounds": [
            {"sound": "noise", "sound_label": "noise", "by_frequency": {}},
            {"sound": "padding", "sound_label": "padding", "by_frequency": table}]},
        "neighbours/sounds_alike.json": {"close": 0.25, "contrasts": [
            {**alike, "pairs": "all", "measure": "phones", "nearest": around(0.5)},
            {**alike, "pairs": "unrelated", "measure": "phones", "nearest": around(0.6)}]},
        "lens/lens_curve.json": {"n_tokens": 700, "chance": {"is_likeliest": 0.001}, "commonest": {
            "token": ".", "is_likeliest": around(0.1), "no_sound_above_it": around(0.2)}, "stages": [
            {"stage": "block 0", "sound": {"is_likeliest": around(0.4)}, "no_sound": {"is_likeliest": around(0.1)}},
            {"stage": "block 1", "sound": {"is_likeliest": around(0.9)}, "no_sound": {"is_likeliest": around(0.3)}}]},
    }  # fmt: skip


@pytest.fixture
def judge(tmp_path: Path) -> Callable[[dict[str, dict[str, Any]]], dict[str, dict[str, Any]]]:
    """Write the files of parts, and give the claims by their ids."""

    def write(parts: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, values in parts.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(json.dumps(values))
        return {claim["id"]: claim for claim in verdicts(tmp_path)["claims"]}

    return write


def findings(claims: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for claim in claims.values() for one in claim["findings"]}


def put(parts: dict[str, Any], path: str, value: object) -> None:
    """Change one value, named by its file and keys."""
    file, *keys = path.split(" > ")
    inner = parts[file]
    for key in keys[:-1]:
        inner = inner[int(key) if isinstance(inner, list) else key]
    inner[int(keys[-1]) if isinstance(inner, list) else keys[-1]] = value


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
        assert one["words"].startswith("Not measured: ")
    assert why in findings(claims)["neurons_most"]["words"]


def test_what_was_not_tested_keeps_a_claim_from_holding_whole(judge) -> None:
    parts = files()
    del parts["neighbours/sounds_alike.json"], parts[BIGRAMS]
    claim = judge(parts)["language_model"]
    assert claim["verdict"] == "holds in part"
    assert "1 of 1 findings bears it out" in claim["sentence"]
    assert "Not tested: 3 more." in claim["sentence"]
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
    for point in parts["window/window.json"]["curve"]:
        del point["reference_wer"], point["reference_loss"]
        point["wer"] = around(0.0, 0.0) if point["k"] is None else point["wer"]
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


def test_bases_are_compared_at_the_sites_that_have_both(judge) -> None:
    parts = files()
    elsewhere = {"site": "encoder.blocks.1.mlp.1", "n_features": 10_000}
    parts[PHONES]["sites"].append(site("neuron", 0, 0) | elsewhere)
    parts[PHONES]["maximum"].append(point("neuron", 0) | elsewhere)
    found = findings(judge(parts))
    assert found["neuron_maximum"]["n"] == found["neurons_most"]["n"] == 10_400
    assert found["neuron_maximum"]["outcome"] == "holds", "250 of 400 against 20 of 400, the other site left out"
    assert found["polysemantic"]["n"] == 600


def test_without_random_directions_nothing_holds_by_shuffled_labels_alone(judge) -> None:
    parts = files()
    del parts[PHONES]["sites"][1:3], parts[PHONES]["maximum"][1:3]
    found = findings(judge(parts))
    for name in ("neuron_maximum", "neuron_detects", "sae_maximum", "sae_detects"):
        assert found[name]["outcome"] == "undecided" and "random directions" in found[name]["needs"]


def test_what_most_neurons_do_is_read_at_the_rarest_maximum_and_says_so(judge) -> None:
    found = findings(judge(files()))
    for name in ("neuron_maximum", "neurons_most"):
        assert "Of the top 10 of 2,000 clips (1 in 200; 1 in 40,000 frames of speech)" in found[name]["words"]
        assert "By number of clips: 10.0% of 30, 62.5% of 2,000" in found[name]["words"]
    assert "Mean purity: neurons 70.0%, random directions 70.0%" in found["neuron_maximum"]["words"]
    assert "93.0% where 90% are right" in found["neuron_maximum"]["words"]


def test_few_pure_neurons_fail_only_where_clips_labels_and_phones_allow_many(judge) -> None:
    parts = files()
    put(parts, f"{PHONES} > maximum > 0 > n_pure", 120)
    assert findings(judge(parts))["neurons_most"]["outcome"] == "does not hold"
    for path, value, needs in (
        ("maximum > 0 > clips_an_example", 64, "1,000 labelled clips or more: here they are 1 in 64"),
        ("maximum > 0 > n_phones_reachable", 25.5, "25.5 of 39 phones occur in enough"),
        ("label_noise", {"label_agreement": 0.7, "reached_by_features_of_one_phone": [
            {"agreement": 0.7, "share": 0.38}]}, "better labels: where 70% are right"),
    ):  # fmt: skip
        changed = files()
        put(changed, f"{PHONES} > maximum > 0 > n_pure", 120)
        put(changed, f"{PHONES} > {path}", value)
        found = findings(judge(changed))["neurons_most"]
        assert found["outcome"] == "undecided" and needs in found["needs"]


def test_the_share_that_right_labels_would_give_is_at_most_what_wrong_ones_hide(judge) -> None:
    parts = files()
    rows = [{"agreement": 0.72, "share": 0.44}]
    put(parts, f"{PHONES} > label_noise", {"label_agreement": 0.72, "reached_by_features_of_one_phone": rows})
    put(parts, f"{PHONES} > maximum > 0 > n_pure", 44)
    words = findings(judge(parts))["neuron_maximum"]["words"]
    assert "44.0% of the features of one phone alone" in words and "at most 25.0%" in words  # 11% of 44%


def test_without_random_directions_polysemantic_neurons_are_counted_but_not_judged(judge) -> None:
    parts = files()
    del parts[PHONES]["sites"][1]
    found = findings(judge(parts))["polysemantic"]
    assert found["value"] == pytest.approx(0.5) and found["outcome"] == "undecided"


def test_a_dictionary_is_judged_where_it_does_worst(judge) -> None:
    parts = files()
    put(parts, f"{SCORES} > sites > 1 > rows > 0 > wer", around(0.3))
    assert findings(judge(parts))["reconstruction"]["value"] == 0.3


def test_it_is_told_whether_a_dictionary_was_trained_on_what_it_is_scored_on(judge) -> None:
    parts = files()
    assert "trained on other clips" in findings(judge(parts))["reconstruction"]["words"]
    note = "encoder.blocks.0: the dictionary was trained on clips of this corpus, and maybe on the scored."
    put(parts, f"{SCORES} > notes", ["Something else.", note])
    for name in ("reconstruction", "random_decoder"):
        assert "trained on these clips, too" in findings(judge(parts))[name]["words"]


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
    assert '<script> on the corpus a "b" {c} %s' in sentence


def test_verdicts_need_no_torch() -> None:
    code = "import sys; import otoscope.study.whole.verdicts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_undertrained_dictionary_leaves_open_what_it_spoils(judge) -> None:
    parts = files()
    put(parts, f"{SCORES} > sites > 1 > rows > 0 > wer", around(0.9))
    assert findings(judge(parts))["reconstruction"]["outcome"] == "does not hold"
    put(parts, f"{SCORES} > sites > 1 > is_undertrained", True)
    put(parts, f"{SCORES} > sites > 1 > dictionary", {"replaced": ["speech"]})
    found = findings(judge(parts))["reconstruction"]
    assert found["outcome"] == "undecided" and "trained on more frames" in found["needs"]
    assert "it is undertrained" in found["words"] and "Frames of speech were replaced." in found["words"]


def test_words_that_a_loop_inserts_do_not_count_against_a_dictionary(judge) -> None:
    parts = files()
    put(parts, f"{SCORES} > sites > 0 > rows > 0 > wer", around(3.0))
    found = findings(judge(parts))
    assert (found["random_decoder"]["outcome"], found["reconstruction"]["outcome"]) == ("holds", "does not hold")
