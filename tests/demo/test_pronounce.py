from __future__ import annotations

import pytest

from otoscope.base.errors import InputError
from otoscope.corpus.phones.distance import phone_distance
from otoscope.demo import pronounce
from otoscope.demo.pronounce import EspeakPronouncer

needs_espeak = pytest.mark.skipif(not pronounce.is_installed(), reason="needs the speech extra")


@needs_espeak
def test_words_come_out_in_the_ipa_in_the_order_asked() -> None:
    rug, tea, mug, again = (said[0] for said in EspeakPronouncer()(["rug", "tea", "mug", "rug"]))
    assert rug == again and rug[-1] == mug[-1] == "ɡ"
    assert phone_distance(rug, mug) < phone_distance(rug, tea)


@needs_espeak
def test_other_letters_than_latin_have_no_pronunciation() -> None:
    assert EspeakPronouncer()(["пло", "中", "42"]) == [(), (), ()]


@needs_espeak
def test_a_voice_that_is_not_there_is_bad_input() -> None:
    with pytest.raises(InputError, match="eSpeak has no voice 'gmw/nowhere'"):
        EspeakPronouncer("gmw/nowhere")(["rug"])


def test_without_espeak_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pronounce, "is_installed", lambda: False)
    with pytest.raises(InputError, match="not installed: pip install"):
        EspeakPronouncer()(["rug"])
