"""Map phones from one set to another: through the IPA, except between two forms of the same set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from otoscope.audio.clip import Span
from otoscope.base.errors import InputError
from otoscope.corpus.phones import ipa, tables
from otoscope.corpus.phones.sets import inventory, spell

_COLUMN = {"arpabet": 0, "arpabet-stress": 0, "timit61": 1, "timit39": 1, "espeak": 2, "sampa-au": 3}
_STRESS = {"ˈ": "1", "ˌ": "2"}


@cache
def to_phones(symbol: str, source: str, target: str) -> tuple[str, ...] | None:
    """Convert a phone of one set into the symbols of another.

    Args:
        symbol: The phone as written in a corpus, or several separated by spaces (`AA R`).
        source: The set of the symbol.
        target: The set to convert it to; if it is the same, the symbol is returned in the set's usual spelling.

    Returns:
        Its symbols in the target's inventory, two where it is a unit of two; () for a pause and for a sound that the
        target leaves out (in TIMIT-39 the closures and the glottal stop; everywhere the breath `H` after a stop of
        Australian English, which is part of that stop); None if the source does not have it, or the target has no
        symbol for it.

    Raises:
        InputError: There is no such phone set.
    """
    inventory(target)  # refuses an unknown set
    symbols = spell(symbol, source)
    if symbols is None or source == target:
        return symbols
    converted: list[str] = []
    for item in symbols:
        parts = _convert(item, source, target)
        if parts is None:
            return None
        converted += parts
    if target == "arpabet-stress" and source in {"ipa", "espeak"}:
        return _stressed(converted, symbol)
    return tuple(converted)


def to_ipa(symbol: str, source: str) -> tuple[str, ...]:
    """Give the IPA sounds of a symbol of a set's inventory."""
    if source == "ipa":
        return (symbol,)
    if source == "espeak":
        return tuple(tables.ESPEAK[symbol].split())
    if source == "sampa-au":
        return tuple(tables.SAMPA_AU[symbol].split())
    if source in {"timit61", "timit39"}:
        return (tables.TIMIT61[symbol],)
    if symbol in {"AH0", "ER0"}:
        return ("ə",) if symbol == "AH0" else ("ɚ",)
    plain = symbol.rstrip("012")
    return ({**tables.ARPABET_VOWELS, **tables.ARPABET_REDUCED, **tables.ARPABET_CONSONANTS}[plain],)


def convert_spans(spans: Sequence[Span], source: str, target: str) -> tuple[Span, ...]:
    """Convert a clip's phones to another set, pauses left out.

    A unit of two phones stays one span, with a space between its symbols, since the boundary between them is unknown.
    The breath `H` after a stop of Australian English becomes part of that stop's span.

    Returns the phones in the target's symbols.
    """
    converted: list[Span] = []
    is_stop = False  # whether the last label was a stop that became a span
    for span in spans:
        if source == "sampa-au" and span.text == "H":
            if is_stop and span.start_s <= converted[-1].end_s:
                converted[-1] = Span(converted[-1].start_s, span.end_s, converted[-1].text)
            is_stop = False
            continue
        symbols = to_phones(span.text, source, target)
        if symbols is None:
            is_unknown = spell(span.text, source) is None
            why = f"{source!r} does not have it" if is_unknown else f"{target!r} has no symbol for that sound"
            raise InputError(
                f"phone {span.text!r} at {span.start_s:.3f} s goes from phone set {source!r} to {target!r}, and {why}. "
                "Correct the label, or choose another phone set."
            )
        is_stop = bool(symbols) and _ends_in_stop(span.text, source)
        if symbols:
            converted.append(Span(span.start_s, span.end_s, " ".join(symbols)))
    return tuple(converted)


def _ends_in_stop(symbol: str, source: str) -> bool:
    symbols = spell(symbol, source)
    return bool(symbols) and ipa.ROWS[to_ipa(symbols[-1], source)[-1]].manner == "stop"  # type: ignore[index]


def _convert(symbol: str, source: str, target: str) -> list[str] | None:
    """Convert a symbol of the source's inventory into symbols of the target's."""
    if source == "timit61" and target == "timit39":
        return tables.TIMIT61_TO_39.get(symbol, symbol).split()
    if source == "arpabet-stress" and target == "arpabet":
        return [symbol.rstrip("012")]
    if source == "arpabet" and target == "arpabet-stress":
        return [symbol]  # its stress is unknown
    sounds = to_ipa(symbol, source)
    if target == "ipa":
        return list(sounds)
    converted: list[str] = []
    for sound in sounds:
        symbols = tables.FROM_IPA[sound][_COLUMN[target]]
        if symbols is None:
            return None
        if target == "timit39":
            symbols = " ".join(tables.TIMIT61_TO_39.get(part, part) for part in symbols.split())
        converted += symbols.split()
    return converted


def _stressed(symbols: list[str], written: str) -> tuple[str, ...]:
    """Put the stress of an IPA unit on its first vowel; the stress of a unit without a mark is unknown."""
    mark = re.search("[ˈˌ]", written)
    vowel = next((index for index, symbol in enumerate(symbols) if symbol in tables.ARPABET_VOWELS), None)
    if mark and vowel is not None:
        symbols[vowel] += _STRESS[mark[0]]
    return tuple(symbols)
