r"""Reproduce the study's outputs on released models and write the page: `make released`.

    python -m reproduction.run --model MODELS/faster-whisper-tiny.en --model MODELS/faster-whisper-base \
        --recording Hot_ones.wav --speech jfk.flac --corpus speechocean762 --corpus ljspeech_mfa --corpus demo \
        --out released --page docs/released_models.md

A run that was stopped can be continued: outputs and studies that are done are kept in --out.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

import otoscope as oto
from otoscope.base.errors import OtoscopeError
from otoscope.base.files import write_text
from otoscope.base.version import __version__
from reproduction import outputs, page, studies


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, run the studies, and write the page.

    Args:
        arguments: The command line; None for this process's own.

    Returns:
        The exit status: 0 done, 2 bad input.
    """
    options = parser().parse_args(arguments)
    try:
        models = {}
        for path in options.model:
            folder = options.out / path.name
            folder.mkdir(parents=True, exist_ok=True)
            model = oto.load(path)
            model.id = short(path)  # the name in pictures
            models[model.id] = outputs.measure(model, options.recording, options.speech, folder)
        done = {}
        for corpus in options.corpus:
            for path in options.model:
                name = Path(corpus).name
                out = options.out / "studies" / f"{name}-{path.name}"
                studies.run(corpus, path, out)
                done[name, short(path)] = studies.finished(out)
        made = f"{datetime.now(UTC):%Y-%m-%d}, otoscope {__version__}, torch {torch.__version__}, on a CPU, float32."
        write_text(options.page, page.write(models, done, made))
        picture = options.page.parent / "images" / "relevance_released.png"
        shutil.copyfile(page.picture(options.out / options.model[-1].name), picture)
    except OtoscopeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def short(path: Path) -> str:
    """A model's name without the prefix for its format."""
    return path.name.removeprefix("faster-whisper-")


def parser() -> argparse.ArgumentParser:
    """Define the command's options."""
    options = argparse.ArgumentParser(prog="python -m reproduction.run", description=__doc__.split("\n")[0])
    options.add_argument("--model", type=Path, action="append", required=True, help="a checkpoint; repeat for several")
    options.add_argument("--recording", type=Path, required=True, help="the study's own recording")
    options.add_argument("--speech", type=Path, required=True, help="the recording of the relevance map")
    options.add_argument("--corpus", action="append", default=[], help="a corpus to study; repeat for several")
    options.add_argument("--out", type=Path, required=True, help="folder for the measured outputs")
    options.add_argument("--page", type=Path, required=True, help="the page to write")
    return options


if __name__ == "__main__":
    sys.exit(main())
