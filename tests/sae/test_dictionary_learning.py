"""Each class of dictionary_learning as its paper has it, written by hand, beside what is made of its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae.files import dictionaries_in, load_dictionary, save_dictionary
from tests.sae.saelens import random

D, N, K = 6, 20, 3
THRESHOLD = 0.7


# the classes: tensors, and what they make of x


def linear(**more: Tensor) -> dict[str, Tensor]:
    return {
        "encoder.weight": random(N, D, seed=1),
        "encoder.bias": random(N, seed=2) * 0.3,
        "decoder.weight": random(D, N, seed=3) * 0.8,
        **more,
    }


def parameters(**more: Tensor) -> dict[str, Tensor]:
    return {
        "W_enc": random(D, N, seed=4),
        "b_enc": random(N, seed=5) * 0.3,
        "W_dec": random(N, D, seed=6) * 0.8,
        "b_dec": random(D, seed=7),
        **more,
    }


def of_k(threshold: float | None = THRESHOLD) -> dict[str, Tensor]:
    own = {"k": torch.tensor(K, dtype=torch.int)}
    return own if threshold is None else {**own, "threshold": torch.tensor(threshold)}


TENSORS: dict[str, dict[str, Tensor]] = {
    "AutoEncoder": linear(bias=random(D, seed=8)),
    "AutoEncoderNew": linear(**{"decoder.bias": random(D, seed=8)}),
    "AutoEncoderTopK": linear(b_dec=random(D, seed=8), **of_k()),
    "BatchTopKSAE": linear(b_dec=random(D, seed=8), **of_k()),
    "MatryoshkaBatchTopKSAE": parameters(**of_k(), group_sizes=torch.tensor([5, 15])),
    "JumpReluAutoEncoder": parameters(threshold=random(N, seed=9).abs()),
    "GatedAutoEncoder": {
        "encoder.weight": random(N, D, seed=1),
        "decoder.weight": random(D, N, seed=3) * 0.8,
        "decoder_bias": random(D, seed=8),
        "r_mag": random(N, seed=9) * 0.5,
        "gate_bias": random(N, seed=10),
        "mag_bias": random(N, seed=11),
    },
}
Twin = Callable[[dict[str, Tensor], Tensor], tuple[Tensor, Tensor]]


def autoencoder(w: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    f = ((x - w["bias"]) @ w["encoder.weight"].T + w["encoder.bias"]).relu()
    return f, f @ w["decoder.weight"].T + w["bias"]


def autoencoder_new(w: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    f = (x @ w["encoder.weight"].T + w["encoder.bias"]).relu()
    return f, f @ w["decoder.weight"].T + w["decoder.bias"]


def topk(w: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    pre = ((x - w["b_dec"]) @ w["encoder.weight"].T + w["encoder.bias"]).relu()
    f = torch.zeros_like(pre)
    for row, given in zip(f, pre, strict=True):
        for feature in sorted(range(N), key=lambda i: -given[i])[:K]:
            row[feature] = given[feature]
    return f, f @ w["decoder.weight"].T + w["b_dec"]


def batch_topk(w: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    f = ((x - w["b_dec"]) @ w["encoder.weight"].T + w["encoder.bias"]).relu()
    f = f * (f > w["threshold"])
    return f, f @ w["decoder.weight"].T + w["b_dec"]


def matryoshka(w: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    f = ((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).relu()
    f = f * (f > w["threshold"])
    return f, f @ w["W_dec"] + w["b_dec"]


def jumprelu(w: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    pre = x @ w["W_enc"] + w["b_enc"]
    f = (pre * (pre > w["threshold"])).relu()
    return f * w["W_dec"].norm(dim=1), f @ w["W_dec"] + w["b_dec"]


def gated(w: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    pre = (x - w["decoder_bias"]) @ w["encoder.weight"].T
    f = (pre + w["gate_bias"] > 0) * (w["r_mag"].exp() * pre + w["mag_bias"]).relu()
    return f * w["decoder.weight"].norm(dim=0), f @ w["decoder.weight"].T + w["decoder_bias"]


TWINS: dict[str, Twin] = {
    "AutoEncoder": autoencoder,
    "AutoEncoderNew": autoencoder_new,
    "AutoEncoderTopK": topk,
    "BatchTopKSAE": batch_topk,
    "MatryoshkaBatchTopKSAE": matryoshka,
    "JumpReluAutoEncoder": jumprelu,
    "GatedAutoEncoder": gated,
}
ARCHITECTURES = dict(
    zip(TWINS, ("standard", "standard", "topk", "jumprelu", "jumprelu", "jumprelu", "gated"), strict=True)
)


def write(folder: Path, kind: str, tensors: Any = None, **trainer: Any) -> Path:
    """Write a folder as dictionary_learning's trainer does."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        "trainer_class": "Trainer",
        "dict_class": kind,
        "activation_dim": D,
        "dict_size": N,
        "layer": 7,
        "lm_name": "openai/whisper-small",
        "submodule_name": "resid_post_layer_7",
        **({"k": K} if "TopK" in kind else {}),
        **trainer,
    }
    told = {name: value for name, value in told.items() if value is not ...}
    (folder / "config.json").write_text(json.dumps({"trainer": told, "buffer": {"ctx_len": 128}}))
    torch.save(TENSORS[kind] if tensors is None else tensors, folder / "ae.pt")
    return folder


