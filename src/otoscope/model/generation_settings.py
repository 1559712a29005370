"""The settings that transcription starts from, completed where a checkpoint does not bring them."""

from __future__ import annotations

from typing import Any

from transformers import GenerationConfig, WhisperConfig, WhisperTokenizer
from transformers.models.whisper.configuration_whisper import NON_SPEECH_TOKENS, NON_SPEECH_TOKENS_MULTI
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from otoscope.model.vocabulary import ENGLISH_ONLY_SIZE, RELEASED, special_ids

_SPACE_ID = 220  # " " in OpenAI's English and multilingual vocabularies alike
# the first releases call <|nospeech|> <|nocaptions|>
_SUPPRESSED = ("translate", "transcribe", "startoftranscript", "startoflm", "startofprev", "nospeech", "nocaptions")


def complete_generation(
    given: GenerationConfig | None, config: WhisperConfig, tokenizer: WhisperTokenizer | None
) -> GenerationConfig:
    """Fill in what a generation config lacks; what it says is kept.

    Args:
        given: The checkpoint's own, or None.
        config: The model's.
        tokenizer: Where the ids come from, or None for a release's known vocabulary.

    Returns:
        A generation config that Whisper's `generate` accepts for languages, tasks and timestamps.

    Raises:
        ModelError: an id is needed that neither the tokenizer nor the size of the vocabulary tells.

    Source:
        openai-whisper: `whisper/decoding.py` for the suppressed tokens and the first timestamp, `whisper/model.py` for
        the alignment heads of an unknown checkpoint (every head of the last half of the decoder blocks).
    """
    settings = given if given is not None else GenerationConfig()
    vars(settings).pop("forced_decoder_ids", None)  # of old files; language and task say it now
    if given is not None and tokenizer is None and config.vocab_size not in RELEASED:
        return settings  # nothing to fill in from, and nothing that transcription by ids needs more than this
    for name, value in _defaults(config, tokenizer, suppress=given is None).items():
        if getattr(settings, name, None) is None:
            setattr(settings, name, value)
    return settings


def _defaults(config: WhisperConfig, tokenizer: WhisperTokenizer | None, *, suppress: bool) -> dict[str, Any]:
    ids = special_ids(config.vocab_size, tokenizer)
    multilingual = config.vocab_size != ENGLISH_ONLY_SIZE
    half = range(config.decoder_layers // 2, config.decoder_layers)
    values: dict[str, Any] = {
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|endoftext|>"],
        "pad_token_id": ids["<|endoftext|>"],
        "decoder_start_token_id": ids["<|startoftranscript|>"],
        "no_timestamps_token_id": ids.get("<|notimestamps|>"),
        "prev_sot_token_id": ids.get("<|startofprev|>"),
        "is_multilingual": multilingual,
        "max_initial_timestamp_index": 50,
        "max_length": config.max_target_positions,
        "return_timestamps": False,
        "alignment_heads": [[block, head] for block in half for head in range(config.decoder_attention_heads)],
    }
    if multilingual:
        values["lang_to_id"] = {f"<|{code}|>": ids[f"<|{code}|>"] for code in LANGUAGES if f"<|{code}|>" in ids}
        values["task_to_id"] = {
            task: ids[f"<|{task}|>"] for task in ("translate", "transcribe") if f"<|{task}|>" in ids
        }
    if suppress and config.vocab_size >= ENGLISH_ONLY_SIZE:
        values |= _suppressed(ids, multilingual)
    return values


def _suppressed(ids: dict[str, int], multilingual: bool) -> dict[str, list[int]]:
    """Return what OpenAI keeps from being said, for its own vocabularies: symbols, and control tokens."""
    end = ids["<|endoftext|>"]
    symbols = [i for i in (NON_SPEECH_TOKENS_MULTI if multilingual else NON_SPEECH_TOKENS) if i < end]
    controls = [ids[f"<|{name}|>"] for name in _SUPPRESSED if f"<|{name}|>" in ids]
    return {"suppress_tokens": sorted([*symbols, *controls]), "begin_suppress_tokens": [_SPACE_ID, end]}
