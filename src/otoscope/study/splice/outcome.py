"""What a splice did to a transcript: which word went, which stayed, which are new.

Knows words alone: no model, no sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from otoscope.audio.clip import Clip
from otoscope.study.error_rate import matched_words, words_of


@dataclass(frozen=True)
class Outcome:
    """What one splice did to a transcript."""

    start: int  # the first frame replaced
    stop: int  # the frame after the last
    text: str  # the transcript after the splice
    gone: bool  # the word in question is not there any more
    n_others_gone: int  # how many other words of the transcript are not there any more
    n_new: int  # how many words are there that were not in the transcript
    exact: bool  # the transcript is what it was without that word, and nothing else changed
    lost_one: bool  # the transcript is what it was without some one word, and nothing else changed
    stopped: bool = False  # the transcript was stopped where its room ended


def heard_words(clip: Clip, transcript: Sequence[str]) -> dict[int, frozenset[int]]:
    """Find which of a clip's words a transcript holds.

    Args:
        clip: With words in time.
        transcript: Normalised words.

    Returns:
        The place of each word heard among the clip's words, and the places that it takes in the transcript.

    Source:
        Ours; see `matched_words`.
    """
    labelled = [(index, word) for index, span in enumerate(clip.words or ()) for word in words_of(span.text)]
    matches = matched_words([word for _, word in labelled], transcript)
    places: dict[int, list[int | None]] = {}
    for (index, _), match in zip(labelled, matches, strict=True):
        places.setdefault(index, []).append(match)
    return {
        index: frozenset(match for match in own if match is not None)
        for index, own in places.items()
        if all(match is not None for match in own)
    }


def judge(
    before: Sequence[str], places: frozenset[int], stretch: tuple[int, int], text: str, *, stopped: bool = False
) -> Outcome:
    """Say what a splice did to a transcript.

    A word that occurs more than once is gone when the words found again are no more than can be found without it.

    Args:
        before: Normalised words of the transcript as it was.
        places: Which of them are the word in question.
        stretch: The frames replaced.
        text: The transcript after the splice.
        stopped: Whether it was stopped where its room ended.

    Returns:
        What went and what stayed.

    Source:
        Ours; see `matched_words`.
    """
    after = words_of(text)
    others = [word for place, word in enumerate(before) if place not in places]
    n_found, n_others_found = _n_matched(before, after), _n_matched(others, after)
    return Outcome(
        start=stretch[0],
        stop=stretch[1],
        text=text,
        gone=n_found == n_others_found,
        n_others_gone=len(others) - n_others_found,
        n_new=len(after) - n_found,
        exact=after == others,
        lost_one=len(after) == len(before) - 1 == n_found,
        stopped=stopped,
    )


def _n_matched(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Count the words of a reference that a hypothesis holds, in order."""
    return sum(match is not None for match in matched_words(reference, hypothesis))
