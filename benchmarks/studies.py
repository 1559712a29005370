"""How long does a whole study take, and how much does it leave on the disk?

Run as a user runs it, in a process of its own: 160 clips of about 3 s with phones and a released tiny.en, or the demo
clips and the demo model where these are missing. Each is run once, and takes minutes, so it is measured only when it
is asked for by name.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from benchmarks.released import NAME, SPOKEN, found, nearest
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
    return _of_speech(["--quick"], QUICK_MINUTES)


def usual(settings: Settings) -> list[Row]:
    """Measure `otoscope study`."""
    return _of_speech([], USUAL_MINUTES)


def demo(settings: Settings) -> list[Row]:
    """Measure `otoscope demo`, pages and sounds included."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo"
        seconds = _run(["demo", "--out", str(out)])
        return _rows("`otoscope demo`", seconds, DEMO_MINUTES, size_mb(out), DEMO_MB, "all of its folder")


def _of_speech(options: Sequence[str], minutes: float) -> list[Row]:
    model, speech = found("OTOSCOPE_MODELS", NAME), found("OTOSCOPE_SPEECH", SPOKEN)
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
    """Copy clips with the files of their names beside them, speaker by speaker."""
    for path in nearest(speech, N_CLIPS):
        beside = folder / path.parent.relative_to(speech)
        beside.mkdir(parents=True, exist_ok=True)
        for file in path.parent.glob(f"{path.stem}.*"):
            shutil.copyfile(file, beside / file.name)


def size_mb(folder: Path, *, without: Collection[str] = ()) -> float:
    """Add up the files of a folder, but those with some endings, in MB; what stands at two places counts once."""
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
