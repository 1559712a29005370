"""What is written from the code is as the code has it: run `make reference` where one of these fails."""

from __future__ import annotations

from tools import api, reference, stub


def test_the_reference_page_is_up_to_date() -> None:
    assert reference.PAGE.read_text("utf-8") == reference.page()


def test_the_stub_of_public_names_is_up_to_date() -> None:
    assert stub.STUB.read_text("utf-8") == stub.stub()


def test_the_page_of_public_names_is_up_to_date() -> None:
    assert api.PAGE.read_text("utf-8") == api.page()


def test_the_stub_gives_functions_their_settings_and_docstrings() -> None:
    import ast

    known = {node.name: node for node in ast.parse(stub.stub()).body if isinstance(node, ast.FunctionDef)}
    names = {argument.arg for argument in known["train_dictionaries"].args.kwonlyargs}
    assert {"k", "coder", "expansion", "settings", "progress"} <= names
    assert not [name for name, node in known.items() if not ast.get_docstring(node)]
