"""What does a relevance map cost, from samples to the map?

The baseline is one forward and backward pass: the transformers encoder with eager attention (which gives attention
patterns), its weights frozen, and the gradient of the sum of its final output with respect to the log-mel. The same
with the fast attention kernel, which gives no patterns, is shown beside it.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from transformers import WhisperForConditionalGeneration

from benchmarks.row import Row
from benchmarks.subject import Subject
from benchmarks.timing import take_turns
from otoscope.study.relevance.experiment import relevance

TARGET = 2.5
ROUNDS = 10


def forward_and_backward(hf: WhisperForConditionalGeneration, mel: Tensor) -> Tensor:
    """Run the encoder and differentiate the sum of its final output with respect to the log-mel."""
    heard = mel.clone().requires_grad_()
    with torch.enable_grad():
        output = hf.model.encoder(heard).last_hidden_state.sum()
    return torch.autograd.grad(output, heard)[0]


def measure(subject: Subject) -> list[Row]:
    """Compare the map with one forward and backward pass.

    Args:
        subject: Model and sound.

    Returns:
        The ratio to a pass with eager attention, and to one with the fast kernel.
    """
    fast = subject.model.hf
    eager = copy.deepcopy(fast)
    eager.set_attn_implementation("eager")
    rounds = take_turns(
        {
            "eager": lambda: forward_and_backward(eager, subject.windows.mel),
            "fast": lambda: forward_and_backward(fast, subject.windows.mel),
            "map": lambda: relevance(subject.model, subject.clip),
        },
        subject.settings.rounds(ROUNDS),
        synchronise=subject.synchronise,
    )
    return [
        Row(question, result=rounds.ratio("map", name), target=target, detail=rounds.compared("map", name))
        for name, question, target in (
            ("eager", "relevance map against a forward and backward pass, eager attention", TARGET),
            ("fast", "the same against a pass with the fast attention kernel", None),
        )
    ]
