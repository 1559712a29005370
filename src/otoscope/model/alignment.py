"""When each word was spoken, read off the decoder's cross-attention.

The decoder is run once more over the words it wrote. Where certain heads look while each token is written follows the
sound from left to right; the path that collects most of that attention gives each token its first frame. Costs one pass
of the decoder and memory [head, token, frame] for the chosen heads.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from otoscope.base.errors import InputError, OtoscopeWarning, SiteError
from otoscope.model.generation import forced_logits
from otoscope.model.languages import Vocabulary
from otoscope.model.spelling import split_words

if TYPE_CHECKING:
    from otoscope.model.sites import Site
    from otoscope.model.whisper import Whisper

MEDIAN_FRAMES = 7
"""Width of the median filter over frames. Source: OpenAI Whisper, `whisper/timing.py`."""
LONGEST_MEDIAN_FRAMES = 35
"""Upper limit on the median length of a word: 0.7 s. Source: OpenAI Whisper, `whisper/timing.py`."""
HEARD_SHARE = 0.7
"""A word begins where the attention of its first token reaches this share of its maximum: the path alone would give the
first word all that comes before it. Source: ours, chosen on forced alignments of LJ Speech after noise and music."""


class Head(NamedTuple):
    """One cross-attention head of the decoder."""

    block: int
    head: int


@dataclass(frozen=True)
class AlignedWord:
    """One word on the clock of its window."""

    written: str  # the word as the tokenizer writes it, spaces included
    start_frame: int  # its first frame
    end_frame: int  # the first frame after it; the same where the model spent no time on it
    probability: float  # mean over its tokens, 0 to 1

    def later(self, n_frames: int) -> AlignedWord:
        """The same word on a clock that started `n_frames` earlier."""
        return replace(self, start_frame=self.start_frame + n_frames, end_frame=self.end_frame + n_frames)


def check_heads(model: Whisper, heads: Sequence[Sequence[int]] | None) -> tuple[Head, ...]:
    """Return the heads that words are aligned by.

    `heads`: block and head of each, counted from 0. None takes those that the checkpoint names and its decoder has, or,
    where there are none, every head of the last half of the decoder's blocks.
    Source: OpenAI Whisper, `whisper/model.py`, for the heads of a checkpoint that names none.
    """
    n_blocks, n_heads = model.n_decoder_blocks, int(model.hf.config.decoder_attention_heads)
    if heads is None:
        return _checkpoint_heads(model, n_blocks, n_heads)
    chosen = [_pair(head) for head in heads]
    if not chosen:
        raise InputError(
            "alignment_heads is empty: words are aligned by at least one pair (block, head), as in [(3, 1)]."
        )
    for block, head in chosen:
        if not (0 <= block < n_blocks and 0 <= head < n_heads):
            raise SiteError(
                f"alignment head ({block}, {head}) is not in {model.id}: its decoder has blocks 0-{n_blocks - 1} "
                f"with heads 0-{n_heads - 1}. Give pairs (block, head)."
            )
    return tuple(chosen)


def _checkpoint_heads(model: Whisper, n_blocks: int, n_heads: int) -> tuple[Head, ...]:
    """The heads that a checkpoint names and its decoder has; if none, all heads of the last half of its blocks.

    A distilled model may name the heads of its teacher, whose decoder is deeper.
    """
    named = getattr(model.hf.generation_config, "alignment_heads", None) or []
    try:
        pairs = [_pair(head) for head in named]
    except (InputError, TypeError):
        pairs = []
    present = tuple(pair for pair in pairs if 0 <= pair.block < n_blocks and 0 <= pair.head < n_heads)
    if len(present) < len(named):
        instead = "the others are used" if present else "those of the last half of its decoder are used"
        warnings.warn(
            f"{model.id}: {len(named) - len(present)} of the {len(named)} alignment heads that its generation config "
            f"names are not in its decoder ({n_blocks} blocks of {n_heads} heads): {instead}. Word times may be worse "
            "than usual; give heads of this decoder as alignment_heads.",
            OtoscopeWarning,
            stacklevel=3,
        )
    return present or tuple(Head(block, head) for block in range(n_blocks // 2, n_blocks) for head in range(n_heads))


def _pair(head: Any) -> Head:
    try:
        block, index = (int(number) for number in head)
    except (TypeError, ValueError):
        raise InputError(f"alignment head {head!r} is not a pair (block, head): give numbers, as in (3, 1).") from None
    return Head(block, index)


def align(
    model: Whisper,
    words: Vocabulary,
    encoded: Float[Tensor, "1 frame d_model"],
    pieces: Sequence[Sequence[int]],
    *,
    language: str,
    task: str,
    heads: Sequence[Head],
    n_frames: int,
) -> list[list[AlignedWord]]:
    """Find where the words of one window are.

    `pieces`: the ids of its text, segment by segment, without timestamps.
    `n_frames`: how many frames of the window hold the sound of this text, at least 1.
    Returns the words of every segment, in order and without overlaps.
    Source: OpenAI Whisper, `whisper/timing.py`, `find_alignment`; where a word begins is ours. OpenAI cuts a long first
    word to twice the median length, which leaves it half a second of the music before it.
    """
    text = [token for piece in pieces for token in piece]
    if not text:
        return [[] for _ in pieces]
    prompt = words.prompt(language, task, timestamps=False)
    # The end token is left out where the decoder has no room for it: its own output is not used.
    ids = [*prompt, *text, words.end_id][: model.hf.config.max_target_positions]
    logits, patterns = _look(model, encoded, ids, heads)
    first = len(prompt) - 1
    rows = slice(first, first + len(text) + 1)  # from the row that says the first token to the one that says the end
    heard = sharpen(patterns[:, :, :n_frames])[rows]
    path = dtw(-heard)
    starts = path.frames[np.flatnonzero(np.diff(path.tokens, prepend=-1))]
    odds = _text_odds(words, logits[rows.start : rows.stop - 1], text)
    offset, aligned = 0, []
    for piece in pieces:
        spelt = split_words(model.tokenizer, piece, language)
        aligned.append(_timed(spelt, heard[offset:], starts[offset:], odds[offset:]))
        offset += len(piece)
    return _without_hesitation(aligned)


def _timed(
    spelt: Sequence[tuple[str, list[int]]],
    heard: Float[np.ndarray, "token frame"],
    starts: Int[np.ndarray, " token"],
    odds: Float[np.ndarray, " token"],
) -> list[AlignedWord]:
    """Give each word its frames: from where its first token is heard to the next word's first token."""
    timed, first = [], 0
    for written, ids in spelt:
        end = first + len(ids)
        start, stop = int(starts[first]), int(starts[end])
        start += onset(heard[first, start:stop])
        timed.append(AlignedWord(written, start, stop, float(odds[first:end].mean())))
        first = end
    return timed


