"""`otoscope transcribe`: transcripts of recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.files import portable, to_json_text, write_text
from otoscope.base.layout import one_line, table, terminal_width
from otoscope.cli import options
from otoscope.cli.console import Console
from otoscope.cli.job import Job
from otoscope.cli.sources import Survey, gather, is_one_recording, survey

if TYPE_CHECKING:
    from torch import Tensor

    from otoscope.audio.clip import Clip
    from otoscope.corpus import Corpus, Problem
    from otoscope.model.transcription import Transcription
    from otoscope.model.whisper import Whisper

Edits = dict[str, "Callable[[Tensor], Tensor]"]

GROUP_CLIPS = 16
GROUP_S = 600.0
"""Most recordings, and seconds of audio, in a group: short recordings run together, long ones one by one."""


class TranscriptFormat(StrEnum):
    """The format of a transcript."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"
    ALL = "all"


SUFFIXES = {
    TranscriptFormat.TEXT: ".txt",
    TranscriptFormat.JSON: ".json",
    TranscriptFormat.SRT: ".srt",
    TranscriptFormat.VTT: ".vtt",
}
WRITERS: dict[TranscriptFormat, Callable[[Transcription], str]] = {
    TranscriptFormat.TEXT: lambda heard: heard.to_text(),
    TranscriptFormat.JSON: lambda heard: to_json_text(heard.to_json()) + "\n",
    TranscriptFormat.SRT: lambda heard: heard.to_srt(),
    TranscriptFormat.VTT: lambda heard: heard.to_vtt(),
}


def transcribe(
    audio: options.Recordings,
    format_: Annotated[
        TranscriptFormat | None, typer.Option("--format", help="The format; text by default. all needs --out.")
    ] = None,
    language: options.Language = None,
    translate: Annotated[bool, typer.Option("--translate", help="Into English, from any language.")] = False,
    timestamps: Annotated[
        bool | None,
        typer.Option(
            "--timestamps/--no-timestamps",
            help="Split the transcript into timed segments; by default for recordings longer than a window.",
        ),
    ] = None,
    word_times: Annotated[bool, typer.Option("--word-times", help="Find when each word was spoken.")] = False,
    alignment_head: options.AlignmentHead = None,
    beams: Annotated[int, typer.Option(metavar="N", help="Beams of the beam search; 1 is greedy.")] = 1,
    attention_window: options.AttentionWindow = None,
    sae: Annotated[
        str | None, typer.Option(metavar="DIR", help="A dictionary; --scale changes its features at its site.")
    ] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FEATURE=FACTOR", help="Multiply a feature's strength: 12=0 removes it; repeat for several."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Use a dictionary even if it was trained on another site or model.")
    ] = False,
    clips: options.Clips = None,
    model: options.Model = "demo",
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    out: options.Out = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Transcribe recordings: text, subtitles, or JSON in openai-whisper's layout.

    With --out a file is written for each recording.
    """
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    console = job.console
    settings: dict[str, Any] = {
        "language": language,
        "task": "translate" if translate else None,
        "timestamps": timestamps,
        "word_times": word_times,
        "alignment_heads": options.heads(alignment_head),
        "beams": beams,
        "attention_window": attention_window,
    }
    factors = _factors(sae, scale)
    printed = _printed_format(format_, has_out=out is not None, as_json=json)
    corpus = gather(audio, clips)
    if printed in (TranscriptFormat.SRT, TranscriptFormat.VTT) and len(corpus) > 1:
        raise InputError(
            f"{len(corpus)} recordings as {printed} make {len(corpus)} files. Give a folder for them with --out."
        )
    usable = survey(corpus, console)
    whisper = job.load()
    edits = {} if sae is None else _edits(whisper, sae, factors, force)
    console.note(f"Transcribing {usable.plan}, with {whisper.id}{_changes(edits, factors)}")
    heard = _transcribe(whisper, corpus, settings, edits, usable, console)
    noted = settings if sae is None else {**settings, "sae": sae, "scale": factors}
    if out is None:
        done = _print_each(heard, printed, is_alone=len(corpus) == 1, is_timed=bool(timestamps), has_words=word_times)
    else:
        with job.folder(whisper, noted, corpus.problems) as folder:
            done = _write_each(heard, folder, format_ or TranscriptFormat.TEXT)
    if printed is TranscriptFormat.JSON:
        print(to_json_text(_as_json(done, whisper.id, corpus.problems, is_one=is_one_recording(audio))))
    console.finish(corpus.problems, len(corpus))


def _printed_format(format_: TranscriptFormat | None, *, has_out: bool, as_json: bool) -> TranscriptFormat | None:
    """Decide what goes to stdout; None for nothing."""
    if as_json and not has_out and format_ not in (None, TranscriptFormat.JSON):
        raise InputError(f"--json and --format {format_} both write to stdout. Leave one out, or add --out for files.")
    if format_ is TranscriptFormat.ALL and not has_out:
        raise InputError("--format all writes four files for each recording. Give a folder for them with --out.")
    if as_json:
        return TranscriptFormat.JSON
    return None if has_out else format_ or TranscriptFormat.TEXT


def _factors(sae: str | None, values: list[str] | None) -> dict[int, float]:
    """Parse features and their factors given as FEATURE=FACTOR."""
    if (sae is None) != (not values):
        raise InputError("--sae DIR and --scale FEATURE=FACTOR go together: give both, or neither.")
    factors: dict[int, float] = {}
    for value in values or ():
        feature, _, factor = value.partition("=")
        try:
            number, times = int(feature), float(factor)
        except ValueError:
            raise InputError(
                f"--scale {value!r} is not a feature with a factor: give a whole number, = and a number, such as 12=0 "
                "or 40=2.5."
            ) from None
        if number in factors:
            raise InputError(f"--scale names feature {number} twice: give each feature one factor.")
        factors[number] = times
    return factors


def _edits(model: Whisper, sae: str, factors: dict[int, float], force: bool) -> Edits:
    """Make the edits that scale features of a dictionary."""
    from otoscope.sae.files import load_dictionary
    from otoscope.study.feature_edit import scaled_features

    return scaled_features(model, load_dictionary(sae), factors, force=force)


def _changes(edits: Edits, factors: dict[int, float]) -> str:
    """Describe the changes to the model."""
    changes = ", ".join(f"feature {feature} x {factor:g}" for feature, factor in factors.items())
    return "".join(f"; at {site}: {changes}" for site in edits)


def _transcribe(
    model: Whisper, corpus: Corpus, settings: dict[str, Any], edits: Edits, usable: Survey, console: Console
) -> Iterator[tuple[Clip, Transcription]]:
    """Transcribe a corpus group by group, yielding each transcript as soon as it is done."""
    with console.progress("Transcribing", total=usable.duration_s) as advance:
        done_s = 0.0
        for group in _groups(corpus):
            with model.edit(edits):
                done = model.transcribe_many(group, **settings)
            yield from zip(group, done, strict=True)
            done_s += sum(clip.duration_s for clip in group)
            advance(done_s)


def _groups(clips: Iterable[Clip]) -> Iterator[list[Clip]]:
    group: list[Clip] = []
    for clip in clips:
        group.append(clip)
        if len(group) == GROUP_CLIPS or sum(member.duration_s for member in group) >= GROUP_S:
            yield group
            group = []
    if group:
        yield group


def _print_each(
    heard: Iterable[tuple[Clip, Transcription]],
    printed: TranscriptFormat | None,
    *,
    is_alone: bool,
    is_timed: bool,
    has_words: bool,
) -> list[tuple[str, Transcription]]:
    """Print transcripts as they come, unless as JSON; return each with its recording's name."""
    done = []
    for clip, transcription in heard:
        if printed is TranscriptFormat.TEXT:
            text = _readable(transcription, is_timed=is_timed, has_words=has_words)
            print(text if is_alone else f"{clip.id}: {text}", flush=True)
        elif printed in (TranscriptFormat.SRT, TranscriptFormat.VTT):
            print(WRITERS[printed](transcription), end="")
        done.append((clip.source, transcription))
    return done


