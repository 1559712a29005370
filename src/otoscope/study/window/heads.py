"""What is transcribed when one head alone may attend only to its k neighbours on either side, head by head?

Costs one transcription of every clip for each head, encoded from that head's block on, and one more without a limit
(`heard`). Heads are a model's own: where all
are tried they are counted, not estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.base import html
from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import Interval, finite
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.error_rate import ErrorRate, bootstrap_loss, word_errors
from otoscope.study.rich import Rich
from otoscope.study.window.experiment import check_ks
from otoscope.study.window.heard import Head, Heard, hear_by_head, known_or_heard, read_clips

HEAD_K = 10
"""The window, in frames on either side, that most heads were said to bear when limited alone."""


@dataclass(frozen=True)
class HeadRate:
    """How far transcripts stray when one head is limited.

    Attributes:
        block: Its encoder block.
        head: Its number in that block.
        wer: Word errors against the transcripts without a limit, with the 95% interval over clips.
    """

    block: int
    head: int
    wer: Interval

    def to_json(self) -> dict[str, Any]:
        """Give the row."""
        wer = {name: finite(value) for name, value in vars(self.wer).items()}
        return {"block": self.block, "head": self.head, "wer": wer}


@dataclass(frozen=True, repr=False)
class HeadWindows(Rich):
    """Every head limited alone.

    Attributes:
        model: The model's id.
        k: Frames on either side that the limited head may attend to.
        clip_ids: The clips.
        n_model_heads: How many heads the encoder has; `heads` holds fewer where some were drawn.
        heads: One for each head tried, in order of block and head.
        seed: Seeds the bootstrap over clips, and the draw of heads.
    """

    model: str
    k: int
    clip_ids: tuple[str, ...]
    n_model_heads: int
    heads: tuple[HeadRate, ...]
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Give the table, standard JSON values only."""
        return {
            "model": self.model,
            "k": self.k,
            "k_s": self.k * FRAME_S,
            "n_clips": len(self.clip_ids),
            "clips": list(self.clip_ids),
            "against": "the transcripts without a limit",
            "n_model_heads": self.n_model_heads,
            "heads": [head.to_json() for head in self.heads],
            "seed": self.seed,
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `window_heads.json`.

        Args:
            folder: Where to; made when missing.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        return [write_json(Path(folder) / "window_heads.json", self.to_json())]

    def _shown(self) -> html.Shown:
        rows = [(f"{head.block}.{head.head}", html.share(head.wer)) for head in self.heads]
        return html.Shown(
            f"One head at a time limited to {self.k} frames on either side: {self.model}",
            [("clips", len(self.clip_ids)), ("heads tried", f"{len(self.heads)} of {self.n_model_heads}")],
            [html.Table(("block.head", "WER to no limit"), rows, "Pooled over clips, with 95% intervals")],
        )


def window_by_head(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    k: int = HEAD_K,
    *,
    most_heads: int | None = None,
    language: str | None = None,
    seed: int = 0,
    unlimited: Sequence[Heard] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> HeadWindows:
    """Transcribe clips while one encoder head may attend only to frames at most k away, one head after the other.

    Args:
        model: Any Whisper.
        clips: One clip or several: clips, arrays at 16 kHz or paths. They are held in memory.
        k: Frames of 20 ms on either side.
        most_heads: Draw so many heads where the model has more; all by default.
        language: What is spoken, as Whisper's code; by default that of each clip, or else the model decides.
        seed: Seeds the draw of heads and the bootstrap over clips.
        unlimited: What `hear` gave for these clips without a limit, where it is known already.
        progress: Called with the number of transcriptions done and the number in all.

    Returns:
        For each head the word errors against the transcripts without a limit.

    Raises:
        InputError: k is negative or no whole number, there are no clips, `most_heads` is below 1, or
            `unlimited` is of other clips.

    Source:
        A remark of the author of "Interpreting OpenAI's Whisper" (Ellena Reid, 2023) under its publication: most heads
        of a block bear k = 10, one or two do not.
    """
    check_ks([k])
    if most_heads is not None and most_heads < 1:
        raise InputError(f"most_heads is {most_heads}: try one head or more.")
    read = read_clips(clips)
    every = [(block, head) for block in range(model.n_encoder_blocks) for head in range(model.n_heads)]
    chosen = every
    if most_heads is not None and most_heads < len(every):
        drawn = np.random.default_rng(seed).choice(len(every), most_heads, replace=False)
        chosen = [every[place] for place in sorted(drawn)]

    free = known_or_heard(model, read, language, unlimited)
    errors: dict[Head, dict[int, ErrorRate]] = {head: {} for head in chosen}
    done, n_all = len(read), (len(chosen) + 1) * len(read)
    for place, head, text in hear_by_head(model, read, int(k), chosen, language, free):
        errors[head][place] = word_errors(free[place].text, text)
        done += 1
        if progress is not None:
            progress(done, n_all)
    rates = [
        HeadRate(*head, bootstrap_loss([errors[head][place] for place in range(len(read))], seed=seed))
        for head in chosen
    ]
    return HeadWindows(model.id, int(k), tuple(clip.id for clip in read), len(every), tuple(rates), seed)
