"""What does the decoder say next when it hears nothing? The likeliest tokens after a prompt, with no sound at all.

Costs one window of the encoder for each sound and one decoder pass over the prompts, in batches. Memory: one batch of
[prompt, vocab]. How well the answers agree with a language is for `agreement`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.base.layout import count
from otoscope.base.numbers import finite
from otoscope.base.report import Column, Report, Table
from otoscope.base.settings import takes
from otoscope.base.text import visible
from otoscope.model.next_tokens import BATCH_SIZE, NextTokens, Prompt, PromptReader, prompt_reader
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.bigrams.no_sound import NoSound, no_sounds
from otoscope.study.bigrams.picture import next_figure
from otoscope.study.bigrams.settings import BigramsSettings
from otoscope.study.results import Result


@dataclass(frozen=True)
class NextToken:
    """A token that may come next."""

    token: int
    text: str  # its text, spaces included
    logit: float
    probability: float  # over the whole vocabulary


@dataclass(frozen=True)
class Continuation:
    """What would follow one prompt, given one sound."""

    prompt: str  # as given
    tokens: tuple[int, ...]  # its ids, without the start tokens
    pieces: tuple[str, ...]  # the text of each
    sound: str  # which of `SOUNDS`
    label: str  # the sound with its level or sample size
    next: tuple[NextToken, ...]  # the likeliest tokens, likeliest first
    entropy_bits: float  # of the distribution over the whole vocabulary
    text_probability: float  # probability that text comes next, and not the end, a timestamp or another special token
    end_probability: float  # probability that the transcript ends here

    def to_json(self) -> dict[str, Any]:
        """Return the table entries; probabilities of tokens have nine digits."""
        return {
            "prompt": self.prompt,
            "tokens": list(self.tokens),
            "pieces": list(self.pieces),
            "sound": self.sound,
            "sound_label": self.label,
            "entropy_bits": finite(self.entropy_bits),
            "text_probability": finite(self.text_probability),
            "end_probability": finite(self.end_probability),
            "next": [
                asdict(token) | {"logit": finite(token.logit), "probability": finite(token.probability, 9)}
                for token in self.next
            ],
        }


@dataclass(frozen=True, repr=False)
class Bigrams(Result):
    """What would follow each prompt, for each meaning of "no sound"."""

    name = "bigrams"

    model: str
    language: str  # Whisper's code of the language token
    start: tuple[str, ...]  # the texts of the start tokens
    vocab_size: int  # tokens that could come next
    only_text: bool  # special tokens and timestamps are left out of `next`; probabilities still count them
    continuations: tuple[Continuation, ...]  # prompt by prompt, and for each prompt sound by sound

    @property
    def sounds(self) -> tuple[str, ...]:
        """Labels of the sounds, in order."""
        return tuple(dict.fromkeys(item.label for item in self.continuations))

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts, in order, each once."""
        return tuple(dict.fromkeys(item.prompt for item in self.continuations))

    def report(self) -> Report:
        """List what follows each prompt, sounds side by side."""
        n = len(self.sounds)
        groups = [self.continuations[start : start + n] for start in range(0, len(self.continuations), n)]
        return Report(
            f"What comes next with no sound: {self.model}",
            f"language {self.language}; {self.vocab_size:,} tokens to choose from",
            {
                **self.fields("model", "language", "start", "vocab_size", "only_text"),
                "n_prompts": len(self.prompts),
                "sounds": self.sounds,
                "continuations": self.continuations,
            },
            parts=[self._overview(), *(_listed(group) for group in groups)],
        )

    def _overview(self) -> Table:
        columns = [
            Column(None, "prompt"),
            Column(None, "sound"),
            Column(None, "any text", "share"),
            Column(None, "the end", "share"),
            Column(None, "entropy (bits)", "two digits"),
        ]
        rows = [
            (item.prompt, item.label, item.text_probability, item.end_probability, item.entropy_bits)
            for item in self.continuations
        ]
        return Table(columns, rows, "What kind of token comes next", most=len(rows))

    def figure(self) -> Figure:
        """Draw the likeliest tokens by their logits, of the first few prompts."""
        return next_figure(self.continuations, len(self.sounds), f"{self.model}, language {self.language}")


def _listed(group: Sequence[Continuation]) -> Table:
    """List the likeliest tokens after one prompt, sounds side by side."""
    columns = [
        column
        for item in group
        for column in (Column(None, item.label), Column(None, "logit", "two digits"), Column(None, "p"))
    ]
    rows = [
        [cell for token in tokens for cell in (visible(token.text), token.logit, f"{token.probability:.2%}")]
        for tokens in zip(*(item.next for item in group), strict=True)
    ]
    pieces = " ".join(visible(piece) for piece in group[0].pieces)
    return Table(columns, rows, f"{group[0].prompt}: {count(len(group[0].tokens), 'token')}, {pieces}", most=len(rows))


