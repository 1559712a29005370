"""TIMIT, HTS, xwaves, EMU and CTM: what each reader gives, and what it says of lines it cannot read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from otoscope.base.errors import InputError, LabelError
from otoscope.corpus.alignment import Alignment, check_phones, read_alignment

CONTEXT = "x^{before}-{phone}+{after}=iy@x_x/A:0_0_0/B:x-x-x@x-x&x-x#x-x$x-x!x-x;x-x|x/C:1+1+2"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def read(path: Path, duration_s: float = 1.0, clip_id: str = "x") -> Alignment:
    return read_alignment(path, duration_s=duration_s, clip_id=clip_id)


def triples(spans: object) -> list[tuple[float, float, str]]:
    return [(span.start_s, span.end_s, span.text) for span in spans]  # type: ignore[attr-defined]


@pytest.mark.parametrize("asked", [".PHN", ".WRD"])
def test_timit_phones_and_words_come_together_in_samples(tmp_path: Path, asked: str) -> None:
    write(tmp_path / "sa1.PHN", "0 1600 h#\n1600 4800 sh\n4800 8000 iy\n8000 16000 h#\n")
    write(tmp_path / "sa1.WRD", "1600 8000 she\n")
    found = read(tmp_path / f"sa1{asked}")
    assert triples(found.phones) == [(0, 0.1, "h#"), (0.1, 0.3, "sh"), (0.3, 0.5, "iy"), (0.5, 1, "h#")]
    assert triples(found.words) == [(0.1, 0.5, "she")]
    assert found.path == tmp_path / "sa1.PHN"
    assert found.phone_lines == (1, 2, 3, 4)


def test_timit_words_may_share_a_sound_and_phones_may_not(tmp_path: Path) -> None:
    write(tmp_path / "x.wrd", "0 8000 had\n7000 16000 your\n")
    assert triples(read(tmp_path / "x.wrd").words) == [(0, 0.5, "had"), (0.4375, 1, "your")]
    write(tmp_path / "x.phn", "0 8000 d\n7000 16000 y\n")
    with pytest.raises(
        LabelError, match="x.phn', line 2: 'y' starts at 0.438 s, before 'd' ends at 0.500 s. .* overlap"
    ):
        read(tmp_path / "x.wrd")
    write(tmp_path / "x.phn", "0 16000 d\n")
    write(tmp_path / "x.wrd", "0 12000 had\n7000 8000 your\n")
    with pytest.raises(LabelError, match="x.wrd', line 2: 'your' starts .* sorted by time"):
        read(tmp_path / "x.phn")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("8000 16000", "'8000 16000' has 2 parts. Expected 'start end label' in samples,"),
        ("8000 1e4 iy", "'1e4' is not a whole number. Expected 'start end label' in samples"),
        ("-5 16000 iy", "'iy' starts at -0.0003125 s. Expected times of 0 s or later"),
        ("16000 8000 iy", "'iy' starts at 1.000 s and ends at 0.500 s. Expected an end that is not before"),
        ("0 16000 iy", "'iy' starts at 0.000 s, after 'sh', which starts at 0.062 s. Expected labels sorted"),
        ("8000 17600 iy", "'iy' ends at 1.100 s, and its audio ends at 1.000 s. Expected labels inside the audio"),
    ],
)
def test_a_bad_line_is_named_with_what_was_expected(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "x.phn", f"1000 8000 sh\n\n{line}\n")
    with pytest.raises(LabelError, match=f"x.phn', line 3: {message}"):
        read(path)


def test_labels_a_little_beyond_the_audio_are_cut_there(tmp_path: Path) -> None:
    assert read(write(tmp_path / "x.phn", "0 16640 sh\n")).phones[0].end_s == 1.0  # type: ignore[index]


def test_labels_for_less_than_half_of_the_audio_are_a_mismatch(tmp_path: Path) -> None:
    path = write(tmp_path / "x.phn", "0 7900 sh\n")
    with pytest.raises(
        LabelError, match="line 1: the last label ends at 0.494 s, .* Expected labels for at least half"
    ):
        read(path)
    assert read(path, duration_s=0.9).phones is not None


def test_phones_of_a_recording_of_known_rate_cover_most_of_it(tmp_path: Path) -> None:
    path = write(tmp_path / "x.phn", "0 12000 sh\n")
    with pytest.raises(LabelError, match="line 1: the last label ends at 0.750 s, .* for at least 78% of the audio"):
        read_alignment(path, duration_s=1.0, clip_id="x", rate_hz=16_000)
    assert read_alignment(path, duration_s=0.9, clip_id="x", rate_hz=16_000).phones is not None


def test_hts_labels_keep_the_phone_of_a_context(tmp_path: Path) -> None:
    rows = [(0, "sil", "x", "hh"), (3_000_000, "hh", "sil", "ax-h"), (6_000_000, "iy", "hh", "x")]
    text = "".join(
        f"{start} {start + 3_000_000} {CONTEXT.format(before=before, phone=phone, after=after)}\n"
        for start, phone, before, after in rows
    )
    found = read(write(tmp_path / "x.lab", text))
    assert triples(found.phones) == [(0, 0.3, "sil"), (0.3, 0.6, "hh"), (0.6, 0.9, "iy")]
    assert found.words is None
    plain = read(write(tmp_path / "x.lab", "0 3000000 sil -12.5\n3000000 6000000 a-b+c\n6000000 9000000 ax-h\n"))
    assert [span.text for span in plain.phones or ()] == ["sil", "b", "ax-h"]


def test_hts_states_are_merged_to_phones_and_a_repeated_phone_stays_two(tmp_path: Path) -> None:
    def states(start: int, phone: str) -> str:
        each = [f"{start + 500_000 * (n - 2)} {start + 500_000 * (n - 1)} {phone}[{n}]" for n in range(2, 7)]
        return "\n".join(each) + "\n"

    found = read(write(tmp_path / "x.lab", states(0, "a-s+t") + states(2_500_000, "a-s+t") + states(5_000_000, "iy")))
    assert triples(found.phones) == [(0, 0.25, "s"), (0.25, 0.5, "s"), (0.5, 0.75, "iy")]
    assert found.phone_lines == (1, 6, 11)


def test_hts_times_in_seconds_and_labels_without_times_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="line 1: '0.0' is not a whole number. Expected .* whole units of 100 ns"):
        read(write(tmp_path / "x.lab", "0.0 0.3 sil\n"))
    with pytest.raises(LabelError, match="line 1: 'sil' has 1 parts. Expected"):
        read(write(tmp_path / "x.lab", "sil\n"))


def test_xwaves_labels_begin_where_the_one_before_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.lab"
    path.write_bytes(b"signal x\r\nnfields 1\r\n#\r\n\t0.2\t125\tH#\r\n\t0.5\t125\tV\r\n\t0.9\t125\tm ; note\r\n")
    found = read(path)
    assert triples(found.phones) == [(0, 0.2, "H#"), (0.2, 0.5, "V"), (0.5, 0.9, "m")]
    assert found.phone_lines == (4, 5, 6)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0.1 125 V", "a label ends at 0.100 s, and the one before it at 0.200 s. Expected ends .* sorted"),
        ("inf 125 V", "'inf' is not a number. Expected 'end colour label'"),
        ("0.9", "'0.9' has one part. Expected 'end colour label'"),
    ],
)
def test_bad_xwaves_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(LabelError, match=f"line 3: {message}"):
        read(write(tmp_path / "x.lab", f"#\n0.2 125 H#\n{line}\n"))


def emu(**changes: Any) -> dict[str, Any]:
    """Two words of two phones each, a syllable between them and the phones, one phone shared."""

    def item(identity: int, *labels: tuple[str, str], **times: int) -> dict[str, Any]:
        return {"id": identity, **times, "labels": [{"name": name, "value": value} for name, value in labels]}

    phones = [
        item(7 + n, ("Phonetic", text), ("IPA", "?"), sampleStart=2000 * n, sampleDur=1999)
        for n, text in enumerate(["h", "I", "zs", "@u"])
    ]
    links = [(1, 3), (2, 4), (3, 7), (3, 8), (3, 9), (4, 9), (4, 10), (99, 7)]
    content = {
        "name": "x",
        "annotates": "x.wav",
        "sampleRate": 10_000,
        "levels": [
            {
                "name": "Word",
                "type": "ITEM",
                "items": [item(1, ("Word", "F"), ("Text", "his")), item(2, ("Word", "C"), ("Text", "so"))],
            },
            {"name": "Syllable", "type": "ITEM", "items": [item(3, ("Syllable", "S")), item(4, ("Syllable", "S"))]},
            {"name": "Phonetic", "type": "SEGMENT", "items": phones},
            {"name": "Tone", "type": "EVENT", "items": [{"id": 20, "samplePoint": 5, "labels": []}]},
        ],
        "links": [{"fromID": upper, "toID": lower} for upper, lower in links],
    }
    return {**content, **changes}


def test_emu_words_take_the_times_of_the_segments_they_lead_to(tmp_path: Path) -> None:
    path = write(tmp_path / "x_annot.json", json.dumps(emu(), indent=1))
    found = read(path)
    assert triples(found.phones) == [(0, 0.2, "h"), (0.2, 0.4, "I"), (0.4, 0.6, "zs"), (0.6, 0.8, "@u")]
    assert triples(found.words) == [(0, 0.6, "his"), (0.4, 0.8, "so")]
    assert path.read_text().splitlines()[found.phone_lines[0] - 1].strip() == '"id": 7,'


def test_emu_annotations_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    path = tmp_path / "x_annot.json"

    def fails(content: Any, message: str) -> None:
        write(path, content if isinstance(content, str) else json.dumps(content, indent=1))
        with pytest.raises(LabelError, match=message):
            read(path)

    fails('{"name": "x",\n oops}', "line 2: it is not JSON")
    fails([1], "it is JSON but not an EMU annotation")
    fails(emu(sampleRate=0), "sampleRate is 0. Expected samples a second")
    fails(emu(levels=emu()["levels"][1:2]), "its levels are 'Syllable'. Expected one of words")
    fails(emu(links=[]), r"line \d+: word 'his' \(item 1\) is linked to no segment")
    fails(emu(links=[{"fromID": 1, "toID": 55}]), "a link leads to item 55")
    broken = emu()
    broken["levels"][2]["items"][1]["sampleStart"] = -4
    fails(broken, r"line \d+: item 8 has sampleStart -4 and sampleDur 1999. Expected whole numbers")


def test_ctm_gives_one_recordings_rows_and_its_partner_is_read_too(tmp_path: Path) -> None:
    write(tmp_path / "words.ctm", ";; made by hand\ny 1 0.0 0.5 other\nx 1 0.1 0.4 hello 0.99\nx 1 0.5 0.4 you\n")
    write(tmp_path / "phones.ctm", "x 1 0.10 0.41 HH_B\nx 1 0.5 0.4 UW1_E\n")
    for name in ("words.ctm", "phones.ctm"):
        found = read(tmp_path / name, clip_id="a/b/x")
        assert triples(found.words) == [(0.1, 0.5, "hello"), (0.5, 0.9, "you")]
        assert triples(found.phones) == [(0.1, 0.5, "HH_B"), (0.5, 0.9, "UW1_E")]
        assert found.path == tmp_path / "phones.ctm"
    check_phones(found, "arpabet-stress")
    assert read(tmp_path / "words.ctm", clip_id="y").phones is None
    with pytest.raises(LabelError, match="no row is of clip 'z'. Expected its id in the first column"):
        read(tmp_path / "words.ctm", clip_id="z")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x 1 0.5 you", "'x 1 0.5 you' has 4 parts. Expected 'recording channel start duration token'"),
        ("x 1 half 0.5 you", "'half' is not a number"),
        ("x 1 0.3 0.5 you", "'you' starts at 0.300 s, before 'hi' ends at 0.500 s"),
        ("x 1 0.5 -0.1 you", "'you' starts at 0.500 s and ends at 0.400 s"),
    ],
)
def test_bad_ctm_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(LabelError, match=f"line 2: {message}"):
        read(write(tmp_path / "x.ctm", f"x 1 0.0 0.5 hi\n{line}\n"))


def test_an_unknown_phone_is_named_with_its_file_and_line(tmp_path: Path) -> None:
    found = read(write(tmp_path / "x.phn", "0 1600 h#\n1600 8000 sh\n8000 16000 XX\n"))
    with pytest.raises(
        LabelError, match="x.phn', line 3: phone 'XX' is unknown. Expected the symbols of phone set 'timit61'"
    ):
        check_phones(found, "timit61")


def test_empty_files_other_files_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="all of its labels are empty"):
        read(write(tmp_path / "x.phn", "\n"))
    with pytest.raises(InputError, match="is not an alignment that otoscope reads: Praat .TextGrid, TIMIT"):
        read(write(tmp_path / "x.srt", "1\n"))
    with pytest.raises(LabelError, match="it cannot be read: No such file or directory"):
        read(tmp_path / "absent.lab")
    with pytest.raises(LabelError, match="it cannot be read: No such file or directory"):
        read(tmp_path / "absent.TextGrid")


@pytest.mark.parametrize("name", ["x.phn", "x.lab", "x_annot.json", "x.ctm"])
def test_every_text_format_refuses_another_encoding_with_the_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes("0 8000 a\n8000 16000 é\n".encode("latin-1"))
    with pytest.raises(LabelError, match="line 2: byte .* is not UTF-8"):
        read(tmp_path / name)
