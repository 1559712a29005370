"""Arrays and numbers of a result on their way to a file; tables are `base.files`'s, pictures `pictures`'s.

Files are a few MB. Folders of results that appear at once are `base.results`'s work, around a call of `save`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from otoscope.base.files import atomic_path


def write_arrays(path: Path, **arrays: Any) -> Path:
    """Write a result's arrays as a compressed `.npz`.

    Args:
        path: The file.
        arrays: Arrays or numbers by key.

    Returns:
        The file.

    Raises:
        OutputError: The file cannot be written.

    Source:
        numpy.savez_compressed.
    """
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)
    return path


def finite(value: float | None, digits: int = 6) -> float | None:
    """Round a number for a table; what is not a number becomes None, which JSON can hold.

    Args:
        value: Any number, or None.
        digits: Decimal places kept.

    Returns:
        The rounded number or None.

    Source:
        Ours.
    """
    return None if value is None or not np.isfinite(value) else round(float(value), digits)
