"""Reads what the parts of a study wrote, for its verdicts: JSON alone, and nothing for what is not known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class PartFiles:
    """The files of a study's parts.

    Attributes:
        folder: The study's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, dict[str, Any]] = {}

    def __call__(self, name: str) -> dict[str, Any]:
        """Read a file, once.

        Returns what it holds, without nulls at any depth (what was not measured is simply missing); an empty object
        where the file is missing, damaged, or holds something else.
        """
        if name not in self._read:
            try:
                content = json.loads((self.folder / name).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                content = {}
            self._read[name] = known(content) if isinstance(content, dict) else {}
        return self._read[name]

    def lacking(self, part: str, needs: str, lacking: str = "what it wrote does not hold this") -> tuple[str, str]:
        """Say why a part gives nothing to judge by, and what it would take.

        `needs`: for a part that was done: what would give it something to judge by.
        `lacking`: for a part that was done: why it gives nothing.
        Returns the reason, and `needs`; the latter is empty for a part that was not done, whose findings are not
        tested.
        """
        for row in self("study.json").get("parts") or []:
            if row.get("name") == part:
                if row.get("state") == "done":
                    return f"the part {part} was done, but {lacking}", needs
                state = "failed" if row.get("state") == "failed" else "was left out"
                return f"the part {part} {state} ({row.get('why')})", ""
        return f"there is no part {part}", ""


def known(value: Any) -> Any:
    """Leave out what is null in a value read from JSON, at any depth."""
    if isinstance(value, dict):
        return {key: known(item) for key, item in value.items() if item is not None}
    return [known(item) for item in value if item is not None] if isinstance(value, list) else value
