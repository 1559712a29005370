from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import otoscope


def test_the_public_names_are_sorted_and_each_has_a_home() -> None:
    assert otoscope.__all__ == sorted(set(otoscope.__all__))
    assert set(otoscope._HOME_OF) == set(otoscope.__all__) - {"__version__"}
    assert dir(otoscope) == otoscope.__all__


@pytest.mark.parametrize("name", otoscope.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(otoscope, name)
    assert value.__doc__


@pytest.mark.parametrize("name", sorted(otoscope._HOME_OF))
def test_type_checkers_see_the_names_that_python_gives(name: str) -> None:
    assert name in Path(otoscope.__file__).read_text().split("if TYPE_CHECKING:")[1].split("__all__")[0]


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lod'; see otoscope.__all__"):
        _ = otoscope.lod


def test_importing_otoscope_imports_no_heavy_library() -> None:
    program = "import sys, otoscope; print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("first", ["import otoscope.corpus", "import otoscope.corpus.folder", "pass"])
def test_corpus_is_a_room_and_a_function_whatever_was_imported_first(first: str) -> None:
    program = f"""
import otoscope
{first}
import otoscope.corpus.folder as folder
from otoscope.corpus import Corpus
assert otoscope.corpus.folder is folder
try:
    otoscope.corpus("no such place")
except otoscope.InputError:
    print("called")
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "called"


@pytest.mark.parametrize("first", ["import otoscope.harvest", "import otoscope.harvest.run", "pass"])
def test_harvest_is_a_room_and_a_function_whatever_was_imported_first(first: str) -> None:
    program = f"""
import otoscope
{first}
import otoscope.harvest.settings as settings
assert otoscope.harvest.settings is settings
try:
    otoscope.harvest(None, None, otoscope.HarvestSettings(sites=("x",), bases=("no such basis",)), "out")
except otoscope.InputError as error:
    print("called" if "no such basis" in str(error) else error)
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "called"
