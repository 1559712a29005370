from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.files import load_dictionary
from tests.sae.saelens import D_IN, N_FEATURES, N_FRAMES, random, weights_of, write


@pytest.fixture
def x() -> Tensor:
    return random(N_FRAMES, D_IN, seed=99) * 2 + 1


def as_arrays(architecture: str) -> dict[str, np.ndarray]:
    return {name: weight.double().numpy() for name, weight in weights_of(architecture).items()}


def standard(x: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    return np.maximum(x @ w["W_enc"] + w["b_enc"], 0)


def topk(x: np.ndarray, w: dict[str, np.ndarray], scale: np.ndarray | float = 1.0) -> np.ndarray:
    pre = (x @ w["W_enc"] + w["b_enc"]) * scale
    strength = np.zeros_like(pre)
    for frame, row in enumerate(pre):
        for feature in sorted(range(len(row)), key=lambda i: -row[i])[:3]:
            strength[frame, feature] = max(row[feature], 0)
    return strength


def jumprelu(x: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    pre = x @ w["W_enc"] + w["b_enc"]
    return np.where(pre > w["threshold"], np.maximum(pre, 0), 0)


def gated(x: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    is_on = x @ w["W_enc"] + w["b_gate"] > 0
    return np.where(is_on, np.maximum(x @ (w["W_enc"] * np.exp(w["r_mag"])) + w["b_mag"], 0), 0)


FORMULAS: dict[str, Callable[[np.ndarray, dict[str, np.ndarray]], np.ndarray]] = {
    "standard": standard,
    "topk": topk,
    "jumprelu": jumprelu,
    "gated": gated,
}


@pytest.mark.parametrize("architecture", FORMULAS)
@pytest.mark.parametrize("takes_bias_off", [True, False])
def test_strengths_are_those_of_the_formula(tmp_path: Path, x: Tensor, architecture: str, takes_bias_off: bool) -> None:
    dictionary = load_dictionary(write(tmp_path, architecture, apply_b_dec_to_input=takes_bias_off))
    w, given = as_arrays(architecture), x.double().numpy()
    wanted = FORMULAS[architecture](given - w["b_dec"] if takes_bias_off else given, w)
    strength = dictionary.encode(x)
    assert strength.dtype == torch.float32 and strength.shape == (N_FRAMES, N_FEATURES)
    assert 0 < (wanted > 0).mean() < 1
    np.testing.assert_allclose(strength.numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_topk_may_rescale_by_the_length_of_the_decoder_rows(tmp_path: Path, x: Tensor) -> None:
    w, given = as_arrays("topk"), x.double().numpy()
    lengths = np.sqrt((w["W_dec"] ** 2).sum(axis=1))
    dictionary = load_dictionary(write(tmp_path, "topk", rescale_acts_by_decoder_norm=True))
    wanted = topk(given - w["b_dec"], w, lengths)
    np.testing.assert_allclose(dictionary.encode(x).numpy(), wanted, rtol=1e-4, atol=1e-5)
    assert (dictionary.encode(x) > 0).sum(dim=1).max() <= 3


def test_topk_with_as_many_as_there_are_is_a_standard_dictionary(tmp_path: Path, x: Tensor) -> None:
    every = load_dictionary(write(tmp_path / "topk", "topk", k=N_FEATURES))
    plain = load_dictionary(write(tmp_path / "standard", "standard"))
    torch.testing.assert_close(every.encode(x), plain.encode(x), rtol=0, atol=0)


@pytest.mark.parametrize("architecture", FORMULAS)
def test_layer_norm_comes_before_the_bias_is_taken_off(tmp_path: Path, x: Tensor, architecture: str) -> None:
    dictionary = load_dictionary(write(tmp_path, architecture, normalize_activations="layer_norm"))
    w, given = as_arrays(architecture), x.double().numpy()
    centred = given - given.mean(axis=1, keepdims=True)
    even = centred / (np.sqrt((centred**2).sum(axis=1, keepdims=True) / (D_IN - 1)) + 1e-5)
    wanted = FORMULAS[architecture](even - w["b_dec"], w)
    np.testing.assert_allclose(dictionary.encode(x).numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_an_average_that_is_in_the_weights_changes_nothing_more(tmp_path: Path, x: Tensor) -> None:
    folder = write(tmp_path / "a", "standard", normalize_activations="expected_average_only_in")
    (folder / "activation_scaler.json").write_text('{"scaling_factor": null}')
    scaled = load_dictionary(folder)
    plain = load_dictionary(write(tmp_path / "b", "standard"))
    torch.testing.assert_close(scaled.encode(x), plain.encode(x), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_and_input_of_any_floating_type_are_computed_in_float32(
    tmp_path: Path, x: Tensor, dtype: torch.dtype
) -> None:
    weights = {name: weight.to(dtype) for name, weight in weights_of("jumprelu").items()}
    dictionary = load_dictionary(write(tmp_path, "jumprelu", weights))
    wanted = jumprelu(
        (x.to(dtype).double() - weights["b_dec"].double()).numpy(),
        {name: weight.double().numpy() for name, weight in weights.items()},
    )
    np.testing.assert_allclose(dictionary.encode(x.to(dtype)).numpy(), wanted, rtol=1e-4, atol=1e-4)


def test_strengths_can_be_differentiated(tmp_path: Path, x: Tensor) -> None:
    dictionary = load_dictionary(write(tmp_path, "topk"))
    x.requires_grad_()
    dictionary.encode(x).sum().backward()
    assert x.grad is not None and x.grad.abs().max() > 0
    assert not any(weight.requires_grad for weight in dictionary.weights.values())


def test_moving_gives_the_same_dictionary(tmp_path: Path, x: Tensor) -> None:
    dictionary = load_dictionary(write(tmp_path, "gated"))
    moved = dictionary.to("meta")
    assert {weight.device.type for weight in moved.weights.values()} == {"meta"}
    assert moved.encode(x.to("meta")).shape == dictionary.encode(x).shape


@pytest.mark.parametrize("shape", [(3, D_IN + 1), (D_IN,), (2, 3, D_IN)])
def test_vectors_of_another_shape_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"cannot be encoded: this dictionary takes \[frame, 6\]\. Give it the site"):
        load_dictionary(write(tmp_path, "standard")).encode(torch.zeros(shape))


# putting vectors together


def loaded(folder: Path, architecture: str, **settings: object) -> Dictionary:
    return load_dictionary(write(folder, architecture, **settings))


@pytest.mark.parametrize("architecture", FORMULAS)
def test_vectors_are_sums_of_rows_and_the_bias(tmp_path: Path, x: Tensor, architecture: str) -> None:
    dictionary, w = loaded(tmp_path, architecture), as_arrays(architecture)
    strength = FORMULAS[architecture](x.double().numpy() - w["b_dec"], w)
    wanted = strength @ w["W_dec"] + w["b_dec"]
    np.testing.assert_allclose(dictionary.decode(torch.from_numpy(strength)).numpy(), wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(dictionary.reconstruct(x).numpy(), wanted, rtol=1e-4, atol=1e-4)


def test_strengths_that_were_rescaled_go_with_rows_of_length_one(tmp_path: Path, x: Tensor) -> None:
    dictionary, w = loaded(tmp_path, "topk", rescale_acts_by_decoder_norm=True), as_arrays("topk")
    lengths = np.sqrt((w["W_dec"] ** 2).sum(axis=1))
    strength = topk(x.double().numpy() - w["b_dec"], w, lengths)
    wanted = (strength / lengths) @ w["W_dec"] + w["b_dec"]
    np.testing.assert_allclose(dictionary.reconstruct(x).numpy(), wanted, rtol=1e-4, atol=1e-4)


def test_a_row_of_zeros_spoils_nothing(tmp_path: Path, x: Tensor) -> None:
    weights = weights_of("topk")
    weights["W_dec"][4] = 0
    dictionary = load_dictionary(write(tmp_path, "topk", weights, rescale_acts_by_decoder_norm=True))
    assert dictionary.reconstruct(x).isfinite().all() and dictionary.changed(x, {4: 3.0}).isfinite().all()


@pytest.mark.parametrize("architecture", FORMULAS)
def test_reconstruction_undoes_layer_norm(tmp_path: Path, x: Tensor, architecture: str) -> None:
    dictionary, w = loaded(tmp_path, architecture, normalize_activations="layer_norm"), as_arrays(architecture)
    given = x.double().numpy()
    mean, spread = given.mean(axis=1, keepdims=True), given.std(axis=1, ddof=1, keepdims=True)
    strength = FORMULAS[architecture]((given - mean) / (spread + 1e-5) - w["b_dec"], w)
    wanted = (strength @ w["W_dec"] + w["b_dec"]) * spread + mean
    np.testing.assert_allclose(dictionary.reconstruct(x).numpy(), wanted, rtol=1e-4, atol=1e-4)


# changing features


SETTINGS = [
    ("standard", {}),
    ("topk", {}),
    ("topk", {"rescale_acts_by_decoder_norm": True}),
    ("jumprelu", {}),
    ("gated", {}),
    ("standard", {"normalize_activations": "layer_norm"}),
    ("topk", {"normalize_activations": "layer_norm", "rescale_acts_by_decoder_norm": True}),
]


@pytest.mark.parametrize(("architecture", "settings"), SETTINGS)
def test_changing_features_moves_a_vector_as_it_moves_its_reconstruction(
    tmp_path: Path, x: Tensor, architecture: str, settings: dict[str, object]
) -> None:
    dictionary = loaded(tmp_path, architecture, **settings)
    strength = dictionary.encode(x)
    often = strength.gt(0).sum(dim=0).argsort(descending=True)[:3].tolist()
    factors = dict(zip(often, (0.0, 2.5, -1.0), strict=True))
    scaled = strength.clone()
    for feature, factor in factors.items():
        scaled[:, feature] *= factor
    spread = x.std(dim=1, keepdim=True) if "normalize_activations" in settings else 1.0
    wanted = x + (dictionary.decode(scaled) - dictionary.decode(strength)) * spread
    changed = dictionary.changed(x, factors)
    assert (changed - x).abs().max() > 0.1
    torch.testing.assert_close(changed, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_factor_of_one_changes_no_bit(tmp_path: Path, x: Tensor, dtype: torch.dtype) -> None:
    x = x.to(dtype)
    assert torch.equal(loaded(tmp_path, "standard").changed(x, {0: 1.0, 7: 1}), x)
    assert torch.equal(loaded(tmp_path, "standard").changed(x, {}), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_frames_in_which_a_feature_is_silent_keep_every_bit(tmp_path: Path, x: Tensor, dtype: torch.dtype) -> None:
    dictionary, x = loaded(tmp_path, "jumprelu"), x.to(dtype)
    x[:, 0] = torch.where(x[:, 0] > 0, x[:, 0], torch.tensor(-0.0, dtype=dtype))
    is_active = dictionary.encode(x)[:, 3] > 0
    assert 0 < is_active.sum() < N_FRAMES
    before = x.clone()
    changed = dictionary.changed(x, {3: 0.0, 4: 1.0})
    assert changed.dtype == dtype and torch.equal(x, before)
    width = torch.int32 if dtype == torch.float32 else torch.int16
    is_same = (changed.view(width) == x.view(width)).all(dim=1)
    assert torch.equal(is_same, ~is_active)


def test_a_feature_that_is_switched_off_and_found_again_is_weaker(tmp_path: Path, x: Tensor) -> None:
    """Rows at right angles: nothing else moves when one of them is taken out."""
    weights = {
        "W_enc": torch.eye(D_IN),
        "W_dec": torch.eye(D_IN),
        "b_enc": torch.zeros(D_IN),
        "b_dec": torch.zeros(D_IN),
    }
    dictionary = load_dictionary(write(tmp_path, "standard", weights, d_sae=D_IN))
    before, after = dictionary.encode(x), dictionary.encode(dictionary.changed(x, {2: 0.0}))
    assert before[:, 2].max() > 0 and after[:, 2].abs().max() < 1e-6
    others = [0, 1, 3, 4, 5]
    assert torch.equal(after[:, others], before[:, others])


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({N_FEATURES: 0.0}, "feature 20 is not in the dictionary, which has 20: give whole numbers from 0 to 19"),
        ({-1: 0.0}, "feature -1 is not in the dictionary"),
        ({1.5: 0.0}, "feature 1.5 is not in the dictionary"),
        ({True: 0.0}, "feature True is not in the dictionary"),
        ({3: float("nan")}, "the factor of feature 3 is nan: give a finite number, 0 to switch it off"),
        ({3: float("inf")}, "the factor of feature 3 is inf"),
        ({3: "x"}, "the factor of feature 3 is 'x'"),
    ],
)
def test_factors_that_cannot_be_used_are_refused(
    tmp_path: Path, x: Tensor, factors: dict[int, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        loaded(tmp_path, "standard").changed(x, factors)


def test_strengths_of_another_number_of_features_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be decoded: this dictionary takes \[frame, 20\]"):
        loaded(tmp_path, "standard").decode(torch.zeros(3, 4))
