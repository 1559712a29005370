from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from otoscope.audio.clip import Clip, Span
from otoscope.model.whisper import Whisper
from otoscope.study.error_rate import words_of
from otoscope.study.splice.experiment import Spliceable
from otoscope.study.splice.words import splice_words
from tests.study.conftest import make_clip


def label_with_transcript(model: Whisper, clip: Clip) -> Clip:
    """Take what a random model says as what was said, evenly over the clip, with one more word that it did not say."""
    said = Spliceable(model, clip, None).original.split()
    step_s = (clip.duration_s - 0.1) / (len(said) + 1)
    words = tuple(Span(step_s * at, step_s * (at + 1), word) for at, word in enumerate([*said, "xylophone"]))
    return Clip(clip.samples, clip.id, words=words)


def test_every_heard_word_is_spliced_once_and_so_is_a_stretch_elsewhere(model: Whisper, tmp_path: Path) -> None:
    clip = label_with_transcript(model, make_clip(1.6, seed=2))
    labelled = [word for word in clip.words or () if words_of(word.text)]
    bare = make_clip(1.2, seed=9)
    result = splice_words(model, [clip, bare], margin_frames=1, seed=3)
    assert (result.n_clips, result.n_words, result.clips_without_words) == (1, len(labelled), (bare.id,))
    assert result.n_misheard == len(labelled) - len(result.trials) >= 1
    assert len(result.trials) > 0
    stretches = [(trial.own.start, trial.own.stop) for trial in result.trials]
    texts = Spliceable(model, clip, None).without(stretches, cuts_loops=True)
    assert [(trial.own.text, trial.own.stopped) for trial in result.trials] == [
        (one.text, one.is_stopped) for one in texts
    ]
    for trial in result.trials:
        span = (clip.words or ())[trial.index]
        assert (trial.text, trial.clip_id) == (span.text, clip.id)
        assert trial.own.start <= max(span.start_s / 0.02 - 1, 0) + 1e-6
        assert trial.own.stop > span.end_s / 0.02 - 1e-6
        assert trial.elsewhere is not None
        assert trial.elsewhere.stop - trial.elsewhere.start == trial.own.stop - trial.own.start
        assert trial.elsewhere.stop <= trial.own.start or trial.elsewhere.start >= trial.own.stop
        assert trial.elsewhere.stop <= 80
    assert result == splice_words(model, [clip, bare], margin_frames=1, seed=3)
    table = result.to_json()
    gone = sum(trial.own.gone for trial in result.trials)
    assert table["own_frames"]["gone"]["value"] == pytest.approx(gone / len(result.trials), abs=1e-6)
    assert table["as_long_elsewhere"]["n"] == len(result.trials)
    elsewhere = sum(trial.elsewhere.gone for trial in result.trials if trial.elsewhere is not None)
    more = {"value": pytest.approx((gone - elsewhere) / len(result.trials)), "low": None, "high": None}
    assert table["more_than_elsewhere"]["gone"] == more  # from a single clip no interval
    assert [path.name for path in result.save(tmp_path)] == ["splice_words.json", "splice_words.png"]
    assert json.loads((tmp_path / "splice_words.json").read_text()) == table
    assert (tmp_path / "splice_words.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_heard_has_no_rates_but_a_table_and_a_picture(
    model: Whisper, spans: Callable[..., tuple[Span, ...]], tmp_path: Path
) -> None:
    result = splice_words(model, [make_clip(words=spans("xylophone quartz", 0.2, 0.4))])
    assert (result.n_words, result.n_misheard, result.trials) == (2, 2, ())
    assert result.to_json()["own_frames"]["gone"] is None
    result.save(tmp_path)


def test_a_word_as_long_as_the_clip_leaves_no_room_elsewhere(model: Whisper) -> None:
    base = make_clip(1.0, seed=1)
    said = " ".join(words_of(Spliceable(model, base, None).original)) or "nothing"
    result = splice_words(model, [Clip(base.samples, "one", words=(Span(0.0, 1.0, said),))])
    assert [trial.elsewhere for trial in result.trials] == [None]
    assert result.elsewhere.extra["n"] == 0
    assert result.elsewhere.values["gone"] is None
