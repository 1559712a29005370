from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.audio.clip import Clip, Span
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError, SiteError
from otoscope.model.whisper import Whisper
from otoscope.study.words.curves import half_height, overlap, part_of, running_mean, share_inside
from otoscope.study.words.experiment import WAYS, WordSource, WordSources, words
from otoscope.study.words.labels import true_times
from tests.study.conftest import build, make_clip
from tests.study.test_bimodal import average_heads, paper


@pytest.fixture(scope="module")
def found(model: Whisper, clip: Clip) -> WordSources:
    return words(model, clip, language="en")


def naive_relevance(mel: torch.Tensor, ids: list[int], first: int, stop: int) -> np.ndarray:
    """The paper's rules on the framework's own attentions, one word at a time with a model of its own."""
    hf = build().hf
    hf.requires_grad_(True)
    hf.set_attn_implementation("eager")
    output = hf(input_features=mel, decoder_input_ids=torch.tensor([ids]), output_attentions=True, use_cache=False)
    kept = [output.encoder_attentions, output.decoder_attentions, output.cross_attentions]
    for pattern in (pattern for room in kept for pattern in room):
        pattern.retain_grad()
    odds = torch.log_softmax(output.logits[0].double(), dim=-1)
    torch.stack([odds[at - 1, ids[at]] for at in range(first, stop)]).sum().backward()
    averaged = [
        [average_heads(p[0].detach().double().numpy(), p.grad[0].double().numpy()) for p in room] for room in kept
    ]
    mixed, _ = paper(*averaged)
    return mixed[first - 1 : stop - 1].sum(axis=0)


def tokens_of(model: Whisper, found: WordSources) -> list[int]:
    prompt = [f"<|{name}|>" for name in ("startoftranscript", "en", "transcribe", "notimestamps")]
    return [*model.tokenizer.convert_tokens_to_ids(prompt), *(token for word in found.words for token in word.tokens)]


def test_relevance_agrees_with_the_paper_on_the_frameworks_attentions(
    model: Whisper, clip: Clip, found: WordSources
) -> None:
    ids = tokens_of(model, found)
    number = 2
    first = 4 + sum(len(word.tokens) for word in found.words[:number])
    wanted = naive_relevance(model.windows(clip).mel, ids, first, first + len(found.words[number].tokens))
    assert wanted.max() > 1e-6
    assert np.abs(found.relevance[number] - wanted).max() <= 1e-3 * wanted.max()


def test_attention_is_the_alignment_heads_pattern_where_the_word_is_predicted(
    model: Whisper, clip: Clip, found: WordSources
) -> None:
    ids = tokens_of(model, found)
    twin = build().hf
    twin.set_attn_implementation("eager")
    with torch.no_grad():
        mel = model.windows(clip).mel
        output = twin(input_features=mel, decoder_input_ids=torch.tensor([ids]), output_attentions=True)
    at = 4
    for number, word in enumerate(found.words):
        rows = [
            output.cross_attentions[block][0, head, at - 1 : at - 1 + len(word.tokens)].mean(0)
            for block, head in found.heads
        ]
        np.testing.assert_allclose(found.attention[number], torch.stack(rows).mean(0).numpy(), atol=1e-5)
        at += len(word.tokens)


def test_alignment_is_that_of_word_times(model: Whisper, clip: Clip, found: WordSources) -> None:
    timed = model.transcribe(clip, language="en", word_times=True).words or ()
    assert [word.text for word in timed] == [word.text for word in found.words]
    for word, one in zip(timed, found.words, strict=True):
        assert one.aligned[0] * 0.02 == pytest.approx(word.start_s)
        assert min(one.aligned[1] * 0.02, clip.duration_s) == pytest.approx(word.end_s)


def test_perturbation_is_the_fall_of_the_words_log_probability(model: Whisper, clip: Clip, found: WordSources) -> None:
    """At a centre of a silenced stretch, by a run of the framework over that window alone."""
    mel = model.windows(clip).mel.clone()
    centre = 30
    ids, at = tokens_of(model, found), 4
    odds = []
    for silent in (False, True):
        if silent:
            mel[:, :, 2 * (centre - 5) : 2 * (centre + 5)] = mel.amin()
        with torch.no_grad():
            logits = model.hf(input_features=mel, decoder_input_ids=torch.tensor([ids])).logits[0]
        odds.append(logits.double().log_softmax(-1))
    for number, word in enumerate(found.words):
        places = range(at, at + len(word.tokens))
        before, after = (sum(float(row[place - 1, ids[place]]) for place in places) for row in odds)
        assert found.perturbation[number, centre] == pytest.approx(before - after, abs=1e-3)
        assert word.log_probability == pytest.approx(before, abs=1e-3)
        at += len(word.tokens)


