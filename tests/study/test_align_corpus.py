from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from otoscope.audio.clip import Clip, Span
from otoscope.base.errors import AudioError, InputError
from otoscope.base.files import to_json_text
from otoscope.corpus import Corpus, Problem, open_corpus
from otoscope.corpus.corpus import Source
from otoscope.model.transcription import Word
from otoscope.model.whisper import Whisper
from otoscope.study.alignment.corpus import AlignedClip, AlignedCorpus, FromModel, align_corpus
from otoscope.study.alignment.word_times import align_words
from tests.study.conftest import make_clip

KNOWN = (Span(0.1, 0.4, "hello"), Span(0.5, 0.9, '"there"'))


def of(*clips: Clip) -> Corpus:
    return Corpus("some", [Source(clip.id, lambda clip=clip: clip) for clip in clips], asked_phone_set="arpabet-stress")


@pytest.fixture
def recorded(tmp_path: Path) -> Clip:
    """A clip that is a whole file."""
    clip = make_clip(1.2, id="deep/one", speaker="Ana", language="en")
    path = tmp_path / "sound" / "one.flac"
    path.parent.mkdir()
    soundfile.write(path, clip.samples, 16_000, subtype="PCM_24")
    return replace(clip, path=path)


def rows_of(folder: Path) -> list[dict[str, str | None]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]


def test_what_is_written_is_a_corpus_with_word_times(model: Whisper, recorded: Clip, tmp_path: Path) -> None:
    result = align_corpus(FromModel(model), of(recorded), tmp_path / "out")
    wanted = align_words(model, recorded)
    (read,) = open_corpus(tmp_path / "out" / "manifest.jsonl")
    assert (read.id, read.transcript, read.speaker, read.language) == ("deep/one", "the little dog", "Ana", "en")
    assert [word.text for word in wanted] == ["the", "little", "dog"]
    lasting = [word for word in wanted if word.end_s - word.start_s > 0.019]
    assert read.words is not None and [word.text for word in read.words] == [word.text for word in lasting]
    for word, same in zip(read.words, lasting, strict=True):
        assert (word.start_s, word.end_s) == pytest.approx((same.start_s, same.end_s), abs=0.0011)
    np.testing.assert_allclose(read.samples, recorded.samples, atol=1e-6)
    mean = sum(word.probability for word in wanted) / 3
    (about,) = result.clips
    assert (about.id, about.n_words, about.probability) == ("deep/one", len(lasting), pytest.approx(mean))
    lost = [doubt.word for doubt in about.doubts if "no length" in doubt.problem]
    assert lost == [word.text for word in wanted if word not in lasting]
    assert result.aligned == result.clips and result.failed == ()


def test_a_row_holds_what_a_manifest_needs(model: Whisper, recorded: Clip, tmp_path: Path) -> None:
    align_corpus(FromModel(model), of(replace(recorded, speaker=None)), tmp_path / "out")
    assert rows_of(tmp_path / "out") == [
        {
            "audio": str(recorded.path),
            "id": "deep/one",
            "transcript": "the little dog",
            "speaker": None,
            "language": "en",
            "alignment": "deep/one.TextGrid",
        }
    ]
    assert (tmp_path / "out" / "deep" / "one.TextGrid").is_file()


def test_words_and_phones_that_are_there_are_kept(model: Whisper, recorded: Clip, tmp_path: Path) -> None:
    phones = (Span(0.1, 0.2, "HH"), Span(0.2, 0.4, "AH0"))
    has_words = replace(recorded, id="a", words=KNOWN, phones=phones, transcript=None)
    has_phones = replace(recorded, id="b", phones=phones)
    result = align_corpus(FromModel(model), of(has_words, has_phones), tmp_path / "out")
    one, two = open_corpus(tmp_path / "out" / "manifest.jsonl")
    assert one.words == KNOWN and one.phones == phones and one.is_transcript_from_labels
    assert two.phones == phones and two.words
    assert [clip.id for clip in result.aligned] == ["b"]
    assert result.to_json()["n_kept"] == 1


