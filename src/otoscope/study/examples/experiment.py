"""Which clips drive each feature most? The strongest peaks of a finished harvest, with what is said there.

Reads the tables of a run: no model, no sound (`example_sounds` writes those). Memory: about half a kilobyte an example,
150 MB for all 20 examples in both signs of 7,680 features.
"""

from __future__ import annotations

import bisect
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import zip_longest
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from otoscope.audio.clip import Span
from otoscope.base import html
from otoscope.base.clocks import FRAME_S, frame_to_seconds
from otoscope.base.errors import InputError
from otoscope.base.files import atomic_path
from otoscope.base.layout import count
from otoscope.base.named import on_corpus
from otoscope.base.report import Column, Report, Table
from otoscope.base.settings import takes
from otoscope.harvest.opened import GroupKey, HarvestRun, RunClip
from otoscope.study.examples.settings import ExamplesSettings
from otoscope.study.results import Result

SIGNS = {"positive": (1,), "negative": (-1,), "both": (1, -1)}
RANGE_KINDS = ("width", "quantile")
TABLE = "sounds.parquet"

N_HEARD = 10
"""Examples that can be heard in a notebook."""

MOST_SOUND_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class Example:
    """One moment that a feature answers to."""

    site: str  # where the feature is
    basis: str  # in which basis
    feature: int  # its number
    sign: int  # 1 for strengths above zero, -1 for those below
    kind: str  # `top` for the strongest peaks; `width` or `quantile` for those drawn from a range of strength
    range: int | None  # number of the range, 0 for the strongest; None for `top`
    rank: int  # 0 for the strongest; in a range, the number of the draw
    clip: int  # number of the clip in the run
    clip_id: str  # its name in the corpus
    frame: int  # the frame at which the feature answers, from the clip's start
    seconds: float  # the middle of the sound that it answers to, from the clip's start: the run's lag before the frame
    strength: float  # as it is: below zero for the sign -1
    phone: str | None  # the phone there, in the run's phone set, if known
    word: str | None  # the word there, if known
    sound: str | None = None  # the file with the clip around that moment, where it was written
    amplified: str | None = None  # the file in which the moment is brought out
    sound_seconds: float | None = None  # where the moment is in both files

    def to_json(self) -> dict[str, Any]:
        """Give the row, its numbers as they are."""
        return asdict(self)

    def cells(self) -> tuple[Any, ...]:
        """Give what a table shows of it."""
        sign = "pos" if self.sign > 0 else "neg"
        number = f"{sign} {self.rank}" if self.range is None else f"{sign} {self.kind} {self.range}.{self.rank}"
        return (
            *(self.site, self.basis, str(self.feature), number, self.strength),
            *(self.clip_id, self.seconds, self.phone, self.word),
        )


COLUMNS = (
    *(Column(None, "site"), Column(None, "basis"), Column(None, "feature"), Column(None, "example")),
    *(Column(None, "strength"), Column(None, "clip"), Column(None, "seconds", "plain seconds")),
    *(Column(None, "phone"), Column(None, "word")),
)


