"""How pages explain phones: the IPA of each, and words in which it is heard."""

from __future__ import annotations

from collections.abc import Iterable

from otoscope.corpus.phones.examples import explained


def phone_names(phones: Iterable[str], phone_set: object) -> dict[str, list[str | list[str]]]:
    """Explain phones, as `otoscope.know_phones` of the pages takes it.

    Args:
        phones: The symbols.
        phone_set: Their set; symbols that it does not have are left out.

    Returns:
        Symbol to its spelling in the IPA and its example words.
    """
    if not isinstance(phone_set, str):
        return {}
    found = {phone: explained(phone, phone_set) for phone in phones}
    return {phone: [about[0], list(about[1])] for phone, about in found.items() if about is not None}
