from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from otoscope.audio.clip import Clip, Span
from otoscope.base.errors import AudioError, InputError
from otoscope.corpus import Corpus, open_corpus
from otoscope.corpus.corpus import Source
from otoscope.corpus.lexicon import Lexicon, lexicon_of, read_lexicon

CMU = """;;; a comment
RUG  R AH1 G
READ  R EH1 D
READ(2)  R IY1 D
READ(3)  R IY1 D
DON'T  D OW1 N T # a verb

UK  Y UW2 K EY1
"""


def lexicon(tmp_path: Path, text: str, **settings: str) -> Lexicon:
    path = tmp_path / "words.dict"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_lexicon(path, **settings)


def test_words_are_read_in_any_case_and_come_out_in_the_ipa(tmp_path: Path) -> None:
    found = lexicon(tmp_path, CMU)
    assert found(["rug", "Rug", "uk"]) == [(("ɹ", "ʌ", "ɡ"),)] * 2 + [(("j", "u", "k", "eɪ"),)]
    assert found.name == "words.dict"


def test_variants_are_pronunciations_of_one_word_each_once(tmp_path: Path) -> None:
    assert lexicon(tmp_path, CMU)(["read"]) == [(("ɹ", "ɛ", "d"), ("ɹ", "i", "d"))]


def test_comments_are_no_phones_and_apostrophes_are_alike(tmp_path: Path) -> None:
    assert lexicon(tmp_path, CMU)(["don’t"]) == [(("d", "oʊ", "n", "t"),)]


def test_a_word_that_is_not_there_has_no_pronunciation(tmp_path: Path) -> None:
    assert lexicon(tmp_path, CMU)(["mug"]) == [()]


def test_probabilities_between_a_word_and_its_phones_are_passed_over(tmp_path: Path) -> None:
    assert lexicon(tmp_path, "rug\t0.99\t0.12\t1.0e-3\tɹ ʌ ɡ\n")(["rug"]) == [(("ɹ", "ʌ", "ɡ"),)]


def test_the_older_encoding_of_cmudict_is_read(tmp_path: Path) -> None:
    found = lexicon(tmp_path, "RUG  R AH1 G\nDÉJÀ  D EY2 ZH AA1\n".encode("latin-1"))  # type: ignore[arg-type]
    assert found(["déjà"]) == [(("d", "eɪ", "ʒ", "ɑ"),)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RUG  R AH1 G\nMUG\n", r"words.dict, line 2: 'MUG' has no phones. Expected a word and its phones"),
        (
            "RUG  R AH1 G\nMUG  M AH1 XX\n",
            r"line 2: 'XX' in the pronunciation of 'MUG' is not a phone of arpabet-stress",
        ),
        ("", "holds no word"),
        (";;; nothing\n", "holds no word"),
        ("RUG\0\0", "is not a text file"),
    ],
)
def test_bad_lines_are_named_with_file_line_and_what_was_expected(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        lexicon(tmp_path, text)


def test_a_phone_set_that_was_named_is_the_one_that_counts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a phone of ipa"):
        lexicon(tmp_path, "RUG  R AH1 G\n", phone_set="ipa")


def test_a_lexicon_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_lexicon(tmp_path / "none.dict")


def test_the_labels_of_a_corpus_give_the_commonest_pronunciation() -> None:
    def clip(name: str, vowel: str) -> Clip:
        phones = (Span(0, 0.1, "R"), Span(0.1, 0.2, vowel), Span(0.2, 0.3, "G"), Span(0.3, 0.4, "sil"))
        words = (Span(0.0, 0.3, "Rug."), Span(0.3, 0.4, "gap"))
        return Clip(samples=np.zeros(8000, np.float32), id=name, words=words, phones=phones)

    def broken() -> Clip:
        raise AudioError("no sound")

    clips = [clip("a", "AH"), clip("b", "AA"), clip("c", "AH")]
    sources = [Source(each.id, lambda each=each: each) for each in clips] + [Source("d", broken)]
    found = lexicon_of(Corpus("three", sources))
    assert found.entries == {"rug": (("ɹ", "ʌ", "ɡ"),)} and found.name == "the labels of three"


def test_the_labels_of_the_demo_clips_agree_on_what_rhymes() -> None:
    rug, mug = lexicon_of(open_corpus("demo"))(["rug", "mug"])
    assert rug[0][1:] == mug[0][1:] and rug[0][0] != mug[0][0]


def test_a_corpus_without_phones_is_bad_input() -> None:
    bare = Clip(samples=np.zeros(8000, np.float32), id="a")
    with pytest.raises(InputError, match="no clip of 'bare' has words and phones in time"):
        lexicon_of(Corpus("bare", [Source("a", lambda: bare)]))
