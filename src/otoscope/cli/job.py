"""What every command is told in the same words: which model, where to compute, where to write, how to speak."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from otoscope.base.errors import InputError, OutputError
from otoscope.base.files import to_json_text
from otoscope.cli.console import Console

if TYPE_CHECKING:
    from otoscope.corpus import Problem
    from otoscope.model.whisper import Whisper

MOST_NAMES = 8
"""Up to so many files are named when results are written; of more, their number."""


class Result(Protocol):
    """What every experiment returns, as far as a command needs it."""

    def to_json(self) -> dict[str, Any]:
        """Give the table."""

    def save(self, folder: str | Path) -> list[Path]:
        """Write table, arrays and pictures."""


@dataclass(frozen=True)
class Job:
    """One run of a command.

    Attributes:
        model: The model that was asked for.
        device: Where to compute.
        dtype: Precision of the weights.
        out: The folder for results; None to write none.
        as_json: Print JSON and nothing else on stdout.
        overwrite: Whether `out` may exist.
        quiet: Keep to errors on stderr.

    Raises:
        InputError: Results may not be written to `out`; nothing was done yet.
    """

    model: str
    device: str
    dtype: str
    out: Path | None
    as_json: bool
    overwrite: bool
    quiet: bool

    def __post_init__(self) -> None:
        check_out(self.out, overwrite=self.overwrite)

    @property
    def console(self) -> Console:
        """What goes to stderr."""
        return Console(self.quiet)

    def load(self) -> Whisper:
        """Load the model.

        Raises:
            InputError: The model, the device or the dtype cannot be used.
        """
        return load_model(self.console, self.model, self.device, self.dtype)

    @contextmanager
    def folder(self, model: Whisper, settings: Mapping[str, Any], failed: Sequence[Problem] = ()) -> Iterator[Path]:
        """Build the folder of results, and say where it is; there must be an `out`.

        Args:
            model: What makes the results, for the manifest.
            settings: The command's settings, for the manifest.
            failed: Recordings that could not be used, for the manifest; the list may grow meanwhile.

        Yields:
            A temporary folder to write to.

        Raises:
            OutputError: The folder cannot be written.
        """
        from otoscope.base.results import result_folder

        assert self.out is not None, "asked for by commands that were given --out"
        manifest = {"model": describe(model), "settings": dict(settings), "failed": failed}
        with result_folder(self.out, overwrite=self.overwrite, manifest=manifest) as folder:
            yield folder
            names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        shown = ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} files"
        self.console.note(f"Results in {self.out}: {shown}")

    def deliver(
        self,
        result: Result,
        summary: str,
        model: Whisper,
        settings: Mapping[str, Any],
        failed: Sequence[Problem] = (),
    ) -> None:
        """Write a result to its folder, where there is one, and print it: the JSON alone, or a summary to read.

        Raises:
            OutputError: The folder cannot be written.
        """
        if self.out is not None:
            with self.folder(model, settings, failed) as folder:
                result.save(folder)
        print(to_json_text(result.to_json()) if self.as_json else summary)


def check_out(out: Path | None, *, overwrite: bool) -> None:
    """Refuse a place for results before anything is read.

    Args:
        out: The folder to be; None for none.
        overwrite: Whether it may exist.

    Raises:
        InputError: Results may not be written there.
    """
    if out is None:
        return
    from otoscope.base.results import check_out as check

    try:
        check(out, overwrite=overwrite)
    except OutputError as error:
        raise InputError(str(error)) from error


def describe(model: Whisper) -> dict[str, str]:
    """Say in a manifest which model it was and how it ran."""
    return {
        "id": model.id,
        "weights_hash": model.weights_hash,
        "device": str(model.device),
        "dtype": str(model.dtype).removeprefix("torch."),
    }


def load_model(console: Console, source: str, device: str, dtype: str) -> Whisper:
    """Load a model, and say what there is to know about its checkpoint.

    Raises:
        InputError: The model, the device or the dtype cannot be used.
    """
    with console.progress(f"Loading {source}"):
        from otoscope.model.load import load

        model = load(source, device=device, dtype=dtype)
    for note in model.notes:
        console.note(f"{model.id}: {note}.")
    return model
