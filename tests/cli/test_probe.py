from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.corpus import open_corpus
from tests.cli.conftest import Run, noise, write


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    """A manifest of eight recordings by four speakers, with what is known of them in a column of its own."""
    lines = []
    for number in range(8):
        write(tmp_path / f"{number}.wav", noise(0.8, number) * (0.3 if number % 2 else 1))
        row = {"audio": f"{number}.wav", "speaker": f"voice {number // 2}", "side": "ab"[number // 2 % 2]}
        lines.append(json.dumps(row | {"id": str(number)}))
    (tmp_path / "talks.jsonl").write_text("\n".join(lines))
    return tmp_path / "talks.jsonl"


def test_a_column_of_a_manifest_is_probed_with_speakers_held_out(run: Run, talks: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["probe", talks, "side", "--labels", talks, "--site", "encoder.blocks.*", "--folds", 2]
    ran = run(*words, "--out", out, "--json")
    result = json.loads(ran.out)
    assert [each["site"] for each in result["sites"]] == ["encoder.blocks.0", "encoder.blocks.1"]
    assert (result["held_out"], result["n_speakers"], result["classes"]) == ("speakers", 4, {"a": 4, "b": 4})
    names = {path.name for path in out.iterdir()}
    assert names == {
        "probe.json",
        "probe.parquet",
        "probe.npz",
        "probe.png",
        "confusion.png",
        "directions",
        "manifest.json",
    }
    assert json.loads((out / "manifest.json").read_text())["settings"]["task"] == "side"


def test_the_table_is_printed_beside_both_baselines(run: Run, talks: Path) -> None:
    ran = run("probe", talks, "speaker", "--site", "encoder.blocks.0", "--classifier", "ridge")
    lines = ran.out.splitlines()
    assert lines[1].startswith("8 clips, 4 classes, 8 clips held out in turn")
    assert any(line.startswith("always the commonest class, accuracy: ") for line in lines)
    assert "classes: voice 0 2, voice 1 2, voice 2 2, voice 3 2" in lines
    assert lines[-2].startswith("site") and "shuffled" in lines[-2]
    assert lines[-1].startswith("encoder.blocks.0")


def test_saved_activations_are_probed_without_a_model(run: Run, tmp_path: Path) -> None:
    words = ["--site", "encoder.blocks.0", "--save-activations", "float16", "--clips", 3]
    assert run("harvest", "demo", *words, "--out", tmp_path / "run").status == 0
    ran = run("probe", tmp_path / "run", "phone", "--rows", 60, "--split", "clips", "--json", model=False)
    assert ran.status == 2 and "a speaker would be in both parts" in ran.err
    ids = [source.id for source in open_corpus("demo").sources[:3]]
    table = "id,half,speaker\n" + "".join(f"{one},{'xyx'[at]},s{at}\n" for at, one in enumerate(ids))
    (tmp_path / "halves.csv").write_text(table)
    ran = run("probe", tmp_path / "run", "half", "--labels", tmp_path / "halves.csv", model=False)
    assert ran.status == 2 and "all clips are of one speaker" in ran.err
    ran = run("probe", tmp_path / "run", "phone", "--clips", 3, model=False)
    assert ran.status == 2 and "are used as they were saved" in ran.err


def test_results_of_saved_activations_go_to_a_folder(run: Run, talks: Path, tmp_path: Path) -> None:
    words = ["--site", "encoder.blocks.*", "--save-activations", "float32"]
    assert run("harvest", talks, *words, "--out", tmp_path / "run").status == 0
    ran = run(
        "probe", tmp_path / "run", "side", "--labels", talks, "--out", tmp_path / "out", "--folds", 2, model=False
    )
    assert ran.status == 0 and "\n8 clips, 2 classes, 4 speakers held out in turn" in ran.out
    assert (tmp_path / "out" / "probe.json").is_file() and (tmp_path / "out" / "manifest.json").is_file()


def test_other_clips_can_be_scored_on_but_not_the_same(run: Run, talks: Path, tmp_path: Path) -> None:
    ran = run("probe", talks, "side", "--labels", talks, "--test", talks)
    assert ran.status == 2 and "4 speakers are in both parts" in ran.err


def test_a_dry_run_prints_the_plan_and_stops(run: Run, talks: Path) -> None:
    ran = run("probe", talks, "speaker", "--dry-run")
    assert (ran.status, ran.out) == (0, "") and "Probing for speaker in 8 clips" in ran.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["phone"], "no clip has phones in time"),
        (["side"], "task 'side' is not one that clips have labels for"),
        (["side", "--labels", "nowhere.csv"], "there are no labels 'nowhere.csv'"),
        (["speech", "--site", "decoder.blocks.0"], "has one vector for each token"),
        (["speaker", "--site", "encoder.blocks.7"], "site 'encoder.blocks.7' is not in"),
        (["speaker", "--rows", 2], "rows is 2"),
        (["speaker", "--classifier", "deep"], "'deep' is not one of 'logistic', 'ridge'"),
        (["language"], "no clip has a language"),
    ],
)
def test_what_cannot_be_learnt_is_status_2(
    run: Run, talks: Path, tmp_path: Path, words: list[object], message: str
) -> None:
    ran = run("probe", talks, *words, "--out", tmp_path / "out")
    assert ran.status == 2 and ran.out == "" and message in ran.err
    assert not (tmp_path / "out").exists()
