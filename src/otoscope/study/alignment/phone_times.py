"""When each phone and word of an English transcript is spoken, by PocketSphinx's acoustic model (the extra `align`).

The acoustic model and its dictionary (135,000 words) come with the library; words that it lacks need a
`pronounce` function. Two passes over a recording: the first finds the words and which pronunciation is said, the second
their phones. Costs about 0.03 CPU-seconds per second of speech; the model takes 40 MB. Does not use Whisper.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from otoscope.audio.clip import Clip, Span
from otoscope.audio.kinds import Kind, frame_kinds
from otoscope.base.clocks import frames_begun
from otoscope.base.errors import InputError
from otoscope.corpus.lexicon import Pronouncer, Pronunciation
from otoscope.corpus.phones import to_phones
from otoscope.study.alignment.said import Doubt, check_times, said_words

if TYPE_CHECKING:
    from pocketsphinx import Decoder

BEAMS = (None, 1e-100, 1e-200)
"""How unlikely a path may become before it is dropped: the library's default (1e-48), then wider beams, each for clips
that failed with the one before."""
FRAME_RATE_HZ = 100
CENTRE_S = 0.0078
"""A boundary between two frames lies between their centres: frame n covers 25.6 ms from n * 10 ms on."""
UNSURE_SCORE = -30.0
"""Below this mean score per frame a transcript is probably not what is said.

The score is the log-likelihood ratio to the best state of the acoustic model, as the library scales it.
Of 16 clips of LJ Speech and 160 of speechocean762 4% are below it with their own transcripts; of those that can be
aligned with the transcript of another clip 87% are.
"""
UNSURE_WORD_SCORE = -40.0
"""Below this mean score per frame a word is probably not what is said there.

