"""The documentation keeps up with the program: commands, options and names are in it, and its Python runs."""

import pydoc
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import otoscope
from otoscope.cli.app import application

ROOT = Path(__file__).parent.parent
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(
        ROOT / "docs" / f"{name}.md"
        for name in (
            "usage",
            "tutorial",
            "reference",
            "api",
            "coming_from",
            "fine_tuned",
            "faq",
            "gallery",
            "costs",
            "models",
            "corpora",
            "harvest",
            "phones",
            "dictionaries",
            "decoder",
            "words",
            "steering",
            "atlas",
        )
    ),
)
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def commands() -> dict[str, set[str]]:
    """Every command with its options, as the program itself knows them."""
    import typer.main

    group = typer.main.get_command(application())
    return {
        name: {
            option
            for parameter in command.params
            for option in (*parameter.opts, *parameter.secondary_opts)
            if option.startswith("--")
        }
        for name, command in _leaves(group)
    }


def _leaves(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Commands by their names, those of a group of commands after the group's."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _leaves(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


def test_every_command_and_option_is_documented() -> None:
    known = commands()
    assert {"transcribe", "sites", "activations", "relevance", "locality", "window", "splice", "demo"} <= set(known)
    missing = [name for name in known if f"otoscope {name}" not in TEXT]
    missing += [f"{name} {option}" for name, options in known.items() for option in options if option not in TEXT]
    assert not missing


def test_no_option_is_documented_that_is_not_there() -> None:
    known = {option for options in commands().values() for option in options} | {"--version", "--help"}
    foreign = {"--constraint", "--local-dir", "--repo-type", "--single"}  # pip's, hf's and the Montreal aligner's
    foreign |= {"--nproc-per-node", "--no-python"}  # torchrun's
    foreign |= {"--no-timestamps", "--no-clamp", "--no-sound"}  # the other halves of pairs
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) <= known | foreign


def test_every_public_function_is_documented() -> None:
    functions = [name for name in otoscope.__all__ if name[0].islower()]
    assert not [name for name in functions if f"oto.{name}(" not in TEXT]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"(?<![\w/])otoscope(?:\.[A-Za-z_]\w*)+", TEXT))))
def test_every_module_and_name_in_the_pages_is_there(name: str) -> None:
    assert pydoc.locate(name) is not None


def test_the_citation_is_of_this_version() -> None:
    assert f"\nversion: {otoscope.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_links_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python" in page.read_text("utf-8")], ids=lambda page: page.name
)
def test_the_python_in_the_pages_runs(page: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    if page.stem == "tutorial":  # which goes on from block to block
        blocks = ["\n".join(blocks)]
    for block in blocks:
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr
