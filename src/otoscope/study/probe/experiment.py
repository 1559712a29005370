"""What can be read off a site linearly: a frame's phone, speech or not; a clip's speaker, language or other label.

Costs one pass of the model over the clips (another for each gigabyte of rows), and the fits of `probe_fit` for each
site. A model need not use what a probe can read: steering tests that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from otoscope.base.errors import InputError
from otoscope.base.settings import takes
from otoscope.corpus import Corpus
from otoscope.harvest.activation_reader import ShardReader
from otoscope.harvest.feed_shards import expand, shards_in
from otoscope.harvest.labels import LabelSet, check_lag, label_set
from otoscope.harvest.opened import HarvestRun, open_run
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.clips import as_corpus
from otoscope.study.probe import fit as probe_fit
from otoscope.study.probe import rows as probe_rows
from otoscope.study.probe.labelled_rows import LabelledRows
from otoscope.study.probe.labels import ProbeLabels, check_task, is_frame_task, read_labels
from otoscope.study.probe.result import Probe, SiteProbe
from otoscope.study.probe.rows import ProbeRows, Question
from otoscope.study.probe.settings import SPEAKERS, ProbeSettings

SITES = ("encoder.blocks.*", "encoder.ln_post")
"""Probed by default: what every block of the encoder leaves in the residual stream, and the encoder's output."""
ROW_BYTES = 1_000_000_000
"""Most memory for rows of several sites that are held at a time."""
Progress = Callable[[int, int], None]
LabelsLike = ProbeLabels | Mapping[str, str] | str | Path


@takes(ProbeSettings)
def probe(
    model: Whisper,
    clips: Corpus | Iterable[Sound],
    task: str,
    sites: str | Sequence[str] = SITES,
    *,
    settings: ProbeSettings,
    labels: LabelsLike | None = None,
    test: Corpus | Iterable[Sound] | None = None,
    progress: Progress | None = None,
) -> Probe:
    """Learn what can be read off sites of a model, and score it on speakers that were held out.

    Args:
        model: Any Whisper.
        clips: A corpus, or clips with labels.
        task: For every frame `phone` or `speech`; for a clip `language`, `speaker`, or the name of what `labels` hold.
            A clip is read as the mean over its frames of speech; at sites of the decoder, over the tokens of its own
            transcript.
        sites: Names or patterns of sites with one vector for each frame or token.
        settings: How probes are learnt.
        labels: Clip id or speaker to label; or a file with a column named like the task
            (`probe.labels.read_labels`).
        test: Score on these clips, and learn from all of `clips`; by default each speaker is held out once.
        progress: Called with the amount done and the amount in all: clips read and sites learnt.

    Returns:
        Accuracy of every site beside that of the commonest class and of shuffled labels, and the probes' directions.

    Raises:
        SiteError: A site is not in the model.
        InputError: There is only one class, there are too few speakers, a speaker is in both parts, or a setting is
            wrong.

    Source:
        Alain and Bengio 2016, "Understanding intermediate layers using linear classifier probes" (arXiv 1610.01644);
        shuffled labels after Hewitt and Liang 2019, "Designing and Interpreting Probes with Control Tasks".
    """
    lag = _lag(settings, 0)
    known = _labels(labels, task, settings.split)
    given = [as_corpus(part) for part in (clips, test) if part is not None]
    if not all(map(len, given)):
        raise InputError("there are no clips to learn a probe from. Give a corpus, or clips with labels.")
    parts = [_drawn(part, settings) for part in given]
    chosen = probe_rows.check_sites(model, sites, task)
    numbering = label_set(given[0], None, settings.seed)
    questions = [
        Question(task, known, _same_phones(part, numbering), lag, _per_clip(settings, len(part)), settings.seed)
        for part in parts
    ]
    passes = list(_passes({name: probe_rows.width(site) for name, site in chosen.items()}, settings.rows))
    count = _Counter(progress, sum(map(len, parts)) * (len(passes) + len(chosen)), sum(map(len, parts)))

    def gather(names: Sequence[str]) -> list[ProbeRows]:
        read = {name: chosen[name] for name in names}
        return [
            probe_rows.rows_from_model(model, part, read, question, count.clip)
            for part, question in zip(parts, questions, strict=True)
        ]

    origin = (model.name, model.weights_hash, ", ".join(part.name for part in parts))
    return _learn(task, settings, passes, gather, numbering, origin, lag, count)


@takes(ProbeSettings)
def probe_saved(
    run: HarvestRun | str | Path,
    task: str,
    sites: str | Sequence[str] | None = None,
    *,
    settings: ProbeSettings,
    labels: LabelsLike | None = None,
    progress: Progress | None = None,
) -> Probe:
    """Learn probes from activations that a harvest saved: no model runs.

    Args:
        run: A harvest, or its folder.
        task: As for `probe`.
        sites: Names or patterns of saved sites; all by default.
        settings: How probes are learnt.
        labels: As for `probe`.
        progress: As for `probe`.

    Returns:
        The probes.

    Raises:
        InputError: There is no such run, it saved no activations, or as for `probe`.
    """
    known = _labels(labels, task, settings.split)
    opened = run if isinstance(run, HarvestRun) else open_run(run)
    lag = _lag(settings, opened.lag_frames or 0)
    shards = shards_in(opened.folder)
    if shards is None:
        raise InputError(
            f"the run '{opened.folder}' holds no activations: harvest with --save-activations float16, or give the "
            "corpus."
        )
    reader = ShardReader(shards)
    names = list(reader.sites) if sites is None else expand(reader, [sites] if isinstance(sites, str) else list(sites))
    numbering = LabelSet(opened.phone_set, opened.phone_set, opened.phones, (), (), (), "", settings.seed)
    n_clips = len(opened.clips)
    question = Question(task, known, numbering, lag, _per_clip(settings, n_clips), settings.seed)
    passes = list(_passes({name: reader.layout.sites[name] for name in names}, settings.rows))
    count = _Counter(progress, n_clips * (len(passes) + len(names)), n_clips)

    def gather(names: Sequence[str]) -> list[ProbeRows]:
        return [probe_rows.rows_from_run(opened, ShardReader(shards, sites=names), question, count.clip)]

    about = opened.manifest["model"]
    origin = (opened.model_name, str(about["weights_hash"]), str(opened.folder))
    return _learn(task, settings, passes, gather, numbering, origin, lag, count)


