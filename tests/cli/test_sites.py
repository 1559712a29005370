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
