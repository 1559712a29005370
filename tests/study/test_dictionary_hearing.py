"""What is heard with something in place of a site: against the plain way, an edit and a whole run of the model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from otoscope.audio.clip import Clip, Span
from otoscope.audio.kinds import Kind
from otoscope.model.activations import text_ids
from otoscope.model.generation import prompt_tokens
from otoscope.model.whisper import Whisper
from otoscope.study import writing
from otoscope.study.dictionaries import transcripts
from otoscope.study.dictionaries.baselines import Constant
from otoscope.study.dictionaries.transcripts import REFERENCE, Replacing, hear, token_losses
from tests.study.conftest import make_clip

SPEECH = frozenset({Kind.SPEECH})
SITES = ("encoder.conv2", "encoder.blocks.0", "encoder.blocks.0.mlp.1", "encoder.blocks.1.mlp.1", "encoder.blocks.1")


@pytest.mark.parametrize("replaced", [SPEECH, None])
def test_running_from_the_site_on_hears_what_a_whole_run_hears(
    model: Whisper, replaced: frozenset[Kind] | None
) -> None:
    clips = [make_clip(1.3 + 0.2 * seed, seed=seed, transcript="the dog") for seed in range(3)]
    widths = {site.name: int(site.shape[2] or 0) for site in model.sites()}
    generator = torch.Generator().manual_seed(0)
    things = {
        site: (site, Replacing(Constant(torch.randn(widths[site], generator=generator)), replaced)) for site in SITES
    }
    found = hear(model, clips, things, language="en")
    n_prompt = len(prompt_tokens(model, language="en"))
    for site, (_, edit) in things.items():
        for number, clip in enumerate(clips):
            windows = model.windows(clip)
            edit.kinds = windows.kinds
            with model.edit({site: edit}):
                encoding = model.encode(windows)
            ids = text_ids(model, windows, encoding, "the dog", "en")[0].tolist()
            (loss,) = token_losses(model, encoding, [ids], [n_prompt])
            assert found.by_name[site].losses[number] == pytest.approx(loss, rel=1e-4)
    assert len({heard.losses for heard in found.by_name.values()}) == len(SITES)


def test_windows_of_a_long_recording_stay_in_order_whatever_their_length(
    model: Whisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "SPARE_TOKENS", 1000)  # nothing is cut
    clips = [make_clip(7.0, seed=1), make_clip(1.0, seed=2), make_clip(4.0, seed=3)]
    things = {"it": ("encoder.blocks.1", Replacing(Constant(torch.zeros(model.d_model)), frozenset()))}
    together = hear(model, clips, things)
    assert together.by_name["it"].texts == together.clean.texts and together.by_name["it"].n_cut == 0
    monkeypatch.setattr(transcripts, "GROUP_WINDOWS", 1)
    told: list[int] = []
    apart = hear(model, clips, things, progress=told.append)
    assert apart.by_name["it"].texts == together.clean.texts
    assert apart.clean.losses == pytest.approx(together.clean.losses, rel=1e-4)
    assert told[-1] == 3 and sorted(told) == told and told[0] == 0


def test_a_text_that_becomes_too_long_is_cut_and_counted(model: Whisper, monkeypatch: pytest.MonkeyPatch) -> None:
    clip: Clip = make_clip(1.5, seed=1, transcript="the")
    thing = {"it": ("encoder.blocks.1", Replacing(Constant(torch.full((model.d_model,), 3.0)), None))}
    monkeypatch.setattr(writing, "SPARE_TOKENS", 1000)
    whole = hear(model, [clip], thing).by_name["it"]
    monkeypatch.setattr(writing, "SPARE_TOKENS", 0)
    cut = hear(model, [clip], thing).by_name["it"]
    assert (whole.n_cut, cut.n_cut) == (0, 1)
    assert (whole.is_cut, cut.is_cut) == ((False,), (True,))
    assert whole.texts[0].startswith(cut.texts[0]) and len(cut.texts[0]) < len(whole.texts[0])


def test_words_lost_count_no_insertions_and_words_in_time_stand_in_for_a_transcript(model: Whisper) -> None:
    words = (Span(0.2, 0.5, "the"), Span(0.5, 0.9, "dog"))
    found = hear(
        model, [make_clip(1.5, seed=1, words=words, transcript=None), make_clip(1.5, seed=2, transcript="the dog")], {}
    )
    assert found.references == ("the dog", "the dog") and found.targets == (REFERENCE, REFERENCE)
    looped = replace(found.clean, texts=("the dog the dog the dog the dog", "the cat"))
    rates = found.rates(looped)
    assert (rates["wer"]["value"], rates["lost"]["value"]) == (7 / 4, 1 / 4)
