from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from otoscope.audio.clip import Span
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.harvest.calibration import EDGE_LOGITS, Calibration, arrays_of, calibrate, calibration_of
from otoscope.harvest.labels import label_set
from otoscope.harvest.lags import best_lag
from otoscope.harvest.settings import HarvestSettings
from tests.harvest.fake import SPOKEN, WINDOW, FakeClip, FakeReader, corpus_of, harvest, odd_clips, smooth

SITE = "planted"


def answering(n_clips: int, lag: int, *, seed: int = 0, noise: float = 1.0, is_labelled: bool = True) -> list[FakeClip]:
    """Clips whose features answer to phones so many frames late, in much noise."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(len(SPOKEN), 12))
    clips = []
    for number in range(n_clips):
        n = 3 * WINDOW
        stretches = rng.integers(3, 9, n)
        numbers = np.repeat(rng.integers(0, len(SPOKEN), n), stretches)[: n + 20]
        edges = [0, *(np.flatnonzero(np.diff(numbers[:n])) + 1).tolist(), n]
        phones = tuple(Span(start * 0.02, stop * 0.02, SPOKEN[numbers[start]]) for start, stop in pairwise(edges))
        heard = np.roll(numbers, lag)[:n]
        x = weights[heard] + rng.normal(0, noise, (n, 12))
        kinds = np.where(rng.random(n) < 0.9, Kind.SPEECH, Kind.SILENCE).astype(np.int8)
        clips.append(FakeClip(str(number), kinds, {SITE: x.astype(np.float32)}, phones if is_labelled else None))
    return clips


def look(clips: list[FakeClip], **settings: object) -> Calibration:
    wanted = HarvestSettings((SITE,), **settings)  # type: ignore[arg-type]
    corpus = corpus_of(clips)
    return calibrate(FakeReader(clips), corpus, label_set(corpus, None, 0), wanted)


# the lag


@pytest.mark.parametrize("lag", [3, 0, -2, 9])
def test_a_planted_lag_is_found(lag: int) -> None:
    found = look(answering(20, lag, noise=2))
    assert found.lag == lag
    assert set(found.lag_scores) == set(range(-10, 11))
    others = [score for each, score in found.lag_scores.items() if abs(each - lag) > 4]
    assert found.lag_scores[lag] > 2 * max(others)


def test_the_score_of_a_lag_is_the_share_of_variance_that_phones_explain() -> None:
    clips = answering(4, 2)
    found = look(clips)
    labels = label_set(corpus_of(clips), None, 0)
    for lag in (-10, 0, 2, 10):
        rows, phones = [], []
        for clip in clips:
            speech = clip.kinds[:WINDOW] == Kind.SPEECH
            rows.append(clip.values[SITE][:WINDOW][speech].astype(float))
            phones.append(labels.frame_phones(clip.phones or (), WINDOW, lag)[speech])
        x, phone = np.concatenate(rows), np.concatenate(phones)
        within = sum(
            ((x[phone == each] - x[phone == each].mean(axis=0)) ** 2).sum(axis=0) for each in {*phone.tolist()}
        )
        total = ((x - x.mean(axis=0)) ** 2).sum(axis=0)
        assert found.lag_scores[lag] == pytest.approx((1 - within / total).mean(), rel=1e-4)


def test_a_lag_that_is_given_is_kept_and_the_scores_are_told_all_the_same() -> None:
    found = look(answering(20, 3), lag=1)
    assert found.lag == 1 and max(found.lag_scores, key=found.lag_scores.__getitem__) == 3


def test_there_is_no_lag_without_phones(tmp_path: Path) -> None:
    clips = answering(3, 3, is_labelled=False)
    for lag in (None, 2):
        found = look(clips, lag=lag)
        assert found.lag is None and found.lag_scores == {}
    run = harvest(clips, tmp_path / "run")
    assert (run.lag_frames, run.phone_set, run.phones, run.manifest["lag_scores"]) == (None, None, (), {})
    assert not list(run.folder.glob("phone_*")) and run.phone_counts(run.groups[0]) == {}
    assert (run.examples(run.groups[0]).phone == -1).all() and (run.ranges(run.groups[0]).phone == -1).all()
    assert all(clip.phones is None for clip in run.clips)


def test_frames_are_labelled_by_the_lag_that_was_found(tmp_path: Path) -> None:
    clips = answering(20, 3, noise=0.3)
    run = harvest(clips, tmp_path / "run")
    assert run.lag_frames == 3
    counts = run.phone_counts(run.groups[0])
    top = counts["choose"][:, :, -6:].sum(axis=2)  # the strongest frames of a feature
    assert (top.max(axis=1) / top.sum(axis=1)).mean() > 0.6, "are mostly of one phone"


def test_each_site_has_its_own_lag_whatever_other_sites_are_in_the_run(tmp_path: Path) -> None:
    early, late = answering(20, 0, noise=0.5), answering(20, 3, noise=0.5)
    both = [
        FakeClip(one.name, one.kinds, {"early": one.values[SITE], "late": other.values[SITE]}, one.phones)
        for one, other in zip(early, late, strict=True)
    ]  # the phones of both are the same, being drawn from the same seed
    run = harvest(both, tmp_path / "run", sites=("early", "late"))
    assert [run.lag_of(group) for group in run.groups] == [0, 3]
    for group, lag in zip(run.groups, (0, 3), strict=True):
        assert (run.lags(group) == lag).all(), "own lags gain nothing where all features answer alike"
        about = next(each for each in run.manifest["groups"] if each["site"] == group.site)
        assert max(about["lag_scores"], key=about["lag_scores"].get) == str(lag)


def detecting(n_clips: int, lags: list[int], *, noise: float) -> list[FakeClip]:
    """Clips whose features detect one phone each, each so many frames late."""
    rng = np.random.default_rng(0)
    clips = answering(n_clips, 0)
    for clip in clips:
        at = (np.arange(len(clip.kinds))[:, None] - lags + 0.5) * 0.02
        phones = clip.phones or ()
        starts = np.array([span.start_s for span in phones])
        place = np.searchsorted(starts, at, side="right") - 1
        spoken = np.array([SPOKEN.index(span.text) for span in phones])[place]
        x = (spoken == np.arange(len(lags)) % len(SPOKEN)) + rng.normal(0, noise, spoken.shape)
        clip.values[SITE] = np.where(place < 0, 0, x).astype(np.float32)
    return clips


def test_features_of_one_site_that_answer_at_different_times_get_lags_of_their_own(tmp_path: Path) -> None:
    clips = detecting(60, [1] * 10 + [3] * 4, noise=0.2)
    run = harvest(clips, tmp_path / "run")
    group = run.groups[0]
    assert run.lag_of(group) == 1
    assert run.lags(group).tolist() == [1] * 10 + [3] * 4
    about = run.manifest["groups"][0]
    assert about["n_own_lags"] == 4 and about["own_lag_gain"]["low"] > 0
    clip = run.clips[0]
    assert clip.phones is not None
    table, numbers = run.examples(group), {phone: place for place, phone in enumerate(run.phones)}
    for feature, lag in ((0, 1), (12, 3)):  # the phone of an example is the one that its feature answers to
        for rank in np.flatnonzero(table.clip[feature] == 0):
            middle = (table.frame[feature, rank] - lag + 0.5) * 0.02
            [phone] = [span.text for span in clip.phones if span.start_s <= middle < span.end_s]
            assert table.phone[feature, rank] == numbers[phone]


def test_a_score_that_only_rises_to_the_last_lag_tells_no_lag() -> None:
    rising = {lag: lag / 10 for lag in range(-10, 11)}
    assert best_lag(rising) == 0
    assert best_lag(rising | {3: 0.5}) == 3
    assert best_lag(dict.fromkeys(range(-10, 11), 0.1)) == 0


def test_lags_of_their_own_that_only_fit_noise_are_dropped() -> None:
    found = look(answering(20, 2, noise=30))  # too noisy for one feature to tell its lag
    assert (found.lags[0].by_feature == found.lags[0].lag).all()


# the edges of the bins


def test_edges_are_strengths_at_shares_that_are_even_in_log_odds() -> None:
    clips = answering(10, 0)
    found = look(clips)
    x = np.sort(
        np.concatenate([clip.values[SITE][:WINDOW][clip.kinds[:WINDOW] == Kind.SPEECH] for clip in clips]), axis=0
    )
    assert found.n_frames == len(x)
    shares = 1 / (1 + np.exp(-np.linspace(-6, 7, 23)))
    assert EDGE_LOGITS.tolist() == np.linspace(-6, 7, 23).tolist()
    for feature, edges in enumerate(found.edges[0]):
        assert edges.tolist() == [x[min(int(share * len(x)), len(x) - 1), feature] for share in shares]


def test_clips_looked_at_are_spread_over_the_half_to_choose_on_and_only_their_first_windows() -> None:
    rng = np.random.default_rng(0)
    kinds = np.where(np.arange(2 * WINDOW) % WINDOW < 20, Kind.SPEECH, Kind.SILENCE).astype(np.int8)
    clips = [FakeClip(str(i), kinds, {SITE: smooth(rng, len(kinds), 2).astype(np.float32)}) for i in range(200)]
    told: list[tuple[str, int]] = []
    corpus = corpus_of(clips)
    reader = FakeReader(clips, lambda name, window: told.append((name, window)))
    found = calibrate(reader, corpus, label_set(corpus, None, 0), HarvestSettings((SITE,)))
    assert [int(name) for name, _ in told] == (2 * np.linspace(0, 99, 24).round()).astype(int).tolist()
    assert {window for _, window in told} == {0} and found.n_frames == 24 * 20


def test_clips_that_cannot_be_used_are_passed_over_and_silence_is_looked_beyond() -> None:
    rng = np.random.default_rng(0)
    clips = []
    for number in range(60):
        kinds = np.full(WINDOW, Kind.SPEECH if number == 37 else Kind.SILENCE, np.int8)
        clips.append(FakeClip(str(number), kinds, {SITE: smooth(rng, WINDOW, 2).astype(np.float32)}))
    clips[0].problem, clips[3].bad_window = "no sound", 0
    assert look(clips).n_frames == WINDOW


def test_a_window_that_is_not_finite_is_passed_over() -> None:
    clips = answering(3, 0)
    clips[1].values[SITE][5, 3] = np.nan
    clips[1].kinds[5] = Kind.SPEECH
    found = look(clips)
    assert found.n_frames == sum((clip.kinds[:WINDOW] == Kind.SPEECH).sum() for clip in (clips[0], clips[2]))


def test_no_speech_at_all_is_told() -> None:
    clips = answering(3, 0)
    for clip in clips:
        clip.kinds[:] = Kind.SILENCE
    with pytest.raises(InputError, match="no frame of speech was found in 'fakes'; 3 of its 3 clips could be read"):
        look(clips)


# written and read


def test_a_calibration_is_read_as_it_was_written() -> None:
    clips = odd_clips()
    reader, corpus = FakeReader(clips), corpus_of(clips)
    settings = HarvestSettings(("odd", "plain"), bases=("neuron", "pca", "random"), seed=4)
    wanted = calibrate(reader, corpus, label_set(corpus, None, 0), settings)
    found = calibration_of(arrays_of(wanted), reader, settings)
    assert (found.lag, found.lag_scores, found.n_frames) == (wanted.lag, wanted.lag_scores, wanted.n_frames)
    assert len(found.groups) == len(wanted.groups) == 6
    for one, other in zip(found.groups, wanted.groups, strict=True):
        assert (one.site, one.basis, one.n_features) == (other.site, other.basis, other.n_features)
        for name in ("matrix", "centre"):
            a, b = (getattr(group.directions, name) for group in (one, other))
            assert (a is None and b is None) or (a == b).all()
    for one, other in zip(found.edges, wanted.edges, strict=True):
        np.testing.assert_array_equal(one, other)
    for mine, theirs in zip(found.lags, wanted.lags, strict=True):
        assert (mine.lag, mine.scores, mine.gain) == (theirs.lag, theirs.scores, theirs.gain)
        np.testing.assert_array_equal(mine.by_feature, theirs.by_feature)
