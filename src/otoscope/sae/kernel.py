"""The compiled loops of a sparse code: choosing the active features of every frame, and all products with them.

A sparse code is stored in rows: `offsets` [frame + 1] says where each frame's entries begin, `features` and `values`
are its active features, in ascending order, and their strengths. Every loop takes a stretch of frames or of features,
so that threads can divide the work; each result is computed in one stretch and in one order, so it has the same bits
for any division. Works on arrays only.

Choosing: the product of all frames with all features is computed elsewhere and need only be rough. Given bounds on its
errors, a loop finds the features that could be among the chosen, computes only those again in float32, and chooses
among them. So the choice and the strengths do not depend on the precision of the rough product.
"""

from __future__ import annotations

import numpy as np
from numba import njit

BLOCK = 32
"""Features that are checked together for whether any can be chosen."""

SLOTS = 4
"""Slots used to find candidates, as a multiple of the features to choose; see `_at_most_kth`."""

ROUNDING = np.float32(2**-22)
"""Bound on the relative error of a float32 sum of two numbers, with a safety factor of 2."""

_OPTIONS = {"nogil": True, "cache": True, "boundscheck": False, "error_model": "numpy"}
_FAST = {"reassoc", "contract"}


@njit(fastmath=_FAST, **_OPTIONS)
def _dot(a, b):
    total = np.float32(0)
    for j in range(len(a)):
        total += a[j] * b[j]
    return total


@njit(fastmath=_FAST, **_OPTIONS)
def measure_rounding(x, short, first, stop, lengths, off):
    """Compute the lengths of vectors, and of their rounding errors."""
    row = np.empty(x.shape[1], np.float32)
    bits = row.view(np.uint32)
    for t in range(first, stop):
        square = off_square = np.float32(0)
        for j in range(len(row)):
            bits[j] = np.uint32(short[t, j]) << np.uint32(16)
        for j in range(len(row)):
            square += x[t, j] * x[t, j]
            off_square += (x[t, j] - row[j]) * (x[t, j] - row[j])
        lengths[t], off[t] = np.sqrt(square), np.sqrt(off_square)


@njit(**_OPTIONS)
def _largest(values, n, nth):
    """Return the nth largest (from 1) of the first n values, which are reordered (Hoare's selection)."""
    low, high, index = 0, n - 1, nth - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if index <= j:
            high = j
        elif index >= i:
            low = i
        else:
            break
    return values[index]


@njit(**_OPTIONS)
def _at_most_kth(values, k, least, highest):
    """Return a bar that at least k of the values reach, or `least` if that is higher.

    The values are dealt to slots in turn, and the bar is the kth largest of the slots' maxima, which k slots reach.
    With several times as many slots as k, hardly more than k values reach it.
    """
    n, n_slots = len(values), len(highest)
    if n_slots < k:
        return least
    highest[:] = values[:n_slots]
    for left in range(n_slots, n - n_slots + 1, n_slots):
        dealt = values[left : left + n_slots]
        for j in range(n_slots):
            highest[j] = max(highest[j], dealt[j])
    dealt = values[n - n % n_slots :]
    for j in range(len(dealt)):
        highest[j] = max(highest[j], dealt[j])
    return max(least, _largest(highest, n_slots, k))


@njit(**_OPTIONS)
def _bounds(rough, bias, slack, margin, share, low, high):
    """Bound each strength from below and above, given rough products as float32 or as the upper half of its bits."""
    if rough.itemsize == 2:
        bits = low.view(np.uint32)
        for j in range(len(rough)):
            bits[j] = np.uint32(rough[j]) << np.uint32(16)
    else:
        low[:] = rough
    for j in range(len(rough)):
        value = low[j]
        middle = value + bias[j]
        width = abs(value) * share + slack[j] * margin + abs(middle) * ROUNDING
        low[j] = middle - width
        high[j] = middle + width


@njit(**_OPTIONS)
def _find_above(values, bar, indices):
    """Find the indices of all values at or above a bar; returns how many."""
    n, n_found = len(values), 0
    for left in range(0, n, BLOCK):
        block = values[left : min(left + BLOCK, n)]
        hits = np.int32(0)
        for j in range(len(block)):
            hits += np.int32(block[j] >= bar)
        if hits:
            for j in range(len(block)):
                indices[n_found] = left + j
                n_found += np.int64(block[j] >= bar)
    return n_found


