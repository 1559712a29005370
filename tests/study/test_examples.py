from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from otoscope.audio.clip import Clip
from otoscope.audio.excerpt import amplified, excerpt
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus, open_corpus
from otoscope.corpus.corpus import Source
from otoscope.harvest.opened import HarvestRun, open_run
from otoscope.study.examples.experiment import Example, examples, sound_seconds
from otoscope.study.examples.sounds import plan, write_sounds
from tests.audio.sounds import RATE_HZ, tone
from tests.cli.conftest import write
from tests.study.example_run import CLIPS, GROUPS, LAG, SITE, TOP, clip_samples, make_run, peak, talks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return talks(tmp_path / "talks")


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> HarvestRun:
    return open_run(make_run(tmp_path / "run", folder))


def key(one: Example) -> tuple[Any, ...]:
    return one.site, one.basis, one.feature, one.sign, one.kind, one.range, one.rank


# what is found


def test_every_peak_of_the_run_is_found_strongest_first(run: HarvestRun) -> None:
    found = examples(run)
    wanted = [
        (site, basis, feature, sign, "top", None, rank)
        for site, basis, n_features in GROUPS
        for feature in range(min(n_features, 5))
        for sign in (1, -1)
        for rank in range(TOP if feature != 4 else 1)
    ]
    assert [key(one) for one in found.examples] == wanted
    for one in found.examples:
        row = peak(one.feature, one.sign, one.rank)
        assert (one.clip, one.frame, one.phone) == (row["clip"], row["frame"], row["phone"])
        assert one.strength == pytest.approx(row["strength"]) and one.clip_id == list(CLIPS)[one.clip]
    assert found.n_features == 9 and found.n_silent == 1
    assert (found.model, found.lag_frames, found.phone_set) == ("tiny", LAG, "arpabet")


def test_the_sound_comes_before_the_frame_by_the_lag(run: HarvestRun) -> None:
    for one in examples(run).examples:
        assert one.seconds == pytest.approx(0.02 * (one.frame - LAG) + 0.01)
    assert sound_seconds(10, None) == pytest.approx(0.21)
    assert sound_seconds(1, 5) == 0.0 and sound_seconds(1, -5) == pytest.approx(0.13)


def test_the_word_is_the_one_at_the_sound(run: HarvestRun) -> None:
    words = {"hello": (0.2, 0.5), "there": (0.5, 0.9)}
    found = examples(run).examples
    for one in found:
        there = [word for word, (start, end) in words.items() if start <= one.seconds < end]
        assert one.word == (there[0] if there and one.clip < 2 else None)
    assert {one.word for one in found} == {"hello", "there", None}


def test_what_is_chosen_is_found_alone(run: HarvestRun) -> None:
    found = examples(run, sites=["encoder.blocks.1.*"], features=[4, 1, 1], sign="negative", top=2).examples
    assert [(one.site, one.feature, one.sign, one.rank) for one in found] == [
        (SITE, 1, -1, 0),
        (SITE, 1, -1, 1),
        (SITE, 4, -1, 0),
    ]
    assert {one.basis for one in examples(run, bases=["sae:dictionaries/one"]).examples} == {"sae:dictionaries/one"}


def test_ranges_add_what_was_drawn_from_each(run: HarvestRun) -> None:
    found = examples(run, sites=[SITE], features=[2], sign="positive", ranges=True).examples
    places = [(one.kind, one.range, one.rank) for one in found]
    drawn = [(kind, at, draw) for kind in ("width", "quantile") for at in range(2) for draw in range(2 - at)]
    assert places == [("top", None, rank) for rank in range(TOP)] + drawn
    for one in found[TOP:]:
        assert one.range is not None
        assert one.frame == peak(2, 1, one.range + one.rank)["frame"]


def test_a_run_of_one_sign_gives_that_one_and_refuses_the_other(folder: Path, tmp_path: Path) -> None:
    run = open_run(make_run(tmp_path / "run", folder, sign="positive"))
    assert {one.sign for one in examples(run).examples} == {1}
    with pytest.raises(InputError, match="sign -1 is not in the run .* Harvest with --sign both"):
        examples(run, sign="negative")


def test_what_is_not_in_the_run_is_refused_with_what_is(run: HarvestRun) -> None:
    with pytest.raises(
        InputError, match=r"site 'encoder\.blocks\.2' is not in the run .*Nearest of 2: encoder.blocks.0"
    ):
        examples(run, sites=["encoder.blocks.2"])
    with pytest.raises(InputError, match="basis 'pca' is not in the run .* Nearest of 2: "):
        examples(run, bases=["pca"])
    with pytest.raises(InputError, match=r"encoder\.blocks\.1\.mlp\.1 in sae:.* is not in the run .* It holds"):
        examples(run, sites=[SITE], bases=["sae:dictionaries/one"])
    with pytest.raises(InputError, match=r"feature 3 is not in encoder\.blocks\.0 .*: its features are 0-2"):
        examples(run, features=[3])
    with pytest.raises(InputError, match="top is 9: the run .* kept 3 examples of every feature. Give 1 to 3"):
        examples(run, top=9)
    with pytest.raises(InputError, match="sign is 'up': give one of positive, negative, both"):
        examples(run, sign="up")


