"""The compiled loops of a sparse code: choosing the active features of every frame, and all products with them.

A sparse code is held in rows: `offsets` [frame + 1] says where each frame's entries lie, `features` and `values` are
its active features, in ascending order, and their strengths. Every loop takes a stretch of frames or of features, so
that threads share the work; each result is computed within one stretch and in one order, so it has the same bits
however the work is shared out. Knows arrays alone.

Choosing: a product of all frames with all features comes from elsewhere and need only be rough. From how far it can be
off, a loop finds which features can be among the chosen, computes those alone anew in float32, and chooses among them.
So the choice and the strengths are the same whatever the rough product was made with.
"""

from __future__ import annotations

import numpy as np
from numba import njit

BLOCK = 32
"""Features that are looked at together for whether any of them can be chosen."""

PLACES = 4
"""How many times as many places as features to choose are used to find which can be among them."""

ROUNDING = np.float32(2**-22)
"""How far off a sum of two numbers may be in float32, as a share of it, twice over to be safe."""

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
    """Give how long vectors are, and how long is what rounding took off them.

    Args:
        x: The vectors, float32 [row, d_in].
        short: What they were rounded to, as the upper half of float32's bits.
        first: The first row.
        stop: The row after the last.
        lengths: Written to, float32 [row].
        off: Written to, float32 [row].
    """
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
    """Give the nth largest (from 1) of the first n values, which are put in another order (Hoare's selection)."""
    low, high, place = 0, n - 1, nth - 1
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
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            break
    return values[place]


@njit(**_OPTIONS)
def _at_most_kth(values, k, least, highest):
    """Give a bar that at least k of the values reach, or `least` where that is higher.

    The values are dealt out to places in turn; k places hold something that reaches the kth largest of their maxima.
    With several times as many places as k, hardly more than k values reach it.
    """
    n, n_places = len(values), len(highest)
    if n_places < k:
        return least
    highest[:] = values[:n_places]
    for left in range(n_places, n - n_places + 1, n_places):
        dealt = values[left : left + n_places]
        for j in range(n_places):
            highest[j] = max(highest[j], dealt[j])
    dealt = values[n - n % n_places :]
    for j in range(len(dealt)):
        highest[j] = max(highest[j], dealt[j])
    return max(least, _largest(highest, n_places, k))


@njit(**_OPTIONS)
def _bounds(rough, bias, slack, margin, share, low, high):
    """Between what each strength must lie, given the rough product, as float32 or as the upper half of its bits."""
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
def _find_above(values, bar, found):
    """Find the places of all values above a bar, or equal to it; returns how many."""
    n, n_found = len(values), 0
    for left in range(0, n, BLOCK):
        block = values[left : min(left + BLOCK, n)]
        hits = np.int32(0)
        for j in range(len(block)):
            hits += np.int32(block[j] >= bar)
        if hits:
            for j in range(len(block)):
                found[n_found] = left + j
                n_found += np.int64(block[j] >= bar)
    return n_found


@njit(**_OPTIONS)
def choose_in_rows(rough, x, weights, bias, columns, slack, margins, share, k, least, first, stop, chosen):
    """Choose the k largest strengths of every frame, the earliest feature first among equal ones.

    Args:
        rough: Rough products, float32 or the upper half of its bits, [frame, column].
        x: What they are products of, float32 [frame, d_in].
        weights: And with what, float32 [feature, d_in].
        bias: What is added, float32 [column].
        columns: Which feature each column is, int32 [column], ascending.
        slack: How far off the product with a column may be, in units of `margins`: float32 [column].
        margins: And of a frame, float32 [frame].
        share: And by which share of itself.
        k: How many to choose.
        least: Only strengths above it are chosen.
        first: The first frame.
        stop: The frame after the last.
        chosen: Written to: how many of each frame [frame], which [frame, k], strengths [frame, k].
    """
    counts, features, values = chosen
    n = rough.shape[1]
    low, high = np.empty(n, np.float32), np.empty(n, np.float32)
    highest = np.empty(min(n, max(PLACES * k, BLOCK)), np.float32)
    found = np.empty(n + 1, np.int32)
    exact, order = np.empty(n, np.float32), np.empty(n, np.float32)
    for t in range(first, stop):
        _bounds(rough[t], bias, slack, margins[t], share, low, high)
        bar = _at_most_kth(low, k, least, highest)
        n_found = _find_above(high, bar, found)
        n_left = 0
        for i in range(n_found):
            c = found[i]
            value = _dot(x[t], weights[columns[c]]) + bias[c]
            if value > least:
                found[n_left] = c
                exact[n_left] = order[n_left] = value
                n_left += 1
        bar, n_equal = least, 0
        if n_left > k:
            bar = _largest(order, n_left, k)
            n_equal = k
            for i in range(n_left):
                n_equal -= np.int64(exact[i] > bar)
        place = 0
        for i in range(n_left):
            if exact[i] == bar:
                n_equal -= 1
                if n_equal < 0:
                    continue
            elif exact[i] < bar:
                continue
            features[t, place], values[t, place] = columns[found[i]], exact[i]
            place += 1
        counts[t] = place


