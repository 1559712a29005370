"""A sparse dictionary: many directions of one space, few of which are active at a time; read from SAELens's folder.

A folder holds `cfg.json` and `sae_weights.safetensors`. Everything in it is checked when it is read: a dictionary that
loads can encode. Costs the weights' memory in float32, and what it encodes: [frame, n_features]. It does not know what
the vectors are that it is given, nor where in a model they come from; `metadata` is what its maker said about that.

Source:
    SAELens 6.54 (decoderesearch), `sae_lens/saes/`: the folder's layout, the defaults and every formula.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from otoscope.base.errors import InputError

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"
SCALER = "activation_scaler.json"
"""In a checkpoint from the middle of a training: a factor on the input that is not in the weights yet."""

_PLAIN = {"W_enc": ("d_in", "d_sae"), "W_dec": ("d_sae", "d_in"), "b_enc": ("d_sae",), "b_dec": ("d_in",)}
_GATED = {"b_gate": ("d_sae",), "b_mag": ("d_sae",), "r_mag": ("d_sae",)}
TENSORS: dict[str, dict[str, tuple[str, ...]]] = {
    "standard": _PLAIN,
    "topk": _PLAIN,
    "jumprelu": {**_PLAIN, "threshold": ("d_sae",)},
    "gated": {name: axes for name, axes in {**_PLAIN, **_GATED}.items() if name != "b_enc"},
}
"""The architectures that are read, and the tensors of each with their axes."""

NORMALIZATIONS = ("none", "layer_norm", "expected_average_only_in")
"""What may be done to the input. The last is in the weights of a finished dictionary, so nothing is left to do."""

RESHAPINGS = ("none", "hook_z")
"""How the input was laid out in training; `hook_z` joins heads, which one row of numbers for a frame has behind it."""

LAYER_NORM_EPSILON = 1e-5


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Encodes vectors as strengths of features.

    Attributes:
        architecture: One of `TENSORS`.
        weights: Its tensors by SAELens's names, float32 on one device.
        apply_b_dec_to_input: Whether the decoder's bias is taken off the input first.
        normalize_activations: One of `NORMALIZATIONS`.
        rescale_acts_by_decoder_norm: Whether strengths are multiplied by the length of their decoder row before the
            strongest are chosen; topk alone.
        k: Features that may be active at a time; topk alone, otherwise None.
        metadata: Whatever its maker wrote down, such as `hook_name` or `site`, and `model_name` or `model`.
    """

    architecture: str
    weights: Mapping[str, Tensor]
    apply_b_dec_to_input: bool
    normalize_activations: str
    rescale_acts_by_decoder_norm: bool
    k: int | None
    metadata: dict[str, Any]

    @property
    def d_in(self) -> int:
        """Length of the vectors it encodes."""
        return self.weights["W_enc"].shape[0]

    @property
    def n_features(self) -> int:
        """How many features it has."""
        return self.weights["W_enc"].shape[1]

    def to(self, device: torch.device | str) -> Dictionary:
        """Give the same dictionary with its weights on a device."""
        return replace(self, weights={name: weight.to(device) for name, weight in self.weights.items()})

    def encode(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame n_features"]:
        """Find how strongly each feature is active.

        Args:
            x: One vector for every frame, of any floating type, on the device of the weights.

        Returns:
            Strengths in float32, 0 where a feature is silent. Differentiable with respect to `x`.

        Raises:
            InputError: The vectors are of another length than the dictionary's.

        Source:
            SAELens, `encode` of each architecture; Gao et al. 2024 (arXiv 2406.04093) for topk, Rajamanoharan et al.
            2024 for jumprelu (arXiv 2407.14435) and gated (arXiv 2404.16014).
        """
        if x.ndim != 2 or x.shape[1] != self.d_in:
            raise InputError(
                f"a tensor {list(x.shape)} cannot be encoded: this dictionary takes [frame, {self.d_in}]. "
                "Give it the site that it was trained on."
            )
        x = self._prepared(x.float())
        if self.architecture == "gated":
            return self._gated(x)
        pre = x @ self.weights["W_enc"] + self.weights["b_enc"]
        if self.architecture == "topk":
            return self._strongest(pre)
        strength = pre.relu()
        return strength * (pre > self.weights["threshold"]) if self.architecture == "jumprelu" else strength

    def _prepared(self, x: Tensor) -> Tensor:
        """Normalise the input, and take the decoder's bias off it, as far as the dictionary was trained that way."""
        if self.normalize_activations == "layer_norm":
            x = x - x.mean(dim=-1, keepdim=True)
            x = x / (x.std(dim=-1, keepdim=True) + LAYER_NORM_EPSILON)
        return x - self.weights["b_dec"] if self.apply_b_dec_to_input else x

    def _strongest(self, pre: Tensor) -> Tensor:
        """Keep the k largest of each frame."""
        assert self.k is not None
        if self.rescale_acts_by_decoder_norm:
            pre = pre * self.weights["W_dec"].norm(dim=-1)
        top = pre.topk(self.k, dim=-1, sorted=False)
        return torch.zeros_like(pre).scatter(-1, top.indices, top.values.relu())

    def _gated(self, x: Tensor) -> Tensor:
        """One half says which features are active, the other how strongly."""
        own = self.weights
        pre = x @ own["W_enc"]
        magnitude = (pre * own["r_mag"].exp() + own["b_mag"]).relu()
        return magnitude * (pre + own["b_gate"] > 0)


def load_dictionary(folder: str | Path) -> Dictionary:
    """Read a dictionary from SAELens's folder.

    Args:
        folder: Holds `cfg.json` and `sae_weights.safetensors`; other files in it are left alone.

    Returns:
        The dictionary on the CPU, its weights in float32 whatever the file holds.

    Raises:
        InputError: A file is missing or damaged, a setting or a tensor is missing or of another kind or shape than it
            must be, or the architecture is not one that is read.
    """
    folder = Path(folder)
    config = _read_config(folder)
    architecture = _choice(folder, config, "architecture", tuple(TENSORS))
    _refuse_other_activation(folder, config)
    normalization = _choice(folder, config, "normalize_activations", NORMALIZATIONS, default="none")
    _choice(folder, config, "reshape_activations", RESHAPINGS, default="none")
    if normalization == "expected_average_only_in":
        _refuse_scaler(folder)
    sizes = {name: _number(folder, config, name) for name in ("d_in", "d_sae")}
    k = _number(folder, config, "k", most=sizes["d_sae"]) if architecture == "topk" else None
    return Dictionary(
        architecture=architecture,
        weights=_read_weights(folder, architecture, sizes),
        apply_b_dec_to_input=_flag(folder, config, "apply_b_dec_to_input", default=True),
        normalize_activations=normalization,
        rescale_acts_by_decoder_norm=_flag(folder, config, "rescale_acts_by_decoder_norm", default=False),
        k=k,
        metadata=_metadata(folder, config),
    )


def _read_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise InputError(
            f"dictionary {str(folder)!r} is not there: give a folder in SAELens's layout, with {CONFIG} and {WEIGHTS}."
        )
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(
                f"dictionary {str(folder)!r} has no {name}: SAELens's layout is {CONFIG} and {WEIGHTS} in one folder. "
                "Give the folder that both are in, or copy the missing one."
            )
    return _read_object(folder / CONFIG)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"dictionary settings {str(path)!r} cannot be read ({error}). They are one JSON object: copy it again."
        ) from error
    if not isinstance(found, dict):
        raise InputError(
            f"dictionary settings {str(path)!r} hold a {type(found).__name__}: they are one JSON object. "
            "Copy the file again."
        )
    return found


