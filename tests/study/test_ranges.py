from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from otoscope.base.errors import InputError
from otoscope.corpus.phones import by_class
from otoscope.harvest.opened import HarvestRun, open_run
from otoscope.study.phones import ranges_picture
from otoscope.study.phones.experiment import PhoneStudy, phones
from otoscope.study.phones.ranges import find_feature
from tests.study.naive_harvest import harvest
from tests.study.planted import PHONES, SITES, small_clips


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> HarvestRun:
    return open_run(harvest(tmp_path_factory.mktemp("runs") / "small", small_clips(), PHONES, lag=1))


@pytest.fixture(scope="module")
def study(run: HarvestRun) -> PhoneStudy:
    return phones(run, features=[f"{SITES[0]}:neuron:{feature}" for feature in (2, 5)])


def test_the_ranges_of_a_feature_are_those_of_the_run(run: HarvestRun, study: PhoneStudy) -> None:
    table = run.ranges(run.groups[0], "width", 1)
    rows = [row for row in study.features[0].to_json()["ranges"] if row["sign"] == 1]
    assert [row["n_peaks"] for row in rows] == table.n_peaks[2].tolist()
    assert [row["low"] for row in rows] == pytest.approx(table.low[2].tolist(), abs=1e-6)
    for row, drawn in zip(rows, table.phone[2], strict=True):
        for phone, n in row["phones"].items():
            assert n == (drawn == PHONES.index(phone)).sum()
    assert max(rows[0]["phones"], key=rows[0]["phones"].get) == "SH"
    assert any(row["phones"].get("CH", 0) >= 5 for row in rows)
    assert study.features[0].detects.startswith("detects SH (AUROC") and "CH below SH" in study.features[0].detects


def test_a_feature_without_peaks_below_zero_has_ranges_above_alone(study: PhoneStudy, tmp_path: Path) -> None:
    constant = study.features[1]
    assert [ranges.sign for ranges in constant.signs] == [1]  # every clip begins with a peak
    assert constant.plot(tmp_path / "one.png").stat().st_size > 0


def test_a_feature_without_peaks_is_drawn_as_such() -> None:
    figure = ranges_picture.ranges_figure("heading", "unclear", PHONES, {}, [])
    assert "It has no peaks" in figure.axes[0].texts[0].get_text()


def test_the_picture_has_a_panel_for_each_sign_and_bars_for_each_phone(
    run: HarvestRun, study: PhoneStudy, tmp_path: Path
) -> None:
    shown = study.features[0]
    classes = by_class(PHONES, run.phone_set)
    figure = ranges_picture.ranges_figure("heading", shown.detects, PHONES, classes, shown.signs)
    above, below = figure.axes
    heights = sum(bar.get_height() for bar in above.patches)
    assert (
        heights == shown.signs[0].counts.sum()
        and sum(bar.get_height() for bar in below.patches) == shown.signs[1].counts.sum()
    )
    assert {"SH", "CH"} <= {text.get_text() for text in above.texts}
    legend = [text.get_text() for text in above.get_legend().get_texts()]
    named = [label.split(" (")[0] for label in legend if "(" in label]
    in_order = [PHONES[index] for index in classes]
    assert named == sorted(named, key=in_order.index) and len(named) <= ranges_picture.MOST_PHONES
    assert "SH" in named and "CH" in named and "others" in legend
    assert imread(shown.plot(tmp_path / "p.png")).shape[1] > 500


def test_names_of_files_are_plain(study: PhoneStudy) -> None:
    assert study.features[0].stem == f"ranges_{SITES[0]}_neuron_2"


def test_a_basis_with_colons_in_its_name_is_found(tmp_path: Path) -> None:
    clips = small_clips(n_clips=8)
    for clip in clips:
        clip.strengths = {(SITES[0], "sae:a/b:c"): np.asarray(clip.strengths[SITES[0], "neuron"])}
    opened = open_run(harvest(tmp_path / "run", clips, PHONES))
    assert find_feature(opened, f"{SITES[0]}:sae:a/b:c:3") == (opened.groups[0], 3)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("3", "feature '3' is not named SITE:BASIS:INDEX: write, for example, encoder.blocks.0.mlp.1:neuron:0"),
        (f"{SITES[0]}:neuron:x", "is not named SITE:BASIS:INDEX"),
        (f"{SITES[0]}:neuron:6", "has features 0 to 5"),
        (f"{SITES[0]}:pca:0", "is not in the run .* it holds encoder.blocks.0.mlp.1:neuron, "),
    ],
)
def test_features_that_are_not_there_are_refused(run: HarvestRun, wanted: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        phones(run, features=[wanted])


def test_phones_stand_class_by_class_whatever_their_order_in_the_set() -> None:
    phones = ("S", "T", "M", "IY", "D", "AY", "Z")
    order = by_class(phones, "arpabet")
    assert [phones[index] for index in order] == ["IY", "AY", "D", "T", "Z", "S", "M"]
    assert list(order.values()) == ["vowel", "diphthong", "stop", "stop", "fricative", "fricative", "nasal"]
