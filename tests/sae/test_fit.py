from __future__ import annotations

from typing import Any

import pytest

from otoscope.base.errors import InputError
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.fit import check_fit, named_site
from tests.sae.saelens import D_IN, weights_of

OURS = {"site": "encoder.blocks.2", "model": "demo", "weights_hash": "0a1b"}
HERE = {"site": "encoder.blocks.2", "model_id": "demo", "weights_hash": "0a1b", "d": D_IN}


def dictionary(**metadata: Any) -> Dictionary:
    return Dictionary("standard", weights_of("standard"), True, "none", False, None, metadata)


@pytest.mark.parametrize(
    ("metadata", "asked"),
    [
        (OURS, {}),
        (OURS, {"weights_hash": None}),
        (OURS, {"model_id": "another name of the same"}),
        (OURS, {"d": None}),
        ({"site": "encoder.blocks.2"}, {}),
        ({"weights_hash": "0a1b"}, {}),
        ({}, {}),
        ({"hook_name": "blocks.7.hook_resid_post"}, {}),
        ({"hook_name": "encoder.blocks.2"}, {}),
        ({"site": "encoder.blocks.2", "hook_name": "encoder.blocks.3"}, {}),
    ],
)
def test_what_belongs_there_or_does_not_say_is_let_through(metadata: dict[str, Any], asked: dict[str, Any]) -> None:
    check_fit(dictionary(**metadata), **{**HERE, **asked})


@pytest.mark.parametrize(
    ("metadata", "asked", "message"),
    [
        (
            OURS,
            {"site": "encoder.blocks.3"},
            "was trained on site 'encoder.blocks.2', and is to be used on 'encoder.blo",
        ),
        ({"hook_name": "encoder.blocks.1"}, {}, "was trained on site 'encoder.blocks.1'"),
        (
            OURS,
            {"weights_hash": "ffff"},
            "was trained on model 'demo' with weights 0a1b, and is to be used on 'demo' with w",
        ),
        ({"weights_hash": "0a1b"}, {"weights_hash": "ffff"}, "was trained on a model with weights 0a1b"),
    ],
)
def test_what_was_trained_elsewhere_is_refused_unless_forced(
    metadata: dict[str, Any], asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=rf"^DIR {message}.*--force to try"):
        check_fit(dictionary(**metadata), **{**HERE, **asked}, name="DIR")
    check_fit(dictionary(**metadata), **{**HERE, **asked}, force=True)


@pytest.mark.parametrize("force", [True, False])
def test_another_width_cannot_be_tried(force: bool) -> None:
    with pytest.raises(InputError, match="takes 6 values, and its site 'encoder.blocks.2' holds 7. Use a dictionary"):
        check_fit(dictionary(**OURS), **{**HERE, "d": D_IN + 1}, force=force)


def test_another_tools_name_counts_where_it_is_written_like_a_site() -> None:
    known = ("encoder.blocks.0", "x")
    assert named_site({"hook_name": "x"}, known) == "x"
    assert named_site({"hook_name": "encoder.blocks.9"}, known) == "encoder.blocks.9"
    assert named_site({"hook_name": "blocks.9.hook_mlp_out"}, known) is None
    assert named_site({"hook_name": 3, "site": ""}, known) is None
    assert named_site({"site": "elsewhere"}, known) == "elsewhere"
