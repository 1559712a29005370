from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.audio.clip import Clip, as_clip
from otoscope.base.errors import InputError
from otoscope.model.whisper import Whisper
from otoscope.study.window.experiment import window
from otoscope.study.window.heads import window_by_head
from tests.released import released, speech_folder


def test_each_head_is_limited_alone(model: Whisper, clips: list[Clip]) -> None:
    result = window_by_head(model, clips, 1)
    assert [(one.block, one.head) for one in result.heads] == [(b, h) for b in range(3) for h in range(2)]
    for one in result.heads:
        alone = window(model, clips, [1], blocks=[one.block], heads=[one.head]).curve()[1]
        assert one.wer == alone.loss
    assert result.n_model_heads == 6


def test_a_window_as_wide_as_the_model_costs_no_words(model: Whisper, clips: list[Clip]) -> None:
    result = window_by_head(model, clips, model.n_frames)
    assert {one.wer.value for one in result.heads} == {0.0}


def test_heads_are_drawn_where_there_are_more(model: Whisper, clips: list[Clip], tmp_path: Path) -> None:
    result = window_by_head(model, clips[:1], 1, most_heads=2, seed=3)
    again = window_by_head(model, clips[:1], 1, most_heads=2, seed=3)
    assert len(result.heads) == 2 and result.n_model_heads == 6 and result.heads == again.heads
    (path,) = result.save(tmp_path)
    assert json.loads(path.read_text()) == json.loads(json.dumps(result.to_json()))


def test_progress_counts_every_transcription(model: Whisper, clips: list[Clip]) -> None:
    seen: list[tuple[int, int]] = []
    window_by_head(model, clips[:1], 1, most_heads=2, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("settings", "message"), [({"k": -1}, "k=-1 is not a window"), ({"most_heads": 0}, "try one head or more")]
)
def test_bad_settings_are_refused(model: Whisper, clips: list[Clip], settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        window_by_head(model, clips, **settings)


@pytest.mark.real
def test_in_a_released_model_some_heads_bear_a_narrow_window_and_all_together_do_not() -> None:
    """The author's remark on tiny: most heads bear k = 10, one or two of a block do not."""
    model = released()
    clip = as_clip(speech_folder("ljspeech_mfa") / "wavs" / "LJ001-0002.wav")
    result = window_by_head(model, [clip], 10, most_heads=4)
    assert sum(one.wer.value == 0 for one in result.heads) >= 3
    everywhere = window(model, [clip], [10]).curve()[1]
    assert everywhere.wer.value > max(one.wer.value for one in result.heads)
