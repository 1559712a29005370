"""The relevance map of the Overview page: one clip's map, small enough to be drawn in the page from its numbers."""

from __future__ import annotations

import base64
import zipfile
from typing import Any

import numpy as np

from otoscope.atlas.records.shared import finite
from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.errors import InputError

SUMMARY, ARRAYS = "relevance/relevance.json", "relevance/relevance.npz"
MOST_CELLS = 120
"""Rows and columns of the small map, at most."""
AFTER_FRAMES = 75
"""Frames shown after the end of speech, where there are as many: 1.5 s."""
NEAR = "25"
"""Key of the share within so many frames, 0.5 s."""
BRIGHT = 99.7
"""Per cent of cells that lie below the strongest colour."""
MOST_BYTES = 64_000_000
"""A larger map is not read."""


def relevance_map(folder: StudyFolder) -> dict[str, Any] | None:
    """Make the small map.

    Args:
        folder: The study.

    Returns:
        `n` rows and columns, `values` (base64 of a byte for each cell, row by row: the square root of the relevance
        less the identity), `seconds` that a side covers, `speech_end_s`, `clip`, `near` and `even` (shares of the
        relevance from within 0.5 s: measured, and if it were spread evenly); None if the study has no map.

    Raises:
        InputError: The map is damaged.
    """
    about, path = folder.json(SUMMARY), folder.shared_file(ARRAYS)
    if about is None or path is None:
        return None
    try:
        with zipfile.ZipFile(path) as arrays:
            if arrays.getinfo("relevance.npy").file_size > MOST_BYTES:
                return None
            with arrays.open("relevance.npy") as file:
                relevance = np.asarray(np.lib.format.read_array(file, allow_pickle=False), np.float64)
        if relevance.ndim != 2 or relevance.shape[0] != relevance.shape[1] or not relevance.size:
            raise ValueError(f"its shape is {relevance.shape}")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{str(path)!r} is damaged ({error}): run the study again.") from error
    end, frame_s = about.get("speech_end_frame"), float(about["frame_s"])
    n_shown = len(relevance) if end is None else min(len(relevance), max(1, int(end)) + AFTER_FRAMES)
    cells = _reduced(relevance[:n_shown, :n_shown] - np.eye(n_shown))  # without the identity that relevance begins with
    shares = (about.get("share_within") or {}).get(NEAR) or {}
    return {
        "n": len(cells),
        "values": base64.b64encode(cells.tobytes()).decode("ascii"),
        "seconds": finite(n_shown * frame_s),
        "speech_end_s": finite(about.get("speech_end_s")),
        "clip": str(about.get("audio") or ""),
        "near": finite(shares.get("relevance")),
        "even": finite(shares.get("even")),
    }


def _reduced(relevance: np.ndarray) -> np.ndarray:
    """Average blocks of cells, and write the square root of each as a byte: [n, n]."""
    n = min(MOST_CELLS, len(relevance))
    edges = np.linspace(0, len(relevance), n + 1).round().astype(int)[:-1]
    sizes = np.diff(np.append(edges, len(relevance)))
    sums = np.add.reduceat(np.add.reduceat(np.nan_to_num(relevance), edges, axis=0), edges, axis=1)
    root = np.sqrt(np.maximum(sums / np.outer(sizes, sizes), 0.0))
    most = float(np.percentile(root, BRIGHT)) or 1.0
    return np.rint(255 * np.minimum(root / most, 1.0)).astype(np.uint8)
