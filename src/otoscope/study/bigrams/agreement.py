"""Does the decoder know a language's bigrams? What it says next with no sound, against what is known to follow.

Costs one decoder pass over a prompt or a few for every context, for each sound. Memory: [context, vocab] of some dozens
of contexts. What is known comes from `bigrams_known`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import Interval, finite
from otoscope.model.next_tokens import BATCH_SIZE, NextTokens, PromptReader, prompt_reader
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.bigrams import agreement_picture as bigrams_agreement_picture
from otoscope.study.bigrams.known import Context, KnownBigrams
from otoscope.study.bigrams.no_sound import NoSound, no_sounds
from otoscope.study.bigrams.scores import (
    SCORES,
    TINY,
    correlation,
    entropy_bits,
    means,
    ranks,
    score_row,
    sparse_ranks,
)
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich

GUESSES = ("model", "another context", "unigram")
"""What is scored: the model; the model given another context, drawn at random; and the frequencies of all that follows
anything, which know nothing of the context."""


@dataclass(frozen=True)
class ContextRow:
    """One context.

    Attributes:
        context: What it reads.
        weight: How often it occurs.
        n_prompts: Prompts it was put to the decoder in.
        likeliest: What is known to follow most.
        known: How likely that is known to be.
        model: How likely the model finds it, among text.
        unigram: Its share of all that follows anything.
        says: What the model finds likeliest, among text.
        kl_bits: The model's divergence from what is known.
        text_probability: That the model says text at all.
    """

    context: str
    weight: float
    n_prompts: int
    likeliest: str
    known: float
    model: float
    unigram: float
    says: str
    kl_bits: float
    text_probability: float

    @property
    def pull(self) -> float:
        """How far the context pulls what follows it above its share, in bits, times how often both are there."""
        return self.weight * self.known * float(np.log2(self.known / self.unigram))

    def to_json(self) -> dict[str, Any]:
        """Give the table entries."""
        return {name: finite(value, 9) if isinstance(value, float) else value for name, value in vars(self).items()}


@dataclass(frozen=True)
class SoundAgreement:
    """How the guesses do under one sound.

    Attributes:
        sound: Which of `SOUNDS`.
        label: The sound with its level or sample size.
        scores: By frequency of the context: guess, or difference of two, to score to its mean.
        scores_alike: The same, every context counting alike.
        text_probability: Mean probability that the model says text at all, by frequency.
        rows: Context by context.
    """

    sound: str
    label: str
    scores: dict[str, dict[str, Interval]]
    scores_alike: dict[str, dict[str, Interval]]
    text_probability: float
    rows: tuple[ContextRow, ...]

    def collocations(self, n: int) -> tuple[ContextRow, ...]:
        """The contexts that pull most on what follows them: the language's strongest collocations."""
        return tuple(sorted(self.rows, key=lambda row: -row.pull)[:n])

    def to_json(self) -> dict[str, Any]:
        """Give the table entries."""
        return {
            "sound": self.sound,
            "sound_label": self.label,
            "text_probability": finite(self.text_probability),
            "by_frequency": _table(self.scores),
            "every_context_alike": _table(self.scores_alike),
            "contexts": [row.to_json() for row in self.rows],
        }


