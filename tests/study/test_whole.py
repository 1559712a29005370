from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure
from torch import Tensor

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError, SiteError
from otoscope.corpus import Corpus, open_corpus
from otoscope.corpus.source import Source
from otoscope.harvest import stored
from otoscope.model.whisper import Whisper
from otoscope.study import pictures
from otoscope.study.catalogue import Part, part_names, parts
from otoscope.study.whole import decoder_parts, experiment
from otoscope.study.whole.context import Context
from otoscope.study.whole.experiment import Study, run_study
from otoscope.study.whole.folder import ACTIVITY, STUDY
from otoscope.study.whole.settings import StudySettings, with_general
from otoscope.study.whole.transcripts import HEARD, UNHEARD
from tests.study.drawn import captions, cut_intervals, overflows
from tests.study.whole_study import SMALL, Read, labelled_clip, labelled_corpus, recordings

NAMES, PARTS = part_names(), parts()
NEED_LABELS = {"splice", "phones", "words"}


def only(*names: str, settings: StudySettings = SMALL) -> StudySettings:
    """The same settings with these parts alone."""
    without = tuple(name for name in NAMES if name not in names)
    return with_general(settings, without=without)


def states(found: Study) -> dict[str, str]:
    return {row["name"]: row["state"] for row in found.about["parts"]}


