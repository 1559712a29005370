"""Whether a dictionary belongs where it is to be used: the same site, the same weights of the model, the same width.

Compares words that the dictionary's metadata has with words that it is given; it does not know what they stand for.
Metadata in otoscope's words: `site`, `model`, `weights_hash`, `kinds`. `hook_name` is another tool's word for a site,
and counts where it is written like one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from otoscope.base.errors import InputError
from otoscope.sae.dictionary import Dictionary


def named_site(metadata: Mapping[str, Any], known: Collection[str]) -> str | None:
    """Find the site that metadata names.

    Args:
        metadata: What a dictionary's maker said.
        known: Sites that could be meant; another tool's name counts if it begins with the same word as one of them.

    Returns:
        The site, be it among the known or not; None where none is named.
    """
    site = metadata.get("site")
    if isinstance(site, str) and site:
        return site
    hook = metadata.get("hook_name")
    rooms = {name.split(".")[0] for name in known}
    return hook if isinstance(hook, str) and (hook in known or hook.split(".")[0] in rooms) else None


def named_hash(metadata: Mapping[str, Any]) -> str | None:
    """Find the hash of the model's weights that metadata names; None where there is none."""
    found = metadata.get("weights_hash")
    return found if isinstance(found, str) and found else None


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
    """Refuse a dictionary that was trained on another site or another model.

    Args:
        dictionary: What is to be used.
        site: Where.
        model_id: What the model is called in messages.
        weights_hash: Of the model; None where it is not known, and then the site alone counts.
        d: Length of the site's vectors; None where it is not known.
        force: Try all the same; vectors of another length cannot be tried.
        name: What the dictionary is called in messages.

    Raises:
        InputError: It was trained elsewhere, or takes vectors of another length.
    """
    if d is not None and d != dictionary.d_in:
        raise InputError(
            f"{name} takes {dictionary.d_in} values, and its site {site!r} holds {d}. Take a dictionary of that width."
        )
    if not force:
        trained_on = named_site(dictionary.metadata, (site,))
        if trained_on is not None and trained_on != site:
            raise InputError(
                f"{name} was trained on site {trained_on!r}, and is to be used on {site!r}. "
                "Take the dictionary of that site, or add --force to try."
            )
        check_model(dictionary, model_id=model_id, weights_hash=weights_hash, name=name)


def check_model(
    dictionary: Dictionary, *, model_id: str, weights_hash: str | None, force: bool = False, name: str
) -> None:
    """Refuse a dictionary that was trained on other weights; where either is not known, it is let through.

    Args:
        dictionary: What is to be used.
        model_id: What the model is called in messages.
        weights_hash: Of the model.
        force: Let it through.
        name: What the dictionary is called in messages.

    Raises:
        InputError: The hashes are not the same.
    """
    own = named_hash(dictionary.metadata)
    if force or own is None or weights_hash is None or own == weights_hash:
        return
    maker = dictionary.metadata.get("model") or dictionary.metadata.get("model_name")
    of = f"model {maker!r} with weights {own}" if isinstance(maker, str) else f"a model with weights {own}"
    raise InputError(
        f"{name} was trained on {of}, and is to be used on {model_id!r} with weights {weights_hash}. "
        "Load the model that it was trained on, or add --force to try."
    )
