"""`otoscope atlas serve` as a person starts it: in a process of its own, over the wire, ended with Ctrl-C."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from otoscope.cli.atlas_serve import _named
from tests.atlas.synthetic import make_study
from tests.cli.conftest import Run

PATIENCE_S = 60


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("serve") / "study", n_features=4, n_clips=3, top=3, sounds=False)


@contextmanager
def started(*words: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "otoscope", "atlas", "serve", *map(str, words), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        assert line.startswith("Open http://"), line + process.stderr.read()
        yield process, int(line.strip().rstrip("/").rsplit(":", 1)[1])
    finally:
        process.kill()
        process.communicate()


def get(port: int, path: str, host: str = "") -> tuple[int, bytes]:
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            line.request("GET", path, headers={"Host": host or f"localhost:{port}"})
            answer = line.getresponse()
            found = answer.status, answer.read()
            line.close()
            return found
        except ConnectionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def test_it_serves_until_it_is_interrupted_and_ends_well(study: Path) -> None:
    with started(study, "--allow-host", "atlas.example") as (process, port):
        assert get(port, "/")[0] == 200
        assert json.loads(get(port, "/data/features.json")[1])["groups"]
        assert get(port, "/notes.json", "atlas.example")[0] == 200
        assert get(port, "/notes.json", "evil.example")[0] == 421
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert "Traceback" not in process.stderr.read()


def test_a_question_is_answered_by_the_model_that_is_named(
    study: Path, model_folder: Path, recording: Path, tmp_path: Path
) -> None:
    from otoscope.model.load import load

    own = tmp_path / "study"
    shutil.copytree(study, own)
    about = json.loads((own / "study.json").read_text())
    about["model"] |= {"weights_hash": load(str(model_folder)).weights_hash, "window_s": 2.0}
    (own / "study.json").write_text(json.dumps(about))
    with started(own, "--model", model_folder) as (_, port):
        status, body = ask(port, recording.read_bytes())
        assert (status, json.loads(body)["window_s"]) == (200, 2.0)
    with started(study, "--model", model_folder) as (_, port):
        status, body = ask(port, recording.read_bytes())
        assert status == 400
        assert "Start the server with --model and the study's own model" in json.loads(body)["error"]


def test_no_question_is_answered_out_of_a_harvest_that_lies_elsewhere(
    study: Path, model_folder: Path, recording: Path, tmp_path: Path
) -> None:
    own, features = Path(shutil.copytree(study, tmp_path / "study")), Path("harvest", "features.parquet")
    (own / features).unlink()
    (own / features).symlink_to(study / features)
    with started(own, "--model", model_folder) as (_, port):
        status, body = ask(port, recording.read_bytes())
    assert status == 400
    assert "is a link" in json.loads(body)["error"]


def ask(port: int, body: bytes) -> tuple[int, bytes]:
    get(port, "/")
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    line.request("POST", "/live/ask", body, {"Host": f"localhost:{port}"})
    answer = line.getresponse()
    found = answer.status, answer.read()
    line.close()
    return found


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_however_it_is_told_to(study: Path, how: int) -> None:
    with started(study, "--no-live", "--quiet") as (process, port):
        assert get(port, "/")[0] == 200
        process.send_signal(how)
        assert process.wait(20) in (0, 130)
        assert "Traceback" not in process.stderr.read()


def test_without_live_questions_no_torch_is_loaded(study: Path) -> None:
    code = (
        "import sys, threading, otoscope.cli.atlas_serve as serve\n"
        "serve._run = lambda app, listening: listening.close()\n"
        "from otoscope.cli.main import main\n"
        f"assert main(['atlas', 'serve', {str(study)!r}, '--no-live', '--port', '0']) == 0\n"
        "assert not {'torch', 'transformers', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_without_torch_all_but_live_questions_is_there(run: Run, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otoscope.cli.atlas_serve._run", lambda app, listening: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None)
    ran = run("atlas", "serve", study, "--port", 0, model=False)
    assert ran.status == 0
    assert "torch is not installed" in ran.err


def test_a_host_beyond_this_machine_is_warned_of(run: Run, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otoscope.cli.atlas_serve._run", lambda app, listening: None)
    assert "There is no password" in run("atlas", "serve", study, "--port", 0, "--host", "0.0.0.0", model=False).err
    assert "password" not in run("atlas", "serve", study, "--port", 0, model=False).err


def test_the_pages_are_opened_where_that_is_asked_for(run: Run, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("otoscope.cli.atlas_serve._run", lambda app, listening: None)
    monkeypatch.setattr("webbrowser.open", opened.append)
    ran = run("atlas", "serve", study, "--port", 0, "--open", model=False)
    assert ran.out == f"Open {opened[0]}\n"


def test_a_port_that_is_taken_is_told(run: Run, study: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = run("atlas", "serve", study, "--port", taken.getsockname()[1], model=False)
    assert ran.status == 2
    assert "--port (0 for any free port)" in ran.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--port", "70000"], "give 0 to 65535"), (["--host", "no.such.host.invalid"], "cannot listen"),
        (["--host", "192.0.2.1"], "cannot listen"), (["--allow-host", "http://x/"], "is not a host name"),
        (["--allow-host", "x:80"], "is not a host name"), (["--allow-host", ""], "is not a host name"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_refused_in_words(run: Run, study: Path, words: list[str], told: str) -> None:
    ran = run("atlas", "serve", study, "--no-live", *words, model=False)
    assert ran.status == 2
    assert told in ran.err


@pytest.mark.parametrize("name", ["demo", "tiny", "openai/whisper-tiny"])
def test_the_studys_word_is_taken_for_a_model_that_it_names(name: str) -> None:
    assert _named(name) == name


@pytest.mark.parametrize("name", ["/tmp/x", "./x", "../x", "~/x", "model.pt", "C:\\x", "", None, 3])
def test_a_path_that_a_study_names_is_not_followed(name: object) -> None:
    assert _named(name) is None


def test_a_folder_that_is_called_like_a_model_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "openai" / "whisper-x").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert _named("openai/whisper-x") is None
