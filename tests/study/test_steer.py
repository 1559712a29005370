from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import otoscope
from otoscope.audio.clip import Clip, Span
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.model.whisper import Whisper
from otoscope.study.error_rate import bootstrap_rate, word_errors, words_of
from otoscope.study.estimates import mean_interval
from otoscope.study.steer.experiment import steer
from otoscope.study.steer.rates import pooled_rate, rate_change, swaps
from otoscope.study.steer.steering import add_direction, scale_head
from otoscope.study.steer.transcripts import Steering, steered_transcripts, vector_lengths
from otoscope.study.steer.where import Where
from tests.study.conftest import make_clip
from tests.study.test_steering import SITE, direction


@pytest.fixture(scope="module")
def spoken() -> list[Clip]:
    return list(otoscope.open_corpus("demo").first(3))


@pytest.mark.parametrize("site", [SITE, "encoder.ln_post", "decoder.blocks.1", "decoder.blocks.0.cross_attn.value"])
def test_a_strength_of_zero_changes_no_token(model: Whisper, clips: list[Clip], site: str) -> None:
    result = steer(model, clips, [add_direction(model, direction(site))], [0.0, 40.0], where=None)
    still, moved = result.steered
    assert still.texts == (result.clean,) and result.changed(still).value == 0  # type: ignore[union-attr]
    assert moved.texts != (result.clean,)
    plain = model.transcribe_many(clips)
    assert list(result.clean) == [heard.text for heard in plain]


def test_a_steered_transcript_is_that_of_the_edit_made_by_hand(model: Whisper, clips: list[Clip]) -> None:
    change = add_direction(model, direction())
    result = steer(model, clips, [change], [7.0], draws=0)
    vector = 7.0 * torch.from_numpy(change.direction.vector)
    with model.edit({SITE: lambda x: x + vector}):
        by_hand = [model.transcribe(clip, language=result.clean_languages[i]).text for i, clip in enumerate(clips)]
    assert list(result.steered[0].texts[0]) == by_hand != list(result.clean)
    assert result.random == ()


def test_edits_that_are_on_go_on_applying(model: Whisper, clips: list[Clip]) -> None:
    change = add_direction(model, direction())
    doubled = steer(model, clips, [change], [6.0], draws=0).steered[0].texts
    with model.edit({SITE: lambda x: change.apply(x, 3.0)}):
        assert steer(model, clips, [change], [3.0], draws=0).steered[0].texts == doubled


def test_windows_of_a_long_clip_are_each_steered_in_their_own_frames(model: Whisper) -> None:
    long, change = make_clip(3.4, seed=5), add_direction(model, direction())
    where = Where(frames=(120, 140))
    seen: list[torch.Tensor] = []
    edits = Steering((change,), 9.0).edits

    def spy(chosen: torch.Tensor | None) -> None:
        assert chosen is not None
        seen.append(chosen)

    class Spying(Steering):
        def edits(self, model: Whisper, chosen: Any) -> dict[str, Any]:
            spy(chosen)
            return edits(model, chosen)

    found = steered_transcripts(model, [long], {"it": Spying((change,), 9.0)}, where=where)
    assert found.n_frames == 20
    assert torch.cat(seen).flatten().nonzero()[:, 0].tolist() == list(range(120, 140))


def test_groups_of_clips_make_no_difference(model: Whisper) -> None:
    clips = [make_clip(1.0 + 0.3 * (seed % 5), seed=seed) for seed in range(17)]
    change = add_direction(model, direction())
    together = steer(model, clips, [change], [5.0], draws=0)
    alone = [steer(model, [clip], [change], [5.0], draws=0) for clip in clips]
    assert together.clean == tuple(each.clean[0] for each in alone)
    assert together.steered[0].texts[0] == tuple(each.steered[0].texts[0][0] for each in alone)


