"""What a study will take, before it begins: clips, features, minutes and bytes of each part, about.

Reads the corpus once through, times one window of the encoder, one transcription and some steps of training. Minutes of
what is done a feature at a time are those of two cores.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.harvest.activity import check_sites
from otoscope.harvest.labels import label_set
from otoscope.harvest.maxima import clip_samples
from otoscope.model.whisper import Whisper
from otoscope.study.whole.context import Context
from otoscope.study.whole.experiment import ASKED, prepared
from otoscope.study.whole.feature_parts import OWN, training_of
from otoscope.study.whole.parts import NAMES
from otoscope.study.whole.settings import StudySettings

HARVEST_S_A_FEATURE, PHONES_S_A_FEATURE, TRACES_S_A_FEATURE = 1.5e-3, 0.5e-3, 0.9e-3
HARVEST_S_A_FRAME_OF_A_FEATURE = 16e-9
SOUND_S_A_SECOND = 5e-3
"""Seconds of two cores: for each feature, for each frame of each feature, for each second of sound that is encoded."""

BYTES_A_SECOND_OF_SOUND = 12_000
BYTES_A_TRACE = 44
BYTES_A_CLIP_LISTENED_TO = 300_000
TRIES = 5
WORDS_A_SECOND, SILENCED_A_SECOND = 2.5, 10


@dataclass(frozen=True)
class PartPlan:
    """What a part will take.

    Attributes:
        name: The part.
        amount: What it is done to, in words.
        seconds: How long it takes, about; None where the part is left out.
        n_bytes: What it leaves on the disk, about.
        why: Why it is left out; None where it is not.
    """

    name: str
    amount: str
    seconds: float | None = None
    n_bytes: float = 0.0
    why: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the row."""
        return {
            "name": self.name,
            "amount": self.amount,
            "minutes": None if self.seconds is None else self.seconds / 60,
            "bytes": round(self.n_bytes),
            "why": self.why,
        }


@dataclass(frozen=True)
class StudyPlan:
    """What a study will take.

    Attributes:
        model: The model's id.
        corpus: The corpus's name.
        n_clips: Clips of it that can be used.
        duration_s: How long they are in all.
        parts: What each part will take.
    """

    model: str
    corpus: str
    n_clips: int
    duration_s: float
    parts: tuple[PartPlan, ...]

    @property
    def seconds(self) -> float:
        """How long it takes, about."""
        return sum(part.seconds or 0.0 for part in self.parts)

    @property
    def n_bytes(self) -> float:
        """What it leaves on the disk, about."""
        return sum(part.n_bytes for part in self.parts)

    def to_json(self) -> dict[str, Any]:
        """Give the table."""
        return {
            "model": self.model,
            "corpus": self.corpus,
            "n_clips": self.n_clips,
            "hours": self.duration_s / 3600,
            "minutes": self.seconds / 60,
            "bytes": round(self.n_bytes),
            "parts": [part.to_json() for part in self.parts],
        }


def plan_study(
    model: Whisper,
    corpus: Corpus,
    settings: StudySettings,
    *,
    progress: Callable[[str, float, float], None] = lambda part, done, of: None,
) -> StudyPlan:
    """Find out what a study will take.

    Args:
        model: Any Whisper.
        corpus: The clips.
        settings: Of every part.
        progress: Told how far the reading of the corpus is.

    Raises:
        InputError: The settings are wrong, or no clip can be used.
    """
    context = prepared(model, corpus, settings, Path(), progress)
    unit = _Unit.of(context)
    rows = [_left_out(name, context) or _row(name, context, unit) for name in NAMES]
    info = context.info.all
    return StudyPlan(model.id, corpus.name, info.n_clips, info.duration_s, tuple(rows))


def n_features(context: Context) -> int:
    """Count the features that the harvest of a study looks at.

    Args:
        context: The study.
    """
    settings = context.settings
    own = settings.dictionaries.expansion
    trained = set(check_sites(context.model, settings.dictionaries.sites))
    has_own = "dictionaries" not in settings.study.without
    total = 0
    for site, width in check_sites(context.model, settings.harvest.sites).items():
        for basis in settings.harvest.bases:
            if basis != OWN:
                total += width
            elif has_own and site in trained:
                total += round(own * width)
    return total


@dataclass(frozen=True)
class _Unit:
    """How long the model takes: a window of the encoder, and a transcription of one window, in seconds."""

    encode_s: float
    transcribe_s: float

    @classmethod
    def of(cls, context: Context) -> _Unit:
        """Try both some times; the quickest counts, for the first ones are slower."""
        model = context.model
        encode = [_timed(model.padded_encoding) for _ in range(TRIES)]
        clips = list(context.read(context.stretches(4)))
        if not clips:
            raise InputError("none of the first clips can be read. Correct the corpus.")
        transcribe = [_timed(lambda: model.transcribe_many(clips, language=context.language)) for _ in range(TRIES)]
        return cls(min(encode), min(transcribe) / len(clips))


