"""Losses and gradients against SAELens's own training classes, with the same weights on the same frames.

Skipped without the `interop` extra. What is not comparable there: SAELens's coefficient of the auxiliary loss is 1 by
default and ours 1/32, its bandwidth is for vectors of length root(d_in) and ours for length 1, and its threshold in
use is a running mean that starts at 0, which ours corrects for.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders import make_coder
from otoscope.sae.coders.coder import Coder, Moment

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("sae_lens", reason="needs the interop extra")

pytestmark = pytest.mark.filterwarnings("ignore")

D_IN, N_FEATURES, N_FRAMES, K = 12, 48, 60, 5
WIDTHS = (6, 24, 48)
SPARSITY, BANDWIDTH, PRE_ACT, AUX = 0.6, 0.05, 0.03, 1 / 32
OURS = {
    "standard": {"sparsity": SPARSITY},
    "topk": {"k": K, "aux_coefficient": AUX},
    "batchtopk": {"k": K, "aux_coefficient": AUX},
    "matryoshka": {"k": K, "aux_coefficient": AUX, "widths": WIDTHS},
    "jumprelu": {"sparsity": SPARSITY, "bandwidth": BANDWIDTH, "pre_act_coefficient": PRE_ACT},
}


def theirs(name: str) -> Any:
    """SAELens's coder with the same settings; its coefficients are given with every step."""
    from sae_lens import saes

    sparse = {"k": K, "aux_loss_coefficient": AUX, "rescale_acts_by_decoder_norm": False}
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "standard": ("Standard", {}),
        "topk": ("TopK", sparse),
        "batchtopk": ("BatchTopK", sparse),
        "matryoshka": ("MatryoshkaBatchTopK", {**sparse, "matryoshka_widths": list(WIDTHS)}),
        "jumprelu": (
            "JumpReLU",
            {"jumprelu_bandwidth": BANDWIDTH * math.sqrt(D_IN), "pre_act_loss_coefficient": PRE_ACT},
        ),
    }
    kind, settings = kinds[name]
    config = getattr(saes, f"{kind}TrainingSAEConfig")(
        d_in=D_IN, d_sae=N_FEATURES, apply_b_dec_to_input=True, **settings
    )
    return getattr(saes, f"{kind}TrainingSAE")(config)


def made(name: str) -> Coder:
    coder = make_coder(CoderSettings(name, D_IN, N_FEATURES, **OURS[name]))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for own, weight in coder.named_parameters():
            if own != "W_dec" or name == "standard":
                weight += torch.randn(weight.shape, generator=generator) * 0.1
        if name == "jumprelu":
            coder.unit_threshold.abs_()
    return coder


def give_weights(coder: Coder, other: Any) -> None:
    with torch.no_grad():
        other.W_enc.copy_(coder.W_enc.T)
        for own in ("b_enc", "W_dec", "b_dec"):
            getattr(other, own).copy_(getattr(coder, own))
        if coder.name == "jumprelu":
            other.threshold.copy_(coder.threshold)


def gradients_of(other: Any, name: str) -> dict[str, Tensor]:
    found = {"W_enc": other.W_enc.grad.T, **{own: getattr(other, own).grad for own in ("b_enc", "W_dec", "b_dec")}}
    if name == "jumprelu":
        found["unit_threshold"] = other.threshold.grad * math.sqrt(D_IN)
    return found


@pytest.mark.parametrize("n_dead", [0, 3, 40])
@pytest.mark.parametrize("name", sorted(OURS))
def test_losses_and_gradients_agree(name: str, n_dead: int) -> None:
    from sae_lens.saes.sae import TrainStepInput

    coder, other = made(name), theirs(name)
    give_weights(coder, other)
    x = torch.randn(N_FRAMES, D_IN, generator=torch.Generator().manual_seed(2)) + 0.3
    is_dead = torch.arange(N_FEATURES) >= N_FEATURES - n_dead

    loss = coder.loss(x, Moment(is_dead))
    loss.total.backward()
    step = TrainStepInput(x, {"l1": SPARSITY, "l0": SPARSITY}, is_dead, 0, False)
    found = other.training_forward_pass(step)
    found.loss.backward()

    assert loss.total.item() == pytest.approx(found.loss.item(), rel=1e-5)
    assert loss.parts["mse"].item() == pytest.approx(found.losses["mse_loss"].item(), rel=1e-5)
    assert loss.l0.item() == pytest.approx((found.feature_acts > 0).sum().item() / N_FRAMES)
    expected = gradients_of(other, name)
    ours = {own: weight.grad for own, weight in coder.named_parameters()}
    assert set(ours) == set(expected)
    for own, gradient in expected.items():
        torch.testing.assert_close(ours[own], gradient, rtol=1e-4, atol=1e-5 * float(gradient.abs().max()))


@pytest.mark.parametrize("name", sorted(OURS))
def test_strengths_and_reconstructions_agree(name: str) -> None:
    if name in ("batchtopk", "matryoshka"):
        pytest.skip("in training, theirs are chosen over the batch")
    coder, other = made(name), theirs(name)
    give_weights(coder, other)
    x = torch.randn(N_FRAMES, D_IN, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        ours, strength = coder.encode(x), other.encode(x)
        if name == "standard":  # strengths of ours are for rows of length 1
            ours = ours / coder.W_dec.norm(dim=1)
        torch.testing.assert_close(ours, strength, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(coder.decode(coder.encode(x)), other.decode(strength), rtol=1e-5, atol=1e-5)


def test_the_scale_of_vectors_is_theirs() -> None:
    from sae_lens.training.activation_scaler import ActivationScaler

    from otoscope.sae.centre import input_scale

    x = torch.randn(200, D_IN, generator=torch.Generator().manual_seed(4)) * 5 + 2
    scaler = ActivationScaler()
    scaler.estimate_scaling_factor(d_in=D_IN, data_provider=iter([x]), n_batches_for_norm_estimate=1)
    assert input_scale(x, "expected_average_only_in") == pytest.approx(scaler.scaling_factor, rel=1e-5)
