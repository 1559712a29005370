"""Which frames does each frame of the encoder listen to? Gradient-weighted attention, propagated through the blocks.

Costs one forward and one backward pass through the encoder with its patterns in the open, and one product of two
[frame, frame] matrices for every block but the first. Memory: all patterns of one window and their gradients, twice
[block, head, frame, frame]. It does not know how the model computes, nor how words are found (see `word_target`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from otoscope.audio.clip import as_clip
from otoscope.audio.kinds import Kind, speech_end_frame
from otoscope.audio.windows import check_window
from otoscope.base.clocks import FRAME_S
from otoscope.base.layout import count
from otoscope.base.numbers import written
from otoscope.base.report import Column, Fact, Report, Table
from otoscope.base.settings import takes
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import distance
from otoscope.study.relevance import picture
from otoscope.study.relevance.settings import RelevanceSettings
from otoscope.study.results import Result
from otoscope.study.target import Frames, SpokenWord, Target, TargetWord, as_target
from otoscope.study.word_target import WordScorer

AROUND_END_FRAMES = 25
"""The report gives the share of what frames after the speech listen to that lies within this distance of its end."""


@dataclass(frozen=True, eq=False, repr=False)
class Relevance(Result):
    """How much each source frame matters to each destination frame."""

    name = "relevance"

    model: str
    clip_id: str
    audio: str  # the clip's file, or its id where it came from no file
    window: int  # which window of the clip
    window_start_s: float  # where that window begins in the clip
    target: Frames | SpokenWord | None  # what was differentiated: None for the sum of the final encoder output
    added: np.ndarray  # what attention adds to the identity, float32 [destination frame, source frame]
    kinds: np.ndarray  # what each frame holds, int8 [frame]

    @cached_property
    def relevance(self) -> np.ndarray:
        """The relevance R as the formula gives it, identity included, float32 [destination frame, source frame]."""
        return self.added + np.eye(len(self.added), dtype=np.float32)

    @property
    def speech_end_frame(self) -> int:
        """The index after the last frame of speech; 0 where there is none."""
        return speech_end_frame(self.kinds)

    @property
    def is_sound(self) -> np.ndarray:
        """Which frames hold sound, speech or silence, and no padding, bool [frame]."""
        return self.kinds != Kind.PADDING

    @property
    def is_speech(self) -> np.ndarray:
        """Which frames hold speech, bool [frame]."""
        return self.kinds == Kind.SPEECH

    def row_share_within(self, frames: int, *, identity: bool = False) -> np.ndarray:
        """Return the share of each speech frame's relevance to sound that comes from at most `frames` away.

        What padding adds is left out: see `padding_share`.

        Args:
            frames: The distance, which itself counts as within.
            identity: Also count the identity that the propagation starts from. It is not measured from the model and
                always lies within, so it is left out by default.

        Returns:
            Shares from 0 to 1, one for each speech frame in order; NaN where attention adds nothing to a row.
        """
        values = (self.relevance if identity else self.added) * self.is_sound
        return distance.row_share_within(values, frames, self.is_speech)

    def share_within(self, frames: int, *, identity: bool = False) -> float | None:
        """Return the mean over speech frames of `row_share_within`; rows to which attention adds nothing do not count.

        Args:
            frames: The distance, which itself counts as within.
            identity: Also count the identity.

        Returns:
            The mean share, or None where no row counts.
        """
        shares = self.row_share_within(frames, identity=identity)
        counted = shares[~np.isnan(shares)]
        return float(counted.mean()) if counted.size else None

    def even_share_within(self, frames: int) -> float | None:
        """Return the baseline of `share_within`: relevance spread evenly over the sound; None without speech."""
        even = distance.distance_mass(distance.uniform_offset_mass(self.is_speech, self.is_sound))
        return float(distance.share_within(even, frames)) if even.sum() else None

    @property
    def padding_share(self) -> float | None:
        """The share of speech frames' relevance that comes from padding; None where there is none."""
        rows = self.added[self.is_speech]
        total = float(rows.sum(dtype=np.float64))
        return float(rows[:, ~self.is_sound].sum(dtype=np.float64)) / total if total > 0 else None

    def end_share(self, frames: int) -> float | None:
        """Return the share of what frames after the speech listen to that lies around its end.

        Args:
            frames: Frames before and after the end that count as around it. Destination frames that lie this near
                themselves are left out.

        Returns:
            The mean share; None where no frame lies further on, or attention adds nothing there. If it were spread
            evenly, it would be `even_end_share`.
        """
        end = self.speech_end_frame
        rows = self.added[end + frames :]
        total = rows.sum(axis=1, dtype=np.float64)
        near = rows[:, max(end - frames, 0) : end + frames].sum(axis=1, dtype=np.float64)
        shares = near[total > 0] / total[total > 0]
        return float(shares.mean()) if end and shares.size else None

    def even_end_share(self, frames: int) -> float:
        """Return the baseline of `end_share`: relevance spread evenly over the window."""
        end = self.speech_end_frame
        return (min(end + frames, len(self.added)) - max(end - frames, 0)) / len(self.added)

    def source_profile(self) -> np.ndarray:
        """Sum what attention adds over destinations: how much each source frame was listened to.

        Destinations are the target's frames for a target of frames, speech frames for the whole output, and all
        frames for a word, whose gradient says where the decoder looked.

        Returns:
            Float32 [frame].
        """
        if isinstance(self.target, Frames):
            return self.added[self.target.start : self.target.stop].sum(axis=0)
        rows = self.added if isinstance(self.target, SpokenWord) else self.added[self.is_speech]
        return rows.sum(axis=0)

    @property
    def target_label(self) -> str:
        """What was differentiated, in words."""
        return "the whole encoder output" if self.target is None else self.target.label

    def report(self) -> Report:
        """Report how near the relevance comes from, beside relevance spread evenly over the sound."""
        n_speech, end_s = int(self.is_speech.sum()), self.speech_end_frame * FRAME_S
        near = {
            frames: {
                "relevance": self.share_within(frames, identity=True),
                "added": self.share_within(frames),
                "even": self.even_share_within(frames),
            }
            for frames in distance.SHARE_FRAMES
        }
        at_end = {
            frames: {"added": self.end_share(frames), "even": self.even_end_share(frames)}
            for frames in distance.SHARE_FRAMES
        }
        after = None
        if at_end[AROUND_END_FRAMES]["added"] is not None:
            share, even = (written(at_end[AROUND_END_FRAMES][key], "share") for key in ("added", "even"))
            near_end = f"within {AROUND_END_FRAMES * FRAME_S:g} s of its end"
            after = f"{share} of what they listen to lies {near_end} ({even} if it were spread evenly)"
        speech = f"{count(n_speech, 'frame')} of speech, the last ends at {end_s:.2f} s" if n_speech else "no speech"
        columns = ("within frames", "number"), ("seconds", "number"), ("relevance", "share"), ("spread evenly", "share")
        rows = [(frames, frames * FRAME_S, shares["added"], shares["even"]) for frames, shares in near.items()]
        caption = "Share of the relevance of sound that comes from nearby frames, mean over speech frames"
        return Report(
            f"Relevance in {self.clip_id}, window {self.window}: {self.model}",
            f"relevance to {self.target_label}; {speech}",
            {
                **self.fields("model", "audio", "window", "window_start_s"),
                "target": "the sum of the final encoder output" if self.target is None else self.target,
                "n_frames": len(self.added),
                "frame_s": FRAME_S,
                "speech_end_frame": self.speech_end_frame,
                "speech_end_s": end_s,
                "n_speech_frames": n_speech,
                "n_speech_frames_without_added_relevance": int(np.isnan(self.row_share_within(0)).sum()),
                "padding_share": Fact(
                    self.padding_share, "share of what speech frames listen to that is padding", "share"
                ),
                "end_share": {str(frames): shares for frames, shares in at_end.items()},
                "share_within": {str(frames): shares for frames, shares in near.items()},
            },
            display_only=[("frames after the speech", after)],
            parts=[Table([Column(None, *column) for column in columns], rows, caption)] if n_speech else [],
        )

    def arrays(self) -> dict[str, Any]:
        """Return the map, identity included, and what each frame holds."""
        return {"relevance": self.relevance, "speech_end_frame": self.speech_end_frame, "kinds": self.kinds}

    def figures(self) -> dict[str, Callable[[], Figure]]:
        """Draw the map of the whole window beside its speech part, with the profile of sources."""
        return {self.name: lambda: picture.relevance_figure(self)}