def test_silencing_all_other_sound_changes_nothing_where_the_decoder_hears_some_frames_alone() -> None:
    """Planted: frames keep to themselves and cross-attention sees frames 20 to 39 alone, so words come from there."""
    model, clip = build(), make_clip()

    def hear_some(pattern: torch.Tensor) -> torch.Tensor:
        kept = torch.zeros_like(pattern)
        kept[..., 20:40] = pattern[..., 20:40] + 1e-6
        return kept / kept.sum(-1, keepdim=True)

    stays = {"encoder.blocks.*.attn.pattern": lambda p: p * 0 + torch.eye(p.shape[-1])}
    with model.edit({**stays, "decoder.blocks.*.cross_attn.pattern": hear_some}):
        found = words(model, clip, language="en", stretch_s=0.04, step_s=0.02)
    heard = np.zeros(100, bool)
    heard[20:40] = True
    near = np.zeros(100, bool)
    near[17:43] = True  # two convolutions and half a stretch away
    for number in range(len(found.words)):
        assert np.abs(found.perturbation[number][~near]).max() < 2e-3  # rounding
        assert found.relevance[number][~heard].max() == 0
        assert found.attention[number][~heard].max() == 0
    assert found.perturbation[:, near].max() > 0.2
    assert found.relevance.max() > 0


def test_every_word_has_a_curve_of_its_window_by_each_way(found: WordSources) -> None:
    assert found.attention.shape == found.relevance.shape == found.perturbation.shape == (len(found.words), 100)
    assert all(getattr(found, way).dtype == np.float32 for way in WAYS)
    assert found.transcript.split() == [word.text for word in found.words]


def test_outer_readings_see_one_pass(model: Whisper, clip: Clip) -> None:
    with model.reading(["encoder.blocks.0", "decoder.blocks.0"]) as tape:
        words(model, clip, language="en", step_s=0.2)
    assert tape["encoder.blocks.0"].shape[0] == 1
    assert tape["decoder.blocks.0"].shape[0] == 1


