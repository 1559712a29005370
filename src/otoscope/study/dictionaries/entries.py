"""Dictionaries that are to be scored: where each belongs, and whether it may be used there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.harvest.activity import check_sites
from otoscope.model.whisper import Whisper
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.files import dictionaries_in, load_dictionary
from otoscope.sae.fit import check_fit, named_site
from otoscope.study.dictionaries.measure import KIND_NAMES
from otoscope.study.sites import one_site


def replaced_kinds(replaced: str, trained: frozenset[Kind]) -> frozenset[Kind]:
    """Say which kinds of frame are replaced, as settings say it, where a dictionary was trained on some."""
    return {"trained": trained, "speech": frozenset({Kind.SPEECH}), "all": frozenset(Kind)}[replaced]


@dataclass(frozen=True, eq=False)
class Entry:
    """A dictionary to score."""

    site: str  # where it belongs, one of the model's sites
    dictionary: Dictionary
    folder: Path | None = None  # where it was read from; without it phones are not looked for
    second: Dictionary | None = None  # one that was trained from another seed, to compare directions with
    random_decoder: Dictionary | None = None  # the baseline, where it is trained already
    random_folder: Path | None = None  # where that was read from


def site_of(model: Whisper, dictionary: Dictionary) -> str:
    """Find the site that a dictionary says it belongs to."""
    named = named_site(dictionary.metadata, [site.name for site in model.sites()])
    if named is None:
        raise InputError(
            "a dictionary does not say of which site it is: its metadata have neither site nor hook_name. Name the "
            "site with --site."
        )
    return one_site(model, named, "a dictionary is").name


def read_by_site(model: Whisper, folder: Path, site: str | None) -> dict[str, tuple[Path, Dictionary]]:
    """Read the dictionaries of a folder by their sites."""
    paths = dictionaries_in(folder)
    if site is not None and len(paths) > 1:
        raise InputError(
            f"'{folder}' holds {len(paths)} dictionaries, and one site is named: name one dictionary's folder."
        )
    by_site: dict[str, tuple[Path, Dictionary]] = {}
    for path in paths.values():
        dictionary = load_dictionary(path)
        name = model.expand(site)[0] if site is not None else site_of(model, dictionary)
        if name in by_site:
            raise InputError(
                f"'{by_site[name][0]}' and '{path}' are both of {name}: score them one by one, or a sweep with "
                "'otoscope sae sweep'."
            )
        by_site[name] = (path, dictionary)
    order = [known.name for known in model.sites()]
    return dict(sorted(by_site.items(), key=lambda item: order.index(item[0])))


def check_entry(model: Whisper, entry: Entry, *, force: bool) -> None:
    """Refuse a dictionary of another width, site or model, and a second or random one of another width."""
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


def kinds_of(dictionary: Dictionary) -> frozenset[Kind]:
    """The kinds of frame that a dictionary was trained on; speech where it does not say."""
    named = dictionary.metadata.get("kinds") or ()
    names = [named] if isinstance(named, str) else list(named)
    return frozenset(Kind[name.upper()] for name in names if name in KIND_NAMES) or frozenset({Kind.SPEECH})
