from __future__ import annotations

import json
import tomllib
from pathlib import Path

from otoscope.study.catalogue import part_names
from otoscope.study.whole.settings import preset
from otoscope.study.whole.transcripts import HEARD, UNHEARD
from tests.cli.conftest import Run

FEW = ("--only", "transcripts", "--only", "bigrams", "--only", "neighbours")


def test_the_demo_is_a_study_of_the_demo_clips_with_settings_of_its_own(run: Run, tmp_path: Path) -> None:
    ran = run("demo", "--out", tmp_path / "demo", "--dry-run")
    tables = tomllib.loads(ran.out)
    assert ran.status == 0 and tables == json.loads(json.dumps(preset("demo").to_json()))
    assert "on the demo clips: 144 clips" in ran.err and not (tmp_path / "demo").exists()


def test_the_demo_leaves_pages_and_names_the_one_to_open(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    ran = run("demo", "--clips", 6, *FEW, "--out", out, model=False)
    assert ran.status == 0, ran.err
    assert f"\nOpen {out / 'atlas' / 'index.html'}\n" in ran.out and (out / "atlas" / "index.html").is_file()
    about = json.loads((out / "study.json").read_text())
    assert (about["preset"], about["model"]["id"], about["corpus"]["name"]) == ("demo", "demo", "demo")
    assert [row["name"] for row in about["parts"]] == list(part_names())


def test_what_it_hears_of_voices_it_never_heard_is_told_apart(run: Run, tmp_path: Path) -> None:
    ran = run("demo", "--only", "transcripts", "--no-atlas", "--json", "--quiet", "--out", tmp_path / "d", model=False)
    groups = {one["name"]: one for one in json.loads(ran.out)["corpus"]["groups"]}
    rows = json.loads((tmp_path / "d" / "transcripts" / "transcripts.json").read_text())["clips"]
    assert ran.err == "" and groups.keys() == {HEARD, UNHEARD}
    assert sum(one["n_clips"] for one in groups.values()) == len(rows) == 144
    errors, n = (sum(row["word_errors"][key] for row in rows) for key in ("errors", "n"))
    rates = sorted(one["wer"]["value"] for one in groups.values())
    assert rates[0] <= errors / n <= rates[1], "the rate of all lies between those of the groups"


def test_a_word_of_the_demo_language_is_followed_by_what_its_grammar_says(run: Run, tmp_path: Path) -> None:
    run("demo", "--clips", 1, "--only", "bigrams", "--no-atlas", "--out", tmp_path / "demo", model=False)
    found = json.loads((tmp_path / "demo" / "bigrams" / "bigrams.json").read_text())
    from otoscope.demo.grammar import next_words

    asked = ("The traffic", "noise")
    over_noise = next(one for one in found["continuations"] if (one["prompt"], one["sound"]) == asked)
    likeliest = [row["text"].strip() for row in over_noise["next"][:2]]
    assert set(likeliest) == set(list(next_words("traffic"))[:2])
