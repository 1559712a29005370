"""The compiled loops of a harvest: what one window adds to the state of the features.

Costs about as much as reading the window's activations a dozen times from memory. Works on arrays only: frames,
features and numbers of phones. Every feature is handled by itself, its frames in order, so that the results do not
depend on how features are divided between threads.

The arrays of a state are described in `state.py`.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint32

from otoscope.harvest.grid import (
    BIN_SHIFT,
    BINS_A_SIDE,
    CELL_BITS,
    CELL_SHIFT,
    LOWEST_BIN,
    MANTISSA_BITS,
    N_CELLS,
    N_OCTAVES,
)

TILE = 16
"""Features that are transposed at a time, from rows of frames to rows of features: one cache line of float32."""

_OPTIONS = {"nogil": True, "cache": True, "boundscheck": False, "error_model": "numpy"}
_LAST = 0xFFFFFFFF


@njit(inline="always")
def _mix(x):
    """Scramble 32 bits. Source: Chris Wellons, hash-prospector, `lowbias32`."""
    x = uint32(x)
    x = uint32((x ^ (x >> uint32(16))) * uint32(0x7FEB352D))  # numba would continue with 64 bits
    x = uint32((x ^ (x >> uint32(15))) * uint32(0x846CA68B))
    return uint32(x ^ (x >> uint32(16)))


@njit(inline="always")
def _moment_hash(seed, clip, frame):
    """Hash a frame of a clip; kept short, since sorting samples computes it again."""
    spread = uint32(clip) * uint32(0x9E3779B1) + uint32(frame) * uint32(0x85EBCA77) + uint32(seed)
    return _mix(uint32(spread))


@njit(**_OPTIONS)
def moment_hashes(seed, clip, first_frame, n_frames):
    """Hash every frame of a window: the part of a peak's hash that all features share."""
    hashes = np.empty(n_frames, np.uint32)
    for t in range(n_frames):
        hashes[t] = _moment_hash(seed, clip, first_frame + t)
    return hashes


@njit(inline="always")
def _peak_hash(moment, feature_salt):
    return uint32((moment ^ feature_salt) * uint32(0x9E3779B1)) ^ (feature_salt >> uint32(7))


@njit(inline="always")
def _hash_of(seed, salt, clip, frame):
    return _peak_hash(_moment_hash(seed, clip, frame), salt)


@njit(**_OPTIONS)
def peak_hashes(seed, salts, clips, frames):
    """The hashes by which peaks are drawn, one per peak, given the salts of their features."""
    hashes = np.empty(len(clips), np.uint32)
    for i in range(len(clips)):
        hashes[i] = _hash_of(seed, salts[i], clips[i], frames[i])
    return hashes


@njit(inline="always")
def _comes_before(strength, clip, frame, other_strength, other_clip, other_frame):
    """Whether an example ranks above another: by strength, then the earlier clip, then the earlier frame."""
    if strength != other_strength:
        return strength > other_strength
    if clip != other_clip:
        return clip < other_clip
    return frame < other_frame


@njit(inline="always")
def _insert(strengths, clips, frames, strength, clip, frame):
    """Insert an example into a ranking, strongest first; free ranks hold clip -1."""
    n = len(clips)
    rank = n
    while rank > 0 and (
        clips[rank - 1] < 0
        or _comes_before(strength, clip, frame, strengths[rank - 1], clips[rank - 1], frames[rank - 1])
    ):
        rank -= 1
    if rank == n:
        return
    for i in range(n - 1, rank, -1):
        strengths[i], clips[i], frames[i] = strengths[i - 1], clips[i - 1], frames[i - 1]
    strengths[rank], clips[rank], frames[rank] = strength, clip, frame


