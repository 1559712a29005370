"""Which tokens lie nearest to a word in the decoder's embedding, and do they sound like it?

Lists the tokens of largest cosine to a word, after what all tokens have in common is removed (`spaces`), and on request
by the raw vectors; with how similar each is in sound (by phones where a pronouncer knows both words, by letters
otherwise) and, where word vectors are given, in meaning. Costs one product of the words' vectors with all tokens'.
It does not know where pronunciations come from. `sounds_alike` measures whether nearest tokens sound alike in general.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.base.report import Column, Report, Table
from otoscope.base.settings import takes
from otoscope.base.text import visible
from otoscope.corpus.lexicon import Pronouncer
from otoscope.model.token_text import TokenTexts, token_texts
from otoscope.model.whisper import Whisper
from otoscope.study.neighbours.picture import neighbours_figure
from otoscope.study.neighbours.search import nearest, unit
from otoscope.study.neighbours.settings import NeighboursSettings
from otoscope.study.neighbours.spaces import CORRECTED, Common, TokenSpace, in_common, token_spaces
from otoscope.study.neighbours.tokens import WordToken, find_token, is_word
from otoscope.study.neighbours.words import WordList, WordVectors, cosines
from otoscope.study.results import Result

COLUMNS = (
    Column("token"),
    Column("text"),
    Column(None, "token"),
    Column("cosine", "cosine", "three digits"),
    Column("phone_distance", "phones", "two digits"),
    Column("spelling_distance", "spelling", "two digits"),
    Column("meaning_cosine", "meaning", "two digits"),
    Column("phones", "said"),
)


@dataclass(frozen=True)
class Neighbour:
    """One of the nearest tokens."""

    token: int  # its id
    text: str  # its text, white space included; bytes that are not text by themselves as `\xNN`
    cosine: float  # of its vector with the word's
    sound: float | None  # phone distance to the word, 0 (the same) to 1; None where a pronunciation is not known
    spelling: float | None  # edits per letter of the longer word, 0 to 1; None where one of the two has no letters
    meaning: float | None  # cosine of the two words' vectors of meaning; None where one has none
    phones: tuple[str, ...]  # its pronunciation in the IPA, empty where it is not known


@dataclass(frozen=True)
class WordNeighbours:
    """The nearest tokens of one word, by the vectors of one kind."""

    query: WordToken  # the word, and the token that stands for it
    text: str  # that token's text
    space: str  # `embedding` or `unembedding`
    form: str  # `corrected`, or `raw` as the checkpoint holds the vectors
    is_trained: bool  # training moved the token; one that it hardly moved is near all others of that kind
    phones: tuple[str, ...]  # the token's pronunciation in the IPA, empty where it is not known
    neighbours: tuple[Neighbour, ...]  # nearest first

    def table(self) -> Table:
        """List the neighbours."""
        rows = [
            (
                near.token,
                near.text,
                visible(near.text),
                near.cosine,
                near.sound,
                near.spelling,
                near.meaning,
                " ".join(near.phones) or None,
            )
            for near in self.neighbours
        ]
        return Table(COLUMNS, rows, self._caption(), most=len(rows))

    def _caption(self) -> str:
        caption = f"{visible(self.text)} in the {self.form} {self.space}"
        if self.phones:
            caption += f", said {' '.join(self.phones)}"
        if not self.query.is_whole:
            pieces = " ".join(visible(piece) for piece in self.query.pieces)
            caption += f"; '{self.query.word}' is {len(self.query.pieces)} tokens, {pieces}, and the longest was taken"
        if not self.is_trained:
            caption += "; training hardly moved this token, and what is near it says nothing"
        return caption

    def to_json(self) -> dict[str, Any]:
        """Return the table."""
        return {
            "word": self.query.word,
            "token": self.query.token,
            "text": self.text,
            "pieces": list(self.query.pieces),
            "space": self.space,
            "form": self.form,
            "is_trained": self.is_trained,
            "phones": " ".join(self.phones) or None,
            "neighbours": self.table().to_json(),
        }


@dataclass(frozen=True, eq=False, repr=False)
class Neighbours(Result):
    """The nearest tokens of some words."""

    name = "neighbours"

    model: str
    is_tied: bool  # one matrix is embedding and unembedding
    n_tokens: int  # tokens that were searched; text tokens that training hardly moved are left out
    common: Mapping[str, Common]  # for each space what its text tokens have in common, removed from corrected vectors
    special: bool  # whether special tokens and times were among them
    pronunciations: str | None  # where they come from; None for none
    meanings: str | None  # where vectors of meaning come from; None for none
    words: tuple[WordNeighbours, ...]  # word by word: in each space by the corrected vectors, then by the raw ones

    def report(self) -> Report:
        """List every word's neighbours, and say how similarity was measured."""
        matrices = "embedding and unembedding are one" if self.is_tied else "embedding and unembedding are two"
        phones = f"phones by {self.pronunciations}" if self.pronunciations else "no pronunciations"
        meaning = f", meaning by {self.meanings}" if self.meanings else ""
        return Report(
            f"Nearest tokens: {self.model}",
            f"{self.n_tokens:,} tokens, {matrices}; {phones}{meaning}. Distances: 0 alike, 1 not.",
            self.fields("model", "is_tied", "n_tokens", "common", "special", "pronunciations", "meanings", "words"),
            display_only=in_common(self.common),
            parts=[word.table() for word in self.words],
        )

    def figure(self) -> Figure:
        """Draw one panel a word: the neighbours by their cosines, and in colour how alike they sound."""
        return neighbours_figure(self)


