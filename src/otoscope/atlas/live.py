"""Questions that pages ask a model through a server: one is answered at a time, and only a few may wait.

The object that answers is made by a function passed in, at the first question, so that pages can be served without
torch and without a model. The last 20 recordings are kept in memory until the server ends.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from jaxtyping import Float32
from starlette.requests import Request

from otoscope.atlas.safety import BusyError, Slots, read_body
from otoscope.atlas.upload import MOST_BYTES, MOST_S, Decoder
from otoscope.audio import spectrogram
from otoscope.audio.vorbis import vorbis
from otoscope.base.clocks import SAMPLE_RATE_HZ
from otoscope.base.errors import InputError

MOST_KEPT = 20
MOST_WAITING = 3
MOST_CHANGES = 16
ANSWER_S = 300.0
"""A question that takes longer is given up as soon as the model can be stopped. Loading the model does not count."""

LOOK_S = 0.5
"""Seconds between checks that the client is still connected."""

Answered = TypeVar("Answered")
Check = Callable[[], None]
"""Called now and then while a question is answered; raises an exception to end it."""


class Answers(Protocol):
    """Answers questions, from a model and what is known of its features."""

    def ask(self, samples: Float32[np.ndarray, " sample"], check: Check) -> tuple[dict[str, Any], Any]:
        """Transcribe and examine a recording of at most one window.

        Returns the record, and the state that `word` and `change` take.
        """

    def word(self, state: Any, number: int, check: Check) -> dict[str, Any]:
        """Find which frames a word came from, in three ways."""

    def change(self, state: Any, changes: Sequence[Mapping[str, Any]], check: Check) -> dict[str, Any]:
        """Transcribe again with features and heads scaled."""


class StoppedError(Exception):
    """The answer took too long, or the client is gone."""


@dataclass(frozen=True, eq=False)
class Kept:
    """A recording that was examined."""

    samples: Float32[np.ndarray, " sample"]  # the part that was examined, at 16 kHz
    state: Any  # what the model needs for further questions


class Live:
    """Queues questions, and refuses them when there are too many.

    `start`: makes the object that answers; called at the first question, in the thread that answers.
    `window_s`: the model's window in seconds; a longer recording is cut to it.
    `answer_s`: seconds after which a question is given up, not counting the time to load the model.
    """

    def __init__(self, start: Callable[[], Answers], window_s: float, *, answer_s: float = ANSWER_S) -> None:
        self.window_s = window_s
        self.decoder = Decoder(window_s)
        self._start = start
        self._answers: Answers | None = None
        self._answer_s = answer_s
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="live")
        self._loading_s = 0.0
        self._slots = Slots(MOST_WAITING + 1)
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._is_closed = False

    def about(self) -> dict[str, Any]:
        """Give the limits on questions, and whether the model is loaded."""
        return {
            "window_s": self.window_s,
            "is_loaded": self._answers is not None,
            "most_bytes": MOST_BYTES,
            "most_s": MOST_S,
            "most_changes": MOST_CHANGES,
            "n_kept": MOST_KEPT,
        }

    async def ask(self, request: Request) -> dict[str, Any]:
        """Examine the recording in the request's body, which is read only once a slot is free."""
        with self._slots.taken():
            return await self._ask(request, await read_body(request, MOST_BYTES))

    async def _ask(self, request: Request, content: bytes) -> dict[str, Any]:
        def answer(check: Check) -> dict[str, Any]:
            upload = self.decoder.decode(content)
            check()
            record, state = self._model().ask(upload.samples, check)
            key = secrets.token_hex(8)
            with self._lock:
                self._kept[key] = Kept(upload.samples, state)
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            answered_s = len(upload.samples) / SAMPLE_RATE_HZ
            addresses = {"sound": f"live/sound/{key}.ogg", "spectrogram": f"live/spectrogram/{key}.png"}
            return {**record, **addresses, "id": key, "recording_s": upload.duration_s, "duration_s": answered_s}

        try:
            return await self._answered(request, answer)
        finally:
            threading.Thread(target=self.decoder.prepare, daemon=True).start()  # for the next recording

    async def word(self, request: Request, key: str, number: int) -> dict[str, Any]:
        """Find where a word of a recording came from; `KeyError` if the recording is no longer kept."""
        state = self.kept(key).state
        with self._slots.taken():
            return await self._answered(request, lambda check: self._model().word(state, number, check))

    async def change(self, request: Request, key: str, changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Transcribe a recording with a changed model; `KeyError` if the recording is no longer kept."""
        if not 1 <= len(changes) <= MOST_CHANGES:
            raise InputError(f"{len(changes)} changes were sent: give 1 to {MOST_CHANGES}.")
        state = self.kept(key).state
        with self._slots.taken():
            return await self._answered(request, lambda check: self._model().change(state, changes, check))

    def kept(self, key: str) -> Kept:
        """Find a recording that was examined; `KeyError` if it is no longer kept."""
        with self._lock:
            kept = self._kept[key]
            self._kept.move_to_end(key)
            return kept

    def sound(self, key: str) -> bytes:
        """Encode the examined part of a recording as Ogg Vorbis; `KeyError` if it is no longer kept."""
        return vorbis(self.kept(key).samples)

    def spectrogram(self, key: str) -> bytes:
        """Draw the spectrogram of the examined part of a recording as PNG; `KeyError` if it is no longer kept."""
        return spectrogram.png(self.kept(key).samples)

    def close(self) -> None:
        """Take no more questions, and abandon the current one."""
        self._is_closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.decoder.close()

    def _model(self) -> Answers:
        if self._answers is None:
            started = time.monotonic()
            try:
                self._answers = self._start()
            finally:
                self._loading_s += time.monotonic() - started
        return self._answers

    async def _answered(self, request: Request, answer: Callable[[Check], Answered]) -> Answered:
        """Answer a question when its turn comes; drop it when the client disconnects."""
        if self._is_closed:
            raise BusyError
        is_dropped = threading.Event()

        def run() -> Answered:
            end = time.monotonic() + self._answer_s - self._loading_s

            def check() -> None:
                if is_dropped.is_set() or self._is_closed or time.monotonic() > end + self._loading_s:
                    raise StoppedError

            check()
            return answer(check)

        try:
            waited = asyncio.wrap_future(self._pool.submit(run))
            while not waited.done():
                await asyncio.wait({waited}, timeout=LOOK_S)
                if not waited.done() and await request.is_disconnected():
                    is_dropped.set()
                    waited.cancel()  # has an effect only if its turn has not come
                    raise StoppedError
            if waited.cancelled():
                raise StoppedError
            return waited.result()
        finally:
            is_dropped.set()
