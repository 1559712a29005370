"""What is transcribed when part of the final encoder output is replaced by that of padding only?

Costs one run of the encoder, and two of the decoder over every window that is touched. Recordings longer than one
window are taken window by window, side by side, so that a frame's number says where it lies. `splice_words` splices
whole words over many clips.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from otoscope.audio.clip import Clip, as_clip
from otoscope.base.clocks import FRAME_SAMPLES, frame_to_seconds, seconds_to_frame, seconds_to_stop_frame
from otoscope.base.errors import InputError
from otoscope.base.layout import one_line
from otoscope.base.numbers import written
from otoscope.base.report import Report
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.error_rate import ErrorRate, changed_words, word_errors, words_of
from otoscope.study.results import Result
from otoscope.study.splice.picture import stretch_figure
from otoscope.study.writing import Text, join_texts, marked, room_beside, text_of, write_texts, write_windows


@dataclass(frozen=True, eq=False, repr=False)
class Splice(Result):
    """One recording's transcript with and without a stretch of its encoder output."""

    name = "splice"

    model: str
    clip_id: str
    audio: str  # the clip's file, or its id where it came from no file
    start: int  # the first frame replaced, from the start of the recording
    stop: int  # the frame after the last one replaced
    n_frames: int  # in all windows of the recording, padding included
    original: str  # the transcript of the encoder output as it is
    spliced: str
    loudness: np.ndarray  # largest sample of each frame of the recording, float32 [frame], for the picture
    is_stopped: bool = False  # whether the decoder had no room to end the spliced transcript

    @property
    def words(self) -> ErrorRate:
        """Word errors of the spliced transcript against the original."""
        return word_errors(self.original, self.spliced)

    @property
    def words_gone(self) -> tuple[str, ...]:
        """Words of the original, normalised, that the spliced transcript does not hold in their place."""
        return changed_words(self.original, self.spliced)[0]

    @property
    def words_new(self) -> tuple[str, ...]:
        """Words of the spliced transcript, normalised, that the original does not hold in their place."""
        return changed_words(self.original, self.spliced)[1]

    def report(self) -> Report:
        """Show both transcripts, and name the words that went and came."""
        start_s, stop_s = frame_to_seconds(self.start), frame_to_seconds(self.stop)
        return Report(
            f"{self.clip_id}: frames {self.start} to {self.stop - 1} ({start_s:.2f}-{stop_s:.2f} s) of the encoder "
            f"output replaced by padding's: {self.model}",
            facts={
                **self.fields("model", "audio", "original", "spliced"),
                "stopped": self.is_stopped,
                "frames": [self.start, self.stop],
                "seconds": [start_s, stop_s],
                "n_frames": self.n_frames,
                "words_gone": self.words_gone,
                "words_new": self.words_new,
                "n_words": len(words_of(self.original)),
                "wer": self.words.rate,
            },
            display_only=[
                ("original", one_line(self.original)),
                ("spliced", marked(one_line(self.spliced), is_stopped=self.is_stopped)),
                ("words gone", self.words_gone or "none"),
                ("words come", self.words_new or "none"),
                ("word error rate against the original", written(self.words.rate, "share")),
            ],
        )

    def figure(self) -> Figure:
        """Draw the recording with the replaced stretch, both transcripts, and the words that changed."""
        return stretch_figure(self)


