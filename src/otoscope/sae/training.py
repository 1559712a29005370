"""Train several dictionaries from one feed: steps, checkpoints, curves, files. `trainer.py` trains each.

A training that is stopped at any time resumes from its last checkpoint and ends with the same bits. Every process reads
the same batches and learns from its share of each; the first one writes files.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otoscope.base.errors import InputError, OtoscopeError, OutputError
from otoscope.base.files import write_json
from otoscope.base.results import MANIFEST, full_manifest
from otoscope.sae.checkpoint import KEY, TrainingFolder
from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders import make_coder
from otoscope.sae.curves import Columns, Curves, read_curves
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.feed import Feed, FrameBatch, Position
from otoscope.sae.files import load_dictionary, save_dictionary
from otoscope.sae.prefetch import Prefetch
from otoscope.sae.together import ALONE, Together
from otoscope.sae.trainer import Trainer
from otoscope.sae.training_settings import TrainSettings

START_FRAMES = 16_384
START_KEPT = 4096
"""At least this many frames are read, and about this many of them kept, to find the length and centre of vectors."""

LAST_FRAMES = 4096
"""At least this many frames of the last batches are kept, to set thresholds and to measure dictionaries."""

Observer = Callable[[Mapping[str, Any]], None]
"""Takes a row of the curves: `task`, and the columns of `curves.COLUMNS`."""

Progress = Callable[[int, int, Mapping[str, Mapping[str, float]]], None]
"""Takes the number of steps done, their total, and the last row of each dictionary's curve."""


@dataclass(frozen=True)
class Task:
    """A dictionary to be trained."""

    name: str  # the name of its folder, unique in a training
    site: str  # the site of the feed that it is trained on
    coder: CoderSettings  # settings of its coder
    metadata: Mapping[str, Any] = field(default_factory=dict)  # what to write down about it


@dataclass(frozen=True, eq=False)
class Trained:
    """A finished training."""

    folder: Path  # the training's folder
    dictionaries: Mapping[str, Dictionary]  # task's name to dictionary
    curves: Mapping[str, Columns]  # task's name to column to values
    seconds: float  # how long the training took
    waited_s: float  # how much of that was spent waiting for frames


def train(
    feed: Feed,
    tasks: Sequence[Task],
    folder: str | Path,
    settings: TrainSettings,
    *,
    about: Mapping[str, Any] | None = None,
    device: str | torch.device = "cpu",
    together: Together = ALONE,
    overwrite: bool = False,
    progress: Progress | None = None,
    observers: Sequence[Observer] = (),
) -> Trained:
    """Train dictionaries, all of them on the same frames.

    Args:
        feed: Gives vectors for the sites of all tasks.
        tasks: The dictionaries to train.
        folder: Gets a folder for each dictionary, `curves.parquet` and a manifest. The same call resumes a stopped
            training; a finished one is read and returned.
        settings: How to train.
        about: JSON about the origin of the vectors, for the manifest and to recognise the same training.
        device: The device on which to train.
        together: The processes that train together; each must make the same call.
        overwrite: Whether an existing training may be replaced.
        progress: Called every few steps with the step, their number, and the last rows of the curves by dictionary;
            without rows where a training that was stopped goes on.
        observers: Called with every row of the curves; their `close`, if they have one, is called at the end.

    Returns:
        The finished training.

    Raises:
        InputError: A task or setting cannot be used, or the folder holds something else; nothing was written. Or the
            feed has fewer frames than a batch, or frames that are not finite.
        TrainingDivergedError: A loss grew without bound; the last checkpoint is kept.
        OutputError: The folder cannot be written; the last checkpoint is kept.
        KeyboardInterrupt: The training was stopped, and a checkpoint was written.
    """
    _check(feed, tasks, settings, together)
    coders = [make_coder(task.coder) for task in tasks]
    where = TrainingFolder(Path(folder))
    compared_settings = asdict(settings)
    del compared_settings["checkpoint_s"]
    description = {"about": dict(about or {}), "settings": compared_settings, "tasks": [asdict(task) for task in tasks]}
    try:
        if _by_first(together, lambda: where.begin(description, overwrite=overwrite)):
            return _read(where.path, tasks)
        trainers = [
            Trainer(coder.to(device), settings, together, f"dictionary {task.name!r}")
            for task, coder in zip(tasks, coders, strict=True)
        ]
        job = _Job(feed, tasks, trainers, where, settings, together, observers)
        job.resume_or_begin()
        with _stops_between_steps() as is_stopped:
            job.run(progress or (lambda *_: None), is_stopped)
        return job.finish(description)
    finally:
        for observer in observers:
            getattr(observer, "close", lambda: None)()


