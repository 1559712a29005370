"""The server of a study: pages, records, files, notes and live questions, over the wire."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from otoscope.atlas.build import site_files
from otoscope.atlas.live import MOST_KEPT, MOST_WAITING, Live
from otoscope.atlas.records import record
from otoscope.atlas.server import MOST_IMPORTS
from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.errors import InputError
from tests.atlas.serving import Parrot, Served, serving
from tests.atlas.synthetic import make_study

KEY = "encoder.blocks.0/neuron/1"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("server") / "study", n_features=8, n_clips=4, top=3)


@pytest.fixture(scope="module")
def served(study: Path) -> Iterator[Served]:
    with serving(study) as running:
        yield running


def wav(seconds: float = 1.0) -> bytes:
    out = io.BytesIO()
    noise = 0.1 * np.random.default_rng(0).standard_normal(round(16_000 * seconds))
    soundfile.write(out, noise.astype(np.float32), 16_000, format="WAV")
    return out.getvalue()


def test_every_file_of_the_site_is_served_as_it_is(served: Served) -> None:
    for name, content in site_files():
        reply = served.get(f"/{name}")
        assert reply.status == 200
        assert reply.body == content or name == "assets/mode.js"
        assert reply.headers["content-type"] != "application/octet-stream"
    assert served.get("/").body == served.get("/index.html").body


def test_pages_are_told_that_they_are_served(served: Served) -> None:
    assert b'otoscope.mode = "served"' in served.get("/assets/mode.js").body
    assert b"otoscope.live = false" in served.get("/assets/mode.js").body


def test_records_are_those_that_are_built(served: Served, study: Path) -> None:
    for name in ("features", "features/0/0"):
        reply = served.get(f"/data/{name}.json")
        assert reply.headers["content-type"] == "application/json"
        assert reply.json == record(StudyFolder(study), name)
        assert served.get(f"/data/{name}.json").body == reply.body


@pytest.mark.parametrize(
    "name", ["nothing", "features/999/0", "features/0/9999", "features/x/y", "features/0/0/0", "a" * 3000]
)
def test_records_that_are_not_there_are_told(served: Served, name: str) -> None:
    reply = served.get(f"/data/{name}.json")
    assert reply.status == 404
    assert "error" in reply.json


def test_a_damaged_table_is_told_without_a_path_of_this_machine(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", n_features=4, n_clips=3, top=3, sounds=False)
    (study / "harvest" / "features.parquet").write_bytes(b"damaged")
    with serving(study) as running:
        reply = running.get("/data/features.json")
    assert reply.status == 500
    assert "damaged" in reply.json["error"]
    assert str(tmp_path) not in reply.body.decode()


def test_a_part_of_a_sound_can_be_asked_for(served: Served, study: Path) -> None:
    name = next(path.name for path in (study / "sounds").glob("*.ogg"))
    whole = (study / "sounds" / name).read_bytes()
    reply = served.get(f"/files/sounds/{name}", Range="bytes=10-19")
    assert (reply.status, reply.body) == (206, whole[10:20])
    assert reply.headers["content-type"] == "audio/ogg"
    assert served.get(f"/files/sounds/{name}").body == whole
    assert served.get(f"/files/sounds/{name}", Range="bytes=99999999-").status == 416
    head = served.ask("HEAD", f"/files/sounds/{name}")
    assert (head.status, head.body) == (200, b"")


def test_notes_are_saved_and_told(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", n_features=4, n_clips=3, top=3, sounds=False)
    with serving(study) as running:
        assert running.get("/notes.json").json == {"kind": "otoscope notes", "notes": {}}
        saved = running.ask("PUT", f"/notes/{KEY}", {"name": "<b>sh</b>", "note": "hiss", "version": 0})
        assert (saved.status, saved.json["version"]) == (200, 1)
        stale = running.ask("PUT", f"/notes/{KEY}", {"name": "other", "note": "", "version": 0})
        assert (stale.status, stale.json["name"], stale.json["version"]) == (409, "<b>sh</b>", 1)
        given = {"kind": "otoscope notes", "notes": {"encoder.blocks.0/neuron/2": {"name": "x", "note": ""}}}
        merged = running.ask("POST", "/notes.json", given)
        assert (merged.json["added"], len(merged.json["notes"])) == (1, 2)
        assert running.get("/notes.json").json["notes"][KEY]["name"] == "<b>sh</b>"
    assert json.loads((study / "notes.json").read_text())["notes"].keys() == merged.json["notes"].keys()


@pytest.mark.parametrize(
    "body",
    [{"name": 3}, {"name": "x", "version": "1"}, {"name": "x", "version": True}, {"note": ["x"]}, {"name": "x" * 201}],
)
def test_notes_that_are_none_are_refused_in_words(served: Served, study: Path, body: dict) -> None:
    reply = served.ask("PUT", f"/notes/{KEY}", body)
    assert reply.status == 400
    assert reply.json["error"]
    assert not (study / "notes.json").exists()


def test_notes_that_would_be_too_many_bytes_are_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(tmp_path / "study", n_features=4, n_clips=3, top=3, sounds=False)
    monkeypatch.setattr("otoscope.atlas.notes.MOST_BYTES", 500)
    with serving(study) as running:
        reply = running.ask("PUT", f"/notes/{KEY}", {"name": "x", "note": "x" * 1000, "version": 0})
        assert reply.status == 507
        assert "nothing was saved" in reply.json["error"]
        given = {"kind": "otoscope notes", "notes": {KEY: {"name": "x", "note": "x" * 1000}}}
        assert running.ask("POST", "/notes.json", given).status == 507
        assert running.get("/notes.json").json["notes"] == {}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff"])
def test_what_is_no_json_is_refused_in_words(served: Served, body: bytes) -> None:
    reply = served.ask("PUT", f"/notes/{KEY}", body, {"Content-Type": "application/json"})
    assert reply.status in (400, 413)
    assert reply.json["error"]


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_study_that_may_not_be_written_is_read_all_the_same(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", n_features=4, n_clips=3, top=3, sounds=False)
    study.chmod(0o500)
    with serving(study) as running:
        assert running.get("/data/features.json").status == 200
        assert running.ask("PUT", f"/notes/{KEY}", {"name": "x", "note": "", "version": 0}).status == 507
    study.chmod(0o700)


def test_without_live_questions_their_addresses_say_so(served: Served) -> None:
    for method, path in (("GET", "/live/about.json"), ("POST", "/live/ask")):
        reply = served.ask(method, path, b"")
        assert reply.status == 404
        assert "--no-live" in reply.json["error"]


def test_a_question_is_answered_and_can_be_gone_into(study: Path) -> None:
    parrot = Parrot("hello there")
    with serving(study, Live(lambda: parrot, 2.0)) as running:
        assert b"otoscope.live = true" in running.get("/assets/mode.js").body
        assert running.get("/live/about.json").json["window_s"] == 2.0
        found = running.ask("POST", "/live/ask", wav(5.0)).json
        assert (found["heard"]["text"], found["duration_s"], found["recording_s"]) == ("hello there", 2.0, 5.0)
        assert parrot.asked == [32_000]
        sound = running.get(f"/{found['sound']}")
        assert (sound.status, sound.headers["content-type"]) == (200, "audio/ogg")
        assert soundfile.info(io.BytesIO(sound.body)).duration == pytest.approx(2.0, abs=0.01)
        word = running.ask("POST", f"/live/ask/{found['id']}/word", {"word": 1}).json
        assert set(word["ways"]) == {"relevance", "perturbation"}
        change = [{"kind": "head", "site": "encoder.blocks.0.attn", "head": 0, "scale": 0}]
        assert (
            running.ask("POST", f"/live/ask/{found['id']}/change", {"changes": change}).json["heard"] == "HELLO THERE"
        )


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/live/ask/nothing/word", {"word": 0}, 404), ("/live/ask/nothing/change", {"changes": [{}]}, 404),
        ("/live/ask/x/word", {"word": "0"}, 400), ("/live/ask/x/word", {"word": True}, 400),
        ("/live/ask/x/word", {}, 400), ("/live/ask/x/change", {"changes": 3}, 400),
        ("/live/ask/x/change", {"changes": [3]}, 400),
        ("/live/ask/x/change", {"changes": []}, 400), ("/live/ask/x/change", {"changes": [{}] * 1000}, 400),
        ("/live/ask", b"no sound", 415), ("/live/ask", b"", 415), ("/live/ask", b"x" * 25_000_001, 413),
    ],
)  # fmt: skip
def test_questions_that_are_none_are_refused_in_words(study: Path, path: str, body: object, status: int) -> None:
    with serving(study, Live(Parrot, 2.0)) as running:
        reply = running.ask("POST", path, body)
        assert reply.status == status
        assert reply.json["error"]
        assert running.get("/live/about.json").status == 200


def test_recordings_are_forgotten_when_others_came(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otoscope.atlas.live.MOST_KEPT", 2)
    assert MOST_KEPT == 20
    with serving(study, Live(Parrot, 2.0)) as running:
        keys = [running.ask("POST", "/live/ask", wav(0.1)).json["id"] for _ in range(3)]
        assert [running.get(f"/live/sound/{key}.ogg").status for key in keys] == [404, 200, 200]
        assert [running.get(f"/live/spectrogram/{key}.png").status for key in keys] == [404, 200, 200]
        assert "send it again" in running.ask("POST", f"/live/ask/{keys[0]}/word", {"word": 0}).json["error"]


def test_of_many_questions_one_is_answered_few_wait_and_the_others_are_told_to_come_again(study: Path) -> None:
    go_on, is_asked = threading.Event(), threading.Event()

    def wait() -> None:
        is_asked.set()
        go_on.wait(20)

    parrot = Parrot(wait=wait)
    with serving(study, Live(lambda: parrot, 2.0)) as running:
        replies = []
        threads = [
            threading.Thread(target=lambda: replies.append(running.ask("POST", "/live/ask", wav(0.1))))
            for _ in range(MOST_WAITING + 4)
        ]
        for thread in threads:
            thread.start()
        is_asked.wait(20)
        deadline = time.monotonic() + 10
        while sum(reply.status == 503 for reply in replies) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert running.get("/data/features.json").status == 200  # pages go on meanwhile
        go_on.set()
        for thread in threads:
            thread.join(20)
    assert sorted(reply.status for reply in replies) == [200] * (MOST_WAITING + 1) + [503] * 3
    busy = next(reply for reply in replies if reply.status == 503)
    assert int(busy.headers["retry-after"]) > 0
    assert "again" in busy.json["error"]


def test_an_answer_that_takes_too_long_is_given_up(study: Path) -> None:
    parrot = Parrot(wait=lambda: time.sleep(0.3))
    with serving(study, Live(lambda: parrot, 2.0, answer_s=0.2)) as running:
        reply = running.ask("POST", "/live/ask", wav(0.1))
    assert reply.status == 504
    assert "too long" in reply.json["error"]


def test_loading_the_model_does_not_count(study: Path) -> None:
    parrot = Parrot()

    def start() -> Parrot:
        time.sleep(0.6)
        return parrot

    with serving(study, Live(start, 2.0, answer_s=0.5)) as running:
        assert running.ask("POST", "/live/ask", wav(0.1)).status == 200
        parrot.wait = lambda: time.sleep(0.6)
        assert running.ask("POST", "/live/ask", wav(0.1)).status == 504  # what was spared once is not spared again


@contextmanager
def begun(running: Served, method: str, path: str) -> Iterator[socket.socket]:
    """Send a request whose body does not come, until it is ended."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as line:
        line.sendall(
            b"%s %s HTTP/1.1\r\nHost: localhost:%d\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
            % (method.encode(), path.encode(), running.port)
        )
        yield line


