from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from otoscope.audio.clip import Clip
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError, SiteError
from otoscope.corpus import open_corpus
from otoscope.model.encoder_start import encoder_start
from otoscope.model.load import load
from otoscope.model.whisper import Whisper
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.saelens_files import save_dictionary
from otoscope.study.dream.ascent import clamped, driven_site, padded, shifted, strengths_of
from otoscope.study.dream.experiment import dream
from otoscope.study.dream.real import strongest_in_corpus
from otoscope.study.dream.settings import DreamSettings
from otoscope.study.feature import feature_named
from tests.model.tiny import tiny_hf, tiny_tokenizer
from tests.study.conftest import build

SITE = "encoder.blocks.1.mlp.1"
FAST = DreamSettings(steps=12, sound=False)


def at(*numbers: int, site: str = SITE) -> list[str]:
    return [f"{site}:{number}" for number in numbers]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("site", ["encoder.conv2", "encoder.blocks.0", SITE, "encoder.blocks.2.attn.key"])
def test_every_feature_is_driven_above_every_frame_of_the_start(site: str, seed: int) -> None:
    result = dream(build(seed=seed), at(0, 3, 5, 11, site=site), settings=replace(FAST, steps=25, jitter=0))
    assert result.share_above_start is not None and result.share_above_start.value == 1
    for each in result.features:
        assert each.strength > each.start_strength and each.curve[0] == pytest.approx(each.start_strength, abs=1e-5)


def test_features_of_the_random_basis_are_driven_too(model: Whisper) -> None:
    feature = feature_named(model, f"{SITE}:2", "random", seed=4)
    each = dream(model, feature, settings=replace(FAST, steps=25, jitter=0)).features[0]
    assert each.strength > each.start_largest and each.driven_at == SITE


def test_a_silent_neuron_is_driven_by_what_goes_into_it(model: Whisper) -> None:
    neuron = feature_named(model, f"{SITE}:0")
    assert driven_site(neuron) == "encoder.blocks.1.mlp.0"
    with model.edit({"encoder.blocks.1.mlp.0": lambda x: x - 20}):  # after GELU there is nothing left to climb
        result = dream(model, neuron, settings=replace(FAST, steps=3, jitter=0))
        before = strengths_of(model, replace(neuron, site=driven_site(neuron)), torch.tensor(result.start_mel)[None])
        after = strengths_of(
            model, replace(neuron, site=driven_site(neuron)), torch.tensor(result.features[0].mel)[None]
        )
    middle = result.features[0].frames[0]
    assert result.features[0].start_strength == 0 and after[0, middle] > before[0, middle]


