from __future__ import annotations

import json
import re
import zlib

import pytest

from otoscope.audio.clip import Span
from otoscope.model import formats
from otoscope.model.transcription import Segment, Transcription, Word


def segment(start_s: float, end_s: float, text: str, *, words: tuple[Word, ...] | None = None) -> Segment:
    return Segment(start_s, end_s, text, tokens=(1, 2), seek=0, avg_logprob=-0.5, no_speech_prob=0.25, words=words)


def transcription(*segments: Segment, language: str = "en") -> Transcription:
    return Transcription(
        clip_id="talk",
        model_id="tiny",
        duration_s=4000.0,
        language=language,
        task="transcribe",
        segments=segments,
        tokens=((1, 2),),
    )


TALK = transcription(
    segment(0.0, 1.5, " Hello there."), segment(1.5, 1.5, " "), segment(59.9996, 3725.25, " Is 1 --> 2\n<b> & so on?")
)


def test_the_text_is_one_line_without_spaces_at_its_ends() -> None:
    assert TALK.text == "Hello there. Is 1 --> 2\n<b> & so on?".replace("\n", "\n")
    assert transcription(segment(0.0, 1.0, "今日"), segment(1.0, 2.0, "は。"), language="ja").text == "今日は。"
    assert transcription(segment(0.0, 1.0, "no"), segment(1.0, 2.0, "space")).text == "no space"
    assert transcription().text == ""


def test_text_has_a_line_for_every_segment_that_says_something() -> None:
    assert TALK.to_text() == "Hello there.\nIs 1 -> 2 <b> & so on?\n"


def test_srt_is_as_subrip_has_it() -> None:
    assert TALK.to_srt() == (
        "1\n00:00:00,000 --> 00:00:01,500\nHello there.\n\n2\n00:01:00,000 --> 01:02:05,250\nIs 1 -> 2 <b> & so on?\n"
    )
    assert transcription().to_srt() == ""


def test_vtt_is_as_the_web_has_it() -> None:
    assert TALK.to_vtt() == (
        "WEBVTT\n\n00:00.000 --> 00:01.500\nHello there.\n\n01:00.000 --> 01:02:05.250\nIs 1 -> 2 &lt;b> &amp; so on?\n"
    )
    assert transcription().to_vtt() == "WEBVTT\n"


def test_json_has_the_layout_of_openai_whisper() -> None:
    word = Word(0.1, 0.30000000000000004, "Hello", probability=0.9, written=" Hello")
    written = json.loads(
        json.dumps(transcription(segment(0.1, 0.30000000000000004, " Hello", words=(word,))).to_json())
    )
    assert written == {
        "text": "Hello",
        "segments": [
            {
                "id": 0,
                "seek": 0,
                "start": 0.1,
                "end": 0.3,
                "text": " Hello",
                "tokens": [1, 2],
                "temperature": 0.0,
                "avg_logprob": -0.5,
                "compression_ratio": 6 / len(zlib.compress(b" Hello")),
                "no_speech_prob": 0.25,
                "words": [{"word": " Hello", "start": 0.1, "end": 0.3, "probability": 0.9}],
            }
        ],
        "language": "en",
    }


def test_words_are_in_the_json_only_where_they_were_asked_for() -> None:
    assert "words" not in TALK.to_json()["segments"][0]
    assert TALK.words is None
    word = Word(0.1, 0.3, "Hello", probability=0.9, written=" Hello")
    both = transcription(segment(0.1, 0.3, " Hello", words=(word,)), segment(1.0, 2.0, "", words=()))
    assert both.words == (word,)
    assert isinstance(word, Span)
    assert both.to_json()["segments"][1]["words"] == []


@pytest.mark.parametrize("seconds", [0.0, 0.0004, 0.0006, 59.9994, 59.9996, 3599.9999, 3600.0, 100_000.5])
def test_clocks_read_back(seconds: float) -> None:
    written = formats.clock(seconds, always_hours=True, decimal_mark=",")
    match = re.fullmatch(r"(\d\d+):([0-5]\d):([0-5]\d),(\d\d\d)", written)
    assert match is not None
    hours, minutes, whole, thousandths = map(int, match.groups())
    assert hours * 3600 + minutes * 60 + whole + thousandths / 1000 == pytest.approx(seconds, abs=0.00051)


def test_repetition_shows_in_the_compression_ratio() -> None:
    assert (
        segment(0.0, 1.0, " so so" * 40).compression_ratio
        > 2.4
        > segment(0.0, 1.0, " quite different").compression_ratio
    )
