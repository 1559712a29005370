"""Going through clips: in any form, and a report after the work on each."""

from __future__ import annotations

import numpy as np

from otoscope.audio.clip import Clip
from otoscope.corpus.corpus import Corpus
from otoscope.study.clips import as_corpus, clip_count, each_clip

SAMPLES = np.full(800, 0.1, np.float32)


def test_a_report_comes_after_the_work_on_a_clip_and_says_how_many_there_are() -> None:
    events: list[object] = []
    for clip in each_clip([Clip(SAMPLES, "first"), SAMPLES], lambda *at: events.append(at)):
        events.append(clip.id)
    assert events == ["first", (1, 2), "array", (2, 2)]


def test_clips_are_counted_where_that_takes_no_reading() -> None:
    corpus = as_corpus([Clip(SAMPLES, "a"), Clip(SAMPLES, "b")])
    assert isinstance(corpus, Corpus)
    assert clip_count(corpus) == 2
    assert clip_count(iter(corpus)) == 0
