"""What a corpus holds: hours, speakers, languages, how much of it is aligned, which phones, and what is wrong with it.

Reads every recording once, and keeps only counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from otoscope.audio.clip import Clip
from otoscope.base.files import write_json
from otoscope.corpus.corpus import Corpus, Problem
from otoscope.corpus.phones import is_pause


@dataclass(frozen=True)
class Amount:
    """How much there is of something."""

    n_clips: int = 0  # clips that have it
    duration_s: float = 0.0  # length of these clips
    n_labels: int = 0  # labels in them: words or phones, pauses left out; 0 for what is not labelled in time

    def plus(self, duration_s: float, n_labels: int = 0) -> Amount:
        """Return the amount with one more clip."""
        return Amount(self.n_clips + 1, self.duration_s + duration_s, self.n_labels + n_labels)

    def to_json(self) -> dict[str, Any]:
        """Give clips, seconds, hours and labels by name."""
        return {**asdict(self), "duration_s": round(self.duration_s, 3), "hours": round(self.duration_s / 3600, 4)}


@dataclass(frozen=True)
class PhoneCount:
    """How often a phone is labelled."""

    phone: str  # the symbol as written in the corpus
    n_samples: int  # how often it is labelled
    duration_s: float  # total length
    is_pause: bool  # whether it is a pause or noise


@dataclass(frozen=True)
class CorpusInfo:
    """What a corpus holds."""

    name: str  # what it is called
    n_sources: int  # all clips, including those that cannot be read
    all: Amount  # clips that can be read
    shortest_s: float | None  # length of the shortest of them; None where there are none
    longest_s: float | None  # length of the longest
    # amount for each speaker, the largest first; clips of unknown speakers are left out
    speakers: dict[str, Amount]
    languages: dict[str, Amount]  # amount in each language, likewise
    transcripts: Amount  # clips with a transcript
    # those whose transcript was made from their labels, as there was no other
    transcripts_from_labels: Amount
    words: Amount  # clips with words in time
    phones: Amount  # clips with phones in time
    phone_set: str | None  # the phone set of the labels; None if there are no phones or no set has them
    unknown_phones: dict[str, int]  # number of clips with each symbol that the phone set lacks
    # how often each phone is labelled in clips whose labels can be used, the most frequent first
    phone_counts: tuple[PhoneCount, ...]
    problems: tuple[Problem, ...]  # clips that cannot be read
    label_problems: tuple[Problem, ...]  # labels that cannot be used; their clips count as not aligned
    sound_notes: tuple[Problem, ...]  # recordings that differ from what their header says, or may be incomplete
    notes: tuple[str, ...]  # notes on the corpus as a whole

    def to_json(self) -> dict[str, Any]:
        """Give all fields as JSON."""
        return {
            "corpus": self.name,
            "n_sources": self.n_sources,
            "clips": self.all.to_json(),
            "shortest_s": self.shortest_s,
            "longest_s": self.longest_s,
            "n_speakers": len(self.speakers),
            "speakers": {name: amount.to_json() for name, amount in self.speakers.items()},
            "languages": {name: amount.to_json() for name, amount in self.languages.items()},
            "with_transcript": self.transcripts.to_json(),
            "with_transcript_from_labels": self.transcripts_from_labels.to_json(),
            "with_words": self.words.to_json(),
            "with_phones": self.phones.to_json(),
            "phone_set": self.phone_set,
            "unknown_phones": self.unknown_phones,
            "phones": [asdict(count) | {"duration_s": round(count.duration_s, 3)} for count in self.phone_counts],
            "problems": [asdict(problem) for problem in self.problems],
            "label_problems": [asdict(problem) for problem in self.label_problems],
            "sound_notes": [asdict(note) for note in self.sound_notes],
            "notes": list(self.notes),
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `corpus_info.json`."""
        return [write_json(Path(folder) / "corpus_info.json", self.to_json())]


def describe(corpus: Corpus, *, progress: Callable[[int], None] | None = None) -> CorpusInfo:
    """Read a whole corpus once and count what it holds.

    Args:
        corpus: Any corpus; its lists of problems are filled.
        progress: Called after each clip with the number of clips read so far.

    Returns:
        Counts, lengths, and everything that is wrong with it.
    """
    tally = _Tally()
    for n_read, clip in enumerate(corpus, start=1):
        tally.add(clip)
        if progress is not None:
            progress(n_read + len(corpus.problems))
    return CorpusInfo(
        name=corpus.name,
        n_sources=len(corpus),
        shortest_s=min(tally.lengths_s, default=None),
        longest_s=max(tally.lengths_s, default=None),
        speakers=_largest_first(tally.speakers),
        languages=_largest_first(tally.languages),
        **tally.amounts,
        phone_set=corpus.phone_set,
        unknown_phones=dict(corpus.unknown_phones.most_common()),
        phone_counts=tuple(
            PhoneCount(phone, count, tally.phone_s[phone], is_pause(phone))
            for phone, count in sorted(tally.n_phones.items(), key=lambda item: (-item[1], item[0]))
        ),
        problems=tuple(corpus.problems),
        label_problems=tuple(corpus.label_problems),
        sound_notes=tuple(corpus.sound_notes),
        notes=corpus.notes,
    )


AMOUNTS = ("all", "transcripts", "transcripts_from_labels", "words", "phones")
"""Fields of `CorpusInfo`."""


@dataclass
class _Tally:
    """The counts so far."""

    amounts: dict[str, Amount] = field(default_factory=lambda: dict.fromkeys(AMOUNTS, Amount()))
    lengths_s: set[float] = field(default_factory=set)
    speakers: dict[str, Amount] = field(default_factory=dict)
    languages: dict[str, Amount] = field(default_factory=dict)
    n_phones: Counter[str] = field(default_factory=Counter)
    phone_s: dict[str, float] = field(default_factory=dict)

    def add(self, clip: Clip) -> None:
        length_s = clip.duration_s
        self.lengths_s = {min({length_s} | self.lengths_s), max({length_s} | self.lengths_s)}
        n_spoken = sum(not is_pause(phone.text) for phone in clip.phones or ())
        has = (True, clip.transcript, clip.is_transcript_from_labels, clip.words, clip.phones)
        n_labels = (0, 0, 0, len(clip.words or ()), n_spoken)
        for name, is_there, n in zip(AMOUNTS, has, n_labels, strict=True):
            if is_there:
                self.amounts[name] = self.amounts[name].plus(length_s, n)
        for amounts, owner in ((self.speakers, clip.speaker), (self.languages, clip.language)):
            if owner is not None:
                amounts[owner] = amounts.get(owner, Amount()).plus(length_s)
        for phone in clip.phones or ():
            self.n_phones[phone.text] += 1
            self.phone_s[phone.text] = self.phone_s.get(phone.text, 0.0) + phone.end_s - phone.start_s


def _largest_first(amounts: dict[str, Amount]) -> dict[str, Amount]:
    return dict(sorted(amounts.items(), key=lambda item: (-item[1].duration_s, item[0])))
