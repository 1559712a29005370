"""Does splicing out a word's frames remove exactly that word? Counts over the words of many clips.

For every word that the model heard, its own frames are replaced by padding's, and as a baseline a stretch just as long
elsewhere in the recording. Costs one run of the encoder for each clip and about two of the decoder for each word; a
transcript that runs on past twice the tokens of the original and 20 more is stopped there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from matplotlib.figure import Figure

from otoscope.audio.clip import Clip
from otoscope.base.clocks import FRAME_S, frames_begun, seconds_to_frame, seconds_to_stop_frame
from otoscope.base.errors import InputError
from otoscope.base.layout import count
from otoscope.base.numbers import Interval, written
from otoscope.base.report import Estimates, Fact, Report, Series
from otoscope.base.settings import takes
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.clips import each_clip
from otoscope.study.error_rate import normalise, words_of
from otoscope.study.estimates import bootstrap_mean, wilson_interval
from otoscope.study.results import Result
from otoscope.study.splice.experiment import Spliceable
from otoscope.study.splice.outcome import Outcome, heard_words, judge
from otoscope.study.splice.picture import words_figure
from otoscope.study.splice.settings import SpliceWordsSettings
from otoscope.study.writing import Text

MEASURES = {
    "gone": "the word went",
    "others_stayed": "all other words stayed",
    "exact": "exactly that word went",
    "lost_one": "exactly one word went",
}


@dataclass(frozen=True)
class WordTrial:
    """One word that the model heard, and what splicing did."""

    clip_id: str
    index: int  # among the clip's words
    text: str  # as labelled
    n_others: int  # other words in the transcript as it was
    own: Outcome  # with the word's own frames replaced
    elsewhere: Outcome | None  # with a stretch as long elsewhere replaced; None where there was no room for one


def rates(label: str, key: str, trials: Sequence[tuple[Outcome, int]]) -> Series:
    """Count the outcomes of splices, as shares with Wilson's 95% intervals.

    `key`: the key of the same in JSON.
    `trials`: outcomes, each with the number of other words.
    """
    did = {
        "gone": [outcome.gone for outcome, _ in trials],
        "others_stayed": [outcome.n_others_gone == 0 for outcome, _ in trials],
        "exact": [outcome.exact for outcome, _ in trials],
        "lost_one": [outcome.lost_one for outcome, _ in trials],
    }
    kept = [1 - outcome.n_others_gone / n_others for outcome, n_others in trials if n_others]
    return Series(
        label,
        {name: wilson_interval(sum(hits), len(hits)) for name, hits in did.items()},
        key,
        {"n": len(trials), "share_of_others_kept": float(np.mean(kept)) if kept else None},
    )


@dataclass(frozen=True, repr=False)
class SpliceWords(Result):
    """How exactly words can be spliced out, over the words of many clips."""

    name = "splice_words"

    model: str
    n_clips: int  # clips with word times
    clips_without_words: tuple[str, ...]  # clips left out
    n_words: int  # words with times
    n_misheard: int  # words that the transcript did not hold to begin with: they are not spliced
    margin_frames: int  # frames that are also replaced on either side of a word
    seed: int  # of the stretches elsewhere
    trials: tuple[WordTrial, ...]  # one for each word heard

    @property
    def own(self) -> Series:
        """Rates when a word's own frames are replaced."""
        return rates("its own frames", "own_frames", [(trial.own, trial.n_others) for trial in self.trials])

    @property
    def elsewhere(self) -> Series:
        """The baseline: rates when a stretch as long elsewhere is replaced."""
        trials = [(trial.elsewhere, trial.n_others) for trial in self.trials if trial.elsewhere is not None]
        return rates("as long a stretch elsewhere", "as_long_elsewhere", trials)

    def more_than_elsewhere(self, measure: str) -> Interval | None:
        """Estimate how much more often something happens than with a stretch elsewhere, word by word.

        Args:
            measure: `gone`, or `exact`.

        Returns:
            The difference of the shares, with its 95% interval over clips; None without words that have room for a
            stretch elsewhere.
        """
        pairs = [(trial.clip_id, trial.own, trial.elsewhere) for trial in self.trials if trial.elsewhere is not None]
        gaps = [float(getattr(spliced, measure)) - float(getattr(other, measure)) for _, spliced, other in pairs]
        return bootstrap_mean(gaps, [clip_id for clip_id, _, _ in pairs], seed=self.seed)

    def report(self) -> Report:
        """Report how many words went, beside the baseline."""
        n_frames = [trial.own.stop - trial.own.start for trial in self.trials]
        kept = {series.label: series.extra["share_of_others_kept"] for series in (self.own, self.elsewhere)}
        return Report(
            f"Words spliced out of the final encoder output: {self.model}",
            f"{count(len(self.trials), 'word')} of {count(self.n_clips, 'clip')}, one at a time; 95% intervals",
            {
                "model": self.model,
                "n_clips": self.n_clips,
                "clips_without_words": Fact(self.clips_without_words, "clips without word times, left out"),
                "n_words": self.n_words,
                "n_misheard": Fact(self.n_misheard, "words misheard before, left out"),
                "n_spliced": len(self.trials),
                "margin_frames": self.margin_frames,
                "mean_frames": float(np.mean(n_frames)) if n_frames else None,
                "frame_s": FRAME_S,
                "more_than_elsewhere": {name: self.more_than_elsewhere(name) for name in ("gone", "exact")},
                "intervals": "Wilson, 95%, words taken as independent; of the difference a bootstrap over clips",
                "seed": self.seed,
                "trials": [asdict(trial) for trial in self.trials],
            },
            display_only=[
                (f"share of other words kept, {label}", written(share, "share"))
                for label, share in kept.items()
                if share is not None
            ],
            parts=[Estimates(MEASURES, [self.own, self.elsewhere], "Share of splices", key="")],
        )

    def figures(self) -> dict[str, Callable[[], Figure]]:
        """Draw the shares beside the baseline, and which other words went and came."""
        report = self.report()
        (shares,) = report.parts
        assert isinstance(shares, Estimates), "it is the report's one part"
        outcomes = {
            self.own.label: [trial.own for trial in self.trials],
            self.elsewhere.label: [trial.elsewhere for trial in self.trials if trial.elsewhere is not None],
        }
        return {self.name: lambda: words_figure(shares, report.title, report.note, outcomes)}


