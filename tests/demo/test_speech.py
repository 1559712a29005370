"""Speaking and placing: labels on the clock of the sound, held-out sentences held out, rough surroundings audible."""

import random

import numpy as np
import pytest

pytest.importorskip("espeakng_loader", reason="the recipe speaks with eSpeak NG (the `speech` extra)")

from otoscope.audio.clip import Span
from otoscope.base.errors import InputError
from otoscope.demo import augment
from otoscope.demo.espeak import Espeak, Prosody, fresh
from otoscope.demo.phones import arpabet
from otoscope.demo.speech import Passage, SpokenPiece, draw_sentence, held_out_sentences, is_held_out, lay_out
from otoscope.demo.voices import (
    HELD_OUT_ACCENTS,
    HELD_OUT_VARIANTS,
    TRAINING_ACCENTS,
    TRAINING_VARIANTS,
    foreign_voice,
    training_voice,
    unheard_voice,
)


@pytest.fixture(scope="module")
def espeak() -> Espeak:
    return Espeak()


def test_words_and_phones_cover_the_sound_in_order(espeak: Espeak) -> None:
    spoken = espeak.say("The cat sat on the rug.", "gmw/en-US+f2", Prosody())
    assert [word.text for word in spoken.words] == ["The", "cat", "sat", "on", "the", "rug"]
    assert [arpabet(phone.text) for phone in spoken.phones[:5]] == ["DH", "AH", "K", "AE", "T"]
    ends = [phone.end_s for phone in spoken.phones]
    assert ends == sorted(ends) and ends[-1] <= len(spoken.samples) / spoken.rate_hz
    assert np.abs(spoken.samples).max() > 0.1


def test_every_voice_can_be_spoken_with(espeak: Espeak) -> None:
    for accent in (*TRAINING_ACCENTS, *HELD_OUT_ACCENTS):
        assert len(espeak.say("yes", accent, Prosody()).samples) > 1_000
    assert espeak.variants >= {*TRAINING_VARIANTS, *HELD_OUT_VARIANTS}


def test_unknown_voices_are_refused(espeak: Espeak) -> None:
    with pytest.raises(InputError, match="no voice variant 'nobody'"):
        espeak.say("yes", "gmw/en-US+nobody", Prosody())
    with pytest.raises(InputError, match="no voice 'xx/nowhere'"):
        espeak.say("yes", "xx/nowhere", Prosody())


def test_fresh_speech_is_repeatable() -> None:
    request = ("good morning", "gmw/en+m3", Prosody())
    first, _, again = fresh([request, ("thank you", "gmw/en-US+f2", Prosody()), request])
    assert np.array_equal(first.samples, again.samples)
    assert first.phones == again.phones


def test_voices_for_tests_are_never_training_voices() -> None:
    assert not set(TRAINING_VARIANTS) & set(HELD_OUT_VARIANTS)
    assert not set(TRAINING_ACCENTS) & set(HELD_OUT_ACCENTS)
    rng = random.Random(0)
    heard = {training_voice(rng) for _ in range(500)}
    assert not heard & {unheard_voice(rng) for _ in range(300)}
    assert not heard & {foreign_voice(rng) for _ in range(300)}


def test_held_out_sentences_are_not_drawn_for_training() -> None:
    rng = random.Random(0)
    assert not any(is_held_out(draw_sentence(rng)) for _ in range(200))
    held_out = held_out_sentences(rng, 50)
    assert all(is_held_out(text) for text in held_out)
    assert len(set(held_out)) == 50


def tone(seconds: float, text: str) -> SpokenPiece:
    samples = 0.3 * np.sin(np.arange(int(16_000 * seconds)) * 0.3).astype(np.float32)
    middle = seconds / 2
    return SpokenPiece(text, samples, (Span(0.0, middle, "one"), Span(middle, seconds, "two")), ())


def test_segments_lie_where_the_sound_is() -> None:
    passage = Passage("voice", (tone(1.0, "first"), tone(1.5, "second")))
    placed = lay_out(passage, 6.0, np.random.default_rng(0), hide=0.0, rough=False, overfull=False)
    assert [segment.text for segment in placed.segments] == ["first", "second"]
    is_loud = np.abs(placed.samples) > 1e-3
    for segment in placed.segments:
        start, end = int(segment.start_s * 16_000), int(segment.end_s * 16_000)
        assert is_loud[start + 2 : end - 2].mean() > 0.9
        is_loud[start : end + 1] = False
    assert not is_loud.any()


def test_a_piece_that_does_not_fit_is_dropped_or_cut_at_the_end() -> None:
    passage = Passage("voice", (tone(1.0, "first"), tone(3.0, "second")))
    dropped = lay_out(passage, 3.0, np.random.default_rng(1), hide=0.0, rough=False, overfull=False)
    assert [segment.text for segment in dropped.segments] == ["first"] and dropped.cut_at_s is None
    cut = lay_out(passage, 3.0, np.random.default_rng(1), hide=0.0, rough=False, overfull=True)
    assert [segment.text for segment in cut.segments] == ["first"]
    assert cut.cut_at_s is not None and np.abs(cut.samples[int(cut.cut_at_s * 16_000) + 100 :]).max() > 0.1


def test_hidden_words_are_inaudible_but_never_digital_silence() -> None:
    for seed in range(10):
        samples = tone(2.0, "x").samples.copy()
        clean = samples.copy()
        augment.hide_words(samples, [Span(0.0, 1.0, "one"), Span(1.0, 2.0, "two")], np.random.default_rng(seed))
        changed = samples != clean
        assert changed.mean() > 0.4
        correlation = np.corrcoef(samples[changed], clean[changed])[0, 1]
        assert abs(correlation) < 0.5
        assert np.abs(samples[changed]).max() > 0


def test_surroundings_keep_speech_audible_and_within_range() -> None:
    clean = tone(2.0, "x").samples
    for seed in range(20):
        rough = augment.surroundings(clean.copy(), np.random.default_rng(seed))
        assert rough.dtype == np.float32 and rough.shape == clean.shape
        assert 0 < np.abs(rough).max() < 1.0
        assert np.isfinite(rough).all()
