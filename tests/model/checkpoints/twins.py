"""Writers of every format, from one model: what they write must load to its weights.

Each is written from the format's description, not from the reader. They take a model of transformers and its tokenizer.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import WhisperForConditionalGeneration, WhisperTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

State = dict[str, torch.Tensor]

_TO_OPENAI = (
    (r"^model\.", ""),
    (r"\.layers\.", ".blocks."),
    (r"\.self_attn_layer_norm\.", ".attn_ln."),
    (r"\.encoder_attn_layer_norm\.", ".cross_attn_ln."),
    (r"\.final_layer_norm\.", ".mlp_ln."),
    (r"\.self_attn\.", ".attn."),
    (r"\.encoder_attn\.", ".cross_attn."),
    (r"\.q_proj\.", ".query."),
    (r"\.k_proj\.", ".key."),
    (r"\.v_proj\.", ".value."),
    (r"\.out_proj\.", ".out."),
    (r"\.fc1\.", ".mlp.0."),
    (r"\.fc2\.", ".mlp.2."),
    (r"embed_positions\.weight", "positional_embedding"),
    (r"embed_tokens", "token_embedding"),
    (r"^encoder\.layer_norm\.", "encoder.ln_post."),
    (r"^decoder\.layer_norm\.", "decoder.ln."),
)


def body(model: WhisperForConditionalGeneration) -> State:
    """All weights of a model, the tied one once."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items() if name != "proj_out.weight"}


def openai_state(model: WhisperForConditionalGeneration) -> State:
    """The weights by OpenAI's names."""
    named = {}
    for name, tensor in body(model).items():
        for pattern, new in _TO_OPENAI:
            name = re.sub(pattern, new, name)
        named[name] = tensor
    return named


def openai_dims(model: WhisperForConditionalGeneration) -> dict[str, int]:
    """The ten sizes by OpenAI's names."""
    config = model.config
    return {
        "n_mels": config.num_mel_bins,
        "n_audio_ctx": config.max_source_positions,
        "n_audio_state": config.d_model,
        "n_audio_head": config.encoder_attention_heads,
        "n_audio_layer": config.encoder_layers,
        "n_vocab": config.vocab_size,
        "n_text_ctx": config.max_target_positions,
        "n_text_state": config.d_model,
        "n_text_head": config.decoder_attention_heads,
        "n_text_layer": config.decoder_layers,
    }


# --- CTranslate2 -----------------------------------------------------------------------------------------------------

_CT2_TYPES = {torch.float32: 0, torch.int8: 1, torch.int16: 2, torch.int32: 3, torch.float16: 4, torch.bfloat16: 5}


def ct2_variables(model: WhisperForConditionalGeneration, stored: str = "float32") -> dict[str, torch.Tensor]:
    """The tensors of a CTranslate2 model: linear layers stacked, 8- and 16-bit weights with their scales."""
    state, found = openai_state(model), dict[str, torch.Tensor]()
    kept = {"int8_float16": "float16", "int8_bfloat16": "bfloat16", "int8": "float32", "int16": "float32"}
    plain = getattr(torch, kept.get(stored, stored))

    def put(name: str, tensor: torch.Tensor, *, linear: bool = False) -> None:
        if linear and stored.startswith("int8"):
            rows = tensor.reshape(tensor.shape[0], -1)
            scale = 127.0 / rows.abs().amax(1)
            found[name] = (rows * scale[:, None]).round().to(torch.int8).reshape(tensor.shape)
            found[f"{name}_scale"] = scale
        elif linear and stored == "int16":
            scale = 2**10 / tensor.abs().max()
            found[name], found[f"{name}_scale"] = (tensor * scale).round().to(torch.int16), scale
        else:
            found[name] = tensor.to(plain)

    for half, blocks in (("encoder", model.config.encoder_layers), ("decoder", model.config.decoder_layers)):
        for block in range(blocks):
            ours, theirs = f"{half}.blocks.{block}", f"{half}/layer_{block}"
            attentions = [("attn", "self_attention", (("query", "key", "value"), ("out",)))]
            if half == "decoder":
                attentions.append(("cross_attn", "attention", (("query",), ("key", "value"), ("out",))))
            for attention, named, linears in attentions:
                for i, parts in enumerate(linears):
                    weight = torch.cat([state[f"{ours}.{attention}.{part}.weight"] for part in parts])
                    zeros = torch.zeros(model.config.d_model)
                    bias = torch.cat([state.get(f"{ours}.{attention}.{part}.bias", zeros) for part in parts])
                    put(f"{theirs}/{named}/linear_{i}/weight", weight, linear=True)
                    put(f"{theirs}/{named}/linear_{i}/bias", bias)
                put(f"{theirs}/{named}/layer_norm/gamma", state[f"{ours}.{attention}_ln.weight"])
                put(f"{theirs}/{named}/layer_norm/beta", state[f"{ours}.{attention}_ln.bias"])
            for i, layer in enumerate(("mlp.0", "mlp.2")):
                put(f"{theirs}/ffn/linear_{i}/weight", state[f"{ours}.{layer}.weight"], linear=True)
                put(f"{theirs}/ffn/linear_{i}/bias", state[f"{ours}.{layer}.bias"])
            put(f"{theirs}/ffn/layer_norm/gamma", state[f"{ours}.mlp_ln.weight"])
            put(f"{theirs}/ffn/layer_norm/beta", state[f"{ours}.mlp_ln.bias"])
        norm = {"encoder": "ln_post", "decoder": "ln"}[half]
        put(f"{half}/layer_norm/gamma", state[f"{half}.{norm}.weight"])
        put(f"{half}/layer_norm/beta", state[f"{half}.{norm}.bias"])
        put(f"{half}/position_encodings/encodings", state[f"{half}.positional_embedding"])
    for conv in ("conv1", "conv2"):
        put(f"encoder/{conv}/weight", state[f"encoder.{conv}.weight"], linear=True)
        put(f"encoder/{conv}/bias", state[f"encoder.{conv}.bias"])
    put("decoder/embeddings/weight", state["decoder.token_embedding.weight"], linear=True)
    found["encoder/num_heads"] = torch.tensor(model.config.encoder_attention_heads, dtype=torch.int16)
    found["decoder/num_heads"] = torch.tensor(model.config.decoder_attention_heads, dtype=torch.int16)
    found["decoder/activation"] = torch.tensor(3, dtype=torch.int8)
    found["decoder/pre_norm"] = torch.tensor(1, dtype=torch.int8)
    return found


