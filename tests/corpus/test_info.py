"""What a corpus is said to hold, and that every wrong label is counted, left out, and told by file and line."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from otoscope.base.errors import InputError
from otoscope.corpus import open_corpus
from otoscope.corpus.info import Amount, describe
from otoscope.corpus.labelling import common_phone_set
from tests.corpus.making import phn, sound, textgrid

GOOD = ("0 2000 h#", "2000 9000 sh", "9000 16000 iy")


def with_rows(*rows: str) -> Callable[[Path], object]:
    return lambda path: phn(path, *rows)


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "longer": (with_rows("0 2000 h#", "2000 9000 sh", "9000 32000 iy"), r"bad\.phn', line 3: 'iy' ends at 2\.000 s"),
    "shorter": (with_rows("0 2000 h#", "2000 4000 sh"), r"bad\.phn', line 2: .*Expected labels for at least half"),
    "overlapping": (with_rows("0 4000 h#", "2000 9000 sh", "9000 16000 iy"), r"bad\.phn', line 2: .*do not overlap"),
    "unsorted": (with_rows("2000 9000 sh", "0 2000 h#", "9000 16000 iy"), r"bad\.phn', line 2: .*sorted by time"),
    "unknown_phone": (
        with_rows("0 2000 h#", "2000 9000 sh", "9000 16000 qq"),
        r"bad\.phn', line 3: phone 'qq' is unknown\. Expected the symbols of phone set 'timit61'",
    ),
    "encoding": (lambda path: path.write_bytes(b"0 2000 h#\n2000 9000 \xe9\n"), r"bad\.phn', line 2: .*not UTF-8"),
    "no_number": (with_rows("0 2000 h#", "x 9000 sh"), r"bad\.phn', line 2: 'x' is not a whole number"),
}


def folder_of(root: Path, n_good: int = 3) -> Path:
    for number in range(n_good):
        sound(root / f"good{number}.wav", seed=number)
        phn(root / f"good{number}.phn", *GOOD)
    return root


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_labels_are_counted_and_left_out(tmp_path: Path, wrong: str) -> None:
    folder_of(tmp_path)
    sound(tmp_path / "bad.wav")
    WRONG[wrong][0](tmp_path / "bad.phn")
    held = describe(open_corpus(tmp_path))
    assert (held.all.n_clips, held.phones.n_clips, held.phone_set) == (4, 3, "timit61")
    (problem,) = held.label_problems
    assert problem.clip == "bad"
    with pytest.raises(AssertionError, match=WRONG[wrong][1]):
        raise AssertionError(problem.message)
    assert not held.problems


def test_a_corpus_is_counted(tmp_path: Path) -> None:
    sound(tmp_path / "anna" / "a.wav", 1.0)
    sound(tmp_path / "anna" / "b.wav", 2.0)
    sound(tmp_path / "ben" / "c.wav", 0.5)
    (tmp_path / "ben" / "d.wav").write_bytes(b"")
    textgrid(tmp_path / "anna" / "b.TextGrid", ("sil", "HH", "AY1", "spn"), 2.0, ("hi", "there"))
    (tmp_path / "ben" / "c.txt").write_text("yes")
    held = describe(open_corpus(tmp_path))
    assert held.all == Amount(3, 3.5) and (held.shortest_s, held.longest_s, held.n_sources) == (0.5, 2.0, 4)
    assert list(held.speakers.items()) == [("anna", Amount(2, 3.0)), ("ben", Amount(1, 0.5))]
    assert (
        held.languages == {} and held.transcripts == Amount(2, 2.5) and held.transcripts_from_labels == Amount(1, 2.0)
    )
    assert held.words == Amount(1, 2.0, 2) and held.phones == Amount(1, 2.0, 2)
    assert held.phone_set == "arpabet-stress"
    assert [(item.phone, item.n_samples, item.duration_s, item.is_pause) for item in held.phone_counts] == [
        ("AY1", 1, 0.5, False),
        ("HH", 1, 0.5, False),
        ("sil", 1, 0.5, True),
        ("spn", 1, 0.5, True),
    ]
    assert [problem.clip for problem in held.problems] == ["ben/d"]


def test_the_demo_clips_are_all_labelled() -> None:
    held = describe(open_corpus("demo").first(20))
    assert held.phone_set == "arpabet"
    assert held.words.n_clips == held.phones.n_clips == held.transcripts.n_clips == 20
    assert held.languages.keys() == {"en"} and not held.label_problems


def test_the_table_is_written_as_json(tmp_path: Path) -> None:
    held = describe(open_corpus(folder_of(tmp_path / "in")))
    (path,) = held.save(tmp_path / "out")
    table = json.loads(path.read_text())
    assert path.name == "corpus_info.json" and table == json.loads(json.dumps(held.to_json()))
    assert table["with_phones"] == {"n_clips": 3, "duration_s": 3.0, "n_labels": 6, "hours": 0.0008}


def test_progress_counts_the_unreadable_too(tmp_path: Path) -> None:
    folder_of(tmp_path)
    (tmp_path / "a.wav").touch()
    seen: list[int] = []
    describe(open_corpus(tmp_path), progress=seen.append)
    assert seen == [2, 3, 4]


def test_the_phone_set_is_found_without_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = open_corpus(folder_of(tmp_path))
    monkeypatch.setattr("otoscope.corpus.reader.read_audio", lambda _: pytest.fail("decoded"))
    assert clips.phone_set == "timit61"


def test_a_few_strangers_do_not_hide_the_phone_set() -> None:
    right = {"HH", "AH0", "L", "OW1", "sil"}
    assert common_phone_set([right, {"HH", "?!"}, right, {"sp"}]) == "arpabet-stress"
    assert common_phone_set([{"sil"}, set()]) is None
    assert common_phone_set([{"?!"}]) is None


def test_phones_of_no_set_that_is_known_are_label_problems(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    textgrid(tmp_path / "a.TextGrid", ("?!", "#9"))
    held = describe(open_corpus(tmp_path))
    assert held.phone_set is None and held.unknown_phones == {"?!": 1, "#9": 1} and not held.phones.n_clips
    assert "a.TextGrid': phones '?!', '#9' belong to no known phone set" in held.label_problems[0].message


def test_a_phone_set_may_be_told(tmp_path: Path) -> None:
    folder_of(tmp_path)
    held = describe(open_corpus(tmp_path, phone_set="arpabet-stress"))
    assert held.phone_set == "arpabet-stress"
    with pytest.raises(InputError, match="phone set 'klingon' is not known. Choose one of timit61"):
        open_corpus(tmp_path, phone_set="klingon")


def test_unknown_phones_are_left_out_however_a_clip_is_read(tmp_path: Path) -> None:
    folder_of(tmp_path)
    sound(tmp_path / "bad.wav")
    phn(tmp_path / "bad.phn", "0 2000 h#", "2000 16000 qq")
    clips = open_corpus(tmp_path)
    read = {source.id: clips.read(source) for source in clips.sources}
    assert read["bad"].phones is None and read["bad"].label_problem is not None and read["good0"].phones


def test_sources_can_be_sent_to_other_processes(tmp_path: Path) -> None:
    clips = open_corpus(folder_of(tmp_path))
    (copy, *_) = pickle.loads(pickle.dumps(list(clips.sources)))
    assert copy.read().phones == clips.sources[0].read().phones
    assert pickle.loads(pickle.dumps(open_corpus("demo").sources[0])).read().phones
