from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae.dictionary import Dictionary, load_dictionary

D_IN, N_FEATURES, N_FRAMES = 6, 20, 40
SHAPES = {"W_enc": (D_IN, N_FEATURES), "W_dec": (N_FEATURES, D_IN), "b_dec": (D_IN,)}


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def weights_of(architecture: str) -> dict[str, Tensor]:
    own = {"gated": ("b_gate", "b_mag", "r_mag"), "jumprelu": ("b_enc", "threshold")}.get(architecture, ("b_enc",))
    shapes = {**SHAPES, **dict.fromkeys(own, (N_FEATURES,))}
    weights = {name: random(*shape, seed=seed) for seed, (name, shape) in enumerate(shapes.items())}
    if "threshold" in weights:
        weights["threshold"] = weights["threshold"].abs()
    return weights


def write(folder: Path, architecture: Any, weights: dict[str, Tensor] | None = None, **settings: Any) -> Path:
    """Write a folder in SAELens's layout, as its documentation describes it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"d_in": D_IN, "d_sae": N_FEATURES, "dtype": "float32", "device": "cpu", "architecture": architecture}
    config |= {"k": 3} if architecture == "topk" and "k" not in settings else {}
    config |= {"metadata": {"sae_lens_version": "6.54.12", "hook_name": "anywhere"}}
    config = {name: value for name, value in {**config, **settings}.items() if value is not ...}
    (folder / "cfg.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(weights_of(str(architecture)) if weights is None else weights, folder / "sae_weights.safetensors")
    return folder


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
    scaled = load_dictionary(write(tmp_path / "a", "standard", normalize_activations="expected_average_only_in"))
    plain = load_dictionary(write(tmp_path / "b", "standard"))
    torch.testing.assert_close(scaled.encode(x), plain.encode(x), rtol=0, atol=0)


def test_a_scaler_without_a_factor_is_no_obstacle(tmp_path: Path) -> None:
    write(tmp_path, "standard", normalize_activations="expected_average_only_in")
    (tmp_path / "activation_scaler.json").write_text('{"scaling_factor": null, "has_whitening": false}')
    assert load_dictionary(tmp_path).n_features == N_FEATURES


def test_defaults_are_those_of_the_layout(tmp_path: Path) -> None:
    dictionary = load_dictionary(write(tmp_path, "topk", metadata=...))
    assert (dictionary.d_in, dictionary.n_features, dictionary.architecture) == (D_IN, N_FEATURES, "topk")
    assert (dictionary.apply_b_dec_to_input, dictionary.normalize_activations) == (True, "none")
    assert (dictionary.rescale_acts_by_decoder_norm, dictionary.k, dictionary.metadata) == (False, 3, {})


def test_metadata_is_kept_and_found_where_older_versions_wrote_it(tmp_path: Path) -> None:
    told = {"site": "encoder.blocks.3.mlp.1", "model": "someone/whisper", "anything": [1, {"else": None}]}
    assert load_dictionary(write(tmp_path / "new", "standard", metadata=told)).metadata == told
    older = load_dictionary(write(tmp_path / "old", "standard", metadata=..., hook_name="here", model_name="this"))
    assert older.metadata == {"hook_name": "here", "model_name": "this"}


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


def test_settings_that_are_not_known_and_other_files_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "standard", some_new_setting=3)
    (tmp_path / "sparsity.safetensors").write_bytes(b"")
    assert isinstance(load_dictionary(str(tmp_path)), Dictionary)


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


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'.*nowhere' is not there: give a folder in SAELens's layout"):
        load_dictionary(tmp_path / "nowhere")
    for name in ("cfg.json", "sae_weights.safetensors"):
        folder = write(tmp_path / name, "standard")
        (folder / name).unlink()
        with pytest.raises(InputError, match=rf"has no {name}: SAELens's layout is cfg\.json and"):
            load_dictionary(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read .*They are one JSON object: copy it again"),
        ("\xff", "cannot be read .*They are one JSON object"),
        ("[1]", "hold a list: they are one JSON object"),
    ],
)
def test_damaged_settings_are_refused(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, "standard")
    (tmp_path / "cfg.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        load_dictionary(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "transcoder"}, "has architecture 'transcoder': 'standard', 'topk', 'jumprelu', 'gated' are"),
        ({"architecture": ["topk"]}, r"has architecture \['topk'\]"),
        ({"architecture": ...}, "has no architecture: 'standard'"),
        ({"d_in": ...}, "has no d_in: it is a whole number, 1 or more. Correct cfg.json"),
        ({"d_sae": 0}, "has d_sae 0: it is a whole number, 1 or more"),
        ({"d_sae": True}, "has d_sae True"),
        ({"architecture": "topk", "k": ...}, "has no k: it is a whole number, 1 to 20"),
        ({"architecture": "topk", "k": 21}, "has k 21: it is a whole number, 1 to 20"),
        ({"apply_b_dec_to_input": "yes"}, "has apply_b_dec_to_input 'yes': it is true or false"),
        ({"normalize_activations": "constant_norm_rescale"}, "has normalize_activations 'constant_norm_rescale': "),
        ({"normalize_activations": "covariance_whitening"}, "has normalize_activations 'covariance_whitening': 'none'"),
        ({"reshape_activations": "other"}, "has reshape_activations 'other': 'none', 'hook_z' are read"),
        ({"activation_fn_str": "topk"}, "has activation_fn_str 'topk': a standard dictionary is read with 'relu'"),
        ({"metadata": 3}, "has metadata 3: it is a JSON object"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    write(tmp_path, **{"architecture": "standard", **settings})
    with pytest.raises(InputError, match=message):
        load_dictionary(tmp_path)


def test_a_checkpoint_whose_scale_is_not_in_its_weights_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "standard", normalize_activations="expected_average_only_in")
    (tmp_path / "activation_scaler.json").write_text('{"scaling_factor": 0.25}')
    with pytest.raises(InputError, match=r"scaling_factor 0\.25, which is not in its weights\. Take the dictionary"):
        load_dictionary(tmp_path)


def test_weights_that_are_no_safetensors_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "standard")
    whole = (tmp_path / "sae_weights.safetensors").read_bytes()
    for damaged in (b"", whole[:50], whole[:-4]):
        (tmp_path / "sae_weights.safetensors").write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read .*They are a safetensors file: copy it again"):
            load_dictionary(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b_enc": None}, "b_enc is missing"),
        ({"threshold": torch.zeros(N_FEATURES)}, "threshold is not of this architecture"),
        ({"W_enc": torch.zeros(N_FEATURES, D_IN)}, r"W_enc is \[20, 6\], not \[6, 20\]"),
        ({"b_dec": torch.zeros(D_IN, dtype=torch.int64)}, r"b_dec is torch\.int64, not floating point"),
        ({"W_dec": torch.full((N_FEATURES, D_IN), torch.nan)}, "W_dec holds NaN or infinite values"),
    ],
)
def test_weights_that_do_not_fit_the_settings_are_named(
    tmp_path: Path, change: dict[str, Tensor | None], message: str
) -> None:
    weights = {name: weight for name, weight in {**weights_of("standard"), **change}.items() if weight is not None}
    write(tmp_path, "standard", weights)
    with pytest.raises(InputError, match=rf"a standard dictionary from 6 to 20: {message}\. Check that"):
        load_dictionary(tmp_path)
