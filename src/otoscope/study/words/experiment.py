"""Which frames did each word come from? By attention, by relevance and by silencing, side by side.

`tracing` says what it costs in time and memory, window by window. `scores` measures how often each way is right over
many clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from otoscope.audio.clip import Clip, as_clip
from otoscope.audio.player import player
from otoscope.audio.windows import check_window
from otoscope.base import html
from otoscope.base.clocks import FRAME_S, frames_begun, seconds_to_sample
from otoscope.base.layout import one_line
from otoscope.base.report import Column, Fact, Report, Table
from otoscope.base.settings import takes
from otoscope.model.transcription import UNSPACED_LANGUAGES
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.results import Result
from otoscope.study.target import TargetWord
from otoscope.study.word_target import find_word
from otoscope.study.words.curves import SMOOTH_FRAMES, half_height, running_mean
from otoscope.study.words.labels import true_times
from otoscope.study.words.perturbation import sliding
from otoscope.study.words.picture import words_figure, zoom_figure
from otoscope.study.words.settings import WordsSettings
from otoscope.study.words.tracing import Trace, TracedWord, Tracing, in_frames, n_sound_frames, trace_window
from otoscope.study.writing import marked

WAYS = ("attention", "relevance", "perturbation")
WAY_NAMES = {"attention": "attention", "relevance": "relevance", "perturbation": "silencing"}
"""What people read in place of a key."""
"""The three ways, in the order of tables and pictures."""

N_HEARD = 12
"""Words that can be played in a notebook at most."""


@dataclass(frozen=True)
class WordSource(TracedWord):
    """One word of the transcript, with the time when it is spoken where that is known."""

    window: int  # which window of the recording
    index: int  # among the words of that window
    true_s: tuple[float, float] | None  # when it is spoken by the labels, from the start of the window; None: not known


@dataclass(frozen=True, eq=False, repr=False)
class WordSources(Result):
    """Every word of a recording with three curves over the frames of its window."""

    name = "words"

    model: str
    clip_id: str
    audio: str  # the clip's file, or its id where it came from no file
    samples: np.ndarray  # the recording
    n_mels: int  # mel bands of the model, for pictures
    windows: tuple[int, ...]  # which windows were traced
    kinds: np.ndarray  # what each frame of them holds, int8 [window, frame]
    language: str  # what is spoken, as Whisper's code
    transcript: str  # of these windows
    words: tuple[WordSource, ...]  # in order
    attention: np.ndarray  # mean pattern of the alignment heads where it is predicted, float32 [word, frame]
    relevance: np.ndarray  # carried through decoder and encoder, float32 [word, frame]
    perturbation: np.ndarray  # fall of its log-probability when a frame is silenced, float32 [word, frame]
    heads: tuple[tuple[int, int], ...]  # alignment heads, (block, head)
    stretch_s: float  # length of sound silenced at a time
    step_s: float  # from one silenced stretch to the next
    zoom: int | None  # the word drawn large; None where there is none
    is_stopped: bool = False  # whether the decoder had no room to end the text of a window

    def start_s(self, window: int) -> float:
        """Return where a window begins in the recording, in seconds."""
        return window * self.kinds.shape[1] * FRAME_S

    def n_sound(self, window: int) -> int:
        """Count the frames of a window that hold recording."""
        return n_sound_frames(self.kinds[self.windows.index(window)])

    def curve(self, way: str, word: int) -> np.ndarray:
        """Return a word's curve over the frames of its window that hold recording, float32 [frame].

        Args:
            way: One of `WAYS`.
            word: Its index in `words`.

        Returns:
            The curve; padding is left out, for no word comes from there.
        """
        values: np.ndarray = getattr(self, way)[word, : self.n_sound(self.words[word].window)]
        return values

    def smoothed(self, way: str, word: int) -> np.ndarray:
        """Return the running mean of a word's curve over `SMOOTH_FRAMES`, float32 [frame]."""
        return running_mean(self.curve(way, word), SMOOTH_FRAMES)

    def peak(self, way: str, word: int) -> int:
        """Return the frame where a word's smoothed curve is highest, from the start of its window."""
        return int(self.smoothed(way, word).argmax())

    def stretch(self, way: str, word: int) -> tuple[int, int]:
        """Return the frames [start, stop) that a word comes from, from the start of its window.

        For attention these are the alignment's; otherwise those around the peak of the smoothed curve where it stays at
        half its height or more.
        """
        if way == "attention":
            return self.words[word].aligned
        return half_height(self.smoothed(way, word))

    def report(self) -> Report:
        """List each word with peak and stretch by each way, in seconds from the start of the recording."""
        return Report(
            f"Where each word of {self.clip_id} came from: {self.model}",
            "" if self.words else "the model writes nothing here, so there are no words to trace",
            {
                "model": self.model,
                "audio": self.audio,
                "language": Fact(self.language, "language"),
                "transcript": self.transcript,
                "stopped": self.is_stopped,
                "windows": self.windows,
                "n_frames": int(self.kinds.shape[1]),
                "frame_s": FRAME_S,
                "alignment_heads": self.heads,
                "silenced_s": self.stretch_s,
                "step_s": self.step_s,
            },
            display_only=[("transcript", marked(one_line(self.transcript), is_stopped=self.is_stopped) or None)],
            parts=[
                Table(
                    COLUMNS,
                    [self._row(number) for number in range(len(self.words))],
                    "Peak and stretch by each way, in seconds from the start of the recording",
                    key="words",
                    most=max(len(self.words), 1),
                    for_people=bool(self.words),
                )
            ],
            sounds=[player(self.samples, f"Recording {self.clip_id}")],
        )

    def _row(self, number: int) -> tuple[Any, ...]:
        """Return the cells of `COLUMNS` for one word."""
        word = self.words[number]
        first_s = self.start_s(word.window)
        true_s = None if word.true_s is None else [first_s + moment for moment in word.true_s]
        ways, cells = [], []
        for way in WAYS:
            peak = self.peak(way, number)
            peak_s = first_s + (peak + 0.5) * FRAME_S
            stretch_s = [first_s + frame * FRAME_S for frame in self.stretch(way, number)]
            ways.append({"peak_s": peak_s, "peak": float(self.smoothed(way, number)[peak]), "stretch_s": stretch_s})
            cells.append(f"{peak_s:.2f} ({_stretch_text(stretch_s)})")
        probability = float(np.exp(word.log_probability))
        for_json = (word.text, word.window, word.index, word.tokens, word.log_probability, true_s, *ways)
        return (number, *for_json, None if true_s is None else _stretch_text(true_s), *cells, probability)

    def arrays(self) -> dict[str, Any]:
        """Return the curves, the window of each word, and what each frame holds."""
        window = np.array([word.window for word in self.words], dtype=np.int64)
        curves = {way: getattr(self, way) for way in WAYS}
        return {**curves, "window": window, "windows": np.array(self.windows), "kinds": self.kinds}

    def figures(self) -> dict[str, Callable[[], Figure]]:
        """Draw `words` for each window that has words (`words_1` for the second) and `words_zoom` for one word."""
        windows = dict.fromkeys(word.window for word in self.words)
        figures: dict[str, Callable[[], Figure]] = {
            self.name if window == 0 else f"{self.name}_{window}": partial(words_figure, self, window)
            for window in windows
        }
        return figures if self.zoom is None else {**figures, "words_zoom": partial(zoom_figure, self, self.zoom)}

    def plot_word(self, path: str | Path, word: int | str) -> Path:
        """Draw spectrogram, waveform and the three curves of one word.

        Args:
            path: Where to; PNG.
            word: Its number in `words`, or its text if it occurs once.

        Raises:
            InputError: The word is not there.
            OutputError: The file cannot be written.
        """
        number = find_word([source.text for source in self.words], TargetWord(word), transcript=self.transcript)
        return pictures.save_figure(zoom_figure(self, number), path)

    def _shown(self) -> html.Shown:
        """Show the report, and let the first words be heard where attention found them."""
        shown = super()._shown()
        if not self.words:
            return shown
        (listed,) = shown.tables
        heard = [self._player(number) if number < N_HEARD else None for number in range(len(listed.rows))]
        rows = [(*row, sound) for row, sound in zip(listed.rows, heard, strict=True)]
        return replace(shown, tables=[replace(listed, columns=(*listed.columns, "by attention"), rows=rows)])

    def _player(self, number: int) -> html.Html:
        """Make a player of the sound where attention found a word."""
        word = self.words[number]
        start, stop = (seconds_to_sample(self.start_s(word.window) + frame * FRAME_S) for frame in word.aligned)
        return player(self.samples[start:stop], f"Where attention found {word.text}", width="9em")


