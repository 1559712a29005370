"""Activations that are kept on disk: a clip runs once, and what is given is what the model held."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.audio.clip import Clip
from otoscope.audio.kinds import Kind
from otoscope.harvest.activity import PADDING_FRAMES, TRAINED, Activity
from otoscope.harvest.stored import MOST_BYTES, StoredReader

WINDOW_SAMPLES, N_FRAMES, N_RECORDED = 1000, 400, 30


class CountingReader:
    """Holds made-up values for each clip, and counts how often it is asked."""

    def __init__(self, **widths: int) -> None:
        self.widths: Mapping[str, int] = widths
        self.n_runs = 0

    def windows(self, clip: Clip) -> Iterator[Activity]:
        self.n_runs += 1
        kinds = np.full(N_FRAMES, Kind.PADDING, np.int8)
        kinds[:N_RECORDED] = Kind.SPEECH
        seed = int(abs(clip.samples).sum() * 1e4)
        values = {
            (TRAINED, site): torch.randn(N_FRAMES, width, generator=torch.Generator().manual_seed(seed))
            for site, width in self.widths.items()
        }
        for number in range(-(-len(clip.samples) // WINDOW_SAMPLES)):
            yield Activity(number * N_FRAMES, kinds, values)


def clip_of(seed: int, n_samples: int = 600) -> Clip:
    return Clip(np.random.default_rng(seed).normal(size=n_samples).astype(np.float32) / 10, "one")


def readers(folder: Path, most_bytes: int | None = None) -> tuple[CountingReader, CountingReader, StoredReader]:
    own, whole = CountingReader(a=3), CountingReader(a=3, b=5)
    return own, whole, StoredReader(own, lambda: whole, folder, WINDOW_SAMPLES, most_bytes)


def test_a_clip_runs_once_for_all_readers_of_a_folder(tmp_path: Path) -> None:
    own, whole, reader = readers(tmp_path / "kept")
    (first,) = reader.windows(clip_of(1))
    other_own, other_whole, other = readers(tmp_path / "kept")
    (second,) = other.windows(clip_of(1))
    (wanted,) = own.windows(clip_of(1))
    assert (whole.n_runs, other_own.n_runs, other_whole.n_runs) == (1, 0, 0)
    for found in (first, second):
        assert set(found.values) == {(TRAINED, "a")}
        assert found.n_recorded == N_RECORDED
        assert torch.equal(found.values[TRAINED, "a"][:N_RECORDED], wanted.values[TRAINED, "a"][:N_RECORDED])
        assert np.array_equal(found.kinds, wanted.thinned().kinds)


def test_another_sound_under_the_same_name_runs_again(tmp_path: Path) -> None:
    _, whole, reader = readers(tmp_path)
    (one,), (other,) = reader.windows(clip_of(1)), reader.windows(clip_of(2))
    assert whole.n_runs == 2
    assert not torch.equal(one.values[TRAINED, "a"], other.values[TRAINED, "a"])


@pytest.mark.parametrize(("most_bytes", "n_samples"), [(0, 600), (MOST_BYTES, 1500)])
def test_without_room_or_for_a_long_recording_the_model_runs_and_nothing_is_kept(
    tmp_path: Path, most_bytes: int, n_samples: int
) -> None:
    own, whole, reader = readers(tmp_path / "kept", most_bytes)
    for _ in range(2):
        assert len(list(reader.windows(clip_of(1, n_samples)))) == -(-n_samples // WINDOW_SAMPLES)
    assert (own.n_runs, whole.n_runs) == (2, 0)
    assert not (tmp_path / "kept").exists()


def test_a_damaged_file_is_written_anew(tmp_path: Path) -> None:
    _, whole, reader = readers(tmp_path)
    (found,) = reader.windows(clip_of(1))
    before = found.values[TRAINED, "a"].clone()  # the file is not loaded, but mapped
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    (after,) = reader.windows(clip_of(1))
    assert whole.n_runs == 2
    assert torch.equal(before, after.values[TRAINED, "a"])


def test_where_nothing_can_be_written_the_model_runs(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    own, _, reader = readers(tmp_path / "kept" / "below")
    assert [len(list(reader.windows(clip_of(1)))) for _ in range(2)] == [1, 1]
    assert own.n_runs == 2


def test_thinned_keeps_the_recording_and_some_padding_spread_evenly() -> None:
    (whole,) = CountingReader(a=3).windows(clip_of(1))
    thin = whole.thinned()
    places = np.linspace(N_RECORDED, N_FRAMES - 1, PADDING_FRAMES).round().astype(int)
    x = whole.values[TRAINED, "a"]
    assert torch.equal(thin.values[TRAINED, "a"], torch.cat([x[:N_RECORDED], x[places]]))
    assert thin.kinds.tolist() == [Kind.SPEECH] * N_RECORDED + [Kind.PADDING] * PADDING_FRAMES
    assert thin.thinned() is thin
