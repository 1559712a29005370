"""Training checkpoints in safetensors: weights and optimizer as tensors, position in the curriculum as metadata."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass
class Progress:
    """How far training is."""

    step: int = 0  # steps done in all
    stage: int = 0  # index into the curriculum
    stage_steps: int = 0  # steps done in this stage
    loss: float = 10.0  # running mean of the loss in this stage, nats a text token
    audio_hours: float = 0.0  # hours of sound trained on, padding included
    train_hours: float = 0.0  # hours of computing


def save(path: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Write a checkpoint to a temporary file, then replace the last one."""
    tensors = {f"weight/{name}": value.contiguous() for name, value in network.named_parameters()}
    for name, parameter in network.named_parameters():
        for moment in _MOMENTS:
            if parameter in optimizer.state:
                tensors[f"{moment}/{name}"] = optimizer.state[parameter][moment].contiguous()
    unfinished = path.with_suffix(".unfinished")
    save_file(tensors, unfinished, metadata={"progress": json.dumps(asdict(progress))})
    unfinished.replace(path)


def restore(path: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Read a checkpoint into a network and its optimizer.

    Returns how far training was when the checkpoint was written.
    """
    with safe_open(path, framework="pt") as file, torch.no_grad():
        names = set(file.keys())
        for name, parameter in network.named_parameters():
            parameter.copy_(file.get_tensor(f"weight/{name}")) if parameter.requires_grad else None
            if f"exp_avg/{name}" in names:
                optimizer.state[parameter] = {moment: file.get_tensor(f"{moment}/{name}") for moment in _MOMENTS}
        return Progress(**json.loads(file.metadata()["progress"]))
