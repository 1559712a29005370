"""Make the labelled demo clips: `python -m otoscope.demo.clips`.

Every sentence is held out from training. Each text is spoken in its own process, so that the same command gives the
same samples. Writes OGG Vorbis and `clips.json`, which `otoscope.open_corpus` reads.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from rich.console import Console

from otoscope.audio.clip import Span
from otoscope.base.clocks import SAMPLE_RATE_HZ
from otoscope.base.results import result_folder
from otoscope.corpus.demo_clips import SCHEMA_VERSION, clips_folder
from otoscope.demo.espeak import Prosody, Spoken, fresh
from otoscope.demo.phones import arpabet
from otoscope.demo.speech import held_out_sentences

_CLIPS_A_VOICE = 8
_SENTENCES_A_CLIP = (1, 1, 2)
_PAUSE_S = 0.3
_EDGE_S = 0.25
_VOICES: tuple[tuple[str, bool], ...] = (
    ("gmw/en-US+f2", True),
    ("gmw/en-US+m3", True),
    ("gmw/en-US+adam", True),
    ("gmw/en-US+linda", True),
    ("gmw/en-US+belinda", True),
    ("gmw/en-US+max", True),
    ("gmw/en-US-nyc+m7", True),
    ("gmw/en-US-nyc+f3", True),
    ("gmw/en+m1", True),
    ("gmw/en+f5", True),
    ("gmw/en-GB-x-rp+m2", True),
    ("gmw/en-GB-scotland+john", True),
    ("gmw/en-US+f4", False),
    ("gmw/en-US+edward", False),
    ("gmw/en+Annie", False),
    ("gmw/en-US+david", False),
    ("gmw/en-029+m5", False),
    ("gmw/en-GB-x-gbclan+steph", False),
)
"""eSpeak voice, and whether it was heard in training."""


@dataclass(frozen=True)
class _Plan:
    """A clip to be made: what is said, by whom and how."""

    id: str
    voice: str
    heard_in_training: bool
    texts: tuple[str, ...]
    prosody: Prosody


def _plans(seed: int) -> list[_Plan]:
    rng = random.Random(seed)
    most_sentences = len(_VOICES) * _CLIPS_A_VOICE * max(_SENTENCES_A_CLIP)
    sentences = iter(held_out_sentences(rng, most_sentences))
    plans = []
    for voice, heard in _VOICES:
        for number in range(_CLIPS_A_VOICE):
            texts = tuple(next(sentences) for _ in range(rng.choice(_SENTENCES_A_CLIP)))
            prosody = Prosody(rng.randint(145, 195), rng.randint(30, 70), rng.randint(35, 65))
            name = voice.removeprefix("gmw/").lower().replace("+", "-")
            plans.append(_Plan(f"{name}-{number + 1}", voice, heard, texts, prosody))
    return plans


def _assemble(plan: _Plan, spoken: list[Spoken]) -> tuple[np.ndarray, dict[str, Any]]:
    """Join the sentences of a clip, with pauses between them, and shift their labels to the clip's time."""
    parts = [np.zeros(round(_EDGE_S * SAMPLE_RATE_HZ), np.float32)]
    words: list[Span] = []
    phones: list[Span] = []
    for index, sentence in enumerate(spoken):
        at_s = sum(map(len, parts)) / SAMPLE_RATE_HZ
        words += [_later(word, at_s) for word in sentence.words]
        phones += [_later(phone, at_s) for phone in sentence.phones]
        parts.append(soxr.resample(sentence.samples, sentence.rate_hz, SAMPLE_RATE_HZ, quality="HQ"))
        pause_s = _PAUSE_S if index + 1 < len(spoken) else _EDGE_S
        parts.append(np.zeros(round(pause_s * SAMPLE_RATE_HZ), np.float32))
    labels = {
        "id": plan.id,
        "file": f"{plan.id}.ogg",
        "voice": plan.voice,
        "heard_in_training": plan.heard_in_training,
        "transcript": " ".join(plan.texts),
        "words": [[round(word.start_s, 4), round(word.end_s, 4), word.text] for word in words],
        "phones": [[round(p.start_s, 4), round(p.end_s, 4), arpabet(p.text)] for p in phones],
        "espeak_units": [phone.text for phone in phones],
    }
    return np.concatenate(parts), labels


def _later(span: Span, by_s: float) -> Span:
    return Span(span.start_s + by_s, span.end_s + by_s, span.text)


def make_clips(out: Path, *, seed: int, overwrite: bool) -> list[dict[str, Any]]:
    """Speak and write all clips."""
    plans = _plans(seed)
    spoken = iter(fresh([(text, plan.voice, plan.prosody) for plan in plans for text in plan.texts]))
    index = []
    manifest = {"command": "python -m otoscope.demo.clips", "settings": {"seed": seed}}
    with result_folder(out, overwrite=overwrite, manifest=manifest) as folder:
        for plan in plans:
            samples, labels = _assemble(plan, [next(spoken) for _ in plan.texts])
            soundfile.write(folder / labels["file"], samples, SAMPLE_RATE_HZ, format="OGG", subtype="VORBIS")
            index.append(labels)
        rows = ",\n".join(json.dumps(labels, ensure_ascii=False) for labels in index)
        text = f'{{"schema_version": {SCHEMA_VERSION}, "clips": [\n{rows}\n]}}\n'
        (folder / "clips.json").write_text(text, encoding="utf-8")
    return index


def main() -> None:
    """Read the command line and make the clips."""
    parser = argparse.ArgumentParser(prog="python -m otoscope.demo.clips", description="Make the labelled demo clips.")
    parser.add_argument("--out", type=Path, default=clips_folder())
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--overwrite", action="store_true")
    arguments = parser.parse_args()
    clips = make_clips(arguments.out, seed=arguments.seed, overwrite=arguments.overwrite)
    Console().print(f"{len(clips)} clips written to {arguments.out}")


if __name__ == "__main__":
    main()
