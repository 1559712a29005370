"""Records of features as tests read them: each example as one object, from the columns of its shard."""

from __future__ import annotations

from typing import Any


def records_of(shard: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Give the records of a shard by the numbers of their features."""
    return {
        int(number): {
            **one,
            "examples": _rows(shard, one["examples"]),
            "histogram": _histogram(shard, one["histogram"]),
        }
        for number, one in shard["features"].items()
    }


def _histogram(shard: dict[str, Any], histogram: dict[str, Any]) -> dict[str, Any]:
    first, n = histogram["first"], len(histogram["speech"])
    return {**histogram, "edges": shard["edges"][first : first + n + 1] if n else []}


def _rows(shard: dict[str, Any], columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    lengths = {len(values) for values in columns.values()}
    assert len(lengths) == 1
    rows = []
    for values in zip(*columns.values(), strict=True):
        row = dict(zip(columns, values, strict=True))
        clip, speaker, words = shard["clips"][row["clip"]]
        first, at, after, stop = row.pop("words")
        around = {"before": " ".join(words[first:at]), "after": " ".join(words[after:stop])}
        piece, length_s = (None, None) if row["piece"] is None else shard["pieces"][row["piece"]]
        around["word"] = words[at] if at < after else None
        rows.append({**row, **around, "clip": clip, "speaker": speaker, "piece": piece, "length_s": length_s})
    return rows
