from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from otoscope.harvest.maxima import MOST_SAMPLES, TOP, clip_samples
from tests.harvest.comparing import assert_maxima, heard
from tests.harvest.fake import harvest
from tests.harvest.test_calibration import SITE, answering
from tests.harvest.twin import peaks


@pytest.mark.parametrize(
    ("n_clips", "sizes"),
    [
        (1, (1,)),
        (59, (59,)),
        (60, (30, 30, 60)),
        (639, (30,) * 4 + (100,) * 4 + (300,) * 2 + (639,)),
        (20_000, (30,) * 4 + (100,) * 4 + (300,) * 4 + (1000,) * 4 + (3000,) * 4 + (10_000,) * 2 + (20_000,)),
    ],
)
def test_samples_grow_and_share_no_clip_with_others_of_their_size(n_clips: int, sizes: tuple[int, ...]) -> None:
    found = clip_samples(n_clips, 0)
    assert found.sizes == sizes and max(map(found.sizes.count, found.sizes)) <= MOST_SAMPLES
    for sample, size in enumerate(sizes):
        assert ((found.of_clip == sample).sum(axis=1) <= 1).all()
        assert (found.of_clip == sample).sum() == size
    assert (found.of_clip[:, -1] == len(sizes) - 1).all(), "the last sample holds all clips"


def test_samples_are_drawn_anew_with_another_seed_and_never_in_the_order_of_the_corpus() -> None:
    first, second = (clip_samples(100, seed).of_clip[:, 0] for seed in (0, 1))
    assert (first != second).any() and (np.diff(np.flatnonzero(first == 0)) > 1).any()


def test_the_strongest_peaks_of_every_sample_are_counted_by_phone(tmp_path: Path) -> None:
    clips = answering(64, 1, noise=0.5)
    clips[3].phones = None
    run = harvest(clips, tmp_path / "run", part_clips=10)
    [group] = run.groups
    known = heard(clips, run, SITE)
    assert_maxima(run, group, known, {feature: peaks(known, feature, 1) for feature in range(group.n_features)})
    table = run.maxima(group)
    assert table is not None and table.n_peaks.shape == (12, 3) and (table.n_peaks == TOP).all()
