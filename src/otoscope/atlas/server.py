"""Serves the pages of a study: the package's own pages, the study's records and files, notes, and live questions.

Pages and scripts come from the package, never from the study; the study's files are sent with the type of their suffix
and may run nothing. Only notes are written. Records are made on request, and up to 64 MB of them are kept. Knows no
tensors: the object that answers live questions is passed in.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from otoscope.atlas.build import site_files
from otoscope.atlas.live import Live, StoppedError
from otoscope.atlas.notes import MOST_NOTE, NoteChangedError, Notes
from otoscope.atlas.records import record
from otoscope.atlas.records.phone_names import phone_names
from otoscope.atlas.safety import DATA_POLICY, MEDIA_POLICY, BusyError, Guard, Hosts, Slots, read_body
from otoscope.atlas.study_folder import MEDIA_TYPES, StudyFolder
from otoscope.base.errors import AudioError, InputError, OtoscopeError, OutputError

SITE_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/svg+xml",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
MODE, ICON = "assets/mode.js", "assets/icon.svg"
FAVICON = "favicon.ico"
"""Browsers request it when a picture is opened by itself."""

NOTE_BYTES = 8 * MOST_NOTE
QUESTION_BYTES = 64_000
IMPORT_BYTES = 16_000_000
MOST_IMPORTS = 2
"""Imports of notes at a time."""

RETRY_S = 5
KEPT_BYTES = 64_000_000

NOT_HERE = "There is nothing at this address."
NO_LIVE = "This server answers no live questions: start it without --no-live, with torch installed."
GONE = "This recording is no longer kept: send it again."


def application(folder: StudyFolder, hosts: Hosts, live: Live | None = None) -> Guard:
    """Make the server of a study.

    `live`: takes live questions; None for no live page. The caller closes it.
    Returns an ASGI application.
    """
    pages, notes = _Pages(folder, live), _NotePages(folder)
    routes = [
        Route("/", pages.site),
        Route("/data/{name:path}.json", pages.data),
        Route("/files/{name:path}", pages.file),
        Route("/notes.json", notes.read),
        Route("/notes.json", notes.merge, methods=["POST"]),
        Route("/notes/{key:path}", notes.save, methods=["PUT"]),
    ]
    if live is not None:
        questions = _Questions(live, folder)
        routes += [
            Route("/live/about.json", questions.about),
            Route("/live/ask", questions.ask, methods=["POST"]),
            Route("/live/ask/{key}/word", questions.word, methods=["POST"]),
            Route("/live/ask/{key}/change", questions.change, methods=["POST"]),
            Route("/live/sound/{key}.ogg", questions.sound),
            Route("/live/spectrogram/{key}.png", questions.spectrogram),
        ]
    routes += [Route("/live/{rest:path}", _no_live, methods=["GET", "POST"]), Route("/{name:path}", pages.site)]

    handlers: Mapping[Any, Any] = {
        HTTPException: _http_error,
        BusyError: _busy,
        StoppedError: _stopped,
        NoteChangedError: _changed,
        OtoscopeError: _Failed(folder),
        Exception: _unexpected,
    }
    return Guard(Starlette(routes=routes, exception_handlers=handlers), hosts)


class _Pages:
    """The site's own files, and the study's records and files."""

    def __init__(self, folder: StudyFolder, live: Live | None) -> None:
        self._folder = folder
        self._site = dict(site_files())
        self._site[MODE] = f'otoscope.mode = "served";\notoscope.live = {json.dumps(live is not None)};\n'.encode()
        self._site[FAVICON] = self._site[ICON]
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    async def site(self, request: Request) -> Response:
        """Send one of the package's own files."""
        name = request.path_params.get("name") or "index.html"
        content = self._site.get(name)
        if content is None:
            raise HTTPException(404, NOT_HERE)
        return Response(content, headers={"content-type": SITE_TYPES[PurePosixPath(name).suffix]})

    async def data(self, request: Request) -> Response:
        """Send a record."""
        content = await run_in_threadpool(self._record, request.path_params["name"])
        return Response(content, headers={"content-type": "application/json", "content-security-policy": DATA_POLICY})

    def _record(self, name: str) -> bytes:
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
        try:
            values = record(self._folder, name)
        except KeyError as error:
            if error.args != (name,):
                raise
            raise HTTPException(404, f"This study holds no such record: {name[:100]!r}.") from None
        content = json.dumps(values, allow_nan=False, separators=(",", ":")).encode()
        with self._lock:
            self._kept[name] = content
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > KEPT_BYTES:
                self._kept.popitem(last=False)
        return content

    async def file(self, request: Request) -> Response:
        """Send a file of the study, or the requested range of it."""
        name = request.path_params["name"]
        path = await run_in_threadpool(self._find, name)
        if path is None:
            raise HTTPException(404, NOT_HERE)
        media_type = MEDIA_TYPES[path.suffix]
        policy = MEDIA_POLICY if media_type.startswith(("image/", "audio/")) else DATA_POLICY
        return FileResponse(path, headers={"content-type": media_type, "content-security-policy": policy})

    def _find(self, name: str) -> Path | None:
        """Find a file of the study; None for a path outside it, or a name that no file can have."""
        try:
            path = self._folder.shared_file(name)
            is_inside = path is not None and path.resolve().is_relative_to(self._folder.path.resolve())
        except (OSError, ValueError):
            return None
        return path if is_inside else None


