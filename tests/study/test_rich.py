from __future__ import annotations

import base64
import dataclasses
import gc
import importlib
import inspect
import io
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import otoscope
import otoscope.study as study_room
from otoscope.audio.clip import Clip
from otoscope.base import html
from otoscope.corpus.corpus import Corpus
from otoscope.corpus.source import Source
from otoscope.harvest.opened import HarvestRun
from otoscope.model.transcription import Segment, Transcription, Word
from otoscope.model.whisper import Whisper
from otoscope.study import pictures, rich
from otoscope.study.bigrams.experiment import bigrams
from otoscope.study.direction import Direction
from otoscope.study.dream.experiment import dream
from otoscope.study.dream.settings import DreamSettings
from otoscope.study.examples.experiment import Example, Examples
from otoscope.study.lens.curve import lens_curve
from otoscope.study.lens.encoder import encoder_lens
from otoscope.study.lens.experiment import lens
from otoscope.study.lens.heads import head_lens
from otoscope.study.lens.heads_mean import head_lens_mean
from otoscope.study.lens.languages import language_lens
from otoscope.study.locality.experiment import locality
from otoscope.study.neighbours.experiment import neighbours
from otoscope.study.relevance.experiment import relevance
from otoscope.study.segments.experiment import segments
from otoscope.study.segments.pushed import pushed_up
from otoscope.study.splice.experiment import splice
from otoscope.study.steer.experiment import Steer, StrengthOutcome, steer
from otoscope.study.steer.head_ablation import ablate_heads
from otoscope.study.steer.sounds import steer_sounds
from otoscope.study.steer.steering import Add
from otoscope.study.whole.shown import shown as study_shown
from otoscope.study.window.experiment import window
from otoscope.study.words.experiment import words
from tests.base.test_html import HOSTILE, read
from tests.study.conftest import make_clip

VALUES = {"Span", "HarvestSettings", "PhoneSettings", "StudySettings", "Dictionary", "Feature", "Where"}
"""Public classes that are no results: what they print says all there is."""

MOST_LINES = 10


def classes_of_study() -> Iterator[type]:
    """Every class of the room that can be drawn."""
    for module in pkgutil.walk_packages(study_room.__path__, "otoscope.study."):
        for _, value in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if value.__module__ == module.name and callable(getattr(value, "plot", None)):
                yield value


@pytest.mark.parametrize("name", otoscope.__all__)
def test_every_public_result_has_a_rich_display(name: str) -> None:
    value = getattr(otoscope, name)
    if inspect.isclass(value) and not issubclass(value, Exception) and name not in VALUES:
        assert "_repr_html_" in dir(value)
        assert {"_shown", "report"} & set(vars(value))
        assert value.__repr__ is not object.__repr__


def test_every_result_that_can_be_drawn_has_a_rich_display() -> None:
    found = list(classes_of_study())
    assert len(found) > 20
    for each in found:
        assert issubclass(each, rich.Rich), each
        assert {"_shown", "report"} & set(vars(each)) or not hasattr(each, "name"), each  # a base has no name
        assert each.__repr__ is rich.Rich.__repr__, f"{each} prints all of its arrays: give its dataclass repr=False"


def direction() -> Direction:
    return Direction(np.linspace(-1, 1, 16, dtype=np.float32), "encoder.blocks.1", "a - b", details={"n": 3})


def results(model: Whisper, clip: Clip, clips: list[Clip]) -> Iterator[object]:
    """One of every experiment that a tiny model does in no time."""
    word = words(model, clip).words[0].text
    yield from (clip, model, direction(), model.transcribe(clip), model.transcribe(clip, word_times=True))
    yield from (locality(model, clips), relevance(model, clip), splice(model, clip, 20, 40), words(model, clip))
    yield from (window(model, clips, ks=[10, 2]), window(model, [clip], ks=[10, 2]))
    yield from (bigrams(model, ["the", *(f"{word} $x_1$" for word in "abc")]), neighbours(model, ["dog"], k=5))
    yield from (lens(model, clip), lens_curve(model, clips), encoder_lens(model, clips))
    yield from (head_lens(model, clip), head_lens_mean(model, clips), language_lens(model, clips))
    yield from (segments(model, clips, [word], top=3), pushed_up(model, clip, 0.2, 0.6, least=0))
    yield steer(model, clips, [Add(direction(), "encoder.blocks.1")], (1.0, 2.0))
    yield steer_sounds(model, clips[:1], [Add(direction(), "encoder.blocks.1")], n_sounds=1)
    yield ablate_heads(model, clips[:1], n_sounds=1)
    yield dream(model, ["encoder.blocks.1:3", "encoder.blocks.1:4"], settings=DreamSettings(steps=2))


