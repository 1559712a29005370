"""Stop where a model computes NaN or infinite values, and say where they began.

A decoder that overflowed still picks a token, so that only the text ("!!!!") would show it. Checking reads each output
once; finding where it began costs one more run, in which all sites but the attention patterns are checked.
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
    """Logits that are NaN or infinite, in the middle of a run; `not_finite` says where they come from."""


def are_numbers(logits: Tensor) -> bool:
    """Whether logits are numbers; minus infinity is allowed, since edits that rule tokens out write it."""
    return bool(torch.isfinite(logits.detach().amax(dim=-1)).all())


def check_finite(model: Whisper, values: Tensor, again: Callable[[], object]) -> None:
    """Refuse an output that holds NaN or infinite values.

    `again`: computes the output once more, to find where such values began.
    """
    if not bool(torch.isfinite(values.detach()).all()):
        raise not_finite(model, again)


def finite_logits(model: Whisper, run: Callable[[], Tensor]) -> Tensor:
    """Run the decoder, and refuse logits that are NaN or infinite.

    `run`: computes the logits; called again where they are not numbers.
    """
    logits = run()
    if not are_numbers(logits):
        raise not_finite(model, run)
    return logits.float()


def not_finite(model: Whisper, again: Callable[[], object]) -> ModelError:
    """Make the error that names the first site whose output is not finite."""
    broken: list[Site] = []

    def look(site: Site, values: Tensor) -> None:
        is_fine = are_numbers(values) if site.name == "logits" else bool(torch.isfinite(values).all())
        if not (broken or is_fine):
            broken.append(site)

    names = [site.name for site in model.sites() if site.kind is not Kind.PATTERN]
    with model.reading_paused(), model.looking(names, look), torch.no_grad(), suppress(NotFiniteError):
        again()
    where = f"the first is in the output of {broken[0].name!r}" if broken else "a second run gave none"
    clip = "" if model.last_clip_id is None else f" The last clip read was {model.last_clip_id!r}."
    return ModelError(
        f"{model.id} computed values that are not numbers (NaN or infinite): {where}. {_what_to_do(model)}{clip}"
    )


def _what_to_do(model: Whisper) -> str:
    edited = sorted(model.edited_sites())
    if edited:
        listed = ", ".join(edited[:3]) + (", ..." if len(edited) > 3 else "")
        return f"Edits are on at {listed}: check what they return."
    if model.dtype == torch.float16:
        return "float16 ends at 65,504, and this model goes beyond it: load it with dtype float32 or bfloat16."
    return "Check the weights: a training that diverged leaves values too large to multiply."
