from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders import CODERS, dense, make_coder
from otoscope.sae.coders.coder import Coder, Moment

D_IN, N_FEATURES, N_FRAMES = 8, 24, 50
NAMES = ("tied", "standard", "jumprelu")
UNIT_ROWS = ("tied", "jumprelu")
SPARSITY, SCALE, BANDWIDTH, PRE_ACT = 0.7, 0.5, 0.05, 0.03


def made(name: str, **more: Any) -> Coder:
    """A coder in the middle of a training: no weight is what it was at the start."""
    settings = CoderSettings(name, D_IN, N_FEATURES, k=3, sparsity=SPARSITY, bandwidth=BANDWIDTH)
    coder = make_coder(replace(settings, **more))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in coder.parameters():
            weight += torch.randn(weight.shape, generator=generator) * 0.1
        if name in UNIT_ROWS:
            coder.W_dec /= coder.W_dec.norm(dim=1, keepdim=True)
        if name == "jumprelu":
            coder.unit_threshold.abs_()
    return coder


def moment(is_dead: Tensor | None = None, scale: float = SCALE) -> Moment:
    return Moment(torch.zeros(N_FEATURES, dtype=torch.bool) if is_dead is None else is_dead, sparsity_scale=scale)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(N_FRAMES, D_IN, generator=torch.Generator().manual_seed(2)) * 2 + 0.3


# the twin: losses and gradients by hand, in float64


def arrays(coder: Coder) -> dict[str, np.ndarray]:
    own = {name: weight.detach().double().numpy() for name, weight in coder.named_parameters()}
    return {"W_enc": own["W_dec"], **own}


def twin(name: str, x: Tensor, w: dict[str, np.ndarray], is_dead: np.ndarray | None = None) -> tuple[dict, dict]:
    """Give the terms of the loss and the gradients, written down from the papers."""
    frames, weight = x.double().numpy(), SPARSITY * SCALE
    n, unit = len(frames), math.sqrt(D_IN)
    threshold = w["unit_threshold"] * unit if name == "jumprelu" else np.zeros(N_FEATURES)
    pre = (frames - w["b_dec"]) @ w["W_enc"].T + w["b_enc"]
    is_active = pre > threshold
    strength = pre * is_active
    error = strength @ w["W_dec"] + w["b_dec"] - frames
    lengths = np.sqrt((w["W_dec"] ** 2).sum(1)) if name == "standard" else np.ones(N_FEATURES)
    terms = {"mse": (error**2).sum() / n}
    by_strength = 2 * error @ w["W_dec"].T / n
    gradients = {"W_dec": strength.T @ (2 * error) / n, "b_dec": (2 * error).sum(0) / n}
    by_pre = by_strength * is_active
    if name == "jumprelu":
        terms["l0"] = weight * is_active.sum() / n
        width = BANDWIDTH * unit
        is_near = np.abs((pre - threshold) / width) < 0.5
        by_threshold = (-(by_strength * threshold / width + weight / n / width) * is_near).sum(0)
        if is_dead is not None:
            missing = np.maximum(threshold - pre, 0) * is_dead
            terms["pre_act"] = PRE_ACT * missing.sum() / n
            by_threshold = by_threshold + PRE_ACT * (missing > 0).sum(0) / n
            by_pre = by_pre - PRE_ACT * (missing > 0) / n
            gradients["W_dec"] = gradients["W_dec"] + PRE_ACT * missing.sum(0)[:, None] / n * w["W_dec"]
        gradients["unit_threshold"] = by_threshold * unit
    else:
        terms["l1"] = weight * (strength * lengths).sum() / n
        by_pre = by_pre + weight * lengths * is_active / n
    if name == "standard":
        gradients["W_dec"] = gradients["W_dec"] + weight * strength.sum(0)[:, None] / n * w["W_dec"] / lengths[:, None]
    gradients["b_dec"] = gradients["b_dec"] - (by_pre @ w["W_enc"]).sum(0)
    gradients["b_enc"] = by_pre.sum(0)
    by_encoder = by_pre.T @ (frames - w["b_dec"])
    if name == "tied":
        gradients["W_dec"] = gradients["W_dec"] + by_encoder
    else:
        gradients["W_enc"] = by_encoder
    return terms, gradients


