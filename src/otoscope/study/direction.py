"""A direction at a site: one vector, where it belongs and how it was found, in its own file.

Probes, means of classes and features give directions; steering adds them. Knows how such a file is written and whether
a direction fits a model, not what it is for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import atomic_path
from otoscope.model.whisper import Whisper
from otoscope.study.rich import Rich
from otoscope.study.sites import one_site

TENSOR = "vector"
MAKER = "otoscope direction"


@dataclass(frozen=True, eq=False, repr=False)
class Direction(Rich):
    """One vector at a site."""

    vector: np.ndarray  # float32 [d]
    site: str
    name: str  # in tables and pictures: `phone AA - phone AE`
    model: str = ""  # id of the model it was found in; empty where that is not known
    weights_hash: str = ""  # of that model's weights; empty where that is not known
    details: Mapping[str, Any] = field(default_factory=dict)  # how it was found, standard JSON values only

    @property
    def length(self) -> float:
        """Its Euclidean length."""
        return float(np.linalg.norm(self.vector))

    def scaled(self, length: float) -> Direction:
        """Return the same direction at another length.

        Args:
            length: The Euclidean length it is to have.

        Raises:
            InputError: It has length 0 and so no direction, or the length is not finite.
        """
        if not np.isfinite(length):
            raise InputError(f"the length of a direction is {length!r}: give a finite number.")
        if not self.length > 0:
            raise InputError(f"direction {self.name!r} is all zeros: it points nowhere and cannot be scaled.")
        return replace(self, vector=(self.vector * (length / self.length)).astype(np.float32))

    def check(self, model: Whisper, site: str | None = None, *, force: bool = False) -> str:
        """Refuse a direction that does not fit a model.

        Args:
            model: Where it is to be used.
            site: The site where it is to be used; None for the one it names.
            force: Accept a direction of another site or of other weights if it has as many values as the site.

        Returns:
            The site's full name.

        Raises:
            SiteError: The site is not in the model.
            InputError: It holds values that are not finite, does not fit the site, or was found elsewhere.
        """
        there = one_site(model, site or self.site, "a direction is")
        if not np.isfinite(self.vector).all():
            raise InputError(f"direction {self.name!r} holds values that are not finite. Make it again.")
        if there.shape[-1] != self.vector.size:
            raise InputError(
                f"direction {self.name!r} has {self.vector.size} values, and site {there.name!r} of {model.id} holds "
                f"{there.shape[-1]}. Take a direction of that site."
            )
        if not force:
            self._check_origin(model, there.name)
        return there.name

    def _check_origin(self, model: Whisper, site: str) -> None:
        if self.site and model.expand(self.site) != [site]:
            raise InputError(
                f"direction {self.name!r} was found at {self.site!r}, and is to be used at {site!r}. Use it there, or "
                "add --force to try."
            )
        if self.weights_hash and self.weights_hash != model.weights_hash:
            raise InputError(
                f"direction {self.name!r} was found in model {self.model!r} with weights {self.weights_hash}, and is "
                f"to be used in {model.id!r} with weights {model.weights_hash}. Use it there, or add --force to try."
            )

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file that holds the vector, with everything else as metadata.

        Raises:
            OutputError: The file cannot be written.
        """
        metadata = {
            "format": MAKER,
            "site": self.site,
            "name": self.name,
            "model": self.model,
            "weights_hash": self.weights_hash,
            "details": json.dumps(dict(self.details)),
        }
        with atomic_path(path) as temporary:
            save_file({TENSOR: np.ascontiguousarray(self.vector, np.float32)}, temporary, metadata=metadata)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Direction:
        """Read a file that `save` wrote, or any safetensors file with one vector.

        Raises:
            InputError: It cannot be read, or holds something else.
        """
        try:
            with safe_open(Path(path), framework="numpy") as file:
                names, metadata = list(file.keys()), dict(file.metadata() or {})
                vector = file.get_tensor(names[0]) if len(names) == 1 else None
            details = json.loads(metadata.get("details", "{}"))
        except (OSError, SafetensorError, ValueError, TypeError) as error:
            raise InputError(
                f"direction {str(path)!r} cannot be read ({str(error)[:200]}). Give a safetensors file with one vector."
            ) from error
        if vector is None or vector.ndim != 1 or not np.issubdtype(vector.dtype, np.floating):
            raise InputError(
                f"direction {str(path)!r} holds the tensors {', '.join(names) or 'none'}: it is one vector [d] of "
                "floating type, called 'vector'."
            )
        origin = {key: metadata.get(key, "") for key in ("site", "model", "weights_hash")}
        return cls(vector.astype(np.float32), name=metadata.get("name") or Path(path).stem, details=details, **origin)

    def _shown(self) -> html.Shown:
        return html.Shown(
            f"Direction: {self.name}",
            [
                ("site", self.site or None),
                ("values", self.vector.size),
                ("length", self.length),
                ("model", self.model or None),
                ("weights", self.weights_hash or None),
                *((name.replace("_", " "), value) for name, value in self.details.items()),
            ],
        )
