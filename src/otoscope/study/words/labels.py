"""When the words of a transcript are spoken, by the clip's own labels. Knows words and times, not models."""

from __future__ import annotations

from collections.abc import Sequence

from otoscope.audio.clip import Clip
from otoscope.study.error_rate import words_of
from otoscope.study.splice.outcome import heard_words


def true_times(clip: Clip, texts: Sequence[str]) -> list[tuple[float, float] | None]:
    """Find when words of a transcript are spoken by the clip's labels.

    Returns for each its start and end in seconds from the start of the clip; None where the clip has no label for it,
    or a label that holds other words of the transcript, too.
    """
    parts = [words_of(text) for text in texts]
    owner = [number for number, part in enumerate(parts) for _ in part]
    spans: dict[int, list[tuple[float, float]]] = {}
    n_labelled = [0] * len(texts)
    for label, indices in heard_words(clip, [word for part in parts for word in part]).items():
        owners = {owner[index] for index in indices}
        if len(owners) == 1:
            number = owners.pop()
            span = (clip.words or ())[label]
            spans.setdefault(number, []).append((span.start_s, span.end_s))
            n_labelled[number] += len(indices)
    return [
        (min(start for start, _ in spans[number]), max(end for _, end in spans[number]))
        if number in spans and n_labelled[number] == len(part)
        else None
        for number, part in enumerate(parts)
    ]
