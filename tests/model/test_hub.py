from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from otoscope.base.errors import ModelError
from otoscope.model import hub
from otoscope.model.load import load
from tests.model.hub_server import COMMIT, Hub, running

FETCH = """
import json, sys
from otoscope.base.errors import ModelError
from otoscope.model.hub import fetch
answers = {}
for name in sys.argv[1:]:
    try:
        answers[name] = str(fetch(name))
    except ModelError as error:
        answers[name] = "ModelError: " + str(error)
print(json.dumps(answers))
"""


def run(script: str, *names: str, home: Path, endpoint: str, **env: str) -> dict[str, Any]:
    """Run a script in a fresh interpreter, since the hub's client reads its settings when it is imported."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and "proxy" not in k.lower()}
    settings = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, *names],
        env=inherited | settings | env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def free_port_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_an_id_is_downloaded_once_and_then_loads_from_the_cache_without_the_hub(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "repository"
    shutil.copytree(tiny_folder, repository)
    unwanted = ("pytorch_model.bin", "flax_model.msgpack", "model.fp32-00001-of-00002.safetensors", "README.md")
    for name in unwanted:
        (repository / name).write_bytes(b"not wanted")
    served = Hub({"someone/tiny-whisper": repository, "openai/whisper-tiny": repository})
    with running(served):
        first = run(FETCH, "someone/tiny-whisper", "tiny", home=tmp_path / "home", endpoint=served.url)
        asked = list(served.requests)
        second = run(FETCH, "someone/tiny-whisper", home=tmp_path / "home", endpoint=served.url)
        assert served.requests == asked
    assert first["tiny"].endswith(f"models--openai--whisper-tiny/snapshots/{COMMIT}")
    assert second["someone/tiny-whisper"] == first["someone/tiny-whisper"]
    assert sum(line == f"GET /someone/tiny-whisper/resolve/{COMMIT}/model.safetensors" for line in asked) == 1
    assert not any(line.endswith(unwanted) for line in asked)

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    model = load("someone/tiny-whisper")
    assert model.id == "someone/tiny-whisper"
    assert model.weights_hash == load(tiny_folder).weights_hash
    assert model.tokenizer.decode(model.tokenizer(" the show", add_special_tokens=False).input_ids) == " the show"
    assert load("tiny").id == "openai/whisper-tiny"


def test_the_hubs_refusals_are_told_apart(tiny_folder: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "config.json").write_text("{}")
    (foreign / "tf_model.h5").write_bytes(b"")
    served = Hub({"a/gated": tiny_folder, "a/foreign": foreign}, gated={"a/gated"})
    with running(served):
        answers = run(FETCH, "a/gated", "a/absent", "a/foreign", home=tmp_path / "home", endpoint=served.url)
    gated, absent, bare = answers["a/gated"], answers["a/absent"], answers["a/foreign"]
    assert "'a/gated' is gated" in gated and "accept its terms" in gated and "hf auth login" in gated
    assert f"'a/absent' is not at {served.url}" in absent and "'openai/whisper-tiny'" in absent
    assert "holds no config.json with model.safetensors (it holds config.json, tf_model.h5)" in bare
    assert not any("resolve" in line for line in served.requests)


def check_offline_message(message: str, repo_id: str, home: Path) -> None:
    assert message.startswith("ModelError: ")
    assert f"'{repo_id}'" in message  # what was wanted
    assert str(home / "hub") in message  # where it looked
    assert "HF_ENDPOINT is" in message
    assert f"hf download {repo_id} --local-dir FOLDER" in message  # how to bring it over


def test_without_a_hub_the_message_says_what_was_wanted_where_it_looked_and_how_to_bring_it_over(
    tmp_path: Path,
) -> None:
    url = free_port_url()
    answers = run(FETCH, "small.en", home=tmp_path / "home", endpoint=url)
    check_offline_message(answers["small.en"], "openai/whisper-small.en", tmp_path / "home")
    assert f"{url} could not be reached" in answers["small.en"]


def test_a_hub_that_never_answers_is_asked_once_and_not_waited_for(tmp_path: Path) -> None:
    served = Hub(is_silent=True)
    with running(served):
        answers = run(FETCH, "a/b", home=tmp_path / "home", endpoint=served.url, HF_HUB_ETAG_TIMEOUT="1")
        assert served.requests == ["GET /api/models/a/b"]
    check_offline_message(answers["a/b"], "a/b", tmp_path / "home")
    assert "within 1 s (HF_HUB_ETAG_TIMEOUT" in answers["a/b"]


def test_offline_mode_asks_nothing(tmp_path: Path) -> None:
    served = Hub()
    with running(served):
        answers = run(FETCH, "a/b", home=tmp_path / "home", endpoint=served.url, HF_HUB_OFFLINE="1")
    assert served.requests == []
    check_offline_message(answers["a/b"], "a/b", tmp_path / "home")
    assert "HF_HUB_OFFLINE forbids downloading" in answers["a/b"]


def test_a_half_cached_checkpoint_is_not_taken_for_whole(empty_cache: Path) -> None:
    repository = empty_cache / "models--a--b"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    (snapshot / "config.json").write_text("{}")
    assert hub.cached("a/b") is None
    (snapshot / "model.safetensors").write_bytes(b"")
    assert hub.cached("a/b") == snapshot


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tinny", r"neither a file, a folder nor a known name\. Did you mean 'tiny'\?"),
        ("a/b/c", "neither a file, a folder nor a Hugging Face id"),
        ("who am i", "neither a file, a folder nor a Hugging Face id.*large-v3-turbo"),
        ("http://a/b", "neither a file, a folder nor a Hugging Face id"),
    ],
)
def test_what_is_no_id_is_refused_before_anything_is_asked(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        hub.fetch(name)


def test_short_names_are_those_of_openai_whisper() -> None:
    sizes = ["tiny", "base", "small", "medium"]
    expected = {*sizes, *(f"{size}.en" for size in sizes), "large-v1", "large-v2", "large-v3", "large"}
    assert set(hub.SHORT_NAMES) == expected | {"large-v3-turbo", "turbo"}
    assert hub.checked_id("turbo") == "openai/whisper-large-v3-turbo"
    assert hub.checked_id("large") == "openai/whisper-large-v3"
    assert hub.checked_id("openai/whisper-base.en") == hub.checked_id("base.en")
