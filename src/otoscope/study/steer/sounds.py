"""Does a steering silence what a model makes up where nobody speaks, and what does it cost on speech?

Sounds without speech (a room's silence, noise, music) are made, and transcribed under each strength of a steering and
of random changes of the same size; every transcribed word is an error. Clean speech is transcribed in the same way, for
its word error rate. Costs a run of encoder and decoder for each sound, clip and steering.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.audio.clip import Clip, as_clip
from otoscope.audio.nonspeech import NONSPEECH, nonspeech
from otoscope.base.layout import count
from otoscope.base.numbers import Interval, plain
from otoscope.base.report import Column, Report, Table
from otoscope.base.settings import takes
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.clips import clip_count
from otoscope.study.error_rate import words_of
from otoscope.study.estimates import mean_interval, wilson_interval
from otoscope.study.results import Result
from otoscope.study.steer.experiment import Steer, StrengthOutcome, steer
from otoscope.study.steer.picture import rates_panel, sweep_figure
from otoscope.study.steer.settings import SoundsSettings, SteerSettings, SteerSoundsSettings
from otoscope.study.steer.steering import Change


@dataclass(frozen=True)
class Sounds:
    """Sounds of one kind under a steering."""

    kind: str  # `silence`, `noise` or `music`
    result: Steer  # what was transcribed over them

    def wordy(self, outcome: StrengthOutcome | None) -> Interval | None:
        """Return the share of sounds with words, with Wilson's interval; `outcome` None means nothing changed."""
        counts = self.counts(outcome)
        return wilson_interval(sum(n > 0 for n in counts), len(counts))

    def words(self, outcome: StrengthOutcome | None) -> Interval:
        """Return the mean number of words over a sound, with a bootstrap interval over sounds."""
        return mean_interval(self.per_sound(outcome))

    def change(self, outcome: StrengthOutcome) -> Interval:
        """Return how many more words there are over a sound than with nothing changed; paired bootstrap interval."""
        pairs = zip(self.per_sound(None), self.per_sound(outcome), strict=True)
        return mean_interval([after - before for before, after in pairs])

    def counts(self, outcome: StrengthOutcome | None) -> list[int]:
        """Count the words of every transcript, draw by draw."""
        draws = (self.result.clean,) if outcome is None else outcome.texts
        return [len(words_of(text)) for draw in draws for text in draw]

    def per_sound(self, outcome: StrengthOutcome | None) -> list[float]:
        """Count the words over each sound, the mean of its draws."""
        counts, n = self.counts(outcome), len(self.result.clean)
        return [sum(counts[number::n]) / (len(counts) // n) for number in range(n)]

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the report's rows: with nothing changed, and at each strength beside random changes."""
        rows: list[tuple[Any, ...]] = [(self.kind, "nothing changed", self.wordy(None), self.words(None), None, None)]
        for outcome, random in self.result.pairs():
            at_random = None if random is None else self.words(random)
            words = self.words(outcome), self.change(outcome)
            rows.append((self.kind, outcome.strength, self.wordy(outcome), *words, at_random))
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return the words over each sound, with nothing changed, steered and at random."""
        result = self.result
        texts = zip(result.clip_ids, result.clean, *(outcome.texts[0] for outcome in result.steered), strict=True)
        return {
            "kind": self.kind,
            "n_sounds": len(result.clip_ids),
            "clean": self._row(None),
            "steered": [self._row(outcome) for outcome in result.steered],
            "random": [self._row(outcome) for outcome in result.random],
            "texts": [{"sound": name, "clean": clean, "steered": steered} for name, clean, *steered in texts],
        }

    def _row(self, outcome: StrengthOutcome | None) -> dict[str, Any]:
        return {
            "strength": 0.0 if outcome is None else outcome.strength,
            "n_transcripts": len(self.counts(outcome)),
            "with_words": plain(self.wordy(outcome)),
            "words_per_sound": plain(self.words(outcome)),
            "change": None if outcome is None else plain(self.change(outcome)),
        }


@dataclass(frozen=True, repr=False)
class SteerSounds(Result):
    """What a steering does over sounds without speech, and to speech."""

    name = "steer_sounds"

    model: str
    changes: tuple[str, ...]  # names of what was changed
    duration_s: float  # of a sound
    levels_dbfs: tuple[float, ...]  # of noise and music, in turn
    sounds: tuple[Sounds, ...]  # one for each kind
    speech: Steer | None  # the same steering of clean speech; None where no clips were given
    seed: int  # of sounds and random changes

    def report(self) -> Report:
        """Report how many words are made up over each kind of sound, and what happens to speech."""
        columns = [
            Column(None, "sound"),
            Column(None, "strength"),
            Column(None, "with words said", "share"),
            Column(None, "words a sound", "two digits"),
            Column(None, "change", "two digits"),
            Column(None, "words at random", "two digits"),
        ]
        rows = [row for kind in self.sounds for row in kind.rows()]
        speech = [] if self.speech is None else [self.speech.table(f"Clean speech, {self.speech.sample}")]
        return Report(
            f"Steering ({' and '.join(self.changes)}) over sounds without speech: {self.model}",
            self._note,
            {
                **self.fields("model", "changes", "duration_s", "levels_dbfs"),
                "sounds": [kind.to_json() for kind in self.sounds],
                "speech": None if self.speech is None else self.speech.to_json(),
                "intervals": "95%; shares: Wilson; words and changes of them: bootstrap over sounds, paired",
                "seed": self.seed,
            },
            display_only=[]
            if self.speech is None
            else [(f"speech, {label}", value) for label, value in self.speech.remarks()],
            parts=[Table(columns, rows, "Words over no speech", most=len(rows)), *speech],
        )

    @property
    def _note(self) -> str:
        n_sounds = count(len(self.sounds[0].result.clip_ids), "sound")
        return f"{n_sounds} of each kind, {self.duration_s:g} s; 95% intervals"

    def figure(self) -> Figure:
        """Draw words over each kind of sound, and the word error rate on speech, against strength."""
        panels: list[Callable[[Axes], None]] = [
            partial(
                rates_panel,
                strengths=kind.result.strengths,
                label=f"{kind.kind}: words said a sound",
                steered=[kind.words(outcome) for outcome in kind.result.steered],
                random=[kind.words(outcome) for outcome in kind.result.random],
                clean=kind.words(None),
                is_share=False,
            )
            for kind in self.sounds
        ]
        note = f"{self.model}: {self._note}"
        if self.speech is not None and self.speech.n_references:
            panels.append(self.speech.wer_panel("speech: word error rate"))
            note += f"; {count(self.speech.n_references, 'clip')} of speech"
        return sweep_figure(panels, " and ".join(self.changes), note)


@takes(SteerSoundsSettings)
def steer_sounds(
    model: Whisper,
    speech: Iterable[Sound],
    changes: Sequence[Change],
    strengths: Sequence[float] = (1.0,),
    *,
    settings: SteerSoundsSettings,
    progress: Callable[[int, int], None] | None = None,
) -> SteerSounds:
    """Steer a model over sounds without speech and over clean speech.

    Args:
        model: Any Whisper.
        speech: Clips of clean speech with transcripts; may be empty.
        changes: From `otoscope.study.steer.steering`.
        strengths: See `steer`.
        settings: Which sounds are made. Without a language, each clip's own, and for sounds that of the first clip, or
            else the one that the model detects.
        progress: Called with the number of sounds and clips done, and the number in all (0 where it is not known).

    Returns:
        Words over sounds, and the word error rate on speech, at each strength.

    Raises:
        InputError: There is nothing to change, a number cannot be used, or a vector is huge.
    """
    made = made_sounds(model, settings)
    n_speech = clip_count(speech)
    n_all = sum(map(len, made.values())) + n_speech if n_speech else 0
    n_done = 0

    def tell(done: int, _: int) -> None:
        if progress is not None:
            progress(n_done + done, n_all)

    how = SteerSettings(draws=settings.draws, language=settings.language, seed=settings.seed)
    clips = map(as_clip, speech)
    first = next(clips, None)
    on_speech = None
    if first is not None:
        on_speech = steer(model, chain([first], clips), changes, strengths, settings=how, progress=tell)
        n_done += len(on_speech.clip_ids)
        how = replace(how, language=how.language or first.language)
    kinds = []
    for kind, sounds in made.items():
        kinds.append(Sounds(kind, steer(model, sounds, changes, strengths, settings=how, progress=tell)))
        n_done += len(sounds)
    return SteerSounds(
        model=model.name,
        changes=kinds[0].result.changes,
        duration_s=made[kinds[0].kind][0].duration_s,
        levels_dbfs=tuple(settings.levels_dbfs),
        sounds=tuple(kinds),
        speech=on_speech,
        seed=settings.seed,
    )


def made_sounds(model: Whisper, settings: SoundsSettings) -> dict[str, list[Clip]]:
    """Make sounds without speech, by kind; refuses a level or a length that cannot be made."""
    _ = model.vocabulary  # refuses a model without a tokenizer before sounds are made
    length_s = model.window_s / 2 if settings.duration_s is None else settings.duration_s
    levels_dbfs, seed = settings.levels_dbfs, settings.seed
    return {
        kind: [
            nonspeech(kind, length_s, level_dbfs=levels_dbfs[number % len(levels_dbfs)], seed=seed + number)
            for number in range(settings.n_sounds)
        ]
        for kind in NONSPEECH
    }
