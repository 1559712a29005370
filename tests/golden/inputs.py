"""What the commands are given: demo clips as files, in folders and manifests, and small texts."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import soundfile

from otoscope.audio.clip import Span
from otoscope.corpus.demo_clips import DemoClip, read_index
from tests.study.whole_study import SMALL

VOICES = ("en-us-f2-3", "en-us-m3-7", "en-us-adam-5", "en-us-linda-7", "en-f5-5", "en-us-david-5")
TALKS = ("en-us-f2-1", "en-us-m3-8")
LONG = ("en-us-max-2", "en-us-max-3", "en-us-max-1")
"""Longer together than the demo model's window of 10 s."""

TEXTS = {
    "text.txt": "she plays on friday he kept the warm soap have you been to mary was very late my prince good night\n"
    * 2,
    "sentences.txt": "The traffic lights are very cold. Thank you very much. My boss was very late.\n" * 3,
    "words.dict": "RUG  R AH1 G\nMUG  M AH1 G\nJUG  JH AH1 G\nVERY  V EH1 R IY0\nBOSS  B AO1 S\n",
    "vectors.txt": "rug 1 0\nmug 0.6 0.8\njug 0 1\n",
    "halves.csv": "clip,half\n" + "".join(f"{name},{'ab'[n % 2]}\n" for n, name in enumerate(VOICES)),
    "study.toml": SMALL.to_toml(),
}


def write_inputs(folder: Path) -> None:
    """Write all inputs to a new folder."""
    clips = {clip.id: clip for clip in read_index()}
    for name, text in TEXTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    _write_voices(folder / "voices", [clips[name] for name in VOICES])
    _write_talks(folder / "talks", [clips[name] for name in TALKS])
    shutil.copytree(folder / "talks", folder / "mixed")
    (folder / "mixed" / "empty.wav").touch()
    shutil.copytree(Path(str(files("otoscope"))) / "demo" / "model", folder / "models" / "whole")
    shutil.copytree(folder / "models" / "whole", folder / "models" / "broken")
    (folder / "models" / "broken" / "model.safetensors").write_bytes(b"short")
    samples = [clips[name].read().samples for name in LONG]
    soundfile.write(folder / "long.wav", np.concatenate(samples), 16_000, subtype="FLOAT")


def _write_voices(folder: Path, clips: list[DemoClip]) -> None:
    """One clip of each of several speakers, with words and phones in time, and a manifest."""
    rows = []
    folder.mkdir()
    for demo_clip in clips:
        clip = demo_clip.read()
        sound = Path(shutil.copy(demo_clip.folder / demo_clip.labels["file"], folder))
        grid = sound.with_suffix(".TextGrid")
        grid.write_text(_text_grid(clip.duration_s, {"words": clip.words or (), "phones": clip.phones or ()}))
        row = {"audio": sound.name, "speaker": clip.speaker, "language": "en", "transcript": clip.transcript}
        rows.append({**row, "alignment": grid.name})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _write_talks(folder: Path, clips: list[DemoClip]) -> None:
    """Clips with transcripts and nothing in time."""
    folder.mkdir()
    for clip in clips:
        shutil.copy(clip.folder / clip.labels["file"], folder)
        (folder / f"{clip.id}.txt").write_text(clip.labels["transcript"])


def _text_grid(end_s: float, tiers: dict[str, tuple[Span, ...]]) -> str:
    """Write labels in Praat's short layout."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", str(end_s), "<exists>", str(len(tiers))]
    for name, spans in tiers.items():
        bounds = [0.0, *(time for span in spans for time in (span.start_s, span.end_s)), end_s]
        labels = [text for span in spans for text in ("", span.text)] + [""]
        rows = [row for row in zip(bounds, bounds[1:], labels, strict=False) if row[0] < row[1]]
        lines += ['"IntervalTier"', f'"{name}"', "0", str(end_s), str(len(rows))]
        lines += [text for start, stop, label in rows for text in (str(start), str(stop), f'"{label}"')]
    return "\n".join(lines) + "\n"