def test_a_steering_of_the_decoder_encodes_each_clip_once(model: Whisper, clips: list[Clip]) -> None:
    runs: list[int] = []
    hook = model.hf.model.encoder.register_forward_hook(lambda *_: runs.append(1))
    try:
        steer(model, clips, [scale_head(model, "decoder.0.attn.1")], [0.5, 1.0], draws=2)
    finally:
        hook.remove()
    assert len(runs) == 1


def test_the_language_is_that_of_the_clean_run_unless_it_is_found_anew(model: Whisper, clips: list[Clip]) -> None:
    change = add_direction(model, direction("encoder.ln_post"))
    kept, anew = (steer(model, clips, [change], [50.0], redetect=redetect) for redetect in (False, True))
    assert kept.steered[0].languages == (kept.clean_languages,) and kept.language_changed(kept.steered[0]).value == 0  # type: ignore[union-attr]
    with model.edit({"encoder.ln_post": lambda x: change.apply(x, 50.0)}):
        wanted = [model.transcribe(clip).language for clip in clips]
    assert list(anew.steered[0].languages[0]) == wanted
    told = steer(model, clips, [change], [50.0], language="de", redetect=True)
    assert set(told.steered[0].languages[0]) == {"de"}


def test_rates_come_from_the_transcripts_and_draws_are_pooled(
    demo: Whisper, spoken: list[Clip], tmp_path: Path
) -> None:
    change = add_direction(demo, direction("encoder.ln_post", demo.d_model))
    result = steer(demo, spoken, [change], [0.0, 1.5], draws=2, seed=4)
    table = result.to_json()
    said = [clip.transcript or "" for clip in spoken]
    counts = [word_errors(a, b) for a, b in zip(said, result.clean, strict=True)]
    assert table["clean"]["wer"]["value"] == pytest.approx(bootstrap_rate(counts).value, abs=1e-6)
    row = table["random"][1]
    both = [(a, b) for draw in result.random[1].texts for a, b in zip(result.clean, draw, strict=True)]
    assert row["n_draws"] == 2 and row["n_transcripts"] == 6 == len(both)
    assert row["n_stopped"] == sum(sum(draw) for draw in result.random[1].is_stopped)
    assert table["clips"][0]["steered"][1]["stopped"] == result.steered[1].is_stopped[0][0]
    assert row["changed"]["value"] == pytest.approx(np.mean([words_of(a) != words_of(b) for a, b in both]), abs=1e-6)
    assert result.random[1].texts[0] != result.random[1].texts[1]
    assert table["steered"][0]["wer_change"] == {"value": 0, "low": None, "high": None}  # of three clips
    assert table["length_over_mean_of_site"][0] == pytest.approx(result.lengths[0], abs=1e-6)
    assert [path.name for path in result.save(tmp_path)] == ["steer.json", "steer.png"]
    assert json.loads((tmp_path / "steer.json").read_text()) == table
    assert (tmp_path / "steer.png").read_bytes().startswith(b"\x89PNG")
    assert result == steer(demo, iter(spoken), [change], [0.0, 1.5], draws=2, seed=4)


def test_without_references_transcripts_are_compared_with_the_clean_ones(model: Whisper, tmp_path: Path) -> None:
    clips = [make_clip(seed=seed, transcript=None) for seed in range(2)]
    result = steer(model, clips, [add_direction(model, direction())], [1.0, 9.0])
    table = result.to_json()
    assert (table["n_references"], table["clean"]["wer"], table["steered"][0]["wer"]) == (0, None, None)
    assert table["steered"][1]["wer_to_clean"]["value"] > 0
    assert result.plot(tmp_path / "it").name == "it.png"


