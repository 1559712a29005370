"""The moments of real recordings that drive features most: what dreams are compared with.

Either one pass of the encoder over a corpus, a window at a time, or the tables of a finished harvest. Only frames of
speech count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otoscope.audio.clip import Clip, read_clip
from otoscope.audio.kinds import Kind
from otoscope.base.clocks import FRAME_S, MEL_FRAMES_PER_FRAME
from otoscope.base.errors import InputError
from otoscope.base.numbers import finite
from otoscope.base.short_repr import ShortRepr
from otoscope.corpus import open_corpus as named_corpus
from otoscope.harvest.bases import groups_of
from otoscope.harvest.opened import GroupKey, HarvestRun
from otoscope.model.encoder_start import encoder_start
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.clips import each_clip
from otoscope.study.feature import Feature

AROUND_FRAMES = 50
"""How much of the log-mel is kept on either side of the moment."""


@dataclass(frozen=True, eq=False, repr=False)
class RealMoment(ShortRepr):
    """The moment that drives a feature most."""

    strength: float
    clip_id: str
    frame: int  # from the recording's start
    mel: np.ndarray | None  # around it, float32 [n_mels, mel_frame]; None where the recording is not at hand
    mel_frame: int  # its frame in that log-mel

    def to_json(self) -> dict[str, Any]:
        """Return it without the log-mel."""
        return {
            "strength": finite(self.strength),
            "clip": self.clip_id,
            "frame": self.frame,
            "seconds": finite(self.frame * FRAME_S),
        }


@dataclass(frozen=True, eq=False)
class RealMoments:
    """The strongest moment of each feature, and where it was searched for."""

    source: str  # the corpus or the harvest
    n_clips: int
    n_frames: int  # of speech
    moments: tuple[RealMoment | None, ...]  # for each feature; None where there was none


def strongest_in_corpus(
    model: Whisper,
    features: Sequence[Feature],
    clips: Iterable[Sound],
    *,
    name: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> RealMoments:
    """Find the frame of speech that drives each feature most."""
    sites = {feature.site for feature in features}
    strongest: list[RealMoment | None] = [None] * len(features)
    n_clips = n_frames = 0
    for clip in each_clip(clips, progress):
        n_clips += 1
        for number, window in enumerate(model.each_window(clip)):
            speech = np.flatnonzero(window.kinds[0] == Kind.SPEECH)
            n_frames += len(speech)
            if not len(speech):
                continue
            with torch.no_grad():
                held = encoder_start(model, window.mel, sites)
                for row, feature in enumerate(features):
                    strengths = feature.strengths(held[feature.site][0]).float().cpu().numpy()[speech]
                    best, before = int(strengths.argmax()), strongest[row]
                    if before is None or strengths[best] > before.strength:
                        in_window = int(speech[best])
                        mel, mel_frame = _around(window.mel[0], in_window)
                        frame = number * model.n_frames + in_window
                        strongest[row] = RealMoment(float(strengths[best]), clip.id, frame, mel, mel_frame)
    if n_frames == 0:
        raise InputError(f"no frame of {n_clips} recordings is speech, so nothing compares with a dream. Give others.")
    return RealMoments(name, n_clips, n_frames, tuple(strongest))


def strongest_in_run(
    model: Whisper, features: Sequence[Feature], run: HarvestRun, *, force: bool = False
) -> RealMoments:
    """Look up the strongest peak of each feature in a finished harvest.

    Returns the strongest moments; with log-mels where the recordings are found again.
    """
    harvested = run.manifest["model"]
    if harvested["weights_hash"] != model.weights_hash and not force:
        raise InputError(
            f"the harvest '{run.folder}' is of {harvested['id']} with other weights than {model.id}: give its own "
            "model, or --force to compare all the same."
        )
    clips = {clip.clip: clip for clip in run.clips}
    moments: list[RealMoment | None] = []
    for feature in features:
        group = _group(run, feature)
        peaks = run.examples(group, 1)
        number = int(peaks.clip[feature.index, 0])
        if number < 0:
            moments.append(None)
            continue
        frame = int(peaks.frame[feature.index, 0])
        mel, mel_frame = _found_again(model, run, clips[number].id, clips[number].path, frame)
        strength = float(peaks.strength[feature.index, 0])
        moments.append(RealMoment(strength, clips[number].id, frame, mel, mel_frame))
    n_frames = sum(clip.n_speech_frames for clip in run.clips)
    return RealMoments(str(run.folder), len(clips), n_frames, tuple(moments))


def _group(run: HarvestRun, feature: Feature) -> GroupKey:
    for group in run.groups:
        if (group.site, group.basis) == (feature.site, feature.basis) and feature.index < group.n_features:
            _check_seed(run, feature)
            return group
    there = ", ".join(f"{group.site} in {group.basis}" for group in run.groups)
    raise InputError(
        f"the harvest '{run.folder}' did not look at {feature.name}: it holds {there}. Harvest that site, or compare "
        "with a corpus."
    )


def _check_seed(run: HarvestRun, feature: Feature) -> None:
    """Refuse random directions that are not those of the harvest."""
    if feature.basis != "random":
        return
    seed = int(run.manifest["settings"]["seed"])
    drawn = feature.directions.matrix
    harvested = groups_of({feature.site: feature.width}, ["random"], {}, seed)[0].directions.matrix
    if drawn is None or harvested is None or not torch.equal(drawn.cpu(), harvested.cpu()):
        raise InputError(
            f"the random directions of the harvest '{run.folder}' were drawn with seed {seed}, and {feature.name} with "
            f"another: give --seed {seed}."
        )


def _around(mel: Tensor, frame: int) -> tuple[np.ndarray, int]:
    """Cut a log-mel around a frame; return the piece, and the frame's place in it."""
    first = max(frame - AROUND_FRAMES, 0)
    piece = mel[:, first * MEL_FRAMES_PER_FRAME : (frame + AROUND_FRAMES) * MEL_FRAMES_PER_FRAME]
    return piece.float().cpu().numpy(), frame - first


def _found_again(
    model: Whisper, run: HarvestRun, clip_id: str, path: str | None, frame: int
) -> tuple[np.ndarray | None, int]:
    """Read the recording of a harvest's peak again, and cut out its log-mel."""
    clip = _read_again(run, clip_id, path)
    if clip is None:
        return None, 0
    number, in_window = divmod(frame, model.n_frames)
    for index, window in enumerate(model.each_window(clip)):
        if index == number:
            return _around(window.mel[0], in_window)
    return None, 0


def _read_again(run: HarvestRun, clip_id: str, path: str | None) -> Clip | None:
    try:
        if path is not None:
            return read_clip(path)
        sources = {source.id: source for source in named_corpus(str(run.manifest["corpus"]["name"])).sources}
        return sources[clip_id].read() if clip_id in sources else None
    except InputError:
        return None
