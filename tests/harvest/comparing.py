"""Hold a run against the twin, feature by feature."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow.compute as pc
import pytest

from otoscope.harvest.maxima import TOP, clip_samples
from otoscope.harvest.opened import GroupKey, HarvestRun
from tests.harvest import twin
from tests.harvest.fake import WINDOW, FakeClip
from tests.harvest.twin import Heard, Peak

PAUSES = ("SIL",)


def heard(clips: list[FakeClip], run: HarvestRun, site: str) -> list[Heard]:
    """The clips that a run should have used, as the twin takes them; halves are the run's own."""
    halves = {clip.id: clip.half for clip in run.clips}
    return [
        Heard(
            number,
            clip.name,
            clip.kinds,
            clip.values[site],
            WINDOW,
            None
            if clip.phones is None
            else [(p.start_s, p.end_s, p.text) for p in clip.phones if p.text not in PAUSES],
            clip.speaker,
            clip.language,
            halves[clip.name],
        )
        for number, clip in enumerate(clips)
        if clip.name in halves
    ]


def assert_all_equal(run: HarvestRun, group: GroupKey, clips: list[Heard], features: Iterable[int]) -> None:
    """Everything that a run says of a group's features equals what the twin finds."""
    features = list(features)
    assert_statistics(run, group, clips, features)
    for sign in (1, -1) if run.manifest["settings"]["sign"] == "both" else (1,):
        found = {feature: twin.peaks(clips, feature, sign) for feature in features}
        assert_examples(run, group, clips, found, sign)
        if sign == 1 and run.phones:
            assert_maxima(run, group, clips, found)
        for kind in ("width", "quantile"):
            assert_ranges(run, group, clips, found, sign, kind)
    assert_means(run, group, clips, features)
    if run.phones:
        assert_phone_counts(run, group, clips, features)


def assert_examples(
    run: HarvestRun, group: GroupKey, clips: list[Heard], found: dict[int, list[Peak]], sign: int
) -> None:
    settings, table, lags = run.manifest["settings"], run.examples(group, sign), run.lags(group)
    for feature, peaks in found.items():
        wanted = twin.top(peaks, settings["top"], settings["peaks_per_clip"])
        n = len(wanted)
        assert table.clip[feature].tolist() == [peak.clip for peak in wanted] + [-1] * (settings["top"] - n)
        assert table.frame[feature, :n].tolist() == [peak.frame for peak in wanted]
        assert table.strength[feature, :n].tolist() == [sign * peak.strength for peak in wanted]
        assert names(run, table.phone[feature, :n]) == [phone_of(run, clips, peak, lags[feature]) for peak in wanted]
        dealt = [phone_of(run, clips, peak, lags[feature], is_shuffled=True) for peak in wanted]
        assert names(run, table.shuffled_phone[feature, :n]) == dealt


def assert_maxima(run: HarvestRun, group: GroupKey, clips: list[Heard], found: dict[int, list[Peak]]) -> None:
    table, lags = run.maxima(group), run.lags(group)
    assert table is not None
    samples = clip_samples(run.manifest["corpus"]["n_clips"], run.manifest["settings"]["seed"])
    assert list(samples.sizes) == run.manifest["clip_samples"]
    labelled = {clip.number for clip in clips if clip.phones is not None}
    for feature, peaks in found.items():
        for sample in range(len(samples.sizes)):
            inside = labelled & set(np.flatnonzero((samples.of_clip == sample).any(axis=1)).tolist())
            top = twin.top([peak for peak in peaks if peak.clip in inside], TOP, 1)
            assert table.n_peaks[feature, sample] == len(top)
            for column, is_shuffled in ((table.n_in_phone, False), (table.n_in_phone_shuffled, True)):
                spoken = [phone_of(run, clips, peak, lags[feature], is_shuffled=is_shuffled) for peak in top]
                counts = Counter(phone for phone in spoken if phone is not None)
                assert column[feature, sample] == max(counts.values(), default=0)
                if not is_shuffled and counts:
                    [phone] = names(run, table.phone[feature, [sample]])
                    assert phone is not None and counts[phone] == max(counts.values())


def assert_ranges(
    run: HarvestRun, group: GroupKey, clips: list[Heard], found: dict[int, list[Peak]], sign: int, kind: str
) -> None:
    settings, table, lags = run.manifest["settings"], run.ranges(group, kind, sign), run.lags(group)
    salts = twin.salts(settings["seed"], f"{group.site} {group.basis}", group.n_features)
    for feature, peaks in found.items():
        wanted = twin.ranges(peaks, kind, settings["ranges"])
        assert table.low[feature].tolist() == [low for low, _, _ in wanted]
        assert table.high[feature].tolist() == [high for _, high, _ in wanted]
        assert table.n_peaks[feature].tolist() == [len(inside) for _, _, inside in wanted]
        assert sum(table.n_peaks[feature]) == len(peaks)
        for number, (_, _, inside) in enumerate(wanted):
            sample = twin.drawn(inside, settings["samples"], settings["seed"], salts[feature])
            n = len(sample)
            assert table.clip[feature, number].tolist() == [p.clip for p in sample] + [-1] * (settings["samples"] - n)
            assert table.frame[feature, number, :n].tolist() == [peak.frame for peak in sample]
            assert table.strength[feature, number, :n].tolist() == [sign * peak.strength for peak in sample]
            spoken = [phone_of(run, clips, peak, lags[feature]) for peak in sample]
            assert names(run, table.phone[feature, number, :n]) == spoken


