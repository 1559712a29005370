"""Every setting of a whole study: one table for each part, as they stand in study.toml. Neither models nor clips."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli_w

from otoscope.base.errors import InputError
from otoscope.base.settings import Settings, refuse_unknown
from otoscope.study.catalogue import PRESETS, parts
from otoscope.study.part_settings import General


<<<<<<< HEAD
def _usual() -> dict[str, Settings]:
    return {part.table or part.name: part.standard for part in parts()}
=======
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
>>>>>>> folder


@dataclass(frozen=True)
class StudySettings:
    """Every setting of a study; `settings.window` is the table of the part `window`."""

    study: General = field(default_factory=General)  # what holds for all parts
    tables: Mapping[str, Settings] = field(default_factory=_usual)

    def __getattr__(self, name: str) -> Any:
        """Give the table of a part."""
        if name in self.__dict__.get("tables", ()):
            return self.tables[name]
        raise AttributeError(f"there is no part {name!r} with settings")

    def put(self, **tables: Settings) -> StudySettings:
        """Put other tables in the place of some: `settings.put(lens=Clips(3), study=General(seed=1))`."""
        study = tables.pop("study", self.study)
        assert isinstance(study, General), "study is a table of General"
        return StudySettings(study, {**self.tables, **tables})

    def to_json(self) -> dict[str, Any]:
        """Give the tables; what is None is left out, for TOML has no such value."""
        return {name: table.to_toml() for name, table in {"study": self.study, **self.tables}.items()}

    def to_toml(self) -> str:
        """Write all tables as TOML, which `read` takes."""
        return tomli_w.dumps(self.to_json())


def preset(name: str) -> StudySettings:
    """Give the settings of a study of one of `PRESETS`."""
    assert name in PRESETS, name
    return StudySettings(tables={part.table or part.name: part.settings(name) for part in parts()})


def read(path: str | Path, base: StudySettings) -> StudySettings:
    """Read settings from TOML, over others.

    Args:
        path: The file; tables and keys that it lacks stay as they are in `base`.
        base: What the file does not say.

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
    label = f"settings {str(path)!r}"
    known = {"study": base.study, **base.tables}
    changed = {}
    for name, table in tables.items():
        refuse_unknown(name, list(known), f"{label}: there is no table", "tables")
        if not isinstance(table, Mapping):
            raise InputError(f"{label}: {name} is {table!r}. Write it as a table: [{name}].")
        changed[name] = known[name].changed(table, f"{label}: [{name}]")
    return base.put(**changed)


def with_general(settings: StudySettings, **changes: Any) -> StudySettings:
    """Change what holds for all parts."""
    return replace(settings, study=replace(settings.study, **changes))
