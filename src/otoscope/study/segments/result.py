"""The stretches of a corpus in which the decoder is surest of words: how many hold the word, and the sounds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from matplotlib.figure import Figure

from otoscope.audio.excerpt import encode
from otoscope.audio.player import player
from otoscope.base import html
from otoscope.base.files import atomic_path
from otoscope.base.layout import count
from otoscope.base.numbers import Interval, written
from otoscope.base.report import Column, Fact, Report, Table
from otoscope.base.short_repr import ShortRepr
from otoscope.study.estimates import wilson_interval
from otoscope.study.result_files import write_rows
from otoscope.study.results import Result
from otoscope.study.segments.picture import segments_figure

COLUMNS = (
    Column("clip", "clip"),
    Column("audio"),
    Column("start_s"),
    Column("stop_s"),
    Column(None, "stretch"),
    Column("log_probability", "log-probability", "two digits"),
    Column("probability", "probability", "share"),
    Column("lift", "above padding", "two digits"),
    Column("said"),
    Column(None, "said"),
    Column("is_hit", "holds it"),
)


@dataclass(frozen=True, eq=False, repr=False)
class WordSegment(ShortRepr):
    """A stretch of a clip."""

    clip_id: str
    audio: str  # the clip's file, or its id where it came from no file
    start_s: float  # where it begins in the clip
    stop_s: float
    log_probability: float  # of the word, natural log, summed over its tokens and spellings
    lift: float  # the same minus that over padding only
    said: tuple[str, ...] | None  # words whose middle lies in it; None where they are not known
    is_hit: bool | None  # whether the word is among them; None where they are not known
    sound: Float32[np.ndarray, " sample"]  # what is heard in it, at 16 kHz

    @property
    def stretch(self) -> str:
        """Where it lies, in words."""
        return f"{self.start_s:.2f}-{self.stop_s:.2f} s"

    @property
    def probability(self) -> float:
        """Probability of the word."""
        return math.exp(self.log_probability)


@dataclass(frozen=True, eq=False, repr=False)
class WordSegments(ShortRepr):
    """The surest stretches of one word."""

    word: str
    spellings: tuple[str, ...]  # the ways in which it was assumed to be written
    n_stretches: int  # stretches that were heard
    n_labelled: int  # those of clips with words in time
    n_holding: int  # those of them that hold the word
    n_said: int  # how often it is said in these clips
    segments: tuple[WordSegment, ...]  # surest first

    @property
    def hits(self) -> tuple[int, int]:
        """Surest stretches that hold the word, and surest stretches whose words are known."""
        known = [segment.is_hit for segment in self.segments if segment.is_hit is not None]
        return sum(known), len(known)

    @property
    def hit_rate(self) -> Interval | None:
        """Share of the surest stretches that hold the word, with Wilson's 95% interval; None without words in time."""
        return wilson_interval(*self.hits)

    @property
    def chance(self) -> float | None:
        """Share of all stretches that hold the word: what stretches drawn at random would give."""
        return self.n_holding / self.n_labelled if self.n_labelled else None

    @property
    def in_words(self) -> str:
        """Say how many of the surest stretches hold the word, and how many of all."""
        hits, n_known = self.hits
        if self.chance is None or not n_known:
            return f"the surest of {self.n_stretches:,} stretches; words are not known in time"
        limit = "" if self.n_said >= n_known else f" ({self.n_said} at most)"
        return (
            f"{hits} of {n_known} hold it{limit}, {written(self.hit_rate, 'share')}; of all {self.n_labelled:,} "
            f"stretches {written(self.chance, 'share')}; said {count(self.n_said, 'time')}"
        )

    def table(self) -> Table:
        """List the stretches."""
        rows = [
            (
                segment.clip_id,
                segment.audio,
                segment.start_s,
                segment.stop_s,
                segment.stretch,
                segment.log_probability,
                segment.probability,
                segment.lift,
                segment.said,
                "not known" if segment.said is None else " ".join(segment.said),
                segment.is_hit,
            )
            for segment in self.segments
        ]
        return Table(COLUMNS, rows, f"{self.word}: {self.in_words}", most=max(len(rows), 1))


