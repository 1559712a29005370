"""In which stretches of a corpus is the decoder surest of a word, and which words does a stretch push up?

A stretch slides over each clip; the decoder hears it alone, with padding's encoder output everywhere else. Costs one
run of the encoder for each window, and those of `segments.score` for each stretch. Where words are known in time, the
result says whether the word is in the surest stretches, and how often it is in any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from otoscope.audio.clip import Clip
from otoscope.audio.excerpt import excerpt
from otoscope.base.clocks import FRAME_S, frame_to_seconds, frames_begun
from otoscope.base.errors import InputError
from otoscope.base.settings import takes
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.clips import each_clip
from otoscope.study.error_rate import words_of
from otoscope.study.segments.result import Segments, WordSegment, WordSegments
from otoscope.study.segments.score import Listener, spell, spelt, starts_in, whole_frames
from otoscope.study.segments.settings import SegmentsSettings


@takes(SegmentsSettings)
def segments(
    model: Whisper,
    clips: Iterable[Sound],
    words: Sequence[str] | str,
    *,
    settings: SegmentsSettings,
    progress: Callable[[int, int], None] | None = None,
) -> Segments:
    """Find the stretches of a corpus in which the decoder is surest of words.

    Args:
        model: Any Whisper.
        clips: A corpus, or clips; with words in time, it is counted how often the word is in its surest stretches.
        words: One word or several. A word is tried as written and with a capital, after a space; its log-probability
            is that of all its tokens right after the start tokens. A longer word that begins with it counts, too.
        settings: How they are searched for; without a language, it is the one that the model detects in each whole
            window.
        progress: Called after each clip with the number done and the number in all (0 when it is not known).

    Returns:
        For each word its stretches, surest first, and the share of them that hold it beside that of all stretches.

    Raises:
        InputError: A word cannot be written, a setting is out of bounds, or there are no clips.
        AudioError: A recording cannot be used.

    Source:
        The study's search of segments for a token, in "Interpreting OpenAI's Whisper" (Ellena Reid, 2023); hearing a
        stretch alone is the reverse of its splice of claim 1.
    """
    length = whole_frames("length_s", settings.length_s, model.n_frames)
    step = whole_frames("step_s", settings.step_s, model.n_frames)
    texts = [words] if isinstance(words, str) else words
    listener = listener_for(model, texts, settings.context, settings.language)
    finds = [_Find(word.word, settings.top) for word in listener.words]
    n_clips = 0
    for clip in each_clip(clips, progress):
        _search(listener, clip, length, step, finds)
        n_clips += 1
    if n_clips == 0:
        raise InputError("there are no clips to search. Give a corpus, or clips.")
    return Segments(
        model=model.name,
        n_clips=n_clips,
        length_s=frame_to_seconds(length),
        step_s=frame_to_seconds(step),
        top=settings.top,
        context=settings.context,
        sound_format=settings.sound_format,
        words=tuple(find.result(word.texts) for find, word in zip(finds, listener.words, strict=True)),
    )


def listener_for(model: Whisper, words: Sequence[str], context: str, language: str | None) -> Listener:
    """Spell words and context, and check that there is room for them."""
    if not words:
        raise InputError("no word is named: give one or several to look for.")
    before = spelt(model, f" {context.strip()}") if context.strip() else ()
    empty = Listener(model, (), before, language)
    if empty.longest < 1:
        raise InputError(f"the context takes {len(before)} tokens, and {model.id} has no room for them. Shorten it.")
    empty.words = [spell(model, word, empty.longest) for word in dict.fromkeys(words)]
    return empty


def _search(listener: Listener, clip: Clip, length: int, step: int, finds: Sequence[_Find]) -> None:
    """Slide over one clip, window by window, and add its stretches to the finds."""
    model = listener.model
    n_audible = frames_begun(len(clip.samples))
    rows: list[_ScoredStretch] = []
    for window, heard in enumerate(model.each_window(clip)):
        encoding = model.encode_mel(heard.mel)[0]
        first = window * model.n_frames
        n_frames = min(model.n_frames, n_audible - first)
        starts = starts_in(n_frames, length, step)
        local = [(start, min(start + length, n_frames)) for start in starts]
        prompt = listener.prompt(encoding)
        scores = listener.listen(encoding, local, prompt).numpy()
        silent = listener.silent(prompt).numpy()
        rows += [
            _ScoredStretch(first + start, first + stop, word_scores, word_scores - silent)
            for (start, stop), word_scores in zip(local, scores, strict=True)
        ]
    spoken = [said(clip, row.start * FRAME_S, row.stop * FRAME_S) for row in rows]
    for number, find in enumerate(finds):
        find.add(clip, rows, spoken, number)


def said(clip: Clip, start_s: float, stop_s: float) -> tuple[str, ...] | None:
    """Return the words of a clip whose middle lies in a stretch; None where words are not known in time."""
    if clip.words is None:
        return None
    return tuple(word.text for word in clip.words if start_s <= (word.start_s + word.end_s) / 2 < stop_s)


def holds(spoken: Sequence[str], word: str) -> bool:
    """Whether a word, or several in a row, are among what was said; capitals and punctuation do not count."""
    return _count(words_of(" ".join(spoken)), words_of(word)) > 0


@dataclass(frozen=True, eq=False)
class _ScoredStretch:
    start: int
    stop: int
    scores: np.ndarray  # log-probabilities [word]
    lifts: np.ndarray  # the same minus those over padding only


class _Find:
    """What was found of one word so far."""

    def __init__(self, word: str, top: int) -> None:
        self._word, self._top = word, top
        self._best: list[WordSegment] = []
        self._n_stretches = self._n_labelled = self._n_holding = self._n_said = 0

    def add(
        self, clip: Clip, rows: Sequence[_ScoredStretch], spoken: Sequence[tuple[str, ...] | None], number: int
    ) -> None:
        """Add the stretches of a clip."""
        is_hit = [None if words is None else holds(words, self._word) for words in spoken]
        self._n_stretches += len(rows)
        if clip.words is not None:
            self._n_labelled += len(rows)
            self._n_holding += sum(map(bool, is_hit))
            self._n_said += _count(words_of(" ".join(word.text for word in clip.words)), words_of(self._word))
        taken: list[tuple[int, int]] = []
        for at in sorted(range(len(rows)), key=lambda row: -rows[row].scores[number]):
            row, score = rows[at], float(rows[at].scores[number])
            is_full = len(self._best) == self._top
            if len(taken) == self._top or (is_full and score <= self._best[-1].log_probability):
                break
            if any(row.start < stop and start < row.stop for start, stop in taken):
                continue
            taken.append((row.start, row.stop))
            self._best.append(_segment(clip, row, score, float(row.lifts[number]), spoken[at], is_hit[at]))
            self._best = sorted(self._best, key=lambda segment: -segment.log_probability)[: self._top]

    def result(self, texts: tuple[str, ...]) -> WordSegments:
        return WordSegments(
            self._word,
            texts,
            self._n_stretches,
            self._n_labelled,
            self._n_holding,
            self._n_said,
            tuple(self._best),
        )


def _segment(
    clip: Clip, row: _ScoredStretch, score: float, lift: float, spoken: tuple[str, ...] | None, is_hit: bool | None
) -> WordSegment:
    start_s, stop_s = row.start * FRAME_S, min(row.stop * FRAME_S, clip.duration_s)
    sound = excerpt(clip.samples, (start_s + stop_s) / 2, length_s=max(stop_s - start_s, FRAME_S))
    return WordSegment(clip.id, clip.source, round(start_s, 6), round(stop_s, 6), score, lift, spoken, is_hit, sound)


def _count(words: Sequence[str], phrase: Sequence[str]) -> int:
    """Count how often a phrase occurs in words."""
    n = len(phrase)
    return sum(words[at : at + n] == phrase for at in range(len(words) - n + 1)) if n else 0
