"""Write the frozen files anew: python -m tests.golden.make [NAME...]."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.golden.commands import COMMANDS
from tests.golden.freeze import FROZEN, Workshop


def write(names: list[str]) -> None:
    """Freeze these commands, or all."""
    unknown = sorted(set(names) - set(COMMANDS))
    if unknown:
        sys.exit(f"No such command: {', '.join(unknown)}. Known: {', '.join(COMMANDS)}.")
    FROZEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        for name in names or COMMANDS:
            text = json.dumps(workshop.freeze(name), indent=1, ensure_ascii=False)
            (FROZEN / f"{name}.json").write_text(text + "\n", encoding="utf-8")
            sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    write(sys.argv[1:])
