"""Dictionaries in dictionary_learning's layout: a folder with `ae.pt` and `config.json`, read and not written.

AudioSAE's folders for Whisper are read, too: the same tensors, settings without `trainer` around them, and the block in
the folder's name, counted from 1. Each class becomes the architecture of SAELens's that encodes equally. Where a class
multiplies strengths by the lengths of the decoder's rows, the lengths go into the weights. Nothing in a file is run.
Knows files and tensors, and not what a dictionary is of.

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
"""Settings that a dictionary's own `config.json` has without `trainer` around them, as in AudioSAE's folders."""

COMPILED = "_orig_mod."
"""What torch.compile puts before the names of a module's tensors."""

Tensors = dict[str, Tensor]

_LINEAR = {"encoder.weight": ("dict", "d"), "encoder.bias": ("dict",), "decoder.weight": ("d", "dict")}
_PLAIN = {"W_enc": ("d", "dict"), "b_enc": ("dict",), "W_dec": ("dict", "d"), "b_dec": ("d",)}


class _Class(NamedTuple):
    """One of its classes: its tensors and their axes, what may be there too, and what it becomes."""

    tensors: Mapping[str, tuple[str, ...]]
    others: tuple[str, ...]
    architecture: str
    takes_bias_off: bool
    turn: Callable[[Tensors], Tensors]


def read_dictionary_learning(folder: Path) -> Dictionary:
    """Read a dictionary from dictionary_learning's folder.

    Args:
        folder: Holds `ae.pt` and `config.json`; other files in it are left alone.

    Returns:
        The dictionary on the CPU, its weights in float32 whatever the file holds. What the file says of its training
        is in `metadata["dictionary_learning"]`, and what SAELens has names for under those.

    Raises:
        InputError: A file is missing or damaged or carries code, a setting or a tensor is missing or of another kind or
            shape than it must be, or the class is not one that is read.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(
                f"dictionary {str(folder)!r} has no {name}: dictionary_learning's layout is {WEIGHTS} and {CONFIG} in "
                "one folder. Give the folder that both are in, or copy the missing one."
            )
    path = folder / WEIGHTS
    told, is_flat = _told(folder)
    kind = None if is_flat else _named_class(folder, told)
    found = _read_tensors(path)
    kind = kind or _flat_class(folder, found)
    of = CLASSES[kind]
    sizes = _sizes(folder, told, found, of)
    shapes = {each: [sizes[axis] for axis in axes] for each, axes in of.tensors.items()}
    what = f"a {kind} from {sizes['d']} to {sizes['dict']}"
    check_tensors(found, shapes, ignored=of.others, path=path, what=what, settings=CONFIG)
    k = _k(folder, told, found, sizes["dict"]) if of.architecture == "topk" else None
    return Dictionary(
        architecture=of.architecture,
        weights=_in_float32(of.turn({each: found[each].float() for each in of.tensors})),
        apply_b_dec_to_input=of.takes_bias_off,
        normalize_activations="none",
        rescale_acts_by_decoder_norm=False,
        k=k,
        metadata=_metadata(folder, told, is_flat=is_flat),
    )


# from the names of its classes to SAELens's


def _of_linear(bias: str) -> Callable[[Tensors], Tensors]:
    def turn(own: Tensors) -> Tensors:
        return {
            "W_enc": own["encoder.weight"].T,
            "b_enc": own["encoder.bias"],
            "W_dec": own["decoder.weight"].T,
            "b_dec": own[bias],
        }

    return turn


def _of_batch_topk(own: Tensors) -> Tensors:
    return _with_threshold(_of_linear("b_dec")(own), own["threshold"])


def _of_matryoshka(own: Tensors) -> Tensors:
    return _with_threshold({name: own[name] for name in _PLAIN}, own["threshold"])


def _with_threshold(weights: Tensors, threshold: Tensor) -> Tensors:
    """One threshold for every feature; below 0 it was never set, and all that is above 0 is active."""
    return {**weights, "threshold": threshold.clamp_min(0).expand(weights["b_enc"].shape)}


def _of_jumprelu(own: Tensors) -> Tensors:
    """Its strengths are multiplied by the lengths of the decoder's rows, and so are its thresholds here."""
    lengths = own["W_dec"].norm(dim=1)
    return {
        "W_enc": own["W_enc"] * lengths,
        "b_enc": own["b_enc"] * lengths,
        "W_dec": own["W_dec"] / _divisors(lengths)[:, None],
        "b_dec": own["b_dec"],
        "threshold": own["threshold"] * lengths,
    }


