"""Does a steering silence what a model makes up where nobody speaks, and what does it cost on speech?

Sounds without speech (a room's silence, noise, music) are made, and transcribed under each strength of a steering and
of changes as large at random; every word said is one too many. Clean speech is transcribed in the same way, for its
word error rate. Costs a run of encoder and decoder for each sound, clip and steering.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otoscope.audio.clip import Clip
from otoscope.audio.nonspeech import NONSPEECH, nonspeech
from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import Interval, finite, plain
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.clips import clip_count
from otoscope.study.error_rate import words_of
from otoscope.study.estimates import mean_interval, wilson_interval
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich
from otoscope.study.steer import picture as steer_picture
from otoscope.study.steer.experiment import Outcome, Steer, steer
from otoscope.study.steer.steering import Change

LEVELS_DBFS = (-60.0, -40.0, -20.0)
"""Levels of noise and music, in turn."""

N_SOUNDS = 24


@dataclass(frozen=True)
class Sounds:
    """Sounds of one kind under a steering.

    Attributes:
        kind: `silence`, `noise` or `music`.
        result: What was said over them.
    """

    kind: str
    result: Steer

    def wordy(self, outcome: Outcome | None) -> Interval | None:
        """Share of sounds over which words were said; Wilson's interval. None for nothing changed."""
        counts = self.counts(outcome)
        return wilson_interval(sum(n > 0 for n in counts), len(counts))

    def words(self, outcome: Outcome | None) -> Interval:
        """Words said over a sound, mean with bootstrap interval over sounds."""
        return mean_interval(self.per_sound(outcome))

    def change(self, outcome: Outcome) -> Interval:
        """How many more words were said over a sound than with nothing changed; paired bootstrap interval."""
        pairs = zip(self.per_sound(None), self.per_sound(outcome), strict=True)
        return mean_interval([after - before for before, after in pairs])

    def counts(self, outcome: Outcome | None) -> list[int]:
        """Count the words of every transcript, draw by draw."""
        draws = (self.result.clean,) if outcome is None else outcome.texts
        return [len(words_of(text)) for draw in draws for text in draw]

    def per_sound(self, outcome: Outcome | None) -> list[float]:
        """Count the words said over each sound, the mean of its draws."""
        counts, n = self.counts(outcome), len(self.result.clean)
        return [sum(counts[place::n]) / (len(counts) // n) for place in range(n)]


@dataclass(frozen=True, repr=False)
class SteerSounds(Rich):
    """What a steering does over sounds without speech, and to speech.

    Attributes:
        model: The model's id.
        changes: What was changed, by name.
        duration_s: Length of a sound.
        levels_dbfs: Levels of noise and music, in turn.
        sounds: One for each kind.
        speech: The same steering of clean speech; None where no clips were given.
        seed: Draws sounds and random changes.
    """

    model: str
    changes: tuple[str, ...]
    duration_s: float
    levels_dbfs: tuple[float, ...]
    sounds: tuple[Sounds, ...]
    speech: Steer | None
    seed: int

    @property
    def strengths(self) -> tuple[float, ...]:
        """The strengths of the steering."""
        return tuple(outcome.strength for outcome in self.sounds[0].result.own)

    def to_json(self) -> dict[str, Any]:
        """Give the table: words over each kind of sound, with nothing changed, steered and at random; and speech."""
        return {
            "model": self.model,
            "changes": list(self.changes),
            "duration_s": finite(self.duration_s),
            "levels_dbfs": list(self.levels_dbfs),
            "sounds": [self._kind(kind) for kind in self.sounds],
            "speech": None if self.speech is None else self.speech.to_json(),
            "intervals": "95%; shares: Wilson; words and changes of them: bootstrap over sounds, paired",
            "seed": self.seed,
        }

    def _kind(self, kind: Sounds) -> dict[str, Any]:
        def row(outcome: Outcome | None) -> dict[str, Any]:
            return {
                "strength": 0.0 if outcome is None else outcome.strength,
                "n_transcripts": len(kind.counts(outcome)),
                "with_words": plain(kind.wordy(outcome)),
                "words_per_sound": plain(kind.words(outcome)),
                "change": None if outcome is None else plain(kind.change(outcome)),
            }

        texts = zip(kind.result.clip_ids, kind.result.clean, *(o.texts[0] for o in kind.result.own), strict=True)
        return {
            "kind": kind.kind,
            "n_sounds": len(kind.result.clip_ids),
            "clean": row(None),
            "steered": [row(outcome) for outcome in kind.result.own],
            "random": [row(outcome) for outcome in kind.result.random],
            "texts": [{"sound": name, "clean": clean, "steered": list(steered)} for name, clean, *steered in texts],
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `steer_sounds.json` and `steer_sounds.png`.

        Args:
            folder: Where to; made when missing.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        return [
            write_json(where / "steer_sounds.json", self.to_json()),
            *drawn(self.plot, where / "steer_sounds.png"),
        ]

    def plot(self, path: str | Path) -> Path:
        """Draw words over each kind of sound, and the word error rate on speech, against strength.

        Args:
            path: Where to; PNG.

        Raises:
            OutputError: The file cannot be written.
        """
        panels = [
            steer_picture.Panel(
                f"{kind.kind}: words said a sound",
                [kind.words(outcome) for outcome in kind.result.own],
                [kind.words(outcome) for outcome in kind.result.random],
                kind.words(None),
                is_share=False,
            )
            for kind in self.sounds
        ]
        n_sounds = pictures.count(len(self.sounds[0].result.clip_ids), "sound")
        note = f"{self.model}: {n_sounds} of each kind, {self.duration_s:g} s; 95% intervals"
        if self.speech is not None and self.speech.n_references:
            speech = self.speech
            panels.append(
                steer_picture.Panel(
                    "speech: word error rate",
                    [speech.wer(outcome) for outcome in speech.own],
                    [speech.wer(outcome) for outcome in speech.random],
                    speech.wer(None),
                )
            )
            note += f"; {pictures.count(speech.n_references, 'clip')} of speech"
        figure = steer_picture.sweep_figure(self.strengths, panels, " and ".join(self.changes), note)
        return pictures.save_figure(figure, path)

    def _shown(self) -> html.Shown:
        rows = [
            (
                kind.kind,
                0.0 if outcome is None else outcome.strength,
                kind.words(outcome),
                html.share(kind.wordy(outcome)),
                None if outcome is None else kind.change(outcome),
            )
            for kind in self.sounds
            for outcome in (None, *kind.result.own)
        ]
        tables = [html.Table(("sound", "strength", "words a sound", "with words", "more words"), rows, "95% intervals")]
        if self.speech is not None:
            tables += self.speech._shown().tables
        return html.Shown(
            f"Steering {' and '.join(self.changes)} over sounds without speech: {self.model}",
            [("sounds of each kind", len(self.sounds[0].result.clip_ids)), ("length of a sound (s)", self.duration_s)],
            tables,
        )


def steer_sounds(
    model: Whisper,
    speech: Iterable[Sound],
    changes: Sequence[Change],
    strengths: Sequence[float] = (1.0,),
    *,
    n_sounds: int = N_SOUNDS,
    duration_s: float | None = None,
    levels_dbfs: Sequence[float] = LEVELS_DBFS,
    draws: int = 1,
    language: str | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> SteerSounds:
    """Steer a model over sounds without speech and over clean speech.

    Args:
        model: Any Whisper.
        speech: Clips of clean speech with transcripts; may be empty.
        changes: From `otoscope.study.steer.steering`.
        strengths: See `steer`.
        n_sounds: Sounds of each kind.
        duration_s: Length of a sound in seconds; None for half the model's window.
        levels_dbfs: Levels of noise and music; the sounds of a kind take them in turn.
        draws: Random twins of the steering; 0 for none.
        language: What the decoder is told is spoken; None for each clip's own, and for sounds that of the first clip,
            or else what the model hears.
        seed: Draws sounds and twins.
        progress: Called with the sounds and clips done, and how many there are (0 where that is not known).

    Returns:
        Words over sounds, and the word error rate on speech, at each strength.

    Raises:
        InputError: There is nothing to change, a number cannot be used, or a vector is huge.
    """
    own = made_sounds(model, n_sounds, duration_s, levels_dbfs, seed)
    n_speech = clip_count(speech)
    n_all = sum(map(len, own.values())) + n_speech if n_speech else 0
    done = 0

    def told(so_far: int, _: int) -> None:
        if progress is not None:
            progress(done + so_far, n_all)

    settings: dict[str, Any] = {"draws": draws, "seed": seed, "progress": told}
    clips = _Peeked(speech)
    heard: Steer | None = None
    if clips.first is not None:
        heard = steer(model, clips, changes, strengths, language=language, **settings)
        done += len(heard.clip_ids)
    spoken = language or (clips.first.language if clips.first is not None else None)
    found = []
    for kind, made in own.items():
        found.append(Sounds(kind, steer(model, made, changes, strengths, language=spoken, **settings)))
        done += len(made)
    first = found[0].result
    length_s = next(iter(own.values()))[0].duration_s
    return SteerSounds(model.id, first.changes, length_s, tuple(levels_dbfs), tuple(found), heard, seed)


class _Peeked:
    """Clips, the first of which was looked at already."""

    def __init__(self, clips: Iterable[Sound]) -> None:
        from otoscope.audio.clip import as_clip

        self._rest = map(as_clip, clips)
        self.first: Clip | None = next(self._rest, None)

    def __iter__(self) -> Any:
        if self.first is not None:
            yield self.first
            yield from self._rest


def made_sounds(
    model: Whisper, n_sounds: int, duration_s: float | None, levels_dbfs: Sequence[float], seed: int
) -> dict[str, list[Clip]]:
    """Make sounds without speech, by kind.

    Raises:
        InputError: A number cannot be used.
    """
    if n_sounds < 1:
        raise InputError(f"{n_sounds} sounds of each kind are too few: give 1 or more. The default is {N_SOUNDS}.")
    if not levels_dbfs:
        raise InputError("no level is given: noise and music need one, such as -40 dBFS.")
    _ = model.vocabulary  # refuses a model without a tokenizer before sounds are made
    length_s = model.window_s / 2 if duration_s is None else duration_s
    return {
        kind: [
            nonspeech(kind, length_s, level_dbfs=levels_dbfs[number % len(levels_dbfs)], seed=seed + number)
            for number in range(n_sounds)
        ]
        for kind in NONSPEECH
    }
