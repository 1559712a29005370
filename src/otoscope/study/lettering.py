"""Text in pictures: a font for every letter or else its code, and captions that stay inside the picture.

Works on the figure's texts just before they are drawn, so that a picture's own code need not think of either.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.text import Text

LONGEST_TOKEN = 14
"""Letters of a token that are shown where many stand side by side."""

GAP_IN = 0.12
"""Room between a caption and the next panel, or the edge of the picture, in inches."""

LEAST_ROOM_IN = 1.2
"""A caption is not wrapped to less than this."""

LINE = 1.2
"""Height of a line of text as a multiple of its font's size."""

NOT_LETTERS = ("cm", "STIX", "Last Resort", "DejaVu Sans Display", "DejaVu Serif Display", "Noto Color")
"""How the names of fonts begin that are for formulas, or cannot be drawn in outlines."""


@dataclass
class Caption:
    """A panel's title and the note below it, as they were written."""

    axes: Axes
    title: Text
    note: Text | None
    texts: tuple[str, str]
    lift: float  # points left free above the panel

    def set(self, title: str, note: str) -> None:
        """Write both, the title above all lines of the note."""
        self.title.set_text(title)
        height = self.lift + 8.0
        if self.note is not None:
            self.note.set_text(note)
            height = self.lift + 11.0 + LINE * float(self.note.get_fontsize()) * len(note.split("\n"))
        self.axes.set_title(title, loc="left", pad=height, fontdict=_look(self.title))


class Picture(Figure):
    """A figure that finds fonts for its texts and wraps its captions when it is drawn."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.captions: list[Caption] = []
        self._is_wrapped = False

    def draw(self, renderer: RendererBase) -> None:
        """Draw it."""
        for text in _texts(self):
            find_fonts(text)
        if not self._is_wrapped:
            self._is_wrapped = True
            self._lay_out()
            self._wrap_labels(renderer)
            self._lay_out()  # labels move panels
            self._wrap_captions(renderer)
        super().draw(renderer)

    def _lay_out(self) -> None:
        engine = self.get_layout_engine()
        if engine is not None:
            engine.execute(self)

    def _wrap_captions(self, renderer: RendererBase) -> None:
        """Wrap the titles of panels and the notes below them to the room that they have."""
        gap, least = GAP_IN * self.dpi, LEAST_ROOM_IN * self.dpi
        for caption in self.captions:
            room = max(_right_of(caption.axes, self) - gap - caption.axes.bbox.x0, least)
            title = wrapped(caption.title, with_codes(caption.texts[0]), room, renderer)
            note = "" if caption.note is None else wrapped(caption.note, with_codes(caption.texts[1]), room, renderer)
            caption.set(title, note)

    def _wrap_labels(self, renderer: RendererBase) -> None:
        """Wrap headings of the figure and labels of axes."""
        gap = GAP_IN * self.dpi
        for name in ("_suptitle", "_supxlabel"):
            heading: Text | None = getattr(self, name, None)
            if heading is not None:
                heading.set_text(wrapped(heading, heading.get_text(), self.bbox.width - 2 * gap, renderer))
        for axes in self.get_axes():
            if axes.get_visible():
                _wrap_axes(axes, self, renderer)


def _look(title: Text) -> dict[str, Any]:
    """Give a title's look, which `set_title` would set back."""
    return {"fontsize": title.get_fontsize(), "fontweight": title.get_fontweight(), "color": title.get_color()}


def _right_of(axes: Axes, figure: Figure) -> float:
    """Return where the next panel in the row begins, or the picture ends, in pixels."""
    box = axes.bbox
    others = [
        other.bbox.x0
        for other in figure.get_axes()
        if other.get_visible() and other.bbox.x0 > box.x1 - 1 and other.bbox.y0 < box.y1
        and other.bbox.y1 > (box.y1 if hasattr(other, "_colorbar") else box.y0)  # bars are lower than captions
    ]  # fmt: skip
    return float(min(others, default=figure.bbox.width))


def _wrap_axes(axes: Axes, figure: Figure, renderer: RendererBase) -> None:
    """Wrap labels of axes that are longer than their panel."""
    below, beside = axes.xaxis.label, axes.yaxis.label
    centre = (axes.bbox.x0 + axes.bbox.x1) / 2
    room = 2 * min(centre, figure.bbox.width - centre) - GAP_IN * figure.dpi
    room = min(room, max(_right_of(axes, figure) - axes.bbox.x0, LEAST_ROOM_IN * figure.dpi))
    if below.get_text():
        below.set_text(wrapped(below, below.get_text(), room, renderer))
    if beside.get_text() and beside.get_window_extent(renderer).height > 1.1 * axes.bbox.height:
        beside.set_rotation(0)
        lines = wrapped(beside, beside.get_text(), max(1.1 * axes.bbox.height, LEAST_ROOM_IN * figure.dpi), renderer)
        beside.set_rotation(90)
        beside.set(text=lines, multialignment="center")


