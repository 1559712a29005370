"""Which tier of a TextGrid holds words and which phones, by the names that people and aligners give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol, TypeVar

PLAIN_NAMES = frozenset({"words", "word", "wrd", "phones", "phone", "phons", "phn", "phonemes", "phoneme"})
"""Names that are also recognised inside longer ones: `words_aligned`, `Ann_phones`, `WordTier`."""
OTHER_THINGS = re.compile(
    r"boundar(y|ies)|break|categor(y|ies)|class(es)?|codes?|comments?|counts?|durations?|features?|frequency|gloss|ids?|"
    r"index|lengths?|lemmas?|meanings?|notes?|numbers?|pos|rates?|scores?|stress|tags?|tones?|translations?|types?"
)
"""Parts of a name that mark a tier as about words or phones, without holding them: `word stress`, `phone_count`."""


class Named(Protocol):
    """A tier."""

    name: str


Tier = TypeVar("Tier", bound=Named)


def choose(tiers: Sequence[Tier], names: Sequence[str]) -> list[Tier]:
    """Choose the tiers with the best name; several where several speakers have one each.

    `names`: the names to look for, the best first; case is ignored.
    Returns tiers with one of the names, alone or beside a speaker's (`Ann - words`); otherwise those whose name
    contains it among other parts; empty where there is no such tier.
    """
    for is_like in (matches, _contains):
        for name in names:
            chosen = [tier for tier in tiers if is_like(tier.name, name)]
            if chosen:
                return chosen
    return []


def matches(tier_name: str, name: str) -> bool:
    """Whether a tier has a name, alone or beside a speaker's: `Ann - words`, `words - Ann`."""
    return name in (part.strip().lower() for part in (tier_name, *tier_name.split(" - ")))


def _contains(tier_name: str, name: str) -> bool:
    """Whether a plain name is part of a tier's name, and no other part says that the tier holds something else."""
    parts = set(re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tier_name).lower()))
    is_of_both = bool(parts & {"words", "word", "wrd"}) and bool(parts & (PLAIN_NAMES - {"words", "word", "wrd"}))
    return name in PLAIN_NAMES and name in parts and not is_of_both and not any(map(OTHER_THINGS.fullmatch, parts))
