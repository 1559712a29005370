"""HTML of a result in a notebook: its title, a few facts, a picture, tables and players, all text escaped.

Knows only strings and bytes: pictures and sounds come as finished files. A display contains everything it needs, as
`data:` addresses, and is never larger than `MOST_BYTES`; colours are the notebook's, so light and dark both read well.
"""

from __future__ import annotations

import base64
import html as markup
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from otoscope.base.numbers import NONE, is_estimate, written

MOST_BYTES = 1_000_000
"""The largest display, in bytes of a notebook's file."""

MOST_ROWS = 20
MOST_LETTERS = 300
"""Letters of one text that are shown."""

_CELL = "padding:0.15em 0.8em 0.15em 0;vertical-align:middle;border:none;background:none;"
_LONG_WORD = re.compile(r"\S{41}")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Html(str):
    """Text that is already markup. All other text is data, and is escaped."""

    __slots__ = ()


class Figure(Html):
    """A number that is already formatted; columns of them are aligned to the right."""

    __slots__ = ()


@dataclass(frozen=True)
class ShownTable:
    """A table in a notebook."""

    columns: Sequence[str]  # the headings
    rows: Sequence[Sequence[Any]]  # the cells, of any type; `cell` writes them
    caption: str = ""  # what it shows, and of how many
    n_all: int | None = None  # rows in all, where `rows` holds only the first; None where it holds all


@dataclass(frozen=True)
class Shown:
    """What a notebook shows of a result."""

    title: str  # what it is, in a few words
    facts: Sequence[tuple[str, Any]] = ()  # label and value of the most important numbers
    tables: Sequence[ShownTable] = ()  # cut to `MOST_ROWS` rows each
    sounds: Sequence[Html] = ()  # players and other finished markup, shown above the tables


def data(text: object, most: int = MOST_LETTERS) -> Html:
    """Write a text that a person or a model wrote: escaped, isolated in its direction, and cut where it is long.

    `text`: any object; `str` of it is shown.
    """
    whole = str(text)
    rest = len(whole) - most
    shown = _CONTROLS.sub("\ufffd", whole[:most]).encode("utf-8", "backslashreplace").decode("utf-8")
    more = f" … ({rest:,} more letters)" if rest > 0 else ""
    # a column is as wide as its longest word, so only a very long word is broken
    style = ' style="overflow-wrap:anywhere;"' if _LONG_WORD.search(shown) else ""
    return Html(f'<bdi dir="auto"{style}>{markup.escape(shown)}</bdi>{more}')


def cell(value: Any) -> Html:
    """Write a value: numbers to three digits, estimates with their bounds, sequences with commas, all else as data.

    `value`: a number, a text, an estimate (anything with `value`, `low` and `high`), a sequence of texts, or None.
    """
    if isinstance(value, Html):
        return value
    if value is None:
        return Html(NONE)
    if isinstance(value, bool | list | tuple):
        return data(written(value))
    if isinstance(value, int | float) or is_estimate(value):
        return Figure(written(value))
    item = getattr(value, "item", None)  # numbers of NumPy, which this room does not import
    return cell(item()) if callable(item) else data(value)


def share(value: Any) -> Html | None:
    """Write a share, or an estimate of one, in per cent.

    `value`: a number from 0 to 1, an estimate, or None.
    """
    return None if value is None else Figure(written(value, "share"))


def figure(text: str) -> Figure:
    """Mark text as a number that is written already."""
    return Figure(markup.escape(text))


def table(shown: ShownTable) -> Html:
    """Write a table; rows beyond `MOST_ROWS` are counted in a line below it, and empty columns are left out."""
    whole = shown.rows[:MOST_ROWS]
    more = (len(shown.rows) if shown.n_all is None else shown.n_all) - len(whole)
    kept = [index for index in range(len(shown.columns)) if not whole or any(row[index] is not None for row in whole)]
    names = [shown.columns[index] for index in kept]
    rows = [[row[index] for index in kept] for row in whole]
    is_number = [_is_number_column(column) for column in (zip(*rows, strict=True) if rows else [()] * len(names))]
    parts = ['<table style="border-collapse:collapse;margin:0.4em 0;border:none;">']
    if shown.caption:
        style = "caption-side:top;text-align:left;opacity:0.75;padding:0.2em 0;white-space:normal;"
        parts.append(f'<caption style="{style}">{_text(shown.caption)}</caption>')
    head = "".join(_cell("th", data(name), right) for name, right in zip(names, is_number, strict=True))
    parts.append(f"<thead><tr>{head}</tr></thead><tbody>")
    for row in rows:
        cells = "".join(_cell("td", cell(value), right) for value, right in zip(row, is_number, strict=True))
        parts.append(f"<tr>{cells}</tr>")
    parts.append("</tbody></table>")
    if more > 0:
        parts.append(f'<p style="margin:0 0 0.6em;opacity:0.75;">… and {more:,} more</p>')
    return Html("".join(parts))


