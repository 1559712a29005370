"""Stop where a model computes what is no number, and say where that began.

A sum over the vocabulary of a decoder that overflowed is still a choice of a token, so that nothing but the text would
tell: "!!!!". Checking costs a look at each output; finding the place costs one more run, in which all sites are looked
at but the patterns.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from otoscope.base.errors import ModelError
from otoscope.model.sites import Kind

if TYPE_CHECKING:
    from otoscope.model.sites import Site
    from otoscope.model.whisper import Whisper


class NotFiniteError(Exception):
    """Logits that are no numbers, in the middle of a run; `not_finite` says where they come from."""


def are_numbers(logits: Tensor) -> bool:
    """Whether logits are numbers: minus infinity is one, as an edit that rules tokens out writes it."""
    return bool(torch.isfinite(logits.detach().amax(dim=-1)).all())


def check_finite(model: Whisper, values: Tensor, again: Callable[[], object]) -> None:
    """Refuse an output that holds NaN or infinite values.

    Args:
        model: Whose output it is.
        values: The output.
        again: Computes it once more, to find where it began.

    Raises:
        ModelError: A value is not finite; the first site that holds one is named.
    """
    if not bool(torch.isfinite(values.detach()).all()):
        raise not_finite(model, again)


def finite_logits(model: Whisper, run: Callable[[], Tensor]) -> Tensor:
    """Run the decoder, and refuse logits that are no numbers.

    Args:
        model: Any Whisper.
        run: Gives the logits; it is run again where they are no numbers.

    Returns:
        The logits in float32.

    Raises:
        ModelError: A logit is no number; the first site that holds one is named.
    """
    logits = run()
    if not are_numbers(logits):
        raise not_finite(model, run)
    return logits.float()


def not_finite(model: Whisper, again: Callable[[], object]) -> ModelError:
    """Make the error that names the first site whose output is not finite."""
    found: list[Site] = []

    def look(site: Site, values: Tensor) -> None:
        is_fine = are_numbers(values) if site.name == "logits" else bool(torch.isfinite(values).all())
        if not (found or is_fine):
            found.append(site)

    names = [site.name for site in model.sites() if site.kind is not Kind.PATTERN]
    with model.reading_paused(), model.looking(names, look), torch.no_grad(), suppress(NotFiniteError):
        again()
    where = f"the first is in the output of {found[0].name!r}" if found else "a second run of the same gave none"
    clip = "" if model.last_clip_id is None else f" The clip taken in last was {model.last_clip_id!r}."
    return ModelError(
        f"{model.id} computed values that are no numbers (NaN or infinite): {where}. {_what_to_do(model)}{clip}"
    )


def _what_to_do(model: Whisper) -> str:
    edited = sorted(model.edited_sites())
    if edited:
        listed = ", ".join(edited[:3]) + (", ..." if len(edited) > 3 else "")
        return f"Edits are on at {listed}: check what they return."
    if model.dtype == torch.float16:
        return "float16 ends at 65,504, and this model goes beyond it: load it with dtype float32 or bfloat16."
    return "Check the weights: a training that diverged leaves values too large to multiply."
