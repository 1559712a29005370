"""`otoscope corpus align`: word times for a corpus of recordings and transcripts, by a model's cross-attention."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.files import to_json_text
from otoscope.cli import options
from otoscope.cli.job import Job
from otoscope.cli.layout import count, one_line
from otoscope.cli.sources import gather, survey

if TYPE_CHECKING:
    from otoscope.study.alignment.corpus import AlignedCorpus

MOST_UNSURE = 10
"""Up to so many doubtful clips are named; all are in the JSON."""


def align(
    corpus: options.Corpus,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Write the word times to this new folder.")],
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
    """Find when each word of given transcripts is spoken, by the model's own cross-attention.

    For a corpus with transcripts and without word times; times that are there are kept. --out gets a TextGrid for every
    clip and manifest.jsonl, which is a corpus again. A clip without a transcript cannot be aligned: exit status 1.
    """
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    console = job.console
    recordings = gather([corpus], clips)
    found = survey(recordings, console)
    console.note(f"Aligning {found.plan}, with {model}")
    if dry_run:
        console.finish(recordings.problems, len(recordings))
        return
    whisper = job.load()

    from otoscope.study.alignment.corpus import align_corpus

    settings = {"corpus": corpus, "language": language, "clips": clips}
    with (
        job.folder(whisper, settings, recordings.problems) as folder,
        console.progress("Aligning", total=found.duration_s) as advance,
    ):
        result = align_corpus(whisper, recordings, folder, language=language, progress=advance)
    print(to_json_text(result.to_json()) if json else summary(result, out))
    console.finish(recordings.problems, len(recordings))


def summary(result: AlignedCorpus, out: Path) -> str:
    """Say how many words were found, and where they may be wrong."""
    n_words = sum(clip.n_words for clip in result.aligned)
    lines = [f"{count(n_words, 'word')} of {count(len(result.aligned), 'clip')} aligned"]
    n_kept = len(result.clips) - len(result.aligned)
    if n_kept:
        lines[0] += f"; {count(n_kept, 'clip')} kept the word times that were there"
    lines.append(f"use them as the corpus {out / 'manifest.jsonl'}")
    if result.unsure:
        lines.append(f"{count(len(result.unsure), 'clip')} with a transcript that is probably not what is said:")
        lines += [f"  {one_line(clip.id)} ({clip.probability:.2f})" for clip in result.unsure[:MOST_UNSURE]]
        if len(result.unsure) > MOST_UNSURE:
            lines.append(f"  and {len(result.unsure) - MOST_UNSURE} more: see --json")
    return "\n".join(lines)