Of the words of LJ Speech 1% are below it where they are said, and 82% in another clip; of those of
speechocean762 3% and 61%.
"""
PEAK = 0.9
SILENCES = frozenset({"SIL", "<sil>", "<s>", "</s>", "+SPN+", "+NSN+"})
ENGLISH = frozenset({"en", "english"})
_REPLACEMENTS = {"DX": "T", "Q": "T", "NX": "N", "EL": "L", "EM": "M", "EN": "N", "AX": "AH", "AXR": "ER", "IX": "IH"}
"""Phones of ARPAbet that the acoustic model lacks, and those it uses instead."""
_PART = re.compile(r"[^\W_]+(?:'[^\W_]+)*'?")


def is_installed() -> bool:
    """Whether PocketSphinx is installed."""
    return importlib.util.find_spec("pocketsphinx") is not None


@dataclass(frozen=True)
class PhoneTimes:
    """The words and phones of a clip in time."""

    words: tuple[Span, ...]  # as written in the transcript, in order
    phones: tuple[Span, ...]  # ARPAbet without stress; pauses are left out
    score: float  # mean over the frames of speech; 0 is best, see `UNSURE_SCORE`
    doubts: tuple[Doubt, ...]  # words without times, or with unreliable times


class _Entry(NamedTuple):
    """A word of the dictionary, and the index of the word of the transcript that it is, or is part of."""

    text: str
    word: int


class _AlignedUnit(NamedTuple):
    """A word or phone as the library gives it: its frames, and the sum of their scores."""

    name: str
    start: int
    n_frames: int
    score: float


@dataclass
class PhoneAligner:
    """Finds phones in time; make one for a corpus and call it for every clip."""

    pronounce: Pronouncer | None = None  # for words that the dictionary lacks; None: a clip with such a word fails
    language: str | None = None  # language of clips that do not name theirs
    _decoders: list[Decoder] = field(default_factory=list, repr=False)
    _added: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not is_installed():
            raise InputError("phones are found in time by PocketSphinx: run `pip install 'otoscope[align]'`.")
        _check_english(self.language, "the language")

    @property
    def name(self) -> str:
        """Its name in results."""
        from importlib.metadata import version

        return f"pocketsphinx {version('pocketsphinx')}, en-us"

    def __call__(self, clip: Clip, transcript: str | None = None) -> PhoneTimes:
        """Find when each word and phone of a transcript is spoken.

        Source: Huggins-Daines et al. 2006, "PocketSphinx", ICASSP; its two passes are those of the library's
        `Decoder.set_alignment`.
        """
        _check_english(self.language or clip.language, f"the language of clip {clip.id!r}")
        given = clip.transcript or "" if transcript is None else transcript
        written, left_out = said_words(given)
        if not written:
            what = f"is {given[:80]!r}, which holds no word" if given else "is missing"
            raise InputError(f"the transcript of clip {clip.id!r} {what}. Give one that says what is said.")
        if not (frame_kinds(clip.samples, frames_begun(len(clip.samples))) == Kind.SPEECH).any():
            raise InputError(f"clip {clip.id!r} is silent, so nothing of its transcript can be found. Leave it out.")
        units = self._align(clip, self._entries(written))
        return _timed(clip, written, units, left_out)

    def _entries(self, written: Sequence[str]) -> list[_Entry]:
        """Split the words of a transcript into words of the dictionary, and add those that it lacks."""
        decoder = self._decoder(0)
        entries: list[_Entry] = []
        for number, word in enumerate(written):
            key = _key(word)
            is_whole = decoder.lookup_word(key) is not None or any(letter.isdigit() for letter in key)
            parts = [key] if is_whole else _PART.findall(key)
            entries += [_Entry(part, number) for part in parts or [key]]
        unknown = list(
            dict.fromkeys(
                entry.text
                for entry in entries
                if entry.text not in self._added and decoder.lookup_word(entry.text) is None
            )
        )
        said = self.pronounce(unknown) if unknown and self.pronounce is not None else [() for _ in unknown]
        for text, ways in zip(unknown, said, strict=True):
            spelt = tuple(dict.fromkeys(filter(None, map(_in_arpabet, ways))))
            if not spelt:
                raise InputError(
                    f"the word {text!r} is not in the dictionary of the acoustic model, and "
                    + (
                        "no pronunciation is known. Install eSpeak NG: pip install 'otoscope[speech]'."
                        if self.pronounce is None
                        else f"{self.pronounce.name} has none. Spell it differently."
                    )
                )
            self._add(text, spelt)
        return entries

    def _add(self, text: str, ways: tuple[str, ...]) -> None:
        self._added[text] = ways
        for decoder in self._decoders:
            _add_to(decoder, text, ways)

    def _decoder(self, number: int) -> Decoder:
        """Return the decoder with this one of the `BEAMS`, made when it is first needed."""
        from pocketsphinx import Decoder

        while len(self._decoders) <= number:
            beam = BEAMS[len(self._decoders)]
            wide = {} if beam is None else {"beam": beam, "pbeam": beam, "wbeam": beam}
            # The spectrum's mean is that of each clip alone, so that a clip's times do not depend on those before it.
            decoder = Decoder(lm=None, loglevel="FATAL", cmn="batch", bestpath=False, **wide)
            for text, ways in self._added.items():
                _add_to(decoder, text, ways)
            self._decoders.append(decoder)
        return self._decoders[number]

    def _align(
        self, clip: Clip, entries: Sequence[_Entry]
    ) -> list[tuple[int | None, _AlignedUnit, list[_AlignedUnit]]]:
        """Align words with the sound; return each with its index in the transcript (None: silence) and its phones."""
        sound = _as_int16(clip.samples)
        text = " ".join(entry.text for entry in entries)
        for number in range(len(BEAMS)):
            aligned = _two_passes(self._decoder(number), text, sound)
            if aligned is not None:
                rest = iter(entries)
                return [(None if unit.name in SILENCES else next(rest).word, unit, phones) for unit, phones in aligned]
        raise InputError(
            f"the transcript of clip {clip.id!r} cannot be aligned with its {clip.duration_s:.1f} s of sound. Check "
            "that it is what is said."
        )


def _check_english(language: str | None, what: str) -> None:
    if language is not None and language.strip().lower() not in ENGLISH:
        raise InputError(
            f"{what} is {language!r}: phones are found in time by an acoustic model of English. "
            "Use the Montreal Forced Aligner for other languages."
        )


def _key(word: str) -> str:
    """Spell a word as the dictionary does: small letters, plain apostrophes, hyphens inside, no punctuation around."""
    plain = re.sub(r"[\u2018\u2019\u02bc\u0060\u00b4]", "'", word.casefold())
    if any(letter.isdigit() for letter in plain):  # `$5` and `20%` are pronounced with what surrounds the number
        return plain.strip(".,;:!?\"'()-_…“”–—")
    return re.sub(r"^[^\w']+|[^\w']+$", "", plain).strip("'_")


def _in_arpabet(way: Pronunciation) -> str:
    """Write an IPA pronunciation in the acoustic model's phones, separated by spaces; empty where one has no symbol."""
    phones: list[str] = []
    for sound in way:
        symbols = to_phones(sound, "ipa", "arpabet")
        if symbols is None:
            return ""
        phones += (_REPLACEMENTS.get(symbol, symbol) for symbol in symbols)
    return " ".join(phones)