@pytest.mark.parametrize(("path", "most", "good"), [("/live/ask", MOST_WAITING + 1, 200),
                                                    ("/notes.json", MOST_IMPORTS, 400)])  # fmt: skip
def test_few_bodies_are_read_at_a_time_and_the_others_are_refused_before_they_come(
    study: Path, path: str, most: int, good: int
) -> None:
    body = wav(0.1) if path == "/live/ask" else {}
    with serving(study, Live(Parrot, 2.0)) as running:
        with ExitStack() as lines:
            slow = [lines.enter_context(begun(running, "POST", path)) for _ in range(most)]
            time.sleep(0.3)  # all of these are being read
            late = lines.enter_context(begun(running, "POST", path))
            assert b" 503 " in late.recv(10_000), "though nothing of its body came"
            assert running.ask("POST", path, body).status == 503
            assert running.get("/data/features.json").status == 200
            slow[0].close()
            end = time.monotonic() + 10
            while (status := running.ask("POST", path, body).status) == 503 and time.monotonic() < end:
                time.sleep(0.05)
            assert status == good
        assert running.ask("PUT", f"/notes/{KEY}", {"name": 3}).status == 400


def test_a_model_that_cannot_be_loaded_is_told_and_tried_again(study: Path) -> None:
    tries = []

    def start() -> Parrot:
        tries.append(1)
        if len(tries) == 1:
            raise InputError("the model is not there: name another.")
        return Parrot()

    with serving(study, Live(start, 2.0)) as running:
        reply = running.ask("POST", "/live/ask", wav(0.1))
        assert (reply.status, reply.json["error"]) == (400, "the model is not there: name another.")
        assert running.ask("POST", "/live/ask", wav(0.1)).status == 200