def test_a_clip_that_is_no_whole_file_is_written_with_its_sound(model: Whisper, recorded: Clip, tmp_path: Path) -> None:
    stretch = replace(recorded, id="stretch", samples=recorded.samples[4000:12_000].copy())
    of_nothing = replace(recorded, id="nothing", path=None, samples=recorded.samples * 8)
    gone = replace(recorded, id="gone", path=tmp_path / "gone.wav")
    align_corpus(FromModel(model), of(stretch, of_nothing, gone), tmp_path / "out")
    assert [row["audio"] for row in rows_of(tmp_path / "out")] == ["stretch.wav", "nothing.wav", "gone.wav"]
    for read, clip in zip(open_corpus(tmp_path / "out" / "manifest.jsonl"), (stretch, of_nothing, gone), strict=True):
        np.testing.assert_array_equal(read.samples, clip.samples)


def test_clips_that_cannot_be_aligned_do_not_stop_the_others(model: Whisper, recorded: Clip, tmp_path: Path) -> None:
    def broken() -> Clip:
        raise AudioError("no sound at all")

    found = of(replace(recorded, id="mute", transcript=None), recorded, make_clip(5.0, id="long"))
    found = Corpus("some", [Source("broken", broken), *found.sources])
    done: list[float] = []
    result = align_corpus(FromModel(model), found, tmp_path / "out", progress=done.append)
    assert [row["id"] for row in rows_of(tmp_path / "out")] == ["deep/one"]
    assert [problem.clip for problem in result.failed] == ["broken", "mute", "long"]
    assert "has no transcript" in result.failed[1].message and "too little" in result.failed[2].message
    assert found.problems == list(result.failed)
    assert done == pytest.approx([1.2, 2.4, 7.4])


def test_a_corpus_of_which_nothing_can_be_aligned_is_refused(model: Whisper, recorded: Clip, tmp_path: Path) -> None:
    mute = replace(recorded, transcript=None)
    with pytest.raises(InputError, match=r"no clip of 'some' can be aligned \(1 failed\)\. The first: clip 'deep/one'"):
        align_corpus(FromModel(model), of(mute), tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


def test_doubtful_words_and_what_is_not_said_are_listed(model: Whisper, recorded: Clip, tmp_path: Path) -> None:
    clip = replace(recorded, transcript="the -- [laughter] 1795 dog")
    result = align_corpus(FromModel(model), of(clip), tmp_path / "out")
    (about,) = result.clips
    problems = {doubt.word: doubt.problem for doubt in about.doubts}
    assert problems["--"] == "no letter or digit, so it is not said"
    assert problems["[laughter]"] == "a remark, which is not said"
    assert about.is_unsure and "probably not" in problems["the"]  # the model knows no words
    (read,) = open_corpus(tmp_path / "out" / "manifest.jsonl")
    assert {word.text for word in read.words or ()} <= {"the", "1795", "dog"}
    table = json.loads((tmp_path / "out" / "alignment.json").read_text())
    assert {doubt["word"] for doubt in table["clips"][0]["doubts"]} >= {"--", "[laughter]"}


@pytest.mark.parametrize("transcript", ["...", "-- \u2014", "[laughter]", "\u200b"])
def test_a_transcript_without_words_gives_no_labels(
    model: Whisper, recorded: Clip, tmp_path: Path, transcript: str
) -> None:
    with pytest.raises(InputError, match="can be aligned"):
        align_corpus(FromModel(model), of(replace(recorded, transcript=transcript)), tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.TextGrid"))


def test_the_language_reaches_the_model(model: Whisper, recorded: Clip, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="language 'xx' is not one of"):
        align_corpus(FromModel(model, "xx"), of(recorded), tmp_path / "out")


def test_the_table_names_doubtful_clips_the_most_doubtful_first() -> None:
    clips = (
        AlignedClip("a", 2, probability=0.2, is_unsure=True),
        AlignedClip("b", 2, probability=0.9),
        AlignedClip("c", 2, probability=0.1, is_unsure=True),
        AlignedClip("d", 2, is_kept=True),
    )
    result = AlignedCorpus("m", "some", clips, (Problem("e", "why"),))
    table = json.loads(to_json_text(result.to_json()))
    assert table["unsure"] == ["c", "a"] and (table["n_aligned"], table["n_kept"]) == (3, 1)
    assert table["clips"][3]["id"] == "d" and table["clips"][3]["probability"] is None
    assert table["failed"] == [{"clip": "e", "message": "why"}]
    assert "could be" not in result._repr_html_()  # it has no picture
    lines = result.summary().splitlines()
    start = lines.index("2 clips with a transcript that is probably not what is said:")
    assert [line.split() for line in lines[start + 1 :]] == [["clip", "probability"], ["c", "0.10"], ["a", "0.20"]]


def test_word_times_made_by_a_model_are_spans() -> None:
    assert issubclass(Word, Span)
