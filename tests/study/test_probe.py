from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from otoscope.audio.clip import Clip, Span
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus, open_corpus
from otoscope.harvest.labels import label_set
from otoscope.harvest.run import run_harvest
from otoscope.harvest.settings import HarvestSettings
from otoscope.model.whisper import Whisper
from otoscope.study.clips import as_corpus
from otoscope.study.direction import Direction
from otoscope.study.probe.experiment import probe, probe_saved
from otoscope.study.probe.labels import ProbeLabels
from otoscope.study.probe.result import Probe
from otoscope.study.probe.rows import Question, check_sites, rows_from_model
from tests.study.conftest import build, make_clip


@pytest.fixture(scope="module")
def voices() -> Corpus:
    """One clip of every voice."""
    return Corpus("voices", open_corpus("demo").sources[::8])


@pytest.fixture(scope="module")
def phones(demo: Whisper, voices: Corpus) -> Probe:
    return probe(demo, voices, "phone", ["encoder.blocks.3"], rows=900, folds=3)


def tone_clip(number: int, pitch: str, **labels: object) -> Clip:
    """A tone over noise, low or high."""
    time_s = np.arange(16_000) / 16_000
    rng = np.random.default_rng(number)
    tone = np.sin(2 * np.pi * (250 if pitch == "low" else 3000) * time_s)
    samples = (0.1 * tone * (time_s > 0.2) + rng.normal(0, 0.001, 16_000)).astype(np.float32)
    return Clip(samples, f"tone-{number}", **{"speaker": f"voice-{number // 2}", **labels})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tones() -> list[Clip]:
    return [tone_clip(number, "low" if number % 4 < 2 else "high") for number in range(16)]


PITCH = {f"voice-{number}": ("low" if number % 2 == 0 else "high") for number in range(8)}


def test_the_demo_models_phones_are_read_far_above_both_baselines(phones: Probe) -> None:
    for each in phones.sites:
        low = each.fitted.score.accuracy.low
        high = each.fitted.shuffled.accuracy.high
        assert low is not None and high is not None and phones.majority.accuracy.high is not None
        assert low > 2 * max(high, phones.majority.accuracy.high)
    assert phones.held_out == "speakers"
    assert phones.n_groups == phones.n_clips == 18
    assert phones.is_of_frames
    assert phones.n_rows <= 900


def test_the_demo_models_speech_is_told_from_the_rest(demo: Whisper, voices: Corpus) -> None:
    found = probe(demo, voices, "speech", "encoder.blocks.0", rows=700, folds=3)
    low = found.sites[0].fitted.score.balanced.low
    assert low is not None and low > 0.85
    assert found.classes == ("no speech", "speech")


def test_the_demo_models_voices_are_known_again(demo: Whisper) -> None:
    some = Corpus("some", [source for at, source in enumerate(open_corpus("demo").sources) if at % 8 < 4][:32])
    found = probe(demo, some, "speaker", "encoder.blocks.0", folds=4)
    low, chance = found.sites[0].fitted.score.accuracy.low, found.majority.accuracy.high
    assert low is not None and chance is not None and low > chance
    assert (found.held_out, found.n_groups, len(found.classes)) == ("clips", 32, 8)


def test_a_direction_moves_rows_towards_its_class(demo: Whisper, phones: Probe, voices: Corpus) -> None:
    direction = phones.direction("encoder.blocks.3", "S")
    fitted = phones.sites[0].fitted.probe
    clip = next(iter(voices))
    x = demo.activations(clip, "encoder.blocks.3")["encoder.blocks.3"][0, :60].float().numpy()
    number = phones.classes.index("S")
    before = (fitted.predict(x) == number).mean()
    after = (fitted.predict(x + 6 * direction.vector) == number).mean()
    assert after > before + 0.3
    scores = (x + direction.vector) @ fitted.weights.T - x @ fitted.weights.T
    assert scores[0].argmax() == number
    assert scores[0, number] == pytest.approx(direction.details["raises_score_by"], rel=1e-3)
    direction.check(demo)


