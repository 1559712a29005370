"""What does it cost to list what follows 1,000 prompts with no sound, at whisper-tiny's shape with 51,865 tokens?

Against the bare decoder pass over them: in the same batches, over keys and values of the cross-attention that are there
already, the last position alone through the unembedding, nothing done with the logits. And against the
framework's own batched pass, which makes keys and values of 1,500 frames for every prompt anew, over fewer prompts.
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

    many = take_turns({"bare": bare, "study": study}, settings.rounds(ROUNDS))
    some = take_turns({"framework": framework, "study": few}, settings.rounds(ROUNDS))
    return [
        Row(
            f"what follows {N_PROMPTS:,} prompts, against our own bare decoder pass",
            result=many.ratio("study", "bare"),
            target=TARGET,
            detail=many.compared("study", "bare"),
        ),
        Row(
            f"what follows {N_FRAMEWORK} prompts, against one batched pass of the framework",
            result=some.ratio("study", "framework"),
            target=TARGET,
            detail=some.compared("study", "framework"),
        ),
    ]


def _model(settings: Settings) -> Whisper:
    """A random model of the shape, with the demo model's tokenizer: names of tokens cost the same whatever they say."""
    demo = load("demo", device="cpu")
    hf = make_subject(settings).model.hf
    hf.generation_config = copy.deepcopy(demo.hf.generation_config)
    return Whisper(hf, demo.tokenizer, id="random", weights_hash="random")


def _prompts(model: Whisper) -> list[str]:
    """Words of one token each."""
    texts = prompt_reader(model, "en").texts
    words = [text.strip() for text in texts.texts if text.startswith(" ") and text.strip().isalpha()]
    return [words[number % len(words)] for number in range(N_PROMPTS)]
