from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from otoscope.audio.clip import Clip, Span
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.corpus.alignment import Alignment
from otoscope.corpus.corpus import Source
from otoscope.corpus.phones import inventory
from otoscope.harvest import labels
from otoscope.harvest.labels import LabelSet, check_lag, label_set


def clip_of(phones: Sequence[Span] | None, name: str = "a") -> Clip:
    return Clip(np.zeros(320, np.float32), name, phones=None if phones is None else tuple(phones))


def corpus_of(
    speakers: Sequence[str | None] = ("a",), symbols: Sequence[str] | None = None, language: str | None = None
) -> Corpus:
    spans = None if symbols is None else tuple(Span(i / 10, (i + 1) / 10, symbol) for i, symbol in enumerate(symbols))
    alignment = None if spans is None else Alignment(None, spans, Path("a"))
    return Corpus(
        "c",
        [
            Source(str(i), lambda: clip_of(spans), speaker, language, None, lambda: alignment)
            for i, speaker in enumerate(speakers)
        ],
    )


def arpabet(seed: int = 0) -> LabelSet:
    return label_set(corpus_of(symbols=["AA", "S", "SIL"]), None, seed)


# phones of frames


def test_a_frame_has_the_phone_that_covers_its_middle() -> None:
    known = arpabet()
    number = known.phones.index
    spans = [Span(0.0, 0.03, "AA"), Span(0.03, 0.05, "S"), Span(0.09, 0.11, "AA")]
    none = len(known.phones)
    # middles at 10, 30, 50, 70, 90, 110 ms; a span holds its start and not its end
    wanted = [number("AA"), number("S"), none, none, number("AA"), none]
    assert known.frame_phones(spans, 6, 0).tolist() == wanted
    assert known.frame_phones(spans, 8, 2).tolist() == [none, none, *wanted]
    assert known.frame_phones(spans, 5, -1).tolist() == wanted[1:]
    assert known.frame_phones([], 3, 0).tolist() == [none] * 3


def test_pauses_are_no_phones_and_units_share_their_time_evenly() -> None:
    timit = label_set(corpus_of(symbols=["h#", "aa", "r", "q"]), "arpabet", 0)
    spans = [Span(0, 0.1, "h#"), Span(0.1, 0.2, "aa"), Span(0.2, 0.3, "r")]
    assert timit.phones_of(clip_of(spans)) == (Span(0.1, 0.2, "AA"), Span(0.2, 0.3, "R"))
    halves = arpabet().phones_of(clip_of([Span(0.1, 0.3, "AA R")]))
    assert halves is not None and [span.text for span in halves] == ["AA", "R"]
    assert [(span.start_s, span.end_s) for span in halves] == [pytest.approx((0.1, 0.2)), pytest.approx((0.2, 0.3))]


def test_a_clip_without_phones_has_none() -> None:
    assert arpabet().phones_of(clip_of(None)) is None
    assert label_set(corpus_of(), None, 0).phones_of(clip_of([Span(0, 1, "AA")])) is None


@pytest.mark.parametrize(
    ("symbols", "asked", "source", "target"),
    [
        (["AA", "S"], None, "arpabet", "arpabet"),
        (["AA1", "S", "AH0"], None, "arpabet-stress", "arpabet"),
        (["h#", "aa", "dcl"], None, "timit61", "arpabet"),
        (["ɑ", "ʃ", "ʁ"], None, "ipa", "ipa"),
        (["h#", "aa", "dcl"], "timit39", "timit61", "timit39"),
        (None, "ipa", None, None),
    ],
)
def test_phones_are_counted_in_arpabet_where_they_are_english(
    symbols: list[str] | None, asked: str | None, source: str | None, target: str | None
) -> None:
    found = label_set(corpus_of(symbols=symbols), asked, 0)
    assert (found.source, found.target) == (source, target)
    assert found.phones == (() if target is None else inventory(target))


def test_a_phone_set_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="klingon"):
        label_set(corpus_of(), "klingon", 0)


# shuffling


def test_shuffling_deals_out_the_phones_of_a_clip_among_its_stretches() -> None:
    known = arpabet()
    spans = [Span(i / 10, i / 10 + 0.08, text) for i, text in enumerate(["AA", "S", "T", "B", "M", "AA", "UW"] * 3)]
    dealt = known.shuffled(spans, "clip")
    assert [(span.start_s, span.end_s) for span in dealt] == [(span.start_s, span.end_s) for span in spans]
    assert Counter(span.text for span in dealt) == Counter(span.text for span in spans)
    assert list(dealt) != spans and dealt == known.shuffled(spans, "clip")
    assert dealt != known.shuffled(spans, "other") and dealt != arpabet(seed=1).shuffled(spans, "clip")


# speakers, languages, halves


@pytest.mark.parametrize("counts", [[3, 3, 3, 3], [10, 1, 1, 1], [5, 4, 3, 2, 1], [1, 1]])
def test_no_speaker_is_in_both_halves_and_the_halves_are_of_like_size(counts: list[int]) -> None:
    speakers = [str(speaker) for speaker, n in enumerate(counts) for _ in range(n)]
    np.random.default_rng(0).shuffle(speakers)
    found = label_set(corpus_of(speakers), None, 0)
    assert found.split_by == "speakers"
    halves = {
        half: {s for s, is_held in zip(speakers, found.held_out, strict=True) if is_held == half} for half in (0, 1)
    }
    assert halves[0] and halves[1] and not halves[0] & halves[1]
    n_held = sum(found.held_out)
    assert abs(len(speakers) - 2 * n_held) <= max(counts)


@pytest.mark.parametrize("speakers", [["a"] * 6, [None] * 6, ["a", "b", None, "a", "b", "c"]])
def test_every_other_clip_is_held_out_where_speakers_are_not_known(speakers: list[str | None]) -> None:
    found = label_set(corpus_of(speakers), None, 0)
    assert found.split_by == "clips" and found.held_out == (False, True) * 3


def test_speakers_and_languages_are_numbered_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    found = label_set(corpus_of(["c", "a", None, "b"], language="de"), None, 0)
    assert found.speakers == ("a", "b", "c") and found.languages == ("de",)
    assert found.number_of("b", "de") == (1, 0) and found.number_of(None, "fr") == (-1, -1)
    monkeypatch.setattr(labels, "MOST_SPEAKERS", 2)
    crowd = label_set(corpus_of(["c", "a", "b", "b"]), None, 0)
    assert crowd.speakers == () and crowd.number_of("b", None) == (-1, -1)
    assert crowd.split_by == "speakers", "halves are by speaker nevertheless"


@pytest.mark.parametrize("lag", [-51, 51, 1000])
def test_a_lag_that_no_encoder_has_is_refused(lag: int) -> None:
    with pytest.raises(
        InputError, match=f"a lag of {lag} frames .20 ms each. is not plausible for an encoder: give -50 to 50"
    ):
        check_lag(lag)
    for fine in (None, -50, 0, 50):
        check_lag(fine)


def test_a_phone_that_the_wanted_set_cannot_say_is_told() -> None:
    found = label_set(corpus_of(symbols=["ɑ", "ʁ"]), "arpabet", 0)
    with pytest.raises(InputError, match="phone 'ʁ' at 0.000 s goes from phone set 'ipa' to 'arpabet'"):
        found.phones_of(replace(clip_of(None), phones=(Span(0, 1, "ʁ"),)))
