"""Write src/otoscope/__init__.pyi: the public names, for type checkers and editors. `make reference`."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from otoscope.public import HOMES

STUB = Path(__file__).parent.parent / "src" / "otoscope" / "__init__.pyi"


def stub() -> str:
    """Write the whole stub."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, home in HOMES.items():
        names[home].append(name)
    lines = ["# Written from the code by `make reference`; do not change it by hand."]
    for home in sorted(names):
        imported = ", ".join(f"{name} as {name}" for name in sorted(names[home]))
        line = f"from {home} import {imported}"
        if len(line) > 120:
            line = "\n".join(
                [f"from {home} import (", *(f"    {name} as {name}," for name in sorted(names[home])), ")"]
            )
        lines.append(line)
    lines += ["", "__all__: list[str]", "__version__: str", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