WITHOUT_PICTURE = {"Direction", "Transcription", "Whisper"}
WITH_SOUND = {"Clip", "WordSources", "Segments", "Dream"}


@pytest.fixture(scope="module")
def made(model: Whisper, clip: Clip, clips: list[Clip]) -> list[Any]:
    """All results; each experiment leaves the model as it was."""
    before, found = model.encode(clip), []
    for result in results(model, clip, clips):
        found.append(result)
        after = model.encode(clip)
        assert torch.equal(before, after) and not after.requires_grad, type(result)
        assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.hf.modules())
        assert all(weight.grad is None for weight in model.hf.parameters()), type(result)
    return found


def test_what_is_saved_is_what_the_result_holds(made: list[Any], tmp_path: Path) -> None:
    for number, result in enumerate(each for each in made if hasattr(each, "report")):
        paths = result.save(tmp_path / str(number))
        assert {*paths} == {path for path in (tmp_path / str(number)).rglob("*") if path.is_file()}
        (table,) = (path for path in paths if path.suffix == ".json")
        assert json.loads(table.read_text()) == json.loads(json.dumps(result.to_json(), allow_nan=False))
        pictures = [path for path in paths if path.suffix == ".png"]
        assert pictures and all(path.read_bytes().startswith(b"\x89PNG") for path in pictures), table
        assert [path.suffix for path in paths].count(".npz") == bool(result.arrays())
        for path in (path for path in paths if path.suffix == ".npz"):
            with np.load(path) as arrays:
                assert arrays.files == [*result.arrays()]
                for name, values in result.arrays().items():
                    np.testing.assert_array_equal(arrays[name], values)
                    own = getattr(result, name, None)
                    np.testing.assert_array_equal(arrays[name], own if isinstance(own, np.ndarray) else values)


def test_results_show_a_picture_a_table_and_their_sounds(made: list[Any]) -> None:
    for result in made:
        name = type(result).__name__
        display = result._repr_html_()
        found = read(display)
        assert "could be" not in found.text, found.text
        assert len(display.encode()) <= html.MOST_BYTES
        assert ("img" in found.tags) == (name not in WITHOUT_PICTURE), name
        assert ("audio" in found.tags) == (name in WITH_SOUND), name
        assert "table" in found.tags and "left out" not in found.text, name
        assert repr(result).count("\n") < MOST_LINES, repr(result)


def test_a_picture_is_drawn_when_it_is_first_asked_for_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[object] = []
    monkeypatch.setattr(rich, "picture", lambda plot, alt: drawn.append(alt) or html.line(alt))
    result = Thing()
    assert not drawn
    assert result._repr_html_() == result._repr_html_()
    assert len(drawn) == 1
    other = replace(result)
    assert other._repr_html_() == result._repr_html_() and len(drawn) == 2


def test_displays_are_forgotten_with_their_results() -> None:
    before = set(rich._made)
    result = Thing()
    result._repr_html_()
    assert set(rich._made) != before
    del result
    gc.collect()
    assert set(rich._made) == before


@dataclass(frozen=True, eq=False, repr=False)
class Thing(rich.Rich):
    """A result whose picture is noise, which no format makes small."""

    size: int = 60

    def plot(self, path: Path) -> Path:
        pixels = np.random.default_rng(0).integers(0, 255, (self.size, self.size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    def _shown(self) -> html.Shown:
        return html.Shown("a thing", [("n", 17)])


def test_the_picture_shown_is_the_one_that_plot_draws(tmp_path: Path) -> None:
    found = re.search(r"data:image/png;base64,([^\"]+)", Thing()._repr_html_())
    assert found is not None
    own = np.asarray(Image.open(Thing().plot(tmp_path / "own.png")))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1])))), own)


def test_a_large_picture_is_made_small_enough() -> None:
    made = Thing(1500)._repr_html_()
    assert len(made) < html.MOST_BYTES * 0.7
    assert "<img" in made and "17" in made


@dataclass(frozen=True, eq=False, repr=False)
class Broken(Thing):
    """A result that cannot be drawn."""

    def plot(self, path: Path) -> Path:
        raise RuntimeError("no <b>fonts</b>")


def test_a_result_that_cannot_be_drawn_shows_its_table() -> None:
    found = read(Broken()._repr_html_())
    assert "17" in found.text and "No picture could be drawn: RuntimeError: no <b>fonts</b>" in found.text


