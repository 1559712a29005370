from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from otoscope.audio.clip import Clip
from otoscope.corpus import Corpus
from otoscope.corpus.source import Source
from otoscope.study.whole.stretches import clips_in_turn, measured, origin, stretches_in_turn
from tests.study.whole_study import Read, labelled_clip

WINDOW_S = 2.0


def corpus_of(*speakers: str | None, length_s: float = 1.0, log: list[str] | None = None) -> Corpus:
    sources = []
    for number, speaker in enumerate(speakers):
        samples = np.full(round(length_s * 16_000), 0.1, np.float32)
        read = Read(Clip(samples, f"talk{number}"), [] if log is None else log)
        sources.append(Source(f"talk{number}", read, speaker))
    return Corpus("talks", sources)


def lengths(corpus: Corpus, length_s: float = 1.0) -> dict[str, float]:
    return {source.id: length_s for source in corpus.sources}


def test_all_speakers_come_in_turn_however_many_clips_one_has() -> None:
    corpus = corpus_of(*"aaaaaaaabbc")
    found = clips_in_turn(corpus, lengths(corpus), seed=0)
    assert Counter(one.speaker for one in found[:3]) == {"a": 1, "b": 1, "c": 1}
    assert Counter(one.speaker for one in found) == {"a": 8, "b": 2, "c": 1}


def test_where_nobody_is_named_each_clip_stands_for_a_speaker() -> None:
    corpus = corpus_of(None, None, None, length_s=20)
    found = stretches_in_turn(corpus, lengths(corpus, 20.0), WINDOW_S, seed=0)
    assert {origin(one)[0] for one in found[:3]} == {"talk0", "talk1", "talk2"}


def test_the_order_is_the_seeds() -> None:
    corpus = corpus_of(*"aaaaaaaa")
    orders = [[one.id for one in clips_in_turn(corpus, lengths(corpus), seed)] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_a_clip_that_fits_the_window_stays_whole_and_a_longer_one_is_cut() -> None:
    corpus = corpus_of("a")
    (whole,) = stretches_in_turn(corpus, {"talk0": WINDOW_S}, WINDOW_S, seed=0)
    assert whole is corpus.sources[0]
    cut = stretches_in_turn(corpus, {"talk0": 5.5}, WINDOW_S, seed=0)
    assert sorted(origin(one) for one in cut) == [("talk0", 0.0), ("talk0", 2.0), ("talk0", 4.0)]
    assert sorted(one.id for one in cut) == ["talk0@0s", "talk0@2s", "talk0@4s"]
    short_end = stretches_in_turn(corpus, {"talk0": 4.5}, WINDOW_S, seed=0)
    assert len(short_end) == 2, "half a second is no stretch of its own"


def test_what_cannot_be_used_has_no_stretches() -> None:
    corpus = corpus_of("a", "b")
    assert [one.id for one in stretches_in_turn(corpus, {"talk1": 1.0}, WINDOW_S, seed=0)] == ["talk1"]


def test_a_stretch_has_the_sound_and_the_labels_that_lie_in_it() -> None:
    whole = labelled_clip(0, 8.0)  # words from 1.6 s on, 1.2 s each
    corpus = Corpus("one", [Source(whole.id, lambda: whole)], asked_phone_set="arpabet")
    cut = {origin(one)[1]: one.read() for one in stretches_in_turn(corpus, {whole.id: 8.0}, 4.0, seed=0)}
    first, second = cut[0.0], cut[4.0]
    assert np.array_equal(np.concatenate([first.samples, second.samples]), whole.samples)
    assert first.words is not None and second.words is not None and second.phones is not None
    assert (first.transcript, second.transcript) == ("the little", "dog sees"), "no word is cut"
    assert second.words[0].start_s == pytest.approx(whole.words[2].start_s - 4.0)  # type: ignore[index]
    assert [phone.text for phone in second.phones] == ["D", "S"]
    assert (second.speaker, second.language) == (whole.speaker, whole.language)


def test_without_words_in_time_nobody_knows_what_a_stretch_says() -> None:
    whole = Clip(np.zeros(16_000 * 8, np.float32), "talk", transcript="a long talk")
    corpus = Corpus("one", [Source("talk", lambda: whole)])
    assert {one.read().transcript for one in stretches_in_turn(corpus, {"talk": 8.0}, 4.0, seed=0)} == {None}


def test_a_long_recording_is_read_once_for_stretches_that_follow_each_other() -> None:
    log: list[str] = []
    corpus = corpus_of("a", "b", length_s=20, log=log)
    chosen = sorted(stretches_in_turn(corpus, lengths(corpus, 20.0), WINDOW_S, seed=0), key=origin)
    clips = list(Corpus("cut", chosen))
    assert len(clips) == 20 and log == ["talk0", "talk1"]


def test_a_corpus_is_measured_while_it_is_read() -> None:
    corpus = measured(corpus_of("a", "b", length_s=1.5))
    list(corpus)
    assert corpus.lengths_s == {"talk0": 1.5, "talk1": 1.5}