def _choice(folder: Path, config: dict[str, Any], name: str, allowed: tuple[str, ...], default: str = "") -> str:
    value = config.get(name, default)
    if value not in allowed:
        came = f"has no {name}" if name not in config else f"has {name} {value!r}"
        raise InputError(
            f"dictionary {str(folder)!r} {came}: {', '.join(map(repr, allowed))} are read. "
            "Convert the dictionary to one of them, or take another."
        )
    return str(value)


def _number(folder: Path, config: dict[str, Any], name: str, most: int | None = None) -> int:
    value = config.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most is not None and value > most):
        rule = "1 or more" if most is None else f"1 to {most}"
        came = f"has no {name}" if name not in config else f"has {name} {value!r}"
        raise InputError(f"dictionary {str(folder)!r} {came}: it is a whole number, {rule}. Correct {CONFIG}.")
    return value


def _flag(folder: Path, config: dict[str, Any], name: str, *, default: bool) -> bool:
    value = config.get(name, default)
    if not isinstance(value, bool):
        raise InputError(f"dictionary {str(folder)!r} has {name} {value!r}: it is true or false. Correct {CONFIG}.")
    return value


def _refuse_other_activation(folder: Path, config: dict[str, Any]) -> None:
    """Refuse what older versions called `standard` with an activation function of another kind."""
    name = "activation_fn" if "activation_fn" in config else "activation_fn_str"
    if config["architecture"] == "standard" and config.get(name, "relu") != "relu":
        raise InputError(
            f"dictionary {str(folder)!r} has {name} {config[name]!r}: a standard dictionary is read with 'relu' alone. "
            "Load it with a current SAELens and save it again, which writes the architecture that it is."
        )