def test_a_feature_of_a_dictionary_is_driven_over_its_threshold(model: Whisper, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = {"W_enc": (16, 40), "W_dec": (40, 16), "b_enc": (40,), "b_dec": (16,)}
    weights = {name: 0.3 * torch.randn(*shape, generator=generator) for name, shape in shapes.items()}
    mel = model.windows(np.zeros(320, np.float32)).mel
    held = encoder_start(model, mel, "encoder.blocks.1")["encoder.blocks.1"][0]
    threshold = held @ weights["W_enc"] + weights["b_enc"]
    weights["threshold"] = threshold.amax(dim=0).clamp_min(0) + 1.0
    metadata = {"site": "encoder.blocks.1", "model": model.id, "weights_hash": model.weights_hash}
    save_dictionary(Dictionary("jumprelu", weights, False, "none", False, None, metadata), tmp_path / "own")
    feature = feature_named(model, "encoder.blocks.1:7", f"sae:{tmp_path / 'own'}")
    each = dream(model, feature, settings=replace(FAST, steps=40, jitter=0)).features[0]
    assert each.start_strength == 0  # where the strength has no gradient at all
    assert each.strength >= float(weights["threshold"][7]) and each.name.endswith("own)")


def test_a_batch_dreams_what_each_feature_dreams_alone(model: Whisper) -> None:
    together = dream(model, at(1, 2, 3), settings=replace(FAST, batch_size=2))
    for each in together.features:
        alone = dream(model, each.name, settings=FAST).features[0]
        assert alone.strength == pytest.approx(each.strength, rel=0.01)
        assert np.allclose(alone.mel, each.mel, atol=0.02)


def test_the_same_seed_gives_the_same_dream_and_another_seed_another(model: Whisper) -> None:
    first, again = (dream(model, f"{SITE}:1", settings=FAST) for _ in range(2))
    other = dream(model, f"{SITE}:1", settings=replace(FAST, seed=1))
    assert np.array_equal(first.features[0].mel, again.features[0].mel)
    assert not np.allclose(first.features[0].mel, other.features[0].mel)


def test_the_strength_is_that_of_the_dreamt_log_mel_in_the_whole_encoder(model: Whisper) -> None:
    result = dream(model, f"{SITE}:1", settings=replace(FAST, frames=(10, 14), length_s=1.0)).features[0]
    n = result.mel.shape[1]
    window = torch.full((1, model.n_mels, 2 * model.n_frames), float(result.mel.max() - 2))
    window[0, :, :n] = torch.tensor(result.mel)
    with model.reading(SITE) as tape:
        model.encode_mel(window)
    own = tape[SITE][0, :, 1].numpy()
    assert n == 100 and result.frames == (10, 14)
    assert np.allclose(result.strengths, own[:50], atol=1e-5)
    assert result.strength == pytest.approx(own[10:14].mean(), abs=1e-5) == pytest.approx(result.curve[-1], abs=1e-5)


def test_clamped_dreams_are_as_log_mels_are_and_unclamped_ones_go_further(model: Whisper) -> None:
    own = replace(FAST, learning_rate=1.0, smooth=0.0)
    kept, free = (
        dream(model, f"{SITE}:1", settings=replace(own, clamp=clamp)).features[0].mel for clamp in (True, False)
    )
    assert kept.max() <= 1.5 and kept.min() >= max(-1.5, kept.max() - 2)
    assert free.max() > 1.5 or free.min() < free.max() - 2


def test_clamping_does_what_the_normalisation_of_a_log_mel_does() -> None:
    mel = torch.tensor([[[9.0, 0.0, -9.0]], [[-1.0, -2.0, -1.2]]])
    assert torch.allclose(clamped(mel), torch.tensor([[[1.5, 0.0, -0.5]], [[-1.0, -1.5, -1.2]]]))


def test_padding_is_what_a_recording_of_that_length_is_filled_up_with(model: Whisper, clip: Clip) -> None:
    mel = model.windows(clip).mel
    n = 2 * (len(clip.samples) // 320) + 4
    assert torch.allclose(padded(model, mel[..., :n]), mel, atol=1e-6)


def test_a_shift_moves_columns_and_repeats_the_one_at_the_edge() -> None:
    mel = torch.arange(4.0).expand(1, 1, 4)
    assert shifted(mel, 1)[0, 0].tolist() == [0, 0, 1, 2] and shifted(mel, -2)[0, 0].tolist() == [2, 3, 3, 3]


def test_smoothness_makes_dreams_smoother_and_staying_keeps_them_near_the_start(model: Whisper) -> None:
    def roughness(mel: np.ndarray) -> float:
        return float(sum((np.diff(mel, axis=axis) ** 2).sum() for axis in (0, 1)))

    base = replace(FAST, smooth=0.0)
    free = dream(model, f"{SITE}:1", settings=base)
    smooth = dream(model, f"{SITE}:1", settings=replace(base, smooth=3.0))
    near = dream(model, f"{SITE}:1", settings=replace(base, stay=20.0))
    assert roughness(smooth.features[0].mel) < roughness(free.features[0].mel)
    moved = [float(((each.features[0].mel - each.start_mel) ** 2).sum()) for each in (near, free)]
    assert moved[0] < moved[1]


def test_a_recording_is_dreamt_on_from_the_frame_that_drives_the_feature_most(model: Whisper, clip: Clip) -> None:
    result = dream(model, f"{SITE}:1", clip, settings=replace(FAST, steps=25, jitter=0))
    own = strengths_of(model, feature_named(model, f"{SITE}:1"), model.windows(clip).mel[..., :160])[0]
    best = int(own.argmax())
    assert result.start == clip.id and result.start_mel.shape == (80, 160)
    assert result.features[0].frames == (best, best + 1)
    assert result.features[0].strength > result.features[0].start_strength == pytest.approx(own.max(), abs=1e-4)


def test_the_strongest_real_moment_is_that_of_a_search_through_all_frames(model: Whisper, clips: list[Clip]) -> None:
    features = [feature_named(model, name) for name in at(0, 4)]
    long = replace(clips[0], samples=np.concatenate([each.samples for each in clips]), id="long")  # of two windows
    calls: list[tuple[int, int]] = []
    found = strongest_in_corpus(model, features, [*clips, long], progress=lambda *done: calls.append(done))
    for feature, moment in zip(features, found.moments, strict=True):
        rows = []
        for clip in [*clips, long]:
            windows = model.windows(clip)
            values = model.activations(clip, SITE)[SITE][..., feature.index].numpy().ravel()
            kinds = windows.kinds.ravel()
            rows += [(values[i], clip.id, i) for i in range(len(values)) if kinds[i] == Kind.SPEECH]
        best = max(rows)
        assert moment is not None and moment.mel is not None
        assert (moment.strength, moment.clip_id, moment.frame) == (pytest.approx(best[0], abs=1e-5), *best[1:])
    assert found.n_frames == len(rows) and found.n_clips == 4 and calls[-1] == (4, 4)


def test_the_sound_of_a_dream_is_heard_by_the_model(model: Whisper, clips: list[Clip]) -> None:
    result = dream(model, f"{SITE}:1", settings=replace(FAST, sound=True, length_s=1.0), real=clips).features[0]
    assert result.sound is not None and result.real is not None
    assert result.sound.samples.shape == (16_000,)
    values = model.activations(result.sound.samples, SITE)[SITE][0, result.frames[0], 1]
    assert result.sound.strength == pytest.approx(values.item(), abs=1e-4)
    mel = model.windows(result.sound.samples).mel[0, :, :100].numpy()
    assert result.sound.correlation == pytest.approx(np.corrcoef(mel.ravel(), result.mel.ravel())[0, 1], abs=1e-4)
    assert result.sound_beats_real == (result.sound.strength > result.real.strength)


def test_a_feature_that_no_real_moment_drives_above_zero_counts_in_no_share(model: Whisper, clips: list[Clip]) -> None:
    neurons = at(*range(12))
    with model.edit({"encoder.blocks.1.mlp.1": lambda x: x + 5.5 - torch.arange(x.shape[-1])}):  # falling
        result = dream(model, neurons, settings=replace(FAST, steps=1), real=clips)
    strengths = [each.real.strength for each in result.features if each.real is not None]
    n_active = sum(strength > 0 for strength in strengths)
    assert len(strengths) == 12 and 0 < n_active < 12
    assert len(result.compared) == n_active == result.to_json()["n_compared"]
    share = result.share_above_real
    assert share is not None and share.value == sum(bool(each.beats_real) for each in result.compared) / n_active


@pytest.mark.parametrize("n_mels", [80, 128])
def test_any_window_and_any_number_of_bands(n_mels: int) -> None:
    model = Whisper(tiny_hf(seconds=3, d_model=16, n_mels=n_mels), tiny_tokenizer(), id="tiny", weights_hash="0")
    result = dream(model, "encoder.ln_post:3", settings=replace(FAST, sound=True, steps=8))
    assert result.features[0].mel.shape == (n_mels, 200) and result.features[0].sound is not None
    whole = dream(model, "encoder.ln_post:3", settings=replace(FAST, length_s=3.0, steps=2))
    assert whole.features[0].mel.shape == (n_mels, 300)


def test_half_precision_is_driven_too() -> None:
    model = build()
    model.hf.to(torch.bfloat16)
    result = dream(model, f"{SITE}:1", settings=FAST).features[0]
    assert result.strength > result.start_strength and result.mel.dtype == np.float32


def test_outer_readings_see_no_dream(model: Whisper) -> None:
    with model.reading(SITE) as tape:
        dream(model, f"{SITE}:1", settings=replace(FAST, steps=2))
    assert len(tape) == 0 and not any(parameter.requires_grad for parameter in model.hf.parameters())


def test_files_of_one_dream_and_of_several(model: Whisper, clips: list[Clip], tmp_path: Path) -> None:
    own = replace(FAST, sound=True, steps=4, length_s=0.6)
    one = dream(model, f"{SITE}:1", settings=own, real=clips)
    written = one.save(tmp_path / "one")
    assert {path.name for path in written} == {"dream.json", "dream.npz", "dream.png", "dream.flac"}
    sound, rate = soundfile.read(tmp_path / "one" / "dream.flac")
    assert (len(sound), rate) == (9600, 16_000) and np.abs(sound).max() <= 1

    two = dream(model, at(1, 2), settings=own)
    names = {path.name for path in two.save(tmp_path / "two")}
    stems = {f"encoder.blocks.1.mlp.1_neuron_{number}" for number in (1, 2)}
    assert names == {"dream.json", "dream.npz", "dream.png"} | {
        f"{stem}.{end}" for stem in stems for end in ("png", "flac")
    }
    with np.load(tmp_path / "two" / "dream.npz") as arrays:
        assert arrays["mel"].shape == (2, 80, 60) and arrays["curve"].shape == (2, 5)
        assert arrays["strengths"].shape == (2, 30) and arrays["start_mel"].shape == (80, 60)
    assert two.to_json()["compared_with"] is None and two.share_above_real is None


def test_progress_goes_over_all_batches(model: Whisper) -> None:
    calls: list[tuple[int, int]] = []
    dream(model, at(1, 2, 3), settings=replace(FAST, steps=2, batch_size=2), progress=lambda *done: calls.append(done))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_sites_and_windows_that_are_not_there_are_refused(model: Whisper, clip: Clip) -> None:
    with pytest.raises(SiteError, match=r"Nearest: encoder\.blocks"):
        dream(model, "encoder.blocks.7.mlp.1:1", settings=FAST)
    with pytest.raises(InputError, match="it has window 0 alone"):
        dream(model, at(1), clip, settings=FAST, window=1)


@pytest.mark.slow
def test_dreams_drive_most_neurons_of_the_demo_model_more_than_any_demo_clip_does() -> None:
    model = load("demo")
    clips = list(open_corpus("demo"))
    names = at(*range(5, 640, 160), site="encoder.blocks.2.mlp.1")
    result = dream(model, names, settings=DreamSettings(steps=60), real=clips)
    beaten, start = result.share_above_real, result.share_of_starts_above_real
    assert beaten is not None and start is not None and beaten.value > 0.5 > start.value
    assert all(each.sound is not None and each.sound.correlation > 0.7 for each in result.features)
