"""Let the decoder write: one call of the framework's `generate` for a batch of windows.

Windows are encoded once; language detection, generation and scoring share that output. Log-probabilities and the
no-speech probability are recorded during greedy generation, so that they cost no pass of their own.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList
from transformers.modeling_outputs import BaseModelOutput

from otoscope.model.cross_attention import SeenKeysValues
from otoscope.model.finite import NotFiniteError, finite_logits, not_finite
from otoscope.model.languages import Vocabulary
from otoscope.model.token_rules import Suppressed, TimestampRules
from otoscope.model.watching import ChosenLogprobs, quiet, watched_logits

if TYPE_CHECKING:
    from otoscope.model.whisper import Whisper

_DEFAULT_LENGTH = 20
"""The length limit of `generate` where a checkpoint gives none. Source: transformers, `GenerationConfig`."""


@dataclass(frozen=True)
class Written:
    """What the decoder wrote for one window."""

    tokens: list[int]  # new ids, prompt and end excluded
    avg_logprob: float  # mean log-probability of these tokens and of the end where it was reached; natural log
    no_speech_prob: float | None  # probability of `<|nospeech|>`, or None where the vocabulary lacks it
    is_stopped: bool  # whether the text was cut off for lack of room


@dataclass(frozen=True)
class Decoding:
    """How to decode."""

    task: str = "transcribe"  # `transcribe` or `translate`
    timestamps: bool = False  # whether the decoder writes timestamps
    beams: int = 1  # width of the search; 1 is greedy
    max_new_tokens: int | None = None  # limit for one pass over a window, or None for the checkpoint's own


def generate_tokens(
    model: Whisper,
    mel: Float[Tensor, "window n_mels mel_frame"],
    *,
    language: str | None = None,
) -> list[list[int]]:
    """Let the decoder write greedily for every window, in one call of the framework's `generate`.

    The encoder runs once, the decoder once for the prompt and once for every token, and readings see just that: where
    the language must be detected first, they do not see the detection.

    Returns new ids for every window, prompt and end excluded; decoder positions are `prompt_tokens` and then these.
    """
    words = model.vocabulary
    code = words.check_language(language)
    encoded = model.encode_mel(mel, batch_size=len(mel))
    languages = [code] * len(mel) if code else [top(probabilities) for probabilities in detect(model, words, encoded)]
    return [row.tokens for row in write(model, words, encoded, languages, Decoding(task=words.check_task(None)))]


def prompt_tokens(model: Whisper, *, language: str) -> list[int]:
    """Return the tokens that a transcript begins with, from `<|startoftranscript|>` on."""
    words = model.vocabulary
    return words.prompt(words.check_language(language) or "en", "transcribe", timestamps=False)


@torch.no_grad()
def forced_logits(
    model: Whisper,
    encoded: Float[Tensor, "window frame d_model"],
    tokens: Int[Tensor, "window token"],
    seen: SeenKeysValues | None = None,
) -> Float[Tensor, "window token vocab"]:
    """Run the decoder over given tokens: at each, what it would say next.

    Edits apply; readings do not see this pass, which is not part of a transcript being written.

    `seen`: keys and values of the same windows, if the decoder has just written for all of them; used as they are.
    Returns logits in float32.
    """
    with model.reading_paused():
        return read_logits(model, encoded, tokens, seen)


def read_logits(
    model: Whisper,
    encoded: Float[Tensor, "window frame d_model"],
    tokens: Int[Tensor, "window token"],
    seen: SeenKeysValues | None = None,
) -> Float[Tensor, "window token vocab"]:
    """Run the decoder as `forced_logits` does, but seen by readings and, where gradients are on, in the graph.

    `seen`: keys and values of the same windows, if the decoder has just written for all of them; used as they are.
    Returns logits in float32.
    """
    ids = tokens.to(model.device)

    def run() -> Tensor:
        cache = {} if seen is None else seen.decoder_cache(model, len(ids))
        output = model.hf(encoder_outputs=_wrap(encoded), decoder_input_ids=ids, use_cache=bool(cache), **cache)
        logits: Tensor = output.logits
        return logits

    return finite_logits(model, run)


def detect(model: Whisper, words: Vocabulary, encoded: Float[Tensor, "window frame d_model"]) -> list[dict[str, float]]:
    """Find the language of every window.

    Returns for every window the probability of every language the model knows, adding up to 1.
    Source: Radford et al. 2022 (arXiv 2212.04356), section 2.3; OpenAI Whisper, `whisper/decoding.py`,
    `detect_language`.
    """
    start = torch.full((len(encoded), 1), words.start_id)
    logits = forced_logits(model, encoded, start)[:, -1]
    known = torch.tensor(list(words.language_ids.values()), device=logits.device)
    rows = logits[:, known].softmax(dim=-1).tolist()
    return [dict(zip(words.language_ids, row, strict=True)) for row in rows]


def top(probabilities: dict[str, float]) -> str:
    """The most probable language."""
    return max(probabilities, key=probabilities.__getitem__)


def write(
    model: Whisper,
    words: Vocabulary,
    encoded: Float[Tensor, "window frame d_model"],
    languages: Sequence[str],
    decoding: Decoding,
    *,
    n_passes_before: int = 0,
) -> list[Written]:
    """Let the decoder write for a batch of windows.

    `n_passes_before`: how many windows of the same recording came before.
    Returns what was written, for every window.
    """
    n_prompt = len(words.prompt(languages[0], decoding.task, timestamps=decoding.timestamps))
    chosen = ChosenLogprobs()

    def run() -> tuple[Int[Tensor, "window token"], Float[Tensor, "row vocab"]]:
        with ExitStack() as stack:
            stack.enter_context(quiet())
            opening = stack.enter_context(watched_logits(model.hf))
            sequences = model.hf.generate(
                encoder_outputs=_wrap(encoded),
                generation_config=_generation_config(words, decoding, n_passes_before),
                logits_processor=_rules(model, words, decoding, n_prompt, chosen),
                return_timestamps=False,  # the framework's own rules are off; `_rules` has ours
                force_unique_generate_call=True,
                **_language_and_task(words, languages, decoding),
            )
        return sequences, opening[0]

    try:
        sequences, opening = run()
    except NotFiniteError:
        raise not_finite(model, run) from None
    logprobs = (
        chosen.finish(sequences, n_prompt) if decoding.beams == 1 else _scored(model, encoded, sequences, n_prompt)
    )
    no_speech = _no_speech(words, opening[:: decoding.beams])
    rows = [_strip(row, words) for row in sequences[:, n_prompt:].tolist()]
    return [
        Written(
            row[:n], logprobs[i, :n_scored].mean().item() if n_scored else 0.0, no_speech[i], words.end_id not in row
        )
        for i, (row, n, n_scored) in enumerate(rows)
    ]


def _generation_config(words: Vocabulary, decoding: Decoding, n_passes_before: int) -> GenerationConfig:
    """The checkpoint's settings, with the length limit set and without what `_rules` handles."""
    config: Any = copy.copy(words.generation)
    config.suppress_tokens = config.begin_suppress_tokens = None
    config.num_beams = decoding.beams
    if not decoding.timestamps:
        config.no_timestamps_token_id = words.no_timestamps_id  # the framework ends the prompt with it
    _limit(config, words, decoding, n_passes_before)
    return cast(GenerationConfig, config)