@njit(**_OPTIONS)
def choose_above(rough, x, weights, bias, slack, margins, share, bar, first, stop, counts, features, values):
    """Choose the strengths of every frame that are above a bar.

    Args:
        rough: See `choose_in_rows`, and so the following.
        x: The same.
        weights: The same.
        bias: The same, [feature].
        slack: The same, [feature].
        margins: The same.
        share: The same.
        bar: Only strengths above it are chosen.
        first: The first frame.
        stop: The frame after the last.
        counts: How many of each frame; written to [frame].
        features: Which, one frame after the other; written to.
        values: Strengths; written to.

    Returns:
        How many of all frames.
    """
    n = rough.shape[1]
    low, high = np.empty(n, np.float32), np.empty(n, np.float32)
    found = np.empty(n + 1, np.int32)
    place = 0
    for t in range(first, stop):
        _bounds(rough[t], bias, slack, margins[t], share, low, high)
        n_found = _find_above(high, bar, found)
        before = place
        for i in range(n_found):
            f = found[i]
            value = _dot(x[t], weights[f]) + bias[f]
            if value > bar:
                features[place], values[place] = f, value
                place += 1
        counts[t] = place - before
    return place


@njit(**_OPTIONS)
def keep_above(counts, features, values, bar, n_equal):
    """Drop entries below a bar, in place; of those equal to it keep the first `n_equal`. Returns how many are left."""
    place = entry = 0
    for t in range(len(counts)):
        before = place
        for _ in range(counts[t]):
            value = values[entry]
            is_kept = value > bar
            if value == bar and n_equal > 0:
                is_kept = True
                n_equal -= 1
            if is_kept:
                features[place], values[place] = features[entry], value
                place += 1
            entry += 1
        counts[t] = place - before
    return place


@njit(**_OPTIONS)
def pack_rows(counts, features, values, offsets, packed_features, packed_values):
    """Put entries that lie in rows of equal length one after the other."""
    for t in range(len(counts)):
        for i in range(counts[t]):
            packed_features[offsets[t] + i] = features[t, i]
            packed_values[offsets[t] + i] = values[t, i]


