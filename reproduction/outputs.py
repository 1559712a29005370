"""The study's outputs on one model: each is measured once and kept as JSON, so that a stopped run can continue."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import otoscope as oto
from otoscope.base.files import write_json
from otoscope.model.whisper import Whisper
from reproduction import printed

N_SOUNDS = 10
"""Sounds without speech of each kind."""
LEVELS_DBFS = (-60.0, -40.0, -20.0)
WHITE, ZERO, NO_ENCODER = "white noise", "digital silence", "the encoder's output set to zero"


def measure(model: Whisper, recording: Path, speech: Path, folder: Path) -> dict[str, Any]:
    """Reproduce every output of the study on a model.

    Args:
        model: Any Whisper.
        recording: The study's own recording: twelve seconds that begin with "Hot ones".
        speech: A recording for the relevance map.
        folder: Where each output is kept as JSON, and the picture of the map.

    Returns:
        The outputs by name.
    """
    pieces: dict[str, Callable[[], Any]] = {
        "windows": partial(windows, model, recording),
        "splices": partial(splices, model, recording),
        "next_tokens": partial(next_tokens, model),
        "neighbours": partial(nearest, model),
        "relevance": partial(relevance, model, speech, folder),
        "no_speech": partial(no_speech, model),
    }
    return {name: _kept(folder / f"{name}.json", make) for name, make in pieces.items()}


def _kept(path: Path, make: Callable[[], Any]) -> Any:
    if not path.is_file():
        write_json(path, make())
    return json.loads(path.read_text(encoding="utf-8"))


def windows(model: Whisper, recording: Path) -> dict[str, str]:
    """Transcripts under an attention window of k frames; the key `null` is the one without a limit."""
    ks = [k for k in printed.WINDOWS if k is not None]
    study = oto.window(model, recording, ks=ks, language="en")
    return {json.dumps(row.k): row.text for row in study.transcripts[0]}


def splices(model: Whisper, recording: Path) -> dict[str, str]:
    """Transcripts with a stretch of the encoder's output replaced by padding's, by `start-stop` in frames."""
    return {
        f"{start}-{stop}": oto.splice(model, recording, start, stop, language="en").spliced
        for start, stop in printed.SPLICES
    }


def next_tokens(model: Whisper) -> dict[str, list[str]]:
    """The likeliest tokens after each of the study's prompts, with padding for sound."""
    result = oto.bigrams(model, list(printed.NEXT_TOKENS), language="en", n_next=20)
    return {continuation.prompt: [token.text for token in continuation.next] for continuation in result.continuations}


def nearest(model: Whisper) -> dict[str, Any]:
    """The tokens nearest to each of the study's words."""
    return oto.neighbours(model, list(printed.NEIGHBOURS), k=24).to_json()


def relevance(model: Whisper, speech: Path, folder: Path) -> dict[str, Any]:
    """How local the relevance map of a recording is, and where its speech ends; its picture is written too."""
    result = oto.relevance(model, speech)
    result.plot(folder / "relevance.png")
    return result.to_json()


def no_speech(model: Whisper) -> dict[str, Mapping[str, int]]:
    """Transcripts of sounds without speech: kind of sound, then transcript, to its count."""
    import numpy as np

    from otoscope.base.clocks import SAMPLE_RATE_HZ

    length_s = model.window_s
    n = round(length_s * SAMPLE_RATE_HZ)
    rng = np.random.default_rng(0)
    sounds: dict[str, list[Any]] = {
        ZERO: [np.zeros(n, dtype=np.float32)],
        "a quiet room": [oto.nonspeech("silence", length_s, seed=seed) for seed in range(N_SOUNDS)],
        WHITE: [
            (rng.standard_normal(n) * 10 ** (LEVELS_DBFS[seed % 3] / 20)).astype(np.float32) for seed in range(N_SOUNDS)
        ],
        "pink noise": [
            oto.nonspeech("noise", length_s, level_dbfs=LEVELS_DBFS[seed % 3], seed=seed) for seed in range(N_SOUNDS)
        ],
        "music": [
            oto.nonspeech("music", length_s, level_dbfs=LEVELS_DBFS[seed % 3], seed=seed) for seed in range(N_SOUNDS)
        ],
    }
    counted = {kind: _counted(model, clips) for kind, clips in sounds.items()}
    with model.edit({"encoder.ln_post": lambda x: 0 * x}):
        counted[NO_ENCODER] = _counted(model, sounds[ZERO])
    return counted


def _counted(model: Whisper, clips: list[Any]) -> Mapping[str, int]:
    """Transcripts of clips to their counts, the most common first."""
    texts = [heard.text for heard in model.transcribe_many(clips, language="en")]
    return {text: texts.count(text) for text in sorted(set(texts), key=lambda text: -texts.count(text))}
