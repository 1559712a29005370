"""Speak a corpus of any length in the demo language, with phones in time: `python -m otoscope.demo.spoken_corpus`.

For work that needs more sound than the package holds, such as training dictionaries. No sentence is one of the demo
clips', and the voices are those heard in training. Each sentence is spoken in its own process, so that the same command
gives the same samples. Writes FLAC, TextGrids and a manifest that `otoscope` reads as a corpus. Needs the `speech`
extra; takes about a hundredth of the sound's duration, and 60 MB an hour.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from rich.console import Console

from otoscope.audio.clip import Span
from otoscope.base.clocks import SAMPLE_RATE_HZ
from otoscope.base.errors import InputError
from otoscope.base.results import result_folder
from otoscope.corpus.alignment.textgrid_writing import write_textgrid
from otoscope.demo.espeak import Prosody, Spoken, fresh
from otoscope.demo.phones import arpabet
from otoscope.demo.speech import draw_sentence
from otoscope.demo.voices import training_voice

MANIFEST = "clips.jsonl"
_SPEAKERS = 40
_EDGE_S = 0.25
_AT_ONCE = 200
"""Sentences that are spoken, and held in memory, before their sound is written."""


def make_spoken_corpus(out: Path, *, hours: float, seed: int, overwrite: bool) -> int:
    """Speak and write a corpus."""
    if not hours > 0:
        raise InputError(f"a corpus of {hours:g} hours cannot be spoken: give a length above 0.")
    manifest = {"command": "python -m otoscope.demo.spoken_corpus", "settings": {"hours": hours, "seed": seed}}
    rows: list[str] = []
    spoken_s = 0.0
    requests = _requests(seed)
    with result_folder(out, overwrite=overwrite, manifest=manifest) as folder:
        while spoken_s < hours * 3600:
            batch = [next(requests) for _ in range(_AT_ONCE)]
            for request, spoken in zip(batch, fresh(batch), strict=True):
                spoken_s += _write(folder, len(rows), request, spoken, rows)
                if spoken_s >= hours * 3600:
                    break
        (folder / MANIFEST).write_text("\n".join(rows) + "\n", encoding="utf-8")
    return len(rows)


def _requests(seed: int) -> Iterator[tuple[str, str, Prosody]]:
    """Yield (text, voice, prosody) without end; every voice has its own prosody."""
    rng = random.Random(seed)
    voices: dict[str, Prosody] = {}
    while len(voices) < _SPEAKERS:
        voices[training_voice(rng)] = Prosody(rng.randint(145, 195), rng.randint(30, 70), rng.randint(35, 65))
    speakers = list(voices)
    while True:
        voice = rng.choice(speakers)
        yield draw_sentence(rng), voice, voices[voice]


def _write(folder: Path, number: int, request: tuple[str, str, Prosody], spoken: Spoken, rows: list[str]) -> float:
    """Write a clip with its labels, add its row, and return its length in seconds."""
    text, voice, _ = request
    edge = np.zeros(round(_EDGE_S * SAMPLE_RATE_HZ), np.float32)
    samples = np.concatenate([edge, soxr.resample(spoken.samples, spoken.rate_hz, SAMPLE_RATE_HZ, quality="HQ"), edge])
    name = f"clip-{number:05d}"
    duration_s = len(samples) / SAMPLE_RATE_HZ
    words = [Span(span.start_s + _EDGE_S, span.end_s + _EDGE_S, span.text) for span in spoken.words]
    phones = [Span(span.start_s + _EDGE_S, span.end_s + _EDGE_S, arpabet(span.text)) for span in spoken.phones]
    soundfile.write(folder / f"{name}.flac", samples, SAMPLE_RATE_HZ, subtype="PCM_16")
    write_textgrid(folder / f"{name}.TextGrid", words, phones, duration_s)
    row = {
        "audio": f"{name}.flac",
        "id": name,
        "transcript": text,
        "speaker": voice,
        "language": "en",
        "alignment": f"{name}.TextGrid",
    }
    rows.append(json.dumps(row, ensure_ascii=False))
    return duration_s


def main() -> None:
    """Read the command line and speak the corpus."""
    parser = argparse.ArgumentParser(prog="python -m otoscope.demo.spoken_corpus", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--overwrite", action="store_true")
    arguments = parser.parse_args()
    n_clips = make_spoken_corpus(
        arguments.out, hours=arguments.hours, seed=arguments.seed, overwrite=arguments.overwrite
    )
    Console().print(f"{n_clips} clips written to {arguments.out}; the corpus is {arguments.out / MANIFEST}")


if __name__ == "__main__":
    main()