def assert_as_twin(coder: Coder, x: Tensor, is_dead: Tensor | None = None) -> None:
    loss = coder.loss(x, moment(is_dead))
    loss.total.backward()
    terms, gradients = twin(coder.name, x, arrays(coder), None if is_dead is None else is_dead.numpy())
    assert set(loss.parts) == set(terms)
    for name, term in terms.items():
        assert loss.parts[name].item() == pytest.approx(term, rel=1e-5)
    assert loss.total.item() == pytest.approx(sum(terms.values()), rel=1e-5)
    found = {name: weight.grad for name, weight in coder.named_parameters()}
    assert set(found) == set(gradients)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(found[name].numpy(), gradient, rtol=1e-5, atol=1e-5 * np.abs(gradient).max())


@pytest.mark.parametrize("name", NAMES)
def test_loss_and_gradients_are_the_papers(name: str, x: Tensor) -> None:
    assert_as_twin(made(name), x)


@pytest.mark.parametrize("name", NAMES)
def test_pieces_of_a_batch_do_not_matter(name: str, x: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "chunk_frames", lambda n_features, device: 7)
    assert_as_twin(made(name), x)


def test_dead_features_are_lifted_towards_their_thresholds_on_request(x: Tensor) -> None:
    is_dead = torch.arange(N_FEATURES) % 3 == 0
    assert_as_twin(made("jumprelu", pre_act_coefficient=PRE_ACT), x, is_dead)


@pytest.mark.parametrize("name", NAMES)
def test_the_sparsity_term_rises_with_its_scale(name: str, x: Tensor) -> None:
    coder = made(name)
    half, full, none = (coder.loss(x, moment(scale=scale)).parts[coder.term] for scale in (0.5, 1, 0))
    assert none == 0 and full > 0
    torch.testing.assert_close(half * 2, full)


@pytest.mark.parametrize("name", NAMES)
def test_l0_and_fired_are_those_of_the_strengths(name: str, x: Tensor) -> None:
    coder = made(name)
    loss = coder.loss(x[:2], moment())
    strength = coder.encode(x[:2])
    assert loss.l0.item() == (strength > 0).sum().item() / 2
    assert loss.fired.tolist() == (strength > 0).any(dim=0).tolist()
    assert 0 < loss.fired.sum() < N_FEATURES


@pytest.mark.parametrize("name", NAMES)
def test_loss_without_gradients_is_the_same(name: str, x: Tensor) -> None:
    coder = made(name)
    with torch.no_grad():
        loss = coder.loss(x, moment())
    assert not loss.total.requires_grad
    assert loss.total == coder.loss(x, moment()).total


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_a_number_is_seen_in_the_loss(name: str, x: Tensor) -> None:
    x[3, 2] = torch.nan
    assert made(name).loss(x, moment()).total.isnan()


# how they are trained


def trained(coder: Coder, x: Tensor, n_steps: int = 5, rate: float = 1e-2) -> Coder:
    optimizer = coder.make_optimizer(rate)
    for _ in range(n_steps):
        optimizer.zero_grad()
        coder.loss(x, moment()).total.backward()
        coder.project_gradients()
        optimizer.step()
        coder.after_step()
    return coder


@pytest.mark.parametrize("name", NAMES)
def test_training_lowers_the_loss(name: str, x: Tensor) -> None:
    coder = made(name)
    before = coder.loss(x, moment()).total.item()
    assert trained(coder, x, n_steps=50).loss(x, moment()).total.item() < before


