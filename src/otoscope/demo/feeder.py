"""Batches for training, spoken, laid out and tokenised in a child process while the trainer computes.

The curriculum is here: single words first, then longer passages in longer windows, the full window last. A small
decoder that starts on whole sentences learns the language but not to listen; one that starts on words listens within
minutes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.queues
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from queue import Full
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from otoscope.demo import grammar
from otoscope.demo.speech import Passage, Placed, Studio, draw_sentence, lay_out
from otoscope.demo.tokenizer import TIMESTAMP_S
from otoscope.demo.voices import american_voice, training_voice

WINDOW_S = 10.0
IGNORED = -100
"""Target id that the loss ignores."""


@dataclass(frozen=True)
class Stage:
    """A stage of the curriculum."""

    name: str  # what a window holds
    window_s: float  # length of the window in seconds
    batch: int  # windows in a batch
    most_steps: int  # the stage ends after this many steps at the latest
    until_loss: float  # it ends earlier once the running loss of a text token, in nats, is below this
    word_lists: float  # share of samples that are unrelated words rather than sentences
    most_pieces: int  # most words (if all samples are word lists) or sentences in a sample
    hide: float = 0.0  # chance that words of a sample are made inaudible
    empty: float = 0.0  # share of windows in which nothing is said
    timestamps: float = 0.5  # share of windows whose transcript has timestamps
    rough: bool = True  # whether there are noise, echo and all accents, or American voices in a quiet room


STAGES: tuple[Stage, ...] = (
    Stage("one word", 1.3, 48, 3_000, 0.6, word_lists=1.0, most_pieces=1, timestamps=0.0, rough=False),
    Stage("one or two words", 2.0, 48, 1_000, 0.6, word_lists=1.0, most_pieces=2, empty=0.01, timestamps=0.1),
    Stage("up to four words or a sentence", 3.6, 32, 1_500, 0.5, word_lists=0.5, most_pieces=1, empty=0.01),
    Stage("one sentence", 4.5, 28, 1_500, 0.35, word_lists=0.15, most_pieces=1, hide=0.15, empty=0.02),
    Stage("up to two sentences", 7.0, 20, 1_500, 0.25, word_lists=0.1, most_pieces=2, hide=0.3, empty=0.04),
    Stage("the full window", WINDOW_S, 14, 1_000_000, 0.0, word_lists=0.08, most_pieces=4, hide=0.3, empty=0.06),
)


@dataclass(frozen=True)
class SpecialTokens:
    """The ids that a transcript needs besides its text."""

    start: int
    language: int
    transcribe: int
    no_speech: int
    no_timestamps: int
    end: int
    """Also the first id that is not text."""

    @property
    def first_timestamp(self) -> int:
        """Id of `<|0.00|>`."""
        return self.no_timestamps + 1


@dataclass(frozen=True)
class SpeechBatch:
    """One training step's data."""

    stage: int  # index into `STAGES`
    samples: np.ndarray  # float32 [window, sample]
    inputs: np.ndarray  # decoder input ids, int64 [window, token]
    targets: np.ndarray  # the next token, int64 [window, token]; `IGNORED` where the loss leaves it out


class Spelling:
    """Turns the text of a window into the token ids that Whisper would be trained on."""

    def __init__(self, tokenizer_json: str, special: SpecialTokens) -> None:
        self._tokenizer_json = tokenizer_json
        self._special = special

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer.from_str(self._tokenizer_json)

    def _text_ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(f" {text}", add_special_tokens=False).ids

    def ids(self, placed: Placed, *, timestamps: bool) -> tuple[list[int], list[int]]:
        """Give decoder inputs and targets for a window; if nothing is said the first target is `<|nospeech|>`."""
        special = self._special
        body: list[int] = [] if timestamps else [special.no_timestamps]
        for segment in placed.segments:
            words = self._text_ids(segment.text)
            body += [self._stamp(segment.start_s), *words, self._stamp(segment.end_s)] if timestamps else words
        if timestamps and placed.cut_at_s is not None:
            body.append(self._stamp(placed.cut_at_s))
        is_empty = not placed.segments and placed.cut_at_s is None
        if timestamps and is_empty:
            body.append(special.first_timestamp)
        sequence = [special.start, special.language, special.transcribe, *body, special.end]
        targets = sequence[1:]
        if not timestamps:
            targets[2] = (
                IGNORED  # the user chooses whether there are timestamps; the model should not learn to guess it
            )
        if is_empty:
            targets[0] = special.no_speech
        return sequence[:-1], targets

    def _stamp(self, seconds: float) -> int:
        return self._special.first_timestamp + round(min(seconds, WINDOW_S) / TIMESTAMP_S)


