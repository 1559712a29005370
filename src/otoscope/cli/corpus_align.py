"""`otoscope corpus align`: the times of words, or words and phones, for a corpus of recordings and transcripts."""

from __future__ import annotations

import json as json_library
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text
from otoscope.cli import options
from otoscope.cli.command import command
from otoscope.cli.job import Job, describe
from otoscope.cli.sources import gather, survey

if TYPE_CHECKING:
    from otoscope.corpus import Corpus
    from otoscope.study.alignment.corpus import Aligner

SETTINGS = ".settings.json"
"""The settings of unfinished results; a run with other settings starts again."""


@command()
def align(
    corpus: options.Corpus,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Write the times to this new folder.")],
    phones: Annotated[
        bool, typer.Option("--phones", help="Find words and phones of English with PocketSphinx; needs no model.")
    ] = False,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare", help="With --phones: also align labelled clips, and report how far off the times are."
        ),
    ] = False,
    phone_set: options.PhoneSet = None,
    language: options.Language = None,
    clips: options.Clips = None,
    *,
    job: Job,
) -> None:
    """Find when each word of the transcripts is spoken, by the model's cross-attention; or each phone.

    For a corpus with transcripts and without times; existing times are kept. --out gets a TextGrid for every clip,
    alignment.json, which lists doubtful times, and manifest.jsonl, which is itself a corpus. A clip without a
    transcript cannot be aligned: exit status 1. The same command continues a run that was stopped. --phones uses the
    acoustic model of the extra 'align' (English), and no Whisper.
    """
    if compare and not phones:
        raise InputError("--compare needs --phones. Give both, or neither.")
    recordings = gather([corpus], clips, phone_set=phone_set)
    usable = survey(recordings, job.console)
    job.console.note(f"Aligning {usable.plan}, with {'PocketSphinx' if phones else job.model}")
    if job.dry_run:
        job.console.finish(recordings.problems, len(recordings))
        return
    settings = {
        "corpus": corpus, "phones": phones, "compare": compare, "phone_set": phone_set, "language": language,
        "clips": clips,
    }  # fmt: skip
    aligner, made_by = _aligner(job, phones, language)

    from otoscope.study.alignment.corpus import MANIFEST, align_corpus

    with (
        _results(out, settings, made_by, recordings, job) as folder,
        job.console.progress("Aligning", total=usable.duration_s) as advance,
    ):
        result = align_corpus(aligner, recordings, folder, compare=compare, progress=advance)
    if job.json:
        print(to_json_text(result.to_json()))
    else:
        print(f"{result.summary()}\nUse them as the corpus {out / MANIFEST}")
    job.console.finish(recordings.problems, len(recordings))


def _aligner(job: Job, phones: bool, language: str | None) -> tuple[Aligner, dict[str, Any]]:
    """The aligner, and how the manifest describes it."""
    from otoscope.study.alignment.corpus import FromModel, FromSound

    if not phones:
        whisper = job.load()
        return FromModel(whisper, language), describe(whisper)
    from otoscope.demo.pronounce import EspeakPronouncer, is_installed
    from otoscope.study.alignment.phone_times import PhoneAligner

    aligner = FromSound(PhoneAligner(EspeakPronouncer(numbers=True) if is_installed() else None, language))
    return aligner, {"id": aligner.name}


@contextmanager
def _results(
    out: Path, settings: Mapping[str, Any], made_by: Mapping[str, Any], corpus: Corpus, job: Job
) -> Iterator[Path]:
    """The folder to write to: a hidden one beside the results, which stays if the run is stopped.

    Yields:
        The folder; its content becomes the results when the block ends without an error.
    """
    from otoscope.base.files import write_json
    from otoscope.base.results import result_folder

    folder = out.absolute().with_name(f".{out.absolute().name}.unfinished")
    settings_json = json_library.loads(to_json_text({"settings": settings, "model": made_by}))
    if _is_made_by(folder, settings_json):
        job.console.note(f"Continuing the run that was stopped, in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
        write_json(folder / SETTINGS, settings_json)
    try:
        yield folder
    except InputError:
        shutil.rmtree(folder, ignore_errors=True)  # nothing in it is usable
        raise
    manifest = {"model": made_by, "settings": settings, "failed": corpus.problems}
    with result_folder(out, overwrite=job.overwrite, manifest=manifest) as temporary:
        (folder / SETTINGS).unlink()
        shutil.copytree(folder, temporary, dirs_exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    job.console.note(f"Results in {out}: a TextGrid for each clip, alignment.json, manifest.jsonl, manifest.json")


def _is_made_by(folder: Path, settings_json: Mapping[str, Any]) -> bool:
    """Whether a folder holds the unfinished results of the same settings."""
    try:
        return bool(json_library.loads((folder / SETTINGS).read_text(encoding="utf-8")) == settings_json)
    except (OSError, ValueError):
        return False
