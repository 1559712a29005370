"""A word of a window's transcript as a target to differentiate: how sure the decoder is of it.

The decoder is given the window's own transcript (teacher forcing), so that one run of it scores every token. Costs one
transcription of the window and one run of the decoder in the graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.model.generation import prompt_tokens, read_logits
from otoscope.model.spelling import split_words
from otoscope.model.whisper import Whisper
from otoscope.model.windows import Windows
from otoscope.study.error_rate import normalise
from otoscope.study.target import SpokenWord, TargetWord
from otoscope.study.writing import text_of, write_windows


@dataclass(frozen=True, eq=False)
class WordScorer:
    """One word of one window, in its place in the transcript."""

    model: Whisper  # which wrote the transcript
    prompt: tuple[int, ...]  # token ids that the transcript begins with
    tokens: tuple[int, ...]  # token ids of the transcript's text
    first: int  # index of the word's first token in them
    stop: int  # index after its last token
    index: int  # among the words
    text: str  # as written, without spaces around it

    @classmethod
    def prepare(
        cls, model: Whisper, windows: Windows, window: int, word: TargetWord, language: str | None
    ) -> WordScorer:
        """Transcribe the window and find the word."""
        encoding = model.encode_mel(windows.mel[window : window + 1])
        code, written = write_windows(model, encoding, [language or windows.clip.language])[0]
        words = model.vocabulary
        tokens = [token for token in written.tokens if words.is_text(token)]
        spelt = split_words(model.tokenizer, tokens, code)
        index = find_word([text for text, _ in spelt], word, transcript=text_of(model, tokens))
        first = sum(len(ids) for _, ids in spelt[:index])
        text, ids = spelt[index]
        prompt = tuple(prompt_tokens(model, language=code))
        return cls(model, prompt, tuple(tokens), first, first + len(ids), index, text.strip())

    def score(self, encoding: Float[Tensor, "1 frame d_model"]) -> Float[Tensor, ""]:
        """Sum the log-probabilities of the word's tokens, each given the sound and the tokens before it.

        Returns natural log of the probability of the word, over the whole vocabulary; differentiable.
        Source: The target logit of Chefer, Gur and Wolf 2021 (arXiv 2103.15679), made a log-probability because a logit
        that rises together with all others says nothing.
        """
        given = [*self.prompt, *self.tokens[: self.stop - 1]]
        logits = read_logits(self.model, encoding, torch.tensor([given]))[0]
        rows = torch.arange(len(self.prompt) + self.first, len(self.prompt) + self.stop) - 1
        chosen = torch.tensor(self.tokens[self.first : self.stop])
        total: Tensor = logits.log_softmax(dim=-1)[rows.to(logits.device), chosen.to(logits.device)].sum()
        return total

    def spoken(self, log_probability: float) -> SpokenWord:
        """Describe the word that was the target."""
        return SpokenWord(
            index=self.index,
            text=self.text,
            transcript=text_of(self.model, self.tokens),
            tokens=self.tokens[self.first : self.stop],
            log_probability=log_probability,
        )


def find_word(words: list[str], word: TargetWord, *, transcript: str) -> int:
    """Find a target word among the words of a transcript."""
    if isinstance(word.which, str):
        target = normalise(word.which)
        matches = [index for index, text in enumerate(words) if target and normalise(text) == target]
        if len(matches) == 1:
            return matches[0]
        problem = "is not in" if not matches else f"is {len(matches)} times (words {', '.join(map(str, matches))}) in"
        raise InputError(
            f"word {word.which!r} {problem} the transcript {transcript!r}. Give a word that occurs once, or its number."
        )
    if isinstance(word.which, bool) or not isinstance(word.which, int) or not 0 <= word.which < len(words):
        there = f"words 0 to {len(words) - 1}" if words else "no words"
        raise InputError(f"word {word.which!r} is not in the transcript {transcript!r}: it has {there}.")
    return word.which
