"""What does the decoder say next when it hears nothing? The likeliest tokens after a prompt, with no sound at all.

Costs one window of the encoder for each sound and one decoder pass over the prompts, in batches. Memory: one batch of
[prompt, vocab]. How well the answers agree with a language is for `bigrams_agreement`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import finite
from otoscope.model.next_tokens import BATCH_SIZE, NextTokens, Prompt, PromptReader, prompt_reader
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.bigrams import picture as bigrams_picture
from otoscope.study.bigrams.no_sound import NoSound, no_sounds
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich

N_NEXT = 20


@dataclass(frozen=True)
class NextToken:
    """A token that may come next.

    Attributes:
        token: Its id.
        text: What it reads, spaces included.
        logit: The decoder's logit.
        probability: Over the whole vocabulary.
    """

    token: int
    text: str
    logit: float
    probability: float


@dataclass(frozen=True)
class Continuation:
    """What would follow one prompt, given one sound.

    Attributes:
        prompt: The prompt as asked for.
        tokens: Its token ids, without the start tokens.
        pieces: What each of them reads.
        sound: Which of `SOUNDS`.
        label: The sound with its level or sample size.
        next: The likeliest tokens, likeliest first.
        entropy_bits: Of the distribution over the whole vocabulary.
        text_probability: That text comes next, and not the end, a timestamp or another special token.
        end_probability: That the transcript ends here.
    """

    prompt: str
    tokens: tuple[int, ...]
    pieces: tuple[str, ...]
    sound: str
    label: str
    next: tuple[NextToken, ...]
    entropy_bits: float
    text_probability: float
    end_probability: float

    def to_json(self) -> dict[str, Any]:
        """Give the table entries."""
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
                {
                    "token": one.token,
                    "text": one.text,
                    "logit": finite(one.logit),
                    "probability": finite(one.probability, 9),
                }
                for one in self.next
            ],
        }


@dataclass(frozen=True, repr=False)
class Bigrams(Rich):
    """What would follow each prompt, for each meaning of "no sound".

    Attributes:
        model: The model's id.
        language: Whisper's code of the language token.
        start: What the start tokens read.
        vocab_size: Tokens that could come next.
        only_text: Whether special tokens and timestamps are left out of `next`; probabilities still count them.
        continuations: Prompt by prompt, and for each prompt sound by sound.
    """

    model: str
    language: str
    start: tuple[str, ...]
    vocab_size: int
    only_text: bool
    continuations: tuple[Continuation, ...]

    @property
    def sounds(self) -> tuple[str, ...]:
        """Labels of the sounds, in order."""
        return tuple(dict.fromkeys(one.label for one in self.continuations))

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts, in order, each once."""
        return tuple(dict.fromkeys(one.prompt for one in self.continuations))

    def to_json(self) -> dict[str, Any]:
        """Give the table: standard JSON values only."""
        return {
            "model": self.model,
            "language": self.language,
            "start": list(self.start),
            "vocab_size": self.vocab_size,
            "only_text": self.only_text,
            "n_prompts": len(self.prompts),
            "sounds": list(self.sounds),
            "continuations": [one.to_json() for one in self.continuations],
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `bigrams.json` and `bigrams.png`.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        return [write_json(where / "bigrams.json", self.to_json()), *drawn(self.plot, where / "bigrams.png")]

    def plot(self, path: str | Path) -> Path:
        """Draw the likeliest tokens by their logits: a row of panels for each prompt, a column for each sound.

        Args:
            path: Where to; PNG. Of many prompts the first few are drawn, and the picture says so.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        panels = [
            bigrams_picture.Panel(
                prompt="".join(one.pieces).strip() or one.prompt,
                n_tokens=len(one.tokens),
                sound=one.label,
                names=tuple(token.text for token in one.next),
                logits=tuple(token.logit for token in one.next),
                probabilities=tuple(token.probability for token in one.next),
                text_probability=one.text_probability,
            )
            for one in self.continuations
        ]
        figure = bigrams_picture.next_figure(panels, len(self.sounds), self.model, self.language)
        return pictures.save_figure(figure, path)

    def _shown(self) -> html.Shown:
        rows = [
            (
                one.prompt,
                one.label,
                ", ".join(f"{token.text.strip() or token.text!r} {token.probability:.0%}" for token in one.next[:5]),
                one.entropy_bits,
                html.share(one.text_probability),
            )
            for one in self.continuations
        ]
        return html.Shown(
            f"What comes next with no sound: {self.model}",
            [("language", self.language), ("tokens to choose from", self.vocab_size)],
            [html.Table(("prompt", "sound", "likeliest", "entropy (bits)", "any text"), rows)],
        )


def bigrams(
    model: Whisper,
    prompts: str | Iterable[str],
    *,
    language: str | None = None,
    sound: str | NoSound | Iterable[str | NoSound] = "padding",
    level_dbfs: float = -40.0,
    clips: Iterable[Sound] | None = None,
    n_next: int = N_NEXT,
    only_text: bool = False,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int, int], None] | None = None,
) -> Bigrams:
    """List the likeliest next tokens after prompts, the encoder being given no sound.

    The decoder gets the start tokens and the prompt, with a space in front as Whisper writes words in mid-sentence.

    Args:
        model: Any Whisper.
        prompts: A word or several; one prompt or many. A prompt of several tokens is shown as such.
        language: Code or name for the language token; by default the checkpoint's own, or else English.
        sound: What "no sound" means, one or several of `otoscope.study.bigrams.no_sound.SOUNDS`, or what `no_sound`
            made of one.
        level_dbfs: Level of noise and music.
        clips: The clips whose mean is `mean`.
        n_next: Tokens to list.
        only_text: List text tokens alone; probabilities still count all others.
        seed: Draws silence, noise and music.
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
    reader = prompt_reader(model, language)
    if isinstance(n_next, bool) or not isinstance(n_next, Integral) or not 1 <= n_next <= model.vocab_size:
        raise InputError(
            f"{n_next!r} next tokens cannot be listed: {model.id} has {model.vocab_size}. "
            f"Give a whole number from 1; the default is {N_NEXT}."
        )
    asked = [reader.read(text) for text in ([prompts] if isinstance(prompts, str) else prompts)]
    if not asked:
        raise InputError("no prompt was given: give a word or several, such as 'traffic'.")
    quiet = no_sounds(model, sound, level_dbfs=level_dbfs, seed=seed, clips=clips)
    rows: dict[tuple[int, int], Continuation] = {}
    for column, silent in enumerate(quiet):
        decoder = NextTokens(model, silent.encoding)
        ids = [(*reader.start, *prompt.tokens) for prompt in asked]
        for batch in decoder.logits(ids, batch_size=batch_size):
            found = _continuations(
                [asked[place] for place in batch.places], batch.logits, reader, silent, n_next, only_text
            )
            rows |= {(place, column): one for place, one in zip(batch.places, found, strict=True)}
            if progress is not None:
                progress(len(rows), len(asked) * len(quiet))
    return Bigrams(
        model=model.id,
        language=reader.language,
        start=tuple(reader.texts.texts[token] for token in reader.start),
        vocab_size=model.vocab_size,
        only_text=only_text,
        continuations=tuple(rows[place] for place in sorted(rows)),
    )


def _continuations(
    prompts: Sequence[Prompt], logits: Tensor, reader: PromptReader, silent: NoSound, n_next: int, only_text: bool
) -> list[Continuation]:
    """Sum up what follows each prompt of a batch; logits are [prompt, vocab]."""
    texts = reader.texts
    is_text = torch.as_tensor(texts.is_text, device=logits.device)
    log_norm = logits.logsumexp(dim=-1, keepdim=True)
    probabilities = (logits - log_norm).exp()
    entropy = (log_norm[:, 0] - (probabilities * logits).sum(dim=-1)) / torch.log(torch.tensor(2.0))
    listed = logits.masked_fill(~is_text, -torch.inf) if only_text else logits
    best = listed.topk(min(n_next, int(is_text.sum()) if only_text else n_next), dim=-1)
    best_probabilities = probabilities.gather(-1, best.indices).tolist()
    text_share = (probabilities * is_text).sum(dim=-1).clamp(max=1).tolist()
    end = probabilities[:, reader.model.vocabulary.end_id].tolist()
    rows = zip(prompts, best.indices.tolist(), best.values.tolist(), best_probabilities, strict=True)
    return [
        Continuation(
            prompt=prompt.text,
            tokens=prompt.tokens,
            pieces=tuple(texts.texts[token] for token in prompt.tokens),
            sound=silent.sound,
            label=silent.label,
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
