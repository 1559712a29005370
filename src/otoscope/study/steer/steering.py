"""What steering changes in a model: a vector added, a feature scaled, a head scaled, each by a strength.

A change is linear in its strength: at 0 it does nothing, and at 1 it is applied as named. Each has a twin of the same
size in a random direction, to compare with. Costs what an edit of one site costs. It knows sites and vectors, not
clips: `where` chooses the frames that are changed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.base.errors import InputError, SiteError
from otoscope.base.short_repr import ShortRepr
from otoscope.model.sites import Site
from otoscope.model.whisper import Whisper
from otoscope.study.direction import Direction
from otoscope.study.feature import Feature
from otoscope.study.sites import vector_width

HUGE = 1e4
"""A factor of more than this, or a vector of more than this many times the length of what a site holds, is refused."""

_HEAD = re.compile(r"(encoder|decoder)(?:\.blocks)?\.(\d+)(?:\.(attn|cross_attn))?[.:](\d+)")


class Change(Protocol):
    """One thing that steering changes."""

    @property
    def site(self) -> str:
        """The site that it changes."""

    @property
    def name(self) -> str:
        """Its name in tables and pictures."""

    def apply(self, x: Float[Tensor, "window place d"], strength: float) -> Float[Tensor, "window place d"]:
        """Return what the site holds instead, of the same type."""

    def twin(self, rng: np.random.Generator) -> Change | None:
        """Return a change of the same size in a random direction; None where there is no other."""


@dataclass(frozen=True, eq=False)
class Add:
    """Adds a vector, times the strength."""

    direction: Direction
    site: str

    @property
    def name(self) -> str:
        """Its name in tables and pictures."""
        return f"add {self.direction.name} at {self.site}"

    def apply(self, x: Float[Tensor, "window place d"], strength: float) -> Float[Tensor, "window place d"]:
        """Add in float32, whatever the site's type."""
        return (x.float() + strength * _tensor(self.direction, x)).to(x.dtype)

    def twin(self, rng: np.random.Generator) -> Add:
        """Return a random vector of equal length."""
        return replace(self, direction=random_direction(self.direction, rng))


@dataclass(frozen=True, eq=False, repr=False)
class ScaleFeature(ShortRepr):
    """Multiplies how strongly a feature is active: 0 removes it."""

    feature: Feature
    factor: float  # at steering strength 1
    along: Direction | None = (
        None  # another direction for the change, of the same size at every frame; None for the feature's
    )

    @property
    def site(self) -> str:
        """The feature's site."""
        return self.feature.site

    @property
    def name(self) -> str:
        """Its name in tables and pictures."""
        return f"scale {self.feature.name} by {self.factor:g}"

    def apply(self, x: Float[Tensor, "window place d"], strength: float) -> Float[Tensor, "window place d"]:
        """Scale, a window at a time: a dictionary's strengths are many."""
        more = strength * (self.factor - 1)
        changed = torch.stack([self._changed(window, more) for window in x])
        if self.along is None:
            return changed
        size = (changed.float() - x.float()).norm(dim=-1, keepdim=True)
        return (x.float() + size * _tensor(self.along, x)).to(x.dtype)

    def _changed(self, x: Float[Tensor, "place d"], more: float) -> Float[Tensor, "place d"]:
        dictionary = self.feature.directions.dictionary
        if dictionary is not None:
            return dictionary.to(x.device).changed(x, {self.feature.index: 1 + more})
        strengths = self.feature.strengths(x)[..., None]
        return (x.float() + more * strengths * _tensor(self.feature.direction(), x)).to(x.dtype)

    def twin(self, rng: np.random.Generator) -> ScaleFeature:
        """Return a change of the same size at every frame, along a random direction."""
        return replace(self, along=random_direction(self.feature.direction().scaled(1.0), rng))


@dataclass(frozen=True)
class ScaleHead:
    """Multiplies what one attention head reads: 0 removes it.

    The head's values are scaled, which scales its part of the attention's output exactly and keeps the pattern.
    """

    room: str  # `encoder` or `decoder`
    block: int
    part: str  # `attn`, or `cross_attn` for the decoder's attention to the encoder
    head: int
    factor: float  # at steering strength 1
    width: int  # values that the head has in a vector
    n_blocks: int  # in that room
    n_heads: int  # in a block

    @property
    def site(self) -> str:
        """The values of its attention."""
        return f"{self.room}.blocks.{self.block}.{self.part}.value"

    @property
    def short_name(self) -> str:
        """Its short name: `decoder.0.cross_attn.2`."""
        return f"{self.room}.{self.block}.{self.part}.{self.head}"

    @property
    def name(self) -> str:
        """Its name in tables and pictures."""
        return f"scale head {self.short_name} by {self.factor:g}"

    def apply(self, x: Float[Tensor, "window place d"], strength: float) -> Float[Tensor, "window place d"]:
        """Scale the head's share of every vector."""
        values = slice(self.head * self.width, (self.head + 1) * self.width)
        result = x.clone()
        result[..., values] = (x[..., values].float() * (1 + strength * (self.factor - 1))).to(x.dtype)
        return result

    def twin(self, rng: np.random.Generator) -> ScaleHead | None:
        """Return another head of the same kind, at random."""
        heads = [(block, head) for block in range(self.n_blocks) for head in range(self.n_heads)]
        others = [pair for pair in heads if pair != (self.block, self.head)]
        if not others:
            return None
        block, head = others[int(rng.integers(len(others)))]
        return replace(self, block=block, head=head)


