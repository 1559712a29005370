"""`otoscope corpus align`: words in time for a corpus of recordings and transcripts, or words and phones."""

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
from otoscope.base.layout import count, one_line, percent, table
from otoscope.cli import options
from otoscope.cli.job import Job, describe
from otoscope.cli.sources import gather, survey

if TYPE_CHECKING:
    from otoscope.corpus import Corpus
    from otoscope.study.alignment.comparison import Comparison
    from otoscope.study.alignment.corpus import AlignedClip, AlignedCorpus, Aligner

MOST_UNSURE = 10
"""Up to so many doubtful clips are named; all are in the JSON."""
SETTINGS = ".settings.json"
"""What made the unfinished results; those of other settings are not taken up."""


def align(
    corpus: options.Corpus,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Write the times to this new folder.")],
    phones: Annotated[
        bool, typer.Option("--phones", help="Find phones and words of English by PocketSphinx; needs no model.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="With --phones: align labelled clips, too, and say how far the times are.")
    ] = False,
    phone_set: options.PhoneSet = None,
    language: options.Language = None,
    clips: options.Clips = None,
    dry_run: options.DryRun = False,
    model: options.Model = "demo",
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Find when each word of given transcripts is spoken, by the model's own cross-attention; or each phone.

    For a corpus with transcripts and without times; times that are there are kept. --out gets a TextGrid for every
    clip, alignment.json with what is doubtful, and manifest.jsonl, which is a corpus again. A clip without a transcript
    cannot be aligned: exit status 1. A run that was stopped goes on where it was when it is given again. --phones takes
    the acoustic model of the extra 'align' (English), and no Whisper.
    """
    if compare and not phones:
        raise InputError("--compare is about phones. Give --phones with it.")
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    recordings = gather([corpus], clips, phone_set=phone_set)
    found = survey(recordings, job.console)
    job.console.note(f"Aligning {found.plan}, with {'PocketSphinx' if phones else model}")
    if dry_run:
        job.console.finish(recordings.problems, len(recordings))
        return
    settings = {
        "corpus": corpus, "phones": phones, "compare": compare, "phone_set": phone_set, "language": language,
        "clips": clips,
    }  # fmt: skip
    aligner, made_by = _aligner(job, phones, language)

    from otoscope.study.alignment.corpus import align_corpus

    with (
        _results(out, settings, made_by, recordings, job) as folder,
        job.console.progress("Aligning", total=found.duration_s) as advance,
    ):
        result = align_corpus(aligner, recordings, folder, compare=compare, progress=advance)
    print(to_json_text(result.to_json()) if json else summary(result, out))
    job.console.finish(recordings.problems, len(recordings))


def _aligner(job: Job, phones: bool, language: str | None) -> tuple[Aligner, dict[str, Any]]:
    """What finds the times, and how the manifest calls it."""
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
    """The folder to write to: a hidden one beside the results, which stays when the run is stopped.

    Yields:
        The folder; what is in it becomes the results when the block ends well.
    """
    from otoscope.base.files import write_json
    from otoscope.base.results import result_folder

    folder = out.absolute().with_name(f".{out.absolute().name}.unfinished")
    wanted = json_library.loads(to_json_text({"settings": settings, "model": made_by}))
    if _is_of(folder, wanted):
        job.console.note(f"Going on with the run that was stopped, in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
        write_json(folder / SETTINGS, wanted)
    try:
        yield folder
    except InputError:
        shutil.rmtree(folder, ignore_errors=True)  # nothing in it is of use
        raise
    manifest = {"model": made_by, "settings": settings, "failed": corpus.problems}
    with result_folder(out, overwrite=job.overwrite, manifest=manifest) as temporary:
        (folder / SETTINGS).unlink()
        shutil.copytree(folder, temporary, dirs_exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    job.console.note(f"Results in {out}: a TextGrid for each clip, alignment.json, manifest.jsonl, manifest.json")


def _is_of(folder: Path, wanted: Mapping[str, Any]) -> bool:
    """Whether a folder holds the unfinished results of the same settings."""
    try:
        return bool(json_library.loads((folder / SETTINGS).read_text(encoding="utf-8")) == wanted)
    except (OSError, ValueError):
        return False


def summary(result: AlignedCorpus, out: Path) -> str:
    """Say how many words and phones were found, and where they may be wrong."""
    n_words = sum(clip.n_words for clip in result.aligned)
    n_phones = (
        0 if any(clip.score is None for clip in result.aligned) else sum(clip.n_phones for clip in result.aligned)
    )
    what = count(n_words, "word") + (f" and {count(n_phones, 'phone')}" if n_phones else "")
    lines = [f"{what} of {count(len(result.aligned), 'clip')} aligned"]
    n_kept = len(result.clips) - len(result.aligned)
    if n_kept:
        lines[0] += f"; {count(n_kept, 'clip')} kept the times that were there"
    lines.append(f"use them as the corpus {out / 'manifest.jsonl'}")
    if result.unsure:
        lines.append(f"{count(len(result.unsure), 'clip')} with a transcript that is probably not what is said:")
        lines += [f"  {one_line(clip.id)} ({_sure(clip)})" for clip in result.unsure[:MOST_UNSURE]]
        if len(result.unsure) > MOST_UNSURE:
            lines.append(f"  and {len(result.unsure) - MOST_UNSURE} more: see --json")
    lines += _doubts(result)
    if result.comparison is not None:
        lines += ["", comparison_table(result.comparison)]
    return "\n".join(lines)


def _sure(clip: AlignedClip) -> str:
    return f"{clip.probability:.2f}" if clip.probability is not None else f"score {clip.score:.0f}"


def _doubts(result: AlignedCorpus) -> list[str]:
    """The doubtful words, by what is doubtful."""
    by_problem: dict[str, list[str]] = {}
    for clip in result.aligned:
        for doubt in clip.doubts:
            by_problem.setdefault(doubt.problem, []).append(f"{one_line(doubt.word)!r} in {one_line(clip.id)}")
    return [
        f"{problem} ({count(len(words), 'word')}): {', '.join(words[:3])}{', ...' if len(words) > 3 else ''}"
        for problem, words in by_problem.items()
    ]


def comparison_table(comparison: Comparison) -> str:
    """Say how far the phones are from those that were labelled, a class of phones a line."""
    rows = [
        (
            name,
            f"{row['n_frames']:,}",
            percent(row["agreement"]),
            f"{row['n_boundaries']:,}",
            "-" if row["median_error_ms"] is None else f"{row['median_error_ms']:.0f} ms",
            percent(row["within_20_ms"]),
        )
        for name, row in comparison.to_json()["classes"].items()
    ]
    lines = [f"Compared with the phones that were labelled in {count(comparison.n_clips, 'clip')}, frames of 20 ms:"]
    lines.append(table(("phones", "frames", "agree", "boundaries", "median error", "within 20 ms"), rows))
    lines += [f"not compared: {one_line(left.clip)}: {left.message}" for left in comparison.left_out]
    return "\n".join(lines)
