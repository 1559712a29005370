"""How far does each head of the encoder listen? Statistics of the attended distance over many clips.

One block's patterns are held at a time, [window, head, frame, frame]; what is kept of a clip is one number per head and
offset. Destinations are speech frames alone, and sources the frames that hold sound: attention to padding
listens to nothing, and its share is reported beside the distances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from otoscope.audio.kinds import Kind
from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.base.layout import count
from otoscope.base.report import Column, Report, Table
from otoscope.base.settings import takes
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import distance
from otoscope.study.clips import each_clip
from otoscope.study.locality.picture import heads_figure
from otoscope.study.locality.settings import LocalitySettings
from otoscope.study.results import Result

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

MOST_HEADS = 48
"""With more heads than this, the report has a row for each block."""


@dataclass(frozen=True, eq=False, repr=False)
class Locality(Result):
    """Attended distances of every head, over the speech frames of a corpus."""

    name = "locality"

    model: str
    n_clips: int
    n_windows: int
    n_speech_frames: int  # the destinations measured
    by_offset: (
        np.ndarray
    )  # attention to sound at each source - destination, float64 [block, head, 2 * frame - 1]; sums to 1
    uniform_by_offset: np.ndarray  # the same for attention spread evenly over the sound, float64 [2 * frame - 1]
    padding_share: np.ndarray  # share of attention that falls on padding, [block, head]
    local_within: int  # distance of the test for local heads, in frames
    local_share: float  # share of its attention that a local head has within that distance

    @cached_property
    def by_distance(self) -> np.ndarray:
        """Attention at each distance |source - destination|, [block, head, frame]."""
        return distance.distance_mass(self.by_offset)

    @cached_property
    def uniform_by_distance(self) -> np.ndarray:
        """The baseline at each distance, [frame]."""
        return distance.distance_mass(self.uniform_by_offset)

    @property
    def mean_frames(self) -> np.ndarray:
        """Mean attended distance in frames, [block, head]."""
        return _mean(self.by_distance, np.arange(self.by_distance.shape[-1]))

    @property
    def mean_offset_frames(self) -> np.ndarray:
        """Mean of source - destination in frames, [block, head]; below zero a head looks back."""
        reach = self.by_offset.shape[-1] // 2
        return _mean(self.by_offset, np.arange(-reach, reach + 1))

    def quantile_frames(self, share: float) -> np.ndarray:
        """Return the distance in frames within which a share of the attention lies, [block, head]."""
        return distance.mass_quantile(self.by_distance, share)

    def share_within(self, frames: int) -> np.ndarray:
        """Return the share of the attention that is at most `frames` away, [block, head]."""
        return distance.share_within(self.by_distance, frames)

    @property
    def is_local(self) -> np.ndarray:
        """Which heads have `local_share` of their attention to sound within `local_within`, bool [block, head]."""
        return self.share_within(self.local_within) >= self.local_share

    @property
    def even_share(self) -> float:
        """The baseline of `share_within(local_within)`: attention spread evenly over the sound."""
        return float(distance.share_within(self.uniform_by_distance, self.local_within))

    def report(self) -> Report:
        """Report how far the heads listen, beside attention spread evenly over the sound."""
        n_local, uniform = int(self.is_local.sum()), _distances(self.uniform_by_distance, self.uniform_by_offset)
        heads = [
            {
                "block": block,
                "head": head,
                "is_local": bool(self.is_local[block, head]),
                **_distances(self.by_distance[block, head], self.by_offset[block, head]),
                "padding_share": float(self.padding_share[block, head]),
            }
            for block, head in np.ndindex(self.padding_share.shape)
        ]
        within = f"{self.local_within} frames ({self.local_within * FRAME_S:g} s)"
        return Report(
            f"How far the encoder's heads listen: {self.model}",
            f"{count(self.n_clips, 'clip')}, {count(self.n_speech_frames, 'frame')} of speech",
            {
                **self.fields("model", "n_clips", "n_windows", "n_speech_frames"),
                "frame_s": FRAME_S,
                "destinations": "speech frames",
                "sources": "frames with sound, padding left out",
                "local": {"within_frames": self.local_within, "share": self.local_share, "n_local": n_local},
                "uniform_baseline": uniform,
                "heads": heads,
            },
            display_only=[
                ("local heads", f"{n_local} of {len(heads)}"),
                (
                    "a head is local when",
                    f"{self.local_share:.0%} or more of its attention to sound is within {within}",
                ),
                (
                    "attention spread evenly over the sound",
                    f"{self.even_share:.1%} within {within}, {uniform['mean_s']:.2f} s away in the mean",
                ),
            ],
            parts=[self._by_head(heads) if len(heads) <= MOST_HEADS else self._by_block()],
        )

    def _by_head(self, heads: list[dict[str, Any]]) -> Table:
        columns = (
            ("block", "number"),
            ("head", "number"),
            ("mean s", "plain seconds"),
            ("median s", "plain seconds"),
            ("95% s", "plain seconds"),
            (f"within {self.local_within}", "share"),
            ("on padding", "share"),
            ("local", "number"),
        )
        near = self.share_within(self.local_within)
        rows = [
            (
                head["block"],
                head["head"],
                head["mean_s"],
                head["quantiles_s"]["50%"],
                head["quantiles_s"]["95%"],
                near[head["block"], head["head"]],
                head["padding_share"],
                head["is_local"],
            )
            for head in heads
        ]
        rows.sort(key=lambda row: -row[5])
        return Table(
            [Column(None, *column) for column in columns], rows, "Heads, the most local first", most=MOST_HEADS
        )

    def _by_block(self) -> Table:
        columns = (
            ("block", "number"),
            ("mean s", "plain seconds"),
            (f"within {self.local_within}", "share"),
            ("local heads", "number"),
        )
        near = self.share_within(self.local_within)
        rows = [
            (block, frames.mean() * FRAME_S, near[block].mean(), f"{local.sum()} of {len(local)}")
            for block, (frames, local) in enumerate(zip(self.mean_frames, self.is_local, strict=True))
        ]
        return Table(
            [Column(None, *column) for column in columns], rows, "Mean over the heads of each block", most=len(rows)
        )

    def arrays(self) -> dict[str, Any]:
        """Return attention by offset, its baseline, and the share on padding."""
        return {
            **self.fields("by_offset", "uniform_by_offset", "padding_share"),
        }

    def figure(self) -> Figure:
        """Draw all heads: how far each listens, and which are local."""
        return heads_figure(self)


def _normalised(by_offset: np.ndarray) -> np.ndarray:
    """Scale each head's mass to a sum of 1; a head without mass keeps 0."""
    total = by_offset.sum(axis=-1, keepdims=True)
    return np.divide(by_offset, total, out=np.zeros_like(by_offset), where=total > 0)


