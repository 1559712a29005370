"""How far does each head of the encoder listen? Statistics of the attended distance over many clips.

One block's patterns are held at a time, [window, head, frame, frame]; what is kept of a clip is one number per head and
offset. Destinations are speech frames alone, and sources the frames that hold sound: attention that rests on padding
listens to nothing, and its share is reported beside the distances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otoscope.audio.kinds import Kind
from otoscope.base import html
from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import finite
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import distance, pictures
from otoscope.study.clips import each_clip
from otoscope.study.locality import picture as locality_picture
from otoscope.study.result_files import drawn, write_arrays
from otoscope.study.rich import Rich

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LOCAL_WITHIN_FRAMES = 50
LOCAL_SHARE = 0.9


@dataclass(frozen=True, eq=False, repr=False)
class Locality(Rich):
    """Attended distances of every head, over the speech frames of a corpus.

    Attributes:
        model: The model's id.
        n_clips: Clips measured.
        n_windows: Windows measured.
        n_speech_frames: Destinations measured.
        by_offset: Attention to sound at each offset source - destination, float64 [block, head, 2 * frame - 1]; each
            head sums to 1.
        uniform_by_offset: The same for attention spread evenly over the sound, float64 [2 * frame - 1].
        padding_share: Share of attention that falls on padding, [block, head].
        local_within: Distance, in frames, of the test for local heads.
        local_share: Share of the attention a local head has within that distance.
    """

    model: str
    n_clips: int
    n_windows: int
    n_speech_frames: int
    by_offset: np.ndarray
    uniform_by_offset: np.ndarray
    padding_share: np.ndarray
    local_within: int
    local_share: float

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
        """Give the distance in frames within which a share of the attention lies, [block, head]."""
        return distance.mass_quantile(self.by_distance, share)

    def share_within(self, frames: int) -> np.ndarray:
        """Give the share of the attention at most so many frames away, [block, head]."""
        return distance.share_within(self.by_distance, frames)

    @property
    def is_local(self) -> np.ndarray:
        """Which heads have `local_share` of their attention to sound within `local_within`, bool [block, head]."""
        return self.share_within(self.local_within) >= self.local_share

    def to_json(self) -> dict[str, Any]:
        """Give the table: the settings, the baseline, and one row for each head.

        Returns:
            Standard JSON values only; distances in frames and seconds.
        """
        blocks, heads = self.padding_share.shape
        uniform = _distances(self.uniform_by_distance, self.uniform_by_offset)
        return {
            "model": self.model,
            "n_clips": self.n_clips,
            "n_windows": self.n_windows,
            "n_speech_frames": self.n_speech_frames,
            "frame_s": FRAME_S,
            "destinations": "speech frames",
            "sources": "frames with sound, padding left out",
            "local": {
                "within_frames": self.local_within,
                "share": self.local_share,
                "n_local": int(self.is_local.sum()),
            },
            "uniform_baseline": uniform,
            "heads": [
                {
                    "block": block,
                    "head": head,
                    "is_local": bool(self.is_local[block, head]),
                    **_distances(self.by_distance[block, head], self.by_offset[block, head]),
                    "padding_share": finite(self.padding_share[block, head]),
                }
                for block in range(blocks)
                for head in range(heads)
            ],
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `locality.json`, `locality.npz` and `locality.png`.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        arrays = {"by_offset": self.by_offset, "uniform_by_offset": self.uniform_by_offset}
        return [
            write_json(where / "locality.json", self.to_json()),
            write_arrays(where / "locality.npz", **arrays, padding_share=self.padding_share),
            *drawn(self.plot, where / "locality.png"),
        ]

    def plot(self, path: str | Path) -> Path:
        """Draw all heads: how far each listens, and which are local.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        view = locality_picture.View(
            shares=self.share_within(self.local_within),
            even_share=float(distance.share_within(self.uniform_by_distance, self.local_within)),
            quantiles=np.stack([self.quantile_frames(share) for share in QUANTILES]),
            even_median=int(distance.mass_quantile(self.uniform_by_distance, 0.5)),
            is_local=self.is_local,
            local_within=self.local_within,
            local_share=self.local_share,
            sample=f"{self.n_speech_frames:,} speech frames of {pictures.count(self.n_clips, 'clip')}",
        )
        return pictures.save_figure(locality_picture.heads_figure(view), path)

    def _shown(self) -> html.Shown:
        near = self.share_within(self.local_within)
        median = self.quantile_frames(0.5)
        even = distance.share_within(self.uniform_by_distance, self.local_within)
        reach_s = self.local_within * FRAME_S
        order = np.argsort(-near, axis=None)
        return html.Shown(
            f"How far the encoder's heads listen: {self.model}",
            [
                ("local heads", f"{int(self.is_local.sum())} of {self.is_local.size}"),
                ("a head is local when", f"{self.local_share:.0%} of its attention lies within {reach_s:g} s"),
                (f"evenly spread, within {reach_s:g} s", html.share(float(even))),
                ("measured on", f"{pictures.count(self.n_speech_frames, 'speech frame')} of {self.n_clips:,} clips"),
            ],
            [
                html.Table(
                    ("block.head", f"within {reach_s:g} s", "median distance (s)", "mean distance (s)", "on padding"),
                    [
                        (
                            f"{block}.{head}",
                            html.share(near[block, head]),
                            float(median[block, head] * FRAME_S),
                            float(self.mean_frames[block, head] * FRAME_S),
                            html.share(self.padding_share[block, head]),
                        )
                        for block, head in zip(*np.unravel_index(order, near.shape), strict=True)
                    ],
                    "Heads, the most local first",
                )
            ],
        )


