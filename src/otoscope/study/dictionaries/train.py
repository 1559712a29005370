"""Train sparse dictionaries of a model's sites: one for every site, all from one pass over the same frames.

Brings together a source of vectors, the coders and the trainer, and tells what came of it: a table, the curves as a
picture, and a folder for each dictionary. Training itself, resuming included, is `sae.training`'s.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text, write_json
from otoscope.base.layout import percent
from otoscope.base.numbers import finite, rounded
from otoscope.base.report import Column, Fact, Report, Table
from otoscope.base.results import MANIFEST
from otoscope.corpus import Problem
from otoscope.sae.centre import Massive
from otoscope.sae.coder_settings import WITH_K, CoderSettings
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.files import load_dictionary
from otoscope.sae.together import ALONE, Together
from otoscope.sae.training import Observer, Progress, Task, Trained, train
from otoscope.sae.training_settings import TrainSettings
from otoscope.study.dictionaries.curves_picture import curves_figure
from otoscope.study.dictionaries.settings import CoderChoice, fitting_batch
from otoscope.study.dictionaries.sources import Source
from otoscope.study.dictionaries.undertrained import is_undertrained, massive_note
from otoscope.study.results import Result

FEW_STEPS = 200
"""A training of fewer steps is said to be short. On the same 60,000 frames of tiny.en 14 steps explained less than PCA,
and 234 half as much again."""

L0_OFF = 0.25
"""An L0 that is further from k than this share of it is said to be."""

TABLE = "training.json"
PICTURE = "curves.png"
MOST_ROWS = 10
"""Of a curve the last tenth of the rows, but no more than these, is averaged for the table: one batch says little."""

NUMBERS = ("explained_variance", "mse", "l0", "dead_share")


@dataclass(frozen=True)
class TrainedSite:
    """How the training of a dictionary ended, as the mean over the last rows of its curve."""

    name: str  # its folder's name
    site: str
    coder: CoderSettings
    folder: Path
    explained_variance: float  # share of the batches' variance
    mse: float  # squared error of a frame, summed over its values, as the coder saw them: scaled
    l0: float  # features active in a frame
    dead_share: float  # share of the features that were not active for long
    # the finished dictionary on the last batches, as `sae.trainer.measured` says; empty where an older version trained
    measured: Mapping[str, Any] = field(default_factory=dict)
    massive: tuple[Massive, ...] = ()  # dimensions with massive activations in what it was trained on

    def to_json(self) -> dict[str, Any]:
        """Give the row of the table."""
        return {
            "name": self.name,
            "site": self.site,
            "folder": str(self.folder),
            **{name: finite(getattr(self, name)) for name in NUMBERS},
            "last_batches": rounded(self.measured),
            "massive_activations": [rounded(massive._asdict()) for massive in self.massive],
            "coder": self.coder.to_json(),
        }

    @property
    def notes(self) -> list[str]:
        """What a reader of its numbers must know."""
        notes, measured = [], self.measured
        if is_undertrained(measured.get("explained_variance"), measured.get("pca_explained_variance")):
            notes.append(
                f"{self.name} is undertrained: it explains {percent(measured['explained_variance'])} of the last "
                f"batches, and {measured['pca_components']} principal components explain "
                f"{percent(measured['pca_explained_variance'])}. Train it on more frames, or in smaller batches."
            )
        if self.coder.coder in WITH_K and measured and abs(measured["l0"] - self.coder.k) > L0_OFF * self.coder.k:
            notes.append(f"{self.name} has {measured['l0']:.1f} features active in a frame, where k is {self.coder.k}.")
        if self.massive:
            notes.append(massive_note(self.site, self.massive))
        return notes


COLUMNS = (
    *(Column(None, "dictionary"), Column(None, "coder"), Column(None, "features"), Column(None, "L0")),
    *(Column(None, "explained", "share"), Column(None, "PCA", "share"), Column(None, "dead", "share")),
    Column(None, "folder"),
)


@dataclass(frozen=True, eq=False, repr=False)
class DictionaryTraining(Result):
    """A finished training."""

    name = "training"

    folder: Path
    about: Mapping[str, Any]  # what was trained on
    settings: TrainSettings
    sites: tuple[TrainedSite, ...]
    curves: Mapping[str, Mapping[str, np.ndarray]]  # dictionary to columns over the rows of its curve
    minutes: float  # how long it trained
    waited_share: float  # share of that time that it waited for frames
    problems: Sequence[Problem] = field(default=())  # clips that could not be used

    @property
    def n_frames(self) -> int:
        """Frames that were trained on."""
        return self.settings.n_steps * self.settings.batch_frames

    @property
    def notes(self) -> list[str]:
        """What a reader of the numbers must know."""
        short = short_training(self.settings)
        return [*([short] if short else []), *(note for site in self.sites for note in site.notes)]

    def dictionary(self, site: str) -> Dictionary:
        """Read the dictionary of a site.

        Raises:
            InputError: None was trained for it.
        """
        names = {item.site: item.folder for item in self.sites}
        if site not in names:
            raise InputError(f"no dictionary was trained for {site!r}: there are {', '.join(names)}.")
        return load_dictionary(names[site])

    def report(self) -> Report:
        """Say how every dictionary ended; the dictionaries and their curves lie in the training's folder."""
        dictionaries = "1 dictionary" if len(self.sites) == 1 else f"{len(self.sites):,} dictionaries"
        rows = [
            (
                *(site.name, site.coder.coder, site.coder.n_features, site.l0, site.explained_variance),
                *(site.measured.get("pca_explained_variance"), site.dead_share, str(site.folder)),
            )
            for site in self.sites
        ]
        return Report(
            f"{dictionaries} trained on {self.n_frames:,} frames in {self.minutes:,.1f} min, "
            f"{percent(self.waited_share)} of them waiting for frames",
            "",
            {
                "about": dict(self.about),
                "settings": self.settings,
                "n_frames": self.n_frames,
                "n_steps": self.settings.n_steps,
                "minutes": Fact(self.minutes, digits=2),
                "waited_share": Fact(self.waited_share, digits=4),
                "notes": self.notes,
                "sites": self.sites,
                "failed": [asdict(problem) for problem in self.problems],
            },
            display_only=[
                *(("note", note) for note in self.notes),
                ("clips that could not be used", len(self.problems) or None),
                ("score them with", f"otoscope sae score {self.folder} CORPUS"),
            ],
            parts=[Table(COLUMNS, rows, "Means of the last rows of the curves", most=max(len(rows), 1))],
        )

    def figures(self) -> Mapping[str, Callable[[], Figure]]:
        """Draw explained variance, L0 and dead features of every dictionary over the training."""
        return {"curves": lambda: curves_figure(self.curves)}


