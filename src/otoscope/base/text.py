"""Text from files: decode it, split it into lines, and remove invisible characters.

Transcripts, tables and labels of every format go through here.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

_LINE_END = re.compile(r"\r\n|\n|\r")
SPACE = "␣"
"""A token's leading space, in pages, pictures and terminals."""

_JOINERS = "\u200c\u200d"
_FIRST_JOINING_SCRIPT = 0x0590
"""Scripts from Hebrew on; in Persian and the scripts of India a joiner is part of the spelling, elsewhere invisible."""
_SHOWN_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Signs before Arabic, Syriac and Kaithi numbers: visible, though Unicode counts them as format characters."""


def decode(content: bytes, *, eight_bit: bool = False) -> str:
    """Decode a text file: UTF-8 or UTF-16, with or without a byte-order mark.

    `eight_bit`: whether a file that is neither, and holds no letter in UTF-8, is read as Windows-1252 or Latin-1.
    Returns the text, without the mark. Zero characters in it show that the encoding is neither.
    Source: RFC 2781, section 4.3, on UTF-16 without a mark; here the byte order follows from where zero bytes occur.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    if content.startswith(codecs.BOM_UTF8):
        return content.decode("utf-8-sig")
    even, odd = content[0::2].count(0), content[1::2].count(0)
    if max(even, odd) > len(content) / 8 and len(content) % 2 == 0:
        try:
            return content.decode("utf-16-le" if odd > even else "utf-16-be")
        except UnicodeDecodeError:
            pass  # zero bytes in the text of another encoding
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        if not eight_bit or not content.decode("utf-8", "ignore").isascii():
            raise
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def lines(text: str) -> list[str]:
    """Split a text into lines at LF, CRLF or CR, and nowhere else.

    `str.splitlines` also splits at U+2028, U+0085 and form feeds, which occur inside sentences.
    """
    return _LINE_END.split(text)


def clean(text: str) -> str:
    """Remove invisible characters and compose letters with their marks (NFC).

    Returns the text without control and format characters (zero-width spaces, byte-order marks, soft hyphens, marks of
    direction) and variation selectors. White space stays, and so do joiners that are part of the spelling.
    Source: Unicode Standard, general categories Cc and Cf, and annex 15 (normalisation forms).
    """
    if text.isascii() and text.isprintable():
        return text
    pairs = zip(text, "\n" + text, strict=False)
    kept = "".join(character for character, before in pairs if not _is_hidden(character, before))
    return unicodedata.normalize("NFC", kept)


def one_line(text: str) -> str:
    """Clean a text and write it on one line, with single spaces between its words."""
    return " ".join(clean(text).split())


def visible(token: str) -> str:
    """Write a token with each leading space as `␣`, a line end as `⏎`, and what else cannot be printed as a dot."""
    word = token.lstrip(" ")
    shown = f"{SPACE * (len(token) - len(word))}{word}".replace("\n", "⏎")
    return "".join(letter if letter.isprintable() else "\u00b7" for letter in shown)


def without_joiners(text: str) -> str:
    """Remove zero-width joiners and non-joiners, for comparing spellings."""
    return text.translate(dict.fromkeys(map(ord, _JOINERS)))


def _is_hidden(character: str, before: str) -> bool:
    if character in _JOINERS:
        return not (ord(before) >= _FIRST_JOINING_SCRIPT and unicodedata.category(before)[0] in "LM")
    if character in _SHOWN_FORMATS or character.isspace():
        return False
    is_selector = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return is_selector or character == "\u034f" or unicodedata.category(character) in ("Cc", "Cf")
