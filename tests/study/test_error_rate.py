from __future__ import annotations

import jiwer
import numpy as np
import pytest

from otoscope.base.errors import InputError
from otoscope.study.error_rate import (
    ErrorRate,
    bootstrap_loss,
    bootstrap_rate,
    character_errors,
    matched_words,
    normalise,
    word_errors,
    words_of,
)
from otoscope.study.estimates import wilson_interval


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (" Hot ones. The show!", "hot ones the show"),
        ("what, -- feeding?", "what feeding"),
        ("Don\u2019t 'stop' Shana's", "don't stop shana's"),
        ("CAF\u00c9 Stra\u00dfe", "caf\u00e9 strasse"),
        ("well-known [laughs] 20%", "well known laughs 20"),
        ("\u0939\u093f\u0928\u094d\u0926\u0940 \u4f60\u597d", "\u0939\u093f\u0928\u094d\u0926\u0940 \u4f60\u597d"),
        (" ... ", ""),
        ("'", ""),
    ],
)
def test_normalising_keeps_words_and_drops_the_rest(text: str, wanted: str) -> None:
    assert normalise(text) == wanted
    assert normalise(wanted) == wanted


@pytest.mark.parametrize(
    "written",
    [
        "in being\u200b compa\u00adratively modern",
        "\ufeffin being\u00a0comparatively modern\u200e",
        "\u202ain being comparatively mo\u2060dern\u202c",
        "in being \u200b comparatively modern",
    ],
)
def test_characters_that_nobody_sees_are_no_errors(written: str) -> None:
    assert word_errors("in being comparatively modern", written).errors == 0
    assert character_errors(written, "in being comparatively modern").errors == 0


def test_composed_and_decomposed_letters_are_the_same_word() -> None:
    assert word_errors("re\u0301sume\u0301 caf\u00e9", "r\u00e9sum\u00e9 cafe\u0301").errors == 0


def edit_distance(reference: list[str], hypothesis: list[str]) -> int:
    """The textbook table, row by row."""
    row = list(range(len(hypothesis) + 1))
    for i, wanted in enumerate(reference, 1):
        left = [i]
        for j, said in enumerate(hypothesis, 1):
            left.append(min(row[j] + 1, left[-1] + 1, row[j - 1] + (wanted != said)))
        row = left
    return row[-1]


def test_word_and_character_errors_agree_with_the_textbook_table() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        reference, hypothesis = (" ".join(rng.choice(list("abcd"), size=rng.integers(1, 9))) for _ in range(2))
        words = word_errors(reference.upper(), hypothesis + ".")
        assert words.errors == edit_distance(reference.split(), hypothesis.split())
        assert words.n_reference == len(reference.split())
        assert words.rate == pytest.approx(jiwer.wer(reference, hypothesis))
        assert character_errors(reference, hypothesis).errors == edit_distance(list(reference), list(hypothesis))


def test_text_made_up_from_nothing_is_not_free() -> None:
    assert word_errors("", "").rate == 0
    assert word_errors("", "thanks for watching").rate == 3
    assert word_errors("...", "!").rate == 0
    assert word_errors("one two", "").rate == 1


def test_counts_pool_by_units_not_by_clips() -> None:
    pooled = word_errors("a", "b") + word_errors("a b c", "a b c")
    assert pooled == ErrorRate(hits=3, substitutions=1, deletions=0, insertions=0)
    assert pooled.rate == 0.25


def test_a_word_between_a_lost_and_a_new_one_has_stayed() -> None:
    assert matched_words(words_of("the hot show the end"), words_of("The show, uh, that end")) == (0, None, 1, None, 4)


def longest_common(reference: str, hypothesis: str) -> int:
    """The length of the longest common subsequence, by its definition: every subset of the reference."""
    best = 0
    for chosen in range(2 ** len(reference)):
        rest = iter(hypothesis)
        wanted = [word for index, word in enumerate(reference) if chosen >> index & 1]
        if all(word in rest for word in wanted):
            best = max(best, len(wanted))
    return best


