"""Where a long recording and its transcript can both be cut, so that each piece fits a model's window.

What a model heard, with its times, is laid beside the transcript. Between two words that follow each other in both,
both can be cut. Knows text and times; runs no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

from otoscope.audio.clip import Span
from otoscope.base.clocks import FRAME_SAMPLES, frame_to_seconds, frames_begun, seconds_to_frame
from otoscope.base.errors import InputError
from otoscope.study.error_rate import normalise


@dataclass(frozen=True)
class Piece:
    """A part of a recording and the words that are said in it.

    Attributes:
        start: Its first sample, on a frame's beginning.
        stop: The sample after its last.
        words: Its words as written in the transcript.
    """

    start: int
    stop: int
    words: tuple[str, ...]


@dataclass(frozen=True)
class _Cut:
    """A place between two words: the words of the transcript before it, the frame, and how long the gap is."""

    n_words: int
    frame: int
    gap_s: float


def split_transcript(words: Sequence[str], heard: Sequence[Span], n_samples: int, longest: int) -> list[Piece]:
    """Cut a recording and its transcript together.

    In the second half of what may follow each cut, the widest gap between two words is taken.

    Args:
        words: The transcript, word by word.
        heard: What a model heard in the recording, word by word, in order of time.
        n_samples: Length of the recording.
        longest: Samples that a piece may have; whole frames.

    Returns:
        Pieces side by side from the first sample to the last, every word in one of them.

    Raises:
        InputError: Too little of the transcript was heard to cut it.

    Source:
        Ours; the words are compared by Python's difflib (Ratcliff and Obershelp 1988).
    """
    cuts = _cuts(words, heard)
    chosen = [_Cut(0, 0, 0.0)]
    while n_samples - chosen[-1].frame * FRAME_SAMPLES > longest:
        first, last = chosen[-1].frame, chosen[-1].frame + longest // FRAME_SAMPLES
        within = [cut for cut in cuts if first < cut.frame <= last and cut.n_words > chosen[-1].n_words]
        if not within:
            raise InputError(
                f"the model hears too little of the transcript between {frame_to_seconds(first):.1f} s and "
                f"{frame_to_seconds(last):.1f} s to cut the recording there, and it is longer than its window. "
                "Check that the transcript is what is said, or cut recording and transcript by hand."
            )
        late = [cut for cut in within if cut.frame > (first + last) // 2] or within[-1:]
        chosen.append(max(late, key=lambda cut: cut.gap_s))
    ends = [*chosen, _Cut(len(words), frames_begun(n_samples), 0.0)]
    return [
        Piece(
            before.frame * FRAME_SAMPLES,
            min(after.frame * FRAME_SAMPLES, n_samples),
            tuple(words[before.n_words : after.n_words]),
        )
        for before, after in pairwise(ends)
    ]


def _cuts(words: Sequence[str], heard: Sequence[Span]) -> list[_Cut]:
    """All places between two words that follow each other in the transcript and in what was heard."""
    # A word of punctuation alone equals nothing, not even another one.
    ours = [normalise(word) or index for index, word in enumerate(words)]
    theirs = [normalise(word.text) or -1 for word in heard]
    cuts = []
    for block in SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks():
        for step in range(1, block.size):
            before, after = heard[block.b + step - 1], heard[block.b + step]
            middle_s = (before.end_s + after.start_s) / 2
            cuts.append(_Cut(block.a + step, seconds_to_frame(middle_s), after.start_s - before.end_s))
    return cuts
