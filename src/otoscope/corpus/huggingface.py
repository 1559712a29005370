"""Clips of a Hugging Face dataset, `hf:NAME[:CONFIG[:SPLIT]]`, through the `datasets` library, an extra.

Streamed: only the rows' texts are kept. Sound comes as the bytes of a file and is decoded by `otoscope.audio`. Clips
that are read in order come from one stream; a clip that is read out of order reopens it there.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from otoscope.audio.clip import Clip
from otoscope.audio.decode import read_audio, read_audio_bytes
from otoscope.base.errors import AudioError, InputError
from otoscope.base.text import one_line
from otoscope.corpus import datasets_hub
from otoscope.corpus import source as clips
from otoscope.corpus.language import language_code
from otoscope.corpus.source import Source

PREFIX = "hf:"
USUAL = {
    "transcript": ("text", "sentence", "transcription", "transcript", "normalized_text"),
    "speaker": ("speaker_id", "speaker", "client_id"),
    "language": ("language", "locale"),
    "id": ("id", "file"),
}
"""Usual names of columns, the likeliest first."""


@dataclass(frozen=True)
class Opening:
    """How a dataset's split is opened."""

    name: str  # the name by which the corpus was opened
    path: str  # a repository's id or a local folder
    config: str | None  # the configuration; None for the only one
    split: str | None  # the split; None for the only one

    def open(self, **settings: Any) -> Any:
        """Open the split as a stream whose columns are known."""
        import datasets

        with datasets_hub.reading(self.name):
            splits = datasets.load_dataset(self.path, self.config, streaming=True, **settings)
            split = self.split or self._only(list(splits))
            if split not in splits:
                raise InputError(
                    f"{self.name!r}: there is no split {split!r}. Choose one of {', '.join(map(str, splits))}."
                )
            return splits[split]._resolve_features()

    def _only(self, splits: list[str]) -> str:
        if len(splits) != 1:
            raise InputError(
                f"{self.name!r} has the splits {', '.join(map(str, splits))}. Name one: "
                f"hf:NAME:CONFIG:{splits[0]}, with nothing for CONFIG where there is only one."
            )
        return splits[0]


