"""SAELens itself: what we write it loads, what it writes we load, and both compute the same."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from otoscope.sae.dictionary import TENSORS, Dictionary
from otoscope.sae.files import load_dictionary, save_dictionary
from tests.sae import test_dictionary_learning as theirs
from tests.sae.saelens import D_IN, N_FEATURES, N_FRAMES, random, weights_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    sae_lens = pytest.importorskip("sae_lens", reason="needs the interop extra")

pytestmark = pytest.mark.filterwarnings("ignore")
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    (architecture, {"apply_b_dec_to_input": takes_off, "normalize_activations": normalization})
    for architecture in TENSORS
    for takes_off in (True, False)
    for normalization in ("none", "layer_norm")
]
SETTINGS += [("topk", {"rescale_acts_by_decoder_norm": True})]


@pytest.fixture
def x() -> Tensor:
    return random(N_FRAMES, D_IN, seed=99) * 2 + 1


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("architecture", "settings"), SETTINGS)
def test_sae_lens_loads_what_is_written_and_computes_the_same(
    tmp_path: Path, x: Tensor, architecture: str, settings: dict[str, Any]
) -> None:
    told = {"apply_b_dec_to_input": True, "normalize_activations": "none", "rescale_acts_by_decoder_norm": False}
    metadata = {
        "site": "encoder.blocks.2",
        "model": "demo",
        "weights_hash": "0a1b",
        "kinds": ["speech"],
        "more": {"a": [1]},
    }
    k = 3 if architecture == "topk" else None
    ours = Dictionary(architecture, weights_of(architecture), **{**told, **settings}, k=k, metadata=metadata)
    loaded = sae_lens.SAE.load_from_disk(save_dictionary(ours, tmp_path / "ours"))
    with torch.no_grad():
        close(loaded.encode(x), ours.encode(x))
        close(loaded(x), ours.reconstruct(x))
    found = loaded.cfg.metadata.to_dict()
    assert {name: found[name] for name in metadata} == metadata
    assert (found["hook_name"], found["model_name"]) == ("encoder.blocks.2", "demo")
    loaded.save_model(tmp_path / "back")
    back = load_dictionary(tmp_path / "back")
    assert torch.equal(back.encode(x), ours.encode(x)) and torch.equal(back.reconstruct(x), ours.reconstruct(x))
    assert {name: back.metadata[name] for name in metadata} == metadata


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("Standard", {}),
        ("TopK", {"k": 3}),
        ("BatchTopK", {"k": 3.0}),
        ("JumpReLU", {}),
        ("Gated", {}),
        ("MatryoshkaBatchTopK", {"k": 3.0, "matryoshka_widths": [5, N_FEATURES]}),
    ],
)
def test_what_sae_lens_trained_is_read_and_computes_the_same(
    tmp_path: Path, x: Tensor, name: str, more: dict[str, Any]
) -> None:
    config = getattr(sae_lens, f"{name}TrainingSAEConfig")(d_in=D_IN, d_sae=N_FEATURES, **more)
    trained = getattr(sae_lens, f"{name}TrainingSAE")(config)
    with torch.no_grad():
        for seed, weight in enumerate(trained.parameters()):
            weight.copy_(random(*weight.shape, seed=seed) * 0.5)
    trained.save_inference_model(tmp_path)
    loaded, ours = sae_lens.SAE.load_from_disk(tmp_path), load_dictionary(tmp_path)
    with torch.no_grad():
        assert loaded.encode(x).any()
        close(ours.encode(x), loaded.encode(x))
        close(ours.reconstruct(x), loaded(x))


@pytest.mark.parametrize("kind", ["AutoEncoder", "AutoEncoderTopK", "BatchTopKSAE", "MatryoshkaBatchTopKSAE"])
def test_dictionaries_of_dictionary_learning_reach_sae_lens(tmp_path: Path, kind: str) -> None:
    x = random(60, theirs.D, seed=99) * 1.5 + 0.5
    read = load_dictionary(theirs.write(tmp_path / "theirs", kind))
    loaded = sae_lens.SAE.load_from_disk(save_dictionary(read, tmp_path / "ours"))
    f, x_hat = theirs.TWINS[kind](theirs.TENSORS[kind], x)
    with torch.no_grad():
        close(loaded.encode(x), f)
        close(loaded(x), x_hat)
    assert json.loads(json.dumps(loaded.cfg.metadata.dictionary_learning))["dict_class"] == kind
