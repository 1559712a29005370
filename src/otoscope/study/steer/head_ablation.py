"""Which heads of the decoder are behind the words that a model makes up where nobody speaks?

Each head of self- and cross-attention is removed in turn, and the decoder writes over sounds without speech and over
clean speech. The encoder runs once over each sound and clip; the decoder once for each of them and each head. A head
that is removed says what that head does in this model as it stands, not what the model would have learnt without it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.audio.clip import as_clip
from otoscope.base import html
from otoscope.base.files import write_json
from otoscope.base.numbers import Interval, finite, plain
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.clips import clip_count
from otoscope.study.error_rate import words_of
from otoscope.study.estimates import mean_interval
from otoscope.study.result_files import drawn, write_arrays
from otoscope.study.rich import Rich
from otoscope.study.steer import head_ablation_picture
from otoscope.study.steer.rates import pooled_rate, rate_change
from otoscope.study.steer.sounds import LEVELS_DBFS, N_SOUNDS, made_sounds
from otoscope.study.steer.steering import ScaleHead, scale_head
from otoscope.study.steer.transcripts import Steered, Steering, steered_transcripts

PARTS = ("attn", "cross_attn")


@dataclass(frozen=True)
class HeadEffect:
    """What removing one head did.

    Attributes:
        block: Its block in the decoder.
        part: `attn` or `cross_attn`.
        head: Its number.
        words: Words said over a sound without speech, mean over sounds.
        words_change: How many more than with all heads; paired interval.
        wer: Word error rate on speech; None where there was none with transcripts.
        wer_change: How much higher than with all heads; paired interval.
    """

    block: int
    part: str
    head: int
    words: Interval
    words_change: Interval
    wer: Interval | None
    wer_change: Interval | None

    @property
    def name(self) -> str:
        """Its short name: `decoder.0.cross_attn.2`."""
        return f"decoder.{self.block}.{self.part}.{self.head}"


@dataclass(frozen=True, repr=False)
class HeadAblation(Rich):
    """Every head of the decoder removed in turn.

    Attributes:
        model: The model's id.
        n_sounds: Sounds without speech, of all kinds.
        n_clips: Clips of speech with transcripts.
        duration_s: Length of a sound.
        words: Words said over a sound with all heads.
        wer: Word error rate on speech with all heads; None without speech.
        effects: One for each head, the one that changes the words over no speech most first.
        seed: Draws the sounds.
    """

    model: str
    n_sounds: int
    n_clips: int
    duration_s: float
    words: Interval
    wer: Interval | None
    effects: tuple[HeadEffect, ...]
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Give the table: one row for each head, in the order of their effect on words said over no speech."""
        return {
            "model": self.model,
            "n_sounds": self.n_sounds,
            "n_clips": self.n_clips,
            "duration_s": finite(self.duration_s),
            "all_heads": {"words_per_sound": plain(self.words), "wer": plain(self.wer)},
            "heads": [
                {
                    "head": effect.name,
                    "words_per_sound": plain(effect.words),
                    "words_change": plain(effect.words_change),
                    "wer": plain(effect.wer),
                    "wer_change": plain(effect.wer_change),
                }
                for effect in self.effects
            ],
            "intervals": "95%, bootstrap over sounds and clips, changes paired; each head by itself, not corrected for "
            "their number",
            "seed": self.seed,
        }

    def grid(self, part: str, what: str) -> np.ndarray:
        """Lay out changes as [block, head]; NaN where there is none.

        Args:
            part: `attn` or `cross_attn`.
            what: `words_change` or `wer_change`.
        """
        own = [effect for effect in self.effects if effect.part == part]
        shape = (max(effect.block for effect in own) + 1, max(effect.head for effect in own) + 1)
        laid = np.full(shape, np.nan)
        for effect in own:
            change = getattr(effect, what)
            laid[effect.block, effect.head] = np.nan if change is None else change.value
        return laid

    def save(self, folder: str | Path) -> list[Path]:
        """Write `head_ablation.json`, `head_ablation.npz` and `head_ablation.png`.

        Args:
            folder: Where to; made when missing.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        arrays = {f"{part}_{what}": self.grid(part, what) for part in PARTS for what in ("words_change", "wer_change")}
        return [
            write_json(where / "head_ablation.json", self.to_json()),
            write_arrays(where / "head_ablation.npz", **arrays),
            *drawn(self.plot, where / "head_ablation.png"),
        ]

    def plot(self, path: str | Path) -> Path:
        """Draw both changes for every head, block by head.

        Args:
            path: Where to; PNG.

        Raises:
            OutputError: The file cannot be written.
        """
        heads = [f"{self.model}, one head removed: words over no speech"]
        sounds = f"{pictures.count(self.n_sounds, 'sound')} of {self.duration_s:g} s"
        notes = [f"{sounds}; {self.words.value:.1f} words a sound with all heads"]
        if self.wer is not None:
            heads.append("Errors on speech")
            notes.append(f"{pictures.count(self.n_clips, 'clip')}; WER {self.wer.value:.1%} with all heads")
        grids = {part: (self.grid(part, "words_change"), self.grid(part, "wer_change")) for part in PARTS}
        figure = head_ablation_picture.figure(grids, heads, notes)
        return pictures.save_figure(figure, path)

    def _shown(self) -> html.Shown:
        rows = [
            (effect.name, effect.words, effect.words_change, html.share(effect.wer), html.share(effect.wer_change))
            for effect in self.effects
        ]
        columns = ("head removed", "words a sound", "more words", "WER on speech", "higher by")
        return html.Shown(
            f"Heads of the decoder removed one by one: {self.model}",
            [
                ("sounds without speech", f"{self.n_sounds:,} of {self.duration_s:g} s"),
                ("words a sound, all heads", self.words),
                ("clips of speech", self.n_clips),
                ("WER, all heads", html.share(self.wer)),
            ],
            [html.Table(columns, rows, "95% intervals, each head by itself")],
        )


def ablate_heads(
    model: Whisper,
    speech: Iterable[Sound],
    *,
    n_sounds: int = N_SOUNDS,
    duration_s: float | None = None,
    levels_dbfs: Sequence[float] = LEVELS_DBFS,
    language: str | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> HeadAblation:
    """Remove each head of the decoder in turn.

    Args:
        model: Any Whisper.
        speech: Clips of speech; those with transcripts are used, and there may be none.
        n_sounds: Sounds of each kind: silence, noise, music.
        duration_s: Length of a sound in seconds; None for half the model's window.
        levels_dbfs: Levels of noise and music; the sounds of a kind take them in turn.
        language: What the decoder is told is spoken; None for each clip's own, and for sounds that of the first clip,
            or else what the model hears.
        seed: Draws the sounds.
        progress: Called with the sounds and clips done, and how many there are (0 where that is not known).

    Returns:
        What each head does to words said over no speech, and to the word error rate.

    Raises:
        InputError: A number cannot be used.

    Source:
        Ours; ablation of single heads after Michel et al. 2019 (arXiv 1905.10650).
    """
    n_speech = clip_count(speech)
    clips = (clip for clip in map(as_clip, speech) if clip.transcript is not None and words_of(clip.transcript))
    first = next(clips, None)
    spoken = language or (None if first is None else first.language)
    sounds = [sound for made in made_sounds(model, n_sounds, duration_s, levels_dbfs, seed).values() for sound in made]
    heads = all_heads(model)
    steerings: dict[Hashable, Steering] = {head.place: Steering((head,), 1.0) for head in heads}
    n_all = len(sounds) + n_speech if n_speech or first is None else 0

    def told(done: int) -> None:
        if progress is not None:
            progress(done, n_all)

    over_sounds = steered_transcripts(model, sounds, steerings, language=spoken, progress=told)
    over_speech = (
        steered_transcripts(
            model, chain([first], clips), steerings, language=language, progress=lambda done: told(len(sounds) + done)
        )
        if first is not None
        else None
    )
    before = _counts(over_sounds.clean.texts)
    effects = [_effect(head, over_sounds, over_speech, before) for head in heads]
    effects.sort(key=lambda effect: (-abs(effect.words_change.value), effect.name))
    return HeadAblation(
        model=model.id,
        n_sounds=len(sounds),
        n_clips=0 if over_speech is None else len(over_speech.clip_ids),
        duration_s=sounds[0].duration_s,
        words=mean_interval(before),
        wer=None if over_speech is None else pooled_rate(_said(over_speech), [over_speech.clean.texts]),
        effects=tuple(effects),
        seed=seed,
    )


def all_heads(model: Whisper) -> list[ScaleHead]:
    """List every head of the decoder, removed."""
    places = []
    for part in PARTS:
        for site in model.sites():
            if site.room == "decoder" and site.name.endswith(f".{part}.pattern"):
                places += [f"decoder.{site.block}.{part}.{head}" for head in range(int(site.shape[1] or 0))]
    return [scale_head(model, place, 0.0) for place in places]


def _effect(head: ScaleHead, sounds: Steered, speech: Steered | None, before: Sequence[int]) -> HeadEffect:
    after = _counts(sounds.by_name[head.place].texts)
    wer = change = None
    if speech is not None:
        texts = [speech.by_name[head.place].texts]
        wer = pooled_rate(_said(speech), texts)
        change = rate_change(_said(speech), speech.clean.texts, texts)
    return HeadEffect(
        head.block,
        head.part,
        head.head,
        mean_interval(after),
        mean_interval([new - old for old, new in zip(before, after, strict=True)]),
        wer,
        change,
    )


def _counts(texts: Sequence[str]) -> list[int]:
    return [len(words_of(text)) for text in texts]


def _said(heard: Steered) -> list[str]:
    return [said or "" for said in heard.references]