def _language_and_task(words: Vocabulary, languages: Sequence[str], decoding: Decoding) -> dict[str, Any]:
    """The arguments of `generate` that only a multilingual checkpoint takes."""
    if not words.is_multilingual:
        return {}
    return {"language": [f"<|{code}|>" for code in languages], "task": decoding.task}


def _rules(
    model: Whisper, words: Vocabulary, decoding: Decoding, n_prompt: int, chosen: ChosenLogprobs
) -> LogitsProcessorList:
    """Which tokens may come next, and, last, the recorder of log-probabilities."""
    rules = LogitsProcessorList([Suppressed(words, n_prompt, model.device)])
    if decoding.timestamps:
        rules.append(TimestampRules(words, n_prompt, model.device))
    if decoding.beams == 1:
        rules.append(chosen)
    return rules


def _limit(config: Any, words: Vocabulary, decoding: Decoding, n_passes_before: int) -> None:
    """Limit how much may be written: as `generate` itself would, and never more than the decoder has room for."""
    n_prompt = len(words.prompt(words.any_language, decoding.task, timestamps=decoding.timestamps))
    room = words.longest - n_prompt
    if decoding.max_new_tokens is not None:
        config.max_new_tokens = min(decoding.max_new_tokens, room)
    elif config.max_new_tokens is not None:
        config.max_new_tokens = min(config.max_new_tokens, room)
    else:
        # The framework's loop over a recording adds the prompt to the same limit once for every pass.
        config.max_length = (config.max_length or _DEFAULT_LENGTH) + n_passes_before * n_prompt


def _strip(row: list[int], words: Vocabulary) -> tuple[list[int], int, int]:
    """Return a row, how many of its ids are text or timestamps, and how many were scored: one more if it ended."""
    n = row.index(words.end_id) if words.end_id in row else len(row)
    while n and row[n - 1] == words.pad_id:
        n -= 1
    return row, n, min(n + 1, len(row)) if words.end_id in row else n


def _no_speech(words: Vocabulary, logits: Float[Tensor, "window vocab"]) -> list[float | None]:
    if words.no_speech_id is None:
        return [None] * len(logits)
    probabilities: list[float | None] = logits.float().softmax(dim=-1)[:, words.no_speech_id].tolist()
    return probabilities


def _scored(
    model: Whisper,
    encoded: Float[Tensor, "window frame d_model"],
    sequences: Int[Tensor, "window token"],
    n_prompt: int,
) -> Float[Tensor, "window new_token"]:
    """The log-probability of what a beam search wrote, from one pass over it."""
    logprobs = forced_logits(model, encoded, sequences[:, :-1])[:, n_prompt - 1 :].log_softmax(dim=-1)
    return logprobs.gather(-1, sequences[:, n_prompt:, None]).squeeze(-1)


def _wrap(encoded: Tensor) -> BaseModelOutput:
    return BaseModelOutput(last_hidden_state=encoded)
