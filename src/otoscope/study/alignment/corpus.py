"""Find the words and phones of a corpus in time, and write them so that the result is a corpus again.

Every clip gets a TextGrid, and `manifest.jsonl` says which belongs to which recording. A clip that fails does not stop
the others, and a run that was stopped continues where it was. Memory is that of one clip; what is written is small,
except for the sound of clips that are not a whole file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import soundfile

from otoscope.audio.clip import Clip
from otoscope.audio.stretch import recording_duration_s
from otoscope.base.clocks import FRAME_S, SAMPLE_RATE_HZ
from otoscope.base.errors import AudioError, InputError
from otoscope.base.files import atomic_path, portable, to_json_text, write_text
from otoscope.base.layout import count, one_line
from otoscope.base.report import Column, Report, Table
from otoscope.corpus import Corpus, Problem
from otoscope.corpus.alignment.textgrid_writing import write_textgrid
from otoscope.model.transcription import Word
from otoscope.model.whisper import Whisper
from otoscope.study.alignment.comparison import PhoneComparison, compare_alignments
from otoscope.study.alignment.phone_times import UNSURE_SCORE, PhoneAligner
from otoscope.study.alignment.said import Doubt, check_times, said_words
from otoscope.study.alignment.word_times import align_words
from otoscope.study.results import Result

MANIFEST, JOURNAL = "manifest.jsonl", ".journal.jsonl"

UNSURE = 0.3
"""Below this mean probability of its words a transcript is probably not what is said.

On the demo clips with the demo model every clip is above it with its own transcript (the lowest 0.82, in
capitals alone 0.32), and half of them are below it with another clip's. On 10 clips of LJ Speech with tiny.en a clip's
own transcript has 0.68 or more, another clip's 0.17 or less.
"""
UNSURE_WORD = 0.1
"""Below this probability a word is probably not what is said.

