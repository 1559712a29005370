"""Does splicing out a word's frames remove exactly that word? Counted over the words of many clips.

For every word that the model heard, its own frames are replaced by padding's, and as a baseline a stretch just as long
elsewhere in the recording. Costs one run of the encoder for each clip and about two of the decoder for each word; a
transcript that runs on past twice the tokens of the original and 20 more is stopped there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.audio.clip import Clip
from otoscope.base import html
from otoscope.base.clocks import FRAME_S, frames_begun, seconds_to_frame, seconds_to_stop_frame
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.clips import each_clip
from otoscope.study.error_rate import Interval, normalise, wilson_interval, words_of
from otoscope.study.mean import bootstrap_mean
from otoscope.study.result_files import drawn, finite
from otoscope.study.rich import Rich
from otoscope.study.splice import picture as splice_picture
from otoscope.study.splice.experiment import Spliceable
from otoscope.study.splice.outcome import Outcome, heard_words, judge
from otoscope.study.writing import Text


@dataclass(frozen=True)
class WordTrial:
    """One word that the model heard, and what became of it.

    Attributes:
        clip_id: The clip.
        index: The word's place among the clip's words.
        text: The word as labelled.
        n_others: Other words in the transcript as it was.
        own: With the word's own frames replaced.
        elsewhere: With a stretch as long elsewhere replaced; None where there was no room for one.
    """

    clip_id: str
    index: int
    text: str
    n_others: int
    own: Outcome
    elsewhere: Outcome | None


@dataclass(frozen=True)
class Rates:
    """How often the splices did what, each with Wilson's 95% interval; None where nothing was tried.

    Attributes:
        n: Splices counted.
        gone: The word in question went.
        others_stayed: All other words stayed.
        exact: The word went and nothing else changed.
        lost_one: Some one word went and nothing else changed.
        share_of_others_kept: Mean share of the other words that stayed, over splices where there were others.
    """

    n: int
    gone: Interval | None
    others_stayed: Interval | None
    exact: Interval | None
    lost_one: Interval | None
    share_of_others_kept: float | None

    @classmethod
    def of(cls, outcomes: Sequence[tuple[Outcome, int]]) -> Rates:
        """Count outcomes, each given with the number of other words."""
        n = len(outcomes)
        kept = [1 - outcome.n_others_gone / others for outcome, others in outcomes if others]
        return cls(
            n=n,
            gone=wilson_interval(sum(outcome.gone for outcome, _ in outcomes), n),
            others_stayed=wilson_interval(sum(outcome.n_others_gone == 0 for outcome, _ in outcomes), n),
            exact=wilson_interval(sum(outcome.exact for outcome, _ in outcomes), n),
            lost_one=wilson_interval(sum(outcome.lost_one for outcome, _ in outcomes), n),
            share_of_others_kept=float(np.mean(kept)) if kept else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Give the table entries."""
        table: dict[str, Any] = {"n": self.n, "share_of_others_kept": finite(self.share_of_others_kept)}
        for name in ("gone", "others_stayed", "exact", "lost_one"):
            rate = getattr(self, name)
            table[name] = None if rate is None else {key: finite(value) for key, value in asdict(rate).items()}
        return table


