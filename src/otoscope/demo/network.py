"""The demo model's network: a small Whisper, whose window can be shortened for training, and its export."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)
from transformers.models.whisper.modeling_whisper import sinusoids
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from otoscope.base.clocks import FRAME_S
from otoscope.demo.feeder import SpecialTokens

N_MELS = 80
_D_MODEL, _HEADS, _BLOCKS, _MLP = 160, 5, 4, 640
_MOST_TOKENS = 128


def special_tokens(tokenizer: WhisperTokenizer) -> SpecialTokens:
    """Look up the ids of the tokens that a transcript needs besides its text."""

    def id_of(name: str) -> int:
        return tokenizer.get_vocab()[f"<|{name}|>"]

    return SpecialTokens(
        start=id_of("startoftranscript"),
        language=id_of("en"),
        transcribe=id_of("transcribe"),
        no_speech=id_of("nospeech"),
        no_timestamps=id_of("notimestamps"),
        end=id_of("endoftext"),
    )


def build_network(tokenizer: WhisperTokenizer, window_s: float, seed: int) -> WhisperForConditionalGeneration:
    """Make the network with random weights; its eager attention is the fastest for bfloat16 on a CPU."""
    special = special_tokens(tokenizer)
    torch.manual_seed(seed)
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=N_MELS,
        d_model=_D_MODEL,
        encoder_layers=_BLOCKS,
        decoder_layers=_BLOCKS,
        encoder_attention_heads=_HEADS,
        decoder_attention_heads=_HEADS,
        encoder_ffn_dim=_MLP,
        decoder_ffn_dim=_MLP,
        max_source_positions=round(window_s / FRAME_S),
        max_target_positions=_MOST_TOKENS,
        bos_token_id=special.end,
        eos_token_id=special.end,
        pad_token_id=special.end,
        decoder_start_token_id=special.start,
        begin_suppress_tokens=None,
        suppress_tokens=None,
    )
    network = WhisperForConditionalGeneration._from_config(config, attn_implementation="eager")
    network.generation_config = _generation_config(tokenizer)
    return network


def _generation_config(tokenizer: WhisperTokenizer) -> GenerationConfig:
    special = special_tokens(tokenizer)
    ids = tokenizer.convert_tokens_to_ids
    return GenerationConfig(
        bos_token_id=special.end,
        eos_token_id=special.end,
        pad_token_id=special.end,
        decoder_start_token_id=special.start,
        is_multilingual=True,
        lang_to_id={f"<|{code}|>": ids(f"<|{code}|>") for code in LANGUAGES},
        task_to_id={task: ids(f"<|{task}|>") for task in ("transcribe", "translate")},
        no_timestamps_token_id=special.no_timestamps,
        prev_sot_token_id=ids("<|startofprev|>"),
        max_initial_timestamp_index=50,
        max_length=_MOST_TOKENS,
        alignment_heads=[[block, head] for block in range(_BLOCKS // 2, _BLOCKS) for head in range(_HEADS)],
    )


def set_window(network: WhisperForConditionalGeneration, window_s: float) -> None:
    """Let the encoder take windows of another length, which its fixed sinusoidal positions allow.

    Source: A row of the table of sinusoids depends on its index alone (openai-whisper, `model.py`, `sinusoids`).
    """
    encoder = network.model.encoder
    n_frames = round(window_s / FRAME_S)
    encoder.embed_positions = torch.nn.Embedding.from_pretrained(sinusoids(n_frames, _D_MODEL), freeze=True)
    encoder.max_source_positions = network.config.max_source_positions = n_frames


def export(
    network: WhisperForConditionalGeneration, tokenizer: WhisperTokenizer, folder: Path, window_s: float
) -> None:
    """Write the network as a Hugging Face checkpoint folder in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    half = WhisperForConditionalGeneration(network.config)
    half.load_state_dict(network.state_dict())
    half.generation_config = network.generation_config
    half.half().save_pretrained(folder)
    extractor = WhisperFeatureExtractor(feature_size=N_MELS, chunk_length=round(window_s))
    WhisperProcessor(extractor, tokenizer).save_pretrained(folder)
    for file in folder.iterdir():
        file.chmod(0o644)  # safetensors writes files that only their owner may read
