"""Recordings that nobody listened to, added to a made-up study in the layout that listening writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.audio.vorbis import vorbis
from otoscope.base.clocks import frames_begun
from otoscope.study.listening.live import waveform
from otoscope.study.listening.live_features import as_curve
from tests.atlas.synthetic import HOSTILE, make_sound

FRAME_S = 0.02
WORDS = ("the", "quick", "ship", "sees", "many", "fish")
WAYS = ("attention", "relevance", "perturbation")


def add_listening(study: Path, n_clips: int = 2, *, hostile: bool = False) -> Path:
    """Write `listening/`; the study must have sounds.

    Args:
        study: The folder of a made-up study.
        n_clips: Recordings.
        hostile: Put what may do harm into every string.

    Returns:
        The study.
    """
    picture = next((study / "sounds").glob("*.png"))
    rows = []
    for number in range(n_clips):
        key = f"{number:04d}"
        folder = study / "listening" / key
        folder.mkdir(parents=True)
        about = _about(key, number, hostile)
        sound = make_sound(key, about["duration_s"], number)
        (folder / "sound.ogg").write_bytes(vorbis(sound.samples))
        about["waveform"] = waveform(sound.samples)
        for name in ("spectrogram", "relevance"):
            shutil.copyfile(picture, folder / f"{name}.png")
        (folder / "listening.json").write_text(json.dumps(about))
        rows.append({"key": key, "id": about["id"], "duration_s": about["duration_s"],
                     "heard": about["heard"]["text"], "said": about["said"]["text"]})  # fmt: skip
    (study / "listening" / "index.json").write_text(json.dumps({"clips": rows}))
    (study / "listening" / "manifest.json").write_text("{}")
    return study


def _about(key: str, number: int, hostile: bool) -> dict[str, Any]:
    def text(plain: str, turn: int = 0) -> str:
        return f"{HOSTILE[turn % len(HOSTILE)]}{plain}" if hostile else plain

    duration_s = 4.0
    n_frames = frames_begun(round(duration_s * 16_000))
    spoken = [(0.3 + 0.55 * at, 0.8 + 0.55 * at, text(word, at)) for at, word in enumerate(WORDS)]
    words = [
        {
            "text": word, "start_s": start, "end_s": end, "log_probability": -0.2, "true_s": [start, end],
            "ways": {way: _way(start, end, n_frames) for way in WAYS},
            "spliced": {"start_s": start, "stop_s": end, "by": "labels", "text": text(f"without {number}", at),
                        "stopped": at == 2},
        }
        for at, (start, end, word) in enumerate(spoken)
    ]  # fmt: skip
    heard = " ".join(word for _, _, word in spoken)
    return {
        "key": key, "id": text(f"clip-{number}", number), "model": text("synthetic", 1), "duration_s": duration_s,
        "frame_s": FRAME_S, "n_frames": n_frames, "window_s": 30.0, "language": "en", "speaker": text("s1", 2),
        "said": {"text": heard, "words": [list(word) for word in spoken]}, "heard": {"text": heard}, "words": words,
        "windows": [{"k": k, "text": text("the ship", 3) if k else heard, "stopped": k == 2, "errors": 3 if k else 0,
                     "n_words": 6}
                    for k in (None, 50, 10, 2)],
        "heads": [{"block": block, "head": head, "mean_frames": 12.0, "median_frames": 8.0, "share_within_25": 0.8,
                   "share_local": 0.95 - 0.2 * head,
                   "is_local": head == 0, "mean_offset_frames": -1.0} for block in range(2) for head in range(2)],
        "local": {"within_frames": 50, "share": 0.9},
        "relevance_map": {"file": f"listening/{key}/relevance.png", "n_frames": n_frames, "share_within_25": 0.7,
                          "if_even": 0.2},
        "sound": f"listening/{key}/sound.ogg", "spectrogram": f"listening/{key}/spectrogram.png",
    }  # fmt: skip


def _way(start_s: float, stop_s: float, n_frames: int) -> dict[str, Any]:
    middle = (start_s + stop_s) / 2
    curve = np.exp(-(((np.arange(n_frames) + 0.5) * FRAME_S - middle) ** 2) / 0.02)
    return {"peak_s": middle, "stretch_s": [start_s, stop_s], "curve": as_curve(curve)}
