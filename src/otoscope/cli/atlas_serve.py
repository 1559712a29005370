"""`otoscope atlas serve`: the pages of a study, served from this machine, with questions to the model."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.cli import options
from otoscope.cli.console import Console

if TYPE_CHECKING:
    from otoscope.atlas.live import Answers, Live
    from otoscope.atlas.study_folder import StudyFolder

MOST_OPEN = 100
"""Connections at a time; more are refused."""

STOP_S = 3
"""Seconds that answers under way may still take when the server is stopped."""


def serve(
    study: Annotated[str, typer.Argument(metavar="DIR", help="The folder that otoscope study --out wrote.")],
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="The model that answers live questions; by default the study's."),
    ] = None,
    live: Annotated[bool, typer.Option("--live/--no-live", help="Whether to answer live questions.")] = True,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Listen on this address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="Listen on this port; 0 for any free port.")] = 8000,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Also answer under this host name, of the machine or a proxy; repeat for several."
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the pages in the browser.")] = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    quiet: options.Quiet = False,
) -> None:
    """Serve the pages of a finished study: read, listen, keep notes, and ask the model about recordings of your own.

    By default only this machine can reach them. The model is loaded at the first question; without torch, or with
    --no-live, everything but the Live page works. Ctrl-C stops the server.
    """
    from otoscope.atlas.safety import Hosts, in_address_line, is_loopback
    from otoscope.atlas.server import application
    from otoscope.atlas.study_folder import StudyFolder

    console, folder = Console(quiet), StudyFolder(study)
    names = tuple(_checked_name(name) for name in allow_host or ())
    questions = _live(folder, model, device, dtype, console) if live else None
    listening = _listen(host, port)
    bound_port = listening.getsockname()[1]
    address = f"http://{in_address_line('127.0.0.1' if host in ('0.0.0.0', '') else host)}:{bound_port}/"
    if not is_loopback(host):
        console.note(
            f"Listening on {host}: anyone who can reach this machine can read the study, change its notes and ask the "
            "model. There is no password. Leave out --host to allow only this machine."
        )
    print(f"Open {address}", flush=True)
    console.note("Ctrl-C stops the server.")
    if show:
        import webbrowser

        webbrowser.open(address)
    try:
        if questions is not None:
            questions.decoder.prepare()
        _run(application(folder, Hosts(bound_port, host, names), questions), listening)
    finally:
        listening.close()
        if questions is not None:
            questions.close()


def _run(app: object, listening: socket.socket) -> None:
    """Serve until Ctrl-C, which is not a failure."""
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(
            app,  # type: ignore[arg-type]
            http="h11",  # the strictest parser of requests
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_OPEN,
            timeout_graceful_shutdown=STOP_S,
        )
    )
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listening])


def _live(folder: StudyFolder, model: str | None, device: str, dtype: str, console: Console) -> Live | None:
    """Make the object that takes live questions; None, after a note that says why, if there can be none."""
    import importlib.util

    from otoscope.atlas.live import Live

    if importlib.util.find_spec("torch") is None:
        console.note("No live questions: torch is not installed.")
        return None
    about = folder.study.get("model") or {}
    source = model or _named(about.get("id"))
    if source is None:
        console.note(
            f"No live questions: the study's model is {str(about.get('id'))[:100]!r}, a file or folder. If you trust "
            "it, give it as --model."
        )
        return None
    window_s = about.get("window_s")
    if not isinstance(window_s, int | float) or not 0 < window_s <= 60:
        raise InputError(f"the study says that its model's window is {window_s!r} seconds: run the study again.")
    return Live(_start(folder, source, device, dtype, about.get("weights_hash"), console), float(window_s))


def _start(
    folder: StudyFolder, source: str, device: str, dtype: str, weights_hash: object, console: Console
) -> Callable[[], Answers]:
    def start() -> Answers:
        from otoscope.model.load import load
        from otoscope.study.listening.live import LiveModel

        _ = folder.run  # raises for a harvest that is reached by links
        console.note(f"Loading {source} for the first question")
        expected_hash = weights_hash if isinstance(weights_hash, str) else None
        return LiveModel(load(source, device=device, dtype=dtype), folder.path, expected_hash)

    return start


def _named(name: object) -> str | None:
    """Give the study's model if it is a name; None if it is a path: a study made by others may name any file."""
    from pathlib import Path

    if not isinstance(name, str) or not name or name.startswith(("/", ".", "~")) or "\\" in name:
        return None
    return None if name != "demo" and (Path(name).suffix in (".pt", ".pth", ".bin") or Path(name).exists()) else name


def _listen(host: str, port: int) -> socket.socket:
    """Open the port."""
    if not 0 <= port <= 65535:
        raise InputError(f"--port is {port}: give 0 to 65535, 0 for any free port.")
    listening = None
    try:
        family, kind, _, _, socket_address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(socket_address)
        listening.listen(128)
    except (OSError, UnicodeError) as error:
        if listening is not None:
            listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"cannot listen on {host} port {port}: {reason}. Give another --port (0 for any free port), or another "
            "--host."
        ) from error
    return listening


def _checked_name(name: str) -> str:
    """Refuse a name that cannot be in a `Host` header."""
    if not name or any(letter in name for letter in "/:@* ,") or not name.isascii():
        raise InputError(
            f"--allow-host {name!r} is not a host name: give it without port and scheme, such as atlas.example."
        )
    return name
