"""Over the whole vocabulary: do the tokens nearest to a word sound more like it than tokens that are as frequent?

Every whole-word token that was trained is compared with its k nearest, by the corrected vectors and by the raw ones
(`spaces`), and for each of these with words drawn from those that are about as frequent as it. Costs two products of
all words' vectors with each other, in bounded memory, and a microsecond for each pair compared. It does not know where
pronunciations come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import Interval, plain
from otoscope.corpus.lexicon import Pronouncer
from otoscope.model.token_text import token_texts
from otoscope.model.whisper import Whisper
from otoscope.study import pictures
from otoscope.study.estimates import grouped_means
from otoscope.study.neighbours import sounds_alike_picture
from otoscope.study.neighbours.search import nearest, unit
from otoscope.study.neighbours.sounds_alike_pairs import Bins, Pairs, Report
from otoscope.study.neighbours.spaces import CORRECTED, EMBEDDING, Common, TokenSpace, token_spaces
from otoscope.study.neighbours.tokens import whole_words
from otoscope.study.neighbours.words import WordList, WordVectors
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich

SLACK = 40
"""Neighbours found beyond k, so that k are left when forms of the same word are taken out."""


@dataclass(frozen=True)
class Contrast:
    """The nearest tokens beside random ones that are as frequent, by one measure.

    Attributes:
        space: `embedding` or `unembedding`.
        form: `corrected` for what all tokens have in common, or `raw`.
        pairs: `all`, or `unrelated`: without pairs that look like forms of one word.
        measure: `phones` or `spelling` (distances from 0 to 1), or `meaning` (cosine).
        n_words: Words that have nearest and random words to be compared with.
        n_pairs: Pairs of a word and one of its nearest.
        nearest: Mean over words of the mean over their nearest.
        random: The same for random words as frequent as these.
        more_alike: By how much nearest are more alike than random: the mean over words of the difference.
        near: Share of pairs whose distance is at most `close`, nearest and random; None for meaning.
        by_rank: Mean for the nearest, the second nearest and so on.
    """

    space: str
    form: str
    pairs: str
    measure: str
    n_words: int
    n_pairs: int
    nearest: Interval
    random: Interval
    more_alike: Interval
    near: tuple[Interval, Interval] | None
    by_rank: tuple[Interval, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the row."""
        return {
            "space": self.space,
            "form": self.form,
            "pairs": self.pairs,
            "measure": self.measure,
            "n_words": self.n_words,
            "n_pairs": self.n_pairs,
            "nearest": plain(self.nearest),
            "random": plain(self.random),
            "more_alike": plain(self.more_alike),
            "near_nearest": None if self.near is None else plain(self.near[0]),
            "near_random": None if self.near is None else plain(self.near[1]),
            "by_rank": [plain(each) for each in self.by_rank],
        }


