"""How fast is speech transcribed, compared with the programs that people use?

Short clips one after the other, and a recording of more than a window; samples in, text out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.peers import (
    FASTER,
    OPENAI,
    Transcribe,
    absent,
    faster_alone,
    openai_alone,
    transformers_alone,
)
from benchmarks.released import Released, Samples, released, spoken
from benchmarks.row import Row
from benchmarks.subject import Settings
from benchmarks.timing import take_turns
from otoscope.base.clocks import SAMPLE_RATE_HZ

TARGET = 1.25
"""For long speech, against openai-whisper."""
ROUNDS = 3
N_CLIPS = 40
FRAMEWORK = "transformers"


def measure(settings: Settings) -> list[Row]:
    """Compare transcribing with other programs.

    Args:
        settings: How to measure.

    Returns:
        Short clips against three programs, long speech against two.
    """
    subject = released(settings)
    clips, corpus_name = spoken(min(settings.rounds(N_CLIPS), N_CLIPS))
    longest = round(2 * subject.model.window_s * SAMPLE_RATE_HZ)
    clips = [samples[: longest // 2] for samples in clips]
    talk = np.concatenate([clips[i % len(clips)] for i in range(longest // min(map(len, clips)) + 1)])[:longest]
    many: dict[str, Transcribe] = {"otoscope": partial(_ours, subject), **_peers(settings, subject)}
    short = _against(
        settings,
        subject,
        {**many, FRAMEWORK: transformers_alone(subject)},
        clips,
        f"{len(clips)} short clips ({corpus_name}, {sum(map(len, clips)) / SAMPLE_RATE_HZ:.0f} s), {subject.about}: "
        "transcribed one by one",
        {},
    )
    if subject.folder is None:
        return short  # random weights write no timestamps, which long recordings need
    question = f"{len(talk) / SAMPLE_RATE_HZ:.0f} s of speech ({corpus_name}), {subject.about}: transcribed"
    return short + _against(settings, subject, many, [talk], question, {OPENAI: TARGET})


def _ours(subject: Released, samples: Samples) -> Any:
    return subject.model.transcribe(samples, language="en", max_new_tokens=subject.max_new_tokens)


def _peers(settings: Settings, subject: Released) -> dict[str, Transcribe]:
    """The other programs that are installed."""
    peers: dict[str, Transcribe] = {}
    if absent(OPENAI, subject) is None:
        peers[OPENAI] = openai_alone(subject)
    if absent(FASTER, subject) is None:
        peers[FASTER] = faster_alone(subject, settings.threads)
    return peers


def _against(
    settings: Settings,
    subject: Released,
    contestants: dict[str, Transcribe],
    clips: Sequence[Samples],
    question: str,
    targets: dict[str, float],
) -> list[Row]:
    """Make one row for each other program; a program that cannot take part says why."""

    def run(transcribe: Transcribe) -> None:
        for samples in clips:
            transcribe(samples)

    turns: dict[str, Callable[[], None]] = {name: partial(run, work) for name, work in contestants.items()}
    rounds = take_turns(turns, settings.rounds(ROUNDS))
    rows = [
        Row(
            f"{question}, against {name}",
            result=rounds.ratio("otoscope", name),
            target=targets.get(name),
            detail=rounds.compared("otoscope", name),
        )
        for name in contestants
        if name != "otoscope"
    ]
    missing = {name: absent(name, subject) for name in (OPENAI, FASTER) if name not in contestants}
    return rows + [
        Row(f"{question}, against {name}", detail=why or "", is_optional=True) for name, why in missing.items()
    ]
