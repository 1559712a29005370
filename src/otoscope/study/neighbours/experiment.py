"""Which tokens lie nearest to a word in the decoder's embedding, and do they sound like it?

For a word the tokens of largest cosine, once what all tokens have in common is taken away (`spaces`), and by the raw
vectors where these are asked for; with how alike each sounds (phones where a pronouncer knows both words, letters
otherwise) and, where vectors are given, how alike it means. Costs one product of the words' vectors with all tokens'.
It does not know where pronunciations come from. Whether nearest tokens sound alike on the whole is for `sounds_alike`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import finite
from otoscope.corpus.lexicon import Pronouncer
from otoscope.model.token_text import TokenTexts, token_texts
from otoscope.model.whisper import Whisper
from otoscope.study import pictures
from otoscope.study.neighbours import picture as neighbours_picture
from otoscope.study.neighbours.search import nearest, unit
from otoscope.study.neighbours.spaces import CORRECTED, Common, TokenSpace, token_spaces
from otoscope.study.neighbours.tokens import Asked, find_token, is_word
from otoscope.study.neighbours.words import WordList, WordVectors, cosines
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich


@dataclass(frozen=True)
class Neighbour:
    r"""One of the nearest tokens.

    Attributes:
        token: Its id.
        text: What it stands for, white space included; bytes that are no text by themselves as `\xNN`.
        cosine: Of its vector with the word's.
        sound: Phone distance to the word, from 0 (the same sounds) to 1; None where a pronunciation is not known.
        spelling: Edits for each letter of the longer word, from 0 to 1; None where one of the two has no letters.
        meaning: Cosine of the two words' vectors of meaning; None where one has none.
        phones: Its pronunciation in the IPA, empty where it is not known.
    """

    token: int
    text: str
    cosine: float
    sound: float | None
    spelling: float | None
    meaning: float | None
    phones: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the row."""
        return {
            "token": self.token,
            "text": self.text,
            "cosine": finite(self.cosine),
            "phone_distance": finite(self.sound),
            "spelling_distance": finite(self.spelling),
            "meaning_cosine": finite(self.meaning),
            "phones": " ".join(self.phones) or None,
        }