@takes(SpliceWordsSettings)
def splice_words(
    model: Whisper,
    clips: Iterable[Sound],
    *,
    settings: SpliceWordsSettings,
    progress: Callable[[int, int], None] | None = None,
) -> SpliceWords:
    """Splice out every word in turn and count what went and what stayed.

    A word that takes several words of the transcript ("well-known") counts as one. Clips without word times are named
    in the result and left out.

    Args:
        model: Any Whisper.
        clips: Clips with words in time.
        settings: How words are spliced out.
        progress: Called after each clip with the number done and the number in all (0 when it is not known).

    Returns:
        Every trial, and the rates over them.

    Raises:
        InputError: A setting is out of bounds, or no clip has words in time.

    Source:
        The splice is that of "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1.
    """
    rng = np.random.default_rng(settings.seed)
    padding = model.padded_encoding()
    trials: list[WordTrial] = []
    without: list[str] = []
    n_clips = n_words = 0
    for clip in each_clip(clips, progress):
        n_labelled = sum(bool(normalise(word.text)) for word in clip.words or ())
        if n_labelled:
            spliceable = Spliceable(model, clip, settings.language, padding=padding)
            trials += _clip_trials(spliceable, clip, settings.margin_frames, rng)
            n_clips, n_words = n_clips + 1, n_words + n_labelled
        else:
            without.append(clip.id)
    if n_clips == 0:
        raise InputError(
            f"none of {len(without)} clips has words in time: they say which frames to replace. Give clips with words."
        )
    return SpliceWords(
        model=model.name,
        n_clips=n_clips,
        clips_without_words=tuple(without),
        n_words=n_words,
        n_misheard=n_words - len(trials),
        margin_frames=settings.margin_frames,
        seed=settings.seed,
        trials=tuple(trials),
    )


def _clip_trials(spliceable: Spliceable, clip: Clip, margin_frames: int, rng: np.random.Generator) -> list[WordTrial]:
    """Splice out every word of one clip that the model heard, and as long a stretch elsewhere."""
    before = words_of(spliceable.original)
    n_audible = frames_begun(len(clip.samples))
    heard = heard_words(clip, before)
    word_stretches = [_word_frames(clip, index, margin_frames, n_audible) for index in heard]
    elsewhere = [_draw_elsewhere(stretch, n_audible, rng) for stretch in word_stretches]
    stretches = [*word_stretches, *(stretch for stretch in elsewhere if stretch is not None)]
    texts = spliceable.without(stretches, cuts_loops=True)
    word_texts, other_texts = texts[: len(word_stretches)], iter(texts[len(word_stretches) :])
    trials = []
    for (index, places), stretch, text, other in zip(heard.items(), word_stretches, word_texts, elsewhere, strict=True):
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
    """Return the frames that a word touches, with a margin, within the recording; at least one."""
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
