"""A LibriSpeech tree is known by its transcripts, from any depth."""

from __future__ import annotations

from pathlib import Path

import pytest

from otoscope.base.errors import InputError
from otoscope.corpus import open_corpus
from tests.corpus.making import sound, textgrid


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two speakers, two chapters, three utterances."""
    texts = {"84-121123": {"0000": "GO DO YOU HEAR", "0001": "BUT"}, "174-50561": {"0000": "FORGOTTEN TOO"}}
    root = tmp_path / "LibriSpeech"
    for chapter, utterances in texts.items():
        folder = root / "dev-clean" / chapter.replace("-", "/")
        for number in utterances:
            sound(folder / f"{chapter}-{number}.flac", 0.2)
        lines = "".join(f"{chapter}-{number} {text}\n" for number, text in utterances.items())
        (folder / f"{chapter}.trans.txt").write_text(lines)
    return root


@pytest.mark.parametrize("below", ["", "dev-clean"])
def test_the_tree_is_known_by_itself(tree: Path, below: str) -> None:
    clips = list(open_corpus(tree / below))
    assert [(clip.id, clip.speaker, clip.language, clip.transcript) for clip in clips] == [
        ("174-50561-0000", "174", "en", "FORGOTTEN TOO"),
        ("84-121123-0000", "84", "en", "GO DO YOU HEAR"),
        ("84-121123-0001", "84", "en", "BUT"),
    ]


def test_a_chapter_alone_is_a_tree_wherever_it_is_named_from(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree / "dev-clean" / "84" / "121123")
    assert [(source.id, source.speaker) for source in open_corpus(".").sources] == [
        ("84-121123-0000", "84"),
        ("84-121123-0001", "84"),
    ]


def test_what_is_known_is_known_without_decoding(tree: Path) -> None:
    for path in tree.rglob("*.flac"):
        path.write_bytes(b"no sound")
    assert {(source.speaker, source.language) for source in open_corpus(tree).sources} == {("84", "en"), ("174", "en")}


def test_alignments_below_the_tree_are_found(tree: Path) -> None:
    textgrid(tree / "aligned" / "84" / "121123" / "84-121123-0001.TextGrid", seconds=0.2)
    assert [clip.phones is not None for clip in open_corpus(tree)] == [False, False, True]


def test_a_recording_that_the_transcripts_lack_has_none(tree: Path) -> None:
    sound(tree / "dev-clean" / "84" / "121123" / "84-121123-0002.flac", 0.1)
    assert [clip.transcript is None for clip in open_corpus(tree)] == [False, False, False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            b"84-121123-0000 A\n84-121123-0001\n",
            r"84-121123\.trans\.txt', line 2: '84-121123-0001' is not a transcript",
        ),
        (b"85-1-0000 A\n", "Expected '84-121123-0000 WHAT IS SAID'"),
        (b"84-121123-0000 caf\xe9\n", "is not UTF-8"),
    ],
)
def test_wrong_transcripts_are_refused(tree: Path, text: bytes, message: str) -> None:
    (tree / "dev-clean" / "84" / "121123" / "84-121123.trans.txt").write_bytes(text)
    with pytest.raises(InputError, match=message):
        open_corpus(tree)


def test_two_recordings_of_one_name_are_refused_by_both_paths(tree: Path) -> None:
    sound(tree / "copy" / "84-121123-0001.flac", 0.1)
    with pytest.raises(InputError, match=r"two clips are called '84-121123-0001', '.*copy/.*' and '.*dev-clean/.*'"):
        open_corpus(tree)
