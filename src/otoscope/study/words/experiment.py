"""Which frames did each word come from? By attention, by relevance and by silencing, side by side.

What it costs in time and memory is in `words_tracing`, window by window. How often each way is right over many clips is
for `words_scores`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.audio.clip import Clip, as_clip
from otoscope.audio.player import player
from otoscope.audio.windows import check_window
from otoscope.base import html
from otoscope.base.clocks import FRAME_S, frames_begun, seconds_to_sample
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import finite
from otoscope.model.alignment import check_heads
from otoscope.model.transcription import UNSPACED_LANGUAGES
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.result_files import drawn, write_arrays
from otoscope.study.rich import Rich
from otoscope.study.target import Word
from otoscope.study.word_target import find_word
from otoscope.study.words import picture as words_picture
from otoscope.study.words.curves import SMOOTH_FRAMES, half_height, running_mean
from otoscope.study.words.labels import true_times
from otoscope.study.words.perturbation import sliding
from otoscope.study.words.tracing import Settings, Trace, n_sound_frames, trace_window
from otoscope.study.writing import marked

WAYS = ("attention", "relevance", "perturbation")
"""The three ways, in the order of tables and pictures."""

N_HEARD = 12
"""Words that can be heard in a notebook."""


@dataclass(frozen=True)
class WordSource:
    """One word of the transcript, and when it is spoken where that is known.

    Attributes:
        window: Which window of the recording.
        index: Its place among the words of that window.
        text: As written, without spaces around it.
        tokens: Its token ids.
        log_probability: Of its tokens together, given the sound and all tokens before; natural logarithm.
        aligned: Its frames [start, stop) by alignment, from the start of the window.
        true_s: When it is spoken by the clip's labels, from the start of the window, in seconds; None where not known.
    """

    window: int
    index: int
    text: str
    tokens: tuple[int, ...]
    log_probability: float
    aligned: tuple[int, int]
    true_s: tuple[float, float] | None


@dataclass(frozen=True, eq=False, repr=False)
class WordSources(Rich):
    """Every word of a recording with three curves over the frames of its window.

    Attributes:
        model: The model's id.
        clip_id: The clip's id.
        audio: The clip's file, or its id where it came from no file.
        samples: The recording, for pictures.
        n_mels: Mel bands of the model, for pictures.
        windows: Which windows were looked at.
        kinds: What each frame of them holds, int8 [window, frame].
        language: What is spoken, as Whisper's code.
        transcript: The text of these windows.
        words: Its words, in order.
        attention: Mean pattern of the alignment heads where the word is predicted, float32 [word, frame].
        relevance: Relevance carried through decoder and encoder, float32 [word, frame].
        perturbation: By how much the word's log-probability falls when a frame is silenced, float32 [word, frame].
        heads: The alignment heads, (block, head).
        stretch_s: Seconds silenced at a time.
        step_s: Seconds from one silenced stretch to the next.
        zoom: The word drawn large; None where there is none.
        is_stopped: Whether the decoder had no room to end the text of a window.
    """

    model: str
    clip_id: str
    audio: str
    samples: np.ndarray
    n_mels: int
    windows: tuple[int, ...]
    kinds: np.ndarray
    language: str
    transcript: str
    words: tuple[WordSource, ...]
    attention: np.ndarray
    relevance: np.ndarray
    perturbation: np.ndarray
    heads: tuple[tuple[int, int], ...]
    stretch_s: float
    step_s: float
    zoom: int | None
    is_stopped: bool = False

    def curve(self, way: str, word: int) -> np.ndarray:
        """Give a word's curve over the frames of its window that hold recording, float32 [frame].

        Args:
            way: One of `WAYS`.
            word: Its place in `words`.

        Returns:
            The curve; padding is left out, for no word comes from there.
        """
        kinds = self.kinds[self.windows.index(self.words[word].window)]
        values: np.ndarray = getattr(self, way)[word, : n_sound_frames(kinds)]
        return values

    def smoothed(self, way: str, word: int) -> np.ndarray:
        """Give the running mean of a word's curve over `SMOOTH_FRAMES`, float32 [frame]."""
        return running_mean(self.curve(way, word), SMOOTH_FRAMES)

    def peak(self, way: str, word: int) -> int:
        """Give the frame where a word's smoothed curve is highest, from the start of its window."""
        return int(self.smoothed(way, word).argmax())

    def stretch(self, way: str, word: int) -> tuple[int, int]:
        """Give the frames [start, stop) that a word comes from, from the start of its window.

        For attention these are the alignment's; otherwise those around the peak of the smoothed curve where it keeps to
        half its height or more.
        """
        if way == "attention":
            return self.words[word].aligned
        return half_height(self.smoothed(way, word))

    def to_json(self) -> dict[str, Any]:
        """Give the table: each word with peak and stretch by each way, in seconds from the start of the recording."""
        return {
            "model": self.model,
            "audio": self.audio,
            "language": self.language,
            "transcript": self.transcript,
            "stopped": self.is_stopped,
            "windows": list(self.windows),
            "n_frames": int(self.kinds.shape[1]),
            "frame_s": FRAME_S,
            "alignment_heads": [list(head) for head in self.heads],
            "silenced_s": finite(self.stretch_s),
            "step_s": finite(self.step_s),
            "words": [self._row(number) for number in range(len(self.words))],
        }

    def _row(self, number: int) -> dict[str, Any]:
        word = self.words[number]
        first_s = word.window * self.kinds.shape[1] * FRAME_S
        row: dict[str, Any] = {
            "word": word.text,
            "window": word.window,
            "index": word.index,
            "tokens": list(word.tokens),
            "log_probability": finite(word.log_probability),
            "true_s": None if word.true_s is None else [finite(first_s + moment) for moment in word.true_s],
        }
        for way in WAYS:
            peak = self.peak(way, number)
            row[way] = {
                "peak_s": finite(first_s + (peak + 0.5) * FRAME_S),
                "peak": finite(float(self.smoothed(way, number)[peak])),
                "stretch_s": [finite(first_s + frame * FRAME_S) for frame in self.stretch(way, number)],
            }
        return row

    def save(self, folder: str | Path) -> list[Path]:
        """Write `words.json`, `words.npz` (the curves), `words.png` for each window and `words_zoom.png` for one word.

        Windows after the first are numbered (`words_1.png`); there is no picture where there is no word.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        curves = {way: getattr(self, way) for way in WAYS}
        window = np.array([word.window for word in self.words], dtype=np.int64)
        files = [
            write_json(where / "words.json", self.to_json()),
            write_arrays(
                where / "words.npz", **curves, window=window, windows=np.array(self.windows), kinds=self.kinds
            ),
        ]
        for number in dict.fromkeys(word.window for word in self.words):
            files += drawn(self.plot, where / ("words.png" if number == 0 else f"words_{number}.png"), window=number)
        if self.zoom is not None:
            files += drawn(self.plot_word, where / "words_zoom.png", self.zoom)
        return files

    def plot(self, path: str | Path, *, window: int | None = None) -> Path:
        """Draw spectrogram, waveform and a map [word, frame] for each way.

        Args:
            path: Where to; PNG.
            window: Which window; the first by default.

        Returns:
            The file written.

        Raises:
            InputError: That window was not looked at.
            OutputError: The file cannot be written.
        """
        chosen = self.windows[0] if window is None else window
        if chosen not in self.windows:
            there = ", ".join(map(str, self.windows))
            raise InputError(f"window {chosen} was not looked at: there is {there}. Name one of these.")
        numbers = [number for number, word in enumerate(self.words) if word.window == chosen]
        return pictures.save_figure(words_picture.words_figure(self._view(chosen), self._views(numbers)), path)

    def plot_word(self, path: str | Path, word: int | str) -> Path:
        """Draw spectrogram, waveform and the three curves of one word.

        Args:
            path: Where to; PNG.
            word: Its place in `words`, or its text where that is there once.

        Returns:
            The file written.

        Raises:
            InputError: The word is not there.
            OutputError: The file cannot be written.
        """
        number = find_word([one.text for one in self.words], Word(word), transcript=self.transcript)
        view = self._view(self.words[number].window)
        return pictures.save_figure(words_picture.zoom_figure(view, self._views([number])[0]), path)

    def _view(self, window: int) -> words_picture.View:
        """Collect what the pictures need of a window."""
        n_frames = self.kinds.shape[1]
        return words_picture.View(
            samples=words_picture.window_samples(self.samples, window, n_frames),
            n_mels=self.n_mels,
            n_sound=n_sound_frames(self.kinds[self.windows.index(window)]),
            start_s=window * n_frames * FRAME_S,
            name=f"{self.model}, {self.clip_id}" + (f", window {window}" if window else ""),
            silenced_s=self.stretch_s,
        )

    def _views(self, numbers: Sequence[int]) -> list[words_picture.WordView]:
        """Collect what the pictures need of words."""
        return [
            words_picture.WordView(
                text=self.words[number].text,
                true_s=self.words[number].true_s,
                curves={way: self.curve(way, number) for way in WAYS},
                smoothed={way: self.smoothed(way, number) for way in WAYS},
                stretches={way: self.stretch(way, number) for way in WAYS},
                log_probability=self.words[number].log_probability,
            )
            for number in numbers
        ]

    def _shown(self) -> html.Shown:
        rows = []
        for number, word in enumerate(self.words[: html.MOST_ROWS]):
            first_s = word.window * self.kinds.shape[1] * FRAME_S
            start_s, stop_s = (first_s + frame * FRAME_S for frame in word.aligned)
            peaks = [f"{first_s + (self.peak(way, number) + 0.5) * FRAME_S:.2f}" for way in WAYS]
            true = None if word.true_s is None else " – ".join(f"{first_s + moment:.2f}" for moment in word.true_s)
            heard = self.samples[seconds_to_sample(start_s) : seconds_to_sample(stop_s)]
            hear = player(heard, f"Where attention found {word.text}", width="9em") if number < N_HEARD else None
            rows.append((word.text, *peaks, true, float(np.exp(word.log_probability)), hear))
        return html.Shown(
            f"Where each word of {self.clip_id} came from: {self.model}",
            [("transcript", marked(self.transcript, is_stopped=self.is_stopped)), ("language", self.language)],
            [
                html.Table(
                    ("word", *(f"{way} (s)" for way in WAYS), "spoken (s)", "probability", "by attention"),
                    rows,
                    "Peaks by three ways, in seconds from the start of the recording",
                    len(self.words),
                )
            ],
            [player(self.samples, f"Recording {self.clip_id}")],
        )


def words(
    model: Whisper,
    clip: Sound,
    *,
    word: int | str | None = None,
    window: int | None = None,
    language: str | None = None,
    alignment_heads: Sequence[Sequence[int]] | None = None,
    stretch_s: float = 0.2,
    step_s: float = 0.1,
    batch_size: int | None = None,
    exact: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> WordSources:
    """Find the frames that each word of a recording's transcript came from, in three ways.

    Attention: where the alignment heads look when the word is predicted; the stretch is that of the alignment (dynamic
    time warping). Relevance: gradient-weighted attention carried through the decoder's self-attention, its
    cross-attention and the encoder. Perturbation: by how much the log-probability of the word falls, given all words
    before it, when a stretch of the log-mel is silenced; each frame stands for the stretch around it.

    Args:
        model: Any Whisper with a tokenizer.
        clip: A clip, an array at 16 kHz or a path. Longer than a window, it is taken window by window, side by side.
        word: The word to be drawn large: its text where that is there once, or its number; by default the one that
            silence hurts most.
        window: Look at this window alone; all by default.
        language: What is spoken, as Whisper's code; by default what the model finds in the first window looked at.
        alignment_heads: Cross-attention heads to follow, as (block, head); None for the checkpoint's own.
        stretch_s: Seconds silenced at a time; whole frames of 20 ms.
        step_s: Seconds from one silenced stretch to the next; no more than `stretch_s`.
        batch_size: Silenced windows run at a time; by default 1 on the CPU, where more gain nothing, else 16.
        exact: Encode the whole window for every silenced stretch. By default the padding later than half a second after
            the recording keeps the encoding that it has when nothing is silenced, which is several times as fast.
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
    settings = tracing_settings(model, alignment_heads, stretch_s, step_s, batch_size, exact=exact)
    read = as_clip(clip)
    n_windows = -(-len(read.samples) // model.window_samples)
    chosen = _chosen(window, n_windows)
    wanted = None if word is None else Word(word)
    stretches = [_n_stretches(len(read.samples), number, model, settings) for number in chosen]
    done = 0

    def advance(n: int) -> None:
        nonlocal done
        done += n
        if progress is not None:
            progress(done, sum(stretches))

    traces: list[Trace] = []
    kinds: list[np.ndarray] = []
    for number, one in enumerate(model.each_window(read)):
        if number not in chosen:
            continue
        known = traces[0].language if traces else language or read.language
        check = wanted if len(chosen) == 1 else None
        traces.append(trace_window(model, one, settings, language=known, wanted=check, progress=advance))
        kinds.append(one.kinds[0])
    return _result(model, read, chosen, traces, kinds, settings, wanted)


def tracing_settings(
    model: Whisper,
    alignment_heads: Sequence[Sequence[int]] | None,
    stretch_s: float,
    step_s: float,
    batch_size: int | None,
    *,
    exact: bool = False,
) -> Settings:
    """Check settings and give them in frames.

    Raises:
        InputError: One of them cannot be used.
    """
    stretch, step = _frames("stretch_s", stretch_s), _frames("step_s", step_s)
    if step > stretch:
        raise InputError(
            f"step_s={step_s:g} is more than stretch_s={stretch_s:g}: some frames would never be silenced. "
            "Give a step of at most a stretch."
        )
    if stretch > model.n_frames:
        raise InputError(
            f"stretch_s={stretch_s:g} is longer than the model's window of {model.window_s:g} s. Give less."
        )
    if batch_size is None:
        batch_size = 1 if model.device.type == "cpu" else 16
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f"batch_size={batch_size!r}: a whole number of 1 or more is needed. Leave it out to choose.")
    return Settings(check_heads(model, alignment_heads), stretch, step, batch_size, exact)


