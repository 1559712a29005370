from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.audio.mel import log_mel, mel_filters
from otoscope.audio.mel_inversion import invert_log_mel, spectrum_power
from otoscope.base.errors import InputError
from otoscope.corpus import open_corpus
from tests.audio.sounds import RATE_HZ, noise, tone


def mel_of(samples: np.ndarray, n_mels: int = 80) -> np.ndarray:
    return log_mel(torch.as_tensor(samples), n_mels).numpy()


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def loudest_hz(samples: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    return float(np.fft.rfftfreq(len(samples), 1 / RATE_HZ)[power.argmax()])


@pytest.mark.parametrize("n_mels", [80, 128])
def test_speech_comes_back_with_its_log_mel(n_mels: int) -> None:
    for clip in open_corpus("demo").first(2):
        samples = clip.samples[: len(clip.samples) // 160 * 160]
        mel = mel_of(samples, n_mels)
        sound = invert_log_mel(mel)
        assert sound.dtype == np.float32 and sound.shape == samples.shape
        assert correlation(mel_of(sound, n_mels), mel) > 0.9
        assert not np.allclose(sound, samples, atol=1e-3)  # the phases are gone


@pytest.mark.parametrize("frequency_hz", [200.0, 440.0, 1000.0, 2500.0, 6000.0])
def test_a_tone_comes_back_at_its_pitch(frequency_hz: float) -> None:
    found = loudest_hz(invert_log_mel(mel_of(tone(0.5, frequency_hz))))
    filters = mel_filters(80).numpy()
    hz = np.linspace(0, RATE_HZ / 2, filters.shape[1])
    band = filters[filters[:, np.abs(hz - frequency_hz).argmin()].argmax()] > 0
    width_hz = hz[band].max() - hz[band].min() + 40
    assert abs(found - frequency_hz) <= width_hz / 2 + 40  # as near as a mel band can tell


def test_a_sweep_comes_back_rising() -> None:
    time_s = np.arange(RATE_HZ) / RATE_HZ
    sweep = (0.3 * np.sin(2 * np.pi * (300 * time_s + 1350 * time_s**2))).astype(np.float32)  # 300 Hz to 3 kHz
    sound = invert_log_mel(mel_of(sweep))
    for at_s in (0.2, 0.4, 0.6, 0.8):
        piece = slice(round((at_s - 0.05) * RATE_HZ), round((at_s + 0.05) * RATE_HZ))
        assert loudest_hz(sound[piece]) == pytest.approx(300 + 2700 * at_s, abs=160)


def test_a_sound_comes_back_as_loud_as_it_was() -> None:
    for level in (0.003, 0.1):
        samples = noise(0.5, level)
        sound = invert_log_mel(mel_of(samples))
        assert np.sqrt((sound**2).mean()) == pytest.approx(np.sqrt((samples**2).mean()), rel=0.1)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_the_powers_are_nowhere_negative_and_add_up_to_the_bands(n_mels: int) -> None:
    filters = mel_filters(n_mels).double()
    truth = torch.rand(201, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) ** 4
    power = spectrum_power(filters @ truth)
    assert power.min() >= 0
    heard = filters.sum(dim=1) > 0
    off_db = 10 * ((filters @ power)[heard] / (filters @ truth)[heard]).log10().abs()
    assert off_db.quantile(0.95) < 0.2 and off_db.max() < 6  # few bands share their bins with another in odd ratios


def test_the_same_seed_gives_the_same_sound_and_another_seed_another() -> None:
    mel = mel_of(noise(0.2))
    assert np.array_equal(invert_log_mel(mel, seed=1), invert_log_mel(mel, seed=1))
    assert not np.allclose(invert_log_mel(mel, seed=1), invert_log_mel(mel, seed=2))


def test_values_that_no_sound_has_are_clipped() -> None:
    sound = invert_log_mel(np.full((80, 10), 50.0))
    assert np.isfinite(sound).all()
    assert np.abs(invert_log_mel(np.full((80, 10), -50.0))).max() < 1e-3


@pytest.mark.parametrize(
    ("mel", "settings", "message"),
    [
        (np.zeros((80, 1)), {}, "makes no sound"),
        (np.zeros(80), {}, "makes no sound"),
        (np.full((80, 9), np.nan), {}, "not finite numbers"),
        (np.zeros((80, 9)), {"iterations": 0}, "give 1 or more"),
    ],
)
def test_what_cannot_be_inverted_is_refused(mel: np.ndarray, settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        invert_log_mel(mel, **settings)
