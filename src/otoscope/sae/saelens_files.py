"""Dictionaries in SAELens's layout: a folder with `cfg.json` and `sae_weights.safetensors`, read and written.

Everything in a folder is checked when it is read, so that a dictionary that loads can encode. `sae_lens` loads what is
written here, and encodes the same.

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
"""In a checkpoint from the middle of a training: a factor of the input that is not in the weights yet."""

RESHAPINGS = ("none", "hook_z")
"""Input layouts in training that can be used; `hook_z` joins heads, which are joined already in one row per frame."""

LAYOUT_VERSION = "6.54.12"
"""The version of SAELens whose layout is written; without 6 or later, SAELens drops metadata that it does not know."""

SAELENS_WORDS = {"hook_name": "site", "model_name": "model"}
"""SAELens's names for keys of our metadata."""


def read_saelens(folder: Path) -> Dictionary:
    """Read a dictionary from a folder in SAELens's layout.

    Returns the dictionary on the CPU, its weights in float32 whatever the file holds.
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

    A new folder appears only when it is complete. In an existing folder the two files are replaced, and others stay.

    `folder`: the folder to write. Missing parents are created.
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
    """Build the settings, with site and model in the metadata under SAELens's names and under ours."""
    metadata = dictionary.metadata
    saelens_metadata = {
        saelens_name: metadata[our_name]
        for saelens_name, our_name in SAELENS_WORDS.items()
        if isinstance(metadata.get(our_name), str)
    }
    saelens_metadata |= {"sae_lens_training_version": None}  # without this key, SAELens would fill in its own version
    config = {
        "d_in": dictionary.d_in,
        "d_sae": dictionary.n_features,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": dictionary.apply_b_dec_to_input,
        "normalize_activations": dictionary.normalize_activations,
        "reshape_activations": "none",
        "architecture": dictionary.architecture,
        "metadata": {**saelens_metadata, **metadata, "sae_lens_version": LAYOUT_VERSION},
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
            f"dictionary {str(folder)!r} {came}: {', '.join(map(repr, allowed))} are supported. "
            "Convert the dictionary to one of them, or use another."
        )
    return str(value)


def _flag(folder: Path, config: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = config.get(name, default)
    if not isinstance(value, bool):
        raise InputError(f"dictionary {str(folder)!r} has {name} {value!r}: it is true or false. Correct {CONFIG}.")
    return value


def _refuse_other_activation(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a dictionary that an older version called `standard`, though its activation function is not ReLU."""
    name = "activation_fn" if "activation_fn" in config else "activation_fn_str"
    if config["architecture"] == "standard" and config.get(name, "relu") != "relu":
        raise InputError(
            f"dictionary {str(folder)!r} has {name} {config[name]!r}: a standard dictionary must have 'relu'. "
            "Load it with a current SAELens and save it again, which writes its true architecture."
        )


def _refuse_scaler(folder: Path) -> None:
    """Refuse weights that lack, or may lack, a factor of the input: they would encode wrongly."""
    if not (folder / SCALER).is_file():
        raise InputError(
            f"dictionary {str(folder)!r} has normalize_activations 'expected_average_only_in' and no {SCALER}: its "
            "input must be multiplied by a factor that is in neither file. SAELens writes 'none' there once the factor "
            f"is in the weights. If you know that it is, write 'none' in {CONFIG}; otherwise use the dictionary "
            "that the training wrote at its end."
        )
    factor = read_object(folder / SCALER).get("scaling_factor")
    if factor is not None:
        raise InputError(
            f"dictionary {str(folder)!r} is a checkpoint from the middle of a training: {SCALER} has scaling_factor "
            f"{factor!r}, which is not in its weights. Use the dictionary that the training wrote at its end."
        )


def _metadata(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Read the metadata; older versions wrote it among the settings."""
    metadata = config.get("metadata", {})
    if not isinstance(metadata, dict):
        raise InputError(
            f"dictionary {str(folder)!r} has metadata {metadata!r}: it is a JSON object. Correct {CONFIG}."
        )
    older = {name: config[name] for name in ("site", "model", "hook_name", "model_name") if name in config}
    return {**older, **metadata}


def _read_weights(folder: Path, architecture: str, sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """Read the tensors of an architecture, each finite and of the shape that the settings imply."""
    path = folder / WEIGHTS
    try:
        tensors = load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(
            f"dictionary weights {str(path)!r} cannot be read ({error}). They are a safetensors file: copy it again."
        ) from error
    shapes = {name: [sizes[axis] for axis in axes] for name, axes in TENSORS[architecture].items()}
    what = f"a {architecture} dictionary from {sizes['d_in']} to {sizes['d_sae']}"
    check_tensors(tensors, shapes, path=path, what=what, settings=CONFIG)
    return {name: tensors[name].float() for name in shapes}
