"""Read Praat TextGrids in long and short text form, with errors that name the line.

Like Praat, this reader takes both forms by one rule: free-standing numbers, quoted text and <flags> count; the rest
(`xmin =`, `intervals [3]:`) is for human readers.

Source:
    Praat's manual, "TextGrid file formats"; names of tiers as the Montreal Forced Aligner (`Speaker - words`),
    WebMAUS (`ORT-MAU`, `MAU`) and EMU (`Word`, `Text`, `Phonetic`) write them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from otoscope.base.errors import LabelError
from otoscope.base.text import one_line
from otoscope.corpus.alignment.labels import OVERLAP_S, LabelRow, Labels, label_error, read_text
from otoscope.corpus.alignment.tier_names import choose, matches

WORD_TIERS = ("words", "word", "wrd", "ort-mau", "ort", "orthography", "text")
"""Names of a tier of words, the best first; case is ignored."""
PHONE_TIERS = ("phones", "phone", "phons", "phn", "phonetic", "mau", "segments", "segment", "phonemes", "phoneme")
"""Names of a tier of phones, the best first; case is ignored."""

UTTERANCE_TIERS = ("utterances", "utterance", "utt", "transcript", "transcription", "sentence", "sentences")
"""Names of a tier of utterances, beside those of words, the best first."""

_TOKEN = re.compile(r'"(?:[^"]|"")*"|![^\r\n]*|[^\s"]+|"')
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?", re.ASCII)


class _Token(NamedTuple):
    """`kind` is 'text', 'number' or 'flag'; 'word' for anything else in the place of a value."""

    kind: str
    text: str
    line: int

    @property
    def value(self) -> float:
        """The token as a number, with a decimal point or comma."""
        return float(self.text.replace(",", "."))


@dataclass
class _Tier:
    """A tier; `rows` are empty where it holds points."""

    name: str
    line: int
    rows: list[LabelRow]
    holds_points: bool = False

    @property
    def spoken(self) -> list[LabelRow]:
        """The intervals with text."""
        return [row for row in self.rows if row.text]


def read(path: Path) -> Labels:
    """Read a TextGrid's tiers of words and of phones."""
    _refuse_binary(path)
    tokens = _Tokens(path, read_text(path, eight_bit=True))
    kind, object_class = tokens.next("text", "the file type").text, tokens.next("text", "the class").text
    if kind not in {"ooTextFile", "ooTextFile short"} or object_class != "TextGrid":
        raise label_error(path, 1, 'it is not a TextGrid. Expected \'File type = "ooTextFile"\' and class "TextGrid".')
    tokens.number("the start of the recording (xmin)")
    end = tokens.next("number", "the end of the recording (xmax)")
    tokens.next("flag", "<exists>")
    tiers = [_tier(tokens) for _ in range(tokens.count("tiers"))]
    intervals = [tier for tier in tiers if not tier.holds_points]
    utterances = [tier for tier in intervals if _holds_utterances(tier)]
    transcript = _transcript(utterances)
    rest = [tier for tier in intervals if tier not in utterances]
    words = choose(rest, WORD_TIERS)
    phones = choose([tier for tier in rest if tier not in words], PHONE_TIERS)
    if not words and not phones and transcript is None:
        raise _nothing_known(path, tiers)
    return Labels(
        words=_merged([_spelt(tier, rest) for tier in words], path) if words else None,
        phones=_merged(phones, path) if phones else None,
        end_s=end.value,
        end_line=end.line,
        transcript=transcript,
    )


