"""Cut what the decoder wrote for one window into segments, by its timestamps, and find where the next window begins.

Knows token ids and the clocks; knows no model. The rules are those of long-form generation in transformers, so that
passes over a recording add up to the tokens that `generate` itself gives.
"""

from __future__ import annotations

from dataclasses import dataclass

from otoscope.base.clocks import MEL_FRAMES_PER_FRAME


@dataclass(frozen=True)
class Piece:
    """One segment of a window.

    Attributes:
        tokens: Its ids, timestamps included.
        start_frame: Where it begins, in frames from the window's start.
        end_frame: Where it ends, in frames from the window's start.
    """

    tokens: tuple[int, ...]
    start_frame: int
    end_frame: int


@dataclass(frozen=True)
class Cut:
    """A window's segments.

    Attributes:
        pieces: In order; tokens after the last finished segment are dropped, for the next window writes them anew.
        advance: How far the next window begins after this one, in mel frames. 0 where the timestamps do not move on.
    """

    pieces: tuple[Piece, ...]
    advance: int


def cut(tokens: list[int], timestamp_begin: int, n_mel_frames: int) -> Cut:
    """Cut one window's tokens into segments.

    Two timestamps side by side end one segment and begin the next. A last timestamp alone says that nothing is spoken
    after it; otherwise what follows the last pair is unfinished, and the next window begins at that pair.

    Args:
        tokens: Ids as generated, prompt and end excluded.
        timestamp_begin: Id of `<|0.00|>`; ids above it are later timestamps, 20 ms apart.
        n_mel_frames: How much of the recording the window holds.

    Returns:
        The segments and how far to move on.

    Source:
        OpenAI Whisper, `whisper/transcribe.py`; transformers, `WhisperGenerationMixin._retrieve_segment`.
    """
    is_time = [token >= timestamp_begin for token in tokens]
    ends = [i + 1 for i in range(len(tokens) - 1) if is_time[i] and is_time[i + 1]]
    if not ends:
        return _whole(tokens, is_time, timestamp_begin, n_mel_frames)
    if is_time[-2:] == [False, True]:
        pieces = _pieces(tokens, [*ends, len(tokens)], timestamp_begin)
        return Cut(pieces, n_mel_frames)
    # The last segment keeps both timestamps of the pair that ends it.
    pieces = _pieces(tokens, [*ends[:-1], ends[-1] + 1], timestamp_begin, is_paired=True)
    return Cut(pieces, (tokens[ends[-1] - 1] - timestamp_begin) * MEL_FRAMES_PER_FRAME)


def _whole(tokens: list[int], is_time: list[bool], timestamp_begin: int, n_mel_frames: int) -> Cut:
    """Take a window without a finished segment as one segment, up to its last timestamp or to its end."""
    end_frame = n_mel_frames // MEL_FRAMES_PER_FRAME
    times = [token for token, is_one in zip(tokens, is_time, strict=True) if is_one]
    if times and times[-1] != timestamp_begin:
        end_frame = times[-1] - timestamp_begin
    return Cut((Piece(tuple(tokens), 0, end_frame),), n_mel_frames)


def _pieces(tokens: list[int], ends: list[int], timestamp_begin: int, *, is_paired: bool = False) -> tuple[Piece, ...]:
    """Cut at the ends; times never run backwards, whatever a model wrote.

    Args:
        tokens: Ids as generated.
        ends: Index after each piece.
        timestamp_begin: Id of `<|0.00|>`.
        is_paired: Whether the last piece ends with two timestamps, the first of which is its end.
    """
    pieces, first, frame = [], 0, 0
    for end in ends:
        piece = tokens[first:end]
        last = piece[-2] if is_paired and end == ends[-1] else piece[-1]
        # Without the timestamp rules a piece may begin with text: then it begins where the one before it ended.
        start = max(frame, piece[0] - timestamp_begin)
        frame = max(start, last - timestamp_begin)
        pieces.append(Piece(tuple(piece), start, frame))
        first = end
    return tuple(pieces)
