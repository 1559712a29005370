"""The parts of a study, in their order: each with its question, and the function that answers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from otoscope.study.whole import decoder_parts, encoder_parts, feature_parts, transcripts
from otoscope.study.whole.context import Context


@dataclass(frozen=True)
class Part:
    """One part of a study.

    Attributes:
        name: Its name, and that of its folder.
        question: What it asks.
        answer: Does it: takes the context and the folder to write to.
        keeps_place: Writes straight to its folder, because it resumes by itself what was stopped there.
    """

    name: str
    question: str
    answer: Callable[[Context, Path], None]
    keeps_place: bool = False


PARTS = (
    Part("transcripts", "What does the model hear?", transcripts.transcripts),
    Part("relevance", "How much of the relevance comes from near?", encoder_parts.relevance_shares),
    Part("locality", "How far does each head listen?", encoder_parts.heads),
    Part("window", "What is heard when frames attend to k neighbours alone?", encoder_parts.windows),
    Part("splice", "Does exactly a word go with its frames?", encoder_parts.splices),
    Part("dictionaries", "Which sparse features is each block made of?", feature_parts.dictionaries, keeps_place=True),
    Part("harvest", "What drives every feature?", feature_parts.harvest, keeps_place=True),
    Part("phones", "Which phone does each feature detect?", feature_parts.phones),
    Part("sounds", "How do the examples sound?", feature_parts.sounds),
    Part("traces", "How does strength go over time around them?", feature_parts.traces),
    Part("scores", "How good are the dictionaries?", feature_parts.scores),
    Part("bigrams", "What does the decoder say next with no sound?", decoder_parts.bigrams),
    Part("neighbours", "Which tokens lie nearest, and do they sound alike?", decoder_parts.neighbours),
    Part("lens", "From which block on does it know what it will say?", decoder_parts.lens),
    Part("words", "Which frames did each word come from?", encoder_parts.words),
    Part("listening", "How is one recording heard, in every way?", encoder_parts.listening),
)
NAMES = tuple(part.name for part in PARTS)
