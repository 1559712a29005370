"""Dictionaries in dictionary_learning's layout: a folder with `ae.pt` and `config.json`, read and not written.

AudioSAE's folders for Whisper are read, too: they have the same tensors, settings that are not nested in `trainer`, and
the block, counted from 1, in the folder's name. Each class is converted to the SAELens architecture that encodes
equally. If a class multiplies strengths by the lengths of the decoder's rows, these are folded into the weights. No
code in a file is run.

Source:
    saprmarks/dictionary_learning, `dictionary.py` and `trainers/`: the classes, their tensors and formulas. AudioSAE
    (arXiv 2602.05027), its model cards, for the settings and names of its folders.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.file_checks import check_tensors, read_object, whole_number

CONFIG = "config.json"
WEIGHTS = "ae.pt"

FLAT = ("activation_dim", "dict_size", "k")
"""Settings that are not nested in `trainer` in AudioSAE's `config.json`."""

COMPILED = "_orig_mod."
"""The prefix that torch.compile adds to the names of a module's tensors."""

Tensors = dict[str, Tensor]

_LINEAR = {"encoder.weight": ("dict", "d"), "encoder.bias": ("dict",), "decoder.weight": ("d", "dict")}
_PLAIN = {"W_enc": ("d", "dict"), "b_enc": ("dict",), "W_dec": ("dict", "d"), "b_dec": ("d",)}


class _Class(NamedTuple):
    """A class of dictionary_learning: its tensors and their axes, optional tensors, and how it is converted."""

    tensors: Mapping[str, tuple[str, ...]]
    optional: tuple[str, ...]
    architecture: str
    subtracts_bias: bool
    convert: Callable[[Tensors], Tensors]


def read_dictionary_learning(folder: Path) -> Dictionary:
    """Read a dictionary from dictionary_learning's folder.

    Returns the dictionary on the CPU, its weights in float32 whatever the file holds. What the file says about its
    training is in `metadata["dictionary_learning"]`, and also under SAELens's names where it has some.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(
                f"dictionary {str(folder)!r} has no {name}: dictionary_learning's layout is {WEIGHTS} and {CONFIG} in "
                "one folder. Give the folder that both are in, or copy the missing one."
            )
    path = folder / WEIGHTS
    settings, is_flat = _read_settings(folder)
    kind = None if is_flat else _named_class(folder, settings)
    tensors = _read_tensors(path)
    kind = kind or _flat_class(folder, tensors)
    dict_class = CLASSES[kind]
    sizes = _sizes(folder, settings, tensors, dict_class)
    shapes = {tensor_name: [sizes[axis] for axis in axes] for tensor_name, axes in dict_class.tensors.items()}
    what = f"a {kind} from {sizes['d']} to {sizes['dict']}"
    check_tensors(tensors, shapes, ignored=dict_class.optional, path=path, what=what, settings=CONFIG)
    k = _k(folder, settings, tensors, sizes["dict"]) if dict_class.architecture == "topk" else None
    return Dictionary(
        architecture=dict_class.architecture,
        weights=_in_float32(
            dict_class.convert({tensor_name: tensors[tensor_name].float() for tensor_name in dict_class.tensors})
        ),
        apply_b_dec_to_input=dict_class.subtracts_bias,
        normalize_activations="none",
        rescale_acts_by_decoder_norm=False,
        k=k,
        metadata=_metadata(folder, settings, is_flat=is_flat),
    )


# conversion to SAELens's names


def _of_linear(bias: str) -> Callable[[Tensors], Tensors]:
    def convert(tensors: Tensors) -> Tensors:
        return {
            "W_enc": tensors["encoder.weight"].T,
            "b_enc": tensors["encoder.bias"],
            "W_dec": tensors["decoder.weight"].T,
            "b_dec": tensors[bias],
        }

    return convert


def _of_batch_topk(tensors: Tensors) -> Tensors:
    return _with_threshold(_of_linear("b_dec")(tensors), tensors["threshold"])


def _of_matryoshka(tensors: Tensors) -> Tensors:
    return _with_threshold({name: tensors[name] for name in _PLAIN}, tensors["threshold"])


def _with_threshold(weights: Tensors, threshold: Tensor) -> Tensors:
    """Add the one threshold for every feature; below 0 it was never set, and every positive strength is active."""
    return {**weights, "threshold": threshold.clamp_min(0).expand(weights["b_enc"].shape)}


def _of_jumprelu(tensors: Tensors) -> Tensors:
    """Fold the lengths of the decoder's rows, which multiply its strengths, into weights and thresholds."""
    lengths = tensors["W_dec"].norm(dim=1)
    return {
        "W_enc": tensors["W_enc"] * lengths,
        "b_enc": tensors["b_enc"] * lengths,
        "W_dec": tensors["W_dec"] / _divisors(lengths)[:, None],
        "b_dec": tensors["b_dec"],
        "threshold": tensors["threshold"] * lengths,
    }