def test_as_many_words_are_matched_as_any_choice_could() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        reference, hypothesis = ("".join(rng.choice(list("abc"), size=rng.integers(0, 8))) for _ in range(2))
        found = [match for match in matched_words(reference, hypothesis) if match is not None]
        assert len(found) == longest_common(reference, hypothesis)
        assert found == sorted(set(found))
        assert all(
            reference[i] == hypothesis[j] for i, j in enumerate(matched_words(reference, hypothesis)) if j is not None
        )


def test_wilson_bounds_are_the_roots_of_the_score_equation() -> None:
    for successes, trials in [(0, 7), (3, 7), (7, 7), (81, 263)]:
        share, z2 = successes / trials, 1.959963984540054**2
        roots = np.sort(np.roots([1 + z2 / trials, -(2 * share + z2 / trials), share**2]).real)
        interval = wilson_interval(successes, trials)
        assert interval is not None
        assert interval.value == share
        assert (interval.low, interval.high) == pytest.approx(tuple(roots), abs=1e-9)


def test_wilson_gives_the_published_example() -> None:
    interval = wilson_interval(81, 263)  # Newcombe 1998, "Two-sided confidence intervals", table I
    assert interval is not None
    assert (round(interval.low or 0, 4), round(interval.high or 0, 4)) == (0.2553, 0.3662)


def test_impossible_counts_are_refused_and_no_trials_give_no_interval() -> None:
    assert wilson_interval(0, 0) is None
    with pytest.raises(InputError, match=r"8 successes in 7 trials: successes go from 0"):
        wilson_interval(8, 7)


def test_bootstrap_agrees_with_a_loop_over_the_same_draws() -> None:
    counts = [ErrorRate(hits=n, substitutions=n % 3, deletions=1, insertions=n % 2) for n in range(1, 9)]
    interval = bootstrap_rate(counts, seed=4)
    draws = np.random.default_rng(4).integers(8, size=(1000, 8))
    rates = [sum(counts[i].errors for i in draw) / sum(counts[i].n_reference for i in draw) for draw in draws]
    assert interval.value == sum(c.errors for c in counts) / sum(c.n_reference for c in counts)
    assert (interval.low, interval.high) == pytest.approx((np.quantile(rates, 0.025), np.quantile(rates, 0.975)))
    assert interval == bootstrap_rate(counts, seed=4)


def test_one_clip_has_a_rate_and_no_band() -> None:
    interval = bootstrap_rate([word_errors("a b", "a c")])
    assert (interval.value, interval.low, interval.high) == (0.5, None, None)


def test_no_transcripts_are_refused() -> None:
    with pytest.raises(InputError, match="no transcripts to compare"):
        bootstrap_rate([])


def test_a_loss_is_drawn_in_pairs_of_clips() -> None:
    """Clips differ far more than the change: in pairs the interval is that of the change alone."""
    before = [ErrorRate(20 - errors, errors, 0, 0) for errors in (0, 10, 1, 9, 2, 8, 3, 7)]
    after = [ErrorRate(count.hits - 1, count.substitutions + 1, 0, 0) for count in before]
    loss = bootstrap_loss(after, before)
    assert (loss.value, loss.low, loss.high) == pytest.approx((0.05, 0.05, 0.05))
    assert bootstrap_loss(before, after).value == pytest.approx(-0.05)


def test_fewer_than_six_clips_give_no_bounds_of_a_loss() -> None:
    few = [ErrorRate(9, 1, 0, 0)] * 5
    assert bootstrap_loss(few).value == pytest.approx(0.1) and bootstrap_loss(few).high is None
    assert bootstrap_loss([*few, few[0]]).high is not None


def test_where_no_clip_changed_a_loss_is_bounded_by_the_number_of_words() -> None:
    """None in 60 words says less than none in 6,000."""
    same = [ErrorRate(9, 1, 0, 0)] * 6
    loss, wilson = bootstrap_loss(same, same), wilson_interval(0, 60)
    assert wilson is not None and (loss.low, loss.value, loss.high) == (-wilson.high, 0.0, wilson.high)


def test_a_loss_needs_pairs() -> None:
    with pytest.raises(InputError, match="1 comparisons with a change and 2 without"):
        bootstrap_loss([ErrorRate(9, 1, 0, 0)], [ErrorRate(9, 1, 0, 0)] * 2)
