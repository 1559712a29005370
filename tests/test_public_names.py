from __future__ import annotations

import subprocess
import sys

import pytest

import otoscope


def test_the_public_names_are_sorted_and_listed() -> None:
    assert otoscope.__all__ == sorted(set(otoscope.__all__)) == dir(otoscope)


@pytest.mark.parametrize("name", otoscope.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(otoscope, name)
    assert value.__doc__


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lod'; see otoscope.__all__"):
        _ = otoscope.lod


def test_importing_otoscope_imports_no_heavy_library() -> None:
    program = "import sys, otoscope; print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
