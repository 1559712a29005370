from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from otoscope.base.errors import InputError
from otoscope.study.catalogue import PRESETS
from otoscope.study.estimates import FEWEST_GROUPS
from otoscope.study.whole.settings import StudySettings, preset, read

QUICK, FULL = preset("quick"), preset("full")


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_written_as_toml_is_read_back_the_same_over_any_preset(name: str, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(preset(name).to_toml(), encoding="utf-8")
    again = read(path, preset(name))
    assert again == preset(name)
    assert list(tomllib.loads(path.read_text())) == list(preset(name).to_json())


def test_what_a_file_does_not_say_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    path.write_text('[harvest]\nsites = ["encoder.blocks.1"]\nhours = 2\n[study]\nlanguage = "de"\n')
    found = read(path, QUICK)
    assert (found.harvest.sites, found.harvest.hours) == (("encoder.blocks.1",), 2.0)
    assert found.harvest.bases == QUICK.harvest.bases and found.window == QUICK.window
    assert (found.study.language, found.study.seed) == ("de", 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[harvst]\ntop = 3", ("no table 'harvst'", "Did you mean 'harvest'?", "transcripts, relevance")),
        ("[harvest]\ntops = 3", ("[harvest] has no 'tops'", "Did you mean 'top'?", "sites, bases")),
        ("harvest = 3", ("harvest is 3", "[harvest]")),
        ("[harvest]\ntop = 3.5", ("[harvest] top is 3.5", "a whole number")),
        ("[harvest]\ntop = true", ("[harvest] top is True", "a whole number")),
        ('[harvest]\nsites = "encoder.blocks.*"', ("[harvest] sites is 'encoder.blocks.*'", "square brackets")),
        ("[harvest]\nsites = [1]", ("[harvest] sites is 1", "text in quotes")),
        ("[harvest]\nhours = 0", ("[harvest] hours is 0.0", "above 0")),
        ("[dictionaries]\nexpansion = nan", ("[dictionaries] expansion is nan", "above 0")),
        ('[dictionaries]\ncoder = "pca"', ("[dictionaries] coder is 'pca'", "batchtopk, topk")),
        ("[window]\nclips = 0", ("[window] clips is 0", "1 or more")),
        ("[window]\nks = [5, -1]", ("[window] ks is -1", "1 or more")),
        ("[phones]\nauroc = 2", ("[phones] auroc is 2", "up to 1")),
        ("[window\n", ("no TOML", "Correct that line")),
    ],
)
def test_a_setting_that_is_none_is_named_with_what_is_allowed(
    text: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read(path, StudySettings())
    assert str(path) in str(error.value)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.toml", StudySettings())


def test_the_sizes_grow_from_quick_to_full() -> None:
    parts = ("transcripts", "relevance", "locality", "window", "splice", "scores", "lens", "words", "listening")
    for part in parts:
        sizes = [getattr(one, part).clips for one in (QUICK, StudySettings(), FULL)]
        assert sizes == sorted(set(sizes)), part


@pytest.mark.parametrize("name", PRESETS)
def test_no_preset_takes_so_few_clips_that_a_finding_has_no_interval(name: str) -> None:
    settings = preset(name)
    taken = {part: getattr(settings, part).clips for part in ("relevance", "window", "splice", "scores", "words")}
    taken["heads"] = settings.window.head_clips
    assert {part: n for part, n in taken.items() if n < FEWEST_GROUPS} == {}