@pytest.mark.parametrize("text", HOSTILE)
def test_transcripts_names_and_labels_are_data(text: str, tmp_path: Path) -> None:
    word = Word(0.0, 1.0, text, 0.5, text)
    segment = Segment(0.0, 1.0, text, (1,), 0, -0.5, None, words=(word,))
    heard = Transcription(text, text, 1.0, "en", "transcribe", (segment, replace(segment, words=None)), ((1,),))
    outcome = StrengthOutcome(1.0, ((text,),), (("en",),), ((False,),))
    example = Example(text, text, 0, 1, "top", None, 0, 0, text, 1, 0.02, 1.0, text, text, sound=text)
    source = Source(text, lambda: make_clip(), speaker=text, language=text)
    everything = [
        heard,
        replace(heard, segments=(segment,)),
        Steer(text, (text,), text, 1, (1.0,), (text,), (text,), ("the dog",), ("en",), (outcome,), (), 0),
        Examples(text, text, text, None, None, 1, (example,), folder=str(tmp_path)),
        Direction(np.ones(3, np.float32), text, text, text, text, {text: text}),
        Corpus(text, [source], notes=(text,)),
        run_named(text),
    ]
    for result in everything:
        found = read(result._repr_html_())  # type: ignore[attr-defined]
        assert "No table" not in found.text, found.text
        assert repr(result).count("\n") < MOST_LINES


def run_named(text: str) -> HarvestRun:
    manifest = {
        "phone_set": None,
        "phones": [],
        "lag_frames": None,
        "groups": [{"site": text, "basis": f"sae:{text}", "n_features": 640}],
        "corpus": {"name": text, "n_used": 7, "duration_s": 90.0},
        "model": {"id": text},
        "n_frames": {"speech": 1000, "padding": 1},
    }
    return HarvestRun(Path("a folder that is not there"), manifest)


def test_a_harvest_shows_its_groups_without_torch() -> None:
    program = f"""
import sys
from pathlib import Path
{inspect.getsource(run_named).replace("def run_named(text: str) -> HarvestRun:", "def run_named(text):")}
from otoscope.harvest.opened import HarvestRun
made = run_named("demo")._repr_html_()
assert "sae:demo" in made and "640" in made
print([name for name in ("torch", "transformers", "matplotlib", "IPython") if name in sys.modules])
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_examples_play_the_sounds_that_were_written_and_are_still_there(tmp_path: Path) -> None:
    (tmp_path / "there.flac").write_bytes(b"a sound")
    one = Example("s", "neuron", 0, 1, "top", None, 0, 0, "clip", 1, 0.02, 1.0, "AA", "word")
    found = Examples("run", "m", "c", None, None, 1, tuple(replace(one, sound=f"{n}.flac") for n in ("there", "gone")))
    assert "<audio" not in found._repr_html_()
    with_sounds = replace(found, folder=str(tmp_path))
    assert with_sounds._repr_html_().count("<audio") == 1
    assert "folder" not in with_sounds.to_json()
    assert with_sounds == found


def test_a_corpus_of_which_little_is_known_is_shown_without_reading_it() -> None:
    def refuse() -> Clip:
        raise AssertionError("read")

    corpus = Corpus("many", [Source(f"clip {number}", refuse) for number in range(500)])
    found = read(corpus._repr_html_()).text
    assert "clips500" in found and "not named" in found and "and 480 more" in found


def test_a_study_shows_its_verdicts_and_its_findings() -> None:
    finding = {"question": "How near?", "unit": "share", "value": 0.7, "low": 0.68, "high": 0.72, "n": 144}
    finding |= {"n_of": "clips", "outcome": "undecided", "needs": "9 more clips"}
    finding |= {"baseline": {"name": "even", "value": 0.18, "low": None, "high": None}}
    claim = {"title": "Features are local", "verdict": "holds", "sentence": "They are.", "findings": [finding]}
    about = {"model": {"id": "demo"}, "corpus": {"name": "demo", "n_clips": 144}}
    made = study_shown(Path("study"), about, {"claims": [claim, {**claim, "findings": []}]})
    found = read(html.display(object(), lambda: made)).text
    for part in (
        "Features are local",
        "holds. They are.",
        "70.0% (68.0% to 72.0%)",
        "18.0%",
        "144 clips",
        "undecided",
        "9 more clips",
    ):
        assert part in found


def test_results_are_still_the_same_after_they_were_shown(model: Whisper, clip: Clip) -> None:
    result = splice(model, clip, 20, 40)
    before = result.to_json()
    result._repr_html_()
    assert result.to_json() == before
    assert set(vars(result)) == {field.name for field in dataclasses.fields(result)}


def test_pictures_have_the_dots_that_displays_reckon_with() -> None:
    assert 90 < pictures.DPI / rich.PIXELS_OVER_POINTS < 100
