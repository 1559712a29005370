"""One recording, listened to in every way: where each word came from, how far frames listen, what is heard without.

Brings together the experiments on one clip and writes what a page shows of it. Costs what they cost together, most of
it the silencing of `words` and the transcripts under attention windows. Of a long recording the first window is taken.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from otoscope.audio.clip import Clip, Span, as_clip
from otoscope.audio.kinds import Kind
from otoscope.audio.spectrogram import png
from otoscope.audio.vorbis import vorbis
from otoscope.base.clocks import (
    FRAME_S,
    frames_begun,
    sample_to_seconds,
    seconds_to_frame,
    seconds_to_stop_frame,
)
from otoscope.base.files import output_errors, write_json
from otoscope.base.layout import one_line
from otoscope.base.report import Column, Report, Table
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.clips import each_clip
from otoscope.study.listening.live import waveform
from otoscope.study.listening.live_features import as_curve
from otoscope.study.locality.experiment import Locality, locality
from otoscope.study.relevance.experiment import Relevance, relevance
from otoscope.study.results import Result
from otoscope.study.splice.experiment import Spliceable
from otoscope.study.window.experiment import WindowStudy, window
from otoscope.study.words.experiment import WAYS, WordSource, WordSources, words
from otoscope.study.writing import Text, marked

KS = (250, 150, 100, 75, 50, 35, 20, 10, 5, 2)
NEAR_FRAMES = 25
INDEX, TABLE, SOUND, SPECTROGRAM, MAP = (
    "index.json",
    "listening.json",
    "sound.ogg",
    "spectrogram.png",
    "relevance.png",
)


@dataclass(frozen=True, eq=False, repr=False)
class Listening(Result):
    """What was found in one recording."""

    name = "listening"

    model: str  # the model's id
    window_s: float  # seconds that the model hears at once
    clip: Clip  # the recording, cut to one window
    words: WordSources  # its words and their sources, in three ways
    relevance: Relevance  # which frames each frame listens to
    heads: Locality | None  # how far each head listens in this clip; None where it holds no speech
    windows: WindowStudy  # what is heard under attention windows
    # what is heard without each word's frames, in the order of the words; None where it was not asked. Its frames are
    # those that labels give it, and else those of attention
    spliced: tuple[Text, ...] | None

    @property
    def n_frames(self) -> int:
        """Frames that hold recording."""
        return min(frames_begun(len(self.clip.samples)), len(self.relevance.kinds))

    def to_json(self, key: str = "0000") -> dict[str, Any]:
        """Give the table that a page reads.

        Args:
            key: The recording's number; files are named after it.
        """
        clip, said = self.clip, self.clip.transcript
        return {
            "key": key,
            "id": clip.id,
            "model": self.model,
            "duration_s": clip.duration_s,
            "frame_s": FRAME_S,
            "n_frames": self.n_frames,
            "window_s": self.window_s,
            "language": self.words.language,
            "speaker": clip.speaker,
            "said": None if said is None else {"text": said, "words": _spans(clip.words)},
            "heard": {"text": self.words.transcript, "stopped": self.words.is_stopped},
            "words": [self._word(number) for number in range(len(self.words.words))],
            "windows": [
                {
                    "k": row.k,
                    "text": row.text,
                    "stopped": row.is_stopped,
                    "errors": None if row.reference_words is None else row.reference_words.errors,
                    "n_words": 0 if row.reference_words is None else row.reference_words.n_reference,
                }
                for row in self.windows.transcripts[0]
            ],
            "local": None
            if self.heads is None
            else {"within_frames": self.heads.local_within, "share": self.heads.local_share},
            "heads": self._heads(),
            "relevance_map": {
                "file": f"listening/{key}/{MAP}",
                "n_frames": self.n_frames,
                "share_within_25": self.relevance.share_within(NEAR_FRAMES),
                "if_even": self.relevance.even_share_within(NEAR_FRAMES),
                "speech_end_s": self.relevance.speech_end_frame * FRAME_S,
            },
            "sound": f"listening/{key}/{SOUND}",
            "spectrogram": f"listening/{key}/{SPECTROGRAM}",
            "waveform": waveform(clip.samples),
        }

    def _word(self, number: int) -> dict[str, Any]:
        word = self.words.words[number]
        start_s, end_s = (frame * FRAME_S for frame in word.aligned)
        spliced = None if self.spliced is None else self.spliced[number]
        return {
            "text": word.text,
            "start_s": start_s,
            "end_s": end_s,
            "log_probability": _finite(word.log_probability),
            "true_s": None if word.true_s is None else list(word.true_s),
            "ways": {way: self._way(way, number) for way in WAYS},
            "spliced": None if spliced is None else self._without(number, spliced),
        }

    def _without(self, number: int, heard: Text) -> dict[str, Any]:
        word = self.words.words[number]
        start, stop = frames_of(word, self.n_frames)
        by = "attention" if word.true_s is None else "labels"
        frames = {"start_s": start * FRAME_S, "stop_s": stop * FRAME_S, "by": by}
        return {**frames, "text": heard.text, "stopped": heard.is_stopped}

    def _way(self, way: str, number: int) -> dict[str, Any]:
        return {
            "peak_s": (self.words.peak(way, number) + 0.5) * FRAME_S,
            "stretch_s": [frame * FRAME_S for frame in self.words.stretch(way, number)],
            "curve": as_curve(self.words.smoothed(way, number)[: self.n_frames]),
        }

    def _heads(self) -> list[dict[str, Any]]:
        heads = self.heads
        if heads is None:
            return []
        mean, offset, median = heads.mean_frames, heads.mean_offset_frames, heads.quantile_frames(0.5)
        near, local = heads.share_within(NEAR_FRAMES), heads.share_within(heads.local_within)
        return [
            {
                "block": int(block),
                "head": int(head),
                "mean_frames": _finite(mean[block, head]),
                "median_frames": _finite(median[block, head]),
                "share_within_25": _finite(near[block, head]),
                "share_local": _finite(local[block, head]),
                "is_local": bool(heads.is_local[block, head]),
                "mean_offset_frames": _finite(offset[block, head]),
            }
            for block, head in np.ndindex(*near.shape)
        ]

    def map_png(self) -> bytes:
        """Draw the relevance map as an 8-bit grey PNG: a row for each frame that listens, white for the most."""
        shown = self.relevance.added[: self.n_frames, : self.n_frames]
        top = float(np.quantile(shown, pictures.BRIGHTEST_QUANTILE)) if shown.size else 0.0
        scaled = np.sqrt(np.clip(shown / top, 0, 1)) if top > 0 else np.zeros_like(shown)
        file = io.BytesIO()
        Image.fromarray(np.round(255 * scaled).astype(np.uint8)).save(file, "PNG", optimize=True)
        return file.getvalue()

    def save(self, folder: str | Path, key: str = "0000") -> list[Path]:
        """Write `listening.json`, `sound.ogg`, `spectrogram.png` and `relevance.png`.

        Args:
            folder: Where to; made when missing.
            key: The recording's number in its study.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        contents = {
            SOUND: vorbis(self.clip.samples),
            SPECTROGRAM: png(self.clip.samples),
            MAP: self.map_png(),
        }
        with output_errors(where):
            where.mkdir(parents=True, exist_ok=True)
            for name, content in contents.items():
                (where / name).write_bytes(content)
        return [write_json(where / TABLE, self.to_json(key)), *(where / name for name in contents)]

    def figures(self) -> Mapping[str, Callable[[], Figure]]:
        """Draw where each word came from, in three ways."""
        return self.words.figures()

    def report(self) -> Report:
        """Say what was heard, and what under each attention window; a page reads all the rest."""
        rows = [
            (row.k if row.k is not None else "no limit", marked(one_line(row.text), is_stopped=row.is_stopped))
            for row in self.windows.transcripts[0]
        ]
        return Report(
            f"Listening to {self.clip.id}: {self.model}",
            display_only=[("heard", self.words.transcript), ("said", self.clip.transcript)],
            parts=[Table([Column(None, "frames on either side"), Column(None, "heard")], rows)],
        )