class Spliceable:
    """One clip's encoder output, ready to be spliced any number of times.

    Args:
        model: Any Whisper.
        clip: The clip.
        language: Language spoken, as Whisper's code; None for the clip's, or else the one that the model detects in the
            first window's encoder output, spliced or not.
        padding: The encoder output of padding only, [1, frame, d_model], where it is computed already.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1, "Removing words in embedding space".
    """

    def __init__(self, model: Whisper, clip: Clip, language: str | None, *, padding: Tensor | None = None) -> None:
        self._model = model
        self._language = language or clip.language
        self._encoding = model.encode(clip)
        self._padding = (model.padded_encoding() if padding is None else padding)[0]
        written = write_windows(model, self._encoding[:1], [self._language])
        self._found_language = written[0][0]
        written += write_windows(model, self._encoding[1:], [self._found_language] * (len(self._encoding) - 1))
        self._rows = [Text(code, text_of(model, row.tokens), row.is_stopped) for code, row in written]
        self._room = [room_beside(len(row.tokens)) for _, row in written]

    @property
    def n_frames(self) -> int:
        """Frames in all windows, padding included."""
        return self._encoding.shape[0] * self._encoding.shape[1]

    @property
    def original(self) -> str:
        """The transcript of the encoder output as it is."""
        return join_texts(self._rows).text

    def without(self, stretches: Sequence[tuple[int, int]], *, cuts_loops: bool = False) -> list[Text]:
        """Transcribe the clip once for each stretch, with that stretch replaced by padding's encoder output.

        Returns:
            One transcript for each stretch. Windows that a stretch does not touch keep their text.
        """
        touched = [(number, window) for number, stretch in enumerate(stretches) for window in self._touched(stretch)]
        if not touched:
            return []
        encodings = torch.stack([self._spliced(window, stretches[number]) for number, window in touched])
        languages = [self._found_language if window else self._language for _, window in touched]
        most = [self._room[window] for _, window in touched] if cuts_loops else None
        rows = [list(self._rows) for _ in stretches]
        written = write_texts(self._model, encodings, languages, most_tokens=most)
        for (number, window), row in zip(touched, written, strict=True):
            rows[number][window] = row
        return [join_texts(texts) for texts in rows]

    def _touched(self, stretch: tuple[int, int]) -> Iterable[int]:
        """Return the windows that a stretch touches."""
        per_window = self._encoding.shape[1]
        return range(stretch[0] // per_window, (stretch[1] - 1) // per_window + 1)

    def _spliced(self, window: int, stretch: tuple[int, int]) -> Float[Tensor, "frame d_model"]:
        """Replace the part of one window that a stretch covers."""
        first = window * self._encoding.shape[1]
        start, stop = max(stretch[0] - first, 0), max(stretch[1] - first, 0)
        spliced = self._encoding[window].clone()
        spliced[start:stop] = self._padding[start:stop]
        return spliced


def splice(
    model: Whisper,
    clip: Sound,
    start: float,
    stop: float,
    unit: Literal["frames", "seconds"] = "frames",
    *,
    language: str | None = None,
) -> Splice:
    """Transcribe a clip with the final encoder output of [start, stop) replaced by that of padding only.

    Args:
        model: Any Whisper.
        clip: A clip, an array at 16 kHz or a path.
        start: Where the stretch begins, from the start of the recording.
        stop: Where it ends; frames from here on stay.
        unit: `frames` of 20 ms, or `seconds`, of which every frame that they touch is replaced. Frames are numbered
            through all windows of a recording and through the padding of the last.
        language: Language spoken, as Whisper's code; by default the one that the model detects in the first window's
            encoder output, spliced or not.

    Returns:
        Both transcripts. Splicing all frames gives the transcript of padding only.

    Raises:
        InputError: The stretch is empty, negative or past the end, or the unit is unknown.
        AudioError: The recording cannot be used.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1, "Removing words in embedding space".
    """
    read = as_clip(clip)
    n_windows = -(-len(read.samples) // model.window_samples)
    first, last = stretch_frames(start, stop, unit, n_windows * model.n_frames)
    spliceable = Spliceable(model, read, language)
    (spliced,) = spliceable.without([(first, last)])
    return Splice(
        model=model.name,
        clip_id=read.id,
        audio=read.source,
        start=first,
        stop=last,
        n_frames=spliceable.n_frames,
        original=spliceable.original,
        spliced=spliced.text,
        loudness=_loudness(read.samples),
        is_stopped=spliced.is_stopped,
    )


def stretch_frames(start: float, stop: float, unit: str, n_frames: int) -> tuple[int, int]:
    """Check a stretch and give it in frames."""
    if unit not in ("frames", "seconds"):
        raise InputError(f"unit {unit!r} is unknown: 'frames' (20 ms each) and 'seconds' are known. Give one of them.")
    end = f"{n_frames} frames, {frame_to_seconds(n_frames):g} s, padding included"
    if start < 0 or not start < stop:
        raise InputError(
            f"{unit} {start:g} to {stop:g} are no stretch: it starts at 0 or later and stops after it starts, "
            f"within {end}. Give start and stop in that order."
        )
    if unit == "seconds":
        first, last = seconds_to_frame(start), seconds_to_stop_frame(stop)
    elif float(start).is_integer() and float(stop).is_integer():
        first, last = int(start), int(stop)
    else:
        raise InputError(f"frames {start:g} to {stop:g} are not whole frames of 20 ms: give whole numbers, or seconds.")
    if last > n_frames:
        raise InputError(
            f"{unit} {start:g} to {stop:g} go past the end: the windows of this clip hold {end}. Stop earlier."
        )
    return first, last


def _loudness(samples: np.ndarray) -> np.ndarray:
    """Return the largest sample of each frame, float32 [frame]."""
    padded = np.pad(np.abs(samples), (0, -len(samples) % FRAME_SAMPLES))
    return np.asarray(padded.reshape(-1, FRAME_SAMPLES).max(axis=1), dtype=np.float32)
