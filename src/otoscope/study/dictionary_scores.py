"""How good are dictionaries? Scores of each beside its baselines, fitted to one half of a corpus, scored on the other.

Costs one pass of the encoder over each half; for transcripts another pass and two of the decoder for each dictionary
and each baseline; for phones a harvest. Every number is beside that of a random decoder of the same size with a trained
encoder, of the raw neurons, and of as many principal components as the dictionary has features active at a time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch

from otoscope.audio.clip import Clip, as_clip
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.corpus.corpus import Source
from otoscope.harvest.activity import check_sites
from otoscope.model.whisper import Whisper
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.files import save_dictionary
from otoscope.sae.fit import check_fit, named_site
from otoscope.sae.matching import best_cosines
from otoscope.sae.scores import Reconstructs
from otoscope.study.dictionary_baselines import Fit, fit
from otoscope.study.dictionary_measure import ALL, KIND_NAMES, ByKind, Halves, measure
from otoscope.study.dictionary_phones import PhoneRows, phone_scores
from otoscope.study.dictionary_random import random_decoder
from otoscope.study.dictionary_results import (
    DICTIONARY,
    MEAN,
    NEURONS,
    PCA,
    RANDOM_DECODER,
    SECOND,
    ZERO,
    DictionaryScores,
    Row,
    SiteScores,
    Stability,
    heard_row,
)
from otoscope.study.dictionary_transcripts import Hearing, Replacing, hear

__all__ = ["DictionaryScores", "Entry", "ScoreSettings", "score_dictionaries", "score_dictionary"]

POOL_BYTES = 256_000_000
"""Frames kept for training random decoders, of all sites together."""
SOME_FRAMES = 20_000
"""Frames kept where none is trained: they tell the dictionary's L0."""
REPLACED = ("all", "speech")

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many clips are, and of how many."""


@dataclass(frozen=True)
class ScoreSettings:
    """What to score, and how.

    Attributes:
        replaced: Frames whose activation the reconstruction takes the place of: `all` of the window, or `speech`.
        has_transcripts: Whether to transcribe with the reconstruction in place.
        has_phones: Whether to look for features that detect one phone, where the corpus has phones.
        baseline_frames: Frames to train the random decoder's encoder on; 0 for no such baseline.
        partner: The cosine from which on a feature has a partner in a second dictionary.
        language: What is spoken, as Whisper's code; each clip's own by default.
        force: Score a dictionary that was trained on another site or model.
        seed: Of random directions and of what is trained.
    """

    replaced: str = "all"
    has_transcripts: bool = True
    has_phones: bool = True
    baseline_frames: int = 400_000
    partner: float = 0.7
    language: str | None = None
    force: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.replaced not in REPLACED:
            raise InputError(f"frames to replace are {self.replaced!r}: give one of {', '.join(REPLACED)}.")
        if self.baseline_frames < 0:
            raise InputError(f"baseline_frames is {self.baseline_frames}: give 0 (no random decoder) or more.")
        if not 0 < self.partner <= 1:
            raise InputError(f"the cosine of a partner is {self.partner}: give a number above 0 and at most 1.")

    @property
    def replaced_kinds(self) -> frozenset[Kind] | None:
        """The kinds that are replaced; None for all."""
        return frozenset({Kind.SPEECH}) if self.replaced == "speech" else None


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


def score_dictionary(
    model: Whisper,
    clips: Corpus | Iterable[Clip],
    dictionary: Dictionary,
    settings: ScoreSettings | None = None,
    *,
    site: str | None = None,
    folder: Path | None = None,
    second: Dictionary | None = None,
    trained_random_decoder: Dictionary | None = None,
) -> DictionaryScores:
    """Score one dictionary beside its baselines; `score_dictionaries` says how.

    Args:
        model: Any Whisper.
        clips: A corpus, or clips.
        dictionary: The dictionary.
        settings: What to score; the defaults where None.
        site: Where it belongs; by default what its metadata say.
        folder: Where it was read from; without it phones are not looked for.
        second: One that was trained from another seed.
        trained_random_decoder: That baseline, where there is one already.

    Raises:
        InputError: See `score_dictionaries`.
    """
    place = site or site_of(model, dictionary)
    entry = Entry(place, dictionary, folder, second, trained_random_decoder)
    return score_dictionaries(model, clips, [entry], settings)


def score_dictionaries(
    model: Whisper,
    clips: Corpus | Iterable[Clip],
    entries: Sequence[Entry],
    settings: ScoreSettings | None = None,
    *,
    out: Path | None = None,
    progress: Progress = lambda what, done, of: None,
) -> DictionaryScores:
    """Score dictionaries of several sites, each beside its baselines.

    Args:
        model: Any Whisper.
        clips: A corpus, or clips. One half, of other speakers where they are known, is what baselines are fitted to
            and trained on; everything is scored on the other.
        entries: The dictionaries, each of another site.
        settings: What to score; the defaults where None.
        out: An existing folder for the random decoders that are trained, and for the harvest; temporary where None.
        progress: Told how far it is.

    Returns:
        The tables.

    Raises:
        InputError: A dictionary does not fit its site or the model, no clip can be used or none has speech, or a site
            holds what is not finite.
    """
    settings = settings or ScoreSettings()
    corpus = clips if isinstance(clips, Corpus) else as_corpus(clips)
    sites = [entry.site for entry in entries]
    if not entries or len(set(sites)) != len(sites):
        raise InputError(f"dictionaries are of the sites {sites}: give one or more, each of another site.")
    for entry in entries:
        check_entry(model, entry, force=settings.force)
    halves = Halves(corpus)
    with _folder(out) as home:
        fits = _fit(model, halves, entries, settings, progress)
        entries = [_with_random_decoder(entry, fits[entry.site], settings, home) for entry in entries]
        ks = {entry.site: fits[entry.site].active(entry.dictionary) for entry in entries}
        things = {
            (entry.site, name): (entry.site, thing)
            for entry in entries
            for name, thing in _things(entry, fits[entry.site], ks[entry.site], model.device).items()
        }
        told = halves.n_scored
        scores = measure(model, halves.scored(), things, progress=lambda done: progress("scoring", done, told))
        hearing = _hear(model, halves, things, settings, progress) if settings.has_transcripts else None
        phones = _phones(model, corpus, entries, settings, home, progress)
    tables = [_site(entry, fits, ks, scores, hearing, phones, settings) for entry in entries]
    return DictionaryScores(
        model=model.id,
        corpus=corpus.name,
        settings=asdict(settings),
        n_fitted=halves.n_fitted,
        n_scored=halves.n_scored,
        split_by=halves.split_by,
        sites=tuple(tables),
        hearing=hearing,
        notes=tuple(_notes(corpus, halves, entries, fits, ks, settings, phones)),
    )


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
    found = model.expand(named)
    if len(found) != 1:
        raise InputError(f"the dictionary is of the site {named!r}, which is {len(found)} sites of {model.id}.")
    return found[0]


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


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory() as home:
        yield Path(home)


def _fit(
    model: Whisper, halves: Halves, entries: Sequence[Entry], settings: ScoreSettings, progress: Progress
) -> dict[str, Fit]:
    """Fit baselines to the frames that the dictionaries were trained on; dictionaries of one kind share a pass."""
    fits: dict[str, Fit] = {}
    for kinds in dict.fromkeys(kinds_of(entry.dictionary) for entry in entries):
        own = [entry for entry in entries if kinds_of(entry.dictionary) == kinds]
        is_trained = any(entry.random_decoder is None for entry in own) and settings.baseline_frames > 0
        most = POOL_BYTES // (4 * sum(entry.dictionary.d_in for entry in own))
        fits |= fit(
            model,
            halves.fitted(settings.seed),
            [entry.site for entry in own],
            kinds=kinds,
            replaced=settings.replaced_kinds or frozenset(Kind),
            pool_frames=max(1, min(most, settings.baseline_frames if is_trained else SOME_FRAMES)),
            progress=lambda done: progress("fitting baselines", done, halves.n_fitted),
        )
    return fits


def _with_random_decoder(entry: Entry, fitted: Fit, settings: ScoreSettings, home: Path) -> Entry:
    """Train the baseline of a random decoder, where there is none yet."""
    if entry.random_decoder is not None or not settings.baseline_frames:
        return entry
    k = fitted.active(entry.dictionary)
    trained = random_decoder(
        fitted.frames, entry.dictionary, k=k, n_frames=settings.baseline_frames, seed=settings.seed
    )
    folder = home / "random_decoder" / entry.site
    save_dictionary(trained, folder)
    return replace(entry, random_decoder=trained, random_folder=folder)


def _things(entry: Entry, fitted: Fit, k: int, device: torch.device) -> dict[str, Reconstructs]:
    """Name what is scored at a site: the dictionary first."""
    things: dict[str, Reconstructs] = {DICTIONARY: entry.dictionary.to(device)}
    if entry.second is not None:
        things[SECOND] = entry.second.to(device)
    if entry.random_decoder is not None:
        things[RANDOM_DECODER] = entry.random_decoder.to(device)
    return {**things, **baselines(fitted, k)}


def baselines(fitted: Fit, k: int) -> dict[str, Reconstructs]:
    """Name the baselines that need no training."""
    return {
        NEURONS: fitted.neurons(k),
        PCA: fitted.components(k),
        MEAN: fitted.mean_ablation(),
        ZERO: fitted.zero_ablation(),
    }


def _hear(
    model: Whisper,
    halves: Halves,
    things: Mapping[tuple[str, str], tuple[str, Reconstructs]],
    settings: ScoreSettings,
    progress: Progress,
) -> Hearing:
    kinds = settings.replaced_kinds
    edits = {key: (site, Replacing(thing, kinds)) for key, (site, thing) in things.items() if key[1] != SECOND}
    told = halves.n_scored
    return hear(
        model,
        halves.scored(),
        edits,
        language=settings.language,
        progress=lambda done: progress("transcribing", done, told),
    )


def _phones(
    model: Whisper, corpus: Corpus, entries: Sequence[Entry], settings: ScoreSettings, home: Path, progress: Progress
) -> dict[str, PhoneRows] | None:
    """Look for features that detect one phone, where there are phones and folders to read dictionaries from."""
    if not settings.has_phones or corpus.phone_set is None or any(entry.folder is None for entry in entries):
        return None
    folders = {
        entry.site: {
            name: folder
            for name, folder in ((DICTIONARY, entry.folder), (RANDOM_DECODER, entry.random_folder))
            if folder is not None
        }
        for entry in entries
    }
    return phone_scores(
        model, corpus, folders, home / "harvest", seed=settings.seed, force=settings.force, progress=progress
    )


def _site(
    entry: Entry,
    fits: Mapping[str, Fit],
    ks: Mapping[str, int],
    scores: Mapping[tuple[str, str], ByKind],
    hearing: Hearing | None,
    phones: Mapping[str, PhoneRows] | None,
    settings: ScoreSettings,
) -> SiteScores:
    site = entry.site
    words = _words(entry, ks[site], fits[site])
    rows = [
        Row(
            site=site,
            name=name,
            what=words[name],
            n_features=_n_features(by_kind),
            by_kind=by_kind,
            heard={} if hearing is None or (site, name) not in hearing.by_name else heard_row(hearing, site, name),
        )
        for (where, name), by_kind in scores.items()
        if where == site
    ]
    found = None if phones is None else phones[site]
    return SiteScores(
        site=site,
        about={
            "folder": None if entry.folder is None else str(entry.folder),
            "architecture": entry.dictionary.architecture,
            "d_in": entry.dictionary.d_in,
            "n_features": entry.dictionary.n_features,
            "kinds": sorted(kind.name.lower() for kind in kinds_of(entry.dictionary)),
        },
        k=ks[site],
        rows=tuple(rows),
        stability=None if entry.second is None else _stability(entry, scores, settings),
        phones=None if found is None else found.rows,
        claims=() if found is None else found.claims,
    )


def _n_features(by_kind: ByKind) -> int:
    found = by_kind[ALL]
    assert found is not None, "some frame was scored"
    return found.n_features


def _words(entry: Entry, k: int, fitted: Fit) -> dict[str, str]:
    """Say what each row is."""
    d = len(fitted.mean)
    coder = "" if entry.random_decoder is None else entry.random_decoder.metadata.get("coder", {})
    name = coder.get("coder", "given") if isinstance(coder, dict) else str(coder)
    return {
        DICTIONARY: f"{entry.dictionary.architecture}, {entry.dictionary.n_features} features",
        SECOND: "a dictionary from another seed",
        RANDOM_DECODER: f"random directions, as many, with a trained encoder ({name})",
        NEURONS: f"the {min(k, d)} neurons furthest from their means, of {d}",
        PCA: f"the {min(k, d)} strongest principal components, of {d}",
        MEAN: "the mean of the replaced frames",
        ZERO: "zeros",
    }


def _stability(entry: Entry, scores: Mapping[tuple[str, str], ByKind], settings: ScoreSettings) -> Stability | None:
    """Compare the directions of active features with those of a second dictionary; None where none is active."""
    assert entry.second is not None
    rows = []
    for name, dictionary in ((DICTIONARY, entry.dictionary), (SECOND, entry.second)):
        found = scores[entry.site, name][ALL]
        assert found is not None
        rows.append(dictionary.directions()[found.feature_density > 0])
    own, other = rows
    if not len(own) or not len(other):
        return None
    generator = torch.Generator().manual_seed(settings.seed)
    chance = best_cosines(torch.randn(own.shape, generator=generator), other)
    best = best_cosines(own, other)
    return Stability(
        share=float((best >= settings.partner).double().mean()),
        mean=float(best.double().mean()),
        least=settings.partner,
        n_features=len(own),
        n_dead=entry.dictionary.n_features - len(own),
        n_second=len(other),
        random_share=float((chance >= settings.partner).double().mean()),
        random_mean=float(chance.double().mean()),
    )


def _notes(
    corpus: Corpus,
    halves: Halves,
    entries: Sequence[Entry],
    fits: Mapping[str, Fit],
    ks: Mapping[str, int],
    settings: ScoreSettings,
    phones: Mapping[str, PhoneRows] | None,
) -> list[str]:
    """Say what a reader of the numbers must know."""
    notes = []
    if halves.split_by == "nothing":
        notes.append("Baselines are fitted to the clip that all is scored on: a corpus of one clip has no halves.")
    else:
        held = "other speakers" if halves.split_by == "speakers" else "other clips, maybe of the same speakers"
        notes.append(
            f"Baselines are fitted to {halves.n_fitted} clips, and everything is scored on the other "
            f"{halves.n_scored}, which have {held}."
        )
    replaced = "all frames of each window" if settings.replaced == "all" else "speech frames alone"
    if settings.has_transcripts:
        notes.append(f"For CE, WER and CER {replaced} are replaced; windows of long recordings are taken side by side.")
    for entry in entries:
        width = len(fits[entry.site].mean)
        if ks[entry.site] >= width:
            notes.append(f"{entry.site}: L0 is {ks[entry.site]} of {width} dimensions: PCA and neurons are complete.")
        if corpus.name == entry.dictionary.metadata.get("trained_on"):
            notes.append(f"{entry.site}: the dictionary was trained on clips of this corpus, and maybe on the scored.")
    if any(entry.random_decoder is None for entry in entries):
        notes.append("There is no random decoder to compare with: --baseline-frames is 0.")
    if any(entry.second is not None for entry in entries):
        notes.append("Stability counts features that are active in some scored frame; dead ones are left out.")
    if settings.has_phones and phones is None:
        why = "no phone in time" if corpus.phone_set is None else "no folder to read a dictionary from"
        notes.append(f"Phones are not looked for: there is {why}.")
    return notes
