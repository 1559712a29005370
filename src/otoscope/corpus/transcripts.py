"""The text file of a recording: `x.txt` or `x.lab` beside it or elsewhere below the corpus's folder."""

from __future__ import annotations

import re
from pathlib import Path

from otoscope.corpus.alignment.find import is_transcript
from otoscope.corpus.names import NameIndex

ENDINGS = (".txt", ".normalized.txt", ".lab", ".original.txt")
"""Endings of a transcript, after the recording's name, the best first: LibriTTS has a normalised and an original text,
corpora for the Montreal Forced Aligner a `.lab`."""
NO_TRANSCRIPTS = re.compile(
    r"(readme|licen[cs]e|copying|authors|changelog|changes|notice|requirements|notes?|books|chapters|speakers|"
    r"speaker[-_]info|fileids|transcripts|index|train|test|dev|val|valid|validation|vocab|words|phones)([-_.].*)?",
    re.IGNORECASE,
)
"""Names of texts about a corpus, which are not transcripts."""
_MICROPHONE = re.compile(r"_mic\d+$")


class TranscriptIndex(NameIndex):
    """The text files below a folder, by the recordings they are named after.

    VCTK has one text for the recordings of two microphones: `txt/p225/p225_001.txt` belongs to
    `wav48_silence_trimmed/p225/p225_001_mic1.flac`.

    `root`: the corpus's folder; or a recording, to search only beside it.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root, ENDINGS)

    def accepts(self, path: Path) -> bool:
        """Whether a file holds a transcript; a `.lab` may hold labels instead."""
        return path.suffix.lower() != ".lab" or is_transcript(path)

    def stems(self, audio: Path) -> list[str]:
        """A recording's name, and the name without its microphone."""
        return list(dict.fromkeys((audio.stem.lower(), _MICROPHONE.sub("", audio.stem.lower()))))

    def unused(self) -> list[Path]:
        """Transcripts of missing recordings; texts about the corpus are not listed."""
        return [path for path in super().unused() if not NO_TRANSCRIPTS.fullmatch(path.stem)]
