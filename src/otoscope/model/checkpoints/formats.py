"""All formats, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from otoscope.base.errors import ModelError
from otoscope.model.checkpoints import adapter, ctranslate2, ggml, gguf_file, huggingface, mlx, torch_file
from otoscope.model.checkpoints.described import CheckpointDescription, CheckpointFormat
from otoscope.model.checkpoints.refused import refusal

FORMATS: tuple[CheckpointFormat, ...] = (
    ctranslate2.FORMAT,
    mlx.FORMAT,
    huggingface.FORMAT,
    ggml.FORMAT,
    gguf_file.FORMAT,
    torch_file.FORMAT,
)


def describe(
    path: Path, *, source: str, find: Callable[[str | Path], tuple[Path, str]], base_model: str | Path | None = None
) -> CheckpointDescription:
    """Find out which format a file or folder is of, and read everything but the weights.

    Args:
        path: A file or folder that exists.
        source: What the checkpoint is called in messages.
        find: Finds the file or folder of a base by its name; returns also what it is called in messages.
        base_model: What an adapter is merged into; by default what the adapter names itself.

    Returns:
        The checkpoint, ready to be read.

    Raises:
        ModelError: no format that can be read fits, or it is damaged; the message names the format where it is known.
    """
    if adapter.is_adapter(path):
        base_path, base_name = _base(path, source, find, base_model)
        base = describe(base_path, source=base_name, find=find)
        return adapter.merged(path, base, source=source, base_name=base_name)
    for format_ in FORMATS:
        if format_.detect(path):
            return format_.describe(path, source)
    raise refusal(path, source=source)


def _base(
    path: Path, source: str, find: Callable[[str | Path], tuple[Path, str]], base_model: str | Path | None
) -> tuple[Path, str]:
    name = base_model if base_model is not None else adapter.base_of(path, source=source)
    if name is None:
        raise ModelError(
            f"adapter {source!r} does not say which model it was trained on (base_model_name_or_path in its "
            "adapter_config.json). Give that model as base_model, or with --base-model."
        )
    try:
        return find(name)
    except ModelError as error:
        if base_model is not None:
            raise
        raise ModelError(
            f"adapter {source!r} was trained on {str(name)!r}, which cannot be found: {error} A model on this machine "
            "can be given as base_model, or with --base-model."
        ) from error
