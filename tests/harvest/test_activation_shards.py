from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError, OutputError
from otoscope.harvest.activation_shards import ShardReader, ShardWriter, n_bytes_expected

SITES = {"encoder.blocks.0.mlp.1": 6, "encoder.blocks.0": 3}
SHARD_BYTES = 700  # 33 rows in float16
PARTS = [[0, 1], [2], [3, 4, 5], [], [6, 7]]
CLIPS = [clip for part in PARTS for clip in part]
ROOT = Path(__file__).parents[2]


def clip_frames(clip: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The kinds and the activations of a clip."""
    random = np.random.default_rng(clip)
    n_frames = int(random.integers(10, 40))
    kinds = random.integers(0, 3, n_frames).astype(np.int8)
    return kinds, {site: random.normal(size=(n_frames, d)).astype(np.float32) for site, d in SITES.items()}


def add_clip(writer: ShardWriter, clip: int) -> None:
    kinds, values = clip_frames(clip)
    half = len(kinds) // 2  # two windows
    writer.add(clip, 0, kinds[:half], {site: rows[:half] for site, rows in values.items()})
    writer.add(clip, half, kinds[half:], {site: rows[half:] for site, rows in values.items()})


def fold(writer: ShardWriter, first_part: int = 0) -> Path:
    for part in range(first_part, len(PARTS)):
        for clip in PARTS[part]:
            add_clip(writer, clip)
        writer.commit(part)
    return writer.finish()


def write(folder: Path, **settings: Any) -> Path:
    fold(ShardWriter(folder, SITES, **{"shard_bytes": SHARD_BYTES, **settings}))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def expected(kinds_kept: tuple[Kind, ...] = (Kind.SPEECH, Kind.SILENCE)) -> dict[str, np.ndarray]:
    """The rows of all clips, one frame at a time."""
    rows: dict[str, list[Any]] = {name: [] for name in ("clip", "frame", "kind", *SITES)}
    for clip in CLIPS:
        kinds, values = clip_frames(clip)
        for frame, kind in enumerate(kinds):
            if kind in kinds_kept:
                rows["clip"].append(clip)
                rows["frame"].append(frame)
                rows["kind"].append(kind)
                for site in SITES:
                    rows[site].append(values[site][frame])
    return {name: np.array(values) for name, values in rows.items()}


def read_all(batches: Iterator[Any]) -> dict[str, np.ndarray]:
    found = list(batches)
    rows = {name: np.concatenate([getattr(batch, name) for batch in found]) for name in ("clip", "frame", "kind")}
    return rows | {site: np.concatenate([batch.values[site] for batch in found]) for site in found[0].values}


def assert_same_rows(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray], *, in_order: bool = False) -> None:
    assert len(found["clip"]) == len(wanted["clip"])
    order = np.arange(len(found["clip"])) if in_order else np.lexsort((found["frame"], found["clip"]))
    for name in found:
        np.testing.assert_array_equal(found[name][order], wanted[name].astype(found[name].dtype))


# writing


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_shards_are_safetensors_of_every_kept_frame_in_order(dtype: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "shards", dtype=dtype)
    wanted = expected()
    for site in SITES:
        paths = sorted(folder.glob(f"{site}-[0-9]*.safetensors"))
        assert len(paths) > 2
        tensors = [load_file(path) for path in paths]
        for name, column in (("acts", site), ("clip", "clip"), ("frame", "frame"), ("kind", "kind")):
            found = np.concatenate([tensor[name] for tensor in tensors])
            np.testing.assert_array_equal(found, wanted[column].astype(found.dtype))
        assert {str(tensor["acts"].dtype) for tensor in tensors} == {dtype}
        assert [str(tensors[0][name].dtype) for name in ("clip", "frame", "kind")] == ["int32", "int32", "int8"]
        with safe_open(paths[1], framework="np") as file:
            assert file.metadata()["site"] == site and file.metadata()["shard"] == "1"
    assert not [name for name in contents(folder) if "partial" in name or name.endswith(".jsonl")]


def test_torch_reads_the_shards_too(tmp_path: Path) -> None:
    from safetensors.torch import load_file as load_tensors

    folder = write(tmp_path / "shards")
    tensors = [load_tensors(path) for path in sorted(folder.glob("encoder.blocks.0-*.safetensors"))]
    found = np.concatenate([tensor["acts"].numpy() for tensor in tensors])
    np.testing.assert_array_equal(found, expected()["encoder.blocks.0"].astype(np.float16))


def test_the_manifest_says_what_is_there(tmp_path: Path) -> None:
    folder = write(tmp_path / "shards", about={"model": "tiny"}, kinds=["speech", "padding"])
    manifest = json.loads((folder / "manifest.json").read_text())
    wanted = expected((Kind.SPEECH, Kind.PADDING))
    assert manifest["dtype"] == "float16" and manifest["about"] == {"model": "tiny"}
    assert manifest["sites"] == [{"site": site, "d": d} for site, d in SITES.items()]
    assert manifest["kinds"] == ["speech", "padding"]
    assert manifest["kind_codes"] == {"speech": 0, "silence": 1, "padding": 2}
    assert manifest["n_rows"] == len(wanted["clip"]) == sum(shard["n_rows"] for shard in manifest["shards"])
    assert {shard["n_rows"] for shard in manifest["shards"][:-1]} == {manifest["rows_per_shard"]}
    assert manifest["n_rows_by_kind"] == {
        "speech": int((wanted["kind"] == 0).sum()),
        "silence": 0,
        "padding": int((wanted["kind"] == 2).sum()),
    }
    assert manifest["n_saturated"] == dict.fromkeys(SITES, 0)
    for shard in manifest["shards"]:
        for name in shard["files"].values():
            assert (folder / name).is_file()


def test_padding_is_left_out_unless_asked_for(tmp_path: Path) -> None:
    assert Kind.PADDING not in ShardReader(write(tmp_path / "a")).kinds
    everything = ShardReader(write(tmp_path / "b", kinds=list(Kind)))
    assert len(everything) == sum(len(clip_frames(clip)[0]) for clip in CLIPS)


def test_whole_shards_are_of_about_the_size_asked_for_and_of_whole_blocks(tmp_path: Path) -> None:
    layout = ShardWriter(tmp_path, {"a": 384, "b": 1536}, shard_bytes=10_000_000).layout
    assert layout.rows_per_shard % 1024 == 0
    assert 0.6e7 < layout.shard_size("b", layout.rows_per_shard) <= 1.01e7


def test_the_bytes_are_as_expected(tmp_path: Path) -> None:
    folder = write(tmp_path / "shards")
    found = sum(path.stat().st_size - 4096 for path in folder.glob("*.safetensors"))
    assert found == n_bytes_expected(SITES, len(expected()["clip"]), "float16")


def test_nothing_at_all_is_finished_too(tmp_path: Path) -> None:
    ShardWriter(tmp_path, SITES).finish()
    reader = ShardReader(tmp_path)
    assert len(reader) == 0 and list(reader.batches(4)) == [] and list(reader.in_order()) == []


def test_float16_keeps_a_value_beyond_it_as_its_largest_and_counts_it(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, {"big": 2, "small": 1})
    values = np.array([[1e6, -7e4], [65504, -3]], dtype=np.float32)
    writer.add(0, 0, np.zeros(2, dtype=np.int8), {"big": values, "small": np.ones((2, 1), dtype=np.float32)})
    writer.commit(0)
    assert writer.n_saturated == {"big": 2, "small": 0} == writer.state()["saturated"]
    writer.finish()
    reader = ShardReader(tmp_path)
    assert reader.manifest["n_saturated"] == {"big": 2, "small": 0}
    np.testing.assert_array_equal(next(reader.in_order()).values["big"], [[65504, -65504], [65504, -3]])


def test_float32_keeps_large_values_as_they_are(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, {"big": 1}, dtype="float32")
    writer.add(0, 0, np.zeros(1, dtype=np.int8), {"big": np.array([[1e6]], dtype=np.float32)})
    writer.commit(0)
    assert writer.n_saturated == {"big": 0}
    writer.finish()
    assert next(ShardReader(tmp_path).in_order()).values["big"] == 1e6


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_is_not_finite_is_refused_with_site_and_clip(value: float, dtype: str, tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, SITES, dtype=dtype)
    kinds, values = clip_frames(3)
    values["encoder.blocks.0"][np.flatnonzero(kinds == 0)[0], 1] = value
    with pytest.raises(InputError, match=r"clip 3 has 1 activations at encoder\.blocks\.0 that are not finite"):
        writer.add(3, 0, kinds, values)
    assert writer.n_rows == 0


def test_a_clip_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, SITES)
    kinds, values = clip_frames(1)
    with pytest.raises(InputError, match=r"clip 1 came without the activations of encoder\.blocks\.0:"):
        writer.add(1, 0, kinds, {"encoder.blocks.0.mlp.1": values["encoder.blocks.0.mlp.1"]})
    with pytest.raises(InputError, match=r"clip 1 came with activations of encoder\.blocks\.0 as \[\d+, 2\]"):
        writer.add(1, 0, kinds, values | {"encoder.blocks.0": values["encoder.blocks.0"][:, :2]})
    with pytest.raises(InputError, match="activations of more came, and shards are of"):
        writer.add(1, 0, kinds, values | {"more": values["encoder.blocks.0"]})


def test_settings_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name sites, each with a width of 1 or more"):
        ShardWriter(tmp_path, {})
    with pytest.raises(InputError, match="not kept as 'int8': choose float16 or float32"):
        ShardWriter(tmp_path, SITES, dtype="int8")
    with pytest.raises(InputError, match="no kind of frame 'noise': choose of speech, silence, padding"):
        ShardWriter(tmp_path, SITES, kinds=["noise"])
    with pytest.raises(InputError, match="no kind of frame is kept"):
        ShardWriter(tmp_path, SITES, kinds=[])
    with pytest.raises(InputError, match="a shard of 3 bytes holds no row of 6 values"):
        ShardWriter(tmp_path, SITES, shard_bytes=3)
    assert list(tmp_path.iterdir()) == []


def test_shards_that_are_there_are_not_written_over(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(OutputError, match="holds activation shards already"):
        ShardWriter(tmp_path, SITES)


def test_parts_are_committed_upwards_and_before_the_end(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, SITES) as writer:
        writer.commit(0)
        with pytest.raises(InputError, match="part 0 of the activations is committed after part 0"):
            writer.commit(0)
        add_clip(writer, 0)
        with pytest.raises(InputError, match="rows of activations were added after part 0 was committed"):
            writer.finish()


def test_a_full_disk_is_told_and_what_was_committed_can_be_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shards"
    writer = ShardWriter(folder, SITES, shard_bytes=SHARD_BYTES)
    add_clip(writer, 0)
    add_clip(writer, 1)
    writer.commit(0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OutputError, match="cannot be written: the disk is full"):
            for clip in range(2, 8):
                add_clip(writer, clip)
    writer.rollback()
    fold(writer, 1)
    assert contents(folder) == contents(write(tmp_path / "twin"))


# going on


@pytest.mark.parametrize("after", [None, 0, 1, 2, 3, 4])
@pytest.mark.parametrize("is_finished", [False, True])
def test_going_on_after_any_part_ends_in_the_same_bytes(after: int | None, is_finished: bool, tmp_path: Path) -> None:
    wanted = contents(write(tmp_path / "twin"))
    folder = tmp_path / "shards"
    writer = ShardWriter(folder, SITES, shard_bytes=SHARD_BYTES)
    if is_finished:
        fold(writer)
    else:
        for part, clips in enumerate(PARTS):
            for clip in clips:
                add_clip(writer, clip)
            writer.commit(part)
        add_clip(writer, 9)
        writer.close()
    resumed = ShardWriter.resume(folder, after)
    assert resumed.state()["part"] == (-1 if after is None else after)
    fold(resumed, 0 if after is None else after + 1)
    assert contents(folder) == wanted


def test_a_part_that_failed_is_done_again_without_a_trace(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    writer = ShardWriter(folder, SITES, shard_bytes=SHARD_BYTES)
    for part, clips in enumerate(PARTS):
        for clip in (11, 12, 13):
            add_clip(writer, clip)
        writer.rollback()
        for clip in clips:
            add_clip(writer, clip)
        writer.commit(part)
    writer.finish()
    writer.finish()
    assert contents(folder) == contents(write(tmp_path / "twin"))


def test_a_part_that_was_never_written_cannot_be_gone_on_from(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, SITES) as writer:
        add_clip(writer, 0)
        writer.commit(0)
    with pytest.raises(
        InputError, match="part 3 of the activations in .* was never written to the end: the last one is 0"
    ):
        ShardWriter.resume(tmp_path, 3)
    with pytest.raises(InputError, match="no activation shards were begun in"):
        ShardWriter.resume(tmp_path / "nowhere", 0)


def test_what_is_gone_or_damaged_cannot_be_gone_on_with(tmp_path: Path) -> None:
    folder = write(tmp_path)
    first = folder / "encoder.blocks.0-00000.safetensors"
    content = first.read_bytes()
    first.write_bytes(content[:-3])
    with pytest.raises(InputError, match=r"encoder\.blocks\.0-00000\.safetensors' holds [\d,]+ bytes of at least"):
        ShardWriter.resume(folder, 4)
    first.unlink()
    with pytest.raises(InputError, match=r"encoder\.blocks\.0-00000\.safetensors' is gone"):
        ShardWriter.resume(folder, 4)
    first.write_bytes(content)
    (folder / "parts.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match=r"parts\.jsonl' is damaged"):
        ShardWriter.resume(folder, 4)


def killable(folder: Path, mark: Path, steps_left: int) -> None:
    """A harvest that goes on where it was, and dies without a word at a step that touches the disk."""
    steps = [steps_left]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        touches = event in ("open", "os.rename", "os.remove", "os.truncate", "os.mkdir")
        if touches and str(folder.parent) in str(arguments[0]):
            steps[0] -= 1
            if steps[0] < 0:
                os._exit(9)

    sys.addaudithook(hook)
    done = int(mark.read_text()) if mark.exists() else None
    if done is None and not (folder / "parts.jsonl").exists() and not (folder / "manifest.json").exists():
        writer = ShardWriter(folder, SITES, shard_bytes=SHARD_BYTES)
    else:
        writer = ShardWriter.resume(folder, done)
    for part in range(0 if done is None else done + 1, len(PARTS)):
        for clip in PARTS[part]:
            add_clip(writer, clip)
        writer.commit(part)
        mark.with_suffix(".new").write_text(str(part))
        os.replace(mark.with_suffix(".new"), mark)
    writer.finish()
    os._exit(0)


def kill_everywhere(home: Path) -> None:
    """Kill a harvest at its first step, at its second, ...; go on; and again with a second kill of what goes on."""
    wanted = contents(write(home / "twin"))

    def run(folder: Path, mark: Path, steps: int) -> int:
        child = os.fork()
        if child == 0:
            killable(folder, mark, steps)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    n_killed, status = 0, 9
    while status == 9:
        folder = home / str(n_killed) / "shards"
        folder.parent.mkdir()
        mark = folder.parent / "done"
        status = run(folder, mark, n_killed)
        for steps in range(0, 40, 7):
            if run(folder, mark, steps) == 0:
                break
        assert run(folder, mark, 10_000) == 0
        assert contents(folder) == wanted, n_killed
        n_killed += 1
    sys.stdout.write(str(n_killed))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forks of the process")
def test_wherever_it_is_killed_it_goes_on_and_ends_in_the_same_bytes(tmp_path: Path) -> None:
    program = f"from {__name__} import *; kill_everywhere(Path({str(tmp_path)!r}))"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 40


# reading


@pytest.mark.parametrize("block_rows", [1, 7, 1024])
@pytest.mark.parametrize("buffer_blocks", [1, 3, 64])
@pytest.mark.parametrize("batch_rows", [1, 16, 1000])
def test_every_row_comes_once_whatever_the_sizes(
    block_rows: int, buffer_blocks: int, batch_rows: int, tmp_path: Path
) -> None:
    reader = ShardReader(write(tmp_path))
    batches = list(reader.batches(batch_rows, block_rows=block_rows, buffer_blocks=buffer_blocks))
    assert [len(batch.clip) for batch in batches[:-1]] == [batch_rows] * (len(batches) - 1)
    assert np.cumsum([len(batch.clip) for batch in batches]).tolist() == [batch.position for batch in batches]
    assert batches[-1].position == len(reader)
    assert_same_rows(read_all(iter(batches)), expected())


def test_rows_come_in_the_order_they_were_written_when_asked_for(tmp_path: Path) -> None:
    assert_same_rows(read_all(ShardReader(write(tmp_path)).in_order(10)), expected(), in_order=True)


@pytest.mark.parametrize("kind", [Kind.SPEECH, Kind.SILENCE, Kind.PADDING])
def test_one_kind_of_frame_can_be_read_alone(kind: Kind, tmp_path: Path) -> None:
    reader = ShardReader(write(tmp_path, kinds=list(Kind)), kinds=[kind.name.lower()])
    wanted = expected((kind,))
    assert len(reader) == len(wanted["clip"])
    assert_same_rows(read_all(reader.batches(8, block_rows=5, buffer_blocks=2)), wanted)
    assert_same_rows(read_all(reader.in_order()), wanted, in_order=True)


def test_one_site_can_be_read_alone(tmp_path: Path) -> None:
    batch = next(ShardReader(write(tmp_path), sites=["encoder.blocks.0"]).batches(5))
    assert list(batch.values) == ["encoder.blocks.0"] and batch.values["encoder.blocks.0"].shape == (5, 3)


def order_of(reader: ShardReader, **settings: Any) -> list[tuple[int, int]]:
    rows = read_all(reader.batches(16, **settings))
    return list(zip(rows["clip"].tolist(), rows["frame"].tolist(), strict=True))


def test_the_order_is_set_by_seed_and_epoch(tmp_path: Path) -> None:
    reader = ShardReader(write(tmp_path))
    first = order_of(reader, seed=1)
    assert first == order_of(reader, seed=1)
    others = [order_of(reader, seed=2), order_of(reader, seed=1, epoch=1), order_of(reader, seed=0, epoch=1)]
    assert all(other != first for other in others) and others[0] != others[1]
    assert sorted(first) == sorted(others[0]) != first


def test_rows_of_far_apart_blocks_meet_in_a_batch(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, {"a": 1}, shard_bytes=9000)
    for clip in range(50):
        frames = np.arange(100)
        writer.add(clip, 0, np.zeros(100, dtype=np.int8), {"a": (clip * 100.0 + frames)[:, None].astype(np.float32)})
    writer.commit(0)
    writer.finish()
    batch = next(ShardReader(tmp_path).batches(500, block_rows=50, buffer_blocks=50))
    assert len(set(batch.clip.tolist())) > 25
    runs = np.diff(batch.clip.astype(int) * 100 + batch.frame) == 1
    assert runs.mean() < 0.01


@pytest.mark.parametrize("n_used", [0, 1, 3, 7])
@pytest.mark.parametrize("kinds", [None, ["silence"]])
def test_reading_goes_on_from_a_position(n_used: int, kinds: list[str] | None, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"seed": 5, "block_rows": 6, "buffer_blocks": 3}
    reader = ShardReader(write(tmp_path), kinds=kinds)
    whole = list(reader.batches(8, **settings))
    start = whole[n_used - 1].position if n_used else 0
    rest = list(ShardReader(tmp_path, kinds=kinds).batches(8, start=start, **settings))
    assert [batch.position for batch in rest] == [batch.position for batch in whole[n_used:]]
    for one, other in zip(rest, whole[n_used:], strict=True):
        np.testing.assert_array_equal(one.values["encoder.blocks.0"], other.values["encoder.blocks.0"])
        np.testing.assert_array_equal(one.frame, other.frame)
    assert list(reader.batches(8, start=len(reader), **settings)) == []


def test_sites_stay_aligned_and_tensors_come_when_asked_for(tmp_path: Path) -> None:
    import torch

    batch = next(ShardReader(write(tmp_path)).batches(20, as_torch=True))
    for row in range(20):
        values = clip_frames(int(batch.clip[row]))[1]
        for site, tensor in batch.values.items():
            assert isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float16
            np.testing.assert_array_equal(tensor[row].numpy(), values[site][batch.frame[row]].astype(np.float16))


def test_what_was_given_is_not_changed_by_what_comes_after(tmp_path: Path) -> None:
    batches = ShardReader(write(tmp_path)).batches(4, block_rows=2, buffer_blocks=2)
    first = next(batches)
    kept = first.values["encoder.blocks.0"].copy()
    first.values["encoder.blocks.0"][:] += 0  # and may be written to
    list(batches)
    np.testing.assert_array_equal(first.values["encoder.blocks.0"], kept)


def test_a_reader_travels_to_another_process_without_the_data(tmp_path: Path) -> None:
    reader = ShardReader(write(tmp_path))
    first = order_of(reader)
    travelled = pickle.dumps(reader)
    assert len(travelled) < 5000
    assert order_of(pickle.loads(travelled)) == first


def test_the_reader_needs_no_torch(tmp_path: Path) -> None:
    program = f"""
import sys
from otoscope.harvest.activation_shards import ShardReader
print(len(next(ShardReader({str(write(tmp_path))!r}).batches(4)).clip), 'torch' in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "4 False\n"


def test_shards_that_are_not_there_or_not_finished_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="activation shards in .* are not there. Check the path"):
        ShardReader(tmp_path)
    with ShardWriter(tmp_path, SITES) as writer:
        add_clip(writer, 0)
        writer.commit(0)
    with pytest.raises(InputError, match="are not finished. Run the harvest again"):
        ShardReader(tmp_path)


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path)
    path = folder / "encoder.blocks.0-00001.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(
        InputError, match=r"encoder\.blocks\.0-00001\.safetensors' is damaged: it has [\d,]+ bytes, and"
    ):
        ShardReader(folder)
    path.write_bytes(b"\0" * len(content))
    with pytest.raises(InputError, match=r"00001\.safetensors' is damaged: its header cannot be read"):
        ShardReader(folder)
    path.write_bytes(content.replace(b'"F16"', b'"I16"', 1))
    with pytest.raises(InputError, match=r"00001\.safetensors' is not of 33 rows of 3 float16 values"):
        ShardReader(folder)
    path.unlink()
    with pytest.raises(InputError, match=r"00001\.safetensors' is gone. Put it back"):
        ShardReader(folder)
    assert len(ShardReader(folder, sites=["encoder.blocks.0.mlp.1"])) == len(expected()["clip"])


