from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from otoscope.base.errors import InputError, OutputError
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.files import dictionaries_in, load_dictionary, save_dictionary
from otoscope.sae.saelens_files import LAYOUT_VERSION
from tests.sae.saelens import D_IN, N_FEATURES, weights_of, write


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


def test_settings_that_are_not_known_and_other_files_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "standard", some_new_setting=3)
    (tmp_path / "sparsity.safetensors").write_bytes(b"")
    assert isinstance(load_dictionary(str(tmp_path)), Dictionary)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'.*nowhere' does not exist: give a folder in SAELens's layout"):
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
        ({"reshape_activations": "other"}, "has reshape_activations 'other': 'none', 'hook_z' are supported"),
        ({"activation_fn_str": "topk"}, "has activation_fn_str 'topk': a standard dictionary must have 'relu'"),
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
    with pytest.raises(InputError, match=r"scaling_factor 0\.25, which is not in its weights\. Use the dictionary"):
        load_dictionary(tmp_path)


def test_a_scale_that_is_nowhere_is_not_taken_for_one_in_the_weights(tmp_path: Path) -> None:
    write(tmp_path, "standard", normalize_activations="expected_average_only_in")
    with pytest.raises(InputError, match=r"no activation_scaler\.json: its input must be multiplied .*write 'none'"):
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


# writing


def random_dictionary(architecture: str, **settings: Any) -> Dictionary:
    told = {
        "weights": weights_of(architecture),
        "apply_b_dec_to_input": False,
        "normalize_activations": "layer_norm",
        "rescale_acts_by_decoder_norm": False,
        "k": 3 if architecture == "topk" else None,
        "metadata": {"site": "encoder.blocks.2", "model": "demo", "weights_hash": "0a1b", "kinds": ["speech"]},
    }
    return Dictionary(architecture, **{**told, **settings})


def assert_same(one: Dictionary, other: Dictionary) -> None:
    for name in ("architecture", "apply_b_dec_to_input", "normalize_activations", "rescale_acts_by_decoder_norm", "k"):
        assert getattr(one, name) == getattr(other, name)
    assert one.weights.keys() == other.weights.keys()
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


@pytest.mark.parametrize("architecture", ["standard", "topk", "jumprelu", "gated"])
@pytest.mark.parametrize("is_other", [True, False])
def test_what_is_written_is_read_to_the_bit(tmp_path: Path, architecture: str, is_other: bool) -> None:
    settings: dict[str, Any] = {"apply_b_dec_to_input": True, "normalize_activations": "none"} if is_other else {}
    settings |= {"rescale_acts_by_decoder_norm": is_other and architecture == "topk"}
    dictionary = random_dictionary(architecture, **settings)
    found = load_dictionary(save_dictionary(dictionary, tmp_path / "deep" / "er"))
    assert_same(found, dictionary)
    assert {name: found.metadata[name] for name in dictionary.metadata} == dictionary.metadata


def test_the_two_files_are_what_sae_lens_writes(tmp_path: Path) -> None:
    folder = save_dictionary(random_dictionary("topk"), tmp_path / "new")
    assert sorted(path.name for path in folder.iterdir()) == ["cfg.json", "sae_weights.safetensors"]
    text = (folder / "cfg.json").read_text()
    config = json.loads(text)
    assert text.count("\n") == 1
    assert (config["d_in"], config["d_sae"], config["k"], config["dtype"]) == (D_IN, N_FEATURES, 3, "float32")
    told = config["metadata"]
    assert (told["hook_name"], told["model_name"], told["kinds"]) == ("encoder.blocks.2", "demo", ["speech"])
    assert int(told["sae_lens_version"].split(".")[0]) >= 6 and told["sae_lens_training_version"] is None
    with safe_open(folder / "sae_weights.safetensors", "pt") as held:
        assert set(held.keys()) == {"W_enc", "W_dec", "b_enc", "b_dec"} and not held.metadata()


