r"""Make the gallery of pictures, each by the command that stands below it, and its page.

python -m reproduction.gallery --model MODELS/faster-whisper-tiny.en --speech jfk.flac --page docs/gallery.md
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image

from otoscope.base.files import write_text
from otoscope.base.version import __version__
from otoscope.cli.main import main as otoscope

MOST_PIXELS = 1200
"""A wider picture is made smaller."""
COLOURS = 64
MODEL = "whisper-tiny.en"
SPEECH = "jfk.flac"


class Picture(NamedTuple):
    """A picture of the gallery."""

    title: str
    command: str  # without --model and --out
    file: str  # which of the files it is
    caption: str


PICTURES = (
    Picture(
        "How far does the encoder listen?",
        f"relevance {SPEECH}",
        "relevance.png",
        "Each row is a frame of the encoder's output, each column a frame that it depends on. During speech the map "
        "follows the diagonal: a frame depends on its neighbours. After the speech, frames depend on its end.",
    ),
    Picture(
        "What is transcribed when attention is limited?",
        f"window {SPEECH} --k 100,50,20,10,5",
        "window.png",
        "Every encoder frame may attend only to k frames (20 ms each) on either side. The curve is the word error rate "
        "against the transcript without a limit.",
    ),
    Picture(
        "What is lost with a stretch of the encoder's output?",
        f"splice {SPEECH} --start 8.2 --stop 11 --seconds",
        "splice.png",
        "The frames from 8.2 to 11 s were replaced by the encoder's output for padding: the words of the last phrase "
        "disappear from the transcript, and no others.",
    ),
    Picture(
        "What would each decoder block already say?",
        f"lens {SPEECH}",
        "lens.png",
        "The logit lens: the likeliest token if the decoder stopped after each of its blocks. Columns are the tokens "
        "of the transcript, rows the blocks; shaded cells already give the token that follows.",
    ),
    Picture(
        "What does the decoder say with no sound?",
        'bigrams "The traffic" Thank Good',
        "bigrams.png",
        "The likeliest next tokens after each prompt, while the encoder's output is that of padding.",
    ),
    Picture(
        "Which tokens lie nearest?",
        "neighbours rug UK traffic",
        "neighbours.png",
        "The nearest token embeddings of the decoder, after what all text tokens have in common was "
        "removed. Colour is the distance between the pronunciations: 0 is the same sound.",
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every command, and write the page and its pictures.

    Args:
        arguments: The command line; None for this process's own.

    Returns:
        The exit status: 0, or that of a command that failed.
    """
    options = parser().parse_args(arguments)
    images = options.page.resolve().parent / "images" / "gallery"
    with _workplace(options.model.resolve(), options.speech.resolve()):
        for picture in PICTURES:
            stem = picture.command.split()[0]
            if (images / f"{stem}.png").is_file() and not options.again:
                continue
            status = otoscope([*shlex.split(picture.command), "--model", MODEL, "--out", stem, "--quiet"])
            if status:
                return status
            shrink(Path(stem) / picture.file, images / f"{stem}.png")
    made = f"{datetime.now(UTC):%Y-%m-%d}, otoscope {__version__}, torch {torch.__version__}, on a CPU, float32"
    write_text(options.page, page(made))
    return 0


def page(made: str) -> str:
    """Write the page.

    Args:
        made: When and with what the pictures were made.

    Returns:
        Markdown.
    """
    head = (
        "# Gallery\n\nPictures of a released model, `whisper-tiny.en`, and `jfk.flac`: eleven seconds of John F. "
        "Kennedy's inaugural address, in the public domain, as it comes with OpenAI's Whisper. Each picture was made "
        f"by the command below it ({made}). Another model or recording takes the same command: see "
        "[usage.md](usage.md). "
        "Pictures of features and of the pages of a study are in the [README](../README.md) and in "
        "[atlas.md](atlas.md).\n\nMade by `python -m reproduction.gallery`; do not change it by hand.\n"
    )
    return "\n".join([head, *map(_section, PICTURES)])


def _section(picture: Picture) -> str:
    stem = picture.command.split()[0]
    return (
        f"## {picture.title}\n\n![{picture.title}](images/gallery/{stem}.png)\n\n{picture.caption}\n\n"
        f"```\notoscope {picture.command} --model openai/whisper-tiny.en --out {stem}\n```\n"
    )


def shrink(source: Path, target: Path) -> None:
    """Copy a picture with fewer pixels and colours."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as read:
        drawn: Image.Image = read.convert("RGB")
    if drawn.width > MOST_PIXELS:
        drawn = drawn.resize((MOST_PIXELS, round(drawn.height * MOST_PIXELS / drawn.width)), Image.Resampling.LANCZOS)
    drawn.quantize(COLOURS, method=Image.Quantize.FASTOCTREE).save(target, "PNG", optimize=True)


@contextlib.contextmanager
def _workplace(model: Path, speech: Path) -> Iterator[None]:
    """Work in an empty folder, where the model and the recording have the names that the page gives them."""
    before = Path.cwd()
    folder = Path(tempfile.mkdtemp())
    (folder / MODEL).symlink_to(model)
    (folder / SPEECH).symlink_to(speech)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        shutil.rmtree(folder)


def parser() -> argparse.ArgumentParser:
    """Define the command's options."""
    options = argparse.ArgumentParser(prog="python -m reproduction.gallery", description=__doc__.split("\n")[0])
    options.add_argument("--model", type=Path, required=True, help="the folder of whisper-tiny.en")
    options.add_argument("--speech", type=Path, required=True, help="jfk.flac")
    options.add_argument("--page", type=Path, required=True, help="the page to write")
    options.add_argument("--again", action="store_true", help="make pictures anew that are there already")
    return options


if __name__ == "__main__":
    sys.exit(main())
