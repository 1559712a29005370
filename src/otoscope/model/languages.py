"""Which languages a checkpoint knows, and the special tokens that tell it what to do.

Reads the checkpoint's generation config and, where an older one leaves something out, the tokenizer's vocabulary.
"""

from __future__ import annotations

import copy
import difflib
from dataclasses import dataclass
from typing import Any

from transformers import GenerationConfig, WhisperForConditionalGeneration, WhisperTokenizer
from transformers.models.whisper.tokenization_whisper import LANGUAGES, TO_LANGUAGE_CODE

from otoscope.base.errors import InputError, ModelError

TASKS = ("transcribe", "translate")
MULTILINGUAL_VOCAB_SIZE = 51_865
"""The smallest vocabulary of a released multilingual checkpoint. Source: OpenAI Whisper, `whisper/model.py`."""


@dataclass(frozen=True)
class Vocabulary:
    """What a checkpoint's tokens mean to a transcription.

    Attributes:
        model_id: Which checkpoint.
        generation: A copy of its generation config, completed.
        is_multilingual: Whether it takes a language and a task.
        language_ids: Token id of each language it knows, by code (`en`).
        task_ids: Token id of each task.
        start_id: `<|startoftranscript|>`.
        end_id: `<|endoftext|>`.
        pad_id: What fills up the shorter rows of a batch; the end's id in most checkpoints.
        no_timestamps_id: `<|notimestamps|>`; every id above it is a timestamp.
        no_speech_id: `<|nospeech|>`, or None.
        special_ids: Ids that are no text.
    """

    model_id: str
    generation: GenerationConfig
    is_multilingual: bool
    language_ids: dict[str, int]
    task_ids: dict[str, int]
    start_id: int
    end_id: int
    pad_id: int
    no_timestamps_id: int
    no_speech_id: int | None
    special_ids: frozenset[int]

    @property
    def timestamp_begin(self) -> int:
        """Id of `<|0.00|>`."""
        return self.no_timestamps_id + 1

    @property
    def any_language(self) -> str:
        """One of its languages, for what is the same in all."""
        return next(iter(self.language_ids), "en")

    def is_text(self, token: int) -> bool:
        """Tell text from timestamps and special tokens."""
        return token < self.timestamp_begin and token not in self.special_ids

    def prompt(self, language: str, task: str, *, timestamps: bool) -> list[int]:
        """Give the tokens that a transcript begins with.

        Args:
            language: One of the codes in `language_ids`; no matter for an English-only model.
            task: `transcribe` or `translate`.
            timestamps: Whether the transcript will hold timestamps.

        Returns:
            Ids from `<|startoftranscript|>` on.
        """
        kind = [self.language_ids[language], self.task_ids[task]] if self.is_multilingual else []
        return [self.start_id, *kind, *([] if timestamps else [self.no_timestamps_id])]

    def check_language(self, language: str | None) -> str | None:
        """Turn a language as a user writes it into its code.

        Args:
            language: `en`, `English`, `<|en|>`, or None where it is to be detected.

        Returns:
            The code; the checkpoint's own language where none is given and it has one; None where it is to be detected.

        Raises:
            InputError: The language is unknown, or this checkpoint lacks it.
        """
        if language is None:
            return self._own_language() if self.is_multilingual else "en"
        if not isinstance(language, str):
            raise InputError(f"language is {language!r}: give a code such as 'en', a name such as 'english', or None.")
        asked = language.strip().lower().removeprefix("<|").removesuffix("|>")
        code = TO_LANGUAGE_CODE.get(asked, asked)
        if not self.is_multilingual and code != "en":
            raise InputError(
                f"language {language!r} was asked of {self.model_id}, which knows English alone. "
                "Leave the language out, or load a multilingual checkpoint."
            )
        if self.is_multilingual and code not in self.language_ids:
            raise self._unknown(language, asked)
        return code

    def check_task(self, task: str) -> str:
        """Return the task.

        Raises:
            InputError: There is no such task, or this checkpoint cannot do it.
        """
        if task not in TASKS:
            raise InputError(
                f"task {task!r} is unknown: give 'transcribe', or 'translate' for English from any language."
            )
        if task == "translate" and not self.is_multilingual:
            raise InputError(
                f"task 'translate' was asked of {self.model_id}, which knows English alone. Use 'transcribe'."
            )
        return task

    def _own_language(self) -> str | None:
        """The language a fine-tuned checkpoint says it is for, if any."""
        language = getattr(self.generation, "language", None)
        return self.check_language(language) if isinstance(language, str) else None

    def _unknown(self, language: str, asked: str) -> InputError:
        known = sorted(self.language_ids)
        names = {LANGUAGES[code]: code for code in known if code in LANGUAGES}
        near = difflib.get_close_matches(asked, [*names, *known], n=3, cutoff=0.5)
        nearest = ", ".join(
            f"{name} ({names[name]})" if name in names else f"{LANGUAGES.get(name, name)} ({name})" for name in near
        )
        meant = f"Nearest: {nearest}. " if nearest else ""
        listed = ", ".join(known[:6]) + (", ..." if len(known) > 6 else "")
        return InputError(
            f"language {language!r} is not one of the {len(known)} that {self.model_id} knows ({listed}). {meant}"
            "Give a code or an English name, or leave it out to have it detected."
        )


