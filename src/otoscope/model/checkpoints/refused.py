"""Formats that are known but cannot be read: each is refused by its name, with what to do instead."""

from __future__ import annotations

from pathlib import Path

from otoscope.base.errors import ModelError
from otoscope.model.checkpoints.files import is_lfs_pointer, lfs_refusal

_CONVERT = "Give the PyTorch weights of the same model (model.safetensors), which most repositories hold too"
_KINDS = (  # name, endings of files, names of entries of a folder, what to do
    ("ONNX", (".onnx", ".ort", ".onnx_data"), ("onnx",), f"{_CONVERT}: an exported graph has no modules to look into."),
    ("TensorFlow", (".h5", ".keras", ".pb", ".tflite"), ("saved_model.pb",), f"{_CONVERT}."),
    ("Flax", (".msgpack",), (), f"{_CONVERT}."),
    ("Core ML", (".mlmodel", ".mlpackage", ".mlmodelc"), (), f"{_CONVERT}."),
    ("OpenVINO", (), ("openvino_model.xml", "openvino_encoder_model.xml"), f"{_CONVERT}."),
    ("TensorRT", (".engine", ".plan"), (), f"{_CONVERT}."),
    ("NeMo", (".nemo",), (), f"{_CONVERT}; NeMo's own models are not Whispers."),
)
_TRAINING = "checkpoint-*"


def refusal(path: Path, *, source: str) -> ModelError:
    """Say what a file or folder is that no reader accepts."""
    known = known_refusal(path, source=source)
    if known is not None:
        return known
    if path.is_file():
        return _file_refusal(path, source)
    runs = [entry.name for entry in sorted(path.iterdir()) if entry.is_dir() and entry.match(_TRAINING)]
    if runs:
        return ModelError(
            f"checkpoint {source!r} is the folder of a training with {', '.join(runs[-3:])} in it. Give one of these."
        )
    held = ", ".join(sorted(entry.name for entry in path.iterdir())[:6]) or "nothing"
    return ModelError(
        f"checkpoint {source!r} has no config.json and no weights that are known; it holds {held}. Give a folder of "
        "Hugging Face, CTranslate2 or MLX, an OpenAI .pt file, a file of whisper.cpp, or a LoRA adapter."
    )


def known_refusal(path: Path, *, source: str) -> ModelError | None:
    """Say which known format a file or folder is of; None where it is none of those refused here."""
    entries = sorted(path.iterdir()) if path.is_dir() else [path]
    for entry in entries:
        if entry.is_file() and is_lfs_pointer(entry):
            return lfs_refusal(entry, source=source)
    for name, endings, names, instead in _KINDS:
        matches = [e.name for e in entries if e.suffix in endings or e.name in names]
        if matches:
            return ModelError(f"checkpoint {source!r} is for {name} ({matches[0]}), which is not read. {instead}")
    return None


def _file_refusal(path: Path, source: str) -> ModelError:
    if path.suffix == ".json":
        return ModelError(
            f"checkpoint {source!r} is one file of a checkpoint. Give the folder that holds it, {str(path.parent)!r}."
        )
    with path.open("rb") as opened:
        head = opened.read(16)
    if not head:
        return ModelError(f"checkpoint {source!r} is empty (0 bytes). Copy or download it again.")
    is_page = head.lstrip()[:1] == b"<"
    what = "a web page, not a model" if is_page else f"of no format that is known (it begins with {head[:8]!r})"
    return ModelError(
        f"checkpoint {source!r} is {what}. Files that can be read are OpenAI's .pt, safetensors, whisper.cpp's "
        "and GGUF. Download it again, or give the folder it came in."
    )