def _timed(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def _left_out(name: str, context: Context) -> PartPlan | None:
    """Say that a part will be left out, where that is known."""
    without, info = context.settings.study.without, context.info
    settings = context.settings
    needs = {"phones": "harvest", "sounds": "harvest", "traces": "harvest", "scores": "dictionaries"}
    if not settings.bigrams.prompts:
        needs["bigrams"] = "transcripts"
    if not settings.neighbours.words:
        needs["neighbours"] = "transcripts"
    lacking = needs.get(name)
    if name in without:
        why = ASKED
    elif lacking in without:
        why = f"it needs the part {lacking}"
    elif name in ("splice", "words") and info.words.n_clips == 0:
        why = "the corpus has no words in time"
    elif name == "phones" and info.phones.n_clips == 0:
        why = "the corpus has no phones in time"
    else:
        return None
    return PartPlan(name, "", why=why)


def _row(name: str, context: Context, unit: _Unit) -> PartPlan:
    if name in _FEATURES:
        return _FEATURES[name](context, unit)
    settings = context.settings
    if name in ("bigrams", "neighbours"):
        return PartPlan(name, f"{context.model.vocab_size:,} tokens", 1 + 30 * unit.transcribe_s, 300_000)
    if name == "transcripts":
        chosen = context.whole_clips(settings.transcripts.clips)
        n_windows = sum(math.ceil(context.lengths_s[one.id] / context.model.window_s) for one in chosen.sources)
        return PartPlan(name, _clips(len(chosen)), 1.2 * n_windows * unit.transcribe_s, 1000 * n_windows)
    n_clips = len(context.stretches(getattr(settings, name).clips))
    each_s = min(context.model.window_s, context.info.all.duration_s / context.info.all.n_clips)
    n_heads = min(settings.window.heads, context.model.n_encoder_blocks * context.model.n_heads)
    head_s = 0.6 * n_heads * min(settings.window.head_clips, n_clips) * unit.transcribe_s
    n_words = WORDS_A_SECOND * each_s
    share = min((each_s + 0.5) / context.model.window_s, 1.0)  # of a window that a silenced stretch is encoded in
    silencing = SILENCED_A_SECOND * each_s * (0.06 + 1.2 * share)
    traced_s = (3 + 2.7 * n_words + silencing) * unit.encode_s + unit.transcribe_s
    spliced_s = (1 + 0.35 * n_words) * unit.transcribe_s
    seconds = {
        "relevance": 4.4 * unit.encode_s,
        "locality": 1.8 * unit.encode_s,
        "window": (1 + 0.75 * len(settings.window.ks)) * unit.transcribe_s + head_s / max(n_clips, 1),
        "splice": spliced_s,
        "scores": 3 * len(check_sites(context.model, settings.dictionaries.sites)) * unit.transcribe_s,
        "lens": 3 * unit.transcribe_s,
        "words": traced_s,
        "listening": traced_s + spliced_s + (1 + len(settings.listening.ks)) * unit.transcribe_s + 6 * unit.encode_s,
    }[name]
    n_bytes = BYTES_A_CLIP_LISTENED_TO * n_clips if name == "listening" else 300_000 + 5000 * n_clips
    return PartPlan(name, _clips(n_clips), seconds * n_clips, n_bytes)


def _dictionaries(context: Context, unit: _Unit) -> PartPlan:
    from otoscope.study.dictionaries.plan import plan_training

    source, tasks, training = training_of(context)
    try:
        plan = plan_training(source, tasks, training, device=context.model.device)
    except InputError as error:
        return PartPlan("dictionaries", "", why=str(error))
    amount = f"{plan.n_frames:,} frames, {sum(task.coder.n_features for task in tasks):,} features"
    return PartPlan("dictionaries", amount, plan.seconds, plan.disk_bytes)


def _harvest(context: Context, unit: _Unit) -> PartPlan:
    asked = context.settings.harvest
    corpus, n = context.hours(asked.hours), n_features(context)
    lengths_s = [context.lengths_s[one.id] for one in corpus.sources]
    n_windows = sum(math.ceil(length_s / context.model.window_s) for length_s in lengths_s)
    labels = label_set(corpus, None, context.seed)
    seconds = (
        n_windows * unit.encode_s * (2 if "untrained" in asked.bases else 1)
        + n * HARVEST_S_A_FEATURE
        + n * n_windows * context.model.n_frames * HARVEST_S_A_FRAME_OF_A_FEATURE
    )
    n_labels = len(labels.speakers) + len(labels.languages)
    n_samples = len(clip_samples(len(corpus), context.seed).sizes)
    a_feature = 700 + 8 * asked.top + 22 * asked.ranges * asked.samples + 26 * len(labels.phones) + 7 * n_labels
    n_bytes = n * (a_feature + 8 * asked.top * n_samples)
    return PartPlan("harvest", f"{sum(lengths_s) / 3600:,.2f} h, {n:,} features", seconds, n_bytes)


def _phones(context: Context, unit: _Unit) -> PartPlan:
    n = n_features(context)
    return PartPlan("phones", f"{n:,} features", n * PHONES_S_A_FEATURE, 300 * n)


def _sounds(context: Context, unit: _Unit) -> PartPlan:
    corpus = context.hours(context.settings.harvest.hours)
    length_s = sum(context.lengths_s[one.id] for one in corpus.sources)
    amount = f"up to {_clips(len(corpus))}"
    return PartPlan("sounds", amount, length_s * SOUND_S_A_SECOND, length_s * BYTES_A_SECOND_OF_SOUND)


def _traces(context: Context, unit: _Unit) -> PartPlan:
    shown = context.settings.examples
    n = n_features(context)
    n_examples = 2 * n * (shown.top + shown.samples * context.settings.harvest.ranges)
    corpus = context.hours(context.settings.harvest.hours)
    seconds = len(corpus) * unit.encode_s + n * TRACES_S_A_FEATURE
    return PartPlan("traces", f"up to {n_examples:,} examples", seconds, n_examples * BYTES_A_TRACE)


def _clips(n: int) -> str:
    return f"{n:,} clip" if n == 1 else f"{n:,} clips"


_FEATURES: dict[str, Callable[[Context, _Unit], PartPlan]] = {
    "dictionaries": _dictionaries,
    "harvest": _harvest,
    "phones": _phones,
    "sounds": _sounds,
    "traces": _traces,
}