@dataclass(frozen=True, repr=False)
class SpliceWords(Rich):
    """How exactly words can be spliced out, over the words of many clips.

    Attributes:
        model: The model's id.
        n_clips: Clips with word times.
        clips_without_words: Clips without word times, left out.
        n_words: Words with times.
        n_misheard: Words that the transcript did not hold to begin with; they are not spliced.
        margin_frames: Frames replaced on either side of a word, too.
        seed: Draws the stretches elsewhere.
        trials: One for each word heard.
    """

    model: str
    n_clips: int
    clips_without_words: tuple[str, ...]
    n_words: int
    n_misheard: int
    margin_frames: int
    seed: int
    trials: tuple[WordTrial, ...]

    @property
    def own(self) -> Rates:
        """Rates when a word's own frames are replaced."""
        return Rates.of([(trial.own, trial.n_others) for trial in self.trials])

    @property
    def elsewhere(self) -> Rates:
        """The baseline: rates when a stretch as long elsewhere is replaced."""
        return Rates.of([(trial.elsewhere, trial.n_others) for trial in self.trials if trial.elsewhere is not None])

    def more_than_elsewhere(self, what: str) -> Interval | None:
        """Estimate how much more often something happens than with a stretch elsewhere, word by word.

        Args:
            what: `gone`, or `exact`.

        Returns:
            The difference of the shares, with its 95% interval from a bootstrap over clips; None without words that
            have room for a stretch elsewhere.
        """
        both = [(trial.clip_id, trial.own, trial.elsewhere) for trial in self.trials if trial.elsewhere is not None]
        gaps = [float(getattr(own, what)) - float(getattr(elsewhere, what)) for _, own, elsewhere in both]
        return bootstrap_mean(gaps, [clip for clip, _, _ in both], seed=self.seed)

    @property
    def mean_frames(self) -> float | None:
        """Mean length of the stretches replaced, in frames."""
        return float(np.mean([trial.own.stop - trial.own.start for trial in self.trials])) if self.trials else None

    def to_json(self) -> dict[str, Any]:
        """Give the table: counts, rates beside the baseline's, and every trial."""
        return {
            "model": self.model,
            "n_clips": self.n_clips,
            "clips_without_words": list(self.clips_without_words),
            "n_words": self.n_words,
            "n_misheard": self.n_misheard,
            "n_spliced": len(self.trials),
            "margin_frames": self.margin_frames,
            "mean_frames": finite(self.mean_frames),
            "frame_s": FRAME_S,
            "own_frames": self.own.to_json(),
            "as_long_elsewhere": self.elsewhere.to_json(),
            "more_than_elsewhere": {
                what: None if gap is None else {key: finite(value) for key, value in asdict(gap).items()}
                for what in ("gone", "exact")
                for gap in [self.more_than_elsewhere(what)]
            },
            "intervals": "Wilson, 95%, words taken as independent; of the difference a bootstrap over clips",
            "seed": self.seed,
            "trials": [asdict(trial) for trial in self.trials],
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `splice_words.json` and `splice_words.png`.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        return [write_json(where / "splice_words.json", self.to_json()), *drawn(self.plot, where / "splice_words.png")]

    def plot(self, path: str | Path) -> Path:
        """Draw the rates beside those of the baseline.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        own, elsewhere = self.own, self.elsewhere
        sample = f"{pictures.count(own.n, 'word')} of {pictures.count(self.n_clips, 'clip')}"
        labels = ("the word went", "all other words stayed", "exactly that word went", "exactly one word went")
        figure = splice_picture.rates_figure(
            labels,
            (own.gone, own.others_stayed, own.exact, own.lost_one),
            (elsewhere.gone, elsewhere.others_stayed, elsewhere.exact, elsewhere.lost_one),
            "Splicing words out of the final encoder output",
            f"{self.model}: {sample} ({self.n_misheard} more misheard); 95% intervals",
        )
        return pictures.save_figure(figure, path)

    def _shown(self) -> html.Shown:
        own, elsewhere = self.own, self.elsewhere
        names = (("gone", "the word went"), ("others_stayed", "all others stayed"), ("exact", "both"))
        rows = [(words, html.share(getattr(own, name)), html.share(getattr(elsewhere, name))) for name, words in names]
        return html.Shown(
            f"Words spliced out: {self.model}",
            [
                ("words spliced", f"{len(self.trials):,} of {self.n_clips:,} clips"),
                ("misheard before, left out", self.n_misheard),
            ],
            [
                html.Table(
                    ("", f"its own frames (n = {own.n:,})", f"as long elsewhere (n = {elsewhere.n:,})"),
                    rows,
                    "Share of splices, with 95% intervals",
                )
            ],
        )


def splice_words(
    model: Whisper,
    clips: Iterable[Sound],
    *,
    margin_frames: int = 0,
    language: str | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> SpliceWords:
    """Splice out every word in turn and count what went and what stayed.

    A word that takes several words of the transcript ("well-known") counts as one. Clips without word times are named
    in the result and left out.

    Args:
        model: Any Whisper.
        clips: Clips with words in time.
        margin_frames: Frames of 20 ms to replace on either side of a word, too.
        language: What is spoken, as Whisper's code; by default what the model finds in each encoder output.
        seed: Draws the stretches of the baseline.
        progress: Called after each clip with the number done and the number in all (0 when it is not known).

    Returns:
        Every trial, and the rates over them.

    Raises:
        InputError: The margin is negative, or no clip has words in time.

    Source:
        Ours; the splice is that of "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1.
    """
    if margin_frames < 0:
        raise InputError(f"margin_frames={margin_frames}: 0 or more frames are needed. The default is 0.")
    rng = np.random.default_rng(seed)
    padding = model.padded_encoding()
    trials: list[WordTrial] = []
    without: list[str] = []
    n_clips = n_words = 0
    for clip in each_clip(clips, progress):
        n_labelled = sum(bool(normalise(word.text)) for word in clip.words or ())
        if n_labelled:
            spliceable = Spliceable(model, clip, language, padding=padding)
            trials += _clip_trials(spliceable, clip, margin_frames, rng)
            n_clips, n_words = n_clips + 1, n_words + n_labelled
        else:
            without.append(clip.id)
    if n_clips == 0:
        raise InputError(
            f"none of {len(without)} clips has words in time: they say which frames to replace. Give clips with words."
        )
    return SpliceWords(
        model=model.id,
        n_clips=n_clips,
        clips_without_words=tuple(without),
        n_words=n_words,
        n_misheard=n_words - len(trials),
        margin_frames=margin_frames,
        seed=seed,
        trials=tuple(trials),
    )


def _clip_trials(spliceable: Spliceable, clip: Clip, margin_frames: int, rng: np.random.Generator) -> list[WordTrial]:
    """Splice out every word of one clip that the model heard, and as long a stretch elsewhere."""
    before = words_of(spliceable.original)
    n_audible = frames_begun(len(clip.samples))
    heard = heard_words(clip, before)
    own = [_word_frames(clip, index, margin_frames, n_audible) for index in heard]
    elsewhere = [_draw_elsewhere(stretch, n_audible, rng) for stretch in own]
    stretches = [*own, *(stretch for stretch in elsewhere if stretch is not None)]
    texts = spliceable.without(stretches, cuts_loops=True)
    own_texts, other_texts = texts[: len(own)], iter(texts[len(own) :])
    trials = []
    for (index, places), stretch, text, other in zip(heard.items(), own, own_texts, elsewhere, strict=True):
        trial = WordTrial(
            clip_id=clip.id,
            index=index,
            text=(clip.words or ())[index].text,
            n_others=len(before) - len(places),
            own=_judge(before, places, stretch, text),
            elsewhere=None if other is None else _judge(before, places, other, next(other_texts)),
        )
        trials.append(trial)
    return trials


def _judge(before: Sequence[str], places: frozenset[int], stretch: tuple[int, int], heard: Text) -> Outcome:
    return judge(before, places, stretch, heard.text, stopped=heard.is_stopped)


def _word_frames(clip: Clip, index: int, margin_frames: int, n_audible: int) -> tuple[int, int]:
    """Give the frames that a word touches, with a margin, within the recording; at least one."""
    span = (clip.words or ())[index]
    start = min(max(seconds_to_frame(span.start_s) - margin_frames, 0), n_audible - 1)
    stop = min(seconds_to_stop_frame(span.end_s) + margin_frames, n_audible)
    return start, max(stop, start + 1)


def _draw_elsewhere(stretch: tuple[int, int], n_audible: int, rng: np.random.Generator) -> tuple[int, int] | None:
    """Draw a stretch of the same length in the recording that does not overlap; None where there is no room."""
    start, stop = stretch
    length = stop - start
    room = [first for first in range(n_audible - length + 1) if first + length <= start or first >= stop]
    if not room:
        return None
    first = int(rng.choice(room))
    return first, first + length