def _without_hesitation(pieces: list[list[AlignedWord]]) -> list[list[AlignedWord]]:
    """Limit the last word of a window to twice the median length: the path gives it all that comes after it."""
    lengths = [word.end_frame - word.start_frame for piece in pieces for word in piece]
    lengths = [length for length in lengths if length > 0]
    last = next((piece for piece in reversed(pieces) if piece), None)
    if last is None or not lengths:
        return pieces
    longest = int(2 * min(float(np.median(lengths)), LONGEST_MEDIAN_FRAMES))
    word = last[-1]
    last[-1] = replace(word, end_frame=min(word.end_frame, word.start_frame + longest))
    return pieces


def onset(heard: Float[np.ndarray, " frame"]) -> int:
    """Find where a token begins to be heard.

    Returns the first of the frames around its highest value that reach `HEARD_SHARE` of it; 0 where nothing stands out.
    """
    if not len(heard) or heard.max() <= 0:
        return 0
    peak = int(heard.argmax())
    below = np.flatnonzero(heard[:peak] < HEARD_SHARE * heard[peak])
    return int(below[-1]) + 1 if len(below) else 0


def _look(
    model: Whisper, encoded: Tensor, ids: list[int], heads: Sequence[Head]
) -> tuple[Float[Tensor, "token vocab"], Float[np.ndarray, "head token frame"]]:
    """Run the decoder over the ids and keep what the chosen heads attended to, edits included."""
    seen: dict[int, Tensor] = {}

    def keep(site: Site, pattern: Tensor) -> None:
        assert site.block is not None
        seen[site.block] = pattern[0].float()

    with model.looking(
        [f"decoder.blocks.{block}.cross_attn.pattern" for block in {head.block for head in heads}], keep
    ):
        logits = forced_logits(model, encoded, torch.tensor([ids]))[0]
    patterns = torch.stack([seen[block][head] for block, head in heads])
    return logits, patterns.cpu().numpy()