def _of_gated(own: Tensors) -> Tensors:
    """Its strengths are multiplied by the lengths of the decoder's rows: the part that says how strongly alone."""
    rows = own["decoder.weight"].T
    lengths = rows.norm(dim=1)
    is_there = lengths > 0  # a row of zeros has no length, and its feature is never active
    return {
        "W_enc": own["encoder.weight"].T * is_there,
        "W_dec": rows / _divisors(lengths)[:, None],
        "b_dec": own["decoder_bias"],
        "r_mag": own["r_mag"] + _divisors(lengths).log(),
        "b_mag": own["mag_bias"] * lengths,
        "b_gate": own["gate_bias"] * is_there,
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
"""The classes that are read. JumpReluAutoEncoder and GatedAutoEncoder as they are since they keep no decoder norms."""


# what the files hold


def _told(folder: Path) -> tuple[dict[str, Any], bool]:
    """What the settings say of the dictionary, and whether it stands by itself and names no class, as AudioSAE's."""
    config = read_object(folder / CONFIG)
    told = config.get("trainer", config if {*FLAT} & config.keys() else None)
    if not isinstance(told, dict):
        raise InputError(
            f"dictionary {str(folder)!r} has no object 'trainer' in {CONFIG}, which says what the dictionary is, "
            f"nor {', '.join(FLAT)} by themselves. Copy the file again."
        )
    return told, "trainer" not in config and "dict_class" not in config


def _named_class(folder: Path, told: Mapping[str, Any]) -> str:
    kind = told.get("dict_class")
    if isinstance(kind, str) and kind in CLASSES:
        return kind
    came = "has no dict_class" if "dict_class" not in told else f"has dict_class {kind!r}"
    raise InputError(
        f"dictionary {str(folder)!r} {came}: {', '.join(CLASSES)} are read. Take a dictionary of one of them."
    )


def _flat_class(folder: Path, found: Tensors) -> str:
    """Settings by themselves name no class: it is plain top-k, unless a threshold leaves open what chooses features."""
    threshold = found.get("threshold")
    if threshold is not None and bool((threshold >= 0).any()):
        raise InputError(
            f"dictionary {str(folder)!r} has a threshold in {WEIGHTS}, and its {CONFIG} names no dict_class: whether "
            "the k strongest features of a frame are active, or those above the threshold, is not said. Add "
            "dict_class, AutoEncoderTopK or BatchTopKSAE, as its maker trained it."
        )
    return "AutoEncoderTopK"


def _read_tensors(path: Path) -> Tensors:
    """Read the tensors of a torch file, running nothing that is in it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about pickle protocols, when the file is refused anyway
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        if wanted is None and "Unsupported" not in str(error):
            raise _damaged(path, error) from error
        asked = f"it asks to run or build {wanted[1]}" if wanted else "it asks for more than data"
        raise InputError(
            f"dictionary weights {str(path)!r} carry code or objects, not only tensors ({asked}): refused, and nothing "
            "of it was run. Save the state_dict alone."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
        raise _damaged(path, error) from error
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise InputError(
            f"dictionary weights {str(path)!r} hold something other than tensors by name. Save the state_dict alone."
        )
    return {str(name).removeprefix(COMPILED): tensor for name, tensor in found.items()}


def _damaged(path: Path, error: Exception) -> InputError:
    first_line = (str(error).strip().splitlines() or ["nothing to read"])[0][:160]
    return InputError(
        f"dictionary weights {str(path)!r} cannot be read ({type(error).__name__}: {first_line}). They are a torch "
        "file of tensors by name: copy it again."
    )


def _sizes(folder: Path, told: Mapping[str, Any], found: Tensors, of: _Class) -> dict[str, int]:
    """The sizes that the settings say; of what they leave out, those of the encoder."""
    encoder = next(iter(of.tensors))
    axes, shape = of.tensors[encoder], found[encoder].shape if encoder in found else ()
    seen = dict(zip(axes, shape, strict=True)) if len(shape) == len(axes) else {}
    sizes = {}
    for axis, name in (("d", "activation_dim"), ("dict", "dict_size")):
        config = told if name in told or axis not in seen else {name: seen[axis]}
        sizes[axis] = whole_number(folder, config, name, CONFIG)
    return sizes


def _k(folder: Path, told: Mapping[str, Any], found: Tensors, n_features: int) -> int:
    """The k of the weights, which older files do not have, or else that of the settings; both where they agree."""
    config = dict(told)
    if "k" in found:
        own = found["k"]
        if own.numel() != 1 or own.is_floating_point():
            raise InputError(f"dictionary {str(folder)!r} has k {own.tolist()} in {WEIGHTS}: it is one whole number.")
        if told.get("k", int(own)) != int(own):
            raise InputError(
                f"dictionary {str(folder)!r} has k {told['k']!r} in {CONFIG} and {int(own)} in {WEIGHTS}. Check that "
                "they belong together."
            )
        config["k"] = int(own)
    return whole_number(folder, config, "k", CONFIG, most=n_features)


def _metadata(folder: Path, told: Mapping[str, Any], *, is_flat: bool) -> dict[str, Any]:
    """What its maker said, and what SAELens has names for; its own words for a place in a model are not sites.

    AudioSAE's folders are the exception: `layer_3` is the output of the third block of the encoder.
    """
    names = {"model_name": told.get("lm_name"), "hook_name": told.get("submodule_name"), "layer": told.get("layer")}
    known = {name: value for name, value in names.items() if value is not None}
    layer = re.fullmatch(r"layer_([1-9]\d*)", folder.absolute().name)
    if layer and is_flat and "hook_name" not in known:
        known["site"] = f"encoder.blocks.{int(layer[1]) - 1}"
    return {**known, "dictionary_learning": dict(told)}


def _in_float32(weights: Tensors) -> Tensors:
    return {name: weight.float().contiguous().clone() for name, weight in weights.items()}