@pytest.fixture(scope="module")
def plain(model: Whisper, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study of two recordings without labels, one of them much longer than the model's window. Read only."""
    folder = tmp_path_factory.mktemp("plain")
    return run_study(
        model, open_corpus(recordings(folder / "talks", 1.0, 9.0)), SMALL, folder / "study", preset="small"
    )


@pytest.fixture(scope="module")
def drawn(model: Whisper, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, dict[str, Figure], list[str]]:
    """A study of clips with every kind of label, its pictures by name, and the warnings. Read only."""
    figures: dict[str, Figure] = {}
    save = pictures.save_figure

    def keep(figure: Figure, path: str | Path) -> Path:
        saved = save(figure, path)
        figures[saved.name] = figure
        return saved

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        patch.setattr(pictures, "save_figure", keep)
        study = run_study(model, labelled_corpus(), SMALL, tmp_path_factory.mktemp("labelled") / "study")
    return study, figures, [str(warning.message) for warning in caught]


@pytest.fixture(scope="module")
def labelled(drawn: tuple[Study, dict[str, Figure], list[str]]) -> Study:
    """A study of clips with every kind of label. Read only."""
    return drawn[0]


def test_pictures_hold_their_captions_and_intervals_and_name_no_folder(
    drawn: tuple[Study, dict[str, Figure], list[str]],
) -> None:
    _, figures, messages = drawn
    assert len(figures) >= 12
    for name, figure in figures.items():
        assert overflows(figure) == [], name
        assert cut_intervals(figure) == [], name
        assert not any(os.sep in caption for caption in captions(figure)), name
    assert not any("Glyph" in message or "constrained_layout" in message for message in messages)


@pytest.fixture(params=["plain", "labelled"])
def found(request: pytest.FixtureRequest) -> Study:
    return request.getfixturevalue(request.param)


def test_every_part_is_done_where_the_corpus_has_every_label(labelled: Study) -> None:
    assert {name for name, state in states(labelled).items() if state != "done"} == set()
    assert labelled.failed == () and labelled.problems == ()


def test_without_labels_the_parts_that_need_them_are_left_out_and_say_why(plain: Study) -> None:
    rows = {row["name"]: row for row in plain.about["parts"]}
    assert all(rows[name]["state"] == "left out" for name in NEED_LABELS)
    assert rows["splice"]["why"] == "the corpus has no words in time"
    assert rows["phones"]["why"] == "the corpus has no phones in time"
    done = {"transcripts", "relevance", "locality", "window", "dictionaries", "harvest", "sounds", "traces", "lens"}
    assert all(rows[name]["state"] == "done" and rows[name]["why"] is None for name in done)


def test_a_part_that_is_done_has_a_folder_with_a_manifest_and_another_has_none(found: Study) -> None:
    for name, state in states(found).items():
        assert (found.folder / name / "manifest.json").is_file() == (state == "done"), name
        assert (found.folder / name).exists() == (state == "done"), name
    assert not list(found.folder.rglob(".*partial*"))


def test_everything_that_is_written_as_json_is_json(found: Study) -> None:
    def refuse(text: str) -> None:
        raise AssertionError(text)

    for path in found.folder.rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_study_json_says_what_it_is_of(labelled: Study, model: Whisper) -> None:
    about = json.loads((labelled.folder / STUDY).read_text())
    assert (about["kind"], about["study_version"]) == ("study", 1)
    sizes = {name: about["model"][name] for name in ("id", "window_s", "d_model", "n_heads", "vocab_size")}
    assert sizes == {name: getattr(model, name) for name in sizes}
    corpus_ = about["corpus"]
    assert (corpus_["n_clips"], corpus_["n_speakers"], corpus_["languages"]) == (4, 2, ["en"])
    assert corpus_["hours"] == pytest.approx(4 * 1.6 / 3600)
    assert corpus_["has_transcripts"] and corpus_["has_words"] and corpus_["has_phones"]
    assert [row["name"] for row in about["parts"]] == list(NAMES)
    assert about["minutes"] == pytest.approx(sum(row["seconds"] for row in about["parts"]) / 60)
    assert {"seed", "settings", "versions", "created", "command", "otoscope"} <= about.keys()


def test_the_place_of_a_corpus_is_not_told(plain: Study) -> None:
    about = json.loads((plain.folder / STUDY).read_text())
    assert about["corpus"]["name"] == "talks"
    assert str(plain.folder.parent) not in json.dumps({**about, "command": ""})
    tables = [path for path in plain.folder.glob("*/*.json") if path.parent.name not in ("dictionaries", "harvest")]
    talks = str(plain.folder.parent / "talks")
    assert not [path for path in tables if path.name != "manifest.json" and talks in path.read_text()]


def test_the_place_of_a_corpus_is_not_told_by_its_bigrams(
    model: Whisper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talks = open_corpus(recordings(tmp_path / "talks", 1.0))
    asked: list[str] = []
    monkeypatch.setattr(decoder_parts, "bigrams_of_text", lambda *_, name, **__: asked.append(name) or stop())

    def stop() -> None:
        raise InputError("that is enough")

    wanted = only("transcripts", "bigrams").put(bigrams=replace(SMALL.bigrams, prompts=("the",)))
    run_study(model, talks, wanted, tmp_path / "study")
    assert asked == ["transcripts of talks"]


def test_settings_are_written_as_they_were_run(plain: Study) -> None:
    from otoscope.study.whole.settings import read

    assert read(plain.folder / "study.toml", StudySettings()) == SMALL


def test_transcripts_hold_what_was_heard_in_whole_clips(plain: Study, labelled: Study) -> None:
    table = json.loads((plain.folder / "transcripts" / "transcripts.json").read_text())
    assert table["wer"] is None and {row["clip"] for row in table["clips"]} == {"talk0", "talk1"}
    assert {round(row["duration_s"]) for row in table["clips"]} == {1, 9}
    table = json.loads((labelled.folder / "transcripts" / "transcripts.json").read_text())
    assert table["wer"]["n"] == 4 and table["wer"]["value"] > 0
    assert {row["said"] for row in table["clips"]} == {"the little dog sees"}


def test_relevance_shares_are_of_many_clips_and_lie_beside_what_even_would_be(found: Study) -> None:
    table = json.loads((found.folder / "relevance" / "relevance_shares.json").read_text())
    assert 1 <= len(table["clips"]) == table["n_clips"] <= SMALL.relevance.clips, "stretches of silence have none"
    assert all(0 <= table[key]["value"] <= 1 for key in ("share", "if_even"))
    mean = math.fsum(row["share"] for row in table["clips"]) / table["n_clips"]
    assert table["share"]["value"] == pytest.approx(mean)
    assert (found.folder / "relevance" / "relevance.png").is_file()


def test_no_part_but_the_harvest_and_the_transcripts_listens_beyond_one_window(plain: Study, model: Whisper) -> None:
    names = {row["audio"] for row in json.loads((plain.folder / "window" / "window.json").read_text())["clips"]}
    assert names <= {"talk0", *(f"talk1@{start}s" for start in range(0, 9, int(model.window_s)))}


def test_dictionaries_are_harvested_under_their_own_basis(found: Study) -> None:
    table = pq.read_table(found.folder / "harvest" / "features.parquet", columns=["basis"])
    bases = set(table.column("basis").to_pylist())
    assert bases == {"neuron", "sae:dictionaries"}, "by no folder of this machine: a study may be moved"


def test_dictionaries_are_scored_on_clips_that_they_were_not_trained_on(labelled: Study) -> None:
    training = json.loads((labelled.folder / "dictionaries" / "training.json").read_text())
    scores = json.loads((labelled.folder / "scores" / "scores.json").read_text())
    n_all = labelled.about["corpus"]["n_clips"]
    assert scores["n_clips_scored"] >= 1
    trained = {
        path.name: json.loads((path / "cfg.json").read_text())
        for path in labelled.folder.glob("dictionaries/*")
        if path.is_dir()
    }
    assert trained and all("but for what is scored" in json.dumps(one) for one in trained.values())
    assert training["about"]["corpus"]["n_clips"] == n_all - scores["n_clips_scored"]
    assert not [note for note in scores["notes"] if "trained on clips of this corpus" in note]


def test_a_finished_study_is_told_again_without_listening(
    model: Whisper, labelled: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "_survey", None)
    again = run_study(model, labelled_corpus(), SMALL, labelled.folder)
    assert again.about == json.loads((labelled.folder / STUDY).read_text()) and again.verdicts == labelled.verdicts


def assert_same_strengths(found: Study, wanted: Study) -> None:
    """The tables of harvest and traces are the same, to the bit."""
    for name in ("harvest/examples.parquet", "harvest/features.parquet", "traces/traces.parquet"):
        mine, theirs = (pq.read_table(one.folder / name).to_pydict() for one in (found, wanted))
        np.testing.assert_equal(mine, theirs, err_msg=name)


def test_dictionaries_harvest_and_traces_encode_each_clip_once(
    model: Whisper, labelled: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    encode = Whisper.encode_mel

    def counted(self: Whisper, mel: Tensor, **rest: Any) -> Tensor:
        encoded.append(len(mel))
        return encode(self, mel, **rest)

    monkeypatch.setattr(Whisper, "encode_mel", counted)
    clips = labelled_corpus()
    found = run_study(model, clips, only("dictionaries", "harvest", "traces"), tmp_path / "study")
    assert sum(encoded) == len(clips)
    assert not (found.folder / ACTIVITY).exists()
    assert_same_strengths(found, labelled)


def test_without_room_for_activations_the_tables_are_the_same(
    model: Whisper, labelled: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "MOST_BYTES", 0)
    found = run_study(model, labelled_corpus(), only("dictionaries", "harvest", "traces"), tmp_path / "study")
    assert_same_strengths(found, labelled)


def test_another_study_is_refused_before_any_work(model: Whisper, labelled: Study) -> None:
    other = SMALL.put(window=replace(SMALL.window, clips=3))
    with pytest.raises(InputError, match=r"window\.clips was 2 and is 3"):
        run_study(model, labelled_corpus(), other, labelled.folder)
    with pytest.raises(InputError, match=r"corpus\.n_clips was 4 and is 3"):
        run_study(model, labelled_corpus(3), SMALL, labelled.folder)
    assert (labelled.folder / "manifest.json").is_file(), "what is there stays finished"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (SMALL.put(study=replace(SMALL.study, without=("windw",))), "no part 'windw'.*'window'"),
        (SMALL.put(harvest=replace(SMALL.harvest, sites=("decoder.blocks.0",))), "a harvest reads sites of"),
        (SMALL.put(harvest=replace(SMALL.harvest, bases=("neurons",))), "there is no basis 'neurons'"),
        (SMALL.put(study=replace(SMALL.study, language="xx")), "language 'xx' is not one of"),
        (SMALL.put(harvest=replace(SMALL.harvest, ranges=100)), "ranges is 100"),
        (SMALL.put(phones=replace(SMALL.phones, auroc=0.3)), "auroc is 0.3"),
        (SMALL.put(bigrams=replace(SMALL.bigrams, sounds=("the sea",))), "sound 'the sea' is not known"),
    ],
)
def test_what_no_part_could_use_is_refused_before_any_work(
    model: Whisper, wrong: StudySettings, words: str, tmp_path: Path
) -> None:
    with pytest.raises((InputError, SiteError), match=words):
        run_study(model, labelled_corpus(), wrong, tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_corpus_without_a_usable_clip_is_refused(model: Whisper, tmp_path: Path) -> None:
    (tmp_path / "talks").mkdir()
    (tmp_path / "talks" / "text.wav").write_text("no sound")
    with pytest.raises(InputError, match="no clip of .* can be used. The first: .*not a recording"):
        run_study(model, open_corpus(tmp_path / "talks"), SMALL, tmp_path / "study")
    assert not (tmp_path / "study").exists()


class StoppedError(Exception):
    """Stands for whatever ends a process."""


def stopping(part: Part, at: str, ran: list[str]) -> Part:
    """The same part: says that it ran, and stops the study at the end of one."""

    def answer(context: Context, out: Path) -> None:
        ran.append(part.name)
        part.run(context, out)
        if part.name == at:
            raise StoppedError

    return replace(part, answer=answer)


FEW = ("transcripts", "dictionaries", "harvest", "sounds")


@pytest.mark.parametrize("names", [FEW, pytest.param(NAMES, marks=pytest.mark.slow)], ids=["few", "all"])
def test_a_study_that_is_stopped_in_any_part_goes_on_with_that_part(
    model: Whisper, names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, folder = only(*names), tmp_path / "study"
    for place, name in enumerate(names):
        ran: list[str] = []
        monkeypatch.setattr(experiment, "parts", lambda: tuple(stopping(part, name, ran) for part in PARTS))  # noqa: B023
        with pytest.raises(StoppedError):
            run_study(model, labelled_corpus(), wanted, folder)
        assert ran == list(names[max(place - 1, 0) : place + 1])
        assert not (folder / "manifest.json").exists()
    monkeypatch.setattr(experiment, "parts", parts)
    found = run_study(model, labelled_corpus(), wanted, folder)
    assert {name for name, state in states(found).items() if state == "done"} == set(names)
    whole = run_study(model, labelled_corpus(), wanted, tmp_path / "whole").folder
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}
    for table in ("transcripts/transcripts.json", "window/window.json", "lens/lens_curve.json"):
        if (whole / table).is_file():
            assert (folder / table).read_text() == (whole / table).read_text(), table


def test_a_part_that_fails_is_told_the_others_go_on_and_it_is_tried_again(
    model: Whisper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(context: Context, out: Path) -> None:
        raise InputError("it cannot be. Do something else.")

    wanted, folder = only("transcripts", "locality", "harvest", "sounds"), tmp_path / "study"
    broken = tuple(replace(part, answer=fail) if part.name == "harvest" else part for part in PARTS)
    monkeypatch.setattr(experiment, "parts", lambda: broken)
    found = run_study(model, labelled_corpus(), wanted, folder)
    rows = {row["name"]: row for row in found.about["parts"]}
    assert found.failed == ("harvest",) and rows["harvest"]["why"] == "it cannot be. Do something else."
    assert (rows["sounds"]["state"], rows["locality"]["state"]) == ("left out", "done")
    assert rows["sounds"]["why"] == "it needs the part harvest, which is not there"
    monkeypatch.setattr(experiment, "parts", parts)
    again = run_study(model, labelled_corpus(), wanted, folder)
    assert again.failed == () and states(again)["harvest"] == states(again)["sounds"] == "done"


def test_parts_that_were_left_out_can_be_done_later_and_the_others_stay(model: Whisper, tmp_path: Path) -> None:
    first = run_study(model, labelled_corpus(), only("locality"), tmp_path / "study")
    then = run_study(model, labelled_corpus(), only("lens"), tmp_path / "study")
    assert {name for name, state in states(first).items() if state == "done"} == {"locality"}
    assert {name for name, state in states(then).items() if state == "done"} == {"locality", "lens"}


def test_overwriting_begins_anew(model: Whisper, tmp_path: Path) -> None:
    run_study(model, labelled_corpus(), only("locality"), tmp_path / "study")
    found = run_study(model, labelled_corpus(3), only("lens"), tmp_path / "study", overwrite=True)
    assert {name for name, state in states(found).items() if state == "done"} == {"lens"}
    assert not (tmp_path / "study" / "locality").exists()


def test_clips_that_cannot_be_read_are_told_and_passed_over(model: Whisper, tmp_path: Path) -> None:
    def fail() -> Clip:
        raise InputError("it is no sound.")

    clips = labelled_corpus()
    mixed = Corpus("mixed", [Source("broken", fail), *clips.sources], asked_phone_set="arpabet")
    found = run_study(model, mixed, only("transcripts", "harvest"), tmp_path / "study")
    assert [problem.clip for problem in found.problems] == ["broken"]
    assert found.about["corpus"]["n_clips"] == 4 and found.about["problems"][0]["clip"] == "broken"
    assert run_study(model, mixed, only("transcripts", "harvest"), tmp_path / "study").problems == found.problems


def test_the_harvest_takes_whole_clips_until_its_hours_are_full(model: Whisper, tmp_path: Path) -> None:
    few = SMALL.put(harvest=replace(SMALL.harvest, bases=("neuron",), hours=2.0 / 3600))
    found = run_study(model, labelled_corpus(), only("harvest", settings=few), tmp_path / "study")
    clips = pq.read_table(found.folder / "harvest" / "clips.parquet")
    assert clips.num_rows == 2 and len(set(clips.column("speaker").to_pylist())) == 2


def test_parts_that_need_words_pass_over_clips_without(model: Whisper, tmp_path: Path) -> None:
    bare = [replace(labelled_clip(n), words=None, transcript=None) for n in range(10, 16)]
    sources = [*(Source(clip.id, Read(clip, [])) for clip in bare), *labelled_corpus(2).sources]
    found = run_study(model, Corpus("mixed", sources, asked_phone_set="arpabet"), only("splice"), tmp_path / "study")
    (table,) = (json.loads(path.read_text()) for path in (found.folder / "splice").glob("splice_words.json"))
    assert (table["n_clips"], table["clips_without_words"]) == (2, [])


def test_voices_of_the_demo_clips_are_told_apart_for_the_demo_model_alone(
    model: Whisper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = open_corpus("demo")
    few = Corpus("demo", [clips.sources[0], clips.sources[1], clips.sources[-1]])
    other = run_study(model, few, only("transcripts"), tmp_path / "other")
    assert "groups" not in other.about["corpus"]
    monkeypatch.setattr(model, "id", "demo")
    found = run_study(model, few, only("transcripts"), tmp_path / "demo")
    assert [(one["name"], one["n_clips"]) for one in found.about["corpus"]["groups"]] == [(HEARD, 2), (UNHEARD, 1)]


def test_a_study_names_itself_and_its_verdicts(labelled: Study) -> None:
    assert repr(labelled).startswith("Study(the model tiny-random, on the corpus labelled;")
    told = labelled.to_json()
    assert told["claims"] == labelled.verdicts["claims"] and told["kind"] == "study"


def test_a_claim_is_judged_once_all_parts_are_done(labelled: Study) -> None:
    found = json.loads((labelled.folder / "verdicts.json").read_text())
    assert found == json.loads(json.dumps(labelled.verdicts))
    for claim in found["claims"]:
        assert claim["verdict"] in ("holds", "holds in part", "does not hold", "undecided", "not tested")


SCRIPT = """
import os, signal, sys
from pathlib import Path
from otoscope.corpus import open_corpus
from otoscope.model.load import load
from otoscope.study.whole.experiment import run_study
from tests.study.whole_study import SMALL

def progress(part, done, of):
    if sys.argv[4] and part == sys.argv[4] and bool(of) == (sys.argv[5] == "midway"):
        os.kill(os.getpid(), signal.SIGKILL)

run_study(load(sys.argv[1]), open_corpus(sys.argv[2]), SMALL, Path(sys.argv[3]), progress=progress)
"""


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    from tests.model.tiny import tiny_whisper_folder

    yield tiny_whisper_folder(tmp_path_factory.mktemp("model") / "tiny", d_model=32, max_tokens=14, seed=1)


@pytest.mark.slow
def test_a_study_that_is_killed_again_and_again_ends_like_one_that_was_not(model_folder: Path, tmp_path: Path) -> None:
    talks = recordings(tmp_path / "talks", 1.0, 5.3, 2.0)

    def run(out: str, part: str = "", when: str = "") -> int:
        line = [sys.executable, "-c", SCRIPT, str(model_folder), str(talks), str(tmp_path / out), part, when]
        path = os.pathsep.join(sys.path)
        return subprocess.run(line, env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=False).returncode

    kills = [("transcripts", "midway"), ("window", "midway"), ("dictionaries", "midway"), ("harvest", "midway")]
    for part, when in [*kills, ("sounds", "start"), ("traces", "midway"), ("lens", "midway")]:
        assert run("killed", part, when) == -signal.SIGKILL, part
        assert not (tmp_path / "killed" / "manifest.json").exists()
    assert run("killed") == run("whole") == 0
    assert tables(tmp_path / "killed") == tables(tmp_path / "whole")
    assert not list((tmp_path / "killed").rglob(".*partial*"))


def tables(folder: Path) -> dict[str, Any]:
    """The results of a study that say nothing of when and where they were made."""
    texts = {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*.json")
        if path.name in ("transcripts.json", "relevance_shares.json", "locality.json", "window.json", "lens_curve.json")
    }
    features = pq.read_table(folder / "harvest" / "features.parquet").drop_columns(["basis"])
    as_text = json.dumps(features.to_pylist())  # a NaN does not equal itself
    return {**texts, "features": as_text, "files": sorted(p.name for p in folder.rglob("*.png"))}
