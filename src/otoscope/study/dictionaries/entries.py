"""Dictionaries that are to be scored: what is asked for, where each belongs, and whether it may be used there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from otoscope.audio.clip import Clip, as_clip
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.corpus.corpus import Source
from otoscope.harvest.activity import check_sites
from otoscope.model.whisper import Whisper
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.fit import check_fit, named_site
from otoscope.study.dictionaries.measure import KIND_NAMES
from otoscope.study.sites import one_site

REPLACED = ("trained", "speech", "all")
"""What may be replaced: frames of the kinds that a dictionary was trained on, speech frames, or all of the window."""


@dataclass(frozen=True)
class ScoreSettings:
    """What to score, and how.

    Attributes:
        replaced: Frames whose activation the reconstruction takes the place of: those of the kinds that the dictionary
            was `trained` on, `speech`, or `all` of the window. Its baselines take the place of the same frames.
        has_transcripts: Whether to transcribe with the reconstruction in place.
        has_phones: Whether to look for features that detect one phone, where the corpus has phones.
        baseline_frames: Frames to train the random decoder's encoder on; 0 for no such baseline.
        partner: The cosine from which on a feature has a partner in a second dictionary.
        language: What is spoken, as Whisper's code; each clip's own by default.
        force: Score a dictionary that was trained on another site or model.
        seed: Of random directions and of what is trained.
    """

    replaced: str = "trained"
    has_transcripts: bool = True
    has_phones: bool = True
    baseline_frames: int = 400_000
    partner: float = 0.7
    language: str | None = None
    force: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_replaced(self.replaced)
        if self.baseline_frames < 0:
            raise InputError(f"baseline_frames is {self.baseline_frames}: give 0 (no random decoder) or more.")
        if not 0 < self.partner <= 1:
            raise InputError(f"the cosine of a partner is {self.partner}: give a number above 0 and at most 1.")

    def replaced_kinds(self, trained: frozenset[Kind]) -> frozenset[Kind]:
        """The kinds of frame that are replaced, of a dictionary that was trained on some."""
        return replaced_kinds(self.replaced, trained)


def check_replaced(replaced: str) -> None:
    """Refuse what is not one of `REPLACED`.

    Raises:
        InputError: It is something else.
    """
    if replaced not in REPLACED:
        raise InputError(f"frames to replace are {replaced!r}: give one of {', '.join(REPLACED)}.")


def replaced_kinds(replaced: str, trained: frozenset[Kind]) -> frozenset[Kind]:
    """Say which kinds of frame are replaced.

    Args:
        replaced: One of `REPLACED`.
        trained: The kinds that the dictionary was trained on.
    """
    return {"trained": trained, "speech": frozenset({Kind.SPEECH}), "all": frozenset(Kind)}[replaced]


@dataclass(frozen=True, eq=False)
class Entry:
    """A dictionary to score.

    Attributes:
        site: Where it belongs, one of the model's sites.
        dictionary: The dictionary.
        folder: Where it was read from; without it phones are not looked for.
        second: One that was trained from another seed, to compare directions with.
        random_decoder: The baseline, where it is trained already.
        random_folder: Where that was read from.
    """

    site: str
    dictionary: Dictionary
    folder: Path | None = None
    second: Dictionary | None = None
    random_decoder: Dictionary | None = None
    random_folder: Path | None = None


def site_of(model: Whisper, dictionary: Dictionary) -> str:
    """Find the site that a dictionary says it belongs to.

    Raises:
        InputError: It does not say, or the model has no such site.
    """
    named = named_site(dictionary.metadata, [site.name for site in model.sites()])
    if named is None:
        raise InputError(
            "a dictionary does not say of which site it is: its metadata have neither site nor hook_name. Name the "
            "site with --site."
        )
    return one_site(model, named, "a dictionary is").name


def check_entry(model: Whisper, entry: Entry, *, force: bool) -> None:
    """Refuse a dictionary of another width, site or model, and a second or random one of another width.

    Raises:
        InputError: It does not fit.
    """
    width = check_sites(model, [entry.site])[entry.site]
    for dictionary in (entry.dictionary, entry.second, entry.random_decoder):
        if dictionary is not None:
            check_fit(
                dictionary,
                site=entry.site,
                model_id=model.id,
                weights_hash=model.weights_hash,
                d=width,
                force=force,
                name="a dictionary" if entry.folder is None else f"dictionary {str(entry.folder)!r}",
            )


def as_corpus(clips: Iterable[Clip]) -> Corpus:
    """Take clips as a corpus; they stay in memory."""
    read = list(clips)
    return Corpus(
        "clips",
        [Source(clip.id, partial(as_clip, clip), clip.speaker, clip.language, clip.duration_s) for clip in read],
    )


def kinds_of(dictionary: Dictionary) -> frozenset[Kind]:
    """The kinds of frame that a dictionary was trained on; speech where it does not say."""
    named = dictionary.metadata.get("kinds") or ()
    names = [named] if isinstance(named, str) else list(named)
    return frozenset(Kind[name.upper()] for name in names if name in KIND_NAMES) or frozenset({Kind.SPEECH})
