from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otoscope.audio.clip import Span
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.harvest.activation_reader import ShardReader
from otoscope.harvest.settings import HarvestSettings
from otoscope.harvest.state import GroupState, bytes_a_feature, state_settings
from tests.harvest.comparing import assert_all_equal, heard
from tests.harvest.fake import WINDOW, FakeClip, FakeReader, contents, harvest, odd_clips, smooth

BAD = (5, 8, 11)
"""Clips of three windows."""


def not_finite(clip: FakeClip, value: float = np.nan) -> None:
    clip.values["odd"][WINDOW + 3, 7] = value


def spoil(clips: list[FakeClip], how: str) -> list[FakeClip]:
    for number in BAD:
        if how == "raises":
            clips[number].bad_window = 1
        elif how == "NaN":
            not_finite(clips[number])
        elif how == "infinite":
            not_finite(clips[number], -np.inf)
        else:
            clips[number].problem = f"{clips[number].name} cannot be read. Take another."
    return clips


MESSAGES = {
    "raises": "window 1 of {} is bad. Take another.",
    "NaN": "feature 7 of site 'odd' in basis 'neuron' is not a finite number in the window at frame 40. Check the",
    "infinite": "feature 7 of site 'odd' in basis 'neuron' is not a finite number in the window at frame 40. Check the",
    "unread": "{} cannot be read. Take another.",
}


# a clip that fails


@pytest.mark.parametrize("how", MESSAGES)
@pytest.mark.parametrize("settings", [{"part_clips": 4}, {"part_clips": 1, "checkpoint_s": 0}, {"part_clips": 100}])
def test_a_clip_that_fails_is_told_and_left_out_altogether(how: str, settings: dict[str, Any], tmp_path: Path) -> None:
    clips = spoil(odd_clips(), how)
    run = harvest(clips, tmp_path / "run", **settings)
    assert [problem["clip"] for problem in run.manifest["failed"]] == [f"clip{number}" for number in BAD]
    for problem in run.manifest["failed"]:
        assert problem["message"].startswith(MESSAGES[how].format(problem["clip"]))
    assert [clip.clip for clip in run.clips] == [number for number in range(13) if number not in BAD]
    assert run.manifest["corpus"]["n_used"] == 10 and run.manifest["corpus"]["n_clips"] == 13
    for group in run.groups:  # the twin gets the other clips alone
        assert_all_equal(run, group, heard(clips, run, group.site), range(group.n_features))


@pytest.mark.parametrize("how", MESSAGES)
def test_activations_of_a_clip_that_fails_are_not_saved(how: str, tmp_path: Path) -> None:
    clips = spoil(odd_clips(), how)
    harvest(clips, tmp_path / "run", save_activations="float32")
    [rows] = ShardReader(tmp_path / "run" / "activations", kinds=["speech", "silence"]).in_order(10_000)
    fine = [clip for number, clip in enumerate(clips) if number not in BAD]
    np.testing.assert_array_equal(rows.values["odd"], np.concatenate([c.values["odd"][c.kinds < 2] for c in fine]))
    assert {*rows.clip.tolist()} == {number for number in range(13) if number not in BAD}


def test_statistics_are_those_of_a_corpus_without_the_clip(tmp_path: Path) -> None:
    clips = spoil(odd_clips(), "NaN")
    one = harvest(clips, tmp_path / "with", lag=0)
    two = harvest([clip for number, clip in enumerate(clips) if number not in BAD], tmp_path / "without", lag=0)
    a, b = (run.features(run.groups[0]) for run in (one, two))
    for name in set(a) - {"edges"}:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-12)
    for name in ("histograms", "phone_means", "speaker_means"):
        for x, y in zip(one.table(name).to_pylist(), two.table(name).to_pylist(), strict=True):
            assert x == pytest.approx(y, nan_ok=True) if "mean" in x else x == y
    ids = {run: [clip.id for clip in run.clips] for run in (one, two)}
    numbers = {clip.clip: place for place, clip in enumerate(one.clips)}
    top, other = one.examples(one.groups[0]), two.examples(two.groups[0])
    assert (
        ids[one] == ids[two] and [[numbers.get(c, -1) for c in row] for row in top.clip.tolist()] == other.clip.tolist()
    )
    np.testing.assert_array_equal(top.frame, other.frame)
    np.testing.assert_array_equal(top.strength, other.strength)