@dataclass(frozen=True, eq=False, repr=False)
class SoundsAlike(Rich):
    """Whether nearest tokens sound alike, over a vocabulary.

    Attributes:
        model: The model's id.
        n_words: Words that were compared.
        n_unknown: Whole-word tokens left out since their pronunciation is not known.
        k: Nearest tokens of each word.
        close: Distances up to here count as near.
        frequencies: What words are as frequent by: `token order`, or `counts`.
        n_bins: Bins of about equal frequency.
        pronunciations: Where pronunciations come from; None where spelling alone was compared.
        meanings: Where vectors of meaning come from; None for none.
        seed: Draws random words and the bootstrap.
        common: For each space what its text tokens have in common, which the corrected vectors are without.
        contrasts: One for each space, form, kind of pairs and measure; corrected vectors first.
    """

    model: str
    n_words: int
    n_unknown: int
    k: int
    close: float
    frequencies: str
    n_bins: int
    pronunciations: str | None
    meanings: str | None
    seed: int
    common: Mapping[str, Common]
    contrasts: tuple[Contrast, ...]

    def contrast(self, measure: str, *, pairs: str = "all", space: str = EMBEDDING, form: str = CORRECTED) -> Contrast:
        """Look up one contrast.

        Raises:
            InputError: It was not measured.
        """
        for each in self.contrasts:
            if (each.measure, each.pairs, each.space, each.form) == (measure, pairs, space, form):
                return each
        there = ", ".join(
            f"{each.measure} of {each.pairs} pairs in the {each.form} {each.space}" for each in self.contrasts
        )
        raise InputError(
            f"{measure!r} of {pairs!r} pairs in the {form!r} {space!r} was not measured. Measured: {there}."
        )

    def to_json(self) -> dict[str, Any]:
        """Give the table, standard JSON values only."""
        return {
            "model": self.model,
            "n_words": self.n_words,
            "n_unknown": self.n_unknown,
            "k": self.k,
            "close": self.close,
            "frequencies": self.frequencies,
            "n_bins": self.n_bins,
            "pronunciations": self.pronunciations,
            "meanings": self.meanings,
            "seed": self.seed,
            "intervals": "bootstrap over words, 95%",
            "common": {space: asdict(common) for space, common in self.common.items()},
            "contrasts": [each.to_json() for each in self.contrasts],
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `sounds_alike.json` and `sounds_alike.png`.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        return [write_json(where / "sounds_alike.json", self.to_json()), *drawn(self.plot, where / "sounds_alike.png")]

    def plot(self, path: str | Path) -> Path:
        """Draw how alike the nearest, the second nearest and so on are, beside random words; a panel a measure.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        panels: dict[tuple[str, str], list[sounds_alike_picture.Line]] = {}
        for each in self.contrasts:
            line = sounds_alike_picture.Line(each.pairs, each.by_rank, each.random, each.n_words)
            panels.setdefault((each.measure, f"{each.space}, {each.form}"), []).append(line)
        by = "token order" if self.frequencies == "token order" else "counts in a text"
        note = f"{self.model}; frequency by {by}, {pictures.count(self.n_bins, 'bin')}"
        figure = sounds_alike_picture.sounds_alike_figure(panels, note, self.pronunciations)
        return pictures.save_figure(figure, path)

    def _shown(self) -> html.Shown:
        rows = [
            (each.measure, each.pairs, each.space, each.form, each.n_words, each.nearest, each.random, each.more_alike)
            for each in self.contrasts
        ]
        columns = ("measure", "pairs", "space", "vectors", "words", "nearest", "random, as frequent", "more alike by")
        return html.Shown(
            f"Whether nearest tokens sound alike: {self.model}",
            [
                ("words", self.n_words),
                ("nearest tokens of each", self.k),
                ("pronunciations", self.pronunciations or "none: by spelling"),
            ],
            [html.Table(columns, rows, "Distances from 0 (alike) to 1, and cosines of meaning; 95% intervals")],
        )


def sounds_alike(
    model: Whisper,
    *,
    pronounce: Pronouncer | None = None,
    meanings: WordVectors | None = None,
    counts: Mapping[str, int] | None = None,
    words: Sequence[str] | None = None,
    k: int = 10,
    close: float = 0.25,
    draws: int = 10,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> SoundsAlike:
    """Ask of every whole-word token whether its nearest tokens sound more alike than random ones as frequent.

    Args:
        model: Any Whisper with a tokenizer.
        pronounce: Says how words are pronounced; words that it does not know are left out. Without it words are
            compared by spelling alone.
        meanings: Vectors that say how alike words mean.
        counts: How often each word occurs, in small letters; words that do not occur are left out. By default the order
            of the tokens stands for their frequency: a tokenizer adds the commonest first.
        words: Keep to these words; all by default.
        k: Nearest tokens of each word.
        close: Phone and spelling distances up to here count as near.
        draws: Random words for each of the nearest.
        seed: Draws random words and the bootstrap.
        progress: Told how many words' nearest tokens were found, and of how many.

    Returns:
        The contrasts, with 95% intervals from a bootstrap over words.

    Raises:
        InputError: `k`, `close` or `draws` is out of range, or too few words are left to compare.
        ModelError: There is no tokenizer.

    Source:
        The claim: "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 3. The test is ours.
    """
    _check(k, close, draws)
    table = token_texts(model)
    spaces = token_spaces(model, table)
    trained = {word: token for word, token in whole_words(table).items() if spaces[0].is_trained[token]}
    chosen, n_unknown = _chosen_words(trained, pronounce, counts, words)
    if len(chosen.words) < k + 2:
        raise InputError(
            f"{len(chosen.words)} words are left to compare: whole-word tokens of {model.id} that are pronounced and "
            f"counted. {k + 2} or more are needed for {k} nearest. Give a larger lexicon or text, or a smaller k."
        )
    bins = Bins.of(chosen.ranks)
    vectors = None if meanings is None else meanings.of(chosen.words)
    compare = WordList(chosen.words, chosen.pronunciations)
    contrasts: list[Contrast] = []
    for space in spaces:
        rng = np.random.default_rng(seed)  # random words are the same in every form
        found = _nearest_words(space.vectors, chosen.tokens, k + SLACK, model.id, progress)
        for kind in ("all", "unrelated"):
            pairs = Pairs.of(chosen.words, found, bins, k, draws, rng, without_kin=kind == "unrelated")
            for report in pairs.reports(compare, vectors, close, by_ear=pronounce is not None):
                contrasts += _contrast(report, space, kind, seed)
    return SoundsAlike(
        model=model.id,
        n_words=len(chosen.words),
        n_unknown=n_unknown,
        k=k,
        close=close,
        frequencies="token order" if counts is None else "counts",
        n_bins=bins.n,
        pronunciations=None if pronounce is None else pronounce.name,
        meanings=None if meanings is None else meanings.name,
        seed=seed,
        common={space.name: space.common for space in spaces},
        contrasts=tuple(contrasts),
    )


def _check(k: int, close: float, draws: int) -> None:
    for name, value in (("k", k), ("draws", draws)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name} is {value!r}: it is a whole number of 1 or more. Leave the default of 10.")
    if not 0 <= close <= 1:
        raise InputError(f"close is {close!r}: distances go from 0 to 1. Leave the default of 0.25.")


@dataclass(frozen=True, eq=False)
class _Chosen:
    """Words to compare, commonest first."""

    words: tuple[str, ...]
    tokens: tuple[int, ...]
    pronunciations: tuple[tuple[tuple[str, ...], ...], ...]

    @property
    def ranks(self) -> np.ndarray:
        return np.arange(len(self.words))


def _chosen_words(
    found: Mapping[str, int],
    pronounce: Pronouncer | None,
    counts: Mapping[str, int] | None,
    words: Sequence[str] | None,
) -> tuple[_Chosen, int]:
    if words is not None:
        wanted = {word.casefold() for word in words}
        found = {word: token for word, token in found.items() if word in wanted}
    if counts is None:
        order = sorted(found, key=lambda word: found[word])
    else:
        order = sorted((word for word in found if counts.get(word)), key=lambda word: (-counts[word], found[word]))
    listed = WordList.of(order, pronounce)
    is_known = [bool(said) or pronounce is None for said in listed.pronunciations]
    kept = [at for at, known in enumerate(is_known) if known]
    chosen = _Chosen(
        words=tuple(order[at] for at in kept),
        tokens=tuple(found[order[at]] for at in kept),
        pronunciations=tuple(listed.pronunciations[at] for at in kept),
    )
    return chosen, len(order) - len(kept)


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
    own = torch.arange(len(vectors), device=vectors.device)
    k = min(k, len(vectors) - 1)
    return nearest(vectors, vectors, k, own=own, progress=progress)[1].cpu().numpy()


def _contrast(report: Report, space: TokenSpace, pairs: str, seed: int) -> list[Contrast]:
    """Sum up one measure; nothing where no word can be compared."""
    usable = np.isfinite(report.nearest).any(axis=1) & np.isfinite(report.random)
    if not usable.any():
        return []
    values, random = report.nearest[usable], report.random[usable]
    own = np.nanmean(values, axis=1)
    columns = [own, random, (own - random) * report.sign]
    if report.near is not None:
        columns += [report.near[0][usable], report.near[1][usable]]
    table = np.column_stack([*columns, values])
    is_there = np.isfinite(table)
    means = grouped_means(np.where(is_there, table, 0), is_there, seed=seed)
    intervals = [means.at(column) for column in range(table.shape[1])]
    n = len(columns)
    return [
        Contrast(
            space=space.name,
            form=space.form,
            pairs=pairs,
            measure=report.measure,
            n_words=int(usable.sum()),
            n_pairs=int(np.isfinite(values).sum()),
            nearest=intervals[0],
            random=intervals[1],
            more_alike=intervals[2],
            near=None if report.near is None else (intervals[3], intervals[4]),
            by_rank=tuple(intervals[n:]),
        )
    ]
