from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor
from transformers.audio_utils import mel_filter_bank

from otoscope.audio.mel import log_mel, mel_filters
from otoscope.base.errors import InputError
from tests.audio.sounds import noise, silence, syllables, tone


def padded(samples: np.ndarray, seconds: int) -> np.ndarray:
    window = silence(seconds)
    n = min(len(samples), len(window))
    window[:n] = samples[:n]
    return window


def sounds(seconds: int) -> dict[str, np.ndarray]:
    last = silence(seconds)
    last[-1] = 0.5
    return {
        "speech-like": syllables(8),
        "silence": silence(1),
        "noise to the end": noise(seconds),
        "loud": 1000 * syllables(8),
        "faint": 1e-4 * syllables(8),
        "one sample": np.full(1, 0.5, dtype=np.float32),
        "the last sample": last,
        "nearly to the end": noise(seconds)[:-300],
        "an odd length": noise(2.7)[:-77],
    }


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("seconds", [10, 30])
def test_the_numbers_are_those_of_the_feature_extractor(n_mels: int, seconds: int) -> None:
    extractor = WhisperFeatureExtractor(feature_size=n_mels, chunk_length=seconds)
    windows = np.stack([padded(sound, seconds) for sound in sounds(seconds).values()])
    batched = log_mel(torch.from_numpy(windows), n_mels)
    assert batched.shape == (len(windows), n_mels, seconds * 100)
    for window, together in zip(windows, batched, strict=True):
        theirs = extractor(window, sampling_rate=16_000, return_tensors="np")["input_features"][0]
        alone = log_mel(torch.from_numpy(window), n_mels)
        assert np.abs(alone.numpy() - theirs).max() < 1e-5
        assert np.abs(together.numpy() - theirs).max() < 1e-5


def test_many_windows_are_each_measured_against_their_own_loudest_point() -> None:
    windows = torch.from_numpy(np.stack([padded(level * tone(2.0), 4) for level in np.geomspace(1e-3, 1e3, 19)]))
    together = log_mel(windows.reshape(1, 19, -1), 80)
    assert together.shape == (1, 19, 80, 400)
    for window, mel in zip(windows, together[0], strict=True):
        assert torch.equal(log_mel(window, 80), mel) or (log_mel(window, 80) - mel).abs().max() < 1e-6


@pytest.mark.parametrize("n_mels", [80, 128])
def test_the_filters_are_slaney_s(n_mels: int) -> None:
    theirs = mel_filter_bank(201, n_mels, 0.0, 8000.0, 16_000, norm="slaney", mel_scale="slaney")
    assert np.abs(mel_filters(n_mels).numpy() - theirs.T).max() < 1e-7


def test_a_gradient_reaches_the_samples() -> None:
    samples = torch.from_numpy(padded(noise(0.5), 1)).requires_grad_()
    log_mel(samples, 80).sum().backward()
    assert samples.grad is not None and samples.grad[:8000].abs().sum() > 0
    assert samples.grad.isfinite().all()


def test_a_window_too_short_for_a_spectrum_is_refused() -> None:
    with pytest.raises(InputError, match="a window of 399 samples has no spectrum: it takes at least 400"):
        log_mel(torch.zeros(399), 80)
    with pytest.raises(InputError, match="n_mels is 0: Whisper takes 80 or 128"):
        log_mel(torch.zeros(16_000), 0)
