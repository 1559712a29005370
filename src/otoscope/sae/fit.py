"""Whether a dictionary fits where it is to be used: the same site, the same weights of the model, the same width.

Only names in the dictionary's metadata are compared. otoscope's keys are `site`, `model`, `weights_hash` and `kinds`;
`hook_name` is another tool's key for a site, and counts if its value looks like one of ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from otoscope.base.errors import InputError
from otoscope.sae.dictionary import Dictionary


def named_site(metadata: Mapping[str, Any], known: Collection[str]) -> str | None:
    """Find the site that metadata names.

    `known`: possible sites; another tool's name counts if its first part is that of one of them.
    Returns the site, whether known or not; None if none is named.
    """
    site = metadata.get("site")
    if isinstance(site, str) and site:
        return site
    hook = metadata.get("hook_name")
    rooms = {name.split(".")[0] for name in known}
    return hook if isinstance(hook, str) and (hook in known or hook.split(".")[0] in rooms) else None


def named_hash(metadata: Mapping[str, Any]) -> str | None:
    """Find the hash of the model's weights in metadata; None if there is none."""
    value = metadata.get("weights_hash")
    return value if isinstance(value, str) and value else None


def check_fit(
    dictionary: Dictionary,
    *,
    site: str,
    model_id: str,
    weights_hash: str | None,
    d: int | None = None,
    force: bool = False,
    name: str = "this dictionary",
) -> None:
    """Refuse a dictionary that was trained on another site or another model."""
    if d is not None and d != dictionary.d_in:
        raise InputError(
            f"{name} takes {dictionary.d_in} values, and its site {site!r} holds {d}. Use a dictionary of that width."
        )
    if not force:
        trained_on = named_site(dictionary.metadata, (site,))
        if trained_on is not None and trained_on != site:
            raise InputError(
                f"{name} was trained on site {trained_on!r}, and is to be used on {site!r}. "
                "Use the dictionary of that site, or add --force to try."
            )
        check_model(dictionary, model_id=model_id, weights_hash=weights_hash, name=name)


def check_model(
    dictionary: Dictionary, *, model_id: str, weights_hash: str | None, force: bool = False, name: str
) -> None:
    """Refuse a dictionary that was trained on other weights; if either hash is unknown, it is accepted.

    `weights_hash`: the hash of the model's weights; None if unknown.
    """
    trained_on = named_hash(dictionary.metadata)
    if force or trained_on is None or weights_hash is None or trained_on == weights_hash:
        return
    maker = dictionary.metadata.get("model") or dictionary.metadata.get("model_name")
    described = (
        f"model {maker!r} with weights {trained_on}" if isinstance(maker, str) else f"a model with weights {trained_on}"
    )
    raise InputError(
        f"{name} was trained on {described}, and is to be used on {model_id!r} with weights {weights_hash}. "
        "Load the model that it was trained on, or add --force to try."
    )
