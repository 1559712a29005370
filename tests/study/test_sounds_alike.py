from __future__ import annotations

import json
import string
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.base.errors import InputError
from otoscope.corpus import open_corpus
from otoscope.corpus.lexicon import Lexicon, lexicon_of
from otoscope.corpus.phones.distance import phone_distance
from otoscope.model.token_text import token_texts
from otoscope.model.whisper import Whisper
from otoscope.study.neighbours.sounds_alike import SoundsAlike, sounds_alike
from otoscope.study.neighbours.sounds_alike_pairs import Bins, Pairs
from otoscope.study.neighbours.spaces import token_spaces
from otoscope.study.neighbours.tokens import are_kin, whole_words
from otoscope.study.neighbours.words import WordList, WordVectors, read_word_counts, read_word_vectors
from tests.model.tiny import tiny_hf, tiny_tokenizer

SOUNDS = ("p", "b", "t", "k", "s", "m", "i", "ɑ", "u")


@pytest.fixture(scope="module")
def labels() -> Lexicon:
    return lexicon_of(open_corpus("demo"))


@pytest.fixture(scope="module")
def result(demo: Whisper, labels: Lexicon) -> SoundsAlike:
    return sounds_alike(demo, pronounce=labels, k=5)


def invented(model: Whisper) -> Lexicon:
    """A pronunciation for every whole-word token, drawn at random: no word says what another sounds like."""
    rng = np.random.default_rng(0)
    words = whole_words(token_texts(model))
    return Lexicon("invented", {word: (tuple(rng.choice(SOUNDS, rng.integers(2, 6))),) for word in words})


def test_nearest_tokens_of_the_demo_model_sound_more_alike_than_random_ones(result: SoundsAlike) -> None:
    for pairs in ("all", "unrelated"):
        contrast = result.contrast("phones", pairs=pairs)
        assert contrast.more_alike.low is not None and contrast.more_alike.low > 0
        assert contrast.near is not None and contrast.near[0].low > contrast.near[1].high  # type: ignore[operator]


def test_with_pronunciations_that_mean_nothing_nearest_are_no_more_alike(demo: Whisper) -> None:
    contrast = sounds_alike(demo, pronounce=invented(demo), k=5).contrast("phones")
    low, high = contrast.more_alike.low, contrast.more_alike.high
    assert contrast.n_words > 500 and low is not None and high is not None and low - 0.005 < 0 < high + 0.005


def test_planted_vectors_are_found_to_sound_alike() -> None:
    model = planted()
    lexicon = invented(model)
    words = whole_words(token_texts(model))
    weight = model.hf.get_input_embeddings().weight
    with torch.no_grad():
        for word, token in words.items():
            weight[token] = 0
            for sound in lexicon.entries[word][0]:
                weight[token, SOUNDS.index(sound)] += 1
    contrast = sounds_alike(model, pronounce=lexicon, k=2).contrast("phones")
    assert contrast.more_alike.low is not None and contrast.more_alike.low > 0.1


def planted() -> Whisper:
    """A tiny model whose tokenizer has 60 whole words of three letters."""
    from tokenizers import AddedToken
    from transformers import WhisperTokenizer

    from tests.model.tiny import special_tokens, timestamp_tokens

    base = json.loads(tiny_tokenizer(256)._tokenizer.to_str())["model"]["vocab"]
    vocab = dict(sorted(base.items(), key=lambda entry: entry[1])[:256])
    merges: list[tuple[str, str]] = []
    letters = "bdgkmnprst"
    for first in letters:
        merges.append(("Ġ", first))
        merges.extend(("Ġ" + first, vowel) for vowel in "aeiouy")
    for left, right in merges:
        vocab[left + right] = len(vocab)
    tokenizer = WhisperTokenizer(vocab=vocab, merges=merges)
    tokenizer.add_special_tokens({"extra_special_tokens": special_tokens()})
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in timestamp_tokens()])
    tokenizer.set_prefix_tokens()
    hf = tiny_hf(tokenizer, seconds=2, d_model=16, blocks=1, heads=2, max_tokens=8, seed=0)
    return Whisper(hf, tokenizer, id="planted", weights_hash="0")


def test_the_means_are_those_of_a_slow_count(demo: Whisper, labels: Lexicon) -> None:
    found = sounds_alike(demo, pronounce=labels, k=3).contrast("phones")
    space, *_ = token_spaces(demo, token_texts(demo))
    words = {
        word: token
        for word, token in whole_words(token_texts(demo)).items()
        if labels.entries.get(word) and space.is_trained[token]
    }
    vectors = space.vectors
    vectors = torch.nn.functional.normalize(vectors[list(words.values())]).double().numpy()
    names = list(words)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    means = []
    for row, word in enumerate(names):
        nearest = [names[at] for at in np.argsort(-cosines[row])[:3]]
        means.append(np.mean([phone_distance(labels.entries[word][0], labels.entries[near][0]) for near in nearest]))
    assert found.n_words == len(names) and found.nearest.value == pytest.approx(np.mean(means), abs=1e-4)
    assert found.by_rank[0].value <= found.by_rank[-1].value + 0.05 and len(found.by_rank) == 3


def test_words_of_unknown_pronunciation_are_left_out_and_counted(demo: Whisper, result: SoundsAlike) -> None:
    is_trained = token_spaces(demo, token_texts(demo))[0].is_trained
    words = [token for token in whole_words(token_texts(demo)).values() if is_trained[token]]
    assert result.n_words + result.n_unknown == len(words) < len(whole_words(token_texts(demo)))


