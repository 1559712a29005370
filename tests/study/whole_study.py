"""A small study for tests: settings of which every part takes a moment, and clips with every kind of label."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import soundfile

from otoscope.audio.clip import Clip, Span
from otoscope.corpus import Corpus
from otoscope.corpus.source import Source
from otoscope.study.part_settings import (
    Clips,
    DictionariesPart,
    ExamplesPart,
    HarvestPart,
    ListeningPart,
    RelevancePart,
    ScoresPart,
    WindowPart,
)
from otoscope.study.whole.settings import StudySettings
from tests.cli.conftest import RATE_HZ, noise

SMALL = StudySettings().put(
    transcripts=Clips(4),
    relevance=RelevancePart(2),
    locality=Clips(2),
    window=WindowPart(2, (5,)),
    splice=Clips(2),
    dictionaries=DictionariesPart(expansion=1.0, k=2, frames=512),
    harvest=HarvestPart(sites=("encoder.blocks.*",), bases=("neuron", "sae"), top=2, samples=2, ranges=2),
    examples=ExamplesPart(2, 1),
    scores=ScoresPart(2, 0),
    lens=Clips(2),
    words=Clips(1),
    listening=ListeningPart(1, (5,)),
)


def recordings(folder: Path, *seconds: float) -> Path:
    """A folder of recordings without any label."""
    folder.mkdir(parents=True)
    for number, length_s in enumerate(seconds):
        soundfile.write(folder / f"talk{number}.wav", noise(length_s, number), RATE_HZ, subtype="FLOAT")
    return folder


@dataclass(frozen=True)
class Read:
    """Reads a clip that is made up, and counts."""

    clip: Clip
    log: list[str]

    def __call__(self) -> Clip:
        self.log.append(self.clip.id)
        return self.clip


def labelled_clip(number: int, length_s: float = 1.6, speaker: str | None = None) -> Clip:
    """A clip with words and phones in time, a transcript, a speaker and a language."""
    words = ("the", "little", "dog", "sees")
    step_s = length_s * 0.6 / len(words)
    times = [length_s * 0.2 + step_s * n for n in range(len(words) + 1)]
    spans = tuple(Span(a, b, word) for a, b, word in zip(times, times[1:], words, strict=False))
    phones = tuple(Span(a, b, phone) for a, b, phone in zip(times, times[1:], ("DH", "IY", "D", "S"), strict=False))
    return Clip(
        noise(length_s, number), f"clip{number}", " ".join(words), spans, phones, speaker or f"voice{number % 2}", "en"
    )


def labelled_corpus(n_clips: int = 4, length_s: float = 1.6) -> Corpus:
    """Clips with every kind of label, of two speakers."""
    clips = [labelled_clip(number, length_s) for number in range(n_clips)]
    return Corpus(
        "labelled",
        [Source(clip.id, Read(clip, []), clip.speaker, clip.language, clip.duration_s) for clip in clips],
        asked_phone_set="arpabet",
    )