On the same clips of LJ Speech 3% of the words that are said are below it, and 78% of another clip's.
"""


@dataclass(frozen=True)
class AlignedClip:
    """What was found for one clip."""

    id: str
    n_words: int  # words with times
    n_phones: int = 0  # phones with times
    probability: float | None = None  # mean probability that the model gave its words, 0 to 1; None without a model
    score: float | None = None  # the acoustic model's score of its phones, 0 at best; None without one
    is_unsure: bool = False  # whether its transcript is probably not what is said
    is_kept: bool = False  # whether it had its times already
    doubts: tuple[Doubt, ...] = ()  # words of its transcript without times, or with unreliable times


@dataclass(frozen=True, repr=False)
class AlignedCorpus(Result):
    """What was found for a corpus."""

    name = "alignment"

    aligner: str  # which model
    corpus: str  # its name
    clips: tuple[AlignedClip, ...]  # the clips in the manifest
    failed: tuple[Problem, ...]  # clips that could not be aligned, and why
    comparison: PhoneComparison | None = (
        None  # how the phones compare with labelled ones; None where they were not compared
    )

    @property
    def aligned(self) -> tuple[AlignedClip, ...]:
        """The clips whose times were found; the others had them before."""
        return tuple(clip for clip in self.clips if not clip.is_kept)

    @property
    def unsure(self) -> tuple[AlignedClip, ...]:
        """The clips whose transcript is probably not what is said, the most doubtful first."""
        doubtful = [clip for clip in self.aligned if clip.is_unsure]
        return tuple(sorted(doubtful, key=lambda clip: (clip.probability or 0.0, clip.score or 0.0, clip.id)))

    @property
    def amount(self) -> str:
        """How many words and phones were found, and in how many clips."""
        has_phones = all(clip.score is not None for clip in self.aligned)
        n_phones = sum(clip.n_phones for clip in self.aligned) if has_phones else 0
        phones = f" and {count(n_phones, 'phone')}" if n_phones else ""
        words = count(sum(clip.n_words for clip in self.aligned), "word")
        n_kept = len(self.clips) - len(self.aligned)
        kept = f"; {count(n_kept, 'clip')} kept the times that were there" if n_kept else ""
        return f"{words}{phones} of {count(len(self.aligned), 'clip')} aligned{kept}"

    def report(self) -> Report:
        """Report how many words and phones were found, and where they may be wrong."""
        unsure = [(one_line(clip.id), clip.probability, clip.score) for clip in self.unsure]
        caption = f"{count(len(unsure), 'clip')} with a transcript that is probably not what is said"
        remarks, parts = self._doubts(), [Table(UNSURE_COLUMNS, unsure, caption, most=MOST_UNSURE)] if unsure else []
        if self.comparison is not None:
            remarks += [(f"not compared: {one_line(left.clip)}", left.message) for left in self.comparison.left_out]
            parts.append(self.comparison.table())
        return Report(
            f"Times found by {self.aligner} in {one_line(self.corpus)}",
            self.amount,
            {
                "model": self.aligner,
                "corpus": self.corpus,
                "n_aligned": len(self.aligned),
                "n_kept": len(self.clips) - len(self.aligned),
                "unsure": [clip.id for clip in self.unsure],
                **self.fields("clips", "failed", "comparison"),
            },
            display_only=remarks,
            parts=parts,
        )

    def _doubts(self) -> list[tuple[str, str]]:
        """The doubtful words, by what is doubtful."""
        by_problem: dict[str, list[str]] = {}
        for clip in self.aligned:
            for doubt in clip.doubts:
                by_problem.setdefault(doubt.problem, []).append(f"{one_line(doubt.word)!r} in {one_line(clip.id)}")
        return [
            (f"{problem} ({count(len(words), 'word')})", ", ".join(words[:3]) + (", ..." if len(words) > 3 else ""))
            for problem, words in by_problem.items()
        ]


UNSURE_COLUMNS = (Column(None, "clip"), Column(None, "probability", "two digits"), Column(None, "score"))
MOST_UNSURE = 10
"""Doubtful clips named in the report at most; all are in the JSON."""


@dataclass(frozen=True)
class TimedClip:
    """A clip with its times, and its entry of the result."""

    clip: Clip
    about: AlignedClip


class Aligner(Protocol):
    """Anything that finds times in a clip."""

    @property
    def name(self) -> str:
        """Its name in results."""

    def has(self, clip: Clip) -> bool:
        """Whether a clip already has the times that this would find."""

    def __call__(self, clip: Clip) -> TimedClip:
        """Find the times; raises `InputError` where that cannot be done."""


@dataclass(frozen=True)
class FromModel:
    """Finds words by a Whisper's cross-attention; labelled phones are kept."""

    model: Whisper  # with a tokenizer
    language: str | None = None  # language spoken; None for the clip's own, or else the one that the model detects

    @property
    def name(self) -> str:
        """The model."""
        return self.model.name

    def has(self, clip: Clip) -> bool:
        """Whether the clip has words in time."""
        return bool(clip.words)

    def __call__(self, clip: Clip) -> TimedClip:
        """Find the words."""
        heard = align_words(self.model, clip, language=self.language)
        words, doubts = check_times(heard)
        if not words:
            raise InputError(
                f"no word of the transcript of clip {clip.id!r} is found in its sound. Check that it is what is said."
            )
        _, left_out = said_words(clip.transcript or "")
        unsure = [word for word in words if isinstance(word, Word) and word.probability < UNSURE_WORD]
        doubts += [
            Doubt(word.text, "probably not what is said there", word.start_s, word.end_s, word.probability)
            for word in unsure
        ]
        mean = sum(word.probability for word in heard) / len(heard)
        about = AlignedClip(
            clip.id, len(words), len(clip.phones or ()), mean, is_unsure=mean < UNSURE, doubts=(*left_out, *doubts)
        )
        return TimedClip(replace(clip, words=tuple(words)), about)


@dataclass(frozen=True)
class FromSound:
    """Finds words and phones with an acoustic model."""

    aligner: PhoneAligner

    @property
    def name(self) -> str:
        """The acoustic model."""
        return self.aligner.name

    def has(self, clip: Clip) -> bool:
        """Whether the clip has phones in time."""
        return bool(clip.phones)

    def __call__(self, clip: Clip) -> TimedClip:
        """Find words and phones."""
        times = self.aligner(clip)
        about = AlignedClip(
            clip.id,
            len(times.words),
            len(times.phones),
            score=times.score,
            is_unsure=times.score < UNSURE_SCORE,
            doubts=times.doubts,
        )
        return TimedClip(replace(clip, words=times.words, phones=times.phones), about)


