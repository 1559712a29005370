"""Write src/otoscope/__init__.pyi: the public names, for type checkers and editors. `make reference`."""

from __future__ import annotations

from pathlib import Path

from otoscope.public import HOMES

STUB = Path(__file__).parent.parent / "src" / "otoscope" / "__init__.pyi"


def stub() -> str:
    """Write the whole stub."""
    homes = sorted((home, name) for name, home in HOMES.items())
    imports = [f"from {home} import {name} as {name}" for home, name in homes]
    head = "# Written from the code by `make reference`; do not change it by hand."
    return "\n".join([head, *imports, "", "__all__: list[str]", "__version__: str", ""])


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
