"""What was found of words in a corpus: the stretches, how many hold the word, and the sounds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32

from otoscope.audio.excerpt import FORMATS, encode
from otoscope.audio.player import player
from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import atomic_path, write_json
from otoscope.base.numbers import Interval, finite, plain
from otoscope.base.short_repr import ShortRepr
from otoscope.study import pictures
from otoscope.study.estimates import wilson_interval
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich
from otoscope.study.segments import picture as segments_picture


@dataclass(frozen=True, eq=False, repr=False)
class Segment(ShortRepr):
    """A stretch of a clip.

    Attributes:
        clip_id: The clip.
        audio: Its file, or its id where it came from no file.
        start_s: Where it begins in the clip.
        stop_s: Where it ends.
        log_probability: Of the word, natural log, summed over its tokens and spellings.
        lift: The same less that over padding alone.
        said: Words whose middle lies in it; None where they are not known.
        is_hit: Whether the word is among them; None where they are not known.
        sound: What is heard in it, float32 at 16 kHz.
    """

    clip_id: str
    audio: str
    start_s: float
    stop_s: float
    log_probability: float
    lift: float
    said: tuple[str, ...] | None
    is_hit: bool | None
    sound: Float32[np.ndarray, " sample"]

    def to_json(self) -> dict[str, Any]:
        """Give the table's entries."""
        return {
            "clip": self.clip_id,
            "audio": self.audio,
            "start_s": finite(self.start_s),
            "stop_s": finite(self.stop_s),
            "log_probability": finite(self.log_probability),
            "probability": finite(math.exp(self.log_probability)),
            "lift": finite(self.lift),
            "said": None if self.said is None else list(self.said),
            "is_hit": self.is_hit,
        }


@dataclass(frozen=True, eq=False, repr=False)
class WordSegments(ShortRepr):
    """What was found of one word.

    Attributes:
        word: The word.
        spellings: How it was taken to be written.
        n_stretches: Stretches that were heard.
        n_labelled: Those of clips with words in time.
        n_holding: Those of them that hold the word.
        n_said: How often it is said in these clips.
        segments: The stretches, surest first.
    """

    word: str
    spellings: tuple[str, ...]
    n_stretches: int
    n_labelled: int
    n_holding: int
    n_said: int
    segments: tuple[Segment, ...]

    @property
    def hits(self) -> tuple[int, int]:
        """Stretches found that hold the word, and stretches found whose words are known."""
        known = [each.is_hit for each in self.segments if each.is_hit is not None]
        return sum(known), len(known)

    @property
    def hit_rate(self) -> Interval | None:
        """Share of the stretches found that hold the word, with Wilson's 95% interval; None without words in time."""
        return wilson_interval(*self.hits)

    @property
    def chance(self) -> float | None:
        """Share of all stretches that hold the word: what stretches drawn at random would give."""
        return self.n_holding / self.n_labelled if self.n_labelled else None


