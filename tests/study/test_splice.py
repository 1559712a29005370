from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from otoscope.audio.clip import Clip
from otoscope.model.whisper import Whisper
from otoscope.study.splice.experiment import Spliceable, splice
from otoscope.study.writing import Text, join_texts, text_of, write_texts, write_windows
from tests.study.conftest import make_clip

SILENCE = np.zeros(32_000, np.float32)


def spliced_by_hand(model: Whisper, clip: Clip, start: int, stop: int) -> str:
    """The same through an edit of the final encoder output while the model transcribes."""
    padding = model.padded_encoding()

    def replace(x: torch.Tensor) -> torch.Tensor:
        x = x.clone()
        x[:, start:stop] = padding[:, start:stop]
        return x

    with model.edit({"encoder.ln_post": replace}):
        return model.transcribe(clip).text


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (20, 60), (0, 100), (99, 100)])
def test_splicing_is_an_edit_of_the_final_encoder_output(model: Whisper, clip: Clip, start: int, stop: int) -> None:
    result = splice(model, clip, start, stop)
    assert result.original == model.transcribe(clip).text
    assert result.spliced == spliced_by_hand(model, clip, start, stop)


def test_splicing_everything_says_what_padding_alone_says(model: Whisper, clip: Clip) -> None:
    result = splice(model, clip, 0, 100)
    assert result.spliced == model.transcribe(SILENCE).text
    assert result.spliced != result.original
    assert splice(model, SILENCE, 10, 90).spliced == model.transcribe(SILENCE).text


def test_seconds_take_every_frame_they_touch(model: Whisper, clip: Clip) -> None:
    by_seconds = splice(model, clip, 0.58, 1.01, "seconds")
    assert (by_seconds.start, by_seconds.stop) == (29, 51)
    assert by_seconds.spliced == splice(model, clip, 29, 51).spliced


def test_long_recordings_count_frames_through_all_windows(model: Whisper) -> None:
    clip = make_clip(4.7)
    result = splice(model, clip, 150, 220, language="en")
    assert result.n_frames == 300
    assert result.original == model.transcribe(clip, timestamps=False, language="en").text
    pieces = [clip.samples[at : at + 32_000] for at in (0, 32_000, 64_000)]
    first = model.transcribe(pieces[0], language="en").text
    second = splice(model, pieces[1], 50, 100, language="en").spliced
    third = splice(model, pieces[2], 0, 20, language="en").spliced
    assert result.spliced == " ".join([first, second, third])
    assert result.spliced != result.original


def test_many_stretches_at_once_are_each_on_their_own(model: Whisper, clip: Clip) -> None:
    stretches = [(start, start + 10) for start in range(0, 91, 30)]
    together = Spliceable(model, clip, None).without(stretches)
    assert [one.text for one in together] == [splice(model, clip, *stretch).spliced for stretch in stretches]
    assert Spliceable(model, clip, None).without([]) == []


def test_words_that_went_and_words_that_came_are_named(model: Whisper, clip: Clip) -> None:
    result = replace(splice(model, clip, 20, 60), original="The black tea is mine.", spliced="The glad tea is it.")
    assert (result.words_gone, result.words_new) == (("black", "mine"), ("glad", "it"))
    assert {"words gone: black, mine", "words come: glad, it"} <= {*result.summary().splitlines()}


def test_the_table_says_what_went(model: Whisper, clip: Clip) -> None:
    result = splice(model, clip, 20, 60)
    table = result.to_json()
    assert (table["original"], table["spliced"], table["frames"]) == (result.original, result.spliced, [20, 60])
    assert (table["seconds"], table["n_frames"]) == ([0.4, 1.2], 100)
    assert len(table["words_gone"]) <= table["n_words"]


def test_a_transcript_is_stopped_where_the_decoder_has_no_room_to_end_it(model: Whisper, clip: Clip) -> None:
    encoding = model.encode(clip)
    (_, whole), (_, cut) = (write_windows(model, encoding, ["en"], most_tokens=most)[0] for most in (None, 2))
    assert cut.is_stopped and cut.tokens == whole.tokens[:2]
    n_prompt = len(model.vocabulary.prompt("en", "transcribe", timestamps=False))
    longest = min(model.vocabulary.generation.max_length, model.hf.config.max_target_positions) - n_prompt
    assert whole.is_stopped == (len(whole.tokens) == longest)
    joined = join_texts([Text("en", "a"), Text("en", "", True), Text("en", "b")])
    assert joined == Text("en", "a b", True) and join_texts([]) == Text("", "")
    assert splice(model, clip, 0, 5).to_json()["stopped"] in (True, False)


def test_a_transcript_that_runs_on_is_stopped_and_no_other(model: Whisper, clip: Clip) -> None:
    encodings = model.encode(clip).expand(2, -1, -1)
    whole, _ = write_texts(model, encodings, ["en", "en"])
    tokens = write_windows(model, encodings[:1], ["en"])[0][1].tokens
    assert len(tokens) > 4
    found = write_texts(model, encodings, ["en", "en"], most_tokens=[3, len(tokens)])
    assert found == [Text("en", text_of(model, tokens[:3]), True), whole]
    assert write_texts(model, encodings, ["en", "en"], most_tokens=[10_000] * 2) == [whole] * 2
    spliceable, stretches = Spliceable(model, clip, "en"), [(0, 40), (30, 90)]
    spliceable._room = [2]  # as if the original had been as good as empty
    cut, full = spliceable.without(stretches, cuts_loops=True), spliceable.without(stretches)
    assert all(part.is_stopped for part in cut)
    assert cut != full and all(one.text.startswith(part.text) for part, one in zip(cut, full, strict=True))
