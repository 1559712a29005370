"""What a dictionary is made from: its coder, its size and its sparsity. Neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.settings import Seed, Setting, Settings

WITH_K = ("batchtopk", "topk", "matryoshka")
"""Coders that are told how many features to keep active."""

WITH_WEIGHT = ("jumprelu", "standard", "tied")
"""Coders whose sparsity is set by the weight of a term of the loss."""

CODER_NAMES = (*WITH_K, *WITH_WEIGHT)
"""All coders, the default first."""

CoderName = Annotated[str, Setting("What kind of dictionary.", choices=CODER_NAMES)]
Expansion = Annotated[float, Setting("Features for each value of a site.", "X", above=0, most=10_000)]
K = Annotated[
    int,
    Setting("Features active at a time, of each frame (topk) or on average (batchtopk, matryoshka).", "K", least=1),
]
Sparsity = Annotated[
    float | None,
    Setting(
        "Weight of the sparsity term, L1 (standard, tied) or L0 (jumprelu); the coder's own by default.", "L", least=0
    ),
]
Precision = Annotated[
    str,
    Setting(
        "Precision of the products with all features; weights stay float32.",
        choices=("float32", "bfloat16"),
        option="--train-dtype",
    ),
]
IsDecoderFrozen = Annotated[
    bool, Setting("Leave the decoder as it is drawn: a baseline of random directions.", option="--random-decoder")
]


@dataclass(frozen=True)
class CoderSettings(Settings):
    """What a coder is made from."""

    coder: CoderName
    d_in: Annotated[int, Setting("Length of the vectors.", least=1)]
    n_features: Annotated[int, Setting("Directions in the dictionary.", least=1)]
    k: K = 32
    sparsity: Sparsity = None
    sparsity_warmup: Annotated[
        float, Setting("Share of the steps over which that weight rises from 0.", least=0, most=1)
    ] = 0.1
    aux_coefficient: Annotated[
        float,
        Setting("Weight of the loss that lets dead features learn (topk, batchtopk, matryoshka); 0 for none.", least=0),
    ] = 1 / 32
    aux_k: Annotated[
        int | None, Setting("Dead features that are active at a time in it; half of `d_in` by default.", least=1)
    ] = None
    widths: Annotated[
        tuple[int, ...],
        Setting("Features of each nested dictionary, the last all of them (matryoshka); the coder's own by default."),
    ] = ()
    bandwidth: Annotated[
        float,
        Setting("Width of the kernel through which thresholds learn, for vectors of length 1 (jumprelu).", above=0),
    ] = 0.001
    pre_act_coefficient: Annotated[
        float,
        Setting(
            "Weight of the loss that lifts dead features towards their thresholds (jumprelu); 0 for none.", least=0
        ),
    ] = 0.0
    is_decoder_frozen: IsDecoderFrozen = False
    precision: Precision = "float32"
    seed: Seed = 0