@dataclass(frozen=True, repr=False)
class BigramAgreement(Rich):
    """How well a decoder's bigrams agree with those of a language.

    Attributes:
        model: The model's id.
        language: Whisper's code of the language token.
        known: What it is compared with.
        in_sentences: Whether contexts were given at the end of sentences, or alone.
        n_contexts: Contexts compared.
        n_prompts: Prompts that put them to the decoder.
        share: Share of all bigrams, by frequency, whose context was compared.
        n_followers: Different tokens that follow anything.
        floor_bits: Entropy of what is known, by frequency: no guess has a smaller cross-entropy.
        seed: Drew the other contexts, the intervals and the sounds.
        sounds: The agreement under each sound.
    """

    model: str
    language: str
    known: str
    in_sentences: bool
    n_contexts: int
    n_prompts: int
    share: float
    n_followers: int
    floor_bits: float
    seed: int
    sounds: tuple[SoundAgreement, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the table: standard JSON values only."""
        return {
            "model": self.model,
            "language": self.language,
            "known": self.known,
            "in_sentences": self.in_sentences,
            "n_contexts": self.n_contexts,
            "n_prompts": self.n_prompts,
            "share_of_bigrams": finite(self.share),
            "n_followers": self.n_followers,
            "floor_bits": finite(self.floor_bits),
            "intervals": "95%, percentile bootstrap over contexts",
            "seed": self.seed,
            "sounds": [one.to_json() for one in self.sounds],
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `bigram_agreement.json` and `bigram_agreement.png`.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        table = write_json(where / "bigram_agreement.json", self.to_json())
        return [table, *drawn(self.plot, where / "bigram_agreement.png")]

    def plot(self, path: str | Path) -> Path:
        """Draw the scores of the guesses with their intervals, sound by sound.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        way = "each at the end of sentences" if self.in_sentences else "each alone"
        figure = bigrams_agreement_picture.agreement_figure(
            [(one.label, one.scores) for one in self.sounds],
            GUESSES,
            self.floor_bits,
            head=f"Next tokens of {self.model} with no sound, against {self.known}",
            note=f"{pictures.count(self.n_contexts, 'context')}, {way}, weighted by frequency; 95% intervals",
        )
        return pictures.save_figure(figure, path)

    def _shown(self) -> html.Shown:
        names = (("cross_entropy_bits", "cross-entropy (bits)"), ("rank_correlation", "rank correlation"))
        rows = [
            (
                one.label,
                guess,
                *(one.scores[guess].get(name) for name, _ in names),
                html.share(one.scores[guess].get("top_1")),
            )
            for one in self.sounds
            for guess in GUESSES
        ]
        return html.Shown(
            f"Bigrams of {self.model} with no sound, against {self.known}",
            [
                ("contexts", self.n_contexts),
                ("share of all bigrams", html.share(self.share)),
                ("smallest cross-entropy there can be (bits)", self.floor_bits),
            ],
            [
                html.Table(
                    ("sound", "guess", *(words for _, words in names), "first guess right"),
                    rows,
                    "Weighed by frequency, with 95% intervals",
                )
            ],
        )


def bigram_agreement(
    model: Whisper,
    known: KnownBigrams,
    *,
    sound: str | NoSound | Iterable[str | NoSound] = "padding",
    level_dbfs: float = -40.0,
    clips: Iterable[Sound] | None = None,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int, int], None] | None = None,
) -> BigramAgreement:
    """Compare what the decoder says next with what is known to follow, over all contexts.

    The model's distribution is that over text tokens, given that it says text; how probable that is stands beside. A
    context that is given in several sentences counts with the mean of its distributions.

    Args:
        model: Any Whisper.
        known: What follows what, from `bigrams_of_text` or `bigrams_of_words` with this model.
        sound: What "no sound" means, one or several of `otoscope.study.bigrams.no_sound.SOUNDS`, or what `no_sound`
            made of one.
        level_dbfs: Level of noise and music.
        clips: The clips whose mean is `mean`.
        seed: Draws the other contexts, the intervals, silence, noise and music.
        batch_size: Prompts run at once.
        progress: Called with the number of contexts done and the number in all, over all sounds.

    Returns:
        Scores of the model and of the baselines, and a row for every context.

    Raises:
        InputError: There are fewer than two contexts, or a setting cannot be used.
        AudioError: A clip cannot be used.

    Source:
        Ours; the question is claim 3 of "Interpreting OpenAI's Whisper" (Ellena Reid, 2023).
    """
    if len(known.contexts) < 2:
        n = len(known.contexts)
        raise InputError(f"{known.name}: {n} context{'' if n == 1 else 's'} cannot be compared. Give two or more.")
    reader = prompt_reader(model, known.language)
    judge = _Judge(known, reader, seed)
    found = []
    sounds = no_sounds(model, sound, level_dbfs=level_dbfs, seed=seed, clips=clips)
    for number, silent in enumerate(sounds):
        decoder = NextTokens(model, silent.encoding)
        scores, rows = judge.empty(), []
        for places, logits_of in _blocks(known.contexts, batch_size):
            mean, text = _mean_distributions(decoder, reader, logits_of, len(places), batch_size)
            rows += judge.add(scores, places, mean, text)
            if progress is not None:
                progress(number * len(known.contexts) + len(rows), len(sounds) * len(known.contexts))
        found.append(judge.sum_up(silent.sound, silent.label, scores, rows))
    return BigramAgreement(
        model=model.id,
        language=reader.language,
        known=known.name,
        in_sentences=known.in_sentences,
        n_contexts=len(known.contexts),
        n_prompts=sum(len(context.prompts) for context in known.contexts),
        share=known.share,
        n_followers=len(judge.followers),
        floor_bits=judge.floor_bits,
        seed=seed,
        sounds=tuple(found),
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
            unigram[self._places(context)] += context.weight * context.probabilities
        self.unigram = unigram / unigram.sum()
        # a cyclic shift of a random order: every context gets another one, never its own
        order = np.random.default_rng(seed).permutation(len(known.contexts))
        self.other = np.empty(len(order), dtype=np.int64)
        self.other[order] = np.roll(order, 1)
        self._unigram_scores = self._of_unigram()

    def empty(self) -> dict[str, np.ndarray]:
        """Scores of all guesses, to be filled in."""
        shape = (len(self.contexts), len(SCORES))
        return {name: self._unigram_scores if name == "unigram" else np.full(shape, np.nan) for name in GUESSES}

    def add(self, scores: dict[str, np.ndarray], places: Sequence[int], mean: Tensor, text: Tensor) -> list[ContextRow]:
        """Score a block of contexts: mean is [context, vocab] over text, text the probability of text at all."""
        best = mean.topk(min(5, mean.shape[-1]), dim=-1).indices.cpu().numpy()
        at = torch.as_tensor(self.followers, device=mean.device)
        logs = np.log(np.maximum(mean[:, at].double().cpu().numpy(), TINY))
        rows = []
        for row, place in enumerate(places):
            own_ranks = ranks(logs[row])
            for guess, judged in (("model", place), ("another context", int(self.other[place]))):
                scores[guess][judged] = self._score(judged, logs[row], own_ranks, best[row])
            rows.append(self._row(place, logs[row], int(best[row][0]), float(text[row]), scores["model"][place]))
        return rows

    def sum_up(self, sound: str, label: str, scores: dict[str, np.ndarray], rows: list[ContextRow]) -> SoundAgreement:
        """Take the means over contexts."""
        text = np.array([row.text_probability for row in rows])
        return SoundAgreement(
            sound=sound,
            label=label,
            scores=means(scores, self.weights, seed=self.seed),
            scores_alike=means(scores, np.ones_like(self.weights), seed=self.seed),
            text_probability=float(self.weights @ text / self.weights.sum()),
            rows=tuple(rows),
        )

    def _places(self, context: Context) -> np.ndarray:
        """Where a context's followers are among all followers."""
        return np.searchsorted(self.followers, context.tokens)

    def _score(self, place: int, logs: np.ndarray, guessed_ranks: np.ndarray, best: np.ndarray) -> np.ndarray:
        context = self.contexts[place]
        places = self._places(context)
        scored = score_row(logs[places], best, context.tokens, context.probabilities)
        known_ranks = sparse_ranks(places, context.probabilities, len(self.followers))
        scored[SCORES.index("rank_correlation")] = correlation(guessed_ranks, known_ranks)
        return scored

    def _of_unigram(self) -> np.ndarray:
        logs, order = np.log(self.unigram), np.argsort(-self.unigram, kind="stable")
        own_ranks, best = ranks(self.unigram), self.followers[order[:5]]
        return np.stack([self._score(place, logs, own_ranks, best) for place in range(len(self.contexts))])

    def _row(self, place: int, logs: np.ndarray, says: int, text: float, scored: np.ndarray) -> ContextRow:
        context = self.contexts[place]
        likeliest = int(context.probabilities.argmax())
        at = int(self._places(context)[likeliest])
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
    contexts: Sequence[Context], n_prompts: int
) -> Iterator[tuple[list[int], list[tuple[int, tuple[int, ...]]]]]:
    """Put contexts together, as many as take about so many prompts; with each prompt its context's row."""
    places: list[int] = []
    prompts: list[tuple[int, tuple[int, ...]]] = []
    for place, context in enumerate(contexts):
        if places and len(prompts) + len(context.prompts) > n_prompts:
            yield places, prompts
            places, prompts = [], []
        prompts += [(len(places), prompt) for prompt in context.prompts]
        places.append(place)
    if places:
        yield places, prompts


