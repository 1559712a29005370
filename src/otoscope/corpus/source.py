"""One clip of a corpus before it is read: its id, how to read it, and what is known without decoding its sound."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError
from otoscope.corpus.alignment import Alignment


@dataclass(frozen=True)
class Problem:
    """A clip, or a clip's labels, that could not be used: its name and what is wrong with it."""

    clip: str
    message: str


@dataclass(frozen=True)
class Source:
    """One clip that can be read."""

    id: str  # a name, unique in its corpus
    read: Callable[[], Clip]  # reads the sound and the labels; can be pickled, so that other processes may read
    speaker: str | None = None  # who speaks, if known without decoding
    language: str | None = None  # the language, if known without decoding
    duration_s: float | None = None  # length in seconds; None where only decoding tells
    # reads only the words and phones in time, without decoding the sound; None where there are no labels
    labels: Callable[[], Alignment | None] | None = None


def check_ids(clips: Iterable[tuple[str, str]], what: str) -> None:
    """Refuse two clips of the same id, since results are filed under it.

    `clips`: id and location of each clip; the location is a line or a file, for the message.
    """
    locations: dict[str, str] = {}
    for name, location in clips:
        if name in locations:
            raise InputError(
                f"{what}: two clips are called {name!r}, {locations[name]} and {location}. "
                "An id is unique in its corpus. Give one of them another id."
            )
        locations[name] = location


def is_name(name: str) -> bool:
    """Whether an id can name results inside a folder: not empty, relative, and without '..'."""
    return bool(name.strip()) and "\0" not in name and name[0] not in "/\\" and ".." not in name.split("/")


def check_name(name: str, where: str) -> None:
    """Refuse an id that cannot name results inside a folder.

    `where`: its file and line, for the message.
    """
    if not is_name(name):
        raise InputError(
            f"{where}: a clip is called {name!r}. An id names results: it is not empty, does not begin with a slash "
            "and has no part '..'. Give it another id."
        )