def _refuse_scaler(folder: Path) -> None:
    """Refuse weights that a factor on the input is still missing from."""
    if not (folder / SCALER).is_file():
        return
    factor = _read_object(folder / SCALER).get("scaling_factor")
    if factor is not None:
        raise InputError(
            f"dictionary {str(folder)!r} is a checkpoint from the middle of a training: {SCALER} has scaling_factor "
            f"{factor!r}, which is not in its weights. Take the dictionary that the training wrote at its end."
        )


def _metadata(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """What the maker said; older versions wrote it among the settings."""
    found = config.get("metadata", {})
    if not isinstance(found, dict):
        raise InputError(f"dictionary {str(folder)!r} has metadata {found!r}: it is a JSON object. Correct {CONFIG}.")
    older = {name: config[name] for name in ("site", "model", "hook_name", "model_name") if name in config}
    return {**older, **found}


def _read_weights(folder: Path, architecture: str, sizes: dict[str, int]) -> dict[str, Tensor]:
    """Read the tensors of an architecture, each of the shape that the settings say, and finite."""
    path = folder / WEIGHTS
    try:
        found = load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(
            f"dictionary weights {str(path)!r} cannot be read ({error}). They are a safetensors file: copy it again."
        ) from error
    expected = {name: [sizes[axis] for axis in axes] for name, axes in TENSORS[architecture].items()}
    wrong = [f"{name} is missing" for name in expected if name not in found]
    wrong += [f"{name} is not of this architecture" for name in found if name not in expected]
    for name in expected.keys() & found.keys():
        tensor = found[name]
        if list(tensor.shape) != expected[name]:
            wrong.append(f"{name} is {list(tensor.shape)}, not {expected[name]}")
        elif not tensor.is_floating_point():
            wrong.append(f"{name} is {tensor.dtype}, not floating point")
        elif not bool(tensor.isfinite().all()):
            wrong.append(f"{name} holds NaN or infinite values")
    if wrong:
        raise InputError(
            f"dictionary weights {str(path)!r} are not those of a {architecture} dictionary from {sizes['d_in']} to "
            f"{sizes['d_sae']}: {'; '.join(sorted(wrong))}. Check that {CONFIG} and {WEIGHTS} belong together."
        )
    return {name: found[name].float() for name in expected}