def test_a_failure_is_remembered_when_a_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = spoil(odd_clips(), "raises")
    harvest(clips, tmp_path / "whole")
    n_windows = 0

    def stop(name: str, window: int) -> None:
        nonlocal n_windows
        n_windows += name == "clip10"
        if n_windows == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        harvest(clips, tmp_path / "run", FakeReader(clips, stop))
    assert (tmp_path / "run" / ".work" / "failed.json").is_file()
    harvest(clips, tmp_path / "run")
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_no_clip_that_can_be_used_is_an_error_that_is_not_remembered(tmp_path: Path) -> None:
    clips = [clip for number, clip in enumerate(odd_clips()) if number in BAD]
    for clip in clips:
        clip.bad_window = 1
    with pytest.raises(InputError, match="no clip of 'fakes' could be used. The first: window 1 of clip5 is bad"):
        harvest(clips, tmp_path / "run", save_activations="float16")
    for clip in clips:
        clip.bad_window = None
    run = harvest(clips, tmp_path / "run", save_activations="float16")
    assert len(run.clips) == 3 and run.manifest["failed"] == []


def test_clips_that_cannot_be_read_at_all_are_an_error(tmp_path: Path) -> None:
    clips = odd_clips()
    for clip in clips:
        clip.problem = "no sound"
    with pytest.raises(InputError, match="no clip of 'fakes' could be used. The first: no sound"):
        harvest(clips, tmp_path / "run")


@pytest.mark.parametrize("error", [ValueError, RuntimeError])
def test_an_error_of_the_model_in_the_first_window_leaves_the_clip_out(error: type[Exception], tmp_path: Path) -> None:
    clips = odd_clips()

    def fail(name: str, window: int) -> None:
        if name == "clip4":
            raise error("the model says no")

    run = harvest(clips, tmp_path / "run", FakeReader(clips, fail))
    assert run.manifest["failed"] == [{"clip": "clip4", "message": "the model says no"}]


# corpora that lack something


def test_no_speech_at_all_is_an_error(tmp_path: Path) -> None:
    clips = odd_clips()
    for clip in clips:
        clip.kinds[clip.kinds == Kind.SPEECH] = Kind.SILENCE
    with pytest.raises(InputError, match="no frame of speech was found .* see otoscope corpus info"):
        harvest(clips, tmp_path / "run")


def test_clips_without_speech_among_others_are_used_for_silence(tmp_path: Path) -> None:
    clips = odd_clips()
    for clip in clips[1:]:
        clip.kinds[clip.kinds == Kind.SPEECH] = Kind.SILENCE
    run = harvest(clips, tmp_path / "run")
    assert [clip.n_speech_frames > 0 for clip in run.clips] == [True] + [False] * 12
    assert_all_equal(run, run.groups[0], heard(clips, run, "odd"), range(20))


def test_a_corpus_without_phones_speakers_and_languages_has_no_tables_of_them(tmp_path: Path) -> None:
    clips = odd_clips()
    for clip in clips:
        clip.phones = clip.speaker = clip.language = None
    run = harvest(clips, tmp_path / "run")
    assert (run.lag_frames, run.phone_set, run.manifest["split_by"]) == (None, None, "clips")
    assert {path.stem for path in run.folder.glob("*.parquet")} == {
        "clips",
        "features",
        "histograms",
        "examples",
        "ranges",
    }
    assert_all_equal(run, run.groups[0], heard(clips, run, "odd"), range(20))


