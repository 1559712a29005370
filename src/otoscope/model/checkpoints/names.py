"""Names and shapes: what other layouts call Whisper's tensors, and the config that follows from the shapes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from transformers import WhisperConfig

from otoscope.base.errors import ModelError

DIMS = (
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
"""OpenAI's names for the sizes of a model, in the order of a whisper.cpp header without its first."""

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
# wrappers put these into the names: torch.compile and FSDP anywhere, the others in front
_ANYWHERE = re.compile(r"(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\.")
_IN_FRONT = re.compile(
    r"(?:module\.|base_model\.|model\.|whisper\.|net\.|network\.)+(?=encoder\.|decoder\.|proj_out\.)"
)


def to_transformers_name(name: str) -> str:
    """Return transformers' name of one of OpenAI's tensors; an unknown name comes back as it is.

    Source: The module names of openai-whisper's `whisper/model.py` and of transformers' `modeling_whisper.py`.
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


def canonical_names(stored: Iterable[str], *, source: str) -> dict[str, str]:
    """Map the names in a file to transformers' names: wrappers' prefixes are removed, OpenAI's names are translated.

    `stored`: the file's names: transformers' or OpenAI's, of the whole model or its body, in any wrapper of
    `torch.compile`, `DataParallel`, FSDP, Lightning and PEFT.
    Returns stored name to transformers' name; a name that is not Whisper's stays as it is.
    """
    names: dict[str, str] = {}
    for name in stored:
        bare = _IN_FRONT.sub("", _ANYWHERE.sub("", name), count=1)
        canonical = to_transformers_name(bare)
        if canonical == bare and bare.startswith(("encoder.", "decoder.")) and ".blocks." not in bare:
            canonical = f"model.{bare}"
        is_known = canonical.startswith(("model.encoder.", "model.decoder.", "proj_out."))
        names[name] = canonical if is_known else name
    taken: dict[str, str] = {}
    for name, canonical in names.items():
        if canonical in taken:
            raise ModelError(
                f"checkpoint {source!r} holds one tensor twice, as {taken[canonical]!r} and as {name!r}. Save one "
                "model alone: two in one file cannot be told apart."
            )
        taken[canonical] = name
    return names


def config_from_dims(dims: Mapping[str, int], *, source: str, ffn_dims: tuple[int, int] | None = None) -> WhisperConfig:
    """Make a config from OpenAI's ten sizes.

    `dims`: the sizes by the names in `DIMS`.
    `ffn_dims`: neurons in an MLP of the encoder and of the decoder; four times the width by default.
    """
    wrong = [name for name in DIMS if not is_size(dims.get(name))]
    if wrong:
        raise ModelError(
            f"checkpoint {source!r}: its sizes give no whole number above 0 for {', '.join(wrong)}. A Whisper has "
            f"{', '.join(DIMS)}. Copy the checkpoint again."
        )
    width = dims["n_audio_state"]
    if width != dims["n_text_state"]:
        raise ModelError(
            f"checkpoint {source!r}: its encoder is {width} wide and its decoder {dims['n_text_state']}; Whisper's are "
            "equally wide. Check its sizes."
        )
    encoder_ffn, decoder_ffn = ffn_dims or (4 * width, 4 * width)
    return WhisperConfig(
        vocab_size=dims["n_vocab"],
        num_mel_bins=dims["n_mels"],
        d_model=width,
        encoder_layers=dims["n_audio_layer"],
        decoder_layers=dims["n_text_layer"],
        encoder_attention_heads=dims["n_audio_head"],
        decoder_attention_heads=dims["n_text_head"],
        encoder_ffn_dim=encoder_ffn,
        decoder_ffn_dim=decoder_ffn,
        max_source_positions=dims["n_audio_ctx"],
        max_target_positions=dims["n_text_ctx"],
        begin_suppress_tokens=None,
        suppress_tokens=None,
    )


def dims_from_shapes(
    shapes: Mapping[str, tuple[int, ...]], heads: tuple[int, int] | None, *, source: str
) -> dict[str, int]:
    """Find the ten sizes in the shapes of the tensors.

    `heads`: heads in a block of the encoder and of the decoder; None for 64 values a head, as in every release.
    Returns the sizes by the names in `DIMS`.
    """
    ranks = {
        "model.encoder.conv1.weight": 3,
        "model.encoder.embed_positions.weight": 2,
        "model.decoder.embed_tokens.weight": 2,
        "model.decoder.embed_positions.weight": 2,
    }
    for name, rank in ranks.items():
        if len(shapes.get(name, ())) != rank:
            held = f"is {list(shapes[name])}" if name in shapes else "is missing"
            raise ModelError(
                f"checkpoint {source!r}: {name} {held}, and the sizes of the model are read off it. "
                "It is not a whole Whisper, or it is damaged: copy it again, or put its config.json beside it."
            )
    width, n_mels, _ = shapes["model.encoder.conv1.weight"]
    if heads is None:
        if width % 64:
            raise ModelError(
                f"checkpoint {source!r} does not say how many heads it has, and its width, {width}, is not a multiple "
                "of 64, as it is in OpenAI's releases. Put its config.json beside it."
            )
        heads = (width // 64, width // 64)
    blocks = {
        half: len({m[1] for name in shapes if (m := re.match(rf"model\.{half}\.layers\.(\d+)\.", name))})
        for half in ("encoder", "decoder")
    }
    n_vocab, text_width = shapes["model.decoder.embed_tokens.weight"]
    return {
        "n_mels": n_mels,
        "n_audio_ctx": shapes["model.encoder.embed_positions.weight"][0],
        "n_audio_state": width,
        "n_audio_head": heads[0],
        "n_audio_layer": blocks["encoder"],
        "n_vocab": n_vocab,
        "n_text_ctx": shapes["model.decoder.embed_positions.weight"][0],
        "n_text_state": text_width,
        "n_text_head": heads[1],
        "n_text_layer": blocks["decoder"],
    }


def ffn_dims_from_shapes(shapes: Mapping[str, tuple[int, ...]], width: int) -> tuple[int, int]:
    """Read the number of neurons of an MLP of the encoder and of the decoder off their first blocks."""
    widths = [shapes.get(f"model.{half}.layers.0.fc1.weight", (4 * width,))[0] for half in ("encoder", "decoder")]
    return widths[0], widths[1]


def is_size(value: Any) -> bool:
    """Whether a value is a whole number above 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