def _of_gated(tensors: Tensors) -> Tensors:
    """Fold the lengths of the decoder's rows, which multiply its strengths, into the magnitude part alone."""
    rows = tensors["decoder.weight"].T
    lengths = rows.norm(dim=1)
    is_there = lengths > 0  # the feature of a row of zeros is never active
    return {
        "W_enc": tensors["encoder.weight"].T * is_there,
        "W_dec": rows / _divisors(lengths)[:, None],
        "b_dec": tensors["decoder_bias"],
        "r_mag": tensors["r_mag"] + _divisors(lengths).log(),
        "b_mag": tensors["mag_bias"] * lengths,
        "b_gate": tensors["gate_bias"] * is_there,
    }


def _divisors(lengths: Tensor) -> Tensor:
    return torch.where(lengths > 0, lengths, torch.ones_like(lengths))


CLASSES: dict[str, _Class] = {
    "AutoEncoder": _Class({**_LINEAR, "bias": ("d",)}, (), "standard", True, _of_linear("bias")),
    "AutoEncoderNew": _Class({**_LINEAR, "decoder.bias": ("d",)}, (), "standard", False, _of_linear("decoder.bias")),
    "AutoEncoderTopK": _Class({**_LINEAR, "b_dec": ("d",)}, ("k", "threshold"), "topk", True, _of_linear("b_dec")),
    "BatchTopKSAE": _Class({**_LINEAR, "b_dec": ("d",), "threshold": ()}, ("k",), "jumprelu", True, _of_batch_topk),
    "MatryoshkaBatchTopKSAE": _Class(
        {**_PLAIN, "threshold": ()}, ("k", "group_sizes"), "jumprelu", True, _of_matryoshka
    ),
    "JumpReluAutoEncoder": _Class({**_PLAIN, "threshold": ("dict",)}, (), "jumprelu", False, _of_jumprelu),
    "GatedAutoEncoder": _Class(
        {
            "encoder.weight": ("dict", "d"),
            "decoder.weight": ("d", "dict"),
            "decoder_bias": ("d",),
            "r_mag": ("dict",),
            "gate_bias": ("dict",),
            "mag_bias": ("dict",),
        },
        (),
        "gated",
        True,
        _of_gated,
    ),
}
"""The supported classes; JumpReluAutoEncoder and GatedAutoEncoder in the version without stored decoder norms."""


# what the files hold


def _read_settings(folder: Path) -> tuple[dict[str, Any], bool]:
    """Read the dictionary's settings, and whether they are flat and name no class, as AudioSAE's."""
    content = read_object(folder / CONFIG)
    settings = content.get("trainer", content if {*FLAT} & content.keys() else None)
    if not isinstance(settings, dict):
        raise InputError(
            f"dictionary {str(folder)!r} has no object 'trainer' in {CONFIG}, which describes the dictionary, "
            f"nor {', '.join(FLAT)} outside of one. Copy the file again."
        )
    return settings, "trainer" not in content and "dict_class" not in content


def _named_class(folder: Path, settings: Mapping[str, Any]) -> str:
    kind = settings.get("dict_class")
    if isinstance(kind, str) and kind in CLASSES:
        return kind
    came = "has no dict_class" if "dict_class" not in settings else f"has dict_class {kind!r}"
    raise InputError(
        f"dictionary {str(folder)!r} {came}: {', '.join(CLASSES)} are supported. Use a dictionary of one of them."
    )


