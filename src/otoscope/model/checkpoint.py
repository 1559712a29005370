"""A checkpoint of any format, and the model that is built from it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration, WhisperTokenizer

from otoscope.base.errors import ModelError
from otoscope.model.checkpoints.described import CheckpointDescription
from otoscope.model.checks import check_finite_and_hash, check_names_and_shapes
from otoscope.model.generation_settings import complete_generation
from otoscope.model.released import known_heads
from otoscope.model.vocabulary import RELEASED, is_english_only, special_ids

_OUTPUT = "proj_out.weight"
_EMBEDDING = "model.decoder.embed_tokens.weight"
_HARMLESS = ("model.encoder.version", "model.decoder.version")  # markers that old releases of transformers wrote


@dataclass(eq=False)
class Checkpoint:
    """A complete checkpoint whose weights are not read yet."""

    source: str  # what it is called in messages
    described: CheckpointDescription  # its config and where its weights come from
    generation: GenerationConfig | None  # its own generation settings, its base's, or None
    tokenizer: WhisperTokenizer | None  # its tokenizer, its base's, or None
    notes: list[str]  # what a user should know about it, one sentence each


def build(
    checkpoint: Checkpoint, *, device: torch.device, dtype: torch.dtype
) -> tuple[WhisperForConditionalGeneration, str]:
    """Check a checkpoint and build the model from it.

    `checkpoint`: read from a folder or a file; notes are added to it.
    `dtype`: dtype of its weights, whatever the file holds.
    Returns the model, in evaluation mode, its weights without gradients, on the fast attention kernels; and the hash of
    its weights.
    """
    config, source = checkpoint.described.config, checkpoint.source
    weights = checkpoint.described.read()
    n_tokens = 0 if checkpoint.tokenizer is None else len(checkpoint.tokenizer)
    if n_tokens > config.vocab_size:
        raise ModelError(
            f"checkpoint {source!r}: its tokenizer has {n_tokens} tokens and its model {config.vocab_size}. They do "
            "not belong together; copy the tokenizer files of this checkpoint."
        )
    if not checkpoint.described.has_special_ids:
        _complete_ids(config, checkpoint.tokenizer)
    heads = _alignment_heads(checkpoint)
    generation = complete_generation(checkpoint.generation, config, checkpoint.tokenizer)
    if heads is not None:
        vars(generation)["alignment_heads"] = heads
    _check_blocks(weights, config, source)
    model = empty_model(config, source)
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    if config.tie_word_embeddings:
        expected.pop(_OUTPUT)
        _drop_tied(weights, source)
    for name in _HARMLESS:
        weights.pop(name, None)
    check_names_and_shapes(weights, expected, source=source)
    weights_hash = check_finite_and_hash(weights, source=source)
    # each tensor is copied, so that the model does not depend on a file that may change later
    ready = {name: weights.pop(name).to(device=device, dtype=dtype, copy=True) for name in expected}
    model.load_state_dict(ready, strict=False, assign=True)
    model.tie_weights()
    model.generation_config = generation
    return model.requires_grad_(False).eval(), weights_hash


def _complete_ids(config: WhisperConfig, tokenizer: WhisperTokenizer | None) -> None:
    """Put the special tokens' ids into the config, for a format that does not store them."""
    ids = special_ids(config.vocab_size, tokenizer)
    config.decoder_start_token_id = ids["<|startoftranscript|>"]
    config.bos_token_id = config.eos_token_id = config.pad_token_id = ids["<|endoftext|>"]


def _alignment_heads(checkpoint: Checkpoint) -> list[list[int]] | None:
    """Choose the heads that word times are read off: the checkpoint's own, or those of the release of its shape.

    Returns pairs (block, head), or None to use every head of the last half of the decoder.
    """
    config = checkpoint.described.config
    named = getattr(checkpoint.generation, "alignment_heads", None)
    if named:
        try:
            heads = [[int(block), int(head)] for block, head in named]
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"checkpoint {checkpoint.source!r}: its alignment_heads are {str(named)[:80]}, and must be pairs "
                "(block, head). Correct its generation settings, or remove them."
            ) from error
        n_blocks, n_heads = config.decoder_layers, config.decoder_attention_heads
        present = [[block, head] for block, head in heads if 0 <= block < n_blocks and 0 <= head < n_heads]
        if len(present) < len(heads):
            instead = "the others" if present else "other heads"
            checkpoint.notes.append(
                f"{len(heads) - len(present)} of its {len(heads)} alignment heads are those of a larger decoder than "
                f"its own ({n_blocks} blocks of {n_heads} heads): word times are read off {instead}"
            )
        if present:
            return present
        vars(checkpoint.generation).pop("alignment_heads")
    if checkpoint.tokenizer is None and config.vocab_size not in RELEASED:
        return None
    ids = special_ids(config.vocab_size, checkpoint.tokenizer)
    known = known_heads(config, is_english_only=is_english_only(ids), name=checkpoint.source)
    return None if known is None else [[block, head] for block, head in known[0]]


def empty_model(config: WhisperConfig, source: str) -> WhisperForConditionalGeneration:
    """Make the model's structure without memory for its weights."""
    try:
        with torch.device("meta"):
            return WhisperForConditionalGeneration._from_config(config, attn_implementation="sdpa")
    except (ValueError, TypeError, KeyError, RuntimeError, AssertionError) as error:
        raise ModelError(
            f"checkpoint {source!r}: no model can be made of its config ({type(error).__name__}: {error}). "
            "Copy config.json of the checkpoint again."
        ) from error


def _check_blocks(weights: dict[str, torch.Tensor], config: WhisperConfig, source: str) -> None:
    """Compare the number of blocks before the structure is made: one message instead of a hundred names."""
    for half, n_configured in (("encoder", config.encoder_layers), ("decoder", config.decoder_layers)):
        pattern = re.compile(rf"model\.{half}\.layers\.(\d+)\.")
        n_stored = len({match[1] for name in weights if (match := pattern.match(name))})
        if n_stored != n_configured:
            raise ModelError(
                f"checkpoint {source!r}: its config says {n_configured} {half} blocks and its weights hold {n_stored}: "
                "blocks are missing, or config and weights do not belong together. Copy the checkpoint again."
            )


def _drop_tied(weights: dict[str, torch.Tensor], source: str) -> None:
    """Drop the second copy of the embedding that some files carry, after checking that it is one."""
    output, embedding = weights.pop(_OUTPUT, None), weights.get(_EMBEDDING)
    if output is not None and embedding is not None and not torch.equal(output, embedding):
        raise ModelError(
            f"checkpoint {source!r}: {_OUTPUT} differs from {_EMBEDDING}, and its config says that they are one "
            "(tie_word_embeddings). Set tie_word_embeddings to false in config.json if it was trained so."
        )