def assert_statistics(run: HarvestRun, group: GroupKey, clips: list[Heard], features: list[int]) -> None:
    columns, counts = run.features(group), histograms(run, group)
    for feature in features:
        own = {name: column[feature] for name, column in columns.items()}
        for kind, name in enumerate(twin.KIND_NAMES):
            x = np.concatenate([clip.of_kind(feature, kind) for clip in clips])
            start = "" if name == "speech" else f"{name}_"
            assert own[f"{start}n_frames"] == len(x) == run.manifest["n_frames"][name]
            assert counts[name][feature].tolist() == twin.histogram(x)
            if not len(x):
                assert np.isnan(own[f"{start}mean"]) and np.isnan(own[f"{start}variance"])
                continue
            mean, variance, kurtosis = twin.moments(x)
            scale = np.sqrt((x**2).mean())
            assert own[f"{start}mean"] == pytest.approx(mean, rel=1e-9, abs=1e-12 * scale)
            assert own[f"{start}variance"] == pytest.approx(variance, rel=1e-9, abs=0)
            if name == "speech":
                assert own["kurtosis"] == pytest.approx(kurtosis, rel=1e-9, abs=1e-9, nan_ok=True)
                assert (own["minimum"], own["maximum"]) == (x.min(), x.max())
                assert own["is_constant"] == (x.min() == x.max())
                assert own["share_above_zero"] == np.mean(x > 0)
                assert own["tenth_threshold"] == twin.tenth(np.float32(x.max()))
                assert own["share_above_tenth"] == np.mean(x >= own["tenth_threshold"])


def assert_phone_counts(run: HarvestRun, group: GroupKey, clips: list[Heard], features: list[int]) -> None:
    counts, edges, seed = run.phone_counts(group), run.features(group)["edges"], run.manifest["settings"]["seed"]
    for feature in features:
        lag = int(run.lags(group)[feature])
        for part, found in counts.items():
            wanted = twin.phone_counts(clips, feature, part, run.phones, edges[feature], lag, seed)
            np.testing.assert_array_equal(found[feature], wanted)


def assert_means(run: HarvestRun, group: GroupKey, clips: list[Heard], features: list[int]) -> None:
    lag = run.lag_of(group) or 0
    asked = {
        "phone": (run.phones, lambda clip, t: clip.phone_at(t, lag)),
        "speaker": (run.manifest["speakers"], lambda clip, t: clip.speaker),
        "language": (run.manifest["languages"], lambda clip, t: clip.language),
    }
    for what, (labels, label_of) in asked.items():
        assert (run.folder / f"{what}_means.parquet").is_file() == bool(labels)
        if not labels:
            continue
        table = run.table(f"{what}_means")
        table = table.filter(pc.and_(pc.equal(table["site"], group.site), pc.equal(table["basis"], group.basis)))
        rows = {(row["feature"], row[what]): row for row in table.to_pylist()}
        assert set(rows) == {(feature, label) for feature in range(group.n_features) for label in labels}
        for feature in features:
            wanted = twin.mean_by(clips, feature, label_of)
            scale = max(float(np.abs(clip.strengths[:, feature]).max()) for clip in clips)
            for label in labels:
                n_frames, mean = wanted.get(label, (0, np.nan))
                row = rows[feature, label]
                assert row["n_frames"] == n_frames
                assert row["mean"] == pytest.approx(mean, rel=1e-9, abs=1e-12 * scale, nan_ok=True)


def histograms(run: HarvestRun, group: GroupKey) -> dict[str, np.ndarray]:
    table = run.table("histograms")
    table = table.filter(pc.and_(pc.equal(table["site"], group.site), pc.equal(table["basis"], group.basis)))
    found: dict[str, list[list[int]]] = {name: [] for name in twin.KIND_NAMES}
    for row in table.to_pylist():
        assert row["feature"] == len(found[row["kind"]])
        found[row["kind"]].append(row["counts"])
    return {name: np.array(rows) for name, rows in found.items()}


def names(run: HarvestRun, numbers: np.ndarray) -> list[str | None]:
    return [run.phones[number] if number >= 0 else None for number in numbers.tolist()]


def phone_of(run: HarvestRun, clips: list[Heard], peak: Peak, lag: int, *, is_shuffled: bool = False) -> str | None:
    clip = next(clip for clip in clips if clip.number == peak.clip)
    seed = run.manifest["settings"]["seed"]
    return clip.phone_at(peak.frame, int(lag), shuffled_by=seed if is_shuffled else None)