def _check(feed: Feed, tasks: Sequence[Task], settings: TrainSettings, together: Together) -> None:
    """Refuse what cannot be trained, before any work."""
    if not tasks:
        raise InputError("no dictionary is named: give one or more tasks.")
    repeated = [name for name, n in Counter(task.name for task in tasks).items() if n > 1]
    if repeated:
        raise InputError(f"two dictionaries are called {repeated[0]!r}: each needs its own folder. Rename one.")
    for task in tasks:
        if task.name in ("", ".", "..") or "/" in task.name or task.name.startswith("."):
            raise InputError(f"a dictionary cannot be called {task.name!r}: its name becomes that of its folder.")
        if task.site not in feed.widths:
            raise InputError(
                f"dictionary {task.name!r} is for site {task.site!r}, but there are only {', '.join(feed.widths)}."
            )
        if task.coder.d_in != feed.widths[task.site]:
            raise InputError(
                f"dictionary {task.name!r} takes vectors of {task.coder.d_in} values, and those of site {task.site!r} "
                f"have {feed.widths[task.site]}. Use another site, or change d_in."
            )
    if settings.batch_frames % together.size:
        raise InputError(
            f"a batch of {settings.batch_frames} frames cannot be divided evenly among {together.size} processes: "
            "give a multiple."
        )
    if feed.n_frames is not None and feed.n_frames < settings.batch_frames:
        raise InputError(
            f"there are {feed.n_frames} frames, but a batch takes {settings.batch_frames}: "
            "give more frames, or a smaller batch."
        )


def _by_first(together: Together, work: Callable[[], Any]) -> Any:
    """Have the first process do something; all get its result or its error, so that none waits for the others."""
    value, error = None, None
    if together.rank == 0:
        try:
            value = work()
        except OtoscopeError as raised:
            error = raised
    outcome = together.from_first({"value": value, "error": None if error is None else str(error)})
    if error is not None:
        raise error
    if outcome["error"] is not None:
        raise InputError(f"the first process could not go on: {outcome['error']}")
    return outcome["value"]


