"""Train sparse dictionaries of a model's sites: one for every site, all from one pass over the same frames.

Brings together a source of vectors, the coders and the trainer, and tells what came of it: a table, the curves as a
picture, and a folder for each dictionary. Training itself, resuming included, is `sae.training`'s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text, write_json
from otoscope.base.numbers import finite, rounded
from otoscope.base.results import MANIFEST
from otoscope.corpus import Problem
from otoscope.sae.centre import Massive
from otoscope.sae.coders import check_name
from otoscope.sae.coders.coder import CoderSettings
from otoscope.sae.together import ALONE, Together
from otoscope.sae.training import Observer, Progress, Task, Trained, train
from otoscope.sae.training_settings import TrainSettings
from otoscope.study import pictures
from otoscope.study.dictionaries import curves_picture as training_picture
from otoscope.study.dictionaries.sources import Source
from otoscope.study.dictionaries.undertrained import is_undertrained, massive_note
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich

WITH_K = ("topk", "batchtopk", "matryoshka")
"""Coders that are told how many features to keep active."""

DEFAULT_FRAMES = 2_000_000
MOST_PASSES = 10
"""Unless told otherwise a training takes 2 million frames, or ten passes where those are fewer."""

LEAST_BATCH, MOST_BATCH, WANTED_STEPS = 64, 4096, 400
"""Unless told otherwise a batch has as many frames as give that many steps, within these bounds."""

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
class CoderChoice:
    """What kind of dictionary to train at every site, whatever its width.

    Attributes:
        coder: Name of the coder.
        expansion: Features for each value of the site's vectors.
        n_features: Features; None for `expansion` times the width.
        k: Features active at a time, for the coders that are told it.
        sparsity: Weight of the sparsity term, for the coders that have one; None for the coder's own.
        precision: `float32`, or `bfloat16` for the products with all features.
        is_decoder_frozen: Leave the decoder as it was drawn: the baseline of a random dictionary.
        seed: Of the weights at the start.
    """

    coder: str = "batchtopk"
    expansion: float = 8
    n_features: int | None = None
    k: int = 32
    sparsity: float | None = None
    precision: str = "float32"
    is_decoder_frozen: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_name(self.coder)
        if self.n_features is not None and self.n_features < 1:
            raise InputError(f"the number of features is {self.n_features}: give 1 or more.")
        if not 0 < self.expansion <= 10_000:
            raise InputError(f"the expansion is {self.expansion:g}: give a number above 0, up to 10,000.")

    def settings(self, d_in: int) -> CoderSettings:
        """Settle the coder of a site.

        Args:
            d_in: Length of its vectors.

        """
        n_features = self.n_features or max(1, round(self.expansion * d_in))
        return CoderSettings(
            coder=self.coder,
            d_in=d_in,
            n_features=n_features,
            k=self.k if self.coder in WITH_K else min(self.k, n_features),
            sparsity=self.sparsity,
            precision=self.precision,
            is_decoder_frozen=self.is_decoder_frozen,
            seed=self.seed,
        )


@dataclass(frozen=True)
class TrainedSite:
    """How the training of a dictionary ended, as the mean over the last rows of its curve.

    Attributes:
        name: Its folder's name.
        site: Its site.
        coder: What it was made from.
        folder: Where it lies.
        explained_variance: Share of the batches' variance that it explains.
        mse: Squared error of a frame, summed over its values, as the coder saw them: scaled.
        l0: Features active in a frame.
        dead_share: Share of the features that were not active for long.
        measured: The finished dictionary on the last batches, as `sae.trainer.measured` says; empty for one that an
            older version trained.
        massive: Dimensions with massive activations in what it was trained on.
    """

    name: str
    site: str
    coder: CoderSettings
    folder: Path
    explained_variance: float
    mse: float
    l0: float
    dead_share: float
    measured: Mapping[str, Any] = field(default_factory=dict)
    massive: tuple[Massive, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the row of the table."""
        own = {"name": self.name, "site": self.site, "folder": str(self.folder)}
        numbers = {name: finite(getattr(self, name)) for name in NUMBERS}
        return {
            **own,
            **numbers,
            "last_batches": rounded(self.measured),
            "massive_activations": [rounded(one._asdict()) for one in self.massive],
            "coder": asdict(self.coder),
        }

    @property
    def notes(self) -> list[str]:
        """What a reader of its numbers must know."""
        found, measured = [], self.measured
        if is_undertrained(measured.get("explained_variance"), measured.get("pca_explained_variance")):
            found.append(
                f"{self.name} is undertrained: it explains {_percent(measured['explained_variance'])} of the last "
                f"batches, and {measured['pca_components']} principal components explain "
                f"{_percent(measured['pca_explained_variance'])}. Train it on more frames, or in smaller batches."
            )
        if self.coder.coder in WITH_K and measured and abs(measured["l0"] - self.coder.k) > L0_OFF * self.coder.k:
            found.append(f"{self.name} has {measured['l0']:.1f} features active in a frame, where k is {self.coder.k}.")
        if self.massive:
            found.append(massive_note(self.site, self.massive))
        return found


