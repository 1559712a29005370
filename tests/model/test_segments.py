from __future__ import annotations

import random
from itertools import pairwise

import pytest
import torch
from transformers import WhisperForConditionalGeneration

from otoscope.model.segments import cut

BEGIN = 100  # ids below are text


def frame_of(token: int) -> int | None:
    return token - BEGIN if token >= BEGIN else None


def theirs(tokens: list[int], n_mel_frames: int) -> tuple[list[tuple[list[int], float, float]], int]:
    """Cut with the framework's own method."""
    segments, offset = WhisperForConditionalGeneration._retrieve_segment(
        seek_sequence=torch.tensor(tokens, dtype=torch.long),
        seek_outputs=[None],
        time_offset=torch.zeros(1, dtype=torch.float64),
        timestamp_begin=BEGIN,
        seek_num_frames=torch.tensor([n_mel_frames]),
        time_precision=0.02,
        time_precision_features=0.01,
        input_stride=2,
        prev_idx=0,
        idx=0,
        return_token_timestamps=False,
        decoder_input_ids=torch.zeros(1, 3, dtype=torch.long),
    )
    return [(s["tokens"].tolist(), float(s["start"]), float(s["end"])) for s in segments], int(offset)


def written_by_the_rules(rng: random.Random) -> list[int]:
    """What a decoder with timestamps may write: pairs that do not run backwards, with or without an end."""
    time, tokens = rng.randrange(3), []
    tokens.append(BEGIN + time)
    for _ in range(rng.randrange(4)):
        tokens += [rng.randrange(BEGIN) for _ in range(rng.randrange(1, 4))]
        time += rng.randrange(1, 20)
        tokens += [BEGIN + time, BEGIN + time]
    ending = rng.choice(["pair", "single", "text", "nothing"])
    if ending == "single":
        tokens += [1, BEGIN + time + 3]
    if ending == "text":
        tokens += [1, 2]
    return tokens


@pytest.mark.parametrize("seed", range(40))
def test_segments_equal_those_of_the_framework(seed: int) -> None:
    tokens = written_by_the_rules(random.Random(seed))
    ours = cut(tokens, frame_of, 200)
    pieces, advance = theirs(tokens, 200)
    assert [list(piece.tokens) for piece in ours.segments] == [tokens for tokens, _, _ in pieces]
    assert [piece.start_frame * 0.02 for piece in ours.segments] == pytest.approx([start for _, start, _ in pieces])
    assert [piece.end_frame * 0.02 for piece in ours.segments] == pytest.approx([end for _, _, end in pieces])
    assert ours.advance == advance


@pytest.mark.parametrize("seed", range(40))
def test_tokens_without_any_rule_are_cut_as_the_framework_cuts_them(seed: int) -> None:
    rng = random.Random(seed)
    tokens = [rng.randrange(BEGIN - 20, BEGIN + 20) for _ in range(rng.randrange(12))]
    ours = cut(tokens, frame_of, 200)
    pieces, advance = theirs(tokens, 200)
    assert [list(piece.tokens) for piece in ours.segments] == [tokens for tokens, _, _ in pieces]
    assert ours.advance == advance
    assert all(0 <= piece.start_frame <= piece.end_frame for piece in ours.segments)
    assert all(before.end_frame <= after.start_frame for before, after in pairwise(ours.segments))
