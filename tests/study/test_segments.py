from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import torch

from otoscope.audio.clip import Span
from otoscope.corpus import Corpus, open_corpus
from otoscope.model.generation import prompt_tokens
from otoscope.model.whisper import Whisper
from otoscope.study.segments.experiment import holds, segments
from otoscope.study.segments.pushed import pushed_up
from otoscope.study.segments.score import starts_in
from tests.study.conftest import make_clip


def slow_log_probability(model: Whisper, encoding: torch.Tensor, text: str, language: str, before: str = "") -> float:
    """Token by token, one at a time, in double precision."""
    given = prompt_tokens(model, language=language)
    if before:
        given += model.tokenizer(f" {before}", add_special_tokens=False).input_ids
    total = 0.0
    for token in model.tokenizer(text, add_special_tokens=False).input_ids:
        logits = model.hf(encoder_outputs=(encoding[None],), decoder_input_ids=torch.tensor([given])).logits[0, -1]
        total += torch.log_softmax(logits.double(), dim=-1)[token].item()
        given = [*given, token]
    return total


@pytest.mark.parametrize("context", ["", "the little"])
def test_scores_agree_with_the_decoder_asked_token_by_token(model: Whisper, context: str) -> None:
    clip = make_clip(1.6)
    word = "xylophone dog"
    found = segments(model, [clip], word, length_s=0.5, step_s=0.2, top=3, context=context, language="en").words[0]
    assert found.spellings == (f" {word}", " Xylophone dog")
    assert len(model.tokenizer(f" {word}", add_special_tokens=False).input_ids) > 1
    encoding, padding = model.encode(clip)[0], model.padded_encoding()[0]
    for segment in found.segments:
        start, stop = round(segment.start_s / 0.02), round(segment.stop_s / 0.02)
        spliced = padding.clone()
        spliced[start:stop] = encoding[start:stop]
        each = [slow_log_probability(model, spliced, text, "en", context) for text in found.spellings]
        silent = [slow_log_probability(model, padding, text, "en", context) for text in found.spellings]
        total = math.log(sum(map(math.exp, each)))
        assert segment.log_probability == pytest.approx(total, abs=1e-3)
        assert segment.lift == pytest.approx(total - math.log(sum(map(math.exp, silent))), abs=1e-3)


def test_the_best_are_kept_surest_first_and_none_of_a_clip_overlap(model: Whisper) -> None:
    clips = [make_clip(seconds, seed=seed) for seed, seconds in enumerate((1.6, 3.3, 0.9))]
    every = [segments(model, [clip], "dog", length_s=0.3, step_s=0.3, top=99, language="en") for clip in clips]
    alone = sorted((one.log_probability for each in every for one in each.words[0].segments), reverse=True)
    found = segments(model, clips, "dog", length_s=0.3, step_s=0.3, top=4, language="en").words[0]
    assert [one.log_probability for one in found.segments] == pytest.approx(alone[:4], abs=1e-5)
    dense = segments(model, clips, "dog", length_s=0.3, step_s=0.06, top=50, language="en").words[0]
    scores = [one.log_probability for one in dense.segments]
    assert scores == sorted(scores, reverse=True)
    assert {one.clip_id for one in dense.segments} == {clip.id for clip in clips}
    for one in dense.segments:
        for other in dense.segments:
            if one is not other and one.clip_id == other.clip_id:
                assert one.stop_s <= other.start_s + 1e-9 or other.stop_s <= one.start_s + 1e-9


def test_stretches_cover_the_sound_and_end_with_it() -> None:
    assert starts_in(100, 30, 25) == [0, 25, 50, 70]
    assert starts_in(100, 30, 35) == [0, 35, 70]
    assert starts_in(20, 30, 5) == [0]


def test_a_clip_of_two_windows_gives_stretches_of_both(model: Whisper) -> None:
    clip = make_clip(3.3)
    found = segments(model, [clip], "dog", length_s=0.4, step_s=0.2, top=40, language="en").words[0]
    assert found.n_stretches == 9 + 6  # 2 s hold 9, the 1.3 s after them 5 and one that ends with the sound
    assert max(one.stop_s for one in found.segments) > 2.5
    assert not any(one.start_s < 2.0 < one.stop_s for one in found.segments)


def test_hits_and_chance_are_counted(model: Whisper, spans: Callable[..., tuple[Span, ...]]) -> None:
    clips = [make_clip(1.6, seed=1, words=spans("little Dog dog", 0.1, 0.5)), make_clip(1.6, seed=2)]
    found = segments(model, clips, ["dog", "cat"], length_s=0.5, step_s=0.1, top=3, language="en").words
    dog, cat = found
    middles = (0.85, 1.35)
    starts = [0.1 * at for at in range(12)]
    holding = sum(any(start - 1e-9 <= middle < start + 0.5 - 1e-9 for middle in middles) for start in starts)
    assert (dog.n_stretches, dog.n_labelled, dog.n_said, cat.n_said) == (24, 12, 2, 0)
    assert dog.chance == pytest.approx(holding / 12)
    assert cat.chance == 0
    for segment in dog.segments:
        if segment.clip_id == clips[1].id:
            assert segment.said is None and segment.is_hit is None
        else:
            assert segment.said is not None and segment.is_hit == ("dog" in [word.lower() for word in segment.said])