@njit(**_OPTIONS)
def split_rows(offsets, features, widths, starts):
    """Find where in every frame the features of each nested dictionary end.

    Args:
        offsets: Where each frame's entries lie.
        features: Ascending in each frame.
        widths: Number of features of each nested dictionary, ascending.
        starts: Written to, int32 [width + 1, frame]; the first is where the frame's entries begin.
    """
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
        stops: And the one after its last.
        features: Of the entries.
        values: Their strengths.
        rows: float32 [feature, d_in].
        sign: A factor.
        out: Added to, float32 [frame, d_in].
        first: The first frame.
        stop: The frame after the last.
    """
    for t in range(first, stop):
        total = out[t]
        entry, end = starts[t], stops[t]
        while entry + 4 <= end:  # four at a time: the sum is read and written once for them
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
    """Give the squared length of every frame, float64."""
    for t in range(first, stop):
        row, total = x[t], np.float32(0)
        for j in range(len(row)):
            total += row[j] * row[j]
        squares[t] = total


@njit(**_OPTIONS)
def strength_gradients(starts, stops, features, rows, gradient, factor, out, first, stop):
    """Give for every entry how the loss changes with its strength: its feature's row times the frame's gradient."""
    for t in range(first, stop):
        for entry in range(starts[t], stops[t]):
            out[entry] = _dot(gradient[t], rows[features[entry]]) * factor


@njit(**_OPTIONS)
def transpose(offsets, features, first_entry, frames, entries):
    """Sort entries by feature, those of a feature by frame.

    Args:
        offsets: Where each frame's entries lie.
        features: Of the entries.
        first_entry: Where each feature's entries lie, int64 [feature + 1]; zeros that are written to.
        frames: Written to: of the sorted entries.
        entries: Written to: which they are.
    """
    for entry in range(len(features)):
        first_entry[features[entry] + 1] += 1
    for f in range(len(first_entry) - 1):
        first_entry[f + 1] += first_entry[f]
    for t in range(len(offsets) - 1):
        for entry in range(offsets[t], offsets[t + 1]):
            f = features[entry]
            place = first_entry[f]
            frames[place], entries[place] = t, entry
            first_entry[f] = place + 1
    for f in range(len(first_entry) - 1, 0, -1):
        first_entry[f] = first_entry[f - 1]
    first_entry[0] = 0


@njit(fastmath=_FAST, **_OPTIONS)
def add_scaled_rows(places, amounts, x, taken_off, total):
    """Add rows of `x`, from which something is taken off first, each times its amount, to a total."""
    n, i = len(places), 0
    while i + 4 <= n:
        a, b, c, d = x[places[i]], x[places[i + 1]], x[places[i + 2]], x[places[i + 3]]
        p, q, r, s = amounts[i], amounts[i + 1], amounts[i + 2], amounts[i + 3]
        for j in range(len(total)):
            off = taken_off[j]
            total[j] += p * (a[j] - off) + q * (b[j] - off) + r * (c[j] - off) + s * (d[j] - off)
        i += 4
    while i < n:
        a, p = x[places[i]], amounts[i]
        for j in range(len(total)):
            total[j] += p * (a[j] - taken_off[j])
        i += 1


@njit(**_OPTIONS)
def add_weight_gradients(sorted_code, values, strengths, gradient, factor, x, b_dec, into, first, stop):
    """Add what the entries of some features say about their weights.

    Args:
        sorted_code: What `transpose` found.
        values: Strengths of the entries.
        strengths: What the loss changes by with each of them.
        gradient: What the loss changes by with the reconstruction, up to a factor: float32 [frame, d_in].
        factor: The factor.
        x: The vectors, float32 [frame, d_in].
        b_dec: What is taken off them before they are encoded.
        into: Gradients that are added to, float32: of the encoder's rows [feature, d_in], of its bias [feature], and
            of the decoder's rows [feature, d_in], or of no rows where that is not wanted.
        first: The first feature.
        stop: The feature after the last.
    """
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
        places = frames[start : start + n]
        if len(decoder):
            for i in range(n):
                amounts[i] = values[entries[start + i]] * factor
            add_scaled_rows(places, amounts[:n], gradient, nothing, decoder[f])
        total = np.float32(0)
        for i in range(n):
            amounts[i] = strengths[entries[start + i]]
            total += amounts[i]
        bias[f] += total
        add_scaled_rows(places, amounts[:n], x, b_dec, encoder[f])


@njit(**_OPTIONS)
def take_off_lengthwise(rows, gradient, first, stop):
    """Take the part along each row, which has length 1, out of its gradient."""
    for f in range(first, stop):
        along = _dot(rows[f], gradient[f])
        for j in range(rows.shape[1]):
            gradient[f, j] -= along * rows[f, j]


@njit(**_OPTIONS)
def set_to_length_one(rows, first, stop):
    """Set every row to length 1; a row of zeros stays."""
    for f in range(first, stop):
        length = np.sqrt(_dot(rows[f], rows[f]))
        if length > 0:
            scale = np.float32(1) / length
            for j in range(rows.shape[1]):
                rows[f, j] *= scale
