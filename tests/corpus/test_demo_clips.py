"""The clips in the package: labels that fit the sound, and voices that were never heard in training."""

import json
from pathlib import Path

import numpy as np
import pytest

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError
from otoscope.corpus import open_corpus
from otoscope.corpus.demo_clips import clips_folder, read_index
from otoscope.demo.phones import ARPABET


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    read = open_corpus("demo")
    found = list(read)
    assert not read.problems
    return found


def test_there_are_enough_clips_and_voices() -> None:
    index = read_index()
    voices = {clip.labels["voice"] for clip in index}
    unheard = {clip.labels["voice"] for clip in index if not clip.labels["heard_in_training"]}
    assert len(index) >= 120
    assert len(voices) >= 8
    assert len(unheard) >= 3
    assert len({clip.id for clip in index}) == len(index)
    assert len({clip.labels["transcript"] for clip in index}) == len(index)


def test_words_spell_the_transcript_and_phones_lie_in_order(clips: list[Clip]) -> None:
    symbols = {part for phones in ARPABET.values() for part in phones.split()}
    for clip in clips:
        assert clip.transcript and clip.words and clip.phones
        said = [word.strip(".,?!").lower() for word in clip.transcript.split()]
        assert [word.text.lower() for word in clip.words] == said, clip.id
        assert clip.words[-1].end_s <= clip.duration_s
        starts = [phone.start_s for phone in clip.phones]
        assert starts == sorted(starts)
        assert {part for phone in clip.phones for part in phone.text.split()} <= symbols


def test_hissing_phones_hiss(clips: list[Clip]) -> None:
    """The labels' clock is the sound's: /s/ has its power high up, vowels low, whatever the voice."""
    shares: dict[bool, list[float]] = {True: [], False: []}
    for clip in clips[::4]:
        for phone in clip.phones or ():
            if phone.text not in {"S", "AA", "AO", "UW", "OW"}:
                continue
            middle = (phone.start_s + phone.end_s) / 2
            start = int(16_000 * middle) - 256
            power = np.abs(np.fft.rfft(clip.samples[start : start + 512] * np.hanning(512))) ** 2
            shares[phone.text == "S"].append(float(power[100:].sum() / power.sum()))
    assert len(shares[True]) > 20 and len(shares[False]) > 20
    assert np.median(shares[True]) > 0.7
    assert np.median(shares[False]) < 0.1


def test_the_package_stays_small() -> None:
    size_bytes = sum(path.stat().st_size for path in clips_folder().parent.rglob("*") if path.suffix != ".py")
    assert size_bytes < 12e6


def test_missing_and_foreign_clips_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing from this installation"):
        read_index(tmp_path)
    (tmp_path / "clips.json").write_text(json.dumps({"schema_version": 99, "clips": []}))
    with pytest.raises(InputError, match="are of version 99"):
        read_index(tmp_path)
