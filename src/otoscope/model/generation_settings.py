"""The settings that transcription starts from: completed where a checkpoint lacks them, and only those understood.

A generation config may hold anything that the framework ever offered. Settings that otoscope understands are passed on
to the framework, or refused where their value cannot be used; the others are left out, with a note.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

from transformers import GenerationConfig, WhisperConfig, WhisperTokenizer
from transformers.models.whisper.configuration_whisper import NON_SPEECH_TOKENS, NON_SPEECH_TOKENS_MULTI
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from otoscope.base.errors import ModelError
from otoscope.model.vocabulary import RELEASED, is_english_only, special_ids

_SPACE_ID = 220  # " " in OpenAI's English and multilingual vocabularies alike
# the first releases call <|nospeech|> <|nocaptions|>
_SUPPRESSED = ("translate", "transcribe", "startoftranscript", "startoflm", "startofprev", "nospeech", "nocaptions")


class _Rule(NamedTuple):
    """Which values a setting may have."""

    allows: Callable[[Any], bool]
    description: str


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _are_ids(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(i, Integral) and not isinstance(i, bool) for i in value)


_POSITIVE = _Rule(lambda value: _is_count(value, 1), "a whole number of 1 or more")
_COUNT = _Rule(lambda value: _is_count(value, 0), "a whole number of 0 or more")
_IDS = _Rule(_are_ids, "a list of token ids")

UNDERSTOOD: Mapping[str, _Rule] = {
    "max_length": _POSITIVE,
    "max_new_tokens": _POSITIVE,
    "min_length": _COUNT,
    "min_new_tokens": _COUNT,
    "max_initial_timestamp_index": _COUNT,
    "suppress_tokens": _IDS,
    "begin_suppress_tokens": _IDS,
    "bad_words_ids": _Rule(
        lambda value: isinstance(value, list) and bool(value) and all(_are_ids(row) and row for row in value),
        "a list of lists of token ids",
    ),
    "no_repeat_ngram_size": _COUNT,
    "repetition_penalty": _Rule(lambda value: _is_number(value) and value > 0, "a number above 0"),
    "length_penalty": _Rule(_is_number, "a number"),
    "early_stopping": _Rule(lambda value: isinstance(value, bool) or value == "never", "true, false or 'never'"),
}
"""Settings that are passed on to the framework as they are."""

_READ_ELSEWHERE = frozenset(
    [
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
        "decoder_start_token_id",
        "no_timestamps_token_id",
        "prev_sot_token_id",
        "is_multilingual",
        "lang_to_id",
        "task_to_id",
        "language",
        "task",
        "forced_decoder_ids",
        "alignment_heads",
    ]
)
_WITHOUT_EFFECT = frozenset(
    [
        "transformers_version",
        "use_cache",
        "return_timestamps",
        "return_dict_in_generate",
        "output_attentions",
        "output_hidden_states",
        "output_scores",
        "output_logits",
        "return_token_timestamps",
        "return_segments",
        "max_cache_len",
        "disable_compile",
    ]
)
"""Settings that do not change the text, or that otoscope decides by a setting of its own."""


class SettledConfig(GenerationConfig):
    """A generation config that is final: the framework fills no gap in it from the model's own config."""

    def update(self, defaults_only: bool = False, allow_custom_entries: bool = False, **values: Any) -> dict[str, Any]:
        """Take settings, except those that the framework copies from the model's config."""
        if allow_custom_entries:
            return {}
        unused: dict[str, Any] = super().update(defaults_only=defaults_only, **values)
        return unused


