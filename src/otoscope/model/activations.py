"""The activations of a clip: what the named sites hold while the model runs over it.

Takes the memory of the tensors requested. Reading sites of the encoder never runs the decoder. `hooks` catches the
tensors; `generation` writes the text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.base.short_repr import tensors_repr
from otoscope.model.generation import detect, generate_tokens, read_logits, top

if TYPE_CHECKING:
    from otoscope.model.whisper import Sound, Whisper
    from otoscope.model.windows import Windows


class Activations(dict[str, Tensor]):
    """Site to tensor; prints as the shapes."""

    def __repr__(self) -> str:
        """Write the sites with the types and shapes of their tensors."""
        return tensors_repr("Activations", self)


def activations(
    model: Whisper, clip: Sound, sites: str | Iterable[str], *, text: str | None, language: str | None, batch_size: int
) -> Activations:
    """Run a clip through a model and return what its sites hold.

    Args:
        model: The model.
        clip: The sound.
        sites: Names, aliases or patterns.
        text: Text that the decoder is run over, for its sites; None to let it transcribe.
        language: The text's language as Whisper's code; None for the clip's own, or the one detected.
        batch_size: Windows the encoder runs at a time.

    Returns:
        Site to tensor.

    Raises:
        InputError: The text does not fit this clip; a site, a language or the recording cannot be used.
    """
    names = model.expand(sites)
    windows = model.windows(clip)
    with model.reading(names) as tape:
        if not tape.reads_decoder:
            if names:
                model.encode(windows, batch_size=batch_size)
        elif text is None:
            for mel in windows.mel.split(
                1
            ):  # one at a time: in a batch, a window that ends early is read until the last one ends
                generate_tokens(model, mel, language=language or windows.clip.language)
        else:
            _check_text(text, windows)
            encoding = model.encode(windows)
            ids = text_ids(model, windows, encoding, text, language)
            with torch.no_grad():
                read_logits(model, encoding, ids)
    return Activations((name, tape[name]) for name in names)


def text_ids(model: Whisper, windows: Windows, encoding: Tensor, text: str, language: str | None) -> Tensor:
    """Tokenize a text as the decoder would write it: prompt, text without timestamps, end of text."""
    words = model.vocabulary
    spoken = words.check_language(language or windows.clip.language) or top(detect(model, words, encoding)[0])
    text_tokens = model.tokenizer(text if text[:1].isspace() else f" {text}", add_special_tokens=False).input_ids
    ids = [*words.prompt(spoken, "transcribe", timestamps=False), *text_tokens, words.end_id]
    longest = model.hf.config.max_target_positions
    if len(ids) > longest:
        raise InputError(f"the text takes {len(ids)} tokens with its prompt; {model.id} holds {longest}. Shorten it.")
    return torch.tensor([ids], device=model.device)


def _check_text(text: str, windows: Windows) -> None:
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"the text is {text!r}: give the words to be said, or None to let the model transcribe.")
    n_windows = len(windows.mel)
    if n_windows > 1:
        raise InputError(
            f"a text was given for clip {windows.clip.id!r}, which takes {n_windows} windows: a text is said over one. "
            "Cut the clip to one window, or give no text."
        )
