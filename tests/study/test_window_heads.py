from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from otoscope.audio.clip import Clip, as_clip
from otoscope.base.errors import InputError
from otoscope.model.whisper import Whisper
from otoscope.study.error_rate import bootstrap_loss, word_errors
from otoscope.study.window.experiment import window
from otoscope.study.window.heads import window_by_head
from otoscope.study.window.heard import hear, hear_by_head
from tests.released import released, speech_folder
from tests.study.conftest import make_clip


def test_each_head_is_limited_alone(model: Whisper, clips: list[Clip]) -> None:
    result = window_by_head(model, clips, k=1)
    assert [(one.block, one.head) for one in result.heads] == [(b, h) for b in range(3) for h in range(2)]
    for one in result.heads:
        alone = window(model, clips, ks=[1], blocks=[one.block], heads=[one.head]).curve()[1]
        assert one.wer == alone.loss
    assert result.n_model_heads == 6


def test_a_window_as_wide_as_the_model_costs_no_words(model: Whisper, clips: list[Clip]) -> None:
    result = window_by_head(model, clips, k=model.n_frames)
    assert {one.wer.value for one in result.heads} == {0.0}


def test_no_block_before_a_limited_head_runs_again(model: Whisper, clips: list[Clip]) -> None:
    ran: list[int] = []
    layers = enumerate(model.hf.model.encoder.layers)
    handles = [layer.register_forward_pre_hook(lambda *_, i=i: ran.append(i)) for i, layer in layers]
    try:
        window_by_head(model, clips, k=1, unlimited=hear(model, clips))
        ran_before = ran.count(0)
    finally:
        for handle in handles:
            handle.remove()
    # hear: once through; then the first block for its two heads and for what comes after it, each later one less
    assert ran_before == 1 + 2 + 1
    assert (ran.count(1), ran.count(2)) == (1 + 2 + 2 + 1, 1 + 2 + 2 + 2)


def test_known_transcripts_and_more_clips_than_a_batch_change_no_rate(
    model: Whisper, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = window_by_head(model, clips, k=1)
    assert window_by_head(model, clips, k=1, unlimited=hear(model, clips)).heads == plain.heads
    for size in (2, 7):
        monkeypatch.setattr("otoscope.study.window.heard.BATCH_SIZE", size)
        assert window_by_head(model, clips, k=1).heads == plain.heads


def test_transcripts_of_other_clips_are_refused(model: Whisper, clips: list[Clip]) -> None:
    known = hear(model, clips[:2])
    with pytest.raises(InputError, match="2 transcripts were given for 3 clips"):
        window_by_head(model, clips, k=1, unlimited=known)
    with pytest.raises(InputError, match="2 transcripts were given for 3 clips"):
        window(model, clips, ks=[1], unmasked=known)


def test_clips_longer_than_the_models_window_are_limited_too(model: Whisper, clips: list[Clip]) -> None:
    mixed = [make_clip(2.7, seed=5), clips[0]]
    free, (head, *_) = hear(model, mixed), window_by_head(model, mixed, k=1).heads
    with model.attention_window(1, blocks=[0], heads=[0]):
        limited = [model.transcribe(clip).text for clip in mixed]
    errors = [word_errors(one.text, text) for one, text in zip(free, limited, strict=True)]
    assert free[0].n_tokens is None and head.wer == bootstrap_loss(errors)


def test_a_limited_heads_transcript_ends_where_the_unlimited_one_leaves_no_room(
    model: Whisper, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    (free,) = hear(model, [clip])
    whole = list(hear_by_head(model, [clip], 0, [(0, 0), (2, 1)], None, [free]))
    monkeypatch.setattr("otoscope.study.window.heard.room_beside", lambda n_tokens: 2)
    cut = list(hear_by_head(model, [clip], 0, [(0, 0), (2, 1)], None, [free]))
    assert [head for _, head, _ in cut] == [(0, 0), (2, 1)]
    assert all(full.startswith(short) and short < full for (*_, full), (*_, short) in zip(whole, cut, strict=True))


def test_what_is_spoken_is_taken_from_each_clip(model: Whisper, clips: list[Clip]) -> None:
    german = [replace(clip, language="de") for clip in clips]
    assert hear(model, german) == hear(model, clips, "de")
    assert hear(model, german, "en") == hear(model, clips, "en") != hear(model, german)


def test_heads_are_drawn_where_there_are_more(model: Whisper, clips: list[Clip], tmp_path: Path) -> None:
    result = window_by_head(model, clips[:1], k=1, most_heads=2, seed=3)
    again = window_by_head(model, clips[:1], k=1, most_heads=2, seed=3)
    assert len(result.heads) == 2 and result.n_model_heads == 6 and result.heads == again.heads
    (path,) = result.save(tmp_path)
    with pytest.raises(InputError, match="window_heads has no picture"):
        result.plot(tmp_path / "none.png")
    assert "img" not in result._repr_html_() and "picture" not in result._repr_html_()
    assert json.loads(path.read_text()) == json.loads(json.dumps(result.to_json()))


def test_progress_counts_every_transcription(model: Whisper, clips: list[Clip]) -> None:
    seen: list[tuple[int, int]] = []
    window_by_head(model, clips[:1], k=1, most_heads=2, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(2, 3), (3, 3)]


@pytest.mark.real
def test_in_a_released_model_some_heads_bear_a_narrow_window_and_all_together_do_not() -> None:
    """The author's remark on tiny: most heads bear k = 10, one or two of a block do not."""
    model = released()
    clip = as_clip(speech_folder("ljspeech_mfa") / "wavs" / "LJ001-0002.wav")
    result = window_by_head(model, [clip], k=10, most_heads=4)
    assert sum(one.wer.value == 0 for one in result.heads) >= 3
    everywhere = window(model, [clip], ks=[10]).curve()[1]
    assert everywhere.wer.value > max(one.wer.value for one in result.heads)
