from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from otoscope.audio.clip import Clip, Span, as_clip, read_clip
from otoscope.base.errors import AudioError, InputError
from tests.audio.sounds import RATE_HZ, noise, tone


def test_a_clip_knows_its_length() -> None:
    assert Clip(samples=tone(1.5), id="a").duration_s == 1.5


def test_what_a_clip_without_a_file_came_from_is_its_id() -> None:
    assert Clip(samples=tone(0.1), id="a").source == "a"


def test_a_recording_is_read_with_its_labels(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "talk.wav", tone(1.0), 16_000)
    words = (Span(0.1, 0.4, "good"),)
    clip = read_clip(tmp_path / "talk.wav", transcript="good", words=words, speaker="ann")
    assert (clip.id, clip.transcript, clip.words, clip.speaker) == ("talk", "good", words, "ann")
    assert clip.path == tmp_path / "talk.wav"
    assert clip.source == str(tmp_path / "talk.wav")
    assert read_clip(tmp_path / "talk.wav", id="other").id == "other"


def test_a_clip_is_taken_as_it_is_and_a_path_is_read(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "talk.wav", tone(1.0), 16_000, subtype="FLOAT")
    clip = as_clip(str(tmp_path / "talk.wav"))
    assert as_clip(clip) is clip
    assert np.array_equal(as_clip(clip.path or "").samples, clip.samples)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_arrays_of_floating_point_are_taken(dtype: type) -> None:
    samples = tone(1.0).astype(dtype)
    clip = as_clip(samples[::2])
    assert clip.samples.dtype == np.float32 and clip.samples.flags.c_contiguous
    assert np.array_equal(clip.samples, samples[::2].astype(np.float32))


def test_16_bit_integers_are_scaled() -> None:
    assert as_clip(np.array([-32768, 0, 16384], dtype=np.int16)).samples.tolist() == [-1.0, 0.0, 0.5]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 100), dtype=np.float32), r"shape \[2, 100\] is not a clip.*Average the channels"),
        (np.zeros(0, dtype=np.float32), "holds no samples"),
        (np.zeros(10, dtype=np.int64), "array of int64 is not a clip"),
        (np.array([0.0, np.nan], dtype=np.float32), "values that are no sound \\(1 here\\), the first at sample 1"),
    ],
)
def test_arrays_that_are_no_sound_are_refused(array: np.ndarray, words: str) -> None:
    with pytest.raises(AudioError, match=words):
        as_clip(array)


def test_what_is_no_clip_is_refused_by_its_type() -> None:
    with pytest.raises(InputError, match="a list is not a clip: give a Clip, the path of a recording, or"):
        as_clip([0.0, 0.1])  # type: ignore[arg-type]


def test_a_clip_of_other_samples_is_refused() -> None:
    with pytest.raises(InputError, match=r"clip 'a' was given samples as float64 \[3\]"):
        Clip(samples=np.zeros(3), id="a")
    with pytest.raises(InputError, match="clip 'a' was given samples as list"):
        Clip(samples=[0.0], id="a")  # type: ignore[arg-type]


@pytest.mark.parametrize("times", [(0.5, 0.4), (-0.1, 0.4), (0.0, float("inf")), (float("nan"), 1.0)])
def test_a_word_that_ends_before_it_starts_is_refused(times: tuple[float, float]) -> None:
    with pytest.raises(InputError, match=r"'rug' runs from .* s: a word or phone starts at 0 or later"):
        Span(*times, "rug")


def test_what_a_recording_is_otherwise_than_it_says_is_on_the_clip(tmp_path: Path) -> None:
    sound = noise(1.0)
    soundfile.write(tmp_path / "a.wav", np.stack([sound, -sound], axis=1), RATE_HZ)
    clip = read_clip(tmp_path / "a.wav")
    np.testing.assert_allclose(clip.samples, sound, atol=1e-4)
    (note,) = clip.notes
    assert "in opposite phase for 1.0 s" in note and note in clip._repr_html_()


def test_an_array_on_the_scale_of_integers_is_brought_to_full_scale() -> None:
    clip = as_clip(noise(1.0) * np.float32(32_768))
    np.testing.assert_allclose(clip.samples, noise(1.0), rtol=1e-5)
    assert "the scale of 16-bit integers" in clip.notes[0]
