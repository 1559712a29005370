from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import otoscope
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.demo.lexicon import CLASSES
from otoscope.harvest.labels import label_set
from otoscope.model.whisper import Whisper
from otoscope.study.error_rate import words_of
from otoscope.study.steer.class_means import ClassMeans
from otoscope.study.steer.phone_trials import Trials, minimal_pairs, pronunciations, words_by_sound
from otoscope.study.steer.phones import PhoneSwaps, steer_phones
from tests.study.conftest import make_clip

LN_POST = "encoder.ln_post"


def one_class(word: str, target: str) -> bool:
    """Whether the demo language has both words in one place of a sentence."""
    found = [{entry.partition(":")[0].strip().lower() for entry in text.split(",")} for text in CLASSES.values()]
    return any({word, target} <= words for words in found)


@pytest.fixture(scope="module")
def some() -> Corpus:
    """Four clips of each voice."""
    return Corpus("some", otoscope.open_corpus("demo").sources[::2])


@pytest.fixture(scope="module")
def lexicon() -> dict[str, set[tuple[str, ...]]]:
    """How the demo voices say all words of all clips."""
    whole = otoscope.open_corpus("demo")
    return pronunciations(list(whole), label_set(whole, None, 0))


@pytest.fixture(scope="module")
def result(demo: Whisper, some: Corpus, lexicon: dict[str, set[tuple[str, ...]]]) -> PhoneSwaps:
    return steer_phones(demo, some, [LN_POST], [0.0, 1.5], lexicon=lexicon, fits=one_class)


def test_adding_a_phones_mean_makes_its_word_heard_more_often_than_a_random_vector(result: PhoneSwaps) -> None:
    still, moved = result.rates
    own, random = result.hits(moved.texts), result.hits(moved.random_texts)
    assert own is not None and random is not None and len(result.pairs) >= 10
    assert own.low is not None and own.low > random.value and own.value > 2 * random.value
    assert result.gone(moved.texts).value > result.gone(moved.random_texts).value  # type: ignore[union-attr]
    assert still.texts == still.random_texts == result.clean


def test_trials_are_minimal_pairs_of_words_that_were_heard(
    result: PhoneSwaps, lexicon: dict[str, set[tuple[str, ...]]]
) -> None:
    for pair, heard in zip(result.pairs, result.clean, strict=True):
        assert pair.word in heard.lower() and pair.word != pair.target and one_class(pair.word, pair.target)
        made = {
            tuple(pair.other if place == at else phone for place, phone in enumerate(said))
            for said in lexicon[pair.word]
            for at, own in enumerate(said)
            if own == pair.phone
        }
        assert made & lexicon[pair.target]


def test_means_come_from_other_speakers_than_trials(demo: Whisper, some: Corpus, result: PhoneSwaps) -> None:
    labels = label_set(some, None, 0)
    speakers = {source.id: (source.speaker, out) for source, out in zip(some.sources, labels.held_out, strict=True)}
    tried = {speakers[pair.clip_id][0] for pair in result.pairs}
    assert tried and not tried & {speaker for speaker, out in speakers.values() if not out}
    assert result.split_by == "speakers"


def test_the_files_hold_every_trial(result: PhoneSwaps, tmp_path: Path) -> None:
    table = result.to_json()
    assert len(table["pairs"]) == table["n_pairs"] and result.plot(tmp_path / "it.png").is_file()
    assert [row["strength"] for row in table["rates"]] == [0.0, 1.5]


def test_trials_are_drawn_by_the_seed(demo: Whisper, some: Corpus, lexicon: dict[str, set[tuple[str, ...]]]) -> None:
    labels, clips = label_set(some, None, 0), [source.read() for source in some.sources[:6]]
    n = len(labels.phones)
    means = ClassMeans("phone", LN_POST, labels.phones, np.full(n, 60), np.zeros((n, 2)), 0, "demo", "", "here")
    trials = Trials(demo, clips, labels, words_by_sound(lexicon, clips, labels), means, None, None)
    every = trials.drawn(None, 0)
    assert trials.drawn(3, 1) == trials.drawn(3, 1) != trials.drawn(3, 2) and set(trials.drawn(3, 1)) <= set(every)
    assert len(every) > 3 == len(trials.drawn(3, 1)) and trials.drawn(10_000, 1) == every
    rare = Trials(
        demo,
        clips,
        labels,
        words_by_sound(lexicon, clips, labels),
        replace(means, n_frames=means.n_frames - 20),
        None,
        None,
    )
    assert rare.drawn(None, 0) == []


def test_a_bare_corpus_shows_its_own_lexicon(demo: Whisper, some: Corpus) -> None:
    clips = [source.read() for source in some.sources[:4]]
    labels = label_set(some, None, 0)
    own = words_by_sound(None, clips, labels)
    assert own == words_by_sound(pronunciations(clips, labels), clips, labels)
    said = {word for clip in clips for span in clip.words or () for word in words_of(span.text)}
    assert {word for words in own.values() for word in words} == said


def test_words_that_differ_in_one_phone_are_found() -> None:
    by_sound = {
        ("R", "AH", "G"): {"rug"},
        ("M", "AH", "G"): {"mug"},
        ("R", "AE", "G"): {"rag", "wrag"},
        ("M", "AH"): {"mu"},
        ("M", "AE", "G"): {"mag"},
    }
    found = minimal_pairs(("R", "AH", "G"), "rug", by_sound)
    assert sorted(found) == [(0, "M", "mug"), (1, "AE", "rag"), (1, "AE", "wrag")]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clips": [make_clip()]}, "no clip is left|has no phone labels"),
        ({"sites": ["decoder.blocks.0"]}, "sites of the encoder"),
        ({"n_pairs": 0}, "n_pairs is 0: give a whole number of 1 or more"),
        ({"margin_frames": -1}, "margin_frames is -1: give a whole number of 0 or more"),
        ({"fits": lambda word, target: False}, "has a phone that would make it another word"),
    ],
)
def test_bad_input_is_refused(demo: Whisper, some: Corpus, settings: dict[str, Any], message: str) -> None:
    own = {"clips": Corpus("few", some.sources[:8]), "sites": [LN_POST], **settings}
    with pytest.raises(InputError, match=message):
        steer_phones(demo, **own)