@njit(**_OPTIONS)
def _sample(seed, salt, bars, cell, kept, hashed, size, clip, frame):
    """Offer a peak to the sample of its cell, which keeps the smallest hashes, sorted by hash, clip and frame.

    `bars` holds for every cell the largest hash that is still accepted.
    """
    n = kept.shape[1]
    rank = n
    while rank > 0:
        other_clip, other_frame = kept[cell, rank - 1, 0], kept[cell, rank - 1, 1]
        if other_clip >= 0:
            other = _hash_of(seed, salt, other_clip, other_frame)
            if hashed > other or (hashed == other and (clip, frame) > (other_clip, other_frame)):
                break
        rank -= 1
    if rank == n:
        return
    for i in range(n - 1, rank, -1):
        for part in range(3):
            kept[cell, i, part] = kept[cell, i - 1, part]
    kept[cell, rank, 0], kept[cell, rank, 1], kept[cell, rank, 2] = clip, frame, size
    if kept[cell, n - 1, 0] >= 0:
        bars[cell] = _hash_of(seed, salt, kept[cell, n - 1, 0], kept[cell, n - 1, 1])


@njit(**_OPTIONS)
def _raise_to(octave, top_octave, seed, salt, bars, counts, kept):
    """Make room for a peak in an octave above the highest so far; returns the new highest.

    The cells move down by octaves, and those that drop out are merged into cell 0.
    """
    if top_octave == 0:  # no peak yet
        return octave
    n_moved = min(octave - top_octave, N_OCTAVES) << CELL_BITS
    for cell in range(1, n_moved + 1):
        counts[0] += counts[cell]
        for i in range(kept.shape[1]):
            clip, frame = kept[cell, i, 0], kept[cell, i, 1]
            if clip >= 0:
                hashed = _hash_of(seed, salt, clip, frame)
                if hashed <= bars[0]:
                    _sample(seed, salt, bars, 0, kept, hashed, kept[cell, i, 2], clip, frame)
    for cell in range(n_moved + 1, N_CELLS):
        counts[cell - n_moved] = counts[cell]
        bars[cell - n_moved] = bars[cell]
        kept[cell - n_moved] = kept[cell]
    for cell in range(N_CELLS - n_moved, N_CELLS):
        counts[cell] = 0
        bars[cell] = uint32(_LAST)
        kept[cell, :, 0] = -1
    return octave


@njit(**_OPTIONS)
def _bin_rows(bits, counts):
    """Add a row of strengths, given as the bits of their floats, to the histogram."""
    for k in range(len(bits)):
        b = bits[k]
        step = ((b & 0x7FFFFFFF) >> BIN_SHIFT) - (LOWEST_BIN - 1)
        step = min(max(step, 0), BINS_A_SIDE)
        counts[BINS_A_SIDE + (step if b >= 0 else -step)] += 1


@njit(**_OPTIONS)
def _find_bins(x, edges, bins):
    """Find the bin of every strength: the number of edges that it reaches."""
    n, n_edges = len(x), len(edges)
    bins[:n] = 0
    for e in range(0, n_edges - 3, 4):  # four at a time: counts are read and written once for all four
        a, b, c, d = edges[e], edges[e + 1], edges[e + 2], edges[e + 3]
        for k in range(n):
            v = x[k]
            bins[k] += np.uint8(v >= a) + np.uint8(v >= b) + np.uint8(v >= c) + np.uint8(v >= d)
    for e in range(n_edges - n_edges % 4, n_edges):
        edge = edges[e]
        for k in range(n):
            bins[k] += np.uint8(x[k] >= edge)


@njit(fastmath={"reassoc", "contract"}, **_OPTIONS)
def _power_sums(x, pivot, sums):
    """Add the sums of the first four powers of a row's differences from a pivot to `sums`; returns the first sum."""
    s1 = s2 = s3 = s4 = 0.0
    for k in range(len(x)):
        v = np.float64(x[k]) - pivot
        square = v * v
        s1 += v
        s2 += square
        s3 += square * v
        s4 += square * square
    sums[0] += s1
    sums[1] += s2
    sums[2] += s3
    sums[3] += s4
    return s1


