"""Which heads of the decoder are behind the words that a model makes up where nobody speaks?

Each head of self- and cross-attention is removed in turn, and the decoder writes over sounds without speech and over
clean speech. The encoder runs once over each sound and clip; the decoder once for each of them and each head. Removing
a head shows what it does in this model as trained, not what the model would have learnt without it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from matplotlib.figure import Figure

from otoscope.audio.clip import as_clip
from otoscope.base.layout import count
from otoscope.base.numbers import Interval, written
from otoscope.base.report import Column, Report, Table
from otoscope.base.settings import takes
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.clips import clip_count
from otoscope.study.error_rate import words_of
from otoscope.study.estimates import mean_interval
from otoscope.study.results import Result
from otoscope.study.steer.head_ablation_picture import effects_figure
from otoscope.study.steer.rates import pooled_rate, rate_change
from otoscope.study.steer.settings import SoundsSettings
from otoscope.study.steer.sounds import made_sounds
from otoscope.study.steer.steering import ScaleHead, scale_head
from otoscope.study.steer.transcripts import Steered, Steering, steered_transcripts

PARTS = ("attn", "cross_attn")
MEASURES = ("words_change", "wer_change")

MOST_HEADS = 10
"""Heads in the report at most, those that change most first."""


@dataclass(frozen=True)
class HeadEffect:
    """The effect of removing one head."""

    block: int  # in the decoder
    part: str  # `attn` or `cross_attn`
    head: int
    words: Interval  # transcribed over a sound without speech, mean over sounds
    words_change: Interval  # how many more than with all heads; paired
    wer: Interval | None  # word error rate on speech; None where there was none with transcripts
    wer_change: Interval | None  # how much higher than with all heads; paired

    @property
    def name(self) -> str:
        """Its short name: `decoder.0.cross_attn.2`."""
        return f"decoder.{self.block}.{self.part}.{self.head}"


@dataclass(frozen=True, repr=False)
class HeadAblation(Result):
    """Every head of the decoder removed in turn."""

    name = "head_ablation"

    model: str
    n_sounds: int  # without speech, of all kinds
    n_clips: int  # of speech with transcripts
    duration_s: float  # of a sound
    words: Interval  # transcribed over a sound with all heads
    wer: Interval | None  # on speech with all heads; None without speech
    effects: tuple[HeadEffect, ...]  # one for each head; what changes the words over no speech most comes first
    seed: int  # of the sounds

    def report(self) -> Report:
        """Report what each head does to words over no speech, and to the word error rate on speech."""
        columns = [
            Column("head", "head removed"),
            Column("words_per_sound", "words a sound", "two digits"),
            Column("words_change", "words more", "two digits"),
            Column("wer", "WER on speech", "share"),
            Column("wer_change", "WER more", "share"),
        ]
        rows = [
            (effect.name, effect.words, effect.words_change, effect.wer, effect.wer_change) for effect in self.effects
        ]
        heads = Table(columns, rows, "The heads that change words over no speech most", most=MOST_HEADS)
        sounds = f"{count(self.n_sounds, 'sound')} of {self.duration_s:g} s without speech"
        speech = f" and {count(self.n_clips, 'clip')} of speech" if self.n_clips else ""
        return Report(
            f"Heads of the decoder removed one by one: {self.model}",
            f"{sounds}{speech}; 95% intervals, each head by itself",
            {
                **self.fields("model", "n_sounds", "n_clips", "duration_s"),
                "all_heads": {"words_per_sound": self.words, "wer": self.wer},
                "heads": heads.to_json(),
                "intervals": "95%, bootstrap over sounds and clips, changes paired; each head by itself, not corrected "
                "for their number",
                "seed": self.seed,
            },
            display_only=[
                ("words a sound with all heads", written(self.words, "two digits")),
                ("WER on speech with all heads", None if self.wer is None else written(self.wer, "share")),
            ],
            parts=[heads],
        )

    def grid(self, part: str, measure: str) -> np.ndarray:
        """Lay out changes as [block, head]; NaN where there is none.

        Args:
            part: `attn` or `cross_attn`.
            measure: `words_change` or `wer_change`.
        """
        effects = [effect for effect in self.effects if effect.part == part]
        shape = (max(effect.block for effect in effects) + 1, max(effect.head for effect in effects) + 1)
        grid = np.full(shape, np.nan)
        for effect in effects:
            change = getattr(effect, measure)
            grid[effect.block, effect.head] = np.nan if change is None else change.value
        return grid

    def arrays(self) -> dict[str, np.ndarray]:
        """Return both changes for every head, [block, head], by part of the decoder."""
        return {f"{part}_{measure}": self.grid(part, measure) for part in PARTS for measure in MEASURES}

    def figure(self) -> Figure:
        """Draw both changes for every head, block by head."""
        notes = [f"{count(self.n_sounds, 'sound')} of {self.duration_s:g} s; {self.words.value:.1f} words a sound"]
        titles = [f"{self.model}, one head removed: words over no speech"]
        if self.wer is not None:
            titles.append("Errors on speech")
            notes.append(f"{count(self.n_clips, 'clip')}; WER {self.wer.value:.1%}")
        return effects_figure(self.arrays(), titles, [f"{note} with all heads" for note in notes])


@takes(SoundsSettings)
def ablate_heads(
    model: Whisper,
    speech: Iterable[Sound],
    *,
    settings: SoundsSettings,
    progress: Callable[[int, int], None] | None = None,
) -> HeadAblation:
    """Remove each head of the decoder in turn.

    Args:
        model: Any Whisper.
        speech: Clips of speech; those with transcripts are used, and there may be none.
        settings: Which sounds are made. Without a language, each clip's own, and for sounds that of the first clip, or
            else the one that the model detects.
        progress: Called with the number of sounds and clips done, and the number in all (0 where it is not known).

    Returns:
        What each head does to the words transcribed over no speech, and to the word error rate.

    Raises:
        InputError: A number cannot be used.

    Source:
        Ablation of single heads: Michel et al. 2019 (arXiv 1905.10650).
    """
    n_speech = clip_count(speech)
    clips = (clip for clip in map(as_clip, speech) if clip.transcript is not None and words_of(clip.transcript))
    first = next(clips, None)
    language = settings.language or (None if first is None else first.language)
    sounds = [sound for made in made_sounds(model, settings).values() for sound in made]
    heads = all_heads(model)
    steerings: dict[Hashable, Steering] = {head.short_name: Steering((head,), 1.0) for head in heads}
    n_all = len(sounds) + n_speech if n_speech or first is None else 0

    def tell(done: int) -> None:
        if progress is not None:
            progress(done, n_all)

    over_sounds = steered_transcripts(model, sounds, steerings, language=language, progress=tell)
    over_speech = None
    if first is not None:
        over_speech = steered_transcripts(
            model,
            chain([first], clips),
            steerings,
            language=settings.language,
            progress=lambda done: tell(len(sounds) + done),
        )
    before = _counts(over_sounds.clean.texts)
    effects = [_effect(head, over_sounds, over_speech, before) for head in heads]
    effects.sort(key=lambda effect: (-abs(effect.words_change.value), effect.name))
    return HeadAblation(
        model=model.name,
        n_sounds=len(sounds),
        n_clips=0 if over_speech is None else len(over_speech.clip_ids),
        duration_s=sounds[0].duration_s,
        words=mean_interval(before),
        wer=None if over_speech is None else pooled_rate(_references(over_speech), [over_speech.clean.texts]),
        effects=tuple(effects),
        seed=settings.seed,
    )


def all_heads(model: Whisper) -> list[ScaleHead]:
    """List every head of the decoder, removed."""
    names = [
        f"decoder.{site.block}.{part}.{head}"
        for part in PARTS
        for site in model.sites()
        if site.room == "decoder" and site.name.endswith(f".{part}.pattern")
        for head in range(int(site.shape[1] or 0))
    ]
    return [scale_head(model, name, 0.0) for name in names]


def _effect(head: ScaleHead, sounds: Steered, speech: Steered | None, before: Sequence[int]) -> HeadEffect:
    after = _counts(sounds.by_name[head.short_name].texts)
    wer = change = None
    if speech is not None:
        texts = [speech.by_name[head.short_name].texts]
        wer = pooled_rate(_references(speech), texts)
        change = rate_change(_references(speech), speech.clean.texts, texts)
    words_change = mean_interval([new - old for old, new in zip(before, after, strict=True)])
    return HeadEffect(head.block, head.part, head.head, mean_interval(after), words_change, wer, change)


def _counts(texts: Sequence[str]) -> list[int]:
    return [len(words_of(text)) for text in texts]


def _references(heard: Steered) -> list[str]:
    return [said or "" for said in heard.references]
