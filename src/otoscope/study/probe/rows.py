"""The rows that a probe learns from: activations of labelled frames, or one mean for each clip, drawn fairly.

Rows come from a model that hears the clips, or from activations that a harvest saved. Memory: the rows that were drawn,
and a few windows. Which frames are drawn depends on the seed and the clip alone, so that every site gets the same ones.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int8
from torch import Tensor

from otoscope.audio.clip import Clip
from otoscope.audio.kinds import Kind, window_kinds
from otoscope.base.clocks import frames_begun
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.harvest.activation_reader import ShardReader
from otoscope.harvest.labels import LabelSet
from otoscope.harvest.opened import HarvestRun
from otoscope.model.sites import Site
from otoscope.model.whisper import Whisper
from otoscope.study.probe.labels import ClipFacts, ProbeLabels, clip_label, frame_labels, is_frame_task

BATCH_WINDOWS = 8


@dataclass(frozen=True)
class Question:
    """What the rows are drawn for."""

    task: str  # `speech`, `phone`, `language`, `speaker`, or the name of what the labels hold
    labels: ProbeLabels | None  # labels from outside the clips; None where the clips have them
    known: LabelSet  # the possible phones
    lag: int  # frames by which the encoder answers after the sound
    per_clip: int  # frames drawn from a clip at most; for a task of clips one row is made of all frames
    seed: int  # of the draws

    @property
    def is_of_frames(self) -> bool:
        """Whether every frame is a row."""
        return is_frame_task(self.task)

    def speaker_of(self, about: ClipFacts) -> str | None:
        """Return who speaks, by the clip or by the labels."""
        if about.speaker is None and self.labels is not None:
            return self.labels.speakers.get(about.id)
        return about.speaker


@dataclass(frozen=True, eq=False)
class ClipSelection:
    """What is read of one clip."""

    about: ClipFacts
    frames: Int[np.ndarray, " frame"]  # their numbers in the clip, ascending
    labels: Int[np.ndarray, " frame"] | str  # class index of each frame; the clip's label where one row is made of all


def choose(
    question: Question, about: ClipFacts, frames: Int[np.ndarray, " frame"], kinds: Int8[np.ndarray, " frame"]
) -> ClipSelection | None:
    """Choose the frames of a clip that are read; None where nothing is known.

    For a task of frames, up to `per_clip` frames with a class, drawn evenly; for a task of clips all frames of speech,
    or all of the sound where there is no speech.
    """
    if not question.is_of_frames:
        label = clip_label(question.task, about, question.labels)
        pooled = frames[kinds == Kind.SPEECH] if (kinds == Kind.SPEECH).any() else frames[kinds != Kind.PADDING]
        return ClipSelection(about, pooled, label) if label and len(pooled) else None
    labels = frame_labels(question.task, about, frames, kinds, question.known, question.lag)
    labelled = np.flatnonzero(labels >= 0)
    if len(labelled) > question.per_clip:
        random = np.random.default_rng([question.seed, zlib.crc32(about.id.encode())])
        labelled = np.sort(random.choice(labelled, question.per_clip, replace=False))
    return ClipSelection(about, frames[labelled], labels[labelled]) if len(labelled) else None


@dataclass(eq=False)
class ProbeRows:
    """Rows of activations with their labels; filled clip by clip."""

    values: dict[str, list[np.ndarray]]  # site to arrays [row, d], float32
    labels: list[np.ndarray] = field(default_factory=list)  # classes of the rows, by index or by name
    clips: list[tuple[str, str | None, int]] = field(default_factory=list)  # id, speaker, and the rows it gave

    def add(self, selection: ClipSelection, speaker: str | None, values: Mapping[str, np.ndarray]) -> None:
        """Add the rows of a clip."""
        for site, rows in values.items():
            if not np.isfinite(rows).all():
                raise InputError(
                    f"clip {selection.about.id!r} makes values at site {site!r} that are not finite. Leave it out, or "
                    "load the model with --dtype float32."
                )
            self.values[site].append(rows)
        n_rows = len(next(iter(values.values())))
        self.labels.append(
            np.array([selection.labels] * n_rows) if isinstance(selection.labels, str) else selection.labels
        )
        self.clips.append((selection.about.id, speaker, n_rows))

    def x(self, site: str) -> Float32[np.ndarray, "row d"]:
        """Return all rows of a site and drop them; works once for each site."""
        return np.concatenate(self.values.pop(site))


def check_sites(model: Whisper, patterns: Sequence[str] | str, task: str) -> dict[str, Site]:
    """Turn patterns into sites at which a task can be probed."""
    table = {site.name: site for site in model.sites()}
    sites = {name: table[name] for name in model.expand(patterns)}
    for name, site in sites.items():
        if len(site.shape) != 3 or site.shape[2] is None:
            raise InputError(
                f"site {name!r} has axes {list(site.axes)}: a probe reads sites with one vector for each frame or "
                "token, such as 'encoder.blocks.*' and 'decoder.blocks.*'."
            )
        if is_frame_task(task) and site.axes[1] == "token":
            raise InputError(
                f"site {name!r} has one vector for each token, and {task!r} is a task of frames. Name sites of the "
                "encoder, or ask for what a whole clip has (language, speaker, or a column of labels)."
            )
    if not sites:
        raise InputError("no site is named: give one or several, such as 'encoder.blocks.*'.")
    return sites


def width(site: Site) -> int:
    """Return the length of a site's vectors."""
    assert site.shape[2] is not None, "sites are checked before"
    return site.shape[2]


