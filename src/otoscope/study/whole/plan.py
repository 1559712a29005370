"""Estimates what a study will take before it begins: clips, features, minutes and bytes of each part.

Reads the corpus once through, times one window of the encoder, one transcription and some steps of training. Minutes of
work on features are those of two cores.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.base.layout import count
from otoscope.corpus import Corpus
from otoscope.harvest.activity import PADDING_FRAMES, check_sites
from otoscope.harvest.labels import label_set
from otoscope.harvest.stored import MOST_BYTES
from otoscope.model.whisper import Whisper
from otoscope.study.catalogue import Cost, Part, parts
from otoscope.study.dictionaries.plan import plan_training, seconds_of
from otoscope.study.examples.pieces import BASELINE_TOP, BASELINES
from otoscope.study.whole.context import Context
from otoscope.study.whole.experiment import prepared
from otoscope.study.whole.feature_parts import OWN, training_of
from otoscope.study.whole.folder import NOT_REQUESTED
from otoscope.study.whole.settings import StudySettings

PAGES_PART = "pages"
PAGES = Cost(1.5, feature_s=0.55e-3)
"""What the pages of a study take."""

DICTIONARIES_START_S = 15.0
"""To compile what a training runs, and to end it."""
TRANSCRIPTIONS_A_K, TRANSCRIPTIONS_A_HEAD, TRANSCRIPTIONS_A_DICTIONARY = 0.92, 1.0, 2.5
"""Per clip: for each attention window, for each head that is limited, for each dictionary that is scored."""
SILENCED_A_SECOND, ENCODINGS_A_SILENCED, ENCODINGS_A_SILENCED_WINDOW = 10, 0.1, 2.0
"""Stretches silenced per second of sound, and encodings for each: at least, and where the sound fills its window."""

BYTES_A_SECOND_OF_SOUND = 12_000
BYTES_A_TRACE = 31
BYTES_A_SECOND_LISTENED_TO = 33_000
BYTES_OF_PAGES, BYTES_A_FEATURE_OF_PAGES = 400_000, 2_800
BYTES_OF_PICTURES = 200_000
BYTES_A_CELL_OF_MAP = 4
TRIES = 5
WORDS_A_SECOND = 2.5


@dataclass(frozen=True)
class PartPlan:
    """What a part will take."""

    name: str  # the part
    amount: str  # what it is done to, in words
    seconds: float | None = None  # about how long it takes; None where the part is left out
    n_bytes: float = 0.0  # about how much it leaves on the disk
    why: str | None = None  # why it is left out; None where it is not

    def to_json(self) -> dict[str, Any]:
        """Return the row."""
        return {
            "name": self.name,
            "amount": self.amount,
            "minutes": None if self.seconds is None else self.seconds / 60,
            "bytes": round(self.n_bytes),
            "why": self.why,
        }


@dataclass(frozen=True)
class Saving:
    """What leaving out a part saves."""

    name: str  # the part
    also: tuple[str, ...]  # the parts that need it, which are then left out too
    seconds: float
    n_bytes: float


@dataclass(frozen=True)
class StudyPlan:
    """What a study will take."""

    model: str  # the model's name
    corpus: str  # the corpus's name
    n_clips: int  # its clips that can be used
    duration_s: float  # their total length
    parts: tuple[PartPlan, ...]  # what each part will take

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return sum(part.seconds or 0.0 for part in self.parts)

    @property
    def n_bytes(self) -> float:
        """About how much it leaves on the disk; pages share the files that they show with the study."""
        return sum(part.n_bytes for part in self.parts)

    @property
    def n_parts(self) -> int:
        """How many parts are not left out."""
        return sum(part.seconds is not None for part in self.parts)

    def savings(self) -> list[Saving]:
        """Return what leaving out each part would save, the most time first; parts that need it go with it."""
        rows = {row.name: row for row in self.parts if row.seconds is not None}
        found = []
        for part in parts():
            if part.name in rows:
                gone = [part.name, *(later for later in _that_need(part.name) if later in rows)]
                seconds, n_bytes = (
                    sum(getattr(rows[name], key) or 0.0 for name in gone) for key in ("seconds", "n_bytes")
                )
                if "harvest" in gone and PAGES_PART in rows:  # the pages of its features
                    seconds += max((rows[PAGES_PART].seconds or 0.0) - PAGES.start_s, 0.0)
                    n_bytes += rows[PAGES_PART].n_bytes
                found.append(Saving(part.name, tuple(gone[1:]), seconds, n_bytes))
        return sorted(found, key=lambda saving: -saving.seconds)

    @property
    def has_pages(self) -> bool:
        """Whether the pages are made, too: copied elsewhere, they hold all tables, sounds and pictures."""
        return any(part.name == PAGES_PART for part in self.parts)

    def to_json(self) -> dict[str, Any]:
        """Return the table."""
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
    has_pages: bool = False,
    progress: Callable[[str, float, float], None] = lambda part, done, n_all: None,
) -> StudyPlan:
    """Estimate what a study will take."""
    return plan_of(prepared(model, corpus, settings, Path(), progress), has_pages=has_pages)


def plan_of(context: Context, *, has_pages: bool = False) -> StudyPlan:
    """Estimate what a study will take whose corpus was surveyed."""
    unit = _Unit.of(context)
    rows = [_left_out(part, context) or _row(part, context, unit) for part in parts()]
    if has_pages:
        rows.append(_pages(context))
    info = context.info.all
    return StudyPlan(context.model.name, context.corpus.name, info.n_clips, info.duration_s, tuple(rows))


def _that_need(name: str) -> list[str]:
    """Name the parts that cannot be done without another one."""
    found = [part.name for part in parts() if name in part.after and part.after_unless is None]
    return [*found, *(more for later in found for more in _that_need(later))]


def n_features(context: Context) -> int:
    """Count the features that the harvest of a study looks at."""
    return sum(_features_of_bases(context).values())


def _features_of_bases(context: Context) -> dict[str, int]:
    """Count the features of each basis that the harvest of a study looks at."""
    settings = context.settings
    trained = set(check_sites(context.model, settings.dictionaries.sites))
    has_own = "dictionaries" not in settings.study.without
    counts = dict.fromkeys(settings.harvest.bases, 0)
    for site, width in check_sites(context.model, settings.harvest.sites).items():
        for basis in counts:
            if basis != OWN:
                counts[basis] += width
            elif has_own and site in trained:
                counts[basis] += round(settings.dictionaries.expansion * width)
    return counts


@dataclass(frozen=True)
class _Unit:
    """Seconds that the model takes for a window of the encoder, and for a transcription of one window."""

    encode_s: float
    transcribe_s: float

    @classmethod
    def of(cls, context: Context) -> _Unit:
        """Time both several times; the fastest counts, because the first ones are slower."""
        model = context.model
        encode = [seconds_of(model.padded_encoding) for _ in range(TRIES)]
        clips = list(context.read(context.stretches(4)))
        if not clips:
            raise InputError("none of the first clips can be read. Correct the corpus.")
        transcribe = [seconds_of(lambda: model.transcribe_many(clips, language=context.language)) for _ in range(TRIES)]
        return cls(min(encode), min(transcribe) / len(clips))


def _left_out(part: Part, context: Context) -> PartPlan | None:
    """Return the row of a part that is known to be left out; None for another."""
    without, info, settings = context.settings.study.without, context.info, context.settings
    has_labels = {"words": info.words.n_clips > 0, "phones": info.phones.n_clips > 0}
    stands_alone = part.after_unless is not None and getattr(getattr(settings, part.name), part.after_unless)
    lacking = next((name for name in part.after if name in without and not stands_alone), None)
    unlabelled = next((label for label in part.needs if not has_labels[label]), None)
    if part.name in without:
        return PartPlan(part.name, "", why=NOT_REQUESTED)
    if lacking is not None:
        return PartPlan(part.name, "", why=f"it needs the part {lacking}")
    return None if unlabelled is None else PartPlan(part.name, "", why=f"the corpus has no {unlabelled} in time")


def _row(part: Part, context: Context, unit: _Unit) -> PartPlan:
    name, settings = part.name, context.settings
    if name in _FEATURES:
        return _FEATURES[name](context, unit)
    cost = part.cost or Cost()
    if name in ("bigrams", "neighbours"):
        return PartPlan(name, f"{context.model.vocab_size:,} tokens", cost.start_s + _a_clip(cost, unit, 0.0), 300_000)
    if name == "transcripts":
        chosen = context.whole_clips(settings.transcripts.clips)
        n_windows = _n_windows(context, chosen)
        seconds = cost.start_s + n_windows * _a_clip(cost, unit, 0.0)
        return PartPlan(name, count(len(chosen), "clip"), seconds, 1000 * n_windows)
    n_clips = len(context.stretches(getattr(settings, name).clips))
    seconds = cost.start_s + n_clips * (_a_clip(cost, unit, _words_a_clip(context)) + _more_a_clip(name, context, unit))
    if name == "window":
        n_heads = min(settings.window.heads, context.model.n_encoder_blocks * context.model.n_heads)
        n_head_clips = min(settings.window.head_clips, n_clips)
        seconds += TRANSCRIPTIONS_A_HEAD * n_heads * n_head_clips * unit.transcribe_s
    n_bytes = 300_000.0 + 5000 * n_clips
    if name == "listening":
        n_bytes = BYTES_A_SECOND_LISTENED_TO * n_clips * _seconds_a_clip(context)
    elif name == "relevance":
        n_bytes += BYTES_A_CELL_OF_MAP * context.model.n_frames**2
    return PartPlan(name, count(n_clips, "clip"), seconds, n_bytes)


def _cost(name: str) -> Cost:
    """Return the cost of a part, from the catalogue."""
    return next(part.cost for part in parts() if part.name == name) or Cost()


def _a_clip(cost: Cost, unit: _Unit, n_words: float) -> float:
    """Return the model's seconds for a clip of `n_words` words."""
    encodings = cost.encodings + n_words * cost.encodings_a_word
    return encodings * unit.encode_s + (cost.transcriptions + n_words * cost.transcriptions_a_word) * unit.transcribe_s


