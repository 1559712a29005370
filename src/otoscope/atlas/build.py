"""Pages from a study, to be opened from disk or put on any web host: they need no server and ask no other host.

The site's own files are copied, every record is written as a script that hands it over (a page opened from disk may not
fetch), and what pages show or link to is hard-linked beside, or copied where the disk has no links. Tables that name
folders of this machine are written anew without them.
"""

from __future__ import annotations

import base64
import gc
import gzip
import json
import os
import shutil
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

from otoscope.atlas.published import published
from otoscope.atlas.records import all_names, record
from otoscope.atlas.study_folder import PAGES, StudyFolder
from otoscope.base.errors import OutputError
from otoscope.base.processes import process_pool
from otoscope.base.results import result_folder

SITE = "site"
SERVED_ONLY = ("live.html",)
DATA, FILES = "data", "files"
PACKED_FROM, PACKING_LEVEL = 32_768, 6
"""Letters from which on a record is packed, and how hard gzip tries."""
MOST_PROCESSES = 8
"""Each reads the tables of the features that it makes records of."""
BATCH = 64
"""Records that a process makes at a time."""
_NO_PROCESSES = (BrokenProcessPool, ImportError, NotImplementedError)
"""What comes of a machine that lets no processes start, or lacks the memory for them."""
_JSON = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"), check_circular=False)


@dataclass(frozen=True)
class Built:
    """Pages that were built."""

    folder: Path  # where they are
    n_records: int  # records written
    n_files: int  # files of the study beside them
    n_bytes: int  # size of all, those that share their place on the disk with the study included
    seconds: float  # how long it took

    @property
    def index(self) -> Path:
        """The page to open."""
        return self.folder / "index.html"


def build(
    study: str | Path,
    out: str | Path,
    *,
    overwrite: bool = False,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Built:
    """Make the pages of a study.

    Args:
        study: What `otoscope study --out` was given.
        out: The folder to be.
        overwrite: Whether it may exist.
        workers: Processes that make records; 1 for this one alone, as for a small study always. More than 1 need a
            script that does its work under `if __name__ == "__main__":`.
        progress: Called with records and files done, and of how many.

    Returns:
        What was built.

    Raises:
        InputError: There is no finished study, or a table of it is damaged.
        OutputError: The folder cannot be written, or is a part of the study.
    """
    started = time.perf_counter()
    folder, out = StudyFolder(study), Path(out)
    _refuse_inside(folder.path, out)
    names, shared = list(all_names(folder)), folder.shared_files()
    settings = {"study": folder.study.get("model", {}), "corpus": folder.study.get("corpus", {})}
    with result_folder(out, overwrite=overwrite, manifest={"kind": "atlas", "settings": settings}) as temporary:
        copy_site(temporary)
        for done in _write_records(temporary / DATA, names, folder, workers):
            progress(done, len(names) + len(shared))
        for done, relative in enumerate(shared, len(names) + 1):
            _put(folder.path / relative, temporary / FILES / relative, relative)
            progress(done, len(names) + len(shared))
        n_bytes = sum(path.stat().st_size for path in temporary.rglob("*") if path.is_file())
    return Built(out, len(names), len(shared), n_bytes, time.perf_counter() - started)


def _refuse_inside(study: Path, out: Path) -> None:
    """Refuse pages among the files that they show: made again they would show themselves, and grow each time."""
    place, top = out.resolve(), study.resolve()
    if place.is_relative_to(top) and place != top / PAGES:
        raise OutputError(
            f"the pages cannot be written to '{out}': it lies inside the study, whose files they show. Leave out --out "
            f"for '{study / PAGES}', or name a folder outside the study."
        )


def site_files() -> Iterator[tuple[str, bytes]]:
    """Give the site's own files, as the package holds them: name and content."""
    with as_file(files("otoscope.atlas") / SITE) as site:
        for path in sorted(site.rglob("*")):
            if path.is_file():
                yield path.relative_to(site).as_posix(), path.read_bytes()


def copy_site(out: Path) -> None:
    """Write the site's own files, less what only a server can do."""
    for name, content in site_files():
        if name not in SERVED_ONLY:
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def as_script(name: str, values: object) -> str:
    """Write a record as a script that hands it to the page; what a person wrote in it stays inside a string.

    A large record is packed: its JSON gzipped, in base64, which takes a quarter of the room.
    """
    text = _JSON.encode(values)
    if len(text) < PACKED_FROM:
        return f"otoscope.receive({json.dumps(name)},{text});\n"
    packed = base64.b64encode(gzip.compress(text.encode("ascii"), PACKING_LEVEL, mtime=0)).decode("ascii")
    return f"otoscope.receivePacked({json.dumps(name)},{json.dumps(packed)});\n"


def _write_records(out: Path, names: list[str], folder: StudyFolder, workers: int) -> Iterator[int]:
    """Write records, and say after each few how many are done."""
    batches = [names[start : start + BATCH] for start in range(0, len(names), BATCH)]
    done = 0
    workers = min(workers, len(batches), MOST_PROCESSES)
    if workers > 1:
        with suppress(*_NO_PROCESSES), process_pool(workers) as pool:
            try:
                for written in as_completed([pool.submit(_write_batch_of, folder.path, out, one) for one in batches]):
                    done += written.result()
                    yield done
            finally:
                pool.shutdown(cancel_futures=True)
    if done < len(names):  # here alone, or once more where processes cannot be started
        with _one_thread():
            for done, name in enumerate(names, 1):
                _write_record(out, name, folder)
                yield done


def _write_batch_of(study: Path, out: Path, names: list[str]) -> int:
    folder = _opened(study)
    for name in names:
        _write_record(out, name, folder)
    return len(names)


@lru_cache(1)
def _opened(study: Path) -> StudyFolder:
    """Open a study once in a process that makes records of it."""
    _one_thread()
    gc.disable()  # records hold no cycles, and looking for them takes a tenth of the time
    return StudyFolder(study)


def _one_thread() -> threadpool_limits:
    """Keep numpy's products to one thread: they are small, and threads that wait for the next one spin meanwhile."""
    return threadpool_limits(1, "blas")


def _write_record(out: Path, name: str, folder: StudyFolder) -> None:
    path = out / f"{name}.js"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_script(name, record(folder, name)), encoding="ascii")


def _put(source: Path, target: Path, relative: str) -> None:
    """Let a file stand at a second place: the same on the disk where that can be and the file names no folders."""
    target.parent.mkdir(parents=True, exist_ok=True)
    content = published(source, relative)
    if content is not None:
        target.write_bytes(content)
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target, follow_symlinks=False)