def test_one_unit_of_a_direction_is_one_standard_deviation(model: Whisper, tones: list[Clip]) -> None:
    found = probe(model, tones, "pitch", "encoder.blocks.1", labels=PITCH, folds=4)
    direction = found.direction("encoder.blocks.1", "low")
    question = Question("pitch", ProbeLabels(PITCH), label_set(Corpus("none", []), None, 0), 0, 10, 0)
    sites = check_sites(model, "encoder.blocks.1", "pitch")
    x = rows_from_model(model, as_corpus(tones), sites, question, lambda: None).x("encoder.blocks.1")
    along = x @ (direction.vector / direction.length)
    assert along.std() == pytest.approx(direction.length, rel=1e-3)


def test_a_tiny_random_model_tells_low_tones_from_high_ones(model: Whisper, tones: list[Clip]) -> None:
    found = probe(model, tones, "pitch", ["encoder.blocks.*", "decoder.blocks.2"], labels=PITCH, folds=4)
    assert [each.site for each in found.sites] == [
        *(f"encoder.blocks.{block}" for block in range(3)),
        "decoder.blocks.2",
    ]
    assert found.sites[0].fitted.score.accuracy.value == 1.0
    assert found.sites[0].fitted.shuffled.accuracy.value < 0.9
    assert (found.n_rows, found.n_groups, found.classes) == (16, 8, ("high", "low"))


