"""What all commands have in common: help, shared options, plans, folders for results, and what is not there.

What each writes, and that `--json` prints that alone, is in `tests/golden`; what each refuses in `test_refusals.py`.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from otoscope.cli.app import application
from tests.cli.conftest import Run
from tests.cli.places import Places, takes_model

TREE = typer.main.get_command(application()).commands  # type: ignore[attr-defined]
GROUPED = {f"{group} {name}": one for group in TREE for name, one in getattr(TREE[group], "commands", {}).items()}
PARAMS = {name: command.params for name, command in {**TREE, **GROUPED}.items()}
OPTIONS = {name: {option for param in params for option in param.opts} for name, params in PARAMS.items()}
LEAVES = [name for name in PARAMS if not hasattr(TREE.get(name), "commands")]
SITE = "encoder.blocks.1"
SMALL = f"--site {SITE} --frames 256 --batch 32 --features 48 --k 4"

LINES = {
    "transcribe": "{recording}",
    "models": "",
    "sites": "",
    "activations": "{recording} --site encoder.ln_post",
    "relevance": "{recording}",
    "locality": "{folder}",
    "window": "{recording} --k 5",
    "splice": "{recording} --start 0 --stop 5",
    "harvest": "{folder} --site encoder.blocks.1",
    "phones": "{phones_run}",
    "examples": "{examples_run} --feature 0 --workers 1",
    "bigrams": "dog",
    "neighbours": "the --lexicon spelling",
    "lens": "{recording}",
    "words": "{recording}",
    "segments": "{recording} dog",
    "probe": "{labelled} side --labels {labelled}",
    "steer": "{folder} --head encoder.0.0",
    "dream": f"{SITE}:3 --corpus none",
    "study": "{folder} --only locality",
    "demo": "--only locality --clips 1",
    "corpus info": "{folder}",
    "corpus align": "demo --clips 1",
    "sae train": f"{{folder}} {SMALL}",
    "sae score": "{trained} demo --clips 2",
    "sae sweep": f"demo --clips 2 {SMALL}",
    "sae convert": "{theirs}",
    "atlas build": "{nowhere}",
    "atlas serve": "{nowhere}",
}
"""A line of each command, without what is tested here."""

GO_ON = {"harvest", "study", "demo", "sae train", "sae sweep", "atlas build"}
"""They continue or replace what they began in a folder, and look at it later than others."""


def test_every_command_has_a_line() -> None:
    assert LINES.keys() == set(LEAVES)


def test_help_imports_no_heavy_library() -> None:
    code = f"""
import sys
from otoscope.cli.main import main
for command in {[[], *map(str.split, PARAMS)]}:
    assert main([*command, '--help']) == 0
    heavy = {{'torch', 'transformers', 'numpy', 'matplotlib', 'rich', 'soundfile'}} & set(sys.modules)
    if heavy:
        sys.exit(f'{{command}} imported {{heavy}}')
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("command", PARAMS)
def test_help_explains_every_option(command: str, run: Run) -> None:
    ran = run(*command.split(), "--help", model=False)
    for param in PARAMS[command]:
        assert param.help, f"{param.name} is not explained"
        assert all(name in ran.out for name in param.opts if name.startswith("-"))
    assert ran.status == 0


OF_THEIR_OWN = {("atlas serve", "--model"), ("study", "--seed")}
"""Without these, the study's own model is asked, and the seed is that of the settings."""


@pytest.mark.parametrize(
    "name", ["--model", "--device", "--dtype", "--json", "--quiet", "--overwrite", "--seed", "--clips"]
)
def test_a_shared_option_has_one_default_and_one_meaning(name: str) -> None:
    given = [
        (param.default, param.help)
        for command, params in PARAMS.items()
        for param in params
        if name in param.opts and (command, name) not in OF_THEIR_OWN
    ]
    assert given and all(row == given[0] for row in given)


