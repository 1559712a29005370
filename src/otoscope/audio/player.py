"""A sound in a notebook: a player, and its waveform with the words below. Costs one encoding of what is played.

Short sounds are WAV, which every browser plays; longer ones Ogg Vorbis, a sixth of the size.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from otoscope.audio.vorbis import vorbis
from otoscope.base import html
from otoscope.base.clocks import SAMPLE_RATE_HZ, sample_to_seconds, seconds_to_sample

if TYPE_CHECKING:
    from otoscope.audio.clip import Span

MOST_S = 30.0
"""How much of a longer sound is played."""

WAV_S = 6.0
"""Sounds up to this length are WAV."""

N_COLUMNS = 600
"""Columns of a waveform."""

_WIDTH, _HEIGHT, _AXIS, _WORDS = 900, 90, 22, 20
_INK, _WAVE, _GROUND = "#222222", "#0072B2", "#ffffff"


def player(samples: np.ndarray, label: str, *, width: str = "22em") -> html.Html:
    """Write a player of a sound; of one longer than `MOST_S` only the beginning is played, and a line says so.

    `samples`: mono at 16 kHz, floating point [sample]; scaled down as a whole if it is beyond full scale.
    """
    most = seconds_to_sample(MOST_S)
    played = samples[:most]
    seconds = sample_to_seconds(len(samples))
    file, kind = _encode(played)
    markup = html.audio(file, kind, label, width)
    if len(samples) <= most:
        return markup
    return html.Html(markup + html.line(f"The first {MOST_S:g} s of {seconds:,.0f} s are played."))


def _encode(samples: np.ndarray) -> tuple[bytes, str]:
    """Encode a sound; give the file and its media type."""
    if len(samples) > seconds_to_sample(WAV_S):
        return vorbis(samples), "audio/ogg"
    sound = np.nan_to_num(np.asarray(samples, np.float32))
    loudest = float(np.abs(sound).max(initial=0.0))
    file = io.BytesIO()
    soundfile.write(file, sound / max(loudest, 1.0), SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return file.getvalue(), "audio/wav"


def waveform(samples: np.ndarray, words: Sequence[Span] | None = None) -> html.Html:
    """Draw the waveform of a sound over an axis in seconds, with its words below if they are known.

    `samples`: mono at 16 kHz [sample]; the first `MOST_S` of it are drawn.
    Returns an SVG picture with its own background.
    """
    drawn = samples[: seconds_to_sample(MOST_S)]
    seconds = sample_to_seconds(len(drawn))
    height = _HEIGHT + _AXIS + (_WORDS if words else 0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="11" fill="{_INK}"><rect width="{_WIDTH}" height="{height}" '
        f'fill="{_GROUND}"/><path d="{_outline(drawn)}" fill="{_WAVE}" stroke="{_WAVE}" stroke-width="0.7"/>'
    ]
    if words:
        parts += _word_marks(words, seconds)
    parts += [*_axis(seconds, height), "</svg>"]
    alt = f"Waveform, {seconds:.2f} s"
    return html.image("".join(parts).encode("utf-8", "replace"), alt, "image/svg+xml", width="56em")


def _outline(samples: np.ndarray) -> str:
    """The outline of the largest and smallest sample in each column, as an SVG path."""
    n = min(N_COLUMNS, len(samples))
    starts = np.arange(n) * len(samples) // n
    tall = max(float(np.abs(samples).max()), 1e-9)
    middle, reach = _HEIGHT / 2, _HEIGHT / 2 - 4
    top = middle - np.maximum.reduceat(samples, starts) / tall * reach
    bottom = middle - np.minimum.reduceat(samples, starts) / tall * reach
    x = np.linspace(0, _WIDTH, n)
    there = [f"{a:.1f},{b:.1f}" for a, b in zip(x, top, strict=True)]
    back = [f"{a:.1f},{b:.1f}" for a, b in zip(x[::-1], bottom[::-1], strict=True)]
    return f"M{' L'.join([*there, *back])}Z"


def _word_marks(words: Sequence[Span], seconds: float) -> list[str]:
    """Each word in the middle of its interval, and a thin line where it begins; words without room are left out."""
    marks: list[str] = []
    free = 0.0
    for word in words:
        if word.start_s >= seconds:
            break
        left = word.start_s / seconds * _WIDTH
        right = min(word.end_s, seconds) / seconds * _WIDTH
        text = word.text if len(word.text) <= 24 else f"{word.text[:23]}…"
        half = len(text) * 3.3
        middle = min(max((left + right) / 2, half + 2), _WIDTH - half - 2)
        marks.append(f'<path d="M{left:.1f},0 V{_HEIGHT}" stroke="{_INK}" stroke-opacity="0.25"/>')
        if middle - half < free:
            continue
        free = middle + half
        safe = "".join(letter if letter.isprintable() else " " for letter in text)
        marks.append(f'<text x="{middle:.1f}" y="{_HEIGHT + 14}" text-anchor="middle">{escape(safe)}</text>')
    return marks


def _axis(seconds: float, height: int) -> list[str]:
    """Ticks in seconds along the bottom."""
    step = next((size for size in (0.1, 0.2, 0.5, 1, 2, 5) if seconds / size <= 12), 10)
    marks = []
    for number in range(int(seconds / step) + 1):
        x = max(number * step / seconds * _WIDTH, 6)
        anchor = "start" if number == 0 else "end" if x > _WIDTH - 20 else "middle"
        unit = " s" if number == 0 else ""
        marks.append(f'<text x="{x:.1f}" y="{height - 6}" text-anchor="{anchor}">{number * step:g}{unit}</text>')
    return marks