def test_words_in_a_row_are_held_in_that_order_alone() -> None:
    assert holds(("The", "traffic", "Jam."), "traffic jam")
    assert not holds(("jam", "traffic"), "traffic jam")
    assert not holds(("traffics",), "traffic")


def test_the_demo_model_finds_words_far_above_chance(demo: Whisper) -> None:
    """Words that are said often enough; the baseline is the share of all stretches that hold them."""
    said = open_corpus("demo")
    chosen = Corpus("some", [source for source in said.sources if "very" in (source.read().transcript or "")][:8])
    some = Corpus("both", [*chosen.sources, *[one for one in said.sources if one not in chosen.sources][:8]])
    found = segments(demo, some, "very", length_s=0.6, step_s=0.15, top=6)
    rate, chance = found.hit_rate, found.chance
    assert rate is not None and rate.low is not None and chance is not None
    assert rate.low > 2 * chance
    assert found.words[0].n_said >= 6


def test_the_demo_model_is_pushed_towards_what_a_stretch_says(demo: Whisper) -> None:
    """After the words before it; the baseline is a word of another clip."""
    own = other = 0
    clips = list(Corpus("some", open_corpus("demo").sources[::12]))
    pairs = list(zip(clips, [*clips[1:], clips[0]], strict=True))
    for clip, next_clip in pairs:
        assert clip.words is not None and next_clip.words is not None
        number = max(range(1, len(clip.words)), key=lambda at: clip.words[at].end_s - clip.words[at].start_s)
        word = clip.words[number]
        before = " ".join(each.text for each in clip.words[:number])
        stop_s = min(word.end_s + 0.1, clip.duration_s - 0.001)
        found = pushed_up(demo, clip, word.start_s - 0.1, stop_s, top=10, least=1e-4, context=before)
        assert found.said is not None and word.text in found.said
        assert [each.lift for each in found.words] == sorted((each.lift for each in found.words), reverse=True)
        heard = [each.word.lower() for each in found.words]
        own += word.text.lower() in heard
        other += next_clip.words[-1].text.lower() in heard
    assert own > len(pairs) / 2
    assert own > 3 * other


def test_what_is_pushed_up_agrees_with_the_decoder(model: Whisper, tmp_path: Path) -> None:
    clip = make_clip(1.6)
    found = pushed_up(model, clip, 0.3, 0.9, top=5, least=0.0, language="en")
    encoding, padding = model.encode(clip)[0], model.padded_encoding()[0]
    spliced = padding.clone()
    spliced[15:45] = encoding[15:45]
    for each in found.words:
        ids = torch.tensor([prompt_tokens(model, language="en")])
        rows = [
            torch.log_softmax(model.hf(encoder_outputs=(one[None],), decoder_input_ids=ids).logits[0, -1].double(), -1)
            for one in (spliced, padding)
        ]
        assert each.log_probability == pytest.approx(rows[0][each.token].item(), abs=1e-3)
        assert each.lift == pytest.approx((rows[0] - rows[1])[each.token].item(), abs=1e-3)
        assert each.word.startswith(each.text.strip())
    names = [path.name for path in found.save(tmp_path)]
    assert names == ["pushed_up.json", "pushed_up.png"]
    assert json.loads((tmp_path / "pushed_up.json").read_text()) == found.to_json()


def test_edits_reach_the_search_and_the_model_is_left_as_it_was(model: Whisper) -> None:
    clip = make_clip(1.2)
    before = model.encode(clip)
    with model.edit({"encoder.ln_post": lambda x: x * 0}):
        silent = segments(model, [clip], "dog", language="en").words[0]
    assert all(one.lift == pytest.approx(0, abs=1e-5) for one in silent.segments)
    heard = segments(model, [clip], "dog", language="en").words[0]
    assert any(abs(one.lift) > 1e-3 for one in heard.segments)
    assert torch.equal(before, model.encode(clip))


def test_files_hold_what_the_result_holds(model: Whisper, tmp_path: Path) -> None:
    clips = [make_clip(1.2, seed=1), make_clip(1.4, seed=2)]
    done: list[int] = []
    found = segments(
        model, clips, ["dog", "AC/DC"], top=2, language="en", sound_format="wav", progress=lambda at, _: done.append(at)
    )
    assert done == [1, 2]
    names = [path.relative_to(tmp_path).as_posix() for path in found.save(tmp_path)]
    assert names[:3] == ["segments.json", "segments.png", "segments.parquet"]
    assert len(names) == 3 + 4 and names[-1].startswith("sounds/2-AC-DC-02-bursts-")
    assert json.loads((tmp_path / "segments.json").read_text()) == found.to_json()
    rows = pq.read_table(tmp_path / "segments.parquet").to_pylist()
    assert [row["rank"] for row in rows] == [1, 2, 1, 2]
    sound, rate = soundfile.read(tmp_path / names[3])
    first = found.words[0].segments[0]
    assert rate == 16_000 and len(sound) == pytest.approx((first.stop_s - first.start_s) * 16_000, abs=2)
    assert np.abs(sound).max() > 0