@dataclass(frozen=True)
class WordNeighbours:
    """The nearest tokens of one word, by the vectors of one kind.

    Attributes:
        asked: The word, and the token that stands for it.
        text: That token's text.
        space: `embedding` or `unembedding`.
        form: `corrected`, or `raw` as the checkpoint holds the vectors.
        is_trained: Whether training moved the token; one that it hardly moved is near all others of that kind.
        phones: The token's pronunciation in the IPA, empty where it is not known.
        neighbours: Nearest first.
    """

    asked: Asked
    text: str
    space: str
    form: str
    is_trained: bool
    phones: tuple[str, ...]
    neighbours: tuple[Neighbour, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the table."""
        return {
            "word": self.asked.word,
            "token": self.asked.token,
            "text": self.text,
            "pieces": list(self.asked.pieces),
            "space": self.space,
            "form": self.form,
            "is_trained": self.is_trained,
            "phones": " ".join(self.phones) or None,
            "neighbours": [neighbour.to_json() for neighbour in self.neighbours],
        }


@dataclass(frozen=True, eq=False, repr=False)
class Neighbours(Rich):
    """The nearest tokens of some words.

    Attributes:
        model: The model's id.
        is_tied: Whether one matrix is embedding and unembedding.
        n_tokens: Tokens among which neighbours were looked for: text tokens that training hardly moved are left out.
        common: For each space what its text tokens have in common, which the corrected vectors are without.
        special: Whether special tokens and times were among them.
        pronunciations: Where pronunciations come from; None for none.
        meanings: Where vectors of meaning come from; None for none.
        found: For each word its neighbours in the embedding, and where that is another matrix in the unembedding, by
            the corrected vectors, and then by the raw ones where these were asked for.
    """

    model: str
    is_tied: bool
    n_tokens: int
    common: Mapping[str, Common]
    special: bool
    pronunciations: str | None
    meanings: str | None
    found: tuple[WordNeighbours, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the tables, standard JSON values only."""
        return {
            "model": self.model,
            "is_tied": self.is_tied,
            "n_tokens": self.n_tokens,
            "common": {space: asdict(common) for space, common in self.common.items()},
            "special": self.special,
            "pronunciations": self.pronunciations,
            "meanings": self.meanings,
            "words": [word.to_json() for word in self.found],
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `neighbours.json` and `neighbours.png`.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        return [write_json(where / "neighbours.json", self.to_json()), *drawn(self.plot, where / "neighbours.png")]

    def plot(self, path: str | Path) -> Path:
        """Draw one panel a word: the neighbours from left to right, their cosines, and in colour how alike they sound.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        panels = [self._panel(word) for word in self.found]
        by = "spelling" if self.pronunciations is None else f"phones by {self.pronunciations}"
        figure = neighbours_picture.neighbours_figure(panels, f"distance (0 alike): {by}", self.model)
        return pictures.save_figure(figure, path)

    def _panel(self, word: WordNeighbours) -> neighbours_picture.Panel:
        cut = "" if word.asked.is_whole else f", one of {len(word.asked.pieces)} tokens of '{word.asked.word}'"
        return neighbours_picture.Panel(
            head=f"'{word.text.strip()}'{cut}",
            note=f"{word.space}{' and unembedding' if self.is_tied else ''}, {word.form}, {self.n_tokens:,} tokens",
            texts=[neighbour.text for neighbour in word.neighbours],
            cosines=[neighbour.cosine for neighbour in word.neighbours],
            sounds=[neighbour.sound for neighbour in word.neighbours],
            spellings=[neighbour.spelling for neighbour in word.neighbours],
        )

    def _shown(self) -> html.Shown:
        rows = [
            (
                word.asked.word,
                word.space,
                word.form,
                ", ".join(each.text.strip() or repr(each.text) for each in word.neighbours[:10]),
                word.neighbours[0].cosine if word.neighbours else None,
            )
            for word in self.found
        ]
        return html.Shown(
            f"Nearest tokens: {self.model}",
            [
                ("looked for among", f"{self.n_tokens:,} tokens"),
                *(
                    (f"mean's share of a token's length ({space})", html.share(common.mean_share))
                    for space, common in self.common.items()
                ),
                ("pronunciations", self.pronunciations or "none"),
            ],
            [html.Table(("word", "by", "vectors", "nearest first", "cosine of the nearest"), rows)],
        )


def neighbours(
    model: Whisper,
    words: Sequence[str],
    *,
    k: int = 20,
    raw: bool = False,
    special: bool = False,
    pronounce: Pronouncer | None = None,
    meanings: WordVectors | None = None,
) -> Neighbours:
    """Find the tokens nearest to words in the decoder's embedding.

    Vectors are compared without the mean and the first principal component of text tokens, which are most of a token's
    length in released checkpoints.

    Args:
        model: Any Whisper with a tokenizer.
        words: Words, or names of special tokens (`<|en|>`). One that is no token is stood for by one of its tokens,
            see `neighbours_tokens.find_token`.
        k: How many neighbours.
        raw: List the neighbours by the vectors as they are, too.
        special: Look among special tokens and times, too.
        pronounce: Says how words are pronounced: a `Lexicon`, for one. Without it words are compared by spelling alone.
        meanings: Vectors that say how alike words mean.

    Returns:
        The nearest tokens of every word.

    Raises:
        InputError: There is no word, one is unknown to the tokenizer, or `k` is not 1 or more.
        ModelError: There is no tokenizer.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 3; the correction is `token_spaces`.
    """
    if isinstance(words, str):
        words = [words]
    if not words:
        raise InputError("no word was given: neighbours are looked for of one word or more, such as 'rug'.")
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InputError(f"k is {k!r}: a number of neighbours is 1 or more. The default is 20.")
    table = token_texts(model)
    asked = [find_token(model, table, word) for word in words]
    spaces = token_spaces(model, table)
    is_special = np.array([text != "" for text in table.texts]) & ~table.is_text
    among = np.flatnonzero((table.is_text & spaces[0].is_trained) | (is_special & special))
    found = [
        (space, _search(space.vectors, asked, among, k, model.id)) for space in spaces if raw or space.form == CORRECTED
    ]
    tokens = sorted({each.token for each in asked} | {token for _, (ids, _) in found for token in ids.flat})
    alike = _Alikeness.of(table, [int(token) for token in tokens], pronounce, meanings)
    return Neighbours(
        model=model.id,
        is_tied=len({space.name for space in spaces}) == 1,
        n_tokens=len(among),
        common={space.name: space.common for space in spaces},
        special=special,
        pronunciations=None if pronounce is None else pronounce.name,
        meanings=None if meanings is None else meanings.name,
        found=tuple(
            _rows(each, space, ids[row], values[row], table, alike)
            for row, each in enumerate(asked)
            for space, (ids, values) in found
        ),
    )


def _search(
    vectors: Tensor, asked: Sequence[Asked], among: np.ndarray, k: int, model_id: str
) -> tuple[np.ndarray, np.ndarray]:
    """Find ids and cosines, [word, k]; tokens without a direction (all zeros) are nobody's neighbours."""
    rows = unit(vectors[torch.as_tensor([each.token for each in asked], device=vectors.device)])
    for each, row in zip(asked, rows, strict=True):
        if not torch.isfinite(row).all():
            raise InputError(
                f"the vector of {each.word!r} in {model_id} has no direction: all its numbers are 0, or one is not "
                "finite. Give another word."
            )
    candidates = unit(vectors[torch.as_tensor(among, device=vectors.device)])
    has_direction = torch.isfinite(candidates).all(dim=1)
    ids = among[has_direction.cpu().numpy()]
    place = {int(token): at for at, token in enumerate(ids)}
    own = torch.tensor([place.get(each.token, -1) for each in asked], device=vectors.device)
    values, where = nearest(rows, candidates[has_direction], min(k + 1, len(ids)), own=own)
    # the word itself comes last where all others were asked for, too
    n = min(k, len(ids) - int((own >= 0).any()))
    return ids[where.cpu().numpy()[:, :n]], values.cpu().numpy()[:, :n]


@dataclass(frozen=True, eq=False)
class _Alikeness:
    """How alike the tokens that were found are, by their place in a list."""

    place: dict[int, int]
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
            place={token: at for at, token in enumerate(tokens)},
            words=WordList(tuple(spelt), tuple(said.get(text, ()) for text in spelt)),
            has_letters=np.array([bool(text) for text in spelt]),
            vectors=None if meanings is None else meanings.of(spelt),
        )

    def phones(self, token: int) -> tuple[str, ...]:
        variants = self.words.pronunciations[self.place[token]]
        return variants[0] if variants else ()

    def to(self, token: int, others: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Compare a token with others: sound, spelling, meaning, NaN where that is not known."""
        right = np.array([self.place[other] for other in others], np.int64)
        left = np.full(len(right), self.place[token], np.int64)
        can_spell = self.has_letters[left] & self.has_letters[right]
        spelling = np.where(can_spell, self.words.spelling(left, right), np.nan)
        meaning = np.full(len(right), np.nan) if self.vectors is None else cosines(self.vectors, left, right)
        return self.words.sound(left, right), spelling, meaning


def _rows(
    asked: Asked, space: TokenSpace, ids: np.ndarray, values: np.ndarray, table: TokenTexts, alike: _Alikeness
) -> WordNeighbours:
    others = [int(token) for token in ids]
    sound, spelling, meaning = alike.to(asked.token, others)
    return WordNeighbours(
        asked=asked,
        text=table.texts[asked.token],
        space=space.name,
        form=space.form,
        is_trained=bool(space.is_trained[asked.token]),
        phones=alike.phones(asked.token),
        neighbours=tuple(
            Neighbour(
                token=token,
                text=table.texts[token],
                cosine=float(values[at]),
                sound=_known(sound[at]),
                spelling=_known(spelling[at]),
                meaning=_known(meaning[at]),
                phones=alike.phones(token),
            )
            for at, token in enumerate(others)
        ),
    )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