def _more_a_clip(name: str, context: Context, unit: _Unit) -> float:
    """Return the model's seconds for a clip that depend on a part's settings, or on other parts that it contains."""
    settings, n_words = context.settings, _words_a_clip(context)
    if name == "window":
        return TRANSCRIPTIONS_A_K * len(settings.window.ks) * unit.transcribe_s
    if name == "scores":
        n_sites = len(check_sites(context.model, settings.dictionaries.sites))
        return TRANSCRIPTIONS_A_DICTIONARY * n_sites * unit.transcribe_s
    if name == "words":
        sound_s = _seconds_a_clip(context)
        share = min((sound_s + 0.5) / context.model.window_s, 1.0)  # of a window that a silenced stretch is encoded in
        return (
            SILENCED_A_SECOND * sound_s * (ENCODINGS_A_SILENCED + ENCODINGS_A_SILENCED_WINDOW * share) * unit.encode_s
        )
    if name == "listening":
        traced_s = _a_clip(_cost("words"), unit, n_words) + _more_a_clip("words", context, unit)
        return traced_s + _a_clip(_cost("splice"), unit, n_words) + len(settings.listening.ks) * unit.transcribe_s
    return 0.0


def _seconds_a_clip(context: Context) -> float:
    """Return the mean length of a clip, cut to a window as in most parts."""
    return min(context.model.window_s, context.info.all.duration_s / context.info.all.n_clips)