@dataclass(frozen=True, repr=False)
class Examples(Result):
    """Examples of features, and what they were harvested from."""

    name = "examples"

    run: str  # the run's folder
    model: str  # the model's id
    corpus: str  # what the corpus was asked for as
    phone_set: str | None  # the phone set of the labels; None without labels
    lag_frames: int | None  # from a sound to the answer that it causes; None where it was not estimated, taken as 0
    n_features: int  # how many features were looked at; some may have no example
    examples: tuple[Example, ...]  # by site, basis, feature, sign, kind and range, strongest first
    # where the sounds were written, in this session; None where none were
    folder: str | None = field(default=None, compare=False)

    @property
    def n_silent(self) -> int:
        """How many of the features have no example at all."""
        return self.n_features - len({(example.site, example.basis, example.feature) for example in self.examples})

    def report(self) -> Report:
        """List the examples, feature by feature."""
        lag = "taken as 0, as none was estimated" if self.lag_frames is None else f"{self.lag_frames} frames"
        silent = f", {self.n_silent:,} of them without any" if self.n_silent else ""
        rows = [example.cells() for example in self.examples]
        return Report(
            f"What drives features most: {on_corpus(self.model, self.corpus)}",
            f"{count(len(rows), 'example')} of {count(self.n_features, 'feature')}{silent}; the sound comes before the "
            f"frame by the lag, {lag}",
            {
                **self.fields("run", "model", "corpus", "phone_set", "lag_frames", "n_features"),
                "n_without_examples": self.n_silent,
                "examples": self.examples,
            },
            parts=[Table(COLUMNS, rows, most=max(len(rows), 1), n_keys=4)],
        )

    def save(self, folder: str | Path) -> list[Path]:
        """Write the examples as `sounds.parquet`, and as `examples.json` with what they were harvested from.

        Args:
            folder: An existing or new folder.

        Returns:
            The two files.

        Raises:
            OutputError: They cannot be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table(
            {name: [getattr(example, name) for example in self.examples] for name in _COLUMN_TYPES},
            schema=pa.schema([(name, getattr(pa, type_)()) for name, type_ in _COLUMN_TYPES.items()]),
        )
        with atomic_path(Path(folder) / TABLE) as temporary:
            pq.write_table(table, temporary)
        return [Path(folder) / TABLE, *super().save(folder)]

    def _shown(self) -> html.Shown:
        """Show the report, and let the first examples be heard where their sounds were written."""
        shown = super()._shown()
        players = [self._player(example) for example in self.examples[:N_HEARD]]
        if not any(players):
            return shown
        (listed,) = shown.tables
        rows = [(*row, player) for row, player in zip_longest(listed.rows, players)]
        return replace(shown, tables=[replace(listed, columns=(*listed.columns, "hear"), rows=rows)])

    def _player(self, example: Example) -> html.Html | None:
        """Give a player of an example's sound, where that was written and is still there."""
        if self.folder is None or example.sound is None:
            return None
        path = Path(self.folder) / example.sound
        try:
            sound = path.read_bytes() if path.is_file() and path.stat().st_size <= MOST_SOUND_BYTES else b""
        except (OSError, ValueError):  # moved since, or no name that a disk takes
            return None
        kind = f"audio/{path.suffix.removeprefix('.')}"
        return html.audio(sound, kind, f"Example in {example.clip_id}", "11em") if sound else None


_ARROW = {int: "int32", float: "float64", str: "string"}
_COLUMN_TYPES = {
    name: next(_ARROW[type_] for type_ in _ARROW if type_ is hint or type_ in getattr(hint, "__args__", ()))
    for name, hint in get_type_hints(Example).items()
}


@takes(ExamplesSettings)
def examples(run: HarvestRun, *, settings: ExamplesSettings) -> Examples:
    """Look up the moments that drive features most.

    Args:
        run: A finished harvest.
        settings: Which.

    Returns:
        The examples.

    Raises:
        InputError: A site, basis, feature or sign is not in the run, or the run kept fewer examples than that.
    """
    kept, top = int(run.manifest["settings"]["top"]), settings.top
    if top is not None and top > kept:
        raise InputError(
            f"top is {top}: the run '{run.folder}' kept {kept} examples of every feature. "
            f"Give 1 to {kept}, or harvest again with --top {top}."
        )
    is_one_signed = run.manifest["settings"]["sign"] != "both"
    signs = SIGNS["positive" if settings.sign == "both" and is_one_signed else settings.sign]
    labels = _Labels(run)
    listed: list[Example] = []
    n_features = 0
    for group in chosen_groups(run, settings.sites, settings.bases):
        numbers = _chosen_features(group, settings.features)
        n_features += len(numbers)
        rows: list[tuple[tuple[Any, ...], Example]] = []
        for sign in signs:
            rows += _top(run, group, sign, numbers, top or kept, labels)
            if settings.ranges:
                rows += _ranges(run, group, sign, numbers, labels)
        rows.sort(key=lambda row: row[0])
        listed += [example for _, example in rows]
    return Examples(
        run=str(run.folder),
        model=run.model_name,
        corpus=str(run.manifest["corpus"]["name"]),
        phone_set=run.phone_set,
        lag_frames=run.lag_frames,
        n_features=n_features,
        examples=tuple(listed),
    )