def batches(stage_index: int, first_step: int, seed: int, spelling: Spelling) -> Iterator[SpeechBatch]:
    """Yield the batches of a stage without end, from a step on.

    A third of each batch is newly spoken, and the rest was used before. Layout, noise and hidden words are drawn anew
    each time a passage is used.
    """
    stage = STAGES[stage_index]
    studio = Studio()
    pool: list[Passage] = []
    most_kept = 6_000
    step = first_step
    while True:
        rng = random.Random(f"{seed} {stage_index} {step}")
        n_new = stage.batch if len(pool) < 4 * stage.batch else -(-stage.batch // 3)
        pool += [_speak(stage, studio, rng) for _ in range(n_new)]
        del pool[: max(0, len(pool) - most_kept)]
        chosen = pool[-n_new:] + rng.sample(pool, stage.batch - n_new)
        yield _make_batch(stage_index, chosen, spelling, np.random.default_rng(rng.getrandbits(64)))
        step += 1


def _speak(stage: Stage, studio: Studio, rng: random.Random) -> Passage:
    if rng.random() < stage.word_lists:
        most_words = stage.most_pieces if stage.word_lists == 1.0 else 4
        texts = [grammar.word_list(rng, rng.randint(1, most_words))]
    else:
        texts = [draw_sentence(rng) for _ in range(rng.randint(1, stage.most_pieces))]
    voice = training_voice(rng) if stage.rough else american_voice(rng)
    return studio.passage(texts, voice, rng)


def _make_batch(stage_index: int, passages: list[Passage], spelling: Spelling, rng: np.random.Generator) -> SpeechBatch:
    stage = STAGES[stage_index]
    samples, inputs, targets = [], [], []
    for passage in passages:
        timestamps = bool(rng.random() < stage.timestamps)
        if rng.random() < stage.empty:
            passage = Passage(passage.voice, ())
        overfull = timestamps and len(passage.pieces) > 1
        placed = lay_out(passage, stage.window_s, rng, hide=stage.hide, rough=stage.rough, overfull=overfull)
        window_inputs, window_targets = spelling.ids(placed, timestamps=timestamps)
        samples.append(placed.samples)
        inputs.append(window_inputs)
        targets.append(window_targets)
    longest = max(map(len, inputs))
    padded_inputs = np.zeros((len(inputs), longest), np.int64)
    padded_targets = np.full((len(inputs), longest), IGNORED, np.int64)
    for row, (window_inputs, window_targets) in enumerate(zip(inputs, targets, strict=True)):
        padded_inputs[row, : len(window_inputs)] = window_inputs
        padded_targets[row, : len(window_targets)] = window_targets
    return SpeechBatch(stage_index, np.array(samples), padded_inputs, padded_targets)


class Feeder:
    """A child process that makes batches ahead of time; after `move_on`, batches of the old stage are dropped."""

    def __init__(self, stage: int, first_step: int, seed: int, spelling: Spelling) -> None:
        context = multiprocessing.get_context("spawn")
        self._queue: multiprocessing.queues.Queue[SpeechBatch] = context.Queue(maxsize=6)
        self._stage = context.Value("i", stage)
        arguments = (self._queue, self._stage, first_step, seed, spelling)
        self._process = context.Process(target=_feed, args=arguments, daemon=True)
        self._process.start()

    def next(self) -> SpeechBatch:
        """Wait for the next batch of the current stage."""
        while True:
            batch = self._queue.get(timeout=300)
            if batch.stage == self._stage.value:
                return batch

    def move_on(self, stage: int) -> None:
        """Go to another stage."""
        self._stage.value = stage

    def stop(self) -> None:
        """End the child process."""
        self._process.terminate()


def _feed(queue: Any, current_stage: Any, first_step: int, seed: int, spelling: Spelling) -> None:
    """Run in the child process: put batches of the current stage in the queue, as long as the trainer runs."""
    while True:
        stage = current_stage.value
        for batch in batches(stage, first_step, seed, spelling):
            if not _put(queue, batch):
                return
            first_step += 1
            if current_stage.value != stage:
                break


def _put(queue: Any, batch: SpeechBatch) -> bool:
    """Put a batch in the queue, waiting for space; False once the trainer has ended."""
    trainer = multiprocessing.parent_process()
    while trainer is not None and trainer.is_alive():
        with contextlib.suppress(Full):
            queue.put(batch, timeout=5)
            return True
    return False
