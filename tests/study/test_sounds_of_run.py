"""Sounds and spectrograms of pieces: which there are, what they hold, and what cannot be read."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

from otoscope.audio.clip import Clip
from otoscope.audio.spectrogram import grey
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus, open_corpus
from otoscope.corpus.corpus import Source
from otoscope.harvest.opened import HarvestRun, open_run
from otoscope.study.examples.pieces import core, places, shown_examples, sound_moments
from otoscope.study.examples.sounds_of_run import pieces_of, write_pieces
from tests.audio.sounds import noise, syllables
from tests.cli.conftest import write
from tests.study.example_run import CLIPS, clip_samples, make_run, talks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return talks(tmp_path / "talks")


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> HarvestRun:
    return open_run(make_run(tmp_path / "run", folder))


def read(path: Path) -> np.ndarray:
    samples, rate_hz = soundfile.read(path, dtype="float32")
    assert rate_hz == 16_000 and samples.ndim == 1
    return samples


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "L")
        return np.asarray(image)


def lengthened(run: HarvestRun, clip: int, duration_s: float) -> HarvestRun:
    """The same run, as if a clip had been longer and its peaks spread over it."""
    table = pq.read_table(run.folder / "clips.parquet").to_pylist()
    schema = pq.read_schema(run.folder / "clips.parquet")
    table[clip]["duration_s"], table[clip]["n_frames"] = duration_s, round(duration_s * 50)
    pq.write_table(
        type(pq.read_table(run.folder / "clips.parquet")).from_pylist(table, schema), run.folder / "clips.parquet"
    )
    rows = pq.read_table(run.folder / "examples.parquet")
    frames = np.where(rows["clip"].to_numpy() == clip, rows["frame"].to_numpy() * 50, rows["frame"].to_numpy())
    rows = rows.set_column(rows.column_names.index("frame"), "frame", [frames.astype(np.int32)])
    pq.write_table(rows, run.folder / "examples.parquet")
    return open_run(run.folder)


def test_every_shown_example_lies_in_a_piece_with_a_second_around_it(run: HarvestRun) -> None:
    run = lengthened(run, 2, 61.0)
    pieces = {(piece.clip, piece.number): piece for some in pieces_of(run).values() for piece in some}
    shown = shown_examples(run)
    durations = np.array([clip.duration_s for clip in run.clips])[shown.clip]
    seconds = sound_moments(shown.frame, run.lag_frames)
    for clip, second, duration, number in zip(
        shown.clip.tolist(),
        seconds.tolist(),
        durations.tolist(),
        places(durations, seconds).piece.tolist(),
        strict=True,
    ):
        piece = pieces[clip, number]
        moment = min(second, duration)
        assert piece.core_start_s <= moment <= piece.core_stop_s
        assert piece.start_s <= max(0, moment - 1) and min(duration, moment + 1) <= piece.stop_s
    assert {number for clip, number in pieces if clip == 2} > {0, 1}
    assert all(piece.stop_s - piece.start_s <= 30 for piece in pieces.values())


@pytest.mark.parametrize(
    ("duration_s", "seconds", "expected"),
    [
        (30.0, 29.9, (0, 0.0, 30.0)),
        (30.1, 0.0, (0, 0.0, 22.0)),
        (30.1, 19.99, (0, 0.0, 22.0)),
        (30.1, 20.0, (1, 18.0, 30.1)),
        (100.0, 50.0, (2, 38.0, 62.0)),
        (100.0, 99.9, (4, 78.0, 100.0)),
        (40.0, 40.0, (1, 18.0, 40.0)),
        (0.5, 0.7, (0, 0.0, 0.5)),
    ],
)
def test_long_clips_are_cut_in_cores_of_20_s_with_margins(
    duration_s: float, seconds: float, expected: tuple[int, float, float]
) -> None:
    piece, start_s, stop_s = places(np.array([duration_s]), np.array([seconds]))
    assert (int(piece[0]), float(start_s[0]), float(stop_s[0])) == expected
    first, stop = core(duration_s, int(piece[0]))
    assert first <= min(seconds, duration_s) <= stop


@pytest.mark.parametrize("from_files", [False, True])
def test_a_piece_is_heard_and_seen_as_its_clip_is(
    run: HarvestRun, folder: Path, tmp_path: Path, from_files: bool
) -> None:
    out, told = tmp_path / "out", []
    out.mkdir()
    clips = None if from_files else open_corpus(folder)
    assert write_pieces(run, clips, out, progress=lambda *of: told.append(of)) == ()
    table = pq.read_table(out / "pieces.parquet").to_pylist()
    assert [row["piece"] for row in table] == ["0-0", "1-0", "2-0"]
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert {path.name for path in out.iterdir()} == {
        "pieces.parquet",
        *(f"{n}-0.{e}" for n in range(3) for e in ("ogg", "png")),
    }
    for row, (name, length_s) in zip(table, CLIPS.items(), strict=True):
        assert (row["start_s"], row["stop_s"], row["core_start_s"], row["core_stop_s"]) == (0, length_s, 0, length_s)
        samples = clip_samples(name)
        heard = read(out / f"{row['piece']}.ogg")
        assert len(heard) == len(samples)
        assert np.corrcoef(heard, samples)[0, 1] > 0.7  # noise is the worst that a codec can be given
        assert np.array_equal(picture(out / f"{row['piece']}.png"), grey(samples))


def test_pieces_of_a_long_clip_hold_their_stretch_of_it(run: HarvestRun, tmp_path: Path) -> None:
    run = lengthened(run, 2, 61.0)
    long = np.tile(syllables(8), 40)[: 61 * 16_000] * np.repeat(np.linspace(0.2, 1, 61), 16_000).astype(np.float32)
    sounds = {**{name: clip_samples(name) for name in list(CLIPS)[:2]}, "cleo": long.astype(np.float32)}
    clips = Corpus("made", [Source(name, partial(Clip, samples, name)) for name, samples in sounds.items()])
    assert write_pieces(run, clips, tmp_path) == ()
    rows = [row for row in pq.read_table(tmp_path / "pieces.parquet").to_pylist() if row["clip"] == 2]
    assert len(rows) > 1
    for row in rows:
        part = sounds["cleo"][round(row["start_s"] * 16_000) : round(row["stop_s"] * 16_000)]
        heard = read(tmp_path / f"{row['piece']}.ogg")
        assert len(heard) == len(part) and np.corrcoef(heard, part)[0, 1] > 0.98
        assert picture(tmp_path / f"{row['piece']}.png").shape == (80, -(-len(part) // 160))


def test_processes_side_by_side_write_the_same_files(run: HarvestRun, folder: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        (tmp_path / str(workers)).mkdir()
        write_pieces(run, open_corpus(folder), tmp_path / str(workers), workers=workers)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / str(n)).iterdir()} for n in (1, 2))
    assert one.keys() == two.keys()
    assert all(one[name] == two[name] for name in one if not name.endswith(".ogg"))
    # the serial number of an Ogg stream is drawn anew each time
    assert all(
        np.array_equal(*(soundfile.read(io.BytesIO(each[name]))[0] for each in (one, two)))
        for name in one
        if name.endswith(".ogg")
    )


def test_a_clip_that_changed_or_is_gone_has_no_pieces_and_is_told(
    run: HarvestRun, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    write(folder / "ben.wav", noise(2.0))
    (folder / "cleo.wav").unlink()
    problems = write_pieces(run, None, out)
    assert [problem.clip for problem in problems] == ["ben", "cleo"]
    assert "2.00 s long and was 1.00 s" in problems[0].message
    assert {path.name for path in out.iterdir()} == {"0-0.ogg", "0-0.png", "pieces.parquet"}
    assert pq.read_table(out / "pieces.parquet")["piece"].to_pylist() == ["0-0"]


def test_a_run_without_examples_has_no_pieces(run: HarvestRun, tmp_path: Path) -> None:
    for name in ("examples", "ranges"):
        path = run.folder / f"{name}.parquet"
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    assert write_pieces(open_run(run.folder), None, tmp_path) == ()
    assert pq.read_table(tmp_path / "pieces.parquet").num_rows == 0


def test_no_workers_are_refused(run: HarvestRun, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="workers is 0: give 1 or more"):
        write_pieces(run, None, tmp_path, workers=0)


def test_a_run_of_one_sign_shows_only_that(folder: Path, tmp_path: Path) -> None:
    run = open_run(make_run(tmp_path / "one", folder, sign="positive"))
    assert set(shown_examples(run).sign.tolist()) == {1}
    assert json.loads((run.folder / "manifest.json").read_text())["settings"]["sign"] == "positive"


def test_examples_are_shown_by_feature_sign_kind_range_and_rank(run: HarvestRun) -> None:
    shown = shown_examples(run, top=2, samples_per_range=1)
    columns = (shown.group, shown.feature, -shown.sign.astype(int), shown.kind, shown.range, shown.rank)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    assert rows == sorted(rows) and len(set(rows)) == len(rows)
    assert shown.rank.max() == 1 and shown.rank[shown.kind == 1].max() == 0
    assert (shown.range[shown.kind == 0] == -1).all() and set(shown.range[shown.kind == 1].tolist()) == {0, 1}
    half = shown.at(slice(0, 3))
    assert len(half) == 3 and replace(half).clip.tolist() == shown.clip[:3].tolist()
