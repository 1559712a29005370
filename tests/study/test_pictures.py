from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread

from otoscope.base.errors import OutputError
from otoscope.study import pictures


def test_a_frame_map_has_axes_in_seconds_and_frames_and_marks_the_end_of_speech() -> None:
    figure = pictures.new_figure(4, 4)
    axes = figure.subplots()
    image = pictures.frame_map(axes, np.eye(100), saturate=1.0)
    pictures.mark_speech_end(axes, 60)
    figure.canvas.draw()
    assert list(image.get_extent()) == [0.0, 2.0, 2.0, 0.0]
    top, right = axes.child_axes
    assert top.get_xlim() == pytest.approx((0, 100))
    assert right.get_ylim() == pytest.approx((100, 0))
    assert not axes.lines  # the mark is beside the map, not on it
    above, beside = axes.texts
    assert above.get_text() == "speech ends 1.20 s" and above.xy[0] == beside.xy[1] == pytest.approx(1.2)
    map_box = axes.get_window_extent()
    assert above.get_window_extent().y0 >= map_box.y1 and beside.get_window_extent().x1 >= map_box.x1
    assert image.norm(0.25) == pytest.approx(0.5)  # colours go by the square root


def test_saving_adds_the_ending_makes_folders_and_leaves_matplotlib_as_it_was(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    figure = pictures.new_figure(2, 1)
    pictures.title(figure.subplots(), "title", "note")
    path = pictures.save_figure(figure, tmp_path / "a" / "picture.v1")
    assert path.name == "picture.v1.png"
    assert imread(path).shape == (pictures.DPI, 2 * pictures.DPI, 4)
    assert dict(mpl.rcParams) == before


def test_a_picture_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match=r"p\.png' cannot be written: a part of the path is a file"):
        pictures.save_figure(pictures.new_figure(1, 1), tmp_path / "file" / "p.png")


def test_saturation_ignores_zeros_and_survives_an_empty_map() -> None:
    assert pictures.brightest(np.zeros((3, 3))) == 1.0
    assert pictures.brightest(np.array([0.0, 0.0, 2.0])) == 2.0
