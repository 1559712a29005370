"""Text as it is found in files: decoded, cut into lines, and without characters that nobody sees.

The one place for this: transcripts, tables and labels of every format go through it.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

_LINE_END = re.compile(r"\r\n|\n|\r")
_JOINERS = "\u200c\u200d"
_FIRST_JOINING_SCRIPT = 0x0590
"""Scripts from Hebrew on; in Persian and the scripts of India a joiner is spelling, elsewhere it shows nothing."""
_SHOWN_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Signs before Arabic, Syriac and Kaithi numbers, which Unicode counts among formats and readers see."""


def decode(content: bytes, *, eight_bit: bool = False) -> str:
    """Decode a text file: UTF-8 or UTF-16, with its mark (BOM) or without.

    Args:
        content: The file's bytes.
        eight_bit: Whether a file that is neither, and holds no letter in UTF-8, is Windows-1252 or Latin-1.

    Returns:
        The text, without a mark. Zero characters in it show that it is neither encoding.

    Raises:
        UnicodeDecodeError: It is of no such encoding; `start` is the byte.

    Source:
        RFC 2781, section 4.3, on UTF-16 without a mark; here the more frequent place of zero bytes decides.
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
    """Cut a text into lines where LF, CRLF or CR ends them, and nowhere else.

    `str.splitlines` also cuts at U+2028, U+0085 and form feeds, which stand inside sentences.
    """
    return _LINE_END.split(text)


def clean(text: str) -> str:
    """Take out what nobody sees and compose letters with their marks (NFC).

    Args:
        text: Any text.

    Returns:
        The text without control and format characters (zero-width spaces, byte-order marks, soft hyphens, marks of
        direction) and variation selectors. White space stays, and so do joiners where they are spelling.

    Source:
        Unicode Standard, general categories Cc and Cf, and annex 15 (normalisation forms).
    """
    if text.isascii() and text.isprintable():
        return text
    kept = "".join(each for each, before in zip(text, "\n" + text, strict=False) if not _is_hidden(each, before))
    return unicodedata.normalize("NFC", kept)


def one_line(text: str) -> str:
    """A text cleaned, in one line, with single spaces between its words."""
    return " ".join(clean(text).split())


def visible(token: str) -> str:
    """Write a token so that its space in front, as a low line, and what cannot be printed are seen."""
    shown = f"_{token[1:]}" if token[:1] == " " else token
    return "".join(letter if letter.isprintable() else "\u00b7" for letter in shown)


def without_joiners(text: str) -> str:
    """A text without zero-width joiners and non-joiners, for comparing spellings."""
    return text.translate(dict.fromkeys(map(ord, _JOINERS)))


def _is_hidden(character: str, before: str) -> bool:
    if character in _JOINERS:
        return not (ord(before) >= _FIRST_JOINING_SCRIPT and unicodedata.category(before)[0] in "LM")
    if character in _SHOWN_FORMATS or character.isspace():
        return False
    is_selector = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return is_selector or character == "\u034f" or unicodedata.category(character) in ("Cc", "Cf")


def quoted(text: str) -> str:
    """Write a text on one line in quotes, so that white space at its ends and what cannot be seen is seen."""
    return "'" + "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text) + "'"