def without(kind: str, *names: str, **others: Tensor) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in {**TENSORS[kind], **others}.items() if name not in names}


@pytest.fixture
def x() -> Tensor:
    return random(60, D, seed=99) * 1.5 + 0.5


def assert_agrees(folder: Path, kind: str, tensors: dict[str, Tensor], x: Tensor) -> None:
    f, x_hat = TWINS[kind]({name: tensor.double() for name, tensor in tensors.items()}, x.double())
    assert 0 < (f > 0).double().mean() < 1
    dictionary = load_dictionary(folder)
    torch.testing.assert_close(dictionary.encode(x), f.float(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(dictionary.reconstruct(x), x_hat.float(), rtol=1e-4, atol=1e-4)


# what is read


@pytest.mark.parametrize("kind", TWINS)
def test_each_class_encodes_and_decodes_as_it_does_there(tmp_path: Path, x: Tensor, kind: str) -> None:
    assert_agrees(write(tmp_path, kind), kind, TENSORS[kind], x)
    assert load_dictionary(tmp_path).architecture == ARCHITECTURES[kind]


@pytest.mark.parametrize("kind", TWINS)
def test_what_is_converted_encodes_the_same(tmp_path: Path, x: Tensor, kind: str) -> None:
    read = load_dictionary(write(tmp_path / "theirs", kind))
    ours = load_dictionary(save_dictionary(read, tmp_path / "ours"))
    assert torch.equal(ours.encode(x), read.encode(x)) and torch.equal(ours.reconstruct(x), read.reconstruct(x))


@pytest.mark.parametrize("kind", ["BatchTopKSAE", "MatryoshkaBatchTopKSAE"])
@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.2, 2.0])
def test_the_threshold_is_that_of_the_file(tmp_path: Path, x: Tensor, kind: str, threshold: float) -> None:
    tensors = without(kind, threshold=torch.tensor(threshold))
    assert_agrees(write(tmp_path, kind, tensors), kind, tensors, x)
    assert load_dictionary(tmp_path).weights["threshold"].tolist() == pytest.approx([max(threshold, 0.0)] * N)


@pytest.mark.parametrize("kind", ["JumpReluAutoEncoder", "GatedAutoEncoder"])
def test_a_feature_without_a_row_is_never_active(tmp_path: Path, x: Tensor, kind: str) -> None:
    tensors = {name: tensor.clone() for name, tensor in TENSORS[kind].items()}
    rows = tensors["W_dec"] if kind == "JumpReluAutoEncoder" else tensors["decoder.weight"].T
    rows[2] = 0
    assert_agrees(write(tmp_path, kind, tensors), kind, tensors, x)
    assert not load_dictionary(tmp_path).encode(x)[:, 2].any()


