"""Read a `.pt` or `.bin` file without running code in it.

Such a file is a pickle, and a pickle is a program. This reads the tensors, numbers, strings, lists and dicts in it with
torch's restricted reader, and refuses any file that asks for more, naming what it asked for.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from otoscope.base.errors import ModelError


def read_pickle(path: Path) -> Any:
    """Read a torch file that holds plain data.

    Source: `torch.load(weights_only=True)`.
    """
    if not path.is_file():
        raise ModelError(f"checkpoint {str(path)!r}: there is no such file. Give the path of a .pt file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about pickle protocols, where the file is refused anyway
            is_archive = zipfile.is_zipfile(path)  # torch before 1.6 wrote no archive, which cannot be mapped
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_archive)
    except pickle.UnpicklingError as error:
        global_name = re.search(r"GLOBAL (\S+)", str(error))
        if global_name is None and "Unsupported" not in str(error):
            raise ModelError(_damaged(path, error)) from error
        request = f"it asks to run or build {global_name[1]}" if global_name else "it asks for more than data"
        raise ModelError(
            f"checkpoint {str(path)!r} carries code or objects, not only weights ({request}): refused, and none of it "
            "was run. A checkpoint may hold tensors, numbers, strings, lists and dicts. Save it again as "
            "{'dims': dict, 'model_state_dict': dict of tensors}, or as safetensors."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
        raise ModelError(_damaged(path, error)) from error


def _damaged(path: Path, error: Exception) -> str:
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else "nothing to read"
    return (
        f"checkpoint {str(path)!r} ({path.stat().st_size} bytes) cannot be read as a torch file: it is cut short, "
        f"damaged, or something else ({type(error).__name__}: {first_line[:160]}). Copy or download it again."
    )
