"""The files of a study in which every finding holds, made up, and the verdicts on them."""

from __future__ import annotations

import json
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
