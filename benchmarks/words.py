"""What does it cost to trace the words of a clip in three ways?

The model has random weights and whisper-tiny's sizes, its vocabulary included, and is limited to ten words out of the
demo model's vocabulary; the clip is 4 s of noise, about as long as ten words take. The baseline transcribes the clip,
runs the framework's model once with eager attention, and makes a backward pass to the log-mel for each word.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor
from transformers import WhisperForConditionalGeneration

from benchmarks.row import Row
from benchmarks.subject import Settings, make_subject
from benchmarks.timing import take_turns
from otoscope.audio.clip import Clip
from otoscope.base.clocks import SAMPLE_RATE_HZ
from otoscope.model.generation import prompt_tokens
from otoscope.model.load import load
from otoscope.model.whisper import Whisper
from otoscope.study.words.experiment import words

TARGET = 4.0
ROUNDS = 1
N_WORDS = 10
WORD_S = 0.4


def measure(settings: Settings) -> list[Row]:
    """Compare tracing all words with transcribing them and one backward pass for each.

    Args:
        settings: How to measure.

    Returns:
        One row.
    """
    model = ten_words(settings)
    n_samples = round(min(N_WORDS * WORD_S, model.window_s) * SAMPLE_RATE_HZ)
    clip = Clip((0.1 * torch.randn(n_samples, generator=torch.manual_seed(0))).numpy(), id="noise")
    rounds = take_turns({"bare": bare(model, clip), "words": lambda: traced(model, clip)}, settings.rounds(ROUNDS))
    return [
        Row(
            f"words of a {N_WORDS}-word clip in three ways, against transcribing it and a backward pass for each word",
            result=rounds.ratio("words", "bare"),
            target=TARGET,
            detail=rounds.compared("words", "bare"),
        )
    ]


def ten_words(settings: Settings) -> Whisper:
    """Limit a random model to ten words, each with a space before it."""
    demo = load("demo", device="cpu")
    hf = make_subject(settings).model.hf
    words_alone = {index for token, index in demo.tokenizer.get_vocab().items() if token[:1] == "Ġ" and len(token) > 2}
    generation = copy.deepcopy(demo.hf.generation_config)
    generation.suppress_tokens = sorted(set(range(hf.config.vocab_size)) - words_alone)
    generation.begin_suppress_tokens = None
    generation.max_new_tokens = N_WORDS
    generation.alignment_heads = None
    hf.generation_config = generation
    return Whisper(hf, demo.tokenizer, id="random", weights_hash="random")


def traced(model: Whisper, clip: Clip) -> None:
    """Trace the words, and check their number."""
    result = words(model, clip, language="en")
    assert len(result.words) == N_WORDS, f"{len(result.words)} words"


def bare(model: Whisper, clip: Clip) -> Callable[[], None]:
    """Make the baseline: transcribe, run encoder and decoder once with gradients, and a backward pass for each word."""
    eager = copy.deepcopy(model.hf)
    eager.set_attn_implementation("eager")
    mel = model.windows(clip).mel

    def run() -> None:
        written = model.transcribe(clip, language="en").tokens[0]
        ids = [*prompt_tokens(model, language="en"), *written]
        heard = mel.clone().requires_grad_()
        scores = log_probabilities(eager, heard, ids)[-len(written) :]
        for score in scores:
            torch.autograd.grad(score, heard, retain_graph=True)

    return run


def log_probabilities(hf: WhisperForConditionalGeneration, mel: Tensor, ids: list[int]) -> Tensor:
    """Log-probability of each token but the first, given those before it, with gradients."""
    decoder_ids = torch.tensor([ids])
    with torch.enable_grad():
        logits: Tensor = hf(input_features=mel, decoder_input_ids=decoder_ids, use_cache=False).logits[0, :-1]
        return logits.log_softmax(-1).gather(-1, decoder_ids[0, 1:, None])[:, 0]
