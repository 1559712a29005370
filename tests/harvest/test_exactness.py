from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otoscope.audio.kinds import Kind
from otoscope.harvest import activity
from tests.harvest import twin
from tests.harvest.comparing import assert_all_equal, heard
from tests.harvest.fake import ODD, WINDOW, FakeClip, harvest, odd_clips, smooth

SETTINGS: list[dict[str, Any]] = [
    {},
    {"peaks_per_clip": 3, "top": 7, "samples": 4, "ranges": 6, "seed": 9, "lag": 2},
    {"sign": "positive", "ranges": 1, "samples": 1, "top": 1, "part_clips": 100, "lag": -3},
    {"ranges": 32, "part_clips": 1, "peaks_per_clip": 30, "top": 25},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_everything_equals_plain_loops_over_all_strengths(settings: dict[str, Any], tmp_path: Path) -> None:
    clips = odd_clips()
    run = harvest(clips, tmp_path / "run", **settings)
    for group in run.groups:
        assert_all_equal(run, group, heard(clips, run, group.site), range(group.n_features))


def test_the_run_counts_its_frames_and_clips(tmp_path: Path) -> None:
    clips = odd_clips(1)
    run = harvest(clips, tmp_path / "run")
    assert [(each.clip, each.id) for each in run.clips] == [(i, clip.name) for i, clip in enumerate(clips)]
    for each, clip in zip(run.clips, clips, strict=True):
        assert each.n_frames == (clip.kinds != Kind.PADDING).sum()
        assert each.n_speech_frames == (clip.kinds == Kind.SPEECH).sum()
        assert each.duration_s == pytest.approx(each.n_frames * 0.02)
        assert (each.speaker, each.language, each.transcript) == (clip.speaker, clip.language, f"what {clip.name} says")
        assert (each.phones is None, each.words is None) == (clip.phones is None, clip.phones is None)
        spoken = [span for span in clip.phones or () if span.text != "SIL"]
        assert list(each.phones or ()) == spoken
    assert run.manifest["n_speech_frames"] == sum(each.n_speech_frames for each in run.clips)
    labelled = [each.n_speech_frames for each in run.clips if each.phones is not None]
    assert run.manifest["n_labelled_speech_frames"] == sum(labelled) > 0
    assert run.manifest["corpus"]["n_labelled"] == len(labelled)


def test_of_long_padding_some_frames_are_looked_at_and_the_rest_of_the_tables_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = odd_clips(2)
    whole = harvest(clips, tmp_path / "whole")
    monkeypatch.setattr(activity, "PADDING_FRAMES", 4)
    thin = harvest(clips, tmp_path / "thin")
    site = whole.groups[0].site
    looked_at = [_some_padding(clip, site) for clip in clips]
    before, after = whole.features(whole.groups[0]), thin.features(thin.groups[0])
    n_looked_at = sum(map(len, looked_at))
    assert after["padding_n_frames"][0] == n_looked_at < before["padding_n_frames"][0]
    plain = list(ODD).index("plain")
    np.testing.assert_allclose(after["padding_mean"][plain], np.concatenate(looked_at)[:, plain].mean(), rtol=1e-6)
    for name in set(before) - {"padding_n_frames", "padding_mean", "padding_variance"}:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    for sign in (1, -1):
        np.testing.assert_array_equal(
            whole.examples(whole.groups[0], sign).strength, thin.examples(thin.groups[0], sign).strength
        )


def _some_padding(clip: FakeClip, site: str) -> np.ndarray:
    """The rows of four frames of padding, evenly spread, or of all where there are fewer: [frame, feature]."""
    places = np.flatnonzero(clip.kinds == Kind.PADDING)
    if len(places) > 4:
        places = np.linspace(places[0], places[-1], 4).round().astype(int)
    return clip.values[site][places].astype(np.float64)


def test_a_feature_that_is_never_positive_has_no_example_above_zero(tmp_path: Path) -> None:
    run = harvest(odd_clips(), tmp_path / "run")
    group = run.groups[0]
    for name, sign in (("never positive", 1), ("zero or below", 1), ("never negative", -1), ("zero of either sign", 1)):
        feature = list(ODD).index(name)
        assert (run.examples(group, sign).clip[feature] == -1).all()
        for kind in ("width", "quantile"):
            table = run.ranges(group, kind, sign)
            assert not table.n_peaks[feature].any() and (table.clip[feature] == -1).all()
            assert not table.low[feature].any() and not table.high[feature].any()
    columns = run.features(group)
    assert columns["share_above_zero"][list(ODD).index("never positive")] == 0
    for name, least_or_most in (("zero of either sign", "minimum"), ("zero or below", "maximum")):
        assert not np.signbit(columns[least_or_most][list(ODD).index(name)]), "whichever zero came first"


def test_a_constant_feature_is_told_and_has_no_kurtosis(tmp_path: Path) -> None:
    run = harvest(odd_clips(), tmp_path / "run")
    columns = run.features(run.groups[0])
    constant = {name for name, is_constant in zip(ODD, columns["is_constant"], strict=True) if is_constant}
    assert constant == {"constant", "zero of either sign"}
    for name in constant:
        feature = list(ODD).index(name)
        assert columns["variance"][feature] == 0 and np.isnan(columns["kurtosis"][feature])
    others = [feature for feature, name in enumerate(ODD) if name not in constant]
    assert (columns["variance"][others] > 0).all() and np.isfinite(columns["kurtosis"][others]).all()


def test_peaks_are_found_in_one_window_and_between_neighbours_of_speech() -> None:
    x = np.array([1, 2, 2, 1, 0, -1, 3, 3, 4, 1], np.float32)[:, None]
    kinds = np.array([0, 0, 0, 0, 0, 0, 0, 1, 0, 0], np.int8)
    clip = twin.Heard(0, "a", kinds, x, 6)  # windows of six frames: the twin itself, by hand
    assert [peak.frame for peak in twin.peaks([clip], 0, 1)] == [1, 6, 8]
    assert [peak.frame for peak in twin.peaks([clip], 0, -1)] == [5]


def test_many_peaks_in_a_cell_leave_an_exact_sample(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    clips = []
    for number in range(6):
        n = 6 * WINDOW
        x = np.where(np.arange(n)[:, None] % 2, 0.0, 1 + rng.uniform(0, 0.4, (n, 18)) * (number + 1))
        clips.append(FakeClip(f"clip{number}", np.zeros(n, np.int8), {"many": x.astype(np.float32)}))
    run = harvest(clips, tmp_path / "run", samples=5, part_clips=2)
    assert run.ranges(run.groups[0]).n_peaks.max() > 100
    assert_all_equal(run, run.groups[0], heard(clips, run, "many"), range(18))


def test_strengths_far_from_zero_keep_their_moments(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    n = 10 * WINDOW
    x = (smooth(rng, n, 4) + np.array([0, 10, 1000, 100_000])).astype(np.float32)
    run = harvest([FakeClip("far", np.zeros(n, np.int8), {"far": x})], tmp_path / "run")
    columns = run.features(run.groups[0])
    wanted = np.array([twin.moments(x[:, feature].astype(float)) for feature in range(4)]).T
    np.testing.assert_allclose(columns["mean"], wanted[0], rtol=1e-12)
    np.testing.assert_allclose(columns["variance"], wanted[1], rtol=1e-9)
    np.testing.assert_allclose(columns["kurtosis"], wanted[2], rtol=1e-9)
