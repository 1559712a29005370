"""A small study that was made up, once for all tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.atlas.synthetic import make_study


@pytest.fixture(scope="session")
def small_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("atlas") / "study")
