"""What models cost: parameters as published, operations against the definition, and the page."""

from __future__ import annotations

from reproduction import costs


def test_parameters_are_those_that_were_published() -> None:
    published = {"tiny": 39, "base": 74, "small": 244, "medium": 769, "large-v3": 1550, "large-v3-turbo": 809}
    for name, millions in published.items():
        assert abs(costs.parameters(name) / 1e6 / millions - 1) < 0.04, name


def test_operations_are_those_of_the_matrices() -> None:
    d, frames = 384, 1500
    projections = 4 * 2 * frames * d * d
    attention = 2 * (2 * frames * frames * d)
    mlp = 2 * (2 * frames * d * 4 * d)
    convolutions = 2 * 3 * (2 * frames * 80 * d + frames * d * d)
    assert costs.encoder_operations("tiny") == 4 * (projections + attention + mlp) + convolutions


def test_the_page_says_what_was_measured_and_what_was_not() -> None:
    row = {"encode_s": 2.0, "transcribe_s": 3.0, "duration_s": 11.0, "memory_bytes": 8e8}
    page = costs.page({"tiny.en": row, "base": {**row, "encode_s": 4.0}}, "today")
    measured, calculated = page.split("## Calculated")
    assert "| base | 4.00 s | 3.00 s |" in measured and "today" in measured
    assert "| base | 73 million |" in calculated and "Nothing in this table was measured" in calculated
    assert next(line for line in calculated.splitlines() if line.startswith("| base |")).split("|")[5].strip() == "4 s"
