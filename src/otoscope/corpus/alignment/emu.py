"""EMU's `_annot.json`: levels of segments (in samples), and of items without times that are linked to levels below.

A word has the times of the segments it is linked to, through any levels between.

Source:
    Winkelmann, Harrington & Jansch 2017, "EMU-SDMS", Computer Speech & Language 45; the emuR manual's "Annotation
    JSON": a segment covers the samples sampleStart to sampleStart + sampleDur, both included.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otoscope.corpus.alignment.labels import LabelRow, Labels, label_error, read_text

PHONE_LEVELS = ("phonetic", "mau", "phones", "phone", "segments", "segment", "phoneme", "phonemes")
"""Names of a level of phones, the best first; case is ignored."""
WORD_LEVELS = ("word", "words", "ort", "orthography")
"""Names of a level of words, the best first; case is ignored."""
TEXT_LABELS = ("text", "ort", "orthography")
"""Names of the label that holds the word itself; they take precedence over the level's own name."""


@dataclass
class _Annotation:
    """One file: its levels, its links downwards, and the line of each item."""

    path: Path
    rate_hz: float
    levels: list[dict[str, Any]]
    below: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    items: dict[int, dict[str, Any]] = field(default_factory=dict)
    lines: dict[int, int] = field(default_factory=dict)


def read(path: Path) -> Labels:
    """Read the phones and words of an EMU annotation."""
    text = read_text(path)
    try:
        annotation = _annotation(path, text)
        phones = _choose(annotation, PHONE_LEVELS, only_segments=True)
        words = _choose(annotation, WORD_LEVELS, only_segments=False)
        if phones is None and words is None:
            names = ", ".join(repr(level["name"]) for level in annotation.levels) or "none"
            raise label_error(
                path,
                1,
                f"its levels are {names}. Expected one of words ({', '.join(WORD_LEVELS)}) or one of segments that "
                f"are phones ({', '.join(PHONE_LEVELS)}). Rename the levels.",
            )
        return Labels(
            words=None if words is None else list(_words(annotation, words)),
            phones=None if phones is None else [_segment(annotation, item, phones) for item in phones["items"]],
            words_share_phones=True,
        )
    except json.JSONDecodeError as error:
        raise label_error(path, error.lineno, f"it is not JSON ({error.msg}). Expected an EMU annotation.") from error
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise label_error(
            path,
            1,
            f"it is JSON but not an EMU annotation ({type(error).__name__}: {error}). Expected sampleRate, "
            "levels with items, and links.",
        ) from error


def _annotation(path: Path, text: str) -> _Annotation:
    content = json.loads(text)
    rate_hz = content["sampleRate"]
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, int | float) or not 0 < rate_hz < 1e9:
        raise label_error(path, 1, f"sampleRate is {rate_hz!r}. Expected samples a second, above 0.")
    annotation = _Annotation(path, rate_hz, content["levels"])
    for level in annotation.levels:
        for item in level["items"]:
            annotation.items[item["id"]] = item
    for link in content.get("links", []):
        annotation.below[link["fromID"]].append(link["toID"])
    line, seen = 1, 0
    for match in re.finditer(r'"id"\s*:\s*(\d+)', text):
        line += text.count("\n", seen, match.start())
        seen = match.start()
        annotation.lines.setdefault(int(match[1]), line)
    return annotation


def _choose(annotation: _Annotation, names: tuple[str, ...], *, only_segments: bool) -> dict[str, Any] | None:
    for name in names:
        for level in annotation.levels:
            is_right_type = level["type"] == "SEGMENT" or (level["type"] == "ITEM" and not only_segments)
            if level["name"].lower() == name and is_right_type:
                return level
    return None


def _words(annotation: _Annotation, level: dict[str, Any]) -> Iterator[LabelRow]:
    """The words with their own times, or those of the first and last segment below; a word with neither is an error."""
    for item in level["items"]:
        text = _text(item, (*TEXT_LABELS, level["name"].lower()))
        line = annotation.lines.get(item["id"], 1)
        if "sampleStart" in item:
            yield _segment(annotation, item, level)._replace(text=text)
            continue
        times = [_times(annotation, segment) for segment in _segments_below(annotation, item["id"])]
        if times:
            yield LabelRow(min(start for start, _ in times), max(end for _, end in times), text, line)
        elif text:
            raise label_error(
                annotation.path,
                line,
                f"word {text!r} (item {item['id']}) is linked to no segment. "
                "Expected links to the phones it is said with.",
            )


def _segments_below(annotation: _Annotation, identity: int) -> list[dict[str, Any]]:
    """All segments that an item reaches by links downwards."""
    segments, seen, waiting = [], {identity}, [identity]
    while waiting:
        for lower in annotation.below.get(waiting.pop(), []):
            if lower in seen:
                continue
            seen.add(lower)
            item = annotation.items.get(lower)
            if item is None:
                raise label_error(annotation.path, 1, f"a link leads to item {lower}. Expected an item of this file.")
            if "sampleStart" in item:
                segments.append(item)
            waiting.append(lower)
    return segments


def _segment(annotation: _Annotation, item: dict[str, Any], level: dict[str, Any]) -> LabelRow:
    start_s, end_s = _times(annotation, item)
    return LabelRow(start_s, end_s, _text(item, (level["name"].lower(),)), annotation.lines.get(item["id"], 1))


def _times(annotation: _Annotation, item: dict[str, Any]) -> tuple[float, float]:
    start, length = item.get("sampleStart"), item.get("sampleDur")
    for value in (start, length):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**15:
            raise label_error(
                annotation.path,
                annotation.lines.get(item["id"], 1),
                f"item {item['id']} has sampleStart {start!r} and sampleDur {length!r}. "
                "Expected whole numbers of samples, 0 or more.",
            )
    assert start is not None and length is not None  # checked in the loop
    return start / annotation.rate_hz, (start + length + 1) / annotation.rate_hz


def _text(item: dict[str, Any], names: tuple[str, ...]) -> str:
    """An item's label with the first of these names that it has, or else its first label."""
    labels = {label["name"].lower(): str(label["value"]).strip() for label in item["labels"]}
    return next((labels[name] for name in names if labels.get(name)), next(iter(labels.values()), ""))
