"""Results in notebooks: each shows its picture, its first numbers and its sounds, and prints as a few lines.

The picture is what the result's own `plot` draws, made when a notebook first asks for it and kept as long as the result
lives. What cannot be drawn is left out: a display never fails. It only writes HTML, and knows no notebook.
"""

from __future__ import annotations

import io
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from otoscope.base import html
from otoscope.base.short_repr import ShortRepr

MOST_PICTURE_BYTES = 480_000
"""A larger picture is given fewer colours, and then fewer pixels."""

PIXELS_OVER_POINTS = 1.6
"""Pictures have 150 dots an inch; shown at 96 they have the size that they were laid out for."""

_made: dict[int, str] = {}


class Rich(ShortRepr):
    """A result, a dataclass, that a notebook shows as picture, table and sounds."""

    def _shown(self) -> html.Shown:
        """Return what a notebook shows beside the picture."""
        raise NotImplementedError

    def summary(self) -> str:
        """Write it for a terminal."""
        return repr(self)

    def _has_picture(self) -> bool:
        """Whether a result that has a `plot` can be drawn."""
        return True

    def _repr_html_(self) -> str:
        """Write the display; made once."""
        key = id(self)
        if key not in _made:
            plot = getattr(self, "plot", None)
            draw = None if plot is None else lambda alt: picture(plot, alt) if self._has_picture() else html.Html()
            made = html.display(self, self._shown, draw)
            weakref.finalize(self, _made.pop, key, None).atexit = False
            _made[key] = made
        return _made[key]


def picture(plot: Callable[[Path], Path], alt: str) -> html.Html:
    """Write what a result's `plot` draws."""
    with tempfile.TemporaryDirectory() as folder:
        file = plot(Path(folder) / "picture.png").read_bytes()
    file, width = _small(file)
    return html.image(file, alt, width=f"{width}px")


def _small(file: bytes) -> tuple[bytes, int]:
    """Shrink a picture to few enough bytes; return it with the width at which it is shown."""
    with Image.open(io.BytesIO(file)) as read:
        drawn: Image.Image = read.convert("RGB")
    width = round(drawn.width / PIXELS_OVER_POINTS)
    while len(file) > MOST_PICTURE_BYTES:
        written = io.BytesIO()
        drawn.quantize(256, method=Image.Quantize.FASTOCTREE).save(written, "PNG")
        file = written.getvalue()
        scale = 0.9 * min(1.0, (MOST_PICTURE_BYTES / len(file)) ** 0.5)  # for the next time, if there is one
        drawn = drawn.resize((max(1, round(drawn.width * scale)), max(1, round(drawn.height * scale))))
    return file, width