def test_a_damaged_manifest_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    for damaged, message in (
        ("{", "is no manifest of activation shards"),
        ("[]", "is no manifest of activation shards"),
        (json.dumps({**manifest, "schema_version": 99}), "is of version 99, and this otoscope reads 1"),
        (json.dumps({**manifest, "shards": None}), "is no manifest of activation shards"),
        (json.dumps({key: value for key, value in manifest.items() if key != "sites"}), "is no manifest"),
    ):
        (folder / "manifest.json").write_text(damaged)
        with pytest.raises(InputError, match=message):
            ShardReader(folder)


def test_what_the_shards_do_not_hold_cannot_be_read(tmp_path: Path) -> None:
    folder = write(tmp_path)
    with pytest.raises(
        InputError, match="site 'logits' is not in the activations in .* they are of encoder.blocks.0.mlp.1"
    ):
        ShardReader(folder, sites=["logits"])
    with pytest.raises(InputError, match="no site is named"):
        ShardReader(folder, sites=[])
    with pytest.raises(InputError, match="frames of padding are not in the activations .* speech, silence were kept"):
        ShardReader(folder, kinds=["padding"])
    with pytest.raises(InputError, match="no kind of frame is named: choose of speech, silence"):
        ShardReader(folder, kinds=[])
    for name, value in (("batch_rows", 0), ("block_rows", 0), ("buffer_blocks", -1), ("start", -1)):
        with pytest.raises(InputError, match=f"{name} is {value}: it must be"):
            settings: dict[str, Any] = {"batch_rows": 4, name: value}
            next(ShardReader(folder).batches(**settings))