def test_tables_that_do_not_fit_together_are_refused(run: HarvestRun) -> None:
    clips = pq.read_table(run.folder / "clips.parquet")
    pq.write_table(clips.slice(0, 2), run.folder / "clips.parquet")
    with pytest.raises(InputError, match="do not fit together: there is no clip 2"):
        examples(open_run(run.folder))


def test_the_index_holds_every_example_in_both_forms(run: HarvestRun, tmp_path: Path) -> None:
    found = examples(run, ranges=True)
    paths = found.save(tmp_path / "index")
    assert [path.name for path in paths] == ["sounds.parquet", "examples.json"]
    rows = pq.read_table(paths[0]).to_pylist()
    table = json.loads(paths[1].read_text())
    assert rows == table["examples"] and len(rows) == len(found.examples)
    assert table["n_without_examples"] == 1 and table["lag_frames"] == LAG


# the sounds


def read(path: Path) -> np.ndarray:
    samples, rate_hz = soundfile.read(path, dtype="float32")
    assert rate_hz == RATE_HZ
    return samples


@pytest.mark.parametrize("format_", ["flac", "wav"])
def test_every_example_gets_its_two_sounds(format_: str, run: HarvestRun, folder: Path, tmp_path: Path) -> None:
    found = examples(run, ranges=True)
    written, problems = write_sounds(found, run, tmp_path / "out", corpus=open_corpus(folder), sound_format=format_)
    assert problems == () and len(written.examples) == len(found.examples)
    for one in written.examples:
        assert one.sound is not None and one.amplified is not None and one.sound_seconds is not None
        samples = clip_samples(one.clip_id)
        np.testing.assert_allclose(read(tmp_path / "out" / one.sound), excerpt(samples, one.seconds), atol=1e-4)
        np.testing.assert_allclose(read(tmp_path / "out" / one.amplified), amplified(samples, one.seconds), atol=1e-4)
        assert one.sound_seconds == pytest.approx(min(1.0, one.seconds, CLIPS[one.clip_id]), abs=1e-3)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) == 2 * len(found.examples) == plan(found, run).n_files


def test_names_say_feature_sign_rank_and_clip(run: HarvestRun, folder: Path, tmp_path: Path) -> None:
    found = examples(run, ranges=True)
    written, _ = write_sounds(found, run, tmp_path, corpus=open_corpus(folder))
    names = {key(one): (one.sound, one.amplified) for one in written.examples}
    assert names[SITE, "neuron", 0, 1, "top", None, 0] == (
        f"{SITE}/neuron/00000/pos-00-ann-one.flac",
        f"{SITE}/neuron/00000/pos-00-ann-one-amplified.flac",
    )
    drawn, _ = names["encoder.blocks.0", "sae:dictionaries/one", 1, -1, "width", 0, 1]
    assert drawn == "encoder.blocks.0/sae-dictionaries-one/00001/neg-width-00-01-cleo.flac"


def test_bases_whose_names_come_out_alike_get_folders_of_their_own(
    run: HarvestRun, folder: Path, tmp_path: Path
) -> None:
    found = examples(run, sites=[SITE], features=[0], sign="positive")
    twins = [replace(one, basis=basis) for basis in ("sae:a/b", "sae:a-b") for one in found.examples]
    written, _ = write_sounds(replace(found, examples=tuple(twins)), run, tmp_path, corpus=open_corpus(folder))
    assert len({one.sound for one in written.examples}) == len(twins)


def test_the_sounds_are_the_same_files_whatever_the_number_of_processes(
    run: HarvestRun, folder: Path, tmp_path: Path
) -> None:
    found = examples(run, features=[0, 1])
    alone = write_sounds(found, run, tmp_path / "alone", corpus=open_corpus(folder))
    steps: list[tuple[int, int]] = []
    many = write_sounds(
        found, run, tmp_path / "many", corpus=open_corpus(folder), workers=2, progress=lambda *step: steps.append(step)
    )
    assert alone == many and steps == [(1, 3), (2, 3), (3, 3)]
    for one in alone[0].examples:
        for name in (one.sound, one.amplified):
            assert name is not None
            assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "many" / name).read_bytes()


def test_a_clip_is_read_once_for_all_its_examples_and_others_not_at_all(run: HarvestRun, tmp_path: Path) -> None:
    times: Counter[str] = Counter()

    def reader(name: str) -> Source:
        def read() -> Clip:
            times[name] += 1
            return Clip(clip_samples(name), name)

        return Source(name, read)

    found = examples(run, features=[0], sign="positive", top=2)
    assert {one.clip_id for one in found.examples} == {"ann/one", "ben"} and len(found.examples) == 4
    write_sounds(found, run, tmp_path, corpus=Corpus("made", [reader(name) for name in CLIPS]))
    assert times == {"ann/one": 1, "ben": 1}


