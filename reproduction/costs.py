"""Measure what released models cost in time and memory, calculate it for the others, and write the page.

Run `python -m reproduction.costs --model MODELS/faster-whisper-tiny.en --model MODELS/faster-whisper-base --speech
jfk.flac --page docs/costs.md`. Every model is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

import otoscope as oto
from otoscope.base.files import write_text
from otoscope.base.layout import size
from otoscope.base.version import __version__
from otoscope.model.released import SHAPES
from otoscope.study.catalogue import parts

TIMES = 2
"""The quickest counts: others wait for whatever else the machine does."""
FRAMES, MEL_FRAMES = 1500, 3000
VOCABULARY = 51_865
RECKONED = ("tiny", "base", "small", "medium", "large-v3", "large-v3-turbo")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every model in a process of its own, and write the page.

    Args:
        arguments: The command line; None for this process's own.

    Returns:
        The exit status.
    """
    options = parser().parse_args(arguments)
    if options.measure is not None:
        print(json.dumps(measure(options.measure, options.speech)))
        return 0
    measured = {}
    for path in options.model:
        command = [sys.executable, "-m", "reproduction.costs", "--measure", path, "--speech", options.speech]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=True)
        measured[path.name.removeprefix("faster-whisper-")] = json.loads(done.stdout.splitlines()[-1])
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    machine = f"{platform.machine()}, {_processor()}, one core, load {load:.0f} by other programs"
    made = f"{datetime.now(UTC):%Y-%m-%d}, otoscope {__version__}, torch {torch.__version__}, {machine}, float32"
    write_text(options.page, page(measured, made))
    return 0


def measure(path: Path, speech: Path) -> dict[str, float]:
    """Measure one model in this process: processor seconds on one thread, and memory."""
    torch.set_num_threads(1)
    model = oto.load(path, device="cpu")
    clip = oto.read_clip(speech)
    windows = model.windows(clip)
    return {
        "encode_s": _quickest(lambda: model.encode(windows)),
        "transcribe_s": _quickest(lambda: model.transcribe(clip)),
        "duration_s": clip.duration_s,
        "memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0,
    }


def _quickest(do: Callable[[], object]) -> float:
    times = []
    for _ in range(TIMES):
        start = time.process_time()
        do()
        times.append(time.process_time() - start)
    return min(times)


def parameters(name: str) -> int:
    """Count the parameters of a release, without making them."""
    shape = SHAPES[name]
    config = WhisperConfig(
        vocab_size=VOCABULARY,
        num_mel_bins=shape.n_mels,
        d_model=shape.d_model,
        encoder_layers=shape.encoder_blocks,
        decoder_layers=shape.decoder_blocks,
        encoder_ffn_dim=4 * shape.d_model,
        decoder_ffn_dim=4 * shape.d_model,
        encoder_attention_heads=shape.d_model // 64,
        decoder_attention_heads=shape.d_model // 64,
    )
    with torch.device("meta"):
        model = WhisperForConditionalGeneration(config)
    return sum(weight.numel() for weight in model.model.parameters())


def encoder_operations(name: str) -> float:
    """Count the multiplications and additions of the encoder over one window of 30 s."""
    shape = SHAPES[name]
    d = shape.d_model
    block = FRAMES * 24.0 * d * d + 4.0 * FRAMES * FRAMES * d  # four projections, two layers of the MLP; attention
    convolutions = 6.0 * d * (MEL_FRAMES * shape.n_mels + FRAMES * d)
    return shape.encoder_blocks * block + convolutions


