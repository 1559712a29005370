"""Pictures of what the decoder says next with no sound: the likeliest tokens, and agreement with a language.

Knows numbers and words, not models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.study import pictures
from otoscope.study.neighbours.picture import readable

MOST_ROWS = 8
"""Prompts that one picture shows."""

LONGEST_PROMPT = 30
"""Letters of a prompt that fit above a panel; the last ones count."""


@dataclass(frozen=True)
class Panel:
    """One prompt under one sound.

    Attributes:
        prompt: What it reads.
        n_tokens: How many tokens it is.
        sound: What was heard.
        names: The likeliest next tokens, likeliest first, spaces included.
        logits: Of each.
        probabilities: Of each.
        text_probability: That text comes next.
    """

    prompt: str
    n_tokens: int
    sound: str
    names: tuple[str, ...]
    logits: tuple[float, ...]
    probabilities: tuple[float, ...]
    text_probability: float


def next_figure(panels: Sequence[Panel], n_sounds: int, model: str, language: str) -> Figure:
    """Draw the likeliest next tokens by their logits.

    Args:
        panels: Prompt by prompt, and for each prompt sound by sound.
        n_sounds: Sounds.
        model: The model's id.
        language: The language token.

    Returns:
        The figure: prompts side by side for one sound; else a row for each prompt and a column for each sound.

    Source:
        After the plots of claim 3 in "Interpreting OpenAI's Whisper" (Ellena Reid, 2023).
    """
    n_prompts = len(panels) // n_sounds
    shown = panels[: min(n_prompts, MOST_ROWS) * n_sounds]
    n_columns = min(len(shown), 3 if len(shown) != 4 else 2) if n_sounds == 1 else n_sounds
    n_rows = -(-len(shown) // n_columns)
    n_names = max(len(panel.names) for panel in shown)
    figure = pictures.new_figure(max(3.6 * n_columns, 5.5), n_rows * (1.1 + 0.17 * n_names) + 0.5)
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes, panel in zip(grid.flat, shown, strict=False):
        _draw_panel(axes, panel)
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    rest = f"; the first {MOST_ROWS} of {n_prompts:,} prompts" if n_prompts > MOST_ROWS else ""
    figure.suptitle(
        f"Likeliest next tokens with no sound: {model}, language {language}{rest}. Grey: no text; ·: the word goes on",
        x=0.01,
        ha="left",
        fontsize=9,
        color=pictures.INK,
        parse_math=False,
    )
    return figure


def _draw_panel(axes: Axes, panel: Panel) -> None:
    """Draw one list of tokens; each mark's distance along the axis is its logit, its label the probability."""
    rows = range(len(panel.names))
    low, high = min(panel.logits), max(panel.logits)
    room = (high - low) or 1.0
    colours = [pictures.MUTED if is_special(name) else pictures.BLUE for name in panel.names]
    axes.hlines(rows, low - 0.06 * room, panel.logits, color=pictures.GRID, linewidth=0.8)
    axes.scatter(panel.logits, rows, c=colours, s=20, zorder=3)
    for row, (logit, share) in enumerate(zip(panel.logits, panel.probabilities, strict=True)):
        axes.annotate(_share(share), (logit, row), (6, 0), textcoords="offset points", fontsize=6.5, va="center")
    axes.set_yticks(rows, [shown(name) for name in panel.names])
    axes.set_ylim(len(panel.names) - 0.4, -0.6)
    axes.set_xlim(low - 0.06 * room, high + 0.24 * room)
    axes.set_xlabel("logit (label: probability)", fontsize=8, color=pictures.INK)
    pictures.plain(axes)
    axes.tick_params(axis="y", length=0)
    for label, name in zip(axes.get_yticklabels(), panel.names, strict=True):
        label.set_parse_math(False)
        label.set_color(pictures.MUTED if is_special(name) else pictures.INK)
    axes.grid(False, axis="y")
    tokens = "" if panel.n_tokens == 1 else f" ({panel.n_tokens} tokens)"
    ending = panel.prompt if len(panel.prompt) <= LONGEST_PROMPT else f"…{panel.prompt[1 - LONGEST_PROMPT :]}"
    prompt = readable(ending, longest=LONGEST_PROMPT)
    pictures.title(
        axes, f"“{_plain(prompt)} …”{tokens}", f"{panel.sound}; text comes next: {panel.text_probability:.0%}"
    )


def is_special(name: str) -> bool:
    """Tell a command, an end or a time from text."""
    return name.startswith("<|") and name.endswith("|>")


def shown(name: str) -> str:
    """Write a token so that it can be read; one that goes on a word, with no space before it, gets a dot in front."""
    if not name.strip() or name.startswith(" ") or is_special(name):
        return readable(name)
    return f"·{readable(name)}"


def _plain(text: str) -> str:
    """Take a text literally: a dollar would begin a formula."""
    return text.replace("$", r"\$")


def _share(probability: float) -> str:
    if probability >= 0.1:
        return f"{probability:.0%}"
    if probability >= 0.001:
        return f"{probability:.1%}"
    return "<0.1%"