@pytest.mark.parametrize("name", UNIT_ROWS)
def test_gradients_do_not_lengthen_decoder_rows(name: str, x: Tensor) -> None:
    coder = made(name)
    coder.loss(x, moment()).total.backward()
    coder.project_gradients()
    along = (coder.W_dec * coder.W_dec.grad).sum(dim=1)
    assert coder.W_dec.grad.norm() > 0
    torch.testing.assert_close(along, torch.zeros(N_FEATURES), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", UNIT_ROWS)
def test_decoder_rows_keep_the_length_of_one(name: str, x: Tensor) -> None:
    torch.testing.assert_close(trained(made(name), x).W_dec.norm(dim=1), torch.ones(N_FEATURES))


def test_thresholds_do_not_fall_below_zero(x: Tensor) -> None:
    coder = trained(made("jumprelu", sparsity=0.0), x, n_steps=50, rate=0.1)
    assert coder.threshold.min() == 0


def test_the_standard_encoder_and_decoder_start_alike_and_short() -> None:
    coder = make_coder(CoderSettings("standard", D_IN, N_FEATURES))
    assert torch.equal(coder.W_enc, coder.W_dec)
    torch.testing.assert_close(coder.W_dec.norm(dim=1), torch.full((N_FEATURES,), 0.1))


@pytest.mark.parametrize("name", ("standard", "jumprelu"))
def test_a_frozen_decoder_stays_as_it_was_drawn(name: str, x: Tensor) -> None:
    coder = make_coder(CoderSettings(name, D_IN, N_FEATURES, is_decoder_frozen=True))
    before, encoder = coder.W_dec.clone(), coder.W_enc.clone()
    trained(coder, x)
    assert torch.equal(coder.W_dec, before)
    assert not torch.equal(coder.W_enc, encoder)
    torch.testing.assert_close(before.norm(dim=1), torch.ones(N_FEATURES))


# tied weights


def test_tied_weights_are_one_parameter(x: Tensor) -> None:
    coder = trained(made("tied"), x)
    assert coder.W_enc is coder.W_dec
    assert {name for name, _ in coder.named_parameters()} == {"W_dec", "b_enc", "b_dec"} == set(coder.state_dict())


def test_tied_weights_stay_one_in_a_copy_and_another_type() -> None:
    twin = copy.deepcopy(made("tied")).double()
    assert twin.W_enc is twin.W_dec
    assert twin.W_enc.dtype == torch.float64


def test_tied_weights_are_not_frozen() -> None:
    with pytest.raises(InputError, match="standard"):
        made("tied", is_decoder_frozen=True)


# precision


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_is_close_and_keeps_weights_in_float32(name: str, x: Tensor) -> None:
    coder, other = made(name), made(name, precision="bfloat16")
    exact, rough = coder.loss(x, moment()), other.loss(x, moment())
    rough.total.backward()
    assert rough.total != exact.total
    torch.testing.assert_close(rough.total, exact.total, rtol=0.02, atol=0)
    assert all(weight.grad.dtype == torch.float32 for weight in other.parameters())


# how they end


@pytest.mark.parametrize("name", sorted(CODERS))
@pytest.mark.parametrize("scale", (1.0, 0.25))
def test_the_finished_dictionary_is_what_the_coder_was(name: str, scale: float, x: Tensor) -> None:
    coder = trained(made(name, k=3), x * scale)
    found = coder.finished(scale, {"site": "anywhere"})
    with torch.no_grad():
        strength = coder.encode(x * scale)
        torch.testing.assert_close(found.encode(x), strength, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.decode(strength), coder.decode(strength) / scale, rtol=1e-4, atol=1e-5)
    assert found.metadata == {"site": "anywhere"}
    torch.testing.assert_close(found.weights["W_dec"].norm(dim=1) * scale, torch.ones(N_FEATURES))


def test_finishing_leaves_the_coder_as_it_was(x: Tensor) -> None:
    coder = made("standard")
    before = copy.deepcopy(coder.state_dict())
    coder.finished(0.5, {})
    assert all(torch.equal(before[name], weight) for name, weight in coder.state_dict().items())


@pytest.mark.parametrize("name", (*NAMES, "topk"))
def test_the_loss_is_that_of_what_is_encoded_and_decoded(name: str, x: Tensor) -> None:
    coder = made(name)
    error = (coder.decode(coder.encode(x)) - x).square().sum(dim=1).mean()
    torch.testing.assert_close(error, coder.loss(x, moment()).parts["mse"], rtol=1e-4, atol=0)


# what they are asked for


@pytest.mark.parametrize("name", sorted(CODERS))
def test_every_coder_is_made_by_its_name(name: str) -> None:
    coder = make_coder(CoderSettings(name, D_IN, N_FEATURES, k=3))
    assert type(coder) is CODERS[name]
    assert coder.name == name
    assert coder.learning_rate > 0


@pytest.mark.parametrize(("slip", "meant"), [("batch-topk", "batchtopk"), ("TopK", "topk"), ("jumpreul", "jumprelu")])
def test_a_slip_in_a_name_is_told_with_what_is_meant(slip: str, meant: str) -> None:
    with pytest.raises(InputError, match=f"(?s){slip}.*Did you mean '{meant}'"):
        make_coder(CoderSettings(slip, D_IN, N_FEATURES))


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("standard", {"sparsity": -1.0}),
        ("tied", {"sparsity": math.nan}),
        ("jumprelu", {"bandwidth": 0.0}),
        ("jumprelu", {"pre_act_coefficient": -1.0}),
        ("standard", {"precision": "float8"}),
        ("standard", {"d_in": 0}),
        ("standard", {"n_features": 0}),
    ],
)
def test_settings_out_of_range_are_refused_by_name(name: str, more: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(more))):
        make_coder(replace(CoderSettings(name, D_IN, N_FEATURES), **more))