def write_ct2_file(
    path: Path,
    variables: Mapping[str, torch.Tensor],
    aliases: Mapping[str, str] = {"decoder/projection/weight": "decoder/embeddings/weight"},
    *,
    version: int = 6,
    spec: str = "WhisperSpec",
) -> Path:
    """Write tensors as CTranslate2's `model.bin`."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    with path.open("wb") as file:
        file.write(struct.pack("<I", version) + text(spec) + struct.pack("<II", 3, len(variables)))
        for name in sorted(variables):
            tensor = variables[name].contiguous()
            raw = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
            file.write(text(name) + struct.pack(f"<B{tensor.ndim}I", tensor.ndim, *tensor.shape))
            file.write(struct.pack("<BI", _CT2_TYPES[tensor.dtype], len(raw)) + raw)
        file.write(struct.pack("<I", len(aliases)))
        for alias, target in aliases.items():
            file.write(text(alias) + text(target))
    return path


def write_ct2(
    folder: Path, model: WhisperForConditionalGeneration, tokenizer: WhisperTokenizer, stored: str = "float32"
) -> Path:
    """Write a whole CTranslate2 folder, as faster-whisper has it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_ct2_file(folder / "model.bin", ct2_variables(model, stored))
    settings = model.generation_config
    told = {
        "alignment_heads": settings.alignment_heads,
        "lang_ids": sorted(settings.lang_to_id.values()),
        "suppress_ids": [5, 6],
        "suppress_ids_begin": [7],
    }
    (folder / "config.json").write_text(json.dumps(told))
    texts = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    (folder / "vocabulary.json").write_text(json.dumps(texts))
    tokenizer.save_pretrained(folder)
    return folder


# --- whisper.cpp -----------------------------------------------------------------------------------------------------

GGML_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8}


