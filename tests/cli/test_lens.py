from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from otoscope.model.load import load
from otoscope.study.lens.experiment import lens
from tests.cli.conftest import Run

KINDS = [[], ["--heads"], ["--languages"], ["--encoder"]]


@pytest.mark.parametrize("words", KINDS)
def test_one_recording_gives_a_table(run: Run, recording: Path, words: list[str]) -> None:
    ran = run("lens", recording, *words)
    assert ran.status == 0 and len(ran.out.splitlines()) > 3


@pytest.mark.parametrize("words", KINDS)
def test_means_are_printed_with_their_sample_size(run: Run, words: list[str]) -> None:
    ran = run("lens", "demo", *words, "--clips", 2, model=False)
    assert ran.status == 0 and "95% intervals" in ran.out
    assert re.search(r"\b2 clips[,;]", ran.out)


def test_the_json_is_what_the_function_returns(run: Run, recording: Path, model_folder: Path) -> None:
    ran = run("lens", recording, "--text", "the little dog", "--top", 2, "--language", "en", "--json")
    wanted = lens(load(model_folder), recording, text="the little dog", top=2, language="en").to_json()
    assert json.loads(ran.out) == json.loads(json.dumps(wanted))


def test_one_window_of_a_long_recording(run: Run, folder: Path) -> None:
    ran = run("lens", folder / "deep" / "two.flac", "--window", 1, "--heads", "--json")
    assert {token["window"] for token in json.loads(ran.out)["tokens"]} == {1}