def _words_a_clip(context: Context) -> float:
    return WORDS_A_SECOND * _seconds_a_clip(context)


def _n_windows(context: Context, corpus: Corpus) -> int:
    return sum(math.ceil(context.lengths_s[source.id] / context.model.window_s) for source in corpus.sources)


def _dictionaries(context: Context, unit: _Unit) -> PartPlan:
    source, tasks, training = training_of(context)
    try:
        plan = plan_training(source, tasks, training, device=context.model.device)
    except InputError as error:
        return PartPlan("dictionaries", "", why=str(error))
    amount = f"{plan.n_frames:,} frames, {sum(task.coder.n_features for task in tasks):,} features"
    return PartPlan("dictionaries", amount, DICTIONARIES_START_S + plan.seconds, plan.kept_bytes + BYTES_OF_PICTURES)


def _harvest(context: Context, unit: _Unit) -> PartPlan:
    settings = context.settings.harvest
    corpus, n = context.hours(settings.hours), n_features(context)
    lengths_s = [context.lengths_s[source.id] for source in corpus.sources]
    labels = label_set(corpus, None, context.seed)
    is_first = "dictionaries" in context.settings.study.without
    encode_s = (_n_windows(context, corpus) if is_first else _n_heard_anew(context)) * unit.encode_s
    seconds = encode_s * (2 if "untrained" in settings.bases else 1) + _of_features("harvest", context)
    n_labels = len(labels.speakers) + len(labels.languages)
    a_feature = (
        440 + 11 * settings.top + 13 * settings.ranges * settings.samples + 30 * len(labels.phones) + 7 * n_labels
    )
    return PartPlan("harvest", f"{sum(lengths_s) / 3600:,.2f} h, {n:,} features", seconds, n * a_feature)


