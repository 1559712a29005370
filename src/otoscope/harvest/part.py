"""One part of a corpus: its clips go through the model window by window and into the state of every group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from otoscope.audio.clip import Clip, Span
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus, Problem
from otoscope.harvest.activity import TRAINED, Activity, Reads
from otoscope.harvest.bases import Group
from otoscope.harvest.labels import LabelSet
from otoscope.harvest.lags import GroupLags
from otoscope.harvest.maxima import ClipSamples
from otoscope.harvest.state import (
    N_KINDS,
    PARTS,
    GroupState,
    Pool,
    StateSettings,
    WindowFrames,
)


class ClipFailedError(Exception):
    """A clip failed after some of its windows were gathered, which makes the state useless.

    Attributes:
        clip: The clip's number.
        message: What is wrong with it.
    """

    def __init__(self, clip: int, message: str) -> None:
        super().__init__(message)
        self.clip = clip
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.clip, self.message)


class Writes(Protocol):
    """Stores activations."""

    def add(self, clip: int, first_frame: int, kinds: np.ndarray, values: dict[str, np.ndarray]) -> None:
        """Store one window."""


@dataclass
class State:
    """All that is gathered: the state of every group, and counts of frames."""

    groups: list[GroupState]  # in the order of the calibration's groups
    # `kind`, `phone`, `speaker` and `language` to counts of frames; the last three count speech only, and `phone` has
    # a row for every lag
    frames: dict[str, np.ndarray]

    @property
    def n_bytes(self) -> int:
        """Memory it takes."""
        return sum(group.n_bytes for group in self.groups)

    def end_part(self) -> None:
        """End a part of the corpus."""
        for group in self.groups:
            group.end_part()

    def merge(self, later: State) -> None:
        """Add the state of a later part."""
        for mine, theirs in zip(self.groups, later.groups, strict=True):
            mine.merge(theirs)
        for name, counts in later.frames.items():
            self.frames[name] += counts

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays from which `restore` can continue after a finished part."""
        kept = {f"frames.{name}": counts for name, counts in self.frames.items()}
        for number, group in enumerate(self.groups):
            kept |= {f"{number}.{name}": array for name, array in group.kept().items()}
        return kept

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Restore the state from what `arrays` gave."""
        for name in self.frames:
            self.frames[name][...] = arrays[f"frames.{name}"]
        for number, group in enumerate(self.groups):
            start = f"{number}."
            group.restore({name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)})


@dataclass(frozen=True)
class CorpusPass:
    """What a pass over a corpus needs; the same for every part."""

    reader: Reads  # turns clips into activations
    corpus: Corpus  # the clips
    labels: LabelSet  # the clips' labels
    groups: list[Group]  # features by site and basis
    edges: list[np.ndarray]  # edges of the bins of strength by phone, one array per group
    lags: list[GroupLags]  # for each group, how many frames late it and its features answer
    samples: ClipSamples  # samples of the clips; the strongest peaks of each are kept
    settings: list[StateSettings]  # sizes of the state of every group
    part_clips: int  # clips in a part
    pool: Pool  # threads

    @property
    def n_parts(self) -> int:
        """How many parts there are."""
        return -(-len(self.corpus) // self.part_clips)

    @cached_property
    def all_lags(self) -> tuple[int, ...]:
        """All lags that any feature has, in order."""
        return tuple(sorted({lag for lags in self.lags for lag in (lags.lag, *np.unique(lags.by_feature).tolist())}))

    def empty_state(self) -> State:
        """Make the state before any clip."""
        n_phones, labels, known = len(self.labels.phones), self.labels, np.array(self.all_lags)
        return State(
            [
                GroupState(
                    settings, edges, int(np.searchsorted(known, lags.lag)), np.searchsorted(known, lags.by_feature)
                )
                for settings, edges, lags in zip(self.settings, self.edges, self.lags, strict=True)
            ],
            {
                "kind": np.zeros(N_KINDS, np.int64),
                "phone": np.zeros((len(known), n_phones + 1), np.int64),
                "speaker": np.zeros(len(labels.speakers), np.int64),
                "language": np.zeros(len(labels.languages), np.int64),
            },
        )


@dataclass
class PartLog:
    """What happened in a part."""

    rows: list[dict[str, Any]] = field(default_factory=list)  # a row of `clips.parquet` for every clip used
    problems: list[Problem] = field(default_factory=list)  # clips that could not be used
    label_problems: list[Problem] = field(default_factory=list)  # clips whose labels could not be used
    # clips that differ from what their files say, or whose end may be missing
    sound_notes: list[Problem] = field(default_factory=list)


def gather_part(
    corpus_pass: CorpusPass,
    number: int,
    state: State,
    failed: dict[int, str],
    *,
    writer: Writes | None = None,
    done: Callable[[int], None] = lambda clip: None,
) -> PartLog:
    """Gather the clips of a part into a state, except those that are known to have failed."""
    log = PartLog()
    stop = min((number + 1) * corpus_pass.part_clips, len(corpus_pass.corpus))
    for index in range(number * corpus_pass.part_clips, stop):
        source = corpus_pass.corpus.sources[index]
        if index in failed:
            log.problems.append(Problem(source.id, failed[index]))
            continue
        try:
            clip = corpus_pass.corpus.read(source)
        except InputError as error:
            log.problems.append(Problem(source.id, str(error)))
            continue
        try:
            phones = corpus_pass.labels.phones_of(clip)
        except InputError as error:
            clip, phones = replace(clip, words=None, phones=None, label_problem=str(error)), None
        if clip.label_problem is not None:
            log.label_problems.append(Problem(source.id, clip.label_problem))
        log.sound_notes += [Problem(source.id, note) for note in clip.notes]
        log.rows.append(_gather_clip(corpus_pass, index, clip, phones, state, writer))
        done(index)
    state.end_part()
    return log


def _gather_clip(
    corpus_pass: CorpusPass,
    index: int,
    clip: Clip,
    phones: tuple[Span, ...] | None,
    state: State,
    writer: Writes | None,
) -> dict[str, Any]:
    labels, counts = corpus_pass.labels, state.frames
    speaker, language = labels.number_of(clip.speaker, clip.language)
    shuffled = labels.shuffled(phones, clip.id) if phones is not None and labels.held_out[index] else None
    n_frames = n_speech = 0
    try:
        for complete, is_last in _with_last(corpus_pass.reader.windows(clip)):
            activity = complete.thinned()
            frames = WindowFrames(
                index,
                activity.first_frame,
                activity.kinds,
                phones=_frame_phones(corpus_pass, phones, activity),
                shuffled=_frame_phones(corpus_pass, shuffled, activity),
                part=PARTS.index("held_out" if labels.held_out[index] else "choose"),
                seed=labels.seed,
                speaker=speaker,
                language=language,
                ends_clip=is_last,
                clip_samples=corpus_pass.samples.of_clip[index].tolist(),
            )
            _add(corpus_pass, state, activity, frames)
            if writer is not None:
                values = {
                    site: x.float().cpu().numpy() for (which, site), x in complete.values.items() if which == TRAINED
                }
                writer.add(index, complete.first_frame, complete.kinds, values)
            counts["kind"] += frames.n_by_kind
            for row, lag_labels in zip(counts["phone"], frames.labels, strict=False):  # empty without labels
                row += np.bincount(lag_labels, minlength=len(labels.phones) + 1)
            n_speech += int(frames.n_by_kind[Kind.SPEECH])
            n_frames += int(len(activity.kinds) - frames.n_by_kind[Kind.PADDING])
    except (InputError, RuntimeError, ValueError) as error:
        raise ClipFailedError(index, str(error)) from error
    for name, number in (("speaker", speaker), ("language", language)):
        if number >= 0:
            counts[name][number] += n_speech
    return _row(index, clip, phones, labels, n_frames, n_speech)


def _with_last(activities: Iterator[Activity]) -> Iterator[tuple[Activity, bool]]:
    """Pair each window with whether it is the last."""
    before = next(activities, None)
    for activity in activities:
        assert before is not None, "there was one before"
        yield before, False
        before = activity
    if before is not None:
        yield before, True


def _frame_phones(corpus_pass: CorpusPass, phones: tuple[Span, ...] | None, activity: Activity) -> np.ndarray | None:
    """Number the phones of a window's frames at every lag, [lag, frame]; None without labels."""
    if phones is None:
        return None
    n, first = len(activity.kinds), activity.first_frame
    return np.stack([corpus_pass.labels.frame_phones(phones, n, lag - first) for lag in corpus_pass.all_lags])


