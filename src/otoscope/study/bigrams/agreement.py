"""Does the decoder know a language's bigrams? What it says next with no sound, against what is known to follow.

Costs one decoder pass over a prompt or a few for every context, for each sound. Memory: [context, vocab] of some dozens
of contexts. What is known comes from `known`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.base.layout import count, percent
from otoscope.base.numbers import Interval, finite, plain, written
from otoscope.base.report import Column, Fact, Report, Table
from otoscope.base.settings import takes
from otoscope.base.text import visible
from otoscope.model.next_tokens import BATCH_SIZE, NextTokens, PromptReader, prompt_reader
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.bigrams.agreement_picture import agreement_figure
from otoscope.study.bigrams.known import KnownBigrams, KnownContext
from otoscope.study.bigrams.no_sound import NoSound, no_sounds
from otoscope.study.bigrams.scores import (
    MEASURES,
    SCORES,
    TINY,
    correlation,
    entropy_bits,
    means,
    ranks,
    score_row,
    sparse_ranks,
)
from otoscope.study.bigrams.settings import NoSoundSettings
from otoscope.study.results import Result

GUESSES = ("model", "another context", "unigram")
"""What is scored: the model; the model given another context, drawn at random; and the overall frequencies of following
tokens, which ignore the context."""


N_COLLOCATIONS = 10


@dataclass(frozen=True)
class ContextRow:
    """One context."""

    context: str  # its text
    weight: float  # how often it occurs
    n_prompts: int  # prompts in which the decoder was given it
    likeliest: str  # the token known to follow most often
    known: float  # the known probability of that token
    model: float  # its probability by the model, among text tokens
    unigram: float  # its share of all following tokens
    says: str  # the model's likeliest token, among text tokens
    kl_bits: float  # the model's divergence from what is known
    text_probability: float  # probability that the model writes text at all

    @property
    def pull(self) -> float:
        """Pointwise mutual information of context and likeliest follower, in bits, times how often both occur."""
        return self.weight * self.known * float(np.log2(self.known / self.unigram))

    def to_json(self) -> dict[str, Any]:
        """Return the table entries, numbers with nine digits."""
        return {name: finite(value, 9) if isinstance(value, float) else value for name, value in vars(self).items()}


@dataclass(frozen=True)
class SoundAgreement:
    """The scores of the guesses under one sound."""

    sound: str  # which of `SOUNDS`
    label: str  # the sound with its level or sample size
    scores: dict[str, dict[str, Interval]]  # weighted by frequency: guess, or difference of two -> score -> mean
    scores_alike: dict[str, dict[str, Interval]]  # the same, with equal weights
    text_probability: float  # mean probability that the model writes text at all, weighted by frequency
    rows: tuple[ContextRow, ...]  # context by context

    def collocations(self, n: int) -> tuple[ContextRow, ...]:
        """Return the contexts with the largest `pull`: the language's strongest collocations."""
        return tuple(sorted(self.rows, key=lambda row: -row.pull)[:n])

    def to_json(self) -> dict[str, Any]:
        """Return the table entries."""
        return {
            "sound": self.sound,
            "sound_label": self.label,
            "text_probability": finite(self.text_probability),
            "by_frequency": plain(self.scores),
            "every_context_alike": plain(self.scores_alike),
            "contexts": [row.to_json() for row in self.rows],
        }

    def tables(self) -> list[Table]:
        """Lay out the model's scores beside the baselines', and the strongest collocations."""
        guesses = (*GUESSES, "model - unigram")
        scores = [
            (label, *(written(self.scores[guess][score], unit) for guess in guesses))
            for score, (label, unit) in MEASURES.items()
        ]
        collocations = [
            (visible(row.context), visible(row.likeliest), row.known, row.model, row.unigram, visible(row.says))
            for row in self.collocations(N_COLLOCATIONS)
        ]
        units = {"after": "", "follows": "", "known": "share", "model": "share", "unigram": "share", "model says": ""}
        return [
            Table(
                [Column(None, name) for name in ("", *guesses)],
                scores,
                f"{self.label} (text comes next {percent(self.text_probability)})",
            ),
            Table(
                [Column(None, name, unit) for name, unit in units.items()],
                collocations,
                f"{self.label}, the strongest collocations",
            ),
        ]


