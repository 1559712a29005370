"""The part that transcribes: what is said in the clips, what the model hears, and how often it errs.

Costs one transcription of every clip. Memory is that of ten minutes of sound, or of the longest clip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from otoscope.audio.clip import Clip
from otoscope.base.files import write_json
from otoscope.corpus.corpus import DEMO
from otoscope.corpus.demo_clips import read_index
from otoscope.model.transcription import Transcription
from otoscope.study.error_rate import bootstrap_rate, word_errors
from otoscope.study.whole.context import Context, NotHereError

AT_ONCE, AT_ONCE_S = 32, 600.0
"""Clips that are transcribed together, and how long they may be in all."""

HEARD, UNHEARD = "voices heard in training", "voices never heard in training"


def transcripts(context: Context, out: Path) -> None:
    """Transcribe clips, and compare with what is said where that is known: `transcripts.json`."""
    chosen = context.whole_clips(context.settings.transcripts.clips)
    rows: list[dict[str, Any]] = []
    for batch in _batches(context.read(chosen)):
        heard = context.model.transcribe_many(batch, word_times=True, language=context.language)
        rows += [_row(clip, transcription) for clip, transcription in zip(batch, heard, strict=True)]
        context.tell("transcripts", len(rows), len(chosen))
    if not rows:
        raise NotHereError("no clip could be read")
    table = {"model": context.model.name, "clips": rows, "wer": _wer(rows, context.seed)}
    groups = _groups(context)
    if groups:
        table["groups"] = [
            {"name": name, "n_clips": len(members), "wer": _wer(members, context.seed)}
            for name in (HEARD, UNHEARD)
            if (members := [row for row in rows if groups.get(row["clip"]) == name])
        ]
    write_json(out / "transcripts.json", table)


def _batches(clips: Iterable[Clip]) -> Iterator[list[Clip]]:
    """Group clips that are transcribed together."""
    batch: list[Clip] = []
    for clip in clips:
        if batch and (
            len(batch) == AT_ONCE or sum(waiting.duration_s for waiting in batch) + clip.duration_s > AT_ONCE_S
        ):
            yield batch
            batch = []
        batch.append(clip)
    if batch:
        yield batch


def _row(clip: Clip, heard: Transcription) -> dict[str, Any]:
    errors = word_errors(clip.transcript, heard.text) if clip.transcript else None
    return {
        "clip": clip.id,
        "speaker": clip.speaker,
        "duration_s": clip.duration_s,
        "language": heard.language,
        "said": clip.transcript,
        "heard": heard.text,
        "words": [(word.start_s, word.end_s, word.text) for word in heard.words or ()],
        "word_errors": None if errors is None else {"errors": errors.errors, "n": errors.n_reference},
    }


def _wer(rows: Iterable[Mapping[str, Any]], seed: int) -> dict[str, Any] | None:
    """Return the word error rate over rows where it is known what is said, with its interval over clips."""
    errors = [word_errors(row["said"], row["heard"]) for row in rows if row["said"]]
    return {**bootstrap_rate(errors, seed=seed).to_json(), "n": len(errors)} if errors else None


def _groups(context: Context) -> dict[str, str]:
    """Return whether the demo model heard each clip's voice in training; empty for other models and clips."""
    groups = {entry.id: HEARD if entry.labels["heard_in_training"] else UNHEARD for entry in read_index()}
    is_demo = context.model.id == DEMO and all(source.id in groups for source in context.corpus.sources)
    return groups if is_demo else {}
