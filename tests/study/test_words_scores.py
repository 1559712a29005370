from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import otoscope
from otoscope.audio.clip import Clip, Span
from otoscope.model.whisper import Whisper
from otoscope.study.estimates import bootstrap_mean
from otoscope.study.words.experiment import WAYS, WordSources, words
from otoscope.study.words.scores import BASELINES, EVEN, POSITION, SCORES, WordScores, score_words, word_sources
from tests.study.conftest import make_clip
from tests.study.test_words import planted


@pytest.fixture(scope="module")
def labelled(model: Whisper) -> list[Clip]:
    """Clips whose labels are the words that the model writes, side by side, but for one that it does not."""
    found = []
    for seed in range(3):
        clip = make_clip(1.2 + 0.1 * seed, seed=seed)
        texts = model.transcribe(clip, language="en").text.split()[:5]
        spans = [Span(0.1 + 0.2 * i, 0.3 + 0.2 * i, text) for i, text in enumerate(texts)]
        found.append(replace(clip, words=(*spans, Span(1.1, 1.2, "xylophone"))))
    return found


@pytest.fixture(scope="module")
def scores(model: Whisper, labelled: list[Clip]) -> WordScores:
    return word_sources(model, [*labelled, make_clip(seed=9)], language="en", step_s=0.2)


def bump(start: int, stop: int) -> list[float]:
    row = np.zeros(105)
    row[start:stop] = 1
    return row.tolist()


def test_planted_words_get_the_scores_worked_out_by_hand() -> None:
    """Two words of 0.4 s in 2 s of recording: one found exactly, one looked for where the other is."""
    curves = [bump(10, 30), bump(10, 30)]
    found = planted(dict.fromkeys(WAYS, curves), [(10, 30), (10, 30)])
    times = [(0.2, 0.6), (1.2, 1.6)]
    found = replace(found, words=tuple(replace(w, true_s=t) for w, t in zip(found.words, times, strict=True)))
    first, second = score_words(found, 0.0)
    for way in WAYS:
        assert (first.scores[way].hit, second.scores[way].hit) == (1, 0)
        assert first.scores[way].overlap > 0.7 and second.scores[way].overlap == 0
        assert first.scores[way].inside == pytest.approx(1) and second.scores[way].inside == 0
        assert first.hit_of_others is not None and second.hit_of_others is not None
        assert (first.hit_of_others[way], second.hit_of_others[way]) == (0, 1)
    assert first.scores["attention"].overlap == pytest.approx(1)
    assert first.scores[EVEN].hit == first.scores[EVEN].overlap == pytest.approx(0.2)
    assert (first.scores[POSITION].hit, second.scores[POSITION].hit) == (1, 1)  # 0.5 s and 1.5 s
    assert first.scores[POSITION].overlap == pytest.approx(0.4)


def test_the_tolerance_makes_near_misses_hits() -> None:
    found = planted({way: [bump(50, 51)] for way in WAYS}, [(50, 51)])
    peak_s = (found.peak("relevance", 0) + 0.5) * 0.02
    found = replace(found, words=(replace(found.words[0], true_s=(peak_s + 0.03, peak_s + 0.3)),))
    for tolerance_s, hit in ((0.0, 0), (0.02, 0), (0.04, 1)):
        assert score_words(found, tolerance_s)[0].scores["relevance"].hit == hit
    assert score_words(found, 0.0)[0].hit_of_others is None


def test_words_without_a_known_time_are_counted_and_left_out(scores: WordScores, labelled: list[Clip]) -> None:
    assert scores.n_clips == 3 and scores.clips_without_words == ("bursts-9",)
    assert scores.n_labelled == sum(len(clip.words or ()) for clip in labelled)
    assert scores.to_json()["n_misheard"] == scores.n_labelled - len(scores.words) >= 3
    assert "xylophone" not in {word.text for word in scores.words}