COLUMNS = (
    Column(None, ""),
    Column("word", "word"),
    Column("window"),
    Column("index"),
    Column("tokens"),
    Column("log_probability"),
    Column("true_s"),
    *(Column(way) for way in WAYS),
    Column(None, "labelled"),
    *(Column(None, WAY_NAMES[way]) for way in WAYS),
    Column(None, "probability", "share"),
)


def _stretch_text(seconds: Sequence[float]) -> str:
    return f"{seconds[0]:.2f}-{seconds[1]:.2f}"


@takes(WordsSettings)
def words(
    model: Whisper,
    clip: Sound,
    *,
    settings: WordsSettings,
    word: int | str | None = None,
    window: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> WordSources:
    """Find the frames that each word of a recording's transcript came from, in three ways.

    Attention: where the alignment heads look when the word is predicted; the stretch is that of the alignment (dynamic
    time warping). Relevance: gradient-weighted attention carried through the decoder's self-attention, its
    cross-attention and the encoder. Silencing (`perturbation`): by how much the log-probability of the word falls,
    given all words before it, when a stretch of the log-mel is silenced; each frame stands for the stretch around it.

    Args:
        model: Any Whisper with a tokenizer.
        clip: A clip, an array at 16 kHz or a path. Longer than a window, it is taken window by window, side by side.
        settings: How words are traced. By default the padding later than half a second after the recording keeps the
            encoding that it has when nothing is silenced, which is several times as fast as `exact`. The language is
            by default the clip's, or the one that the model detects in the first window traced.
        word: The word to draw large: its text if it occurs once, or its number; by default the one that silence hurts
            most.
        window: Trace this window alone; all by default.
        progress: Called with the number of stretches silenced and the number in all.

    Returns:
        Words and curves. A recording in which the model writes nothing has none.

    Raises:
        InputError: The word or window is not there, or a setting cannot be used.
        AudioError: The recording cannot be used.
        ModelError: The model has no tokenizer.

    Source:
        Chefer, Gur and Wolf 2021, "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder
        Transformers" (arXiv 2103.15679), for relevance; OpenAI Whisper, `whisper/timing.py`, for alignment; Zeiler and
        Fergus 2014 (arXiv 1311.2901) for silencing. The encoder's part is that of "Interpreting OpenAI's Whisper"
        (Ellena Reid, 2023), claim 1.
    """
    tracing = in_frames(model, settings)
    read = as_clip(clip)
    n_windows = -(-len(read.samples) // model.window_samples)
    if window is not None:
        check_window(window, n_windows)
    chosen = tuple(range(n_windows)) if window is None else (window,)
    target = None if word is None else TargetWord(word)
    n_all = sum(_n_stretches(len(read.samples), number, model, tracing) for number in chosen)
    n_done = 0

    def advance(n: int) -> None:
        nonlocal n_done
        n_done += n
        if progress is not None:
            progress(n_done, n_all)

    traces: list[Trace] = []
    kinds: list[np.ndarray] = []
    for number, part in enumerate(model.each_window(read)):
        if number not in chosen:
            continue
        language = traces[0].language if traces else settings.language or read.language
        check = target if len(chosen) == 1 else None
        traces.append(trace_window(model, part, tracing, language=language, target=check, progress=advance))
        kinds.append(part.kinds[0])
    return _joined(model, read, chosen, traces, kinds, tracing, target)


def _n_stretches(n_samples: int, window: int, model: Whisper, tracing: Tracing) -> int:
    """Count the stretches that will be silenced in a window."""
    n_frames = min(frames_begun(n_samples) - window * model.n_frames, model.n_frames)
    return len(sliding(n_frames, tracing.stretch, tracing.step)[0])


def _joined(
    model: Whisper,
    clip: Clip,
    chosen: tuple[int, ...],
    traces: Sequence[Trace],
    kinds: Sequence[np.ndarray],
    tracing: Tracing,
    target: TargetWord | None,
) -> WordSources:
    """Join the windows."""
    traced = [
        (window, index, word)
        for window, trace in zip(chosen, traces, strict=True)
        for index, word in enumerate(trace.words)
    ]
    language = traces[0].language
    space = "" if language in UNSPACED_LANGUAGES else " "
    transcript = space.join(trace.transcript for trace in traces if trace.transcript)
    times = true_times(clip, [word.text for _, _, word in traced])
    sources = tuple(
        WordSource(**vars(word), window=window, index=index, true_s=_within(time, window, model.window_s))
        for (window, index, word), time in zip(traced, times, strict=True)
    )
    falls = np.concatenate([trace.perturbation for trace in traces])
    if target is not None:
        zoom: int | None = find_word([word.text for word in sources], target, transcript=transcript)
    else:
        zoom = int(falls.max(axis=1).argmax()) if sources else None
    return WordSources(
        model=model.name,
        clip_id=clip.id,
        audio=clip.source,
        samples=clip.samples,
        n_mels=model.n_mels,
        windows=chosen,
        kinds=np.stack(kinds),
        language=language,
        transcript=transcript,
        words=sources,
        attention=np.concatenate([trace.attention for trace in traces]),
        relevance=np.concatenate([trace.relevance for trace in traces]),
        perturbation=falls,
        heads=tuple((head.block, head.head) for head in tracing.heads),
        stretch_s=tracing.stretch * FRAME_S,
        step_s=tracing.step * FRAME_S,
        zoom=zoom,
        is_stopped=any(trace.is_stopped for trace in traces),
    )


def _within(time: tuple[float, float] | None, window: int, window_s: float) -> tuple[float, float] | None:
    """Put a time on the clock of its window; None where no part of it lies inside."""
    if time is None:
        return None
    start, end = (min(max(moment - window * window_s, 0.0), window_s) for moment in time)
    return (start, end) if start < end else None