class _NotePages:
    """Notes: read all, save one, import an export."""

    def __init__(self, folder: StudyFolder) -> None:
        self._notes = Notes(folder.path)
        self._imports = Slots(MOST_IMPORTS)

    async def read(self, _request: Request) -> Response:
        """Send all notes."""
        return _json(await run_in_threadpool(self._notes.to_json))

    async def save(self, request: Request) -> Response:
        """Save one note."""
        given = await _object(request, NOTE_BYTES)
        version = given.get("version", 0)
        if isinstance(version, bool) or not isinstance(version, int):
            raise InputError(
                "the version of a note must be a whole number: give the version that was read, or 0 for a new note."
            )
        texts = given.get("name", ""), given.get("note", "")
        saved = await run_in_threadpool(self._notes.save, request.path_params["key"], *texts, version)
        return _json(saved.to_json())

    async def merge(self, request: Request) -> Response:
        """Import an export."""
        with self._imports.taken():
            counts = await run_in_threadpool(self._notes.merge, await _object(request, IMPORT_BYTES))
        return _json({**counts, **await run_in_threadpool(self._notes.to_json)})


class _Questions:
    """Live questions."""

    def __init__(self, live: Live, folder: StudyFolder) -> None:
        self._live, self._folder = live, folder
        model = folder.study.get("model") or {}
        self._model = {name: model.get(name) for name in ("n_heads", "n_encoder_blocks", "n_decoder_blocks")}
        self._model["is_demo"] = model.get("id") == "demo"

    async def about(self, _request: Request) -> Response:
        """Send the limits on questions, the model's size, the study's recordings, and what explains its phones."""
        recordings = await run_in_threadpool(_recordings, self._folder)
        names = await run_in_threadpool(_phone_names, self._folder)
        return _json({**self._live.about(), "model": self._model, "recordings": recordings, "phone_names": names})

    async def ask(self, request: Request) -> Response:
        """Examine a recording."""
        return _json(await self._live.ask(request))

    async def word(self, request: Request) -> Response:
        """Find where a word of it came from."""
        number = (await _object(request, QUESTION_BYTES)).get("word")
        if isinstance(number, bool) or not isinstance(number, int):
            raise InputError("no word was named: give its number, from 0.")
        return _json(await _kept(self._live.word)(request, request.path_params["key"], number))

    async def change(self, request: Request) -> Response:
        """Transcribe it with a changed model."""
        changes = (await _object(request, QUESTION_BYTES)).get("changes")
        if not isinstance(changes, list) or not all(isinstance(change, dict) for change in changes):
            raise InputError("no changes were named: give a list of objects.")
        return _json(await _kept(self._live.change)(request, request.path_params["key"], changes))

    async def sound(self, request: Request) -> Response:
        """Send the examined part of a recording."""
        return await _media(self._live.sound, request, "audio/ogg")

    async def spectrogram(self, request: Request) -> Response:
        """Send the spectrogram of that part."""
        return await _media(self._live.spectrogram, request, "image/png")


