from __future__ import annotations

import json
from pathlib import Path

from otoscope.model.load import load
from tests.cli.conftest import Run


def test_json_lists_every_site_of_the_model(run: Run, model_folder: Path) -> None:
    result = json.loads(run("sites", "--json").out)
    model = load(model_folder)
    assert result["model"] == model.id
    assert [(row["name"], row["axes"], row["shape"]) for row in result["sites"]] == [
        (site.name, list(site.axes), list(site.shape)) for site in model.sites()
    ]


def test_the_table_names_axes_with_their_lengths(run: Run, model_folder: Path) -> None:
    ran = run("sites", model_folder, "--site", "encoder.blocks.*.mlp.1", "--site", "logits", model=False)
    assert ran.status == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == [
        "site",
        "encoder.blocks.0.mlp.1",
        "encoder.blocks.1.mlp.1",
        "logits",
    ]
    assert "[window, frame 100, neuron 128]" in ran.out


def test_an_unknown_site_names_the_nearest(run: Run) -> None:
    ran = run("sites", "--site", "encoder.blocks.0.mpl.1")
    assert ran.status == 2 and ran.out == ""
    assert "site 'encoder.blocks.0.mpl.1' is not in" in ran.err
    assert "Nearest: encoder.blocks.0.mlp.1" in ran.err


def test_two_models_are_one_too_many(run: Run) -> None:
    ran = run("sites", "tiny")
    assert ran.status == 2 and "two models were named, 'tiny' and --model" in ran.err


def test_a_model_that_is_not_there_is_status_2(run: Run, tmp_path: Path) -> None:
    ran = run("sites", tmp_path / "nothing", model=False)
    assert ran.status == 2 and "there is no such file or folder" in ran.err


def test_an_unknown_device_or_dtype_is_status_2(run: Run) -> None:
    assert "device 'tpu' is not one of" in run("sites", "--device", "tpu").err
    ran = run("sites", "--dtype", "int8")
    assert ran.status == 2 and "dtype 'int8' is not one of" in ran.err
