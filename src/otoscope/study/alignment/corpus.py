"""Give a corpus of recordings and transcripts its word times, written so that it can be used as a corpus again.

Every clip gets a TextGrid, and `manifest.jsonl` says which belongs to which recording. A clip that fails does not stop
the others. Memory is that of one clip; what is written is small, but for the sound of clips that are no whole file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from otoscope.audio.clip import Clip
from otoscope.audio.stretch import recording_duration_s
from otoscope.base.clocks import FRAME_S, SAMPLE_RATE_HZ
from otoscope.base.errors import AudioError, InputError
from otoscope.base.files import atomic_path, write_text
from otoscope.corpus import Corpus, Problem
from otoscope.corpus.alignment.textgrid_writing import write_textgrid
from otoscope.model.transcription import Word
from otoscope.model.whisper import Whisper
from otoscope.study.alignment.word_times import align_words

MANIFEST = "manifest.jsonl"

UNSURE = 0.3
"""Below this mean probability of its words a transcript is probably not what is said.

Source: Ours, on the demo clips with the demo model: every clip is above it with its own transcript (the lowest 0.82, in
capitals alone 0.32), and half of them are below it with another clip's.
"""


@dataclass(frozen=True)
class AlignedClip:
    """What was found for one clip.

    Attributes:
        id: The clip.
        n_words: Its words in time.
        probability: Mean over its words of what the model gave them, 0 to 1; None where the times were there before.
    """

    id: str
    n_words: int
    probability: float | None


@dataclass(frozen=True)
class AlignedCorpus:
    """What was found for a corpus.

    Attributes:
        model_id: Which model.
        corpus: What the corpus was asked for as.
        clips: The clips that are in the manifest.
        failed: The clips that are not, and why.
    """

    model_id: str
    corpus: str
    clips: tuple[AlignedClip, ...]
    failed: tuple[Problem, ...]

    @property
    def aligned(self) -> tuple[AlignedClip, ...]:
        """The clips whose words the model found; the others had word times before."""
        return tuple(clip for clip in self.clips if clip.probability is not None)

    @property
    def unsure(self) -> tuple[AlignedClip, ...]:
        """The clips whose transcript is probably not what is said, the most doubtful first."""
        doubtful = [(clip.probability, clip) for clip in self.aligned if (clip.probability or 0.0) < UNSURE]
        return tuple(clip for _, clip in sorted(doubtful, key=lambda pair: (pair[0], pair[1].id)))

    def to_json(self) -> dict[str, Any]:
        """Give the table."""
        return {
            "model": self.model_id,
            "corpus": self.corpus,
            "n_aligned": len(self.aligned),
            "n_kept": len(self.clips) - len(self.aligned),
            "unsure": [clip.id for clip in self.unsure],
            "clips": self.clips,
            "failed": self.failed,
        }


def align_corpus(
    model: Whisper,
    corpus: Corpus,
    folder: str | Path,
    *,
    language: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> AlignedCorpus:
    """Find the word times of every clip that has a transcript and none, and write them.

    Clips that have word times keep them. Phones are kept, too.

    Args:
        model: Any Whisper with a tokenizer.
        corpus: The clips; those that cannot be aligned go to its `problems`.
        folder: Gets `ID.TextGrid` for every clip, `manifest.jsonl` and, for clips that are no whole file, `ID.wav`.
        language: What is spoken, as code or English name; None for each clip's, or else the one the model hears.
        progress: Called with the seconds of recording that are done.

    Returns:
        What was found for each clip.

    Raises:
        InputError: No clip can be aligned.
        OutputError: The folder cannot be written.
    """
    folder = Path(folder)
    rows, done = [], []
    done_s = 0.0
    for clip in corpus:
        try:
            found = clip.words or align_words(model, clip, language=language)
            write_textgrid(folder / f"{clip.id}.TextGrid", found, clip.phones, clip.duration_s)
        except InputError as error:
            corpus.problems.append(Problem(clip.id, str(error)))
        else:
            rows.append(_row(clip, folder))
            done.append(AlignedClip(clip.id, len(found), _mean_probability(found)))
        done_s += clip.duration_s
        if progress is not None:
            progress(done_s)
    if not rows:
        first = f" The first: {corpus.problems[0].message}" if corpus.problems else ""
        raise InputError(f"no clip of {corpus.name!r} can be aligned ({len(corpus.problems)} failed).{first}")
    write_text(folder / MANIFEST, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return AlignedCorpus(model.id, corpus.name, tuple(done), tuple(corpus.problems))


def _row(clip: Clip, folder: Path) -> dict[str, str | None]:
    """A clip's row of the manifest."""
    return {
        "audio": _sound(clip, folder),
        "id": clip.id,
        "transcript": clip.transcript,
        "speaker": clip.speaker,
        "language": clip.language,
        "alignment": f"{clip.id}.TextGrid",
    }


def _sound(clip: Clip, folder: Path) -> str:
    """Where the clip's sound is: its own file, or one written here where it is a stretch of one or came from none."""
    if clip.path is not None and _is_whole(clip, clip.path):
        return str(clip.path.absolute())
    with atomic_path(folder / f"{clip.id}.wav") as temporary:
        soundfile.write(temporary, clip.samples, SAMPLE_RATE_HZ, subtype="FLOAT")
    return f"{clip.id}.wav"


def _is_whole(clip: Clip, path: Path) -> bool:
    try:
        return abs(recording_duration_s(path) - clip.duration_s) < FRAME_S / 2
    except AudioError:
        return False


def _mean_probability(words: tuple[Any, ...]) -> float | None:
    found = [word.probability for word in words if isinstance(word, Word)]
    return sum(found) / len(found) if found else None