def test_a_single_frame_is_enough(tmp_path: Path) -> None:
    kinds = np.full(WINDOW, Kind.PADDING, np.int8)
    kinds[0] = Kind.SPEECH
    clips = [FakeClip("one", kinds, {"site": np.full((WINDOW, 3), 2.0, np.float32)})]
    run = harvest(clips, tmp_path / "run")
    assert run.features(run.groups[0])["is_constant"].all()
    assert run.examples(run.groups[0]).frame[:, 0].tolist() == [0, 0, 0]
    assert_all_equal(run, run.groups[0], heard(clips, run, "site"), range(3))


def test_labels_that_cannot_be_used_are_counted_and_their_sound_is_used(tmp_path: Path) -> None:
    clips = odd_clips()
    clips[3].phones, clips[3].label_problem = None, "file x, line 7: no end"
    clips[5].phones = (Span(0.0, 0.1, "AA"), Span(0.1, 0.2, "QQQ"))
    run = harvest(clips, tmp_path / "run", phone_set="arpabet")
    told = {problem["clip"]: problem["message"] for problem in run.manifest["label_problems"]}
    assert told["clip3"] == "file x, line 7: no end" and "'QQQ'" in told["clip5"]
    assert run.manifest["failed"] == [] and [clip.phones is None for clip in run.clips][3:6:2] == [True, True]
    assert run.manifest["corpus"]["n_used"] == 13
    clips[5].phones = None
    assert_all_equal(run, run.groups[0], heard(clips, run, "odd"), range(20))


def test_phones_that_the_wanted_set_cannot_say_are_a_label_problem(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = [
        FakeClip(
            str(number),
            np.zeros(WINDOW, np.int8),
            {"site": smooth(rng, WINDOW, 3).astype(np.float32)},
            (Span(0.0, 0.3, "ɑ"), Span(0.3, 0.6, "ʁ" if number == 2 else "ʃ")),
        )
        for number in range(4)
    ]
    run = harvest(clips, tmp_path / "run", phone_set="arpabet")
    [problem] = run.manifest["label_problems"]
    assert problem["clip"] == "2" and "'arpabet' has no symbol for that sound" in problem["message"]
    assert [clip.phones is None for clip in run.clips] == [False, False, True, False]
    assert run.clips[2].words is None and run.lag_frames is not None


# settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top": 0}, "top is 0: give a whole number from 1 to 10000"),
        ({"peaks_per_clip": 1001}, "peaks_per_clip is 1001: give a whole number from 1 to 1000"),
        ({"samples": -1}, "samples is -1"),
        ({"ranges": 33}, "ranges is 33: give a whole number from 1 to 32"),
        ({"part_clips": 0}, "part_clips is 0: give a whole number of 1 or more"),
        ({"seed": 2**32}, "seed is 4294967296: give a whole number from 0 to 4294967295"),
        ({"seed": -1}, "seed is -1"),
        ({"sign": "negative"}, "sign is 'negative': give one of both, positive"),
        ({"save_activations": "float64"}, "save_activations is 'float64': give one of float16, float32"),
        ({"sites": ()}, "no site is named: give one or more, such as 'encoder.blocks"),
        ({"bases": ("neuron", "neuron")}, r"bases are \['neuron', 'neuron'\]: name one or more, each once"),
        ({"bases": ()}, r"bases are \[\]"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        HarvestSettings(**{"sites": ("a",), **settings})


@pytest.mark.parametrize("settings", [{}, {"top": 3, "peaks_per_clip": 9, "samples": 2, "sign": "positive"}])
@pytest.mark.parametrize("sizes", [(39, 250, 2), (0, 0, 0)])
def test_the_memory_that_is_told_is_what_a_state_takes(settings: dict[str, Any], sizes: tuple[int, int, int]) -> None:
    wanted = HarvestSettings(("a",), **settings)
    n_phones, n_speakers, n_languages = sizes
    state = GroupState(state_settings(wanted, "a", 321, *sizes), np.zeros((321, 23), np.float32))
    assert bytes_a_feature(wanted, n_phones, n_speakers, n_languages) * 321 == state.n_bytes
    assert (state.n_bytes / 321 < 60_000) or settings == {}
