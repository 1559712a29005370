"""Phones of the demo clips, whose times are known, and what is said of clips that cannot be aligned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from otoscope.audio.clip import Clip, Span
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus, open_corpus
from otoscope.corpus.corpus import Source
from otoscope.corpus.demo_clips import read_index
from otoscope.study.alignment.comparison import PhoneComparison, compare_alignments
from otoscope.study.alignment.corpus import FromSound, align_corpus
from otoscope.study.alignment.phone_times import UNSURE_SCORE, PhoneAligner
from tests.released import speech_folder

pytest.importorskip("pocketsphinx", reason="the extra 'align' is not installed")


class Spelled:
    """Pronounces the words it was given."""

    name = "a list"

    def __init__(self, **words: str) -> None:
        self.words = words
        self.asked: list[str] = []

    def __call__(self, words: Sequence[str], /) -> list[tuple[tuple[str, ...], ...]]:
        self.asked += words
        return [(tuple(self.words[word].split()),) if word in self.words else () for word in words]


@pytest.fixture(scope="module")
def spoken() -> list[Clip]:
    return [label.read() for label in read_index()[:6]]


@pytest.fixture(scope="module")
def aligner() -> PhoneAligner:
    return PhoneAligner()


def of(*clips: Clip) -> Corpus:
    return Corpus("some", [Source(clip.id, lambda clip=clip: clip) for clip in clips], asked_phone_set="arpabet")


def test_words_and_phones_are_found_where_they_are_spoken(aligner: PhoneAligner, spoken: list[Clip]) -> None:
    errors_s = []
    for clip in spoken:
        found = aligner(clip)
        assert clip.words is not None and [word.text.strip(".,?") for word in found.words] == [
            w.text for w in clip.words
        ]
        errors_s += [a.start_s - b.start_s for a, b in zip(found.words, clip.words, strict=True)]
        assert all(a.end_s <= b.start_s + 1e-9 for a, b in zip(found.phones, found.phones[1:], strict=False))
        for word in found.words:  # a word is as long as its phones
            inside = [p for p in found.phones if word.start_s - 1e-9 <= p.start_s and p.end_s <= word.end_s + 1e-9]
            assert (inside[0].start_s, inside[-1].end_s) == (word.start_s, word.end_s)
    assert np.median(np.abs(errors_s)) < 0.03


def test_a_clips_times_do_not_depend_on_those_before_it(spoken: list[Clip]) -> None:
    first, again = PhoneAligner(), PhoneAligner()
    again(spoken[1])
    assert again(spoken[0]) == first(spoken[0])


def test_another_level_gives_the_same_times(aligner: PhoneAligner, spoken: list[Clip]) -> None:
    quiet = replace(spoken[0], samples=(spoken[0].samples * np.float32(0.001)))
    assert [p.text for p in aligner(quiet).phones] == [p.text for p in aligner(spoken[0]).phones]


def test_another_sentence_is_doubted(aligner: PhoneAligner, spoken: list[Clip]) -> None:
    own = aligner(spoken[0])
    assert own.score > UNSURE_SCORE and not own.doubts
    other = aligner(spoken[0], "printing differs from most of the arts and crafts")
    assert other.score < UNSURE_SCORE
    assert sum("probably not" in doubt.problem for doubt in other.doubts) >= 4


def test_what_is_not_said_is_left_out_with_a_doubt(aligner: PhoneAligner, spoken: list[Clip]) -> None:
    text = " -- ".join((spoken[0].transcript or "").split()) + " [laughter]"
    found = aligner(spoken[0], text)
    assert found.phones == aligner(spoken[0]).phones
    assert {doubt.word for doubt in found.doubts} == {"--", "[laughter]"}


def test_words_that_the_dictionary_lacks_are_pronounced(spoken: list[Clip]) -> None:
    clip = spoken[0]
    _, *rest = (clip.transcript or "").split()
    pronounce = Spelled(zzyzx="ð ə", vadda="v æ ɾ ə")
    aligner = PhoneAligner(pronounce)
    found = aligner(clip, " ".join(["Zzyzx", *rest]))
    assert [phone.text for phone in found.phones][:2] == ["DH", "AH"] and pronounce.asked == ["zzyzx"]
    aligner(clip, " ".join(["zzyzx!", *rest]))
    assert pronounce.asked == ["zzyzx"], "a word is asked for once"
    joined = aligner(clip, " ".join(["vadda-zzyzx", *rest]))
    assert [phone.text for phone in joined.phones][:6] == ["V", "AE", "T", "AH", "DH", "AH"], "a flap is said as T"
    assert joined.words[0].text == "vadda-zzyzx" and joined.words[0].end_s == joined.phones[5].end_s
    with pytest.raises(InputError, match="the word 'qqqxv' is not in the dictionary .* a list has none. Spell it"):
        aligner(clip, "qqqxv")
    with pytest.raises(
        InputError, match=r"no pronunciation is known. Install eSpeak NG: pip install 'otoscope\[speech\]'"
    ):
        PhoneAligner()(clip, "qqqxv")


def test_clips_that_cannot_be_aligned_say_why(aligner: PhoneAligner, spoken: list[Clip]) -> None:
    clip = spoken[0]
    for transcript, message in [
        (None, "the transcript of clip 'x' is missing"),
        ("...", r"the transcript of clip 'x' is '\.\.\.', which holds no word"),
        ("word " * 500, "cannot be aligned with its .* s of sound"),
    ]:
        with pytest.raises(InputError, match=message):
            aligner(replace(clip, id="x", transcript=transcript))
    with pytest.raises(InputError, match="the language of clip 'x' is 'de': phones are found in time by .* English"):
        aligner(replace(clip, id="x", language="de"))
    with pytest.raises(InputError, match="the language is 'de'"):
        PhoneAligner(language="de")


def test_nothing_is_found_in_silence(aligner: PhoneAligner) -> None:
    with pytest.raises(InputError, match="clip 'x' is silent"):
        aligner(Clip(np.zeros(16_000, np.float32), "x", "hello there"))


def test_a_corpus_gets_phones_that_are_read_back(aligner: PhoneAligner, spoken: list[Clip], tmp_path: Path) -> None:
    bare = [replace(clip, words=None, phones=None, path=None) for clip in spoken[:2]]
    mute = replace(bare[0], id="mute", transcript=None)
    result = align_corpus(FromSound(aligner), of(*bare, mute, spoken[2]), tmp_path)
    assert [problem.clip for problem in result.failed] == ["mute"]
    read = list(open_corpus(tmp_path / "manifest.jsonl"))
    assert [clip.id for clip in read] == [clip.id for clip in spoken[:3]]
    assert [phone.text for phone in read[0].phones or ()] == [phone.text for phone in aligner(bare[0]).phones]
    assert [clip.is_kept for clip in result.clips] == [False, False, True]
    assert read[2].phones is not None and [p.text for p in read[2].phones] == [p.text for p in spoken[2].phones or ()]


def test_a_run_that_was_stopped_goes_on(aligner: PhoneAligner, spoken: list[Clip], tmp_path: Path) -> None:
    bare = [replace(clip, words=None, phones=None, path=None) for clip in spoken[:3]]
    whole = align_corpus(FromSound(aligner), of(*bare), tmp_path / "whole")
    asked: list[str] = []

    class Stopping(FromSound):
        def __call__(self, clip: Clip) -> object:  # type: ignore[override]
            asked.append(clip.id)
            if len(asked) == 2:
                raise KeyboardInterrupt
            return super().__call__(clip)

    with pytest.raises(KeyboardInterrupt):
        align_corpus(Stopping(aligner), of(*bare), tmp_path / "parts")
    assert align_corpus(Stopping(aligner), of(*bare), tmp_path / "parts") == whole
    assert asked == [bare[0].id, bare[1].id, bare[1].id, bare[2].id]
    names = {path.name for path in (tmp_path / "parts").rglob("*")}
    assert names == {path.name for path in (tmp_path / "whole").rglob("*")}


def test_a_comparison_counts_frames_and_boundaries() -> None:
    labelled = (
        Span(0.0, 0.2, "sil"),
        Span(0.2, 0.4, "s"),
        Span(0.4, 0.5, "tcl"),
        Span(0.5, 0.6, "t"),
        Span(0.6, 1.0, "iy"),
    )
    found = (Span(0.2, 0.44, "S"), Span(0.44, 0.6, "T"), Span(0.63, 1.0, "IY"))
    comparison = PhoneComparison()
    compare_alignments(comparison, found, labelled, "timit61", 1.0)
    classes = comparison.to_json()["classes"]
    assert {name: row["n_frames"] for name, row in classes.items()} == {
        "all": 50, "vowel": 20, "pause": 10, "fricative": 10, "stop": 10,
    }  # fmt: skip
    agreed = {name: round(row["agreement"] * row["n_frames"]) for name, row in classes.items()}
    assert agreed == {"all": 47, "vowel": 19, "pause": 10, "fricative": 10, "stop": 8}
    assert classes["stop"]["n_labels"] == classes["stop"]["n_boundaries"] == 1
    assert classes["stop"]["median_error_ms"] == pytest.approx(40) and classes["stop"]["within_20_ms"] == 0
    assert classes["all"]["median_error_ms"] == pytest.approx(30) and classes["all"]["within_20_ms"] == pytest.approx(
        1 / 3
    )


@pytest.mark.real
def test_phones_of_people_agree_with_hand_labels(aligner: PhoneAligner) -> None:
    speech = open_corpus(speech_folder("emu_ae"))
    comparison = PhoneComparison()
    for clip in speech:
        compare_alignments(comparison, aligner(clip).phones, clip.phones or (), "sampa-au", clip.duration_s)
    row = comparison.to_json()["classes"]["all"]
    assert comparison.n_clips == 7 and row["agreement"] > 0.75 and row["median_error_ms"] < 15
