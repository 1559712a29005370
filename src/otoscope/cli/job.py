"""What all commands share: the options for model, device and output, and how results are written and printed."""

from __future__ import annotations

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
from otoscope.cli.sources import gather, note_label_problems, read_recording, survey
from otoscope.study.catalogue import loaded

if TYPE_CHECKING:
    from otoscope.corpus import Problem
    from otoscope.model.whisper import Whisper

MOST_NAMES = 8
"""Most files that are named when results are written; of more, only the number is given."""


class Deliverable(Protocol):
    """The part of an experiment's result that a command needs."""

    def to_json(self) -> dict[str, Any]:
        """Give the result as JSON."""

    def save(self, folder: str | Path) -> list[Path]:
        """Write tables, arrays and pictures."""

    def summary(self) -> str:
        """Give the text for the terminal."""


@dataclass(frozen=True)
class Job:
    """One run of a command."""

    model: str = ""  # as given on the command line
    device: str = ""
    dtype: str = ""  # of the weights
    out: Path | None = None  # the folder for results; None to write nothing
    json: bool = False  # print JSON and nothing else on stdout
    overwrite: bool = False  # whether `out` may exist
    quiet: bool = False  # only warnings and errors on stderr
    dry_run: bool = False  # print what would be done, and stop
    goes_on: bool = False  # continue what lies in `out`, which is not checked here

    def __post_init__(self) -> None:
        if not self.goes_on:
            check_out(self.out, overwrite=self.overwrite)

    @property
    def console(self) -> Console:
        """Writes to stderr."""
        return Console(self.quiet)

    def load(self) -> Whisper:
        """Load the model."""
        return load_model(self.console, self.model, self.device, self.dtype)

    @contextmanager
    def folder(
        self,
        model: Whisper | Mapping[str, Any],
        settings: Mapping[str, Any],
        failed: Sequence[Problem] = (),
        **more: Any,
    ) -> Iterator[Path]:
        """Make the folder of results, and print where it is; there must be an `out`.

        `model`: the model that makes the results, or its entry in an earlier manifest.
        `failed`: recordings that could not be used, for the manifest; the list may still grow inside the block.
        Yields a temporary folder to write to.
        """
        from otoscope.base.results import result_folder

        assert self.out is not None, "only called with --out"
        about = dict(model) if isinstance(model, Mapping) else describe(model)
        manifest = {"model": about, **more, "settings": dict(settings), "failed": failed}
        with result_folder(self.out, overwrite=self.overwrite, manifest=manifest) as folder:
            yield folder
            names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        shown = ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} files"
        self.console.note(f"Results in {self.out}: {shown}")

    def deliver(
        self,
        result: Deliverable,
        model: Whisper | Mapping[str, Any],
        settings: Mapping[str, Any],
        failed: Sequence[Problem] = (),
        *,
        text: str | None = None,
        **more: Any,
    ) -> None:
        """Write a result to its folder, if there is one, and print it as JSON or as its summary.

        `model`: the model that made it, or its entry in an earlier manifest.
        `failed`: recordings that could not be used, for the manifest.
        `text`: printed instead of the result's own summary.
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
        """Measure on one recording, and deliver the result.

        `doing`: what is done, for the plan: "Splicing".
        `manifest`: entries of the manifest that differ from the function's arguments.
        `more`: the function's other arguments, by name; written to the manifest too.
        """
        clip = read_recording(audio, self.console)
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
        """Measure over a corpus, and deliver the result; exits with status 1 if a clip could not be used.

        Args:
            source: The corpus.
            clips: Use only the first so many of its clips; None for all.
            doing: What is done, for the plan: "Splicing every word in turn out of".
            measure: The function, as `module:name`.
            settings: Its settings, if it has any.
            needs_labels: Whether to note how many clips have labels that cannot be used.
            others: Further corpora that the function takes, by parameter.
            more: The function's other arguments, by name; written to the manifest too.
        """
        main_corpus = gather([source], clips)
        other_corpora = {name: gather([text]) for name, text in (others or {}).items()}
        corpora = [main_corpus, *other_corpora.values()]
        usable, *_ = [survey(corpus, self.console) for corpus in corpora]
        if needs_labels:
            for corpus in corpora:
                note_label_problems(corpus, self.console)
        self.console.note(f"{doing} {usable.plan}, with {self.model}")
        if not self.dry_run:
            model, function = self.load(), loaded(measure)
            by_name = {**more, **other_corpora, **({} if settings is None else {"settings": settings})}
            total = usable.n_clips
            with self.console.progress(doing.split()[0], total=total) as advance:
                by_name["progress"] = lambda done, n: advance(done * total / n if n else done)
                result = function(model, main_corpus, **by_name)
            manifest = {"corpus": source, "clips": clips, **more, **(others or {}), **_plain(settings)}
            self.deliver(result, model, manifest, [problem for corpus in corpora for problem in corpus.problems])
        self.console.finish([problem for corpus in corpora for problem in corpus.problems], sum(map(len, corpora)))


def takes_progress(function: Callable[..., Any]) -> bool:
    """Whether a function reports its progress."""
    return "progress" in inspect.signature(function).parameters


def _plain(settings: Settings | None) -> dict[str, Any]:
    return {} if settings is None else settings.to_json()


def check_out(out: Path | None, *, overwrite: bool) -> None:
    """Check that results may be written, before anything is read.

    `out`: the folder for results; None to write nothing.
    """
    if out is None:
        return
    from otoscope.base.results import check_out as check

    try:
        check(out, overwrite=overwrite)
    except OutputError as error:
        raise InputError(str(error)) from error


def describe(model: Whisper) -> dict[str, str]:
    """Describe a model and how it runs, for a manifest."""
    return {**model.about(), "device": str(model.device)}


def load_model(console: Console, source: str, device: str, dtype: str) -> Whisper:
    """Load a model, and print notes on its checkpoint."""
    with console.progress(f"Loading {source}"):
        from otoscope.model.load import load

        model = load(source, device=device, dtype=dtype)
    for note in model.notes:
        console.note(f"{model.id}: {note}.")
    return model
