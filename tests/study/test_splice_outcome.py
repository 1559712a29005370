from __future__ import annotations

from collections.abc import Callable

from otoscope.audio.clip import Span
from otoscope.study.error_rate import words_of
from otoscope.study.splice.outcome import Outcome, heard_words, judge
from tests.study.conftest import make_clip

SENTENCE = "the hot show the end"


def outcome(place: int | frozenset[int], after: str) -> Outcome:
    places = frozenset({place}) if isinstance(place, int) else place
    return judge(words_of(SENTENCE), places, (0, 1), after)


def test_a_word_that_went_alone_is_exact() -> None:
    found = outcome(1, "The show, the end.")
    assert (found.gone, found.exact, found.lost_one, found.n_others_gone, found.n_new) == (True, True, True, 0, 0)


def test_either_of_two_equal_words_can_go() -> None:
    for place, after in ((0, "hot show the end"), (3, "the hot show end")):
        found = outcome(place, after)
        assert (found.gone, found.exact, found.n_others_gone) == (True, True, 0)
    other_one = outcome(0, "the hot show end")
    assert (other_one.exact, other_one.lost_one) == (False, True)


def test_neighbours_that_are_equal_count_as_one_gone() -> None:
    found = judge(["no", "no", "stop"], frozenset({0}), (0, 1), "no stop")
    assert (found.gone, found.exact, found.n_others_gone) == (True, True, 0)


def test_a_word_replaced_by_another_is_gone_but_not_exactly() -> None:
    found = outcome(1, "the shot show the end")
    assert (found.gone, found.exact, found.lost_one, found.n_others_gone, found.n_new) == (True, False, False, 0, 1)


def test_others_that_go_are_counted() -> None:
    found = outcome(1, "the end")
    assert (found.gone, found.exact, found.n_others_gone) == (True, False, 2)
    kept = outcome(1, "hot")
    assert (kept.gone, kept.n_others_gone) == (False, 4)
    assert outcome(1, SENTENCE) == Outcome(0, 1, SENTENCE, False, 0, 0, False, False)


def test_a_word_of_two_words_goes_when_both_go() -> None:
    assert outcome(frozenset({1, 2}), "the the end").exact
    assert not outcome(frozenset({1, 2}), "the show the end").gone


def test_words_that_the_model_misheard_are_found_out(spans: Callable[..., tuple[Span, ...]]) -> None:
    words = (*spans("The hot show", 0.0, 0.2), Span(0.6, 0.7, "-"), Span(0.7, 1.0, "well-known"))
    clip = make_clip(words=words)
    heard = heard_words(clip, words_of("the shot show well known stars"))
    assert heard == {0: frozenset({0}), 2: frozenset({2}), 4: frozenset({3, 4})}
    assert 4 not in heard_words(clip, words_of("the well"))