@dataclass(frozen=True, eq=False, repr=False)
class DictionaryTraining(Rich):
    """A finished training.

    Attributes:
        folder: Its folder.
        about: What was trained on.
        settings: How.
        sites: How each dictionary ended.
        curves: Dictionary to columns over the rows of its curve.
        minutes: How long it trained.
        waited_share: Share of that time that it waited for frames.
        problems: Clips that could not be used.
    """

    folder: Path
    about: Mapping[str, Any]
    settings: TrainSettings
    sites: tuple[TrainedSite, ...]
    curves: Mapping[str, Mapping[str, np.ndarray]]
    minutes: float
    waited_share: float
    problems: Sequence[Problem] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Give the table."""
        return {
            "about": dict(self.about),
            "settings": asdict(self.settings),
            "n_frames": self.settings.n_steps * self.settings.batch_frames,
            "n_steps": self.settings.n_steps,
            "minutes": finite(self.minutes, 2),
            "waited_share": finite(self.waited_share, 4),
            "notes": self.notes,
            "sites": [site.to_json() for site in self.sites],
            "failed": [asdict(problem) for problem in self.problems],
        }

    @property
    def notes(self) -> list[str]:
        """What a reader of the numbers must know."""
        short = short_training(self.settings)
        return [*([short] if short else []), *(note for site in self.sites for note in site.notes)]

    def save(self, folder: str | Path) -> list[Path]:
        """Write `training.json` and `curves.png`; the dictionaries and their curves lie in the training's folder.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        return [write_json(where / TABLE, self.to_json()), *drawn(self.plot, where / PICTURE)]

    def plot(self, path: str | Path) -> Path:
        """Draw explained variance, L0 and dead features of every dictionary over the training.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        return pictures.save_figure(training_picture.curves_figure(self.curves), path)

    def _shown(self) -> html.Shown:
        rows = [
            (each.site, each.coder.coder, each.coder.n_features, html.share(each.explained_variance), each.l0,
             html.share(each.dead_share))
            for each in self.sites
        ]  # fmt: skip
        return html.Shown(
            "Dictionaries trained",
            [
                ("frames", self.settings.n_steps * self.settings.batch_frames),
                ("minutes", float(self.minutes)),
                ("clips that could not be used", len(self.problems)),
            ],
            [html.ShownTable(("site", "coder", "features", "explained variance", "L0", "dead"), rows, "At the end")],
        )


def default_frames(n_frames: int, batch_frames: int = 1) -> int:
    """How many frames a training takes unless it is told: a batch at least.

    Args:
        n_frames: Frames in a pass.
        batch_frames: Frames in a batch.
    """
    return max(batch_frames, min(DEFAULT_FRAMES, MOST_PASSES * n_frames))


def fitting_batch(n_frames: int, n_pass: int | None = None) -> int:
    """How many frames a batch takes unless it is told: few enough that a training has `WANTED_STEPS` steps.

    Args:
        n_frames: Frames that are trained on in all.
        n_pass: Frames in a pass; a batch takes no more.
    """
    most = n_frames if n_pass is None else min(n_frames, n_pass)
    wanted = max(LEAST_BATCH, min(MOST_BATCH, n_frames // WANTED_STEPS))
    return 1 << (max(1, min(wanted, most)).bit_length() - 1)


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
    """Settle a dictionary for every site of a source, named like the site.

    Args:
        source: Where vectors come from.
        choice: What kind of dictionary.
    """
    return [task_of(source, site, site, choice.settings(d_in)) for site, d_in in source.widths.items()]


def task_of(source: Source, name: str, site: str, coder: CoderSettings) -> Task:
    """Settle one dictionary, with all that its metadata say.

    Args:
        source: Where vectors come from.
        name: Its folder's name.
        site: Its site.
        coder: What it is made from.
    """
    return Task(name, site, coder, {**source.metadata(site), "coder": asdict(coder)})


def train_dictionaries(
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

    Args:
        source: Where vectors come from.
        tasks: The dictionaries; see `tasks_of`.
        settings: How to train.
        out: The folder: a folder for each dictionary, their curves, a table, a picture and a manifest.
        device: Where to train.
        together: The processes that train together.
        overwrite: Whether a training that is there may be replaced.
        progress: Told how far it is.
        observers: Told every row of the curves.

    Returns:
        What came of it.

    Raises:
        InputError: A setting cannot be used, the source has fewer frames than a batch or frames that are not finite,
            or the folder holds another training.
        TrainingDivergedError: A loss grew without end; the last good checkpoint is kept.
        OutputError: The folder cannot be written.
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
    run = _told(trained, source, tasks, settings)
    if was_finished:
        before = _read_table(out, run)
        if before is not None:
            return replace(run, problems=before)
    if together.rank == 0:
        run.save(out)
        _name_in_manifest(out, (TABLE, PICTURE))
    return run


def _told(trained: Trained, source: Source, tasks: Sequence[Task], settings: TrainSettings) -> DictionaryTraining:
    ends = []
    for task in tasks:
        columns = trained.curves[task.name]
        n_rows = max(1, min(MOST_ROWS, len(columns["step"]) // 10))
        last = {name: float(np.mean(columns[name][-n_rows:])) for name in NUMBERS}
        told = trained.dictionaries[task.name].metadata
        ends.append(
            TrainedSite(
                task.name,
                task.site,
                task.coder,
                trained.folder / task.name,
                **last,
                measured=told.get("last_batches", {}),
                massive=tuple(Massive(**one) for one in told.get("massive_activations", [])),
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
        found = json.loads((folder / TABLE).read_text(encoding="utf-8"))
        own = json.loads(to_json_text(run.to_json()))
        if not (folder / PICTURE).is_file() or any(found[name] != own[name] for name in ("about", "settings", "sites")):
            return None
        return [Problem(**problem) for problem in found["failed"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _name_in_manifest(folder: Path, names: Sequence[str]) -> None:
    """Add files that were written after the manifest to those that it names."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["files"] = sorted({*manifest["files"], *names})
    write_json(folder / MANIFEST, manifest)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"
