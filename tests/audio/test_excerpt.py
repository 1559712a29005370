from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from otoscope.audio import excerpt as sounds
from otoscope.audio.excerpt import amplified, encode, excerpt, excerpt_bounds
from otoscope.base.errors import InputError
from tests.audio.sounds import RATE_HZ, noise, tone


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(samples.astype(np.float64).var()))


def around(samples: np.ndarray, centre_s: float, half_s: float) -> np.ndarray:
    return samples[round((centre_s - half_s) * RATE_HZ) : round((centre_s + half_s) * RATE_HZ)]


def test_an_excerpt_is_the_clip_around_the_peak() -> None:
    samples = noise(10.0)
    cut = excerpt(samples, 4.5)
    assert len(cut) == 2 * RATE_HZ and cut.dtype == np.float32
    inner = slice(round(sounds.FADE_S * RATE_HZ), -round(sounds.FADE_S * RATE_HZ))
    np.testing.assert_array_equal(cut[inner], samples[round(3.5 * RATE_HZ) : round(5.5 * RATE_HZ)][inner])


@pytest.mark.parametrize(
    ("peak_s", "start_s", "stop_s"),
    [(0.0, 0, 1), (0.25, 0, 1.25), (9.9, 8.9, 10), (10.0, 8.9999375, 10), (99, 8.9999375, 10)],
)
def test_an_excerpt_ends_where_the_clip_does(peak_s: float, start_s: float, stop_s: float) -> None:
    assert excerpt_bounds(10 * RATE_HZ, peak_s) == (round(start_s * RATE_HZ), round(stop_s * RATE_HZ))


def test_both_ends_begin_and_end_without_a_click() -> None:
    for cut in (excerpt(tone(5.0) + 0.3, 2.5), amplified(tone(5.0) + 0.3, 2.5)):
        assert abs(cut[0]) < 1e-6 and abs(cut[-1]) < 1e-6
        n_faded = round(sounds.FADE_S * RATE_HZ)
        # no step is larger than the sound's own: the fade of 0.6 over 10 ms adds at most pi/2 * 0.6/160
        assert np.abs(np.diff(cut[:n_faded])).max() < 0.06 + 0.01


@pytest.mark.parametrize("n_samples", [1, 2, 3, 5, 50])
def test_the_shortest_clips_are_clips_too(n_samples: int) -> None:
    samples = np.full(n_samples, 0.5, dtype=np.float32)
    for make in (excerpt, amplified):
        cut = make(samples, 0.0)
        assert len(cut) == n_samples and np.isfinite(cut).all() and np.abs(cut).max() > 0


def test_the_clip_is_left_as_it_was() -> None:
    samples = noise(3.0) * 20
    before = samples.copy()
    excerpt(samples, 1.0)
    amplified(samples, 1.0)
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize("contrast_db", [6.0, 20.0, 40.0])
def test_the_peak_stands_above_the_rest_by_the_contrast(contrast_db: float) -> None:
    samples = noise(4.0, seed=3)
    cut, loud = excerpt(samples, 2.0), amplified(samples, 2.0, contrast_db=contrast_db)
    gained_db = level_db(around(loud, 1.0, 0.05)) - level_db(around(cut, 1.0, 0.05))
    for rest in (slice(2000, 12000), slice(20000, 30000)):
        assert gained_db - (level_db(loud[rest]) - level_db(cut[rest])) == pytest.approx(contrast_db, abs=0.01)
    assert gained_db > 0


def test_the_gain_is_what_a_slow_twin_computes() -> None:
    samples = noise(3.0, seed=1)
    loud = amplified(samples, 1.3, bright_s=0.2, edge_s=0.1, contrast_db=12.0)
    cut = samples[round(0.3 * RATE_HZ) : round(2.3 * RATE_HZ)].astype(np.float64)
    rest = 10 ** (-12 / 20)
    envelope = []
    for i in range(len(cut)):
        away_s = abs(i / RATE_HZ - 1.0)
        if away_s <= 0.1:
            envelope.append(1.0)
        elif away_s >= 0.2:
            envelope.append(rest)
        else:
            envelope.append(rest + (1 - rest) * (0.5 + 0.5 * np.cos(np.pi * (away_s - 0.1) / 0.1)))
    swing = (cut - cut.mean()) * envelope
    twin = cut.mean() + swing * (0.98 - abs(cut.mean())) / np.abs(swing).max()
    np.testing.assert_allclose(loud[200:-200], twin[200:-200], atol=1e-6)


