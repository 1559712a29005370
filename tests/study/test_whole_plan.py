"""What a study is said to take, at a given pace of the model; no test depends on how quick a machine is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from otoscope.corpus import Corpus, open_corpus
from otoscope.model.whisper import Whisper
from otoscope.study.catalogue import part_names
from otoscope.study.catalogue import parts as study_parts
from otoscope.study.whole import plan as plans
from otoscope.study.whole.plan import PartPlan, plan_study
from otoscope.study.whole.settings import StudySettings
from tests.study.test_whole import only
from tests.study.whole_study import SMALL, labelled_corpus, recordings


@pytest.fixture(autouse=True)
def pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window takes 10 s to encode, and 20 to transcribe."""
    monkeypatch.setattr(plans._Unit, "of", lambda context: plans._Unit(10.0, 20.0))


def parts(model: Whisper, clips: Corpus, settings: StudySettings = SMALL) -> dict[str, PartPlan]:
    return {part.name: part for part in plan_study(model, clips, settings, has_pages=True).parts}


def test_every_part_and_the_pages_have_a_row_and_take_time(model: Whisper) -> None:
    plan = plan_study(model, labelled_corpus(), SMALL, has_pages=True)
    assert [part.name for part in plan.parts] == [*part_names(), "pages"]
    assert plan.seconds == pytest.approx(sum(part.seconds for part in plan.parts if part.seconds is not None))
    assert all(part.seconds > 0 and part.n_bytes > 0 for part in plan.parts if part.seconds is not None)
    assert [part.name for part in plan_study(model, labelled_corpus(), SMALL).parts] == list(part_names())
    assert [part.name for part in study_parts() if part.cost is None] == ["dictionaries"]


def test_parts_take_what_the_table_says(model: Whisper) -> None:
    found = parts(model, labelled_corpus())
    costs = {part.name: part.cost for part in study_parts()}
    for name in ("relevance", "locality", "lens"):
        cost = costs[name]
        assert cost is not None
        assert found[name].seconds == pytest.approx(cost.start_s + 2 * (cost.encodings * 10 + cost.transcriptions * 20))


def test_what_the_dictionaries_heard_is_not_heard_again(model: Whisper, tmp_path: Path) -> None:
    of_features = parts(model, labelled_corpus())
    assert of_features["harvest"].seconds < 1 and of_features["traces"].seconds < 1
    alone = parts(model, labelled_corpus(), only("harvest", "traces"))
    assert alone["harvest"].seconds == pytest.approx(4 * 10, abs=1) and alone["traces"].seconds < 1
    long = parts(model, open_corpus(recordings(tmp_path / "talks", 1.0, 9.0)))
    assert long["harvest"].seconds == pytest.approx(5 * 10, abs=1)
    assert long["traces"].seconds == pytest.approx(5 * 10, abs=1)


def test_nothing_is_kept_where_there_is_no_room(model: Whisper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MOST_BYTES", 1)
    assert parts(model, labelled_corpus())["harvest"].seconds == pytest.approx(3 * 10, abs=1)  # the first one is kept


def test_of_a_baseline_only_the_strongest_examples_are_counted(model: Whisper) -> None:
    def n_bytes(basis: str) -> float:
        settings = SMALL.put(harvest=replace(SMALL.harvest, bases=(basis,)), examples=replace(SMALL.examples, top=9))
        return parts(model, labelled_corpus(), settings)["traces"].n_bytes

    ranges = SMALL.examples.samples * SMALL.harvest.ranges
    assert n_bytes("neuron") / n_bytes("random") == pytest.approx((9 + ranges) / 5)


def test_a_finished_training_keeps_its_dictionaries_and_no_checkpoint(model: Whisper) -> None:
    sites = plans.check_sites(model, SMALL.dictionaries.sites)
    weights = sum(2 * width * round(SMALL.dictionaries.expansion * width) for width in sites.values())
    kept = parts(model, labelled_corpus())["dictionaries"].n_bytes - plans.BYTES_OF_PICTURES
    assert 4 * weights < kept < 4 * weights * 1.1
