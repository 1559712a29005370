"""The truth test: detectors planted among noise are found and named, mixtures flagged, and none of the noise."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from otoscope.audio.clip import Span
from otoscope.base.clocks import FRAME_S
from otoscope.study.phones.choosing import FrameCounts, best_detector
from otoscope.study.phones.detection import mutual_information
from otoscope.study.phones.experiment import PhoneStudy, phones
from otoscope.study.phones.naming import KINDS, UNCLEAR
from otoscope.study.phones.targets import pair_targets, phone_targets
from tests.harvest.fake import WINDOW, FakeClip
from tests.harvest.fake import harvest as harvest_fakes
from tests.study.naive_harvest import LabelledClip, harvest, spans
from tests.study.planted import COMMON, PHONES, Planting, clips_of, members

SITE = "encoder.blocks.0.mlp.1"
SINGLE = ("S", "SH", "M", "AA", "IY", "T", "R", "Z", "DH", "AE")
TURNED = ("F", "UW", "N")
MIXED = (("SH", "CH"), ("K", "G"), ("S", "Z"), ("IY", "IH"), ("M", "B"))
PAIRS = (("SH", "CH"), ("L", "W"))
CLASSES = ("fricative", "nasal", "vowel", "stop", "high vowel")
N_NOISE = 60
WANTED: list[tuple[str, dict[str, float]]] = [
    *((phone, {phone: 1.0}) for phone in SINGLE),
    *((phone, {phone: -1.0}) for phone in TURNED),
    *((strong, {strong: 1.0, weak: 0.6}) for strong, weak in MIXED),
    *(("/".join(sorted(pair)), dict.fromkeys(pair, 1.0)) for pair in PAIRS),
    *((name, dict.fromkeys(members(name), 1.0)) for name in CLASSES),
]


def study_of(folder: Path, seed: int, *, naively: bool = False) -> PhoneStudy:
    """Plant, harvest, and score; naively by the definitions alone, to tell faults of the harvest from those of scores.

    Of 20 examples of a pair that is answered alike, one phone has 16 or more in 1.2% of cases, and would be the name;
    of 30, one has 24 or more in 0.1%.
    """
    planting = Planting(WANTED, N_NOISE, seed=seed)
    clips = clips_of({(SITE, "neuron"): planting}, 48, 7 * WINDOW, seed=seed + 100, lag=1)
    if naively:
        return phones(harvest(folder / f"run-{seed}", clips, PHONES, lag=1, seed=seed, top=30))
    run = harvest_fakes(
        [as_fake(number, clip) for number, clip in enumerate(clips)], folder / f"run-{seed}", seed=seed, top=30
    )
    assert run.lag_frames == 1  # as planted
    return phones(run)


def as_fake(number: int, clip: LabelledClip) -> FakeClip:
    """A planted clip as a corpus and a model would give it: windows of frames, phones in time."""
    assert clip.phones is not None
    said = tuple(
        Span(start * FRAME_S, stop * FRAME_S, PHONES[phone]) for start, stop, phone in spans(clip.phones) if phone >= 0
    )
    kinds = np.zeros(clip.n_frames, np.int8)
    strengths = {site: x for (site, _), x in clip.strengths.items()}
    return FakeClip(f"clip-{number:02}", kinds, strengths, said, clip.speaker)


@pytest.fixture(scope="module", params=[(0, False), (1, False), (2, False), (0, True)], ids=str)
def study(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PhoneStudy:
    seed, naively = request.param
    return study_of(tmp_path_factory.mktemp("planted"), seed, naively=naively)


def names(study: PhoneStudy) -> list[str]:
    scores = study.run.groups[0].scores
    return [study.run.feature_name(scores, feature) for feature in range(len(WANTED) + N_NOISE)]


def test_every_planted_detector_is_found_and_named_rightly(study: PhoneStudy) -> None:
    assert names(study)[: len(WANTED)] == [name for name, _ in WANTED]


def test_signs_kinds_and_scores_are_those_planted(study: PhoneStudy) -> None:
    found = study.run.groups[0].scores.names
    n_phones = len(SINGLE) + len(TURNED) + len(MIXED)
    assert [KINDS[kind] for kind in found.kind[: len(WANTED)]] == (
        ["phone"] * n_phones + ["pair"] * len(PAIRS) + ["class"] * len(CLASSES)
    )
    turned = slice(len(SINGLE), len(SINGLE) + len(TURNED))
    assert (found.sign[turned] == -1).all()
    assert (np.delete(found.sign[: len(WANTED)], turned) == 1).all()
    assert (found.auroc[: len(WANTED)] > 0.95).all() and (found.share[: len(WANTED)] >= 0.8).all()


def test_mixtures_and_they_alone_are_flagged_as_polysemantic(study: PhoneStudy) -> None:
    scores = study.run.groups[0].scores
    first = len(SINGLE) + len(TURNED)
    flagged = np.flatnonzero(scores.is_polysemantic).tolist()
    assert flagged == list(range(first, first + len(MIXED)))
    for feature, (strong, weak) in zip(flagged, MIXED, strict=True):
        ranges = scores.ranges[1]
        assert study.run.phones[ranges.top_phone[feature]] == strong
        assert study.run.phones[ranges.other_phone[feature]] == weak
        assert ranges.mixed_range[feature] >= 1 and ranges.other_auroc[feature] > 0.9


def test_noise_has_no_name_and_is_not_flagged(study: PhoneStudy) -> None:
    scores = study.run.groups[0].scores
    assert set(names(study)[len(WANTED) :]) == {UNCLEAR}
    assert not scores.is_polysemantic[len(WANTED) :].any()
    assert np.nanmax(scores.phone.auroc[len(WANTED) :]) < 0.65
    assert np.abs(scores.information[len(WANTED) :]).max() < 0.1 < scores.information[: len(WANTED)].min()


def test_the_mixture_shows_in_the_effective_number_of_phones(study: PhoneStudy) -> None:
    ranges = study.run.groups[0].scores.ranges[1]
    single, mixed = 0, len(SINGLE) + len(TURNED)
    judged = np.flatnonzero(~np.isnan(ranges.effective[single]))
    assert ranges.effective[single, judged[0]] == pytest.approx(1, abs=0.5)
    place = ranges.mixed_range[mixed]
    assert np.nanmax(ranges.effective[mixed, place : place + 3]) > 1


def test_shuffled_labels_find_nothing(study: PhoneStudy) -> None:
    row = study.to_json()["sites"][0]
    n_phones = len(SINGLE) + len(TURNED) + len(MIXED)
    assert (row["n_both"], row["n_both_shuffled"]) == (n_phones, 0)
    assert row["n_named"] == {"phone": n_phones, "pair": len(PAIRS), "class": len(CLASSES), "unclear": N_NOISE}
    assert "It beats its baselines: shuffled labels 0.0%" in study.claims[0]


def test_noise_alone_beats_no_baseline_and_says_so(tmp_path: Path) -> None:
    groups = {(SITE, basis): Planting([], 30, seed=seed) for seed, basis in enumerate(("neuron", "random"))}
    clips = clips_of(groups, 24, 120, seed=7)
    study = phones(harvest(tmp_path / "noise", clips, PHONES))
    assert "0 of 30 features (0.0%, 0.0% to 11.4%) detect one phone" in study.claims[0]
    assert "It does NOT beat its baselines: random 0.0%" in study.claims[0]
    assert not any(row["beats"] for row in study.to_json()["comparisons"])


def test_detectors_mixed_at_random_lose_to_the_detectors(tmp_path: Path) -> None:
    """Neurons that are detectors beat random directions of the same space, in numbers and in words."""
    planting = Planting([(phone, {phone: 1.0}) for phone in COMMON], 0, seed=5)
    clips = clips_of({(SITE, "neuron"): planting}, 40, 250, seed=9)
    n = len(COMMON)
    mixing = np.linalg.qr(np.random.default_rng(0).normal(size=(n, n)))[0]
    for clip in clips:
        strengths = clip.strengths[SITE, "neuron"]
        clip.strengths[SITE, "random"] = ((strengths - planting.offsets) / planting.scales @ mixing).astype(np.float32)
    study = phones(harvest(tmp_path / "run", clips, PHONES))
    of_neurons, of_random = study.claims
    assert study.to_json()["sites"][0]["share_both"] > 0.9 and "It beats its baselines: random" in of_neurons
    assert "random" not in of_random.split("one phone")[1] and "shuffled labels" in of_random
    beside = [row for row in study.to_json()["comparisons"] if (row["measure"], row["baseline"]) == ("both", "random")]
    assert len(beside) == 1 and beside[0]["beats"] and beside[0]["low"] > 0.3


def test_thousands_of_features_take_seconds() -> None:
    """7,680 features, 40 phones, 32 bins: choosing and scoring phones and pairs, a fifth of the features at a time."""
    rng = np.random.default_rng(0)
    choose, held_out = (rng.integers(0, 40, (1536, 41, 32)).astype(np.uint32) for _ in range(2))
    labels, is_frequent = tuple(str(phone) for phone in range(40)), np.ones(40, bool)
    started = time.perf_counter()
    for _ in range(5):
        frames = FrameCounts(choose), FrameCounts(held_out)
        for targets in (phone_targets(labels, is_frequent), pair_targets(labels, is_frequent)):
            best_detector(*frames, targets, {}, np.zeros(1536, bool), 0.8)
        mutual_information(held_out)
    assert time.perf_counter() - started < 20  # 2 s on one core; a loop over features takes minutes
