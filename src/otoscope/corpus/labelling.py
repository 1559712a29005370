"""Detect the phone set of the labels of many clips, and find labels that it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from otoscope.audio.clip import Span
from otoscope.base.errors import InputError
from otoscope.corpus.phones import PHONE_SETS, detect_phone_set, is_pause, to_phones


def common_phone_set(labelled: Iterable[set[str]]) -> str | None:
    """Find the phone set of most clips, so that a few mistyped labels do not hide it.

    Returns the phone set that has all symbols, or else the one that has those of the most clips; None where there are
    no phones or no set has those of any clip.
    """
    clips = [symbols for symbols in labelled if not all(map(is_pause, symbols))]
    if not clips:
        return None
    known = [[symbols for symbols in clips if not _unknown_symbols(symbols, phone_set)] for phone_set in PHONE_SETS]
    for chosen in (clips, max(known, key=len)):
        try:
            return detect_phone_set(set[str]().union(*chosen))
        except InputError:
            continue
    return None


def unknown_phones(phones: Sequence[Span], phone_set: str | None) -> list[str]:
    """List the symbols that a phone set lacks, each once, in order of time.

    `phone_set`: the phone set; None where no set has the corpus's phones, and all are unknown.
    Returns the symbols; pauses belong to every set.
    """
    unknown = _unknown_symbols({span.text for span in phones}, phone_set)
    return list(dict.fromkeys(span.text for span in phones if span.text in unknown))


def _unknown_symbols(symbols: set[str], phone_set: str | None) -> set[str]:
    return {
        symbol
        for symbol in symbols
        if not is_pause(symbol) and (phone_set is None or to_phones(symbol, phone_set, phone_set) is None)
    }