def _mean(mass: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Average positions, weighted by mass on the last axis."""
    return (mass * positions).sum(-1) / mass.sum(-1)


def _distances(by_distance: np.ndarray, by_offset: np.ndarray) -> dict[str, Any]:
    """Return the table entries of one head, or of the baseline."""
    reach = by_offset.shape[-1] // 2
    mean = float(_mean(by_distance, np.arange(reach + 1)))
    quantiles = {f"{q:.0%}": int(distance.mass_quantile(by_distance, q)) for q in QUANTILES}
    return {
        "mean_frames": mean,
        "mean_s": mean * FRAME_S,
        "mean_offset_frames": float(_mean(by_offset, np.arange(-reach, reach + 1))),
        "quantiles_frames": quantiles,
        "quantiles_s": {name: frames * FRAME_S for name, frames in quantiles.items()},
        "share_within": {str(k): float(distance.share_within(by_distance, k)) for k in distance.SHARE_FRAMES},
    }


class _Gatherer:
    """Sums the patterns of all blocks by offset while the encoder runs, as an edit that changes nothing."""

    def __init__(self, model: Whisper) -> None:
        shape = (model.n_encoder_blocks, model.n_heads)
        self.by_offset = np.zeros((*shape, 2 * model.n_frames - 1))
        self.on_padding = np.zeros(shape)
        self._kinds = np.zeros((0, model.n_frames), dtype=np.int8)
        self._next_window = [0] * model.n_encoder_blocks

    def start(self, kinds: np.ndarray) -> None:
        """Prepare for the windows of one clip, kinds int8 [window, frame]."""
        self._kinds = kinds
        self._next_window = [0] * len(self._next_window)

    def watch(self, block: int, pattern: Tensor) -> Tensor:
        """Sum one block's pattern [window, head, frame, frame] and return it unchanged."""
        first = self._next_window[block]
        self._next_window[block] = first + len(pattern)
        for kinds, heads in zip(self._kinds[first : first + len(pattern)], pattern.detach(), strict=True):
            rows = torch.as_tensor(kinds == Kind.SPEECH, device=pattern.device)
            padding = torch.as_tensor(kinds == Kind.PADDING, device=pattern.device)
            for head, values in enumerate(heads.float()):
                self.by_offset[block, head] += distance.offset_mass(values, rows, ~padding).double().cpu().numpy()
                self.on_padding[block, head] += float(values[rows][:, padding].sum())
        return pattern


@takes(LocalitySettings)
def locality(
    model: Whisper,
    clips: Iterable[Sound],
    *,
    settings: LocalitySettings,
    progress: Callable[[int, int], None] | None = None,
) -> Locality:
    """Measure how far every encoder head listens, over the speech frames of a corpus.

    Clips are read one at a time and not kept, so a corpus may have any length.

    Args:
        model: Any Whisper.
        clips: Clips, arrays at 16 kHz or paths.
        settings: Which heads count as local.
        progress: Called after each clip with the number done and the number in all (0 when it is not known).

    Returns:
        The distances of all heads beside those of even attention over the same frames.

    Raises:
        InputError: A setting is out of range, there are no clips, or no clip holds speech.

    Source:
        After the observation in "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1; the mean distance
        is that of Vig and Belinkov 2019, "Analyzing the structure of attention", section 4.3.
    """
    gatherer = _Gatherer(model)
    uniform = np.zeros(2 * model.n_frames - 1)
    n_clips = n_windows = n_speech = 0
    edits = {
        f"encoder.blocks.{block}.attn.pattern": lambda pattern, block=block: gatherer.watch(block, pattern)
        for block in range(model.n_encoder_blocks)
    }
    with model.edit(edits):
        for clip in each_clip(clips, progress):
            windows = model.windows(clip)
            kinds = np.asarray(windows.kinds)
            gatherer.start(kinds)
            model.encode(windows)
            is_speech, is_sound = kinds == Kind.SPEECH, kinds != Kind.PADDING
            uniform += sum(map(distance.uniform_offset_mass, is_speech, is_sound))
            n_clips, n_windows, n_speech = n_clips + 1, n_windows + len(kinds), n_speech + int(is_speech.sum())
    if n_speech == 0:
        raise InputError(
            f"no speech in any clip ({n_clips} given): distances are measured from speech frames. Give clips with some."
        )
    return Locality(
        model=model.name,
        n_clips=n_clips,
        n_windows=n_windows,
        n_speech_frames=n_speech,
        by_offset=_normalised(gatherer.by_offset),
        uniform_by_offset=uniform / n_speech,
        padding_share=gatherer.on_padding / n_speech,
        local_within=settings.local_within,
        local_share=settings.local_share,
    )
