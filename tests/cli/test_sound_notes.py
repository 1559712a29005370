"""What is said of recordings that are not what they say; a bad one stops none of the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from tests.audio.containers.making import encoded, put, words
from tests.cli.conftest import Run, noise, write
from tests.released import speech_folder

NOTE = "its header says that it is empty: it is read to the end of the file"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good recording, one whose header is wrong, one that is damaged, one that says nothing of its length."""
    folder = tmp_path / "talks"
    folder.mkdir()
    write(folder / "good.wav", noise(1.0))
    content = encoded(words(1.0), "WAV", "PCM_16")
    (folder / "header.wav").write_bytes(put(content, content.find(b"data") + 4, bytes(4)))
    flac = encoded(words(1.0), "FLAC")
    unknown = put(flac, 18, (int.from_bytes(flac[18:26], "big") >> 36 << 36).to_bytes(8, "big"))
    (folder / "length.flac").write_bytes(unknown)
    (folder / "damaged.flac").write_bytes(unknown[:200])
    return folder


def test_transcribe_says_it_and_goes_on(run: Run, folder: Path) -> None:
    ran = run("transcribe", folder)
    assert ran.status == 1
    assert f"header: {NOTE}." in ran.err and "length: its header does not say how long it is" in ran.err
    assert "1 of 4 recordings could not be used:\n  damaged: " in ran.err
    assert [line.split(":")[0] for line in ran.out.splitlines() if ":" in line] == ["good", "header", "length"]


def test_transcribe_of_one_recording_says_it_too(run: Run, folder: Path) -> None:
    assert NOTE in run("transcribe", folder / "header.wav").err
    assert NOTE not in run("transcribe", folder / "header.wav", "--quiet").err


def test_commands_on_one_recording_say_it(run: Run, folder: Path, tmp_path: Path) -> None:
    ran = run("relevance", folder / "header.wav", "--out", tmp_path / "out")
    assert f"header: {NOTE}." in ran.err


def test_corpus_info_lists_it(run: Run, folder: Path) -> None:
    ran = run("corpus", "info", folder, model=False)
    assert "Recordings that do not match their description (2 clips):" in ran.out and f"  header: {NOTE}" in ran.out
    told = json.loads(run("corpus", "info", folder, "--json", model=False).out)
    assert [note["clip"] for note in told["sound_notes"]] == ["header", "length"]


def test_a_harvest_says_it_and_writes_it_down(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "damaged.flac").unlink()
    ran = run("harvest", folder, "--out", tmp_path / "run", "--basis", "neuron", "--top", 2)
    assert f"header: {NOTE}." in ran.err and "length: its header does not say how long it is" in ran.err
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert [note["clip"] for note in manifest["sound_notes"]] == ["header", "length"]
    again = run("harvest", folder, "--out", tmp_path / "run", "--basis", "neuron", "--top", 2)
    assert f"header: {NOTE}." in again.err


def test_a_training_says_it_once(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "damaged.flac").unlink()
    ran = run(
        "sae", "train", folder, "--out", tmp_path / "out", "--frames", 200, "--batch", 50, "--kinds", "speech,silence"
    )
    assert ran.err.count(f"header: {NOTE}.") == 1


@pytest.mark.real
def test_speech_in_every_container_is_heard_as_in_the_first(tmp_path: Path) -> None:
    """The transcript of a released model does not depend on how a recording was written."""
    import numpy as np

    from otoscope.audio.clip import read_clip
    from tests.released import released

    recording = sorted(speech_folder("ljspeech_mfa").rglob("*.wav"))[0]
    samples, rate_hz = soundfile.read(recording, dtype="float32")
    wav, flac, mp3 = (encoded(samples, kind, rate_hz=rate_hz) for kind in ("WAV", "FLAC", "MP3"))
    ways = {
        "placeholder.wav": put(wav, wav.find(b"data") + 4, b"\xff" * 4),
        "unknown.flac": put(flac, 18, (int.from_bytes(flac[18:26], "big") >> 36 << 36).to_bytes(8, "big")),
        "zeros.mp3": bytes(5_000) + mp3,
        "antiphase.wav": encoded(np.stack([samples, -samples], axis=1), "WAV", rate_hz=rate_hz),
        "integers.wav": encoded(samples * 32_768, "WAV", "FLOAT", rate_hz=rate_hz),
        "faint.wav": encoded(samples * np.float32(1e-4), "WAV", "FLOAT", rate_hz=rate_hz),
    }
    for name, content in ways.items():
        (tmp_path / name).write_bytes(content)
    clips = [read_clip(recording), *(read_clip(tmp_path / name) for name in ways)]
    truth, *texts = (heard.text for heard in released().transcribe_many(clips))
    assert len(truth) > 40 and dict(zip(ways, texts, strict=True)) == dict.fromkeys(ways, truth)