def settle(given: GenerationConfig, model_id: str) -> tuple[SettledConfig, list[str]]:
    """Copy the settings that are understood.

    Returns a config with only these, without token ids and languages; and notes on what is left out.
    """
    settled, left_out = SettledConfig(), {}
    usual = given._get_default_generation_params()
    for name, value in vars(given).items():
        if value is None or name.startswith("_") or name in _READ_ELSEWHERE or name in _WITHOUT_EFFECT:
            continue
        if name in UNDERSTOOD:
            if not UNDERSTOOD[name].allows(value):
                raise ModelError(
                    f"{model_id}: its generation config says {name} is {_short(value)}, which must be "
                    f"{UNDERSTOOD[name].description}. Correct generation_config.json, or remove the setting."
                )
            setattr(settled, name, list(value) if isinstance(value, tuple) else value)
        elif name not in usual or value != usual[name]:
            left_out[name] = value
    if not left_out:
        return settled, []
    listed = ", ".join(f"{name} = {_short(value)}" for name, value in sorted(left_out.items()))
    return settled, [
        f"its generation config asks for {listed}, which is not followed: otoscope decodes greedily, or with the "
        "number of beams that it is given"
    ]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def unchecked(values: Mapping[str, Any]) -> GenerationConfig:
    """Copy what a generation_config.json says into a config, unchecked; `settle` checks it when it is used."""
    config = GenerationConfig()
    for name, value in values.items():
        setattr(config, name, value)
    return config


def complete_generation(
    given: GenerationConfig | None, config: WhisperConfig, tokenizer: WhisperTokenizer | None
) -> GenerationConfig:
    """Fill in what a generation config lacks; what it says is kept.

    Language and task that an older file gives as `forced_decoder_ids` become `language` and `task`.

    Returns a generation config that Whisper's `generate` accepts for languages, tasks and timestamps.
    Source: openai-whisper: `whisper/decoding.py` for the suppressed tokens and the first timestamp, `whisper/model.py`
    for the alignment heads of an unknown checkpoint (every head of the last half of the decoder blocks).
    """
    settings = given if given is not None else GenerationConfig()
    forced = vars(settings).pop("forced_decoder_ids", None), vars(config).pop("forced_decoder_ids", None)
    if given is not None and tokenizer is None and config.vocab_size not in RELEASED:
        return settings  # nothing to fill in from, and transcription by ids needs no more
    ids = special_ids(config.vocab_size, tokenizer)
    values = _defaults(config, ids, suppress=given is None) | _forced(*forced, ids)
    for name, value in values.items():
        if getattr(settings, name, None) is None:
            setattr(settings, name, value)
    return settings


def _forced(given_rows: Any, config_rows: Any, ids: Mapping[str, int]) -> dict[str, str]:
    """Read language and task from the tokens that an older checkpoint begins every transcript with.

    English in a `config.json` says nothing: every multilingual release has it there, and detects the language.
    """
    if is_english_only(ids):
        return {}
    texts = {index: text for text, index in ids.items()}
    settings: dict[str, str] = {}
    rows = config_rows if given_rows is None else given_rows
    for row in rows if isinstance(rows, list | tuple) else ():
        token = row[1] if isinstance(row, list | tuple) and len(row) == 2 else None
        name = texts.get(token, "")[2:-2] if isinstance(token, int) else ""
        if name in LANGUAGES and (given_rows is not None or name != "en"):
            settings["language"] = name
        elif name in ("translate", "transcribe"):
            settings["task"] = name
    return settings


def _defaults(config: WhisperConfig, ids: dict[str, int], *, suppress: bool) -> dict[str, Any]:
    multilingual = not is_english_only(ids)
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
    if suppress and ids["<|endoftext|>"] in _SYMBOLS:
        values |= _suppressed(ids)
    return values


_SYMBOLS = {50_256: NON_SPEECH_TOKENS, 50_257: NON_SPEECH_TOKENS_MULTI}
"""Symbols that OpenAI keeps from being said, by the number of text tokens of the vocabulary they belong to."""


def _suppressed(ids: dict[str, int]) -> dict[str, list[int]]:
    """Return what OpenAI keeps from being said, for its own vocabularies: symbols, and control tokens."""
    end = ids["<|endoftext|>"]
    symbols = [i for i in _SYMBOLS[end] if i < end]
    controls = [ids[f"<|{name}|>"] for name in _SUPPRESSED if f"<|{name}|>" in ids]
    return {"suppress_tokens": sorted([*symbols, *controls]), "begin_suppress_tokens": [_SPACE_ID, end]}
