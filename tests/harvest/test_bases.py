from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError, SiteError
from otoscope.corpus import open_corpus
from otoscope.harvest.activity import PADDING_FRAMES, TRAINED, UNTRAINED, EncoderReader, check_sites
from otoscope.harvest.bases import Directions, check_bases, groups_of, principal_components
from otoscope.harvest.run import run_harvest as harvest_model
from otoscope.harvest.settings import HarvestSettings
from otoscope.model.load import load
from otoscope.model.untrained import untrained
from tests.harvest import twin
from tests.harvest.comparing import assert_all_equal
from tests.harvest.fake import WINDOW, FakeClip, harvest, smooth
from tests.harvest.made_dictionary import write_dictionary

D = 12


def spoken(seed: int = 0, n_clips: int = 5) -> list[FakeClip]:
    """Clips of speech and silence whose values are correlated and far from zero, with an untrained twin."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(D, D)) * np.linspace(0.1, 3, D)
    clips = []
    for number in range(n_clips):
        n = 2 * WINDOW
        kinds = np.where(rng.random(n) < 0.7, Kind.SPEECH, Kind.SILENCE).astype(np.int8)
        x = smooth(rng, n, D) @ mix + 5
        other = smooth(rng, n, D).astype(np.float32)
        clips.append(FakeClip(str(number), kinds, {"site": x.astype(np.float32)}, untrained={"site": other}))
    return clips


def speech(clips: list[FakeClip], *, first_window: bool = False, which: str = "values") -> np.ndarray:
    stop = WINDOW if first_window else None
    rows = [getattr(clip, which)["site"][:stop][clip.kinds[:stop] == Kind.SPEECH] for clip in clips]
    return np.concatenate(rows).astype(np.float64)


# directions


def test_random_is_orthogonal_and_differs_by_site_and_seed() -> None:
    groups = groups_of({"a": 40, "b": 40}, ["random"], {}, 0)
    one, other = (group.directions.matrix for group in groups)
    again = groups_of({"a": 40}, ["random"], {}, 0)[0].directions.matrix
    reseeded = groups_of({"a": 40}, ["random"], {}, 1)[0].directions.matrix
    assert one is not None and other is not None and again is not None and reseeded is not None
    torch.testing.assert_close(one.T @ one, torch.eye(40), atol=1e-5, rtol=0)
    assert torch.equal(one, again) and not torch.equal(one, other) and not torch.equal(one, reseeded)
    assert one.abs().max() < 0.7, "it is no permutation"


def test_random_directions_are_drawn_evenly() -> None:
    matrices = [groups_of({"a": 4}, ["random"], {}, seed)[0].directions.matrix for seed in range(400)]
    entries = np.stack([matrix.numpy() for matrix in matrices if matrix is not None])
    np.testing.assert_allclose(entries.mean(axis=0), 0, atol=5 * 0.5 / 20)
    np.testing.assert_allclose((entries**2).mean(axis=0), 0.25, atol=0.06)


def test_components_are_those_of_the_covariance_strongest_first_and_of_one_sign() -> None:
    x = spoken()[0].values["site"].astype(np.float64)
    found = principal_components(x.mean(axis=0), np.cov(x.T, bias=True))
    assert found.matrix is not None and found.centre is not None
    _, singular, vectors = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    strengths = found.strengths(torch.from_numpy(x.astype(np.float32))).numpy()
    np.testing.assert_allclose(strengths.std(axis=0), singular / np.sqrt(len(x)), rtol=1e-3)
    for component, vector in zip(found.matrix.numpy().T, vectors, strict=True):
        assert abs(component @ vector) == pytest.approx(1, abs=1e-3)
        assert component[np.abs(component).argmax()] > 0


def test_plain_directions_leave_activations_as_they_are() -> None:
    x = torch.randn(3, 4, dtype=torch.float16)
    assert torch.equal(Directions().strengths(x), x.float())


# in a run


def test_pca_rests_on_all_speech_frames_of_the_windows_looked_at(tmp_path: Path) -> None:
    clips = spoken()
    run = harvest(clips, tmp_path / "run", bases=("pca",))
    x = speech(clips, first_window=True)
    mean = x.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov((x - mean).T, bias=True))
    vectors = vectors[:, ::-1]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(D)])
    strengths = (speech(clips) - mean) @ vectors
    columns = run.features(run.groups[0])
    np.testing.assert_allclose(columns["mean"], strengths.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(columns["variance"], strengths.var(axis=0), rtol=1e-4)
    np.testing.assert_allclose(columns["maximum"], strengths.max(axis=0), rtol=1e-3, atol=1e-3)


def test_each_basis_reads_what_it_says(tmp_path: Path) -> None:
    clips = spoken()
    folder = write_dictionary(tmp_path / "sae")
    run = harvest(clips, tmp_path / "run", bases=("neuron", "random", "untrained", f"sae:{folder}"), seed=3)
    assert [group[:3] for group in run.groups] == [
        ("site", "neuron", D), ("site", "random", D), ("site", "untrained", D), ("site", f"sae:{folder}", 30),
    ]  # fmt: skip
    x = speech(clips)
    matrix = groups_of({"site": D}, ["random"], {}, 3)[0].directions.matrix
    assert matrix is not None
    weights = sae_weights(folder)
    encoded = np.maximum((x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"], 0)
    wanted = [x, x @ matrix.double().numpy(), speech(clips, which="untrained"), encoded]
    for group, strengths in zip(run.groups, wanted, strict=True):
        columns = run.features(group)
        np.testing.assert_allclose(columns["mean"], strengths.mean(axis=0), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(columns["maximum"], strengths.max(axis=0), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(columns["share_above_zero"], (strengths > 0).mean(axis=0), atol=0.02)


def sae_weights(folder: Path) -> dict[str, np.ndarray]:
    return {name: weight.astype(np.float64) for name, weight in load_file(folder / "sae_weights.safetensors").items()}


def test_the_same_strength_in_every_basis_has_its_own_sample(tmp_path: Path) -> None:
    clips = spoken()
    for clip in clips:
        clip.untrained = clip.values
    run = harvest(clips, tmp_path / "run", bases=("neuron", "untrained"), samples=3)
    one, other = (run.ranges(group) for group in run.groups)
    np.testing.assert_array_equal(one.n_peaks, other.n_peaks)
    assert (one.frame != other.frame).any()


# what is refused


def test_a_basis_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no basis 'ica': give neuron, random, pca, untrained, or sae:DIR"):
        check_bases(["neuron", "ica"])
    with pytest.raises(InputError, match="dictionary '.*nowhere' does not exist"):
        check_bases([f"sae:{tmp_path / 'nowhere'}"])
    check_bases(["neuron", "random", "pca", "untrained", f"sae:{write_dictionary(tmp_path / 'sae')}"])


def test_a_dictionary_goes_to_the_site_it_names_or_to_the_only_one_it_fits(tmp_path: Path) -> None:
    plain = f"sae:{write_dictionary(tmp_path / 'plain')}"
    named = f"sae:{write_dictionary(tmp_path / 'named', site='encoder.blocks.1')}"
    widths = {"encoder.blocks.0": D, "encoder.blocks.1": D, "encoder.blocks.0.mlp.1": 4 * D}
    assert [group.site for group in groups_of(widths, [named], {}, 0)] == ["encoder.blocks.1"]
    assert [group.site for group in groups_of({"x": D, "y": 1}, [plain], {}, 0)] == ["x"]
    with pytest.raises(
        InputError, match="takes 12 values and does not say of which site: 2 of the named sites have tha"
    ):
        groups_of(widths, [plain], {}, 0)
    with pytest.raises(InputError, match="does not say of which site: 0 of the named"):
        groups_of({"x": 3}, [plain], {}, 0)
    with pytest.raises(
        InputError, match="was trained on site 'encoder.blocks.1', which is not among .* Add --site enc"
    ):
        groups_of({"encoder.blocks.0": D}, [named], {}, 0)
    with pytest.raises(InputError, match="takes 12 values, and its site 'encoder.blocks.1' holds 5"):
        groups_of({"encoder.blocks.1": 5}, [named], {}, 0)


def test_dictionaries_of_a_run_go_each_to_its_own_site(tmp_path: Path) -> None:
    for block, n_features in enumerate((30, 20, 10)):
        write_dictionary(tmp_path / "run" / str(block), n_features=n_features, site=f"encoder.blocks.{block}")
    basis = f"sae:{tmp_path / 'run'}"
    widths = {"encoder.blocks.2": D, "encoder.blocks.0": D, "encoder.blocks.0.mlp.1": 4 * D}
    groups = groups_of(widths, [basis, "neuron"], {}, 0)
    assert [(group.site, group.basis, group.n_features) for group in groups] == [
        ("encoder.blocks.2", basis, 10), ("encoder.blocks.2", "neuron", D), ("encoder.blocks.0", basis, 30),
        ("encoder.blocks.0", "neuron", D), ("encoder.blocks.0.mlp.1", "neuron", 4 * D),
    ]  # fmt: skip
    assert check_bases([basis, "neuron"], widths) == sum(group.n_features for group in groups)
    with pytest.raises(InputError, match="holds dictionaries of 'encoder.blocks.0', .* Add --site encoder.blocks.0"):
        groups_of({"encoder.blocks.5": D}, [basis], {}, 0)


def test_two_dictionaries_of_one_site_are_refused(tmp_path: Path) -> None:
    for name in "ab":
        write_dictionary(tmp_path / "run" / name, site="encoder.blocks.1")
    with pytest.raises(
        InputError, match="holds more than one dictionary of site 'encoder.blocks.1'. Name .* --basis sae:"
    ):
        groups_of({"encoder.blocks.1": D}, [f"sae:{tmp_path / 'run'}"], {}, 0)


def test_a_run_with_one_dictionary_is_that_dictionary(tmp_path: Path) -> None:
    write_dictionary(tmp_path / "run" / "only")
    (group,) = groups_of({"x": D}, [f"sae:{tmp_path / 'run'}"], {}, 0)
    assert (group.site, group.basis, group.n_features) == ("x", f"sae:{tmp_path / 'run'}", 30)


def test_force_puts_a_dictionary_on_another_site_of_its_width(tmp_path: Path) -> None:
    basis = f"sae:{write_dictionary(tmp_path / 'named', site='encoder.blocks.1')}"
    with pytest.raises(InputError, match="--force to try it on another"):
        groups_of({"encoder.blocks.0": D}, [basis], {}, 0)
    assert [group.site for group in groups_of({"encoder.blocks.0": D}, [basis], {}, 0, force=True)] == [
        "encoder.blocks.0"
    ]
    with pytest.raises(InputError, match="0 of the named sites have that width"):
        groups_of({"encoder.blocks.0": 5}, [basis], {}, 0, force=True)


def test_a_dictionary_of_other_weights_is_refused_before_any_work(
    model_folder: Path, recordings: Path, tmp_path: Path
) -> None:
    model, clips = load(model_folder), open_corpus(recordings)
    site = "encoder.blocks.1"
    own, other = (
        f"sae:{write_dictionary(tmp_path / name, d_in=32, site=site, weights_hash=weights_hash)}"
        for name, weights_hash in (("own", model.weights_hash), ("other", "0123"))
    )
    settings = HarvestSettings((site,), bases=(other,), lag=0)
    with pytest.raises(
        InputError, match="'sae:.*other' was trained on a model with weights 0123, and is to be used on"
    ):
        harvest_model(model, clips, settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    forced = harvest_model(model, clips, replace(settings, force=True), tmp_path / "run")
    assert [group.basis for group in forced.groups] == [other]
    assert "force" not in forced.manifest["settings"], "it changes no result"
    plain = harvest_model(model, clips, replace(settings, bases=(own,)), tmp_path / "plain")
    again = harvest_model(model, clips, replace(settings, bases=(own,), force=True), tmp_path / "plain")
    assert again.manifest == plain.manifest


# a real encoder


def test_the_reader_reads_each_window_by_itself(model_folder: Path, recordings: Path) -> None:
    model, clips = load(model_folder), open_corpus(recordings)
    sites = ["encoder.blocks.0.mlp.1", "encoder.blocks.1"]
    reader = EncoderReader(model, sites, untrained_seed=3)
    assert reader.widths == {"encoder.blocks.0.mlp.1": 128, "encoder.blocks.1": 32}
    clip = clips.read(clips.sources[3])
    other = untrained(model, 3)
    found = list(reader.windows(clip))
    assert [activity.first_frame for activity in found] == [0, 100, 200]
    windows = model.windows(clip)
    for number, activity in enumerate(found):
        np.testing.assert_array_equal(activity.kinds, windows.kinds[number])
        for which, each in ((TRAINED, model), (UNTRAINED, other)):
            with each.reading(sites) as tape:
                each.encode_mel(windows.mel[number : number + 1])
            for site in sites:
                assert torch.equal(activity.values[which, site], tape[site][0])
        assert not torch.equal(activity.values[TRAINED, sites[0]], activity.values[UNTRAINED, sites[0]])


def test_untrained_is_seeded(model_folder: Path, recordings: Path) -> None:
    model, clips = load(model_folder), open_corpus(recordings)
    clip = clips.read(clips.sources[0])
    found = [next(EncoderReader(model, ["encoder.blocks.0"], seed).windows(clip)) for seed in (0, 0, 1)]
    one, again, other = (activity.values[UNTRAINED, "encoder.blocks.0"] for activity in found)
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_a_run_over_a_real_encoder_equals_plain_loops(model_folder: Path, recordings: Path, tmp_path: Path) -> None:
    model, clips = load(model_folder), open_corpus(recordings)
    site = "encoder.blocks.1.mlp.1"
    run = harvest_model(model, clips, HarvestSettings((site,), part_clips=3, lag=1), tmp_path / "run")
    heard = []
    for number, clip in enumerate(open_corpus(recordings)):
        with model.reading([site]) as tape:
            for window in model.each_window(clip):
                model.encode_mel(window.mel)
        kinds = model.windows(clip).kinds.ravel()
        n = run.clips[number].n_frames
        padding = np.linspace(n, len(kinds) - 1, min(PADDING_FRAMES, len(kinds) - n)).round().astype(int)
        looked_at = np.concatenate([np.arange(n), padding])
        phones = run.clips[number].phones
        heard.append(
            twin.Heard(
                number, clip.id, kinds[looked_at], tape[site].flatten(0, 1).numpy()[looked_at], model.n_frames,
                None if phones is None else [(span.start_s, span.end_s, span.text) for span in phones],
                half=run.clips[number].half,
            )
        )  # fmt: skip
    assert len(heard) == 7 and run.manifest["n_labelled_speech_frames"] > 100
    assert_all_equal(run, run.groups[0], heard, range(0, 128, 11))


@pytest.mark.parametrize("site", ["encoder.blocks.0.attn.pattern", "decoder.blocks.0", "logits"])
def test_a_site_without_a_row_for_each_frame_is_refused(site: str, model_folder: Path) -> None:
    with pytest.raises(
        InputError, match=f"site '{site}' has axes .* a harvest reads sites of the encoder that hold one"
    ):
        check_sites(load(model_folder), [site])


def test_a_site_that_is_not_there_is_refused(model_folder: Path) -> None:
    with pytest.raises(SiteError, match="encoder.blocks.7"):
        check_sites(load(model_folder), ["encoder.blocks.7"])
