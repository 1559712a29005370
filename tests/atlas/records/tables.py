"""Tables of experiments that nobody ran, in the layout that the experiments write: added to a made-up study."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from otoscope.study.estimates import wilson_interval
from otoscope.study.whole.claim_phones import phone_findings
from otoscope.study.whole.part_files import PartFiles

Text = Callable[[str], str]
SITES = ("encoder.blocks.0", "encoder.blocks.1")


def plain(text: str) -> str:
    return text


def interval(value: float, width: float = 0.1) -> dict[str, float]:
    return {"value": value, "low": round(value - width, 6), "high": round(value + width, 6)}


def write(study: Path, relative: str, values: object) -> None:
    path = study / relative
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(values))


def maximum_row(site: str, basis: str, n_clips: float, n_pure: int) -> dict[str, Any]:
    pure = wilson_interval(n_pure, 40)
    row = {"run": "harvest", "site": site, "basis": basis, "n_clips": n_clips, "n_samples": 1 if n_clips > 100 else 4,
           "clips_an_example": n_clips / 10, "frames_an_example": 20 * n_clips, "n_phones": 30,
           "n_phones_reachable": 20.5, "n_features": 40, "n_judged": 30 + n_pure % 2, "n_half": n_pure,
           "mean_purity": 0.2 + n_pure / 50, "low_purity": 0.1 + n_pure / 50, "high_purity": 0.3 + n_pure / 50,
           "n_judged_shuffled": 30, "n_pure_shuffled": 1, "mean_purity_shuffled": 0.2, "low_purity_shuffled": 0.15,
           "high_purity_shuffled": 0.25}  # fmt: skip
    return {**row, "n_pure": n_pure, "share_pure": pure.value, "low_pure": pure.low, "high_pure": pure.high}


def add_maximum(study: Path, text: Text = plain) -> None:
    """Add how many features are pure at their maximum, and what the verdict says of it."""
    path = study / "phones" / "phones.json"
    found = json.loads(path.read_text())
    mlps = ("encoder.blocks.0.mlp.1", "encoder.blocks.1.mlp.1")
    found["maximum"] = [
        maximum_row(site, basis, n_clips, n_pure + (10 if n_clips > 100 else 0) + (basis == "neuron") * 5)
        for n_pure, (site, basis) in enumerate(
            [(mlps[0], "neuron"), (mlps[0], "random"), (mlps[1], "neuron"), ("encoder.blocks.1", "sae:/home/x/d"),
             ("encoder.blocks.1", "random")]
        )
        for n_clips in (30.0, 400.0)
    ]  # fmt: skip
    path.write_text(json.dumps(found))
    verdicts = json.loads((study / "verdicts.json").read_text())
    verdicts["claims"][1]["findings"] = [
        {**finding, "words": text(finding["words"])} for finding in phone_findings(PartFiles(study))
    ]
    (study / "verdicts.json").write_text(json.dumps(verdicts))


def add_curves(study: Path, n: int, text: Text = plain) -> None:
    rows = [
        {"task": text(site), "step": step, "frames": 64 * step, "mse": 1 / step, "l1": math.nan,
         "explained_variance": 1 - 1 / (step + 1), "l0": 16.0, "dead_share": 0.1, "learning_rate": 1e-3}
        for site in SITES
        for step in range(1, n + 1)
    ]  # fmt: skip
    (study / "dictionaries").mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), study / "dictionaries" / "curves.parquet")


def add_training(study: Path, text: Text = plain, folder: str = "dictionaries/x") -> None:
    coder = {"coder": "batchtopk", "d_in": 16, "n_features": 64, "k": 16, "sparsity": None, "seed": 0}
    row = {"folder": folder, "explained_variance": 0.8, "mse": 2.0, "l0": 16.0, "dead_share": 0.1, "coder": coder}
    sites = [{"name": text(site), "site": text(site), **row} for site in SITES]
    about = {"source": text("made up"), "kinds": ["speech"], "model": {"id": "x"}}
    found = {"about": about, "settings": {"batch_frames": 64}, "n_frames": 6400, "n_steps": 100, "minutes": 0.1}
    write(study, "dictionaries/training.json", {**found, "sites": sites, "failed": []})


def score_row(name: str, explained: float, l0: float, wer: float, text: Text = plain) -> dict[str, Any]:
    frames = {"n_frames": 1000, "explained_variance": explained, "mse": 1.0, "cossim": 0.9, "l0": l0, "l2_ratio": 0.9,
              "n_features": 64, "dead_features": 2, "median_feature_density": None}  # fmt: skip
    return {
        "name": name, "what": text(f"{name}, of 64"), "n_features": 64, "scores": {"speech": frames, "all": frames},
        "ce_loss_score": 0.9, "ce_loss_with_sae": 0.2, "ce_loss_without_sae": 0.1, "ce_loss_with_ablation": 3.0,
        "wer": interval(wer), "wer_to_clean": interval(wer), "cer": interval(wer / 2),
        "lost": interval(wer / 4), "lost_to_clean": interval(wer / 4), "n_cut": int(10 * wer),
    }  # fmt: skip


def add_scores(study: Path, text: Text = plain, folder: str = "dictionaries/x") -> None:
    rows = [score_row("dictionary", 0.85, 12.0, 0.2, text), score_row("neurons", 0.5, 12.0, 0.4, text),
            score_row("zero ablation", -1.0, 0.0, 1.2, text)]  # fmt: skip
    phones = [{"name": "dictionary", "n_features": 64, "n": 6, "share": 6 / 64, "low": 0.04, "high": 0.19}]
    sites = [
        {"site": text(site), "dictionary": {"folder": folder, "architecture": "jumprelu", "n_features": 64,
         "replaced": ["silence", "speech"]}, "k": 12, "is_undertrained": site == SITES[1],
         "massive_activations": [{"dimension": 7, "largest": 632.5, "variance_share": 0.04}][site == SITES[0] :],
         "rows": rows, "phones": phones, "stability": None, "claims": [text("It beats its baselines.")]}
        for site in SITES
    ]  # fmt: skip
    about = {"model": "x", "corpus": text("made up"), "n_clips_fitted": 12, "n_clips_scored": 12,
             "split_by": "speakers", "intervals": "95%", "notes": [text("Made up.")]}  # fmt: skip
    clean = {"wer": interval(0.1, 0.05)}
    write(study, "scores/scores.json", {**about, "settings": {}, "clean": clean, "sites": sites})


def add_sweep(study: Path, text: Text = plain) -> None:
    points = [{"coder": "batchtopk", "k": k, **score_row(f"batchtopk-k{k}", 0.8, float(k), 0.2)} for k in (8, 16)]
    found = {
        "site": text("encoder.blocks.1"), "trained_on": "x", "scored_on": "x", "n_clips": 12, "clean": None,
        "points": points, "baselines": [{"k": 8, **score_row("pca", 0.6, 8.0, 0.3)}], "ablations": [],
    }  # fmt: skip
    write(study, "sweep/sweep.json", found)


def add_bigrams(study: Path, text: Text = plain) -> None:
    follow = [{"token": at, "text": text(f" next{at}"), "logit": 9 - at, "probability": 0.5**at} for at in range(1, 41)]
    continuations = [
        {"prompt": prompt, "tokens": [1], "pieces": [text(f" {prompt}")], "sound": sound, "sound_label": sound,
         "entropy_bits": 2.0, "text_probability": 0.9, "end_probability": 0.01, "next": follow}
        for prompt in (text("ship"), text("blue"))
        for sound in ("padding", "noise")
    ]  # fmt: skip
    about = {"model": "x", "language": "en", "vocab_size": 100, "only_text": False}
    write(study, "bigrams/bigrams.json", {**about, "continuations": continuations})


def add_agreement(study: Path, text: Text = plain) -> None:
    keys = ("kl_bits", "rank_correlation", "top_1", "top_5", "possible_mass")
    guesses = ("model", "another context", "model - another context", "unigram", "model - unigram")
    scores = {guess: {key: interval(0.2 + at / 10) for key in keys} for at, guess in enumerate(guesses)}
    contexts = [
        {"context": text(f" word{at}"), "weight": 10.0 + at, "likeliest": text(" after"), "known": 0.02 * (at + 1),
         "model": 0.1, "unigram": 0.01, "says": text(" said")}
        for at in range(40)
    ]  # fmt: skip
    sound = {"sound": "padding", "sound_label": "padding", "text_probability": 0.5, "by_frequency": scores}
    about = {"known": text("a text"), "in_sentences": False, "n_contexts": 40, "n_prompts": 40, "n_followers": 60,
             "share_of_bigrams": 0.4, "floor_bits": 3.0, "intervals": "95%"}  # fmt: skip
    write(study, "bigrams/bigram_agreement.json", {**about, "sounds": [{**sound, "contexts": contexts}]})


def add_neighbours(study: Path, text: Text = plain) -> None:
    near = [
        {"token": at, "text": text(f" near{at}"), "cosine": 0.9 - at / 50, "phone_distance": None,
         "spelling_distance": 0.5, "meaning_cosine": None, "phones": None}
        for at in range(20)
    ]  # fmt: skip
    words = [
        {"word": word, "token": 1, "text": text(f" {word}"), "pieces": [word], "space": "embedding", "form": form,
         "is_trained": True, "phones": None, "neighbours": near}
        for word in ("ship", "blue")
        for form in ("corrected", "raw")
    ]  # fmt: skip
    common = {"mean_share": 0.92, "component_share": 0.22, "n_tokens": 90, "n_hardly_trained": 7}
    about = {"model": "x", "is_tied": True, "n_tokens": 90, "pronunciations": None, "meanings": None}
    about |= {"common": {"embedding": common}}
    write(study, "neighbours/neighbours.json", {**about, "words": words})


def add_sounds_alike(study: Path) -> None:
    contrasts = [
        {"space": "embedding", "form": "corrected", "pairs": pairs, "measure": "spelling", "n_words": 40,
         "n_pairs": 400,
         "nearest": interval(0.6), "random": interval(0.8), "more_alike": interval(0.2),
         "near_nearest": interval(0.1, 0.02), "near_random": interval(0.05, 0.02)}
        for pairs in ("all", "unrelated")
    ]  # fmt: skip
    about = {"n_words": 40, "n_unknown": 2, "k": 10, "close": 0.25, "frequencies": "token order", "n_bins": 20}
    write(study, "neighbours/sounds_alike.json", {**about, "intervals": "95%", "contrasts": contrasts})


def add_lens(study: Path) -> None:
    keys = ("log_probability", "reciprocal_rank", "is_likeliest", "is_final_choice")
    stages = [
        {"stage": stage, "sound": {key: interval(at / 4) for key in keys},
         "no_sound": {key: interval(at / 8) for key in keys}}
        for at, stage in enumerate(("embedding", "block 0", "block 1"))
    ]  # fmt: skip
    chance = {"log_probability": -4.6, "reciprocal_rank": 0.05, "is_likeliest": 0.01, "is_final_choice": 0.01}
    about = {"model": "x", "n_clips": 6, "n_tokens": 60, "intervals": "95%", "chance": chance}
    write(study, "lens/lens_curve.json", {**about, "stages": stages})


def add_heads(study: Path) -> None:
    found = {"due": interval(0.5), "another": interval(0.0), "difference": interval(0.5)}
    parts: list[dict[str, Any]] = [
        {"part": f"{group} {block}.{head}", "group": group, "block": block, "head": head, **found}
        for group in ("self-attention", "cross-attention")
        for block in range(2)
        for head in range(2)
    ]
    parts.append({"part": "position", "group": "position", "block": None, "head": None, **found})
    groups = dict.fromkeys(("position", "self-attention", "cross-attention"), found)
    about = {"n_clips": 6, "n_tokens": 60, "n_left_out": 0, "unit": "logits", "intervals": "95%"}
    write(study, "lens/head_lens_mean.json", {**about, "groups": groups, "parts": parts})


def add_everything(study: Path, text: Text = plain) -> None:
    """Add all parts that the pages of tables show, and say in study.json that they were done."""
    if (study / "phones").is_dir():
        add_maximum(study, text)
    add_curves(study, 20, text)
    add_training(study, text)
    add_scores(study, text)
    add_bigrams(study, text)
    add_agreement(study, text)
    add_neighbours(study, text)
    add_sounds_alike(study)
    add_lens(study)
    add_heads(study)
    path = study / "study.json"
    found = json.loads(path.read_text())
    found["parts"] += [
        {"name": name, "folder": name, "question": "?", "state": "done", "why": None, "seconds": 1.0, "settings": {}}
        for name in ("dictionaries", "scores", "bigrams", "neighbours", "lens")
    ]
    path.write_text(json.dumps(found))
