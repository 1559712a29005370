"""A finished study that nobody ran: real tables in the real layout, of as many features as are asked for.

Needs neither torch nor a model. Every phone has features that detect it; the rest are noise. `hostile` puts script
tags, quotes, marks of direction, line ends and endless words wherever a person or a file could have put them.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from otoscope.audio.clip import Clip
from otoscope.corpus.corpus import Corpus
from otoscope.corpus.source import Source
from otoscope.harvest.opened import HarvestRun, open_run
from otoscope.study.examples.pieces import shown_examples
from otoscope.study.examples.sounds_of_run import write_pieces
from otoscope.study.examples.trace_table import AROUND, Traces, write_trace_table
from tests.atlas.synthetic_run import HOSTILE, PHONES, Made, about_model, clips_of, finish, write_run

__all__ = ["HOSTILE", "make_sound", "make_study", "synthetic_corpus"]


def make_study(
    folder: str | Path,
    n_features: int = 60,
    *,
    top: int = 20,
    samples: int = 5,
    from_ranges: int = 3,
    n_clips: int = 24,
    hostile: bool = False,
    phones: bool = True,
    words: bool = True,
    sounds: bool = True,
    sign: str = "both",
    seed: int = 0,
) -> Path:
    """Write a study folder: study.json, verdicts.json, transcripts, harvest, phones, traces and sounds.

    Args:
        folder: Where; must not exist.
        n_features: In all groups together.
        top: Examples of each feature and sign.
        samples: Kept from each range of strength.
        from_ranges: Shown from each range of strength.
        n_clips: The first is of 50 s, the others of 4 s or so.
        hostile: Put what may do harm into every string.
        phones: Whether the clips have phones.
        words: Whether the clips have words.
        sounds: Whether sounds, spectrograms and traces are written.
        sign: `both` or `positive`.
        seed: Of all that is drawn.

    Returns:
        The folder.
    """
    folder = Path(folder)
    made = Made(n_features, top, samples, n_clips, hostile, phones, words, sign, seed, from_ranges)
    rng = np.random.default_rng(seed)
    write_run(folder / "harvest", made, made.groups(folder), rng)
    run = open_run(folder / "harvest")
    if phones:
        _write_phones(folder / "phones", run)
    if sounds:
        write_synthetic_traces(folder / "traces", run, made, rng)
        (folder / "sounds").mkdir()
        write_pieces(run, synthetic_corpus(run), folder / "sounds", top=top, samples_per_range=from_ranges)
        finish(folder / "sounds", {})
    if hostile and phones:
        _rename_phones(folder, made)
    _write_transcripts(folder, made)
    _write_study(folder, made)
    return folder


def synthetic_corpus(run: HarvestRun) -> Corpus:
    """The clips of a synthetic run, to be listened to: tones that rise and fall."""
    return Corpus(
        "synthetic", [Source(clip.id, partial(make_sound, clip.id, clip.duration_s, clip.clip)) for clip in run.clips]
    )


def make_sound(name: str, duration_s: float, number: int) -> Clip:
    time_s = np.arange(round(duration_s * 16_000)) / 16_000
    pitch = 120 + 20 * (number % 7) + 30 * np.sin(2 * np.pi * 0.7 * time_s)
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    sound = sum(np.sin(k * phase) / k for k in range(1, 12)) * (0.55 + 0.45 * np.sin(2 * np.pi * 3 * time_s)) * 0.1
    noise = 0.01 * np.random.default_rng(number).standard_normal(len(time_s))
    return Clip((sound + noise).astype(np.float32), name)


# what is made of the harvest


def write_synthetic_traces(folder: Path, run: HarvestRun, made: Made, rng: np.random.Generator) -> None:
    """Write bumps of half a tenth of a second, highest at the examples' frames."""
    folder.mkdir()
    shown = shown_examples(run, made.top, made.from_ranges)
    steps = np.arange(-AROUND, AROUND + 1)
    bump = np.exp(-np.abs(steps) / 3.0)
    rows = np.arange(len(shown))
    traces = Traces.empty(len(shown))
    n_frames = np.array([clip.n_frames for clip in run.clips])[shown.clip]
    for some in np.array_split(rows, max(1, len(rows) // 50_000)):
        frames = shown.frame[some, None] + steps
        strengths = shown.strength[some, None] * bump * np.where(steps == 0, 1, rng.uniform(0.7, 1, frames.shape))
        is_inside = (frames >= 0) & (frames < n_frames[some, None])
        traces.put(some, frames[:, 0], is_inside, strengths.astype(np.float32))
    write_trace_table(folder / "traces.parquet", run, shown, traces)
    finish(folder, {})


def _write_phones(folder: Path, run: HarvestRun) -> None:
    """Score the features as `otoscope phones` does, less its pictures."""
    from otoscope.base.files import write_json
    from otoscope.study.phones.experiment import phones
    from otoscope.study.phones.tables import write_detect_counts, write_feature_scores

    study = phones(run)
    write_json(folder / "phones.json", study.to_json())
    write_feature_scores(folder / "feature_scores.parquet", study)
    write_detect_counts(folder / "detect_counts.parquet", study)
    finish(folder, {})


def _rename_phones(folder: Path, made: Made) -> None:
    """Let whoever made the study have called a phone something else."""
    old, new = PHONES[0], made.text(PHONES[0])

    def renamed(value: Any) -> Any:
        if isinstance(value, str):
            return "/".join(new if part == old else part for part in value.split("/"))
        if isinstance(value, list):
            return [renamed(one) for one in value]
        if isinstance(value, dict):
            return {renamed(key): renamed(one) for key, one in value.items()}
        return value

    names = ["harvest/clips", "harvest/examples", "harvest/ranges", "harvest/phone_means", "phones/feature_scores"]
    for path in (folder / f"{name}.parquet" for name in names):
        table = pq.read_table(path)
        pq.write_table(pa.Table.from_pylist(_phones_renamed(table.to_pylist(), renamed), table.schema), path)
    for path in (folder / "harvest" / "manifest.json", folder / "phones" / "phones.json"):
        path.write_text(json.dumps(renamed(json.loads(path.read_text()))))


def _phones_renamed(rows: list[dict[str, Any]], renamed: Any) -> list[dict[str, Any]]:
    keep = {"site", "basis", "id", "words", "transcript", "speaker"}
    return [{key: value if key in keep else renamed(value) for key, value in row.items()} for row in rows]


def _write_transcripts(folder: Path, made: Made) -> None:
    rows = [
        {
            "clip": row["id"], "said": row["transcript"], "heard": row["transcript"], "language": "en",
            "duration_s": row["duration_s"], "speaker": row["speaker"],
            "words": [[at, at + 0.36, made.text(f"heard{number}", number)]
                      for number, at in enumerate(np.arange(0.2, row["duration_s"] - 0.4, 0.4).tolist())],
            "word_errors": {"errors": 1, "n": 9},
        }
        for row in clips_of(made)
    ]  # fmt: skip
    (folder / "transcripts").mkdir()
    found = {
        "model": made.text("synthetic", 1),
        "clips": rows,
        "wer": {"value": 0.1, "low": 0.08, "high": 0.13, "n": 24},
    }
    (folder / "transcripts" / "transcripts.json").write_text(json.dumps(found))
    finish(folder / "transcripts", {})


def _write_study(folder: Path, made: Made) -> None:
    parts = []
    for name in ("transcripts", "harvest", "phones", "traces", "sounds", "locality", "listening"):
        is_there = (folder / name).is_dir()
        parts.append(
            {
                "name": name, "folder": name, "question": made.text(f"What of {name}?", 3),
                "state": "done" if is_there else "left out",
                "why": None if is_there else made.text("this study was never run", 2),
                "seconds": 1.0 if is_there else None,
                "settings": {"top": made.top, "samples": made.from_ranges} if name in ("traces", "sounds") else {},
            }
        )  # fmt: skip
    study = {
        "kind": "study", "study_version": 1,
        "model": {**about_model(made), "n_mels": 80, "window_s": 30.0, "n_frames": 1500, "d_model": 16, "n_heads": 2,
                  "n_encoder_blocks": 2, "n_decoder_blocks": 2, "vocab_size": 100},
        "corpus": {"name": made.text("synthetic", 5), "n_clips": made.n_clips, "hours": 0.04, "n_speakers": 6,
                   "languages": ["en"], "phone_set": "arpabet" if made.has_phones else None, "has_transcripts": True,
                   "has_words": made.has_words, "has_phones": made.has_phones},
        "parts": parts, "preset": "quick", "seed": made.seed,
        "command": made.text("otoscope study synthetic --out study", 1), "created": "2026-01-02T03:04:05+00:00",
        "otoscope": "0.1.0", "versions": {"python": "3.11.0", "numpy": "2.0.0"}, "minutes": 1.0,
    }  # fmt: skip
    interval = {"value": 0.7, "low": 0.6, "high": 0.8}
    finding = {
        "id": "relevance_near", "question": made.text("How near is it?", 0), "unit": "share", **interval,
        "baseline": {"name": made.text("spread evenly", 4), "value": 0.2, "low": None, "high": None}, "n": 24,
        "n_of": "clips", "outcome": "holds", "needs": "",
        "rule": made.text("holds when the interval lies above the baseline", 1),
        "words": made.text("70% of it, where 20% would if it were spread evenly", 3), "pictures": [],
        "page": "listening.html",
    }  # fmt: skip
    claims = [
        {"id": name, "title": made.text(title, number), "verdict": verdict,
         "sentence": made.text("This was made up.", number), "findings": [finding]}
        for number, (name, title, verdict) in enumerate((
            ("local", "Acoustic features are local", "holds"),
            ("interpretable", "Features are interpretable", "holds in part"),
            ("language_model", "The decoder is a weak language model", "not tested"),
        ))
    ]  # fmt: skip
    (folder / "study.json").write_text(json.dumps(study))
    (folder / "verdicts.json").write_text(json.dumps({"claims": claims}))
    (folder / "study.toml").write_text("[study]\nseed = 0\n")
    finish(folder, {})
