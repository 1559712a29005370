"""A harvest by plain loops over arrays of strengths: the reference for what a run folder holds."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tests.study.run_folder import write_run

FRAME_S = 0.02
N_BINS = 32


@dataclass
class LabelledClip:
    """Strengths by group, and what is said. A frame's label is the phone `lag` frames before it, -1 for none."""

    strengths: dict[tuple[str, str], np.ndarray]
    phones: np.ndarray | None
    speaker: str | None
    half: str
    is_speech: np.ndarray | None = None

    @property
    def n_frames(self) -> int:
        return len(next(iter(self.strengths.values())))

    @property
    def speech(self) -> np.ndarray:
        return np.ones(self.n_frames, bool) if self.is_speech is None else self.is_speech


def harvest(
    folder: Path,
    clips: list[LabelledClip],
    phones: tuple[str, ...],
    *,
    top: int = 20,
    lag: int = 0,
    sign: str = "both",
    n_samples: int = 10,
    n_ranges: int = 10,
    peaks_per_clip: int = 1,
    phone_set: str = "arpabet",
    seed: int = 0,
) -> Path:
    rng = np.random.default_rng(seed)
    labels = [None if clip.phones is None else delayed(clip.phones, lag) for clip in clips]
    shuffled = [None if clip.phones is None else delayed(shuffle(clip.phones, rng), lag) for clip in clips]
    tables: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("clips", "features", "examples", "ranges", "phone_counts")
    }
    for number, clip in enumerate(clips):
        tables["clips"].append(clip_row(number, clip, phones))
    keys = list(clips[0].strengths)
    groups = []
    for key in keys:
        n_features = clips[0].strengths[key].shape[1]
        groups.append({"site": key[0], "basis": key[1], "n_features": n_features})
        for feature in range(n_features):
            own = {"site": key[0], "basis": key[1], "feature": feature}
            x = [clip.strengths[key][:, feature] for clip in clips]
            speech = np.concatenate([row[clip.speech] for row, clip in zip(x, clips, strict=True)])
            edges = bin_edges(speech)
            tables["features"].append(
                {
                    **own,
                    "n_frames": len(speech),
                    "is_constant": bool(speech.min() == speech.max()),
                    "edges": edges.tolist(),
                }
            )
            for name, rows in (("choose", labels), ("held_out", labels), ("shuffled", shuffled)):
                counts = np.zeros((len(phones) + 1, N_BINS), int)
                for clip, row, label in zip(clips, x, rows, strict=True):
                    if label is None or clip.half != ("choose" if name == "choose" else "held_out"):
                        continue
                    for frame in np.flatnonzero(clip.speech):
                        place = int((row[frame] >= edges).sum())
                        counts[label[frame], place] += 1  # label -1 is the last row
                tables["phone_counts"].append({**own, "part": name, "counts": counts.ravel().tolist()})
            for side in (1, -1) if sign == "both" else (1,):
                found = [peak for number in range(len(clips)) for peak in peaks(number, x[number] * side, clips)]
                tables["examples"] += examples(own, side, found, labels, shuffled, phones, top, peaks_per_clip)
                tables["ranges"] += ranges(own, side, found, labels, phones, n_ranges, n_samples, rng)
    manifest = {
        "settings": {"top": top, "samples": n_samples, "sign": sign},
        "corpus": {"name": "planted", "n_clips": len(clips)},
        "phone_set": phone_set if phones else None,
        "phones": list(phones),
        "lag_frames": lag,
        "groups": groups,
    }
    return write_run(folder, tables, manifest)


def delayed(phones: np.ndarray, lag: int) -> np.ndarray:
    return np.concatenate([np.full(lag, -1), phones[: len(phones) - lag]]) if lag else phones