def test_without_pronunciations_spelling_alone_is_compared(demo: Whisper) -> None:
    spelt = sounds_alike(demo, k=3)
    assert {each.measure for each in spelt.contrasts} == {"spelling"} and spelt.n_unknown == 0
    with pytest.raises(InputError, match="was not measured. Measured: spelling of all pairs"):
        spelt.contrast("phones")


def test_vectors_of_meaning_add_a_measure(demo: Whisper, labels: Lexicon) -> None:
    rng = np.random.default_rng(0)
    vectors = WordVectors("noise", {word: rng.normal(size=5).astype(np.float32) for word in labels.entries})
    contrast = sounds_alike(demo, pronounce=labels, meanings=vectors, k=3).contrast("meaning")
    assert contrast.near is None and abs(contrast.more_alike.value) < 0.1


def test_counts_of_a_text_decide_which_words_are_as_frequent(demo: Whisper, labels: Lexicon) -> None:
    counts = dict.fromkeys(list(labels.entries)[:100], 1)
    counted = sounds_alike(demo, pronounce=labels, counts=counts, k=3)
    assert counted.n_words <= 100 and counted.frequencies == "counts"


def test_the_same_seed_gives_the_same_result(demo: Whisper, labels: Lexicon, result: SoundsAlike) -> None:
    assert sounds_alike(demo, pronounce=labels, k=5).to_json() == result.to_json()
    assert sounds_alike(demo, pronounce=labels, k=5, seed=1).to_json() != result.to_json()


def pairs_of(words: Sequence[str], *, without_kin: bool, draws: int = 20) -> tuple[Pairs, Bins]:
    rng = np.random.default_rng(0)
    found = np.stack(
        [rng.permutation([other for other in range(len(words)) if other != row]) for row in range(len(words))]
    )
    bins = Bins.of(len(words))
    return Pairs.of(words, found, bins, 4, draws, rng, without_kin=without_kin), bins


WORDS = ["".join(rng) for rng in np.random.default_rng(1).choice(list(string.ascii_lowercase[:3]), (200, 5))]


def test_random_words_are_as_frequent_as_the_nearest_and_never_the_word_itself() -> None:
    pairs, bins = pairs_of(WORDS, without_kin=False)
    assert bins.n == 4 and (np.bincount(bins.bin_of) == 50).all()
    drawn = pairs.random >= 0
    assert drawn.mean() > 0.99
    wanted = np.broadcast_to(bins.bin_of[pairs.nearest][:, :, None], drawn.shape)
    assert np.array_equal(bins.bin_of[pairs.random[drawn]], wanted[drawn])
    assert (pairs.random != np.arange(len(WORDS))[:, None, None]).all()
    assert (pairs.nearest != np.arange(len(WORDS))[:, None]).all()


def test_unrelated_pairs_hold_no_forms_of_one_word() -> None:
    pairs, _ = pairs_of(WORDS, without_kin=True)
    for row, others in enumerate(pairs.random.reshape(len(WORDS), -1)):
        for other in {*others, *pairs.nearest[row]} - {-1}:
            assert not are_kin(WORDS[row], WORDS[other])


def test_of_several_pronunciations_the_nearest_count() -> None:
    read, red = (("ɹ", "i", "d"), ("ɹ", "ɛ", "d")), (("ɹ", "ɛ", "d"),)
    compared = WordList(("read", "red", "zzz"), (read, red, ()))
    found = compared.sound(np.array([0, 1, 0]), np.array([1, 0, 2]))
    assert found[:2].tolist() == [0, 0] and np.isnan(found[2])


def test_spelling_distance_is_edits_for_each_letter_of_the_longer() -> None:
    compared = WordList.of(("rug", "mug", "rugby"), None)
    assert compared.spelling(np.array([0, 0]), np.array([1, 2])) == pytest.approx([1 / 3, 2 / 5])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 0}, "k is 0"),
        ({"draws": 0}, "draws is 0"),
        ({"close": 2}, "close is 2"),
        ({"counts": {"nosuchword": 1}}, "0 words are left to compare"),
    ],
)
def test_bad_settings_are_named(demo: Whisper, settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sounds_alike(demo, **settings)


def test_the_result_can_be_drawn(result: SoundsAlike, tmp_path: Path) -> None:
    assert result.to_json()["pronunciations"] == "the labels of demo" and result.plot(tmp_path / "it.png").is_file()


def test_vectors_are_read_with_or_without_a_first_line_of_sizes(tmp_path: Path) -> None:
    for head in ("", "2 3\n"):
        (tmp_path / "v.txt").write_text(head + "Rug 1 0 0\nmug 0.5 -1e-3 2\n")
        found = read_word_vectors(tmp_path / "v.txt")
        assert found.vectors["mug"].tolist() == pytest.approx([0.5, -0.001, 2]) and len(found.vectors) == 2
    assert list(read_word_vectors(tmp_path / "v.txt", words={"rug"}).vectors) == ["rug"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rug 1 2\nmug 1\n", "v.txt, line 2 has 1 numbers, not 2"),
        ("rug 1 x\n", "line 1 has something other than numbers"),
        ("rug 1 nan\n", "line 1 has a number that is not finite"),
        ("", "hold none of the words"),
        (b"\xff\xfe\x00", "no UTF-8 text"),
    ],
)
def test_vectors_with_bad_lines_are_bad_input(tmp_path: Path, text: str | bytes, message: str) -> None:
    (tmp_path / "v.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        read_word_vectors(tmp_path / "v.txt")


def test_the_words_of_a_text_are_counted(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("The rug, the Rug: don’t 42\n")
    assert read_word_counts(tmp_path / "t.txt") == {"the": 2, "rug": 2, "don't": 1}
    (tmp_path / "t.txt").write_text("42")
    with pytest.raises(InputError, match="holds no word"):
        read_word_counts(tmp_path / "t.txt")
