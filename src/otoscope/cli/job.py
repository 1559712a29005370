"""What every command is told in the same words: which model, where to compute, where to write, how to speak."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from otoscope.base.errors import InputError, OutputError
from otoscope.base.files import to_json_text
from otoscope.base.layout import duration
from otoscope.base.settings import Settings
from otoscope.cli.console import Console
from otoscope.cli.sources import gather, note_label_problems, one, survey

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

    def summary(self) -> str:
        """Write it for a terminal."""


@dataclass(frozen=True)
class Job:
    """One run of a command.

    Raises:
        InputError: Results may not be written to `out`; nothing was done yet.
    """

    model: str = ""  # as it was asked for
    device: str = ""
    dtype: str = ""  # of the weights
    out: Path | None = None  # the folder for results; None to write none
    json: bool = False  # print JSON and nothing else on stdout
    overwrite: bool = False  # whether `out` may exist
    quiet: bool = False  # warnings and errors alone on stderr
    dry_run: bool = False  # say what would be done, and stop
    goes_on: bool = False  # go on with what lies in `out`, which is not checked here

    def __post_init__(self) -> None:
        if not self.goes_on:
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
    def folder(
        self,
        model: Whisper | Mapping[str, Any],
        settings: Mapping[str, Any],
        failed: Sequence[Problem] = (),
        **more: Any,
    ) -> Iterator[Path]:
        """Build the folder of results, and say where it is; there must be an `out`.

        Args:
            model: What makes the results, or what an earlier manifest says of it.
            settings: The command's settings, for the manifest.
            failed: Recordings that could not be used, for the manifest; the list may grow meanwhile.
            more: More keys of the manifest.

        Yields:
            A temporary folder to write to.

        Raises:
            OutputError: The folder cannot be written.
        """
        from otoscope.base.results import result_folder

        assert self.out is not None, "asked for by commands that were given --out"
        about = dict(model) if isinstance(model, Mapping) else describe(model)
        manifest = {"model": about, **more, "settings": dict(settings), "failed": failed}
        with result_folder(self.out, overwrite=self.overwrite, manifest=manifest) as folder:
            yield folder
            names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        shown = ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} files"
        self.console.note(f"Results in {self.out}: {shown}")

    def deliver(
        self,
        result: Result,
        model: Whisper | Mapping[str, Any],
        settings: Mapping[str, Any],
        failed: Sequence[Problem] = (),
        *,
        text: str | None = None,
        **more: Any,
    ) -> None:
        """Write a result to its folder, where there is one, and print it: the JSON alone, or its summary.

        Args:
            result: The result.
            model: What made it, or what an earlier manifest says of it.
            settings: The command's settings, for the manifest.
            failed: Recordings that could not be used, for the manifest.
            text: What is printed instead of the result's own summary.
            more: More keys of the manifest.

        Raises:
            OutputError: The folder cannot be written.
        """
        if self.out is not None:
            with self.folder(model, settings, failed, **more) as folder:
                result.save(folder)
        if self.json:
            print(to_json_text(result.to_json()))
        else:
            print(result.summary() if text is None else text)

    def on(
        self,
        audio: str,
        doing: str,
        measure: str,
        settings: Settings | None = None,
        *,
        manifest: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Measure on one recording, and deliver what came of it.

        Args:
            audio: The recording.
            doing: What is done, for the plan: "Splicing".
            measure: The function, as `module:name`.
            settings: Its settings, where it has some.
            manifest: How settings are written in the manifest where it is not as the function takes them.
            more: What else it takes, by name; goes into the manifest too.
        """
        clip = one(audio, self.console)
        self.console.note(f"{doing} {clip.id} ({duration(clip.duration_s)}), with {self.model}")
        if self.dry_run:
            return
        model, function = self.load(), loaded(measure)
        by_name = dict(more) if settings is None else {**more, "settings": settings}
        with self.console.progress(doing.split()[0], total=1) as advance:
            if takes_progress(function):
                by_name["progress"] = lambda done, n: advance(done / n if n else 1.0)
            result = function(model, clip, **by_name)
        self.deliver(result, model, {"audio": audio, **more, **_plain(settings), **(manifest or {})})

    def over(
        self,
        source: str,
        clips: int | None,
        doing: str,
        measure: str,
        settings: Settings | None = None,
        *,
        needs_labels: bool = False,
        others: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        """Measure over a corpus, and deliver what came of it; ends with status 1 where a clip could not be used.

        Args:
            source: The corpus.
            clips: Take the first so many of its clips; None for all.
            doing: What is done, for the plan: "Splicing every word in turn out of".
            measure: The function, as `module:name`.
            settings: Its settings, where it has some.
            needs_labels: Say of how many clips the labels cannot be used.
            others: Further corpora that it takes, by parameter.
            more: What else it takes, by name; goes into the manifest too.
        """
        corpus = gather([source], clips)
        beside = {name: gather([text]) for name, text in (others or {}).items()}
        corpora = [corpus, *beside.values()]
        usable, *_ = [survey(each, self.console) for each in corpora]
        if needs_labels:
            for each in corpora:
                note_label_problems(each, self.console)
        self.console.note(f"{doing} {usable.plan}, with {self.model}")
        if not self.dry_run:
            model, function = self.load(), loaded(measure)
            by_name = {**more, **beside, **({} if settings is None else {"settings": settings})}
            total = usable.n_clips
            with self.console.progress(doing.split()[0], total=total) as advance:
                by_name["progress"] = lambda done, n: advance(done * total / n if n else done)
                result = function(model, corpus, **by_name)
            manifest = {"corpus": source, "clips": clips, **more, **(others or {}), **_plain(settings)}
            self.deliver(result, model, manifest, [problem for each in corpora for problem in each.problems])
        self.console.finish([problem for each in corpora for problem in each.problems], sum(map(len, corpora)))


def loaded(function: str) -> Callable[..., Any]:
    """Give a function by `module:name`."""
    module, name = function.split(":")
    return getattr(importlib.import_module(module), name)


def takes_progress(function: Callable[..., Any]) -> bool:
    """Say whether a function tells how far it is."""
    return "progress" in inspect.signature(function).parameters


def _plain(settings: Settings | None) -> dict[str, Any]:
    return {} if settings is None else settings.to_json()


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
