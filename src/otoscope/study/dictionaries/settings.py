"""Settings of dictionaries: what to train, on how much, and how to score them. Neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from otoscope.base.errors import InputError
from otoscope.base.settings import Language, Seed, Setting, Settings
from otoscope.sae.coder_settings import (
    CODER_NAMES,
    WITH_K,
    WITH_WEIGHT,
    CoderName,
    CoderSettings,
    Expansion,
    IsDecoderFrozen,
    K,
    Precision,
    Sparsity,
)
from otoscope.sae.training_settings import MEDIAN_LENGTH, LearningRate, Normalise, TrainSettings

DEFAULT_FRAMES = 2_000_000
MOST_PASSES = 10
"""Unless told otherwise a training takes 2 million frames, or ten passes where those are fewer."""

LEAST_BATCH, MOST_BATCH, WANTED_STEPS = 64, 4096, 400
"""Unless told otherwise a batch has as many frames as give that many steps, within these bounds."""

NFeatures = Annotated[
    int | None,
    Setting("Features of each dictionary, in place of --expansion.", "N", least=1, option="--features"),
]
Replaced = Annotated[
    str,
    Setting(
        "Frames that reconstructions replace in transcription: of the kinds that were trained on, or others.",
        choices=("trained", "speech", "all"),
        option="--replace",
    ),
]
HasTranscripts = Annotated[
    bool, Setting("Transcribe with reconstructions in place: CE, WER and CER.", option="--transcripts")
]


@dataclass(frozen=True)
class CoderChoice(Settings):
    """What kind of dictionary to train at every site, whatever its width."""

    coder: CoderName = "batchtopk"
    expansion: Expansion = 8
    n_features: NFeatures = None
    k: K = 32
    sparsity: Sparsity = None
    precision: Precision = "float32"
    is_decoder_frozen: IsDecoderFrozen = False
    seed: Seed = 0

    def settings(self, d_in: int) -> CoderSettings:
        """Settle the coder of a site whose vectors have a length."""
        n_features = self.n_features or max(1, round(self.expansion * d_in))
        return CoderSettings(
            coder=self.coder,
            d_in=d_in,
            n_features=n_features,
            k=self.k if self.coder in WITH_K else min(self.k, n_features),
            sparsity=self.sparsity,
            precision=self.precision,
            is_decoder_frozen=self.is_decoder_frozen,
            seed=self.seed,
        )


@dataclass(frozen=True)
class TrainingAmount(Settings):
    """On how much to train, and in which steps."""

    kinds: Annotated[tuple[str, ...], Setting("Kinds of frame to train on; repeat it.", "speech|silence|padding")] = (
        "speech",
    )
    frames: Annotated[
        int | None,
        Setting("Frames to train on in all; 2 million by default, but at most 10 passes.", "N", least=1),
    ] = None
    batch_frames: Annotated[
        int | None,
        Setting(
            "Frames in a step; by default few enough for 400 steps, from 64 to 4096.", "N", least=1, option="--batch"
        ),
    ] = None
    learning_rate: LearningRate = None
    checkpoint_minutes: Annotated[float, Setting("Minutes between two checkpoints.", "M", least=0)] = 5

    def settled(self, n_pass: int, normalise: str = MEDIAN_LENGTH) -> TrainSettings:
        """Settle how to train on a source with so many frames in a pass."""
        n_frames = self.frames or default_frames(n_pass, self.batch_frames or 1)
        return TrainSettings(
            n_frames,
            self.batch_frames or fitting_batch(n_frames, n_pass),
            self.learning_rate,
            normalise=normalise,
            checkpoint_s=60 * self.checkpoint_minutes,
        )


@dataclass(frozen=True)
class TrainOptions(CoderChoice, TrainingAmount):
    """What to train at every site, and on how much."""

    normalise: Normalise = MEDIAN_LENGTH


@dataclass(frozen=True)
class SweepSettings(Settings):
    """Which dictionaries of one site to train, and what of them to score."""

    coders: Annotated[
        tuple[str, ...],
        Setting("Coders, with commas or repeated.", "CODER", choices=CODER_NAMES, option="--coder"),
    ] = ("batchtopk",)
    ks: Annotated[tuple[int, ...], Setting("Features active at a time.", "K", least=1, option="--k")] = (8, 16, 32, 64)
    sparsities: Annotated[
        tuple[float, ...],
        Setting("Weights of the sparsity term, for jumprelu, standard and tied.", "L", above=0, option="--sparsity"),
    ] = ()
    n_features: NFeatures = None
    expansion: Expansion = 8
    precision: Precision = "float32"
    seed: Seed = 0
    replaced: Replaced = "trained"
    has_transcripts: HasTranscripts = True
    language: Language = None

    def __post_init__(self) -> None:
        """Refuse coders that stand twice or have no sparsity."""
        super().__post_init__()
        if not self.coders or len(set(self.coders)) != len(self.coders):
            raise InputError(f"coders are {list(self.coders)}: name one or more, each once.")
        by_weight = [coder for coder in self.coders if coder in WITH_WEIGHT]
        if len(by_weight) < len(self.coders) and not self.ks:
            raise InputError("no k is given: give one or more, such as 8, 16, 32, 64.")
        if by_weight and not self.sparsities:
            raise InputError(
                f"the sparsity of {', '.join(by_weight)} is set by the weight of a term, and none is given: give some "
                "with --sparsity."
            )

    def points(self, d_in: int) -> dict[str, CoderSettings]:
        """Name the dictionaries of a site whose vectors have a length: `batchtopk-k32`, `standard-l0.5`."""
        points: dict[str, CoderSettings] = {}
        for coder in self.coders:
            alike = CoderChoice(coder, self.expansion, self.n_features, k=1, precision=self.precision, seed=self.seed)
            if coder in WITH_WEIGHT:
                choices = {f"{coder}-l{value:g}": replace(alike, sparsity=value) for value in self.sparsities}
            else:
                choices = {f"{coder}-k{k}": replace(alike, k=k) for k in self.ks}
            points |= {name: choice.settings(d_in) for name, choice in choices.items()}
        return points


@dataclass(frozen=True)
class SweepOptions(SweepSettings, TrainingAmount):
    """Which dictionaries to train, on how much, and what of them to score."""


@dataclass(frozen=True)
class ScoreSettings(Settings):
    """What of dictionaries to score, and how."""

    replaced: Replaced = "trained"
    has_transcripts: HasTranscripts = True
    has_phones: Annotated[bool, Setting("Look for features that detect one phone.", option="--phones")] = True
    baseline_frames: Annotated[
        int, Setting("Frames to train the random decoder's encoder on; 0 for no such baseline.", "N", least=0)
    ] = 400_000
    partner: Annotated[
        float,
        Setting("Cosine from which on features of two dictionaries are partners.", above=0, most=1, is_option=False),
    ] = 0.7
    language: Language = None
    force: Annotated[bool, Setting("Score a dictionary that was trained on another site or model.")] = False
    seed: Seed = 0


def default_frames(n_pass: int, batch_frames: int = 1) -> int:
    """How many frames a training takes unless it is told, of so many in a pass: a batch at least."""
    return max(batch_frames, min(DEFAULT_FRAMES, MOST_PASSES * n_pass))


def fitting_batch(n_frames: int, n_pass: int | None = None) -> int:
    """How many frames a batch takes unless it is told: few enough that a training has `WANTED_STEPS` steps.

    `n_frames`: frames that are trained on in all.
    `n_pass`: frames in a pass; a batch takes no more.
    """
    most = n_frames if n_pass is None else min(n_frames, n_pass)
    wanted = max(LEAST_BATCH, min(MOST_BATCH, n_frames // WANTED_STEPS))
    return 1 << (max(1, min(wanted, most)).bit_length() - 1)
