"""Every setting of a whole study, in one table for each part; presets for small, usual and large studies.

Knows numbers and names alone: neither models nor clips.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

from otoscope.base.errors import InputError


@dataclass(frozen=True)
class General:
    """What holds for all parts.

    Attributes:
        seed: Of whatever is drawn at random.
        language: What is spoken, as Whisper's code; None for what the model hears in each clip.
        without: Parts to leave out.
    """

    seed: int = 0
    language: str | None = None
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clips:
    """How many clips a part takes, from all speakers in turn; fewer where the corpus has fewer."""

    clips: int


@dataclass(frozen=True)
class Relevance(Clips):
    """How much of the relevance comes from near.

    Attributes:
        within_frames: Frames of 20 ms on either side that count as near.
    """

    clips: int = 32
    within_frames: int = 25


@dataclass(frozen=True)
class Window(Clips):
    """Transcripts under attention windows.

    Attributes:
        ks: Frames on either side that a frame may attend to.
        head_clips: Clips over which one encoder head after the other is limited alone; 0 for none.
        heads: How many heads are tried, drawn where the model has more.
    """

    clips: int = 32
    ks: tuple[int, ...] = (100, 75, 50, 20, 10, 5, 2)
    head_clips: int = 12
    heads: int = 96


@dataclass(frozen=True)
class Dictionaries:
    """A sparse dictionary of every block.

    Attributes:
        sites: Where; a pattern finds several.
        coder: Which kind.
        expansion: Features for each value of a site.
        k: Features active at a time.
        frames: Frames to learn from in all, but at most ten passes; None for 2 million.
    """

    sites: tuple[str, ...] = ("encoder.blocks.*",)
    coder: str = "topk"
    expansion: float = 8.0
    k: int = 32
    frames: int | None = None


@dataclass(frozen=True)
class Harvest:
    """What drives every feature.

    Attributes:
        sites: Where; a pattern finds several.
        bases: The directions to read them in; `sae` stands for the study's own dictionaries.
        hours: Hours to listen to, in whole clips of all speakers in turn; None for the whole corpus.
        top: Examples of each feature and sign.
        samples: Peaks drawn from every range of strength.
        ranges: Ranges of equal width.
    """

    sites: tuple[str, ...] = ("encoder.blocks.*.mlp.1", "encoder.blocks.*")
    bases: tuple[str, ...] = ("neuron", "random", "untrained", "sae")
    hours: float | None = 10.0
    top: int = 20
    samples: int = 10
    ranges: int = 10


@dataclass(frozen=True)
class Phones:
    """Which phone each feature detects.

    Attributes:
        auroc: From where on a phone is told from all else.
        purity: Share of the top examples that must fall in it.
        label_agreement: Share of the phone labels that are right, where it is known.
    """

    auroc: float = 0.9
    purity: float = 0.8
    label_agreement: float | None = None


@dataclass(frozen=True)
class Examples:
    """Which examples the pages show and play.

    Attributes:
        top: Of the strongest, for each feature and sign.
        samples: From each range of strength.
    """

    top: int = 20
    samples: int = 2


@dataclass(frozen=True)
class Scores(Clips):
    """How good the dictionaries are.

    Attributes:
        baseline_frames: Frames to train the baseline with a random decoder on; 0 for none.
    """

    clips: int = 64
    baseline_frames: int = 400_000


@dataclass(frozen=True)
class Bigrams:
    """What the decoder says next with no sound.

    Attributes:
        prompts: After what; empty for frequent words of the corpus's transcripts.
        sounds: What stands for no sound.
        level_dbfs: How loud noise is.
    """

    prompts: tuple[str, ...] = ()
    sounds: tuple[str, ...] = ("padding", "noise")
    level_dbfs: float = -20.0


@dataclass(frozen=True)
class Neighbours:
    """Which tokens lie nearest.

    Attributes:
        words: Of which words; empty for frequent words of the corpus's transcripts.
        k: How many for each.
    """

    words: tuple[str, ...] = ()
    k: int = 20


@dataclass(frozen=True)
class Listening(Clips):
    """Recordings to listen to in every way, on a page each.

    Attributes:
        ks: The attention windows of the slider.
    """

    clips: int = 4
    ks: tuple[int, ...] = (250, 150, 100, 75, 50, 35, 20, 10, 5, 2)


@dataclass(frozen=True)
class StudySettings:
    """Every setting of a study: one table for each part, as they stand in study.toml."""

    study: General = field(default_factory=General)
    transcripts: Clips = field(default_factory=lambda: Clips(200))
    relevance: Relevance = field(default_factory=Relevance)
    locality: Clips = field(default_factory=lambda: Clips(48))
    window: Window = field(default_factory=Window)
    splice: Clips = field(default_factory=lambda: Clips(48))
    dictionaries: Dictionaries = field(default_factory=Dictionaries)
    harvest: Harvest = field(default_factory=Harvest)
    phones: Phones = field(default_factory=Phones)
    examples: Examples = field(default_factory=Examples)
    scores: Scores = field(default_factory=Scores)
    bigrams: Bigrams = field(default_factory=Bigrams)
    neighbours: Neighbours = field(default_factory=Neighbours)
    lens: Clips = field(default_factory=lambda: Clips(48))
    words: Clips = field(default_factory=lambda: Clips(16))
    listening: Listening = field(default_factory=Listening)

    def to_json(self) -> dict[str, Any]:
        """Give the tables; what is None is left out, for TOML has no such value."""
        return {
            one.name: {
                name: _plain(value) for name, value in vars(getattr(self, one.name)).items() if value is not None
            }
            for one in fields(self)
        }

    def to_toml(self) -> str:
        """Write all tables as TOML, which `read` takes."""
        return tomli_w.dumps(self.to_json())


QUICK = StudySettings(
    transcripts=Clips(24),
    relevance=Relevance(6),
    locality=Clips(8),
    window=Window(12, (75, 20, 10), head_clips=6, heads=8),
    splice=Clips(12),
    dictionaries=Dictionaries(expansion=4.0, k=16, frames=52_000),
    harvest=Harvest(bases=("neuron", "random", "sae"), hours=0.12),
    examples=Examples(top=10, samples=1),
    scores=Scores(9, 10_000),
    bigrams=Bigrams(),
    lens=Clips(8),
    words=Clips(6),
    listening=Listening(1, (75, 20, 10)),
)
"""Minutes, to see whether all is well."""

FULL = StudySettings(
    transcripts=Clips(2000),
    relevance=Relevance(300),
    locality=Clips(300),
    window=Window(300, (250, 150, 100, 75, 50, 35, 20, 10, 5, 2), head_clips=48, heads=640),
    splice=Clips(200),
    dictionaries=Dictionaries(expansion=16.0, frames=20_000_000),
    harvest=Harvest(hours=None),
    scores=Scores(500, 2_000_000),
    lens=Clips(300),
    words=Clips(100),
    listening=Listening(24),
)
"""As much as the intervals gain from."""

DEMO = StudySettings(
    transcripts=Clips(144),
    relevance=Relevance(48),
    locality=Clips(72),
    window=Window(24),
    splice=Clips(36),
    dictionaries=Dictionaries(expansion=4.0, k=16, frames=105_000),
    examples=Examples(top=10, samples=2),
    scores=Scores(24, 26_000),
    bigrams=Bigrams(("The traffic", "Thank")),
    neighbours=Neighbours(("rug", "UK")),
    lens=Clips(36),
    words=Clips(12),
    listening=Listening(4),
)
"""For the model and the clips in the package, within minutes on two cores."""

PRESETS: Mapping[str, StudySettings] = {"quick": QUICK, "standard": StudySettings(), "full": FULL, "demo": DEMO}


def read(path: str | Path, base: StudySettings) -> StudySettings:
    """Read settings from TOML, over others.

    Args:
        path: The file; tables and keys that it lacks stay as they are in `base`.
        base: What is not told.

    Returns:
        All settings.

    Raises:
        InputError: It cannot be read, or has a table, a key or a value that no study has.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the settings {str(path)!r} cannot be read ({error}). Give a file of TOML.") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"the settings {str(path)!r} are no TOML: {error}. Correct that line.") from error
    return settings_of(tables, base, f"settings {str(path)!r}")


