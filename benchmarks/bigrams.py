"""What does it cost to list what follows 1,000 prompts with no sound, at whisper-tiny's shape with 51,865 tokens?

The first baseline is the bare decoder pass over the prompts: the same batches, cross-attention keys and values already
computed, only the last position unembedded, and the logits not used. The second is the framework's own batched pass
over fewer prompts, which computes the keys and values of 1,500 frames anew for every prompt.
"""

from __future__ import annotations

import copy

import torch

from benchmarks.row import Row
from benchmarks.subject import Settings, make_subject
from benchmarks.timing import take_turns
from otoscope.model.load import load
from otoscope.model.next_tokens import NextTokens, prompt_reader
from otoscope.model.whisper import Whisper
from otoscope.study.bigrams.experiment import bigrams
from otoscope.study.bigrams.no_sound import no_sound

TARGET = 3.0
ROUNDS = 2
N_PROMPTS = 1_000
N_FRAMEWORK = 64


def measure(settings: Settings) -> list[Row]:
    """Compare the experiment with bare passes of the decoder.

    Args:
        settings: How to measure.

    Returns:
        Two rows.
    """
    model = _model(settings)
    silent = no_sound(model, "padding")
    reader = prompt_reader(model, "en")
    prompts = _prompts(model)
    ids = [(*reader.start, *reader.read(prompt).tokens) for prompt in prompts]
    decoder = NextTokens(model, silent.encoding)

    def bare() -> None:
        for _ in decoder.logits(ids):
            pass

    def study() -> None:
        bigrams(model, prompts, language="en", sound=silent)

    def few() -> None:
        bigrams(model, prompts[:N_FRAMEWORK], language="en", sound=silent)

    @torch.no_grad()
    def framework() -> None:
        encoding = silent.encoding.expand(N_FRAMEWORK, -1, -1)
        model.hf(encoder_outputs=(encoding,), decoder_input_ids=torch.tensor(ids[:N_FRAMEWORK]), use_cache=False)

    many_rounds = take_turns({"bare": bare, "study": study}, settings.rounds(ROUNDS))
    few_rounds = take_turns({"framework": framework, "study": few}, settings.rounds(ROUNDS))
    return [
        Row(
            f"what follows {N_PROMPTS:,} prompts, against our own bare decoder pass",
            result=many_rounds.ratio("study", "bare"),
            target=TARGET,
            detail=many_rounds.compared("study", "bare"),
        ),
        Row(
            f"what follows {N_FRAMEWORK} prompts, against one batched pass of the framework",
            result=few_rounds.ratio("study", "framework"),
            target=TARGET,
            detail=few_rounds.compared("study", "framework"),
        ),
    ]


def _model(settings: Settings) -> Whisper:
    """Make a random model of the shape with the demo model's tokenizer; the tokens' text does not affect the cost."""
    demo = load("demo", device="cpu")
    hf = make_subject(settings).model.hf
    hf.generation_config = copy.deepcopy(demo.hf.generation_config)
    return Whisper(hf, demo.tokenizer, id="random", weights_hash="random")


def _prompts(model: Whisper) -> list[str]:
    """Words of one token each."""
    texts = prompt_reader(model, "en").texts
    words = [text.strip() for text in texts.texts if text.startswith(" ") and text.strip().isalpha()]
    return [words[number % len(words)] for number in range(N_PROMPTS)]
