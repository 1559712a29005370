"""What functions refuse, in words; what commands refuse is in `tests/cli/test_refusals.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError
from otoscope.model.whisper import Whisper
from otoscope.study.bigrams.experiment import bigrams
from otoscope.study.bigrams.no_sound import no_sound
from otoscope.study.dictionaries.settings import CoderChoice, ScoreSettings, SweepSettings
from otoscope.study.dream.experiment import dream
from otoscope.study.dream.settings import DreamSettings
from otoscope.study.feature import feature_named
from otoscope.study.lens.curve import lens_curve
from otoscope.study.lens.encoder import encoder_lens
from otoscope.study.lens.experiment import lens
from otoscope.study.lens.heads_mean import head_lens_mean
from otoscope.study.lens.languages import language_lens
from otoscope.study.locality.experiment import locality
from otoscope.study.neighbours.experiment import neighbours
from otoscope.study.phones.settings import PhoneSettings
from otoscope.study.relevance.experiment import relevance
from otoscope.study.segments.experiment import segments
from otoscope.study.segments.pushed import pushed_up
from otoscope.study.splice.experiment import splice
from otoscope.study.splice.words import splice_words
from otoscope.study.steer.experiment import steer
from otoscope.study.steer.head_ablation import ablate_heads
from otoscope.study.steer.sounds import steer_sounds
from otoscope.study.steer.steering import add_direction, scale_head
from otoscope.study.steer.where import Where
from otoscope.study.target import TargetWord
from otoscope.study.window.heads import window_by_head
from otoscope.study.words.experiment import words
from tests.study.conftest import make_clip
from tests.study.test_steering import D, direction

SITE = "encoder.blocks.1.mlp.1"
SILENT = np.zeros(16_000, np.float32)

SETTINGS: list[tuple[Callable[..., object], dict[str, Any], str]] = [
    (ScoreSettings, {"partner": 0.0}, "partner is 0.0: give a number above 0 and up to 1"),
    (SweepSettings, {"coders": ("topk", "topk")}, "each once"),
    (SweepSettings, {"coders": ("topk",), "ks": ()}, "no k is given"),
    (DreamSettings, {"learning_rate": 0}, "learning_rate is 0: give a number above 0"),
    (DreamSettings, {"jitter": -1}, "jitter is -1"),
    (DreamSettings, {"smooth": float("inf")}, "smooth is inf"),
    (DreamSettings, {"stay": -1}, "stay is -1"),
    (DreamSettings, {"length_s": 0}, "length_s is 0"),
    (DreamSettings, {"frames": (5, 5)}, "frames 5-4 are no stretch"),
    (DreamSettings, {"frames": (-1, 5)}, "are no stretch"),
    (DreamSettings, {"batch_size": 0}, "batch_size is 0"),
    (PhoneSettings, {"auroc": 0.3}, "auroc is 0.3: give a number from 0.5 to 1"),
    (PhoneSettings, {"purity": 0.0}, "purity is 0.0: give a number above 0 and up to 1"),
    (PhoneSettings, {"top": 0}, "top is 0: give a whole number of 1 or more"),
    (PhoneSettings, {"min_frames": 0}, "min_frames is 0"),
    (CoderChoice, {"coder": "topkk"}, "coder is 'topkk': give one of batchtopk, .* Did you mean 'topk'?"),
    (CoderChoice, {"expansion": 0.0}, "expansion is 0"),
    (Where, {"frames": (5, 5)}, "are no stretch"),
    (Where, {"frames": (-1, 5)}, "are no stretch"),
    (Where, {"phones": ()}, "no phones are named"),
    (Where, {"lag": 99}, "is not plausible for an encoder"),
]


@pytest.mark.parametrize(("settings", "given", "message"), SETTINGS)
def test_settings_that_cannot_be_are_refused(
    settings: Callable[..., object], given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        settings(**given)


OF_A_MODEL: list[tuple[Callable[..., object], dict[str, Any], str]] = [
    (bigrams, {"prompts": ["dog", "  "]}, "prompt '  ' is empty: give a word"),
    (bigrams, {"prompts": []}, "no prompt was given"),
    (bigrams, {"prompts": "dog " * 30}, "is 3?[0-9]* tokens: tiny-random has room for 20 after the 4 that a transcr"),
    (bigrams, {"prompts": "<|0.00|>"}, "holds a special token: prompts are plain text"),
    (bigrams, {"prompts": "dog", "n_next": 10**6}, "n_next is 1000000, and tiny-random has [0-9]+ tokens"),
    (bigrams, {"prompts": "dog", "language": "xx"}, "language 'xx' is not one of the 100 that tiny-random knows"),
    (bigrams, {"prompts": "dog", "sound": []}, "no sound was named"),
    (bigrams, {"prompts": "dog", "sound": "mean"}, "none were given"),
    (bigrams, {"prompts": "dog", "batch_size": 0}, "batch_size is 0"),
    (no_sound, {"sound": "quiet"}, "sound 'quiet' is not known: there are padding, silence, noise, music, mean"),
    (no_sound, {"sound": "mean"}, "the mean over clips, and none were given"),
    (no_sound, {"sound": "mean", "clips": []}, "the mean over clips, and there are none"),
    (dream, {"features": []}, "no feature was named"),
    (dream, {"features": "decoder.blocks.0.cross_attn.key:1"}, "dreams are of the encoder"),
    (dream, {"features": "encoder.conv1:1"}, "one row for each frame"),
    (dream, {"features": "encoder.blocks.0.attn.pattern:1"}, "one vector for each"),
    (dream, {"features": f"{SITE}:1", "frames": (90, 101)}, "frames 90-100 go past the end: 100 frames"),
    (dream, {"features": f"{SITE}:1", "frames": (30, 31), "length_s": 0.5}, "go past the end"),
    (dream, {"features": f"{SITE}:1", "length_s": 2.5}, "does not fit"),
    (dream, {"features": f"{SITE}:1", "real": [SILENT]}, "no frame of 1 recordings is speech"),
    (feature_named, {"name": "encoder.blocks.1:-1"}, "SITE:INDEX"),
    (feature_named, {"name": "encoder.blocks.1:16"}, "0 to 15"),
    (feature_named, {"name": "encoder.blocks.*:0"}, "Name one"),
    (feature_named, {"name": "encoder.blocks.0.attn.pattern:0"}, "one vector"),
    (lens_curve, {"clips": []}, "there are no clips"),
    (language_lens, {"clips": []}, "there are no clips"),
    (head_lens_mean, {"clips": []}, "there are no clips"),
    (encoder_lens, {"clips": []}, "there are no clips"),
    (locality, {"clips": []}, r"no speech in any clip \(0 given\)"),
    (locality, {"clips": [SILENT]}, r"no speech in any clip \(1 given\): distances are measured from speech frames"),
    (locality, {"clips": [], "local_within": -1}, "local_within is -1: give a whole number of 0 or more"),
    (locality, {"clips": [], "local_share": 1.5}, "local_share is 1.5: give a number above 0 and up to 1"),
    (neighbours, {"words": ["dog", "  "]}, "word '  ' is empty"),
    (neighbours, {"words": ["🦻"]}, "has no token for '🦻', nor for a part of it that can be read"),
    (neighbours, {"words": ["<|nosuch|>"]}, r"there is no special token '<\|nosuch\|>'"),
    (pushed_up, {"clip": make_clip(3.0), "start_s": 0.5, "stop_s": 0.5}, "are no stretch"),
    (pushed_up, {"clip": make_clip(3.0), "start_s": 1.5, "stop_s": 2.5}, "lie in two windows: end at 2 s"),
    (pushed_up, {"clip": make_clip(3.0), "start_s": 0.2, "stop_s": 0.5, "top": 0}, "top is 0"),
    (pushed_up, {"clip": make_clip(3.0), "start_s": 0.2, "stop_s": 0.5, "least": 1.1}, "least is 1.1"),
    (pushed_up, {"clip": make_clip(3.0), "start_s": 0.2, "stop_s": 0.5, "context": "dog " * 40}, "leaves no room"),
    (ablate_heads, {"speech": [], "n_sounds": 0}, "n_sounds is 0"),
]


@pytest.mark.parametrize(("function", "given", "message"), OF_A_MODEL)
def test_what_cannot_be_asked_of_a_model_is_refused(
    function: Callable[..., object], given: dict[str, Any], message: str, model: Whisper
) -> None:
    with pytest.raises(InputError, match=message):
        function(model, **given)


OF_A_CLIP: list[tuple[Callable[..., object], dict[str, Any], str]] = [
    (lens, {"window": True}, "window is True: give a whole number of 0 or more"),
    (lens, {"text": "dog " * 60}, r"the text is \d+ tokens: tiny-random has room for \d+"),
    (lens, {"top": 10**9}, "top is 1000000000: give a whole number from 1"),
    (relevance, {"window": -1}, "window is -1: give a whole number of 0 or more"),
    (relevance, {"target": 100}, "target frames 100 to 101 .* it has frames 0 to 99"),
    (relevance, {"target": (-1, 5)}, "target frames -1 to 5"),
    (relevance, {"target": (1.5, 5)}, "frame 1.5 is not a whole number"),
    (relevance, {"target": "xylophone"}, r"word 'xylophone' is not in the transcript '.+'\. Give a word that occurs"),
    (relevance, {"target": TargetWord(99)}, r"word 99 is not in the transcript '.+': it has words 0 to \d+"),
    (relevance, {"target": 2.5}, r"target 2.5 is not understood: None \(the whole output\), a frame"),
    (words, {"step_s": -1}, "step_s is -1: give a number of 0.02 or more"),
    (words, {"stretch_s": 5}, "stretch_s=5 is longer than the model's window of 2 s"),
    (words, {"alignment_heads": []}, "alignment_heads is empty"),
    (words, {"language": "xx"}, "language 'xx'"),
    (splice, {"start": 5, "stop": 5}, "frames 5 to 5 are no stretch: .* stops after it starts"),
    (splice, {"start": 9, "stop": 5}, "frames 9 to 5 are no stretch"),
    (splice, {"start": -1, "stop": 5}, "frames -1 to 5 are no stretch: it starts at 0 or later"),
    (splice, {"start": 0, "stop": 101}, "go past the end: the windows of this clip hold 100 frames, 2 s"),
    (splice, {"start": 0, "stop": 2.01, "unit": "seconds"}, "seconds 0 to 2.01 go past the end"),
    (splice, {"start": 1.5, "stop": 3}, "frames 1.5 to 3 are not whole frames"),
    (splice, {"start": 0, "stop": float("inf")}, "not whole frames"),
    (splice, {"start": 0, "stop": float("inf"), "unit": "seconds"}, "inf s is not in a recording"),
    (splice, {"start": float("nan"), "stop": 3, "unit": "seconds"}, "no stretch"),
    (splice, {"start": 0, "stop": 5, "unit": "samples"}, "unit 'samples' is unknown: 'frames'"),
]


@pytest.mark.parametrize(("function", "given", "message"), OF_A_CLIP)
def test_what_cannot_be_asked_of_a_clip_is_refused(
    function: Callable[..., object], given: dict[str, Any], message: str, model: Whisper, clip: Clip
) -> None:
    with pytest.raises(InputError, match=message):
        function(model, clip, **given)


OF_CLIPS: list[tuple[Callable[..., object], dict[str, Any], str]] = [
    (segments, {"words": []}, "no word is named"),
    (segments, {"words": ["  "]}, "the word is '  '"),
    (segments, {"words": ["dog " * 40]}, "tokens, and after the start tokens there is room for"),
    (segments, {"words": "dog", "context": "dog " * 40}, "the context takes"),
    (segments, {"words": "dog", "length_s": 0.0}, "length_s is 0.0: give a number of 0.02 or more"),
    (segments, {"words": "dog", "length_s": 2.5}, r"to 2 \(a window\)"),
    (segments, {"words": "dog", "step_s": float("nan")}, "step_s is nan"),
    (segments, {"words": "dog", "sound_format": "mp3"}, "sound_format is 'mp3': give one of flac, wav"),
    (segments, {"words": "dog", "language": "xx"}, "language 'xx' is not one of"),
    (segments, {"words": "dog", "clips": []}, "there are no clips to search"),
    (splice_words, {}, "none of 3 clips has words in time: they say which frames"),
    (splice_words, {"margin_frames": -1}, "margin_frames is -1: give a whole number of 0 or more"),
    (window_by_head, {"k": -1}, "k is -1: give a whole number"),
    (window_by_head, {"most_heads": 0}, "most_heads is 0: give"),
    (steer, {"changes": []}, "nothing is to be changed"),
    (steer, {"clips": []}, "no clips were given to steer"),
    (steer, {"strengths": []}, "one or more finite numbers"),
    (steer, {"strengths": [1e9]}, "Give a smaller strength"),
    (steer, {"language": "klingon"}, "klingon"),
    (steer, {"where": Where(phones=("AA",))}, "none of 3 clips has a frame to steer: phones AA"),
    (steer_sounds, {"duration_s": -1.0}, "duration_s is -1.0: give a number above 0"),
    (steer_sounds, {"levels_dbfs": ()}, "no level is given"),
    (steer_sounds, {"levels_dbfs": (3.0,)}, "dBFS cannot be used"),
    (steer_sounds, {"changes": []}, "nothing is to be changed"),
]


@pytest.mark.parametrize(("function", "given", "message"), OF_CLIPS)
def test_what_cannot_be_asked_of_clips_is_refused(
    function: Callable[..., object], given: dict[str, Any], message: str, model: Whisper, clips: list[Clip]
) -> None:
    changes = {steer: [add_direction(model, direction())], steer_sounds: [scale_head(model, "decoder.0.attn.0")]}
    given = {"changes": changes[function], **given} if function in changes else dict(given)
    with pytest.raises(InputError, match=message):
        function(model, given.pop("clips", clips), **given)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"d": 5}, "has 5 values, and site"),
        ({"vector": np.full(D, np.nan, np.float32)}, "not finite"),
        ({"vector": np.full(D, np.inf, np.float32)}, "not finite"),
        ({"vector": np.zeros(D, np.float32)}, "is all zeros"),
        ({"site": ""}, "names no site"),
        ({"weights_hash": "another"}, "was found in model"),
        ({"site": "encoder.blocks.0.attn.pattern"}, "has axes|has 16 values"),
    ],
)
def test_vectors_that_cannot_be_added_are_refused(model: Whisper, made: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        add_direction(model, direction(**made))