@pytest.mark.parametrize("level", [1e-4, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("offset", [0.0, 0.4, -0.9, 3.0])
@pytest.mark.parametrize("make", [excerpt, amplified])
def test_nothing_is_beyond_full_scale(make: type, level: float, offset: float) -> None:
    cut = make(noise(3.0, level=level) + np.float32(offset), 1.5)
    assert np.abs(cut).max() <= 0.981
    assert np.isfinite(cut).all()


def test_a_faint_peak_is_made_louder_by_ten_at_most() -> None:
    samples = tone(4.0, level=1e-3)
    assert level_db(around(amplified(samples, 2.0), 1.0, 0.05)) - level_db(samples) == pytest.approx(20.0, abs=0.1)


def test_a_loud_sound_far_from_the_peak_limits_the_gain_by_what_is_left_of_it() -> None:
    samples = tone(4.0, level=0.01)
    samples[round(2.5 * RATE_HZ) : round(2.7 * RATE_HZ)] *= 90  # 0.9, of which the contrast leaves 0.09
    loud = amplified(samples, 2.0)
    assert np.abs(around(loud, 1.0, 0.05)).max() == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize("offset", [0.0, 0.2, -0.5])
def test_a_constant_offset_stays_as_it_is(offset: float) -> None:
    constant = np.full(4 * RATE_HZ, offset, dtype=np.float32)
    np.testing.assert_allclose(amplified(constant, 2.0)[200:-200], offset, atol=1e-6)
    moved = amplified(tone(4.0, 400.0) + np.float32(offset), 2.0)
    for second in (0.5, 1.0, 1.5):  # 40 whole periods each
        assert around(moved, second, 0.05).mean() == pytest.approx(offset, abs=1e-3)


def test_the_edges_are_soft_so_that_no_energy_appears_far_from_a_tone() -> None:
    samples = tone(4.0, 1000.0)

    def far_db(edge_s: float) -> float:
        loud = amplified(samples, 2.0, edge_s=edge_s)
        spectrum = np.abs(np.fft.rfft(loud * np.hanning(len(loud)))) ** 2
        hz = np.fft.rfftfreq(len(loud), 1 / RATE_HZ)
        return float(10 * np.log10(spectrum[abs(hz - 1000) > 300].sum() / spectrum.sum()))

    assert far_db(sounds.EDGE_S) < -60
    assert far_db(0.0) > far_db(sounds.EDGE_S) + 20


@pytest.mark.parametrize("format_", sounds.FORMATS)
def test_a_file_holds_the_sound_to_16_bits(format_: str) -> None:
    cut = excerpt(tone(3.0, level=0.9), 1.5)
    samples, rate_hz = soundfile.read(io.BytesIO(encode(cut, format_)), dtype="float32")
    assert rate_hz == RATE_HZ
    np.testing.assert_allclose(samples, cut, atol=1 / 16000)


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(InputError, match="a clip of 0 samples has no moment"):
        excerpt(np.zeros(0, dtype=np.float32), 0.0)
    with pytest.raises(InputError, match="an excerpt of 0.01 s cannot be heard: give 0.02 s or more"):
        excerpt(tone(1.0), 0.5, length_s=0.01)
    with pytest.raises(InputError, match="a time of -1.0 s is not in a recording"):
        excerpt(tone(1.0), -1.0)
    with pytest.raises(InputError, match="contrast_db is -3: it must be 0 or more"):
        amplified(tone(1.0), 0.5, contrast_db=-3)
    with pytest.raises(InputError, match="not written as 'mp3': choose flac or wav"):
        encode(tone(1.0), "mp3")
