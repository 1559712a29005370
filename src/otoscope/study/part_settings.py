"""Settings of the parts of a whole study, one class for each table of study.toml. Numbers and names alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.settings import Language, Seed, Setting, Settings
from otoscope.sae.coder_settings import CoderName, Expansion, K

NClips = Annotated[int, Setting("Clips to take, from all speakers in turn; fewer where the corpus has fewer.", least=1)]


@dataclass(frozen=True)
class General(Settings):
    """What holds for all parts."""

    seed: Seed = 0
    language: Language = None
    without: Annotated[tuple[str, ...], Setting("Parts to leave out.")] = ()


@dataclass(frozen=True)
class Clips(Settings):
    """A part that has no setting but its clips."""

    clips: NClips


@dataclass(frozen=True)
class RelevancePart(Settings):
    """How much of the relevance comes from near."""

    clips: NClips = 32
    within_frames: Annotated[int, Setting("Frames of 20 ms on either side that count as near.", least=1)] = 25


@dataclass(frozen=True)
class WindowPart(Settings):
    """Transcripts under attention windows."""

    clips: NClips = 32
    ks: Annotated[tuple[int, ...], Setting("Frames on either side that a frame may attend to.", least=1)] = (
        *(100, 75, 50, 20, 10, 5, 2),
    )
    head_clips: Annotated[
        int, Setting("Clips over which each encoder head is limited by itself; 0 for none.", least=0)
    ] = 12
    heads: Annotated[int, Setting("How many heads are tried, drawn where the model has more.", least=1)] = 96


@dataclass(frozen=True)
class DictionariesPart(Settings):
    """A sparse dictionary of every block."""

    sites: Annotated[tuple[str, ...], Setting("Where; a pattern names several sites.")] = ("encoder.blocks.*",)
    coder: CoderName = "topk"
    expansion: Expansion = 8.0
    k: K = 32
    frames: Annotated[
        int | None,
        Setting("Frames to learn from in all, but at most ten passes over the corpus; 2 million by default.", least=1),
    ] = None


@dataclass(frozen=True)
class HarvestPart(Settings):
    """What drives every feature."""

    sites: Annotated[tuple[str, ...], Setting("Where; a pattern names several sites.")] = (
        *("encoder.blocks.*.mlp.1", "encoder.blocks.*"),
    )
    bases: Annotated[
        tuple[str, ...], Setting("The directions to read them in; `sae` stands for the study's own dictionaries.")
    ] = ("neuron", "random", "untrained", "sae")
    hours: Annotated[
        float | None,
        Setting("Hours to listen to, in whole clips of all speakers in turn; the whole corpus by default.", above=0),
    ] = 10.0
    top: Annotated[int, Setting("Examples of each feature and sign.", least=1)] = 20
    samples: Annotated[int, Setting("Peaks drawn from every range of strength.", least=0)] = 10
    ranges: Annotated[int, Setting("Ranges of equal width.", least=1)] = 10


@dataclass(frozen=True)
class PhonesPart(Settings):
    """Which phone each feature detects."""

    auroc: Annotated[float, Setting("The AUROC from which on a feature detects a phone.", above=0, most=1)] = 0.9
    purity: Annotated[float, Setting("Share of the top examples that must fall in it.", above=0, most=1)] = 0.8
    label_agreement: Annotated[
        float | None, Setting("Share of the phone labels that are right, where it is known.", above=0, most=1)
    ] = None


@dataclass(frozen=True)
class ExamplesPart(Settings):
    """Which examples the pages show and play."""

    top: Annotated[int, Setting("Of the strongest, for each feature and sign.", least=1)] = 20
    samples: Annotated[int, Setting("From each range of strength.", least=0)] = 2


@dataclass(frozen=True)
class ScoresPart(Settings):
    """How good the dictionaries are."""

    clips: NClips = 64
    baseline_frames: Annotated[
        int, Setting("Frames to train the baseline with a random decoder on; 0 for none.", least=0)
    ] = 400_000


@dataclass(frozen=True)
class BigramsPart(Settings):
    """What the decoder says next with no sound."""

    prompts: Annotated[
        tuple[str, ...], Setting("After which words; frequent words of the corpus's transcripts by default.")
    ] = ()
    sounds: Annotated[tuple[str, ...], Setting("The sound given to the decoder in place of speech.")] = (
        "padding",
        "noise",
    )
    level_dbfs: Annotated[float, Setting("How loud noise is.")] = -20.0


@dataclass(frozen=True)
class NeighboursPart(Settings):
    """Which tokens lie nearest."""

    words: Annotated[
        tuple[str, ...], Setting("Of which words; frequent words of the corpus's transcripts by default.")
    ] = ()
    k: Annotated[int, Setting("How many for each.", least=1)] = 20


@dataclass(frozen=True)
class ListeningPart(Settings):
    """Recordings to listen to in every way, on a page each."""

    clips: NClips = 4
    ks: Annotated[tuple[int, ...], Setting("The attention windows of the slider.", least=1)] = (
        *(250, 150, 100, 75, 50, 35, 20, 10, 5, 2),
    )
