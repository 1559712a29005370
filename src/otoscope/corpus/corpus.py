"""A corpus: many clips, read one at a time; clips that cannot be read are listed and do not stop the work.

Holds paths, not samples, so it needs the memory of one clip.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from otoscope.audio.clip import Clip
from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import short_name
from otoscope.base.short_repr import ShortRepr
from otoscope.corpus import demo_clips, folder, huggingface, librispeech, manifest
from otoscope.corpus.alignment import check_phones
from otoscope.corpus.labelling import common_phone_set, unknown_phones
from otoscope.corpus.phones import inventory
from otoscope.corpus.source import Problem, Source, check_ids

__all__ = ["DEMO", "Corpus", "Problem", "Source", "open_corpus"]

DEMO = "demo"
N_TO_DETECT = 50
"""How many labelled clips are read to detect the phone set of a corpus."""


@dataclass(repr=False)
class Corpus(ShortRepr):
    """Clips in a fixed order."""

    name: str  # what the corpus is called: the name it was opened by, or the last part of its path
    sources: Sequence[Source]  # the clips, not yet read
    problems: list[Problem] = field(default_factory=list)  # clips that could not be read; iterating fills it
    # labels that could not be used; iterating fills it
    label_problems: list[Problem] = field(default_factory=list)
    # recordings that differ from what their header says, or may be incomplete; reading fills it
    sound_notes: list[Problem] = field(default_factory=list)
    # how many clips hold each symbol that the phone set lacks; iterating fills it
    unknown_phones: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()  # notes on the corpus as a whole
    asked_phone_set: str | None = None  # the phone set of its labels, as given; None to detect it

    def __post_init__(self) -> None:
        self._noted: set[str] = set()  # clips whose notes are listed already
        if self.asked_phone_set is not None:
            inventory(self.asked_phone_set)  # refuses an unknown set
        check_ids(((source.id, f"clip {number}") for number, source in enumerate(self.sources, 1)), self.name)

    def __len__(self) -> int:
        return len(self.sources)

    def __iter__(self) -> Iterator[Clip]:
        """Read the clips one after another; one that cannot be read is listed in `problems` and skipped."""
        self.problems.clear()
        self.label_problems.clear()
        self.sound_notes.clear()
        self._noted.clear()
        self.unknown_phones.clear()
        for source in self.sources:
            try:
                clip = self.read(source)
            except InputError as error:
                self.problems.append(Problem(source.id, str(error)))
                continue
            if clip.label_problem is not None:
                self.label_problems.append(Problem(clip.id, clip.label_problem))
            yield clip

    @cached_property
    def phone_set(self) -> str | None:
        """The phone set of the labels, as given or detected from the first labelled clips.

        None where there are no phones, or where no known phone set has them.
        """
        if self.asked_phone_set is not None:
            return self.asked_phone_set
        labelled: list[set[str]] = []
        for source in self.sources:
            if len(labelled) == N_TO_DETECT:
                break
            try:
                labels = None if source.labels is None else source.labels()
            except InputError:  # reported when the clip is read
                continue
            if labels is not None:
                labelled.append({span.text for span in labels.phones or ()})
        return common_phone_set(labelled)

    def read(self, source: Source) -> Clip:
        """Read one clip; its labels are left out if they hold a phone that the phone set lacks.

        Args:
            source: One of `sources`.

        Returns:
            The clip; its `label_problem` says why labels were left out.

        Raises:
            InputError: The clip cannot be read.
        """
        clip = source.read()
        if clip.notes and source.id not in self._noted:
            self._noted.add(source.id)
            self.sound_notes += [Problem(source.id, note) for note in clip.notes]
        if not clip.phones:
            return clip
        unknown = unknown_phones(clip.phones, self.phone_set)
        if not unknown:
            return clip
        self.unknown_phones.update(unknown)
        return replace(clip, words=None, phones=None, label_problem=self._unknown_message(source, unknown))

    def first(self, n_clips: int) -> Corpus:
        """Return the corpus cut to its first `n_clips` clips."""
        if n_clips < 1:
            raise InputError(f"the number of clips is {n_clips}: it must be 1 or more.")
        return Corpus(self.name, self.sources[:n_clips], notes=self.notes, asked_phone_set=self.asked_phone_set)

    def about(self) -> dict[str, Any]:
        """Describe which clips it holds, for a manifest."""
        ids = "\n".join(source.id for source in self.sources)
        return {
            "name": self.name,
            "n_clips": len(self),
            "clips_hash": f"{zlib.crc32(ids.encode('utf-8', 'surrogateescape')):08x}",
        }

    def _repr_html_(self) -> str:
        """Write what a notebook shows: what is known about the clips without decoding any."""
        return html.display(self, self._shown)

    def _shown(self) -> html.Shown:
        if not isinstance(self.sources, list | tuple):  # they may be rows of a remote dataset
            return html.Shown(f"Corpus {self.name}", [("clips", len(self)), ("notes", self.notes)])
        lengths = [source.duration_s for source in self.sources if source.duration_s is not None]
        speakers = {source.speaker for source in self.sources} - {None}
        languages = sorted({source.language for source in self.sources if source.language is not None})
        minutes = f"{sum(lengths) / 60:,.1f}" + (f" ({len(lengths):,} clips)" if len(lengths) < len(self) else "")
        facts = [
            ("clips", len(self)),
            ("minutes", minutes if lengths else "known once they are read"),
            ("speakers", len(speakers) or "not named"),
            ("languages", languages or "not named"),
            ("notes", self.notes),
            ("could not be read", len(self.problems)),
            ("labels that cannot be used", len(self.label_problems)),
            ("notes on recordings", len(self.sound_notes)),
        ]
        rows = [(clip.id, clip.speaker, clip.language, clip.duration_s) for clip in self.sources[: html.MOST_ROWS]]
        table = html.ShownTable(("clip", "speaker", "language", "seconds"), rows, "", len(self))
        return html.Shown(f"Corpus {self.name}", [fact for fact in facts if fact[1]], [table])

    def _unknown_message(self, source: Source, unknown: Sequence[str]) -> str:
        """Say which phone is unknown, and in which file and line if that is known."""
        shown = ", ".join(map(repr, unknown))
        if self.phone_set is None:
            message = f"phones {shown} belong to no known phone set. Correct them, or convert them to a known set."
        else:
            message = (
                f"phones {shown} are unknown. Expected the symbols of phone set {self.phone_set!r}. "
                "Correct the labels, or name the phone set that they are written in."
            )
        try:
            labels = None if source.labels is None else source.labels()
            if labels is not None and self.phone_set is not None and labels.phone_lines:
                check_phones(labels, self.phone_set)
            return message if labels is None else f"alignment '{labels.path}': {message}"
        except InputError as error:  # with file and line
            return str(error)


def open_corpus(source: str | Path, *, phone_set: str | None = None) -> Corpus:
    """Find the clips of a corpus, without reading sound yet.

    Args:
        source: `demo` (the clips in the package), a folder of recordings, a LibriSpeech tree, a manifest (`.jsonl`,
            `.csv`, `.tsv` or `.parquet`), `hf:NAME[:CONFIG[:SPLIT]]` (Hugging Face datasets), or one recording.
        phone_set: The phone set of its labels, one of `otoscope.corpus.phones.PHONE_SETS`; detected by default.

    Returns:
        The corpus; iterate it for its clips.

    Raises:
        InputError: There is no such folder, file or dataset, there is no recording in it, its manifest is wrong, two
            clips have the same id, or there is no such phone set.
    """
    sources, notes = _find(source)
    return Corpus(short_name(str(source)), sources, notes=notes, asked_phone_set=phone_set)


def _find(source: str | Path) -> tuple[Sequence[Source], tuple[str, ...]]:
    if source == DEMO:
        return [label.source() for label in demo_clips.read_index()], ()
    if huggingface.is_name(str(source)):
        return huggingface.sources(str(source))
    path = Path(source)
    if manifest.is_manifest(path):
        return manifest.sources(path)
    if librispeech.is_tree(path):
        return librispeech.sources(path)
    return folder.sources(path)
