"""The record of the Decoder page: each table where there is one, and why there is none."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from otoscope.atlas.records import decoder
from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.errors import InputError
from tests.atlas.records.tables import add_agreement, add_bigrams, add_everything, add_lens
from tests.atlas.synthetic import make_study

SECTIONS = ("bigrams", "agreement", "neighbours", "sounds_alike", "lens", "heads")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return make_study(tmp_path / "study", 12, sounds=False, phones=False)


def made(study: Path) -> dict:
    found = decoder.make(StudyFolder(study), "decoder")
    json.dumps(found, allow_nan=False)
    return found


def test_a_study_without_decoder_parts_says_why(study: Path) -> None:
    found = made(study)
    assert all(found[section] is None for section in SECTIONS)
    assert all(part["state"] == "left out" and part["why"] for part in found["parts"].values())


def test_there_is_one_record(study: Path) -> None:
    assert list(decoder.names(StudyFolder(study))) == ["decoder"]
    with pytest.raises(KeyError):
        decoder.make(StudyFolder(study), "decoder/heads")


def test_a_part_that_was_done_is_there_without_the_others(study: Path) -> None:
    add_lens(study)
    found = made(study)
    assert [stage["stage"] for stage in found["lens"]["stages"]] == ["embedding", "block 0", "block 1"]
    assert found["lens"]["n_tokens"] == 60
    assert all(found[section] is None for section in SECTIONS if section != "lens")


def test_every_table_is_there_in_a_study_that_has_all(study: Path) -> None:
    add_everything(study)
    found = made(study)
    assert all(found[section] for section in SECTIONS)


def test_every_prompt_and_sound_is_there_with_its_likeliest_tokens(study: Path) -> None:
    add_bigrams(study)
    rows = made(study)["bigrams"]["continuations"]
    assert {(row["prompt"], row["sound"]) for row in rows} == {
        (prompt, sound) for prompt in ("ship", "blue") for sound in ("padding", "noise")
    }
    for row in rows:
        chances = [one["probability"] for one in row["next"]]
        assert len(chances) == 20
        assert chances == sorted(chances, reverse=True)


def test_contexts_are_those_that_pull_most(study: Path) -> None:
    add_agreement(study)
    rows = made(study)["agreement"]["sounds"][0]["contexts"]
    pulls = [row["weight"] * row["known"] * math.log2(row["known"] / row["unigram"]) for row in rows]
    assert len(rows) == 15
    assert pulls == sorted(pulls, reverse=True)
    assert rows[0]["context"] == " word39"


def test_pictures_are_named_only_where_they_are(study: Path) -> None:
    add_lens(study)
    assert made(study)["pictures"]["lens"] == []
    (study / "lens" / "lens_curve.png").write_bytes(b"png")
    assert [one["file"] for one in made(study)["pictures"]["lens"]] == ["lens/lens_curve.png"]


def test_a_damaged_table_is_said_to_be_one(study: Path) -> None:
    add_lens(study)
    (study / "lens" / "lens_curve.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        made(study)
