"""Which phone set the labels of many clips are written in, and which of them it does not know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from otoscope.audio.clip import Span
from otoscope.base.errors import InputError
from otoscope.corpus.phones import PHONE_SETS, detect_phone_set, is_pause, to_phones


def common_phone_set(labelled: Iterable[set[str]]) -> str | None:
    """Find the phone set that most clips are written in, so that a few mistyped labels do not hide it.

    Returns:
        The phone set that knows all symbols, or else the one that knows those of the most clips; None where there are
        no phones or no set knows those of any clip.
    """
    clips = [symbols for symbols in labelled if not all(map(is_pause, symbols))]
    if not clips:
        return None
    known = [[symbols for symbols in clips if not _strangers(symbols, phone_set)] for phone_set in PHONE_SETS]
    for chosen in (clips, max(known, key=len)):
        try:
            return detect_phone_set(set[str]().union(*chosen))
        except InputError:
            continue
    return None


def unknown_phones(phones: Sequence[Span], phone_set: str | None) -> list[str]:
    """List the symbols that a phone set does not know, each once, in order of time.

    Args:
        phones: A clip's phones.
        phone_set: The phone set; None where no set knows the corpus's phones, and all are unknown.

    Returns:
        The symbols; pauses are known to every set.
    """
    strangers = _strangers({span.text for span in phones}, phone_set)
    return list(dict.fromkeys(span.text for span in phones if span.text in strangers))


def _strangers(symbols: set[str], phone_set: str | None) -> set[str]:
    return {
        symbol
        for symbol in symbols
        if not is_pause(symbol) and (phone_set is None or to_phones(symbol, phone_set, phone_set) is None)
    }