@dataclass(frozen=True, repr=False)
class BigramAgreement(Result):
    """How well a decoder's bigrams agree with those of a language."""

    name = "bigram_agreement"

    model: str
    language: str  # Whisper's code of the language token
    known: str  # name of what it is compared with
    in_sentences: bool  # contexts were given at the end of sentences, or else alone
    n_contexts: int  # contexts compared
    n_prompts: int  # prompts in which the decoder was given them
    share: float  # share of all bigrams, by frequency, whose context was compared
    n_followers: int  # different tokens that follow anything
    floor_bits: float  # entropy of what is known, by frequency: no guess has a smaller cross-entropy
    seed: int  # of the other contexts, the intervals and the sounds
    sounds: tuple[SoundAgreement, ...]

    def report(self) -> Report:
        """Report the model's scores beside the baselines' for each sound, and list collocations."""
        way = "at the end of sentences" if self.in_sentences else "alone"
        contexts = f"{count(self.n_contexts, 'context')} {way} ({count(self.n_prompts, 'prompt')})"
        return Report(
            f"Bigrams of {self.model} with no sound, against {self.known}",
            f"{contexts}, weighted by frequency; 95% intervals over contexts",
            {
                **self.fields("model", "language", "known", "in_sentences", "n_contexts", "n_prompts"),
                "share_of_bigrams": Fact(self.share, "share of all bigrams", "share"),
                "n_followers": self.n_followers,
                "floor_bits": Fact(
                    self.floor_bits, "smallest possible cross-entropy (bits), that of what is known", "two digits"
                ),
                "intervals": "95%, percentile bootstrap over contexts",
                "seed": self.seed,
                "sounds": self.sounds,
            },
            parts=[part for sound in self.sounds for part in sound.tables()],
        )

    def figure(self) -> Figure:
        """Draw the scores of the guesses with their intervals, sound by sound."""
        return agreement_figure(self, GUESSES)


@takes(NoSoundSettings)
def bigram_agreement(
    model: Whisper,
    known: KnownBigrams,
    *,
    settings: NoSoundSettings,
    sound: str | NoSound | Iterable[str | NoSound] = "padding",
    clips: Iterable[Sound] | None = None,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int, int], None] | None = None,
) -> BigramAgreement:
    """Compare what the decoder says next with what is known to follow, over all contexts.

    The model's distribution is that over text tokens, given that it writes text; the probability of that is listed
    too. A context that is given in several sentences counts with the mean of its distributions.

    Args:
        model: Any Whisper.
        known: What follows what, from `bigrams_of_text` or `bigrams_of_words` with this model.
        settings: How loud the noise is; the seed also draws the other contexts and the intervals.
        sound: What "no sound" means: one or several of `otoscope.study.bigrams.settings.SOUNDS`, or results of
            `no_sound`.
        clips: The clips to average for the sound `mean`.
        batch_size: Prompts run at once.
        progress: Called with the number of contexts done and the number in all, over all sounds.

    Returns:
        Scores of the model and of the baselines, and a row for every context.

    Raises:
        InputError: There are fewer than two contexts, or a setting cannot be used.
        AudioError: A clip cannot be used.

    Source:
        The question is claim 3 of "Interpreting OpenAI's Whisper" (Ellena Reid, 2023).
    """
    if len(known.contexts) < 2:
        n = count(len(known.contexts), "context")
        raise InputError(f"{known.name}: {n} cannot be compared. Give two or more.")
    reader = prompt_reader(model, known.language)
    judge = _Judge(known, reader, settings.seed)
    agreements = []
    silences = no_sounds(model, sound, settings, clips)
    for number, silence in enumerate(silences):
        decoder = NextTokens(model, silence.encoding)
        scores, rows = judge.empty(), []
        for contexts, prompts in _blocks(known.contexts, batch_size):
            mean, text = _mean_distributions(decoder, reader, prompts, len(contexts), batch_size)
            rows += judge.add(scores, contexts, mean, text)
            if progress is not None:
                progress(number * len(known.contexts) + len(rows), len(silences) * len(known.contexts))
        agreements.append(judge.sum_up(silence, scores, rows))
    return BigramAgreement(
        model=model.name,
        language=reader.language,
        known=known.name,
        in_sentences=known.in_sentences,
        n_contexts=len(known.contexts),
        n_prompts=sum(len(context.prompts) for context in known.contexts),
        share=known.share,
        n_followers=len(judge.followers),
        floor_bits=judge.floor_bits,
        seed=settings.seed,
        sounds=tuple(agreements),
    )


