"""Check a checkpoint's weights before anything is built from them, and hash them.

Costs one pass over the weights, some seconds for a billion of them, spread over threads.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

import torch

from otoscope.base.errors import ModelError

_STORED_AS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def check_names_and_shapes(
    weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Size], *, source: str
) -> None:
    """Refuse weights that are not exactly those of the model."""
    missing = [name for name in expected if name not in weights]
    extra = [name for name in weights if name not in expected]
    shared = [name for name in expected if name in weights]
    misshapen = [
        f"{name} is {list(weights[name].shape)}, not {list(expected[name])}"
        for name in shared
        if weights[name].shape != expected[name]
    ]
    odd = [f"{name} is {weights[name].dtype}" for name in shared if weights[name].dtype not in _STORED_AS]
    kinds = (("missing", missing), ("not Whisper's", extra), ("misshapen", misshapen), ("of a type not read", odd))
    problems = [f"{len(names)} {kind} ({_first(names)})" for kind, names in kinds if names]
    if problems:
        raise ModelError(
            f"checkpoint {source!r}: of the {len(expected)} tensors that its config describes, {'; '.join(problems)}. "
            "All must be there, with these shapes, as float32, float16, bfloat16 or float64, and no others. "
            "Copy the checkpoint again, or check that config and weights belong together."
        )


def check_finite_and_hash(weights: Mapping[str, torch.Tensor], *, source: str) -> str:
    """Refuse NaN and infinite weights, and return a hash of the weights.

    The hash is the start of a SHA-256 over the tensors' names, shapes and values, these as float32 (exact for every
    16-bit type). The same weights have the same hash whether they came in one file or several, in half or single
    precision, from Hugging Face or OpenAI. It does not depend on the dtype or device that the model then runs in.
    """
    names = sorted(weights)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        digests = list(threads.map(lambda name: _digest(weights[name]), names))
    broken = [name for name, digest in zip(names, digests, strict=True) if digest is None]
    if broken:
        raise ModelError(
            f"checkpoint {source!r}: {len(broken)} of {len(names)} tensors hold NaN or infinite values "
            f"({_first(broken)}). Every weight must be a finite number. Copy the checkpoint again, or take one from "
            "before its training diverged."
        )
    total = hashlib.sha256()
    for name, digest in zip(names, digests, strict=True):
        total.update(f"{name} {list(weights[name].shape)} {digest}\n".encode())
    return total.hexdigest()[:16]


def _digest(tensor: torch.Tensor) -> str | None:
    """Return the SHA-256 of a tensor's values as float32, or None where a value is not finite."""
    values = tensor.detach().to(torch.float32).contiguous()
    if values.numel() and not bool(
        torch.isfinite(torch.stack(torch.aminmax(values))).all()
    ):  # NaN passes through min and max
        return None
    return hashlib.sha256(values.reshape(-1).view(torch.uint8).numpy().data).hexdigest()


def _first(names: Iterable[str], n: int = 3) -> str:
    """Name the first few and count the rest."""
    listed = list(names)
    rest = f" and {len(listed) - n} more" if len(listed) > n else ""
    return f"{', '.join(listed[:n])}{rest}"
