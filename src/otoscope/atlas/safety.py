"""Protects the pages' server: which requests it answers, what its answers allow, and how much it accepts.

A page of another site that is open in a browser can send requests to this machine. Such requests are recognised by
`Host` and `Origin`, which the browser sets and pages cannot change. A foreign name that resolves to this machine (DNS
rebinding) is refused like any other. Knows no study and no model.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
READS = ("GET", "HEAD")
BODY_S = 60.0
"""Seconds after which a body that has not fully arrived is given up."""

PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""A page may run the package's own scripts, and send requests to this server."""

MEDIA_POLICY = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""A picture or sound of the study that is opened by itself may only be shown or played."""

DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""A record or other file that is opened by itself may do nothing, and has no origin."""

HEADERS = {
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=(), display-capture=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Sent with every answer."""

_ENCODED = (b"%00", b"%2f", b"%5c")
"""An encoded slash, backslash or NUL: no address of this server contains one."""


@dataclass(frozen=True)
class Hosts:
    """The names under which the server answers."""

    port: int  # the port it listens on
    listened: str = "127.0.0.1"  # the address it listens on, as in a URL
    # further names, of a machine or of a proxy that forwards requests; these may use any port, and https
    also: tuple[str, ...] = ()

    def allow(self, host: str, server: str | None = None) -> bool:
        """Whether a `Host` names this server."""
        name, port = split_host(host)
        if name in {also.lower() for also in self.also}:
            return True
        names = {*LOOPBACK, in_address_line(self.listened).lower()}
        if server:
            names.add(in_address_line(server).lower())
        return name in names and port == (self.port if port is not None or self.port != 80 else None)

    def allow_origin(self, origin: str, server: str | None = None) -> bool:
        """Whether an `Origin` is this server's own."""
        try:
            parts = urlsplit(origin)
            is_plain = not (parts.path or parts.query or parts.fragment or parts.username or parts.password)
        except ValueError:
            return False
        is_named = split_host(parts.netloc)[0] in {also.lower() for also in self.also}
        schemes = ("http", "https") if is_named else ("http",)
        return is_plain and parts.scheme in schemes and self.allow(parts.netloc, server)


def split_host(host: str) -> tuple[str, int | None]:
    """Split a `Host` into the name in lower case and the port; the name is empty if it is not valid."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, ""
    elif not (port.isascii() and port.isdigit() and len(port) <= 5):
        return "", None
    return name.lower(), int(port) if port else None


def in_address_line(host: str) -> str:
    """Write an address as it appears in a URL: IPv6 in brackets."""
    try:
        return f"[{host}]" if ipaddress.ip_address(host.split("%")[0]).version == 6 else host
    except ValueError:
        return host


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Refuses foreign requests, and adds headers to every answer."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # there are no web sockets here

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _completed(message.get("headers", []))
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, sent)
        else:
            status, message = refusal
            await JSONResponse({"error": message}, status)(scope, receive, sent)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Give the status and message with which a request is refused; None if it is accepted."""
        server = (scope.get("server") or [None])[0]
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or not self._hosts.allow(hosts[0], server):
            return 421, "This server does not answer under that name: start it with --allow-host NAME to allow it."
        if any(not self._hosts.allow_origin(origin, server) for origin in _values(scope, b"origin")):
            return 403, "This server answers only its own pages."
        if scope["method"] not in READS and _values(scope, b"sec-fetch-site") not in ([], ["same-origin"], ["none"]):
            return 403, "This server answers only its own pages."
        raw = scope.get("raw_path", b"").lower()
        if any(letters in raw for letters in _ENCODED) or any(ord(letter) < 32 for letter in scope["path"]):
            return 404, "There is nothing at this address."
        return None


class BusyError(Exception):
    """All slots are taken."""


class Slots:
    """Admits a few requests at a time, and refuses others before their bodies are read; for one event loop.

    `most`: how many are admitted at a time.
    """

    def __init__(self, most: int) -> None:
        self._most, self._n_taken = most, 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a slot."""
        if self._n_taken >= self._most:
            raise BusyError
        self._n_taken += 1
        try:
            yield
        finally:
            self._n_taken -= 1


async def read_body(request: Request, most_bytes: int, *, most_s: float = BODY_S) -> bytes:
    """Read a request's body, up to the limit, whatever its header says."""
    too_large = HTTPException(413, f"That is too large: at most {most_bytes / 1e6:g} MB are accepted.")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > most_bytes:
        raise too_large
    parts, n_bytes = [], 0
    try:
        async with asyncio.timeout(most_s):
            async for part in request.stream():
                n_bytes += len(part)
                if n_bytes > most_bytes:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise HTTPException(408, f"It took longer than {most_s:g} s to arrive: send it again.") from None
    except ClientDisconnect:
        raise HTTPException(400, "It did not arrive completely: send it again.") from None
    return b"".join(parts)


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _completed(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Add the headers that every answer has; headers that are set already are kept."""
    headers = list(headers)
    present = {name.lower() for name, _ in headers}
    defaults = {**HEADERS, "content-security-policy": PAGE_POLICY, "cache-control": "no-cache"}
    added = [(name.encode(), value.encode()) for name, value in defaults.items() if name.encode() not in present]
    return headers + added