def test_clips_are_read_through_the_corpus_by_id_and_not_by_path_alone(tmp_path: Path) -> None:
    """A manifest may cut many clips out of one long recording."""
    long = write(tmp_path / "long.wav", np.concatenate([clip_samples(name) for name in CLIPS]))
    ends = np.cumsum(list(CLIPS.values())).tolist()
    rows = [
        {"audio": "long.wav", "id": name, "start": end - CLIPS[name], "end": end}
        for name, end in zip(CLIPS, ends, strict=True)
    ]
    manifest = tmp_path / "clips.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = open_run(make_run(tmp_path / "run", manifest))
    clips = pq.read_table(run.folder / "clips.parquet")
    index = clips.schema.get_field_index("path")
    pq.write_table(clips.set_column(index, "path", [[str(long)] * 3]), run.folder / "clips.parquet")
    found = examples(run, sites=[SITE], features=[1])
    written, problems = write_sounds(found, run, tmp_path / "out", corpus=open_corpus(manifest))
    assert problems == ()
    for one in written.examples:
        assert one.sound is not None
        wanted = excerpt(clip_samples(one.clip_id), one.seconds)
        np.testing.assert_allclose(read(tmp_path / "out" / one.sound), wanted, atol=1e-4)
    _, problems = write_sounds(found, run, tmp_path / "by_path")
    assert [problem.clip for problem in problems] == list(CLIPS)
    assert "it is 9.00 s long and was 3.00 s when it was harvested" in problems[0].message


def test_where_the_corpus_is_gone_the_files_of_the_run_are_read(run: HarvestRun, tmp_path: Path) -> None:
    found = examples(run, features=[0])
    written, problems = write_sounds(found, run, tmp_path / "out")
    assert problems == () and all(one.sound for one in written.examples)


@pytest.mark.parametrize("workers", [1, 2])
def test_clips_that_are_gone_are_told_and_the_others_written(
    workers: int, run: HarvestRun, folder: Path, tmp_path: Path
) -> None:
    (folder / "ben.wav").unlink()
    write(folder / "cleo.wav", tone(2.0))
    found = examples(run, features=[0, 1])
    written, problems = write_sounds(found, run, tmp_path / "out", corpus=open_corpus(folder), workers=workers)
    assert [problem.clip for problem in problems] == ["ben", "cleo"]
    assert "there is no recording" in problems[0].message
    assert "it is 2.00 s long and was 5.00 s when it was harvested. Put the old recording back" in problems[1].message
    for one in written.examples:
        assert (one.sound is not None) == (one.amplified is not None) == (one.clip_id == "ann/one")
        assert one.sound is None or (tmp_path / "out" / one.sound).is_file()


def test_a_clip_that_is_nowhere_is_told(tmp_path: Path) -> None:
    run = open_run(make_run(tmp_path / "run", "demo"))
    _, problems = write_sounds(examples(run, features=[0]), run, tmp_path / "out", corpus=open_corpus("demo"))
    assert len(problems) == 3
    assert "the run names no file of it, and the corpus does not have it" in problems[0].message


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_fills_up_stops_the_work(workers: int, run: HarvestRun, tmp_path: Path) -> None:
    found = examples(run, features=[0])
    (tmp_path / "out" / SITE / "neuron" / "00000" / "pos-00-ann-one.flac").mkdir(parents=True)
    with pytest.raises(OSError, match="Is a directory"):
        write_sounds(found, run, tmp_path / "out", workers=workers)


@pytest.mark.parametrize("format_", ["flac", "wav"])
@pytest.mark.parametrize("length_s", [0.5, 2.0])
def test_the_plan_is_near_to_what_is_written(format_: str, length_s: float, tmp_path: Path) -> None:
    clips = open_corpus("demo").first(4)
    run = open_run(make_run(tmp_path / "run", "demo"))
    table = pq.read_table(run.folder / "clips.parquet").to_pylist()
    for row, clip in zip(table, clips, strict=False):
        row |= {"id": clip.id, "duration_s": clip.duration_s}
    schema = pq.read_schema(run.folder / "clips.parquet")
    pq.write_table(
        type(pq.read_table(run.folder / "clips.parquet")).from_pylist(table, schema), run.folder / "clips.parquet"
    )
    run = open_run(run.folder)
    found = examples(run, features=[0, 1])
    planned = plan(found, run, length_s=length_s, sound_format=format_)
    _, problems = write_sounds(found, run, tmp_path / "out", corpus=clips, length_s=length_s, sound_format=format_)
    sizes = [path.stat().st_size for path in (tmp_path / "out").rglob(f"*.{format_}")]
    assert problems == () and planned.n_files == len(sizes) and planned.n_clips == 3
    assert planned.n_bytes == pytest.approx(sum(sizes), rel=0.35 if format_ == "flac" else 0.001)


def test_settings_that_cannot_be_are_refused(run: HarvestRun, tmp_path: Path) -> None:
    found = examples(run)
    with pytest.raises(InputError, match="sound_format is 'mp3': give one of flac, wav"):
        plan(found, run, sound_format="mp3")
    with pytest.raises(InputError, match="an excerpt of 0 s cannot be heard"):
        plan(found, run, length_s=0)
    with pytest.raises(InputError, match="workers is 0: give 1 or more"):
        write_sounds(found, run, tmp_path, workers=0)
