from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.base.errors import InputError, SiteError
from otoscope.harvest.bases import groups_of
from otoscope.model.whisper import Whisper
from otoscope.sae.dictionary import TENSORS, Dictionary
from otoscope.sae.files import save_dictionary
from otoscope.study.feature import feature_named

SITE, D, N = "encoder.blocks.1", 16, 40


def dictionary(architecture: str = "jumprelu", **metadata: str) -> Dictionary:
    generator = torch.Generator().manual_seed(0)
    axes = {"d_in": D, "d_sae": N}
    weights = {
        name: torch.randn(*(axes[axis] for axis in shape), generator=generator) * 0.3
        for name, shape in TENSORS[architecture].items()
    }
    k = 4 if architecture == "topk" else None
    return Dictionary(architecture, weights, True, "none", architecture == "topk", k, {"site": SITE, **metadata})


def vectors() -> torch.Tensor:
    return torch.randn(2, 7, D, generator=torch.Generator().manual_seed(1))


def test_a_neuron_is_an_axis(model: Whisper) -> None:
    found, x = feature_named(model, f"{SITE}:3"), vectors()
    assert torch.equal(found.strengths(x), x[..., 3]) and torch.equal(found.drive(x), x[..., 3])
    assert np.array_equal(found.direction().vector, np.eye(D, dtype=np.float32)[3])
    assert found.direction().check(model) == SITE and found.name == f"{SITE}:3"


def test_a_random_feature_is_that_of_a_harvest_with_the_same_seed(model: Whisper) -> None:
    found, x = feature_named(model, f"{SITE}:3", "random", seed=5), vectors()
    theirs = groups_of({SITE: D}, ["random"], {}, 5)[0].directions.strengths(x.flatten(0, 1))[:, 3]
    assert torch.equal(found.strengths(x).flatten(), theirs)
    assert found.direction().length == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("architecture", sorted(TENSORS))
def test_a_feature_of_a_dictionary_has_its_strength_and_a_drive_with_a_gradient(
    model: Whisper, tmp_path: Path, architecture: str
) -> None:
    own, x = dictionary(architecture), vectors()
    save_dictionary(own, tmp_path / "dictionary")
    found = feature_named(model, f"{SITE}:9", f"sae:{tmp_path / 'dictionary'}")
    wanted = own.encode(x.flatten(0, 1))[:, 9]
    torch.testing.assert_close(found.strengths(x).flatten(), wanted)
    torch.testing.assert_close(torch.from_numpy(found.direction().vector), own.directions()[9])
    is_active = wanted > 0
    assert 0 < is_active.sum() < len(wanted)
    x.requires_grad_()
    drive = found.drive(x)
    torch.testing.assert_close(drive.detach().flatten()[is_active], wanted[is_active])
    (gradient,) = torch.autograd.grad(drive.sum(), x)
    assert (gradient.norm(dim=-1) > 0).all()


def test_a_site_that_is_not_there_and_a_dictionary_of_other_weights_are_refused(model: Whisper, tmp_path: Path) -> None:
    with pytest.raises(SiteError):
        feature_named(model, "encoder.blocks.9:0")
    save_dictionary(dictionary(weights_hash="other", model="theirs"), tmp_path / "d")
    with pytest.raises(InputError, match="--force"):
        feature_named(model, f"{SITE}:0", f"sae:{tmp_path / 'd'}")
    assert feature_named(model, f"{SITE}:0", f"sae:{tmp_path / 'd'}", force=True).index == 0
