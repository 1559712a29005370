"""Sparse codes on any device, in plain torch: the same functions as `compiled.py`, which is for the CPU.

The product of frames with features is computed in the coder's precision, and strengths are taken from it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from otoscope.sae.code import Code, Weights

_ENTRIES = 1 << 16
"""Entries whose rows are gathered at a time, on any device."""


def _strengths(x: Tensor, weights: Weights, columns: Tensor | None) -> Tensor:
    """Compute the strengths of all features before any are chosen."""
    rows = weights.W_enc if columns is None else weights.W_enc[columns]
    bias = weights.b_enc if columns is None else weights.b_enc[columns]
    centred = x - weights.b_dec
    if weights.precision == "bfloat16":
        return (centred.bfloat16() @ rows.bfloat16().T).float() + bias
    return torch.addmm(bias, centred, rows.T)


def choose_rows(
    x: Tensor, weights: Weights, k: int, *, least: float = 0.0, columns: Tensor | None = None, chunk: int = 0
) -> Code:
    """Choose the k largest strengths of every frame; torch decides among equal ones. See `compiled.py`."""
    size = chunk or weights.chunk_frames
    counts, features, values = [], [], []
    for first in range(0, len(x), size):
        top = _strengths(x[first : first + size], weights, columns).topk(k, dim=1, sorted=False)
        indices, order = top.indices.sort(dim=1)
        strength = top.values.gather(1, order)
        is_kept = strength > least
        counts.append(is_kept.sum(dim=1))
        features.append((indices if columns is None else columns[indices])[is_kept].to(torch.int32))
        values.append(strength[is_kept])
    return _code(counts, features, values, weights.n_features)


def choose_above(x: Tensor, weights: Weights, bar: float, most: int, *, chunk: int = 0) -> Code:
    """Choose all strengths above a bar, or if these are many, at least the `most` largest. See `compiled.py`."""
    size = chunk or weights.chunk_frames
    counts: list[Tensor] = []
    features: list[Tensor] = []
    values: list[Tensor] = []
    for first in range(0, len(x), size):
        strength = _strengths(x[first : first + size], weights, None)
        is_kept = strength > bar
        counts.append(is_kept.sum(dim=1))
        features.append(is_kept.nonzero()[:, 1].to(torch.int32))
        values.append(strength[is_kept])
        if sum(map(len, values)) > most + most // 2:
            code = _code(counts, features, values, weights.n_features)
            least = code.values.kthvalue(len(code.values) - most + 1).values
            code = choose_largest(code, float(least), len(code.values))
            counts, features, values = [code.offsets.diff()], [code.features], [code.values]
            bar = float(torch.nextafter(least, torch.zeros_like(least)))
    return _code(counts, features, values, weights.n_features)


def choose_largest(code: Code, least: float, n_equal: int) -> Code:
    """Keep the strengths above `least`, and the first `n_equal` that equal it."""
    is_equal = code.values == least
    is_kept = (code.values > least) | (is_equal & (is_equal.cumsum(0) <= n_equal))
    kept = torch.cat([is_kept.new_zeros(1, dtype=torch.int64), is_kept.cumsum(0)])
    return Code(kept[code.offsets], code.features[is_kept], code.values[is_kept], code.n_features)


def nth_largest(values: Tensor, n: int) -> float:
    """Return the nth largest value."""
    return float(values.kthvalue(len(values) - n + 1).values)


def _code(counts: Sequence[Tensor], features: Sequence[Tensor], values: Sequence[Tensor], n_features: int) -> Code:
    every = torch.cat(list(counts))
    offsets = torch.cat([every.new_zeros(1), every.cumsum(0)])
    return Code(offsets, torch.cat(list(features)), torch.cat(list(values)), n_features)


def levels(code: Code, widths: Sequence[int]) -> Tensor:
    """Find where in every frame the features of each nested dictionary end: int64 [width + 1, frame]."""
    starts = [code.offsets[:-1]]
    for width in widths:
        below = torch.cat([code.offsets.new_zeros(1), (code.features < width).cumsum(0)])
        starts.append(code.offsets[:-1] + below[code.offsets].diff())
    return torch.stack(starts)


def _entries(starts: Tensor, stops: Tensor) -> tuple[Tensor, Tensor]:
    """List the entries between starts and stops, and the frame of each."""
    counts = stops - starts
    frames = torch.repeat_interleave(counts)
    first = torch.cat([counts.new_zeros(1), counts.cumsum(0)])[:-1]
    return torch.arange(len(frames), device=frames.device) - first[frames] + starts[frames], frames


def add_rows(code: Code, starts: Tensor, stops: Tensor, rows: Tensor, sign: float, out: Tensor) -> None:
    """Add to every frame of `out` the rows of its active features, each times its strength. See `compiled.py`."""
    entries, frames = _entries(starts, stops)
    for chunk, chunk_frames in zip(entries.split(_ENTRIES), frames.split(_ENTRIES), strict=True):
        out.index_add_(0, chunk_frames, rows[code.features[chunk].long()] * code.values[chunk, None], alpha=sign)


def sum_of_squares(x: Tensor) -> Tensor:
    """Add up the squares of all values."""
    return x.flatten().dot(x.flatten())


def strength_gradients(
    code: Code, starts: Tensor, stops: Tensor, rows: Tensor, gradient: Tensor, factor: float, out: Tensor
) -> None:
    """Compute the gradient of each strength. See `compiled.py`."""
    entries, frames = _entries(starts, stops)
    for chunk, chunk_frames in zip(entries.split(_ENTRIES), frames.split(_ENTRIES), strict=True):
        out[chunk] = (rows[code.features[chunk].long()] * gradient[chunk_frames]).sum(dim=1) * factor


class ByFeature:
    """The entries of a code, to be added up by feature."""

    def __init__(self, code: Code) -> None:
        self._code = code

    def add_gradients(
        self,
        between: tuple[int, int],
        strengths: Tensor,
        gradient: Tensor,
        factor: float,
        x: Tensor,
        b_dec: Tensor,
        into: tuple[Tensor, Tensor, Tensor | None],
    ) -> None:
        """Add the gradients of the weights of some features. See `compiled.py`."""
        W_enc, b_enc, W_dec = into  # noqa: N806
        frames_of = torch.repeat_interleave(self._code.offsets.diff())
        is_between = (self._code.features >= between[0]) & (self._code.features < between[1])
        for chunk in is_between.nonzero()[:, 0].split(_ENTRIES):
            features, frames = self._code.features[chunk].long(), frames_of[chunk]
            b_enc.index_add_(0, features, strengths[chunk])
            W_enc.index_add_(0, features, (x[frames] - b_dec) * strengths[chunk, None])
            if W_dec is not None:
                W_dec.index_add_(0, features, gradient[frames] * self._code.values[chunk, None], alpha=factor)


def take_off_lengthwise(rows: Tensor, gradient: Tensor) -> None:
    """Remove from each row's gradient its component along the row, which has length 1, in place."""
    along = torch.linalg.vecdot(rows, gradient)
    gradient.addcmul_(rows, along[:, None], value=-1)


def set_to_length_one(rows: Tensor) -> None:
    """Scale every row to length 1, in place; a row of zeros stays."""
    lengths = rows.norm(dim=1, keepdim=True)
    rows /= torch.where(lengths > 0, lengths, 1)