def _readable(transcription: Transcription, *, is_timed: bool, has_words: bool) -> str:
    """Write a transcript for reading: on one line, or one line for each segment or word in time."""
    if has_words:
        words = transcription.words or ()
        rows = [(f"{word.start_s:.2f}", f"{word.end_s:.2f}", word.text, f"{word.probability:.2f}") for word in words]
        timed = table(("start_s", "end_s", "word", "probability"), rows, terminal_width())
        return f"{one_line(transcription.text)}\n{timed}"
    if is_timed:
        from otoscope.model.formats import clock

        return "".join(
            f"\n[{clock(segment.start_s)} --> {clock(segment.end_s)}] {one_line(segment.text)}"
            for segment in transcription.segments
        ).strip("\n")
    return one_line(transcription.text)


def _write_each(
    heard: Iterable[tuple[Clip, Transcription]], folder: Path, format_: TranscriptFormat
) -> list[tuple[str, Transcription]]:
    """Write the files of each recording; return each transcription with its recording's name."""
    chosen = WRITERS if format_ is TranscriptFormat.ALL else {format_: WRITERS[format_]}
    done = []
    for clip, transcription in heard:
        for kind, writer in chosen.items():
            write_text(folder / f"{portable(clip.id)}{SUFFIXES[kind]}", writer(transcription))
        done.append((clip.source, transcription))
    return done


def _as_json(
    done: Sequence[tuple[str, Transcription]], model_id: str, problems: Sequence[Problem], *, is_one: bool
) -> dict[str, Any]:
    """Give openai-whisper's layout for one recording, a list of them for a corpus."""
    if is_one:
        return done[0][1].to_json()
    rows = [{"audio": audio, **transcription.to_json()} for audio, transcription in done]
    return {"model": model_id, "recordings": rows, "failed": problems}