@contextmanager
def _stops_between_steps() -> Iterator[Callable[[], bool]]:
    """Delay Ctrl-C and SIGTERM until a step is over; yields a function that says whether one of them came."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda sent, _: came.append(sent))
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Job:
    """A training in progress."""

    def __init__(
        self,
        feed: Feed,
        tasks: Sequence[Task],
        trainers: Sequence[Trainer],
        where: TrainingFolder,
        settings: TrainSettings,
        together: Together,
        observers: Sequence[Observer],
    ) -> None:
        self._feed = feed
        self._tasks = tasks
        self._where = where
        self._settings = settings
        self._together = together
        self._observers = observers if together.rank == 0 else ()
        self._trainers = trainers
        self._sites = list(dict.fromkeys(task.site for task in tasks))
        self._curves = Curves([task.name for task in tasks])
        self._rows: dict[str, dict[str, float]] = {}
        self._last: deque[dict[str, Tensor]] = deque(maxlen=-(-LAST_FRAMES // settings.batch_frames))
        self._position: Position | None = None
        self._step = 0
        self._seconds = 0.0
        self._waited_s = 0.0

    def resume_or_begin(self) -> None:
        """Resume from the checkpoint, or initialise from the data."""
        checkpoint = self._where.load()
        if checkpoint is None:
            self._begin()
            return
        tensors, numbers = checkpoint
        for index, trainer in enumerate(self._trainers):
            prefix = f"{index}."
            trainer_tensors = {
                name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)
            }
            trainer.restore(trainer_tensors, numbers["trainers"][index])
        last = {site: tensors[f"last.{site}"] for site in self._sites if f"last.{site}" in tensors}
        self._last.extend(dict(zip(last, batch, strict=True)) for batch in zip(*last.values(), strict=True))
        self._curves.restore({task.name: tensors[f"curves.{task.name}"] for task in self._tasks})
        self._position = numbers["position"]
        self._step = int(numbers["step"])
        self._seconds, self._waited_s = float(numbers["seconds"]), float(numbers["waited_s"])

    def _begin(self) -> None:
        """Initialise the trainers from the first batches, with which training then begins."""
        settings = self._settings
        n_batches = min(-(-START_FRAMES // settings.batch_frames), settings.n_steps)
        step = -(-n_batches * settings.batch_frames // max(START_KEPT, settings.batch_frames))
        first: dict[str, list[Tensor]] = {task.site: [] for task in self._tasks}
        with Prefetch(self._feed.batches(settings.batch_frames), most=n_batches) as batches:
            for batch in batches:
                for site, values in first.items():
                    values.append(batch.values[site][::step].clone())  # a copy, so that the rest of the batch is freed
        for task, trainer in zip(self._tasks, self._trainers, strict=True):
            trainer.start(torch.cat(first[task.site]))

    def run(self, progress: Progress, is_stopped: Callable[[], bool]) -> None:
        """Train to the end."""
        settings, began, saved = self._settings, time.monotonic(), time.monotonic()
        before_s, before_waited_s = self._seconds, self._waited_s
        if self._step:
            progress(self._step, settings.n_steps, {})  # done before, when the training was stopped
        feed = self._feed.batches(settings.batch_frames, self._position)

        def check_stop() -> None:
            """Stop while waiting for a batch; several processes stop together at the end of a step instead."""
            if self._together.size == 1 and is_stopped():
                raise KeyboardInterrupt

        with Prefetch(feed, most=settings.n_steps - self._step, check=check_stop) as batches:
            while self._step < settings.n_steps:
                batch = self._next(batches)
                losses = self._learn(batch)
                self._step += 1
                if self._step > settings.n_steps - (self._last.maxlen or 0):
                    self._last.append({site: batch.values[site].clone() for site in self._sites})
                self._position = batch.position
                self._seconds = before_s + time.monotonic() - began
                self._waited_s = before_waited_s + batches.waited_s
                is_last = self._step == settings.n_steps
                if self._step % settings.log_every == 0 or is_last or self._step == 1:
                    self._log(batch, losses)
                    progress(self._step, settings.n_steps, self._rows)
                wants_stop = self._flag(is_stopped())
                if wants_stop or is_last or self._flag(time.monotonic() - saved >= settings.checkpoint_s):
                    self._save()
                    saved = time.monotonic()
                if wants_stop:
                    raise KeyboardInterrupt

    def _next(self, batches: Iterator[FrameBatch]) -> FrameBatch:
        """Get the next batch; if the feed fails, write a checkpoint of what was learned so far."""
        try:
            return next(batches)
        except BaseException:  # Ctrl-C too; other processes may not get here, so no communication
            if self._together.rank == 0:
                with suppress(OutputError):  # the first error is the one to report
                    if self._step:
                        self._write()
                    else:
                        self._where.finish()  # there is nothing to resume from
            raise

    def _flag(self, is_set: bool) -> bool:
        """Whether a flag is set in any process."""
        if self._together.size == 1:
            return is_set
        flag = torch.tensor([is_set])
        self._together.any_(flag)
        return bool(flag)

    def _learn(self, batch: FrameBatch) -> list[dict[str, float]]:
        """Train every dictionary for one step."""
        losses = []
        for task, trainer in zip(self._tasks, self._trainers, strict=True):
            losses.append(trainer.step(self._together.share(batch.values[task.site])))
        return losses

    def _log(self, batch: FrameBatch, losses: Sequence[Mapping[str, float]]) -> None:
        """Add a row to every curve."""
        spread: dict[str, float] = {}
        for task, trainer, loss in zip(self._tasks, self._trainers, losses, strict=True):
            if task.site not in spread:
                spread[task.site] = float(batch.values[task.site].var(dim=0, correction=0).sum(dtype=torch.float64))
            variance = spread[task.site] * trainer.scale**2
            row = {
                "step": self._step,
                "frames": self._step * self._settings.batch_frames,
                "explained_variance": 1 - loss["mse"] / variance if variance else np.nan,
                "dead_share": trainer.dead_share,
                "learning_rate": trainer.last_rate,
                "seconds": self._seconds,
                "waited_share": self._waited_s / max(self._seconds, 1e-9),
                **loss,
            }
            self._rows[task.name] = row
            self._curves.add(task.name, row)
            for observer in self._observers:
                observer({"task": task.name, **row})

    def _save(self) -> None:
        """Have the first process write a checkpoint."""
        _by_first(self._together, self._write)

    def _write(self) -> None:
        tensors: dict[str, Tensor] = {f"curves.{name}": rows for name, rows in self._curves.tensors().items()}
        states = [trainer.state() for trainer in self._trainers]
        for index, (trainer_tensors, _) in enumerate(states):
            tensors |= {f"{index}.{name}": tensor for name, tensor in trainer_tensors.items()}
        for site in self._sites if self._last else ():
            tensors[f"last.{site}"] = torch.stack([batch[site] for batch in self._last])
        numbers = {
            "step": self._step,
            "position": self._position,
            "seconds": self._seconds,
            "waited_s": self._waited_s,
            "trainers": [trainer_numbers for _, trainer_numbers in states],
        }
        self._where.save(tensors, numbers)

    def finish(self, description: Mapping[str, Any]) -> Trained:
        """Write the dictionaries, the curves and the manifest, and remove the checkpoint."""
        dictionaries = {
            task.name: trainer.finish(task.metadata, [batch[task.site] for batch in self._last])
            for task, trainer in zip(self._tasks, self._trainers, strict=True)
        }
        curves = self._curves.columns()
        path = self._where.path

        def write() -> None:
            for name, dictionary in dictionaries.items():
                save_dictionary(dictionary, path / name, overwrite=True)
            self._curves.write(path)
            times = {"seconds": self._seconds, "waited_s": self._waited_s, "processes": self._together.size}
            manifest = {KEY: dict(description), **times}
            write_json(path / MANIFEST, full_manifest(manifest, path))
            self._where.finish()

        _by_first(self._together, write)
        return Trained(path, dictionaries, curves, self._seconds, self._waited_s)


def _read(folder: Path, tasks: Sequence[Task]) -> Trained:
    """Read a finished training."""
    curves = read_curves(folder)
    dictionaries = {task.name: load_dictionary(folder / task.name) for task in tasks}
    seconds = max(float(columns["seconds"][-1]) for columns in curves.values())
    waited = max(float(columns["waited_share"][-1]) for columns in curves.values())
    return Trained(folder, dictionaries, curves, seconds, waited * seconds)