@dataclass(frozen=True, eq=False, repr=False)
class Segments(Result):
    """The stretches of a corpus in which the decoder is surest of words."""

    name = "segments"

    model: str
    n_clips: int  # clips that were searched
    length_s: float  # of a stretch
    step_s: float  # from the start of one to the start of the next
    top: int  # stretches kept for each word
    context: str  # what the transcript was assumed to begin with
    words: tuple[WordSegments, ...]
    sound_format: str = "flac"  # how sounds are written

    @property
    def hit_rate(self) -> Interval | None:
        """Share of all surest stretches that hold their word, with Wilson's 95% interval."""
        hits, n_known = np.sum([word.hits for word in self.words], axis=0).tolist()
        return wilson_interval(hits, n_known)

    @property
    def chance(self) -> float | None:
        """The same for stretches drawn at random: the mean of each word's chance, weighted by its surest stretches."""
        known = [(word.chance, word.hits[1]) for word in self.words if word.chance is not None and word.hits[1]]
        return float(np.average([chance for chance, _ in known], weights=[n for _, n in known])) if known else None

    def report(self) -> Report:
        """List each word's stretches, and say how many hold it."""
        return Report(
            f"Where the decoder is surest of words: {self.model}",
            f"stretches of {self.length_s:g} s of {count(self.n_clips, 'clip')}, each heard alone; 95% intervals",
            {
                **self.fields("model", "n_clips", "length_s", "step_s", "top", "context"),
                "hit_rate": Fact(self.hit_rate, "stretches that hold their word", "share"),
                "chance": Fact(self.chance, "at random", "share"),
                "intervals": "Wilson, 95%, stretches taken as independent",
                "words": [
                    {
                        "word": word.word,
                        "spellings": word.spellings,
                        "n_stretches": word.n_stretches,
                        "n_stretches_labelled": word.n_labelled,
                        "n_said": word.n_said,
                        "n_found": word.hits[1],
                        "n_hits": word.hits[0],
                        "hit_rate": word.hit_rate,
                        "chance": word.chance,
                        "segments": word.table().to_json(),
                    }
                    for word in self.words
                ],
            },
            parts=[word.table() for word in self.words],
        )

    def figure(self) -> Figure:
        """Draw how sure the decoder is in the stretches of each word, and what is said in them."""
        return segments_figure(self)

    def save(self, folder: str | Path) -> list[Path]:
        """Write `segments.json`, `segments.png`, `segments.parquet`, and `sounds/` with every stretch.

        Args:
            folder: Where to; made when missing.

        Raises:
            OutputError: A file cannot be written.
        """
        rows = [
            {"word": word.word, "rank": rank, **segment}
            for word in self.words
            for rank, segment in enumerate(word.table().to_json(), start=1)
        ]
        where = Path(folder)
        return [
            *super().save(where),
            write_rows(where / "segments.parquet", rows),
            *self._write_sounds(where / "sounds"),
        ]

    def _write_sounds(self, folder: Path) -> list[Path]:
        files: list[Path] = []
        for number, word in enumerate(self.words, start=1):
            for rank, segment in enumerate(word.segments, start=1):
                name = f"{number}-{_safe(word.word)}-{rank:02d}-{_safe(segment.clip_id)}.{self.sound_format}"
                with atomic_path(folder / name) as temporary:
                    temporary.write_bytes(encode(segment.sound, self.sound_format))
                files.append(folder / name)
        return files

    def _shown(self) -> html.Shown:
        """Show the report, and let the first stretches of every word be heard."""
        surest = [(word, segment) for word in self.words for segment in word.segments][: html.MOST_ROWS]
        sounds = [
            html.Html(html.line(label) + player(segment.sound, label, width="11em"))
            for word, segment in surest
            for label in [f"{word.word} in {segment.clip_id}, {segment.stretch}"]
        ]
        return replace(super()._shown(), sounds=sounds)


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name)[:60].strip("-.") or "clip"
