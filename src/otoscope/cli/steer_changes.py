"""Parses the changes that `otoscope steer` is to make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from otoscope.base.errors import InputError
from otoscope.cli.console import Console

if TYPE_CHECKING:
    from otoscope.corpus import Corpus
    from otoscope.model.whisper import Whisper
    from otoscope.study.direction import Direction
    from otoscope.study.steer.class_means import ClassMeans
    from otoscope.study.steer.steering import Change
    from otoscope.study.steer.where import Where

CLASS_NAMES = ("phone", "language", "speaker")
ADD_FORMS = "a file of one vector, phone:AA-phone:AE, language:en-de, speaker:A-speaker:B, or SITE:INDEX"


class ChangeReader:
    """Parses changes; the parameters are the options of the same names. Means come from the corpus or the run."""

    def __init__(
        self,
        model: Whisper,
        corpus: Corpus,
        console: Console,
        *,
        site: str | None,
        basis: str,
        run: str | None,
        lag: int | None,
        seed: int,
        force: bool,
    ) -> None:
        self._model, self._corpus, self._site, self._basis = model, corpus, site, basis
        self._run, self._lag, self._seed, self._force, self._console = run, lag, seed, force, console
        self._means: dict[str, ClassMeans] = {}

    @property
    def lag(self) -> int:
        """The lag of phones in frames: as given, as estimated with means of phones, or 0."""
        estimated = self._means["phone"].lag if "phone" in self._means else None
        return self._lag if self._lag is not None else estimated or 0

    def changes(self, add: Sequence[str], scale: Sequence[str], head: Sequence[str]) -> list[Change]:
        """Parse every change: heads first, then features, then vectors."""
        from otoscope.study.feature import feature_named
        from otoscope.study.steer.steering import add_direction as added
        from otoscope.study.steer.steering import scale_feature, scale_head

        changes: list[Change] = []
        for text in head:
            name, factor = _with_factor(text, "--head", 0.0)
            changes.append(scale_head(self._model, name, factor))
        for text in scale:
            name, factor = _with_factor(text, "--scale", None)
            feature = feature_named(self._model, name, self._basis, seed=self._seed, force=self._force)
            changes.append(scale_feature(feature, factor))
        for text in add:
            direction = self._direction(text)
            site = None if _is_feature(text) else self._site
            changes.append(added(self._model, direction, site, force=self._force))
        return changes

    def _direction(self, text: str) -> Direction:
        from otoscope.study.direction import Direction
        from otoscope.study.feature import feature_named

        kind = text.partition(":")[0]
        if kind in CLASS_NAMES:
            return self._means_of(kind).named(text)
        if _is_feature(text):
            return feature_named(self._model, text, self._basis, seed=self._seed, force=self._force).direction()
        if Path(text).is_file():
            return Direction.load(text)
        raise InputError(f"--add {text!r} is neither a vector nor an existing file: give {ADD_FORMS}.")

    def _means_of(self, kind: str) -> ClassMeans:
        if kind in self._means:
            return self._means[kind]
        if self._site is None:
            raise InputError(f"means by {kind} need a site: give one, such as --site encoder.blocks.2.")
        names = self._model.expand(self._site)
        if len(names) != 1:
            raise InputError(f"--site {self._site!r} is {len(names)} sites, and means are added at one. Give one.")
        if self._run is not None:
            from otoscope.harvest.opened import open_run
            from otoscope.study.steer.class_means import means_of_run

            self._means[kind] = means_of_run(open_run(Path(self._run)), kind, names[0])
        else:
            from otoscope.study.steer.class_means import class_means

            with self._console.progress(f"Means by {kind}", total=len(self._corpus)) as advance:
                self._means[kind] = class_means(
                    self._model, self._corpus, kind, names[0], lag=self._lag, progress=lambda done, _: advance(done)
                )
        return self._means[kind]


def where_of(
    frames: str | None,
    kinds: Sequence[str] | None,
    phones: Sequence[str] | None,
    words: Sequence[str] | None,
    lag: int,
) -> Where:
    """Parse which frames are steered."""
    from otoscope.study.steer.where import Where

    stretch = None
    if frames is not None:
        first, _, last = frames.partition("-")
        if not (first.strip().isdecimal() and last.strip().isdecimal()):
            raise InputError(
                f"--frames {frames!r} is not a stretch: give FIRST-LAST in frames of 20 ms, such as 50-74."
            )
        stretch = (int(first), int(last) + 1)
    return Where(stretch, _names(kinds), _names(phones), _names(words), lag)


def strengths_of(text: str) -> tuple[float, ...]:
    """Parse strengths separated by commas."""
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError:
        raise InputError(
            f"--strength {text!r} is not a list of numbers: separate them by commas, such as 0,1,2,4."
        ) from None


def _names(texts: Sequence[str] | None) -> tuple[str, ...] | None:
    if not texts:
        return None
    return tuple(word.strip() for text in texts for word in text.split(",") if word.strip())


def _is_feature(text: str) -> bool:
    site, _, number = text.rpartition(":")
    return bool(site) and site.split(":")[0] not in CLASS_NAMES and number.isdecimal()


def _with_factor(text: str, option: str, default: float | None) -> tuple[str, float]:
    name, mark, factor = text.partition("=")
    if not mark and default is not None:
        return name, default
    try:
        return name, float(factor)
    except ValueError:
        example = "encoder.blocks.2.mlp.1:12=0" if option == "--scale" else "decoder.0.cross_attn.2=0"
        raise InputError(
            f"{option} {text!r} has no number as its factor: write {option} {example}; 0 removes it."
        ) from None