@takes(BigramsSettings)
def bigrams(
    model: Whisper,
    prompts: str | Iterable[str],
    *,
    settings: BigramsSettings,
    sound: str | NoSound | Iterable[str | NoSound] = "padding",
    clips: Iterable[Sound] | None = None,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int, int], None] | None = None,
) -> Bigrams:
    """List the likeliest next tokens after prompts, the encoder being given no sound.

    The decoder gets the start tokens and the prompt, with a space in front as Whisper writes words in mid-sentence.

    Args:
        model: Any Whisper.
        prompts: A word or several; one prompt or many. A prompt of several tokens is shown as such.
        settings: What is listed.
        sound: What "no sound" means: one or several of `otoscope.study.bigrams.settings.SOUNDS`, or results of
            `no_sound`.
        clips: The clips to average for the sound `mean`.
        batch_size: Prompts run at once.
        progress: Called with the number of prompts done and the number in all, over all sounds.

    Returns:
        A continuation for every prompt and sound.

    Raises:
        InputError: A prompt is empty, too long or holds a special token; or a setting cannot be used.
        AudioError: A clip cannot be used.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 3.
    """
    reader = prompt_reader(model, settings.language)
    if settings.n_next > model.vocab_size:
        raise InputError(
            f"n_next is {settings.n_next!r}, and {model.id} has {model.vocab_size} tokens. Give at most that many."
        )
    read = [reader.read(text) for text in ([prompts] if isinstance(prompts, str) else prompts)]
    if not read:
        raise InputError("no prompt was given: give a word or several, such as 'traffic'.")
    silences = no_sounds(model, sound, settings, clips)
    ids = [(*reader.start, *prompt.tokens) for prompt in read]
    rows: dict[tuple[int, int], Continuation] = {}
    for column, silence in enumerate(silences):
        decoder = NextTokens(model, silence.encoding)
        for batch in decoder.logits(ids, batch_size=batch_size):
            batch_prompts = [read[number] for number in batch.indices]
            continuations = _continuations(batch_prompts, batch.logits, reader, silence, settings)
            rows |= {(number, column): item for number, item in zip(batch.indices, continuations, strict=True)}
            if progress is not None:
                progress(len(rows), len(read) * len(silences))
    return Bigrams(
        model=model.name,
        language=reader.language,
        start=tuple(reader.texts.texts[token] for token in reader.start),
        vocab_size=model.vocab_size,
        only_text=settings.only_text,
        continuations=tuple(rows[key] for key in sorted(rows)),
    )


def _continuations(
    prompts: Sequence[Prompt], logits: Tensor, reader: PromptReader, silence: NoSound, settings: BigramsSettings
) -> list[Continuation]:
    """Sum up what follows each prompt of a batch; logits are [prompt, vocab]."""
    texts = reader.texts
    is_text = torch.as_tensor(texts.is_text, device=logits.device)
    log_norm = logits.logsumexp(dim=-1, keepdim=True)
    probabilities = (logits - log_norm).exp()
    entropy = (log_norm[:, 0] - (probabilities * logits).sum(dim=-1)) / torch.log(torch.tensor(2.0))
    listed = logits.masked_fill(~is_text, -torch.inf) if settings.only_text else logits
    n_listed = min(settings.n_next, int(is_text.sum())) if settings.only_text else settings.n_next
    best = listed.topk(n_listed, dim=-1)
    best_probabilities = probabilities.gather(-1, best.indices).tolist()
    text_share = (probabilities * is_text).sum(dim=-1).clamp(max=1).tolist()
    end = probabilities[:, reader.model.vocabulary.end_id].tolist()
    rows = zip(prompts, best.indices.tolist(), best.values.tolist(), best_probabilities, strict=True)
    return [
        Continuation(
            prompt=prompt.text,
            tokens=prompt.tokens,
            pieces=tuple(texts.texts[token] for token in prompt.tokens),
            sound=silence.sound,
            label=silence.label,
            next=tuple(
                NextToken(token, texts.texts[token] or f"token {token}", logit, probability)
                for token, logit, probability in zip(ids, values, shares, strict=True)
            ),
            entropy_bits=max(0.0, float(entropy[row])),
            text_probability=text_share[row],
            end_probability=end[row],
        )
        for row, (prompt, ids, values, shares) in enumerate(rows)
    ]