def test_weights_are_written_in_float32_however_they_lie(tmp_path: Path) -> None:
    weights = weights_of("standard")
    turned = {
        **weights,
        "W_enc": weights["W_enc"].T.contiguous().T.requires_grad_(),
        "b_enc": weights["b_enc"].double(),
    }
    found = load_dictionary(save_dictionary(random_dictionary("standard", weights=turned), tmp_path / "new"))
    assert_same(found, random_dictionary("standard"))


def test_weights_that_share_their_memory_are_written(tmp_path: Path) -> None:
    weights = weights_of("standard")
    held = torch.stack([weights["b_enc"], weights["b_enc"]])
    tied = {**weights, "W_enc": weights["W_dec"].T, "b_enc": held[1]}
    found = load_dictionary(save_dictionary(random_dictionary("standard", weights=tied), tmp_path / "new"))
    assert_same(found, random_dictionary("standard", weights=tied))


def test_words_of_sae_lens_that_are_there_are_kept(tmp_path: Path) -> None:
    told = {"site": "a.b", "hook_name": "blocks.3", "sae_lens_training_version": "5.1", "sae_lens_version": "5.1"}
    found = load_dictionary(save_dictionary(random_dictionary("standard", metadata=told), tmp_path / "new")).metadata
    assert (found["site"], found["hook_name"], found["sae_lens_training_version"]) == ("a.b", "blocks.3", "5.1")
    assert found["sae_lens_version"] == LAYOUT_VERSION, "SAELens drops metadata of a layout before 6"


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    folder = save_dictionary(random_dictionary("standard"), tmp_path / "one")
    with pytest.raises(OutputError, match="exists already. Choose another name, or pass --overwrite"):
        save_dictionary(random_dictionary("topk"), folder)
    assert_same(load_dictionary(folder), random_dictionary("standard"))


def test_other_files_stay_when_a_dictionary_is_replaced(tmp_path: Path) -> None:
    folder = save_dictionary(random_dictionary("standard"), tmp_path / "one")
    (folder / "notes.txt").write_text("mine")
    save_dictionary(random_dictionary("topk"), folder, overwrite=True)
    assert_same(load_dictionary(folder), random_dictionary("topk"))
    assert (folder / "notes.txt").read_text() == "mine" and len([*tmp_path.iterdir()]) == 1


@pytest.mark.parametrize("is_there", [True, False])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool) -> None:
    folder = tmp_path / "one"
    if is_there:
        save_dictionary(random_dictionary("standard"), folder)

    def full(tensors: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("otoscope.sae.saelens_files.save_file", full)
    with pytest.raises(OutputError, match="the disk is full"):
        save_dictionary(random_dictionary("topk"), folder, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == (["one"] if is_there else [])
    if is_there:
        assert_same(load_dictionary(folder), random_dictionary("standard"))


# folders of several


def test_a_dictionary_is_itself_and_a_run_gives_those_it_holds(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for name in ("encoder.blocks.1", "encoder.blocks.0"):
        save_dictionary(random_dictionary("standard"), run / name)
    (run / ".work").mkdir()
    (run / "pictures").mkdir()
    (run / "manifest.json").write_text("{}")
    assert dictionaries_in(run / "encoder.blocks.0") == {"encoder.blocks.0": run / "encoder.blocks.0"}
    assert list(dictionaries_in(run)) == ["encoder.blocks.0", "encoder.blocks.1"]
    with pytest.raises(
        InputError, match=r"holds 2 dictionaries \(encoder.blocks.0, encoder.blocks.1\), but one is need"
    ):
        load_dictionary(run)


def test_a_run_of_one_dictionary_is_that_dictionary(tmp_path: Path) -> None:
    save_dictionary(random_dictionary("jumprelu"), tmp_path / "run" / "site")
    assert_same(load_dictionary(tmp_path / "run"), random_dictionary("jumprelu"))


def test_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    with pytest.raises(InputError, match="has no cfg.json, and holds no folder with a dictionary: .* Give the folder"):
        dictionaries_in(tmp_path)
    with pytest.raises(InputError, match="nowhere' does not exist: give a folder"):
        dictionaries_in(tmp_path / "nowhere")
