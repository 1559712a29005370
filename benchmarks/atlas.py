"""What does it cost to make the pages of a study, compared with encoding the sounds that they play?

The study is synthetic: a thousand features with 20 examples each, drawn from half an hour of sound, the same proportion
as ten thousand features to LibriSpeech's dev-clean. The baseline encodes the pieces of sound around the examples as Ogg
Vorbis, in memory. Clips come from memory too, so that neither disk nor decoder is timed.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.row import Row
from benchmarks.subject import Settings
from benchmarks.timing import take_turns
from otoscope.atlas.build import build
from otoscope.audio.vorbis import vorbis
from otoscope.base.clocks import seconds_to_sample
from otoscope.corpus.corpus import Corpus
from otoscope.corpus.source import Source
from otoscope.harvest.opened import HarvestRun, open_run
from otoscope.study.examples.sounds_of_run import pieces_of, write_pieces
from tests.atlas.synthetic import make_sound, make_study

TARGET = 1.0
SOUNDS_TARGET = 2.5
ROUNDS = 3
N_FEATURES = 1_000
N_EXAMPLES = 20
N_CLIPS = 430
"""About 4.2 s each: half an hour."""
N_SOUNDS = 20
"""Different sounds among the clips."""


def measure(settings: Settings) -> list[Row]:
    """Compare building pages, and writing the sounds and spectrograms beside them, with encoding the sounds.

    Args:
        settings: How to measure; less than one round of repeats makes the study smaller.

    Returns:
        Two rows.
    """
    scale = min(1.0, settings.repeat)
    n_features, n_clips = max(12, round(scale * N_FEATURES)), max(6, round(scale * N_CLIPS))
    with tempfile.TemporaryDirectory() as folder:
        study = make_study(
            Path(folder) / "study", n_features, top=N_EXAMPLES, from_ranges=0, n_clips=n_clips, sign="positive"
        )
        run = open_run(study / "harvest")
        corpus = in_memory(run)
        rounds = take_turns(
            {
                "encoding": partial(encode, run, corpus),
                "sounds": partial(write_sounds, run, corpus, Path(folder) / "sounds"),
                "pages": partial(build, study, Path(folder) / "pages", overwrite=True),
            },
            settings.rounds(ROUNDS),
        )
    about = f"{n_features:,} features with {N_EXAMPLES} examples each"
    return [
        Row(
            f"pages of {about}, against encoding their sounds",
            result=rounds.ratio("pages", "encoding"),
            target=TARGET,
            detail=rounds.compared("pages", "encoding"),
        ),
        Row(
            f"sounds and spectrograms of {about}, against encoding the sounds alone",
            result=rounds.ratio("sounds", "encoding"),
            target=SOUNDS_TARGET,
            detail=rounds.compared("sounds", "encoding"),
        ),
    ]


def in_memory(run: HarvestRun) -> Corpus:
    """Give the clips of a run as samples in memory."""
    made: dict[tuple[float, int], Source] = {}
    sources = []
    for clip in run.clips:
        key = (clip.duration_s, clip.clip % N_SOUNDS)
        if key not in made:
            sound = make_sound(clip.id, clip.duration_s, clip.clip)
            made[key] = Source(clip.id, partial(replace, sound))
        sources.append(replace(made[key], id=clip.id))
    return Corpus("memory", sources)


def encode(run: HarvestRun, corpus: Corpus) -> None:
    """Encode the pieces around the examples, and keep nothing."""
    pieces = pieces_of(run, N_EXAMPLES, 0)
    for clip, source in zip(run.clips, corpus.sources, strict=True):
        samples = source.read().samples
        for piece in pieces.get(clip.clip, ()):
            vorbis(samples[seconds_to_sample(piece.start_s) : seconds_to_sample(piece.stop_s)])


def write_sounds(run: HarvestRun, corpus: Corpus, folder: Path) -> None:
    """Write sounds and spectrograms into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    problems = write_pieces(run, corpus, folder, top=N_EXAMPLES, samples_per_range=0)
    assert not problems, problems[0].message
