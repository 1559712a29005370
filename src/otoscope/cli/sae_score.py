"""`otoscope sae score`: how good dictionaries are, beside their baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text
from otoscope.base.layout import between, count, percent, table
from otoscope.cli import options, sae_options
from otoscope.cli.console import Advance, Console
from otoscope.cli.job import Job
from otoscope.cli.sources import gather, survey

if TYPE_CHECKING:
    from otoscope.model.whisper import Whisper
    from otoscope.sae.dictionary import Dictionary
    from otoscope.study.dictionaries.results import DictionaryScores, Row, SiteScores
    from otoscope.study.dictionaries.scores import Entry, Progress


def score(
    dictionary: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A dictionary, or a training's folder: all dictionaries in it are scored."),
    ],
    corpus: options.Corpus,
    second: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The same from another seed: which features have a partner in it?"),
    ] = None,
    random_decoder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The baseline with a random decoder, if it is trained; otherwise it will be."),
    ] = None,
    baseline_frames: Annotated[
        int, typer.Option(metavar="N", help="Frames to train that baseline on; 0 to leave it out.")
    ] = 400_000,
    replace: sae_options.Replace = "trained",
    no_phones: Annotated[
        bool, typer.Option("--no-phones", help="Do not look for features that detect one phone.")
    ] = False,
    no_transcripts: sae_options.NoTranscripts = False,
    site: Annotated[
        str | None, typer.Option(metavar="SITE", help="Where one dictionary belongs that does not say so.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Score a dictionary that was trained on another site or model.")
    ] = False,
    clips: options.Clips = None,
    language: options.Language = None,
    seed: options.Seed = 0,
    dry_run: options.DryRun = False,
    model: options.Model = "demo",
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    out: options.Out = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Score dictionaries: reconstruction, what is then transcribed, phones, stability, each beside its baselines.

    Baselines are fitted to one half of the clips, and all is scored on the other. --out gets scores.json,
    scores.parquet, density.parquet, transcripts.json, scores.png, the trained baselines and the harvest.
    """
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    from otoscope.study.dictionaries.scores import ScoreSettings, score_dictionaries

    settings = ScoreSettings(
        replaced=replace,
        has_transcripts=not no_transcripts,
        has_phones=not no_phones,
        baseline_frames=baseline_frames,
        language=language,
        force=force,
        seed=seed,
    )
    recordings = gather([corpus], clips)
    found = survey(recordings, job.console)
    whisper = job.load()
    entries = _entries(whisper, dictionary, second, random_decoder, site)
    job.console.note(
        f"Scoring {count(len(entries), 'site')} ({', '.join(entry.site for entry in entries)}) on {found.plan}, with "
        f"{whisper.id}: one half is for the baselines, the other to score."
    )
    if dry_run:
        job.console.finish(recordings.problems, len(recordings))
        return
    places = {"dictionary": dictionary, "second": second, "random_decoder": random_decoder}
    asked: dict[str, Any] = {name: None if place is None else str(place) for name, place in places.items()}
    asked |= {"corpus": corpus, "clips": clips, **vars(settings)}
    with ExitStack() as stack:
        folder = None if out is None else stack.enter_context(job.folder(whisper, asked, recordings.problems))
        with stages(job.console) as told:
            result = score_dictionaries(whisper, recordings, entries, settings, out=folder, progress=told)
        if folder is not None:
            result.save(folder)
    print(to_json_text(result.to_json()) if json else summary(result))
    job.console.finish(recordings.problems, len(recordings))


@contextmanager
def stages(console: Console) -> Iterator[Progress]:
    """Show one thing after another, each with a bar of its own."""
    with ExitStack() as stack:
        shown: dict[str, Advance] = {}

        def told(what: str, done: int, of: int) -> None:
            if what not in shown:
                stack.close()
                shown.clear()
                shown[what] = stack.enter_context(console.progress(what.capitalize(), total=of))
            shown[what](done)

        yield told


def _entries(
    whisper: Whisper, own: Path, second: Path | None, random_decoder: Path | None, site: str | None
) -> list[Entry]:
    """Read dictionaries, and find for each those of the same site."""
    from otoscope.study.dictionaries.scores import Entry

    found = _by_site(whisper, own, site)
    seconds = {} if second is None else _by_site(whisper, second, site)
    randoms = {} if random_decoder is None else _by_site(whisper, random_decoder, site)
    for option, others, folder in (("--second", seconds, second), ("--random-decoder", randoms, random_decoder)):
        if folder is not None and not found.keys() & others.keys():
            raise InputError(
                f"{option} {str(folder)!r} has dictionaries of {', '.join(others)}, and none of {', '.join(found)}, "
                "which is scored. Give one of the same site."
            )
    return [
        Entry(
            site=place,
            dictionary=dictionary,
            folder=folder,
            second=seconds[place][1] if place in seconds else None,
            random_decoder=randoms[place][1] if place in randoms else None,
            random_folder=randoms[place][0] if place in randoms else None,
        )
        for place, (folder, dictionary) in found.items()
    ]


