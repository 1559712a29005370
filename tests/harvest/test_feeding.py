"""Feeds give every frame once a pass, in random order, in full batches, and go on exactly where they were."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.corpus import open_corpus
from otoscope.harvest.activation_layout import HEADER_BYTES
from otoscope.harvest.activation_shards import ShardReader
from otoscope.harvest.activity import EncoderReader
from otoscope.harvest.feed_live import LiveFeed, buffer_frames_for
from otoscope.harvest.feed_shards import ShardFeed, shards_in
from otoscope.model.load import load
from otoscope.sae.feed import Feed, FrameBatch
from tests.harvest.fake import FakeClip, FakeReader, corpus_of, kinds_of
from tests.harvest.shards import CLIPS, SITES, clip_frames, read_all, write

SITE = "encoder.blocks.0"


def numbered(n: int = 9, seed: int = 3) -> list[FakeClip]:
    """Clips whose rows hold their own number: (clip, frame) is told by the values."""
    rng = np.random.default_rng(seed)
    clips = []
    for number in range(n):
        kinds = kinds_of(rng, 1 + number % 3)
        frames = np.arange(len(kinds), dtype=np.float32)
        values = {"a": np.stack([np.full_like(frames, number), frames], 1), "b": -(1000 * number + frames)[:, None]}
        clips.append(FakeClip(f"clip{number}", kinds, values))
    return clips


def live(clips: list[FakeClip], reader: FakeReader | None = None, **settings: Any) -> LiveFeed:
    return LiveFeed(reader or FakeReader(clips), corpus_of(clips), **{"buffer_frames": 90, **settings})


def shards(folder: Path, **settings: Any) -> ShardFeed:
    if not folder.exists():
        write(folder, kinds=list(Kind))
    return ShardFeed(folder, **{"buffer_blocks": 2, **settings})


@pytest.fixture(params=["live", "shards"])
def feed(request: pytest.FixtureRequest, tmp_path: Path) -> Feed:
    return live(numbered()) if request.param == "live" else shards(tmp_path / "acts")


def wanted_rows(feed: Feed, kinds: tuple[Kind, ...] = (Kind.SPEECH,)) -> list[tuple[float, ...]]:
    """All rows of a pass, sorted; every site side by side."""
    if isinstance(feed, LiveFeed):
        each = [(clip.kinds, clip.values) for clip in numbered()]
    else:
        each = [clip_frames(clip) for clip in CLIPS]
        each = [(k, {site: x.astype(np.float16).astype(np.float32) for site, x in v.items()}) for k, v in each]
    rows = [np.concatenate([v[site] for site in feed.widths], 1)[np.isin(k, kinds)] for k, v in each]
    return sorted(map(tuple, np.concatenate(rows).tolist()))


def rows_of(batches: Iterator[FrameBatch] | list[FrameBatch]) -> list[tuple[float, ...]]:
    joined = [torch.cat(list(batch.values.values()), dim=1) for batch in batches]
    return [tuple(row) for row in torch.cat(joined).tolist()]


def same(one: FrameBatch, other: FrameBatch) -> bool:
    return one.position == other.position and all(
        torch.equal(one.values[site], other.values[site]) for site in one.values
    )


@pytest.mark.parametrize("batch_frames", [1, 7, 64])
def test_every_frame_comes_once_a_pass_and_batches_are_full(feed: Feed, batch_frames: int) -> None:
    wanted = wanted_rows(feed)
    n_passes = 3
    n_batches = n_passes * len(wanted) // batch_frames
    found = list(itertools.islice(feed.batches(batch_frames), n_batches))
    assert all(x.shape == (batch_frames, feed.widths[site]) for batch in found for site, x in batch.values.items())
    assert all(x.dtype == torch.float32 and x.device.type == "cpu" for b in found for x in b.values.values())
    rows = rows_of(found)
    passes = [rows[i * len(wanted) : (i + 1) * len(wanted)] for i in range(n_passes)]
    assert all(sorted(each) == wanted for each in passes[:-1])
    assert passes[0] != passes[1] and passes[0] != wanted
    assert feed.n_frames == len(wanted)


def test_a_feed_goes_on_from_any_position_with_the_same_bits(feed: Feed) -> None:
    whole = list(itertools.islice(feed.batches(16), 40))
    positions = [None, *(json.loads(json.dumps(batch.position)) for batch in whole)]
    for done in range(0, 36, 3):
        later = list(itertools.islice(feed.batches(16, positions[done]), 4))
        assert all(same(one, other) for one, other in zip(later, whole[done : done + 4], strict=True))


def test_two_feeds_of_one_seed_agree_and_another_seed_does_not(tmp_path: Path) -> None:
    for make in (lambda seed: live(numbered(), seed=seed), lambda seed: shards(tmp_path / "acts", seed=seed)):
        first, again, other = (next(make(seed).batches(32)) for seed in (1, 1, 2))
        assert same(first, again) and not same(first, other)


@pytest.mark.parametrize("kinds", [("silence",), ("padding", "speech"), tuple(Kind)])
def test_the_kinds_that_are_asked_for_come_and_no_others(kinds: tuple[Any, ...], tmp_path: Path) -> None:
    known = tuple(kind if isinstance(kind, Kind) else Kind[kind.upper()] for kind in kinds)
    for feed in (live(numbered(), kinds=kinds), shards(tmp_path / "acts", kinds=kinds)):
        wanted = wanted_rows(feed, known)
        assert sorted(rows_of(list(itertools.islice(feed.batches(1), len(wanted))))) == wanted


def test_frames_of_different_clips_are_mixed_in_a_batch() -> None:
    batch = next(live(numbered(), buffer_frames=200).batches(64))
    assert len(set(batch.values["a"][:, 0].tolist())) > 2
    frames = batch.values["a"][:, 1].tolist()
    assert frames != sorted(frames)


def test_a_resumed_feed_runs_only_the_clips_of_its_buffer() -> None:
    clips = numbered(30)
    first = list(itertools.islice(live(clips).batches(10), 25))
    ran: list[str] = []
    reader = FakeReader(clips, tell=lambda name, window: ran.append(name))
    next(live(clips, reader).batches(10, first[19].position))
    assert 0 < len(set(ran)) < 10


def test_a_corpus_that_fits_into_a_buffer_is_run_once_with_the_same_bits() -> None:
    clips = numbered()
    clips[3].problem = "cannot be read. Copy it again."
    ran: list[str] = []
    feed = live(clips, FakeReader(clips, tell=lambda name, window: ran.append(name)), buffer_frames=10_000)
    whole = list(itertools.islice(feed.batches(32), 40))
    assert whole[-1].position["epoch"] > 2 and len(ran) == sum(clip.n_windows for clip in clips if not clip.problem)
    for done in (4, 17, 30):  # a feed that goes on in a later pass runs the clips in that pass's order
        later = list(itertools.islice(live(clips, buffer_frames=10_000).batches(32, whole[done].position), 9))
        assert all(same(one, other) for one, other in zip(later, whole[done + 1 : done + 10], strict=True))


@pytest.mark.parametrize("buffer_frames", [90, 10_000])
def test_a_feed_that_begins_again_does_not_run_its_first_clips_again(buffer_frames: int) -> None:
    clips = numbered()
    clips[3].problem = "cannot be read. Copy it again."
    ran: list[str] = []
    tell = FakeReader(clips, tell=lambda name, window: ran.append(name))
    feed = live(clips, tell, buffer_frames=buffer_frames)
    next(feed.batches(16))
    n_ran = len(ran)
    again = list(itertools.islice(feed.batches(16), 3))
    assert len(ran) == n_ran
    fresh = list(itertools.islice(live(clips, buffer_frames=buffer_frames).batches(16), 3))
    assert all(same(one, other) for one, other in zip(again, fresh, strict=True))


@pytest.mark.parametrize("batch_frames", [0, 100_000])
def test_a_batch_that_cannot_be_filled_is_refused(feed: Feed, batch_frames: int) -> None:
    with pytest.raises(InputError, match="a batch"):
        next(feed.batches(batch_frames))


def test_clips_that_fail_are_left_out_and_told_once() -> None:
    clips = numbered()
    clips[2].problem = "cannot be read. Copy it again."
    clips[7].bad_window = 1
    feed = live(clips)
    wanted = [clip for number, clip in enumerate(clips) if number not in (2, 7)]
    n_frames = sum(int((clip.kinds == Kind.SPEECH).sum()) for clip in wanted)
    batches = list(itertools.islice(feed.batches(1), 2 * n_frames + 1))
    assert {row[0] for row in rows_of(batches)} == {0.0, 1.0, 3.0, 4.0, 5.0, 6.0, 8.0}
    assert feed.n_frames == n_frames
    assert [problem.clip for problem in feed.problems] == ["clip2", "clip7"]
    assert feed.problems[0].message == clips[2].problem and "window 1 of clip7 is bad" in feed.problems[1].message
    later = live(clips)
    next(later.batches(1, batches[-1].position))
    assert later.problems == feed.problems


def test_a_corpus_of_which_nothing_can_be_used_is_refused() -> None:
    clips = numbered(2)
    for clip in clips:
        clip.problem = "is no sound. Take another."
    with pytest.raises(InputError, match=r"no clip of 'fakes' could be used. The first: is no sound"):
        next(live(clips).batches(1))


def test_a_corpus_without_such_frames_is_refused() -> None:
    clips = numbered(2)
    for clip in clips:
        clip.kinds[:] = Kind.SILENCE
    with pytest.raises(InputError, match=r"'fakes' has 0 frames of the kinds that are trained on"):
        next(live(clips).batches(1))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_clip_whose_activations_are_not_finite_is_named(value: float) -> None:
    clips = numbered()
    frame = int(np.flatnonzero(clips[4].kinds == Kind.SPEECH)[2])
    clips[4].values["b"][frame] = value
    with pytest.raises(InputError, match=rf"clip 'clip4' has NaN or infinite values at site 'b' in frame {frame}\."):
        list(itertools.islice(live(clips).batches(5), 1000))


def test_a_shard_that_holds_nan_is_named_with_its_clip(tmp_path: Path) -> None:
    feed = shards(tmp_path / "acts", sites=[SITE])
    reader = ShardReader(tmp_path / "acts")
    labels, first = read_all(reader.in_order()), reader.layout.rows_per_shard
    row = int(np.flatnonzero(labels["kind"][first : 2 * first] == Kind.SPEECH)[0])
    clip, frame = (int(labels[name][first + row]) for name in ("clip", "frame"))
    path = tmp_path / "acts" / f"{SITE}-00001.safetensors"
    content = bytearray(path.read_bytes())
    at = HEADER_BYTES + row * SITES[SITE] * 2
    content[at : at + 2] = np.float16("nan").tobytes()
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"frame {frame} of clip number {clip} holds NaN or inf") as caught:
        list(itertools.islice(feed.batches(5), 1000))
    assert str(path) in str(caught.value)


def test_large_finite_values_are_let_through() -> None:
    clips = numbered()
    for clip in clips:
        clip.values["b"][:] = 3e38  # their sum is infinite
    assert len(list(itertools.islice(live(clips).batches(50), 5))) == 5


def test_shards_are_found_in_a_run_and_by_patterns(tmp_path: Path) -> None:
    write(tmp_path / "run" / "activations")
    assert shards_in(tmp_path / "run") == shards_in(tmp_path / "run" / "activations") == tmp_path / "run/activations"
    assert shards_in(tmp_path) is None
    assert list(ShardFeed(tmp_path / "run").widths) == list(SITES)
    assert ShardFeed(tmp_path / "run", sites=["encoder.blocks.*"]).widths == {SITE: 3}
    assert set(ShardFeed(tmp_path / "run", sites=["encoder.**"]).widths) == set(SITES)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sites": ["encoder.blocks.7"]}, r"site 'encoder.blocks.7' is not in the activations in .*: they hold enc"),
        ({"kinds": ["padding"]}, "frames of padding are not in the activations .* speech, silence were saved"),
        ({"kinds": ["noise"]}, "there is no kind of frame 'noise': choose one of speech, silence, padding"),
        ({"kinds": []}, "no kind of frame is named"),
    ],
)
def test_shards_of_another_site_or_kind_are_refused(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    write(tmp_path / "acts")
    with pytest.raises(InputError, match=message):
        ShardFeed(tmp_path / "acts", **settings)


def test_settings_of_a_live_feed_are_checked() -> None:
    with pytest.raises(InputError, match="no kind of frame 'noise'"):
        live(numbered(), kinds=["noise"])
    with pytest.raises(InputError, match="no kind of frame is named"):
        live(numbered(), kinds=[])
    with pytest.raises(InputError, match="a buffer of 0 frames holds nothing"):
        live(numbered(), buffer_frames=0)


@pytest.mark.parametrize("n_sites", [1, 4, 100])
def test_a_buffer_stays_below_its_bytes(n_sites: int) -> None:
    widths = {str(site): 160 for site in range(n_sites)}
    assert 4 * 160 * n_sites * buffer_frames_for(widths) <= 256_000_000
    assert buffer_frames_for(widths) > 1000


def test_frames_come_from_an_encoder_as_the_model_makes_them(model_folder: Path, recordings: Path) -> None:
    model = load(str(model_folder), device="cpu", dtype="float32")
    clips = open_corpus(recordings)
    feed = LiveFeed(EncoderReader(model, ["encoder.blocks.*"]), clips, kinds=["speech", "silence"])
    wanted = []
    for clip in clips:
        for window in model.each_window(clip):
            with model.reading(list(feed.widths)) as tape:
                model.encode_mel(window.mel)
            x = torch.cat([tape[site][0] for site in feed.widths], dim=1)
            wanted += map(tuple, x[torch.from_numpy(window.kinds[0] != Kind.PADDING)].tolist())
    found = rows_of(list(itertools.islice(feed.batches(1), len(wanted))))
    assert sorted(found) == sorted(wanted)
    assert [problem.clip for problem in feed.problems] == ["talk7"]