def test_means_are_those_of_the_words(scores: WordScores, model: Whisper, labelled: list[Clip]) -> None:
    again = [
        word
        for clip in labelled
        for word in score_words(words(model, clip, language="en", step_s=0.2), scores.tolerance_s)
    ]
    assert tuple(again) == scores.words
    for way in (*WAYS, *BASELINES):
        for score in SCORES:
            mean = scores.mean(way, score)
            assert mean is not None
            assert mean.value == pytest.approx(np.mean([getattr(word.scores[way], score) for word in again]))
            assert mean.low is None and 0 <= mean.value <= 1  # fewer than six clips
    above = scores.above("relevance", POSITION, "overlap")
    parts = [scores.mean(way, "overlap") for way in ("relevance", POSITION)]
    assert above is not None and parts[0] is not None and parts[1] is not None
    assert above.value == pytest.approx(parts[0].value - parts[1].value)


def test_the_bootstrap_draws_clips_and_not_words() -> None:
    """Words of one clip that are all alike tell no more than one word of it."""
    rng = np.random.default_rng(0)
    clips = rng.random(30)
    few = bootstrap_mean(clips.tolist(), [str(i) for i in range(30)], seed=0)
    many = bootstrap_mean(np.repeat(clips, 20).tolist(), [str(i) for i in range(30) for _ in range(20)], seed=0)
    assert few is not None and many is not None
    assert (many.value, many.low, many.high) == pytest.approx((few.value, few.low, few.high))
    standard_error = clips.std() / np.sqrt(30)
    assert few.low is not None and few.high is not None
    assert few.high - few.low == pytest.approx(2 * 1.96 * standard_error, rel=0.15)
    for n in (1, 5):  # so few do not say how far off their mean may lie
        alone = bootstrap_mean([0.5, 1.0] * n, [str(i % n) for i in range(2 * n)], seed=0)
        assert alone is not None and alone.value == 0.75 and alone.low is None
    assert bootstrap_mean([], [], seed=0) is None


def test_files_hold_what_the_result_holds(scores: WordScores, tmp_path: Path) -> None:
    table = scores.to_json()
    assert set(table["ways"]) == {*WAYS, *BASELINES} and len(table["words"]) == table["n_words"]
    assert scores.plot(tmp_path / "it.png").is_file()


def test_progress_counts_clips(model: Whisper, labelled: list[Clip]) -> None:
    calls: list[tuple[int, int]] = []
    word_sources(model, labelled[:2], step_s=0.2, progress=lambda done, n: calls.append((done, n)))
    assert calls == [(1, 2), (2, 2)]


def demo_scores(every: int) -> WordScores:
    model, corpus = otoscope.load("demo"), otoscope.open_corpus("demo")
    return word_sources(model, [corpus.read(source) for source in corpus.sources[::every]], step_s=0.2)


@pytest.fixture(scope="module")
def demo() -> WordScores:
    return demo_scores(18)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_finds_the_demos_words_far_more_often_than_chance(demo: WordScores, way: str) -> None:
    assert len(demo.words) > 30
    for score in SCORES:
        found, anywhere = demo.mean(way, score), demo.mean(EVEN, score)
        assert found is not None and found.low is not None
        assert anywhere is not None and anywhere.high is not None
        assert found.low > anywhere.high
    hit, of_others, in_order = demo.mean(way, "hit"), demo.hit_of_others(way), demo.mean(POSITION, "hit")
    assert hit is not None and of_others is not None and in_order is not None
    assert hit.value > 3 * of_others.value
    assert hit.value > in_order.value


@pytest.mark.slow
def test_over_many_clips_each_way_beats_words_laid_out_in_their_order() -> None:
    found = demo_scores(4)
    for way in WAYS:
        above = found.above(way, POSITION, "hit")
        assert above is not None and above.low is not None and above.low > 0


def test_the_demos_transcripts_hold_the_labelled_words(demo: WordScores) -> None:
    assert len(demo.words) > 0.8 * demo.n_labelled


def test_sources_of_the_demo_name_the_same_word_as_its_label() -> None:
    corpus = otoscope.open_corpus("demo")
    clip = corpus.read(corpus.sources[3])
    found: WordSources = words(otoscope.load("demo"), clip, step_s=0.2)
    times = {(span.start_s, span.end_s): span.text for span in clip.words or ()}
    known = [word for word in found.words if word.true_s is not None]
    assert known
    for word in known:
        assert word.true_s is not None
        assert word.text.strip(".,?!").casefold() == times[word.true_s].strip(".,?!").casefold()
