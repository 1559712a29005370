"""Activations as one self-describing safetensors file: sites are the keys, everything else is in the metadata.

Memory: a copy of the tensors. Knows tensors and labels, not how they were read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file

from otoscope.audio.kinds import Kind, window_kinds
from otoscope.base.clocks import FRAME_S, MEL_FRAME_S, SAMPLE_RATE_HZ
from otoscope.base.version import __version__

if TYPE_CHECKING:
    from torch import Tensor

    from otoscope.audio.clip import Clip
    from otoscope.model.sites import Site
    from otoscope.model.whisper import Whisper

SCHEMA_VERSION = 1


def write_activations(
    path: Path, tensors: Mapping[str, Tensor], model: Whisper, clip: Clip, tokens: Tensor | None
) -> None:
    """Write the activations of one clip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # save_file refuses tensors that share memory, as a site and a view of it may
    copies = {name: tensor.detach().cpu().clone(memory_format=_contiguous()) for name, tensor in tensors.items()}
    save_file(copies, path, metadata=_metadata(tensors, model, clip, tokens))


def _contiguous() -> Any:
    import torch

    return torch.contiguous_format


def _metadata(tensors: Mapping[str, Tensor], model: Whisper, clip: Clip, tokens: Tensor | None) -> dict[str, str]:
    """Give the file's metadata; safetensors takes only text, so everything else is written as JSON."""
    axes = {site.name: site.axes for site in model.sites() if site.name in tensors}
    clock = {
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "mel_frame_s": MEL_FRAME_S,
        "frame_s": FRAME_S,
        "frames_per_window": model.n_frames,
        "window_s": model.window_s,
    }
    about_clip = {
        "id": clip.id,
        "audio": None if clip.path is None else str(clip.path),
        "duration_s": clip.duration_s,
        "n_samples": len(clip.samples),
        "transcript": clip.transcript,
    }
    values = {
        "schema_version": SCHEMA_VERSION,
        "clock": clock,
        "clip": about_clip,
        "kinds": _runs(window_kinds(clip.samples, model.window_samples)),
        "axes": axes,
    }
    if tokens is not None:
        values["tokens"] = tokens.tolist()
    texts = {"otoscope": __version__, "model": model.id, "weights_hash": model.weights_hash}
    return texts | {name: json.dumps(value) for name, value in values.items()}


def _runs(kinds: Any) -> list[list[tuple[str, int, int]]]:
    """Write the kinds of each window's frames as (kind, start, stop)."""
    windows = []
    for row in kinds:
        runs, start = [], 0
        for kind, frames in groupby(row.tolist()):
            stop = start + len(list(frames))
            runs.append((Kind(kind).name.lower(), start, stop))
            start = stop
        windows.append(runs)
    return windows


def n_bytes_expected(sites: Sequence[Site], n_windows: int, bytes_per_value: int) -> int:
    """Compute how large the activations of recordings will be."""
    total = 0
    for site in sites:
        lengths = [length for axis, length in zip(site.axes, site.shape, strict=True) if axis != "window"]
        n_values = 1
        for length in lengths:
            n_values *= length or 0
        total += n_values
    return total * n_windows * bytes_per_value
