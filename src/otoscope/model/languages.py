"""Which languages a checkpoint knows, and the special tokens that control it.

Reads the checkpoint's generation config and the tokenizer's vocabulary. Where the two differ, the tokenizer's is
used, and a note says so.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import GenerationConfig, WhisperForConditionalGeneration, WhisperTokenizer
from transformers.models.whisper.tokenization_whisper import LANGUAGES, TO_LANGUAGE_CODE

from otoscope.base.errors import InputError, ModelError
from otoscope.model.generation_settings import settle
from otoscope.model.vocabulary import is_english_only, timestamp_ids

TASKS = ("transcribe", "translate")


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """What a checkpoint's tokens mean to a transcription.

    Text, timestamps and special tokens are told apart by what the tokenizer says, wherever their ids lie: fine-tuning
    adds words after the timestamps.
    """

    model_id: str  # which checkpoint
    vocab_size: int  # how many ids the model has
    longest: int  # how many tokens its decoder has room for, prompt included
    generation: GenerationConfig  # the settings of its generation config that are followed, completed
    is_multilingual: bool  # whether it takes a language and a task
    language_ids: Mapping[str, int]  # token id of each language it knows, by code (`en`)
    task_ids: Mapping[str, int]  # token id of each task
    # the language that a fine-tuned checkpoint says it is for, as code; None where it names none
    own_language: str | None
    own_task: str  # the task that it says it is for; `transcribe` where it names none
    start_id: int  # `<|startoftranscript|>`
    end_id: int  # `<|endoftext|>`
    pad_id: int  # what fills up the shorter rows of a batch; the end's id in most checkpoints
    no_timestamps_id: int  # `<|notimestamps|>`
    no_speech_id: int | None  # `<|nospeech|>`, or None
    special_ids: frozenset[int]  # ids that are no text, timestamps apart
    text_ids: frozenset[int]  # ids of text
    timestamp_ids: tuple[int, ...]  # ids of `<|0.00|>`, `<|0.02|>` and so on, in order of time

    @cached_property
    def _frames(self) -> dict[int, int]:
        return {token: frame for frame, token in enumerate(self.timestamp_ids)}

    def frame(self, token: int) -> int | None:
        """The frame that a timestamp names, counted from the window's start; None for any other token."""
        return self._frames.get(token)

    @cached_property
    def text_mask(self) -> Bool[Tensor, " vocab"]:
        """Which ids are text."""
        return self._mask(self.text_ids)

    @cached_property
    def suppressed(self) -> tuple[Bool[Tensor, " vocab"], Bool[Tensor, " vocab"]]:
        """Which ids may not be written: as the first token, and later."""
        later = self._mask(self.generation.suppress_tokens or ())
        return later | self._mask(self.generation.begin_suppress_tokens or ()), later

    @cached_property
    def order(self) -> Int[Tensor, " vocab"]:
        """All ids: text, the end, special and unknown ones, `<|notimestamps|>`, timestamps in order of time."""
        times = [token for token in self.timestamp_ids if token < self.vocab_size]
        text = sorted(token for token in self.text_ids if token < self.vocab_size)
        placed = {*text, *times, self.end_id, self.no_timestamps_id}
        rest = [token for token in range(self.vocab_size) if token not in placed]
        return torch.tensor([*text, self.end_id, *rest, self.no_timestamps_id, *times])

    def _mask(self, ids: Iterable[int]) -> Bool[Tensor, " vocab"]:
        mask = torch.zeros(self.vocab_size, dtype=torch.bool)
        mask[[token for token in ids if 0 <= token < self.vocab_size]] = True
        return mask

    @property
    def any_language(self) -> str:
        """One of its languages, for what does not depend on the language."""
        return next(iter(self.language_ids), "en")

    def is_text(self, token: int) -> bool:
        """Tell text from timestamps, special tokens, and ids that the tokenizer does not know."""
        return token in self.text_ids

    def prompt(self, language: str, task: str, *, timestamps: bool) -> list[int]:
        """Return the tokens that a transcript begins with.

        Args:
            language: One of the codes in `language_ids`; ignored by an English-only model.
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
            return self.own_language if self.is_multilingual else "en"
        if not isinstance(language, str):
            raise InputError(f"language is {language!r}: give a code such as 'en', a name such as 'english', or None.")
        spelling = language.strip().lower().removeprefix("<|").removesuffix("|>")
        code = TO_LANGUAGE_CODE.get(spelling, spelling)
        if not self.is_multilingual and code != "en":
            raise InputError(
                f"language {language!r} was requested of {self.model_id}, which knows only English. "
                "Leave the language out, or load a multilingual checkpoint."
            )
        if self.is_multilingual and code not in self.language_ids:
            raise self._unknown(language, spelling)
        return code

    def check_task(self, task: str | None) -> str:
        """Return the task; the checkpoint's own where none is given.

        Raises:
            InputError: There is no such task, or this checkpoint cannot do it.
        """
        if task is None:
            return self.own_task
        if task not in TASKS:
            raise InputError(
                f"task {task!r} is unknown: give 'transcribe', or 'translate' for English from any language."
            )
        if task == "translate" and not self.is_multilingual:
            raise InputError(
                f"task 'translate' was requested of {self.model_id}, which knows only English. Use 'transcribe'."
            )
        return task

    def _unknown(self, language: str, spelling: str) -> InputError:
        known = sorted(self.language_ids)
        names = {LANGUAGES[code]: code for code in known if code in LANGUAGES}
        near = difflib.get_close_matches(spelling, [*names, *known], n=3, cutoff=0.5)
        nearest = ", ".join(
            f"{name} ({names[name]})" if name in names else f"{LANGUAGES.get(name, name)} ({name})" for name in near
        )
        meant = f"Nearest: {nearest}. " if nearest else ""
        listed = ", ".join(known[:6]) + (", ..." if len(known) > 6 else "")
        return InputError(
            f"language {language!r} is not one of the {len(known)} that {self.model_id} knows ({listed}). {meant}"
            "Give a code or an English name, or leave it out to have it detected."
        )


def read_vocabulary(
    hf: WhisperForConditionalGeneration, tokenizer: WhisperTokenizer, model_id: str
) -> tuple[Vocabulary, tuple[str, ...]]:
    """Read what a checkpoint's tokens mean.

    Returns the vocabulary: special tokens, languages, and the settings of the generation config that are followed, with
    what was missing filled in; and notes on what is not followed, one sentence each.
    """
    ids = tokenizer.get_vocab()
    given: Any = hf.generation_config
    generation, notes = settle(given, model_id)
    named = _NamedTokens(model_id, given, ids, notes)
    end = named.needed("eos_token_id", "<|endoftext|>", is_free=True)
    start = named.needed("decoder_start_token_id", "<|startoftranscript|>")
    no_timestamps = named.needed("no_timestamps_token_id", "<|notimestamps|>")
    is_multilingual = named.is_multilingual()
    languages = named.listed("lang_to_id", [f"<|{code}|>" for code in LANGUAGES]) if is_multilingual else {}
    tasks = named.listed("task_to_id", [f"<|{task}|>" for task in TASKS]) if is_multilingual else {}
    times = timestamp_ids(ids, no_timestamps)
    special = (frozenset(tokenizer.all_special_ids) | {end, start, no_timestamps}) - frozenset(times)
    pad = end if given.pad_token_id is None else given.pad_token_id
    settings: dict[str, Any] = {
        "is_multilingual": is_multilingual,
        "decoder_start_token_id": start,
        "eos_token_id": end,
        "pad_token_id": pad,
        "bos_token_id": given.bos_token_id,
    }
    if is_multilingual:  # given a list of languages, the framework puts one into the prompt
        settings |= {"lang_to_id": languages, "task_to_id": {token[2:-2]: i for token, i in tasks.items()}}
    for name, value in settings.items():
        setattr(generation, name, value)
    vocabulary = Vocabulary(
        model_id=model_id,
        vocab_size=hf.config.vocab_size,
        longest=hf.config.max_target_positions,
        generation=generation,
        is_multilingual=is_multilingual,
        language_ids={token[2:-2]: index for token, index in languages.items()},
        task_ids={token[2:-2]: index for token, index in tasks.items()},
        own_language=named.language(languages),
        own_task=named.task(tasks),
        start_id=start,
        end_id=end,
        pad_id=pad,
        no_timestamps_id=no_timestamps,
        no_speech_id=ids.get("<|nospeech|>", ids.get("<|nocaptions|>")),
        special_ids=special,
        text_ids=frozenset(ids.values()) - special - frozenset(times),
        timestamp_ids=times,
    )
    return vocabulary, tuple(notes)


@dataclass(frozen=True)
class _NamedTokens:
    """What a generation config and a tokenizer say about the same tokens; where they differ, the tokenizer is right."""

    model_id: str
    given: Any
    ids: dict[str, int]
    notes: list[str]

    def needed(self, setting: str, token: str, *, is_free: bool = False) -> int:
        """The id of a token that every Whisper needs; `is_free` lets the config's id differ from the tokenizer's."""
        configured, known = getattr(self.given, setting, None), self.ids.get(token)
        if isinstance(configured, list | tuple):
            if len(configured) > 1:
                self.notes.append(f"its generation config gives {setting} as {list(configured)}: the first is taken")
            configured = configured[0] if configured else None
        if known is not None and configured is not None and configured != known and not is_free:
            self.notes.append(f"its generation config gives {setting} as {configured}, its tokenizer as {known}")
            configured = known
        token_id = known if configured is None else configured
        if token_id is None:
            raise ModelError(
                f"{self.model_id} has no token {token}: neither its generation_config.json nor its tokenizer names "
                "one. Copy both files from the checkpoint it is based on."
            )
        return int(token_id)

    def is_multilingual(self) -> bool:
        """Whether the checkpoint takes a language; with the vocabulary of the English-only releases it does not."""
        configured = getattr(self.given, "is_multilingual", None)
        if is_english_only(self.ids):
            if configured:
                self.notes.append("its generation config says is_multilingual, its vocabulary is the English-only one")
            return False
        return True if configured is None else bool(configured)

    def listed(self, setting: str, tokens: Sequence[str]) -> dict[str, int]:
        """The ids of languages or tasks: those that the generation config lists, or all that the tokenizer knows."""
        value = getattr(self.given, setting, None)
        by_name = value if isinstance(value, dict) else {}
        configured = {f"<|{name.removeprefix('<|').removesuffix('|>')}|>": index for name, index in by_name.items()}
        if wrong := [token for token, index in configured.items() if self.ids.get(token, index) != index]:
            self.notes.append(f"its generation config and its tokenizer give {wrong[0]} different ids in {setting}")
        if configured:
            return {token: self.ids.get(token, index) for token, index in configured.items()}
        return {token: self.ids[token] for token in tokens if token in self.ids}

    def language(self, known: Mapping[str, int]) -> str | None:
        """The language that the checkpoint says it is for, as code."""
        named = getattr(self.given, "language", None)
        if named is None:
            return None
        spelling = str(named).strip().lower().removeprefix("<|").removesuffix("|>")
        code = TO_LANGUAGE_CODE.get(spelling, spelling)
        if f"<|{code}|>" in known:
            return code
        if known or code != "en":
            self.notes.append(f"its generation config names the language {named!r}, which it has no token for")
        return None

    def task(self, known: Mapping[str, int]) -> str:
        """The task that the checkpoint says it is for."""
        named = getattr(self.given, "task", None)
        if named in TASKS and f"<|{named}|>" in known:
            return str(named)
        if named not in (None, "transcribe"):
            self.notes.append(f"its generation config names the task {named!r}, which it has no token for")
        return TASKS[0]
