"""A sparse dictionary: many directions of one space, few of which are active at a time.

It encodes vectors as strengths of its features, reconstructs vectors from strengths, and changes single features in a
vector. Memory: the weights in float32, and the strengths [frame, n_features]. It does not know where in a model the
vectors come from, nor how files store it; `metadata` is what its maker wrote down.

Source:
    SAELens 6.54 (decoderesearch), `sae_lens/saes/`: the architectures, their tensors and every formula.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.base.short_repr import ShortRepr

_PLAIN = {"W_enc": ("d_in", "d_sae"), "W_dec": ("d_sae", "d_in"), "b_enc": ("d_sae",), "b_dec": ("d_in",)}
_GATED = {"b_gate": ("d_sae",), "b_mag": ("d_sae",), "r_mag": ("d_sae",)}
TENSORS: dict[str, dict[str, tuple[str, ...]]] = {
    "standard": _PLAIN,
    "topk": _PLAIN,
    "jumprelu": {**_PLAIN, "threshold": ("d_sae",)},
    "gated": {name: axes for name, axes in {**_PLAIN, **_GATED}.items() if name != "b_enc"},
}
"""The supported architectures, and the tensors of each with their axes."""

NORMALIZATIONS = ("none", "layer_norm", "expected_average_only_in")
"""How the input may be normalised. The last needs no work: in weights that are read, the factor is included."""

LAYER_NORM_EPSILON = 1e-5


@dataclass(frozen=True, eq=False, repr=False)
class Dictionary(ShortRepr):
    """Encodes vectors as strengths of features."""

    architecture: str  # one of `TENSORS`
    weights: Mapping[str, Tensor]  # its tensors by SAELens's names, float32 on one device
    apply_b_dec_to_input: bool  # whether the decoder's bias is subtracted from the input first
    normalize_activations: str  # one of `NORMALIZATIONS`
    # whether strengths are multiplied by the length of their decoder row before the strongest are chosen; only for
    # topk
    rescale_acts_by_decoder_norm: bool
    k: int | None  # features that may be active at a time; None except for topk
    metadata: dict[str, Any]  # what its maker wrote down, such as `hook_name` or `site`, and `model_name` or `model`

    @property
    def d_in(self) -> int:
        """Length of the vectors it encodes."""
        return self.weights["W_enc"].shape[0]

    @property
    def n_features(self) -> int:
        """How many features it has."""
        return self.weights["W_enc"].shape[1]

    def to(self, device: torch.device | str) -> Dictionary:
        """Return the same dictionary with its weights on a device."""
        return replace(self, weights={name: weight.to(device) for name, weight in self.weights.items()})

    def encode(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame n_features"]:
        """Compute how strongly each feature is active.

        Args:
            x: One vector per frame, of any floating type, on the device of the weights.

        Returns:
            Strengths in float32, 0 where a feature is inactive. Differentiable with respect to `x`.

        Raises:
            InputError: The vectors do not have the dictionary's length.

        Source:
            SAELens, `encode` of each architecture; Gao et al. 2024 (arXiv 2406.04093) for topk, Rajamanoharan et al.
            2024 for jumprelu (arXiv 2407.14435) and gated (arXiv 2404.16014).
        """
        x = self._normalised(x)
        if self.architecture == "gated":
            return self._gated(x)
        drive = self._drives(x)
        if self.architecture == "topk":
            return self._strongest(drive)
        strength = drive.relu()
        return strength * (drive > self.weights["threshold"]) if self.architecture == "jumprelu" else strength

    def drives(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame n_features"]:
        """Compute the pre-activations: the strengths before weak ones are set to 0, with a gradient everywhere.

        Args:
            x: One vector per frame, as `encode` takes them.

        Returns:
            Values in float32, equal to the strengths where features are active. Differentiable with respect to `x`.

        Raises:
            InputError: The vectors do not have the dictionary's length.
        """
        return self._drives(self._normalised(x))

    def _normalised(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame d_in"]:
        """Normalise and centre vectors as the encoder takes them."""
        self._check("encoded", x, self.d_in, "Give it the site that it was trained on")
        x = x.float()
        if self.normalize_activations == "layer_norm":
            mean, spread = _statistics(x)
            x = (x - mean) / (spread + LAYER_NORM_EPSILON)
        return x - self.weights["b_dec"] if self.apply_b_dec_to_input else x

    def _drives(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame n_features"]:
        weights, product = self.weights, x @ self.weights["W_enc"]
        if self.architecture == "gated":
            return product * weights["r_mag"].exp() + weights["b_mag"]
        drive = product + weights["b_enc"]
        return drive * weights["W_dec"].norm(dim=-1) if self.rescale_acts_by_decoder_norm else drive

    def decode(self, strength: Float[Tensor, "frame n_features"]) -> Float[Tensor, "frame d_in"]:
        """Reconstruct vectors from strengths.

        Args:
            strength: Strengths of all features, as `encode` gives them, on the device of the weights.

        Returns:
            Vectors in float32. If the dictionary normalises its input by `layer_norm`, they are normalised too: only
            `reconstruct` can undo that, since it has the input's mean and spread.

        Raises:
            InputError: The number of strengths is not that of the features.

        Source:
            SAELens, `decode` of each architecture.
        """
        self._check("decoded", strength, self.n_features, "Give it strengths of this dictionary")
        return strength.float() @ self.directions() + self.weights["b_dec"]

    def reconstruct(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame d_in"]:
        """Encode vectors and reconstruct them.

        Args:
            x: One vector per frame, of any floating type, on the device of the weights.

        Returns:
            Vectors in float32, with the mean and spread of the input if the dictionary normalises it.

        Raises:
            InputError: The vectors do not have the dictionary's length.
        """
        vectors = self.decode(self.encode(x))
        if self.normalize_activations == "layer_norm":
            mean, spread = _statistics(x.float())
            vectors = vectors * spread + mean
        return vectors

    def directions(self) -> Float[Tensor, "n_features d_in"]:
        """Return what one unit of each feature's strength adds to a vector, before any normalisation is undone."""
        rows = self.weights["W_dec"]
        if not self.rescale_acts_by_decoder_norm:
            return rows
        smallest = torch.finfo(rows.dtype).tiny  # a row of zeros has no direction, and its strength is 0
        return rows / rows.norm(dim=-1, keepdim=True).clamp_min(smallest)

    def changed(self, x: Float[Tensor, "frame d_in"], factors: Mapping[int, float]) -> Float[Tensor, "frame d_in"]:
        """Change how strongly features are active in vectors, and nothing else.

        The part of a vector that the dictionary does not explain stays, and frames in which none of the features is
        active stay the same to the bit.

        Args:
            x: One vector per frame, of any floating type, on the device of the weights.
            factors: Feature to the factor of its strength: 0 switches it off, 1 changes nothing.

        Returns:
            x + the sum of (factor - 1) * strength * decoder row, of the type of `x`; `x` itself if no factor differs
            from 1.

        Raises:
            InputError: A feature is not in the dictionary, a factor is not a finite number, or the vectors do not have
                the dictionary's length.
        """
        scale = {int(feature): factor for feature, factor in self.checked(factors).items() if factor != 1}
        if not scale:
            return x
        features = torch.tensor(list(scale), device=x.device)
        more = torch.tensor([factor - 1 for factor in scale.values()], dtype=torch.float32, device=x.device)
        strength = self.encode(x)[:, features] * more
        frames = (strength != 0).any(dim=1).nonzero()[:, 0]
        difference = strength[frames] @ self.directions()[features]
        if self.normalize_activations == "layer_norm":
            difference = difference * _statistics(x.float())[1][frames]
        result = x.clone()
        result[frames] = (x[frames].float() + difference).to(x.dtype)
        return result

    def checked(self, factors: Mapping[int, float]) -> Mapping[int, float]:
        """Refuse factors that `changed` cannot use.

        Raises:
            InputError: A feature is not in the dictionary, or a factor is not a finite number.
        """
        for feature, factor in factors.items():
            is_number = isinstance(feature, Integral) and not isinstance(feature, bool)
            if not is_number or not 0 <= feature < self.n_features:
                raise InputError(
                    f"feature {feature!r} is not in the dictionary, which has {self.n_features}: give whole numbers "
                    f"from 0 to {self.n_features - 1}."
                )
            if not isinstance(factor, Real) or not math.isfinite(factor):
                raise InputError(
                    f"the factor of feature {feature} is {factor!r}: give a finite number, 0 to switch it off."
                )
        return factors

    def _check(self, verb: str, x: Tensor, width: int, remedy: str) -> None:
        if x.ndim != 2 or x.shape[1] != width:
            raise InputError(
                f"a tensor of shape {list(x.shape)} cannot be {verb}: this dictionary takes [frame, {width}]. {remedy}."
            )

    def _strongest(self, drive: Tensor) -> Tensor:
        """Keep the k largest of each frame."""
        assert self.k is not None
        top = drive.topk(self.k, dim=-1, sorted=False)
        return torch.zeros_like(drive).scatter(-1, top.indices, top.values.relu())

    def _gated(self, x: Tensor) -> Tensor:
        """Gate and magnitude: the first says which features are active, the second how strongly."""
        is_active = x @ self.weights["W_enc"] + self.weights["b_gate"] > 0
        return self._drives(x).relu() * is_active


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each vector, as `layer_norm` uses them: [frame, 1] each."""
    return x.mean(dim=-1, keepdim=True), x.std(dim=-1, keepdim=True)
