"""What command lines name: recordings, corpora, runs and dictionaries, each made when it is first named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from otoscope.cli.main import main
from otoscope.study.direction import Direction
from tests.cli.conftest import make_folder, make_mixed, noise, write
from tests.cli.dictionaries import dictionary_of, random_dictionary
from tests.sae.test_dictionary_learning import write as write_theirs
from tests.study.example_run import make_run, talks
from tests.study.naive_harvest import harvest
from tests.study.planted import PHONES, small_clips

WITHOUT_MODEL = ("phones", "examples", "models", "sae convert", "corpus info", "atlas")


def takes_model(command: str) -> bool:
    """Whether a command line may end with `--model`."""
    return not command.startswith(WITHOUT_MODEL)


class Places(dict[str, Path]):
    """Paths by name, for `str.format_map`. They are shared by all tests: read only."""

    def __init__(self, folder: Path, model: Path) -> None:
        super().__init__(here=folder, model=model, nowhere=folder / "nowhere")

    def __missing__(self, name: str) -> Path:
        self[name] = MAKERS[name](self, self["here"] / name)
        return self[name]


def _labelled(places: Places, path: Path) -> Path:
    """A manifest of eight recordings by four speakers."""
    rows = [{"id": str(n), "speaker": f"voice {n // 2}", "audio": f"{n}.wav"} for n in range(8)]
    for n, row in enumerate(rows):
        write(path / row["audio"], noise(0.8, n))
    (path / "talks.jsonl").write_text(
        "\n".join(json.dumps(row | {"side": "ab"[n // 2 % 2]}) for n, row in enumerate(rows))
    )
    return path / "talks.jsonl"


def _activations(places: Places, path: Path) -> Path:
    """A harvest with saved activations."""
    saving = ["--site", "encoder.blocks.*", "--save-activations", "float16", "--quiet"]
    assert main(["harvest", str(places["folder"]), *saving, "--model", str(places["model"]), "--out", str(path)]) == 0
    return path


def _vectors(places: Places, path: Path) -> Path:
    wrong = {"five": np.ones(5), "nan": np.full(32, np.nan), "zero": np.zeros(32), "huge": np.full(32, 1e12)}
    for name, values in wrong.items():
        Direction(values.astype(np.float32), "encoder.blocks.1", "bad").save(path / f"{name}.safetensors")
    return path


def _trained(places: Places, path: Path) -> Path:
    """Dictionaries as a training of two sites leaves them."""
    for n, site in enumerate(("encoder.blocks.0", "encoder.blocks.1")):
        random_dictionary(path / site, site, n)
    return path


def _file(content: bytes) -> Callable[[Places, Path], Path]:
    def make(places: Places, path: Path) -> Path:
        path.write_bytes(content)
        return path

    return make


MAKERS: dict[str, Callable[[Places, Path], Path]] = {
    "recording": lambda places, path: write(path / "talk.wav", noise(1.5)),
    "folder": lambda places, path: make_folder(path),
    "mixed": lambda places, path: make_mixed(path),
    "labelled": _labelled,
    "not_utf8": _file(b"\xff\xfe\x00bad"),
    "empty": _file(b""),
    "short": _file(b"a b\n"),
    "lexicon": _file(b"RUG  R AH1 G\nTEA\n"),
    "vectors": _vectors,
    "activations": _activations,
    "phones_run": lambda places, path: harvest(path, small_clips(), PHONES, lag=1),
    "examples_run": lambda places, path: make_run(path, talks(path / "talks")),
    "trained": _trained,
    "nameless": lambda places, path: random_dictionary(path, None),
    "sae": lambda places, path: dictionary_of(places["model"], path),
    "theirs": lambda places, path: write_theirs(path, "BatchTopKSAE"),
    "their_class": lambda places, path: write_theirs(path, "BatchTopKSAE", dict_class="CrossCoder"),
    "their_size": lambda places, path: write_theirs(path, "BatchTopKSAE", dict_size=21),
}