@takes(NeighboursSettings)
def neighbours(
    model: Whisper,
    words: Sequence[str],
    *,
    settings: NeighboursSettings,
    pronounce: Pronouncer | None = None,
    meanings: WordVectors | None = None,
) -> Neighbours:
    """Find the tokens nearest to words in the decoder's embedding.

    Vectors are compared without the mean and the first principal component of text tokens, which make up most of a
    token's length in released checkpoints.

    Args:
        model: Any Whisper with a tokenizer.
        words: Words, or names of special tokens (`<|en|>`). One that is not a single token is represented by one of
            its tokens, see `tokens.find_token`.
        settings: Which tokens are listed.
        pronounce: Pronounces words; a `Lexicon`, for example. Without it words are compared by spelling only.
        meanings: Word vectors, for similarity in meaning.

    Returns:
        The nearest tokens of every word.

    Raises:
        InputError: There is no word, one is unknown to the tokenizer, or a setting is out of bounds.
        ModelError: There is no tokenizer.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 3; the correction is `token_spaces`.
    """
    if isinstance(words, str):
        words = [words]
    if not words:
        raise InputError("no word was given: give one or more to find their neighbours, such as 'rug'.")
    table = token_texts(model)
    chosen = [find_token(model, table, word) for word in words]
    spaces = token_spaces(model, table)
    is_special = np.array([text != "" for text in table.texts]) & ~table.is_text
    among = np.flatnonzero((table.is_text & spaces[0].is_trained) | (is_special & settings.special))
    searched = [space for space in spaces if settings.raw or space.form == CORRECTED]
    hits = [_search(space.vectors, chosen, among, settings.k, model.id) for space in searched]
    tokens = sorted({word.token for word in chosen} | {token for ids, _ in hits for token in ids.flat})
    alike = _Alikeness.of(table, [int(token) for token in tokens], pronounce, meanings)
    return Neighbours(
        model=model.name,
        is_tied=len({space.name for space in spaces}) == 1,
        n_tokens=len(among),
        common={space.name: space.common for space in spaces},
        special=settings.special,
        pronunciations=None if pronounce is None else pronounce.name,
        meanings=None if meanings is None else meanings.name,
        words=tuple(
            _word_neighbours(word, space, ids[row], values[row], table, alike)
            for row, word in enumerate(chosen)
            for space, (ids, values) in zip(searched, hits, strict=True)
        ),
    )