def test_weights_of_half_the_width_are_computed_in_float32(tmp_path: Path, x: Tensor) -> None:
    half = {name: t.bfloat16() if t.ndim == 2 else t for name, t in TENSORS["BatchTopKSAE"].items()}
    assert_agrees(write(tmp_path, "BatchTopKSAE", half), "BatchTopKSAE", half, x)
    assert {weight.dtype for weight in load_dictionary(tmp_path).weights.values()} == {torch.float32}


def test_names_that_compiling_made_are_the_plain_ones(tmp_path: Path, x: Tensor) -> None:
    compiled = {f"_orig_mod.{name}": tensor for name, tensor in TENSORS["AutoEncoder"].items()}
    assert_agrees(write(tmp_path, "AutoEncoder", compiled), "AutoEncoder", TENSORS["AutoEncoder"], x)


def test_k_comes_from_either_file(tmp_path: Path) -> None:
    assert load_dictionary(write(tmp_path / "a", "AutoEncoderTopK", k=...)).k == K
    older = without("AutoEncoderTopK", "k", "threshold")
    assert load_dictionary(write(tmp_path / "b", "AutoEncoderTopK", older)).k == K


def test_sizes_may_be_left_to_the_tensors(tmp_path: Path) -> None:
    found = load_dictionary(write(tmp_path, "AutoEncoder", activation_dim=..., dict_size=...))
    assert (found.d_in, found.n_features) == (D, N)


def test_what_its_maker_said_is_kept_and_is_no_site_of_ours(tmp_path: Path) -> None:
    told = load_dictionary(write(tmp_path, "AutoEncoder")).metadata
    assert (told["model_name"], told["hook_name"], told["layer"]) == ("openai/whisper-small", "resid_post_layer_7", 7)
    assert told["dictionary_learning"]["trainer_class"] == "Trainer" and "site" not in told


def test_a_folder_of_its_trainers_is_looked_through(tmp_path: Path) -> None:
    write(tmp_path / "trainer_0", "AutoEncoder")
    assert load_dictionary(tmp_path).architecture == "standard"
    write(tmp_path / "trainer_1", "BatchTopKSAE")
    assert list(dictionaries_in(tmp_path)) == ["trainer_0", "trainer_1"]


# what is refused


@pytest.mark.parametrize("name", ["ae.pt", "config.json"])
def test_a_file_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    (write(tmp_path, "AutoEncoder") / name).unlink()
    with pytest.raises(InputError, match=rf"has no {name}: dictionary_learning's layout is ae.pt and config.json"):
        load_dictionary(tmp_path)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (self.folder,)


def test_code_in_the_weights_is_refused_and_not_run(tmp_path: Path) -> None:
    write(tmp_path, "AutoEncoder", {**TENSORS["AutoEncoder"], "x": Trap(tmp_path / "trapped")})
    with pytest.raises(InputError, match=r"carry code or objects, not only tensors .* no code was run. Save the"):
        load_dictionary(tmp_path)
    assert not (tmp_path / "trapped").exists()


