"""Clips that nobody spoke, and a reader that answers to them with numbers made up here: every number is known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from otoscope.audio.clip import Clip, Span
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.corpus.alignment import Alignment
from otoscope.corpus.corpus import Source
from otoscope.harvest.activity import TRAINED, UNTRAINED, Activity
from otoscope.harvest.opened import HarvestRun
from otoscope.harvest.run import run_over
from otoscope.harvest.settings import HarvestSettings

WINDOW = 40
FRAME_SAMPLES = 320
ABOUT = {"id": "fake", "weights_hash": "0", "device": "cpu", "dtype": "float32"}
SPOKEN = ("AA", "B", "S", "IY", "M", "T", "UW")


@dataclass
class FakeClip:
    """What a clip holds: a row of every site for each frame of its windows, and its labels.

    `problem` is raised where the clip is read, `label_problem` where its labels are looked at; `bad_window` is the
    window that raises an error.
    """

    name: str
    kinds: np.ndarray
    values: dict[str, np.ndarray]
    phones: tuple[Span, ...] | None = None
    speaker: str | None = None
    language: str | None = None
    problem: str | None = None
    label_problem: str | None = None
    bad_window: int | None = None
    untrained: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def n_windows(self) -> int:
        return len(self.kinds) // WINDOW

    def read(self) -> Clip:
        if self.problem is not None:
            raise InputError(self.problem)
        n_samples = FRAME_SAMPLES * int((self.kinds != Kind.PADDING).sum())
        return Clip(
            np.zeros(n_samples, np.float32),
            self.name,
            transcript=f"what {self.name} says",
            words=None if self.phones is None else (Span(0.0, 0.1, self.name),),
            phones=self.phones,
            speaker=self.speaker,
            language=self.language,
            label_problem=self.label_problem,
        )

    def labels(self) -> Alignment | None:
        return None if self.phones is None else Alignment(None, self.phones, Path(self.name))

    def source(self) -> Source:
        return Source(self.name, self.read, self.speaker, self.language, None, self.labels)


def corpus_of(clips: list[FakeClip], name: str = "fakes") -> Corpus:
    return Corpus(name, [clip.source() for clip in clips])


class FakeReader:
    """Answers to clips by their names. `tell` is called before every window."""

    def __init__(self, clips: list[FakeClip], tell: Callable[[str, int], None] = lambda name, window: None) -> None:
        self.clips = {clip.name: clip for clip in clips}
        self.tell = tell
        self.widths: Mapping[str, int] = {site: x.shape[1] for site, x in clips[0].values.items()}

    def windows(self, clip: Clip) -> Iterator[Activity]:
        own = self.clips[clip.id]
        for window in range(own.n_windows):
            here = slice(window * WINDOW, (window + 1) * WINDOW)
            self.tell(clip.id, window)
            if window == own.bad_window:
                raise InputError(f"window {window} of {clip.id} is bad. Take another.")
            rows = {(TRAINED, site): torch.from_numpy(x[here]) for site, x in own.values.items()}
            rows |= {(UNTRAINED, site): torch.from_numpy(x[here]) for site, x in own.untrained.items()}
            yield Activity(here.start, own.kinds[here], rows)


def harvest(clips: list[FakeClip], out: Path, reader: FakeReader | None = None, **settings: Any) -> HarvestRun:
    """Harvest made-up clips; words of `run_over` and of the settings alike."""
    own = {
        name: settings.pop(name) for name in ("workers", "overwrite", "progress", "checkpoint_s") if name in settings
    }
    reader = FakeReader(clips) if reader is None else reader
    wanted = HarvestSettings(**{"sites": tuple(reader.widths), "part_clips": 4, **settings})
    return run_over(reader, ABOUT, corpus_of(clips), wanted, out, **own)


# clips


def kinds_of(rng: np.random.Generator, n_windows: int) -> np.ndarray:
    """Stretches of speech and silence, some of one frame, and padding at the end."""
    n = n_windows * WINDOW
    kinds = np.concatenate([np.full(rng.integers(1, 12), rng.random() < 0.3) for _ in range(n)])[:n].astype(np.int8)
    n_padding = int(rng.integers(0, WINDOW - 5))
    if n_padding:
        kinds[-n_padding:] = Kind.PADDING
    return kinds


def phones_of(rng: np.random.Generator, n_frames: int) -> tuple[Span, ...]:
    """Phones of 40 to 160 ms, pauses as written and gaps between some."""
    spans, start = [], 0.0
    while start < n_frames * 0.02:
        end = start + float(rng.uniform(0.04, 0.16))
        if rng.random() < 0.85:
            spans.append(Span(round(start, 3), round(end, 3), "SIL" if rng.random() < 0.2 else str(rng.choice(SPOKEN))))
        start = end
    return tuple(spans)


def smooth(rng: np.random.Generator, n_frames: int, d: int) -> np.ndarray:
    x = rng.normal(size=(n_frames + 2, d))
    return x[:-2] + x[1:-1] + x[2:]


def odd_values(rng: np.random.Generator, n_frames: int, clip: int) -> np.ndarray:
    """Twenty features of every kind that may go wrong; see `ODD`."""
    x = smooth(rng, n_frames, len(ODD))
    for feature, make in enumerate(ODD.values()):
        x[:, feature] = make(x[:, feature], clip)
    return x.astype(np.float32)


def _burst(x: np.ndarray, clip: int) -> np.ndarray:
    return np.where(np.arange(len(x)) == 17, 1e30, x) if clip == 5 else x * 1e-3


ODD: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "smooth": lambda x, clip: x,
    "sparse": lambda x, clip: np.maximum(x - 2, 0),
    "tied": lambda x, clip: np.round(x),
    "halves": lambda x, clip: np.round(x) / 2,
    "never positive": lambda x, clip: -np.abs(x) - 0.1,
    "never negative": lambda x, clip: np.abs(x) + 0.1,
    "constant": lambda x, clip: np.full_like(x, 0.3),
    "zero of either sign": lambda x, clip: np.where(x > 0, 0.0, -0.0),
    "zero or below": lambda x, clip: np.where(x > 0, -0.0 if clip % 2 else 0.0, x),
    "growing": lambda x, clip: x * 2.0**clip,
    "growing fast": lambda x, clip: x * 2.0 ** (5 * clip - 20),
    "shrinking": lambda x, clip: x * 2.0**-clip,
    "one burst": _burst,
    "denormal": lambda x, clip: x * 1e-41,
    "out of the denormal": lambda x, clip: x * 1e-41 * 4.0**clip,
    "tiny": lambda x, clip: x * 1e-20,
    "huge": lambda x, clip: x * 1e9,
    "far from zero": lambda x, clip: x + 50,
    "late": lambda x, clip: np.where(clip == 11, x, 0.0),
    "plain": lambda x, clip: x * 3 - 1,
}


def odd_clips(seed: int = 0, n: int = 13) -> list[FakeClip]:
    """Clips of one to three windows, some labelled, of five speakers and two languages."""
    rng = np.random.default_rng(seed)
    clips = []
    for number in range(n):
        kinds = kinds_of(rng, 1 + number % 3)
        if number == 7:
            kinds[kinds == Kind.SPEECH] = Kind.SILENCE
        n_spoken = int((kinds != Kind.PADDING).sum())
        clips.append(
            FakeClip(
                f"clip{number}",
                kinds,
                {"odd": odd_values(rng, len(kinds), number), "plain": smooth(rng, len(kinds), 3).astype(np.float32)},
                phones=phones_of(rng, n_spoken) if number % 4 else None,
                speaker=f"speaker{number % 5}",
                language="en" if number % 3 else "de",
            )
        )
    return clips


# what a run left


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too; of a manifest all but when and by what command it was made."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    manifest = json.loads(found.pop("manifest.json", b"{}"))
    told = {name: value for name, value in manifest.items() if name not in {"created", "command"}}
    return {**found, "manifest.json": json.dumps(told).encode()}
