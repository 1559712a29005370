"""LoRA adapters as PEFT saves them, merged into their base while loading: W + B A alpha / r.

What would be merged wrongly is refused by name: methods other than LoRA, DoRA, adapters that need a changed base.

Source:
    Hu et al. 2021, "LoRA", section 4.1; PEFT, `tuners/lora/layer.py` (`get_delta_weight`) and
    `utils/save_and_load.py` (the names).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from otoscope.base.errors import ModelError
from otoscope.model.checkpoints.described import CheckpointDescription
from otoscope.model.checkpoints.files import TensorFiles, open_safetensors, open_torch_files, read_json
from otoscope.model.checkpoints.names import canonical_names
from otoscope.model.vocabulary import read_tokenizer

_CONFIG = "adapter_config.json"
_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_EMBEDDING, _OUTPUT = "model.decoder.embed_tokens.weight", "proj_out.weight"
_REFUSED = {  # what changes the sum or needs another base, and what it is called
    "use_dora": "DoRA",
    "use_qalora": "QALoRA",
    "use_bdlora": "block-diagonal LoRA",
    "lora_bias": "LoRA with biases of its own (lora_bias)",
    "layer_replication": "layer replication",
    "trainable_token_indices": "trainable token indices",
    "target_parameters": "LoRA of bare parameters (target_parameters)",
    "megatron_config": "LoRA for Megatron",
    "arrow_config": "Arrow",
    "alora_invocation_tokens": "activated LoRA",
}
_PLAIN_STARTS = ("true", "false", "gaussian", "eva", "orthogonal")  # initialisations that leave the base as it is
_FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<embedding>embedding_)?(?P<side>[AB])(\.default)?(\.weight)?")


@dataclass
class _Change:
    """What an adapter does to one weight: two factors and their scale."""

    scale: float
    sides: dict[str, torch.Tensor] = field(default_factory=dict)
    is_embedding: bool = False


def is_adapter(path: Path) -> bool:
    """Whether a folder holds an adapter."""
    return path.is_dir() and (path / _CONFIG).is_file()


def base_of(path: Path, *, source: str) -> str | None:
    """Return the name of the model that an adapter was trained on, from its config."""
    name = _config(path, source).get("base_model_name_or_path")
    return name if isinstance(name, str) and name else None


def merged(path: Path, base: CheckpointDescription, *, source: str, base_name: str) -> CheckpointDescription:
    """Describe the base with the adapter merged into it.

    `base`: the model that it was trained on.
    `source`: what the adapter is called in messages.
    `base_name`: what the base is called in messages.
    Returns a checkpoint with the base's config and the adapter's tokenizer, where it has one.
    """
    settings = _config(path, source)
    _refuse_other_methods(settings, source)
    file = next((path / name for name in _WEIGHTS if (path / name).is_file()), None)
    if file is None:
        raise ModelError(
            f"adapter {source!r} has no weights: {' or '.join(_WEIGHTS)} must lie beside {_CONFIG}. Copy it over."
        )
    open_files = open_safetensors if file.suffix == ".safetensors" else open_torch_files
    files = open_files([file], source=source)
    rows = [stored.shape[0] for name, stored in files.stored.items() if _whole_name(name, source) == _EMBEDDING]
    base.config.vocab_size = rows[0] if rows else base.config.vocab_size
    return replace(
        base,
        format=f"LoRA adapter of {base.format}",
        tensors=files.stored,
        read=lambda: _merge(files, settings, base, source, base_name),
        tokenizer=lambda: read_tokenizer(path, base.config.vocab_size) or base.tokenizer(),
        notes=[*base.notes, f"a LoRA adapter, merged into {base_name}"],
    )


def _config(path: Path, source: str) -> dict[str, Any]:
    return read_json(path / _CONFIG, source=source, why="it says how the adapter was trained")


def _refuse_other_methods(settings: dict[str, Any], source: str) -> None:
    method = str(settings.get("peft_type", "")).upper()
    refused = [name for key, name in _REFUSED.items() if settings.get(key)]
    if method != "LORA":
        refused.insert(0, method or "a method that it does not name")
    start = str(settings.get("init_lora_weights", True)).lower()
    if start not in _PLAIN_STARTS:
        refused.append(f"LoRA started by {start}, which changes the base")
    if refused:
        raise ModelError(
            f"adapter {source!r} is {', '.join(refused)}: only plain LoRA is merged, and this would come out wrong. "
            "Merge it where it was trained, with PEFT's merge_and_unload() and save_pretrained(), and load that."
        )


def _merge(
    files: TensorFiles, settings: dict[str, Any], base: CheckpointDescription, source: str, base_name: str
) -> dict[str, torch.Tensor]:
    changes, replaced = _factors_and_tensors(files.read(), settings, source)
    weights = base.read()
    _check_tied(changes, replaced, weights, base, source)
    for name, change in changes.items():
        if name not in weights or set(change.sides) != {"A", "B"}:
            lacking = f"{base_name!r} has no {name}" if name not in weights else f"one of the two factors of {name}"
            raise ModelError(f"adapter {source!r} does not fit: {lacking}. Name the model that it was trained on.")
        delta = _delta(change)
        if delta is None or delta.shape != weights[name].shape:
            shapes = {side: list(tensor.shape) for side, tensor in sorted(change.sides.items())}
            raise ModelError(
                f"adapter {source!r} does not fit: {name} of {base_name!r} is {list(weights[name].shape)}, and its "
                f"factors are {shapes}. Name the model that it was trained on."
            )
        weights[name] = weights[name].float() + delta
    for name, tensor in replaced.items():
        if name not in weights and name != _OUTPUT:
            raise ModelError(
                f"adapter {source!r} brings {name}, which {base_name!r} does not have. Name the model that it was "
                "trained on."
            )
        weights[name] = tensor
    return weights


def _whole_name(stored: str, source: str) -> str:
    """Return transformers' name of a tensor that replaces the base's; meaningless for a factor's name."""
    bare = re.sub(r"\.(base_layer|original_module|modules_to_save(\.default)?)(?=\.)", "", stored)
    return next(iter(canonical_names([bare], source=source).values()))


