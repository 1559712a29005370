"""Attention that can be read, edited and limited to a window, beside the framework's fast kernels.

A module whose pattern is read or edited is routed: the framework looks its attention up under otoscope's name, in a
config that only this module sees. The model's own config stays as it is, so every other module, and the decoder's
causal mask, work as before. A pattern that is only read is computed separately, and the output still comes from the
fast kernel. A pattern that is edited or differentiated is computed explicitly, and the output from it.

Costs: a read pattern takes its own memory [window, head, frame, frame], and that of one more head while it is computed;
a window takes one boolean [frame, frame], or one for each head where the heads differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from transformers import WhisperConfig
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.whisper.modeling_whisper import WhisperAttention, eager_attention_forward

if TYPE_CHECKING:
    from otoscope.model.hooks import Switchboard
    from otoscope.model.sites import Site

ROUTED = "otoscope"
"""The name under which the framework looks up the attention of a routed module."""

STRETCH_FRAMES = 128
"""Destination frames that run at a time where a window is narrow."""


@dataclass(frozen=True, eq=False)
class AttentionWindow:
    """A limit on how far encoder frames attend."""

    k: int | None  # frames on either side that a frame may attend to, 20 ms each; None is no limit
    blocks: frozenset[int]  # encoder blocks it holds for
    heads: frozenset[int]  # heads it holds for, in each of those blocks


def window_mask(
    windows: Iterable[AttentionWindow], n_frames: int, n_heads: int, device: torch.device | str = "cpu"
) -> Tensor | None:
    """Compute which frame may attend to which, under all windows together.

    Returns boolean [1, 1 or head, frame, frame], destination by source, True where attention is allowed; None where
    nothing is out of reach.
    """
    reach = torch.full((n_heads,), n_frames - 1)
    for window in windows:
        if window.k is not None:
            chosen = torch.tensor(sorted(window.heads), dtype=torch.long)
            reach[chosen] = reach[chosen].clamp(max=window.k)
    if bool((reach >= n_frames - 1).all()):
        return None
    if bool((reach == reach[0]).all()):
        reach = reach[:1]
    frame = torch.arange(n_frames, device=device)
    distance = (frame[:, None] - frame[None, :]).abs()
    return (distance[None] <= reach.to(device)[:, None, None])[None]


def attention_probabilities(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float = 1.0) -> Tensor:
    """Compute an attention pattern explicitly, so that it can be differentiated.

    Returns probabilities [window, head, destination, source] in the dtype given.
    Source: "Attention Is All You Need" (Vaswani et al., 2017), section 3.2.1.
    """
    scores = torch.matmul(query, key.transpose(-2, -1))
    if scaling != 1.0:
        scores = scores * scaling
    return torch.softmax(_masked(scores, mask), dim=-1)


@torch.no_grad()
def side_probabilities(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float = 1.0) -> Tensor:
    """Compute an attention pattern separately from the kernel, one head at a time to save memory.

    Args and Returns:
        As `attention_probabilities`, detached.
    """
    windows, heads, destinations, _ = query.shape
    pattern = query.new_empty(windows, heads, destinations, key.shape[2])
    for head in range(heads):
        chosen = slice(head, head + 1)
        head_mask = mask if mask is None or mask.shape[1] == 1 else mask[:, chosen]
        pattern[:, chosen] = attention_probabilities(query[:, chosen], key[:, chosen], head_mask, scaling)
    return pattern


def within_reach(
    kernel: Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    allowed: Tensor,
) -> Tensor:
    """Run attention under a window, computing almost nothing beyond it.

    Heads with the same reach run together. Where the reach is short, destinations run in stretches, each with only the
    sources within its reach.
    """
    reaches = (allowed[0, :, 0].sum(dim=-1) - 1).tolist()
    if len(reaches) == 1:
        return _in_stretches(kernel, query, key, value, allowed, reaches[0])
    windows, heads, frames, d_head = query.shape
    output = query.new_empty(windows, frames, heads, d_head)
    for reach in sorted(set(reaches)):
        chosen = [head for head in range(heads) if reaches[head] == reach]
        inputs = (query[:, chosen], key[:, chosen], value[:, chosen])
        output[:, :, chosen] = _in_stretches(kernel, *inputs, allowed[:, chosen[:1]], reach)
    return output


def _in_stretches(
    kernel: Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    allowed: Tensor,
    reach: int,
) -> Tensor:
    """Run heads that share one reach."""
    n_frames = query.shape[2]
    if reach >= n_frames - 1:
        return kernel(query, key, value, None)
    if STRETCH_FRAMES + 2 * reach >= n_frames:
        return kernel(query, key, value, allowed)
    outputs = []
    for start in range(0, n_frames, STRETCH_FRAMES):
        destinations = slice(start, start + STRETCH_FRAMES)
        near = slice(max(start - reach, 0), start + STRETCH_FRAMES + reach)
        outputs.append(
            kernel(query[:, :, destinations], key[:, :, near], value[:, :, near], allowed[:, :, destinations, near])
        )
    return torch.cat(outputs, dim=1)


def _masked(scores: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return scores
    return scores.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else scores + mask


def _explicit_mask(module: nn.Module, query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor | None:
    """Make explicit what a fast kernel leaves implicit: causal attention without a mask has the causal one."""
    n_query, n_key = query.shape[2], key.shape[2]
    if mask is not None or n_query == 1 or not getattr(module, "is_causal", False):
        return mask
    return torch.ones(n_query, n_key, dtype=torch.bool, device=query.device).tril()[None, None]


class Route:
    """Stands in for a module's config while its attention is routed; the framework reads only its attention's name.

    `board`: holds the edits, tapes and windows that are on.
    """

    def __init__(self, config: WhisperConfig, site: Site, board: Switchboard) -> None:
        self.config = config
        self.site = site
        self.board = board
        self._attn_implementation = ROUTED

    def attend(
        self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **settings: Any
    ) -> tuple[Tensor, Tensor | None]:
        """Run one attention, with the edits, tapes and windows that are on.

        Returns output [window, destination, head, d_head], and the pattern where it was computed explicitly.
        """
        limits = self.board.window_mask(self.site, query.device)
        scaling = settings.get("scaling", 1.0)
        if self.board.opens(self.site):
            explicit = limits if limits is not None else _explicit_mask(module, query, key, mask)
            pattern = self.board.passes(self.site, attention_probabilities(query, key, explicit, scaling))
            dropped = nn.functional.dropout(pattern, p=settings.get("dropout", 0.0), training=module.training)
            return torch.matmul(dropped, value).transpose(1, 2).contiguous(), pattern
        kernel = self._kernel()
        if limits is not None and self.config._attn_implementation == "sdpa":
            output = within_reach(lambda *tensors: kernel(module, *tensors, **settings)[0], query, key, value, limits)
            weights = None
        else:
            output, weights = kernel(module, query, key, value, self._kernel_mask(limits, mask, query), **settings)
        if self.board.is_read(self.site):
            explicit = limits if limits is not None else _explicit_mask(module, query, key, mask)
            self.board.passes(self.site, side_probabilities(query, key, explicit, scaling))
        return output, weights

    def _kernel(self) -> Callable[..., tuple[Tensor, Tensor | None]]:
        """Look up the attention that runs when nothing is routed."""
        return ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention_forward)

    def _kernel_mask(self, limits: Tensor | None, mask: Tensor | None, query: Tensor) -> Tensor | None:
        """Give the mask in the kernel's form: eager attention adds it to the scores, the other kernels select by it."""
        if limits is None:
            return mask
        if self.config._attn_implementation != "eager":
            return limits
        return torch.zeros_like(limits, dtype=query.dtype).masked_fill(~limits, float("-inf"))


def _routed_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **settings: Any
) -> tuple[Tensor, Tensor | None]:
    """Hand a routed module's attention to its route; the framework finds this by the name of `ROUTED`."""
    route = cast(Any, module).config
    if isinstance(route, Route):
        return route.attend(module, query, key, value, attention_mask, **settings)
    # Another thread took the route away since the framework looked this function up.
    kernel = ALL_ATTENTION_FUNCTIONS.get_interface(route._attn_implementation, eager_attention_forward)
    return cast(tuple[Tensor, Tensor | None], kernel(module, query, key, value, attention_mask, **settings))


def route(module: WhisperAttention, site: Site, board: Switchboard) -> None:
    """Send a module's attention through the switchboard; `unroute` undoes it."""
    ALL_ATTENTION_FUNCTIONS.register(ROUTED, _routed_attention)
    config = cast(WhisperConfig, module.config)
    module.config = cast(WhisperConfig, Route(config, site, board))


def unroute(module: WhisperAttention) -> None:
    """Give a module its own config back."""
    module.config = cast(Route, cast(object, module.config)).config
