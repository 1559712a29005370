"""Finds the words of a transcript that are spoken, without the dashes, brackets and remarks among them.

Also finds what is doubtful about words in time. Knows text and times; runs no model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from otoscope.audio.clip import Span
from otoscope.base.clocks import FRAME_S
from otoscope.base.text import one_line
from otoscope.study.error_rate import normalise

NOISES = (
    "applause|background|breath|breathing|cheering|clears throat|cough|coughing|coughs|crosstalk|gasps|inaudible|"
    "indistinct|laugh|laughing|laughs|laughter|music|noise|pause|sighs?|silence|sniffs?|unclear|unintelligible"
)
"""Remarks in round brackets or asterisks; other text in round brackets is said."""
_REMARK = re.compile(
    rf"\[[^\[\]]*\]|<(?!\|)[^<>]*>|\{{[^{{}}]*\}}|\(\s*(?:{NOISES})\s*\)|\*\s*(?:{NOISES})\s*\*", re.IGNORECASE
)


@dataclass(frozen=True)
class Doubt:
    """A word of a transcript whose times are missing or unreliable."""

    word: str  # as written
    problem: str  # what is doubtful
    start_s: float | None = None  # where it was found; None where it has no times
    end_s: float | None = None
    probability: float | None = None  # the model's probability of it, 0 to 1; None where there is none


def said_words(transcript: str) -> tuple[list[str], list[Doubt]]:
    """Separate the spoken words of a transcript from what is written but not spoken.

    `transcript`: what is said, perhaps with remarks such as `[laughter]`, `<unk>` or `(coughs)`, and with dashes.
    Returns the words as written, and a doubt for everything that is left out.
    """
    text = one_line(transcript)
    left_out = [Doubt(match[0], "a remark, which is not said") for match in _REMARK.finditer(text)]
    words = []
    for token in _REMARK.sub(" ", text).split():
        if normalise(token):
            words.append(token)
        else:
            left_out.append(Doubt(token, "no letter or digit, so it is not said"))
    return words, left_out


def check_times(words: Sequence[Span]) -> tuple[list[Span], list[Doubt]]:
    """Leave out words without a duration, and note those written in digits as doubtful.

    Returns the words that last a frame (20 ms) or longer, and the doubts.
    """
    kept, doubts = [], []
    for word in words:
        if word.end_s - word.start_s < FRAME_S - 1e-6:
            doubts.append(Doubt(word.text, "found nowhere: its times have no length", word.start_s, word.end_s))
            continue
        kept.append(word)
        if any(character.isdigit() for character in word.text):
            doubts.append(Doubt(word.text, "written in digits, which may be said otherwise", word.start_s, word.end_s))
    return kept, doubts