def test_a_long_recording_is_taken_window_by_window(model: Whisper, tmp_path: Path) -> None:
    long = make_clip(3.5)
    calls: list[tuple[int, int]] = []
    both = words(model, long, language="en", step_s=0.2, progress=lambda done, n: calls.append((done, n)))
    second = words(model, long.samples[32_000:], language="en", step_s=0.2)
    alone = words(model, long, language="en", step_s=0.2, window=1)
    assert [word.window for word in alone.words] == [1] * len(second.words)
    own = [number for number, word in enumerate(both.words) if word.window == 1]
    for way in WAYS:
        np.testing.assert_allclose(getattr(both, way)[own], getattr(second, way), atol=1e-4)
        np.testing.assert_allclose(getattr(alone, way), getattr(second, way), atol=1e-4)
    assert calls[-1][0] == calls[-1][1] and [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert list(both.figures()) == ["words", "words_1", "words_zoom"]
    assert list(alone.figures()) == ["words_1", "words_zoom"]
    assert both.plot(tmp_path / "second", "words_1").read_bytes() != both.plot(tmp_path / "first").read_bytes()
    with pytest.raises(InputError, match="there is no picture 'words_2': there are words, words_1"):
        both.plot(tmp_path / "third", "words_2")
    row = alone.to_json()["words"][0]
    assert row["perturbation"]["peak_s"] == pytest.approx(2.0 + (alone.peak("perturbation", 0) + 0.5) * 0.02)


def test_nothing_written_is_no_error(tmp_path: Path) -> None:
    model = build()
    model.hf.generation_config.suppress_tokens = None
    end = model.hf.generation_config.eos_token_id
    with model.edit({"logits": lambda x: x + 1e4 * torch.nn.functional.one_hot(torch.tensor(end), x.shape[-1])}):
        found = words(model, make_clip())
    assert found.words == () and found.zoom is None and found.to_json()["words"] == []
    assert {path.name for path in found.save(tmp_path)} == {"words.json", "words.npz"}
    assert "the model writes nothing here" in found.summary()
    with pytest.raises(InputError, match="words has no picture"):
        found.plot(tmp_path / "none")


def test_arrays_hold_every_way(found: WordSources) -> None:
    assert {*WAYS} < {*found.arrays()} and list(found.figures()) == ["words", "words_zoom"]
    assert found.arrays()["window"].tolist() == [0] * len(found.words)


def test_the_word_drawn_large_can_be_chosen(model: Whisper, clip: Clip, found: WordSources) -> None:
    number = len(found.words) - 1
    assert words(model, clip, language="en", step_s=0.2, word=number).zoom == number
    assert words(model, clip, language="en", step_s=0.2, word=found.words[number].text).zoom == number


def test_a_head_that_is_not_there_is_named(model: Whisper, clip: Clip) -> None:
    with pytest.raises(SiteError, match=r"alignment head \(9, 0\)"):
        words(model, clip, alignment_heads=[(9, 0)])


def planted(curves: dict[str, list[list[float]]], aligned: list[tuple[int, int]]) -> WordSources:
    arrays = {way: np.array(rows, np.float32) for way, rows in curves.items()}
    n_words, n_frames = arrays["attention"].shape
    kinds = np.full((1, n_frames), Kind.SPEECH, np.int8)
    kinds[0, -5:] = Kind.PADDING
    sources = tuple(WordSource(f"w{i}", (i,), -1.0, aligned[i], 0, i, None) for i in range(n_words))
    return WordSources(
        model="m", clip_id="c", audio="c", samples=np.zeros(10, np.float32), n_mels=80, windows=(0,), kinds=kinds,
        language="en", transcript="w0", words=sources, heads=((0, 0),), stretch_s=0.2, step_s=0.1, zoom=0, **arrays
    )  # fmt: skip


def test_peaks_and_stretches_are_read_off_the_recording_alone() -> None:
    bump = np.zeros(60)
    bump[20:31] = 1.0
    bump[40] = 3.0  # one frame that stands out
    bump[57] = 100.0  # padding
    found = planted({way: [bump.tolist()] for way in WAYS}, [(7, 9)])
    assert 20 <= found.peak("relevance", 0) < 31
    start, stop = found.stretch("relevance", 0)
    assert (abs(start - 20), abs(stop - 31)) <= (2, 2)
    assert found.stretch("attention", 0) == (7, 9)
    assert len(found.curve("relevance", 0)) == 55


def test_half_height_stops_where_a_curve_falls_below_half() -> None:
    assert half_height(np.array([0, 1, 5, 9, 10, 4, 9.0])) == (2, 5)
    assert half_height(np.array([3.0, 2, 1])) == (0, 2)
    assert half_height(np.array([-3.0, -2, -4])) == (1, 2)
    assert half_height(np.ones(4)) == (0, 4)


def test_running_means_agree_with_a_loop() -> None:
    values = np.random.default_rng(0).normal(size=30).astype(np.float32)
    for curve in (values, values[:3]):
        padded = [0.0] * 4 + curve.tolist() + [0.0] * 4
        wanted = [sum(padded[i : i + 9]) / 9 for i in range(len(curve))]
        np.testing.assert_allclose(running_mean(curve, 9), wanted, atol=1e-6)


def test_overlap_and_shares_of_planted_stretches() -> None:
    assert overlap((0, 2), (1, 3)) == pytest.approx(1 / 3)
    assert overlap((0, 1), (2, 3)) == 0 and overlap((1, 1), (1, 1)) == 0
    assert part_of((0, 4), (3, 9)) == 0.25
    curve = np.zeros(50)
    curve[10:20], curve[30:40], curve[45] = 1, 3, -5
    assert share_inside(curve, (0.2, 0.4)) == pytest.approx(0.25)
    assert share_inside(curve, (0.3, 0.4)) == pytest.approx(0.125)
    assert share_inside(-np.ones(5), (0, 1)) == 0


def test_true_times_follow_labels_through_mishearings_and_punctuation() -> None:
    labels = tuple(Span(i, i + 0.5, text) for i, text in enumerate(["Well,", "known", "men", "see", "it"]))
    clip = Clip(np.ones(16_000 * 6, np.float32), "c", words=labels)
    times = true_times(clip, ["well-known", "then", "See,", "—", "it"])
    assert times == [(0, 1.5), None, (3, 3.5), None, (4, 4.5)]
    joined = Clip(np.ones(16_000 * 6, np.float32), "c", words=(Span(0, 1, "ice cream"), Span(1, 2, "now")))
    assert true_times(joined, ["ice", "cream", "now"]) == [None, None, (1, 2)]
    assert true_times(Clip(np.ones(16_000, np.float32), "c"), ["now"]) == [None]
