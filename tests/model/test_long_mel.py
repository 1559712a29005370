from __future__ import annotations

import pytest
import torch

from otoscope.audio.mel import log_mel
from otoscope.base.errors import InputError
from otoscope.model import long_mel


@pytest.mark.parametrize("n_samples", [1, 159, 160, 7777, 16_000, 16_001])
def test_pieces_equal_the_whole(n_samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_mel, "PIECE_SAMPLES", 16_000)
    samples = torch.randn(5 * 16_000 + n_samples)
    samples[:20_000] *= 1e-6  # the floor of this piece, alone, would be lower than that of the whole
    whole = log_mel(samples, 80)
    assert long_mel.long_log_mel(samples, 80).shape == whole.shape
    torch.testing.assert_close(long_mel.long_log_mel(samples, 80), whole, atol=1e-5, rtol=0)


def test_a_recording_of_silence_has_a_mel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_mel, "PIECE_SAMPLES", 1600)
    samples = torch.zeros(9_999)
    torch.testing.assert_close(long_mel.long_log_mel(samples, 80), log_mel(samples, 80))


def test_too_short_a_recording_is_refused() -> None:
    with pytest.raises(InputError, match="25 ms"):
        long_mel.long_log_mel(torch.zeros(100), 80)
