from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.corpus import open_corpus
from tests.cli.conftest import Run, noise, write


@pytest.fixture
def talks(folder: Path) -> Path:
    """Two recordings that fit the window, both with a transcript."""
    (folder / "deep" / "two.flac").unlink()
    write(folder / "deep" / "two.flac", noise(1.4, 2))
    (folder / "deep" / "two.txt").write_text("the little dog")
    return folder


def test_out_is_a_corpus_with_word_times(run: Run, talks: Path, tmp_path: Path) -> None:
    ran = run("corpus", "align", talks, "--out", tmp_path / "out", "--language", "en")
    assert ran.status == 0
    assert "\n5 words of 2 clips aligned\n" in ran.out
    assert ran.out.endswith(f"Use them as the corpus {tmp_path / 'out' / 'manifest.jsonl'}\n")
    names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    assert names == {"one.TextGrid", "deep/two.TextGrid", "manifest.jsonl", "manifest.json", "alignment.json"}
    clips = {clip.id: clip for clip in open_corpus(tmp_path / "out" / "manifest.jsonl")}
    assert [word.text for word in clips["deep/two"].words or ()] == ["the", "little", "dog"]
    again = run("corpus", "info", tmp_path / "out" / "manifest.jsonl", model=False)
    assert again.status == 0 and "5 words" in again.out


def test_json_alone_goes_to_stdout(run: Run, talks: Path, tmp_path: Path) -> None:
    ran = run("corpus", "align", talks, "--out", tmp_path / "out", "--json", "--language", "en")
    table = json.loads(ran.out)
    assert (table["n_aligned"], table["n_kept"], table["failed"]) == (2, 0, [])
    assert {clip["id"]: clip["n_words"] for clip in table["clips"]} == {"one": 2, "deep/two": 3}
    assert all(0 <= clip["probability"] <= 1 for clip in table["clips"])
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["settings"]["corpus"] == str(talks) and manifest["settings"]["language"] == "en"


def test_doubtful_transcripts_are_named(run: Run, talks: Path, tmp_path: Path) -> None:
    ran = run("corpus", "align", talks, "--out", tmp_path / "out", "--language", "en")
    assert "2 clips with a transcript that is probably not what is said:" in ran.out  # the model knows no words


def test_a_clip_without_a_transcript_is_listed_and_the_others_are_written(
    run: Run, mixed_folder: Path, tmp_path: Path
) -> None:
    ran = run("corpus", "align", mixed_folder, "--out", tmp_path / "out", "--language", "en")
    assert ran.status == 1 and "3 of 4 recordings could not be used" in ran.err
    assert "deep/two: clip 'deep/two' has no transcript" in ran.err
    failed = json.loads((tmp_path / "out" / "manifest.json").read_text())["failed"]
    assert {problem["clip"] for problem in failed} == {"deep/two", "empty", "text"}
    assert [clip.id for clip in open_corpus(tmp_path / "out" / "manifest.jsonl")] == ["one"]


def test_word_times_of_the_demo_clips_are_kept(run: Run, tmp_path: Path) -> None:
    ran = run("corpus", "align", "demo", "--clips", 2, "--out", tmp_path / "out")
    assert "0 words of 0 clips aligned; 2 clips kept the times that were there" in ran.out
    for ours, theirs in zip(
        open_corpus(tmp_path / "out" / "manifest.jsonl"), open_corpus("demo").first(2), strict=True
    ):
        assert [word.text for word in ours.words or ()] == [word.text for word in theirs.words or ()]
        assert ours.path == theirs.path and ours.phones is not None


def test_phones_are_found_without_a_model_and_read_back(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("pocketsphinx", reason="the extra 'align' is not installed")
    clip = next(iter(open_corpus("demo")))
    write(tmp_path / "in" / "a.wav", clip.samples)
    (tmp_path / "in" / "a.txt").write_text(f"[noise] {clip.transcript}")
    ran = run("corpus", "align", tmp_path / "in", "--phones", "--out", tmp_path / "out", model=False)
    assert ran.status == 0 and f"\n{len(clip.words or ())} words and " in ran.out
    assert "a remark, which is not said (1 word): '[noise]' in a" in ran.out
    (read,) = open_corpus(tmp_path / "out" / "manifest.jsonl")
    assert read.phones and read.words and len(read.words) == len(clip.words or ())
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["model"]["id"].startswith("pocketsphinx") and manifest["settings"]["phones"] is True
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_phones_are_compared_with_those_that_are_labelled(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("pocketsphinx", reason="the extra 'align' is not installed")
    out = tmp_path / "out"
    ran = run("corpus", "align", "demo", "--clips", 2, "--phones", "--compare", "--json", "--out", out, model=False)
    table = json.loads(ran.out)
    assert ran.status == 0 and (table["n_aligned"], table["comparison"]["n_clips"]) == (2, 2)
    assert table["comparison"]["classes"]["all"]["agreement"] > 0.5
    assert json.loads((out / "alignment.json").read_text()) == table
    assert run("corpus", "align", "demo", "--compare", "--out", tmp_path / "no", model=False).status == 2
