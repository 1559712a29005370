"""The experiment that docs/extending.md builds works: command, part of a study, public name, files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "extending.md"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the page."""
    folder = tmp_path_factory.mktemp("extended")
    for name, code in re.findall(r"```python\n# ([\w/]+\.py)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(code)
    assert {path.name for path in folder.rglob("*.py")} == {"settings.py", "experiment.py", "register.py"}
    return folder


def run(folder: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"import register\n{code}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_follows_from_the_record(written: Path) -> None:
    main = "from otoscope.cli.main import main"
    assert "Ask whether heads look farther" in run(written, f"{main}\nmain(['--help'])")
    text = run(written, f"{main}\nmain(['speaking-rate', 'demo', '--clips', '8', '--out', 'rate'])")
    assert "Do heads look farther when speech is slow?:" in text and "even attention (baseline)" in text
    table = json.loads((written / "rate" / "speaking_rate.json").read_text())
    assert table["n_clips"] == len(table["clips"]) > 5 and -1 <= table["rate"]["heads"]["correlation"]["value"] <= 1
    assert (written / "rate" / "speaking_rate.png").read_bytes().startswith(b"\x89PNG")


def test_the_part_of_a_study_the_settings_and_the_public_name_follow_too(written: Path) -> None:
    code = """
import otoscope as oto
from otoscope.study.catalogue import part_names
from otoscope.study.whole.settings import preset, with_general
settings = preset("quick")
assert settings.speaking_rate.clips == 8 and settings.to_json()["speaking_rate"] == {"clips": 8, "fewest_words": 3}
rest = tuple(name for name in part_names() if name != "speaking_rate")
model, clips = oto.load("demo"), oto.open_corpus("demo").first(12)
found = oto.run_study(model, clips, with_general(settings, without=rest), "study")
assert [row["state"] for row in found.about["parts"] if row["name"] == "speaking_rate"] == ["done"]
assert oto.SpeakingRate.name == "speaking_rate" and "speaking_rate" in dir(oto)
"""
    run(written, code)
    assert json.loads((written / "study" / "speaking_rate" / "speaking_rate.json").read_text())["n_clips"] == 8
