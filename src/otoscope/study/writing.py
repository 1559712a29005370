"""Let the decoder write from final encoder outputs, whatever was done to them.

One run of the decoder for each batch of windows; the encoder does not run. It does not know what was done to the
encoder outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from otoscope.model.generation import Decoding, Written, detect, prompt_tokens, top, write
from otoscope.model.spelling import decode
from otoscope.model.transcription import UNSPACED_LANGUAGES
from otoscope.model.whisper import Whisper

BATCH_SIZE = 16


def write_windows(
    model: Whisper,
    encodings: Float[Tensor, "window frame d_model"],
    languages: Sequence[str | None],
    most_tokens: int | None = None,
) -> list[tuple[str, Written]]:
    """Write greedily, without timestamps, what the decoder takes each window's encoder output to say.

    Args:
        model: Any Whisper.
        encodings: Final encoder outputs.
        languages: What is spoken in each window, as code or English name; None to let the model find out from that
            window's encoder output.
        most_tokens: Stop after so many tokens; by default, and where it is more than the decoder has room for, where
            the checkpoint stops.

    Returns:
        For each window its language and what was written.

    Raises:
        InputError: A language is not the model's.

    Source:
        Radford et al. 2022 (arXiv 2212.04356), section 2.3.
    """
    words = model.vocabulary
    codes = [words.check_language(language) for language in languages]
    rows: list[tuple[str, Written]] = []
    for batch in encodings.split(BATCH_SIZE) if codes else ():
        own = codes[len(rows) : len(rows) + len(batch)]
        found = detect(model, words, batch) if None in own else [{}] * len(batch)
        spoken = [code or top(heard) for code, heard in zip(own, found, strict=True)]
        decoding = Decoding(max_new_tokens=_limit(model, spoken[0], most_tokens))
        rows += zip(spoken, write(model, words, batch, spoken, decoding), strict=True)
    return rows


def _limit(model: Whisper, language: str, most_tokens: int | None) -> int | None:
    """Give a limit that the decoder has room for beside its prompt; None for the checkpoint's own."""
    room: int = model.hf.config.max_target_positions - len(prompt_tokens(model, language=language))
    return most_tokens if most_tokens is not None and most_tokens < room else None


def write_texts(
    model: Whisper, encodings: Float[Tensor, "window frame d_model"], languages: Sequence[str | None]
) -> list[tuple[str, str]]:
    """Write each window's text; the arguments are those of `write_windows`.

    Returns:
        For each window its language and its text, without spaces at its ends.
    """
    return [(code, text_of(model, row.tokens)) for code, row in write_windows(model, encodings, languages)]


def text_of(model: Whisper, tokens: Sequence[int]) -> str:
    """Turn tokens into text, timestamps and special tokens left out."""
    words = model.vocabulary
    text = [token for token in tokens if words.is_text(token)]
    return decode(model.tokenizer, text).strip()


def join_texts(rows: Sequence[tuple[str, str]]) -> str:
    """Join the texts of windows that lie side by side.

    Args:
        rows: Language and text of each window, in order of time.

    Returns:
        One line, with spaces between windows where the language has spaces between words.
    """
    between = "" if rows and rows[0][0] in UNSPACED_LANGUAGES else " "
    return between.join(text for _, text in rows if text)
