"""Build the pages of a study. They open from disk or from any web host, and load nothing from other hosts.

The site's own files are copied. Each record is written as a script that passes it to the page, because a page opened
from disk may not fetch. Files that pages show or link to are hard-linked, or copied where the disk has no hard links.
Tables that name folders of this machine are rewritten without them.
"""

from __future__ import annotations

import base64
import gc
import gzip
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path

from threadpoolctl import threadpool_limits

from otoscope.atlas.published import named, published, without_paths
from otoscope.atlas.records import all_names, damage_as_input_error, record
from otoscope.atlas.records import compare as comparison
from otoscope.atlas.study_folder import PAGES, StudyFolder
from otoscope.base.errors import OutputError
from otoscope.base.files import short_name
from otoscope.base.processes import process_pool
from otoscope.base.results import result_folder

SITE = "site"
SERVED_ONLY = ("live.html",)
COMPARED, COMPARED_ONLY = "otoscope.compared = true;\n", "compare.html"
MODE = "assets/mode.js"
DATA, FILES = "data", "files"
PACKED_FROM, PACKING_LEVEL = 32_768, 6
"""Records of at least this many characters are packed, and gzip's compression level."""
MOST_PROCESSES = 8
"""More would not pay: each process reads the tables behind its records for itself."""
BATCH = 64
"""Records per task of a process."""
_NO_PROCESSES = (BrokenProcessPool, ImportError, NotImplementedError)
"""Errors on a machine that cannot start processes, or lacks the memory for them."""
_JSON = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"), check_circular=False)


@dataclass(frozen=True)
class Built:
    """Pages that were built."""

    folder: Path  # where they are
    n_records: int  # records written
    n_files: int  # files of the study that were linked or copied
    n_bytes: int  # size of all files, hard links to the study included
    seconds: float  # time taken

    @property
    def index(self) -> Path:
        """The page to open."""
        return self.folder / "index.html"


def build(
    study: str | Path,
    out: str | Path,
    *,
    compare: str | Path | None = None,
    overwrite: bool = False,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda n_done, n_all: None,
) -> Built:
    """Make the pages of a study.

    `compare`: the folder of another study; its findings are shown beside this one's on a page of their own.
    `workers`: processes that make records; 1 uses this process alone, as a small study always does. A script that asks
    for more must do its work under `if __name__ == "__main__":`.
    Returns where the pages are, and how much was written.
    """
    started = time.perf_counter()
    folder, out = StudyFolder(study), Path(out)
    _refuse_inside(folder.path, out)
    other = None if compare is None else StudyFolder(compare)
    names, shared = list(all_names(folder)), folder.shared_files()
    settings = {"study": folder.study.get("model", {}), "corpus": folder.study.get("corpus", {})}
    command = " ".join([Path(sys.argv[0]).name, *map(short_name, sys.argv[1:])])
    manifest = without_paths(named({"kind": "atlas", "command": command, "settings": settings}, folder.study))
    with result_folder(out, overwrite=overwrite, manifest=manifest) as temporary:
        copy_site(temporary)
        if other is not None:
            _write_comparison(temporary, folder, other)
        for done in _write_records(temporary / DATA, names, folder, workers):
            progress(done, len(names) + len(shared))
        for done, relative in enumerate(shared, len(names) + 1):
            _put(folder, temporary / FILES / relative, relative)
            progress(done, len(names) + len(shared))
        n_bytes = sum(path.stat().st_size for path in temporary.rglob("*") if path.is_file())
    return Built(out, len(names), len(shared), n_bytes, time.perf_counter() - started)


def _refuse_inside(study: Path, out: Path) -> None:
    """Refuse to write pages among the files that they show: built again, they would include themselves and grow."""
    out_path, study_path = out.resolve(), study.resolve()
    if out_path.is_relative_to(study_path) and out_path != study_path / PAGES:
        raise OutputError(
            f"the pages cannot be written to '{out}': it lies inside the study, whose files they show. Leave out --out "
            f"for '{study / PAGES}', or name a folder outside the study."
        )


def site_files() -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each of the site's own files."""
    with as_file(files("otoscope.atlas") / SITE) as site:
        for path in sorted(site.rglob("*")):
            if path.is_file():
                yield path.relative_to(site).as_posix(), path.read_bytes()


def copy_site(out: Path) -> None:
    """Write the site's own files, except pages that need a server."""
    for name, content in site_files():
        if name not in (*SERVED_ONLY, COMPARED_ONLY):
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _write_comparison(out: Path, folder: StudyFolder, other: StudyFolder) -> None:
    """Write the page that compares two studies, its record, and the way to it."""
    with damage_as_input_error(other, comparison.NAME):
        values = comparison.make(folder, other)
    (out / DATA).mkdir(exist_ok=True)
    (out / DATA / f"{comparison.NAME}.js").write_text(as_script(comparison.NAME, values), encoding="ascii")
    site = dict(site_files())
    (out / COMPARED_ONLY).write_bytes(site[COMPARED_ONLY])
    (out / MODE).write_bytes(site[MODE] + COMPARED.encode())


def as_script(name: str, values: object) -> str:
    """Write a record as a script that passes it to the page; text in it stays inside a string literal.

    A large record is packed: its JSON, gzipped and in base64, takes a quarter of the space.
    """
    text = _JSON.encode(values)
    if len(text) < PACKED_FROM:
        return f"otoscope.receive({json.dumps(name)},{text});\n"
    packed = base64.b64encode(gzip.compress(text.encode("ascii"), PACKING_LEVEL, mtime=0)).decode("ascii")
    return f"otoscope.receivePacked({json.dumps(name)},{json.dumps(packed)});\n"


def _write_records(out: Path, names: list[str], folder: StudyFolder, workers: int) -> Iterator[int]:
    """Write records, yielding the number done so far."""
    batches = [names[start : start + BATCH] for start in range(0, len(names), BATCH)]
    done = 0
    workers = min(workers, len(batches), MOST_PROCESSES)
    if workers > 1:
        with suppress(*_NO_PROCESSES), process_pool(workers) as pool:
            try:
                for written in as_completed([pool.submit(_write_batch, folder.path, out, batch) for batch in batches]):
                    done += written.result()
                    yield done
            finally:
                pool.shutdown(cancel_futures=True)
    if done < len(names):  # a single worker, or processes could not be started
        with _one_thread():
            for done, name in enumerate(names, 1):
                _write_record(out, name, folder)
                yield done


def _write_batch(study: Path, out: Path, names: list[str]) -> int:
    folder = _opened(study)
    for name in names:
        _write_record(out, name, folder)
    return len(names)


@lru_cache(1)
def _opened(study: Path) -> StudyFolder:
    """Open a study once per worker process."""
    _one_thread()
    gc.disable()  # records hold no cycles, and looking for them takes a tenth of the time
    return StudyFolder(study)


def _one_thread() -> threadpool_limits:
    """Keep numpy's products to one thread: they are small, and idle threads would spin between them."""
    return threadpool_limits(1, "blas")


def _write_record(out: Path, name: str, folder: StudyFolder) -> None:
    path = out / f"{name}.js"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_script(name, record(folder, name)), encoding="ascii")


def _put(folder: StudyFolder, target: Path, relative: str) -> None:
    """Hard-link a file, or write it without the folders it names; copy it where it cannot be linked."""
    source = folder.path / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    content = published(source, relative, folder.study)
    if content is not None:
        target.write_bytes(content)
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target, follow_symlinks=False)
