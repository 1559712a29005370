"""The trials of turning one word into another by one phone: which words, where, and what is transcribed then.

Clips of one window; their log-mels are computed anew for every batch of trials, so that memory is that of a batch. It
knows pronunciations and vectors, not where the vectors come from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.audio.clip import Clip, Span
from otoscope.base.clocks import FRAME_S
from otoscope.harvest.labels import LabelSet
from otoscope.model.whisper import Whisper
from otoscope.study.error_rate import words_of
from otoscope.study.splice.outcome import heard_words
from otoscope.study.steer.class_means import ClassMeans
from otoscope.study.steer.where import covered
from otoscope.study.writing import BATCH_SIZE, Text, write_texts

LEAST_PHONES = 3
"""Words of fewer phones are left out where it is not known which words fit: another word rarely fits the sentence."""

LEAST_FRAMES = 50
"""A phone's mean over fewer frames is not used."""

Lexicon = Mapping[str, Iterable[tuple[str, ...]]]
Fits = Callable[[str, str], bool]
"""Whether the second word can stand where the first does."""

BySound = dict[tuple[str, ...], set[str]]
"""Pronunciation to words."""


@dataclass(frozen=True)
class Pair:
    """A word in a clip, one phone of it, and the word that another phone would make."""

    clip_id: str
    word: str
    phone: str
    start_s: float  # of the phone, from the start of the clip
    end_s: float
    other: str  # the other phone
    target: str  # the word that it makes


def pronunciations(clips: Iterable[Clip], labels: LabelSet) -> dict[str, set[tuple[str, ...]]]:
    """Gather the pronunciations of words from clips with words and phones in time."""
    by_word: dict[str, set[tuple[str, ...]]] = {}
    for clip in clips:
        phones = labels.phones_of(clip) or ()
        for word in clip.words or ():
            names = words_of(word.text)
            said = tuple(phone.text for phone in _within(phones, word))
            if len(names) == 1 and said:
                by_word.setdefault(names[0], set()).add(said)
    return by_word


def minimal_pairs(said: tuple[str, ...], word: str, by_sound: BySound) -> list[tuple[int, str, str]]:
    """Find the words that one other phone would make of a word: index of the phone, other phone, and other word."""
    same = by_sound.get(said, set()) | {word}  # a word that sounds the same does not count as another
    pairs = []
    for sound, names in by_sound.items():
        if len(sound) == len(said):
            differ = [index for index, (a, b) in enumerate(zip(said, sound, strict=True)) if a != b]
            if len(differ) == 1:
                pairs += [(differ[0], sound[differ[0]], name) for name in sorted(names - same)]
    return pairs


def words_by_sound(lexicon: Lexicon | None, clips: Iterable[Clip], labels: LabelSet) -> BySound:
    """Invert a lexicon: pronunciation to words; without a lexicon, use the clips' labels."""
    sounds_of: Lexicon = pronunciations(clips, labels) if lexicon is None else lexicon
    by_sound: dict[tuple[str, ...], set[str]] = {}
    for word, sounds in sounds_of.items():
        for sound in sounds:
            by_sound.setdefault(tuple(sound), set()).update(words_of(word))
    return by_sound