@dataclass(frozen=True, eq=False, repr=False)
class Segments(Rich):
    """The stretches of a corpus in which the decoder is surest of words.

    Attributes:
        model: The model's id.
        n_clips: Clips that were searched.
        length_s: Length of a stretch.
        step_s: From the start of one to the start of the next.
        top: Stretches kept for each word.
        context: What the transcript was taken to begin with.
        words: What was found of each word.
    """

    model: str
    n_clips: int
    length_s: float
    step_s: float
    top: int
    context: str
    words: tuple[WordSegments, ...]

    @property
    def hit_rate(self) -> Interval | None:
        """Share of all stretches found that hold their word, with Wilson's 95% interval."""
        hits, known = np.sum([each.hits for each in self.words], axis=0).tolist()
        return wilson_interval(hits, known)

    @property
    def chance(self) -> float | None:
        """The same for stretches drawn at random: the mean of each word's chance, weighed by its stretches found."""
        known = [(each.chance, each.hits[1]) for each in self.words if each.chance is not None and each.hits[1]]
        return float(np.average([one for one, _ in known], weights=[n for _, n in known])) if known else None

    def to_json(self) -> dict[str, Any]:
        """Give the table: for every word its stretches, and how many hold it."""
        return {
            "model": self.model,
            "n_clips": self.n_clips,
            "length_s": finite(self.length_s),
            "step_s": finite(self.step_s),
            "top": self.top,
            "context": self.context,
            "hit_rate": plain(self.hit_rate),
            "chance": finite(self.chance),
            "intervals": "Wilson, 95%, stretches taken as independent",
            "words": [
                {
                    "word": each.word,
                    "spellings": list(each.spellings),
                    "n_stretches": each.n_stretches,
                    "n_stretches_labelled": each.n_labelled,
                    "n_said": each.n_said,
                    "n_found": each.hits[1],
                    "n_hits": each.hits[0],
                    "hit_rate": plain(each.hit_rate),
                    "chance": finite(each.chance),
                    "segments": [segment.to_json() for segment in each.segments],
                }
                for each in self.words
            ],
        }

    def save(self, folder: str | Path, *, format_: str = "flac") -> list[Path]:
        """Write `segments.json`, `segments.parquet`, `segments.png`, and `sounds/` with every stretch.

        Args:
            folder: Where to; made when missing.
            format_: Of the sounds: `flac` or `wav`, 16 bits a sample.

        Returns:
            The files written.

        Raises:
            InputError: There is no such format.
            OutputError: A file cannot be written.
        """
        if format_ not in FORMATS:
            raise InputError(f"sounds are not written as {format_!r}: choose {' or '.join(FORMATS)}.")
        where = Path(folder)
        return [
            write_json(where / "segments.json", self.to_json()),
            self._write_table(where / "segments.parquet"),
            *self._write_sounds(where / "sounds", format_),
            *drawn(self.plot, where / "segments.png"),
        ]

    def _write_table(self, path: Path) -> Path:
        rows = [
            {"word": each.word, "rank": rank, **segment.to_json()}
            for each in self.words
            for rank, segment in enumerate(each.segments, start=1)
        ]
        with atomic_path(path) as temporary:
            pq.write_table(pa.Table.from_pylist(rows), temporary)
        return path

    def _write_sounds(self, folder: Path, format_: str) -> list[Path]:
        written: list[Path] = []
        for number, each in enumerate(self.words, start=1):
            for rank, segment in enumerate(each.segments, start=1):
                name = f"{number}-{_safe(each.word)}-{rank:02d}-{_safe(segment.clip_id)}.{format_}"
                with atomic_path(folder / name) as temporary:
                    temporary.write_bytes(encode(segment.sound, format_))
                written.append(folder / name)
        return written

    def plot(self, path: str | Path) -> Path:
        """Draw how sure the decoder is in the stretches of each word, and what is said in them.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        panels = [
            segments_picture.Panel(
                heading=f"{each.word}",
                note=_note(each),
                labels=tuple(f"{one.clip_id} {one.start_s:.2f}-{one.stop_s:.2f} s" for one in each.segments),
                values=tuple(math.exp(one.log_probability) for one in each.segments),
                said=tuple(None if one.said is None else " ".join(one.said) for one in each.segments),
                is_hit=tuple(one.is_hit for one in each.segments),
            )
            for each in self.words
        ]
        note = f"{self.model}: stretches of {self.length_s:g} s of {pictures.count(self.n_clips, 'clip')}, each alone"
        return pictures.save_figure(segments_picture.segments_figure(panels, note), path)

    def _shown(self) -> html.Shown:
        rows = [
            (
                each.word,
                f"{segment.start_s:.2f} – {segment.stop_s:.2f}",
                segment.clip_id,
                html.share(math.exp(segment.log_probability)),
                segment.said,
                segment.is_hit,
                player(segment.sound, f"{each.word} in {segment.clip_id}", width="11em"),
            )
            for rank in range(self.top)
            for each in self.words
            for segment in each.segments[rank : rank + 1]
        ]
        rows.sort(key=lambda row: [each.word for each in self.words].index(row[0]))
        columns = ("word", "seconds", "clip", "probability", "said", "holds it", "hear")
        return html.Shown(
            f"Where the decoder is surest of words: {self.model}",
            [
                ("searched", f"{self.n_clips:,} clips, {self.length_s:g} s at a time"),
                ("stretches that hold their word", html.share(self.hit_rate)),
                ("at random", html.share(self.chance)),
            ],
            [html.Table(columns, rows[: html.MOST_ROWS], "", len(rows))],
        )


def _note(each: WordSegments) -> str:
    found, known = each.hits
    if each.chance is None or not known:
        return f"of {each.n_stretches:,} stretches; what is said is not known"
    times = pictures.count(each.n_said, "time")
    return f"{found} of {known} hold it; of all {each.n_labelled:,} stretches {each.chance:.1%}; said {times}"


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name)[:60].strip("-.") or "clip"
