from __future__ import annotations

import re
from pathlib import Path

import pytest
from praatio import textgrid as praatio

from otoscope.base.errors import LabelError
from otoscope.corpus.alignment import Alignment, read_alignment
from otoscope.corpus.phones import is_pause

WORDS = [(0.1, 0.5, "say"), (0.5, 0.9, '"so"'), (0.9, 1.4, "naïve")]
PHONES = [(0.1, 0.3, "S"), (0.3, 0.5, "EY1"), (0.5, 0.9, "sp")]


def read(path: Path, duration_s: float = 1.5) -> Alignment:
    return read_alignment(path, duration_s=duration_s, clip_id=path.stem)


def short(*tiers: tuple[str, list[tuple[float, float, str]]], end: float = 1.5) -> str:
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", f"{end}", "<exists>", f"{len(tiers)}"]
    for name, rows in tiers:
        lines += ['"IntervalTier"', f'"{name}"', "0", f"{end}", f"{len(rows)}"]
        for start_s, end_s, text in rows:
            doubled = text.replace('"', '""')
            lines += [f"{start_s}", f"{end_s}", f'"{doubled}"']
    return "\n".join(lines) + "\n"


def triples(spans: object) -> list[tuple[float, float, str]]:
    return [(span.start_s, span.end_s, span.text) for span in spans]  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", ["short_textgrid", "long_textgrid"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le with mark", "utf-16-be with mark"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_both_forms_in_every_encoding_read_as_praatio_reads_them(
    tmp_path: Path, form: str, encoding: str, line_end: str
) -> None:
    grid = praatio.Textgrid()
    grid.addTier(praatio.IntervalTier("words", WORDS, 0, 1.5))
    grid.addTier(praatio.PointTier("tones", [(0.2, "H*")], 0, 1.5))
    grid.addTier(praatio.IntervalTier("phones", PHONES, 0, 1.5))
    path = tmp_path / "x.TextGrid"
    grid.save(str(path), format=form, includeBlankSpaces=True)
    text = path.read_text(encoding="utf-8").replace("\n", line_end)
    codec, _, mark = encoding.partition(" with ")
    path.write_bytes((("\ufeff" if mark else "") + text).encode(codec))

    found = read(path)
    twin = praatio.openTextgrid(str(path), includeEmptyIntervals=False)
    assert triples(found.words) == [tuple(entry) for entry in twin.getTier("words").entries] == WORDS
    assert triples(found.phones) == [tuple(entry) for entry in twin.getTier("phones").entries] == PHONES


@pytest.mark.parametrize(
    ("words", "phones"),
    [
        ("words", "phones"),
        ("Ann - words", "Ann - phones"),
        ("ORT-MAU", "MAU"),
        ("Word", "Phonetic"),
        ("ort", "segments"),
    ],
)
def test_tiers_are_found_under_the_names_that_aligners_give_them(tmp_path: Path, words: str, phones: str) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(short(("other", WORDS), (phones, PHONES), (words, WORDS)), encoding="utf-8")
    found = read(path)
    assert triples(found.words) == WORDS
    assert triples(found.phones) == PHONES


