"""One recording listened to in every way: each figure is that of the experiment it comes from."""

from __future__ import annotations

import base64
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from otoscope.audio.clip import Clip
from otoscope.corpus.demo_clips import read_index
from otoscope.model.load import load
from otoscope.model.whisper import Whisper
from otoscope.study.listening.experiment import Listening, first_window, listen, listen_many
from otoscope.study.locality.experiment import locality
from otoscope.study.relevance.experiment import relevance
from otoscope.study.splice.experiment import splice
from otoscope.study.words.experiment import WAYS, words

KS = (50, 5)


@pytest.fixture(scope="module")
def model() -> Whisper:
    return load("demo", device="cpu")


@pytest.fixture(scope="module")
def clip() -> Clip:
    return read_index()[0].read()


@pytest.fixture(scope="module")
def found(model: Whisper, clip: Clip) -> Listening:
    return listen(model, clip, ks=KS, language="en")


def test_transcripts_are_those_of_the_model_under_each_window(model: Whisper, clip: Clip, found: Listening) -> None:
    rows = {row["k"]: row for row in found.to_json()["windows"]}
    assert set(rows) == {None, *KS}
    for k, row in rows.items():
        assert row["text"] == model.transcribe(clip, language="en", attention_window=k).text
        assert row["n_words"] == len(clip.transcript.split())
    assert rows[5]["errors"] > rows[None]["errors"]


def test_a_word_is_spliced_away_over_the_frames_of_its_label(model: Whisper, clip: Clip, found: Listening) -> None:
    rows = found.to_json()["words"]
    known = [row for row in rows if row["true_s"] is not None]
    assert len(known) >= 3
    assert [row["spliced"]["by"] == "labels" for row in rows] == [row["true_s"] is not None for row in rows]
    for row in known:
        start, stop = math.floor(row["true_s"][0] / 0.02), math.ceil(row["true_s"][1] / 0.02)
        assert row["spliced"]["text"] == splice(model, clip, start, stop, language="en").spliced
        assert (row["spliced"]["start_s"], row["spliced"]["stop_s"]) == pytest.approx((0.02 * start, 0.02 * stop))


def test_without_labels_a_word_is_spliced_away_where_attention_puts_it(model: Whisper, clip: Clip) -> None:
    bare = listen(model, replace(clip, words=None, phones=None), ks=(5,), language="en")
    for row, word in zip(bare.to_json()["words"], bare.words.words, strict=True):
        assert row["spliced"]["by"] == "attention"
        assert row["spliced"]["text"] == splice(model, clip, *word.aligned, language="en").spliced


def test_sources_are_those_of_the_words(model: Whisper, clip: Clip, found: Listening) -> None:
    alone = words(model, clip, language="en")
    rows = found.to_json()["words"]
    assert [row["text"] for row in rows] == [word.text for word in alone.words]
    for number, row in enumerate(rows):
        assert set(row["ways"]) == set(WAYS)
        for way, of in row["ways"].items():
            assert of["peak_s"] == pytest.approx(0.02 * (alone.peak(way, number) + 0.5))
            assert of["stretch_s"] == pytest.approx([0.02 * frame for frame in alone.stretch(way, number)])
            curve = np.frombuffer(base64.b64decode(of["curve"]), np.uint8)
            assert len(curve) == found.n_frames
            wanted = np.clip(alone.smoothed(way, number)[: found.n_frames], 0, None)
            assert np.abs(curve / 255 - wanted / wanted.max()).max() <= 0.5 / 255 + 1e-6


def test_heads_and_relevance_are_those_of_their_experiments(model: Whisper, clip: Clip, found: Listening) -> None:
    heads, alone = found.to_json()["heads"], locality(model, [clip])
    assert len(heads) == model.n_encoder_blocks * model.n_heads
    for row in heads:
        at = row["block"], row["head"]
        assert row["mean_frames"] == pytest.approx(float(alone.mean_frames[at]))
        assert row["share_within_25"] == pytest.approx(float(alone.share_within(25)[at]))
        assert row["share_local"] == pytest.approx(float(alone.share_within(alone.local_within)[at]))
        assert row["is_local"] == bool(alone.is_local[at]) == (row["share_local"] >= alone.local_share)
    assert found.to_json()["local"] == {"within_frames": alone.local_within, "share": alone.local_share}
    told, map_ = found.to_json()["relevance_map"], relevance(model, clip)
    assert told["share_within_25"] == pytest.approx(map_.share_within(25))
    assert told["if_even"] == pytest.approx(map_.even_share_within(25))


def test_the_map_is_grey_by_the_root_of_relevance(found: Listening) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(found.map_png())))
    shown = found.relevance.added[: found.n_frames, : found.n_frames]
    assert pixels.shape == shown.shape
    assert pixels.max() == 255
    brightest = np.quantile(shown, 0.995)
    wanted = 255 * np.sqrt(np.clip(shown / brightest, 0, 1))
    assert np.abs(pixels - wanted).max() <= 0.5 + 1e-3


def test_what_is_saved_can_be_heard_seen_and_read(found: Listening, tmp_path: Path) -> None:
    files = {path.name: path for path in found.save(tmp_path, "0007")}
    assert set(files) == {"listening.json", "sound.ogg", "spectrogram.png", "relevance.png"}
    samples, rate = soundfile.read(files["sound.ogg"])
    assert len(samples) / rate == pytest.approx(found.clip.duration_s, abs=1e-3)
    rms = [float(np.sqrt(np.mean(np.square(one)))) for one in (samples, found.clip.samples)]
    assert rms[0] == pytest.approx(rms[1], rel=0.05)
    with Image.open(files["spectrogram.png"]) as picture:
        assert picture.size[0] == pytest.approx(found.clip.duration_s * 100, abs=1)
    table = json.loads(files["listening.json"].read_text())
    assert table == json.loads(json.dumps(found.to_json("0007"), allow_nan=False))
    assert table["sound"] == "listening/0007/sound.ogg"


def test_without_splicing_there_is_no_transcript_without_words(model: Whisper, clip: Clip) -> None:
    table = listen(model, clip, ks=(5,), splice=False, language="en").to_json()
    assert table["words"] and all(word["spliced"] is None for word in table["words"])


def test_of_a_long_recording_the_first_window_is_taken(model: Whisper, clip: Clip) -> None:
    late = replace(clip.words[-1], start_s=11.0, end_s=11.5)
    long = replace(clip, samples=np.resize(clip.samples, 12 * 16_000), words=(*clip.words, late))
    cut = first_window(long, model)
    assert cut.duration_s == model.window_s
    assert cut.words == clip.words
    assert cut.transcript is None
    assert first_window(clip, model) is clip


def test_silence_has_no_heads_and_numbers_that_can_be_read(model: Whisper) -> None:
    table = listen(model, np.zeros(16_000, np.float32), ks=(5,), language="en").to_json()
    assert table["heads"] == []
    assert table["said"] is None
    json.dumps(table, allow_nan=False)


def test_recordings_are_listened_to_one_by_one_into_folders(model: Whisper, clip: Clip, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    rows = listen_many(
        model, [clip, replace(clip, id="again")], tmp_path, ks=(5,), language="en", progress=lambda *at: told.append(at)
    )
    assert told == [(1, 2), (2, 2)]
    assert json.loads((tmp_path / "index.json").read_text()) == {"clips": rows}
    assert [(row["key"], row["id"]) for row in rows] == [("0000", clip.id), ("0001", "again")]
    for row in rows:
        assert json.loads((tmp_path / row["key"] / "listening.json").read_text())["id"] == row["id"]