def listen(
    model: Whisper,
    clip: Sound,
    *,
    ks: Sequence[int] = KS,
    splice: bool = True,
    language: str | None = None,
    seed: int = 0,
) -> Listening:
    """Listen to one recording in every way.

    Args:
        model: Any Whisper with a tokenizer.
        clip: A clip, an array at 16 kHz or a path; of one longer than a window the first window.
        ks: Attention windows to transcribe under.
        splice: Whether to transcribe without each word's frames, too.
        language: What is spoken, as Whisper's code; by default what the model finds.
        seed: Of intervals.

    Returns:
        What was found.

    Raises:
        InputError: A setting cannot be used.
        AudioError: The recording cannot be used.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1.
    """
    read = first_window(as_clip(clip), model)
    sources = words(model, read, language=language)
    spliced = None
    if splice:
        stretches = [frames_of(word, frames_begun(len(read.samples))) for word in sources.words]
        spliced = tuple(Spliceable(model, read, language).without(stretches, cuts_loops=True))
    has_speech = any((kinds == Kind.SPEECH).any() for kinds in sources.kinds)
    return Listening(
        model=model.name,
        window_s=model.window_s,
        clip=read,
        words=sources,
        relevance=relevance(model, read),
        heads=locality(model, [read]) if has_speech else None,
        windows=window(model, [read], ks=ks, language=language, seed=seed),
        spliced=spliced,
    )


def listen_many(
    model: Whisper,
    clips: Iterable[Clip],
    folder: str | Path,
    *,
    ks: Sequence[int] = KS,
    language: str | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Listen to recordings one after another, each in a folder of its own beside `index.json`."""
    where, rows = Path(folder), []
    chosen = list(clips)
    for number, clip in enumerate(each_clip(chosen, progress)):
        key = f"{number:04d}"
        listening = listen(model, clip, ks=ks, language=language, seed=seed)
        listening.save(where / key, key)
        rows.append(
            {
                "key": key,
                "id": clip.id,
                "duration_s": listening.clip.duration_s,
                "heard": listening.words.transcript,
                "said": listening.clip.transcript,
            }
        )
    write_json(where / INDEX, {"clips": rows})
    return rows


def frames_of(word: WordSource, n_frames: int) -> tuple[int, int]:
    """Give the frames [start, stop) that a word touches: by its labels, or else where attention puts it."""
    if word.true_s is None:
        return word.aligned
    start = min(seconds_to_frame(word.true_s[0]), max(n_frames - 1, 0))
    return start, max(start + 1, min(seconds_to_stop_frame(word.true_s[1]), n_frames))


def first_window(clip: Clip, model: Whisper) -> Clip:
    """Cut a clip to what the model hears at once; of labels what lies in it is kept, and the transcript only whole."""
    n = model.window_samples
    if len(clip.samples) <= n:
        return clip
    end_s = sample_to_seconds(n)

    def within(spans: tuple[Span, ...] | None) -> tuple[Span, ...] | None:
        return None if spans is None else tuple(span for span in spans if span.end_s <= end_s)

    return replace(
        clip, samples=clip.samples[:n], transcript=None, words=within(clip.words), phones=within(clip.phones)
    )


def _spans(spans: tuple[Span, ...] | None) -> list[list[Any]] | None:
    return None if spans is None else [[span.start_s, span.end_s, span.text] for span in spans]


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