@njit(**_OPTIONS)
def _sum_by_phone(x, runs, sums):
    """Add up a row by phone; `runs` holds start, stop and phone of each stretch with a single phone."""
    for r in range(len(runs)):
        subtotal = 0.0
        for k in range(runs[r, 0], runs[r, 1]):
            subtotal += x[k]
        sums[runs[r, 2]] += subtotal


@njit(**_OPTIONS)
def _extent(bits, extremes):
    """Extend `extremes` to a row of finite strengths, given as the bits of their floats; returns how many are above 0.

    The bits sort as the floats do once those below zero are inverted, and integers are quicker to compare.
    """
    lowest, highest, n_positive = np.int32(0x7FFFFFFF), np.int32(-0x80000000), np.int32(0)
    for k in range(len(bits)):
        b = bits[k]
        key = np.int32(b ^ ((b >> np.int32(31)) & np.int32(0x7FFFFFFF)))
        lowest = min(lowest, key)
        highest = max(highest, key)
        n_positive += np.int32(key > 0)
    extremes[0] = min(extremes[0], _float_of(lowest))
    extremes[1] = max(extremes[1], _float_of(highest))
    return n_positive


@njit(inline="always")
def _float_of(key):
    return np.int32(key ^ ((key >> np.int32(31)) & np.int32(0x7FFFFFFF))).view(np.float32)


@njit(**_OPTIONS)
def _add_counts(counts, added):
    """Add the counts of a window, and reset them."""
    for i in range(len(counts)):
        counts[i] += added[i]
        added[i] = 0


@njit(**_OPTIONS)
def _find_peaks(x, is_first, is_last, marks, candidates, above, below):
    """Find where a row has maxima above zero and minima below zero; returns how many of each.

    `x` has one extra element at either end, whose value does not matter.
    """
    n = len(x) - 2
    before, current, after = x[:n], x[1 : n + 1], x[2 : n + 2]
    for k in range(n):
        v = current[k]
        rises = (np.uint8(v > before[k]) | is_first[k]) & (np.uint8(v >= after[k]) | is_last[k]) & np.uint8(v > 0)
        falls = (np.uint8(v < before[k]) | is_first[k]) & (np.uint8(v <= after[k]) | is_last[k]) & np.uint8(v < 0)
        marks[k] = rises | (falls << np.uint8(1))
    n_candidates = 0
    for k in range(n):
        candidates[n_candidates] = k
        n_candidates += np.int64(marks[k] != 0)
    n_above = n_below = 0
    for i in range(n_candidates):
        k = candidates[i]
        above[n_above] = below[n_below] = k
        n_above += np.int64(marks[k] == 1)
        n_below += np.int64(marks[k] == 2)
    return n_above, n_below


@njit(**_OPTIONS)
def _add_peaks(x, positions, n_peaks, side, f, clip, frames, hashes, seed, salt, peaks):
    """Offer the peaks of a row to the ranges and to the clip's best."""
    top_strength, top_clip, _, best_strength, best_clip, best_frame, octaves, bars, counts, kept = peaks[:10]
    n_top, n_best = top_clip.shape[2], best_clip.shape[2]
    is_full = top_clip[f, side, n_top - 1] >= 0 and (side == 1 or peaks[11].shape[1] == 0)
    weakest = top_strength[f, side, n_top - 1] if is_full else np.float32(0)  # samples of clips need weaker ones, too
    bars, counts, kept = bars[f, side], counts[f, side], kept[f, side]
    best_strength, best_clip, best_frame = best_strength[f, side], best_clip[f, side], best_frame[f, side]
    sizes = x.view(np.int32)
    top_octave = octaves[f, side]
    lowest = (top_octave - (N_OCTAVES - 1)) << CELL_BITS
    for i in range(n_peaks):
        k = positions[i]
        v = abs(x[k])
        size = sizes[k] & np.int32(0x7FFFFFFF)
        octave = max(size >> MANTISSA_BITS, 1)
        if octave > top_octave:
            top_octave = _raise_to(octave, top_octave, seed, salt, bars, counts, kept)
            lowest = (top_octave - (N_OCTAVES - 1)) << CELL_BITS
        cell = max((size >> CELL_SHIFT) - lowest + 1, 0)
        counts[cell] += 1
        hashed = _peak_hash(hashes[k], salt)
        if hashed <= bars[cell]:
            _sample(seed, salt, bars, cell, kept, hashed, size, clip, frames[k])
        if v >= weakest and (best_clip[n_best - 1] < 0 or v > best_strength[n_best - 1]):
            _insert(best_strength, best_clip, best_frame, v, clip, frames[k])
    octaves[f, side] = top_octave


