"""`otoscope demo`: every experiment on the clips of the package, with voices the model was trained on and others.

Computes what the single commands compute, through the same functions; what is written about it is `demo_report`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text, write_json, write_text
from otoscope.cli import options
from otoscope.cli.job import Job
from otoscope.cli.layout import count, duration

if TYPE_CHECKING:
    from otoscope.audio.clip import Clip
    from otoscope.cli.demo_report import Findings, Voices
    from otoscope.model.whisper import Whisper
    from otoscope.study.splice.experiment import Splice
    from otoscope.study.window.experiment import WindowStudy

PROMPTS = ("The traffic", "Thank")
SOUNDS, LEVEL_DBFS = ("padding", "noise"), -20.0
"""Collocations of the demo language, and what stands for no sound."""

WORDS = ("rug", "UK")
"""Their nearest tokens are listed."""

CLIPS_A_GROUP = 24
"""Clips of voices heard in training, and as many of voices never heard: keeps the whole within 3 minutes on 2 cores."""

KS = (100, 75, 50, 20, 10, 5, 2)
"""Those of the study that otoscope grows from, and narrower ones: the demo clips are short."""


def demo(
    clips: Annotated[
        int, typer.Option("--clips", metavar="N", help="Clips of voices heard in training, and as many never heard.")
    ] = CLIPS_A_GROUP,
    dry_run: options.DryRun = False,
    seed: options.Seed = 0,
    model: options.Model = "demo",
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Write the results to this new folder.")] = Path(
        "demo-results"
    ),
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Run every experiment on the clips of the package, and write pictures, tables and a page about them.

    The demo model heard some of the voices in training and others never; the results tell them apart. Needs no network,
    and some minutes on two cores.
    """
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    groups = {name: _clips(clips, heard=name == "heard") for name in ("heard", "unheard")}
    everything = [clip for group in groups.values() for clip in group]
    job.console.note(
        f"Looking inside {model}: {count(len(everything), 'clip')}, "
        f"{duration(sum(clip.duration_s for clip in everything))} of speech"
    )
    if dry_run:
        return
    whisper = job.load()
    from otoscope.cli.demo_report import page, summary

    with job.folder(whisper, {"clips": clips, "k": KS, "seed": seed}) as folder:
        findings = _find_out(job, whisper, groups, folder, seed)
        write_json(folder / "summary.json", findings.to_json())
        write_text(folder / "summary.md", page(findings))
    print(to_json_text(findings.to_json()) if json else summary(findings, out))


def _clips(n: int, *, heard: bool) -> list[Clip]:
    """Read so many demo clips, taken from all voices in turn."""
    from otoscope.corpus.demo_clips import DemoClip, read_index

    if n < 1:
        raise InputError(f"--clips is {n}: 1 or more are needed.")
    by_voice: dict[str, list[DemoClip]] = {}
    for clip in read_index():
        if clip.labels["heard_in_training"] == heard:
            by_voice.setdefault(clip.labels["voice"], []).append(clip)
    most = max(map(len, by_voice.values()), default=0)
    in_turn = [own[turn] for turn in range(most) for own in by_voice.values() if turn < len(own)]
    return [clip.read() for clip in in_turn[:n]]


def _find_out(job: Job, model: Whisper, groups: dict[str, list[Clip]], folder: Path, seed: int) -> Findings:
    """Run the experiments one after the other, and write each one's tables and pictures."""
    from otoscope.cli.demo_report import Findings
    from otoscope.corpus import corpus
    from otoscope.corpus.lexicon import lexicon_of
    from otoscope.demo.grammar import next_words
    from otoscope.study.bigrams.experiment import bigrams
    from otoscope.study.locality.experiment import locality
    from otoscope.study.neighbours.experiment import neighbours

    voices = {name: _listen(job, model, name, clips, folder / name, seed) for name, clips in groups.items()}
    everything = [clip for group in groups.values() for clip in group]
    with job.console.progress("Distances of all heads", total=len(everything)) as advance:
        distances = locality(model, everything, progress=lambda done, _: advance(done))
    distances.save(folder / "locality")
    with job.console.progress("The decoder without sound"):
        said = bigrams(model, PROMPTS, sound=SOUNDS, level_dbfs=LEVEL_DBFS, seed=seed)
        near = neighbours(model, WORDS, pronounce=lexicon_of(corpus("demo")))
    said.save(folder / "bigrams")
    near.save(folder / "neighbours")
    true = {prompt: next_words(prompt.split()[-1].lower()) for prompt in PROMPTS}
    return Findings(model.id, voices["heard"], voices["unheard"], distances, said, true, near)


def _listen(job: Job, model: Whisper, name: str, clips: Sequence[Clip], folder: Path, seed: int) -> Voices:
    """Run the experiments that are told apart by whether the voices were heard in training."""
    from otoscope.cli.demo_report import Voices
    from otoscope.study.relevance.experiment import relevance
    from otoscope.study.splice.words import splice_words
    from otoscope.study.window.experiment import window

    progress = job.console.progress
    with progress(f"Transcripts, voices {name}", total=sum(clip.duration_s for clip in clips)):
        transcripts = model.transcribe_many(clips, word_times=True)
    with progress(f"Relevance, voices {name}", total=len(clips)) as advance:
        maps = []
        for done, clip in enumerate(clips, start=1):
            maps.append(relevance(model, clip))
            advance(done)
    maps[0].save(folder / "relevance")
    with progress(f"Attention windows, voices {name}", total=len(clips) * (len(KS) + 1)) as advance:
        windows = window(model, clips, KS, seed=seed, progress=lambda done, _: advance(done))
    windows.save(folder / "window")
    with progress(f"Splices, voices {name}", total=len(clips)) as advance:
        words = splice_words(model, clips, seed=seed, progress=lambda done, _: advance(done))
    words.save(folder / "splice_words")
    word, spliced = _splice_one(model, _best_heard(clips, windows))
    spliced.save(folder / "splice")
    voices = Voices(name, tuple(clips), tuple(transcripts), tuple(maps), windows, word, spliced, words)
    write_json(folder / "transcripts.json", voices.transcripts_json())
    return voices


def _best_heard(clips: Sequence[Clip], windows: WindowStudy) -> Clip:
    """Choose the clip that the model heard best, the first of several: a splice shows most there."""
    errors = [rows[0].reference_words for rows in windows.transcripts]
    rates = [1.0 if error is None else error.rate for error in errors]
    return clips[rates.index(min(rates))]


def _splice_one(model: Whisper, clip: Clip) -> tuple[str, Splice]:
    """Splice the word in the middle out of a clip; also say which it was."""
    from otoscope.study.splice.experiment import splice

    words = clip.words or ()
    word = words[len(words) // 2]
    return word.text, splice(model, clip, word.start_s, word.end_s, "seconds")
