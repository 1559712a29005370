from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otoscope.audio.clip import Clip, Span
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError, SiteError
from otoscope.harvest.run import run_harvest
from otoscope.harvest.settings import HarvestSettings
from otoscope.model.whisper import Whisper
from otoscope.study.clips import as_corpus
from otoscope.study.steer.class_means import ClassMeans, class_means, means_at, means_of_run
from tests.study.conftest import make_clip

SITE = "encoder.blocks.1"


@pytest.fixture(scope="module")
def labelled() -> list[Clip]:
    clips = []
    for number, (speaker, language) in enumerate([("ann-b", "en"), ("b", "de"), ("ann-b", "en")]):
        edges = np.linspace(0.1, 2.3, 12)
        symbols = np.random.default_rng(number).choice(["AA", "S", "AO R"], 11)
        phones = tuple(Span(a, b, text) for a, b, text in zip(edges, edges[1:], symbols, strict=False))
        labels = {"phones": phones, "speaker": speaker, "language": language, "id": f"clip-{number}"}
        clips.append(make_clip(2.5, seed=number, **labels))
    return clips


def by_hand(model: Whisper, clips: list[Clip], kind: str, label: str, lag: int) -> np.ndarray:
    """The mean over frames of speech of a class, frame by frame."""
    rows = []
    for clip in clips:
        windows = model.windows(clip)
        held = model.activations(clip, [SITE])[SITE].flatten(0, 1).numpy()
        for frame, what in enumerate(windows.kinds.flatten()):
            at_s = (frame - lag + 0.5) * 0.02
            phone = next((p for p in clip.phones or () if p.start_s <= at_s < p.end_s), None)
            symbols = phone.text.split() if phone else []
            if len(symbols) == 2 and phone is not None:
                symbols = symbols[:1] if at_s < (phone.start_s + phone.end_s) / 2 else symbols[1:]
            is_it = {"phone": symbols == [label], "speaker": clip.speaker == label, "language": clip.language == label}
            if what == Kind.SPEECH and is_it[kind]:
                rows.append(held[frame].astype(np.float64))
    return np.mean(rows, axis=0)


@pytest.mark.parametrize(
    ("kind", "label"), [("phone", "AA"), ("phone", "R"), ("speaker", "ann-b"), ("speaker", "b"), ("language", "de")]
)
def test_a_mean_is_that_of_the_frames_of_speech_of_its_class(
    model: Whisper, labelled: list[Clip], kind: str, label: str
) -> None:
    found = class_means(model, labelled, kind, SITE, lag=2)
    own = found.means[found.labels.index(label)]
    np.testing.assert_allclose(own, by_hand(model, labelled, kind, label, 2), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["phone", "speaker", "language"])
def test_means_are_those_of_a_harvest(model: Whisper, labelled: list[Clip], tmp_path: Path, kind: str) -> None:
    corpus = as_corpus(labelled)
    run = run_harvest(model, corpus, HarvestSettings(sites=(SITE,)), tmp_path / "run")
    theirs, ours = means_of_run(run, kind, SITE), class_means(model, corpus, kind, SITE)
    assert (theirs.labels, theirs.lag, theirs.model) == (ours.labels, ours.lag, ours.model)
    assert theirs.weights_hash == ours.weights_hash and np.array_equal(theirs.n_frames, ours.n_frames)
    np.testing.assert_allclose(theirs.means, ours.means, rtol=1e-6, atol=1e-7)
    with pytest.raises(InputError, match="holds no neurons of 'encoder.blocks.0'"):
        means_of_run(run, kind, "encoder.blocks.0")


def test_several_sites_have_the_means_of_each(model: Whisper, labelled: list[Clip]) -> None:
    both = means_at(model, labelled, "phone", ["encoder.blocks.*"], lag=0)
    assert list(both) == [f"encoder.blocks.{block}" for block in range(3)]
    assert np.array_equal(both[SITE].means, class_means(model, labelled, "phone", SITE, lag=0).means)


def drawn(labels: tuple[str, ...] = ("AA", "S", "T"), kind: str = "phone") -> ClassMeans:
    rng = np.random.default_rng(0)
    n = len(labels)
    return ClassMeans(kind, SITE, labels, np.arange(1, n + 1), rng.normal(size=(n, 4)), 1, "tiny", "0", "somewhere")


def test_a_direction_goes_from_one_mean_to_the_other() -> None:
    found = drawn()
    own = found.direction("S", "AA")
    np.testing.assert_allclose(own.vector, found.means[1] - found.means[0], rtol=1e-6)
    assert (own.site, own.name, own.model, own.weights_hash) == (SITE, "phone S - AA", "tiny", "0")
    assert own.details["n_frames"] == [2, 1] and own.details["lag_frames"] == 1
    np.testing.assert_allclose(own.vector, -found.direction("AA", "S").vector)


def test_a_class_alone_is_set_apart_from_the_frames_of_all_others() -> None:
    found = drawn()
    others = (2 * found.means[1] + 3 * found.means[2]) / 5
    np.testing.assert_allclose(found.direction("AA").vector, found.means[0] - others, rtol=1e-6)


@pytest.mark.parametrize("text", ["phone:S-phone:AA", "phone:S-AA", "S-AA"])
def test_a_direction_is_named_in_several_ways(text: str) -> None:
    assert drawn().named(text).name == "phone S - AA"


def test_names_with_hyphens_are_taken_apart_by_what_is_known() -> None:
    found = drawn(("ann-b", "b", "en-us"), "speaker")
    assert found.named("speaker:ann-b-en-us").name == "speaker ann-b - en-us"
    assert found.named("speaker:ann-b").name == "speaker ann-b - all others"
    with pytest.raises(InputError, match="can be read in 2 ways"):
        drawn(("a", "b-c", "a-b", "c"), "speaker").named("a-b-c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("phone:XX-phone:S", "'XX' has no frames of speech in somewhere"),
        ("phone:S-XX", "'XX' has no frames"),
        ("XX", "'XX' has no frames"),
        ("phone:S-phone:S", "minus itself is zero"),
    ],
)
def test_classes_that_are_not_there_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        drawn().named(text)


def test_the_only_class_is_not_set_apart_from_nothing() -> None:
    with pytest.raises(InputError, match="is the only phone"):
        drawn(("AA",)).direction("AA")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"kind": "mood"}, InputError, "give phone, language, speaker"),
        ({"site": "encoder.blocks.9"}, SiteError, "blocks 0-2"),
        ({"site": "encoder.blocks.*"}, InputError, "is 3 sites"),
        ({"site": "decoder.blocks.0"}, InputError, "sites of the encoder"),
        ({"clips": [make_clip()]}, InputError, "has no phone labels"),
        ({"lag": 99}, InputError, "is not plausible for an encoder"),
    ],
)
def test_bad_input_is_refused(
    model: Whisper, labelled: list[Clip], settings: dict[str, Any], error: type, message: str
) -> None:
    own = {"clips": labelled, "kind": "phone", "site": SITE, **settings}
    with pytest.raises(error, match=message):
        class_means(model, **own)