def page(measured: Mapping[str, Mapping[str, float]], made: str) -> str:
    """Write the page.

    Args:
        measured: Model to what `measure` returned.
        made: When and on what machine.

    Returns:
        Markdown.
    """
    last = list(measured)[-1]
    rate = encoder_operations(last) / measured[last]["encode_s"]
    rows = [
        f"| {name} | {row['encode_s']:.2f} s | {row['transcribe_s']:.2f} s | {size(int(row['memory_bytes']))} |"
        for name, row in measured.items()
    ]
    duration = next(iter(measured.values()))["duration_s"]
    return "\n".join(
        [
            "# Time and memory by model size",
            "",
            "How long otoscope takes, and how much memory it needs, with each size of Whisper. The first table is "
            "measured; the second is calculated from the sizes of the models. Written by `python -m "
            "reproduction.costs`; do not change it by hand. [benchmarks.md](benchmarks.md) compares otoscope's speed "
            "with that of other programs.",
            "",
            "## Measured",
            "",
            f"{made}. Times are processor seconds on one core, the quickest of {TIMES}; memory is the largest that the "
            f"process had, PyTorch included. The recording has {duration:.0f} s and fills one window of 30 s with "
            "padding.",
            "",
            "| model | encoder, one window | transcribing | memory |",
            "|---|---|---|---|",
            *rows,
            "",
            "## Calculated",
            "",
            "Nothing in this table was measured. Parameters are counted from the shape of each model. The encoder's "
            f"time is its number of operations at the speed that {last} reached above ({rate / 1e9:.0f} billion "
            "operations a second on one core); larger matrices usually run somewhat faster. Neurons are the values of "
            "all `encoder.blocks.*.mlp.1` for one window, in float32.",
            "",
            "| model | parameters | weights, float32 | weights, float16 | encoder, one window | neurons |",
            "|---|---|---|---|---|---|",
            *(_reckoned(name, rate) for name in RECKONED),
            "",
            MORE.replace("EXPERIMENTS", _experiments()),
        ]
    )


MORE = """English-only models (`tiny.en`, ...) cost the same as the multilingual ones of their size.

## What an experiment costs

Most of the time goes into runs of the model. The plan of a study counts them like this, for a clip that fits one
window:

EXPERIMENTS

A harvest and a training of dictionaries run the encoder once over each clip. `otoscope study CORPUS --model MODEL
--dry-run` times the model on your machine and prints how long a study will take there.

## If it is too slow, or does not fit

- `--dtype bfloat16` halves the memory of the weights. On a GPU it is also faster.
- `--device cuda` uses a GPU; `auto`, the default, does so when there is one.
- `--clips N` takes the first N recordings; `otoscope study --quick` takes small samples.
- Every command that takes long has `--dry-run`, which prints how much there is to do.
- Reading fewer sites saves memory: activations are kept for the sites that you name, and only for these.
"""


def _reckoned(name: str, rate: float) -> str:
    shape, n = SHAPES[name], parameters(name)
    neurons = shape.encoder_blocks * FRAMES * 4 * shape.d_model * 4
    seconds = encoder_operations(name) / rate
    return f"| {name} | {n / 1e6:,.0f} million | {size(4 * n)} | {size(2 * n)} | {seconds:.2g} s | {size(neurons)} |"


def _experiments() -> str:
    """Say how often each experiment runs the model, as the plan of a study has it."""
    rows = []
    for part in parts():
        cost = part.cost
        if cost is not None and (cost.encodings or cost.transcriptions) and not part.after:
            runs = [
                f"{amount:g} {what}"
                for amount, what in (
                    (cost.encodings, "runs of the encoder"),
                    (cost.transcriptions, "transcripts"),
                    (cost.encodings_a_word, "runs of the encoder for each word"),
                    (cost.transcriptions_a_word, "transcripts for each word"),
                )
                if amount
            ]
            rows.append(f"| {part.name} | {'; '.join(runs)} |")
    return "\n".join(["| part of a study | for each clip |", "|---|---|", *rows])


def _processor() -> str:
    """Name the processor, where the system says it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU")


def parser() -> argparse.ArgumentParser:
    """Define the command's options."""
    options: Any = argparse.ArgumentParser(prog="python -m reproduction.costs", description=__doc__.split("\n")[0])
    options.add_argument("--model", type=Path, action="append", default=[], help="a checkpoint; repeat for several")
    options.add_argument("--measure", type=Path, help="measure this checkpoint alone, and print JSON")
    options.add_argument("--speech", type=Path, required=True, help="a recording")
    options.add_argument("--page", type=Path, help="the page to write")
    return options


if __name__ == "__main__":
    sys.exit(main())