def _learn(
    task: str,
    settings: ProbeSettings,
    passes: Sequence[Sequence[str]],
    gather: Callable[[Sequence[str]], list[ProbeRows]],
    numbering: LabelSet,
    origin: tuple[str, str, str],
    lag: int,
    count: _Counter,
) -> Probe:
    """Gather rows, a few sites at a time, and learn each site's probe."""
    fitted: list[SiteProbe] = []
    rows: LabelledRows | None = None
    for names in passes:
        parts = gather(names)
        rows = rows or LabelledRows.make(parts, task, settings, numbering)
        for name in names:
            x = np.concatenate([part.x(name) for part in parts])[rows.kept]
            site = probe_fit.fit(
                x,
                rows.y,
                rows.groups,
                rows.folds,
                len(rows.classes),
                classifier=settings.classifier,
                seed=settings.seed,
            )
            spread = (x @ site.probe.weights.T).std(axis=0)
            fitted.append(SiteProbe(name, site, spread.astype(np.float32)))
            count.site()
    assert rows is not None, "a site is named at least"
    return Probe(
        model=origin[0],
        weights_hash=origin[1],
        corpus=origin[2],
        task=task,
        is_of_frames=is_frame_task(task),
        classes=rows.classes,
        left_out=rows.left_out,
        n_by_class=tuple(np.bincount(rows.y[rows.folds.predicted], minlength=len(rows.classes)).tolist()),
        n_rows_learnt=len(rows.y) if len(rows.folds.parts) > 1 else len(rows.folds.parts[0][0]),
        n_clips=rows.n_clips,
        n_groups=len(np.unique(rows.groups)),
        held_out=rows.held_out,
        n_folds=len(rows.folds.parts),
        n_without_speaker=rows.n_without_speaker,
        classifier=settings.classifier,
        lag=lag,
        seed=settings.seed,
        majority=probe_fit.majority(rows.y, rows.groups, rows.folds, len(rows.classes), settings.seed),
        sites=tuple(fitted),
    )


def _lag(settings: ProbeSettings, default: int) -> int:
    """Return the lag that is set, or else the default."""
    lag = default if settings.lag is None else settings.lag
    check_lag(lag)
    return lag


def _per_clip(settings: ProbeSettings, n_clips: int) -> int:
    """Return how many frames are drawn from each clip at most, so that no clip gives more than its share."""
    return max(1, settings.rows // max(1, n_clips))


def _labels(labels: LabelsLike | None, task: str, split: str) -> ProbeLabels | None:
    """Take labels in any of their forms, and check that the task can be answered."""
    if split == SPEAKERS and task == "speaker":
        raise InputError("who speaks cannot be learnt from other speakers: leave the split out, or give 'clips'.")
    if isinstance(labels, str | Path):
        check_task(task, ProbeLabels())
        return read_labels(labels, task)
    known = ProbeLabels(dict(labels)) if isinstance(labels, Mapping) else labels
    check_task(task, known)
    return known


def _drawn(corpus: Corpus, settings: ProbeSettings) -> Corpus:
    """Draw clips where there are more than rows; the problems of unreadable ones go to the given corpus."""
    if len(corpus) <= settings.rows:
        return corpus
    chosen = np.sort(np.random.default_rng(settings.seed).choice(len(corpus), settings.rows, replace=False))
    return replace(corpus, sources=[corpus.sources[number] for number in chosen], asked_phone_set=corpus.phone_set)


def _same_phones(corpus: Corpus, numbering: LabelSet) -> LabelSet:
    """Return the numbering of phones, for a corpus that may be labelled in another set."""
    labels = label_set(corpus, numbering.target, numbering.seed)
    return LabelSet(labels.source, labels.target, labels.phones or numbering.phones, (), (), (), "", numbering.seed)


def _passes(widths: Mapping[str, int], n_rows: int) -> Iterator[list[str]]:
    """Divide the sites into passes whose rows fit into memory."""
    names: list[str] = []
    n_bytes = 0
    for name, d in widths.items():
        site_bytes = 4 * d * n_rows
        if site_bytes > ROW_BYTES:
            raise InputError(
                f"{n_rows:,} rows of {d:,} values at site {name!r} take {site_bytes / 1e9:.1f} GB, and "
                f"{ROW_BYTES / 1e9:g} GB are held. Draw {ROW_BYTES // (4 * d):,} rows or fewer."
            )
        if names and n_bytes + site_bytes > ROW_BYTES:
            yield names
            names, n_bytes = [], 0
        names.append(name)
        n_bytes += site_bytes
    yield names


class _Counter:
    """Counts clips read and sites learnt; a site counts as much as all clips."""

    def __init__(self, progress: Progress | None, total: int, site_weight: int) -> None:
        self._progress, self._total, self._site_weight, self._done = progress, total, site_weight, 0

    def clip(self) -> None:
        self._add(1)

    def site(self) -> None:
        self._add(self._site_weight)

    def _add(self, n: int) -> None:
        self._done = min(self._done + n, self._total)
        if self._progress is not None:
            self._progress(self._done, self._total)
