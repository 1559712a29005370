"""Turn the language of a clip, as corpora write it, into Whisper's code."""

from __future__ import annotations


def language_code(language: str | None) -> str | None:
    """Give the language of a locale: `en` of `en-US`, `en_GB` and `EN`; an English name (`German`) stays a name.

    Returns the code or the name in lower case; None where there is none.
    """
    return None if language is None else language.strip().replace("_", "-").split("-")[0].lower() or None