def propagate(patterns: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
    """Propagate gradient-weighted attention through the encoder blocks.

    R starts as the identity. For each block in order, A is the mean over heads of the positive part of gradient times
    pattern, and R becomes R + A R.

    Returns R without the identity, float32 [destination frame, source frame]: the identity is kept apart, because added
    to small relevance it would swallow its digits.
    Source: Chefer, Gur and Wolf 2021, "Generic Attention-model Explainability" (arXiv 2103.15679), equations 5 and 6,
    as used in "Interpreting OpenAI's Whisper" (Ellena Reid, 2023).
    """
    added: Tensor | None = None
    for pattern, gradient in zip(patterns, gradients, strict=True):
        # in float32 before the product: in half precision gradient times pattern would vanish
        weighted = gradient.float().mul_(pattern.detach()).clamp_(min=0).mean(dim=0)
        # (I + added) + A (I + added), less the identity
        added = weighted if added is None else torch.addmm(added + weighted, weighted, added)
    assert added is not None, "a Whisper has one encoder block or more"
    return added


@takes(RelevanceSettings)
def relevance(
    model: Whisper,
    clip: Sound,
    *,
    settings: RelevanceSettings,
    target: Target = None,
) -> Relevance:
    """Measure which frames each frame of the encoder listens to.

    Args:
        model: Any Whisper.
        clip: A clip, an array at 16 kHz or a path.
        settings: Which window, and the language spoken.
        target: What is differentiated with respect to the patterns. None: the sum of the final encoder output
            (`encoder.ln_post`), padding frames included. A frame or a stretch (start, stop) of frames: the sum of the
            final encoder output there, counted from the start of the window. A word of the window's transcript, as
            text or as `TargetWord(index)`: the sum of the log-probabilities of its tokens, with the decoder given the
            transcript up to each of them.

    Returns:
        The relevance map of that window.

    Raises:
        InputError: The window, the frames or the word does not exist.
        AudioError: The recording cannot be used.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1; `propagate`. Where the last layer norm scales all
        channels alike, the sum of its output is constant and so its gradient zero: released checkpoints do not.
    """
    chosen, window = as_target(target), settings.window
    clip = as_clip(clip)
    windows = model.windows(clip)
    check_window(window, len(windows.kinds))
    if isinstance(chosen, Frames):
        chosen.check(model.n_frames)
    scorer = None
    if isinstance(chosen, TargetWord):
        scorer = WordScorer.prepare(model, windows, window, chosen, settings.language)
    sites = [f"encoder.blocks.{block}.attn.pattern" for block in range(model.n_encoder_blocks)]
    with model.reading(sites, gradients=True) as tape, torch.enable_grad():
        encoding = model.encode_mel(windows.mel[window : window + 1])
        score = _score(encoding, chosen) if scorer is None else scorer.score(encoding)
        patterns = [tape.parts(site)[0] for site in sites]
        gradients = torch.autograd.grad(score, patterns)
    spoken = None if scorer is None else scorer.spoken(score.item())
    added = propagate([pattern[0] for pattern in patterns], [gradient[0] for gradient in gradients])
    return Relevance(
        model=model.name,
        clip_id=clip.id,
        audio=clip.source,
        window=window,
        window_start_s=window * model.window_s,
        target=spoken if isinstance(chosen, TargetWord) else chosen,
        added=added.cpu().numpy(),
        kinds=np.asarray(windows.kinds[window]),
    )


def _score(encoding: Tensor, target: Frames | TargetWord | None) -> Tensor:
    """Sum the final encoder output [1, frame, d], or its frames that are the target."""
    chosen = encoding[:, target.start : target.stop] if isinstance(target, Frames) else encoding
    return chosen.float().sum()
