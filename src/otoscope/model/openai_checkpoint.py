"""Read an OpenAI `.pt` checkpoint: its dimensions become a config, its names become transformers' names.

The file holds no tokenizer. One is taken from beside the file (a folder with the file's name less `.pt`, else the
file's own folder), else from any of OpenAI's releases with the same vocabulary in the local cache; without one the
model loads all the same, and only what needs text asks for it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from transformers import WhisperConfig

from otoscope.base.errors import ModelError
from otoscope.model.checkpoint import Checkpoint
from otoscope.model.safe_pickle import read_pickle
from otoscope.model.vocabulary import find_tokenizer, special_ids

_DIMS = (
    "n_mels",
    "n_audio_ctx",
    "n_audio_state",
    "n_audio_head",
    "n_audio_layer",
    "n_vocab",
    "n_text_ctx",
    "n_text_state",
    "n_text_head",
    "n_text_layer",
)
_OUTSIDE_BLOCKS = {
    "encoder.positional_embedding": "encoder.embed_positions.weight",
    "decoder.positional_embedding": "decoder.embed_positions.weight",
    "decoder.token_embedding.weight": "decoder.embed_tokens.weight",
    "encoder.ln_post.weight": "encoder.layer_norm.weight",
    "encoder.ln_post.bias": "encoder.layer_norm.bias",
    "decoder.ln.weight": "decoder.layer_norm.weight",
    "decoder.ln.bias": "decoder.layer_norm.bias",
}
_IN_BLOCKS = {
    "attn": "self_attn",
    "attn_ln": "self_attn_layer_norm",
    "cross_attn": "encoder_attn",
    "cross_attn_ln": "encoder_attn_layer_norm",
    "mlp_ln": "final_layer_norm",
    "mlp.0": "fc1",
    "mlp.2": "fc2",
}
_IN_ATTENTION = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "out": "out_proj"}
_BLOCK = re.compile(
    r"(?P<half>encoder|decoder)\.blocks\.(?P<block>\d+)\.(?P<part>mlp\.[02]|\w+)(\.(?P<inner>query|key|value|out))?"
    r"\.(?P<kind>weight|bias)"
)


def read_openai(path: Path, *, source: str) -> Checkpoint:
    """Read an OpenAI checkpoint into memory, running nothing that is in it.

    Args:
        path: The `.pt` file: `{"dims": {...}, "model_state_dict": {...}}`.
        source: What the checkpoint is called in messages.

    Returns:
        The checkpoint, unchecked, under transformers' names.

    Raises:
        ModelError: the file carries code, is damaged, or is not laid out so.
    """
    loaded = read_pickle(path)
    dims, state = _parts(loaded, source)
    weights = {to_transformers_name(name): tensor for name, tensor in state.items()}
    vocab_size = dims["n_vocab"]
    tokenizer = find_tokenizer((path.with_suffix(""), path.parent), vocab_size)
    return Checkpoint(source, _config(dims, special_ids(vocab_size, tokenizer)), weights, None, tokenizer)


def to_transformers_name(name: str) -> str:
    """Return transformers' name of one of OpenAI's tensors; an unknown name comes back as it is.

    Source:
        The module names of openai-whisper's `whisper/model.py` and of transformers' `modeling_whisper.py`.
    """
    if name in _OUTSIDE_BLOCKS:
        return f"model.{_OUTSIDE_BLOCKS[name]}"
    if re.fullmatch(r"encoder\.conv[12]\.(weight|bias)", name):
        return f"model.{name}"
    match = _BLOCK.fullmatch(name)
    if match is None or match["part"] not in _IN_BLOCKS:
        return name
    inner = f".{_IN_ATTENTION[match['inner']]}" if match["inner"] else ""
    return f"model.{match['half']}.layers.{match['block']}.{_IN_BLOCKS[match['part']]}{inner}.{match['kind']}"


def _parts(loaded: Any, source: str) -> tuple[dict[str, int], dict[str, torch.Tensor]]:
    """Return the dimensions and the tensors, once they are known to be such."""
    if not isinstance(loaded, dict) or not {"dims", "model_state_dict"} <= loaded.keys():
        held = (
            f"a dict of {', '.join(map(str, list(loaded)[:4]))}" if isinstance(loaded, dict) else type(loaded).__name__
        )
        raise ModelError(
            f"checkpoint {source!r} holds {held}: an OpenAI checkpoint is a dict of 'dims' and 'model_state_dict'. "
            "For a Hugging Face checkpoint give its folder."
        )
    dims, state = loaded["dims"], loaded["model_state_dict"]
    if not isinstance(dims, dict) or not isinstance(state, dict):
        raise ModelError(f"checkpoint {source!r}: 'dims' and 'model_state_dict' must be dicts. Save it again so.")
    wrong = [name for name in _DIMS if not isinstance(dims.get(name), int) or dims[name] < 1]
    if wrong:
        raise ModelError(
            f"checkpoint {source!r}: its dims give no whole number above 0 for {', '.join(wrong)}. An OpenAI "
            f"checkpoint has {', '.join(_DIMS)}."
        )
    if dims["n_audio_state"] != dims["n_text_state"]:
        raise ModelError(
            f"checkpoint {source!r}: its encoder is {dims['n_audio_state']} wide and its decoder "
            f"{dims['n_text_state']}; Whisper's are equally wide. Check its dims."
        )
    if odd := [str(name) for name, value in state.items() if not isinstance(value, torch.Tensor)]:
        raise ModelError(
            f"checkpoint {source!r}: {', '.join(odd[:3])} in its model_state_dict is no tensor. Remove it."
        )
    return dims, state


def _config(dims: dict[str, int], ids: dict[str, int]) -> WhisperConfig:
    width, end = dims["n_audio_state"], ids["<|endoftext|>"]
    return WhisperConfig(
        vocab_size=dims["n_vocab"],
        num_mel_bins=dims["n_mels"],
        d_model=width,
        encoder_layers=dims["n_audio_layer"],
        decoder_layers=dims["n_text_layer"],
        encoder_attention_heads=dims["n_audio_head"],
        decoder_attention_heads=dims["n_text_head"],
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        max_source_positions=dims["n_audio_ctx"],
        max_target_positions=dims["n_text_ctx"],
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=ids["<|startoftranscript|>"],
        begin_suppress_tokens=None,
        suppress_tokens=None,
    )