def test_weights_that_are_no_torch_file_are_refused(tmp_path: Path) -> None:
    whole = (write(tmp_path, "AutoEncoder") / "ae.pt").read_bytes()
    for damaged in (b"", b"text", whole[: len(whole) // 2]):
        (tmp_path / "ae.pt").write_bytes(damaged)
        with pytest.raises(
            InputError, match="cannot be read .*They are a torch file of tensors by name: copy it again"
        ):
            load_dictionary(tmp_path)


@pytest.mark.parametrize("held", [[1, 2], {"a": 3}, torch.zeros(3)])
def test_weights_that_are_something_else_are_refused(tmp_path: Path, held: Any) -> None:
    with pytest.raises(InputError, match="hold something other than tensors by name. Save the state_dict alone"):
        load_dictionary(write(tmp_path, "AutoEncoder", held))


@pytest.mark.parametrize(
    ("kind", "tensors", "message"),
    [
        ("AutoEncoder", without("AutoEncoder", "bias"), "bias is missing"),
        ("AutoEncoder", TENSORS["AutoEncoderTopK"], "b_dec is not of this architecture; bias is missing; k is not of"),
        ("BatchTopKSAE", without("BatchTopKSAE", "threshold"), "threshold is missing"),
        (
            "BatchTopKSAE",
            without("BatchTopKSAE", **{"decoder.weight": torch.zeros(N, D)}),
            r"decoder.weight is \[20, 6\], not \[6, 20\]",
        ),
        (
            "JumpReluAutoEncoder",
            without("JumpReluAutoEncoder", threshold=torch.zeros(())),
            r"threshold is \[\], not \[20",
        ),
        (
            "BatchTopKSAE",
            without("BatchTopKSAE", b_dec=torch.full((D,), torch.inf)),
            "b_dec holds NaN or infinite values",
        ),
        ("BatchTopKSAE", without("BatchTopKSAE", threshold=torch.tensor(torch.nan)), "threshold holds NaN"),
        (
            "AutoEncoder",
            without("AutoEncoder", bias=torch.zeros(D, dtype=torch.int64)),
            "bias is torch.int64, not float",
        ),
    ],
)
def test_tensors_that_do_not_fit_the_class_are_named(
    tmp_path: Path, kind: str, tensors: dict[str, Tensor], message: str
) -> None:
    with pytest.raises(
        InputError, match=rf"are not those of a {kind} from 6 to 20: .*{message}.*Check that config.json"
    ):
        load_dictionary(write(tmp_path, kind, tensors))


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        (
            {"dict_class": "CrossCoder"},
            "has dict_class 'CrossCoder': AutoEncoder, .* are supported. Use a dictionary of one",
        ),
        ({"dict_class": ...}, "has no dict_class: AutoEncoder"),
        ({"dict_class": ["AutoEncoder"]}, r"has dict_class \['AutoEncoder'\]"),
        ({"activation_dim": "6"}, "has activation_dim '6': it is a whole number, 1 or more. Correct config.json"),
        ({"dict_size": 0}, "has dict_size 0: it is a whole number"),
        ({"dict_size": 21}, r"encoder.weight is \[20, 6\], not \[21, 6\]"),
        ({"k": 4}, "has k 4 in config.json and 3 in ae.pt. Check that they belong together"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(tmp_path: Path, trainer: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_dictionary(write(tmp_path, "AutoEncoderTopK", **trainer))


@pytest.mark.parametrize(
    ("k", "trainer", "message"),
    [
        (None, {"k": ...}, "has no k: it is a whole number, 1 to 20"),
        (None, {"k": 21}, "has k 21: it is a whole number, 1 to 20"),
        (torch.tensor(0), {"k": 0}, "has k 0: it is a whole number, 1 to 20"),
        (torch.tensor([3, 3]), {}, r"has k \[3, 3\] in ae.pt: it is one whole number"),
        (torch.tensor(3.0), {}, "has k 3.0 in ae.pt: it is one whole number"),
    ],
)
def test_k_that_cannot_be_used_is_refused(
    tmp_path: Path, k: Tensor | None, trainer: dict[str, Any], message: str
) -> None:
    tensors = without("AutoEncoderTopK", "k") if k is None else without("AutoEncoderTopK", k=k)
    with pytest.raises(InputError, match=message):
        load_dictionary(write(tmp_path, "AutoEncoderTopK", tensors, **trainer))


@pytest.mark.parametrize("text", ["{}", '{"trainer": 3}'])
def test_settings_without_a_trainer_are_refused(tmp_path: Path, text: str) -> None:
    (write(tmp_path, "AutoEncoder") / "config.json").write_text(text)
    with pytest.raises(InputError, match="has no object 'trainer' in config.json, which describes the dictionary"):
        load_dictionary(tmp_path)


# AudioSAE's folders: the same tensors, flat settings, the block in the name


def audio_sae(folder: Path, weights: dict[str, Tensor] | None = None, **settings: Any) -> Path:
    folder.mkdir(parents=True)
    config = {"activation_dim": D, "dict_size": N, "k": K, **settings}
    (folder / "config.json").write_text(json.dumps({name: value for name, value in config.items() if value is not ...}))
    torch.save(linear(b_dec=random(D, seed=8), **of_k(None)) if weights is None else weights, folder / "ae.pt")
    return folder


def test_flat_settings_without_a_threshold_are_plain_top_k(tmp_path: Path) -> None:
    dictionary = load_dictionary(audio_sae(tmp_path / "layer_3"))
    assert (dictionary.architecture, dictionary.k, dictionary.d_in, dictionary.n_features) == ("topk", K, D, N)
    x = random(50, D, seed=20)
    strengths, again = topk(linear(b_dec=random(D, seed=8)), x)
    torch.testing.assert_close(dictionary.encode(x), strengths, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(dictionary.reconstruct(x), again, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "site"),
    [("layer_1", "encoder.blocks.0"), ("layer_12", "encoder.blocks.11"), ("layer_0", None), ("other", None)],
)
def test_the_block_is_counted_from_1_in_the_name_of_the_folder(tmp_path: Path, name: str, site: str | None) -> None:
    assert load_dictionary(audio_sae(tmp_path / name)).metadata.get("site") == site


def test_all_layers_of_a_folder_are_found(tmp_path: Path) -> None:
    for layer in (1, 2, 10):
        audio_sae(tmp_path / f"layer_{layer}")
    sites = {load_dictionary(path).metadata["site"] for path in dictionaries_in(tmp_path).values()}
    assert sites == {"encoder.blocks.0", "encoder.blocks.1", "encoder.blocks.9"}


@pytest.mark.parametrize("left_out", ["activation_dim", "dict_size", "k"])
def test_what_flat_settings_leave_out_is_taken_from_the_weights(tmp_path: Path, left_out: str) -> None:
    dictionary = load_dictionary(audio_sae(tmp_path / "it", **{left_out: ...}))
    assert (dictionary.d_in, dictionary.n_features, dictionary.k) == (D, N, K)


@pytest.mark.parametrize(
    ("settings", "weights", "message"),
    [
        ({"k": 5}, {}, "has k 5 in config.json and 3 in ae.pt"),
        ({"dict_size": 7}, {}, r"encoder.bias is \[20\], not \[7\]"),
        ({"k": 21}, {"k": torch.tensor(21)}, "has k 21: it is a whole number, 1 to 20"),
        ({}, {"threshold": torch.tensor(0.3)}, "names no dict_class: it is not known whether the k strongest"),
        ({}, {"b_dec": torch.full((D,), torch.nan)}, "b_dec holds NaN"),
        ({}, {"scale": torch.ones(1)}, "scale is not of this architecture"),
    ],
)
def test_flat_settings_that_do_not_fit_the_weights_are_refused(
    tmp_path: Path, settings: dict[str, Any], weights: dict[str, Tensor], message: str
) -> None:
    own = {**linear(b_dec=random(D, seed=8), **of_k(None)), **weights}
    with pytest.raises(InputError, match=message):
        load_dictionary(audio_sae(tmp_path / "it", own, **settings))


def test_a_threshold_that_was_never_set_leaves_top_k(tmp_path: Path) -> None:
    own = {**linear(b_dec=random(D, seed=8), **of_k(-1.0))}
    assert load_dictionary(audio_sae(tmp_path / "it", own)).architecture == "topk"