def test_a_file_with_one_of_the_tiers_gives_that_one(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(short(("words", WORDS)), encoding="utf-8")
    assert read(path).phones is None
    path.write_text(short(("phones", PHONES)), encoding="utf-8")
    assert read(path).words is None


def test_canonical_pronunciations_are_no_phones(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(short(("ORT-MAU", WORDS), ("KAN-MAU", WORDS)), encoding="utf-8")
    assert read(path).phones is None


def test_emu_writes_the_words_beside_their_class(tmp_path: Path) -> None:
    classes = [(start_s, end_s, "C") for start_s, end_s, _ in WORDS]
    path = tmp_path / "x.TextGrid"
    path.write_text(short(("Word", classes), ("Text", WORDS)), encoding="utf-8")
    assert triples(read(path).words) == WORDS


def test_text_over_several_lines_is_read_and_does_not_upset_the_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(short(("words", [(0.0, 0.5, "two\nlines"), (0.4, 0.9, "late")])), encoding="utf-8")
    with pytest.raises(LabelError, match="line 19: 'late' starts at 0.400 s, before 'two\\\\nlines' ends at 0.500 s"):
        read(path)
    path.write_text(short(("words", [(0.0, 0.5, "two\nlines"), (0.5, 0.9, "late")])), encoding="utf-8")
    assert read(path).words[0].text == "two\nlines"  # type: ignore[index]


def test_unknown_tiers_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(short(("tones", WORDS), ("breaths", WORDS)), encoding="utf-8")
    with pytest.raises(
        LabelError, match="its interval tiers are 'tones', 'breaths'. Expected intervals of words .* Rename"
    ):
        read(path)


def test_two_speakers_who_speak_at_once_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(short(("Ann - words", WORDS), ("Bob - words", WORDS)), encoding="utf-8")
    with pytest.raises(
        LabelError, match="'Ann - words', 'Bob - words' are the same kind, and overlap. Expected one speaker at a time"
    ):
        read(path)


def test_a_binary_file_is_named_as_one(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_bytes(b"ooBinaryFile\x08TextGrid\x00\x00")
    with pytest.raises(LabelError, match="is a binary TextGrid. Expected a text file. In Praat"):
        read(path)


@pytest.mark.parametrize("value", ["abc", "nan", "1,000,5", "--undefined--"])
@pytest.mark.parametrize("form", ["short", "long"])
def test_what_is_not_a_number_is_named_with_its_line(tmp_path: Path, value: str, form: str) -> None:
    text = short(("words", [(0.1, 0.3, "a"), (0.3, 0.5, "b")]))
    if form == "long":
        text = text.replace("\n0.3\n0.5\n", "\nxmin = 0.3\nxmax = 0.5\n")
    path = tmp_path / "x.TextGrid"
    path.write_text(text.replace("0.5", value), encoding="utf-8")
    with pytest.raises(
        LabelError, match=rf"line 17: found '{value}'. Expected the end of interval 2 of 2 \(xmax\): a num"
    ):
        read(path)


def test_a_file_that_is_cut_short_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    text = short(("words", WORDS))
    path.write_text(text[: text.index("0.9")], encoding="utf-8")
    with pytest.raises(
        LabelError, match="line 17: the file ends. Expected the end of interval 2 of 3.* Is it cut short"
    ):
        read(path)


def test_a_wrong_count_of_points_is_found_where_they_end(tmp_path: Path) -> None:
    tier = '"TextTier"\n"tones"\n0\n1.5\n3\n0.5\n"H*"\n'
    path = tmp_path / "x.TextGrid"
    text = short(("words", WORDS), ("phones", PHONES)).replace("<exists>\n2", "<exists>\n3")
    path.write_text(text.replace('"IntervalTier"\n"phones"', tier + '"IntervalTier"\n"phones"'), encoding="utf-8")
    with pytest.raises(LabelError, match="found 'IntervalTier'. Expected the time of point 2 of 3: a number"):
        read(path)


def test_a_quote_that_is_not_closed_is_an_error_with_a_line(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(short(("words", [(0.0, 1.5, "a")])).rstrip('\n"'), encoding="utf-8")
    with pytest.raises(LabelError, match="line 15: a text has no closing quote"):
        read(path)


def test_latin_1_is_read_as_praat_reads_it_and_damaged_utf_8_is_not(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_bytes(short(("words", WORDS)).encode("latin-1"))
    assert triples(read(path).words) == WORDS
    both = short(("words", [(0.1, 0.5, "naïve"), (0.5, 0.9, "MARK")])).encode().replace(b"MARK", b"caf\xe9")
    path.write_bytes(both)
    with pytest.raises(LabelError, match="line 18: byte .* is not UTF-8. Expected UTF-8 or UTF-16. Save"):
        read(path)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_bytes(short(("words", WORDS)).encode(encoding))
    assert triples(read(path).words) == WORDS


def test_zero_bytes_in_a_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_bytes(short(("words", [(0.0, 1.5, "a\0b")])).encode())
    with pytest.raises(LabelError, match="line 15: it holds zero bytes. Expected text in UTF-8 or UTF-16"):
        read(path)


@pytest.mark.parametrize("form", ["short_textgrid", "long_textgrid"])
def test_line_ends_of_the_old_macintosh_and_decimal_commas_are_read(tmp_path: Path, form: str) -> None:
    grid = praatio.Textgrid()
    grid.addTier(praatio.IntervalTier("words", WORDS, 0, 1.5))
    path = tmp_path / "x.TextGrid"
    grid.save(str(path), format=form, includeBlankSpaces=True)
    text = re.sub(r"(\d)\.(\d)", r"\1,\2", path.read_text(encoding="utf-8")).replace("\n", "\r")
    path.write_bytes(text.encode())
    assert triples(read(path).words) == WORDS


@pytest.mark.parametrize(
    ("words", "phones"),
    [
        ("words_aligned", "phones_aligned"),
        ("aligned-words", "phone (auto)"),
        ("Ann_words", "Ann_phones"),
        ("WordTier", "PhoneTier"),
        ("words - Ann", "phones - Ann"),
        ("Ann - Words", "Ann - Phones"),
        ("word 1", "phn1"),
    ],
)
def test_names_with_other_parts_are_understood(tmp_path: Path, words: str, phones: str) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(short(("tones", WORDS), (phones, PHONES), (words, WORDS)), encoding="utf-8")
    assert triples(read(path).words) == WORDS
    assert triples(read(path).phones) == PHONES


@pytest.mark.parametrize("name", ["word stress", "phone_count", "WordClass", "keywords", "words and phones"])
def test_a_tier_about_words_or_phones_is_neither(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(short((name, PHONES)), encoding="utf-8")
    with pytest.raises(LabelError, match="its interval tiers are"):
        read(path)


def test_a_whole_name_goes_before_one_with_other_parts(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(short(("words_old", PHONES), ("words", WORDS)), encoding="utf-8")
    assert triples(read(path).words) == WORDS


@pytest.mark.parametrize("name", ["text", "words", "utterances", "ORT", "Ann - words"])
def test_a_tier_of_whole_utterances_is_a_transcript_and_no_words(tmp_path: Path, name: str) -> None:
    rows = [(0.0, 0.2, ""), (0.2, 0.9, "say hi  there"), (0.9, 1.4, "yes")]
    path = tmp_path / "x.TextGrid"
    path.write_text(short((name, rows), ("phones", PHONES)), encoding="utf-8")
    found = read(path)
    assert found.words is None and found.transcript == "say hi there yes"
    assert triples(found.phones) == PHONES
    path.write_text(short((name, rows)), encoding="utf-8")
    assert read(path).transcript == "say hi there yes"


def test_words_are_found_beside_a_tier_of_utterances(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(short(("words", [(0.0, 1.5, "say so, naïve one")]), ("word", WORDS)), encoding="utf-8")
    assert triples(read(path).words) == WORDS


def test_a_compound_makes_no_tier_of_utterances(tmp_path: Path) -> None:
    rows = [(0.1, 0.5, "in"), (0.5, 0.9, "New York"), (0.9, 1.4, "now")]
    path = tmp_path / "x.TextGrid"
    path.write_text(short(("words", rows)), encoding="utf-8")
    assert triples(read(path).words) == rows


def test_speakers_who_take_turns_are_put_together(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    tiers = [("Ann - words", WORDS[:1]), ("Bob - words", WORDS[1:]), ("Ann - phones", PHONES[:2]), ("Bob - phones", [])]
    path.write_text(short(*tiers), encoding="utf-8")
    assert triples(read(path).words) == WORDS
    assert triples(read(path).phones) == PHONES[:2]


def test_marks_of_pauses_that_are_names_are_words_among_words_and_pauses_among_phones(tmp_path: Path) -> None:
    rows = [(0.1, 0.3, "Lau"), (0.3, 0.5, "pau"), (0.5, 0.9, "sil"), (0.9, 1.4, "<eps>")]
    path = tmp_path / "x.TextGrid"
    path.write_text(short(("words", rows), ("phones", [*PHONES, (0.9, 1.4, "pau")])), encoding="utf-8")
    found = read(path)
    assert [span.text for span in found.words or ()] == ["Lau", "pau"]
    assert is_pause(found.phones[-1].text)  # type: ignore[index]


def test_tiers_of_points_are_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    points = '"TextTier"\n"phones"\n0\n1.5\n1\n0.5\n"AA"\n'
    text = short(("tones", WORDS)).replace("<exists>\n1", "<exists>\n2")
    path.write_text(text + points, encoding="utf-8")
    with pytest.raises(
        LabelError, match="tiers are 'tones', its tiers of points 'phones'. Expected intervals of words"
    ):
        read(path)


def test_what_nobody_sees_is_taken_out_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    rows = [(0.1, 0.5, "​say­"), (0.5, 0.9, "naïve"), (0.9, 1.4, "﻿")]
    path.write_text(short(("words", rows)), encoding="utf-8")
    assert [span.text for span in read(path).words or ()] == ["say", "naïve"]


def test_another_file_under_this_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text('File type = "ooTextFile"\nObject class = "PitchTier"\n0 1\n', encoding="utf-8")
    with pytest.raises(LabelError, match="it is not a TextGrid"):
        read(path)


def test_an_end_that_is_not_that_of_the_audio_is_a_mismatch(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(short(("words", WORDS)), encoding="utf-8")
    assert read(path, 1.58).words is not None
    for duration_s in (1.39, 1.61):
        with pytest.raises(
            LabelError, match="line 5: it says that the recording ends at 1.500 s, and its audio ends at"
        ):
            read(path, duration_s)