@njit(**_OPTIONS)
def choose_in_rows(rough, x, weights, bias, columns, slack, margins, share, k, least, first, stop, chosen):
    """Choose the k largest strengths of every frame, the earliest feature first among equal ones."""
    counts, features, values = chosen
    n = rough.shape[1]
    low, high = np.empty(n, np.float32), np.empty(n, np.float32)
    highest = np.empty(min(n, max(SLOTS * k, BLOCK)), np.float32)
    candidates = np.empty(n + 1, np.int32)
    exact, order = np.empty(n, np.float32), np.empty(n, np.float32)
    for t in range(first, stop):
        _bounds(rough[t], bias, slack, margins[t], share, low, high)
        bar = _at_most_kth(low, k, least, highest)
        n_candidates = _find_above(high, bar, candidates)
        n_left = 0
        for i in range(n_candidates):
            c = candidates[i]
            value = _dot(x[t], weights[columns[c]]) + bias[c]
            if value > least:
                candidates[n_left] = c
                exact[n_left] = order[n_left] = value
                n_left += 1
        bar, n_equal = least, 0
        if n_left > k:
            bar = _largest(order, n_left, k)
            n_equal = k
            for i in range(n_left):
                n_equal -= np.int64(exact[i] > bar)
        n_chosen = 0
        for i in range(n_left):
            if exact[i] == bar:
                n_equal -= 1
                if n_equal < 0:
                    continue
            elif exact[i] < bar:
                continue
            features[t, n_chosen], values[t, n_chosen] = columns[candidates[i]], exact[i]
            n_chosen += 1
        counts[t] = n_chosen


@njit(**_OPTIONS)
def choose_above(rough, x, weights, bias, slack, margins, share, bar, first, stop, counts, features, values):
    """Choose the strengths of every frame that are above a bar.

    Args:
        rough: As in `choose_in_rows`, and so are `x`, `weights`, `margins` and `share`.
        x: The encoded vectors.
        weights: The encoder's rows.
        bias: As in `choose_in_rows`, but [feature].
        slack: As in `choose_in_rows`, but [feature].
        margins: Error bounds by frame.
        share: Error bound of a product as a share of itself.
        bar: Only strengths above this are chosen.
        first: The first frame.
        stop: The frame after the last.
        counts: Written to: number per frame [frame].
        features: Written to: the features, frame by frame.
        values: Written to: their strengths.

    Returns:
        The number in all frames.
    """
    n = rough.shape[1]
    low, high = np.empty(n, np.float32), np.empty(n, np.float32)
    candidates = np.empty(n + 1, np.int32)
    entry = 0
    for t in range(first, stop):
        _bounds(rough[t], bias, slack, margins[t], share, low, high)
        n_candidates = _find_above(high, bar, candidates)
        before = entry
        for i in range(n_candidates):
            f = candidates[i]
            value = _dot(x[t], weights[f]) + bias[f]
            if value > bar:
                features[entry], values[entry] = f, value
                entry += 1
        counts[t] = entry - before
    return entry


@njit(**_OPTIONS)
def keep_above(counts, features, values, bar, n_equal):
    """Drop entries below a bar, in place, and keep the first `n_equal` that equal it; returns how many are left."""
    kept = entry = 0
    for t in range(len(counts)):
        before = kept
        for _ in range(counts[t]):
            value = values[entry]
            is_kept = value > bar
            if value == bar and n_equal > 0:
                is_kept = True
                n_equal -= 1
            if is_kept:
                features[kept], values[kept] = features[entry], value
                kept += 1
            entry += 1
        counts[t] = kept - before
    return kept


@njit(**_OPTIONS)
def pack_rows(counts, features, values, offsets, packed_features, packed_values):
    """Pack entries that are stored in rows of equal length."""
    for t in range(len(counts)):
        for i in range(counts[t]):
            packed_features[offsets[t] + i] = features[t, i]
            packed_values[offsets[t] + i] = values[t, i]


@njit(**_OPTIONS)
def split_rows(offsets, features, widths, starts):
    """Find where in every frame the features of each nested dictionary end."""
    for t in range(len(offsets) - 1):
        entry = offsets[t]
        starts[0, t] = entry
        for level in range(len(widths)):
            while entry < offsets[t + 1] and features[entry] < widths[level]:
                entry += 1
            starts[level + 1, t] = entry


@njit(fastmath=_FAST, **_OPTIONS)
def add_rows(starts, stops, features, values, rows, sign, out, first, stop):
    """Add to every frame the sum of the rows of its features, each times its strength.

    Args:
        starts: Each frame's first entry, [frame].
        stops: The entry after its last, [frame].
        features: The feature of each entry.
        values: The strength of each entry.
        rows: float32 [feature, d_in].
        sign: A factor for all rows.
        out: Added to, float32 [frame, d_in].
        first: The first frame.
        stop: The frame after the last.
    """
    for t in range(first, stop):
        total = out[t]
        entry, end = starts[t], stops[t]
        while entry + 4 <= end:  # four at a time: the sum is read and written once for all four
            a, b = rows[features[entry]], rows[features[entry + 1]]
            c, d = rows[features[entry + 2]], rows[features[entry + 3]]
            p, q = sign * values[entry], sign * values[entry + 1]
            r, s = sign * values[entry + 2], sign * values[entry + 3]
            for j in range(len(total)):
                total[j] += p * a[j] + q * b[j] + r * c[j] + s * d[j]
            entry += 4
        while entry < end:
            a, p = rows[features[entry]], sign * values[entry]
            for j in range(len(total)):
                total[j] += p * a[j]
            entry += 1


