"""What is transcribed when one head alone may attend only to its k neighbours on either side, head by head?

Costs one transcription of every clip for each head, encoded from that head's block on, and one more without a limit
(`heard`). Where all heads of a model are tried, they are counted, not estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from otoscope.base.clocks import FRAME_S
from otoscope.base.layout import count
from otoscope.base.numbers import Interval
from otoscope.base.report import Column, Report, Table
from otoscope.base.settings import takes
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.error_rate import ErrorRate, bootstrap_loss, word_errors
from otoscope.study.estimates import intervals_note
from otoscope.study.results import Result
from otoscope.study.window.heard import ClipTranscript, Head, hear_by_head, known_or_heard, read_clips
from otoscope.study.window.settings import HeadWindowsSettings


@dataclass(frozen=True)
class HeadRate:
    """How far transcripts stray when one head is limited."""

    block: int
    head: int  # its number in that block
    wer: Interval  # against the transcripts without a limit, with the 95% interval over clips


@dataclass(frozen=True, repr=False)
class HeadWindows(Result):
    """Every head limited alone."""

    name = "window_heads"

    model: str
    k: int  # frames on either side that the limited head may attend to
    clip_ids: tuple[str, ...]
    n_model_heads: int  # in the encoder; `heads` holds fewer where some were drawn
    heads: tuple[HeadRate, ...]  # one for each head tried, in order of block and head
    seed: int  # of the bootstrap over clips and of the draw of heads

    def report(self) -> Report:
        """Report the error rate with each head limited."""
        columns = [Column("block", "block"), Column("head", "head"), Column("wer", "WER to no limit", "share")]
        rows = [(head.block, head.head, head.wer) for head in self.heads]
        return Report(
            f"One head at a time attends to {self.k} frames on either side: {self.model}",
            f"{count(len(self.clip_ids), 'clip')}; {len(rows)} of {count(self.n_model_heads, 'head')}; "
            f"{intervals_note(len(self.clip_ids))}",
            {
                "model": self.model,
                "k": self.k,
                "k_s": self.k * FRAME_S,
                "n_clips": len(self.clip_ids),
                "clips": self.clip_ids,
                "against": "the transcripts without a limit",
                "n_model_heads": self.n_model_heads,
                "seed": self.seed,
            },
            parts=[Table(columns, rows, key="heads", most=len(rows))],
        )


@takes(HeadWindowsSettings)
def window_by_head(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    *,
    settings: HeadWindowsSettings,
    unlimited: Sequence[ClipTranscript] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> HeadWindows:
    """Transcribe clips while one encoder head may attend only to frames at most k away, one head after the other.

    Returns for each head the word errors against the transcripts without a limit.
    Source: A remark of the author of "Interpreting OpenAI's Whisper" (Ellena Reid, 2023) under its publication: most
    heads of a block bear k = 10, one or two do not.
    """
    read = read_clips(clips)
    all_heads = [(block, head) for block in range(model.n_encoder_blocks) for head in range(model.n_heads)]
    chosen = all_heads
    if settings.most_heads is not None and settings.most_heads < len(all_heads):
        drawn = np.random.default_rng(settings.seed).choice(len(all_heads), settings.most_heads, replace=False)
        chosen = [all_heads[number] for number in sorted(drawn)]

    free = known_or_heard(model, read, settings.language, unlimited)
    errors: dict[Head, dict[int, ErrorRate]] = {head: {} for head in chosen}
    done, n_all = len(read), (len(chosen) + 1) * len(read)
    for index, head, text in hear_by_head(model, read, settings.k, chosen, settings.language, free):
        errors[head][index] = word_errors(free[index].text, text)
        done += 1
        if progress is not None:
            progress(done, n_all)
    rates = [
        HeadRate(*head, bootstrap_loss([errors[head][index] for index in range(len(read))], seed=settings.seed))
        for head in chosen
    ]
    ids = tuple(clip.id for clip in read)
    return HeadWindows(model.name, settings.k, ids, len(all_heads), tuple(rates), settings.seed)
