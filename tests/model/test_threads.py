"""Real threads on one model, held against each other by barriers so that their blocks are on at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
import torch
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.model.transcribe import transcribe
from otoscope.model.whisper import Whisper
from tests.model.lively import lively, noise

N_ROUNDS = 3
WAIT_S = 60


@pytest.fixture(scope="module")
def model() -> Whisper:
    return lively()


def together(*jobs: Callable[[threading.Barrier], Any]) -> list[Any]:
    """Run jobs in threads of their own; each gets a barrier that waits for all."""
    barrier = threading.Barrier(len(jobs), timeout=WAIT_S)
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result() for future in [pool.submit(job, barrier) for job in jobs]]


def scaled(factor: float) -> Callable[[Tensor], Tensor]:
    return lambda x: x * factor


def heard(model: Whisper, seed: int) -> Any:
    return transcribe(model, noise(1.3, seed), language="en", word_times=True)


@pytest.mark.parametrize(
    "site", ["encoder.blocks.0", "encoder.blocks.1.attn.pattern", "decoder.blocks.0.mlp.1", "logits"]
)
def test_each_thread_hears_its_own_edits(model: Whisper, site: str) -> None:
    def edited(factor: float, seed: int) -> Callable[[threading.Barrier], list[Any]]:
        def job(barrier: threading.Barrier) -> list[Any]:
            found = []
            for _ in range(N_ROUNDS):
                with model.edit({site: scaled(factor)}):
                    barrier.wait()
                    found.append(heard(model, seed))
                    barrier.wait()
            return found

        return job

    alone = [together(edited(factor, seed))[0] for factor, seed in ((0.2, 1), (1.5, 2))]
    assert alone[0][0].tokens != heard(model, 1).tokens or site == "logits"
    assert together(edited(0.2, 1), edited(1.5, 2)) == alone


def test_each_thread_has_its_own_attention_window(model: Whisper) -> None:
    def limited(k: int) -> Callable[[threading.Barrier], Tensor]:
        def job(barrier: threading.Barrier) -> Tensor:
            with model.attention_window(k):
                barrier.wait()
                encoded = model.encode(noise(1.3))
                barrier.wait()
            return encoded

        return job

    alone = [together(limited(k))[0] for k in (2, 9)]
    assert not torch.equal(*alone)
    for one, other in zip(together(limited(2), limited(9)), alone, strict=True):
        assert torch.equal(one, other)


def test_each_thread_reads_its_own_run(model: Whisper) -> None:
    sites = ["encoder.blocks.1", "decoder.blocks.1", "decoder.blocks.0.cross_attn.pattern"]

    def read(seed: int) -> Callable[[threading.Barrier], list[Tensor]]:
        def job(barrier: threading.Barrier) -> list[Tensor]:
            with model.reading(sites) as tape:
                barrier.wait()
                transcribe(model, noise(1.3, seed), language="en")
                barrier.wait()
            return [*(tape[site] for site in sites), tape.tokens]

        return job

    alone = [together(read(seed))[0] for seed in (1, 2)]
    for one, other in zip(together(read(1), read(2)), alone, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(one, other, strict=True))


def test_no_speech_probabilities_are_those_of_the_thread(model: Whisper) -> None:
    def job(barrier: threading.Barrier, seed: int) -> list[float | None]:
        barrier.wait()
        return [heard(model, seed).segments[0].no_speech_prob for _ in range(N_ROUNDS)]

    wanted = [[heard(model, seed).segments[0].no_speech_prob] * N_ROUNDS for seed in (1, 2)]
    assert wanted[0] != wanted[1]
    assert together(lambda barrier: job(barrier, 1), lambda barrier: job(barrier, 2)) == wanted


@pytest.mark.parametrize(
    "block", [lambda model: model.edit({"encoder.blocks.0": scaled(0.2)}), lambda model: model.attention_window(2)]
)
def test_a_thread_with_nothing_on_is_refused_while_another_edits(
    model: Whisper, block: Callable[[Whisper], Any]
) -> None:
    plain = model.encode(noise(1.3))
    with block(model), ThreadPoolExecutor(1) as pool:
        with pytest.raises(InputError, match="runs in a thread that has no edit and no attention window on"):
            pool.submit(model.encode, noise(1.3)).result(WAIT_S)

        def unedited() -> Tensor:
            with model.edit({}):
                return model.encode(noise(1.3))

        assert torch.equal(pool.submit(unedited).result(WAIT_S), plain)
    assert torch.equal(model.encode(noise(1.3)), plain)


def test_a_thread_with_a_reading_alone_is_refused_too(model: Whisper) -> None:
    def read() -> dict[str, Tensor]:
        return model.activations(noise(1.3), "encoder.blocks.1")

    with (
        model.edit({"encoder.blocks.0": scaled(0.2)}),
        ThreadPoolExecutor(1) as pool,
        pytest.raises(InputError, match="belong to the thread that puts them on"),
    ):
        pool.submit(read).result(WAIT_S)


def test_blocks_that_come_and_go_in_one_thread_leave_the_other_as_it_is(model: Whisper) -> None:
    plain = model.encode(noise(1.3))
    is_over = threading.Event()

    def flicker() -> None:
        while not is_over.is_set():
            with ExitStack() as stack:
                stack.enter_context(model.reading(["encoder.blocks.1.attn.pattern", "encoder.blocks.0"]))
                stack.enter_context(model.edit({}))

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(flicker)
        try:
            with model.edit({}):
                assert all(torch.equal(model.encode(noise(1.3)), plain) for _ in range(10))
        finally:
            is_over.set()
        done.result(WAIT_S)
    assert not any(module._forward_hooks for module in model.hf.modules())
