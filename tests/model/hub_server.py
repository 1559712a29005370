"""A stand-in for the Hugging Face hub's HTTP interface, on this machine, serving folders as repositories.

It answers what a download asks: the repository's description, the list of its files, and each file with the headers
that the client keeps its cache by. A repository can be gated, and the whole hub can be silent (it takes a connection
and never answers).
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the stand-in serves, and what it was asked.

    Attributes:
        repositories: Id to folder.
        gated: Ids that are refused until their terms are accepted.
        is_silent: True: take every request and answer none.
        requests: Every request so far, as "METHOD path".
        url: Where it listens.
    """

    repositories: dict[str, Path] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    is_silent: bool = False
    requests: list[str] = field(default_factory=list)
    url: str = ""
    stop: threading.Event = field(default_factory=threading.Event)


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """Serve the hub on a free port of 127.0.0.1 while the block runs."""

    class Handler(_Handler):
        served = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        hub.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""

    def _answer(self, *, with_body: bool) -> None:
        hub, path = self.served, unquote(urlsplit(self.path).path)
        hub.requests.append(f"{self.command} {path}")
        if hub.is_silent:
            hub.stop.wait(20)
            self.close_connection = True
            return
        parts = path.strip("/").split("/")
        is_api = parts[:2] == ["api", "models"]
        repo_id = "/".join(parts[2:4] if is_api else parts[:2])
        folder = hub.repositories.get(repo_id)
        if folder is None:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, with_body)
        elif repo_id in hub.gated:
            self._send(403, b"{}", {"X-Error-Code": "GatedRepo"}, with_body)
        elif is_api:
            self._send(200, json.dumps(_describe(repo_id, folder, parts)).encode(), {}, with_body)
        else:  # OWNER/NAME/resolve/REVISION/FILE
            self._send_file(folder / "/".join(parts[4:]), with_body)

    def _send_file(self, file: Path, with_body: bool) -> None:
        if not file.is_file():
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, with_body)
            return
        content = file.read_bytes()
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        self._send(200, content, headers, with_body)

    def _send(self, status: int, body: bytes, headers: dict[str, str], with_body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def _describe(repo_id: str, folder: Path, parts: list[str]) -> object:
    """Return what the interface says of a repository, or of its files for `/tree/`."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    if parts[4:5] == ["tree"]:
        return [
            {
                "type": "file",
                "path": str(file.relative_to(folder)),
                "size": file.stat().st_size,
                "oid": hashlib.sha1(file.read_bytes()).hexdigest(),
            }
            for file in files
        ]
    siblings = [{"rfilename": str(file.relative_to(folder))} for file in files]
    return {"id": repo_id, "modelId": repo_id, "sha": COMMIT, "private": False, "siblings": siblings}
