"""Does the log-mel equal the feature extractor's, and how fast is it?

Both turn samples into the log-mel of one padded window. A window full of sound is the worst case; with ten seconds of
sound, the common case, otoscope does not compute the padding.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor
from transformers import WhisperFeatureExtractor

from benchmarks.row import Row
from benchmarks.subject import Settings
from benchmarks.timing import Spread, take_turns
from otoscope.audio.mel import log_mel
from otoscope.audio.windows import cut
from otoscope.base.clocks import SAMPLE_RATE_HZ

LARGEST_DIFFERENCE = 1e-5
ROUNDS = 40
SOUND_SHARES = (1.0, 1 / 3)


def measure(settings: Settings) -> list[Row]:
    """Compare log-mels with the feature extractor's, in time and in value.

    Args:
        settings: The model's shape: window and mel bands.

    Returns:
        Time and largest difference, for a full window and for one that is mostly padding.
    """
    window_s = settings.shape.window_s
    extractor = WhisperFeatureExtractor(feature_size=settings.shape.n_mels, chunk_length=window_s)
    rows = []
    for share in SOUND_SHARES:
        samples = _sound(round(share * window_s * SAMPLE_RATE_HZ))
        ours = partial(_ours, samples, settings)
        theirs = partial(_theirs, samples, extractor)
        rounds = take_turns({"theirs": theirs, "ours": ours}, settings.rounds(ROUNDS))
        difference = float((ours() - theirs()).abs().max())
        name = f"log-mel of {share * window_s:.3g} s in a window of {window_s} s"
        against = f"{name}, against transformers' feature extractor"
        rows += [
            Row(against, result=rounds.ratio("ours", "theirs"), detail=rounds.compared("ours", "theirs")),
            Row(f"{name}: largest difference", "", Spread.of([difference]), LARGEST_DIFFERENCE),
        ]
    return rows


def _sound(n_samples: int) -> np.ndarray:
    """Draw noise, the same every time."""
    return (0.1 * np.random.default_rng(0).standard_normal(n_samples)).astype(np.float32)


def _ours(samples: np.ndarray, settings: Settings) -> Tensor:
    pieces = cut(samples, settings.shape.window_s * SAMPLE_RATE_HZ)
    return log_mel(torch.as_tensor(pieces), settings.shape.n_mels)


def _theirs(samples: np.ndarray, extractor: WhisperFeatureExtractor) -> Tensor:
    return extractor(samples, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt").input_features
