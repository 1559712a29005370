"""Losses of sparse codes, and their gradients; time and memory grow with the active features, not with all of them.

Strengths and their gradients are 0 for all but a few features of a frame. So the reconstruction, the gradient of the
strengths and those of both weights are sums over the entries of the code; only the choice of features needs a product
with all of them. The gradients are computed by hand, together with the loss: autograd would hold [frame, feature]. The
loops depend on the device: `compiled.py` on the CPU, `plain.py` elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otoscope.sae import compiled, plain
from otoscope.sae.code import Code, Weights
from otoscope.sae.together import ALONE, Together

Gradients = dict[str, Tensor]
"""Name of a weight to the gradient of a loss."""


def loops(device: torch.device) -> ModuleType:
    """Return the module with the loops for a device."""
    return compiled if device.type == "cpu" else plain


# choosing


def choose_rows(x: Float[Tensor, "frame d_in"], weights: Weights, k: int) -> Code:
    """Choose the k largest strengths of every frame, if they are above 0.

    Source: Gao et al. 2024 (arXiv 2406.04093), TopK.
    """
    code: Code = loops(x.device).choose_rows(x, weights, k)
    return code


def choose_batch(
    x: Float[Tensor, "frame d_in"], weights: Weights, k: int, *, guess: float | None = None, together: Together = ALONE
) -> tuple[Code, float]:
    """Choose the largest strengths of the whole batch, k times its number of frames, if they are above 0.

    With several processes, the batch is all of their shares together. Of strengths that equal the smallest chosen one,
    those in earlier frames are preferred, then those of earlier features; an earlier process's frames come first.

    Returns the code of this share, and the smallest strength that was chosen in any; 0 if none was.
    Source: Bussmann et al. 2024 (arXiv 2412.06410), BatchTopK.
    """
    most = k * len(x) * together.size
    with_loops = loops(x.device)
    if guess is None:
        guess = float(together.gather(_sampled_bar(x, weights, k)).min())
    for bar in (guess, guess / 2, 0.0):
        code: Code = with_loops.choose_above(x, weights, bar, most)
        values = together.gather(code.values)
        if len(values) >= most:
            break
    if len(values) <= most:
        return code, float(values.min()) if len(values) else 0.0
    least = with_loops.nth_largest(values, most)
    n_equal = int((values == least).sum()) - (int((values >= least).sum()) - most)
    mine = int((code.values == least).sum())
    before = together.gather(torch.tensor([mine], device=x.device))[: together.rank]
    del values
    return with_loops.choose_largest(code, least, max(0, n_equal - int(before.sum()))), least


def _sampled_bar(x: Tensor, weights: Weights, k: int) -> Tensor:
    """Guess the smallest strength that is chosen, rather too low, from a sample of the frames: [1]."""
    sample = x[:: max(1, len(x) // 64)][:64]
    values = loops(x.device).choose_rows(sample, weights, min(4 * k, weights.n_features)).values
    n = min(len(values), k * len(sample) * 5 // 4)
    return values.kthvalue(len(values) - n + 1).values.view(1) if n else values.new_zeros(1)


# losses


@dataclass(frozen=True)
class Dead:
    """How features that have long been inactive learn."""

    is_dead: Bool[Tensor, " feature"]  # which features
    k: int  # how many of them are active at a time
    coefficient: float  # weight of their loss


@dataclass(frozen=True)
class Learned:
    """The losses of a batch, and their gradients."""

    # squared error of the reconstruction by each nested dictionary, the last being the whole: summed over d_in, mean
    # over frames
    nested: Float[Tensor, " width"]
    aux: Float[Tensor, ""]  # loss of the dead features, multiplied by its weight
    gradients: Gradients  # gradients of the sum of all these; empty if not requested


def learn(
    x: Float[Tensor, "frame d_in"],
    code: Code,
    weights: Weights,
    *,
    widths: Sequence[int] = (),
    dead: Dead | None = None,
    wants_gradients: bool = True,
    is_decoder_frozen: bool = False,
) -> Learned:
    """Compute the loss of a code, and its gradient for each weight with the choice of features held fixed.

    `x`: float32 [frame, d_in].
    `code`: the strengths of `x` with these weights.
    `widths`: number of features of each nested dictionary, the last having all; empty for a single dictionary.
    `dead`: the dead features; None if they do not learn.
    `is_decoder_frozen`: whether to leave out the gradient of `W_dec`.
    Returns losses and gradients.
    Source: Bussmann et al. 2025 (arXiv 2503.17547) for nested dictionaries: the sum of their squared errors.
    """
    with_loops = loops(x.device)
    widths = tuple(widths) or (weights.n_features,)
    starts = with_loops.levels(code, widths)
    residual = weights.b_dec - x
    nested = []
    for level in range(len(widths)):
        with_loops.add_rows(code, starts[level], starts[level + 1], weights.W_dec, 1.0, residual)
        nested.append(with_loops.sum_of_squares(residual) / len(x))
    gradients = _zeros(weights, is_decoder_frozen) if wants_gradients else {}
    aux = _learn_dead(x, residual, weights, dead, gradients) if dead is not None else 0.0
    if wants_gradients:
        parts = [(widths[level - 1] if level else 0, widths[level]) for level in range(len(widths))]
        _add_gradients(x, code, weights, starts, parts, residual, gradients)
        gradients["b_dec"] -= gradients["b_enc"] @ weights.W_enc
    return Learned(_tensor(nested, x.device), _tensor(aux, x.device), gradients)


def _tensor(values: Any, device: torch.device) -> Tensor:
    if isinstance(values, list) and isinstance(values[0], Tensor):
        return torch.stack(values)
    return torch.as_tensor(values, dtype=torch.float32, device=device)


def _zeros(weights: Weights, is_decoder_frozen: bool) -> Gradients:
    kept = {"W_enc": weights.W_enc, "b_enc": weights.b_enc, "b_dec": weights.b_dec}
    if not is_decoder_frozen:
        kept["W_dec"] = weights.W_dec
    return {name: torch.zeros_like(weight) for name, weight in kept.items()}


def _add_gradients(
    x: Tensor,
    code: Code,
    weights: Weights,
    starts: Tensor,
    parts: Sequence[tuple[int, int]],
    residual: Tensor,
    gradients: Gradients,
) -> None:
    """Add the gradients of the squared errors; the residual is overwritten.

    The features of a part belong to its dictionary and to all wider ones. So from the last part to the first, the
    residuals of more and more dictionaries are added up, each computed from the next by removing a part.
    """
    with_loops = loops(x.device)
    factor = 2 / len(x)
    sorted_code = with_loops.ByFeature(code)
    strengths = torch.empty_like(code.values)
    into = (gradients["W_enc"], gradients["b_enc"], gradients.get("W_dec"))
    total = residual if len(parts) == 1 else residual.clone()
    for level in reversed(range(len(parts))):
        between = starts[level], starts[level + 1]
        with_loops.strength_gradients(code, *between, weights.W_dec, total, factor, strengths)
        sorted_code.add_gradients(parts[level], strengths, total, factor, x, weights.b_dec, into)
        if level:
            with_loops.add_rows(code, *between, weights.W_dec, -1.0, residual)
            total += residual
    gradients["b_dec"].add_(total.sum(dim=0), alpha=factor)


def _learn_dead(x: Tensor, residual: Tensor, weights: Weights, dead: Dead, gradients: Gradients) -> Any:
    """Let the dead features reconstruct the residual of the others; adds to the gradients.

    The residual is treated as a constant. Negative strengths are allowed: otherwise a dead feature would learn nothing.

    Source: Gao et al. 2024 (arXiv 2406.04093), appendix A.2; SAELens 6.54, `calculate_topk_aux_loss`, which does not
    divide by the variance of the residual.
    """
    columns = dead.is_dead.nonzero()[:, 0]
    if not len(columns):
        return 0.0
    W_enc, b_enc, W_dec = weights.W_enc[columns], weights.b_enc[columns], weights.W_dec[columns]  # noqa: N806
    weight = dead.coefficient * min(len(columns) / dead.k, 1.0)
    total = torch.zeros((), dtype=torch.float64, device=x.device)
    size = 4 * weights.chunk_frames
    for first in range(0, len(x), size):
        centred = x[first : first + size] - weights.b_dec
        strength = torch.addmm(b_enc, centred, W_enc.T)
        is_silent = None
        if len(columns) > dead.k:
            is_silent = torch.ones_like(strength, dtype=torch.bool)
            is_silent.scatter_(1, strength.topk(dead.k, dim=1, sorted=False).indices, False)
            strength.masked_fill_(is_silent, 0)
        off = torch.addmm(residual[first : first + size], strength, W_dec)
        total += off.square().sum()
        if gradients:
            off *= 2 * weight / len(x)
            if "W_dec" in gradients:
                gradients["W_dec"].index_add_(0, columns, strength.T @ off)
            change = torch.mm(off, W_dec.T, out=strength)
            if is_silent is not None:
                change.masked_fill_(is_silent, 0)
            gradients["W_enc"].index_add_(0, columns, change.T @ centred)
            gradients["b_enc"].index_add_(0, columns, change.sum(dim=0))
    return total.float() * (weight / len(x))


# loss and weights


class _Known(torch.autograd.Function):
    """A number with precomputed gradients."""

    @staticmethod
    def forward(ctx: Any, total: Tensor, gradients: list[Tensor], *weights: Tensor) -> Tensor:
        ctx.gradients = gradients
        return total.clone()

    @staticmethod
    def backward(ctx: Any, *factors: Tensor) -> Any:
        gradients, (factor,) = ctx.gradients, factors
        if not gradients:
            raise RuntimeError("The gradients of this loss were used already: compute the loss again.")
        if float(factor) != 1:
            for gradient in gradients:
                gradient *= factor
        result = (None, None, *gradients)
        gradients.clear()  # so that the weights take them over without a copy
        return result


def with_gradients(total: Float[Tensor, ""], weights: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
    """Attach precomputed gradients to a loss; `backward` hands them to the weights once, without a copy."""
    known: Tensor = _Known.apply(total, list(gradients), *weights)
    return known