def _by_site(whisper: Whisper, folder: Path, site: str | None) -> dict[str, tuple[Path, Dictionary]]:
    """Read the dictionaries of a folder by their sites."""
    from otoscope.sae.files import dictionaries_in, load_dictionary
    from otoscope.study.dictionaries.scores import site_of

    places = dictionaries_in(folder)
    if site is not None and len(places) > 1:
        raise InputError(
            f"'{folder}' holds {len(places)} dictionaries, and --site is one: name one dictionary's folder."
        )
    found: dict[str, tuple[Path, Dictionary]] = {}
    for path in places.values():
        dictionary = load_dictionary(path)
        place = whisper.expand(site)[0] if site is not None else site_of(whisper, dictionary)
        if place in found:
            raise InputError(
                f"'{found[place][0]}' and '{path}' are both of {place}: score them one by one, or a sweep with "
                "'otoscope sae sweep'."
            )
        found[place] = (path, dictionary)
    order = [each.name for each in whisper.sites()]
    return dict(sorted(found.items(), key=lambda item: order.index(item[0])))


def summary(scores: DictionaryScores) -> str:
    """Say in words and tables how good the dictionaries are."""
    found = scores.to_json()
    lines = list(found["notes"])
    clean = found["clean"]
    if clean is not None:
        targets = " and ".join(f"the {what} of {count(n, 'clip')}" for what, n in clean["ce_loss_of"].items())
        lines.append(
            f"Nothing in place: WER {_rate(clean['wer'])}, CER {_rate(clean['cer'])}, "
            f"CE {clean['ce_loss_without_sae']:.3f} over {clean['n_tokens']} tokens ({targets})."
        )
    for site in scores.sites:
        about = site.about
        lines.append(
            f"\n{site.site}: {about['architecture']} from {about['d_in']} to {about['n_features']} features; "
            f"{site.k} at a time in neurons and PCA"
        )
        lines.append(_site_table(site))
        lines += _stability_lines(site)
        lines += list(site.claims)
    return "\n".join(lines)


COLUMNS = (
    "", "L0", "explained: speech", "silence", "padding", "all", "cossim", "dead", "CE score", "WER", "CER",
    "words lost", "one phone",
)  # fmt: skip


def _site_table(site: SiteScores) -> str:
    phones = {row["name"]: row for row in site.phones or ()}
    rows = [_cells(row, phones.pop(row.name, None)) for row in site.rows]
    rows += [(name, *["-"] * (len(COLUMNS) - 2), _share(row)) for name, row in phones.items()]
    return table(COLUMNS, rows)


def _cells(row: Row, phones: Mapping[str, Any] | None) -> tuple[str, ...]:
    speech, everything = row.by_kind["speech"], row.by_kind["all"]
    shown = speech or everything
    assert shown is not None and everything is not None
    explained = [
        "-" if scores is None or scores.explained_variance is None else f"{scores.explained_variance:.3f}"
        for scores in (speech, row.by_kind["silence"], row.by_kind["padding"], everything)
    ]
    heard = row.heard
    return (
        row.name,
        f"{shown.l0:.1f}",
        *explained,
        f"{shown.cossim:.3f}",
        f"{everything.dead_features} of {row.n_features}" if row.n_features else "-",
        "-" if heard.get("ce_loss_score") is None else f"{heard['ce_loss_score']:.3f}",
        _rate(heard.get("wer") or heard.get("wer_to_clean")),
        _rate(heard.get("cer") or heard.get("cer_to_clean")),
        _rate(heard.get("lost") or heard.get("lost_to_clean")),
        "-" if phones is None else _share(phones),
    )


def _share(row: Mapping[str, Any]) -> str:
    return "-" if row["share"] is None else between(row["share"], row["low"], row["high"])


def _rate(rate: Mapping[str, float | None] | None) -> str:
    return "-" if rate is None else between(float(rate["value"] or 0), rate["low"], rate["high"])


def _stability_lines(site: SiteScores) -> list[str]:
    found = site.stability
    if found is None:
        return []
    return [
        f"{percent(found.share)} of {count(found.n_features, 'active feature')} have a partner of cosine "
        f"{found.least:g} or more among {found.n_second} of the second dictionary (mean of the best {found.mean:.3f}); "
        f"of as many random directions {percent(found.random_share)} (mean {found.random_mean:.3f}). "
        f"{found.n_dead} dead features are left out."
    ]
