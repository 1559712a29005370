"""How long does a whole study take, and how much disk does it use?

Run as a user runs it, in its own process: 160 clips of about 3 s with phones and a released tiny.en, and the demo clips
with the demo model. Each is run once and takes minutes, so it is measured only by name.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from benchmarks.released import NAME, SPOKEN, find_folder, nearest
from benchmarks.row import Row
from benchmarks.subject import Settings
from benchmarks.timing import Spread

N_CLIPS = 160
SCRIPT = Path(sys.executable).with_name("otoscope")
SOUNDS = {".wav", ".flac", ".ogg", ".opus", ".mp3"}
QUICK_MINUTES, USUAL_MINUTES, DEMO_MINUTES = 5.0, 20.0, 3.0
FOLDER_MB, DEMO_MB = 300.0, 250.0


def quick(settings: Settings) -> list[Row]:
    """Measure `otoscope study --quick`."""
    return _study_of_speech(["--quick"], QUICK_MINUTES)


def usual(settings: Settings) -> list[Row]:
    """Measure `otoscope study`."""
    return _study_of_speech([], USUAL_MINUTES)


def demo(settings: Settings) -> list[Row]:
    """Measure `otoscope demo`, pages and sounds included."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo"
        seconds = _run(["demo", "--out", str(out)])
        return _rows("`otoscope demo`", seconds, DEMO_MINUTES, size_mb(out), DEMO_MB, "all of its folder")


def _study_of_speech(options: Sequence[str], minutes: float) -> list[Row]:
    model, speech = find_folder("OTOSCOPE_MODELS", NAME), find_folder("OTOSCOPE_SPEECH", SPOKEN)
    question = " ".join(["`otoscope study", *options]) + "`"
    if model is None or speech is None:
        why = f"needs {NAME} in OTOSCOPE_MODELS and {SPOKEN} in OTOSCOPE_SPEECH"
        return [Row(question, detail=why, is_optional=True)]
    with tempfile.TemporaryDirectory() as folder:
        corpus, out = Path(folder) / "clips", Path(folder) / "study"
        copy_clips(speech, corpus)
        seconds = _run(["study", str(corpus), "--model", str(model), "--out", str(out), *options])
        about = f"{question} of {N_CLIPS} clips of about 3 s with {NAME}"
        return _rows(about, seconds, minutes, size_mb(out, without=SOUNDS), FOLDER_MB, "its folder before sounds")


def copy_clips(speech: Path, folder: Path) -> None:
    """Copy clips and the files of the same names, into a folder for each speaker."""
    for path in nearest(speech, N_CLIPS):
        target = folder / path.parent.relative_to(speech)
        target.mkdir(parents=True, exist_ok=True)
        for file in path.parent.glob(f"{path.stem}.*"):
            shutil.copyfile(file, target / file.name)


def size_mb(folder: Path, *, without: Collection[str] = ()) -> float:
    """Add up the sizes of a folder's files in MB, without some suffixes; hard links count once."""
    files = [path.stat() for path in folder.rglob("*") if path.is_file() and path.suffix not in without]
    return sum({(file.st_dev, file.st_ino): file.st_size for file in files}.values()) / 1e6


def _run(arguments: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, str(SCRIPT), *arguments, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def _rows(question: str, seconds: float, minutes: float, mb: float, most_mb: float, what: str) -> list[Row]:
    taken = seconds / 60
    return [
        Row(f"{question}: minutes", "min", Spread.of([taken]), minutes),
        Row(f"{question}: MB, {what}", "MB", Spread.of([mb]), most_mb),
    ]