def _of_features(name: str, context: Context) -> float:
    """Return the seconds that a part takes for its features, whatever the model."""
    cost = PAGES if name == PAGES_PART else _cost(name)
    n = n_features(context)
    n_windows, n_frames = (sum(counts) for counts in zip(*_frames_of_clips(context), strict=True))
    of_sound_s = n_windows * cost.window_feature_s + n_frames * cost.frame_feature_s
    return cost.start_s + n * (cost.feature_s + of_sound_s)


def _frames_of_clips(context: Context) -> list[tuple[int, int]]:
    """Count the windows of each clip that is harvested, and the frames of it that are read."""
    counts = []
    for source in context.hours(context.settings.harvest.hours).sources:
        n_frames = math.ceil(context.lengths_s[source.id] / FRAME_S)
        n_windows = math.ceil(n_frames / context.model.n_frames)
        counts.append((n_windows, min(n_frames + PADDING_FRAMES, n_windows * context.model.n_frames)))
    return counts


def _n_heard_anew(context: Context) -> int:
    """Count the harvested windows that each part encodes again: activations are stored as far as there is room."""
    model, settings, room = context.model, context.settings, MOST_BYTES
    sites = {**check_sites(model, settings.dictionaries.sites), **check_sites(model, settings.harvest.sites)}
    n_anew = 0
    for n_windows, n_frames in _frames_of_clips(context):
        if n_windows > 1 or room <= 0 or model.device.type != "cpu":
            n_anew += n_windows
        else:
            room -= 4 * n_frames * sum(sites.values()) * (2 if "untrained" in settings.harvest.bases else 1)
    return n_anew


def _phones(context: Context, unit: _Unit) -> PartPlan:
    n = n_features(context)
    return PartPlan("phones", f"{n:,} features", _of_features("phones", context), 300 * n)


def _sounds(context: Context, unit: _Unit) -> PartPlan:
    corpus, cost = context.hours(context.settings.harvest.hours), _cost("sounds")
    length_s = sum(context.lengths_s[source.id] for source in corpus.sources)
    seconds = cost.start_s + length_s * cost.sound_s
    return PartPlan("sounds", f"up to {count(len(corpus), 'clip')}", seconds, length_s * BYTES_A_SECOND_OF_SOUND)


def _traces(context: Context, unit: _Unit) -> PartPlan:
    shown, n_examples = context.settings.examples, 0
    for basis, n in _features_of_bases(context).items():
        if basis in BASELINES:
            n_examples += 2 * n * min(shown.top, BASELINE_TOP)
        else:  # features of dictionaries are never negative
            n_examples += (1 if basis == OWN else 2) * n * (shown.top + shown.samples * context.settings.harvest.ranges)
    seconds = _n_heard_anew(context) * unit.encode_s + _of_features("traces", context)
    return PartPlan("traces", f"up to {n_examples:,} examples", seconds, n_examples * BYTES_A_TRACE)


def _pages(context: Context) -> PartPlan:
    if "harvest" in context.settings.study.without:
        return PartPlan(PAGES_PART, "no features", PAGES.start_s, BYTES_OF_PAGES)
    n = n_features(context)
    return PartPlan(
        PAGES_PART, f"{n:,} features", _of_features(PAGES_PART, context), BYTES_OF_PAGES + n * BYTES_A_FEATURE_OF_PAGES
    )


_FEATURES: dict[str, Callable[[Context, _Unit], PartPlan]] = {
    "dictionaries": _dictionaries,
    "harvest": _harvest,
    "phones": _phones,
    "sounds": _sounds,
    "traces": _traces,
}
