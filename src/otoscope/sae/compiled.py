"""Sparse codes on the CPU: the loops of `kernel.py`, divided among as many threads as torch has.

Encoding needs the product of all frames with all features, the only costly part. Here it only decides which features
can be among the chosen ones: it is computed in bfloat16 if the processor supports that (several times as fast), the
error of each product is bounded by the rounding errors of its factors, and every feature that could be chosen within
that bound is computed again in float32. So the choice and the strengths are always those of float32.

`plain.py` does the same in torch alone.

Source:
    |x.w - x'.w'| <= |x - x'| |w| + |x'| |w - w'| (Cauchy-Schwarz), and at most `d_in` roundings of a sum.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otoscope.sae import kernel
from otoscope.sae.code import Code, Weights

Array = np.ndarray[Any, Any]

_SAFETY = np.float32(1.01)
_TINY = np.finfo(np.float32).tiny
_MANY_FRAMES = 128
"""For this many frames, or fewer, products in bfloat16 save less time than rounding the weights takes."""
_BFLOAT16_SHARE = np.float32(2**-8)
"""Twice the largest relative error of rounding to bfloat16."""


# threads


@cache
def _threads(n_threads: int, process: int) -> ThreadPoolExecutor:
    """Return the threads besides the caller's; a process forked from this one gets its own."""
    return ThreadPoolExecutor(n_threads, thread_name_prefix="sparse-code")


def share_out(bounds: Sequence[int], work: Callable[[int, int], Any]) -> list[Any]:
    """Call `work(first, stop)` for the stretches between bounds, all at the same time."""
    stretches = [(first, stop) for first, stop in pairwise(bounds) if first < stop]
    if len(stretches) < 2:
        return [work(*stretch) for stretch in stretches]
    threads = _threads(len(stretches) - 1, os.getpid())
    others = [threads.submit(work, *stretch) for stretch in stretches[1:]]
    mine = work(*stretches[0])
    return [mine, *(other.result() for other in others)]


