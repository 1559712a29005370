"""Which tier of a TextGrid holds words and which phones, by the names that people and aligners give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol, TypeVar

PLAIN_NAMES = frozenset({"words", "word", "wrd", "phones", "phone", "phons", "phn", "phonemes", "phoneme"})
"""Names that are also understood among other parts: `words_aligned`, `Ann_phones`, `WordTier`."""
OTHER_THINGS = re.compile(
    r"boundar(y|ies)|break|categor(y|ies)|class(es)?|codes?|comments?|counts?|durations?|features?|frequency|gloss|ids?|"
    r"index|lengths?|lemmas?|meanings?|notes?|numbers?|pos|rates?|scores?|stress|tags?|tones?|translations?|types?"
)
"""Parts of a name that say that a tier is about words or phones, and holds none: `word stress`, `phone_count`."""


class Named(Protocol):
    """A tier."""

    name: str


Tier = TypeVar("Tier", bound=Named)


def choose(tiers: Sequence[Tier], names: Sequence[str]) -> list[Tier]:
    """The tiers of the best name: several where several speakers have one each.

    Args:
        tiers: All tiers that may be meant.
        names: The names that are sought, the best first; case is ignored.

    Returns:
        Tiers of one name, as sought or after a speaker (`Ann - words`); otherwise those whose name has it among
        other parts; none where there is no such tier.
    """
    for is_like in (matches, _contains):
        for name in names:
            found = [tier for tier in tiers if is_like(tier.name, name)]
            if found:
                return found
    return []


def matches(tier_name: str, name: str) -> bool:
    """Whether a tier has a name, alone or beside that of a speaker: `Ann - words`, `words - Ann`."""
    return name in (part.strip().lower() for part in (tier_name, *tier_name.split(" - ")))


def _contains(tier_name: str, name: str) -> bool:
    """Whether a plain name is one of a tier name's parts, and no other part says that something else is meant."""
    parts = set(re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tier_name).lower()))
    is_of_both = bool(parts & {"words", "word", "wrd"}) and bool(parts & (PLAIN_NAMES - {"words", "word", "wrd"}))
    return name in PLAIN_NAMES and name in parts and not is_of_both and not any(map(OTHER_THINGS.fullmatch, parts))