@njit(fastmath=_FAST, **_OPTIONS)
def sum_squares(x, first, stop, squares):
    """Compute the squared length of every frame, float64."""
    for t in range(first, stop):
        row, total = x[t], np.float32(0)
        for j in range(len(row)):
            total += row[j] * row[j]
        squares[t] = total


@njit(**_OPTIONS)
def strength_gradients(starts, stops, features, rows, gradient, factor, out, first, stop):
    """Compute the gradient of every entry's strength: its feature's row times the frame's gradient."""
    for t in range(first, stop):
        for entry in range(starts[t], stops[t]):
            out[entry] = _dot(gradient[t], rows[features[entry]]) * factor


@njit(**_OPTIONS)
def transpose(offsets, features, first_entry, frames, entries):
    """Sort entries by feature, those of a feature by frame.

    Args:
        offsets: Where each frame's entries begin.
        features: The feature of each entry.
        first_entry: Written to: where each feature's sorted entries begin, int64 [feature + 1]; zeros at first.
        frames: Written to: the frame of each sorted entry.
        entries: Written to: the number of each sorted entry in the code.
    """
    for entry in range(len(features)):
        first_entry[features[entry] + 1] += 1
    for f in range(len(first_entry) - 1):
        first_entry[f + 1] += first_entry[f]
    for t in range(len(offsets) - 1):
        for entry in range(offsets[t], offsets[t + 1]):
            f = features[entry]
            index = first_entry[f]
            frames[index], entries[index] = t, entry
            first_entry[f] = index + 1
    for f in range(len(first_entry) - 1, 0, -1):
        first_entry[f] = first_entry[f - 1]
    first_entry[0] = 0


@njit(fastmath=_FAST, **_OPTIONS)
def add_scaled_rows(row_numbers, amounts, x, taken_off, total):
    """Add rows of `x`, minus `taken_off` and times their amounts, to a total."""
    n, i = len(row_numbers), 0
    while i + 4 <= n:
        a, b, c, d = x[row_numbers[i]], x[row_numbers[i + 1]], x[row_numbers[i + 2]], x[row_numbers[i + 3]]
        p, q, r, s = amounts[i], amounts[i + 1], amounts[i + 2], amounts[i + 3]
        for j in range(len(total)):
            off = taken_off[j]
            total[j] += p * (a[j] - off) + q * (b[j] - off) + r * (c[j] - off) + s * (d[j] - off)
        i += 4
    while i < n:
        a, p = x[row_numbers[i]], amounts[i]
        for j in range(len(total)):
            total[j] += p * (a[j] - taken_off[j])
        i += 1


@njit(**_OPTIONS)
def add_weight_gradients(sorted_code, values, strengths, gradient, factor, x, b_dec, into, first, stop):
    """Add the gradients of the weights of some features."""
    encoder, bias, decoder = into
    first_entry, frames, entries = sorted_code
    most = 0
    for f in range(first, stop):
        most = max(most, first_entry[f + 1] - first_entry[f])
    amounts = np.empty(most, np.float32)
    nothing = np.zeros(x.shape[1], np.float32)
    for f in range(first, stop):
        start, n = first_entry[f], first_entry[f + 1] - first_entry[f]
        if n == 0:
            continue
        frames_of_feature = frames[start : start + n]
        if len(decoder):
            for i in range(n):
                amounts[i] = values[entries[start + i]] * factor
            add_scaled_rows(frames_of_feature, amounts[:n], gradient, nothing, decoder[f])
        total = np.float32(0)
        for i in range(n):
            amounts[i] = strengths[entries[start + i]]
            total += amounts[i]
        bias[f] += total
        add_scaled_rows(frames_of_feature, amounts[:n], x, b_dec, encoder[f])


@njit(**_OPTIONS)
def take_off_lengthwise(rows, gradient, first, stop):
    """Remove from each row's gradient its component along the row, which has length 1."""
    for f in range(first, stop):
        along = _dot(rows[f], gradient[f])
        for j in range(rows.shape[1]):
            gradient[f, j] -= along * rows[f, j]


@njit(**_OPTIONS)
def set_to_length_one(rows, first, stop):
    """Scale every row to length 1; a row of zeros stays."""
    for f in range(first, stop):
        length = np.sqrt(_dot(rows[f], rows[f]))
        if length > 0:
            scale = np.float32(1) / length
            for j in range(rows.shape[1]):
                rows[f, j] *= scale
