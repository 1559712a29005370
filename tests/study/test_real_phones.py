"""A neuron of a released model that plainly detects one phone, whatever other sites are harvested with its own."""

from __future__ import annotations

from pathlib import Path

import pytest

import otoscope as oto
from otoscope.study.phones.experiment import phones
from tests.released import released, speech_folder

SITE, NEURON = "encoder.blocks.2.mlp.1", 1190
N_CLIPS = 20


@pytest.mark.real
def test_the_m_neuron_is_found_though_block_outputs_answer_earlier(tmp_path: Path) -> None:
    corpus = oto.open_corpus(speech_folder("ljspeech_mfa")).first(N_CLIPS)
    run = oto.run_harvest(released(), corpus, oto.HarvestSettings((SITE, "encoder.blocks.0")), tmp_path / "run")
    assert {group.site: run.lag_of(group) for group in run.groups} == {SITE: 1, "encoder.blocks.0": 0}
    study = phones(run)
    scores = next(group.scores for group in study.run.groups if group.key.site == SITE)
    phone = study.run.ground.phones.names[scores.phone.index[NEURON]]
    assert (phone, scores.phone.sign[NEURON]) == ("M", 1)
    assert scores.phone.auroc[NEURON] > 0.93
    assert scores.tops[1].purity[NEURON] >= 0.75