def _search(
    vectors: Tensor, words: Sequence[WordToken], among: np.ndarray, k: int, model_id: str
) -> tuple[np.ndarray, np.ndarray]:
    """Find ids and cosines, [word, k]; tokens without a direction (all zeros) are never neighbours."""
    rows = unit(vectors[torch.as_tensor([word.token for word in words], device=vectors.device)])
    for word, row in zip(words, rows, strict=True):
        if not torch.isfinite(row).all():
            raise InputError(
                f"the vector of {word.word!r} in {model_id} has no direction: all its numbers are 0, or one is not "
                "finite. Give another word."
            )
    candidates = unit(vectors[torch.as_tensor(among, device=vectors.device)])
    has_direction = torch.isfinite(candidates).all(dim=1)
    ids = among[has_direction.cpu().numpy()]
    numbers = {int(token): number for number, token in enumerate(ids)}
    self_rows = torch.tensor([numbers.get(word.token, -1) for word in words], device=vectors.device)
    values, where = nearest(rows, candidates[has_direction], min(k + 1, len(ids)), self_rows=self_rows)
    # where all other tokens are requested, the word itself comes last
    n = min(k, len(ids) - int((self_rows >= 0).any()))
    return ids[where.cpu().numpy()[:, :n]], values.cpu().numpy()[:, :n]


@dataclass(frozen=True, eq=False)
class _Alikeness:
    """How similar the tokens of a list are, by their numbers in it."""

    numbers: dict[int, int]  # of each token
    words: WordList
    has_letters: np.ndarray
    vectors: np.ndarray | None

    @classmethod
    def of(
        cls, table: TokenTexts, tokens: Sequence[int], pronounce: Pronouncer | None, meanings: WordVectors | None
    ) -> _Alikeness:
        plain = [table.texts[token].strip() if table.is_whole[token] else "" for token in tokens]
        spelt = [text.casefold() if is_word(text) or (len(text) == 1 and text.isalpha()) else "" for text in plain]
        known = dict.fromkeys(text for text in spelt if text)
        looked_up = WordList.of(tuple(known), pronounce)
        said = dict(zip(known, looked_up.pronunciations, strict=True))
        return cls(
            numbers={token: number for number, token in enumerate(tokens)},
            words=WordList(tuple(spelt), tuple(said.get(text, ()) for text in spelt)),
            has_letters=np.array([bool(text) for text in spelt]),
            vectors=None if meanings is None else meanings.of(spelt),
        )

    def phones(self, token: int) -> tuple[str, ...]:
        variants = self.words.pronunciations[self.numbers[token]]
        return variants[0] if variants else ()

    def to(self, token: int, others: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Compare a token with others: sound, spelling and meaning; NaN where that is not known."""
        right = np.array([self.numbers[other] for other in others], np.int64)
        left = np.full(len(right), self.numbers[token], np.int64)
        can_spell = self.has_letters[left] & self.has_letters[right]
        spelling = np.where(can_spell, self.words.spelling(left, right), np.nan)
        meaning = np.full(len(right), np.nan) if self.vectors is None else cosines(self.vectors, left, right)
        return self.words.sound(left, right), spelling, meaning


def _word_neighbours(
    word: WordToken, space: TokenSpace, ids: np.ndarray, values: np.ndarray, table: TokenTexts, alike: _Alikeness
) -> WordNeighbours:
    others = [int(token) for token in ids]
    sound, spelling, meaning = alike.to(word.token, others)
    return WordNeighbours(
        query=word,
        text=table.texts[word.token],
        space=space.name,
        form=space.form,
        is_trained=bool(space.is_trained[word.token]),
        phones=alike.phones(word.token),
        neighbours=tuple(
            Neighbour(
                token=token,
                text=table.texts[token],
                cosine=float(values[rank]),
                sound=_known(sound[rank]),
                spelling=_known(spelling[rank]),
                meaning=_known(meaning[rank]),
                phones=alike.phones(token),
            )
            for rank, token in enumerate(others)
        ),
    )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