def _factors_and_tensors(
    held: dict[str, torch.Tensor], settings: dict[str, Any], source: str
) -> tuple[dict[str, _Change], dict[str, torch.Tensor]]:
    """Separate factors from whole tensors (`modules_to_save`, biases), by transformers' names."""
    changes: dict[str, _Change] = {}
    replaced: dict[str, torch.Tensor] = {}
    for stored, tensor in held.items():
        match = _FACTOR.fullmatch(stored)
        if match is None:
            if "lora_" in stored:
                raise ModelError(
                    f"adapter {source!r}: tensor {stored!r} is not a factor of plain LoRA, and its effect would "
                    "be lost. Merge the adapter with PEFT's merge_and_unload(), and load that."
                )
            replaced[_whole_name(stored, source)] = tensor
            continue
        module = match["module"].removeprefix("base_model.model.")
        name = next(iter(canonical_names([f"{module}.weight"], source=source).values()))
        change = changes.setdefault(name, _Change(0.0, is_embedding=match["embedding"] is not None))
        change.sides[match["side"]] = tensor.float()
        if match["side"] == "A":
            change.scale = _scale(settings, module, tensor.shape[0], source)
    return changes, replaced


def _scale(settings: dict[str, Any], module: str, rank: int, source: str) -> float:
    """Return alpha / r, or alpha / sqrt(r) for rank-stabilised LoRA; patterns may set both for single modules."""
    alpha, configured_rank = (
        _module_setting(settings, "alpha_pattern", "lora_alpha", module),
        _module_setting(settings, "rank_pattern", "r", module),
    )
    if not isinstance(alpha, int | float) or configured_rank != rank:
        raise ModelError(
            f"adapter {source!r}: {module} has rank {rank}, and {_CONFIG} says rank {configured_rank!r} and alpha "
            f"{alpha!r}. Config and weights do not belong together: copy both again."
        )
    return alpha / (math.sqrt(rank) if settings.get("use_rslora") else rank)


def _module_setting(settings: dict[str, Any], patterns: str, default: str, module: str) -> Any:
    """Return the value of the first pattern that matches the end of a module's name, or else the default's.

    Source: PEFT, `get_pattern_key`.
    """
    for pattern, value in (settings.get(patterns) or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return settings.get(default)


def _delta(change: _Change) -> torch.Tensor | None:
    """Multiply the factors; None where their shapes do not go together."""
    a, b = change.sides["A"], change.sides["B"]
    if a.shape[0] != b.shape[1]:
        return None
    if a.ndim == 3:  # a convolution: the second factor has a kernel of one
        return change.scale * torch.einsum("or,rik->oik", b[:, :, 0], a)
    product = change.scale * (b @ a)
    return product.T if change.is_embedding else product


def _check_tied(
    changes: dict[str, _Change],
    replaced: dict[str, torch.Tensor],
    weights: dict[str, torch.Tensor],
    base: CheckpointDescription,
    source: str,
) -> None:
    """Untie output and embedding if the adapter replaces both; refuse a change of one alone: its effect is unclear."""
    if not base.config.tie_word_embeddings:
        return
    changed = {_EMBEDDING, _OUTPUT} & {*changes, *replaced}
    if changed == {_EMBEDDING, _OUTPUT} and changed <= replaced.keys():
        base.config.tie_word_embeddings = torch.equal(replaced[_EMBEDDING], replaced[_OUTPUT])
    elif changed:
        raise ModelError(
            f"adapter {source!r} changes {' and '.join(sorted(changed))}, which its base holds as one tensor: whether "
            "the other follows depends on how it was trained. Merge it with PEFT's merge_and_unload(), and load that."
        )
