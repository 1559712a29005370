"""The mean of what an encoder site holds for each phone, speaker or language, and the direction from one to another.

Read from a finished harvest's tables, or computed in one pass over a corpus, with one window in memory at a time and
one vector of doubles for each class. Only frames of speech count, as in a harvest. The encoder answers late, by a lag
that is estimated first where it is not given.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from jaxtyping import Float, Int

from otoscope.audio.clip import Clip
from otoscope.audio.kinds import Kind
from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.harvest.activity import TRAINED, EncoderReader
from otoscope.harvest.calibration import calibrate
from otoscope.harvest.labels import LabelSet, check_lag, label_set
from otoscope.harvest.opened import HarvestRun
from otoscope.harvest.settings import HarvestSettings
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.clips import as_corpus, each_clip
from otoscope.study.direction import Direction
from otoscope.study.rich import Rich
from otoscope.study.sites import one_site

CLASSES = ("phone", "language", "speaker")


@dataclass(frozen=True, eq=False, repr=False)
class ClassMeans(Rich):
    """Means by class at one site."""

    kind: str  # `phone`, `language` or `speaker`
    site: str
    labels: tuple[str, ...]  # the classes with one frame or more
    n_frames: Int[np.ndarray, " label"]  # frames of speech of each
    means: Float[np.ndarray, "label d"]  # what the site holds on average for each
    lag: int | None  # frames by which the encoder was assumed to answer late; None where the classes are not phones
    model: str
    weights_hash: str
    source: str  # the corpus, or the harvest's folder

    def direction(self, first: str, second: str | None = None) -> Direction:
        """Return the mean of one class minus that of another.

        Args:
            first: The class that adding the direction moves towards.
            second: The class that it moves away from; None for the mean over the frames of all other classes.

        Raises:
            InputError: A class has no frames here, or both are the same.
        """
        index = self._index(first)
        if second is None:
            others = np.arange(len(self.labels)) != index
            if not others.any():
                raise InputError(
                    f"{first!r} is the only {self.kind} in {self.source}: there is nothing to set it apart from. Give "
                    "more, or a corpus with several."
                )
            baseline = np.average(self.means[others], axis=0, weights=self.n_frames[others])
            n_second, name = int(self.n_frames[others].sum()), f"{self.kind} {first} - all others"
        else:
            other = self._index(second)
            if index == other:
                raise InputError(f"{self.kind} {first!r} minus itself is zero. Name two.")
            baseline, n_second = self.means[other], int(self.n_frames[other])
            name = f"{self.kind} {first} - {second}"
        details = {
            "classes": self.kind,
            "first": first,
            "second": second,
            "n_frames": [int(self.n_frames[index]), n_second],
            "lag_frames": self.lag,
            "source": self.source,
        }
        vector = (self.means[index] - baseline).astype(np.float32)
        return Direction(vector, self.site, name, self.model, self.weights_hash, details)

    def named(self, text: str) -> Direction:
        """Return a direction by its name in commands: `AA-AE`, `phone:AA-phone:AE`, or `AA` alone.

        Raises:
            InputError: There are no such classes, or the name is ambiguous.
        """
        prefix = f"{self.kind}:"
        words = text.split(f"-{prefix}")
        if len(words) == 2:
            return self.direction(words[0].removeprefix(prefix), words[1])
        name = text.removeprefix(prefix)
        if name in self.labels:
            return self.direction(name)
        pairs = [(name[:cut], name[cut + 1 :]) for cut, letter in enumerate(name) if letter == "-"]
        known = [pair for pair in pairs if set(pair) <= set(self.labels)]
        if len(known) == 1:
            return self.direction(*known[0])
        if len(known) > 1:
            raise InputError(f"{text!r} can be read in {len(known)} ways: write {prefix}FIRST-{prefix}SECOND.")
        unknown = next((label for label in (pairs[0] if pairs else (name,)) if label not in self.labels), name)
        self._index(unknown)
        raise AssertionError("unknown classes are refused")

    def _index(self, label: str) -> int:
        if label in self.labels:
            return self.labels.index(label)
        near = difflib.get_close_matches(label, self.labels, n=3, cutoff=0.3)
        hint = f"Nearest: {', '.join(near)}" if near else f"There are {', '.join(self.labels[:20])}"
        raise InputError(
            f"{self.kind} {label!r} has no frames of speech in {self.source}. {hint}; {len(self.labels)} in all. Write "
            f"{self.kind}:FIRST-{self.kind}:SECOND."
        )

    def _shown(self) -> html.Shown:
        often = np.argsort(-self.n_frames, kind="stable")[: html.MOST_ROWS]
        centre = np.average(self.means, axis=0, weights=self.n_frames)
        rows = [
            (self.labels[index], int(self.n_frames[index]), float(np.linalg.norm(self.means[index] - centre)))
            for index in often
        ]
        return html.Shown(
            f"Means by {self.kind} at {self.site}: {self.model}",
            [
                ("from", self.source),
                ("classes", len(self.labels)),
                ("values in a mean", int(self.means.shape[1])),
                ("lag (frames)", self.lag),
            ],
            [
                html.ShownTable(
                    (self.kind, "frames", "from the mean of all"), rows, "Most frames first", len(self.labels)
                )
            ],
        )


def class_means(
    model: Whisper,
    clips: Corpus | Iterable[Sound],
    kind: str,
    site: str,
    *,
    lag: int | None = None,
    phone_set: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ClassMeans:
    """Find the mean of every class in one pass over clips.

    Args:
        model: Any Whisper.
        clips: A corpus, or clips; those without the labels are skipped.
        kind: `phone`, `language` or `speaker`.
        site: A site of the encoder that holds one vector for each frame.
        lag: Frames by which the encoder answers late; None to estimate it. Used for phones alone.
        phone_set: The set that phones are turned into; None for ARPAbet where labels are English, IPA elsewhere.
        progress: Called with the number of clips done and the number in all.

    Raises:
        SiteError: The site is not in the model.
        InputError: The site does not hold one vector for each frame, the kind is unknown, or no clip has its labels.
    """
    name = one_site(model, site, "means are").name
    return means_at(model, clips, kind, [name], lag=lag, phone_set=phone_set, progress=progress)[name]


def means_at(
    model: Whisper,
    clips: Corpus | Iterable[Sound],
    kind: str,
    sites: Sequence[str],
    *,
    lag: int | None = None,
    phone_set: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, ClassMeans]:
    """Find the means at several sites in the same pass; see `class_means`."""
    check_kind(kind)
    check_lag(lag)
    reader = EncoderReader(model, sites)
    corpus = as_corpus(clips)
    labels = label_set(corpus, phone_set, 0)
    names = {"phone": labels.phones, "language": labels.languages, "speaker": labels.speakers}[kind]
    if not names:
        raise InputError(
            f"{corpus.name!r} has no {kind} labels, and means by {kind} need them. Give a corpus with some."
        )
    if kind == "phone" and lag is None:
        lag = calibrate(reader, corpus, labels, HarvestSettings(sites=tuple(reader.widths))).lag
    sums = {site: np.zeros((len(names) + 1, width)) for site, width in reader.widths.items()}
    counts = np.zeros(len(names) + 1, np.int64)
    for clip in each_clip(corpus, progress):
        for rows, numbers in _labelled(reader, labels, clip, kind, lag or 0, len(names)):
            for site, vectors in rows.items():
                np.add.at(sums[site], numbers, vectors)
            counts += np.bincount(numbers, minlength=len(counts))
    is_there = counts[:-1] > 0
    if not is_there.any():
        raise InputError(f"no clip of {corpus.name!r} has frames of speech with a {kind}. See otoscope corpus info.")
    return {
        site: ClassMeans(
            kind=kind,
            site=site,
            labels=tuple(name for name, there in zip(names, is_there, strict=True) if there),
            n_frames=counts[:-1][is_there],
            means=total[:-1][is_there] / counts[:-1][is_there, None],
            lag=lag if kind == "phone" else None,
            model=model.name,
            weights_hash=model.weights_hash,
            source=corpus.name,
        )
        for site, total in sums.items()
    }


def means_of_run(run: HarvestRun, kind: str, site: str) -> ClassMeans:
    """Take means from a finished harvest, whose neurons at a site are the site's vectors."""
    check_kind(kind)
    groups = [group for group in run.groups if group.site == site and group.basis == "neuron"]
    if not groups:
        there = ", ".join(dict.fromkeys(group.site for group in run.groups if group.basis == "neuron")) or "none"
        raise InputError(
            f"the run '{run.folder}' holds no neurons of {site!r}; it holds those of: {there}. Harvest the site, or "
            "leave the run out to find the means now."
        )
    table = run.table(f"{kind}_means")
    table = table.filter(pc.and_(pc.equal(table["site"], site), pc.equal(table["basis"], "neuron")))
    if not table.num_rows:
        raise InputError(f"the run '{run.folder}' has no means by {kind}: its corpus has no such labels. Give another.")
    features = table["feature"].to_numpy()
    names = table[kind].to_pylist()[: int((features == 0).sum())]
    means = table["mean"].to_numpy().reshape(groups[0].n_features, len(names)).T
    counts = table["n_frames"].to_numpy()[: len(names)]
    is_there = counts > 0
    about = run.manifest.get("model", {})
    return ClassMeans(
        kind=kind,
        site=site,
        labels=tuple(name for name, there in zip(names, is_there, strict=True) if there),
        n_frames=counts[is_there],
        means=means[is_there],
        lag=run.lag_of(groups[0]) if kind == "phone" else None,
        model=str(about.get("id", "")),
        weights_hash=str(about.get("weights_hash", "")),
        source=str(run.folder),
    )


def check_kind(kind: str) -> None:
    """Refuse an unknown kind of class."""
    if kind not in CLASSES:
        raise InputError(f"classes {kind!r} are unknown: give {', '.join(CLASSES)}.")


def _labelled(
    reader: EncoderReader, labels: LabelSet, clip: Clip, kind: str, lag: int, none: int
) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
    """Yield what each site holds for a clip's frames of speech, window by window, and each frame's class by number."""
    spans = labels.phones_of(clip) if kind == "phone" else None
    speaker, language = labels.number_of(clip.speaker, clip.language)
    number = {"speaker": speaker, "language": language}.get(kind, none)
    if number < 0 or (kind == "phone" and spans is None):
        return
    for activity in reader.windows(clip):
        n = len(activity.kinds)
        numbers = np.full(n, number)
        if spans is not None:
            whole = labels.frame_phones(spans, activity.first_frame + n, lag)
            numbers = whole[activity.first_frame :].astype(np.int64)
        speech = activity.kinds == Kind.SPEECH
        rows = {
            site: value.detach().float().cpu().numpy().astype(np.float64)[speech]
            for (weights, site), value in activity.values.items()
            if weights == TRAINED
        }
        yield rows, numbers[speech]
