"""A transcription as text, as JSON in openai-whisper's result layout, and as SRT and WebVTT subtitles.

Knows a transcription's fields and nothing of models; writes no files.

Source:
    OpenAI Whisper, `whisper/utils.py` (the writers) and `whisper/transcribe.py` (the result).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otoscope.model.transcription import Segment, Transcription, Word


def clock(seconds: float, *, decimal_mark: str = ".", always_hours: bool = False) -> str:
    """Write a time as subtitles do, `01:02.500` or `01:00:02,500`.

    `seconds`: time from the start, 0 or more.
    `always_hours`: write the hours even where they are 0.
    Returns the time to the nearest millisecond.
    """
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    front = f"{hours:02d}:" if hours or always_hours else ""
    return f"{front}{minutes:02d}:{milliseconds // 1000:02d}{decimal_mark}{milliseconds % 1000:03d}"


def to_text(transcription: Transcription) -> str:
    """Write one line for every segment that says something."""
    return "".join(f"{text}\n" for _, text in _spoken(transcription))


def to_json(transcription: Transcription) -> dict[str, Any]:
    """Write the layout of openai-whisper's result.

    Returns `text`, `segments` and `language`; times in seconds, `seek` in mel frames of 10 ms. A segment has `words`
    where they were requested.
    """
    return {
        "text": transcription.text,
        "segments": [_segment(index, segment) for index, segment in enumerate(transcription.segments)],
        "language": transcription.language,
    }


def to_srt(transcription: Transcription) -> str:
    """Write SubRip subtitles, one for every segment that says something."""
    cues = [
        f"{number}\n{_times(segment, decimal_mark=',', always_hours=True)}\n{text}\n"
        for number, (segment, text) in enumerate(_spoken(transcription), start=1)
    ]
    return "\n".join(cues)


def to_vtt(transcription: Transcription) -> str:
    """Write WebVTT subtitles, one for every segment that says something."""
    cues = [f"{_times(segment)}\n{_escape(text)}\n" for segment, text in _spoken(transcription)]
    return "\n".join(["WEBVTT\n", *cues])


def _spoken(transcription: Transcription) -> Iterator[tuple[Segment, str]]:
    """Yield the segments that say something, each with its text on one line and without a cue's arrow."""
    for segment in transcription.segments:
        text = " ".join(segment.text.split())
        if text:
            yield segment, text.replace("-->", "->")


def _times(segment: Segment, *, decimal_mark: str = ".", always_hours: bool = False) -> str:
    start, end = (
        clock(time_s, decimal_mark=decimal_mark, always_hours=always_hours)
        for time_s in (segment.start_s, segment.end_s)
    )
    return f"{start} --> {end}"


def _escape(text: str) -> str:
    """Keep WebVTT from reading the words of a transcript as marks. Source: W3C WebVTT, cue text."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _segment(index: int, segment: Segment) -> dict[str, Any]:
    written: dict[str, Any] = {
        "id": index,
        "seek": segment.seek,
        "start": _round(segment.start_s),
        "end": _round(segment.end_s),
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
    }
    if segment.words is not None:
        written["words"] = [_word(word) for word in segment.words]
    return written


def _word(word: Word) -> dict[str, Any]:
    return {
        "word": word.written,
        "start": _round(word.start_s),
        "end": _round(word.end_s),
        "probability": word.probability,
    }


def _round(seconds: float) -> float:
    """Cut the digits that floating point adds: no time is finer than a sample (62.5 microseconds)."""
    return round(seconds, 5)
