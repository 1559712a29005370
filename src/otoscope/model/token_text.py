"""What every token of a checkpoint stands for: text, a piece of a character, a command or a time.

Knows a tokenizer. Costs a fraction of a second for a vocabulary of 50,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from otoscope.model.spelling import token_bytes

if TYPE_CHECKING:
    from otoscope.model.whisper import Whisper


@dataclass(frozen=True, eq=False)
class TokenTexts:
    r"""Every id that the decoder can be given or say.

    Attributes:
        texts: What each stands for, white space included; bytes that are not text by themselves as `\xNN`, and "" for
            an id that the tokenizer does not know.
        is_text: Whether it is text, not a command (`<|en|>`) or a time (`<|0.00|>`).
        is_whole: Whether it is text of whole characters.
    """

    texts: tuple[str, ...]
    is_text: Bool[np.ndarray, " token"]
    is_whole: Bool[np.ndarray, " token"]

    def __len__(self) -> int:
        """How many ids there are."""
        return len(self.texts)


def token_texts(model: Whisper) -> TokenTexts:
    """Look up what every token stands for.

    Returns one entry for each of the model's `vocab_size` ids.
    """
    words = model.vocabulary
    known = min(model.vocab_size, len(model.tokenizer))
    names = model.tokenizer.convert_ids_to_tokens(list(range(known)))
    texts = [""] * model.vocab_size
    is_text = np.zeros(model.vocab_size, bool)
    is_whole = np.zeros(model.vocab_size, bool)
    spellings = token_bytes(model.tokenizer, range(known))
    for token, (name, spelt) in enumerate(zip(names, spellings, strict=True)):
        if not name:
            continue
        if not words.is_text(token):
            texts[token] = name
            continue
        is_text[token] = True
        try:
            texts[token] = spelt.decode()
            is_whole[token] = True
        except UnicodeDecodeError:
            texts[token] = spelt.decode(errors="backslashreplace")
    return TokenTexts(tuple(texts), is_text, is_whole)


def pieces(model: Whisper, text: str) -> list[int]:
    """Cut a text into tokens, with nothing put before or after it.

    `text`: the text; the name of a command (`<|en|>`) becomes that command's token.
    """
    ids: list[int] = model.tokenizer.encode(text, add_special_tokens=False)
    return ids
