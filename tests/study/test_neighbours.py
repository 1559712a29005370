from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.base.errors import InputError, ModelError
from otoscope.corpus import open_corpus
from otoscope.corpus.lexicon import Lexicon, lexicon_of
from otoscope.model.token_text import TokenTexts, token_texts
from otoscope.model.whisper import Whisper
from otoscope.study.lettering import readable
from otoscope.study.neighbours.experiment import Neighbour, Neighbours, WordNeighbours, neighbours
from otoscope.study.neighbours.search import nearest, unit
from otoscope.study.neighbours.spaces import NEVER_IN_TEXT, hardly_trained, token_spaces, token_vectors, without_common
from otoscope.study.neighbours.tokens import WordToken, are_kin, find_token, whole_words
from otoscope.study.neighbours.words import WordVectors
from tests.model.tiny import tiny_hf, tiny_tokenizer
from tests.released import released


@pytest.fixture
def untied() -> Whisper:
    tokenizer = tiny_tokenizer()
    hf = tiny_hf(tokenizer, seconds=2, d_model=16, blocks=1, heads=2, max_tokens=8, seed=0)
    other = torch.nn.Linear(16, hf.config.vocab_size, bias=False)
    hf.proj_out = other
    return Whisper(hf, tokenizer, id="untied", weights_hash="0")


def argsorted(vectors: torch.Tensor, query: int, among: np.ndarray) -> list[int]:
    """All cosines, one by one, sorted."""
    values = vectors.double().numpy()

    def cosine(token: int) -> float:
        one, other = values[query], values[token]
        return float(one @ other / np.sqrt((one @ one) * (other @ other)))

    return sorted((int(token) for token in among if token != query), key=lambda token: -cosine(token))


@pytest.mark.parametrize("block_rows", [1, 7, None])
def test_the_search_finds_what_sorting_all_cosines_finds(block_rows: int | None) -> None:
    vectors = unit(torch.randn(200, 8, generator=torch.manual_seed(0)))
    values, where = nearest(vectors, vectors, 5, self_rows=torch.arange(200), block_rows=block_rows)
    full = vectors @ vectors.T
    full.fill_diagonal_(-2)
    expected = full.sort(dim=1, descending=True, stable=True)
    assert torch.equal(where, expected.indices[:, :5])
    assert torch.allclose(values, expected.values[:, :5], atol=1e-6)


