"""Features that are pure at their maximum, over how rare it is: counted by hand, and planted."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from otoscope.audio.clip import Span
from otoscope.base.errors import InputError
from otoscope.harvest.maxima import clip_samples
from otoscope.harvest.opened import MaximaTable
from otoscope.study.phones.experiment import phones
from otoscope.study.phones.maxima import ClipSample, chance_of_reaching, label_noise, maximum_curve, samples_of
from otoscope.study.phones.maxima_picture import maximum_figure
from otoscope.study.phones.settings import PhoneSettings
from tests.harvest.fake import harvest
from tests.harvest.test_calibration import answering


def table(n_in_phone: list[list[int]], n_peaks: int = 10) -> MaximaTable:
    same = np.array(n_in_phone)
    return MaximaTable(np.full(same.shape, n_peaks), same, np.zeros(same.shape, np.int16), same // 4)


SAMPLES = (ClipSample(30, (0, 1), 30.0, 4_000.0, 39, 20.0), ClipSample(60, (2,), 59.0, 8_000.0, 39, 30.0))


def test_pure_features_are_counted_in_the_mean_of_the_samples_of_a_size() -> None:
    counts = [[8, 7, 10], [8, 9, 8], [3, 4, 5], [10, 2, 4]]
    curve = maximum_curve(table(counts), SAMPLES, np.zeros(4, bool), PhoneSettings())
    assert curve is not None
    small, all_clips = curve.points
    assert (small.n_pure, small.n_half, small.n_judged) == (2.0, 2.5, 4.0)  # (3 + 1) / 2, (3 + 2) / 2
    assert (all_clips.n_pure, all_clips.n_half) == (2.0, 3.0)
    assert all_clips.purity is not None and all_clips.purity.value == pytest.approx((1.0 + 0.8 + 0.5 + 0.4) / 4)
    assert [point.n_pure for point in curve.shuffled] == [0.0, 0.0]


def test_constant_features_and_those_with_few_examples_are_not_judged_and_count_among_all() -> None:
    curve = maximum_curve(table([[9, 9, 9]] * 3), SAMPLES, np.array([True, False, False]), PhoneSettings())
    assert curve is not None and [point.n_pure for point in curve.points] == [2.0, 2.0]
    assert {point.n_features for point in curve.points} == {3}
    few = maximum_curve(table([[9, 9, 9]] * 3, n_peaks=9), SAMPLES, np.zeros(3, bool), PhoneSettings())
    assert few is not None and {(point.n_judged, point.n_pure, point.purity) for point in few.points} == {(0, 0, None)}
    assert maximum_curve(None, SAMPLES, np.zeros(3, bool), PhoneSettings()) is None


@pytest.mark.parametrize(
    ("agreement", "chance"),
    [(1.0, 1.0), (0.9, 0.929809), (0.72, 0.437823), (0.5, 56 / 1024), (0.0, 0.0)],  # 45 + 10 + 1 of 1,024
)
def test_wrong_labels_keep_features_of_one_phone_below_the_bar(agreement: float, chance: float) -> None:
    assert chance_of_reaching(agreement, 0.8) == pytest.approx(chance, abs=1e-4)


def test_the_agreement_that_is_told_is_among_those_reported() -> None:
    assert label_noise(PhoneSettings())["label_agreement"] is None
    told = label_noise(PhoneSettings(label_agreement=0.72))
    assert {"agreement": 0.72, "share": 0.4378} in [
        {**row, "share": round(row["share"], 4)} for row in told["reached_by_features_of_one_phone"]
    ]
    for wrong in (0.0, 1.2, -1.0):
        with pytest.raises(InputError, match="label_agreement is"):
            PhoneSettings(label_agreement=wrong)


def test_a_phone_is_reachable_where_it_occurs_in_eight_clips_of_a_sample() -> None:
    dealt = clip_samples(60, 0)
    inside = np.flatnonzero(dealt.of_clip[:, 0] == 0).tolist()
    spoken: dict[int, list[str]] = {clip: ["AA"] for clip in range(60)}
    for clip in inside[:8]:
        spoken[clip].append("S")
    for clip in inside[:7]:
        spoken[clip].append("T")
    clips: list[Any] = [
        SimpleNamespace(clip=clip, n_speech_frames=100, phones=tuple(Span(0, 1, text) for text in spoken[clip]))
        for clip in range(60)
    ]
    clips[inside[-1]].phones = None
    run: Any = SimpleNamespace(
        manifest={"clip_samples": list(dealt.sizes), "corpus": {"n_clips": 60}, "settings": {"seed": 0}},
        phones=("AA", "S", "T", "ZH"),
        clips=clips,
    )
    small, all_clips = samples_of(run, np.array([True, True, True, False]), PhoneSettings())
    assert (small.size, small.numbers, small.n_clips, small.n_frames) == (30, (0, 1), 29.5, 2950.0)
    assert (small.n_phones, small.n_reachable) == (3, 1.5)  # AA and S in the first sample, AA in the second
    assert (all_clips.n_clips, all_clips.n_reachable) == (59.0, 2.0)


@pytest.mark.parametrize("sizes", [(32,), (30, 100, 639)])
def test_every_point_of_the_curve_is_drawn_with_its_interval(sizes: tuple[int, ...]) -> None:
    rows = [{"n_clips": size, "share_pure": 0.1, "low_pure": 0.08, "high_pure": 0.13} for size in sizes]
    figure = maximum_figure({"a": {"neuron": rows, "random": rows}, "b": {"sae": rows}}, 0.8)
    figure.canvas.draw()
    for axes in figure.axes[:2]:
        (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        assert 0 < low < sizes[0] <= sizes[-1] < high and bottom < 0.08 < 0.13 < top
        assert [label.get_text() for label in axes.get_xticklabels()] == [str(size) for size in sizes]


def test_planted_detectors_are_pure_at_their_maximum_and_shuffled_phones_are_not(tmp_path: Path) -> None:
    run = harvest(answering(64, 1, noise=0.05), tmp_path / "run")
    found = phones(run)
    rows = found.to_json()["maximum"]
    assert [(row["n_clips"], row["n_samples"]) for row in rows] == [(30.0, 2), (64.0, 1)]
    for row in rows:
        assert row["n_features"] == row["n_judged"] == 12
        assert row["n_pure"] >= 11 and row["n_pure_shuffled"] == 0
        assert row["low_pure"] < row["share_pure"] <= row["high_pure"]
        assert row["mean_purity"] > 0.9 > 0.6 > row["mean_purity_shuffled"]
        assert row["n_phones_reachable"] == row["n_phones"] == 7
    beside = [row for row in found.to_json()["comparisons"] if row["measure"] == "maximum"]
    assert [row["baseline"] for row in beside] == ["shuffled labels"] and beside[0]["beats"]
    assert "at the maximum (the top 10 of 64 clips, 1 in 6) " in found.claims[0]
    assert (tmp_path / "scores" / "pure_at_maximum.png") in found.save(tmp_path / "scores")
    assert json.loads((tmp_path / "scores" / "phones.json").read_text())["maximum"] == rows