def chosen_groups(run: HarvestRun, sites: Sequence[str] | None, bases: Sequence[str] | None) -> list[GroupKey]:
    """Find the sites and bases of a run that are asked for."""
    all_sites = list(dict.fromkeys(group.site for group in run.groups))
    all_bases = list(dict.fromkeys(group.basis for group in run.groups))
    for kind, patterns, names in (("site", sites, all_sites), ("basis", bases, all_bases)):
        for pattern in patterns or ():
            if not any(fnmatchcase(name, pattern) for name in names):
                near = difflib.get_close_matches(pattern, names, n=3, cutoff=0)
                raise InputError(
                    f"{kind} {pattern!r} is not in the run '{run.folder}'. Nearest of {len(names)}: {', '.join(near)}."
                )
    groups = [group for group in run.groups if _is_among(group.site, sites) and _is_among(group.basis, bases)]
    if not groups:
        pairs = ", ".join(f"{group.site} in {group.basis}" for group in run.groups)
        raise InputError(
            f"{', '.join(sites or all_sites)} in {', '.join(bases or all_bases)} is not in the run '{run.folder}'. "
            f"It holds {pairs}."
        )
    return groups


def sound_seconds(frame: int, lag_frames: int | None) -> float:
    """Give the middle of the sound that a feature answers to at a frame, in seconds from the clip's start."""
    return max(0.0, frame_to_seconds(int(frame) - (lag_frames or 0)) + FRAME_S / 2)


def _is_among(name: str, wanted: Sequence[str] | None) -> bool:
    return wanted is None or any(fnmatchcase(name, pattern) for pattern in wanted)


def _chosen_features(group: GroupKey, features: Sequence[int] | None) -> list[int]:
    if features is None:
        return list(range(group.n_features))
    for feature in features:
        if not 0 <= feature < group.n_features:
            raise InputError(
                f"feature {feature} is not in {group.site} ({group.basis} basis): "
                f"its features are 0-{group.n_features - 1}. Choose of those, or name other sites."
            )
    return sorted(set(features))


class _Labels:
    """What is known of the clips of a run at a moment."""

    def __init__(self, run: HarvestRun) -> None:
        self.lag_frames = run.lag_frames
        self.phones = run.phones
        self.clips: dict[int, RunClip] = {clip.clip: clip for clip in run.clips}
        self._starts: dict[int, list[float]] = {}

    def word(self, clip: int, seconds: float) -> str | None:
        """The word that is spoken at a moment."""
        words: tuple[Span, ...] = self.clips[clip].words or ()
        if clip not in self._starts:
            self._starts[clip] = [word.start_s for word in words]
        place = bisect.bisect_right(self._starts[clip], seconds) - 1
        return words[place].text if place >= 0 and seconds < words[place].end_s else None


def _top(
    run: HarvestRun, group: GroupKey, sign: int, numbers: list[int], top: int, labels: _Labels
) -> Iterator[tuple[tuple[Any, ...], Example]]:
    table = run.examples(group, sign)
    for feature in numbers:
        for rank in range(min(top, table.clip.shape[1])):
            if table.clip[feature, rank] >= 0:
                place = (feature, -sign, 0, 0, rank)
                yield place, _example(group, sign, ("top", None, rank), feature, table, (feature, rank), labels)


def _ranges(
    run: HarvestRun, group: GroupKey, sign: int, numbers: list[int], labels: _Labels
) -> Iterator[tuple[tuple[Any, ...], Example]]:
    for order, kind in enumerate(RANGE_KINDS, 1):
        table = run.ranges(group, kind, sign)
        _, n_ranges, n_samples = table.clip.shape
        for feature in numbers:
            for at, draw in np.ndindex(n_ranges, n_samples):
                if table.clip[feature, at, draw] >= 0:
                    place = (feature, -sign, order, at, draw)
                    yield place, _example(group, sign, (kind, at, draw), feature, table, (feature, at, draw), labels)


def _example(
    group: GroupKey,
    sign: int,
    place: tuple[str, int | None, int],
    feature: int,
    table: Any,
    at: tuple[int, ...],
    labels: _Labels,
) -> Example:
    clip, frame, phone = int(table.clip[at]), int(table.frame[at]), int(table.phone[at])
    if clip not in labels.clips:
        raise InputError(f"the tables of the run do not fit together: there is no clip {clip}. Harvest again.")
    seconds = sound_seconds(frame, labels.lag_frames)
    return Example(
        group.site,
        group.basis,
        feature,
        sign,
        *place,
        clip=clip,
        clip_id=labels.clips[clip].id,
        frame=frame,
        seconds=round(seconds, 4),
        strength=float(table.strength[at]),
        phone=labels.phones[phone] if phone >= 0 else None,
        word=labels.word(clip, seconds),
    )
