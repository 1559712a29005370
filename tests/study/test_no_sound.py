from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.audio.clip import Clip
from otoscope.audio.nonspeech import nonspeech
from otoscope.base.errors import InputError
from otoscope.model.whisper import Whisper
from otoscope.study.bigrams.no_sound import check_sounds, no_sound
from otoscope.study.bigrams.settings import SOUNDS
from tests.study.conftest import make_clip


def test_padding_is_what_a_window_of_zeros_gives(model: Whisper) -> None:
    zeros = np.zeros(model.window_samples, np.float32)
    torch.testing.assert_close(no_sound(model, "padding").encoding, model.encode(zeros))


@pytest.mark.parametrize("kind", ["silence", "noise", "music"])
def test_other_sounds_fill_one_window(model: Whisper, kind: str) -> None:
    found = no_sound(model, kind, level_dbfs=-30, seed=2)
    clip = nonspeech(kind, model.window_s, level_dbfs=-30, seed=2)
    torch.testing.assert_close(found.encoding, model.encode(clip))
    assert found.label == ("silence at −75 dBFS" if kind == "silence" else f"{kind} at −30 dBFS")


def test_the_mean_is_that_of_all_windows_position_by_position(model: Whisper) -> None:
    clips: list[Clip] = [make_clip(0.5 * seed, seed=seed) for seed in range(1, 11)]
    windows = torch.cat([model.encode(clip) for clip in clips])
    done: list[tuple[int, int]] = []
    found = no_sound(model, "mean", clips=clips, progress=lambda *at: done.append(at))
    torch.testing.assert_close(found.encoding, windows.mean(dim=0, keepdim=True))
    assert found.label == f"the mean of {len(windows)} windows" and len(windows) > len(clips)
    assert done[-1] == (10, 10)


def test_edits_reach_every_sound(model: Whisper) -> None:
    with model.edit({"encoder.ln_post": lambda x: x * 0 + 1}):
        for sound in SOUNDS:
            encoding = no_sound(model, sound, clips=[make_clip()]).encoding
            assert encoding.shape == (1, model.n_frames, model.d_model) and (encoding == 1).all()


def test_a_sound_named_twice_is_one() -> None:
    assert check_sounds(["noise", "padding", "noise"]) == ("noise", "padding")


def test_no_sound_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="no sound was named"):
        check_sounds([])