def wrapped(text: Text, content: str, room: float, renderer: RendererBase) -> str:
    """Break a text into lines that fit, between words where it can.

    Args:
        text: Where it is written; its font is used, and its content changed.
        content: The text.
        room: The width of a line in pixels.
        renderer: Measures it.

    Returns:
        The lines, ended by line ends.
    """

    def fits(line: str) -> bool:
        text.set_text(line)
        return not line or bool(text.get_window_extent(renderer).width <= room)

    lines: list[str] = []
    for paragraph in content.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            rest = word
            if line and not fits(f"{line} {word}"):
                lines.append(line)
                line = ""
            while not line and not fits(rest) and len(rest) > 1:
                cut = next((n for n in range(len(rest) - 1, 1, -1) if fits(rest[:n])), 1)
                lines.append(rest[:cut])
                rest = rest[cut:]
            line = f"{line} {rest}" if line else rest
        lines.append(line)
    text.set_text("\n".join(lines))
    return "\n".join(lines)


def _texts(figure: Figure) -> Iterator[Text]:
    """Go through all texts of a figure; letters of tick labels that no font has are set to their codes on the way."""
    for axes in figure.findobj(Axes):
        for axis in (axes.xaxis, axes.yaxis):
            labels = [label.get_text() for label in axis.get_ticklabels()]
            shown = [with_codes(label) for label in labels]
            if shown != labels:
                axis.set_ticks(axis.get_ticklocs(), shown)
    yield from figure.findobj(Text)


def find_fonts(text: Text) -> None:
    """Give a text the fonts that its letters need; a letter that none has is written as its code."""
    content = text.get_text()
    text.set_parse_math(r"\mathdefault" in content)  # exponents of an axis are formulas, a dollar in a word is not
    if content.isascii() and content.replace("\n", "").isprintable():
        return
    shown = with_codes(content)
    if shown != content:
        text.set_text(shown)
    main = findfont(text.get_fontproperties())
    families = [family_with(letter) for letter in dict.fromkeys(shown) if letter != "\n" and not _has(main, letter)]
    if families:
        first = text.get_fontfamily()[:1]
        text.set_fontfamily([*first, *dict.fromkeys(name for name in families if name and name not in first)])


def readable(text: str, *, longest: int = LONGEST_TOKEN) -> str:
    """Make a token readable in a picture.

    Args:
        text: A token's text.
        longest: Letters shown at most.

    Returns:
        The text without white space at its ends; a letter that no installed font has, and one that cannot be seen, as
        its number in Unicode (U+3042).
    """
    plain = text.strip() or repr(text)[1:-1] or "''"
    whole = with_codes(plain)
    if len(whole) <= longest:
        return whole
    kept = max((n for n in range(1, len(plain)) if len(with_codes(plain[:n])) < longest), default=1)
    return with_codes(plain[:kept]) + "…"


def with_codes(text: str) -> str:
    """Write letters that no installed font has, and those that cannot be seen, as their numbers in Unicode."""
    shown, was_code = "", False
    for given in text:
        letter = " " if unicodedata.category(given) == "Zs" else given
        is_code = not (letter == "\n" or (letter.isascii() and letter.isprintable()) or _is_drawn(letter))
        if shown and (is_code or was_code) and not (shown[-1].isspace() or letter.isspace()):
            shown += " "
        shown += f"U+{ord(letter):04X}" if is_code else letter
        was_code = is_code
    return shown


def _is_drawn(letter: str) -> bool:
    return unicodedata.category(letter)[0] not in "CZ" and family_with(letter) is not None


@cache
def family_with(letter: str) -> str | None:
    """Find an installed font that has a letter: the usual one, or else the first by name; None where none has it."""
    usual = FontProperties()
    if _has(findfont(usual), letter):
        return str(usual.get_name())
    for name, path in _fonts().items():
        if _has(path, letter):
            return name
    return None


@cache
def _fonts() -> dict[str, str]:
    """List the installed fonts for text by name, upright and of usual weight."""
    known = sorted(fontManager.ttflist, key=lambda font: (font.name, font.style != "normal", font.weight != 400))
    fonts: dict[str, str] = {}
    for font in known:
        if not font.name.startswith(NOT_LETTERS):
            fonts.setdefault(font.name, findfont(FontProperties(family=font.name)))
    return fonts


@cache
def _has(path: str, letter: str) -> bool:
    try:
        return bool(get_font(path).get_char_index(ord(letter)))
    except (OSError, RuntimeError):  # a font that cannot be read
        return False
