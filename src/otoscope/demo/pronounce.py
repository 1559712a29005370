"""How eSpeak NG would pronounce words, without speaking them: one child process for each batch of words.

Needs the `speech` extra. Takes about 10 microseconds a word and half a second to start. Run as a program, this module
reads a voice and words as JSON and writes their phones. Knows nothing of models.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from otoscope.base.errors import InputError
from otoscope.corpus.phones import to_phones

_CHARS_UTF8, _PHONEME_IPA = 1, 0x02


def is_installed() -> bool:
    """Whether eSpeak NG is installed."""
    return importlib.util.find_spec("espeakng_loader") is not None


@dataclass(frozen=True)
class EspeakPronouncer:
    """Words as a voice of eSpeak NG pronounces them."""

    voice: str = "gmw/en-US"  # eSpeak's voice file
    numbers: bool = False  # whether words with digits (`1,234`, `$5`, `2nd`) are pronounced too

    @property
    def name(self) -> str:
        """Its name in tables and pictures."""
        return f"eSpeak NG, {self.voice}"

    def __call__(self, words: Sequence[str], /) -> list[tuple[tuple[str, ...], ...]]:
        """Give each word's pronunciations in the IPA: one, or none for a word that cannot be pronounced."""
        pronounceable = [
            word for word in dict.fromkeys(words) if _is_latin(word) or (self.numbers and _is_number(word))
        ]
        if not pronounceable:
            return [() for _ in words]
        if not is_installed():
            raise InputError(
                "pronunciations need eSpeak NG, which is not installed: pip install 'otoscope[speech]', or "
                "give a lexicon."
            )
        spoken = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps([self.voice, pronounceable]),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        if spoken.returncode:
            reason = spoken.stderr.strip().splitlines()[-1:] or ["no message"]
            raise InputError(
                f"eSpeak NG could not pronounce words: {reason[0]}. Choose another voice, or give a lexicon."
            )
        phones = {word: _phones(units) for word, units in zip(pronounceable, json.loads(spoken.stdout), strict=True)}
        return [(phones[word],) if phones.get(word) else () for word in words]


def _is_latin(word: str) -> bool:
    letters = [letter for letter in word if letter.isalpha()]
    return bool(letters) and all(unicodedata.name(letter, "").startswith("LATIN") for letter in letters)


def _is_number(word: str) -> bool:
    letters = "".join(letter for letter in word if letter.isalpha())
    return any(letter.isdecimal() and letter.isascii() for letter in word) and (not letters or _is_latin(letters))


def _phones(units: str) -> tuple[str, ...]:
    """Give the IPA phones of eSpeak's units; empty if a unit is not in otoscope's tables."""
    phones: list[str] = []
    for unit in re.split(r"[_\s]+", units):
        sounds = to_phones(unit, "espeak", "ipa") if unit.strip("ˈˌ") else ()
        if sounds is None:
            return ()
        phones += sounds
    return tuple(phones)


def main() -> None:
    """Read a voice and words from stdin, and write eSpeak's units for each word to stdout."""
    from otoscope.demo.espeak import Espeak

    voice, words = json.loads(sys.stdin.buffer.read().decode())
    library = Espeak()._lib
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        sys.exit(f"eSpeak has no voice {voice!r}")
    units = []
    for word in words:
        pointer = ctypes.c_char_p(word.encode())
        mode = (ord("_") << 8) | _PHONEME_IPA
        units.append((library.espeak_TextToPhonemes(ctypes.byref(pointer), _CHARS_UTF8, mode) or b"").decode())
    sys.stdout.buffer.write(json.dumps(units).encode())


if __name__ == "__main__":
    main()
