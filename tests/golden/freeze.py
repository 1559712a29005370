"""Run a command and keep what it writes as JSON, short and without what changes from run to run."""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
import re
import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
import torch
from huggingface_hub import constants
from matplotlib.figure import Figure

import otoscope
from otoscope.cli.main import main
from tests.golden.commands import COMMANDS
from tests.golden.inputs import write_inputs

FROZEN = Path(__file__).parent / "json"
MOST_ENTRIES = 40
KEPT_ENTRIES = 20
VOLATILE = re.compile(
    r"(\.(command|created|minutes|otoscope|versions|waited_s|waited_share)"
    r"|stdout\.(seconds|n_bytes)|(manifest\.json|parts)\.seconds|tables\.bytes"
    r")$"
)
"""How paths of keys end whose values change: times, versions, and the sizes of files that hold them."""

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00|(?<=tfevents\.)[\w.-]+|(?<=\.)[0-9a-f]{8}(?=\.partial\b)")
"""Times, and names of files and folders that hold a time or are drawn at random."""

MARK = "(changes)"


class Workshop:
    """Runs commands in one folder, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.frozen: dict[str, dict[str, Any]] = {}
        (folder / "inputs").mkdir()
        write_inputs(folder / "inputs")

    def freeze(self, name: str) -> dict[str, Any]:
        """Run a command and those whose results it takes, unless they ran before; give what is frozen of it."""
        if name not in self.frozen:
            for other in COMMANDS:
                if f"{{{other}}}" in COMMANDS[name]:
                    self.freeze(other)
            self.frozen[name] = self._run(name)
        return self.frozen[name]

    def _run(self, name: str) -> dict[str, Any]:
        folders = {other: self.folder / other for other in ("inputs", *COMMANDS)} | {"out": self.folder / name}
        folders["voices"] = folders["inputs"] / "voices" / "manifest.jsonl"
        words = [word.format(**folders) for word in shlex.split(COMMANDS[name])]
        status, text, errors = _run_in_process([*words, "--json", "--quiet"], folders["inputs"])
        if not text:
            raise RuntimeError(f"{' '.join(words)} ended with {status} and printed nothing: {errors}")
        files = read_files(folders["out"])
        stdout = json.loads(text)
        same = next((name for name, value in files.items() if value == stdout), None)
        frozen = {"status": status, "stdout": stdout if same is None else f"the same as {same}", "files": files}
        return stable(frozen, {str(self.folder): "(folder)", str(Path(otoscope.__file__).parent): "(package)"})


def _run_in_process(words: list[str], inputs: Path) -> tuple[int, str, str]:
    """Run a command line, without drawing; give its status, stdout and stderr."""
    handler = signal.getsignal(signal.SIGTERM)
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    with ExitStack() as stack:
        if words[0] == "models":
            stack.enter_context(_machine_with_models(inputs / "models"))
        stack.enter_context(patch.object(Figure, "savefig", lambda _figure, path, **_settings: Path(path).touch()))
        stdout = stack.enter_context(redirect_stdout(io.StringIO()))
        stderr = stack.enter_context(redirect_stderr(io.StringIO()))
        try:
            status = main(words)
        finally:
            signal.signal(signal.SIGTERM, handler)
    return status, stdout.getvalue(), stderr.getvalue()


@contextmanager
def _machine_with_models(folder: Path) -> Iterator[None]:
    """Hide the models of this machine, and show those of a folder."""
    home = str(folder / "home")
    environment = {"HOME": home, "XDG_CACHE_HOME": home, "OTOSCOPE_MODELS": str(folder)}
    with patch.dict("os.environ", environment), patch.object(constants, "HF_HUB_CACHE", home):
        yield


def read_files(folder: Path) -> dict[str, Any]:
    """The JSON of a folder, by name, and the columns and number of rows of its tables."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in READERS)
    if (folder / "index.html").exists():
        paths = _sample_of_records(folder / "data")
    return {path.relative_to(folder).as_posix(): READERS[path.suffix](path) for path in paths}


def _read_table(path: Path) -> dict[str, Any]:
    file = pq.ParquetFile(path)
    return {"rows": file.metadata.num_rows, "columns": file.schema_arrow.names}


def _sample_of_records(folder: Path) -> list[Path]:
    """Of the pages' records: each that there is once, and the first of those that there are many of."""
    many = (sorted(kind.rglob("*.js"))[:1] for kind in sorted(folder.iterdir()) if kind.is_dir())
    return sorted(folder.glob("*.js")) + [path for first in many for path in first]


def _read_record(path: Path) -> Any:
    """A record as a page gets it."""
    text = path.read_text(encoding="ascii").strip()
    function, arguments = text.removesuffix(");").split("(", 1)
    _name, values = json.loads(f"[{arguments}]")
    return json.loads(gzip.decompress(base64.b64decode(values))) if function.endswith("Packed") else values


READERS: dict[str, Callable[[Path], Any]] = {
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".jsonl": lambda path: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()],
    ".parquet": _read_table,
    ".js": _read_record,
}


def stable(value: Any, folders: dict[str, str], path: str = "") -> Any:
    """Mark what changes from run to run and cut long lists.

    Args:
        value: JSON.
        folders: Folders of this machine, and what is written in their place.
        path: The keys that lead to the value, with full stops between them.
    """
    if VOLATILE.search(path):
        return MARK
    if isinstance(value, dict):
        return {_named(key, folders): stable(item, folders, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        kept = value if len(value) <= MOST_ENTRIES else value[:KEPT_ENTRIES]
        rows = [stable(item, folders, path) for item in kept]
        return rows if kept is value else {"length": len(value), "first": rows}
    return _named(value, folders) if isinstance(value, str) else value


def _named(text: str, folders: dict[str, str]) -> str:
    for folder, name in folders.items():
        text = text.replace(folder, name)
    return DATE.sub(MARK, text)