def spans(phones: np.ndarray) -> list[tuple[int, int, int]]:
    """Start, stop and phone of the stretches of one phone; no phone is none."""
    edges = [0, *(np.flatnonzero(np.diff(phones)) + 1).tolist(), len(phones)]
    return [(a, b, int(phones[a])) for a, b in pairwise(edges) if phones[a] >= 0]


def shuffle(phones: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    stretches = spans(phones)
    dealt = np.full(len(phones), -1)
    for (start, stop, _), other in zip(stretches, rng.permutation(len(stretches)), strict=True):
        dealt[start:stop] = stretches[other][2]
    return dealt


def bin_edges(x: np.ndarray) -> np.ndarray:
    """Quantiles at even steps of their logits, from 0.1% to 99.9%."""
    most = np.log(0.999 / 0.001)
    return np.quantile(x, 1 / (1 + np.exp(-np.linspace(-most, most, N_BINS - 1)))).astype(np.float32)


def peaks(number: int, x: np.ndarray, clips: list[LabelledClip]) -> list[tuple[float, int, int]]:
    """Strength, clip and frame of every peak above zero."""
    speech = clips[number].speech
    found = []
    for t in np.flatnonzero(speech).tolist():
        rises = t == 0 or not speech[t - 1] or x[t] > x[t - 1]
        falls = t == len(x) - 1 or not speech[t + 1] or x[t] >= x[t + 1]
        if x[t] > 0 and rises and falls:
            found.append((float(x[t]), number, t))
    return found


def examples(own, side, found, labels, shuffled, phones, top, peaks_per_clip) -> list[dict[str, Any]]:
    ranked = sorted(found, key=lambda peak: (-peak[0], peak[1], peak[2]))
    kept: list[tuple[float, int, int]] = []
    for peak in ranked:
        if sum(other[1] == peak[1] for other in kept) < peaks_per_clip:
            kept.append(peak)
    return [
        {
            **own,
            "sign": side,
            "rank": rank,
            "clip": clip,
            "frame": frame,
            "strength": side * strength,
            "phone": name(labels[clip], frame, phones),
            "shuffled_phone": name(shuffled[clip], frame, phones),
        }
        for rank, (strength, clip, frame) in enumerate(kept[:top])
    ]


def ranges(own, side, found, labels, phones, n_ranges, n_samples, rng) -> list[dict[str, Any]]:
    highest = max((peak[0] for peak in found), default=0.0)
    edges = np.linspace(highest, 0, n_ranges + 1)
    rows = []
    for number, (high, low) in enumerate(pairwise(edges)):
        inside = [peak for peak in found if low <= peak[0] < high or (number == 0 and peak[0] == high)]
        drawn = [inside[i] for i in rng.permutation(len(inside))[:n_samples]]
        samples = [
            {"clip": clip, "frame": frame, "strength": side * strength, "phone": name(labels[clip], frame, phones)}
            for strength, clip, frame in drawn
        ]
        row = {"sign": side, "kind": "width", "range": number, "low": low, "high": high, "n_peaks": len(inside)}
        rows.append({**own, **row, "samples": samples})
    return rows


def name(labels: np.ndarray | None, frame: int, phones: tuple[str, ...]) -> str | None:
    return None if labels is None or labels[frame] < 0 else phones[labels[frame]]


def clip_row(number: int, clip: LabelledClip, phones: tuple[str, ...]) -> dict[str, Any]:
    stretches = None
    if clip.phones is not None:
        stretches = [
            {"start_s": start * FRAME_S, "end_s": stop * FRAME_S, "text": phones[phone]}
            for start, stop, phone in spans(clip.phones)
        ]
    return {
        "clip": number,
        "id": f"clip-{number}",
        "path": None,
        "duration_s": clip.n_frames * FRAME_S,
        "speaker": clip.speaker,
        "language": "en",
        "transcript": None,
        "half": clip.half,
        "n_frames": clip.n_frames,
        "n_speech_frames": int(clip.speech.sum()),
        "words": None,
        "phones": stretches,
    }
