"""The picture of what the decoder says next with no sound: the likeliest tokens by their logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.base.numbers import written
from otoscope.base.text import SPACE
from otoscope.study import pictures
from otoscope.study.lettering import readable

if TYPE_CHECKING:
    from otoscope.study.bigrams.experiment import Continuation

MOST_ROWS = 8
"""Prompts in one picture at most."""

LONGEST_PROMPT = 30
"""Letters of a prompt that fit above a panel; the last ones count."""


def next_figure(continuations: Sequence[Continuation], n_sounds: int, model: str) -> Figure:
    """Draw the likeliest next tokens by their logits.

    Returns:
        The figure: prompts side by side for one sound; else a row for each prompt and a column for each sound.

    Source:
        After the plots of claim 3 in "Interpreting OpenAI's Whisper" (Ellena Reid, 2023).
    """
    n_prompts = len(continuations) // n_sounds
    drawn = continuations[: MOST_ROWS * n_sounds]
    n_columns = min(len(drawn), 3 if len(drawn) != 4 else 2) if n_sounds == 1 else n_sounds
    n_rows = -(-len(drawn) // n_columns)
    n_names = max(len(item.next) for item in drawn)
    figure = pictures.new_figure(max(3.6 * n_columns, 5.5), n_rows * (1.1 + 0.17 * n_names) + 0.5)
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes, item in zip(grid.flat, drawn, strict=False):
        _draw_panel(axes, item)
    for axes in grid.flat[len(drawn) :]:
        axes.set_axis_off()
    rest = f"; the first {MOST_ROWS} of {n_prompts:,} prompts" if n_prompts > MOST_ROWS else ""
    pictures.heading(
        figure,
        f"Likeliest next tokens with no sound: {model}{rest}. Grey: no text; {SPACE}: a space",
    )
    return figure


def _draw_panel(axes: Axes, item: Continuation) -> None:
    """Draw one list of tokens; each mark's distance along the axis is its logit, its label the probability."""
    names, logits = [token.text for token in item.next], [token.logit for token in item.next]
    rows = range(len(names))
    low, high = min(logits), max(logits)
    room = (high - low) or 1.0
    colours = [pictures.MUTED if is_special(name) else pictures.BLUE for name in names]
    axes.hlines(rows, low - 0.06 * room, logits, color=pictures.GRID, linewidth=0.8)
    axes.scatter(logits, rows, c=colours, s=20, zorder=3)
    for row, token in enumerate(item.next):
        label = _share(token.probability)
        axes.annotate(label, (token.logit, row), (6, 0), textcoords="offset points", fontsize=6.5, va="center")
    axes.set_yticks(rows, [shown(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(low - 0.06 * room, high + 0.24 * room)
    axes.set_xlabel("logit (label: probability)", fontsize=8, color=pictures.INK)
    pictures.plain(axes)
    axes.tick_params(axis="y", length=0)
    for tick, name in zip(axes.get_yticklabels(), names, strict=True):
        tick.set_color(pictures.MUTED if is_special(name) else pictures.INK)
    axes.grid(False, axis="y")
    tokens = "" if len(item.tokens) == 1 else f" ({len(item.tokens)} tokens)"
    prompt = "".join(item.pieces).strip() or item.prompt
    ending = prompt if len(prompt) <= LONGEST_PROMPT else f"…{prompt[1 - LONGEST_PROMPT :]}"
    shown_prompt = readable(ending, longest=LONGEST_PROMPT)
    pictures.title(
        axes, f"“{shown_prompt} …”{tokens}", f"{item.label}; text comes next: {written(item.text_probability, 'share')}"
    )


def is_special(name: str) -> bool:
    """Whether a name is a special token's: a command, an end or a time."""
    return name.startswith("<|") and name.endswith("|>")


def shown(name: str) -> str:
    """Make a token readable, its leading space as it is written everywhere."""
    return f"{SPACE}{readable(name)}" if name.startswith(" ") and name.strip() else readable(name)


def _share(probability: float) -> str:
    return written(probability, "share") if probability >= 0.001 else "<0.1%"
