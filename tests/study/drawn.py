"""What can be wrong in a drawn picture: text beyond the edge, folders in captions, intervals beyond the axes."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text


def overflows(figure: Figure) -> list[str]:
    """Texts of a drawn figure that reach beyond its edges."""
    width, height = figure.bbox.size
    found = []
    unseen = _ticks_out_of_view(figure)
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and id(text) not in unseen:
            box = text.get_window_extent()
            if box.x0 < -2 or box.y0 < -2 or box.x1 > width + 2 or box.y1 > height + 2:
                found.append(text.get_text())
    return found


def _ticks_out_of_view(figure: Figure) -> set[int]:
    """Labels that are not drawn: of ticks beyond the limits, and of panels that are hidden or without axes."""
    unseen: set[int] = set()
    for axes in figure.findobj(Axes):
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not (axes.axison and axes.get_visible() and low <= tick.get_loc() <= high):
                    unseen |= {id(tick.label1), id(tick.label2)}
        if not axes.get_visible():
            unseen |= {id(text) for text in axes.findobj(Text)}
    return unseen


def captions(figure: Figure) -> list[str]:
    """Titles and headings."""
    texts = [axes.get_title(loc="left") for axes in figure.axes]
    heading = figure._suptitle
    return [text for text in [*texts, heading.get_text() if heading else ""] if text]


def cut_intervals(figure: Figure) -> list[str]:
    """Panels whose limits leave out a part of an interval."""
    found = []
    for axes in figure.axes:
        low, high = sorted(axes.get_xlim())
        bottom, top = sorted(axes.get_ylim())
        for lines in axes.collections:
            if isinstance(lines, LineCollection) and _is_in_data(axes, lines):
                for x, y in [point for segment in lines.get_segments() for point in segment]:
                    if not (low - 1e-6 <= x <= high + 1e-6 and bottom - 1e-6 <= y <= top + 1e-6):
                        found.append(f"{axes.get_title(loc='left')}: {x:g}, {y:g}")
    return found


def _is_in_data(axes: Axes, lines: LineCollection) -> bool:
    return lines.get_transform() == axes.transData