class _Judge:
    """Scores rows of a model's distribution, and the baselines, against what is known."""

    def __init__(self, known: KnownBigrams, reader: PromptReader, seed: int) -> None:
        self.contexts, self.texts, self.seed = known.contexts, reader.texts.texts, seed
        self.weights = np.array([context.weight for context in known.contexts])
        self.followers = np.unique(np.concatenate([context.tokens for context in known.contexts]))
        entropies = np.array([entropy_bits(context.probabilities) for context in known.contexts])
        self.floor_bits = float(self.weights @ entropies / self.weights.sum())
        unigram = np.zeros(len(self.followers))
        for context in known.contexts:
            unigram[self._columns(context)] += context.weight * context.probabilities
        self.unigram = unigram / unigram.sum()
        # a cyclic shift of a random order: every context gets another one, never its own
        order = np.random.default_rng(seed).permutation(len(known.contexts))
        self.other = np.empty(len(order), dtype=np.int64)
        self.other[order] = np.roll(order, 1)
        self._unigram_scores = self._score_unigram()

    def empty(self) -> dict[str, np.ndarray]:
        """Return arrays for the scores of all guesses, to be filled in."""
        shape = (len(self.contexts), len(SCORES))
        return {name: self._unigram_scores if name == "unigram" else np.full(shape, np.nan) for name in GUESSES}

    def add(
        self, scores: dict[str, np.ndarray], numbers: Sequence[int], mean: Tensor, text: Tensor
    ) -> list[ContextRow]:
        """Score a block of contexts: mean is [context, vocab] over text, text the probability of text at all."""
        best = mean.topk(min(5, mean.shape[-1]), dim=-1).indices.cpu().numpy()
        at = torch.as_tensor(self.followers, device=mean.device)
        logs = np.log(np.maximum(mean[:, at].double().cpu().numpy(), TINY))
        rows = []
        for row, number in enumerate(numbers):
            guessed_ranks = ranks(logs[row])
            for guess, judged in (("model", number), ("another context", int(self.other[number]))):
                scores[guess][judged] = self._score(judged, logs[row], guessed_ranks, best[row])
            rows.append(self._row(number, logs[row], int(best[row][0]), float(text[row]), scores["model"][number]))
        return rows

    def sum_up(self, silence: NoSound, scores: dict[str, np.ndarray], rows: list[ContextRow]) -> SoundAgreement:
        """Take the means over contexts."""
        text = np.array([row.text_probability for row in rows])
        return SoundAgreement(
            sound=silence.sound,
            label=silence.label,
            scores=means(scores, self.weights, seed=self.seed),
            scores_alike=means(scores, np.ones_like(self.weights), seed=self.seed),
            text_probability=float(self.weights @ text / self.weights.sum()),
            rows=tuple(rows),
        )

    def _columns(self, context: KnownContext) -> np.ndarray:
        """Return where a context's followers are among all followers."""
        return np.searchsorted(self.followers, context.tokens)

    def _score(self, number: int, logs: np.ndarray, guessed_ranks: np.ndarray, best: np.ndarray) -> np.ndarray:
        context = self.contexts[number]
        columns = self._columns(context)
        scored = score_row(logs[columns], best, context.tokens, context.probabilities)
        known_ranks = sparse_ranks(columns, context.probabilities, len(self.followers))
        scored[SCORES.index("rank_correlation")] = correlation(guessed_ranks, known_ranks)
        return scored

    def _score_unigram(self) -> np.ndarray:
        logs, order = np.log(self.unigram), np.argsort(-self.unigram, kind="stable")
        guessed_ranks, best = ranks(self.unigram), self.followers[order[:5]]
        return np.stack([self._score(number, logs, guessed_ranks, best) for number in range(len(self.contexts))])

    def _row(self, number: int, logs: np.ndarray, says: int, text: float, scored: np.ndarray) -> ContextRow:
        context = self.contexts[number]
        likeliest = int(context.probabilities.argmax())
        at = int(self._columns(context)[likeliest])
        return ContextRow(
            context=context.text,
            weight=context.weight,
            n_prompts=len(context.prompts),
            likeliest=self.texts[int(context.tokens[likeliest])],
            known=float(context.probabilities[likeliest]),
            model=float(np.exp(logs[at])),
            unigram=float(self.unigram[at]),
            says=self.texts[says],
            kl_bits=float(scored[SCORES.index("kl_bits")]),
            text_probability=text,
        )


def _blocks(
    contexts: Sequence[KnownContext], n_prompts: int
) -> Iterator[tuple[list[int], list[tuple[int, tuple[int, ...]]]]]:
    """Group contexts into groups of at most about `n_prompts` prompts; each prompt comes with its context's row."""
    numbers: list[int] = []
    prompts: list[tuple[int, tuple[int, ...]]] = []
    for number, context in enumerate(contexts):
        if numbers and len(prompts) + len(context.prompts) > n_prompts:
            yield numbers, prompts
            numbers, prompts = [], []
        prompts += [(len(numbers), prompt) for prompt in context.prompts]
        numbers.append(number)
    if numbers:
        yield numbers, prompts


def _mean_distributions(
    decoder: NextTokens,
    reader: PromptReader,
    prompts: Sequence[tuple[int, tuple[int, ...]]],
    n_contexts: int,
    batch_size: int,
) -> tuple[Tensor, Tensor]:
    """Average the distribution over text [context, vocab] and the probability of text over each context's prompts."""
    device = reader.model.device
    rows = torch.tensor([row for row, _ in prompts], device=device)
    is_text = torch.as_tensor(reader.texts.is_text, device=device)
    total = torch.zeros(n_contexts, reader.model.vocab_size, device=device)
    text = torch.zeros(n_contexts, device=device)
    ids = [(*reader.start, *prompt) for _, prompt in prompts]
    for batch in decoder.logits(ids, batch_size=batch_size):
        at = rows[torch.tensor(batch.indices, device=device)]
        said = batch.logits.masked_fill(~is_text, -torch.inf)
        total.index_add_(0, at, said.softmax(dim=-1))
        text.index_add_(0, at, (said.logsumexp(dim=-1) - batch.logits.logsumexp(dim=-1)).exp())
    counts = torch.bincount(rows, minlength=n_contexts).float()
    return total / counts[:, None], text / counts
