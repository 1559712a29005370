"""`otoscope sae score`: how good dictionaries are, beside their baselines."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text
from otoscope.base.layout import count
from otoscope.cli import options, sae_options
from otoscope.cli.command import command
from otoscope.cli.job import Job
from otoscope.cli.sources import gather, survey
from otoscope.study.dictionaries.settings import ScoreSettings

if TYPE_CHECKING:
    from otoscope.model.whisper import Whisper
    from otoscope.study.dictionaries.entries import Entry


@command(ScoreSettings)
def score(
    dictionary: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A dictionary, or a training's folder: all dictionaries in it are scored."),
    ],
    corpus: options.Corpus,
    second: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="The same dictionaries trained from another seed: which features have a partner there?"
        ),
    ] = None,
    random_decoder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The baseline with a random decoder, if it is trained; otherwise it will be."),
    ] = None,
    site: Annotated[
        str | None, typer.Option(metavar="SITE", help="The site of a single dictionary that does not name its site.")
    ] = None,
    clips: options.Clips = None,
    *,
    settings: ScoreSettings,
    job: Job,
) -> None:
    """Score dictionaries beside their baselines: reconstruction, transcripts, phones, stability.

    Baselines are fitted to one half of the clips; scores are measured on the other. --out gets scores.json,
    scores.parquet, density.parquet, transcripts.json, scores.png, the trained baselines and the harvest.
    """
    from otoscope.study.dictionaries.scores import score_entries

    recordings = gather([corpus], clips)
    usable = survey(recordings, job.console)
    model = job.load()
    entries = _entries(model, dictionary, second, random_decoder, site)
    job.console.note(
        f"Scoring {count(len(entries), 'site')} ({', '.join(entry.site for entry in entries)}) on {usable.plan}, with "
        f"{model.id}: one half is for the baselines, the other to score."
    )
    if job.dry_run:
        job.console.finish(recordings.problems, len(recordings))
        return
    folders = {"dictionary": dictionary, "second": second, "random_decoder": random_decoder}
    manifest: dict[str, Any] = {name: None if folder is None else str(folder) for name, folder in folders.items()}
    manifest |= {"corpus": corpus, "clips": clips, **settings.to_json()}
    with ExitStack() as stack:
        out = None if job.out is None else stack.enter_context(job.folder(model, manifest, recordings.problems))
        with sae_options.stages(job.console) as progress:
            result = score_entries(model, recordings, entries, settings, out=out, progress=progress)
        if out is not None:
            result.save(out)
    print(to_json_text(result.to_json()) if job.json else result.summary())
    job.console.finish(recordings.problems, len(recordings))


def _entries(
    model: Whisper, folder: Path, second: Path | None, random_decoder: Path | None, site: str | None
) -> list[Entry]:
    """Read dictionaries, and find for each those of the same site."""
    from otoscope.study.dictionaries.entries import Entry, read_by_site

    scored = read_by_site(model, folder, site)
    seconds = {} if second is None else read_by_site(model, second, site)
    randoms = {} if random_decoder is None else read_by_site(model, random_decoder, site)
    for option, others, other in (("--second", seconds, second), ("--random-decoder", randoms, random_decoder)):
        if other is not None and not scored.keys() & others.keys():
            raise InputError(
                f"{option} {str(other)!r} has dictionaries of {', '.join(others)}, and none of {', '.join(scored)}, "
                "which is scored. Give one of the same site."
            )
    return [
        Entry(
            site=name,
            dictionary=dictionary,
            folder=path,
            second=seconds[name][1] if name in seconds else None,
            random_decoder=randoms[name][1] if name in randoms else None,
            random_folder=randoms[name][0] if name in randoms else None,
        )
        for name, (path, dictionary) in scored.items()
    ]