def test_rows_are_what_the_sites_hold(model: Whisper) -> None:
    """Against one clip at a time, one frame at a time; a clip of two windows among them."""
    clips = [make_clip(seconds, seed=seed) for seed, seconds in enumerate((1.2, 3.1, 0.9))]
    names = ["encoder.conv1", "encoder.blocks.1", "decoder.blocks.0.cross_attn.key"]
    question = Question("speech", None, label_set(Corpus("none", []), None, 0), 0, 40, 3)
    rows = rows_from_model(model, as_corpus(clips), check_sites(model, names, "speech"), question, lambda: None)
    alone = rows_from_model(model, as_corpus(clips), check_sites(model, names[:2], "speech"), question, lambda: None)
    assert [n for _, _, n in rows.clips] == [40, 40, 40]
    first, second = rows.x("encoder.conv1"), rows.x("encoder.blocks.1")
    np.testing.assert_allclose(first, alone.x("encoder.conv1"), atol=1e-5)
    np.testing.assert_allclose(second, alone.x("encoder.blocks.1"), atol=1e-5)
    for number, clip in enumerate(clips):
        held = model.activations(clip, names[:2])
        blocks = torch.cat(list(held["encoder.blocks.1"])).numpy()
        conv = torch.cat(list(held["encoder.conv1"])).numpy()
        n_audible = -(-len(clip.samples) // 320)
        for row in range(number * 40, number * 40 + 40):
            frame = int(np.abs(blocks[:n_audible] - second[row]).sum(axis=1).argmin())
            np.testing.assert_allclose(second[row], blocks[frame], atol=1e-5)
            np.testing.assert_allclose(first[row], conv[2 * frame : 2 * frame + 2].mean(axis=0), atol=1e-5)


def test_a_clips_row_is_the_mean_of_its_speech(model: Whisper) -> None:
    clip = make_clip(3.1, speaker="a")
    question = Question("speaker", None, label_set(Corpus("none", []), None, 0), 0, 1, 0)
    rows = rows_from_model(
        model, as_corpus([clip]), check_sites(model, "encoder.blocks.0", "x"), question, lambda: None
    )
    windows = model.windows(clip)
    held = model.activations(clip, "encoder.blocks.0")["encoder.blocks.0"]
    wanted = held[torch.as_tensor(windows.kinds == 0)].mean(dim=0)
    np.testing.assert_allclose(rows.x("encoder.blocks.0")[0], wanted.numpy(), atol=1e-5)
    assert rows.labels[0].tolist() == ["a"]


def test_saved_activations_give_what_hearing_gives(demo: Whisper, voices: Corpus, tmp_path: Path) -> None:
    site = "encoder.blocks.1"
    few = voices.first(6)
    settings = HarvestSettings(sites=(site,), save_activations="float32", lag=0)
    run_harvest(demo, few, settings, tmp_path / "run")
    heard = probe(demo, few, "phone", site, rows=300, folds=2)
    saved = probe_saved(tmp_path / "run", "phone", rows=300, folds=2)
    assert saved.to_json()["classes"] == heard.to_json()["classes"]
    ours, theirs = heard.sites[0].fitted, saved.sites[0].fitted
    np.testing.assert_allclose(theirs.probe.weights, ours.probe.weights, atol=0.02)
    assert theirs.score.accuracy.value == pytest.approx(ours.score.accuracy.value, abs=0.02)
    with pytest.raises(InputError, match="are of one clip alone"):
        probe_saved(tmp_path / "run", "speaker")
    pitch = {source.speaker: "ab"[at % 2] for at, source in enumerate(few.sources) if source.speaker}
    heard = probe(demo, few, "side", site, labels=pitch, folds=2)
    saved = probe_saved(tmp_path / "run", "side", [site], labels=pitch, folds=2)
    np.testing.assert_allclose(saved.sites[0].spread, heard.sites[0].spread, rtol=0.01)


def test_every_speaker_is_held_out_or_scored_on_other_clips(model: Whisper, tones: list[Clip]) -> None:
    found = probe(model, tones[:8], "pitch", "encoder.blocks.0", labels=PITCH, test=tones[8:])
    assert (found.n_rows, found.n_rows_learnt, found.n_folds) == (8, 8, 1)
    with pytest.raises(InputError, match=r"1 speakers are in both parts \('voice-3'\)"):
        probe(model, tones[:7], "pitch", "encoder.blocks.0", labels=PITCH, test=tones[7:])
    with pytest.raises(InputError, match=r"with clips held out a speaker would be in both parts"):
        probe(model, tones, "pitch", "encoder.blocks.0", labels=PITCH, split="clips")


def test_clips_are_held_out_where_nobody_is_known(model: Whisper, tones: list[Clip]) -> None:
    nameless = [replace(clip, speaker=None) for clip in tones]
    labels = {clip.id: PITCH[clip.speaker] for clip in tones if clip.speaker}
    found = probe(model, nameless, "pitch", "encoder.blocks.0", labels=labels)
    assert (found.held_out, found.n_groups) == ("clips", 16)
    with pytest.raises(InputError, match="no clip says who speaks"):
        probe(model, nameless, "pitch", "encoder.blocks.0", labels=labels, split="speakers")
    told = ProbeLabels(labels, {clip.id: clip.speaker for clip in tones if clip.speaker})
    assert probe(model, nameless, "pitch", "encoder.blocks.0", labels=told).n_groups == 8


def test_edits_reach_the_probe_and_the_model_is_left_as_it_was(model: Whisper, tones: list[Clip]) -> None:
    before = model.encode(tones[0])
    with model.edit({"encoder.blocks.0": lambda x: x * 0}):
        found = probe(model, tones, "pitch", "encoder.blocks.0", labels=PITCH)
    assert found.sites[0].fitted.score.accuracy.value < 0.9
    assert torch.equal(before, model.encode(tones[0]))


def test_rows_are_drawn_as_many_from_every_clip_and_again_the_same(model: Whisper) -> None:
    labelled = [
        make_clip(1.5, seed=seed, speaker=str(seed), phones=(Span(0.1, 0.6, "AA"), Span(0.6, 1.2, "S")))
        for seed in range(4)
    ]
    found = probe(model, labelled, "phone", "encoder.blocks.0", rows=80, folds=2)
    assert found.n_rows == 80
    assert found.to_json() == probe(model, labelled, "phone", "encoder.blocks.0", rows=80, folds=2).to_json()
    drawn = probe(model, labelled, "phone", "encoder.blocks.0", rows=10, folds=2)
    assert drawn.n_rows == 8


def test_files_hold_what_the_result_holds(model: Whisper, tones: list[Clip], tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    found = probe(
        model, tones, "pitch", "encoder.blocks.*", labels=PITCH, progress=lambda at, total: done.append((at, total))
    )
    assert done[-1][0] == done[-1][1]
    names = [path.relative_to(tmp_path).as_posix() for path in found.save(tmp_path)]
    assert names[:5] == ["probe.json", "probe.npz", "probe.png", "confusion.png", "probe.parquet"]
    assert len(names) == 5 + 2 * 3
    table = json.loads((tmp_path / "probe.json").read_text())
    assert table == found.to_json()
    assert table["sites"][0]["recall"].keys() == {"low", "high"}
    rows = pq.read_table(tmp_path / "probe.parquet").to_pylist()
    assert [row["site"] for row in rows] == [each.site for each in found.sites]
    assert rows[0]["balanced"] == found.sites[0].fitted.score.balanced.value
    with np.load(tmp_path / "probe.npz") as arrays:
        np.testing.assert_array_equal(arrays["weights/encoder.blocks.1"], found.sites[1].fitted.probe.weights)
        assert arrays["confusion/encoder.blocks.1"].sum() == found.n_rows
    again = Direction.load(tmp_path / names[5])
    wanted = found.direction(found.sites[0].site, "high")
    np.testing.assert_array_equal(again.vector, wanted.vector)
    assert (again.site, again.details) == (wanted.site, wanted.details)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": " "}, "the task is ' '"),
        ({"task": "speech", "labels": PITCH}, "labels were given for task 'speech'"),
        ({"labels": dict.fromkeys(PITCH, "low")}, "'pitch' has 1 class that can be learnt"),
        ({"labels": {**dict.fromkeys(PITCH, "low"), "voice-0": "high"}}, "'high' is of one speaker alone"),
        ({"labels": {"nobody": "low"}}, "no clip has a label of 'pitch': do the labels name these clips"),
        ({"folds": 1}, "folds is 1"),
        ({"lag": 99}, "a lag of 99 frames"),
        ({"split": "x"}, "split is 'x': give one of auto, speakers, clips"),
        ({"task": "speaker", "labels": None, "split": "speakers"}, "cannot be learnt from other speakers"),
        ({"sites": "encoder.blocks.0.attn.pattern"}, "a probe reads sites with one vector for each frame"),
        ({"rows": 10**9}, "are held. Draw"),
        ({"clips": []}, "there are no clips"),
    ],
)
def test_what_cannot_be_learnt_is_refused(model: Whisper, tones: list[Clip], settings: dict, message: str) -> None:
    given = {"clips": tones, "task": "pitch", "labels": PITCH, "sites": "encoder.blocks.0", **settings}
    if given["task"] == " ":
        given["labels"] = None
    with pytest.raises(InputError) as caught:
        probe(model, given.pop("clips"), given.pop("task"), given.pop("sites"), **given)
    assert message in str(caught.value)


def test_one_speaker_alone_and_values_that_are_not_finite_are_refused(tones: list[Clip]) -> None:
    own = build()
    alone = [replace(clip, speaker="anna") for clip in tones]
    labels = {clip.id: PITCH[clip.speaker] for clip in tones if clip.speaker}
    with pytest.raises(InputError, match="all clips are of one speaker, 'anna'"):
        probe(own, alone, "pitch", "encoder.blocks.0", labels=labels)
    with (
        own.edit({"encoder.blocks.0": lambda x: x * float("nan")}),
        pytest.raises(
            InputError, match=r"NaN or infinite\): the first is in the output of 'encoder.blocks.0'.*'tone-\d'"
        ),
    ):
        probe(own, tones, "pitch", "encoder.blocks.0", labels=PITCH)


def test_a_direction_of_what_was_not_probed_is_refused(phones: Probe) -> None:
    with pytest.raises(InputError, match="site 'encoder.blocks.0' was not probed"):
        phones.direction("encoder.blocks.0", "S")
    with pytest.raises(InputError, match="label 'nothing' is no class of this probe"):
        phones.direction("encoder.blocks.3", "nothing")


def test_a_folder_without_activations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a harvest run"):
        probe_saved(tmp_path, "phone")
