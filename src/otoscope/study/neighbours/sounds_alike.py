"""Over the whole vocabulary: do the tokens nearest to a word sound more like it than tokens that are as frequent?

Every whole-word token that was trained is compared with its k nearest, by the corrected vectors and by the raw ones
(`spaces`), and for each of these with random words of about the same frequency. Costs two products of
all words' vectors with each other, in bounded memory, and a microsecond for each pair. It does not know where
pronunciations come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.base.layout import count
from otoscope.base.numbers import Interval
from otoscope.base.report import Column, Report, Table
from otoscope.base.settings import takes
from otoscope.corpus.lexicon import Pronouncer
from otoscope.model.token_text import token_texts
from otoscope.model.whisper import Whisper
from otoscope.study.estimates import grouped_means
from otoscope.study.neighbours.search import nearest, unit
from otoscope.study.neighbours.settings import SoundsAlikeSettings
from otoscope.study.neighbours.sounds_alike_pairs import Bins, PairMeasure, Pairs
from otoscope.study.neighbours.sounds_alike_picture import sounds_alike_figure
from otoscope.study.neighbours.spaces import CORRECTED, EMBEDDING, Common, TokenSpace, in_common, token_spaces
from otoscope.study.neighbours.tokens import whole_words
from otoscope.study.neighbours.words import WordList, WordVectors
from otoscope.study.results import Result

SLACK = 40
"""Neighbours found beyond k, so that k are left when forms of the same word are taken out."""


TOKEN_ORDER = "token order"

COLUMNS = (
    Column(None, ""),
    Column("space"),
    Column("form", "vectors"),
    Column("pairs", "pairs"),
    Column("measure"),
    Column("n_words", "words"),
    Column("n_pairs"),
    Column("nearest", "nearest", "three digits"),
    Column("random", "random", "three digits"),
    Column("more_alike", "more alike by", "three digits"),
    Column(None, "near, nearest", "share"),
    Column(None, "near, random", "share"),
    Column("near_nearest"),
    Column("near_random"),
    Column("by_rank"),
)


@dataclass(frozen=True)
class Contrast:
    """The nearest tokens beside random ones of the same frequency, by one measure."""

    space: str  # `embedding` or `unembedding`
    form: str  # `corrected` (without what all tokens have in common), or `raw`
    pairs: str  # `all`, or `unrelated`: without pairs that look like forms of one word
    measure: str  # `phones` or `spelling` (distances from 0 to 1), or `meaning` (cosine)
    n_words: int  # words that have nearest and random words to compare with
    n_pairs: int  # pairs of a word and one of its nearest
    nearest: Interval  # mean over words of the mean over their nearest
    random: Interval  # the same for random words as frequent as these
    more_alike: Interval  # nearest against random: the mean over words of the difference
    near: tuple[Interval, Interval] | None  # share of pairs within `close`, nearest and random; None for meaning
    by_rank: tuple[Interval, ...]  # mean for the nearest, the second nearest and so on

    def row(self) -> tuple[object, ...]:
        """Return the cells of `COLUMNS`."""
        near, at_random = (None, None) if self.near is None else self.near
        return (
            self.measure if self.space == EMBEDDING else f"{self.measure} ({self.space})",
            *(self.space, self.form, self.pairs, self.measure, self.n_words, self.n_pairs),
            *(self.nearest, self.random, self.more_alike),
            None if near is None else near.value,
            None if at_random is None else at_random.value,
            *(near, at_random, self.by_rank),
        )


@dataclass(frozen=True, eq=False, repr=False)
class SoundsAlike(Result):
    """Whether nearest tokens sound alike, over a vocabulary."""

    name = "sounds_alike"

    model: str
    n_words: int  # words compared
    n_unknown: int  # whole-word tokens left out since their pronunciation is not known
    k: int  # nearest tokens of each word
    close: float  # distances up to here count as near
    frequencies: str  # what frequency is measured by: `token order`, or `counts`
    n_bins: int  # bins of words of about equal frequency
    pronunciations: str | None  # where they come from; None where spelling only was compared
    meanings: str | None  # where vectors of meaning come from; None for none
    seed: int  # of the random words and the bootstrap
    common: Mapping[str, Common]  # for each space what its text tokens have in common, removed from corrected vectors
    contrasts: tuple[Contrast, ...]  # one for each space, form, kind of pairs and measure; corrected vectors first

    def contrast(self, measure: str, *, pairs: str = "all", space: str = EMBEDDING, form: str = CORRECTED) -> Contrast:
        """Look up one contrast.

        Raises:
            InputError: It was not measured.
        """
        for item in self.contrasts:
            if (item.measure, item.pairs, item.space, item.form) == (measure, pairs, space, form):
                return item
        measured = ", ".join(
            f"{item.measure} of {item.pairs} pairs in the {item.form} {item.space}" for item in self.contrasts
        )
        raise InputError(
            f"{measure!r} of {pairs!r} pairs in the {form!r} {space!r} was not measured. Measured: {measured}."
        )

    def report(self) -> Report:
        """Report how much more similar nearest tokens are than random ones."""
        by = f"said by {self.pronunciations}" if self.pronunciations else "compared by spelling only"
        unknown = f"; {self.n_unknown:,} of unknown pronunciation left out" if self.n_unknown else ""
        frequency = TOKEN_ORDER if self.frequencies == TOKEN_ORDER else "counts in the text"
        return Report(
            f"Whether nearest tokens sound alike: {self.model}",
            f"{count(self.n_words, 'whole-word token')}, {by}{unknown}; 95% intervals, bootstrap over words",
            {
                **self.fields("model", "n_words", "n_unknown", "k", "close", "frequencies", "n_bins"),
                **self.fields("pronunciations", "meanings", "seed", "common"),
                "intervals": "bootstrap over words, 95%",
            },
            display_only=[
                *in_common(self.common),
                ("distances", f"0 alike, 1 not; meaning is a cosine. Near: at most {self.close:g}"),
                ("unrelated pairs", "without forms of one word"),
            ],
            parts=[
                Table(
                    COLUMNS,
                    [item.row() for item in self.contrasts],
                    f"The {self.k} nearest of each, beside random words as frequent ({frequency}, "
                    f"{count(self.n_bins, 'bin')})",
                    key="contrasts",
                    most=len(self.contrasts),
                )
            ],
        )

    def figure(self) -> Figure:
        """Draw how similar the nearest, second nearest and so on are, beside random words; one panel per measure."""
        return sounds_alike_figure(self)


@takes(SoundsAlikeSettings)
def sounds_alike(
    model: Whisper,
    *,
    settings: SoundsAlikeSettings,
    pronounce: Pronouncer | None = None,
    meanings: WordVectors | None = None,
    counts: Mapping[str, int] | None = None,
    words: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SoundsAlike:
    """Measure whether the tokens nearest to each whole-word token sound more like it than random ones as frequent.

    Args:
        model: Any Whisper with a tokenizer.
        settings: How nearest tokens are compared with random ones.
        pronounce: Pronounces words; words that it does not know are left out. Without it words are compared by spelling
            alone.
        meanings: Word vectors, for similarity in meaning.
        counts: How often each word occurs, in small letters; words that do not occur are left out. By default the order
            of the tokens stands for their frequency: a tokenizer adds the commonest first.
        words: Compare these words alone; all by default.
        progress: Called with the number of words whose nearest tokens were found and the number in all.

    Returns:
        The contrasts, with 95% intervals from a bootstrap over words.

    Raises:
        InputError: A setting is out of bounds, or too few words are left to compare.
        ModelError: There is no tokenizer.

    Source:
        The claim: "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 3.
    """
    k, close, seed = settings.k, settings.close, settings.seed
    table = token_texts(model)
    spaces = token_spaces(model, table)
    trained = {word: token for word, token in whole_words(table).items() if spaces[0].is_trained[token]}
    compare, n_unknown = _chosen_words(trained, pronounce, counts, words)
    tokens = [trained[word] for word in compare.words]
    if len(tokens) < k + 2:
        raise InputError(
            f"{len(tokens)} words are left to compare: whole-word tokens of {model.id} that are pronounced and "
            f"counted. {k + 2} or more are needed for {k} nearest. Give a larger lexicon or text, or a smaller k."
        )
    bins = Bins.of(len(tokens))
    vectors = None if meanings is None else meanings.of(compare.words)
    contrasts: list[Contrast] = []
    for space in spaces:
        rng = np.random.default_rng(seed)  # random words are the same in every form
        candidates = _nearest_words(space.vectors, tokens, k + SLACK, model.id, progress)
        for kind in ("all", "unrelated"):
            without_kin = kind == "unrelated"
            pairs = Pairs.of(compare.words, candidates, bins, k, settings.draws, rng, without_kin=without_kin)
            for measured in pairs.measured(compare, vectors, close, by_ear=pronounce is not None):
                contrasts += _contrast(measured, space, kind, seed)
    return SoundsAlike(
        model=model.name,
        n_words=len(tokens),
        n_unknown=n_unknown,
        k=k,
        close=close,
        frequencies=TOKEN_ORDER if counts is None else "counts",
        n_bins=bins.n,
        pronunciations=None if pronounce is None else pronounce.name,
        meanings=None if meanings is None else meanings.name,
        seed=seed,
        common={space.name: space.common for space in spaces},
        contrasts=tuple(contrasts),
    )


def _chosen_words(
    tokens: Mapping[str, int],
    pronounce: Pronouncer | None,
    counts: Mapping[str, int] | None,
    words: Sequence[str] | None,
) -> tuple[WordList, int]:
    """Choose the words to compare, commonest first, and count those of unknown pronunciation."""
    if words is not None:
        only = {word.casefold() for word in words}
        tokens = {word: token for word, token in tokens.items() if word in only}
    if counts is None:
        order = sorted(tokens, key=lambda word: tokens[word])
    else:
        order = sorted((word for word in tokens if counts.get(word)), key=lambda word: (-counts[word], tokens[word]))
    listed = WordList.of(order, pronounce)
    kept = [at for at, said in enumerate(listed.pronunciations) if said or pronounce is None]
    known = WordList(tuple(order[at] for at in kept), tuple(listed.pronunciations[at] for at in kept))
    return known, len(order) - len(kept)


def _nearest_words(
    matrix: Tensor, tokens: Sequence[int], k: int, model_id: str, progress: Callable[[int, int], None] | None
) -> np.ndarray:
    """Find for every word the other words by cosine, nearest first, int64 [word, at most k]."""
    vectors = unit(matrix[torch.as_tensor(tokens, device=matrix.device)])
    n_without = int((~torch.isfinite(vectors).all(dim=1)).sum())
    if n_without:
        raise InputError(
            f"{n_without} of {len(tokens)} word tokens of {model_id} have no direction: their vectors are 0 or not "
            "finite. Load another checkpoint."
        )
    self_rows = torch.arange(len(vectors), device=vectors.device)
    k = min(k, len(vectors) - 1)
    return nearest(vectors, vectors, k, self_rows=self_rows, progress=progress)[1].cpu().numpy()


def _contrast(measured: PairMeasure, space: TokenSpace, pairs: str, seed: int) -> list[Contrast]:
    """Sum up one measure; nothing where no word can be compared."""
    usable = np.isfinite(measured.nearest).any(axis=1) & np.isfinite(measured.random)
    if not usable.any():
        return []
    values, random = measured.nearest[usable], measured.random[usable]
    mean = np.nanmean(values, axis=1)
    columns = [mean, random, (mean - random) * measured.sign]
    if measured.near is not None:
        columns += [measured.near[0][usable], measured.near[1][usable]]
    table = np.column_stack([*columns, values])
    is_there = np.isfinite(table)
    means = grouped_means(np.where(is_there, table, 0), is_there, seed=seed)
    intervals = [means.at(column) for column in range(table.shape[1])]
    return [
        Contrast(
            space=space.name,
            form=space.form,
            pairs=pairs,
            measure=measured.measure,
            n_words=int(usable.sum()),
            n_pairs=int(np.isfinite(values).sum()),
            nearest=intervals[0],
            random=intervals[1],
            more_alike=intervals[2],
            near=None if measured.near is None else (intervals[3], intervals[4]),
            by_rank=tuple(intervals[len(columns) :]),
        )
    ]
