"""What a splice did to a transcript: which word went, which stayed, which are new.

Knows words alone: no model, no sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from otoscope.audio.clip import Clip
from otoscope.study.error_rate import changed_words, matched_words, words_of


@dataclass(frozen=True)
class Outcome:
    """What one splice did to a transcript."""

    start: int  # the first frame replaced
    stop: int  # the frame after the last
    text: str  # the transcript after the splice
    gone: bool  # the spliced word is not there any more
    n_others_gone: int  # other words of the transcript that are not there any more
    n_new: int  # words that were not in the transcript before
    exact: bool  # the transcript is the old one without that word, otherwise unchanged
    lost_one: bool  # the transcript is the old one without one word, whichever, otherwise unchanged
    stopped: bool = False  # the transcript was stopped at its limit of tokens
    others_gone: tuple[str, ...] = ()  # those `n_others_gone` words
    new: tuple[str, ...] = ()  # those `n_new` words


def heard_words(clip: Clip, transcript: Sequence[str]) -> dict[int, frozenset[int]]:
    """Find which of a clip's words a transcript holds.

    Returns the index of each word heard among the clip's words, and the indices that it takes in the transcript.
    """
    labelled = [(index, word) for index, span in enumerate(clip.words or ()) for word in words_of(span.text)]
    matches = matched_words([word for _, word in labelled], transcript)
    indices: dict[int, list[int | None]] = {}
    for (index, _), match in zip(labelled, matches, strict=True):
        indices.setdefault(index, []).append(match)
    return {
        index: frozenset(match for match in found_at if match is not None)
        for index, found_at in indices.items()
        if all(match is not None for match in found_at)
    }


def judge(
    before: Sequence[str], places: frozenset[int], stretch: tuple[int, int], text: str, *, stopped: bool = False
) -> Outcome:
    """Say what a splice did to a transcript.

    A word that occurs more than once is gone if the new transcript holds no more of the old words than it would without
    that word.

    Args:
        before: Normalised words of the transcript as it was.
        places: The indices of the spliced word in them.
        stretch: The frames replaced.
        text: The transcript after the splice.
        stopped: Whether it was stopped at its limit of tokens.

    Returns:
        What went and what stayed.
    """
    after = words_of(text)
    others = [word for index, word in enumerate(before) if index not in places]
    gone, new = changed_words(before, after)
    others_gone, _ = changed_words(others, after)
    n_found, n_others_found = len(before) - len(gone), len(others) - len(others_gone)
    return Outcome(
        start=stretch[0],
        stop=stretch[1],
        text=text,
        gone=n_found == n_others_found,
        n_others_gone=len(others_gone),
        n_new=len(new),
        exact=after == others,
        lost_one=len(after) == len(before) - 1 == n_found,
        stopped=stopped,
        others_gone=others_gone,
        new=new,
    )