@njit(**_OPTIONS)
def add_window(x, window, numbers, edges, salts, sums, counts, peaks, first, stop):
    """Add one window to the state of the features `first` to `stop`.

    Returns:
        The first feature with a value that is not finite, after which the state is useless; -1 if there is none.
    """
    order, n_by_kind, is_first, is_last, frames, hashes, labels, shuffled, present, samples, runs, lags = window
    seed, clip, part = numbers[0], numbers[1], numbers[2]
    moments, phone_sums, clip_sums = sums[0], sums[1], sums[2]
    extremes, n_above_zero, histogram, phone_counts = counts
    n, n_speech = len(order), n_by_kind[0]
    tile = np.zeros((TILE, n + 2), np.float32)
    candidates, above, below = np.empty(n + 1, np.int32), np.empty(n + 1, np.int32), np.empty(n + 1, np.int32)
    bins, marks = np.empty(n, np.uint8), np.empty(n, np.uint8)
    # counts of this window stay in the fastest cache, and are added to the state once
    binned = np.zeros(histogram.shape[2], np.uint32)
    by_phone = np.zeros(phone_counts.shape[2:], np.uint32)
    for left in range(first, stop, TILE):
        width = min(TILE, stop - left)
        for k in range(n):
            t = order[k]
            for j in range(width):
                tile[j, k + 1] = x[t, left + j]
        for j in range(width):
            f = left + j
            start, pivot = 1, np.float64(edges[f, edges.shape[1] // 2])
            for kind in range(3):
                values = tile[j, start : start + n_by_kind[kind]]
                if len(values):
                    total = _power_sums(values, pivot, moments[f, kind])
                    if not np.isfinite(total):
                        return f
                    if kind == 0:
                        clip_sums[f] += total + len(values) * pivot
                    _bin_rows(values.view(np.int32), binned)
                    _add_counts(histogram[f, kind], binned)
                start += n_by_kind[kind]
            if n_speech:
                speech = tile[j, 1 : n_speech + 1]
                n_above_zero[f] += _extent(speech.view(np.int32), extremes[f])
                if part >= 0:
                    _sum_by_phone(speech, runs, phone_sums[f])
                    _find_bins(speech, edges[f], bins)
                    _count_by_phone(labels[lags[f]], bins, by_phone)
                    _add_rows(phone_counts[f, part], by_phone, present)
                    if len(shuffled):
                        _count_by_phone(shuffled[lags[f]], bins, by_phone)
                        _add_rows(phone_counts[f, 2], by_phone, present)
                n_above, n_below = _find_peaks(
                    tile[j, : n_speech + 2], is_first, is_last, marks, candidates, above, below
                )
                _add_peaks(speech, above, n_above, 0, f, clip, frames, hashes, seed, salts[f], peaks)
                if peaks[0].shape[1] == 2:
                    _add_peaks(speech, below, n_below, 1, f, clip, frames, hashes, seed, salts[f], peaks)
            if numbers[5]:
                _end_clip(numbers, samples, sums, peaks, f)
    return -1


@njit(**_OPTIONS)
def _end_clip(numbers, samples, sums, peaks, f):
    """Merge a feature's best peaks of a finished clip into its rankings, and its sum into its labels' sums."""
    speaker, language = numbers[3], numbers[4]
    clip_sums, speaker_sums, language_sums = sums[2], sums[3], sums[4]
    top_strength, top_clip, top_frame, best_strength, best_clip, best_frame = peaks[:6]
    if speaker >= 0:
        speaker_sums[speaker, f] += clip_sums[f]
    if language >= 0:
        language_sums[language, f] += clip_sums[f]
    clip_sums[f] = 0
    sample_strength, sample_clip, sample_frame = peaks[10:]
    if best_clip[f, 0, 0] >= 0:
        for i in samples:
            _insert(
                sample_strength[f, i],
                sample_clip[f, i],
                sample_frame[f, i],
                best_strength[f, 0, 0],
                best_clip[f, 0, 0],
                best_frame[f, 0, 0],
            )
    for side in range(top_clip.shape[1]):
        for i in range(best_clip.shape[2]):
            clip = best_clip[f, side, i]
            if clip < 0:
                break
            _insert(
                top_strength[f, side],
                top_clip[f, side],
                top_frame[f, side],
                best_strength[f, side, i],
                clip,
                best_frame[f, side, i],
            )
            best_clip[f, side, i] = -1


@njit(**_OPTIONS)
def _count_by_phone(labels, bins, counts):
    for k in range(len(labels)):
        counts[labels[k], bins[k]] += 1


@njit(**_OPTIONS)
def _add_rows(counts, added, present):
    """Add the rows of the phones that a window has, and reset them."""
    for row in present:
        for i in range(counts.shape[1]):
            counts[row, i] += added[row, i]
            added[row, i] = 0


@njit(**_OPTIONS)
def merge_peaks(seed, salts, mine, theirs):
    """Merge the examples and ranges of another state, from other clips, into mine."""
    octaves, bars, counts, kept = mine[6:10]
    their_octaves, _, their_counts, their_kept = theirs[6:10]
    for f in range(octaves.shape[0]):
        _merge_rankings(mine[10:], theirs[10:], f)
        _merge_rankings(mine[:3], theirs[:3], f)
        for side in range(octaves.shape[1]):
            if their_octaves[f, side]:
                octaves[f, side] = _merge_cells(
                    seed,
                    salts[f],
                    octaves[f, side],
                    (bars[f, side], counts[f, side], kept[f, side]),
                    their_octaves[f, side],
                    their_counts[f, side],
                    their_kept[f, side],
                )


@njit(**_OPTIONS)
def _merge_rankings(mine, theirs, f):
    """Merge a feature's strongest peaks from other clips into mine, ranking by ranking."""
    strength, clip, frame = mine
    their_strength, their_clip, their_frame = theirs
    for side in range(clip.shape[1]):
        for i in range(clip.shape[2]):
            if their_clip[f, side, i] < 0:
                break
            _insert(
                strength[f, side],
                clip[f, side],
                frame[f, side],
                their_strength[f, side, i],
                their_clip[f, side, i],
                their_frame[f, side, i],
            )


@njit(**_OPTIONS)
def _merge_cells(seed, salt, octave, mine, their_octave, their_counts, their_kept):
    bars, counts, kept = mine
    if their_octave > octave:
        octave = _raise_to(their_octave, octave, seed, salt, bars, counts, kept)
    n_lower = (octave - their_octave) << CELL_BITS
    for their_cell in range(N_CELLS):
        cell = max(their_cell - n_lower, 0)
        counts[cell] += their_counts[their_cell]
        for i in range(their_kept.shape[1]):
            clip, frame, size = their_kept[their_cell, i, 0], their_kept[their_cell, i, 1], their_kept[their_cell, i, 2]
            if clip >= 0:
                hashed = _hash_of(seed, salt, clip, frame)
                if hashed <= bars[cell]:
                    _sample(seed, salt, bars, cell, kept, hashed, size, clip, frame)
    return octave
