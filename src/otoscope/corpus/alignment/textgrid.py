"""Praat TextGrid, long and short text form. A reader of our own, so that errors can name the line.

Praat reads both forms by one rule: what counts is numbers, quoted text and <flags> that stand on their own; the
rest (`xmin =`, `intervals [3]:`) is for people. So does this reader.

Source:
    Praat's manual, "TextGrid file formats"; names of tiers as the Montreal Forced Aligner (`Speaker - words`),
    WebMAUS (`ORT-MAU`, `MAU`) and EMU (`Word`, `Text`, `Phonetic`) write them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from otoscope.corpus.alignment.labels import Labels, Row, label_error, read_text

WORD_TIERS = ("words", "word", "wrd", "ort-mau", "ort", "orthography", "text")
"""Names of a tier of words, the best first; case is ignored."""
PHONE_TIERS = ("phones", "phone", "phons", "phn", "phonetic", "mau", "segments", "segment", "phonemes", "phoneme")
"""Names of a tier of phones, the best first; case is ignored."""

_TOKEN = re.compile(r'"(?:[^"]|"")*"|![^\r\n]*|[^\s"]+|"')
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LINE_END = re.compile(r"\r\n|\n|\r")


class _Token(NamedTuple):
    """`kind` is 'text', 'number', 'flag', or 'word' for what stands where a value should and is none of these."""

    kind: str
    text: str
    line: int


@dataclass
class _Tier:
    name: str
    line: int
    rows: list[Row]


def read(path: Path) -> Labels:
    """Read a TextGrid's tiers of words and of phones.

    Raises:
        LabelError: It is binary, damaged, or has neither tier.
    """
    _refuse_binary(path)
    tokens = _Tokens(path, read_text(path))
    kind, of = tokens.next("text", "the file type").text, tokens.next("text", "the class").text
    if kind not in {"ooTextFile", "ooTextFile short"} or of != "TextGrid":
        raise label_error(path, 1, 'it is no TextGrid. Expected \'File type = "ooTextFile"\' and class "TextGrid".')
    tokens.number("the start of the recording (xmin)")
    end = tokens.next("number", "the end of the recording (xmax)")
    tokens.next("flag", "<exists>")
    tiers = [_tier(tokens) for _ in range(tokens.count("tiers"))]
    intervals = [tier for tier in tiers if tier is not None]
    words = _choose(intervals, WORD_TIERS, path)
    phones = _choose(intervals, PHONE_TIERS, path)
    if words is None and phones is None:
        names = ", ".join(repr(tier.name) for tier in intervals) or "none"
        raise label_error(
            path,
            intervals[0].line if intervals else None,
            f"its interval tiers are {names}. Expected one of words ({', '.join(WORD_TIERS)}) or of phones "
            f"({', '.join(PHONE_TIERS)}). Rename the tiers.",
        )
    return Labels(
        words=None if words is None else _spoken(words, intervals).rows,
        phones=None if phones is None else phones.rows,
        end_s=float(end.text),
        end_line=end.line,
    )


def _refuse_binary(path: Path) -> None:
    try:
        with path.open("rb") as file:
            is_binary = file.read(12) == b"ooBinaryFile"
    except OSError:
        return  # reading it as text says what is wrong
    if is_binary:
        raise label_error(
            path, None, "it is a binary TextGrid. Expected a text file. In Praat, use 'Save as text file...'."
        )


class _Tokens:
    """The values of a TextGrid, one after another."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._tokens = _split(text, path)
        self._last_line = len(_LINE_END.findall(text)) + 1

    def next(self, kind: str, what: str) -> _Token:
        token = next(self._tokens, None)
        if token is None:
            raise label_error(self.path, self._last_line, f"the file ends. Expected {what}. Is it cut short?")
        if token.kind != kind:
            kinds = {"text": "text in quotes", "number": "a number", "flag": "a <flag>"}
            raise label_error(self.path, token.line, f"found {token.text!r}. Expected {what}: {kinds[kind]}.")
        return token

    def number(self, what: str) -> float:
        return float(self.next("number", what).text)

    def count(self, what: str) -> int:
        token = self.next("number", f"how many {what} there are")
        if not token.text.isdecimal():
            raise label_error(self.path, token.line, f"found {token.text!r}. Expected how many {what} there are.")
        return int(token.text)


def _split(text: str, path: Path) -> Iterator[_Token]:
    is_long = re.search(r"^\s*xmin\s*=", text, re.MULTILINE) is not None
    line, seen, before = 1, 0, ""
    for match in _TOKEN.finditer(text):
        line += len(_LINE_END.findall(text, seen, match.start()))
        seen = match.start()
        token = match[0]
        if token == '"':
            raise label_error(path, line, "a text has no closing quote. Expected a quote, doubled inside a text.")
        if token[0] == '"':
            yield _Token("text", _LINE_END.sub("\n", token[1:-1].replace('""', '"')), line)
        elif _NUMBER.fullmatch(token):
            yield _Token("number", token, line)
        elif token[0] == "<" and token[-1] == ">":
            yield _Token("flag", token, line)
        elif token[0] != "!" and (before == "=" or (not is_long and not _is_header(token))):
            yield _Token("word", token, line)
        before = token


def _is_header(token: str) -> bool:
    """Whether a word belongs to the two first lines, which the short form has too."""
    return token in {"File", "type", "Object", "class", "=", "type=", "class="}


def _tier(tokens: _Tokens) -> _Tier | None:
    """Read a tier; None for one of points."""
    kind = tokens.next("text", "the class of a tier")
    name = tokens.next("text", "the name of a tier")
    tokens.number("the start of the tier (xmin)")
    tokens.number("the end of the tier (xmax)")
    if kind.text == "IntervalTier":
        return _Tier(name.text, name.line, _intervals(tokens, tokens.count("intervals")))
    if kind.text == "TextTier":
        count = tokens.count("points")
        for index in range(1, count + 1):
            tokens.number(f"the time of point {index} of {count}")
            tokens.next("text", f"the text of point {index} of {count}")
        return None
    raise label_error(
        tokens.path, kind.line, f"found a tier of class {kind.text!r}. Expected 'IntervalTier' or 'TextTier'."
    )


def _intervals(tokens: _Tokens, count: int) -> list[Row]:
    rows = []
    for index in range(1, count + 1):
        of = f"of interval {index} of {count}"
        start_s = tokens.number(f"the start {of} (xmin)")
        end_s = tokens.number(f"the end {of} (xmax)")
        text = tokens.next("text", f"the text {of}")
        rows.append(Row(start_s, end_s, text.text.strip(), text.line))
    return rows


def _choose(tiers: list[_Tier], names: tuple[str, ...], path: Path) -> _Tier | None:
    """The tier with the best name, if there is one."""
    for name in names:
        matches = [tier for tier in tiers if _plain(tier.name) == name]
        if len(matches) > 1:
            shown = ", ".join(repr(tier.name) for tier in matches)
            raise label_error(
                path, matches[1].line, f"tiers {shown} are the same kind. Expected one speaker to a recording."
            )
        if matches:
            return matches[0]
    return None


def _plain(name: str) -> str:
    """A tier's name without the speaker before it: `Ann - words` is `words`."""
    return name.rpartition(" - ")[2].strip().lower()


def _spoken(words: _Tier, tiers: list[_Tier]) -> _Tier:
    """The tier with the words as spelt: EMU writes their class to `Word` and the words to `Text`, at the same times."""
    times = [row[:2] for row in words.rows]
    return next((tier for tier in tiers if _plain(tier.name) == "text" and [r[:2] for r in tier.rows] == times), words)