def rows_from_model(
    model: Whisper, corpus: Corpus, sites: Mapping[str, Site], question: Question, advance: Callable[[], None]
) -> ProbeRows:
    """Run a model over clips, and keep the selected rows; clips that cannot be read go to `corpus.problems`."""
    rows = ProbeRows({site: [] for site in sites})
    runs = (
        _by_token(model, sites) if any(site.room == "decoder" for site in sites.values()) else _by_frame(model, sites)
    )
    chosen = _chosen(model, corpus, question, advance)
    for selection, values in runs(chosen):
        if not question.is_of_frames:
            values = {site: np.asarray(x.mean(axis=0, keepdims=True)) for site, x in values.items()}
        rows.add(selection, question.speaker_of(selection.about), values)
    return rows


_Chosen = Iterator[tuple[ClipSelection, Clip]]
_Read = Callable[[_Chosen], Iterator[tuple[ClipSelection, dict[str, np.ndarray]]]]


def _chosen(model: Whisper, corpus: Corpus, question: Question, advance: Callable[[], None]) -> _Chosen:
    """Read the clips, and yield what is selected of each; clips without a selection are not run."""
    for clip in corpus:
        phones = question.known.phones_of(clip)
        about = ClipFacts(clip.id, clip.speaker, clip.language, phones)
        n_frames = frames_begun(len(clip.samples))
        kinds = window_kinds(clip.samples, model.window_samples).reshape(-1)[:n_frames]
        selection = choose(question, about, np.arange(n_frames), kinds)
        if selection is not None:
            yield selection, clip
        advance()


