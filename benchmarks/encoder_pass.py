"""What does an encoder pass cost through otoscope when nothing is read?

The bare pass is the transformers model's own encoder on the same log-mel, without gradients. It also runs against
itself: how far that ratio is from 1 is the noise of the run.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.row import Row
from benchmarks.subject import Subject
from benchmarks.timing import take_turns

TARGET = 1.02
ROUNDS = 40


def bare_pass(subject: Subject) -> Tensor:
    """Run the transformers encoder as it is."""
    with torch.no_grad():
        return subject.model.hf.model.encoder(subject.windows.mel).last_hidden_state


def measure(subject: Subject) -> list[Row]:
    """Compare passes that read nothing with the bare one.

    Args:
        subject: Model and sound.

    Returns:
        The noise, and two ways of reading nothing.
    """
    model = subject.model

    def inside_a_reading_of_nothing() -> Tensor:
        with model.reading([]):
            return bare_pass(subject)

    rounds = take_turns(
        {
            "bare": lambda: bare_pass(subject),
            "again": lambda: bare_pass(subject),
            "encode": lambda: model.encode(subject.windows),
            "reading": inside_a_reading_of_nothing,
        },
        subject.settings.rounds(ROUNDS),
        synchronise=subject.synchronise,
    )
    questions = {
        "again": ("encoder pass: transformers against itself (the noise)", None),
        "encode": ("encoder pass: `model.encode`, nothing read", TARGET),
        "reading": ("encoder pass: transformers inside `model.reading([])`", TARGET),
    }
    return [
        Row(question, result=rounds.ratio(name, "bare"), target=target, detail=rounds.compared(name, "bare"))
        for name, (question, target) in questions.items()
    ]
