"""Measure otoscope's speed and memory against the bare transformers model: `make bench`.

    python benchmarks/run.py                              all questions, a table; about ten minutes on a quiet machine
    python benchmarks/run.py --repeat 3                   three times the rounds, for a busy machine
    python benchmarks/run.py --only encoder reading       some questions
    python benchmarks/run.py --json                       JSON on stdout
    python benchmarks/run.py --write docs/benchmarks.md   put the table into a page
    python benchmarks/run.py --only study-quick study study-demo    whole studies, half an hour; a table of their own

A released model and real speech are measured where OTOSCOPE_MODELS and OTOSCOPE_SPEECH name the folders that hold them.

A missed target is shown but is not an error, because times depend on the machine. Exit status: 0 everything was
measured, 1 a question that should have an answer has none (a missing GPU does not count), 2 bad usage.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

if not __package__:  # run as a file: the folder above holds the package
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch

from benchmarks import (
    atlas,
    bigrams,
    dictionary_feeding,
    dictionary_training,
    encoder_pass,
    feature_loop,
    harvest_memory,
    harvest_pass,
    help_command,
    live,
    loading,
    log_mel,
    machine,
    neighbours,
    on_gpu,
    pages,
    peak_memory,
    read_sites,
    relevance_map,
    report,
    side_by_side,
    studies,
    transcribing,
    words,
)
from benchmarks.row import Row
from benchmarks.subject import Settings, Subject, make_subject
from otoscope.base.errors import OtoscopeError

Question = Callable[[Settings], list[Row]]


def on_cpu(question: Callable[[Subject], list[Row]]) -> Question:
    """Make a question of settings from one of a subject, in float32 on the CPU."""
    return lambda settings: question(make_subject(settings))


QUESTIONS: dict[str, Question] = {
    "encoder": on_cpu(encoder_pass.measure),
    "reading": on_cpu(read_sites.measure),
    "relevance": on_cpu(relevance_map.measure),
    "memory": peak_memory.measure,
    "harvest": on_cpu(harvest_pass.measure),
    "harvest-memory": harvest_memory.measure,
    "harvest-loop": on_cpu(feature_loop.measure),
    "dictionaries": dictionary_training.measure,
    "dictionary-feed": dictionary_feeding.measure,
    "bigrams": bigrams.measure,
    "neighbours": neighbours.measure,
    "words": words.measure,
    "atlas": atlas.measure,
    "live": live.measure,
    "pages": pages.measure,
    "help": help_command.measure,
    "log-mel": log_mel.measure,
    "transcribe": transcribing.measure,
    "loading": loading.measure,
    "side-by-side": side_by_side.measure,
    "gpu": on_gpu.measure,
}
STUDIES: dict[str, Question] = {
    "study-quick": studies.quick,
    "study": studies.usual,
    "study-demo": studies.demo,
}
"""Run only by name: each takes minutes."""


def measure(settings: Settings, questions: Sequence[str] = ()) -> list[Row]:
    """Measure questions, one after the other; the time that each took goes to stderr.

    Args:
        settings: How to measure.
        questions: Names of questions; empty for all but the studies.

    Returns:
        Their rows.
    """
    torch.set_num_threads(settings.threads)
    rows = []
    for name, question in (QUESTIONS | STUDIES).items():
        if name in (questions or QUESTIONS):
            start = time.perf_counter()
            rows += question(settings)
            print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return rows


def parser() -> argparse.ArgumentParser:
    """Define the command's options."""
    options = argparse.ArgumentParser(prog="benchmarks/run.py", description="Measure otoscope's speed and memory.")
    options.add_argument(
        "--only",
        nargs="+",
        choices=QUESTIONS | STUDIES,
        default=(),
        help="questions to measure (default: all but the studies)",
    )
    options.add_argument(
        "--repeat", type=_above_zero, default=1.0, help="multiplies all numbers of rounds (default: 1)"
    )
    options.add_argument("--json", action="store_true", help="print JSON on stdout, and the table on stderr")
    options.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this Markdown page")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the results.

    Args:
        arguments: The command line; None for this process's own.

    Returns:
        The exit status.
    """
    options = parser().parse_args(arguments)
    settings = Settings(repeat=options.repeat)
    table = report.STUDIES if options.only and set(options.only) <= set(STUDIES) else report.ALL
    try:
        if options.write:
            report.split_page(options.write, table)  # fails for a page without markers before minutes of measuring
        about = machine.describe(settings.threads)
        rows = measure(settings, options.only)
        print(f"{report.about(about)}\n\n{report.text_table(rows)}", file=sys.stderr if options.json else sys.stdout)
        if options.json:
            print(json.dumps({"machine": about, "rows": [row.to_json() for row in rows]}, indent=2))
        if options.write:
            report.write_into(options.write, table, report.markdown(about, rows))
    except OtoscopeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return int(any(row.is_unanswered for row in rows))


def _above_zero(text: str) -> float:
    with suppress(ValueError):
        value = float(text)
        if 0 < value < float("inf"):
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")


if __name__ == "__main__":
    sys.exit(main())