def test_the_length_of_what_a_site_holds_is_measured_over_the_recording_alone(model: Whisper, clip: Clip) -> None:
    held = model.activations(clip, [SITE])[SITE][0, : len(clip.samples) // 320]
    found = vector_lengths(model, clip, [SITE, SITE])
    assert found == {SITE: pytest.approx(held.norm(dim=-1).mean().item(), rel=1e-5)}


def test_frames_cannot_be_chosen_where_there_are_tokens(model: Whisper, clips: list[Clip]) -> None:
    with pytest.raises(InputError, match="goes by tokens and has no frames to choose from"):
        steer(model, clips, [scale_head(model, "decoder.0.attn.0")], where=Where(kinds=("speech",)))
    steer(model, clips, [scale_head(model, "decoder.0.cross_attn.0")], where=Where(kinds=("speech",)))


# where


def labelled() -> Clip:
    phones = (Span(0.1, 0.21, "B"), Span(0.21, 0.41, "AA R"), Span(0.41, 0.6, "B"))
    words = (Span(0.1, 0.41, "Bar,"), Span(0.41, 0.6, "b"))
    return make_clip(phones=phones, words=words)


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        (Where(), range(100)),
        (Where(frames=(3, 8)), range(3, 8)),
        (Where(phones=("B",)), [*range(5, 10), *range(20, 30)]),
        (Where(phones=("R",)), range(15, 20)),
        (Where(phones=("R",), lag=2), range(17, 22)),
        (Where(words=("bar",)), range(5, 20)),
        (Where(words=("bar",), phones=("B",), frames=(0, 7)), range(5, 7)),
        (Where(kinds=("padding",)), range(80, 100)),
        (Where(phones=("ZH",)), []),
    ],
)
def test_frames_are_those_whose_middle_is_in_what_was_named(where: Where, wanted: Any) -> None:
    kinds = np.zeros((2, 50), np.int8)
    kinds[1, 30:] = Kind.PADDING
    assert np.flatnonzero(where.mask(labelled(), kinds)).tolist() == list(wanted)


def test_phones_are_named_as_in_the_means_of_classes(model: Whisper) -> None:
    change, phones = add_direction(model, direction()), tuple(Span(0.2 * at, 0.2 * at + 0.2, "AA1") for at in range(4))
    clips = [make_clip(phones=phones), make_clip(seed=1, phones=(*phones[:2], Span(0.4, 0.5, "S")))]
    named, written = Where(phones=("AA",)), Where(phones=("AA1",))
    assert steer(model, clips, [change], where=named, draws=0).n_frames == 60
    assert steer(model, iter(clips), [change], where=written, draws=0).n_frames == 60


# rates


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("The rug is red.", "the mug is red", [("rug", "mug")]),
        ("a b c", "a b c", []),
        ("a b c", "b c", [("a", "")]),
        ("a b", "a b c d", [("", "c d")]),
        ("", "a", [("", "a")]),
        ("x a y", "u v a", [("x", "u v"), ("y", "")]),
    ],
)
def test_words_give_way_to_those_between_the_same_neighbours(before: str, after: str, wanted: list[Any]) -> None:
    assert list(swaps(before, after)) == wanted


def test_a_change_of_rates_is_the_difference_of_pooled_rates() -> None:
    said = 2 * ["a b c d", "a b", "e f g", "h i"]
    old, new = 2 * ["a b c d", "a x", "e f g", "h i"], 2 * ["a x c d", "a x", "e f", "h i j"]
    change = rate_change(said, old, [new])
    assert change.value == pytest.approx(pooled_rate(said, [new]).value - pooled_rate(said, [old]).value)
    assert change.low is not None and change.high is not None and change.low <= change.value <= change.high
    assert rate_change(said, old, [old]).high == 0
    assert rate_change(said[:1], old[:1], [new[:1]]).low is None


def test_the_interval_of_a_mean_covers_as_often_as_it_says() -> None:
    rng, n_hit = np.random.default_rng(0), 0
    for seed in range(150):
        found = mean_interval(rng.poisson(3, size=40).tolist(), seed=seed)
        n_hit += found.low <= 3 <= found.high  # type: ignore[operator]
    assert 0.87 <= n_hit / 150 <= 0.99
