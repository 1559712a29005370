from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from otoscope.base.errors import ModelError
from otoscope.model.load import load
from tests.model.checkpoints.conftest import Original
from tests.model.checkpoints.twins import State, body, write_adapter
from tests.model.tiny import save_folder

QUERY = "model.encoder.layers.0.self_attn.q_proj"
FC1 = "model.decoder.layers.1.fc1"


@pytest.fixture(scope="session")
def base(original: Original, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_folder(tmp_path_factory.mktemp("base"), *original)


def factors(rank: int = 4, seed: int = 0) -> State:
    draw = torch.Generator().manual_seed(seed)
    made = {}
    for module, n_out in ((QUERY, 32), (FC1, 128)):
        made[f"{module}.lora_A.weight"] = torch.randn(rank, 32, generator=draw)
        made[f"{module}.lora_B.weight"] = torch.randn(n_out, rank, generator=draw)
    return made


def changed(original: Original, held: State, scales: dict[str, float]) -> State:
    expected = body(original.model)
    for module, scale in scales.items():
        a, b = held[f"{module}.lora_A.weight"], held[f"{module}.lora_B.weight"]
        expected[f"{module}.weight"] = expected[f"{module}.weight"] + scale * (b @ a)
    return expected


def assert_is(loaded: Any, expected: State) -> None:
    for name, tensor in loaded.hf.state_dict().items():
        if name in expected:
            torch.testing.assert_close(tensor, expected[name], atol=1e-6, rtol=1e-6, msg=name)


@pytest.mark.parametrize(
    ("told", "scales"),
    [
        ({}, {QUERY: 2.0, FC1: 2.0}),
        ({"use_rslora": True}, {QUERY: 4.0, FC1: 4.0}),
        ({"alpha_pattern": {"fc1": 20}}, {QUERY: 2.0, FC1: 5.0}),
        ({"alpha_pattern": {r"decoder\.layers\.\d\.fc1": 2}, "fan_in_fan_out": True}, {QUERY: 2.0, FC1: 0.5}),
        ({"r": 9, "rank_pattern": {"q_proj|fc1": 4}}, {QUERY: 2.0, FC1: 2.0}),
    ],
)
def test_an_adapter_is_merged_with_its_scale(
    original: Original, base: Path, tmp_path: Path, told: dict[str, Any], scales: dict[str, float]
) -> None:
    held = factors()
    loaded = load(write_adapter(tmp_path, held, str(base), **told))
    assert_is(loaded, changed(original, held, scales))
    assert loaded.notes == (f"a LoRA adapter, merged into {base}",)
    assert loaded.tokenizer.get_vocab() == original.tokenizer.get_vocab()


def test_convolutions_whole_tensors_and_biases_are_taken(original: Original, base: Path, tmp_path: Path) -> None:
    held = factors()
    a, b = torch.randn(4, 80, 3), torch.randn(32, 4, 1)
    whole = {
        "model.encoder.conv1.lora_A.weight": a,
        "model.encoder.conv1.lora_B.weight": b,
        "model.decoder.layer_norm.modules_to_save.weight": torch.full((32,), 2.0),
        "model.decoder.layers.1.fc1.base_layer.bias": torch.full((128,), 3.0),
    }
    loaded = load(write_adapter(tmp_path, held | whole, str(base), modules_to_save=["layer_norm"], bias="lora_only"))
    expected = changed(original, held, {QUERY: 2.0, FC1: 2.0})
    conv = expected["model.encoder.conv1.weight"]
    expected["model.encoder.conv1.weight"] = conv + 2 * torch.nn.functional.conv1d(a.transpose(0, 1), b).transpose(0, 1)
    expected["model.decoder.layer_norm.weight"] = torch.full((32,), 2.0)
    expected["model.decoder.layers.1.fc1.bias"] = torch.full((128,), 3.0)
    assert_is(loaded, expected)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft uses names that transformers has given up
def test_peft_merges_to_the_same_weights(base: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed")
    from transformers import WhisperForConditionalGeneration

    hf = WhisperForConditionalGeneration.from_pretrained(base)
    config = peft.LoraConfig(
        r=4,
        lora_alpha=6,
        use_rslora=True,
        target_modules=["q_proj", "fc1", "conv1"],
        rank_pattern={"fc1": 2},
        alpha_pattern={r"encoder\.layers\.0\.fc1": 11},
        modules_to_save=["final_layer_norm"],
        init_lora_weights=False,
    )
    model = peft.get_peft_model(hf, config)
    model.save_pretrained(tmp_path)
    loaded = load(tmp_path)
    assert_is(loaded, model.merge_and_unload().state_dict())


def test_the_base_can_be_named_and_must_fit(original: Original, base: Path, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "a", factors(), "openai/whisper-tiny")
    with pytest.raises(ModelError, match=r"was trained on 'openai/whisper-tiny', which cannot be found.*--base-model"):
        load(folder)
    assert load(folder, base_model=base).weights_hash == load(write_adapter(folder, factors(), str(base))).weights_hash
    with pytest.raises(ModelError, match=r"does not say which model it was trained on.*--base-model"):
        load(write_adapter(folder, factors(), None))
    strange = {name.replace("layers.1", "layers.7"): tensor for name, tensor in factors().items()}
    with pytest.raises(ModelError, match=r"does not fit: '.*' has no model\.decoder\.layers\.7\.fc1\.weight"):
        load(write_adapter(folder, strange, str(base)))
    wide = factors() | {f"{FC1}.lora_A.weight": torch.ones(4, 48)}
    with pytest.raises(
        ModelError, match=r"model\.decoder\.layers\.1\.fc1\.weight of .* is \[128, 32\], and its factors"
    ):
        load(write_adapter(folder, wide, str(base)))
    half = {name: tensor for name, tensor in factors().items() if "lora_B" not in name}
    with pytest.raises(ModelError, match="one of the two factors of model"):
        load(write_adapter(folder, half, str(base)))
    with pytest.raises(ModelError, match=r"has rank 4, and adapter_config\.json says rank 8"):
        load(write_adapter(folder, factors(), str(base), r=8))
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no weights: adapter_model\.safetensors or adapter_model\.bin"):
        load(folder)


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"peft_type": "IA3"}, "IA3"),
        ({"peft_type": "ADALORA"}, "ADALORA"),
        ({"lora_bias": True}, "LoRA with biases of its own"),
        ({"init_lora_weights": "pissa_niter_4"}, "LoRA started by pissa_niter_4"),
        ({"layer_replication": [[0, 1]]}, "layer replication"),
    ],
)
def test_other_methods_are_refused_by_name(base: Path, tmp_path: Path, told: dict[str, Any], name: str) -> None:
    with pytest.raises(ModelError, match=rf"is {name}.*only plain LoRA is merged.*merge_and_unload"):
        load(write_adapter(tmp_path, factors(), str(base), **told))


