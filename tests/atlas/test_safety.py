"""Whom a server of pages answers, and with what: requests as an attacker would write them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from otoscope.atlas.safety import Hosts, in_address_line, is_loopback, read_body, split_host
from tests.atlas.serving import Served, serving
from tests.atlas.synthetic import make_study

SECRET = b"nobody may read this"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("safety")
    folder = make_study(top / "study", n_features=4, n_clips=3, top=3, sounds=False)
    (top / "secret.json").write_bytes(SECRET)
    (folder / ".hidden.json").write_bytes(SECRET)
    (folder / ".git").mkdir()
    (folder / ".git" / "config.json").write_bytes(SECRET)
    (folder / "link.json").symlink_to(top / "secret.json")
    (folder / "linked").symlink_to(top)
    (folder / "page.html").write_bytes(SECRET)
    (folder / "script.js").write_bytes(SECRET)
    (folder / "index.html").write_bytes(SECRET)
    (folder / "assets").mkdir()
    (folder / "assets" / "core.js").write_bytes(SECRET)
    (folder / "odd.json").write_text('"<script>alert(1)</script>"')
    os.mkfifo(folder / "pipe.json")
    return folder


@pytest.fixture(scope="module")
def served(study: Path) -> Iterator[Served]:
    with serving(study, names=["atlas.example"]) as running:
        yield running


@pytest.mark.parametrize(
    "path",
    [
        "/files/../secret.json", "/files/%2e%2e/secret.json", "/files/..%2fsecret.json", "/files/%2e%2e%2fsecret.json",
        "/files/..%5csecret.json", "/files/..\\secret.json", "/files/%252e%252e/secret.json", "/files//secret.json",
        "/files/./study.json", "/files/phones/../study.json", "/files/link.json", "/files/linked/secret.json",
        "/files/.hidden.json", "/files/.git/config.json", "/files/page.html", "/files/script.js", "/files/pipe.json",
        "/files/study.json%00.png", "/files/study.json/", "/files/STUDY.JSON", "/files/study.json%20", "/files/",
        "/files/phones", "/files/C:/secret.json", "/files/study.json::$DATA", "/../secret.json", "/%2e%2e/secret.json",
        "/assets/../secret.json", "/assets/%2e%2e/index.html", "/page.html", "/script.js", "/study.json",
        "/.git/config",
        "/data/../secret.json", "/data/..%2fsecret.json", "/data/features/../../secret.json", "/data/.json",
        "/notes/../secret.json", "/files/%ff%fe.json", "/files/" + "a" * 5000 + ".json", "/site/index.html",
    ],
)  # fmt: skip
def test_nothing_is_given_that_is_not_the_servers_own(served: Served, path: str) -> None:
    reply = served.get(path)
    assert reply.status in (400, 404, 405), reply.body
    assert SECRET not in reply.body
    assert reply.headers.get("content-type") != "text/html; charset=utf-8"


def test_absolute_addresses_give_no_more_than_others(served: Served) -> None:
    reply = served.get(f"http://127.0.0.1:{served.port}/files/../secret.json")
    assert reply.status in (400, 404)
    assert SECRET not in reply.body


def test_pages_come_from_the_package_though_the_study_has_files_of_their_names(served: Served) -> None:
    for path in ("/", "/index.html", "/assets/core.js"):
        reply = served.get(path)
        assert reply.status == 200
        assert SECRET not in reply.body


def test_a_file_of_the_study_is_sent_as_what_its_ending_says_and_runs_nothing(served: Served) -> None:
    reply = served.get("/files/odd.json")
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in reply.headers["content-security-policy"]
    assert "script-src" not in reply.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["/", "/files/study.json", "/data/nothing.json", "/notes.json", "/nothing", "/live/about.json"]
)
def test_every_answer_has_the_headers_that_keep_it_safe(served: Served, path: str) -> None:
    headers = served.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cross-origin-resource-policy"] == headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


def test_no_policy_lets_a_page_run_scripts_of_its_own(served: Served) -> None:
    policy = dict(part.split(" ", 1) for part in served.get("/").headers["content-security-policy"].split("; "))
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert "'unsafe-eval'" not in str(policy)
    assert not any("http" in sources or "*" in sources for sources in policy.values())


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1:1", "localhost", "127.0.0.1.evil.example:{port}",
     "localhost:{port}.evil.example", "user@localhost:{port}", "localhost:{port}, evil.example", "[::1",
     "0x7f.1:{port}",
     "localhost:00{port}x", "notatlas.example", "2130706433:{port}"],
)  # fmt: skip
def test_a_foreign_host_is_refused(served: Served, host: str) -> None:
    reply = served.ask("GET", "/notes.json", host=host.format(port=served.port))
    assert reply.status in (400, 421)
    assert b"notes" not in reply.body.replace(b"/notes", b"")


def test_a_request_without_host_is_refused(served: Served) -> None:
    assert served.ask("GET", "/", host=None).status in (400, 421)


@pytest.mark.parametrize(
    "host",
    ["localhost:{port}", "LocalHost:{port}", "127.0.0.1:{port}", "[::1]:{port}", "atlas.example", "Atlas.Example:443"],
)
def test_ones_own_names_are_answered(served: Served, host: str) -> None:
    assert served.ask("GET", "/", host=host.format(port=served.port)).status == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1", "http://localhost:1", "file://", "",
     "http://127.0.0.1:{port}/", "http://evil@127.0.0.1:{port}", "ftp://localhost:{port}", "http://[::1", "*"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_foreign_origin_is_refused(served: Served, origin: str, method: str, study: Path) -> None:
    body = {"name": "x", "note": "", "version": 0} if method == "PUT" else None
    path = "/notes/encoder.blocks.0/neuron/1" if body else "/notes.json"
    reply = served.ask(method, path, body, {"Origin": origin.format(port=served.port)})
    assert reply.status == 403
    assert not (study / "notes.json").exists()


@pytest.mark.parametrize("origin", ["http://127.0.0.1:{port}", "http://localhost:{port}", "https://atlas.example"])
def test_ones_own_pages_are_answered(served: Served, origin: str) -> None:
    assert served.get("/notes.json", Origin=origin.format(port=served.port)).status == 200


def test_a_page_of_another_site_cannot_write_though_its_browser_names_no_origin(served: Served) -> None:
    note = {"name": "x", "note": "", "version": 0}
    reply = served.ask("PUT", "/notes/encoder.blocks.0/neuron/1", note, {"Sec-Fetch-Site": "cross-site"})
    assert reply.status == 403


def test_a_form_of_another_site_cannot_write(served: Served) -> None:
    body = json.dumps({"kind": "otoscope notes", "notes": {}}).encode()
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert served.ask("POST", "/notes.json", body, {"Content-Type": content_type}).status == 415


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "OPTIONS", "TRACE", "POST", "PUT", "CONNECT"])
def test_methods_that_nothing_needs_are_refused(served: Served, method: str) -> None:
    for path in ("/", "/files/study.json", "/data/overview.json"):
        assert served.ask(method, path).status in (400, 404, 405)


def test_a_body_that_is_longer_than_it_says_is_not_taken_in(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as line:
        line.sendall(
            b"PUT /notes/encoder.blocks.0/neuron/1 HTTP/1.1\r\nHost: localhost:%d\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n" % served.port
        )
        try:
            for _ in range(64):  # 4 MB, in chunks that name no total
                line.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        except OSError:
            pass  # the server hung up
        try:
            reply = line.recv(100_000)
        except ConnectionError:
            reply = b""  # a silent server, which may have taken all of it in, ends in a TimeoutError
    assert b" 413 " in reply or reply == b""


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(served: Served) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": str(10**12)}
    assert served.ask("PUT", "/notes/encoder.blocks.0/neuron/1", b"", headers).status == 413


def test_a_body_that_ends_early_changes_nothing(served: Served, study: Path) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as line:
        line.sendall(
            b"PUT /notes/encoder.blocks.0/neuron/1 HTTP/1.1\r\nHost: localhost:%d\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{" % served.port
        )
    assert served.get("/notes.json").json["notes"] == {}
    assert not (study / "notes.json").exists()


def test_names_and_ports_are_told_apart() -> None:
    assert split_host("LOCALHOST:80") == ("localhost", 80)
    assert split_host("[::1]:8000") == ("[::1]", 8000)
    assert split_host("[::1]") == ("[::1]", None)
    assert split_host("localhost:x") == ("", None)
    assert in_address_line("::1") == "[::1]"
    assert in_address_line("localhost") == "localhost"


def test_a_server_that_listens_everywhere_answers_under_its_number_and_no_foreign_name() -> None:
    hosts = Hosts(8000, "0.0.0.0")
    assert hosts.allow("192.168.1.5:8000", "192.168.1.5")
    assert not hosts.allow("evil.example:8000", "192.168.1.5")
    assert not hosts.allow("192.168.1.6:8000", "192.168.1.5")


def test_port_80_may_be_left_out() -> None:
    assert Hosts(80).allow("localhost")
    assert Hosts(80).allow("localhost:80")
    assert not Hosts(8000).allow("localhost")


@pytest.mark.parametrize(
    ("host", "wanted"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.5", False), ("atlas", False)],
)  # fmt: skip
def test_it_is_known_which_addresses_are_of_this_machine_alone(host: str, wanted: bool) -> None:
    assert is_loopback(host) == wanted


def test_a_body_that_never_ends_is_given_up() -> None:
    sent = iter([{"type": "http.request", "body": b"x", "more_body": True}])

    async def receive() -> dict:
        for message in sent:
            return message
        await asyncio.sleep(60)
        raise AssertionError

    request = Request({"type": "http", "method": "PUT", "headers": [], "path": "/"}, receive)
    with pytest.raises(HTTPException) as refused:
        asyncio.run(read_body(request, 1000, most_s=0.05))
    assert refused.value.status_code == 408
