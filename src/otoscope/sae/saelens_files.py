"""Dictionaries in SAELens's layout: a folder with `cfg.json` and `sae_weights.safetensors`, read and written.

Everything in a folder is checked when it is read: a dictionary that loads can encode. What is written, `sae_lens`
loads, and it encodes the same. Knows files and tensors, and not what a dictionary is of.

Source:
    SAELens 6.54 (decoderesearch), `sae_lens/saes/sae.py` and `sae_lens/loading/pretrained_sae_loaders.py`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.base.files import output_errors, sibling, to_json_text
from otoscope.base.results import check_out
from otoscope.sae.dictionary import NORMALIZATIONS, TENSORS, Dictionary
from otoscope.sae.file_checks import check_tensors, read_object, whole_number

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"
SCALER = "activation_scaler.json"
"""In a checkpoint from the middle of a training: a factor on the input that is not in the weights yet."""

RESHAPINGS = ("none", "hook_z")
"""How the input was laid out in training; `hook_z` joins heads, which one row of numbers for a frame has behind it."""

LAYOUT_VERSION = "6.54.12"
"""The SAELens whose layout is written; without one of 6 or later, SAELens drops what it does not know of metadata."""

SAELENS_WORDS = {"hook_name": "site", "model_name": "model"}
"""What SAELens calls what our metadata calls otherwise."""


def read_saelens(folder: Path) -> Dictionary:
    """Read a dictionary from SAELens's folder.

    Args:
        folder: Holds `cfg.json` and `sae_weights.safetensors`; other files in it are left alone.

    Returns:
        The dictionary on the CPU, its weights in float32 whatever the file holds.

    Raises:
        InputError: A file is missing or damaged, a setting or a tensor is missing or of another kind or shape than it
            must be, or the architecture is not one that is read.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(
                f"dictionary {str(folder)!r} has no {name}: SAELens's layout is {CONFIG} and {WEIGHTS} in one folder. "
                "Give the folder that both are in, or copy the missing one."
            )
    config = read_object(folder / CONFIG)
    architecture = _choice(folder, config, "architecture", tuple(TENSORS))
    _refuse_other_activation(folder, config)
    normalization = _choice(folder, config, "normalize_activations", NORMALIZATIONS, default="none")
    _choice(folder, config, "reshape_activations", RESHAPINGS, default="none")
    if normalization == "expected_average_only_in":
        _refuse_scaler(folder)
    sizes = {name: whole_number(folder, config, name, CONFIG) for name in ("d_in", "d_sae")}
    is_topk = architecture == "topk"
    is_rescaled = _flag(folder, config, "rescale_acts_by_decoder_norm", default=False)
    return Dictionary(
        architecture=architecture,
        weights=_read_weights(folder, architecture, sizes),
        apply_b_dec_to_input=_flag(folder, config, "apply_b_dec_to_input", default=True),
        normalize_activations=normalization,
        rescale_acts_by_decoder_norm=is_rescaled and is_topk,
        k=whole_number(folder, config, "k", CONFIG, most=sizes["d_sae"]) if is_topk else None,
        metadata=_metadata(folder, config),
    )