def _each_of_one(by_offset: np.ndarray) -> np.ndarray:
    """Scale each head's mass to a sum of 1; a head without any keeps none."""
    total = by_offset.sum(axis=-1, keepdims=True)
    return np.divide(by_offset, total, out=np.zeros_like(by_offset), where=total > 0)


def _mean(mass: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Average positions, weighted by mass on the last axis."""
    return (mass * positions).sum(-1) / mass.sum(-1)


def _distances(by_distance: np.ndarray, by_offset: np.ndarray) -> dict[str, Any]:
    """Give the table entries of one head, or of the baseline."""
    reach = by_offset.shape[-1] // 2
    mean = float(_mean(by_distance, np.arange(reach + 1)))
    quantiles = {f"{q:.0%}": int(distance.mass_quantile(by_distance, q)) for q in QUANTILES}
    return {
        "mean_frames": finite(mean),
        "mean_s": finite(mean * FRAME_S),
        "mean_offset_frames": finite(float(_mean(by_offset, np.arange(-reach, reach + 1)))),
        "quantiles_frames": quantiles,
        "quantiles_s": {name: finite(frames * FRAME_S) for name, frames in quantiles.items()},
        "share_within": {str(k): finite(float(distance.share_within(by_distance, k))) for k in distance.SHARE_FRAMES},
    }


class _Gatherer:
    """Sums the patterns of all blocks by offset while the encoder runs; itself the edit that changes nothing."""

    def __init__(self, model: Whisper) -> None:
        shape = (model.n_encoder_blocks, model.n_heads)
        self.by_offset = np.zeros((*shape, 2 * model.n_frames - 1))
        self.on_padding = np.zeros(shape)
        self._kinds = np.zeros((0, model.n_frames), dtype=np.int8)
        self._next_window = [0] * model.n_encoder_blocks

    def start(self, kinds: np.ndarray) -> None:
        """Make ready for the windows of one clip, kinds int8 [window, frame]."""
        self._kinds = kinds
        self._next_window = [0] * len(self._next_window)

    def watch(self, block: int, pattern: Tensor) -> Tensor:
        """Sum one block's pattern [window, head, frame, frame] and hand it back as it is."""
        first = self._next_window[block]
        self._next_window[block] = first + len(pattern)
        for kinds, heads in zip(self._kinds[first : first + len(pattern)], pattern.detach(), strict=True):
            rows = torch.as_tensor(kinds == Kind.SPEECH, device=pattern.device)
            padding = torch.as_tensor(kinds == Kind.PADDING, device=pattern.device)
            for head, values in enumerate(heads.float()):
                self.by_offset[block, head] += distance.offset_mass(values, rows, ~padding).double().cpu().numpy()
                self.on_padding[block, head] += float(values[rows][:, padding].sum())
        return pattern


def locality(
    model: Whisper,
    clips: Iterable[Sound],
    *,
    local_within: int = LOCAL_WITHIN_FRAMES,
    local_share: float = LOCAL_SHARE,
    progress: Callable[[int, int], None] | None = None,
) -> Locality:
    """Measure how far every encoder head listens, over the speech frames of a corpus.

    Clips are taken one at a time and forgotten, so a corpus of any length will do.

    Args:
        model: Any Whisper.
        clips: Clips, arrays at 16 kHz or paths.
        local_within: A head is local when enough of its attention lies within so many frames (20 ms each).
        local_share: How much is enough, from 0 to 1.
        progress: Called after each clip with the number done and the number in all (0 when it is not known).

    Returns:
        The distances of all heads beside those of even attention over the same frames.

    Raises:
        InputError: A setting is out of range, there are no clips, or no clip holds speech.

    Source:
        Ours, after the observation in "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1; the mean distance
        is that of Vig and Belinkov 2019, "Analyzing the structure of attention", section 4.3.
    """
    if local_within < 0:
        raise InputError(f"local_within={local_within}: a distance of 0 frames or more is needed. 50 frames are 1 s.")
    if not 0 < local_share <= 1:
        raise InputError(f"local_share={local_share}: a share above 0 and at most 1 is needed. The default is 0.9.")
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
        model=model.id,
        n_clips=n_clips,
        n_windows=n_windows,
        n_speech_frames=n_speech,
        by_offset=_each_of_one(gatherer.by_offset),
        uniform_by_offset=uniform / n_speech,
        padding_share=gatherer.on_padding / n_speech,
        local_within=local_within,
        local_share=local_share,
    )
