"""Processes that train dictionaries together, each on its share of every batch, and the single process.

`torchrun` starts the processes; `join` connects them through the environment variables that it sets. They communicate
through gloo on a CPU, and through NCCL on CUDA devices. Each process needs one extra copy of the gradients, to send.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from otoscope.base.errors import InputError

SETTLE_S = 0.1
"""torch 2.13 leaves gloo's threads running when a process group ends, and an interpreter that exits while one of them
still frees its last tensors is aborted (https://github.com/pytorch/pytorch/pull/179291). Idle threads do no harm."""


class Together:
    """Communication between processes that train together; this class is for a single process.

    All processes must make the same calls in the same order. Use it as a context manager, which disconnects at the end.

    Attributes:
        rank: Number of this process.
        size: Number of processes.
    """

    rank = 0
    size = 1

    def mean_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over all processes, in place."""

    def any_(self, flags: Tensor) -> None:
        """Replace flags by whether they are set in any process, in place."""

    def gather(self, values: Tensor) -> Tensor:
        """Concatenate the values of all processes, in order of rank; each may have a different number."""
        return values

    def broadcast_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by that of the first process, in place."""

    def from_first(self, value: Any) -> Any:
        """Return the value that the first process passed here; it must be JSON."""
        return value

    def share(self, x: Tensor) -> Tensor:
        """Return this process's share of the rows, without copying: shares are equal, in order of rank."""
        n_rows = len(x) // self.size
        return x[self.rank * n_rows : (self.rank + 1) * n_rows]

    def close(self) -> None:
        """Disconnect from the other processes."""

    def __enter__(self) -> Together:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()


ALONE = Together()


class Processes(Together):
    """One of several processes of `torch.distributed`.

    `group`: the process group; None for the default one.
    """

    def __init__(self, device: torch.device | None = None, group: Any = None) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()
        self._device = device
        self._group = group
        self._buffer = torch.empty(0)

    def mean_(self, tensors: Sequence[Tensor]) -> None:
        """Average all tensors at once, as float32 in one flat buffer that is reused."""
        n_values = sum(tensor.numel() for tensor in tensors)
        device = self._device or torch.device("cpu")
        if len(self._buffer) < n_values or self._buffer.device != device:
            self._buffer = torch.empty(n_values, device=device)
        flat = self._buffer[:n_values]
        parts = flat.split([tensor.numel() for tensor in tensors])
        with torch.no_grad():
            for tensor, part in zip(tensors, parts, strict=True):
                part.copy_(tensor.reshape(-1))
            dist.all_reduce(flat, group=self._group)
            flat /= self.size
            for tensor, part in zip(tensors, parts, strict=True):
                tensor.copy_(part.view(tensor.shape))

    def any_(self, flags: Tensor) -> None:
        """Take the maximum of each flag as a number."""
        sent = self._to_send(flags.to(torch.uint8))
        dist.all_reduce(sent, op=dist.ReduceOp.MAX, group=self._group)
        flags.copy_(sent.to(flags.device) != 0)

    def gather(self, values: Tensor) -> Tensor:
        """Exchange the numbers of values, then the values, padded to the largest number."""
        is_flag = values.dtype == torch.bool
        sent = self._to_send(values.to(torch.uint8) if is_flag else values).contiguous()
        counts = self._to_send(torch.zeros(self.size, dtype=torch.int64))
        counts[self.rank] = len(sent)
        dist.all_reduce(counts, group=self._group)
        numbers = counts.tolist()
        filled = sent.new_zeros(max(numbers), *sent.shape[1:])
        filled[: len(sent)] = sent
        received = [torch.empty_like(filled) for _ in numbers]
        dist.all_gather(received, filled, group=self._group)
        joined = torch.cat([part[:number] for part, number in zip(received, numbers, strict=True)])
        return joined.to(values.device, values.dtype)

    def broadcast_(self, tensors: Sequence[Tensor]) -> None:
        """Send the tensors one after another."""
        with torch.no_grad():
            for tensor in tensors:
                sent = self._to_send(tensor.detach()).contiguous()
                sent = sent.to(torch.uint8) if tensor.dtype == torch.bool else sent
                dist.broadcast(sent, src=0, group=self._group)
                tensor.copy_(sent)

    def from_first(self, value: Any) -> Any:
        """Send the value as JSON text, its length first."""
        text = json.dumps(value).encode() if self.rank == 0 else b""
        length = torch.tensor([len(text)])
        self.broadcast_([length])
        letters = torch.zeros(int(length), dtype=torch.uint8)
        if self.rank == 0:
            letters.copy_(torch.frombuffer(bytearray(text), dtype=torch.uint8))
        self.broadcast_([letters])
        return json.loads(bytes(letters.tolist()))

    def close(self) -> None:
        """End the process group if it is the default one."""
        if self._group is None and dist.is_initialized():
            dist.destroy_process_group()
            time.sleep(SETTLE_S)

    def _to_send(self, tensor: Tensor) -> Tensor:
        return tensor if self._device is None else tensor.to(self._device)


def join(device: str | torch.device = "cpu") -> Together:
    """Connect to the processes that `torchrun` started with this one.

    Returns the processes, or `ALONE` if this one was not started by torchrun or is the only one. Use it as a context
    manager.
    """
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys() or os.environ["WORLD_SIZE"] == "1":
        return ALONE
    own_device = None
    if torch.device(device).type == "cuda":
        own_device = _cuda_device()
        torch.cuda.set_device(own_device)
    elif os.environ.get("GROUP_WORLD_SIZE") == "1" and any(name == "lo" for _, name in socket.if_nameindex()):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # all are on this machine, whatever its name resolves to
    try:
        dist.init_process_group("gloo" if own_device is None else "nccl")
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"this is process {os.environ['RANK']} of {os.environ['WORLD_SIZE']}, and the others do not answer "
            f"({error}). Start all of them with torchrun, or run without it."
        ) from error
    return Processes(own_device)


def _cuda_device() -> torch.device:
    """Return the CUDA device of this process's number."""
    number, n_devices = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= n_devices:
        raise InputError(
            f"process {number} of this machine has no CUDA device of its own: there are {n_devices}. "
            "Start as many processes as there are devices, or train with device cpu."
        )
    return torch.device("cuda", number)