def _evenly(n: int) -> list[int]:
    n_threads = torch.get_num_threads()
    return [n * i // n_threads for i in range(n_threads + 1)]


def _by_load(loads: Array) -> list[int]:
    """Find bounds that divide the load evenly, given its cumulative sums from 0 on."""
    n_threads = torch.get_num_threads()
    inner = np.searchsorted(loads, [loads[-1] * i / n_threads for i in range(1, n_threads)])
    return [0, *(int(index) for index in inner), len(loads) - 1]


# encoding


@dataclass(frozen=True)
class _Chunk:
    """Rough products of some frames, and bounds on their errors, as the choosing loops take them."""

    first: int
    rough: Array
    x: Array
    margins: Array
    share: np.float32


class _Screen:
    """Computes rough products of frames with features, some frames at a time.

    `columns`: which features; None for all.
    """

    def __init__(self, weights: Weights, n_frames: int, columns: Tensor | None = None) -> None:
        self._weights, self._is_trusted = weights, weights.precision == "bfloat16"
        rows = weights.W_enc if columns is None else weights.W_enc[columns]
        bias = weights.b_enc if columns is None else weights.b_enc[columns]
        is_short = self._is_trusted or (n_frames > _MANY_FRAMES and multiplies_bfloat16())
        self._dtype = torch.bfloat16 if is_short else torch.float32
        self._rows = _passing(len(rows), rows.shape[1], self._dtype).copy_(rows) if is_short else rows
        lengths, off = _rounding(rows, self._rows)
        self._off = float((off / np.maximum(lengths, _TINY)).max(initial=0.0))
        self.bias, self.slack = bias.numpy(), lengths * _SAFETY
        n = weights.n_features
        every = torch.arange(n) if columns is None else columns
        self.columns = every.to(torch.int32).numpy()
        self.W_enc = weights.W_enc.numpy()

    def chunks(self, x: Tensor, size: int) -> Iterator[_Chunk]:
        """Give rough products of all frames, `size` frames at a time; each chunk is overwritten by the next."""
        rough = _passing(min(size, len(x)), len(self._rows), self._dtype)
        for first in range(0, len(x), size):
            centred = x[first : first + size] - self._weights.b_dec
            short = centred.to(self._dtype)
            out = rough[: len(centred)]
            torch.mm(short, self._rows.T, out=out)
            bits = out.view(torch.uint16).numpy() if self._dtype == torch.bfloat16 else out.numpy()
            share = _BFLOAT16_SHARE if self._dtype == torch.bfloat16 else kernel.ROUNDING
            margins = self._margins(centred, short)
            yield _Chunk(first, bits, centred.numpy(), margins, np.float32(0) if self._is_trusted else share)

    def _margins(self, x: Tensor, short: Tensor) -> Array:
        """Bound the error of a product with a row of length 1, for every frame."""
        if self._is_trusted:
            return np.zeros(len(x), np.float32)
        lengths, off = _rounding(x, short)
        of_sums = np.float32(4 * x.shape[1] * 2.0**-24)
        return (lengths * (of_sums + np.float32(self._off)) + off) * _SAFETY + _TINY


def _rounding(x: Tensor, short: Tensor) -> tuple[Array, Array]:
    """Compute the lengths of vectors, and of their rounding errors."""
    if short.dtype == torch.float32:
        return x.norm(dim=1).numpy(), np.zeros(len(x), np.float32)
    lengths, off = np.empty(len(x), np.float32), np.empty(len(x), np.float32)
    arrays = x.numpy(), short.view(torch.uint16).numpy()
    share_out(_evenly(len(x)), lambda first, stop: kernel.measure_rounding(*arrays, first, stop, lengths, off))
    return lengths, off


def _passing(n_rows: int, n_columns: int, dtype: torch.dtype) -> Tensor:
    """Allocate memory that returns to the system as soon as it is freed.

    The allocator would keep it, in gaps that are too small for the gradients.
    """
    return torch.frombuffer(mmap.mmap(-1, n_rows * n_columns * dtype.itemsize), dtype=dtype).view(n_rows, n_columns)


@cache
def multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for products in bfloat16, which are slow without."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, lambda: False)()) for name in names)


def choose_rows(
    x: Tensor, weights: Weights, k: int, *, least: float = 0.0, columns: Tensor | None = None, chunk: int = 0
) -> Code:
    """Choose the k largest strengths of every frame.

    `x`: float32 [frame, d_in].
    `columns`: features to choose from, ascending; None for all.
    `chunk`: frames at a time, 0 for the default; affects only time and memory.
    Returns the code; of equal strengths the earlier features are chosen.
    """
    screen = _Screen(weights, len(x), columns)
    n = len(x)
    counts, features = np.zeros(n, np.int64), np.empty((n, k), np.int32)
    values = np.empty((n, k), np.float32)
    for part in screen.chunks(x, chunk or weights.chunk_frames):
        rows = slice(part.first, part.first + len(part.x))
        chosen = (counts[rows], features[rows], values[rows])

        def work(first: int, stop: int, part: _Chunk = part, chosen: tuple[Array, ...] = chosen) -> None:
            kernel.choose_in_rows(
                part.rough, part.x, screen.W_enc, screen.bias, screen.columns, screen.slack, part.margins, part.share,
                k, np.float32(least), first, stop, chosen,
            )  # fmt: skip

        share_out(_evenly(len(part.x)), work)
    offsets = _offsets(counts)
    if offsets[-1] == n * k:
        return _code(offsets, features.reshape(-1), values.reshape(-1), weights.n_features)
    packed = np.empty(offsets[-1], np.int32), np.empty(offsets[-1], np.float32)
    kernel.pack_rows(counts, features, values, offsets, *packed)
    return _code(offsets, *packed, weights.n_features)


def choose_above(x: Tensor, weights: Weights, bar: float, most: int, *, chunk: int = 0) -> Code:
    """Choose all strengths above a bar, or if these are many, at least the `most` largest.

    `x`: float32 [frame, d_in].
    `most`: as soon as there are clearly more, those that are not among the `most` largest are dropped.
    `chunk`: frames at a time, 0 for the default.
    """
    screen, n_features = _Screen(weights, len(x)), weights.n_features
    chunk = min(chunk or weights.chunk_frames, len(x))
    room, kept = _Entries(chunk * n_features), _Entries(2 * most + chunk * n_features)
    counts, n, least = np.zeros(len(x), np.int64), 0, np.float32(bar)
    for part in screen.chunks(x, chunk):
        end = part.first + len(part.x)
        here = counts[part.first : end]

        def work(first: int, stop: int, part: _Chunk = part, here: Array = here, bar: np.float32 = least) -> slice:
            begin = first * n_features
            n_chosen = kernel.choose_above(
                part.rough, part.x, screen.W_enc, screen.bias, screen.slack, part.margins, part.share, bar,
                first, stop, here, room.features[begin:], room.values[begin:],
            )  # fmt: skip
            return slice(begin, begin + n_chosen)

        for entries in share_out(_evenly(len(part.x)), work):
            n = kept.add(n, room, entries)
        if n > most + most // 2:
            floor = _nth_largest(kept.values[:n], most)
            n = kernel.keep_above(counts[:end], kept.features, kept.values, floor, n)
            least = np.nextafter(floor, np.float32(0))  # so that strengths equal to the floor can still be chosen
    return _code(_offsets(counts), kept.features[:n], kept.values[:n], n_features)


class _Entries:
    """Buffers for entries of a code; the system allocates only the memory that is written to."""

    def __init__(self, size: int) -> None:
        self.features: Array = _passing(size, 1, torch.int32).numpy().reshape(-1)
        self.values: Array = _passing(size, 1, torch.float32).numpy().reshape(-1)

    def add(self, n: int, other: _Entries, entries: slice) -> int:
        """Append entries from other buffers after the first n; returns the new number."""
        end = n + entries.stop - entries.start
        self.features[n:end], self.values[n:end] = other.features[entries], other.values[entries]
        return end


def nth_largest(values: Tensor, n: int) -> float:
    """Return the nth largest value."""
    return float(_nth_largest(values.numpy(), n))


def _nth_largest(values: Array, n: int) -> np.float32:
    index = len(values) - n
    return np.float32(np.partition(values, index)[index])


def choose_largest(code: Code, least: float, n_equal: int) -> Code:
    """Keep the strengths above `least`, and the first `n_equal` that equal it; the given code is overwritten."""
    counts, features, values = code.offsets.diff().numpy(), code.features.numpy(), code.values.numpy()
    n = kernel.keep_above(counts, features, values, np.float32(least), n_equal)
    return _code(_offsets(counts), features[:n].copy(), values[:n].copy(), code.n_features)


def _offsets(counts: Array) -> Array:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def _code(offsets: Array, features: Array, values: Array, n_features: int) -> Code:
    return Code(torch.from_numpy(offsets), torch.from_numpy(features), torch.from_numpy(values), n_features)


# products with a code


def levels(code: Code, widths: Sequence[int]) -> Tensor:
    """Find where in every frame the features of each nested dictionary end: int64 [width + 1, frame]."""
    starts = np.empty((len(widths) + 1, code.n_frames), np.int64)
    kernel.split_rows(code.offsets.numpy(), code.features.numpy(), np.asarray(widths), starts)
    return torch.from_numpy(starts)


def add_rows(code: Code, starts: Tensor, stops: Tensor, rows: Tensor, sign: float, out: Tensor) -> None:
    """Add to every frame of `out` the rows of its active features, each times its strength.

    `starts`: the first entry of each frame to use.
    `stops`: the entry after the last to use.
    `rows`: float32 [feature, d_in].
    `out`: float32 [frame, d_in], added to.
    """
    arrays = starts.numpy(), stops.numpy(), code.features.numpy(), code.values.numpy(), rows.numpy()
    into = out.numpy()
    share_out(_evenly(len(into)), lambda first, stop: kernel.add_rows(*arrays, np.float32(sign), into, first, stop))


def sum_of_squares(x: Tensor) -> float:
    """Add up the squares of all values, frame by frame."""
    squares, array = np.empty(len(x)), x.numpy()
    share_out(_evenly(len(x)), lambda first, stop: kernel.sum_squares(array, first, stop, squares))
    return float(squares.sum())


def strength_gradients(
    code: Code, starts: Tensor, stops: Tensor, rows: Tensor, gradient: Tensor, factor: float, out: Tensor
) -> None:
    """Compute the gradient of each strength: its feature's row times its frame's gradient.

    `starts`: as in `add_rows`, and so are `stops` and `rows`.
    `stops`: the entry after the last to use.
    `rows`: float32 [feature, d_in].
    `gradient`: the gradient of the reconstruction, except for a factor: float32 [frame, d_in].
    `out`: float32 [entry], written to.
    """
    arrays = starts.numpy(), stops.numpy(), code.features.numpy(), rows.numpy(), gradient.numpy()
    scale, into = np.float32(factor), out.numpy()
    share_out(
        _evenly(len(gradient)),
        lambda first, stop: kernel.strength_gradients(*arrays, scale, into, first, stop),
    )


class ByFeature:
    """The entries of a code, sorted by feature."""

    def __init__(self, code: Code) -> None:
        n = len(code.features)
        self._code = code
        self._sorted = np.zeros(code.n_features + 1, np.int64), np.empty(n, np.int32), np.empty(n, np.int32)
        kernel.transpose(code.offsets.numpy(), code.features.numpy(), *self._sorted)

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
        """Add the gradients of the weights of some features."""
        W_enc, b_enc, W_dec = into  # noqa: N806
        decoder = np.empty((0, x.shape[1]), np.float32) if W_dec is None else W_dec.numpy()
        arrays = (
            self._sorted, self._code.values.numpy(), strengths.numpy(), gradient.numpy(), np.float32(factor),
            x.numpy(), b_dec.numpy(), (W_enc.numpy(), b_enc.numpy(), decoder),
        )  # fmt: skip
        first, stop = between
        bounds = [first + index for index in _by_load(self._sorted[0][first : stop + 1] - self._sorted[0][first])]
        share_out(bounds, lambda first, stop: kernel.add_weight_gradients(*arrays, first, stop))


# decoder rows


def take_off_lengthwise(rows: Tensor, gradient: Tensor) -> None:
    """Remove from each row's gradient its component along the row, which has length 1, in place."""
    arrays = rows.numpy(), gradient.numpy()
    share_out(_evenly(len(rows)), lambda first, stop: kernel.take_off_lengthwise(*arrays, first, stop))


def set_to_length_one(rows: Tensor) -> None:
    """Scale every row to length 1, in place; a row of zeros stays."""
    array = rows.numpy()
    share_out(_evenly(len(rows)), lambda first, stop: kernel.set_to_length_one(array, first, stop))