def _add_to(decoder: Decoder, text: str, ways: tuple[str, ...]) -> None:
    for number, way in enumerate(ways, 1):
        decoder.add_word(text if number == 1 else f"{text}({number})", way, number == len(ways))


def _as_int16(samples: np.ndarray) -> bytes:
    """Convert samples to what the library takes, at the same peak whatever the recording's level."""
    peak = float(np.abs(samples).max())
    return (samples * (PEAK * 32767 / peak if peak else 0.0)).astype("<i2").tobytes()


def _two_passes(decoder: Decoder, text: str, sound: bytes) -> list[tuple[_AlignedUnit, list[_AlignedUnit]]] | None:
    """Align words, then their phones; None where no path is left."""
    try:
        decoder.set_align_text(text)
        _decode(decoder, sound)
        if decoder.hyp() is None:
            return None
        decoder.set_alignment()
        _decode(decoder, sound)
        alignment = decoder.get_alignment()
    except RuntimeError:  # how the library reports that no path is left
        return None
    return None if alignment is None else [(_unit(word), [_unit(phone) for phone in word]) for word in alignment]


def _decode(decoder: Decoder, sound: bytes) -> None:
    decoder.start_utt()
    try:
        decoder.process_raw(sound, full_utt=True)
    finally:
        decoder.end_utt()


def _unit(entry: Any) -> _AlignedUnit:
    return _AlignedUnit(entry.name, entry.start, entry.duration, entry.score)


def _timed(
    clip: Clip,
    written: Sequence[str],
    units: Sequence[tuple[int | None, _AlignedUnit, list[_AlignedUnit]]],
    left_out: Sequence[Doubt],
) -> PhoneTimes:
    """Put words and phones in seconds, and note what is doubtful about them."""
    by_word: dict[int, list[_AlignedUnit]] = {}
    phones: list[_AlignedUnit] = []
    for number, unit, parts in units:
        if number is not None:
            by_word.setdefault(number, []).append(unit)
            phones += [part for part in parts if part.name not in SILENCES]
    words: list[Span] = []
    unsure: list[Doubt] = []
    for number, parts in sorted(by_word.items()):
        span = _span(parts[0].start, parts[-1].start + parts[-1].n_frames, written[number], clip.duration_s)
        words.append(span)
        if _mean_score(parts) < UNSURE_WORD_SCORE:
            unsure.append(Doubt(span.text, "probably not what is said there", span.start_s, span.end_s))
    kept, doubts = check_times(words)
    return PhoneTimes(
        words=tuple(kept),
        phones=tuple(_span(p.start, p.start + p.n_frames, p.name, clip.duration_s) for p in phones),
        score=_mean_score(phones),
        doubts=(*left_out, *doubts, *unsure),
    )


def _mean_score(units: Sequence[_AlignedUnit]) -> float:
    return sum(unit.score for unit in units) / max(1, sum(unit.n_frames for unit in units))


def _span(start: int, stop: int, text: str, duration_s: float) -> Span:
    """Turn frames [start, stop) into seconds; the recording's first and last frame reach to its ends."""
    start_s = start / FRAME_RATE_HZ + CENTRE_S if start else 0.0
    return Span(min(start_s, duration_s), min(stop / FRAME_RATE_HZ + CENTRE_S, duration_s), text)