def save_dictionary(dictionary: Dictionary, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write a dictionary in SAELens's layout.

    A new folder appears when it is complete. In one that is there, the two files are replaced and others stay.

    Args:
        dictionary: What to write; weights are written in float32.
        folder: The folder to be. Missing parents are made.
        overwrite: Whether it may be there.

    Returns:
        The folder.

    Raises:
        OutputError: The folder is there and may not be, or cannot be written.
    """
    folder = Path(folder)
    check_out(folder, overwrite=overwrite)
    # cloned, since the format refuses tensors that share memory
    weights = {
        name: dictionary.weights[name].detach().float().cpu().contiguous().clone()
        for name in TENSORS[dictionary.architecture]
    }
    temporary = sibling(folder.absolute())
    try:
        with output_errors(folder):
            temporary.mkdir(parents=True)
            save_file(weights, temporary / WEIGHTS)
            (temporary / CONFIG).write_text(_one_line(_config(dictionary)) + "\n", encoding="utf-8")
            if not folder.exists():
                temporary.rename(folder)
            else:
                for name in (WEIGHTS, CONFIG):
                    os.replace(temporary / name, folder / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _config(dictionary: Dictionary) -> dict[str, Any]:
    """The settings, and what SAELens calls the site and the model beside our own words for them."""
    told = dictionary.metadata
    said = {theirs: told[ours] for theirs, ours in SAELENS_WORDS.items() if isinstance(told.get(ours), str)}
    said |= {"sae_lens_training_version": None}  # left out, SAELens would put its own version there
    config = {
        "d_in": dictionary.d_in,
        "d_sae": dictionary.n_features,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": dictionary.apply_b_dec_to_input,
        "normalize_activations": dictionary.normalize_activations,
        "reshape_activations": "none",
        "architecture": dictionary.architecture,
        "metadata": {**said, **told, "sae_lens_version": LAYOUT_VERSION},
    }
    if dictionary.architecture == "topk":
        config |= {"k": dictionary.k, "rescale_acts_by_decoder_norm": dictionary.rescale_acts_by_decoder_norm}
    return config


def _one_line(config: Mapping[str, Any]) -> str:
    return json.dumps(json.loads(to_json_text(config)))


def _choice(folder: Path, config: Mapping[str, Any], name: str, allowed: tuple[str, ...], default: str = "") -> str:
    value = config.get(name, default)
    if value not in allowed:
        came = f"has no {name}" if name not in config else f"has {name} {value!r}"
        raise InputError(
            f"dictionary {str(folder)!r} {came}: {', '.join(map(repr, allowed))} are read. "
            "Convert the dictionary to one of them, or take another."
        )
    return str(value)


def _flag(folder: Path, config: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = config.get(name, default)
    if not isinstance(value, bool):
        raise InputError(f"dictionary {str(folder)!r} has {name} {value!r}: it is true or false. Correct {CONFIG}.")
    return value


def _refuse_other_activation(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse what older versions called `standard` with an activation function of another kind."""
    name = "activation_fn" if "activation_fn" in config else "activation_fn_str"
    if config["architecture"] == "standard" and config.get(name, "relu") != "relu":
        raise InputError(
            f"dictionary {str(folder)!r} has {name} {config[name]!r}: a standard dictionary is read with 'relu' alone. "
            "Load it with a current SAELens and save it again, which writes the architecture that it is."
        )


def _refuse_scaler(folder: Path) -> None:
    """Refuse weights that a factor on the input is missing from, or may be: nothing would encode as it should."""
    if not (folder / SCALER).is_file():
        raise InputError(
            f"dictionary {str(folder)!r} has normalize_activations 'expected_average_only_in' and no {SCALER}: its "
            "input is to be multiplied with a factor that is in neither. SAELens writes 'none' there once the factor "
            f"is in the weights. Where you know that it is, write 'none' in {CONFIG}; otherwise take the dictionary "
            "that the training wrote at its end."
        )
    factor = read_object(folder / SCALER).get("scaling_factor")
    if factor is not None:
        raise InputError(
            f"dictionary {str(folder)!r} is a checkpoint from the middle of a training: {SCALER} has scaling_factor "
            f"{factor!r}, which is not in its weights. Take the dictionary that the training wrote at its end."
        )


def _metadata(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """What the maker said; older versions wrote it among the settings."""
    found = config.get("metadata", {})
    if not isinstance(found, dict):
        raise InputError(f"dictionary {str(folder)!r} has metadata {found!r}: it is a JSON object. Correct {CONFIG}.")
    older = {name: config[name] for name in ("site", "model", "hook_name", "model_name") if name in config}
    return {**older, **found}


def _read_weights(folder: Path, architecture: str, sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """Read the tensors of an architecture, each of the shape that the settings say, and finite."""
    path = folder / WEIGHTS
    try:
        found = load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(
            f"dictionary weights {str(path)!r} cannot be read ({error}). They are a safetensors file: copy it again."
        ) from error
    shapes = {name: [sizes[axis] for axis in axes] for name, axes in TENSORS[architecture].items()}
    what = f"a {architecture} dictionary from {sizes['d_in']} to {sizes['d_sae']}"
    check_tensors(found, shapes, path=path, what=what, settings=CONFIG)
    return {name: found[name].float() for name in shapes}
