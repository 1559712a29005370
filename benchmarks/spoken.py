"""A corpus to harvest: full windows of speech as FLAC files, with their phones and speakers.

Made from the demo clips in the package. Each recording is one voice: its clips joined in a random order, each at a
random pace so that no sound occurs twice, until a window is full. Nearly all frames are speech with a phone, as in read
speech, because noise would count as silence and cost a harvest almost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from otoscope.audio.clip import Clip, Span, read_clip
from otoscope.base.clocks import SAMPLE_RATE_HZ
from otoscope.corpus import Corpus
from otoscope.corpus.alignment import Alignment
from otoscope.corpus.demo_clips import read_index
from otoscope.corpus.source import Source

PHONE_SET = "arpabet"
PACES = (0.9, 1.1)
PAUSE_S = 0.1
"""Silence left between two clips, which begin and end with longer ones; so 97 frames in 100 are speech."""


@dataclass(frozen=True)
class Recording:
    """One window of speech on disk."""

    path: Path  # the FLAC file
    speaker: str  # the voice
    phones: tuple[Span, ...]  # the phones with their times

    def read(self) -> Clip:
        """Read the sound, with its labels."""
        return read_clip(self.path, phones=self.phones, speaker=self.speaker, language="en")

    def labels(self) -> Alignment:
        """Give the phones."""
        return Alignment(None, self.phones, self.path)

    def source(self) -> Source:
        """Give the recording as a source of a corpus."""
        return Source(self.path.stem, self.read, self.speaker, "en", labels=self.labels)


def record(folder: Path, n_windows: int, window_s: float) -> list[Recording]:
    """Write windows of speech into a folder.

    Args:
        folder: The folder to write to.
        n_windows: How many; recording i is the same for any number.
        window_s: Length of each in seconds.

    Returns:
        The recordings, with the voices in turn.
    """
    index = read_index()
    speakers = list(dict.fromkeys(clip.labels["voice"] for clip in index))[:n_windows]
    voices = {speaker: [clip.read() for clip in index if clip.labels["voice"] == speaker] for speaker in speakers}
    return [_record(folder / f"{number:04}.flac", number, voices, window_s) for number in range(n_windows)]


def corpus_of(recordings: Sequence[Recording]) -> Corpus:
    """The recordings as a corpus."""
    return Corpus("spoken", [recording.source() for recording in recordings], asked_phone_set=PHONE_SET)


def _record(path: Path, number: int, voices: Mapping[str, Sequence[Clip]], window_s: float) -> Recording:
    speaker = list(voices)[number % len(voices)]
    rng = np.random.default_rng(number)
    n_samples = round(window_s * SAMPLE_RATE_HZ)
    pieces: list[np.ndarray] = []
    phones: list[Span] = []
    n_done = 0
    while n_done < n_samples:
        for index in rng.permutation(len(voices[speaker])):
            samples, spans = _at_a_pace(voices[speaker][index], float(rng.uniform(*PACES)))
            start_s = n_done / SAMPLE_RATE_HZ
            phones += [Span(start_s + span.start_s, start_s + span.end_s, span.text) for span in spans]
            pieces.append(samples)
            n_done += len(samples)
    soundfile.write(path, np.concatenate(pieces)[:n_samples], SAMPLE_RATE_HZ, subtype="PCM_16")
    inside = (Span(span.start_s, min(span.end_s, window_s), span.text) for span in phones if span.start_s < window_s)
    return Recording(path, speaker, tuple(inside))


def _at_a_pace(clip: Clip, pace: float) -> tuple[np.ndarray, list[Span]]:
    """Cut off a clip's silent ends, and make it faster or slower."""
    assert clip.phones is not None, "all demo clips have phones"
    start = max(0, round((clip.phones[0].start_s - PAUSE_S / 2) * SAMPLE_RATE_HZ))
    stop = round((clip.phones[-1].end_s + PAUSE_S / 2) * SAMPLE_RATE_HZ)
    samples = soxr.resample(clip.samples[start:stop], SAMPLE_RATE_HZ * pace, SAMPLE_RATE_HZ)
    start_s = start / SAMPLE_RATE_HZ
    spans = [Span((span.start_s - start_s) / pace, (span.end_s - start_s) / pace, span.text) for span in clip.phones]
    return samples, spans