def _mean_distributions(
    decoder: NextTokens,
    reader: PromptReader,
    prompts: Sequence[tuple[int, tuple[int, ...]]],
    n_contexts: int,
    batch_size: int,
) -> tuple[Tensor, Tensor]:
    """Mean distribution over text of every context's prompts, [context, vocab], and of the probability of text."""
    device = reader.model.device
    rows = torch.tensor([row for row, _ in prompts], device=device)
    is_text = torch.as_tensor(reader.texts.is_text, device=device)
    total = torch.zeros(n_contexts, reader.model.vocab_size, device=device)
    text = torch.zeros(n_contexts, device=device)
    ids = [(*reader.start, *prompt) for _, prompt in prompts]
    for batch in decoder.logits(ids, batch_size=batch_size):
        own = rows[torch.tensor(batch.places, device=device)]
        said = batch.logits.masked_fill(~is_text, -torch.inf)
        total.index_add_(0, own, said.softmax(dim=-1))
        text.index_add_(0, own, (said.logsumexp(dim=-1) - batch.logits.logsumexp(dim=-1)).exp())
    counts = torch.bincount(rows, minlength=n_contexts).float()
    return total / counts[:, None], text / counts


def _table(scores: dict[str, dict[str, Interval]]) -> dict[str, Any]:
    return {
        guess: {
            name: {"value": finite(one.value), "low": finite(one.low), "high": finite(one.high)}
            for name, one in values.items()
        }
        for guess, values in scores.items()
    }
