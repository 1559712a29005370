"""Map phones from one set to another: through the IPA, except where two sets are two forms of one."""

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
    """Say a phone of one set in the symbols of another.

    Args:
        symbol: The phone as written in a corpus, or several apart by spaces (`AA R`).
        source: The set that it is written in.
        target: The set to say it in; if it is the same, the symbol comes back in the set's own spelling.

    Returns:
        Its symbols in the target's inventory, two where it is a unit of two; () for a pause and for a sound that the
        target leaves out (in TIMIT-39 the closures and the glottal stop; everywhere the breath `H` after a stop of
        Australian English, which is part of that stop); None if the source does not know it, or the target has no
        symbol for it.

    Raises:
        InputError: There is no such phone set.
    """
    inventory(target)  # refuses an unknown set
    symbols = spell(symbol, source)
    if symbols is None or source == target:
        return symbols
    found: list[str] = []
    for each in symbols:
        said = _say(each, source, target)
        if said is None:
            return None
        found += said
    if target == "arpabet-stress" and source in {"ipa", "espeak"}:
        return _stressed(found, symbol)
    return tuple(found)


def to_ipa(symbol: str, source: str) -> tuple[str, ...]:
    """The sounds in IPA of a symbol of a set's inventory."""
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
    """Say a clip's phones in another set, pauses left out.

    A unit of two phones stays one span, its two symbols apart by a space: where one ends and the other begins is not
    known. The breath `H` after a stop of Australian English becomes part of that stop's span.

    Args:
        spans: The phones of one clip, sorted.
        source: The set that they are written in.
        target: The set to say them in.

    Returns:
        The phones in the target's symbols.

    Raises:
        InputError: There is no such phone set, the source does not know a phone, or the target has no symbol for it.
    """
    converted: list[Span] = []
    is_stop = False  # whether the last label was a stop and got a span
    for span in spans:
        if source == "sampa-au" and span.text == "H":
            if is_stop and span.start_s <= converted[-1].end_s:
                converted[-1] = Span(converted[-1].start_s, span.end_s, converted[-1].text)
            is_stop = False
            continue
        symbols = to_phones(span.text, source, target)
        if symbols is None:
            is_unknown = spell(span.text, source) is None
            why = f"{source!r} does not know it" if is_unknown else f"{target!r} has no symbol for that sound"
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


def _say(symbol: str, source: str, target: str) -> list[str] | None:
    """A symbol of the source's inventory in those of the target."""
    if source == "timit61" and target == "timit39":
        return tables.TIMIT61_TO_39.get(symbol, symbol).split()
    if source == "arpabet-stress" and target == "arpabet":
        return [symbol.rstrip("012")]
    if source == "arpabet" and target == "arpabet-stress":
        return [symbol]  # its stress is not known
    sounds = to_ipa(symbol, source)
    if target == "ipa":
        return list(sounds)
    found: list[str] = []
    for sound in sounds:
        said = tables.FROM_IPA[sound][_COLUMN[target]]
        if said is None:
            return None
        if target == "timit39":
            said = " ".join(tables.TIMIT61_TO_39.get(each, each) for each in said.split())
        found += said.split()
    return found


def _stressed(symbols: list[str], written: str) -> tuple[str, ...]:
    """Put the stress of a unit of IPA on its first vowel; a unit without a mark has a stress that is not known."""
    mark = re.search("[ˈˌ]", written)
    vowel = next((place for place, symbol in enumerate(symbols) if symbol in tables.ARPABET_VOWELS), None)
    if mark and vowel is not None:
        symbols[vowel] += _STRESS[mark[0]]
    return tuple(symbols)