def _flat_class(folder: Path, tensors: Tensors) -> str:
    """Find the class of flat settings, which name none: plain top-k, unless a threshold makes that ambiguous."""
    threshold = tensors.get("threshold")
    if threshold is not None and bool((threshold >= 0).any()):
        raise InputError(
            f"dictionary {str(folder)!r} has a threshold in {WEIGHTS}, and its {CONFIG} names no dict_class: it is not "
            "known whether the k strongest features of a frame are active, or those above the threshold. Add the "
            "dict_class that it was trained with, AutoEncoderTopK or BatchTopKSAE."
        )
    return "AutoEncoderTopK"


def _read_tensors(path: Path) -> Tensors:
    """Read the tensors of a torch file without running any code in it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about pickle protocols, in files that are refused anyway
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        called = re.search(r"GLOBAL (\S+)", str(error))
        if called is None and "Unsupported" not in str(error):
            raise _damaged(path, error) from error
        reason = f"it asks to run or build {called[1]}" if called else "it asks for more than data"
        raise InputError(
            f"dictionary weights {str(path)!r} carry code or objects, not only tensors ({reason}): refused, and no "
            "code was run. Save the state_dict alone."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
        raise _damaged(path, error) from error
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(
            f"dictionary weights {str(path)!r} hold something other than tensors by name. Save the state_dict alone."
        )
    return {str(name).removeprefix(COMPILED): tensor for name, tensor in content.items()}


def _damaged(path: Path, error: Exception) -> InputError:
    first_line = (str(error).strip().splitlines() or ["nothing to read"])[0][:160]
    return InputError(
        f"dictionary weights {str(path)!r} cannot be read ({type(error).__name__}: {first_line}). They are a torch "
        "file of tensors by name: copy it again."
    )


def _sizes(folder: Path, settings: Mapping[str, Any], tensors: Tensors, dict_class: _Class) -> dict[str, int]:
    """Read the sizes from the settings, or from the encoder's shape if they are missing there."""
    encoder = next(iter(dict_class.tensors))
    axes, shape = dict_class.tensors[encoder], tensors[encoder].shape if encoder in tensors else ()
    seen = dict(zip(axes, shape, strict=True)) if len(shape) == len(axes) else {}
    sizes = {}
    for axis, name in (("d", "activation_dim"), ("dict", "dict_size")):
        config = settings if name in settings or axis not in seen else {name: seen[axis]}
        sizes[axis] = whole_number(folder, config, name, CONFIG)
    return sizes


def _k(folder: Path, settings: Mapping[str, Any], tensors: Tensors, n_features: int) -> int:
    """Read k from the weights, or from the settings for older files; if both have it, they must agree."""
    config = dict(settings)
    if "k" in tensors:
        stored_k = tensors["k"]
        if stored_k.numel() != 1 or stored_k.is_floating_point():
            raise InputError(
                f"dictionary {str(folder)!r} has k {stored_k.tolist()} in {WEIGHTS}: it is one whole number."
            )
        if settings.get("k", int(stored_k)) != int(stored_k):
            raise InputError(
                f"dictionary {str(folder)!r} has k {settings['k']!r} in {CONFIG} and {int(stored_k)} in {WEIGHTS}. "
                "Check that they belong together."
            )
        config["k"] = int(stored_k)
    return whole_number(folder, config, "k", CONFIG, most=n_features)


def _metadata(folder: Path, settings: Mapping[str, Any], *, is_flat: bool) -> dict[str, Any]:
    """Collect what the maker wrote down, also under SAELens's names; places in a model do not become sites.

    AudioSAE's folders are an exception: `layer_3` is the output of the third block of the encoder.
    """
    names = {
        "model_name": settings.get("lm_name"),
        "hook_name": settings.get("submodule_name"),
        "layer": settings.get("layer"),
    }
    known = {name: value for name, value in names.items() if value is not None}
    layer = re.fullmatch(r"layer_([1-9]\d*)", folder.absolute().name)
    if layer and is_flat and "hook_name" not in known:
        known["site"] = f"encoder.blocks.{int(layer[1]) - 1}"
    return {**known, "dictionary_learning": dict(settings)}


def _in_float32(weights: Tensors) -> Tensors:
    return {name: weight.float().contiguous().clone() for name, weight in weights.items()}