def write_ggml(
    path: Path,
    model: WhisperForConditionalGeneration,
    tokenizer: WhisperTokenizer,
    stored: str = "f32",
    *,
    state: State | None = None,
    n_text: int | None = None,
    version: int = 2,
) -> Path:
    """Write whisper.cpp's file; matrices whose rows are no whole blocks stay float32, as its quantizer leaves them."""
    dims = openai_dims(model)
    order = ("n_vocab", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer")
    order += ("n_text_ctx", "n_text_state", "n_text_head", "n_text_layer", "n_mels")
    kind = GGML_TYPES[stored]
    letters = {letter: byte for byte, letter in bytes_to_unicode().items()}
    vocab = tokenizer.get_vocab()
    end = vocab["<|endoftext|>"] if n_text is None else n_text
    texts = sorted(vocab, key=vocab.__getitem__)[:end]
    with path.open("wb") as file:
        file.write(struct.pack("<I", 0x67676D6C))
        file.write(struct.pack("<11i", *(dims[name] for name in order), kind + (1000 * version if kind > 1 else 0)))
        file.write(struct.pack("<2i", dims["n_mels"], 201) + bytes(4 * dims["n_mels"] * 201))
        file.write(struct.pack("<i", len(texts)))
        for text in texts:
            raw = bytes(letters[letter] for letter in text)
            file.write(struct.pack("<I", len(raw)) + raw)
        for name, tensor in (openai_state(model) if state is None else state).items():
            values = tensor.float().numpy()
            values = values[:, None] if name in ("encoder.conv1.bias", "encoder.conv2.bias") else values
            type_, raw = _ggml_bytes(values, kind, name)
            title = name.encode()
            file.write(struct.pack("<3i", values.ndim, len(title), type_))
            file.write(struct.pack(f"<{values.ndim}i", *reversed(values.shape)) + title + raw)
    return path


def _ggml_bytes(values: np.ndarray, kind: int, name: str) -> tuple[int, bytes]:
    is_matrix = values.ndim == 2 and name.endswith("weight")
    if kind == 1 and values.ndim > 1 and "positional" not in name:
        return 1, values.astype(np.float16).tobytes()
    if kind > 1 and is_matrix and values.shape[-1] % 32 == 0:
        import gguf

        return kind, gguf.quants.quantize(values, gguf.GGMLQuantizationType(kind)).tobytes()
    return 0, values.astype(np.float32).tobytes()


def write_gguf(
    path: Path, state: State, told: Mapping[str, Any] = {}, stored: str = "f32", architecture: str = "whisper"
) -> Path:
    """Write tensors as GGUF, with the settings given."""
    import gguf

    writer = gguf.GGUFWriter(path, architecture)
    for name, value in told.items():
        writer.add_uint32(name, value)
    for name, tensor in state.items():
        values = tensor.float().numpy()
        if stored != "f32" and values.ndim == 2 and values.shape[-1] % 32 == 0:
            kind = gguf.GGMLQuantizationType[stored.upper()]
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


# --- MLX -------------------------------------------------------------------------------------------------------------


def mlx_state(model: WhisperForConditionalGeneration, bits: int | None = None, group: int = 32) -> State:
    """The tensors of an MLX model; linear layers packed in words of 32 bits where bits are given."""
    held: State = {}
    for name, tensor in openai_state(model).items():
        if name == "encoder.positional_embedding":
            continue
        name = name.replace(".mlp.0.", ".mlp1.").replace(".mlp.2.", ".mlp2.")
        if ".conv" in name and tensor.ndim == 3:
            tensor = tensor.transpose(1, 2).contiguous()
        if bits and tensor.ndim == 2 and name.endswith(".weight"):
            stem = name.removesuffix(".weight")
            grouped = tensor.reshape(tensor.shape[0], -1, group)
            low, high = grouped.amin(-1), grouped.amax(-1)
            scale = (high - low) / (2**bits - 1)
            codes = ((grouped - low[..., None]) / scale[..., None]).round().to(torch.int64)
            words = codes.reshape(tensor.shape[0], -1, 32 // bits)
            packed = (words << torch.arange(0, 32, bits)).sum(-1)
            held |= {name: packed.to(torch.uint32), f"{stem}.scales": scale, f"{stem}.biases": low}
        else:
            held[name] = tensor
    return held


def write_mlx(
    folder: Path,
    model: WhisperForConditionalGeneration,
    tokenizer: WhisperTokenizer,
    file: str = "weights.safetensors",
    *,
    bits: int | None = None,
) -> Path:
    """Write a whole MLX folder."""
    folder.mkdir(parents=True, exist_ok=True)
    state = mlx_state(model, bits)
    told: dict[str, Any] = dict(openai_dims(model))
    if bits:
        told["quantization"] = {"group_size": 32, "bits": bits}
    (folder / "config.json").write_text(json.dumps(told))
    if file.endswith(".npz"):
        np.savez(folder / file, **{name: tensor.numpy() for name, tensor in state.items()})
    else:
        save_file(state, folder / file)
    tokenizer.save_pretrained(folder)
    return folder


# --- LoRA ------------------------------------------------------------------------------------------------------------


def write_adapter(folder: Path, factors: State, base: str | None, **told: Any) -> Path:
    """Write an adapter as PEFT does."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "base_model_name_or_path": base, "bias": "none"} | told
    (folder / "adapter_config.json").write_text(json.dumps(config))
    save_file(
        {f"base_model.model.{name}": tensor for name, tensor in factors.items()}, folder / "adapter_model.safetensors"
    )
    return folder
