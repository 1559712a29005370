"""What every part of a study gets: the model, the corpus as it was surveyed, the settings, and where to write."""

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
"""Takes the part, the amount of it that is done, and the amount in all."""


class NotHereError(Exception):
    """A part needs what this corpus or model does not have; the message says what."""


@dataclass(frozen=True, eq=False)
class Context:
    """A study under way."""

    model: Whisper  # the model
    corpus: Corpus  # the clips
    info: CorpusInfo  # what the survey found in them
    lengths_s: Mapping[str, float]  # length of each clip that can be used
    settings: StudySettings  # of all parts
    folder: Path  # the study's folder
    tell: Progress  # called with the progress of a part
    problems: list[Problem]  # clips that a part could not use; grows

    @property
    def seed(self) -> int:
        """Seed of everything that is drawn at random."""
        return self.settings.study.seed

    @property
    def language(self) -> str | None:
        """The language spoken, where the settings name it."""
        return self.settings.study.language

    def progress(self, part: str) -> Callable[[int, int], None]:
        """Return the progress function of an experiment."""
        return lambda done, n_all: self.tell(part, done, n_all)

    def stretches(self, n_clips: int) -> Corpus:
        """Choose `n_clips` stretches fairly, from all speakers in turn, each at most one window of the model.

        `n_clips`: how many; all where there are fewer.
        """
        return self._in_order(self._stretches[:n_clips])

    def whole_clips(self, n_clips: int) -> Corpus:
        """Choose `n_clips` clips fairly, from all speakers in turn, however long they are.

        `n_clips`: how many; all where there are fewer.
        """
        return self._in_order(self._clips[:n_clips])

    def hours(self, hours: float | None) -> Corpus:
        """Choose clips fairly until they fill a number of hours; at least one clip.

        `hours`: how many; None for all clips.
        """
        if hours is None:
            return self._in_order(self._clips)
        before_s = np.cumsum([0.0, *(self.lengths_s[source.id] for source in self._clips)])[:-1]
        return self._in_order(
            [source for source, at_s in zip(self._clips, before_s, strict=True) if at_s < hours * 3600]
        )

    def read(self, corpus: Corpus) -> Iterator[Clip]:
        """Read chosen clips one after another; those that cannot be read are noted and skipped.

        Their paths are left out: results then name a clip by its id, and do not say where it lies on this machine.
        """
        yield from (replace(clip, path=None) for clip in corpus)
        self.note(corpus.problems)

    def note(self, problems: Sequence[Problem]) -> None:
        """Note clips that a part could not use."""
        self.problems.extend(new_problems(problems, self.problems))

    def clips(self, n_clips: int) -> list[Clip]:
        """Read `n_clips` stretches, fairly chosen, at most one window each: up to 2 MB per stretch of 30 s."""
        clips = list(self.read(self.stretches(n_clips)))
        if not clips:
            raise NotHereError("no clip could be read")
        return clips

    def clips_with_words(self, n_clips: int) -> list[Clip]:
        """Read `n_clips` stretches that have words in time, fairly chosen."""
        if self.info.words.n_clips == 0:
            raise NotHereError("the corpus has no words in time")
        clips: list[Clip] = []
        for source in self._stretches:
            if len(clips) == n_clips:
                break
            clips += [clip for clip in self.read(self._in_order([source])) if clip.words]
        if not clips:
            raise NotHereError("no stretch that fits into the model's window has words in time")
        return clips

    def _in_order(self, sources: Sequence[Source]) -> Corpus:
        """Put chosen sources back into the corpus's order: a long clip is then read once for all its stretches."""

        def position(source: Source) -> tuple[int, float]:
            name, start_s = origin(source)
            return self._places[name], start_s

        chosen = sorted(sources, key=position)
        return Corpus(self.corpus.name, chosen, asked_phone_set=self.info.phone_set)

    @cached_property
    def _places(self) -> dict[str, int]:
        """The position of each clip in the corpus."""
        return {source.id: index for index, source in enumerate(self.corpus.sources)}

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

    def frequent_words(self, n: int) -> tuple[str, ...]:
        """Name frequent words of the transcripts, the most frequent first."""
        counts = Counter(word for line in self.transcripts for word in words_of(line) if re.fullmatch(r"\w{4,}", word))
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        if not ranked:
            raise NotHereError("no word was heard in the corpus, and none was named in the settings")
        return tuple(ranked[:n])


def settings_of_part(settings: StudySettings, name: str) -> dict[str, Any]:
    """Return the settings of a part as they stand in study.toml."""
    table = next((part.table for part in parts() if part.name == name and part.table), name)
    return settings.to_json().get(table, {})


def check_parts(names: Sequence[str], known: Sequence[str]) -> None:
    """Refuse the name of a part that does not exist."""
    for name in names:
        refuse_unknown(name, list(known), "a study has no part", "parts")