def test_a_mistake_of_ours_ends_no_server_and_tells_no_secrets(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("/home/someone/secret")

    parrot = Parrot(wait=fail)
    with serving(study, Live(lambda: parrot, 2.0)) as running:
        reply = running.ask("POST", "/live/ask", wav(0.1))
        assert reply.status == 500
        assert "secret" not in reply.body.decode()
        assert running.get("/").status == 200


def test_who_goes_away_is_not_answered(study: Path) -> None:
    go_on, is_asked = threading.Event(), threading.Event()

    def wait() -> None:
        is_asked.set()
        go_on.wait(20)

    parrot = Parrot(wait=wait)
    with serving(study, Live(lambda: parrot, 2.0)) as running:
        first = threading.Thread(target=lambda: running.ask("POST", "/live/ask", wav(0.1)))
        first.start()
        is_asked.wait(20)
        with socket.create_connection(("127.0.0.1", running.port)) as line:
            body = wav(0.2)
            line.sendall(
                b"POST /live/ask HTTP/1.1\r\nHost: localhost:%d\r\nContent-Length: %d\r\n\r\n"
                % (running.port, len(body))
            )
            line.sendall(body)
            time.sleep(0.2)
        time.sleep(1.5)  # it is looked every half second whether someone is there
        go_on.set()
        first.join(20)
        assert running.ask("POST", "/live/ask", wav(0.3)).status == 200
    assert parrot.asked == [1600, 4800]


def test_serving_pages_loads_no_torch(study: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom otoscope.cli import atlas_serve\n"
        "from tests.atlas.serving import Parrot, serving\nfrom otoscope.atlas.live import Live\n"
        f"with serving(Path({str(study)!r}), Live(Parrot, 2.0)) as running:\n"
        "    assert running.get('/data/features.json').status == 200\n"
        "    assert running.get('/live/about.json').status == 200\n"
        "assert not {'torch', 'transformers', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