def read_vocabulary(hf: WhisperForConditionalGeneration, tokenizer: WhisperTokenizer, model_id: str) -> Vocabulary:
    """Read what a checkpoint's tokens mean.

    Args:
        hf: The framework's model; its generation config is copied.
        tokenizer: Its tokenizer.
        model_id: What the model is called in messages.

    Returns:
        The meaning of its special tokens, its languages, and its generation config with what was missing filled in.

    Raises:
        ModelError: A token that Whisper needs is in neither place.
    """
    ids = tokenizer.get_vocab()
    generation: Any = copy.deepcopy(hf.generation_config)
    languages = getattr(generation, "lang_to_id", None) or {}
    is_multilingual = getattr(generation, "is_multilingual", None)
    if is_multilingual is None:
        is_multilingual = bool(languages) or hf.config.vocab_size >= MULTILINGUAL_VOCAB_SIZE
    tasks = getattr(generation, "task_to_id", None) or {}
    if is_multilingual:
        languages = languages or {f"<|{code}|>": ids[f"<|{code}|>"] for code in LANGUAGES if f"<|{code}|>" in ids}
        tasks = tasks or {task: ids[f"<|{task}|>"] for task in TASKS if f"<|{task}|>" in ids}
        # Where there is a list of languages, the framework puts one into the prompt.
        generation.lang_to_id, generation.task_to_id = languages, tasks
    end = _needed(model_id, generation.eos_token_id, ids, "<|endoftext|>")
    settings: dict[str, Any] = {
        "is_multilingual": bool(is_multilingual),
        "no_timestamps_token_id": _needed(
            model_id, getattr(generation, "no_timestamps_token_id", None), ids, "<|notimestamps|>"
        ),
        "decoder_start_token_id": _needed(model_id, generation.decoder_start_token_id, ids, "<|startoftranscript|>"),
        "eos_token_id": end,
        "pad_token_id": end if generation.pad_token_id is None else generation.pad_token_id,
    }
    for name, value in settings.items():
        setattr(generation, name, value)
    return Vocabulary(
        model_id=model_id,
        generation=generation,
        is_multilingual=bool(is_multilingual),
        language_ids={token[2:-2]: index for token, index in languages.items()},
        task_ids=dict(tasks),
        start_id=settings["decoder_start_token_id"],
        end_id=end,
        pad_id=settings["pad_token_id"],
        no_timestamps_id=settings["no_timestamps_token_id"],
        no_speech_id=ids.get("<|nospeech|>", ids.get("<|nocaptions|>")),
        special_ids=frozenset(tokenizer.all_special_ids) | {end},
    )


def _needed(model_id: str, configured: Any, ids: dict[str, int], token: str) -> int:
    """The id of a token that no Whisper can do without: as configured, else as the vocabulary has it."""
    found = configured[0] if isinstance(configured, list) else configured
    found = ids.get(token) if found is None else found
    if found is None:
        raise ModelError(
            f"{model_id} has no token {token}: neither its generation_config.json nor its tokenizer names one. "
            "Bring both files from the checkpoint it is based on."
        )
    return int(found)
