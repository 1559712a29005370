from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from otoscope.audio.clip import Clip
from otoscope.audio.nonspeech import NONSPEECH
from otoscope.model.whisper import Whisper
from otoscope.study.error_rate import words_of
from otoscope.study.steer.experiment import steer
from otoscope.study.steer.settings import SoundsSettings
from otoscope.study.steer.sounds import made_sounds, steer_sounds
from otoscope.study.steer.steering import add_direction, scale_head
from tests.study.test_steering import direction


def test_every_kind_is_steered_like_any_recording_and_speech_in_the_same_table(
    model: Whisper, clips: list[Clip], tmp_path: Path
) -> None:
    change = add_direction(model, direction())
    result = steer_sounds(model, clips, [change], [0.0, 9.0], n_sounds=6, language="en", seed=2)
    made = made_sounds(model, SoundsSettings(n_sounds=6, seed=2))
    assert result.speech == steer(model, clips, [change], [0.0, 9.0], language="en", seed=2)
    table = result.to_json()
    for kind, row in zip(result.sounds, table["sounds"], strict=True):
        alone = steer(model, made[kind.kind], [change], [0.0, 9.0], language="en", seed=2)
        assert kind.result == alone
        n_words = [len(words_of(text)) for text in alone.steered[1].texts[0]]
        assert row["steered"][1]["words_per_sound"]["value"] == pytest.approx(np.mean(n_words), abs=1e-6)
        assert row["steered"][1]["with_words"]["value"] == pytest.approx(np.mean(np.array(n_words) > 0), abs=1e-6)
        assert row["steered"][0]["change"] == {"value": 0, "low": 0, "high": 0}
        before = [len(words_of(text)) for text in alone.clean]
        assert row["steered"][1]["change"]["value"] == pytest.approx(np.mean(n_words) - np.mean(before), abs=1e-6)
    assert [row["kind"] for row in table["sounds"]] == list(NONSPEECH)
    assert [path.name for path in result.save(tmp_path)] == ["steer_sounds.json", "steer_sounds.png"]
    assert json.loads((tmp_path / "steer_sounds.json").read_text()) == table
    assert (tmp_path / "steer_sounds.png").read_bytes().startswith(b"\x89PNG")


def test_draws_of_one_sound_are_averaged(model: Whisper) -> None:
    result = steer_sounds(model, [], [add_direction(model, direction())], [9.0], n_sounds=3, draws=2)
    kind = result.sounds[1]
    draws = kind.result.random[0].texts
    wanted = [(len(words_of(a)) + len(words_of(b))) / 2 for a, b in zip(*draws, strict=True)]
    assert kind.per_sound(kind.result.random[0]) == wanted
    assert result.speech is None and result.to_json()["speech"] is None


def test_sounds_are_half_a_window_long_and_take_their_levels_in_turn(model: Whisper) -> None:
    made = made_sounds(model, SoundsSettings(n_sounds=4, levels_dbfs=(-50.0, -30.0)))
    assert {clip.duration_s for clips in made.values() for clip in clips} == {model.window_s / 2}
    levels = [20 * np.log10(np.sqrt(np.mean(clip.samples**2))) for clip in made["noise"]]
    assert levels == pytest.approx([-50, -30, -50, -30], abs=0.1)
    assert len({clip.samples.tobytes() for clips in made.values() for clip in clips}) == 12


def test_all_is_told_as_done(model: Whisper, clips: list[Clip]) -> None:
    told: list[tuple[int, int]] = []
    change = scale_head(model, "decoder.0.attn.0")
    steer_sounds(model, clips, [change], n_sounds=2, draws=0, progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (9, 9) and [done for done, _ in told] == sorted(done for done, _ in told)