def _by_frame(model: Whisper, sites: Mapping[str, Site]) -> _Read:
    """Run the encoder over windows of several clips at a time."""

    def read(chosen: _Chosen) -> Iterator[tuple[ClipSelection, dict[str, np.ndarray]]]:
        waiting: list[tuple[Tensor, np.ndarray]] = []
        owners: list[tuple[ClipSelection, int]] = []  # selections, and how many of the waiting windows are theirs

        def flush() -> Iterator[tuple[ClipSelection, dict[str, np.ndarray]]]:
            parts = [] if not waiting else _encode(model, sites, waiting)
            first = 0
            for selection, n_windows in owners:
                windows = parts[first : first + n_windows]
                yield selection, {site: np.concatenate([part[site] for part in windows]) for site in sites}
                first += n_windows
            waiting.clear()
            owners.clear()

        for selection, clip in chosen:
            n_windows = 0
            for number, window in enumerate(model.each_window(clip)):
                frames = selection.frames[selection.frames // model.n_frames == number] - number * model.n_frames
                if len(frames):
                    waiting.append((window.mel[0], frames))
                    n_windows += 1
            owners.append((selection, n_windows))
            if len(waiting) >= BATCH_WINDOWS:
                yield from flush()
        yield from flush()

    return read


def _encode(
    model: Whisper, sites: Mapping[str, Site], windows: Sequence[tuple[Tensor, np.ndarray]]
) -> list[dict[str, np.ndarray]]:
    """Return the selected frames of each window."""
    rows: list[dict[str, np.ndarray]] = []
    for start in range(0, len(windows), BATCH_WINDOWS):
        batch = windows[start : start + BATCH_WINDOWS]
        with model.reading(list(sites)) as tape:
            model.encode_mel(torch.stack([mel for mel, _ in batch]))
        for number, (_, frames) in enumerate(batch):
            rows.append({name: _pick(tape[name][number], site, frames) for name, site in sites.items()})
    return rows


def _by_token(model: Whisper, sites: Mapping[str, Site]) -> _Read:
    """Transcribe window by window: the decoder's sites hold something only then."""

    def read(chosen: _Chosen) -> Iterator[tuple[ClipSelection, dict[str, np.ndarray]]]:
        for selection, clip in chosen:
            parts: dict[str, list[np.ndarray]] = {site: [] for site in sites}
            for number in np.unique(selection.frames // model.n_frames).tolist():
                first = number * model.window_samples
                # no language: it may be what is probed
                piece = Clip(clip.samples[first : first + model.window_samples], clip.id)
                held = model.activations(piece, list(sites))
                frames = selection.frames[selection.frames // model.n_frames == number] - number * model.n_frames
                for name, site in sites.items():
                    parts[name].append(_pick(held[name][0], site, frames))
            yield selection, {site: np.concatenate(part) for site, part in parts.items()}

    return read


def _pick(held: Float[Tensor, "place d"], site: Site, frames: np.ndarray) -> Float32[np.ndarray, "row d"]:
    """Take the selected frames of a window; of mel frames the mean of both of a frame; of tokens all."""
    if site.axes[1] == "token":
        return held.float().cpu().numpy()
    at = torch.as_tensor(frames, device=held.device)
    if site.axes[1] == "mel_frame":
        return ((held[2 * at].float() + held[2 * at + 1].float()) / 2).cpu().numpy()
    return held[at].float().cpu().numpy()


def rows_from_run(run: HarvestRun, reader: ShardReader, question: Question, advance: Callable[[], None]) -> ProbeRows:
    """Take the selected rows from the activations that a harvest saved."""
    rows = ProbeRows({site: [] for site in reader.sites})
    selections = selections_of_run(run, reader, question)
    sums: dict[int, dict[str, list[np.ndarray]]] = {}
    for clip, values, frames in _by_clip(reader):
        selection = selections.get(clip)
        if selection is not None:
            parts = sums.setdefault(clip, {site: [] for site in reader.sites})
            is_in = np.isin(frames, selection.frames, assume_unique=True)
            for site, x in values.items():
                picked = x[is_in].astype(np.float32)
                parts[site].append(picked if question.is_of_frames else picked.sum(axis=0, keepdims=True))
    for clip, parts in sums.items():
        selection = selections[clip]
        joined = {site: np.concatenate(part) for site, part in parts.items()}
        if not question.is_of_frames:
            joined = {site: x.sum(axis=0, keepdims=True) / len(selection.frames) for site, x in joined.items()}
        rows.add(selection, question.speaker_of(selection.about), joined)
        advance()
    return rows


def selections_of_run(run: HarvestRun, reader: ShardReader, question: Question) -> dict[int, ClipSelection]:
    """Select rows of saved activations, clip by clip; reads one site through, for its labels."""
    first = min(reader.layout.sites, key=lambda site: reader.layout.sites[site])
    known = {clip.clip: clip for clip in run.clips}
    frames: dict[int, list[np.ndarray]] = {}
    kinds: dict[int, list[np.ndarray]] = {}
    selections: dict[int, ClipSelection] = {}

    def close(number: int) -> None:
        clip = known[number]
        about = ClipFacts(clip.id, clip.speaker, clip.language, clip.phones)
        selection = choose(question, about, np.concatenate(frames.pop(number)), np.concatenate(kinds.pop(number)))
        if selection is not None:
            selections[number] = selection

    for batch in ShardReader(reader.folder, sites=[first], kinds=reader.kinds).in_order():
        for number in dict.fromkeys(batch.clip.tolist()):
            is_of_clip = batch.clip == number
            for other in [other for other in frames if other != number]:
                close(other)
            frames.setdefault(number, []).append(batch.frame[is_of_clip].astype(np.int64))
            kinds.setdefault(number, []).append(batch.kind[is_of_clip])
    for number in list(frames):
        close(number)
    return selections


def _by_clip(reader: ShardReader) -> Iterator[tuple[int, dict[str, np.ndarray], np.ndarray]]:
    """Yield saved rows clip by clip, a long clip in several parts."""
    for batch in reader.in_order():
        for number in dict.fromkeys(batch.clip.tolist()):
            is_of_clip = batch.clip == number
            yield number, {site: x[is_of_clip] for site, x in batch.values.items()}, batch.frame[is_of_clip]
