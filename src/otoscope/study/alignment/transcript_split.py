"""Where a long recording and its transcript can both be cut, so that each piece fits a model's window.

What a model heard, with its times, is compared with the transcript. Both can be cut between two words that follow each
other in both, best where a sentence ends and the recording is silent. Knows text and times; runs no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np
from jaxtyping import Int8

from otoscope.audio.clip import Span
from otoscope.audio.kinds import Kind
from otoscope.base.clocks import FRAME_SAMPLES, frame_to_seconds, frames_begun, seconds_to_frame
from otoscope.base.errors import InputError
from otoscope.study.error_rate import normalise

REACH_FRAMES = 25
"""How far a silence may be from where the words around it were heard (0.5 s): attention errs by as much."""
SENTENCE_ENDS = (".", "?", "!", "…")
CLOSING = "\"'”’»)]"


@dataclass(frozen=True)
class TranscriptPiece:
    """A part of a recording and the words that are said in it."""

    start: int  # its first sample, on a frame's beginning
    stop: int  # the sample after its last
    words: tuple[str, ...]  # as written in the transcript


@dataclass(frozen=True)
class _WordGap:
    """Where recording and transcript can both be cut, between two words."""

    n_words: int  # words of the transcript before it
    frame: int
    is_sentence_end: bool = False  # by the transcript
    n_silent: int = 0  # frames of silence around it


def split_transcript(
    words: Sequence[str], heard: Sequence[Span], kinds: Int8[np.ndarray, " frame"], n_samples: int, longest: int
) -> list[TranscriptPiece]:
    """Cut a recording and its transcript together.

    A piece has at most `longest` samples. Cuts in silence are preferred, first those in the second half of the longest
    piece; among these the ends of sentences, and then the longest silence.

    Returns pieces side by side from the first sample to the last, every word in one of them.
    Source: The words are compared by Python's difflib (Ratcliff and Obershelp 1988).
    """
    cuts = _cuts(words, heard, kinds)
    chosen = [_WordGap(0, 0)]
    while n_samples - chosen[-1].frame * FRAME_SAMPLES > longest:
        first, last = chosen[-1].frame, chosen[-1].frame + longest // FRAME_SAMPLES
        within = [cut for cut in cuts if first < cut.frame <= last and cut.n_words > chosen[-1].n_words]
        if not within:
            raise InputError(
                f"the model hears too little of the transcript between {frame_to_seconds(first):.1f} s and "
                f"{frame_to_seconds(last):.1f} s to cut the recording there, and it is longer than its window. "
                "Check that the transcript is what is said, or cut recording and transcript by hand."
            )
        silent = [cut for cut in within if cut.n_silent]
        late = [cut for cut in silent if cut.frame > (first + last) // 2]
        chosen.append(max(late or silent or within, key=lambda cut: (cut.is_sentence_end, cut.n_silent, cut.frame)))
    ends = [*chosen, _WordGap(len(words), frames_begun(n_samples))]
    return [
        TranscriptPiece(
            before.frame * FRAME_SAMPLES,
            min(after.frame * FRAME_SAMPLES, n_samples),
            tuple(words[before.n_words : after.n_words]),
        )
        for before, after in pairwise(ends)
    ]


def _cuts(words: Sequence[str], heard: Sequence[Span], kinds: Int8[np.ndarray, " frame"]) -> list[_WordGap]:
    """List the gaps between words: where the words were heard, and in each silence the likeliest gap near it."""
    plain = list(_between(words, heard))
    cuts = list(plain)
    for start, stop in _silences(kinds):
        near = [(max(start - cut.frame, cut.frame - stop, 0), cut) for cut in plain]
        near = [(distance, cut) for distance, cut in near if distance <= REACH_FRAMES]
        if near:
            _, best = min(near, key=lambda pair: (not pair[1].is_sentence_end, pair[0], pair[1].n_words))
            cuts.append(_WordGap(best.n_words, (start + stop) // 2, best.is_sentence_end, stop - start))
    return cuts


def _between(words: Sequence[str], heard: Sequence[Span]) -> Iterator[_WordGap]:
    """Yield the gaps between two words that follow each other in the transcript and in what was heard."""
    # A word of punctuation alone matches nothing, not even another one.
    ours = [normalise(word) or index for index, word in enumerate(words)]
    theirs = [normalise(word.text) or -1 for word in heard]
    for block in SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks():
        for step in range(1, block.size):
            before, after = heard[block.b + step - 1], heard[block.b + step]
            middle = seconds_to_frame((before.end_s + after.start_s) / 2)
            is_end = words[block.a + step - 1].rstrip(CLOSING).endswith(SENTENCE_ENDS)
            yield _WordGap(block.a + step, middle, is_end)


def _silences(kinds: Int8[np.ndarray, " frame"]) -> list[tuple[int, int]]:
    """List the stretches of silence, as frames [start, stop)."""
    edges = np.flatnonzero(np.diff(np.r_[False, kinds == Kind.SILENCE, False]))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