class RowStream:
    """The sound of a dataset's rows, read in order from one stream; a pickled copy reopens it."""

    def __init__(self, opening: Opening, audio: str) -> None:
        self.opening = opening
        self._audio = audio
        self._rows: Iterator[Any] | None = None
        self._next = 0

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the open stream."""
        return {**self.__dict__, "_rows": None}

    def sound(self, number: int) -> Any:
        """Give the content of the audio column in a row."""
        with datasets_hub.reading(self.opening.name):
            if self._rows is None or number != self._next:
                dataset = undecoded(self.opening.open(), self._audio).select_columns([self._audio])
                self._rows = iter(dataset.skip(number))
            rows, self._rows = self._rows, None  # after an error the next call reopens it
            row = next(rows, None)
            if row is None:
                raise InputError(
                    f"{self.opening.name!r} ended before row {number + 1}. Has it changed? Run this again."
                )
            self._rows, self._next = rows, number + 1
            return row[self._audio]


@dataclass(frozen=True)
class RowReader:
    """Reads one row as a clip."""

    stream: RowStream
    number: int
    id: str
    transcript: str | None
    speaker: str | None
    language: str | None

    def __call__(self) -> Clip:
        """Read the clip."""
        sound = self.stream.sound(self.number)
        name = f"{self.stream.opening.name} row {self.number + 1}"
        content, path = (sound.get("bytes"), sound.get("path")) if isinstance(sound, dict) else (None, sound)
        if isinstance(content, bytes):
            recording = read_audio_bytes(content, f"{name}{f', {path}' if path else ''}")
        elif isinstance(path, str) and "://" in path:
            recording = read_audio_bytes(_fetch(path, self.stream.opening.name), f"{name}, {path}")
        elif isinstance(path, str):
            recording = read_audio(path)
        else:
            raise AudioError(f"{name} holds no sound: expected the bytes or the path of a recording. Leave it out.")
        return Clip(
            recording.samples,
            self.id,
            self.transcript,
            speaker=self.speaker,
            language=self.language,
            notes=recording.notes,
        )


def is_name(source: str) -> bool:
    """Whether a corpus name has the form `hf:...`; an existing file of that name takes precedence."""
    return source.startswith(PREFIX) and not Path(source).exists()


def sources(name: str) -> tuple[list[Source], tuple[str, ...]]:
    """Find the clips of a dataset in one pass over its columns other than sound.

    `name`: `hf:NAME[:CONFIG[:SPLIT]]`; NAME is a repository's id or a local folder.
    Returns the clips in the dataset's order, and notes.
    """
    if importlib.util.find_spec("datasets") is None:
        raise InputError(
            f"{name!r} needs one more library: run `pip install 'otoscope[datasets]'`. "
            "Folders, LibriSpeech trees and manifests need none."
        )
    opening, notes = _parse(name)
    dataset = opening.open()
    features = dataset.features
    audio = _audio_column(name, features)
    columns = {role: _column(features, names) for role, names in USUAL.items()}
    rows = _facts(opening, dataset, audio, [column for column in columns.values() if column])
    if not rows:
        raise InputError(f"{name!r} holds no rows. Choose another split.")
    facts = {role: [_text(row, column, features) for row in rows] for role, column in columns.items()}
    names, note = _names(facts["id"], columns["id"])
    stream = RowStream(opening, audio)
    readers = [
        RowReader(
            stream, number, clip_id, facts["transcript"][number], facts["speaker"][number], language_code(language)
        )
        for number, (clip_id, language) in enumerate(zip(names, facts["language"], strict=True))
    ]
    return [Source(reader.id, reader, reader.speaker, reader.language) for reader in readers], (*notes, *note)


def undecoded(dataset: Any, audio: str) -> Any:
    """Return the dataset with its sound left as bytes or a path."""
    from datasets import Audio

    if isinstance(dataset.features.get(audio), Audio):
        return dataset.cast_column(audio, _sound_as_found()(decode=False))
    return dataset


@cache
def _sound_as_found() -> type:
    """A column of sound that is neither encoded nor decoded.

    The library encodes rows that come from no table, such as those of an AudioFolder, even where nothing is decoded,
    and needs torchcodec for that.
    """
    from datasets import Audio

    class SoundAsFound(Audio):
        def encode_example(self, value: Any) -> dict[str, Any]:
            if isinstance(value, dict):
                return {"bytes": value.get("bytes"), "path": value.get("path")}
            if isinstance(value, bytes | bytearray):
                return {"bytes": bytes(value), "path": None}
            return {"bytes": None, "path": None if value is None else str(value)}

    return SoundAsFound


def _parse(name: str) -> tuple[Opening, tuple[str, ...]]:
    rest = name.removeprefix(PREFIX)
    parts = [rest] if Path(rest).exists() else rest.split(":")
    if len(parts) > 3 or not parts[0]:
        raise InputError(f"{name!r} is not a dataset: expected hf:NAME, hf:NAME:CONFIG or hf:NAME:CONFIG:SPLIT.")
    repo, config, split = [*parts, "", ""][:3]
    path, note = datasets_hub.locate(repo)
    return Opening(name, path, config or None, split or None), note


def _audio_column(name: str, features: Any) -> str:
    from datasets import Audio

    candidates = [column for column, feature in features.items() if isinstance(feature, Audio)]
    candidates += [column for column in features if column.lower() == "audio"]
    if not candidates:
        raise InputError(
            f"{name!r} has no column of sound: it has {', '.join(features)}. Choose a dataset with a column 'audio'."
        )
    return "audio" if "audio" in candidates else candidates[0]


def _column(features: Any, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in features), None)


def _facts(opening: Opening, dataset: Any, audio: str, columns: list[str]) -> list[dict[str, Any]]:
    """Read the rows without their sound: by column where the files allow it, otherwise skipping the sound."""
    with datasets_hub.reading(opening.name):
        if columns:
            try:
                dataset = opening.open(columns=columns)
            except InputError:  # these files cannot be read by column
                dataset = undecoded(dataset, audio).select_columns(columns)
            return list(dataset)
        return [{} for _ in undecoded(dataset, audio)]


def _text(row: dict[str, Any], column: str | None, features: Any) -> str | None:
    value = None if column is None else row.get(column)
    if isinstance(value, int) and hasattr(features[column], "int2str") and value >= 0:
        value = features[column].int2str(value)  # the number of a class
    if value is None or not isinstance(value, str | int | float):
        return None
    return one_line(str(value)) or None


def _names(values: list[str | None], column: str | None) -> tuple[list[str], tuple[str, ...]]:
    """Take ids from their column; row numbers where there is none, or where it cannot name each clip."""
    names = [Path(value).stem if value and column == "file" else value or "" for value in values]
    if len(set(names)) == len(names) and all(map(clips.is_name, names)):
        return names, ()
    note = () if column is None else (f"column {column!r} does not name each row: clips are called by their numbers.",)
    return [f"{number:06d}" for number in range(1, len(values) + 1)], note


def _fetch(url: str, name: str) -> bytes:
    import fsspec

    with datasets_hub.reading(name), fsspec.open(url, "rb") as file:
        return bytes(file.read())
