"""Activation shards are read back: every row once, in random order by block, from where a reader was."""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.harvest.activation_shards import ShardReader, ShardWriter
from tests.harvest.shards import SITES, add_clip, assert_same_rows, clip_frames, expected, read_all, write


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
    with pytest.raises(InputError, match="activation shards in .* do not exist. Check the path"):
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
    with pytest.raises(InputError, match=r"00001\.safetensors' does not hold 33 rows of 3 float16 values"):
        ShardReader(folder)
    path.unlink()
    with pytest.raises(InputError, match=r"00001\.safetensors' is missing. Put it back"):
        ShardReader(folder)
    assert len(ShardReader(folder, sites=["encoder.blocks.0.mlp.1"])) == len(expected()["clip"])


def test_a_damaged_manifest_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    for damaged, message in (
        ("{", "is not a manifest of activation shards"),
        ("[]", "is not a manifest of activation shards"),
        (json.dumps({**manifest, "schema_version": 99}), "has version 99, and this otoscope reads 1"),
        (json.dumps({**manifest, "shards": None}), "is not a manifest of activation shards"),
        (json.dumps({key: value for key, value in manifest.items() if key != "sites"}), "is not a manifest"),
    ):
        (folder / "manifest.json").write_text(damaged)
        with pytest.raises(InputError, match=message):
            ShardReader(folder)


def test_what_the_shards_do_not_hold_cannot_be_read(tmp_path: Path) -> None:
    folder = write(tmp_path)
    with pytest.raises(
        InputError, match="site 'logits' is not in the activations in .* they hold encoder.blocks.0.mlp.1"
    ):
        ShardReader(folder, sites=["logits"])
    with pytest.raises(InputError, match="no site is named"):
        ShardReader(folder, sites=[])
    with pytest.raises(InputError, match="frames of padding are not in the activations .* speech, silence were saved"):
        ShardReader(folder, kinds=["padding"])
    with pytest.raises(InputError, match="no kind of frame is named: choose from speech, silence"):
        ShardReader(folder, kinds=[])
    for name, value in (("batch_rows", 0), ("block_rows", 0), ("buffer_blocks", -1), ("start", -1)):
        with pytest.raises(InputError, match=f"{name} is {value}: it must be"):
            settings: dict[str, Any] = {"batch_rows": 4, name: value}
            next(ShardReader(folder).batches(**settings))
