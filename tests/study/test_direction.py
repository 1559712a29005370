from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from otoscope.base.errors import InputError, SiteError
from otoscope.model.whisper import Whisper
from otoscope.study.direction import Direction

SITE = "encoder.blocks.1"


def direction(d: int = 16, **changes: object) -> Direction:
    vector = np.random.default_rng(0).normal(size=d).astype(np.float32)
    return Direction(**{"vector": vector, "site": SITE, "name": "a - b", **changes})  # type: ignore[arg-type]


def test_a_direction_is_the_same_after_it_was_written_and_read(tmp_path: Path) -> None:
    made = direction(model="tiny-random", weights_hash="0", details={"n": 3, "of": ["AA", "AE"]})
    read = Direction.load(made.save(tmp_path / "a.safetensors"))
    assert np.array_equal(read.vector, made.vector)
    for key in ("site", "name", "model", "weights_hash", "details"):
        assert getattr(read, key) == getattr(made, key)


def test_a_file_of_another_tool_with_one_vector_is_read_and_called_by_its_name(tmp_path: Path) -> None:
    save_file({"anything": np.ones(4, np.float64)}, tmp_path / "theirs.safetensors")
    read = Direction.load(tmp_path / "theirs.safetensors")
    assert read.name == "theirs" and read.vector.dtype == np.float32 and not read.site


@pytest.mark.parametrize(
    "tensors",
    [{}, {"a": np.ones(3), "b": np.ones(3)}, {"a": np.ones((2, 3))}, {"a": np.ones(3, np.int64)}],
    ids=["none", "two", "a matrix", "whole numbers"],
)
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="one vector"):
        Direction.load(tmp_path / "x.safetensors")


def test_a_file_that_is_missing_or_broken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    for name in ("missing.safetensors", "broken.safetensors"):
        with pytest.raises(InputError, match="cannot be read"):
            Direction.load(tmp_path / name)


def test_a_direction_that_fits_names_its_site(model: Whisper) -> None:
    assert direction().check(model) == SITE
    assert direction(site="").check(model, "encoder.blocks.0") == "encoder.blocks.0"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d": 15}, "15 values"),
        ({"vector": np.full(16, np.nan, np.float32)}, "not finite"),
        ({"weights_hash": "other"}, "--force"),
        ({"site": "encoder.blocks.*"}, "Name one"),
    ],
)
def test_a_direction_that_does_not_fit_is_refused(model: Whisper, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        direction(**changes).check(model)


def test_another_site_is_refused_unless_forced_and_one_that_is_not_there_always(model: Whisper) -> None:
    with pytest.raises(InputError, match="--force"):
        direction().check(model, "encoder.blocks.0")
    assert direction().check(model, "encoder.blocks.0", force=True) == "encoder.blocks.0"
    with pytest.raises(SiteError):
        direction(site="encoder.blocks.9").check(model, force=True)


def test_scaling_keeps_the_direction_and_sets_the_length() -> None:
    made = direction()
    longer = made.scaled(3.0)
    assert longer.length == pytest.approx(3.0, rel=1e-6)
    assert float(longer.vector @ made.vector) == pytest.approx(3.0 * made.length, rel=1e-5)
    with pytest.raises(InputError, match="all zeros"):
        direction(vector=np.zeros(16, np.float32)).scaled(1.0)
