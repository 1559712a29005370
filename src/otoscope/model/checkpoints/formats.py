"""All formats, in the order in which they are looked for."""

from __future__ import annotations

from pathlib import Path

from otoscope.base.errors import ModelError
from otoscope.model.checkpoints import ctranslate2, huggingface, torch_file
from otoscope.model.checkpoints.described import Described, Format

FORMATS: tuple[Format, ...] = (ctranslate2.FORMAT, huggingface.FORMAT, torch_file.FORMAT)


def describe(path: Path, *, source: str) -> Described:
    """Find out what a file or folder is, and read all of it but the weights.

    Args:
        path: It exists.
        source: What the checkpoint is called in messages.

    Returns:
        The checkpoint, ready to be read.

    Raises:
        ModelError: it is of no format that is read, or damaged; the message names the format where it is known.
    """
    for format_ in FORMATS:
        if format_.detect(path):
            return format_.describe(path, source)
    if path.is_dir():
        huggingface.FORMAT.describe(path, source)  # says what is missing
    if path.suffix == ".json":
        raise ModelError(
            f"checkpoint {source!r} is one file of a checkpoint. Give the folder that holds it, {str(path.parent)!r}."
        )
    raise ModelError(f"checkpoint {source!r} is of no format that is read.")