def _frames(name: str, seconds: float) -> int:
    """Turn a length into whole frames."""
    frames = seconds / FRAME_S if np.isfinite(seconds) else 0
    if round(frames) < 1:
        raise InputError(f"{name}={seconds:g} is no length: give {FRAME_S:g} s (a frame) or more, such as 0.2.")
    return round(frames)


def _chosen(window: int | None, n_windows: int) -> tuple[int, ...]:
    """Say which windows are to be looked at."""
    if window is None:
        return tuple(range(n_windows))
    check_window(window, n_windows)
    return (window,)


def _n_stretches(n_samples: int, window: int, model: Whisper, settings: Settings) -> int:
    """Count the stretches that will be silenced in a window."""
    n_frames = min(frames_begun(n_samples) - window * model.n_frames, model.n_frames)
    return len(sliding(n_frames, settings.stretch, settings.step)[0])


def _result(
    model: Whisper,
    clip: Clip,
    chosen: tuple[int, ...],
    traces: Sequence[Trace],
    kinds: Sequence[np.ndarray],
    settings: Settings,
    wanted: Word | None,
) -> WordSources:
    """Join the windows."""
    places = [
        (window, index, word)
        for window, trace in zip(chosen, traces, strict=True)
        for index, word in enumerate(trace.words)
    ]
    language = traces[0].language
    transcript = ("" if language in UNSPACED_LANGUAGES else " ").join(
        one.transcript for one in traces if one.transcript
    )
    times = true_times(clip, [word.text for _, _, word in places])
    found = tuple(
        WordSource(
            window,
            index,
            word.text,
            word.tokens,
            word.log_probability,
            word.aligned,
            _within(time, window, model.window_s),
        )
        for (window, index, word), time in zip(places, times, strict=True)
    )
    falls = np.concatenate([trace.perturbation for trace in traces])
    if wanted is not None:
        zoom: int | None = find_word([word.text for word in found], wanted, transcript=transcript)
    else:
        zoom = int(falls.max(axis=1).argmax()) if len(found) else None
    return WordSources(
        model=model.id,
        clip_id=clip.id,
        audio=clip.source,
        samples=clip.samples,
        n_mels=model.n_mels,
        windows=chosen,
        kinds=np.stack(kinds),
        language=language,
        transcript=transcript,
        words=found,
        attention=np.concatenate([trace.attention for trace in traces]),
        relevance=np.concatenate([trace.relevance for trace in traces]),
        perturbation=falls,
        heads=tuple((head.block, head.head) for head in settings.heads),
        stretch_s=settings.stretch * FRAME_S,
        step_s=settings.step * FRAME_S,
        zoom=zoom,
        is_stopped=any(trace.is_stopped for trace in traces),
    )


def _within(time: tuple[float, float] | None, window: int, window_s: float) -> tuple[float, float] | None:
    """Put a time on the clock of its window; None where no part of it lies inside."""
    if time is None:
        return None
    start, end = (min(max(moment - window * window_s, 0.0), window_s) for moment in time)
    return (start, end) if start < end else None
