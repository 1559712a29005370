from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from otoscope.audio.clip import Span
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.study.alignment.transcript_split import TranscriptPiece, split_transcript

FRAME = 320
WORDS = ["One", "two", "three.", "Four", "five", "six.", "Seven", "eight", "nine.", "Ten", "eleven", "twelve."]
N_SAMPLES = 50 * FRAME * 12 + 7


def heard(words: list[str], shift_s: float = 0.0) -> list[Span]:
    """One word a second, each 0.8 s long."""
    return [Span(i + 0.1 + shift_s, i + 0.9 + shift_s, word) for i, word in enumerate(words)]


def kinds(*silent: tuple[int, int]) -> np.ndarray:
    found = np.full(601, Kind.SPEECH, dtype=np.int8)
    for start, stop in silent:
        found[start:stop] = Kind.SILENCE
    return found


def split(words: list[str], said: list[Span], held: np.ndarray, longest_s: int = 7) -> list[TranscriptPiece]:
    pieces = split_transcript(words, said, held, N_SAMPLES, longest_s * 50 * FRAME)
    assert [word for piece in pieces for word in piece.words] == words
    assert (pieces[0].start, pieces[-1].stop) == (0, N_SAMPLES)
    assert all(before.stop == after.start and after.start % FRAME == 0 for before, after in pairwise(pieces))
    assert all(0 < piece.stop - piece.start <= longest_s * 50 * FRAME for piece in pieces)
    return pieces


def test_cuts_lie_in_silence_at_the_end_of_sentences() -> None:
    pieces = split(WORDS, heard(WORDS), kinds((140, 160), (190, 220), (296, 304), (440, 460)))
    assert [piece.start // FRAME for piece in pieces] == [0, 300]
    assert pieces[0].words == ("One", "two", "three.", "Four", "five", "six.")


def test_without_punctuation_the_longest_silence_is_taken() -> None:
    words = [word.rstrip(".").lower() for word in WORDS]
    pieces = split(words, heard(words), kinds((190, 220), (246, 254), (296, 304)))
    assert pieces[0].stop == 205 * FRAME and pieces[0].words == tuple(words[:4])


def test_silence_a_little_beside_the_words_as_heard_is_found() -> None:
    pieces = split(WORDS, heard(WORDS, shift_s=0.4), kinds((290, 310)))
    assert pieces[0].stop == 300 * FRAME and len(pieces[0].words) == 6


def test_without_silence_the_middle_between_two_words_is_taken() -> None:
    pieces = split(WORDS, heard(WORDS), kinds())
    assert pieces[0].stop == 300 * FRAME and pieces[0].words[-1] == "six."


def test_words_misheard_or_made_up_are_no_places_to_cut() -> None:
    said = heard(["One", "two", "free.", "for", "five", "six", "and", "so", "nine", "ten", "eleven", "twelve"])
    pieces = split(WORDS, said, kinds((296, 304), (346, 354)), longest_s=8)
    assert [len(piece.words) for piece in pieces] == [5, 7]


def test_a_recording_that_fits_is_one_piece() -> None:
    assert split(WORDS, [], kinds(), longest_s=13) == [TranscriptPiece(0, N_SAMPLES, tuple(WORDS))]


def test_a_transcript_that_was_not_heard_cannot_be_cut() -> None:
    said = heard(["nothing", "of", "it"])
    with pytest.raises(
        InputError, match=r"too little of the transcript between 0\.0 s and 7\.0 s .*Check that the transcript is what"
    ):
        split(WORDS, said, kinds())
    with pytest.raises(InputError, match=r"between 4\.0 s and 11\.0 s"):
        split(WORDS, heard(WORDS[:5]), kinds())


def test_punctuation_that_stands_alone_is_nothing_that_was_heard() -> None:
    words = ["-", "-", *WORDS]
    said = [Span(0.0, 0.0, "-"), Span(0.0, 0.1, "-"), *heard(WORDS)]
    assert split(words, said, kinds((296, 304)))[0].words[-1] == "six."