def settings_of(tables: Mapping[str, Any], base: StudySettings, what: str) -> StudySettings:
    """Put tables of settings over others.

    Args:
        tables: Part to its settings.
        base: What is not told.
        what: What they are called in messages.

    Raises:
        InputError: A table, a key or a value is none.
    """
    changed = {}
    for part, table in tables.items():
        _check_name(part, [one.name for one in fields(base)], f"{what}: there is no table", "tables")
        if not isinstance(table, Mapping):
            raise InputError(f"{what}: {part} is {table!r}. Write it as a table: [{part}].")
        old = getattr(base, part)
        hints = typing.get_type_hints(type(old))
        for key in table:
            _check_name(key, list(hints), f"{what}: [{part}] has no", "keys")
        values = {key: _taken(value, hints[key], f"{what}: [{part}] {key}") for key, value in table.items()}
        changed[part] = replace(old, **values)
    return check(replace(base, **changed), what)


def check(settings: StudySettings, what: str = "the settings") -> StudySettings:
    """Refuse numbers that no study can use.

    Raises:
        InputError: A number of clips, frames or examples is below 1, or a share is none.
    """
    for part in fields(settings):
        for key, value in vars(getattr(settings, part.name)).items():
            least = 0 if key in {"seed", "baseline_frames", "samples", "head_clips"} else 1
            numbers = value if isinstance(value, tuple) else (value,)
            counts = [one for one in numbers if isinstance(one, int) and not isinstance(one, bool)]
            if any(one < least for one in counts):
                raise InputError(f"{what}: [{part.name}] {key} is {value}: give {least} or more.")
    for table, key in (("dictionaries", "expansion"), ("harvest", "hours")):
        number = getattr(getattr(settings, table), key)
        if number is not None and not 0 < number < float("inf"):
            raise InputError(f"{what}: [{table}] {key} is {number}: give a number above 0.")
    for key in ("auroc", "purity", "label_agreement"):
        share = getattr(settings.phones, key)
        if share is not None and not 0 < share <= 1:
            raise InputError(f"{what}: [phones] {key} is {share}: give a share, up to 1.")
    return settings


def _taken(value: Any, hint: Any, what: str) -> Any:
    """Check a value of TOML against what a setting is, and turn lists into tuples."""
    if isinstance(hint, types.UnionType):
        hint = next(one for one in typing.get_args(hint) if one is not type(None))
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise InputError(f"{what} is {value!r}: give a list, in square brackets.")
        return tuple(_taken(one, typing.get_args(hint)[0], what) for one in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or isinstance(value, bool):
        names = {int: "a whole number", float: "a number", str: "text in quotes"}
        raise InputError(f"{what} is {value!r}: give {names[hint]}.")
    return value


def _check_name(name: str, known: list[str], message: str, what: str) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise InputError(f"{message} {name!r}. {hint}The {what} are {', '.join(known)}.")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return list(value) if isinstance(value, tuple) else value
