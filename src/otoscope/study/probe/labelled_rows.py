"""The classes of a probe's rows and the groups held out, which are the same at every site; refuses what is too little.

Knows names of labels, clips and speakers, and no activations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from otoscope.base.errors import InputError
from otoscope.harvest.labels import LabelSet
from otoscope.study.probe import fit as probe_fit
from otoscope.study.probe.fit import Folds
from otoscope.study.probe.labels import FRAME_TASKS, SPEECH_CLASSES
from otoscope.study.probe.rows import ProbeRows
from otoscope.study.probe.settings import CLIPS, SPEAKERS, ProbeSettings


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """The classes and groups of all rows, which are the same at every site."""

    kept: np.ndarray  # which of the rows are used
    y: np.ndarray  # class of each row used
    groups: np.ndarray  # group of each row used
    folds: Folds  # rows used, as they are learnt from and predicted
    classes: tuple[str, ...]
    left_out: tuple[tuple[str, int], ...]  # labels that fewer than two groups have, with the number of their rows
    held_out: str  # `speakers` or `clips`
    n_clips: int  # clips that gave rows used
    n_without_speaker: int  # clips left out because their speaker is not known

    @classmethod
    def make(cls, parts: Sequence[ProbeRows], task: str, settings: ProbeSettings, numbering: LabelSet) -> LabelledRows:
        """Name classes and groups, and divide groups into folds."""
        clips = [clip for part in parts for clip in part.clips]
        if not clips:
            raise InputError(_nothing(task))
        owner = np.repeat(np.arange(len(clips)), [n_rows for _, _, n_rows in clips])
        is_test = np.repeat(np.arange(len(parts)), [sum(n for _, _, n in part.clips) for part in parts]) > 0
        names = _names(np.concatenate([label for part in parts for label in part.labels]), task, numbering)
        held_out = _held_out(task, settings.split, [speaker for _, speaker, _ in clips])
        by_clip = [(speaker if held_out == SPEAKERS else name) for name, speaker, _ in clips]
        _check_parts(clips, parts, held_out, task)
        has_group = np.array([group is not None for group in by_clip])
        codes = np.unique([str(group) for group in by_clip], return_inverse=True)[1]
        groups, kept = codes[owner], has_group[owner]
        is_common = np.array([_n_groups(names, groups, kept & ~is_test, name) >= 2 for name in np.unique(names)])
        if len(parts) > 1:  # one group is enough where others are not needed to predict it
            is_common = np.array([bool((kept & ~is_test & (names == name)).any()) for name in np.unique(names)])
        classes, counts = np.unique(names[kept], return_counts=True)
        known = tuple(str(name) for name in np.unique(names)[is_common])
        left_out = tuple((str(n), int(c)) for n, c in zip(classes, counts, strict=True) if str(n) not in known)
        if len(known) < 2:
            raise InputError(_one_class(task, known, left_out, held_out))
        kept &= np.isin(names, known)
        y = np.searchsorted(np.array(known), names[kept])
        groups, is_test = groups[kept], is_test[kept]
        if len(parts) > 1:
            folds = Folds(((np.flatnonzero(~is_test), np.flatnonzero(is_test)),))
            if not is_test.any():
                raise InputError(f"no clip to score on has a label of {task!r} that was learnt. Give others.")
        else:
            folds = probe_fit.folds_of(y, groups, settings.folds, settings.seed)
        n_clips = len(np.unique(owner[kept]))
        return cls(kept, y, groups, folds, known, left_out, held_out, n_clips, int((~has_group).sum()))


def _names(labels: np.ndarray, task: str, numbering: LabelSet) -> np.ndarray:
    """Turn the numbers of frames' classes into names."""
    if task not in FRAME_TASKS:
        return labels.astype(str)
    return np.array(SPEECH_CLASSES if task == "speech" else numbering.phones)[labels.astype(np.int64)]


def _n_groups(names: np.ndarray, groups: np.ndarray, is_used: np.ndarray, name: str) -> int:
    return len(np.unique(groups[is_used & (names == name)]))


def _held_out(task: str, split: str, speakers: Sequence[str | None]) -> str:
    """Return what is held out: `SPEAKERS` or `CLIPS`."""
    named = [speaker for speaker in speakers if speaker is not None]
    if task == "speaker":
        return CLIPS
    if split == CLIPS and len(set(named)) < len(named):
        raise InputError(
            "with clips held out a speaker would be in both parts, and the probe could know the voice: hold speakers "
            "out (the default where they are known)."
        )
    if split == SPEAKERS and not named:
        raise InputError(
            "no clip says who speaks, so no speaker can be held out: give speakers (a manifest's column, or the "
            "labels' column 'speaker'), or hold clips out."
        )
    if split == CLIPS or not named:
        return CLIPS
    if len(set(named)) < 2:
        raise InputError(
            f"all clips are of one speaker, {named[0]!r}: a probe learns from some and is scored on others. Give two "
            "or more; ten make an interval that says something."
        )
    return SPEAKERS


def _check_parts(
    clips: Sequence[tuple[str, str | None, int]], parts: Sequence[ProbeRows], held_out: str, task: str
) -> None:
    """Refuse a speaker, or a clip, that is both learnt from and scored on."""
    if len(parts) == 1:
        return
    column = 1 if held_out == SPEAKERS else 0
    n_first = len(parts[0].clips)
    both = {clip[column] for clip in clips[:n_first]} & {clip[column] for clip in clips[n_first:]} - {None}
    if both:
        thing = held_out[:-1]
        shown = ", ".join(sorted(map(repr, both))[:3]) + (", ..." if len(both) > 3 else "")
        raise InputError(
            f"{len(both)} {thing}s are in both parts ({shown}): a probe of {task!r} would have seen the answers. "
            f"Score on others, or leave the second corpus out: each {thing} is then held out once."
        )
    if len(parts[1].clips) == 0:
        raise InputError(f"no clip to score on says anything of {task!r}. Give clips with labels.")
    if len(parts[0].clips) == 0:
        raise InputError(_nothing(task))


def _nothing(task: str) -> str:
    where = {
        "phone": "phones in time (an alignment beside each recording; see otoscope corpus align)",
        "language": "a language",
        "speaker": "a speaker",
        "speech": "any sound",
    }.get(task, f"a label of {task!r}: do the labels name these clips or their speakers?")
    return f"no clip has {where}. Give clips with labels."


def _one_class(task: str, known: Sequence[str], left_out: Sequence[tuple[str, int]], held_out: str) -> str:
    there = repr(known[0]) if known else "none"
    few = ", ".join(repr(name) for name, _ in left_out[:5])
    rest = f"; {few} {'is' if len(left_out) == 1 else 'are'} of one {held_out[:-1]} alone" if left_out else ""
    return (
        f"{task!r} has {len(known)} class{'' if len(known) == 1 else 'es'} that can be learnt ({there}{rest}): a probe "
        f"tells two or more apart, each with two {held_out} or more. Give clips of others."
    )