@pytest.mark.parametrize("command", LEAVES)
def test_every_command_takes_the_options_that_all_share(command: str) -> None:
    with_model = {"--model", "--device", "--dtype"} if takes_model(command) else set()
    assert {"--quiet", *with_model} <= OPTIONS[command]
    assert "--json" in OPTIONS[command] or command.startswith("atlas")


@pytest.mark.parametrize("command", [name for name in LEAVES if takes_model(name)])
def test_a_model_device_or_dtype_that_is_not_there_is_refused(command: str, run: Run, places: Places) -> None:
    line = [*command.split(), *shlex.split(LINES[command].format_map(places))]
    line += ["--out", places["nowhere"]] if "--out" in OPTIONS[command] else []
    wrong = {"--model": "there is no such file or folder", "--device": "is not one of", "--dtype": "is not one of"}
    for option, message in wrong.items():
        model = ["--model", places["nowhere" if option == "--model" else "model"]]
        ran = run(*line, *model, *([] if option == "--model" else [option, "int7"]), model=False)
        assert ran.status == 2 and ran.out == "" and message in ran.err, option
        assert not places["nowhere"].exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        *((f"{name} {{nowhere}}", "there is no recording") for name in ("locality", "lens", "words", "study")),
        *((f"{name} {{nowhere}}", "there is no recording") for name in ("corpus info", "corpus align")),
        *((f"{name} {{nowhere}} {SMALL}", "there is no recording") for name in ("sae train", "sae sweep")),
        ("harvest {nowhere} --basis neuron", "there is no recording"),
        ("splice {nowhere} --words", "there is no recording"),
        ("segments {nowhere} dog", "there is no recording"),
        ("probe {nowhere} phone", "there is no recording"),
        ("steer {nowhere} --head encoder.0.0", "there is no recording"),
        ("sae score {trained} {nowhere}", "there is no recording"),
        ("phones {nowhere}", "is not a harvest run: make one with otoscope harvest"),
        ("examples {nowhere}", "is not a harvest run"),
        ("sae convert {nowhere}", "does not exist"),
        ("atlas build {nowhere}", "is not a study"),
        ("atlas serve {nowhere}", "is not a study"),
    ],
)  # with those of test_bad_input and test_refusals, every command that reads something
def test_what_is_not_there_is_refused(line: str, message: str, run: Run, places: Places, tmp_path: Path) -> None:
    out = [] if line.startswith("atlas serve") else ["--out", tmp_path / "out"]
    ran = run(*shlex.split(line.format_map(places)), *out, model=takes_model(line))
    assert ran.status == 2 and ran.out == "" and message in ran.err
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("command", [name for name in LEAVES if "--overwrite" in OPTIONS[name]])
def test_a_folder_that_holds_something_is_left_alone(command: str, run: Run, places: Places, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    line = [*command.split(), *shlex.split(LINES[command].format_map(places)), "--out", tmp_path]
    goes_on = command in GO_ON
    model = ["--model", places["model" if goes_on else "nowhere"]] if takes_model(command) else []
    ran = run(*line, *model, model=False)
    assert ran.status == 2 and ran.out == "" and "--overwrite" in ran.err
    assert goes_on or "exists already" in ran.err, "it is said before the model is loaded"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


QUICK = ("transcribe", "activations", "relevance", "locality", "window", "splice", "phones", "examples")


@pytest.mark.parametrize("command", [*QUICK, "corpus info", "corpus align", "sae convert"])
def test_overwriting_leaves_other_files_and_prints_nothing_but_json(
    command: str, run: Run, places: Places, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    line = [*command.split(), *shlex.split(LINES[command].format_map(places)), "--out", tmp_path]
    ran = run(*line, "--overwrite", "--quiet", "--json", model=takes_model(command))
    assert (ran.status, ran.err) == (0, "") and isinstance(json.loads(ran.out), dict)
    assert (tmp_path / "mine.txt").read_text() == "mine" and len(list(tmp_path.iterdir())) > 1


@pytest.mark.parametrize(
    ("line", "key", "wanted"),
    [
        ("locality {mixed}", "n_clips", 2),
        ("bigrams dog --sound mean --corpus {mixed}", "sounds", ["the mean of 3 windows"]),
        ("lens {mixed} --encoder", "n_clips", 2),
        ("segments {mixed} dog --step 0.5", "n_clips", 2),
        ("steer {mixed} --head encoder.0.0", "n_clips", 2),
        (f"dream {SITE}:3 --steps 4 --length 0.6 --no-sound --corpus {{mixed}}", "start", "noise"),
        ("sae score {trained}/encoder.blocks.0 {mixed} --baseline-frames 0", "n_clips_scored", 1),
    ],
)
def test_recordings_that_cannot_be_used_are_listed_and_the_rest_is_done(
    line: str, key: str, wanted: object, run: Run, places: Places, tmp_path: Path
) -> None:
    ran = run(*shlex.split(line.format_map(places)), "--json", "--out", tmp_path / "out")
    assert ran.status == 1 and json.loads(ran.out)[key] == wanted
    assert "otoscope: 2 of 4 recordings could not be used" in ran.err
    assert len(json.loads((tmp_path / "out" / "manifest.json").read_text())["failed"]) == 2


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("activations {recording} --site encoder.ln_post", ["13 KB"]),  # 100 frames of 32 values of 4 bytes
        ("locality {folder} --clips 1", ["1 clip, 2.5 s of audio"]),
        ("window {recording}", ["6 times (k: none, 100, 75, 50, 20, 10)"]),
        ("splice demo --words --clips 3", ["3 clips, "]),
        (
            "harvest {folder} --site encoder.blocks.1 --save-activations float16 --workers 1",
            [
                *("Harvesting 2 clips, about 3.5 s of audio in 3 windows", "MB in memory"),
                *("The corpus has no phones in time", "Activations will take up to 0 MB on disk"),
            ],
        ),
        ("harvest {folder} --site encoder.blocks.1 --workers 3", ["in each of 3 processes"]),
        ("examples {examples_run} --feature 0", ["Writing 24 sounds", "from 3 clips"]),
        (f"dream {SITE}:3 --clips 2", ["Maximising 1 feature from noise for 100 steps"]),
        ("probe {labelled} speaker", ["Probing for speaker in 8 clips"]),
        ("bigrams dog --sound mean --clips 2", ["2 clips", "Continuing 1 prompt"]),
        ("bigrams --grammar", ["the demo grammar"]),
        ("neighbours the dog --lexicon spelling", ["Finding the tokens nearest to the, dog, with"]),
        ("lens {recording}", []),
        ("lens demo --encoder --clips 3", ["3 clips, "]),
        ("words demo", ["Tracing the words of"]),
        ("words demo:en-us-f2-1", ["Tracing the words of"]),
        ("steer {folder} --head encoder.0.0", ["Steering (scale head encoder.0.attn.0 by 0): 2 clips"]),
        ("corpus align demo --clips 2", ["Aligning 2 clips"]),
        (f"sae train {{folder}} {SMALL}", ["of audio", "passes, and take about", "of memory beside the model"]),
        (f"sae train {{activations}} {SMALL}", ["frames of speech", "passes, and take about", "of memory beside"]),
        ("sae score {trained} demo --clips 2", ["2 sites (encoder.blocks.0, encoder.blocks.1) on 2 clips"]),
        (f"sae sweep demo --clips 4 {SMALL},8", ["Training 2 points (batchtopk-k4, batchtopk-k8; 48 features"]),
    ],
)
def test_a_dry_run_tells_the_plan_and_writes_nothing(
    line: str, told: list[str], run: Run, places: Places, tmp_path: Path
) -> None:
    words = shlex.split(line.format_map(places))
    ran = run(*words, "--dry-run", "--out", tmp_path / "out", model=takes_model(line))
    assert (ran.status, ran.out) == (0, "") and all(text in ran.err for text in told)
    assert not list(tmp_path.iterdir())
