"""The language of a clip as corpora write it, in Whisper's codes."""

from __future__ import annotations


def language_code(language: str | None) -> str | None:
    """The language of a locale: `en` of `en-US`, `en_GB` and `EN`; an English name (`German`) stays one.

    Args:
        language: A code, a locale or a name; None where it is not known.

    Returns:
        The code or the name in small letters; None where there is none.
    """
    return None if language is None else language.strip().replace("_", "-").split("-")[0].lower() or None
