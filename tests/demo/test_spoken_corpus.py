"""A corpus of demo speech: read as any other, with phones; the same command gives the same samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import otoscope as oto
from otoscope.base.errors import InputError
from otoscope.demo import spoken_corpus
from otoscope.demo.spoken_corpus import MANIFEST, make_spoken_corpus


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken_corpus, "_AT_ONCE", 3)


def test_it_is_read_as_a_corpus_with_all_its_labels(tmp_path: Path) -> None:
    n_clips = make_spoken_corpus(tmp_path / "spoken", hours=0.001, seed=1, overwrite=False)
    clips = list(oto.open_corpus(tmp_path / "spoken" / MANIFEST))
    assert len(clips) == n_clips >= 1
    assert sum(clip.duration_s for clip in clips) >= 3.6
    for clip in clips:
        assert clip.label_problem is None
        assert clip.phones is not None and clip.words is not None and clip.speaker is not None
        assert [word.text.lower() for word in clip.words] == [
            word.strip(".,?!").lower() for word in (clip.transcript or "").split()
        ]
        assert clip.phones[0].start_s > 0 and clip.phones[-1].end_s < clip.duration_s


def test_the_same_seed_gives_the_same_samples_and_another_gives_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_spoken_corpus(tmp_path / name, hours=0.0001, seed=seed, overwrite=False)
    first, again, other = (next(iter(oto.open_corpus(tmp_path / name / MANIFEST))).samples for name in "abc")
    np.testing.assert_array_equal(first, again)
    assert len(first) != len(other) or not np.array_equal(first, other)


@pytest.mark.parametrize("hours", [0, -1, float("nan")])
def test_a_length_that_is_none_is_refused_and_leaves_nothing(tmp_path: Path, hours: float) -> None:
    with pytest.raises(InputError, match="hours cannot be spoken"):
        make_spoken_corpus(tmp_path / "spoken", hours=hours, seed=0, overwrite=False)
    assert not list(tmp_path.iterdir())
