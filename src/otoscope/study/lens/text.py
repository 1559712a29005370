"""What the decoder is made to say while its states are read: each window's own transcript, or a given text.

Windows of several clips run together, a batch at a time; no more of the encoder's output is held. Costs one run
of the encoder for each window, and of the decoder one transcription where no text is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otoscope.audio.clip import Clip, as_clip
from otoscope.audio.windows import check_window
from otoscope.base.errors import InputError
from otoscope.model.generation import detect, prompt_tokens, top
from otoscope.model.languages import Vocabulary
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.writing import write_windows

BATCH_SIZE = 16


@dataclass(frozen=True)
class WindowTokens:
    """The tokens that are said over one window."""

    clip: int  # index of the clip
    window: int  # index of the window in the clip
    language: str  # Whisper's code of the language spoken
    prompt: tuple[int, ...]  # token ids that the transcript begins with
    tokens: tuple[int, ...]  # token ids of the text, and the end of text where it was reached

    @property
    def rows(self) -> slice:
        """The decoder's positions at which these tokens are predicted: each at the token before it."""
        return slice(len(self.prompt) - 1, len(self.prompt) - 1 + len(self.tokens))


@dataclass(frozen=True, eq=False)
class SaidBatch:
    """Windows with the tokens that are said over them."""

    encoded: Float[Tensor, "window frame d_model"]  # the encoder's output
    said: list[WindowTokens]  # for each window
    ids: Int[Tensor, "window token"] = field(repr=False)  # what the decoder is given; shorter rows are filled up


@dataclass(frozen=True, eq=False)
class _MelWindow:
    """A window that waits for its batch."""

    clip: int
    window: int
    language: str | None
    mel: Tensor


def said_batches(
    model: Whisper,
    clips: Iterable[Sound],
    *,
    text: str | None = None,
    window: int | None = None,
    language: str | None = None,
    batch_size: int = BATCH_SIZE,
    encode: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[SaidBatch]:
    """Yield windows with the tokens that are said over them, batch by batch.

    `text`: what the decoder is made to say, over one window alone; None for its own transcript.
    `window`: take this window of each clip alone; None for all.
    `language`: language spoken; by default the model detects it in each window.
    `encode`: turns log-mels into what the decoder is given; the model's encoder by default.
    Yields batches, in order.
    """
    words = model.vocabulary
    words.check_language(language)
    run = encode or (lambda mel: model.encode_mel(mel, batch_size=len(mel)))
    waiting: list[_MelWindow] = []
    for number, clip in enumerate(map(as_clip, clips)):
        for mel_window in _windows_of(model, number, clip, window, language, has_text=text is not None):
            waiting.append(mel_window)
            if len(waiting) == batch_size:
                yield _batch(model, words, waiting, run, text)
                waiting = []
    if waiting:
        yield _batch(model, words, waiting, run, text)


def _windows_of(
    model: Whisper, number: int, clip: Clip, window: int | None, language: str | None, *, has_text: bool
) -> Iterator[_MelWindow]:
    n_windows = max(1, -(-len(clip.samples) // model.window_samples))
    if window is not None:
        check_window(window, n_windows, clip.id)
    if has_text and window is None and n_windows > 1:
        raise InputError(
            f"a text was given for clip {clip.id!r}, which takes {n_windows} windows: a text is said over one. "
            "Name the window, or give no text."
        )
    for index, cut in enumerate(model.each_window(clip)):
        if window is None or index == window:
            yield _MelWindow(number, index, language or clip.language, cut.mel)


def _batch(
    model: Whisper, words: Vocabulary, windows: list[_MelWindow], encode: Callable[[Tensor], Tensor], text: str | None
) -> SaidBatch:
    encoded = encode(torch.cat([window.mel for window in windows]))
    if text is None:
        with model.reading_paused():
            written = write_windows(model, encoded, [window.language for window in windows])
        spoken = [(code, _ended(words, code, tuple(row.tokens), model)) for code, row in written]
    else:
        spoken = [(code, _spelt(model, words, text, code)) for code in _languages(model, words, windows, encoded)]
    said = [
        WindowTokens(window.clip, window.window, code, tuple(prompt_tokens(model, language=code)), tokens)
        for window, (code, tokens) in zip(windows, spoken, strict=True)
    ]
    # the last token is predicted, and never given; no earlier position can see what fills up a shorter row
    rows = [[*window.prompt, *window.tokens[:-1]] for window in said]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [words.end_id] * (longest - len(row)) for row in rows], device=model.device)
    return SaidBatch(encoded, said, ids)


def _languages(model: Whisper, words: Vocabulary, windows: list[_MelWindow], encoded: Tensor) -> list[str]:
    codes = [words.check_language(window.language) for window in windows]
    heard = detect(model, words, encoded) if None in codes else [{} for _ in codes]
    return [code or top(probabilities) for code, probabilities in zip(codes, heard, strict=True)]


def _ended(words: Vocabulary, language: str, tokens: tuple[int, ...], model: Whisper) -> tuple[int, ...]:
    """Put the end of text after a transcript, unless it broke off at the longest that may be written."""
    generation = words.generation
    n_prompt = len(words.prompt(language, "transcribe", timestamps=False))
    longest = generation.max_new_tokens or (generation.max_length or 20) - n_prompt
    longest = min(longest, model.hf.config.max_target_positions - n_prompt)
    return tokens if tokens and len(tokens) >= longest else (*tokens, words.end_id)


def _spelt(model: Whisper, words: Vocabulary, text: str, language: str) -> tuple[int, ...]:
    """Spell a given text as the decoder would, the end of text included."""
    said: list[int] = model.tokenizer(text if text[:1].isspace() else f" {text}", add_special_tokens=False).input_ids
    if not all(words.is_text(token) and token < model.vocab_size for token in said):
        raise InputError(
            f"the text {text!r} holds a special token: the start and the end come of themselves. "
            "Leave out what stands between <| and |>; the language is a setting of its own."
        )
    longest = model.hf.config.max_target_positions - len(prompt_tokens(model, language=language)) - 1
    if len(said) > longest:
        raise InputError(f"the text is {len(said)} tokens: {model.id} has room for {longest}. Give a shorter one.")
    return (*said, words.end_id)
