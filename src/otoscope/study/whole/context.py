"""What every part of a study is handed: the model, the corpus as it was surveyed, the settings, and where to write."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.audio.clip import Clip
from otoscope.base.files import short_name
from otoscope.base.settings import refuse_unknown
from otoscope.corpus import Corpus, Problem
from otoscope.corpus.info import CorpusInfo
from otoscope.corpus.source import Source
from otoscope.model.whisper import Whisper
from otoscope.study.catalogue import parts
from otoscope.study.error_rate import words_of
from otoscope.study.whole.settings import StudySettings
from otoscope.study.whole.stretches import clips_in_turn, new_problems, origin, stretches_in_turn

Progress = Callable[[str, float, float], None]
"""Takes the part, how much of it is done, and of how much."""


class NotHereError(Exception):
    """A part asks for what this corpus or model does not have; the message says what."""


@dataclass(frozen=True, eq=False)
class Context:
    """A study under way."""

    model: Whisper  # the model
    corpus: Corpus  # the clips
    info: CorpusInfo  # what was found in them
    lengths_s: Mapping[str, float]  # how long each clip is that can be used
    settings: StudySettings  # of all parts
    folder: Path  # the study's folder
    tell: Progress  # told how far a part is
    problems: list[Problem]  # clips that a part could not use; grows

    @property
    def seed(self) -> int:
        """Of whatever is drawn at random."""
        return self.settings.study.seed

    @property
    def language(self) -> str | None:
        """What is spoken, where it was told."""
        return self.settings.study.language

    def progress(self, part: str) -> Callable[[int, int], None]:
        """Give what an experiment calls with how much is done."""
        return lambda done, of: self.tell(part, done, of)

    def stretches(self, n_clips: int) -> Corpus:
        """Choose so many stretches fairly, from all speakers in turn, each at most one window of the model.

        Args:
            n_clips: How many; all where there are fewer.
        """
        return self._in_order(self._stretches[:n_clips])

    def whole_clips(self, n_clips: int) -> Corpus:
        """Choose so many clips fairly, from all speakers in turn, however long they are.

        Args:
            n_clips: How many; all where there are fewer.
        """
        return self._in_order(self._clips[:n_clips])

    def hours(self, hours: float | None) -> Corpus:
        """Choose clips fairly until so many hours are full: one clip at least.

        Args:
            hours: How many; None for all clips.
        """
        if hours is None:
            return self._in_order(self._clips)
        before_s = np.cumsum([0.0, *(self.lengths_s[source.id] for source in self._clips)])[:-1]
        return self._in_order([one for one, at_s in zip(self._clips, before_s, strict=True) if at_s < hours * 3600])

    def read(self, corpus: Corpus) -> Iterator[Clip]:
        """Read chosen clips one after another; those that cannot be read are noted and passed over.

        Their paths are left out: results then name a clip by its id, and do not say where it lies on this machine.
        """
        yield from (replace(clip, path=None) for clip in corpus)
        self.note(corpus.problems)

    def note(self, problems: Sequence[Problem]) -> None:
        """Note clips that a part could not use."""
        self.problems.extend(new_problems(problems, self.problems))

    def clips(self, n_clips: int) -> list[Clip]:
        """Read so many stretches, fairly chosen, at most one window each: up to 2 MB a stretch of 30 s.

        Raises:
            NotHereError: None can be read.
        """
        found = list(self.read(self.stretches(n_clips)))
        if not found:
            raise NotHereError("no clip could be read")
        return found

    def clips_with_words(self, n_clips: int) -> list[Clip]:
        """Read so many stretches that have words in time, fairly chosen.

        Raises:
            NotHereError: There are none.
        """
        if self.info.words.n_clips == 0:
            raise NotHereError("the corpus has no words in time")
        found: list[Clip] = []
        for source in self._stretches:
            if len(found) == n_clips:
                break
            found += [clip for clip in self.read(self._in_order([source])) if clip.words]
        if not found:
            raise NotHereError("no stretch that fits into the model's window has words in time")
        return found

    def _in_order(self, sources: Sequence[Source]) -> Corpus:
        """Put chosen sources back into the corpus's order: a long clip is then read once for all its stretches."""

        def place(source: Source) -> tuple[int, float]:
            name, start_s = origin(source)
            return self._places[name], start_s

        chosen = sorted(sources, key=place)
        return Corpus(short_name(self.corpus.name), chosen, asked_phone_set=self.info.phone_set)

    @cached_property
    def _places(self) -> dict[str, int]:
        """Where each clip stands in the corpus."""
        return {source.id: place for place, source in enumerate(self.corpus.sources)}

    @cached_property
    def _stretches(self) -> list[Source]:
        return stretches_in_turn(self.corpus, self.lengths_s, self.model.window_s, self.seed)

    @cached_property
    def _clips(self) -> list[Source]:
        return clips_in_turn(self.corpus, self.lengths_s, self.seed)

    @cached_property
    def transcripts(self) -> list[str]:
        """What is said in the clips, where that is known; otherwise what the model heard."""
        path = self.folder / "transcripts" / "transcripts.json"
        if not path.is_file():
            raise NotHereError("it needs the part transcripts, which is not there")
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["clips"]
        return [row["said"] or row["heard"] for row in rows]

    def frequent_words(self, n: int, *, least_letters: int = 4) -> tuple[str, ...]:
        """Name frequent words of the transcripts, the most frequent first.

        Raises:
            NotHereError: There are none.
        """
        counts = Counter(
            word
            for line in self.transcripts
            for word in words_of(line)
            if len(word) >= least_letters and re.fullmatch(r"\w+", word)
        )
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        if not ranked:
            raise NotHereError("no word was heard in the corpus, and none was named in the settings")
        return tuple(ranked[:n])


def settings_of_part(settings: StudySettings, name: str) -> dict[str, Any]:
    """Give the settings of a part as they stand in study.toml."""
    table = next((part.table for part in parts() if part.name == name and part.table), name)
    return settings.to_json().get(table, {})


def check_parts(names: Sequence[str], known: Sequence[str]) -> None:
    """Refuse a part that is none."""
    for name in names:
        refuse_unknown(name, list(known), "a study has no part", "parts")