def sharpen(patterns: Float[np.ndarray, "head token frame"]) -> Float[np.ndarray, "token frame"]:
    """Turn the attention of several heads into one map of when each token is heard.

    Each row becomes a distribution over the frames given. What all tokens attend to equally is removed: each frame
    of each head is standardised over the tokens. A median over frames removes single peaks, and the heads are averaged.

    Source: OpenAI Whisper, `whisper/timing.py`, which takes the softmax over the sound's frames only: the same as
    dividing the softmax over the window by its sum there.
    """
    tiny = np.finfo(np.float32).tiny
    shares = patterns / np.maximum(patterns.sum(axis=-1, keepdims=True), tiny)
    spread = shares.std(axis=1, keepdims=True)
    even = (shares - shares.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    smoothed: Float[np.ndarray, "token frame"] = median_filter(even, MEDIAN_FRAMES).mean(axis=0)
    return smoothed


def median_filter(x: Float[np.ndarray, "... frame"], width: int) -> Float[np.ndarray, "... frame"]:
    """Replace each value by the median of those around it along the last axis, mirrored at both ends.

    Source: OpenAI Whisper, `whisper/timing.py`; tests compare with SciPy.
    """
    reach = width // 2
    if x.shape[-1] <= reach:
        return x
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(reach, reach)], mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, width, axis=-1)
    return np.partition(around, reach, axis=-1)[..., reach]


class Path(NamedTuple):
    """A way through a table of costs, step by step."""

    tokens: Int[np.ndarray, " step"]
    frames: Int[np.ndarray, " step"]


def dtw(cost: Float[np.ndarray, "token frame"]) -> Path:
    """Find the cheapest way from the first token and frame to the last, never backwards (dynamic time warping).

    A step goes one token on, one frame on, or both. Of equally cheap steps into a cell, one frame on is preferred, then
    one token on. Runs along the anti-diagonals of the table, whose cells do not depend on each other.

    Source: Sakoe and Chiba 1978; OpenAI Whisper, `whisper/timing.py`, for the preference among equally cheap steps.
    """
    n_tokens, n_frames = cost.shape
    total = np.full((n_tokens + 1, n_frames + 1), np.inf)
    total[0, 0] = 0
    step = np.zeros((n_tokens, n_frames), dtype=np.int8)
    for diagonal in range(n_tokens + n_frames - 1):
        token = np.arange(max(0, diagonal - n_frames + 1), min(n_tokens, diagonal + 1))
        frame = diagonal - token
        # In order of preference among equally cheap steps; `total` is shifted by one.
        ways = np.stack([total[token + 1, frame], total[token, frame + 1], total[token, frame]])
        best = ways.argmin(axis=0)
        step[token, frame] = best
        total[token + 1, frame + 1] = cost[token, frame] + ways[best, np.arange(len(token))]
    return _walk_back(step)


def _walk_back(step: Int[np.ndarray, "token frame"]) -> Path:
    """Follow the steps from the last cell to the first: 0 came from the frame before, 1 the token before, 2 both."""
    token, frame = step.shape[0] - 1, step.shape[1] - 1
    cells = [(token, frame)]
    while token or frame:
        origin = int(step[token, frame])
        token -= origin > 0
        frame -= origin != 1
        cells.append((token, frame))
    tokens, frames = zip(*reversed(cells), strict=True)
    return Path(np.array(tokens), np.array(frames))


def _text_odds(
    words: Vocabulary, logits: Float[Tensor, "token vocab"], text: Sequence[int]
) -> Float[np.ndarray, " token"]:
    """The probability of each token among all text tokens."""
    logits = logits.masked_fill(~words.text_mask.to(logits.device), -torch.inf)
    odds = logits.softmax(dim=-1).gather(1, torch.tensor(text, device=logits.device)[:, None])
    return odds[:, 0].cpu().numpy()
