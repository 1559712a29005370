"""A real server in a thread, and requests to it as they go over the wire, with nothing put right on the way."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from otoscope.atlas.live import Live
from otoscope.atlas.safety import Hosts
from otoscope.atlas.server import application
from otoscope.atlas.study_folder import StudyFolder


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A study that is served."""

    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        host: str | None = "",
    ) -> Reply:
        """Send a request whose path is taken as it is; `host` replaces the header, None leaves it out."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        if isinstance(body, dict):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})}
        line.putrequest(method, path, skip_host=host != "", skip_accept_encoding=True)
        if host:
            line.putheader("Host", host)
        for name, value in (headers or {}).items():
            line.putheader(name, value)
        if body is not None and "Content-Length" not in (headers or {}):
            line.putheader("Content-Length", str(len(body)))
        line.endheaders(body)
        answer = line.getresponse()
        reply = Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        line.close()
        return reply

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})


@contextmanager
def serving(folder: Path, live: Live | None = None, names: Sequence[str] = ()) -> Iterator[Served]:
    """Serve a study as the command does."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    app = application(StudyFolder(folder), Hosts(port, also=tuple(names)), live)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_level="error",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    end = time.monotonic() + 20
    while not server.started and time.monotonic() < end:
        time.sleep(0.01)
    try:
        yield Served(port)
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
        if live is not None:
            live.close()


class Parrot:
    """Answers without a model: what it is told to hear."""

    def __init__(self, heard: str = "hello there", wait: Callable[[], None] = lambda: None) -> None:
        self.heard = heard
        self.wait = wait
        self.asked: list[Any] = []

    def ask(self, samples: Any, check: Callable[[], None]) -> tuple[dict[str, Any], Any]:
        self.asked.append(len(samples))
        self.wait()
        check()
        n = max(1, len(samples) // 320)
        curve = "".join("AAD/"[i % 4] for i in range(4 * (-(-n // 3))))
        way = {"peak_s": 0.1, "stretch_s": [0.05, 0.2], "curve": curve}
        words = [
            {"text": word, "start_s": 0.1 * at, "end_s": 0.1 * at + 0.08, "log_probability": -0.5, "true_s": None,
             "ways": {"attention": way}, "spliced": None}
            for at, word in enumerate(self.heard.split())
        ]  # fmt: skip
        feature = {"site": "encoder.blocks.0", "basis": "neuron", "feature": 3, "name": self.heard,
                   "phone": "SH", "peak_s": 0.1, "strength": 1.0, "share_of_maximum": 0.5, "curve": curve}  # fmt: skip
        record = {
            "model": "parrot", "duration_s": len(samples) / 16000, "frame_s": 0.02, "n_frames": n, "window_s": 10.0,
            "language": "en", "heard": {"text": self.heard}, "words": words, "features": [feature],
            "waveform": {"step_s": 0.1, "low": [-0.5, -0.1], "high": [0.2, 0.5]},
        }  # fmt: skip
        return record, {"way": way}

    def word(self, state: Any, number: int, check: Callable[[], None]) -> dict[str, Any]:
        self.wait()
        return {"word": number, "ways": {"relevance": state["way"], "perturbation": state["way"]}}

    def change(self, state: Any, changes: Any, check: Callable[[], None]) -> dict[str, Any]:
        self.asked.append(changes)
        return {
            "heard": self.heard.upper(), "before": self.heard, "n_tokens": 2,
            "log_probability": {"before": -1.0, "after": -2.0},
        }  # fmt: skip