async def _media(make: Callable[[str], bytes], request: Request, media_type: str) -> Response:
    try:
        content = await run_in_threadpool(make, request.path_params["key"])
    except KeyError:
        raise HTTPException(404, GONE) from None
    return Response(content, headers={"content-type": media_type, "content-security-policy": MEDIA_POLICY})


def _phone_names(folder: StudyFolder) -> dict[str, list[str | list[str]]]:
    return {} if folder.run is None else phone_names(folder.run.phones, folder.run.phone_set)


def _recordings(folder: StudyFolder) -> list[dict[str, str]]:
    """List the study's own recordings, which can be examined too."""
    rows = (folder.json("listening/index.json") or {}).get("clips")
    clips = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [{name: str(row.get(name) or "") for name in ("key", "id", "heard")} for row in clips]


def _kept(ask: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a question so that a recording that is no longer kept gives status 404."""

    async def question(request: Request, key: str, about: Any) -> Any:
        try:
            return await ask(request, key, about)
        except KeyError as error:
            if error.args != (key,):
                raise
            raise HTTPException(404, GONE) from None

    return question


async def _object(request: Request, most_bytes: int) -> dict[str, Any]:
    """Read a JSON object from a request's body."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "That is not JSON: send it as application/json.")
    content = await read_body(request, most_bytes)
    try:
        given = json.loads(content)
    except (ValueError, RecursionError):
        raise InputError("what was sent is not valid JSON.") from None
    if not isinstance(given, dict):
        raise InputError("what was sent is not a JSON object.")
    return given


def _json(values: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    answer = JSONResponse(values, status, headers)
    answer.headers["content-security-policy"] = DATA_POLICY
    answer.headers["cache-control"] = "no-store"
    return answer


async def _no_live(_request: Request) -> Response:
    raise HTTPException(404, NO_LIVE)


async def _http_error(_request: Request, error: HTTPException) -> Response:
    messages = {404: NOT_HERE, 405: "That cannot be done at this address."}
    # the framework's own messages do not say what to do
    is_default = error.detail in ("Not Found", "Method Not Allowed")
    message = messages[error.status_code] if is_default else error.detail
    return _json({"error": message}, error.status_code, error.headers)


async def _busy(_request: Request, _error: BusyError) -> Response:
    message = f"Others are already waiting for an answer: ask again in {RETRY_S} seconds."
    return _json({"error": message}, 503, {"retry-after": str(RETRY_S)})


async def _stopped(_request: Request, _error: StoppedError) -> Response:
    return _json({"error": "The answer took too long and was given up: ask with a shorter recording."}, 504)


async def _changed(_request: Request, error: NoteChangedError) -> Response:
    return _json({"error": str(error), **error.note.to_json()}, 409)


async def _unexpected(_request: Request, _error: Exception) -> Response:
    return _json({"error": "Something unexpected went wrong; the server's terminal says what."}, 500)


class _Failed:
    """Sends the message of an otoscope error, without the study's path on this machine."""

    def __init__(self, folder: StudyFolder) -> None:
        self._study_paths = sorted({str(folder.path.resolve()), str(folder.path.absolute()), str(folder.path)}, key=len)

    async def __call__(self, request: Request, error: OtoscopeError) -> Response:
        """Answer with the error's message."""
        if isinstance(error, AudioError):
            status = 415
        elif isinstance(error, InputError):
            status = 400 if request.method in ("POST", "PUT") else 500
        else:
            status = 507 if isinstance(error, OutputError) else 500
        message = str(error)
        for path in reversed(self._study_paths):
            message = message.replace(path + "/", "").replace(path, "the study") if len(path) > 1 else message
        return _json({"error": message[:2000]}, status)