def random_direction(like: Direction, rng: np.random.Generator) -> Direction:
    """Draw a vector of the same length and site, evenly over all directions."""
    drawn = replace(like, vector=rng.normal(size=like.vector.size).astype(np.float32), name="random direction")
    return drawn.scaled(like.length) if like.length > 0 else like.scaled(1.0)


def add_direction(model: Whisper, direction: Direction, site: str | None = None, *, force: bool = False) -> Add:
    """Add a vector to what a site holds.

    Args:
        model: Any Whisper.
        direction: The vector.
        site: Where; None for the site that the direction names.
        force: Accept a direction of another site or of other weights.

    Raises:
        SiteError: The site is not in the model.
        InputError: The vector does not fit, is not finite, or has length 0; or no site is named.
    """
    if not (site or direction.site):
        raise InputError(f"direction {direction.name!r} names no site. Say where it is to be added: --site SITE.")
    name = direction.check(model, site, force=force)
    vector_width(site_of(model, name), "a vector is added", "encoder.blocks.0")
    direction.scaled(1.0)  # refuses a length of 0
    return Add(direction, name)


def scale_feature(feature: Feature, factor: float) -> ScaleFeature:
    """Multiply how strongly a feature is active."""
    return ScaleFeature(feature, checked_factor(factor, feature.name))


def scale_head(model: Whisper, head: str, factor: float = 0.0) -> ScaleHead:
    """Multiply what one attention head reads.

    Args:
        model: Any Whisper.
        head: `ROOM.BLOCK.PART.HEAD`: `decoder.0.cross_attn.2`, `decoder.1.attn.0`; `encoder.3.1`, where there is one
            part alone.
        factor: 0 removes it, 1 leaves it.

    Raises:
        SiteError: There is no such head.
        InputError: The name is not valid, or the factor cannot be used.
    """
    match = _HEAD.fullmatch(head.strip())
    if match is None or (match[1] == "decoder" and match[3] is None):
        raise InputError(
            f"head {head!r} is not a head's name: give ROOM.BLOCK.PART.HEAD, such as decoder.0.cross_attn.2, "
            "decoder.0.attn.2 or encoder.0.attn.2."
        )
    room, block, part, number = match[1], int(match[2]), match[3] or "attn", int(match[4])
    pattern = next(iter(model.expand(f"{room}.blocks.{block}.{part}.pattern")))
    n_heads = next(int(site.shape[1] or 0) for site in model.sites() if site.name == pattern)
    if number >= n_heads:
        raise SiteError(
            f"head {number} is not in {room}.blocks.{block}.{part} of {model.id}, which has {n_heads}. "
            f"Give a head from 0 to {n_heads - 1}."
        )
    n_blocks = model.n_encoder_blocks if room == "encoder" else model.n_decoder_blocks
    scale = checked_factor(factor, head)
    return ScaleHead(room, block, part, number, scale, model.d_model // n_heads, n_blocks, n_heads)


def checked_factor(factor: float, name: str) -> float:
    """Refuse a factor that is not finite or huge."""
    if not math.isfinite(factor) or abs(factor) > HUGE:
        raise InputError(
            f"the factor of {name} is {factor!r}: give a finite number of at most {HUGE:g} in size; 0 removes it and 1 "
            "leaves it."
        )
    return float(factor)


def check_strengths(strengths: Sequence[float]) -> tuple[float, ...]:
    """Refuse strengths that cannot be used; those given twice are taken once."""
    once = tuple(dict.fromkeys(float(strength) for strength in strengths))
    if not once or not all(map(math.isfinite, once)):
        raise InputError(f"the strengths are {list(strengths)}: give one or more finite numbers, such as 0,1,2,4.")
    return once


def check_sizes(model: Whisper, changes: Sequence[Change], strengths: Sequence[float], sizes: dict[str, float]) -> None:
    """Refuse vectors that are huge beside the mean lengths (`sizes`) of what their sites hold, or not finite there."""
    strongest = max(map(abs, strengths))
    for change in changes:
        if isinstance(change, Add):
            length, mean = strongest * change.direction.length, sizes[change.site]
            largest = torch.tensor(strongest * float(np.abs(change.direction.vector).max()), dtype=torch.float64)
            if length > HUGE * mean or not bool(torch.isfinite(largest.to(model.dtype))):
                raise InputError(
                    f"direction {change.direction.name!r} at strength {strongest:g} is {length:.3g} long, and what "
                    f"{change.site} holds {mean:.3g} on average: at most {HUGE:g} times as much can be added, within "
                    f"{str(model.dtype).removeprefix('torch.')}. Give a smaller strength, or scale the direction."
                )
        elif isinstance(change, ScaleFeature | ScaleHead):
            checked_factor(1 + strongest * (change.factor - 1), change.name)


def site_of(model: Whisper, name: str) -> Site:
    """Find a site by its own name."""
    return next(site for site in model.sites() if site.name == name)


def _tensor(direction: Direction, like: Tensor) -> Float[Tensor, " d"]:
    """Return a direction's vector in float32, on the device of a tensor."""
    return torch.from_numpy(np.ascontiguousarray(direction.vector, np.float32)).to(like.device)
