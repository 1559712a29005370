"""A corpus: many clips, read one at a time, bad ones collected instead of stopping the work.

Holds paths, not samples: memory is that of one clip.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from otoscope.audio.clip import Clip
from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.short_repr import ShortRepr
from otoscope.corpus import demo_clips, folder, huggingface, librispeech, manifest
from otoscope.corpus.alignment import check_phones
from otoscope.corpus.labelling import common_phone_set, unknown_phones
from otoscope.corpus.phones import inventory
from otoscope.corpus.source import Problem, Source, check_ids

__all__ = ["DEMO", "Corpus", "Problem", "Source", "open_corpus"]

DEMO = "demo"
N_TO_TELL = 50
"""So many labelled clips tell in which phone set a corpus is written."""


@dataclass(repr=False)
class Corpus(ShortRepr):
    """Clips in a fixed order."""

    name: str  # what the corpus was asked for as
    sources: Sequence[Source]  # the clips, unread
    problems: list[Problem] = field(default_factory=list)  # what could not be read so far; iterating fills it
    # labels that were found and could not be used; iterating fills it
    label_problems: list[Problem] = field(default_factory=list)
    # recordings that were read otherwise than they say, or whose end may be missing; reading fills it
    sound_notes: list[Problem] = field(default_factory=list)
    # how many clips hold each symbol that the phone set lacks; iterating fills it
    unknown_phones: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()  # what is good to know of how the corpus was found
    asked_phone_set: str | None = None  # the phone set that its labels are said to be in; None to find out

    def __post_init__(self) -> None:
        self._noted: set[str] = set()  # clips whose notes are told
        if self.asked_phone_set is not None:
            inventory(self.asked_phone_set)  # refuses a set that is not known
        check_ids(((source.id, f"clip {number}") for number, source in enumerate(self.sources, 1)), self.name)

    def __len__(self) -> int:
        return len(self.sources)

    def __iter__(self) -> Iterator[Clip]:
        """Read the clips one after another; one that cannot be read goes to `problems` and is passed over."""
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
        """The phone set that the labels are written in, as told or found from the first labelled clips.

        None where there are no phones, or where no phone set that is known has them.
        """
        if self.asked_phone_set is not None:
            return self.asked_phone_set
        labelled: list[set[str]] = []
        for source in self.sources:
            if len(labelled) == N_TO_TELL:
                break
            try:
                labels = None if source.labels is None else source.labels()
            except InputError:  # told where the clip is read
                continue
            if labels is not None:
                labelled.append({span.text for span in labels.phones or ()})
        return common_phone_set(labelled)

    def read(self, source: Source) -> Clip:
        """Read one clip, and leave its labels out where they hold a phone that the phone set lacks.

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
        return replace(clip, words=None, phones=None, label_problem=self._told(source, unknown))

    def first(self, n_clips: int) -> Corpus:
        """The same corpus cut to its first `n_clips` clips."""
        if n_clips < 1:
            raise InputError(f"the number of clips is {n_clips}: it must be 1 or more.")
        return Corpus(self.name, self.sources[:n_clips], notes=self.notes, asked_phone_set=self.asked_phone_set)

    def _repr_html_(self) -> str:
        """Write what a notebook shows: what is known of the clips without decoding one."""
        return html.display(self, self._shown)

    def _shown(self) -> html.Shown:
        if not isinstance(self.sources, list | tuple):  # they may be rows of a dataset that is still far away
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
        rows = [(each.id, each.speaker, each.language, each.duration_s) for each in self.sources[: html.MOST_ROWS]]
        table = html.Table(("clip", "speaker", "language", "seconds"), rows, "", len(self))
        return html.Shown(f"Corpus {self.name}", [fact for fact in facts if fact[1]], [table])

    def _told(self, source: Source, unknown: Sequence[str]) -> str:
        """Say which phone is unknown, in which file and line where that is known."""
        shown = ", ".join(map(repr, unknown))
        if self.phone_set is None:
            message = f"phones {shown} are of no phone set that is known. Correct them, or convert them to a known set."
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
    """Find the clips of a corpus; no sound is read yet.

    Args:
        source: `demo` (the clips in the package), a folder of recordings, a LibriSpeech tree, a manifest (`.jsonl`,
            `.csv`, `.tsv` or `.parquet`), `hf:NAME[:CONFIG[:SPLIT]]` (Hugging Face datasets), or one recording.
        phone_set: The phone set that its labels are written in, one of `otoscope.corpus.phones.PHONE_SETS`; found out
            by default.

    Returns:
        The corpus; iterate it for its clips.

    Raises:
        InputError: There is no such folder, file or dataset, there is no recording in it, its manifest is wrong, two
            clips have one id, or there is no such phone set.
    """
    sources, notes = _find(source)
    return Corpus(str(source), sources, notes=notes, asked_phone_set=phone_set)


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
