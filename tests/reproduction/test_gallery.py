"""The gallery: its page is the program's, and each picture is there and small."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main
from PIL import Image

from otoscope.cli.app import application
from reproduction import gallery

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_program_writes() -> None:
    written = (DOCS / "gallery.md").read_text(encoding="utf-8")
    made = re.search(r"command below it \((.*?)\)", written)
    assert made is not None and written == gallery.page(made[1])


@pytest.mark.parametrize("picture", gallery.PICTURES, ids=lambda picture: picture.command.split()[0])
def test_every_picture_is_there_and_small_and_its_command_is_known(picture: gallery.Picture) -> None:
    name, *arguments = shlex.split(picture.command)
    path = DOCS / "images" / "gallery" / f"{name}.png"
    assert path.stat().st_size < 200_000
    with Image.open(path) as image:
        assert image.width <= gallery.MOST_PIXELS
    command = typer.main.get_command(application()).get_command(None, name)  # type: ignore[attr-defined, arg-type]
    context = command.make_context(name, [*arguments, "--model", "demo", "--out", "new"])
    assert context.params["out"] is not None


def test_a_picture_is_made_small(tmp_path: Path) -> None:
    Image.effect_noise((2400, 100), 50).save(tmp_path / "large.png")
    gallery.shrink(tmp_path / "large.png", tmp_path / "in" / "small.png")
    with Image.open(tmp_path / "in" / "small.png") as image:
        assert image.size == (1200, 50)