def _nothing_known(path: Path, tiers: list[_Tier]) -> LabelError:
    """The error for a file without words, phones and utterances; it names the tiers of the file."""
    names, points = (
        ", ".join(repr(tier.name) for tier in tiers if tier.holds_points is kind) or "none" for kind in (False, True)
    )
    return label_error(
        path,
        tiers[0].line if tiers else None,
        f"its interval tiers are {names}{'' if points == 'none' else f', its tiers of points {points}'}. Expected "
        f"intervals of words ({', '.join(WORD_TIERS)}) or of phones ({', '.join(PHONE_TIERS)}). Rename the tiers.",
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
        self._last_line = text.count("\n") + 1

    def next(self, kind: str, what: str) -> _Token:
        token = next(self._tokens, None)
        if token is None:
            raise label_error(self.path, self._last_line, f"the file ends. Expected {what}. Is it cut short?")
        if token.kind != kind:
            kinds = {"text": "text in quotes", "number": "a number", "flag": "a <flag>"}
            raise label_error(self.path, token.line, f"found {token.text!r}. Expected {what}: {kinds[kind]}.")
        return token

    def number(self, what: str) -> float:
        return self.next("number", what).value

    def count(self, what: str) -> int:
        token = self.next("number", f"how many {what} there are")
        if not token.text.isdecimal():
            raise label_error(self.path, token.line, f"found {token.text!r}. Expected how many {what} there are.")
        return int(token.text)


def _split(text: str, path: Path) -> Iterator[_Token]:
    is_long = re.search(r"^\s*xmin\s*=", text, re.MULTILINE) is not None
    line, seen, before = 1, 0, ""
    for match in _TOKEN.finditer(text):
        line += text.count("\n", seen, match.start())
        seen = match.start()
        token = match[0]
        if token == '"':
            raise label_error(path, line, "a text has no closing quote. Expected a quote, doubled inside a text.")
        if token[0] == '"':
            yield _Token("text", token[1:-1].replace('""', '"'), line)
        elif _NUMBER.fullmatch(token):
            yield _Token("number", token, line)
        elif token[0] == "<" and token[-1] == ">":
            yield _Token("flag", token, line)
        elif token[0] != "!" and (before == "=" or (not is_long and not _is_header(token))):
            yield _Token("word", token, line)
        before = token


def _is_header(token: str) -> bool:
    """Whether a word belongs to the first two lines, which the short form has too."""
    return token in {"File", "type", "Object", "class", "=", "type=", "class="}


def _tier(tokens: _Tokens) -> _Tier:
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
        return _Tier(name.text, name.line, [], holds_points=True)
    raise label_error(
        tokens.path, kind.line, f"found a tier of class {kind.text!r}. Expected 'IntervalTier' or 'TextTier'."
    )


def _intervals(tokens: _Tokens, count: int) -> list[LabelRow]:
    rows = []
    for index in range(1, count + 1):
        interval = f"interval {index} of {count}"
        start_s = tokens.number(f"the start of {interval} (xmin)")
        end_s = tokens.number(f"the end of {interval} (xmax)")
        text = tokens.next("text", f"the text of {interval}")
        rows.append(LabelRow(start_s, end_s, text.text.strip(), text.line))
    return rows


def _holds_utterances(tier: _Tier) -> bool:
    """Whether a tier, which may be called `words` or `text`, holds utterances instead of words in time.

    A label holds one word, except for a few compounds ("New York"). Tiers of phones may hold several in one interval
    (`AA R`), and are never utterances.
    """
    if any(matches(tier.name, name) for name in PHONE_TIERS):
        return False
    lengths = [len(row.text.split()) for row in tier.spoken]
    return max(lengths, default=0) > 2 or 2 * sum(length > 1 for length in lengths) > len(lengths)


def _transcript(utterances: list[_Tier]) -> str | None:
    """What is said, in order of time, by all speakers, from tiers of one name; of several names the first counts."""
    known = next((name for name in (*UTTERANCE_TIERS, *WORD_TIERS) for t in utterances if matches(t.name, name)), None)
    rows = [row for tier in utterances if known and matches(tier.name, known) for row in tier.spoken]
    return one_line(" ".join(row.text for row in sorted(rows))) or None


def _spelt(words: _Tier, tiers: list[_Tier]) -> _Tier:
    """The tier with the words as spelt: EMU writes word classes to `Word`, the words to `Text`, at the same times."""
    times = [row[:2] for row in words.rows]
    return next(
        (tier for tier in tiers if matches(tier.name, "text") and [row[:2] for row in tier.rows] == times), words
    )


def _merged(tiers: list[_Tier], path: Path) -> list[LabelRow]:
    """The rows of one kind of tier, merged where several speakers have one each and do not speak at the same time."""
    spoken = [tier for tier in tiers if tier.spoken]
    if len(spoken) < 2:
        return (spoken or tiers)[0].rows
    rows = sorted((row for tier in spoken for row in tier.spoken), key=lambda row: row[:2])
    if any(row.start_s < before.end_s - OVERLAP_S for before, row in pairwise(rows)):
        shown = ", ".join(repr(tier.name) for tier in spoken)
        raise label_error(
            path,
            spoken[1].line,
            f"tiers {shown} are the same kind, and overlap. Expected one speaker at a time. Remove the tiers of all "
            "speakers but one.",
        )
    return rows
