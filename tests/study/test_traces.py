"""Strength around examples: what the harvest wrote at the peak, and what the encoder holds around it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.corpus.corpus import Source
from otoscope.harvest.activity import TRAINED, EncoderReader
from otoscope.harvest.opened import HarvestRun
from otoscope.harvest.run import run_harvest
from otoscope.harvest.settings import HarvestSettings
from otoscope.model.whisper import Whisper
from otoscope.study.examples.pieces import KINDS, shown_examples
from otoscope.study.examples.trace_table import AROUND
from otoscope.study.examples.traces import write_traces
from tests.harvest.made_dictionary import write_dictionary
from tests.study.conftest import build, make_clip

LENGTHS_S = (1.6, 5.3, 0.9)
"""The second has three windows of 2 s."""


def as_corpus(clips: list[Clip]) -> Corpus:
    return Corpus("bursts", [Source(clip.id, partial(replace, clip)) for clip in clips])


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return [make_clip(length_s, seed=seed) for seed, length_s in enumerate(LENGTHS_S)]


@pytest.fixture(scope="module")
def run(model: Whisper, clips: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> HarvestRun:
    folder = tmp_path_factory.mktemp("run")
    dictionary = write_dictionary(folder / "dictionary", model.d_model, 24)
    settings = HarvestSettings(
        sites=("encoder.blocks.1", "encoder.blocks.2.mlp.1"),
        bases=("neuron", "random", "pca", "untrained", f"sae:{dictionary}"),
        top=6,
        peaks_per_clip=2,
        samples=4,
    )
    return run_harvest(model, as_corpus(clips), settings, folder / "run")


@pytest.fixture(scope="module")
def rows(model: Whisper, clips: list[Clip], run: HarvestRun, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder = tmp_path_factory.mktemp("traces")
    assert write_traces(model, as_corpus(clips), run, folder) == ()
    return pq.read_table(folder / "traces.parquet").to_pylist()


def strengths(row: dict) -> np.ndarray:
    return row["low"] + np.array(list(row["values"])) / 31 * (row["high"] - row["low"])


def half_a_level(row: dict) -> float:
    return (row["high"] - row["low"]) / 62 + 1e-4 * abs(row["high"])


def key(row: dict) -> tuple:
    return tuple(row[name] for name in ("site", "basis", "feature", "sign", "kind", "range", "rank", "clip", "frame"))


def test_every_example_that_is_shown_has_a_trace_in_order(run: HarvestRun, rows: list[dict]) -> None:
    shown = shown_examples(run)
    names = ("group", "feature", "sign", "kind", "range", "rank", "clip", "frame")
    wanted = [
        (*run.groups[group][:2], feature, sign, KINDS[kind], None if at < 0 else at, rank, clip, frame)
        for group, feature, sign, kind, at, rank, clip, frame in zip(
            *(getattr(shown, name).tolist() for name in names), strict=True
        )
    ]  # fmt: skip
    assert [key(row) for row in rows] == wanted
    assert {basis.partition(":")[0] for _, basis, *_ in wanted} == {"neuron", "random", "pca", "untrained", "sae"}


def test_the_value_at_the_peak_is_the_strength_that_was_harvested(run: HarvestRun, rows: list[dict]) -> None:
    harvested = shown_examples(run).strength
    for row, strength in zip(rows, harvested.tolist(), strict=True):
        assert strengths(row)[row["frame"] - row["first_frame"]] == pytest.approx(strength, abs=half_a_level(row))


def test_the_values_are_what_the_encoder_holds_on_both_sides_across_windows(
    model: Whisper, clips: list[Clip], rows: list[dict]
) -> None:
    reader = EncoderReader(model, ["encoder.blocks.1"])
    for number, clip in enumerate(clips):
        held = np.concatenate([one.values[TRAINED, "encoder.blocks.1"].numpy() for one in reader.windows(clip)])
        own = [row for row in rows if row["clip"] == number and key(row)[:2] == ("encoder.blocks.1", "neuron")]
        assert own
        for row in own:
            stop = row["first_frame"] + len(row["values"])
            expected = held[row["first_frame"] : stop, row["feature"]]
            assert np.abs(strengths(row) - expected).max() <= half_a_level(row)
        if number == 1:
            assert any(row["first_frame"] < 100 <= row["first_frame"] + len(row["values"]) - 1 for row in own)


def test_a_trace_spans_the_frames_around_its_peak_that_lie_in_the_clip(run: HarvestRun, rows: list[dict]) -> None:
    for row in rows:
        n_frames = run.clips[row["clip"]].n_frames
        first, stop = max(0, row["frame"] - AROUND), min(n_frames, row["frame"] + AROUND + 1)
        assert (row["first_frame"], len(row["values"])) == (first, stop - first)
        assert row["low"] == row["high"] or {min(row["values"]), max(row["values"])} == {0, 31}


def test_as_many_examples_as_are_asked_for(model: Whisper, clips: list[Clip], run: HarvestRun, tmp_path: Path) -> None:
    told = []
    write_traces(
        model, as_corpus(clips), run, tmp_path, top=2, samples_per_range=0, progress=lambda *of: told.append(of)
    )
    rows = pq.read_table(tmp_path / "traces.parquet").to_pylist()
    assert rows and {row["kind"] for row in rows} == {"top"} and max(row["rank"] for row in rows) == 1
    assert told[-1] == (len(told), len(told))


def test_a_clip_that_is_gone_or_changed_is_told_and_the_others_are_traced(
    model: Whisper, clips: list[Clip], run: HarvestRun, tmp_path: Path
) -> None:
    changed = replace(clips[0], samples=clips[0].samples[:-4000])
    problems = write_traces(model, as_corpus([changed, clips[1]]), run, tmp_path)
    assert [problem.clip for problem in problems] == [clips[0].id, clips[2].id]
    assert "1.35 s long and was 1.60 s" in problems[0].message and "has no clip" in problems[1].message
    assert set(pq.read_table(tmp_path / "traces.parquet")["clip"].to_pylist()) == {1}


def test_another_model_is_refused(clips: list[Clip], run: HarvestRun, tmp_path: Path) -> None:
    other = build(seed=1)
    other.weights_hash = "1"
    with pytest.raises(InputError, match="with weights 0, and 'tiny-random' has 1. Load that model"):
        write_traces(other, as_corpus(clips), run, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("top", "samples"), [(0, 3), (20, -1)])
def test_numbers_of_examples_that_cannot_be_are_refused(run: HarvestRun, top: int, samples: int) -> None:
    with pytest.raises(InputError, match="cannot be shown: give 1 or more, and 0 or more"):
        shown_examples(run, top, samples)


def test_choosing_examples_and_writing_tables_of_traces_loads_no_torch() -> None:
    code = (
        "import sys, otoscope.study.examples.pieces, otoscope.study.examples.trace_table\n"
        "assert not {'torch', 'transformers', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
