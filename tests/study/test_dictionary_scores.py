"""Scores of dictionaries: against what they must be by construction, and against naive twins."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

from otoscope.audio.clip import Clip
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.corpus import open_corpus
from otoscope.model.activations import text_ids
from otoscope.model.cross_attention import seen_keys_values
from otoscope.model.generation import prompt_tokens
from otoscope.model.load import load
from otoscope.model.whisper import Whisper
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.files import save_dictionary
from otoscope.study.clips import as_corpus
from otoscope.study.dictionaries import picture as dictionary_picture
from otoscope.study.dictionaries.baselines import Constant, Fit, fit_frames
from otoscope.study.dictionaries.entries import Entry, kinds_of
from otoscope.study.dictionaries.experiment import score_dictionaries
from otoscope.study.dictionaries.measure import Halves, measure
from otoscope.study.dictionaries.random import random_decoder
from otoscope.study.dictionaries.results import DictionaryScores
from otoscope.study.dictionaries.scores import score_entries
from otoscope.study.dictionaries.settings import ScoreSettings
from otoscope.study.dictionaries.transcripts import (
    CLEAN,
    REFERENCE,
    HeardWith,
    Replacing,
    ce_scores,
    hear,
    token_losses,
)
from otoscope.study.phones.experiment import phones
from otoscope.study.writing import write_windows
from tests.study.conftest import make_clip

SITE, OTHER = "encoder.blocks.1", "encoder.blocks.2"
D = 16
PLAIN = ScoreSettings(baseline_frames=0, has_phones=False)


def perfect(d: int = D, **metadata: object) -> Dictionary:
    """Every axis twice, once for each sign: whatever comes, comes out again."""
    eye = torch.eye(d)
    return _standard(torch.cat([eye, -eye]), torch.cat([eye, -eye]), {"site": SITE, **metadata})


def nothing(d: int = D) -> Dictionary:
    """Active features that add up to zeros."""
    return _standard(torch.cat([torch.eye(d), -torch.eye(d)]), torch.zeros(2 * d, d), {"site": SITE})


def drawn(seed: int, n: int = 3 * D, d: int = D, **metadata: object) -> Dictionary:
    """Random directions, of which one in four is never active."""
    rows = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    rows /= rows.norm(dim=1, keepdim=True)
    found = _standard(rows, rows, {"site": SITE, **metadata})
    found.weights["b_enc"][::4] = -1e6
    return found


def _standard(encoder: Tensor, decoder: Tensor, metadata: dict) -> Dictionary:
    weights = {"W_enc": encoder.T.contiguous(), "b_enc": torch.zeros(len(encoder)), "W_dec": decoder.clone()}
    weights["b_dec"] = torch.zeros(encoder.shape[1])
    return Dictionary("standard", weights, True, "none", False, None, metadata)


@pytest.fixture(scope="module")
def spoken() -> list[Clip]:
    return [make_clip(1.2 + 0.1 * seed, seed=seed, speaker=f"s{seed % 2}") for seed in range(4)]


@pytest.fixture(scope="module")
def scored(model: Whisper, spoken: list[Clip]) -> DictionaryScores:
    return score_dictionaries(model, spoken, perfect(), replace(PLAIN, baseline_frames=2_000))


# by construction


def test_a_perfect_dictionary_explains_everything_and_changes_no_word(scored: DictionaryScores) -> None:
    row = scored.sites[0].row("dictionary")
    for scores in row.by_kind.values():
        assert scores is not None
        assert scores.explained_variance == pytest.approx(1) and scores.cossim == pytest.approx(1)
        assert scores.l0 == pytest.approx(D)
    assert row.heard["ce_loss_score"] == pytest.approx(1, abs=1e-4)
    assert row.heard["wer"] == scored.to_json()["clean"]["wer"]
    assert row.heard["wer_to_clean"]["value"] == row.heard["cer_to_clean"]["value"] == 0


def test_a_dictionary_that_says_nothing_is_zero_ablation(model: Whisper, spoken: list[Clip]) -> None:
    site = score_dictionaries(model, spoken, nothing(), PLAIN).sites[0]
    silent, zero = site.row("dictionary"), site.row("zero ablation")
    assert silent.heard == zero.heard and silent.heard["ce_loss_score"] == 0
    for kind, scores in silent.by_kind.items():
        other = zero.by_kind[kind]
        assert scores is not None and other is not None
        assert (scores.mse, scores.explained_variance) == (other.mse, other.explained_variance)


def test_every_baseline_stands_beside_the_dictionary(scored: DictionaryScores) -> None:
    names = [row.name for row in scored.sites[0].rows]
    assert names == ["dictionary", "random decoder", "neurons", "pca", "mean ablation", "zero ablation"]
    frames = {kind: {row.by_kind[kind].n_frames for row in scored.sites[0].rows} for kind in ("speech", "all")}  # type: ignore[union-attr]
    assert all(len(counts) == 1 for counts in frames.values())


def test_kinds_of_frames_are_scored_apart_and_together(model: Whisper, spoken: list[Clip]) -> None:
    thing = drawn(1)
    found = measure(model, spoken, {"it": (SITE, thing)})["it"]
    x = torch.cat([model.activations(clip, SITE)[SITE][0] for clip in spoken])
    kinds = np.concatenate([model.windows(clip).kinds[0] for clip in spoken])
    for kind in Kind:
        own = x[torch.from_numpy(kinds == kind)]
        scores = found[kind.name.lower()]
        assert scores is not None and scores.n_frames == len(own)
        assert scores.mse == pytest.approx(float((own - thing.reconstruct(own)).square().sum(dim=1).mean()), rel=1e-4)
    everything = found["all"]
    assert everything is not None and everything.n_frames == len(x)
    assert everything.feature_density.tolist() == pytest.approx((thing.encode(x) != 0).double().mean(dim=0).tolist())


# baselines


@pytest.fixture
def fitted() -> Fit:
    return fit_frames(torch.randn(200, D, generator=torch.Generator().manual_seed(2)) * torch.arange(1, D + 1) + 3)


def test_neurons_keep_the_k_furthest_from_their_means(fitted: Fit) -> None:
    found = fitted.neurons(3).reconstruct(fitted.frames[:20]).numpy()
    mean = fitted.frames.numpy().astype(np.float64).mean(axis=0)
    for x, x_hat in zip(fitted.frames[:20].numpy(), found, strict=True):
        kept = np.argsort(-np.abs(x - mean))[:3]
        expected = mean.copy()
        expected[kept] = x[kept]
        assert x_hat == pytest.approx(expected, abs=1e-4)


def test_components_explain_their_share_of_the_variance(fitted: Fit) -> None:
    x = fitted.frames.double()
    left = (x - fitted.components(4).reconstruct(fitted.frames)).square().sum()
    values = np.linalg.eigvalsh(np.cov(x.numpy().T, bias=True))[::-1]
    explained = 1 - float(left / (x - x.mean(dim=0)).square().sum())
    assert explained == pytest.approx(values[:4].sum() / values.sum(), rel=1e-4)


@pytest.mark.parametrize("name", ["neurons", "components"])
def test_complete_baselines_give_back_what_came(fitted: Fit, name: str) -> None:
    thing = getattr(fitted, name)(D + 5)
    assert thing.n_features == D
    assert torch.allclose(thing.reconstruct(fitted.frames), fitted.frames, atol=1e-3)


def test_a_random_decoder_keeps_its_directions_and_has_the_sparsity_asked_for() -> None:
    frames = torch.randn(512, D, generator=torch.Generator().manual_seed(0)) @ torch.diag(torch.arange(1.0, D + 1))
    like = drawn(0, coder={"coder": "topk"}, weights_hash="7")
    once, longer = (random_decoder(frames, like, k=5, n_frames=n, seed=3) for n in (512, 20_480))
    cosines = torch.nn.functional.cosine_similarity(once.weights["W_dec"], longer.weights["W_dec"])
    assert torch.allclose(cosines, torch.ones(len(cosines)), atol=1e-5)
    assert float((longer.encode(frames) != 0).sum(dim=1).double().mean()) == pytest.approx(5, abs=0.2)
    assert longer.n_features == like.n_features and longer.metadata["site"] == SITE
    assert longer.metadata["weights_hash"] == "7" and longer.metadata["coder"]["is_decoder_frozen"]
    assert _error(longer, frames) < _error(once, frames)


def _error(thing: Dictionary, frames: Tensor) -> float:
    return float((thing.reconstruct(frames) - frames).square().mean())


# what is replaced


def test_frames_of_other_kinds_stay_as_they_are(model: Whisper, clip: Clip) -> None:
    windows = model.windows(clip)
    edit = Replacing(Constant(torch.full((D,), 7.0)), frozenset({Kind.SPEECH}))
    edit.kinds = windows.kinds
    before = model.activations(clip, SITE)[SITE]
    with model.edit({SITE: edit}), model.reading(SITE) as tape:
        model.encode(windows)
    is_speech = torch.from_numpy(windows.kinds == Kind.SPEECH)
    assert bool((tape[SITE][is_speech] == 7).all()) and bool(is_speech.any())
    assert torch.equal(tape[SITE][~is_speech], before[~is_speech])


def test_replacing_no_kind_of_frame_changes_nothing_that_is_heard(model: Whisper, spoken: list[Clip]) -> None:
    noise = Constant(torch.full((D,), 5.0))
    wanted = {"none": frozenset[Kind](), "speech": frozenset({Kind.SPEECH}), "all": None}
    found = hear(model, spoken, {name: (SITE, Replacing(noise, kinds)) for name, kinds in wanted.items()})
    assert found.by_name["none"] == found.clean
    assert len({found.by_name[name].losses for name in wanted}) == len(wanted)


def test_losses_are_those_of_each_window_by_itself(model: Whisper, spoken: list[Clip]) -> None:
    texts = ["the", "a longer text than that"]
    ids, encodings = [], []
    for clip, text in zip(spoken, texts, strict=False):
        windows = model.windows(clip)
        encodings.append(model.encode(windows))
        ids.append(text_ids(model, windows, encodings[-1], text, "en")[0].tolist())
    start = len(prompt_tokens(model, language="en"))
    found = token_losses(model, torch.cat(encodings), ids, [start] * len(ids))
    for encoding, own, loss in zip(encodings, ids, found, strict=True):
        logits = model.hf(encoder_outputs=(encoding,), decoder_input_ids=torch.tensor([own])).logits[0].double()
        naive = -sum(float(logits[place - 1].log_softmax(dim=-1)[own[place]]) for place in range(start, len(own)))
        assert loss == pytest.approx(naive, rel=1e-5)


def test_losses_are_the_same_with_the_keys_and_values_of_what_was_written(
    model: Whisper, spoken: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    encodings = torch.cat([model.encode(model.windows(clip)) for clip in spoken[:2]])
    prompt = list(prompt_tokens(model, language="en"))
    ids = [[*prompt, 7, 8, 9], [*prompt, 11]]
    expected = token_losses(model, encodings, ids, [len(prompt)] * 2)
    with seen_keys_values(model) as seen:
        write_windows(model, encodings, ["en", "en"], most_tokens=3)
    attention: Any = model.hf.model.decoder.layers[0].encoder_attn
    assert token_losses(model, encodings[:1], ids[:1], [len(prompt)], seen) == pytest.approx(expected[:1], rel=1e-5)

    def refuse(x: torch.Tensor) -> torch.Tensor:
        raise AssertionError("computed again")

    monkeypatch.setattr(attention.k_proj, "forward", refuse)
    for _ in range(2):  # the cache is not used up
        assert token_losses(model, encodings, ids, [len(prompt)] * 2, seen) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("labels", "duration_s", "target"),
    [
        ({"transcript": "the dog"}, 1.5, REFERENCE),
        ({"transcript": "THE DOG"}, 1.5, REFERENCE),
        ({"transcript": None}, 1.5, CLEAN),
        ({"transcript": "the dog"}, 3.0, CLEAN),  # longer than a window: what is said in which is not known
        ({"transcript": "the dog " * 40}, 1.5, CLEAN),  # longer than the decoder
    ],
)
def test_the_target_is_what_was_said_where_one_window_can_say_it(
    model: Whisper, labels: dict, duration_s: float, target: str
) -> None:
    found = hear(model, [make_clip(duration_s, seed=1, **labels)], {})
    assert found.targets == (target,) and found.clean.n_tokens[0] > 0


def test_capitals_alone_are_taken_in_lower_case(model: Whisper) -> None:
    losses = {
        text: hear(model, [make_clip(1.5, seed=1, transcript=text)], {}).clean.losses
        for text in ("THE DOG", "the dog", "The dog")
    }
    assert losses["THE DOG"] == losses["the dog"] != losses["The dog"]


def test_scores_of_the_decoder_are_shares_of_what_ablation_costs() -> None:
    clean, heard, mean, zero = (HeardWith(("",), (loss,), (2,)) for loss in (2.0, 3.0, 6.0, 10.0))
    found = ce_scores(clean, heard, mean, zero)
    assert found["ce_loss_score"] == pytest.approx((5 - 1.5) / (5 - 1))
    assert found["ce_loss_score_mean_ablation"] == pytest.approx((3 - 1.5) / (3 - 1))
    assert ce_scores(clean, heard, mean, clean)["ce_loss_score"] is None


# halves, stability, refusals


def test_no_speaker_is_in_both_halves(spoken: list[Clip]) -> None:
    halves = Halves(as_corpus(spoken))
    fitted, scored_on = list(halves.fitted(0)), list(halves.scored())
    assert halves.split_by == "speakers" and (len(fitted), len(scored_on)) == (halves.n_fitted, halves.n_scored)
    assert not {clip.speaker for clip in fitted} & {clip.speaker for clip in scored_on}


def test_one_clip_is_fitted_to_and_scored_and_it_is_said(model: Whisper, clip: Clip) -> None:
    found = score_dictionaries(model, [clip], perfect(), PLAIN)
    assert found.split_by == "nothing" and found.n_scored == 1 and "no halves" in found.notes[0]


def test_a_dictionary_is_stable_against_itself_and_random_directions_are_not(
    model: Whisper, spoken: list[Clip]
) -> None:
    found = score_dictionaries(model, spoken, drawn(1), replace(PLAIN, has_transcripts=False), second=drawn(1))
    same = found.sites[0].stability
    assert same is not None and same.share == 1 and same.mean == pytest.approx(1)
    assert same.n_dead >= drawn(1).n_features // 4 and same.n_features + same.n_dead == drawn(1).n_features
    assert same.random_share < 1 and same.random_mean < same.mean


def test_partners_are_counted_among_active_features_alone(model: Whisper, spoken: list[Clip]) -> None:
    first, second = drawn(1), drawn(2)
    found = score_dictionaries(model, spoken, first, replace(PLAIN, has_transcripts=False, partner=0.6), second=second)
    site = found.sites[0]
    a, b = (
        each.weights["W_dec"][site.row(name).by_kind["all"].feature_density > 0]  # type: ignore[union-attr]
        for name, each in (("dictionary", first), ("second", second))
    )
    best = [max(float(torch.nn.functional.cosine_similarity(x, y, dim=0)) for y in b) for x in a]
    assert site.stability is not None
    assert site.stability.share == pytest.approx(np.mean([cosine >= 0.6 for cosine in best]))
    assert site.stability.mean == pytest.approx(np.mean(best), rel=1e-5)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"site": OTHER}, "was trained on site 'encoder.blocks.2'"),
        ({"weights_hash": "another"}, "with weights another"),
    ],
)
def test_a_dictionary_of_another_site_or_model_is_refused_unless_forced(
    model: Whisper, spoken: list[Clip], metadata: dict, message: str
) -> None:
    settings = replace(PLAIN, has_transcripts=False)
    entry = Entry(SITE, perfect(**metadata))
    with pytest.raises(InputError, match=message):
        score_entries(model, spoken, [entry], settings)
    assert score_entries(model, spoken, [entry], replace(settings, force=True)).sites[0].site == SITE


def test_a_dictionary_of_another_width_or_of_no_site_is_refused(model: Whisper, spoken: list[Clip]) -> None:
    with pytest.raises(InputError, match=r"takes 4 values.*holds 16"):
        score_dictionaries(model, spoken, perfect(4), replace(PLAIN, force=True))
    with pytest.raises(InputError, match="does not say of which site"):
        score_dictionaries(model, spoken, replace(perfect(), metadata={}), PLAIN)


def test_activations_that_are_not_finite_stop_the_scoring_and_name_the_clip(model: Whisper, spoken: list[Clip]) -> None:
    def spoil(x: Tensor) -> Tensor:
        return torch.full_like(x, torch.nan)

    with model.edit({SITE: spoil}), pytest.raises(InputError, match=r"NaN or infinite.*'bursts-\d"):
        score_dictionaries(model, spoken, perfect(), PLAIN)


def test_kinds_come_from_the_metadata_and_are_speech_by_default() -> None:
    assert kinds_of(perfect()) == {Kind.SPEECH}
    assert kinds_of(perfect(kinds=["speech", "padding"])) == {Kind.SPEECH, Kind.PADDING}


# what is written


def test_results_are_written_with_a_row_for_each_thing_and_kind(scored: DictionaryScores, tmp_path: Path) -> None:
    names = {path.name for path in scored.save(tmp_path)}
    assert names == {"scores.json", "scores.parquet", "density.parquet", "scores.png", "transcripts.json"}
    rows = scored.sites[0].rows
    table = pq.read_table(tmp_path / "scores.parquet").to_pylist()
    assert len(table) == sum(found is not None for row in rows for found in row.by_kind.values())
    assert {"explained_variance", "ce_loss_score", "wer", "wer_low", "dead_features"} <= set(table[0])
    assert json.loads((tmp_path / "scores.json").read_text()) == json.loads(json.dumps(scored.to_json()))
    density = pq.read_table(tmp_path / "density.parquet")
    assert density.num_rows == sum(4 * row.everything.n_features for row in rows)
    heard = json.loads((tmp_path / "transcripts.json").read_text())
    assert len(heard) == scored.n_scored and set(heard[0][SITE]) == {row.name for row in rows}
    stopped = [name for clip in heard for site, name in clip["stopped"] if site == SITE]
    assert all(stopped.count(row.name) == row.heard["n_cut"] for row in rows)


def test_tables_are_all_there_when_the_picture_fails(
    scored: DictionaryScores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no room for labels")

    monkeypatch.setattr(dictionary_picture, "score_figure", fails)
    with pytest.warns(RuntimeWarning, match="scores.png could not be drawn"):
        written = scored.save(tmp_path)
    names = {"scores.json", "scores.parquet", "density.parquet", "transcripts.json"}
    assert {path.name for path in written} == {path.name for path in tmp_path.iterdir()} == names


@pytest.mark.parametrize("shares", [(None, None), (None, 0.3)])
def test_phones_that_cannot_be_judged_are_left_out_of_the_picture(
    scored: DictionaryScores, tmp_path: Path, shares: tuple[float | None, ...]
) -> None:
    rows = tuple(
        {"name": name, "n_features": 4, "share": share, "low": share, "high": share}
        for name, share in zip(("dictionary", "neurons"), shares, strict=True)
    )
    found = replace(scored, sites=(replace(scored.sites[0], phones=rows),))
    assert found.plot(tmp_path / "it.png").stat().st_size > 1000
    n_panels = len(dictionary_picture.score_figure(found).axes)
    assert n_panels == (2 if shares == (None, None) else 3)


def test_a_dictionary_that_explains_less_than_components_is_said_to_be_undertrained(
    model: Whisper, spoken: list[Clip]
) -> None:
    settings = replace(PLAIN, has_transcripts=False)
    poor = score_dictionaries(model, spoken, nothing(), settings)
    assert poor.sites[0].is_undertrained and poor.to_json()["sites"][0]["is_undertrained"]
    assert any("is undertrained: it explains" in note for note in poor.notes)
    good = score_dictionaries(model, spoken, perfect(), settings)
    assert not good.sites[0].is_undertrained and not any("undertrained" in note for note in good.notes)


def test_massive_activations_of_a_site_are_named(model: Whisper, spoken: list[Clip]) -> None:
    def spoil(x: Tensor) -> Tensor:
        x = x.clone()
        x[:, 3, 5] = 5000.0
        return x

    with model.edit({SITE: spoil}):
        found = score_dictionaries(model, spoken, perfect(), replace(PLAIN, has_transcripts=False))
    (massive,) = found.sites[0].massive
    assert (massive.dimension, massive.largest) == (5, 5000.0)
    assert found.to_json()["sites"][0]["massive_activations"][0]["dimension"] == 5
    assert any("massive activations in dimension 5 (up to 5000" in note for note in found.notes)


def test_the_frames_that_were_trained_on_are_replaced_and_it_is_said(model: Whisper, spoken: list[Clip]) -> None:
    trained_on = {
        kinds: replace(nothing(), metadata={"site": SITE, "kinds": kinds.split()})
        for kinds in ("speech", "silence padding")
    }
    of = {
        (kinds, how): score_dictionaries(model, spoken, trained_on[kinds], replace(PLAIN, replaced=how)).to_json()
        for kinds in trained_on
        for how in ("trained", "speech", "all")
    }
    told = {key: found["sites"][0]["dictionary"]["replaced"] for key, found in of.items()}
    assert told["speech", "trained"] == told["silence padding", "speech"] == ["speech"]
    assert told["silence padding", "trained"] == ["silence", "padding"]
    assert told["speech", "all"] == ["speech", "silence", "padding"]
    heard = {key: found["sites"][0]["rows"][0]["ce_loss_with_sae"] for key, found in of.items()}
    assert heard["speech", "trained"] == heard["speech", "speech"] == heard["silence padding", "speech"]
    assert len({heard["speech", "trained"], heard["speech", "all"], heard["silence padding", "trained"]}) == 3
    notes = {key: " ".join(found["notes"]) for key, found in of.items()}
    assert "speech frames alone are replaced, by dictionaries and baselines alike" in notes["speech", "trained"]
    assert "silence and padding frames alone are replaced" in notes["silence padding", "trained"]
    assert "errors may come from" in notes["speech", "all"] and "errors may come" not in notes["speech", "trained"]


def test_several_sites_have_a_table_each(model: Whisper, spoken: list[Clip], tmp_path: Path) -> None:
    entries = [Entry(SITE, perfect()), Entry(OTHER, perfect(site=OTHER))]
    found = score_entries(model, spoken, entries, replace(PLAIN, has_transcripts=False), out=tmp_path)
    assert [site.site for site in found.sites] == [SITE, OTHER] and found.hearing is None
    assert all({row.site for row in site.rows} == {site.site} for site in found.sites)
    assert found.to_json()["clean"] is None and found.plot(tmp_path / "it").exists()
    with pytest.raises(InputError, match="each of another site"):
        score_entries(model, spoken, [entries[0], entries[0]], PLAIN)


def test_features_that_detect_one_phone_are_those_of_the_harvest(tmp_path: Path) -> None:
    model, clips = load("demo", device="cpu"), open_corpus("demo").first(8)
    folder = save_dictionary(drawn(0, n=24, d=model.d_model), tmp_path / "dictionary")
    entry = Entry(SITE, drawn(0, n=24, d=model.d_model), Path(folder))
    settings = ScoreSettings(has_transcripts=False, baseline_frames=2_000)
    told: list[str] = []
    found = score_entries(
        model, clips, [entry], settings, out=tmp_path, progress=lambda what, *_: told.append(what)
    ).sites[0]
    assert found.phones is not None
    by_name = {row["name"]: row for row in found.phones}
    assert set(by_name) == {"dictionary", "random decoder", "neurons", "pca", "random directions"}
    assert by_name["dictionary"]["n_features"] == by_name["random decoder"]["n_features"] == 24
    rows = {row["basis"]: row for row in phones(tmp_path / "harvest").to_json()["sites"]}
    assert by_name["neurons"]["n"] == rows["neuron"]["n_both"]
    assert by_name["dictionary"]["high"] == rows[f"sae:{folder}"]["high_both"]
    assert found.claims and found.claims[0].startswith(f"{SITE}, dictionary:")
    assert list(dict.fromkeys(told))[:2] == ["fitting baselines", "scoring"] and len(set(told)) > 2
