from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.whisper.modeling_whisper import eager_attention_forward

from otoscope.base.errors import InputError, SiteError
from otoscope.model.attention import (
    AttentionWindow,
    attention_probabilities,
    side_probabilities,
    window_mask,
    within_reach,
)
from otoscope.model.whisper import Whisper
from tests.model.test_reading import generate
from tests.model.tiny import tiny_hf, tiny_tokenizer

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def limit(k: int | None, heads: set[int]) -> AttentionWindow:
    return AttentionWindow(k, frozenset({0}), frozenset(heads))


def test_the_mask_equals_a_loop() -> None:
    windows = [limit(3, {0, 1}), limit(1, {1}), limit(None, {0, 1, 2})]
    mask = window_mask(windows, n_frames=7, n_heads=3)
    assert mask is not None
    assert mask.shape == (1, 3, 7, 7)
    for head, i, j in itertools.product(range(3), range(7), range(7)):
        reach = {0: 3, 1: 1, 2: math.inf}[head]
        assert bool(mask[0, head, i, j]) == (abs(i - j) <= reach)


def test_heads_that_agree_share_one_mask() -> None:
    mask = window_mask([limit(2, {0, 1, 2})], n_frames=5, n_heads=3)
    assert mask is not None
    assert mask.shape == (1, 1, 5, 5)


@pytest.mark.parametrize("windows", [[], [limit(None, {0, 1})], [limit(4, {0, 1})], [limit(9, {0})]])
def test_a_window_that_reaches_everything_is_no_mask(windows: list[AttentionWindow]) -> None:
    assert window_mask(windows, n_frames=5, n_heads=2) is None


@pytest.mark.parametrize("reaches", [[3], [40], [3, 299, 40, 3], [200, 0]])
def test_attention_within_reach_is_that_under_the_mask(reaches: list[int]) -> None:
    n_frames, heads = 300, max(len(reaches), 2)
    query, key, value = torch.randn(3, 2, heads, n_frames, 4, generator=torch.Generator().manual_seed(0))
    windows = [AttentionWindow(k, frozenset({0}), frozenset({head})) for head, k in enumerate(reaches)]
    if len(reaches) == 1:
        windows = [AttentionWindow(reaches[0], frozenset({0}), frozenset(range(heads)))]
    allowed = window_mask(windows, n_frames, heads)
    assert allowed is not None
    n_pairs = 0

    def kernel(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        nonlocal n_pairs
        n_pairs += q.shape[1] * q.shape[2] * k.shape[2]
        return (attention_probabilities(q, k, mask) @ v).transpose(1, 2)

    found = within_reach(kernel, query, key, value, allowed)
    assert torch.allclose(found, (attention_probabilities(query, key, allowed) @ value).transpose(1, 2), atol=1e-6)
    assert n_pairs < heads * n_frames**2


@pytest.mark.parametrize("masked", ["none", "boolean", "per head", "additive"])
def test_probabilities_agree_with_the_framework(masked: str) -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, 6, 4, generator=generator) for _ in range(3))
    allowed = torch.rand(1, 3 if masked == "per head" else 1, 6, 6, generator=generator) > 0.3
    allowed |= torch.eye(6, dtype=torch.bool)
    additive = torch.zeros(allowed.shape).masked_fill(~allowed, torch.finfo(torch.float32).min)
    mask = {"none": None, "boolean": allowed, "per head": allowed, "additive": additive}[masked]
    module = torch.nn.Module()
    output, wanted = eager_attention_forward(module, query, key, value, None if mask is None else additive, scaling=0.5)
    for ours in (attention_probabilities, side_probabilities):
        pattern = ours(query, key, mask, 0.5)
        torch.testing.assert_close(pattern, wanted)
        torch.testing.assert_close(torch.matmul(pattern, value).transpose(1, 2), output)


