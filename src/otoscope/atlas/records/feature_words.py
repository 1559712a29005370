"""The words around a moment of a clip: from the corpus's labels, or else from the model's transcript."""

from __future__ import annotations

import bisect
from typing import NamedTuple

from otoscope.atlas.study_folder import StudyFolder
from otoscope.harvest.opened import HarvestRun

AROUND_S = 2.0


class Around(NamedTuple):
    """Which words of a clip lie around a moment, as indices into its words.

    Words up to 2 s before it are `[first, at)`, the word at it is `[at, next)`, which may be empty, and words up to 2 s
    after it are `[next, stop)`.
    """

    first: int
    at: int
    next: int
    stop: int


class ClipWords:
    """The words of one clip, in order of time.

    Args:
        words: Start and end in seconds, and text, of each.
    """

    def __init__(self, words: list[tuple[float, float, str]]) -> None:
        words = sorted(words, key=lambda word: word[0])
        self._starts = [word[0] for word in words]
        self._ends = [word[1] for word in words]
        self.texts = [word[2] for word in words]
        """The words themselves."""

    def around(self, seconds: float) -> Around:
        """Find the words around a moment."""
        next_ = bisect.bisect_right(self._starts, seconds)
        at = next_ - 1 if next_ and seconds < self._ends[next_ - 1] else next_
        first = bisect.bisect_right(self._ends, seconds - AROUND_S, hi=at)
        stop = bisect.bisect_left(self._starts, seconds + AROUND_S, lo=next_)
        return Around(first, at, next_, stop)


NO_WORDS = ClipWords([])


def words_by_clip(folder: StudyFolder, run: HarvestRun) -> dict[int, ClipWords]:
    """Find the words of a run's clips.

    Returns:
        Number of a clip to its words; clips without words are left out.
    """
    heard = {
        row["clip"]: [(start, end, text) for start, end, text in row["words"]]
        for row in (folder.json("transcripts/transcripts.json") or {}).get("clips", [])
        if row.get("words")
    }
    by_clip = {}
    for clip in run.clips:
        words = [(word.start_s, word.end_s, word.text) for word in clip.words or ()] or heard.get(clip.id)
        if words:
            by_clip[clip.clip] = ClipWords(words)
    return by_clip