def _add(corpus_pass: CorpusPass, state: State, activity: Activity, frames: WindowFrames) -> None:
    for group, gathered in zip(corpus_pass.groups, state.groups, strict=True):
        strengths = group.strengths(activity)
        feature = gathered.add(strengths, frames, corpus_pass.pool)
        if feature >= 0:
            raise InputError(
                f"feature {feature} of site {group.site!r} in basis {group.basis!r} is not a finite number in the "
                f"window at frame {frames.first_frame}. Check the recording, or load the model with --dtype float32."
            )


def _row(
    index: int, clip: Clip, phones: Iterable | None, labels: LabelSet, n_frames: int, n_speech: int
) -> dict[str, Any]:
    return {
        "clip": index,
        "id": clip.id,
        "path": None if clip.path is None else str(clip.path),
        "duration_s": clip.duration_s,
        "speaker": clip.speaker,
        "language": clip.language,
        "transcript": clip.transcript,
        "half": "held_out" if labels.held_out[index] else "choose",
        "n_frames": n_frames,
        "n_speech_frames": n_speech,
        "words": _spans(clip.words),
        "phones": _spans(phones),
    }


def _spans(spans: Iterable | None) -> list[dict[str, Any]] | None:
    if spans is None:
        return None
    return [{"start_s": span.start_s, "end_s": span.end_s, "text": span.text} for span in spans]