def test_what_is_no_factor_and_a_half_changed_vocabulary_are_refused(base: Path, tmp_path: Path) -> None:
    odd = factors() | {f"{QUERY}.lora_magnitude_vector": torch.ones(32)}
    with pytest.raises(ModelError, match=r"lora_magnitude_vector' is not a factor of plain LoRA"):
        load(write_adapter(tmp_path, odd, str(base)))
    rows = {
        "model.decoder.embed_tokens.lora_embedding_A": torch.ones(4, 1929),
        "model.decoder.embed_tokens.lora_embedding_B": torch.ones(32, 4),
    }
    with pytest.raises(ModelError, match=r"changes model\.decoder\.embed_tokens\.weight, which its base holds as one"):
        load(write_adapter(tmp_path, rows, str(base)))


def test_an_adapter_with_more_tokens_brings_its_vocabulary(original: Original, base: Path, tmp_path: Path) -> None:
    from tests.model.tiny import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["otoscope"])
    grown = torch.cat([original.model.model.decoder.embed_tokens.weight, torch.ones(1, 32)])
    whole = {"model.decoder.embed_tokens.weight": grown, "proj_out.weight": grown.clone()}
    folder = write_adapter(tmp_path, factors() | whole, str(base))
    tokenizer.save_pretrained(folder)
    loaded = load(folder)
    assert loaded.vocab_size == 1930
    assert loaded.tokenizer.decode([1929]) == "otoscope"
    assert json.loads((folder / "adapter_config.json").read_text())["r"] == 4
