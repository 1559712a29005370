"""How well strengths tell phones apart: AUROC, average precision and mutual information from binned counts.

Every count is of frames by label and bin of strength, bins ascending; frames of one bin are ties. The last label is
"no phone". Memory is a few times that of the counts, so features are best given a thousand at a time. Knows
counts alone: no runs, no phone names.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, UInt

Counts = UInt[np.ndarray, "feature label bin"]


def rank_sums(counts: Counts) -> Float[np.ndarray, "feature label"]:
    """Sum over the frames of each label how many frames are weaker, plus half of those that tie (itself included).

    The sum of a set of labels is the sum of theirs, so the AUROC of every set takes a few products.

    Source: Midranks: Hanley and McNeil 1982, "The meaning and use of the area under a ROC curve", Radiology 143.
    """
    return np.einsum("flb,fb->fl", counts, midranks(counts.sum(axis=1, dtype=np.float64)), optimize=True)


def midranks(totals: Float[np.ndarray, "feature bin"]) -> Float[np.ndarray, "feature bin"]:
    """Count for each bin the frames that are weaker and half of those in it."""
    return np.cumsum(totals, axis=1) - totals / 2


def set_aurocs(
    sums: Float[np.ndarray, "feature label"],
    sizes: Float[np.ndarray, "feature label"],
    sets: Bool[np.ndarray, "set label"],
) -> Float[np.ndarray, "feature set"]:
    """Return the area under the ROC curve of detecting each set of labels by strength, against all other frames.

    Returns the share of pairs (a frame of the set, another frame) in which the former is stronger, ties as one half;
    below one half where weakness detects the set. NaN where the set or the rest is empty.
    Source: The trapezoid under the ROC curve equals the Mann-Whitney statistic with ties at one half: Hanley and McNeil
    1982; tests compare it with all pairs.
    """
    members = sets.T.astype(np.float64)
    n = sizes @ members
    rest = sizes.sum(axis=1, keepdims=True) - n
    with np.errstate(invalid="ignore", divide="ignore"):
        return (sums @ members - n**2 / 2) / (n * rest)


def own_set_auroc(
    sums: Float[np.ndarray, "feature label"],
    sizes: Float[np.ndarray, "feature label"],
    members: Bool[np.ndarray, "feature label"],
) -> Float[np.ndarray, " feature"]:
    """Return the AUROC of each feature's own set of labels; see `set_aurocs`."""
    n = (sizes * members).sum(axis=1)
    rest = sizes.sum(axis=1) - n
    with np.errstate(invalid="ignore", divide="ignore"):
        return ((sums * members).sum(axis=1) - n**2 / 2) / (n * rest)


def member_aurocs(counts: Counts, members: Bool[np.ndarray, "feature label"]) -> Float[np.ndarray, "feature label"]:
    """Return the AUROC of each label by itself against the frames outside a feature's own set.

    So a member is not held against the others, and a label outside is judged as if the set had not been there.

    Returns for each label the AUROC against all frames that are neither of it nor of the set. NaN where one side is
    empty.
    Source: See `set_aurocs`.
    """
    outside = np.where(members[:, :, None], 0, counts)
    totals = outside.sum(axis=1, dtype=np.float64)
    n = counts.sum(axis=2, dtype=np.float64)
    n_outside = totals.sum(axis=1, keepdims=True)
    won = np.einsum("flb,fb->fl", counts, midranks(totals), optimize=True)
    n_rest = np.where(members, n_outside, n_outside - n)
    won = np.where(members, won, won - n**2 / 2)  # a label outside is among the totals and ties with itself
    with np.errstate(invalid="ignore", divide="ignore"):
        return won / (n * n_rest)


def average_precision(
    positives: Int[np.ndarray, "feature bin"], totals: Int[np.ndarray, "feature bin"], sign: Int[np.ndarray, " feature"]
) -> Float[np.ndarray, " feature"]:
    """Return the average precision of detecting frames by strength (sign 1) or by weakness (sign -1).

    Returns the mean of the precision over the steps of recall, from the strongest bin down; frames of a bin are taken
    together. Its level by chance is the share of the positives. NaN without positives.
    Source: AP = sum of (R_n - R_(n-1)) P_n, as scikit-learn's `average_precision_score` defines it.
    """
    is_turned = (np.asarray(sign) < 0)[:, None]
    hits = np.where(is_turned, positives, positives[:, ::-1]).astype(np.float64)
    hits_so_far = np.cumsum(hits, axis=1)
    taken = np.cumsum(np.where(is_turned, totals, totals[:, ::-1]).astype(np.float64), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(taken > 0, hits_so_far / taken, 0.0)
        return (hits * precision).sum(axis=1) / hits_so_far[:, -1]


def mutual_information(counts: Counts) -> Float[np.ndarray, " feature"]:
    """Estimate the mutual information, in bits, of the bin of strength and the label of a frame.

    Returns the plug-in estimate, corrected for the bias of small counts; it can come out a little below 0 where there
    is none. Frames are taken as independent, which neighbours in time are not, so some bias is left. NaN without
    frames.
    Source: Miller 1955, "Note on the bias of information estimates": each entropy gains (cells in use - 1) / 2n nats.
    """
    n = counts.sum(axis=(1, 2), dtype=np.float64)
    by_label, by_bin = counts.sum(axis=2), counts.sum(axis=1)
    cells = counts.reshape(len(counts), -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        nats = _entropy(by_label, n) + _entropy(by_bin, n) - _entropy(cells, n)
        nats += (_in_use(by_label) + _in_use(by_bin) - _in_use(cells) - 1) / (2 * n)
    return nats / np.log(2)


def _entropy(counts: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the plug-in entropy of counts [feature, cell] in nats."""
    logs = np.log(np.maximum(counts, 1), dtype=np.float64)
    return np.log(n) - (counts * logs).sum(axis=1) / n


def _in_use(counts: np.ndarray) -> np.ndarray:
    return (counts > 0).sum(axis=1)
