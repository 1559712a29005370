"""eSpeak NG through ctypes: speech samples with the times of every word and phone.

Needs the `speech` extra. eSpeak keeps one global state per process, so an `Espeak` belongs to one thread of one
process. Its samples depend slightly on what that process said before; `fresh` gives repeatable speech. Knows nothing of
models or tokens.

Source: speak_lib.h of eSpeak NG 1.52.0 for every constant and structure.
"""

from __future__ import annotations

import ctypes
import math
import multiprocessing
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from otoscope.audio.clip import Span
from otoscope.base.errors import InputError

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_PHONEME_EVENTS, _PHONEME_IPA, _DONT_EXIT = 0x0001, 0x0002, 0x8000
_EVENT_LIST_END, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_RATE, _PITCH, _RANGE = 1, 3, 4
_CHARS_UTF8 = 1
_LONGEST_DATA_PATH = 150  # eSpeak copies the path into 160 bytes and fails without a message if it is too long


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Prosody:
    """How a voice speaks: rate in words per minute, pitch and pitch range on eSpeak's scale of 0 to 100."""

    rate_wpm: int = 175
    pitch: int = 50
    pitch_range: int = 50


@dataclass(frozen=True)
class Spoken:
    """Speech from eSpeak."""

    samples: np.ndarray  # float32 [sample] in -1..1 at `rate_hz`
    rate_hz: int  # eSpeak's own rate (22,050)
    words: tuple[Span, ...]  # the words of the text, each from its first phone to the end of its last
    phones: tuple[Span, ...]  # eSpeak's units (IPA with stress marks) with times; pauses are left out


class Espeak:
    """An eSpeak NG instance."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise InputError(
                "the recipe speaks with eSpeak NG, which is not installed: pip install 'otoscope[speech]'"
            ) from error
        data_path = _short_path(Path(espeakng_loader.get_data_path()))
        self._lib = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        self._lib.espeak_SetSynthCallback.argtypes = [_SynthCallback]
        self._lib.espeak_SetSynthCallback.restype = None
        self._lib.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        self._lib.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        options = _PHONEME_EVENTS | _PHONEME_IPA | _DONT_EXIT
        self.rate_hz = int(self._lib.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, str(data_path).encode(), options))
        if self.rate_hz <= 0:
            raise InputError(f"eSpeak NG did not start (error {self.rate_hz}); its data is at {data_path}")
        self.variants = frozenset(entry.name for entry in (data_path / "voices" / "!v").iterdir())
        self._chunks: list[np.ndarray] = []
        self._events: list[tuple[int, int, int, int, str]] = []
        self._callback = _SynthCallback(self._collect)  # ctypes keeps no reference of its own
        self._lib.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        if samples and count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != _EVENT_LIST_END:
            event = events[index]
            # A name of eight bytes has no terminating NUL, so the raw bytes are read.
            raw = ctypes.string_at(ctypes.addressof(event) + _Event.id.offset, 8).split(b"\0")[0]
            name = raw.decode("utf-8", "replace") if event.type == _EVENT_PHONEME else ""
            self._events.append((event.type, event.sample, event.text_position, event.length, name))
            index += 1
        return 0

    def say(self, text: str, voice: str, prosody: Prosody) -> Spoken:
        """Speak a text in a voice such as `gmw/en-US+f2`."""
        variant = voice.partition("+")[2]
        if variant and variant not in self.variants:
            raise InputError(f"eSpeak has no voice variant {variant!r} (in the voice {voice!r})")
        if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise InputError(f"eSpeak has no voice {voice!r}")
        for parameter, value in ((_RATE, prosody.rate_wpm), (_PITCH, prosody.pitch), (_RANGE, prosody.pitch_range)):
            self._lib.espeak_SetParameter(parameter, value, 0)
        self._chunks.clear()
        self._events.clear()
        encoded = text.encode()
        if self._lib.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _CHARS_UTF8, None, None) != 0:
            raise InputError(f"eSpeak could not say {text!r}")
        self._lib.espeak_Synchronize()
        samples = np.concatenate(self._chunks).astype(np.float32) / 32768 if self._chunks else np.zeros(0, np.float32)
        return Spoken(samples, self.rate_hz, *self._times(text, len(samples)))

    def _times(self, text: str, n_samples: int) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
        """Turn onset events into spans: each lasts until the next onset; an event without a name is a pause."""
        onsets = [(sample, name) for kind, sample, _, _, name in self._events if kind == _EVENT_PHONEME]
        ends = [sample for sample, _ in onsets[1:]] + [n_samples]
        phones = tuple(
            Span(start / self.rate_hz, end / self.rate_hz, name)
            for (start, name), end in zip(onsets, ends, strict=True)
            if name and end > start
        )
        return tuple(self._words(text, phones)), phones

    def _words(self, text: str, phones: tuple[Span, ...]) -> Iterator[Span]:
        """Assign phones to the words of the text.

        eSpeak says some pairs ("on the") as one word with one event. Then the later words get as many of the last
        phones as they have when said alone.
        """
        begins: dict[int, float] = {}
        for kind, sample, position, _, _ in self._events:
            if kind == _EVENT_WORD:
                begins.setdefault(position - 1, sample / self.rate_hz)
        groups: list[tuple[float, list[str]]] = []
        for match in re.finditer(r"[\w']+", text):
            if match.start() in begins or not groups:
                groups.append((begins.get(match.start(), 0.0), []))
            groups[-1][1].append(match.group())
        limits = [begin for begin, _ in groups[1:]] + [math.inf]
        for (begin, words), limit in zip(groups, limits, strict=True):
            # a word's event comes up to 13 ms before its first phone
            group_phones = [phone for phone in phones if begin - 0.002 <= phone.start_s < limit - 0.002]
            counts = [self._phones_alone(word) for word in words[1:]]
            counts.insert(0, max(0, len(group_phones) - sum(counts)))
            for word, count in zip(words, counts, strict=True):
                word_phones, group_phones = group_phones[:count], group_phones[count:]
                start_s, end_s = (word_phones[0].start_s, word_phones[-1].end_s) if word_phones else (begin, begin)
                yield Span(start_s, end_s, word)

    def _phones_alone(self, word: str) -> int:
        """Number of phones of a word that is said alone."""
        pointer = ctypes.c_char_p(word.encode())
        mode = (ord("_") << 8) | _PHONEME_IPA
        spelt = self._lib.espeak_TextToPhonemes(ctypes.byref(pointer), _CHARS_UTF8, mode) or b""
        return len([unit for unit in spelt.decode().split("_") if unit.strip()])


def _short_path(data_path: Path) -> Path:
    """The path itself, or a link to it in the folder for temporary files if it is too long for eSpeak."""
    if len(str(data_path)) <= _LONGEST_DATA_PATH:
        return data_path
    link = Path(tempfile.mkdtemp(prefix="espeak-")) / data_path.name
    link.symlink_to(data_path, target_is_directory=True)
    return link


def fresh(requests: list[tuple[str, str, Prosody]]) -> list[Spoken]:
    """Say each (text, voice, prosody) in its own process, so that a request always gives the same samples."""
    context = multiprocessing.get_context("forkserver")  # its server has never spoken and has no threads
    context.set_forkserver_preload([__name__])
    with context.Pool(1, maxtasksperchild=1) as pool:
        return pool.map(_say_alone, requests, chunksize=1)


def _say_alone(request: tuple[str, str, Prosody]) -> Spoken:
    return Espeak().say(*request)