class Trials:
    """The clips that trials are made of: their log-mels, and their transcripts with nothing changed.

    `language`: language spoken; None for each clip's own.
    `fits`: which words can stand for which; None for all.
    """

    def __init__(
        self,
        model: Whisper,
        clips: Sequence[Clip],
        labels: LabelSet,
        by_sound: BySound,
        means: ClassMeans,
        language: str | None,
        fits: Fits | None,
    ) -> None:
        self._fits = fits
        self._model = model
        self._clips = {clip.id: clip for clip in clips}
        self._labels, self._by_sound = labels, by_sound
        counts = zip(means.labels, means.n_frames, strict=True)
        self._usable = {label for label, n in counts if n >= LEAST_FRAMES}
        self.clean: dict[str, str] = {}
        self._languages: dict[str, str] = {}
        ids = [clip_id for clip_id, clip in self._clips.items() if clip.words and labels.phones_of(clip)]
        for first in range(0, len(ids), BATCH_SIZE):
            batch = ids[first : first + BATCH_SIZE]
            encoded = model.encode_mel(self._mels(batch), batch_size=len(batch))
            rows = write_texts(model, encoded, [language or self._clips[name].language for name in batch])
            self.clean |= {name: row.text for name, row in zip(batch, rows, strict=True)}
            self._languages |= {name: row.language for name, row in zip(batch, rows, strict=True)}

    def _mels(self, ids: Sequence[str]) -> Float[Tensor, "window n_mels mel_frame"]:
        return torch.cat([self._model.windows(self._clips[name]).mel for name in ids])

    def drawn(self, n_pairs: int | None, seed: int) -> list[Pair]:
        """Find the trials: one for each word heard in a clip and target; at most `n_pairs`, drawn at random."""
        pairs: list[Pair] = []
        for clip_id, text in self.clean.items():
            clip = self._clips[clip_id]
            phones, heard = self._labels.phones_of(clip) or (), heard_words(clip, words_of(text))
            counts = Counter(words_of(text))
            for index, span in enumerate(clip.words or ()):
                names = words_of(span.text)
                if index in heard and len(names) == 1 and counts[names[0]] == 1:
                    pairs += self._of_word(clip_id, names[0], _within(phones, span))
        if n_pairs is not None and n_pairs < len(pairs):
            chosen = np.random.default_rng(seed).choice(len(pairs), n_pairs, replace=False)
            pairs = [pairs[number] for number in sorted(chosen)]
        return pairs

    def _of_word(self, clip_id: str, word: str, phones: Sequence[Span]) -> list[Pair]:
        said = tuple(phone.text for phone in phones)
        if self._fits is None and len(said) < LEAST_PHONES:
            return []
        pairs: dict[tuple[int, str], Pair] = {}
        for index, other, target in minimal_pairs(said, word, self._by_sound):
            if {said[index], other} <= self._usable and (self._fits is None or self._fits(word, target)):
                span = phones[index]
                pair = Pair(clip_id, word, said[index], span.start_s, span.end_s, other, target)
                pairs.setdefault((index, target), pair)
        return list(pairs.values())

    def steered(
        self, pairs: Sequence[Pair], site: str, vectors: Float[np.ndarray, "pair d"], lag: int, margin: int
    ) -> list[Text]:
        """Transcribe each trial with its vector added over the frames of its phone."""
        texts: list[Text] = []
        n_frames = self._model.n_frames
        for first in range(0, len(pairs), BATCH_SIZE):
            batch = pairs[first : first + BATCH_SIZE]
            chosen = np.stack([covered([_wider(pair, margin)], n_frames, lag) for pair in batch])
            added = torch.from_numpy(chosen[..., None] * vectors[first : first + len(batch), None]).to(
                self._model.device
            )
            ids = [pair.clip_id for pair in batch]
            with self._model.edit({site: _adding(added)}):
                encoded = self._model.encode_mel(self._mels(ids), batch_size=len(ids))
            texts += write_texts(self._model, encoded, [self._languages[name] for name in ids])
        return texts


def _within(phones: Sequence[Span], word: Span) -> list[Span]:
    """Return the phones whose middle lies in a word."""
    return [phone for phone in phones if word.start_s <= (phone.start_s + phone.end_s) / 2 < word.end_s]


def _wider(pair: Pair, margin: int) -> Span:
    """Return where a trial's phone is, with a margin of frames."""
    return Span(max(0.0, pair.start_s - margin * FRAME_S), pair.end_s + margin * FRAME_S, pair.phone)


def _adding(vectors: Float[Tensor, "window frame d"]) -> Callable[[Tensor], Tensor]:
    return lambda x: (x.float() + vectors).to(x.dtype)
