"""Train several dictionaries from one feed: plan, checkpoints, curves, files. `trainer.py` trains each.

A training that is stopped, whenever that is, goes on from its last checkpoint to the same bits. Every process reads the
same batches and learns from its share of each; the first one writes. Knows tensors and names, not what they stand for.
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
from otoscope.sae.feed import Batch, Feed, Position
from otoscope.sae.files import load_dictionary, save_dictionary
from otoscope.sae.prefetch import Prefetch
from otoscope.sae.together import ALONE, Together
from otoscope.sae.trainer import Trainer
from otoscope.sae.training_settings import TrainSettings

START_FRAMES = 16_384
START_KEPT = 4096
"""So many frames at least are looked at, and about so many of them kept, to see how long vectors are and where their
middle is."""

LAST_FRAMES = 4096
"""So many frames at least, of the last batches, are kept to set thresholds by and to measure dictionaries on."""

Observer = Callable[[Mapping[str, Any]], None]
"""Takes a row of the curves: `task`, and the columns of `curves.COLUMNS`."""

Progress = Callable[[int, int, Mapping[str, Mapping[str, float]]], None]
"""Takes how many steps are done, of how many, and the last row of each dictionary's curve."""


@dataclass(frozen=True)
class Task:
    """A dictionary to be trained.

    Attributes:
        name: Its folder's name, no other's.
        site: Which of the feed's vectors it is of.
        coder: What it is made from.
        metadata: What to write down about it.
    """

    name: str
    site: str
    coder: CoderSettings
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Trained:
    """A finished training.

    Attributes:
        folder: Where it lies.
        dictionaries: Task to dictionary.
        curves: Task to column to values.
        seconds: How long it trained.
        waited_s: How long of that it waited for frames.
    """

    folder: Path
    dictionaries: Mapping[str, Dictionary]
    curves: Mapping[str, Columns]
    seconds: float
    waited_s: float


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
        feed: Gives vectors for every site that a task is of.
        tasks: The dictionaries.
        folder: Gets a folder for each, `curves.parquet` and a manifest. The same call takes up again what was stopped,
            and a finished training is read and returned.
        settings: How to train.
        about: What made the vectors, JSON: for the manifest, and to tell one training from another.
        device: Where to train.
        together: The processes that train together; each must be called alike.
        overwrite: Whether a training that is there may be replaced.
        progress: Told how far it is, every few steps.
        observers: Told every row of the curves; their `close`, if they have one, is called at the end.

    Returns:
        What came of it.

    Raises:
        InputError: A task or setting cannot be used, or the folder holds something else: nothing was done. The feed
            has fewer frames than a batch, or frames that are not finite.
        TrainingDivergedError: A loss grew without end; the last checkpoint is kept.
        OutputError: The folder cannot be written; the last checkpoint is kept.
        KeyboardInterrupt: It was stopped, and a checkpoint written.
    """
    _check(feed, tasks, settings, together)
    coders = [make_coder(task.coder) for task in tasks]
    where = TrainingFolder(Path(folder))
    asked = asdict(settings)
    del asked["checkpoint_s"]
    wanted = {"about": dict(about or {}), "settings": asked, "tasks": [asdict(task) for task in tasks]}
    try:
        if _by_first(together, lambda: where.begin(wanted, overwrite=overwrite)):
            return _read(where.path, tasks)
        trainers = [
            Trainer(coder.to(device), settings, together, f"dictionary {task.name!r}")
            for task, coder in zip(tasks, coders, strict=True)
        ]
        job = _Job(feed, tasks, trainers, where, settings, together, observers)
        job.take_up()
        with _stops_between_steps() as is_stopped:
            job.run(progress or (lambda *_: None), is_stopped)
        return job.finish(wanted)
    finally:
        for observer in observers:
            getattr(observer, "close", lambda: None)()


def _check(feed: Feed, tasks: Sequence[Task], settings: TrainSettings, together: Together) -> None:
    """Refuse what cannot be trained, before any work."""
    if not tasks:
        raise InputError("no dictionary is asked for: give one task or more.")
    twice = [name for name, n in Counter(task.name for task in tasks).items() if n > 1]
    if twice:
        raise InputError(f"two dictionaries are called {twice[0]!r}: each has a folder of its own. Rename one.")
    for task in tasks:
        if task.name in ("", ".", "..") or "/" in task.name or task.name.startswith("."):
            raise InputError(f"a dictionary cannot be called {task.name!r}: its name is that of its folder.")
        if task.site not in feed.widths:
            raise InputError(f"dictionary {task.name!r} is of site {task.site!r}: there are {', '.join(feed.widths)}.")
        if task.coder.d_in != feed.widths[task.site]:
            raise InputError(
                f"dictionary {task.name!r} takes vectors of {task.coder.d_in} values, and those of site {task.site!r} "
                f"have {feed.widths[task.site]}. Give it those of another site, or make it for these."
            )
    if settings.batch_frames % together.size:
        raise InputError(
            f"a batch of {settings.batch_frames} frames cannot be shared by {together.size} processes evenly: "
            "give a multiple."
        )
    if feed.n_frames is not None and feed.n_frames < settings.batch_frames:
        raise InputError(
            f"there are {feed.n_frames} frames, and a batch takes {settings.batch_frames}: "
            "give more frames, or a smaller batch."
        )


def _by_first(together: Together, work: Callable[[], Any]) -> Any:
    """Have the first process do something; all get what it gave, or its error, so that none waits for the others."""
    value, error = None, None
    if together.rank == 0:
        try:
            value = work()
        except OtoscopeError as raised:
            error = raised
    told = together.told({"value": value, "error": None if error is None else str(error)})
    if error is not None:
        raise error
    if told["error"] is not None:
        raise InputError(f"the first process could not go on: {told['error']}")
    return told["value"]


@contextmanager
def _stops_between_steps() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C and SIGTERM wait until a step is over; gives whether one of them came."""
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
    """A training under way."""

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

    def take_up(self) -> None:
        """Go on from the checkpoint, or begin from the data."""
        found = self._where.load()
        if found is None:
            self._begin()
            return
        tensors, numbers = found
        for index, trainer in enumerate(self._trainers):
            prefix = f"{index}."
            own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            trainer.restore(own, numbers["trainers"][index])
        last = {site: tensors[f"last.{site}"] for site in self._sites if f"last.{site}" in tensors}
        self._last.extend(dict(zip(last, batch, strict=True)) for batch in zip(*last.values(), strict=True))
        self._curves.restore({task.name: tensors[f"curves.{task.name}"] for task in self._tasks})
        self._position = numbers["position"]
        self._step = int(numbers["step"])
        self._seconds, self._waited_s = float(numbers["seconds"]), float(numbers["waited_s"])

    def _begin(self) -> None:
        """Look at the first batches; training then begins with them."""
        settings = self._settings
        n_batches = min(-(-START_FRAMES // settings.batch_frames), settings.n_steps)
        every = -(-n_batches * settings.batch_frames // max(START_KEPT, settings.batch_frames))
        first: dict[str, list[Tensor]] = {task.site: [] for task in self._tasks}
        with Prefetch(self._feed.batches(settings.batch_frames), most=n_batches) as batches:
            for batch in batches:
                for site, found in first.items():
                    found.append(batch.values[site][::every].clone())  # the rest of the batch need not stay
        for task, trainer in zip(self._tasks, self._trainers, strict=True):
            trainer.start(torch.cat(first[task.site]))

    def run(self, progress: Progress, is_stopped: Callable[[], bool]) -> None:
        """Train to the end."""
        settings, began, saved = self._settings, time.monotonic(), time.monotonic()
        before_s, before_waited_s = self._seconds, self._waited_s
        feed = self._feed.batches(settings.batch_frames, self._position)

        def obey() -> None:
            """While a batch is waited for; processes that train together do so at the end of a step, as one."""
            if self._together.size == 1 and is_stopped():
                raise KeyboardInterrupt

        with Prefetch(feed, most=settings.n_steps - self._step, check=obey) as batches:
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

    def _next(self, batches: Iterator[Batch]) -> Batch:
        """Ask the feed for a batch; where it fails, what was learnt so far is kept."""
        try:
            return next(batches)
        except BaseException:  # Ctrl-C too; the others may not come to this, so nobody is asked
            if self._together.rank == 0:
                with suppress(OutputError):  # what went wrong first is told
                    if self._step:
                        self._write()
                    else:
                        self._where.finish()  # there is nothing to go on from
            raise

    def _flag(self, is_set: bool) -> bool:
        """Whether it is set in any process."""
        if self._together.size == 1:
            return is_set
        flag = torch.tensor([is_set])
        self._together.any_(flag)
        return bool(flag)

    def _learn(self, batch: Batch) -> list[dict[str, float]]:
        """One step of every dictionary."""
        losses = []
        for task, trainer in zip(self._tasks, self._trainers, strict=True):
            losses.append(trainer.step(self._together.share(batch.values[task.site])))
        return losses

    def _log(self, batch: Batch, losses: Sequence[Mapping[str, float]]) -> None:
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
        for index, (own, _) in enumerate(states):
            tensors |= {f"{index}.{name}": tensor for name, tensor in own.items()}
        for site in self._sites if self._last else ():
            tensors[f"last.{site}"] = torch.stack([batch[site] for batch in self._last])
        numbers = {
            "step": self._step,
            "position": self._position,
            "seconds": self._seconds,
            "waited_s": self._waited_s,
            "trainers": [own for _, own in states],
        }
        self._where.save(tensors, numbers)

    def finish(self, wanted: Mapping[str, Any]) -> Trained:
        """Write the dictionaries, the curves and the manifest, and take the checkpoint away."""
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
            manifest = {KEY: dict(wanted), **times}
            write_json(path / MANIFEST, full_manifest(manifest, path))
            self._where.finish()

        _by_first(self._together, write)
        return Trained(path, dictionaries, curves, self._seconds, self._waited_s)


def _read(folder: Path, tasks: Sequence[Task]) -> Trained:
    """Read a finished training."""
    curves = read_curves(folder)
    dictionaries = {task.name: load_dictionary(folder / task.name) for task in tasks}
    seconds = max(float(own["seconds"][-1]) for own in curves.values())
    waited = max(float(own["waited_share"][-1]) for own in curves.values())
    return Trained(folder, dictionaries, curves, seconds, waited * seconds)
