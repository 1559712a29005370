from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.audio.clip import Clip
from otoscope.audio.kinds import Kind
from otoscope.model.whisper import Whisper
from otoscope.study.locality.experiment import Locality, locality
from tests.study.conftest import make_clip


def planted(offset: int) -> torch.Tensor:
    """Every frame looks at the frame `offset` later, wrapping round at the ends."""
    return torch.roll(torch.eye(100), offset, dims=1)


def test_planted_patterns_are_reported_as_they_are(model: Whisper, clips: list[Clip]) -> None:
    """Head 0 looks at itself, head 1 three frames back; no speech lies near enough to the ends to wrap."""
    heads = torch.stack([planted(0), planted(-3)])
    with model.edit({"encoder.blocks.1.attn.pattern": lambda p: heads.expand_as(p).clone()}):
        result = locality(model, clips, local_within=5, local_share=0.9)
    assert result.mean_frames[1].tolist() == pytest.approx([0, 3], abs=1e-5)
    assert result.mean_offset_frames[1].tolist() == pytest.approx([0, -3], abs=1e-5)
    for share in (0.05, 0.5, 0.95):
        assert result.quantile_frames(share)[1].tolist() == [0, 3]
    assert result.share_within(2)[1].tolist() == pytest.approx([1, 0], abs=1e-6)
    assert result.is_local[1].tolist() == [True, True]
    row = result.to_json()["heads"][3]
    assert (row["block"], row["head"], row["is_local"]) == (1, 1, True)
    assert (row["mean_s"], row["quantiles_s"]["95%"]) == (pytest.approx(0.06, abs=1e-5), 0.06)
    assert result.padding_share[1].tolist() == pytest.approx([0, 0], abs=1e-6)


def test_even_attention_equals_its_own_baseline_and_is_not_local(model: Whisper, clips: list[Clip]) -> None:
    with model.edit({"encoder.blocks.*.attn.pattern": lambda p: torch.full_like(p, 1 / p.shape[-1])}):
        result = locality(model, clips[:1], local_within=10)  # of several, each row weighs by what it has on sound
    np.testing.assert_allclose(result.by_offset[2, 1], result.uniform_by_offset, atol=1e-6)
    assert not result.is_local.any()
    table = result.to_json()
    assert table["heads"][0]["mean_frames"] == pytest.approx(table["uniform_baseline"]["mean_frames"], rel=1e-4)
    assert table["heads"][0]["share_within"]["10"] == pytest.approx(
        table["uniform_baseline"]["share_within"]["10"], 1e-4
    )
    assert table["local"]["n_local"] == 0


def test_distances_agree_with_a_loop_over_what_is_read(model: Whisper) -> None:
    """Two clips, one of them of two windows; every speech frame of every window, weighed by the pattern it has."""
    clips = [make_clip(1.3, seed=4), make_clip(2.9, seed=5)]
    result = locality(model, clips)
    mass = np.zeros((3, 2, 100))
    offset = np.zeros((3, 2))
    padding = np.zeros((3, 2))
    n_rows = 0
    for clip in clips:
        kinds = model.windows(clip).kinds
        with model.reading("encoder.blocks.*.attn.pattern") as tape:
            model.encode(clip)
        for window, row in zip(*np.nonzero(kinds == Kind.SPEECH), strict=True):
            n_rows += 1
            for block in range(3):
                attention = tape[f"encoder.blocks.{block}.attn.pattern"][window, :, row].double().numpy()
                for source in np.flatnonzero(kinds[window] != Kind.PADDING):
                    mass[block, :, abs(source - row)] += attention[:, source]
                    offset[block] += attention[:, source] * (source - row)
                padding[block] += attention[:, kinds[window] == Kind.PADDING].sum(1)
    on_sound = mass.sum(axis=-1)
    np.testing.assert_allclose(on_sound + padding, np.full((3, 2), n_rows), rtol=1e-5)
    np.testing.assert_allclose(result.by_distance, mass / on_sound[..., None], atol=1e-6)
    np.testing.assert_allclose(result.mean_offset_frames, offset / on_sound, atol=1e-4)
    np.testing.assert_allclose(result.padding_share, padding / n_rows, atol=1e-6)
    assert (result.n_clips, result.n_windows, result.n_speech_frames) == (2, 3, n_rows)


def test_a_stream_of_clips_is_taken_one_at_a_time(model: Whisper, clips: list[Clip]) -> None:
    seen: list[tuple[int, int]] = []
    streamed = locality(model, iter(clips), progress=lambda done, n: seen.append((done, n)))
    assert seen == [(1, 0), (2, 0), (3, 0)]
    listed = locality(model, clips, progress=lambda done, n: seen.append((done, n)))
    assert seen[3:] == [(1, 3), (2, 3), (3, 3)]
    np.testing.assert_array_equal(streamed.by_offset, listed.by_offset)


def test_of_many_heads_people_see_a_row_for_each_block(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    by_offset = rng.random((13, 8, 99))
    result = Locality(
        "m", 1, 1, 9, by_offset / by_offset.sum(-1, keepdims=True), np.full(99, 1 / 99), np.zeros((13, 8)), 50, 0.9
    )
    assert result.plot(tmp_path / "many.png").stat().st_size > 0
    lines = result.summary().splitlines()
    assert [line.split()[0] for line in lines[-13:]] == [str(block) for block in range(13)]
    assert all(line.endswith(" of 8") for line in lines[-13:])
    assert len(result.to_json()["heads"]) == 13 * 8
