"""What does reading cost: the neurons and the residual stream of every encoder block, in one pass?

The baseline is the bare pass of `encoder_pass`. The tensors read are kept until the end of a run, as a reader would
keep them; so the process must allocate memory that the bare pass reuses.
"""

from __future__ import annotations

from torch import Tensor

from benchmarks.encoder_pass import bare_pass
from benchmarks.row import Row
from benchmarks.subject import Subject
from benchmarks.timing import take_turns

TARGET = 1.10
ROUNDS = 40
SITES = ("encoder.blocks.*.mlp.1", "encoder.blocks.*")


def measure(subject: Subject) -> list[Row]:
    """Compare a pass that is read with the bare one.

    Args:
        subject: Model and sound.

    Returns:
        One row.
    """
    model = subject.model

    def read() -> dict[str, Tensor]:
        with model.reading(SITES) as tape:
            model.encode(subject.windows)
        return dict(tape)

    rounds = take_turns(
        {"bare": lambda: bare_pass(subject), "read": read},
        subject.settings.rounds(ROUNDS),
        synchronise=subject.synchronise,
    )
    question = "reading `" + "` and `".join(SITES) + "`"
    ratio = rounds.ratio("read", "bare")
    return [Row(question, result=ratio, target=TARGET, detail=rounds.compared("read", "bare"))]
