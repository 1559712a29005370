"""Verdicts on features: bases are compared where both were looked at, and dictionaries where they do worst."""

from __future__ import annotations

import pytest

from tests.study.verdict_files import PHONES, SCORES, around, files, findings, judge, point, put, site

__all__ = ["judge"]


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
        assert "the top 10 of 2,000 clips (1 in 200; 1 in 40,000 frames of speech)" in found[name]["words"]
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
    assert "44.0% of the features of only one phone" in words and "at most 25.0%" in words  # 11% of 44%


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
