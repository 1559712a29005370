"""Let the decoder transcribe final encoder outputs, changed or not.

One run of the decoder for each batch of windows; the encoder does not run. It does not know what was done to the
encoder outputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from otoscope.model.generation import Decoding, Written, detect, top, write
from otoscope.model.spelling import decode
from otoscope.model.transcription import UNSPACED_LANGUAGES
from otoscope.model.whisper import Whisper

BATCH_SIZE = 16
SPARE_TOKENS = 20
"""A changed model may write twice the tokens of the unchanged one, plus this many."""


class Text(NamedTuple):
    """A transcript."""

    language: str  # what is spoken, as Whisper's code
    text: str  # one line, without spaces at its ends
    is_stopped: bool = False  # whether it was stopped at its limit of tokens; most of these repeat themselves


def write_windows(
    model: Whisper,
    encodings: Float[Tensor, "window frame d_model"],
    languages: Sequence[str | None],
    *,
    most_tokens: int | None = None,
) -> list[tuple[str, Written]]:
    """Transcribe each window's encoder output greedily, without timestamps.

    `languages`: language spoken in each window, as code or English name; None to let the model detect it from that
    window's encoder output.
    Returns for each window its language and what was written.
    Source: Radford et al. 2022 (arXiv 2212.04356), section 2.3.
    """
    words = model.vocabulary
    codes = [words.check_language(language) for language in languages]
    n_prompt = len(words.prompt(words.any_language, "transcribe", timestamps=False))
    own_limit = min(words.generation.max_length or math.inf, model.hf.config.max_target_positions) - n_prompt
    decoding = Decoding(max_new_tokens=most_tokens if most_tokens is not None and most_tokens < own_limit else None)
    rows: list[tuple[str, Written]] = []
    for batch in encodings.split(BATCH_SIZE) if codes else ():
        given = codes[len(rows) : len(rows) + len(batch)]
        detected = detect(model, words, batch) if None in given else [{}] * len(batch)
        spoken = [code or top(heard) for code, heard in zip(given, detected, strict=True)]
        rows += zip(spoken, write(model, words, batch, spoken, decoding), strict=True)
    return rows


def write_texts(
    model: Whisper,
    encodings: Float[Tensor, "window frame d_model"],
    languages: Sequence[str | None],
    *,
    most_tokens: Sequence[int] | None = None,
) -> list[Text]:
    """Transcribe each window to text, as `write_windows` does.

    `languages`: language spoken in each window; None to let the model detect it.
    `most_tokens`: for each window where to stop; None for the checkpoint's own limit.
    Returns for each window its text.
    """
    if most_tokens is None:
        written = write_windows(model, encodings, languages)
        return [Text(code, text_of(model, row.tokens), row.is_stopped) for code, row in written]
    rows = []
    for start in range(0, len(encodings), BATCH_SIZE):
        batch = slice(start, start + BATCH_SIZE)
        limits = most_tokens[batch]
        longest = 1 + max(limits)  # one more distinguishes what was stopped from what just ended
        written = write_windows(model, encodings[batch], languages[batch], most_tokens=longest)
        rows += [
            Text(code, text_of(model, row.tokens[:most]), row.is_stopped or len(row.tokens) > most)
            for (code, row), most in zip(written, limits, strict=True)
        ]
    return rows


def room_beside(n_tokens: int) -> int:
    """Return how many tokens a changed model may write where it wrote `n_tokens` unchanged.

    What continues beyond that is a loop: the decoder repeats itself up to its limit of hundreds of tokens, which costs
    as much as dozens of transcripts and says nothing more.
    """
    return 2 * n_tokens + SPARE_TOKENS


def text_of(model: Whisper, tokens: Sequence[int]) -> str:
    """Turn tokens into text, timestamps and special tokens left out."""
    words = model.vocabulary
    text = [token for token in tokens if words.is_text(token)]
    return decode(model.tokenizer, text).strip()


def join_texts(rows: Sequence[Text]) -> Text:
    """Join the texts of windows that lie side by side.

    Returns one line in the language of the first, with spaces between windows where that has spaces between words;
    stopped where any of them was.
    """
    language = rows[0].language if rows else ""
    between = "" if language in UNSPACED_LANGUAGES else " "
    text = between.join(row.text for row in rows if row.text)
    return Text(language, text, any(row.is_stopped for row in rows))


def marked(text: str, *, is_stopped: bool) -> str:
    """Mark a text that was stopped, for tables."""
    return f"{text} (stopped)".lstrip() if is_stopped else text