def test_the_search_holds_one_block_of_cosines_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 0
    product = torch.mm

    def watched(left: torch.Tensor, right: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
        nonlocal largest
        largest = max(largest, out.numel())
        return product(left, right, out=out)

    monkeypatch.setattr("otoscope.study.neighbours.search.torch.mm", watched)
    monkeypatch.setattr("otoscope.study.neighbours.search.BLOCK_VALUES", 1000)
    done: list[tuple[int, int]] = []
    vectors = unit(torch.randn(300, 4))
    nearest(vectors, vectors, 2, progress=lambda at, total: done.append((at, total)))
    assert largest <= 1000 and done[-1] == (300, 300) and len(done) == 100


def test_more_neighbours_than_there_are_vectors_are_all_of_them() -> None:
    vectors = unit(torch.eye(3) + 0.1)
    values, where = nearest(vectors[:1], vectors, 10, self_rows=torch.tensor([0]))
    assert set(where[0].tolist()) == {0, 1, 2} and values[0, -1] == -torch.inf


def all_but_the_top(vectors: torch.Tensor, among: np.ndarray) -> torch.Tensor:
    """Take mean and first principal component away, by the decomposition that the paper gives."""
    values = vectors.detach().double()
    apart = values - values[among].mean(dim=0)
    first = torch.linalg.svd(apart[among], full_matrices=False).Vh[0]
    return (apart - torch.outer(apart @ first, first)).float()


def test_neighbours_are_the_largest_cosines_of_the_embedding(demo: Whisper) -> None:
    corrected, raw = neighbours(demo, ["rug"], k=20, raw=True).words
    vectors, table = token_vectors(demo)["embedding"], token_texts(demo)
    among = np.flatnonzero(table.is_text & ~hardly_trained(vectors, table))
    assert (corrected.form, raw.form) == ("corrected", "raw")
    assert [each.token for each in raw.neighbours] == argsorted(vectors, raw.query.token, among)[:20]
    plain = all_but_the_top(vectors, among)
    assert [each.token for each in corrected.neighbours] == argsorted(plain, corrected.query.token, among)[:20]


def test_the_word_itself_and_special_tokens_are_no_neighbours(demo: Whisper) -> None:
    everything = neighbours(demo, ["rug"], k=10_000)
    (found,) = everything.words
    tokens = [each.token for each in found.neighbours]
    assert len(tokens) == len(set(tokens)) == everything.n_tokens - 1
    assert found.query.token not in tokens and not any(each.text.startswith("<|") for each in found.neighbours)


def test_special_tokens_are_found_where_they_are_asked_for(demo: Whisper) -> None:
    (found,) = neighbours(demo, ["<|en|>"], k=10_000, special=True).words
    assert "<|de|>" in {each.text for each in found.neighbours}
    assert found.query.is_whole and "<|en|>" not in {each.text for each in found.neighbours}


def test_a_rhyme_of_the_demo_language_is_nearest_and_sounds_near(demo: Whisper) -> None:
    (found,) = neighbours(demo, ["rug"], pronounce=lexicon_of(open_corpus("demo"))).words
    mug = next(each for each in found.neighbours if each.text == " mug")
    others = [each.sound for each in found.neighbours if each.sound is not None]
    assert mug.phones[1:] == found.phones[1:] and mug.sound is not None and mug.sound < np.median(others)


def test_what_has_no_pronunciation_is_compared_by_spelling(demo: Whisper) -> None:
    lexicon = Lexicon("two words", {"rug": (("ɹ", "ʌ", "ɡ"),), "mug": (("m", "ʌ", "ɡ"),)})
    result = neighbours(demo, ["rug"], k=30, pronounce=lexicon)
    by_text = {each.text: each for each in result.words[0].neighbours}
    assert by_text[" mug"].sound is not None and by_text[" jug"].sound is None
    assert by_text[" jug"].spelling == pytest.approx(1 / 3)
    assert neighbours(demo, ["rug"]).pronunciations is None and result.pronunciations == "two words"


def test_vectors_of_meaning_give_their_cosine(demo: Whisper) -> None:
    vectors = {"rug": np.array([1, 0], np.float32), "mug": np.array([3, 4], np.float32)}
    (found,) = neighbours(demo, ["rug"], meanings=WordVectors("toy", vectors)).words
    by_text = {each.text: each.meaning for each in found.neighbours}
    assert by_text[" mug"] == pytest.approx(0.6) and by_text[" jug"] is None


def test_an_unembedding_of_its_own_has_neighbours_of_its_own(untied: Whisper) -> None:
    result = neighbours(untied, ["the"], k=5)
    assert not result.is_tied and [each.space for each in result.words] == ["embedding", "unembedding"]
    among = np.flatnonzero(token_texts(untied).is_text)
    for each in result.words:
        plain = all_but_the_top(token_vectors(untied)[each.space], among)
        expected = argsorted(plain, each.query.token, among)
        assert [one.token for one in each.neighbours] == expected[:5]


def test_weights_that_are_equal_count_as_one(untied: Whisper) -> None:
    untied.hf.proj_out.weight.copy_(untied.hf.get_input_embeddings().weight)
    assert list(token_vectors(untied)) == ["embedding"]


def test_a_word_of_several_tokens_is_stood_for_by_the_longest(demo: Whisper) -> None:
    asked = find_token(demo, token_texts(demo), "rugged")
    assert "".join(asked.pieces) == " rugged" and not asked.is_whole
    assert asked.pieces[asked.piece] == " rug" == max(asked.pieces, key=len)


def test_a_piece_that_is_a_token_without_a_space_is_taken_whole(demo: Whisper) -> None:
    asked = find_token(demo, token_texts(demo), "iew")
    assert asked.is_whole and asked.pieces == ("iew",)


def test_a_vector_of_zeros_has_no_neighbours_and_is_nobodys(untied: Whisper) -> None:
    with torch.no_grad():
        token = find_token(untied, token_texts(untied), "the").token
        untied.hf.get_input_embeddings().weight[token] = 0
    with pytest.raises(InputError, match="the vector of 'the' in untied has no direction"):
        neighbours(untied, ["the"])
    found = neighbours(untied, ["little"], k=10_000).words[0]
    assert token not in {each.token for each in found.neighbours}


def test_a_model_without_a_tokenizer_is_refused(demo: Whisper) -> None:
    with pytest.raises(ModelError, match="has no tokenizer"):
        neighbours(Whisper(demo.hf, None, id="bare", weights_hash="0"), ["rug"])


def test_whole_words_are_words_with_a_space_and_each_comes_once(demo: Whisper) -> None:
    found = whole_words(token_texts(demo))
    assert {"rug", "traffic", "the"} <= set(found) and "iew" not in found
    texts = token_texts(demo).texts
    same = [token for token, text in enumerate(texts) if text in {" the", " The"}]
    assert len(same) == 2 and found["the"] == min(same)


@pytest.mark.parametrize(("one", "other"), [("rug", "rugs"), ("station", "stationary"), ("walked", "walking")])
def test_forms_of_a_word_are_kin(one: str, other: str) -> None:
    assert are_kin(one, other) and are_kin(other, one)


@pytest.mark.parametrize(("one", "other"), [("rug", "mug"), ("rug", "shrug"), ("an", "ant"), ("sea", "see")])
def test_rhymes_and_homophones_are_not_kin(one: str, other: str) -> None:
    assert not are_kin(one, other)


def test_what_a_font_lacks_and_what_cannot_be_seen_is_written_as_numbers(tmp_path: Path) -> None:
    assert readable(" rug") == "rug"
    assert readable("a\x00") == "a U+0000"
    odd = [
        Neighbour(rank, text, 0.4 - rank / 10, (0.0, None)[rank % 2], None, None, ())
        for rank, text in enumerate(["$a", "中", " ", "b$"])
    ]
    word = WordNeighbours(WordToken("$x$", 9, ("$x$",)), "$x$", "embedding", "raw", True, (), tuple(odd))
    result = Neighbours("model", True, 5, {}, False, None, None, (word,))
    assert result.plot(tmp_path / "odd.png").stat().st_size > 0


def planted(demo: Whisper, share: float) -> tuple[torch.Tensor, TokenTexts, list[int]]:
    """Vectors of which a mean is so much of the length, with words and letters that were never trained."""
    table = token_texts(demo)
    generator = torch.Generator().manual_seed(0)
    own = torch.nn.functional.normalize(torch.randn(len(table), 64, generator=generator)) * (1 - share**2) ** 0.5
    mean = torch.zeros(64)
    mean[0] = share
    never = [
        token for token, text in enumerate(table.texts) if text in NEVER_IN_TEXT or text in (" rug", "\t", "<|de|>")
    ]
    vectors = own + mean
    vectors[never] = torch.ones(64) + 1e-5 * torch.randn(len(never), 64, generator=generator)
    return vectors, table, never


def test_tokens_that_were_never_trained_are_found_beside_bytes_that_no_text_holds(demo: Whisper) -> None:
    vectors, table, never = planted(demo, 0.9)
    assert np.flatnonzero(hardly_trained(vectors, table)).tolist() == never


def test_in_a_model_that_was_not_trained_no_token_is_singled_out(demo: Whisper) -> None:
    table = token_texts(demo)
    assert not hardly_trained(torch.randn(len(table), 64, generator=torch.Generator().manual_seed(1)), table).any()


def test_how_much_of_a_token_is_the_mean_is_what_was_planted(demo: Whisper) -> None:
    vectors, table, never = planted(demo, 0.9)
    is_text = table.is_text.copy()
    is_text[never] = False
    corrected, common = without_common(vectors, is_text, 7)
    assert common.mean_share == pytest.approx(0.9, abs=0.01) and common.n_hardly_trained == 7
    assert common.n_tokens == is_text.sum()
    text = corrected[torch.as_tensor(is_text)]
    assert text.mean(dim=0).norm() < 1e-4
    variances = torch.linalg.eigvalsh((text.T @ text).double())
    assert variances[0] < 1e-6 * variances[-1] and variances[1] > 0.1 * variances[-1]  # one direction is gone


@pytest.mark.real
def test_neighbours_in_a_released_model_are_those_that_sound_and_mean_alike() -> None:
    """The raw vectors give `______`, `###` and `ん`, all at one cosine: the mean is 92% of a token's length."""
    model = released()
    result = neighbours(model, ["rug", "duck", "UK"], k=10, raw=True)
    nearest = {(word.query.word, word.form): [each.text.strip() for each in word.neighbours] for word in result.words}
    assert {"mug", "lug", "wig", "hug", "rag", "thug"} <= set(nearest["rug", "corrected"])
    assert {"Duck", "ducks", "dock", "buck", "puck"} <= set(nearest["duck", "corrected"])
    assert {"US", "EU", "USA", "European"} <= set(nearest["UK", "corrected"])
    assert {"______", "###", "ん"} <= set(nearest["rug", "raw"])
    assert result.common["embedding"].mean_share == pytest.approx(0.92, abs=0.01)


@pytest.mark.real
def test_tokens_of_a_released_model_that_no_speech_holds_are_left_out() -> None:
    model = released()
    table = token_texts(model)
    is_trained = token_spaces(model, table)[0].is_trained
    never = [" SolidGoldMagikarp", " gmaxwell", "\x02", " RandomRedditor", "<|zh|>"]
    assert not any(is_trained[table.texts.index(text)] for text in never)
    assert all(is_trained[table.texts.index(text)] for text in (" rug", " the", " The", " traffic", ","))
    assert 500 < (table.is_text & ~is_trained).sum() < 1500
