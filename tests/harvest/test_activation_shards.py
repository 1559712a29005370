from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError, OutputError
from otoscope.harvest.activation_layout import LABELS
from otoscope.harvest.activation_shards import ShardReader, ShardWriter
from tests.harvest.shards import (
    CLIPS,
    PARTS,
    ROOT,
    SHARD_BYTES,
    SITES,
    add_clip,
    clip_frames,
    contents,
    expected,
    fold,
    write,
)


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
    labels = LABELS.itemsize
    assert found == len(expected()["clip"]) * sum(2 * width + labels for width in SITES.values())


def test_nothing_at_all_is_finished_too(tmp_path: Path) -> None:
    ShardWriter(tmp_path, SITES).finish()
    reader = ShardReader(tmp_path)
    assert len(reader) == 0 and list(reader.batches(4)) == [] and list(reader.in_order()) == []


def test_float16_keeps_a_value_beyond_it_as_its_largest_and_counts_it(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, {"big": 2, "small": 1})
    values = np.array([[1e6, -7e4], [65504, -3]], dtype=np.float32)
    writer.add(0, 0, np.zeros(2, dtype=np.int8), {"big": values, "small": np.ones((2, 1), dtype=np.float32)})
    writer.commit(0)
    assert writer.state()["saturated"] == {"big": 2, "small": 0}
    writer.finish()
    reader = ShardReader(tmp_path)
    assert reader.manifest["n_saturated"] == {"big": 2, "small": 0}
    np.testing.assert_array_equal(next(reader.in_order()).values["big"], [[65504, -65504], [65504, -3]])


def test_float32_keeps_large_values_as_they_are(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, {"big": 1}, dtype="float32")
    writer.add(0, 0, np.zeros(1, dtype=np.int8), {"big": np.array([[1e6]], dtype=np.float32)})
    writer.commit(0)
    assert writer.state()["saturated"] == {"big": 0}
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
    with pytest.raises(InputError, match="there are activations of more, but the shards hold"):
        writer.add(1, 0, kinds, values | {"more": values["encoder.blocks.0"]})


def test_settings_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name sites, each with a width of 1 or more"):
        ShardWriter(tmp_path, {})
    with pytest.raises(InputError, match="cannot be saved as 'int8': choose float16 or float32"):
        ShardWriter(tmp_path, SITES, dtype="int8")
    with pytest.raises(InputError, match="no kind of frame 'noise': choose one of speech, silence, padding"):
        ShardWriter(tmp_path, SITES, kinds=["noise"])
    with pytest.raises(InputError, match="no kind of frame is named"):
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
    writer.close()
    fold(ShardWriter.resume(folder, 0), 1)
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
        writer.close()
        writer = ShardWriter.resume(folder, part - 1 if part else None)
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
    with pytest.raises(InputError, match="part 3 of the activations in .* was never completed: the last one is 0"):
        ShardWriter.resume(tmp_path, 3)
    with pytest.raises(InputError, match="there are no activation shards to continue in"):
        ShardWriter.resume(tmp_path / "nowhere", 0)


def test_what_is_gone_or_damaged_cannot_be_gone_on_with(tmp_path: Path) -> None:
    folder = write(tmp_path)
    first = folder / "encoder.blocks.0-00000.safetensors"
    content = first.read_bytes()
    first.write_bytes(content[:-3])
    with pytest.raises(InputError, match=r"encoder\.blocks\.0-00000\.safetensors' holds [\d,]+ bytes of at least"):
        ShardWriter.resume(folder, 4)
    first.unlink()
    with pytest.raises(InputError, match=r"encoder\.blocks\.0-00000\.safetensors' is missing"):
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