def align_corpus(
    aligner: Aligner,
    corpus: Corpus,
    folder: str | Path,
    *,
    compare: bool = False,
    progress: Callable[[float], None] | None = None,
) -> AlignedCorpus:
    """Find and write the times of every clip that has a transcript but no times.

    Existing times are kept. A folder that an earlier call began is continued where that call stopped. With `compare`,
    clips that have phones are aligned too, and compared with their labels. `progress` is called with the seconds done.
    """
    folder = Path(folder)
    journal = _Journal(folder)
    comparison = PhoneComparison() if compare else None
    corpus.problems.clear()
    done: list[AlignedClip] = []
    rows = []
    done_s = 0.0
    for clip in _clips(corpus):
        entry = None if comparison is not None else journal.entry(clip.id)
        try:
            entry = entry or _align(aligner, clip, folder, corpus.phone_set, comparison)
        except InputError as error:
            corpus.problems.append(Problem(clip.id, str(error)))
        else:
            journal.add(entry)
            done.append(_about(entry))
            rows.append(entry["row"])
        done_s += clip.duration_s
        if progress is not None:
            progress(done_s)
    if not rows:
        first = f" The first: {corpus.problems[0].message}" if corpus.problems else ""
        raise InputError(f"no clip of {corpus.name!r} can be aligned ({len(corpus.problems)} failed).{first}")
    write_text(folder / MANIFEST, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    result = AlignedCorpus(aligner.name, corpus.name, tuple(done), tuple(corpus.problems), comparison)
    result.save(folder)
    journal.remove()
    return result


def _clips(corpus: Corpus) -> Iterator[Clip]:
    """The clips that can be read; the others go to the corpus's problems."""
    for source in corpus.sources:
        try:
            yield corpus.read(source)
        except InputError as error:
            corpus.problems.append(Problem(source.id, str(error)))


def _align(
    aligner: Aligner, clip: Clip, folder: Path, phone_set: str | None, comparison: PhoneComparison | None
) -> dict[str, Any]:
    """Align one clip and write its TextGrid; returns its entry of the journal."""
    if aligner.has(clip) and comparison is None:
        timed = TimedClip(clip, AlignedClip(clip.id, len(clip.words or ()), len(clip.phones or ()), is_kept=True))
    else:
        timed = aligner(clip)
        if comparison is not None and clip.phones and timed.clip.phones and phone_set is not None:
            try:
                compare_alignments(comparison, timed.clip.phones, clip.phones, phone_set, clip.duration_s)
            except InputError as error:  # a label that ARPAbet has no symbol for
                comparison.left_out.append(Problem(clip.id, str(error)))
    write_textgrid(folder / f"{portable(clip.id)}.TextGrid", timed.clip.words, timed.clip.phones, clip.duration_s)
    return {"row": _row(clip, folder), "about": json.loads(to_json_text(asdict(timed.about)))}


def _about(entry: dict[str, Any]) -> AlignedClip:
    """Read a clip's result from its entry of the journal."""
    about = entry["about"]
    return AlignedClip(**{**about, "doubts": tuple(Doubt(**doubt) for doubt in about["doubts"])})


class _Journal:
    """The clips that are done, one per line, so that a stopped run can continue."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        self._entries: dict[str, dict[str, Any]] = {}
        if self._path.is_file():
            for line in self._path.read_text(encoding="utf-8").split("\n"):
                try:
                    entry = json.loads(line)
                    self._entries[entry["row"]["id"]] = entry
                except (ValueError, KeyError, TypeError):
                    continue  # the last line of a run that was killed
        self._known = set(self._entries)

    def entry(self, clip_id: str) -> dict[str, Any] | None:
        """What was found for a clip, if it is done."""
        return self._entries.get(clip_id)

    def add(self, entry: dict[str, Any]) -> None:
        """Note that a clip is done."""
        if entry["row"]["id"] in self._known:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(entry, ensure_ascii=False))

    def remove(self) -> None:
        """Remove the journal when all is done."""
        self._path.unlink(missing_ok=True)


def _row(clip: Clip, folder: Path) -> dict[str, str | None]:
    """Make a clip's row of the manifest; a transcript that comes from labels is left out, as it will be again."""
    return {
        "audio": _sound(clip, folder),
        "id": clip.id,
        "transcript": None if clip.is_transcript_from_labels else clip.transcript,
        "speaker": clip.speaker,
        "language": clip.language,
        "alignment": f"{portable(clip.id)}.TextGrid",
    }


def _sound(clip: Clip, folder: Path) -> str:
    """Return where the clip's sound is: its own file, or one written here where it is part of a file or has none."""
    if clip.path is not None and _is_whole(clip, clip.path):
        return str(clip.path.absolute())
    name = f"{portable(clip.id)}.wav"
    with atomic_path(folder / name) as temporary:
        soundfile.write(temporary, clip.samples, SAMPLE_RATE_HZ, subtype="FLOAT")
    return name


def _is_whole(clip: Clip, path: Path) -> bool:
    try:
        return abs(recording_duration_s(path) - clip.duration_s) < FRAME_S / 2
    except AudioError:
        return False
