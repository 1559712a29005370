"""What does a live question cost, compared with transcribing the recording?

The question goes through a server on this machine: a WAV file of 10 s is sent, decoded in its own process and
transcribed, its words are aligned, all neurons and a dictionary of each block are read, and the answer is sent back.
The baseline only transcribes the samples, in this process. Measured with the demo model on its own clips, and with a
random model of whisper-tiny's size that is limited to ten words. The study behind the answers has a few seconds of
sound.
"""

from __future__ import annotations

import io
import itertools
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.row import Row
from benchmarks.subject import Settings
from benchmarks.timing import take_turns
from benchmarks.words import N_WORDS, ten_words
from otoscope.atlas.live import Live
from otoscope.base.clocks import SAMPLE_RATE_HZ
from otoscope.corpus import Corpus
from otoscope.corpus.demo_clips import read_index
from otoscope.corpus.source import Source
from otoscope.harvest.run import run_harvest
from otoscope.harvest.settings import HarvestSettings
from otoscope.model.load import load
from otoscope.model.whisper import Whisper
from otoscope.study.listening.live import LiveModel
from tests.atlas.serving import serving
from tests.harvest.made_dictionary import write_dictionary

TARGET = 2.0
ROUNDS = 7
SECONDS = 10.0
SETTLE_S = 0.6
"""The process for the next recording starts after an answer; nothing is timed meanwhile."""

EXPANSION = 4


def measure(settings: Settings) -> list[Row]:
    """Compare a live question with transcribing the recording.

    Args:
        settings: How to measure.

    Returns:
        Two rows.
    """
    demo = load("demo", device="cpu")
    rows = []
    for name, model in (("the demo model", demo), (f"a model held to {N_WORDS} words", ten_words(settings))):
        samples = talk(min(SECONDS, model.window_s))
        with tempfile.TemporaryDirectory() as folder:
            study = make_study(model, Path(folder) / "study", samples[: 4 * SAMPLE_RATE_HZ])
            live = Live(partial(LiveModel, model, study), model.window_s)
            with serving(study, live) as server:
                ask = partial(server.ask, "POST", "/live/ask", as_wav(samples))
                settle = itertools.cycle([partial(time.sleep, SETTLE_S), lambda: None])  # before a run, not after it
                rounds = take_turns(
                    {"transcribing": partial(model.transcribe, samples), "asking": partial(answered, ask)},
                    settings.rounds(ROUNDS),
                    synchronise=lambda settle=settle: next(settle)(),  # type: ignore[misc]
                )
        rows.append(
            Row(
                f"a live question about {SECONDS:g} s of sound to {name}, against transcribing it",
                result=rounds.ratio("asking", "transcribing"),
                target=TARGET,
                detail=rounds.compared("asking", "transcribing"),
            )
        )
    return rows


def talk(seconds: float) -> np.ndarray:
    """Join demo clips until there is enough sound."""
    n_samples = round(seconds * SAMPLE_RATE_HZ)
    clips: list[np.ndarray] = []
    for clip in read_index():
        clips.append(clip.read().samples)
        if sum(map(len, clips)) >= n_samples:
            break
    joined: np.ndarray = np.concatenate(clips)[:n_samples]
    return joined


def as_wav(samples: np.ndarray) -> bytes:
    """Encode a recording as a page would send it."""
    out = io.BytesIO()
    soundfile.write(out, samples, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return out.getvalue()


def answered(ask: Callable[[], object]) -> None:
    """Ask, and check that there is an answer."""
    reply = ask()
    assert reply.status == 200, reply.body  # type: ignore[attr-defined]


def make_study(model: Whisper, folder: Path, samples: np.ndarray) -> Path:
    """Harvest neurons and a random dictionary of each block from a few seconds of sound."""
    clip = replace(read_index()[0].read(), samples=samples, id="talk", words=None, phones=None)
    for block in range(model.n_encoder_blocks):
        write_dictionary(
            folder / "dictionaries" / f"encoder.blocks.{block}",
            d_in=model.d_model,
            n_features=EXPANSION * model.d_model,
            site=f"encoder.blocks.{block}",
            model=model.id,
            weights_hash=model.weights_hash,
        )
    sites = ("encoder.blocks.*.mlp.1", "encoder.blocks.*")
    settings = HarvestSettings(sites, ("neuron", f"sae:{folder / 'dictionaries'}"), top=1, samples=1)
    run_harvest(model, Corpus("talk", [Source(clip.id, partial(replace, clip))]), settings, folder / "harvest")
    about = {"id": model.id, "weights_hash": model.weights_hash, "window_s": model.window_s}
    (folder / "study.json").write_text(json.dumps({"kind": "study", "study_version": 1, "model": about, "parts": []}))
    (folder / "manifest.json").write_text("{}")
    return folder
