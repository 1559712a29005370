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


def test_a_column_of_a_manifest_is_probed_with_speakers_held_out(run: Run, talks: Path) -> None:
    words = ["probe", talks, "side", "--labels", talks, "--site", "encoder.blocks.*", "--folds", 2]
    ran = run(*words, "--json")
    result = json.loads(ran.out)
    assert [each["site"] for each in result["sites"]] == ["encoder.blocks.0", "encoder.blocks.1"]
    assert (result["held_out"], result["n_speakers"], result["classes"]) == ("speakers", 4, {"a": 4, "b": 4})


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