def _is_number_column(values: Iterable[Any]) -> bool:
    plain = [value for value in values if value is not None]
    return bool(plain) and not any(
        isinstance(value, str | bool | list | tuple) and not isinstance(value, Figure) for value in plain
    )


def _cell(tag: str, content: str, right: bool) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    style = "font-weight:600;border-bottom:1px solid;" if tag == "th" else "white-space:nowrap;" if right else ""
    return f'<{tag}{scope} style="{_CELL}text-align:{"right" if right else "left"};{style}">{content}</{tag}>'


def facts(pairs: Sequence[tuple[str, Any]]) -> Html:
    """Write names and values, one pair a line; pairs without a value are left out.

    `pairs`: names and values; `cell` writes the values.
    """
    style = f"{_CELL}text-align:left;vertical-align:top;"
    rows = "".join(
        f'<tr><th scope="row" style="{style}font-weight:normal;opacity:0.75;">{data(name)}</th>'
        f'<td style="{style}">{cell(value)}</td></tr>'
        for name, value in pairs
        if value is not None
    )
    return Html(f'<table style="border-collapse:collapse;margin:0.4em 0;border:none;"><tbody>{rows}</tbody></table>')


def image(file: bytes, alt: str, kind: str = "image/png", width: str = "") -> Html:
    """Write a picture into the page.

    `width`: its width in CSS; by default its own, or the page's where that is less.
    """
    style = f"max-width:100%;height:auto;display:block;border-radius:4px;{f'width:{width};' if width else ''}"
    return Html(f'<img alt="{_attribute(alt)}" style="{style}" src="{_address(file, kind)}">')


def audio(file: bytes, kind: str, label: str, width: str = "22em") -> Html:
    """Write a player of a sound.

    Args:
        file: The whole file.
        kind: Its media type.
        label: What is heard, for screen readers.
        width: Its width in CSS.
    """
    style = f"width:{width};max-width:100%;height:2.2em;display:block;margin:0.3em 0;"
    source = f'<source type="{kind}" src="{_address(file, kind)}">'
    return Html(f'<audio controls preload="metadata" aria-label="{_attribute(label)}" style="{style}">{source}</audio>')


def line(text: str) -> Html:
    """Write a line of text in a muted colour."""
    return Html(f'<p style="margin:0.2em 0;opacity:0.75;">{_text(text)}</p>')


def display(result: object, shown: Callable[[], Shown], picture: Callable[[str], Html] | None = None) -> str:
    """Write a result. A part that fails is replaced by a line that says so: a display never raises.

    `result`: the result, for its name and its text.
    `shown`: returns what is shown beside the picture.
    `picture`: draws the picture, given the title; None where there is none.
    Returns HTML; parts for which `MOST_BYTES` leaves no room are left out, and a line says so.
    """
    try:
        what = shown()
        parts = [*what.sounds, *(table(item) for item in what.tables)]
        head = facts(what.facts) if what.facts else Html()
    except Exception as error:  # show what there is
        what = Shown(type(result).__name__)
        head, parts = line(repr(result)), [line(f"No table could be made: {_error_text(error)}")]
    try:
        drawn = Html() if picture is None else picture(what.title)
    except Exception as error:  # as above
        drawn = line(f"No picture could be drawn: {_error_text(error)}")
    title = Html(f'<p style="margin:0 0 0.3em;font-weight:600;">{_text(what.title)}</p>')
    return _within([title, head, drawn, *parts])


def _error_text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _within(parts: Sequence[Html]) -> str:
    """Join the parts for which there is room."""
    # MathJax would typeset text between two dollar signs of a transcript as a formula
    opening = (
        '<div class="otoscope tex2jax_ignore mathjax_ignore" style="max-width:72em;overflow-x:auto;line-height:1.4;'
        'text-align:left;font-size:0.95em;">'
    )
    room = MOST_BYTES - 1000
    kept: list[str] = []
    for part in parts:
        size = len(part.encode())
        if size <= room:
            kept.append(part)
            room -= size
    n_left_out = len(parts) - len(kept)
    if n_left_out:
        kept.append(line(f"Too large to be shown here, and left out: {n_left_out} of {len(parts)} parts."))
    return f"{opening}{''.join(kept)}</div>"


def _text(text: str) -> str:
    return text if isinstance(text, Html) else data(text)


def _attribute(text: str) -> str:
    flat = _CONTROLS.sub(" ", text[:MOST_LETTERS]).encode("utf-8", "backslashreplace").decode("utf-8")
    return markup.escape(" ".join(flat.split()), quote=True)


def _address(file: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(file).decode('ascii')}"