def short_training(settings: TrainSettings) -> str | None:
    """Say that a training has too few steps to come to anything; None where it has enough."""
    n_steps, n_frames = settings.n_steps, settings.n_steps * settings.batch_frames
    if n_steps >= FEW_STEPS:
        return None
    smaller = fitting_batch(n_frames)
    advice = f"batches of {smaller}, or more frames" if smaller < settings.batch_frames else "more frames"
    return (
        f"The training has {n_steps:,} steps: {n_frames:,} frames in batches of {settings.batch_frames:,}. With fewer "
        f"than {FEW_STEPS} a dictionary is hardly trained. Take {advice}."
    )


def tasks_of(source: Source, choice: CoderChoice) -> list[Task]:
    """Settle a dictionary for every site of a source, named like the site."""
    return [task_of(source, site, site, choice.settings(d_in)) for site, d_in in source.widths.items()]


def task_of(source: Source, name: str, site: str, coder: CoderSettings) -> Task:
    """Settle one dictionary, with all that its metadata say; its folder has its name."""
    return Task(name, site, coder, {**source.metadata(site), "coder": coder.to_json()})


def train_on(
    source: Source,
    tasks: Sequence[Task],
    settings: TrainSettings,
    out: str | Path,
    *,
    device: str | torch.device = "cpu",
    together: Together = ALONE,
    overwrite: bool = False,
    progress: Progress | None = None,
    observers: Sequence[Observer] = (),
) -> DictionaryTraining:
    """Train dictionaries on one source, all at once.

    A training that was stopped goes on where it was when the same is asked for again, to the same bits; one that is
    finished is told again.
    """
    out = Path(out)
    was_finished = (out / MANIFEST).is_file() and not overwrite
    trained = train(
        source.feed,
        tasks,
        out,
        settings,
        about=source.about,
        device=device,
        together=together,
        overwrite=overwrite,
        progress=progress,
        observers=observers,
    )
    run = _training(trained, source, tasks, settings)
    if was_finished:
        before = _read_table(out, run)
        if before is not None:
            return replace(run, problems=before)
    if together.rank == 0:
        run.save(out)
        _name_in_manifest(out, (TABLE, PICTURE))
    return run


def _training(trained: Trained, source: Source, tasks: Sequence[Task], settings: TrainSettings) -> DictionaryTraining:
    ends = []
    for task in tasks:
        columns = trained.curves[task.name]
        n_rows = max(1, min(MOST_ROWS, len(columns["step"]) // 10))
        last = {name: float(np.mean(columns[name][-n_rows:])) for name in NUMBERS}
        metadata = trained.dictionaries[task.name].metadata
        ends.append(
            TrainedSite(
                task.name,
                task.site,
                task.coder,
                trained.folder / task.name,
                **last,
                measured=metadata.get("last_batches", {}),
                massive=tuple(Massive(**row) for row in metadata.get("massive_activations", [])),
            )
        )
    return DictionaryTraining(
        folder=trained.folder,
        about=source.about,
        settings=settings,
        sites=tuple(ends),
        curves=trained.curves,
        minutes=trained.seconds / 60,
        waited_share=trained.waited_s / max(trained.seconds, 1e-9),
        problems=source.problems,
    )


def _read_table(folder: Path, run: DictionaryTraining) -> list[Problem] | None:
    """What a finished training said of clips that could not be used; None without its table, or with another's."""
    try:
        table = json.loads((folder / TABLE).read_text(encoding="utf-8"))
        expected = json.loads(to_json_text(run.to_json()))
        if any(table[name] != expected[name] for name in ("about", "settings", "sites")):
            return None
        return [Problem(**problem) for problem in table["failed"]] if (folder / PICTURE).is_file() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _name_in_manifest(folder: Path, names: Sequence[str]) -> None:
    """Add files that were written after the manifest to those that it names."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["files"] = sorted({*manifest["files"], *names})
    write_json(folder / MANIFEST, manifest)
