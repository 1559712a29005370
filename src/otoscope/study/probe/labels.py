"""What a probe predicts: a label for each clip, or one for each frame; and the files that such labels come from.

A file of labels is a table with a column that names clips (`clip` or `id`) or speakers (`speaker`), and one column for
each label. A manifest with more columns is such a file, too. Takes a few bytes per clip; knows no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Int8

from otoscope.audio.clip import Span
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.corpus.rows import SUFFIXES, read_rows
from otoscope.harvest.labels import LabelSet

FRAME_TASKS = ("speech", "phone")
"""Tasks of frames; all others are tasks of clips."""
CLIP_TASKS = ("language", "speaker")
"""Tasks that clips have labels for; any other task is a column of a file of labels."""
SPEECH_CLASSES = ("speech", "no speech")
CLIP_KEYS = ("clip", "id")
_COVERED = LabelSet(None, None, ("speech",), (), (), (), "clips", 0)


@dataclass(frozen=True)
class ProbeLabels:
    """Labels that clips do not carry themselves."""

    by_name: Mapping[str, str] = field(default_factory=dict)  # clip id or speaker to label; an id takes precedence
    speakers: Mapping[str, str] = field(default_factory=dict)  # clip id to its speaker, where the file names one

    def label_of(self, clip_id: str, speaker: str | None) -> str | None:
        """Find the label of a clip; None where there is none."""
        label = self.by_name.get(clip_id)
        return self.by_name.get(speaker) if label is None and speaker is not None else label


@dataclass(frozen=True)
class ClipFacts:
    """What is known of a clip, wherever its activations come from."""

    id: str
    speaker: str | None
    language: str | None
    phones: tuple[Span, ...] | None  # in time, in the set that is used, pauses left out


def is_frame_task(task: str) -> bool:
    """Whether a task is one of frames."""
    return task in FRAME_TASKS


def check_task(task: str, labels: ProbeLabels | None) -> None:
    """Refuse a task without labels."""
    known = ", ".join((*FRAME_TASKS, *CLIP_TASKS))
    if not task.strip():
        raise InputError(f"the task is {task!r}: give {known}, or a column of a file of labels.")
    if task not in (*FRAME_TASKS, *CLIP_TASKS) and labels is None:
        raise InputError(
            f"task {task!r} is not one that clips have labels for ({known}): give labels for it, a table with a column "
            f"{task!r} beside 'clip' or 'speaker'."
        )
    if is_frame_task(task) and labels is not None:
        raise InputError(
            f"labels were given for task {task!r}, which is asked of every frame, and a file has one label for a clip. "
            f"Leave the labels out, or ask for one of their columns."
        )


def clip_label(task: str, about: ClipFacts, labels: ProbeLabels | None) -> str | None:
    """Return the label of a clip for a task; None where it is not known."""
    if labels is not None:
        return labels.label_of(about.id, about.speaker)
    return about.language if task == "language" else about.speaker


def frame_labels(
    task: str,
    about: ClipFacts,
    frames: Int[np.ndarray, " frame"],
    kinds: Int8[np.ndarray, " frame"],
    known: LabelSet,
    lag: int,
) -> Int[np.ndarray, " frame"]:
    """Return the class of each frame of a clip, by number; -1 where a frame has none, such as padding.

    For the task `phone` it is the phone at a frame's middle; for `speech`, whether there is one, or, in a clip without
    phones, whether the frame is loud enough to be speech. The lag does not apply to what is decided by loudness.
    """
    n_frames = int(frames.max(initial=-1)) + 1
    if task == "speech":
        if about.phones is None:
            classes = np.where(kinds == Kind.SPEECH, 0, 1)
        else:
            spans = [Span(span.start_s, span.end_s, "speech") for span in about.phones]
            classes = _COVERED.frame_phones(spans, n_frames, lag)[frames].astype(np.int64)
    elif about.phones is None:
        classes = np.full(len(frames), -1)
    else:
        numbers = known.frame_phones(about.phones, n_frames, lag)[frames].astype(np.int64)
        classes = np.where(numbers == len(known.phones), -1, numbers)
    return np.where(kinds == Kind.PADDING, -1, classes)


def read_labels(path: str | Path, task: str) -> ProbeLabels:
    """Read the column `task` of a file of labels: `.csv`, `.tsv`, `.jsonl` or `.parquet`."""
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"labels '{path}' are not a table of a known kind: give a file that ends in {', '.join(SUFFIXES)}."
        )
    if not file.is_file():
        raise InputError(f"there are no labels '{path}'. Check the path; it is taken from {Path.cwd()}.")
    by_name: dict[str, str] = {}
    speakers: dict[str, str] = {}
    lines: dict[str, str] = {}
    for line, row in read_rows(file, "labels", example='{"speaker": "anna", "sex": "f"}'):
        key = next((key for key in (*CLIP_KEYS, "speaker") if key in row), None)
        if key is None or task not in row:
            columns = ", ".join(map(repr, row)) or "none"
            missing = repr(task) if key is not None else "'clip', 'id' or 'speaker'"
            raise InputError(f"labels '{path}', {line}: there is no column {missing}; there are {columns}. Add it.")
        name, label = _text(path, line, key, row[key]), row[task]
        if label is None or label == "":
            continue  # not known of this clip
        text = _text(path, line, task, label)
        if by_name.setdefault(name, text) != text:
            raise InputError(
                f"labels '{path}', {line}: {key} {name!r} is {text!r}, and {by_name[name]!r} on {lines[name]}. "
                "Leave one of them out."
            )
        lines[name] = line
        if key != "speaker" and row.get("speaker") not in (None, ""):
            speakers[name] = _text(path, line, "speaker", row["speaker"])
    if not by_name:
        raise InputError(f"labels '{path}' hold no {task!r}: expected a line for each clip or speaker. Fill it.")
    return ProbeLabels(by_name, speakers)


def _text(path: str | Path, line: str, column: str, value: Any) -> str:
    """Read a cell as text; whole numbers name speakers and classes as well."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise InputError(
            f"labels '{path}', line {line.split()[-1]}: {column!r} is {value!r}: expected text. Correct it."
        )
    return value.strip()
