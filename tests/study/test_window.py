from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError, SiteError
from otoscope.model.whisper import Whisper
from otoscope.study.error_rate import bootstrap_rate, character_errors, word_errors
from otoscope.study.window.experiment import WindowStudy, WindowTranscript, window
from otoscope.study.window.picture import mask_figure, window_mask


@pytest.fixture(scope="module")
def study(model: Whisper, clips: list[Clip]) -> WindowStudy:
    return window(model, clips, ks=[5, 0], language="en")


def test_each_transcript_is_that_of_its_own_mask(model: Whisper, clips: list[Clip], study: WindowStudy) -> None:
    assert study.ks == (None, 5, 0)
    for index, k in enumerate(study.ks):
        wanted = [model.transcribe(clip, language="en", attention_window=k).text for clip in clips]
        assert [rows[index].text for rows in study.transcripts] == wanted
    assert len({row.text for rows in study.transcripts for row in rows}) > 1


def test_error_rates_are_against_the_unmasked_transcript_and_the_reference(
    clips: list[Clip], study: WindowStudy
) -> None:
    for clip, rows in zip(clips, study.transcripts, strict=True):
        for row in rows:
            assert row.words == word_errors(rows[0].text, row.text)
            assert row.characters == character_errors(rows[0].text, row.text)
            assert row.reference_words == word_errors(clip.transcript or "", row.text)
        assert rows[0].words.errors == 0


def test_a_window_as_wide_as_the_model_changes_nothing(model: Whisper, clip: Clip) -> None:
    rows = window(model, clip, ks=[99], language="en").transcripts[0]
    assert rows[0].text == rows[1].text


def test_only_the_chosen_blocks_and_heads_are_masked(model: Whisper, clip: Clip) -> None:
    some = window(model, [clip], ks=[1], blocks=[2], heads=[1], language="en")
    with model.attention_window(1, blocks=[2], heads=[1]):
        wanted = model.transcribe(clip, language="en").text
    assert some.transcripts[0][1].text == wanted
    assert some.to_json()["settings"] == {"blocks": [2], "heads": [1], "frame_s": 0.02}


def test_one_clip_has_the_layout_that_is_promised(model: Whisper, clip: Clip) -> None:
    table = window(model, clip, ks=[3], language="en").to_json()
    assert (table["model"], table["audio"]) == (model.id, clip.id)
    assert [row["k"] for row in table["transcripts"]] == [None, 3]
    assert set(table["transcripts"][0]) == {"k", "text", "stopped", "wer", "cer", "reference_wer", "reference_cer"}
    unlabelled = window(model, clip.samples, ks=[3], language="en").to_json()
    assert set(unlabelled["transcripts"][1]) == {"k", "text", "stopped", "wer", "cer"}


def test_a_transcript_that_is_stopped_says_so_and_is_counted(
    model: Whisper, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otoscope.study.window.heard.room_beside", lambda n_tokens: 2)
    table = window(model, clips, ks=[3], language="en").to_json()
    assert [clip["transcripts"][1]["stopped"] for clip in table["clips"]] == [True] * len(clips)
    assert table["curve"][1]["n_stopped"] == len(clips)
    shown = window(model, clips[:1], ks=[3], language="en")
    assert shown.transcripts[0][1].text + " (stopped)" in shown._repr_html_()


def test_the_curve_of_enough_clips_has_a_band(model: Whisper, clips: list[Clip], tmp_path: Path) -> None:
    study = window(model, [*clips, *clips], ks=[5], language="en")
    assert None not in (study.curve()[1].wer.low, study.curve()[1].reference_wer)
    assert "6 clips, 6 with a reference; 95% intervals over clips" in study.summary()
    assert study.plot(tmp_path / "band.png").stat().st_size > 0


def test_the_curve_pools_clips(study: WindowStudy) -> None:
    point = study.curve()[1]
    assert point.wer == bootstrap_rate([rows[1].words for rows in study.transcripts], seed=0)
    assert point.reference_wer is not None
    assert "3 with a reference; too few clips for intervals" in study.summary()
    table = study.to_json()
    assert [row["k"] for row in table["curve"]] == [None, 5, 0]
    assert table["curve"][1]["k_s"] == 0.1
    assert table["curve"][1]["wer"]["value"] == pytest.approx(point.wer.value, abs=1e-6)
    assert (table["n_clips"], table["n_clips_with_reference"]) == (3, 3)


def test_progress_counts_transcriptions(model: Whisper, clips: list[Clip]) -> None:
    seen: list[tuple[int, int]] = []
    window(model, clips[:2], ks=[4], language="en", progress=lambda done, n: seen.append((done, n)))
    assert seen == [(2, 4), (4, 4)]


def test_a_single_clip_without_a_reference_makes_a_picture(tmp_path: Path) -> None:
    zero = word_errors("a b", "a b")
    row = WindowTranscript(None, "a b", zero, zero, None, None)
    rows = (row, WindowTranscript(2, "a", word_errors("a b", "a"), zero, None, None))
    study = WindowStudy("m", 100, (None, 2), None, None, ("c",), ("c",), (rows,), 0)
    assert study.plot(tmp_path / "one.png").stat().st_size > 0


def test_the_mask_drawn_is_the_mask_used(model: Whisper, clip: Clip) -> None:
    with model.attention_window(7), model.reading("encoder.blocks.0.attn.pattern") as tape:
        model.encode(clip)
    used = (tape["encoder.blocks.0.attn.pattern"][0] > 0).any(0)
    assert torch.equal(used, torch.as_tensor(window_mask(100, 7)).bool())
    figure = mask_figure(100, [7])
    np.testing.assert_array_equal(np.asarray(figure.axes[1].images[0].get_array()), window_mask(100, 7))
    ones = [text.get_text() for text in figure.axes[0].texts].count("1")
    assert ones == 10 + 2 * (9 + 8)


def test_each_k_is_done_once_in_the_order_given(model: Whisper, clip: Clip) -> None:
    assert window(model, clip, ks=[10, 90, 10]).ks == (None, 10, 90)


def test_bad_settings_are_refused_before_anything_is_transcribed(model: Whisper, clip: Clip) -> None:
    def never(x: torch.Tensor) -> torch.Tensor:
        raise AssertionError("the model ran")

    with model.edit({"encoder.conv1": never}):
        with pytest.raises(InputError, match="ks is -3: give a whole number of 0 or more"):
            window(model, clip, ks=[10, -3])
        with pytest.raises(InputError, match="no k was given"):
            window(model, clip, ks=[])
        with pytest.raises(SiteError, match="block 9"):
            window(model, clip, ks=[10], blocks=[9])
        with pytest.raises(SiteError, match="head 2"):
            window(model, clip, ks=[10], heads=[2])
        with pytest.raises(InputError, match="no clips were given"):
            window(model, [], ks=[10])


def test_a_masked_transcript_ends_where_the_unmasked_one_leaves_no_room(
    model: Whisper, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = window(model, clip, ks=[0], language="en").transcripts[0]
    monkeypatch.setattr("otoscope.study.window.heard.room_beside", lambda n_tokens: 2)
    cut = window(model, clip, ks=[0], language="en").transcripts[0]
    assert cut[0] == full[0]
    assert full[1].text.startswith(cut[1].text) and len(cut[1].text) < len(full[1].text)
