from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import soundfile

from otoscope.audio.clip import Clip, Span
from otoscope.audio.player import MOST_S, player, waveform
from tests.base.test_html import HOSTILE, read


def heard(markup: str) -> np.ndarray:
    """Decode what a player plays."""
    found = re.search(r"data:audio/\w+;base64,([^\"]+)", markup)
    assert found is not None
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(found[1])))
    assert rate == 16_000
    return samples


def drawn(markup: str) -> ElementTree.Element:
    found = re.search(r"data:image/svg\+xml;base64,([^\"]+)", markup)
    assert found is not None
    return ElementTree.fromstring(base64.b64decode(found[1]).decode("utf-8"))


def tone(seconds: float, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(np.arange(round(seconds * 16_000)) * 0.3)).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.0001, 1.0, 10.0])
def test_a_player_plays_the_sound(seconds: float) -> None:
    samples = tone(seconds)
    found = heard(player(samples, "a tone"))
    assert len(found) == len(samples)
    assert np.abs(found - samples).mean() < 0.05


def test_a_long_sound_is_cut_and_a_line_says_so() -> None:
    made = player(tone(MOST_S * 4), "a tone")
    assert len(heard(made)) == MOST_S * 16_000
    assert "The first 30 s of 120 s" in read(made).text
    assert len(made) < 400_000
    assert "first" not in read(player(tone(MOST_S), "a tone")).text


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30, 3.0])
def test_a_sound_beyond_full_scale_is_turned_down(bad: float) -> None:
    samples = tone(0.5)
    samples[5] = bad
    assert np.abs(heard(player(samples, "a tone"))).max() <= 1


def test_a_waveform_shows_each_word_that_has_room() -> None:
    words = (Span(0.2, 0.8, "left"), Span(1.2, 1.9, "right"), Span(1.2, 1.9, "covered"))
    texts = {each.text for each in drawn(waveform(tone(2), words)).iter() if each.tag.endswith("text")}
    assert {"left", "right"} <= texts and "covered" not in texts


@pytest.mark.parametrize("text", HOSTILE)
def test_words_in_a_waveform_are_data(text: str) -> None:
    made = waveform(tone(2), (Span(0.5, 1.5, text),))
    read(made)
    assert {each.tag.rpartition("}")[2] for each in drawn(made).iter()} == {"svg", "rect", "path", "text"}


@pytest.mark.parametrize("samples", [np.zeros(1, np.float32), np.zeros(16_000, np.float32), tone(1e-3)])
def test_silence_and_single_samples_are_drawn(samples: np.ndarray) -> None:
    assert drawn(waveform(samples)).tag.endswith("svg")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_clip_shows_its_transcript_as_data(text: str) -> None:
    clip = Clip(tone(1), text, transcript=text, words=(Span(0, 1, text),), speaker=text, label_problem=text)
    found = read(clip._repr_html_())
    assert found.tags.count("audio") == 1 and found.tags.count("img") == 1
    assert repr(clip).count("\n") < 10