@pytest.mark.parametrize("site", ["encoder.blocks.*.attn.pattern", "decoder.**.pattern"])
def test_what_is_read_on_the_side_is_what_is_computed_in_the_open(whisper: Whisper, mel: Tensor, site: str) -> None:
    with whisper.reading(site) as side:
        generate(whisper, mel)
    with whisper.edit({site: lambda x: x}), whisper.reading(site) as opened:
        generate(whisper, mel)
    assert set(side) == set(opened)
    for name in side:
        torch.testing.assert_close(side[name], opened[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("k", [0, 1, 4, 30])
def test_nothing_beyond_a_frames_reach_touches_it(whisper: Whisper, mel: Tensor, k: int) -> None:
    changed_from = 120  # mel frame; conv1 reaches 1 mel frame further, conv2 another, so frame 59 hears it first
    other = mel.clone()
    other[:, :, changed_from:] = torch.randn(
        other[:, :, changed_from:].shape, generator=torch.Generator().manual_seed(5)
    )
    with whisper.attention_window(k), whisper.reading("encoder.blocks.*") as one:
        whisper.encode_mel(mel)
    with whisper.attention_window(k), whisper.reading("encoder.blocks.*") as two:
        whisper.encode_mel(other)
    for block in range(2):
        site, first = f"encoder.blocks.{block}", 59 - (block + 1) * k
        same = (one[site] == two[site]).all(dim=-1).all(dim=0)
        assert same[: max(first, 0)].all()
        assert not same[max(first, 0) :].any()


@pytest.mark.parametrize("k", [0, 3])
def test_nothing_before_a_frames_reach_touches_it(whisper: Whisper, mel: Tensor, k: int) -> None:
    other = mel.clone()
    other[:, :, :40] += 1.0  # mel frame 39 reaches conv1's 40, which conv2's frame 20 still hears
    with whisper.attention_window(k), whisper.reading("encoder.blocks.*") as one:
        whisper.encode_mel(mel)
    with whisper.attention_window(k), whisper.reading("encoder.blocks.*") as two:
        whisper.encode_mel(other)
    for block in range(2):
        site, last = f"encoder.blocks.{block}", 20 + (block + 1) * k
        same = (one[site] == two[site]).all(dim=-1).all(dim=0)
        assert same[last + 1 :].all()
        assert not same[: last + 1].any()


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_a_window_equals_an_edit_that_cuts_the_pattern(whisper: Whisper, mel: Tensor, implementation: str) -> None:
    place = torch.arange(100)
    near = (place[:, None] - place[None]).abs() <= 5

    def cut_head_1(pattern: Tensor) -> Tensor:
        pattern = pattern.clone()
        pattern[:, 1] *= near
        return pattern / pattern.sum(-1, keepdim=True)

    with whisper.edit({"encoder.blocks.1.attn.pattern": cut_head_1}):
        wanted = whisper.encode_mel(mel)
    whisper.hf.set_attn_implementation(implementation)
    try:
        with whisper.attention_window(5, blocks=[1], heads=[1]):
            windowed = whisper.encode_mel(mel)
    finally:
        whisper.hf.set_attn_implementation("sdpa")
    torch.testing.assert_close(windowed, wanted, rtol=1e-3, atol=1e-4)
    assert (windowed - whisper.encode_mel(mel)).abs().max() > 1e-2


def test_patterns_read_inside_a_window_are_zero_beyond_it(whisper: Whisper, mel: Tensor) -> None:
    far = (torch.arange(100)[:, None] - torch.arange(100)[None]).abs() > 3
    with whisper.attention_window(3, heads=[0]), whisper.reading("encoder.blocks.*.attn.pattern") as tape:
        whisper.encode_mel(mel)
    for pattern in tape.values():
        assert pattern[:, 0][:, far].abs().max() == 0
        assert pattern[:, 1][:, far].abs().max() > 0
        torch.testing.assert_close(pattern.sum(-1), torch.ones(2, 2, 100))


def test_windows_nest(whisper: Whisper, mel: Tensor) -> None:
    with whisper.attention_window(4):
        four = whisper.encode_mel(mel)
        with whisper.attention_window(9):
            assert torch.equal(whisper.encode_mel(mel), four)
        with whisper.attention_window(None):
            assert torch.equal(whisper.encode_mel(mel), four)
        with whisper.attention_window(2):
            two = whisper.encode_mel(mel)
    with whisper.attention_window(2):
        assert torch.equal(whisper.encode_mel(mel), two)
    assert not torch.equal(two, four)


def test_a_window_that_limits_nothing_changes_no_bit(whisper: Whisper, mel: Tensor) -> None:
    plain = whisper.encode_mel(mel)
    for k in (None, 99, 1000):
        with whisper.attention_window(k):
            assert torch.equal(whisper.encode_mel(mel), plain)


def test_a_window_leaves_the_decoder_alone(whisper: Whisper, mel: Tensor) -> None:
    ids, encoded = torch.tensor([[321, 322, 423]] * 2), whisper.encode_mel(mel)
    with torch.no_grad():
        plain = whisper.hf(encoder_outputs=(encoded,), decoder_input_ids=ids).logits
        with whisper.attention_window(0):
            assert torch.equal(whisper.hf(encoder_outputs=(encoded,), decoder_input_ids=ids).logits, plain)


def test_a_window_of_nothing_but_itself_works_over_many_frames() -> None:
    whisper = Whisper(tiny_hf(tiny_tokenizer(), seconds=30, d_model=8, blocks=1), None, id="tiny", weights_hash="0")
    mel = torch.randn(1, 80, 3000, generator=torch.Generator().manual_seed(1))
    with whisper.attention_window(0), whisper.reading(["encoder.blocks.0.attn.value", "encoder.blocks.0.attn"]) as tape:
        whisper.encode_mel(mel)
    out = whisper.hf.model.encoder.layers[0].self_attn.out_proj
    torch.testing.assert_close(tape["encoder.blocks.0.attn"], out(tape["encoder.blocks.0.attn.value"]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_reads_edits_and_limits(mel: Tensor, dtype: torch.dtype) -> None:
    half = Whisper(tiny_hf(tiny_tokenizer()).to(dtype), None, id="tiny", weights_hash="0")
    plain = half.encode_mel(mel)
    with half.reading("**") as tape:
        assert torch.equal(half.encode_mel(mel), plain)
    assert {tensor.dtype for tensor in tape.values()} == {dtype}
    with half.edit({"encoder.blocks.*.attn.pattern": lambda x: x}), half.attention_window(3):
        opened = half.encode_mel(mel)
    with half.attention_window(3):
        torch.testing.assert_close(half.encode_mel(mel), opened, rtol=0.1, atol=0.3)


def test_nobody_elses_attention_is_replaced(whisper: Whisper, mel: Tensor) -> None:
    other = tiny_hf(tiny_tokenizer())
    sdpa = ALL_ATTENTION_FUNCTIONS["sdpa"]
    with whisper.attention_window(1), torch.no_grad():
        assert whisper.hf.config._attn_implementation == other.config._attn_implementation == "sdpa"
        assert ALL_ATTENTION_FUNCTIONS["sdpa"] is sdpa
        free = other.model.encoder(mel).last_hidden_state
    assert torch.equal(free, whisper.encode_mel(mel))


@pytest.mark.parametrize("k", [-1, 2.5, True, "7"])
def test_a_window_is_a_whole_number_from_0(whisper: Whisper, k: object) -> None:
    with pytest.raises(InputError, match=r"attention window is .*: give a whole number of 0 or more frames"):
        whisper.attention_window(k)  # type: ignore[arg-type]


def test_a_block_or_head_that_is_not_there_is_named(whisper: Whisper) -> None:
    with pytest.raises(SiteError, match="block 2 is not in tiny: its encoder has blocks 0-1"):
        whisper.attention_window(3, blocks=[2])
    with pytest.raises(SiteError, match="head 5 is not in tiny: its encoder has heads 0-1"):
        whisper.attention_window(3, heads=[5])
