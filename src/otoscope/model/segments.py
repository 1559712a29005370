"""Cut what the decoder wrote for one window into segments, by its timestamps, and find where the next window begins.

Knows token ids and the clocks; knows no model. The rules are those of long-form generation in transformers, so that
passes over a recording add up to the tokens that `generate` itself gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from otoscope.base.clocks import MEL_FRAMES_PER_FRAME


@dataclass(frozen=True)
class WindowSegment:
    """One segment of a window."""

    tokens: tuple[int, ...]  # its ids, timestamps included
    start_frame: int  # where it begins, in frames from the window's start
    end_frame: int  # where it ends, in frames from the window's start


@dataclass(frozen=True)
class Cut:
    """A window's segments."""

    # in order; tokens after the last finished segment are dropped, since the next window writes them anew
    segments: tuple[WindowSegment, ...]
    advance: int  # how far the next window begins after this one, in mel frames; 0 where the timestamps do not advance


def cut(tokens: Sequence[int], frame_of: Callable[[int], int | None], n_mel_frames: int) -> Cut:
    """Cut one window's tokens into segments.

    Two timestamps side by side end one segment and begin the next. A last timestamp alone says that nothing is spoken
    after it; otherwise what follows the last pair is unfinished, and the next window begins at that pair.

    `tokens`: ids as generated, prompt and end excluded.
    `frame_of`: the frame that a timestamp names; None for any other token.
    `n_mel_frames`: how much of the recording the window holds.
    Returns the segments and how far to advance.
    Source: OpenAI Whisper, `whisper/transcribe.py`; transformers, `WhisperGenerationMixin._retrieve_segment`.
    """
    frames = [frame_of(token) for token in tokens]
    is_time = [frame is not None for frame in frames]
    ends = [i + 1 for i in range(len(tokens) - 1) if is_time[i] and is_time[i + 1]]
    if not ends:
        return _whole(tokens, frames, n_mel_frames)
    if is_time[-2:] == [False, True]:
        segments = _segments(tokens, frames, [*ends, len(tokens)])
        return Cut(segments, n_mel_frames)
    # The last segment keeps both timestamps of the pair that ends it.
    segments = _segments(tokens, frames, [*ends[:-1], ends[-1] + 1], is_paired=True)
    return Cut(segments, (frames[ends[-1] - 1] or 0) * MEL_FRAMES_PER_FRAME)


def _whole(tokens: Sequence[int], frames: Sequence[int | None], n_mel_frames: int) -> Cut:
    """Take a window without a finished segment as one segment, up to its last timestamp or to its end."""
    last = next((frame for frame in reversed(frames) if frame is not None), None)
    return Cut((WindowSegment(tuple(tokens), 0, last or n_mel_frames // MEL_FRAMES_PER_FRAME),), n_mel_frames)


def _segments(
    tokens: Sequence[int], frames: Sequence[int | None], ends: Sequence[int], *, is_paired: bool = False
) -> tuple[WindowSegment, ...]:
    """Cut at the ends; times never run backwards, whatever a model wrote."""
    segments, first, frame = [], 0, 0
    for end in ends:
        last = frames[end - 2] if is_paired and end == ends[-1] else frames[end - 1]
        # Without the timestamp rules a segment may begin with text: then it begins where the previous one ended.
        start = max(frame, frames[first] or 0)
        frame = max(start, last or 0)
        segments.append(WindowSegment(tuple(tokens[first:end]), start, frame))
        first = end
    return tuple(segments)
