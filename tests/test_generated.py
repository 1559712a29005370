"""What is written from the code is as the code has it: run `make reference` where one of these fails."""

from __future__ import annotations

from tools import reference, stub


def test_the_reference_page_is_up_to_date() -> None:
    assert reference.PAGE.read_text("utf-8") == reference.page()


def test_the_stub_of_public_names_is_up_to_date() -> None:
    assert stub.STUB.read_text("utf-8") == stub.stub()
