from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.study.relevance.experiment import propagate
from otoscope.study.words.bimodal import Weighted, carry, row_shares, token_relevance, weigh, weighted_attention


def average_heads(pattern: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Equation 5, element by element."""
    heads, rows, columns = pattern.shape
    mean = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            mean[i, j] = sum(max(gradient[h, i, j] * pattern[h, i, j], 0.0) for h in range(heads)) / heads
    return mean


def normalise(relevance: np.ndarray) -> np.ndarray:
    """Equations 8 and 9, row by row."""
    rest = relevance - np.eye(len(relevance))
    for row in rest:
        total = row.sum()
        if total > 0:
            row /= total
    return rest + np.eye(len(relevance))


def paper(
    encoder: list[np.ndarray], decoder: list[np.ndarray], cross: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Section 3.2 for encoder-decoder models as it stands there: all relevance matrices whole, in double precision.

    Takes head averages (equation 5); gives the relevance of tokens to frames and that of frames to frames.
    """
    n_tokens, n_frames = cross[0].shape
    tokens, frames, mixed = np.eye(n_tokens), np.eye(n_frames), np.zeros((n_tokens, n_frames))
    for pattern in encoder:
        frames = frames + pattern @ frames  # 6
    for own, other in zip(decoder, cross, strict=True):
        tokens, mixed = tokens + own @ tokens, mixed + own @ mixed  # 6 and 7
        mixed = mixed + normalise(tokens).T @ other @ normalise(frames)  # 10
    return mixed, frames


def draw(*shape: int, seed: int, causal: bool = False) -> np.ndarray:
    values = np.random.default_rng(seed).gamma(0.3, 0.2, shape)
    return np.tril(values) if causal else values


def blocks(n_tokens: int = 6, n_frames: int = 9, n: int = 3) -> tuple[list, list, list]:
    return (
        [draw(n_frames, n_frames, seed=block) for block in range(n + 1)],
        [draw(n_tokens, n_tokens, seed=10 + block, causal=True) for block in range(n)],
        [draw(n_tokens, n_frames, seed=20 + block) for block in range(n)],
    )


def tensors(arrays: list[np.ndarray]) -> list[torch.Tensor]:
    return [torch.tensor(array, dtype=torch.float32) for array in arrays]


def test_the_rules_agree_with_the_paper_written_out() -> None:
    encoder, decoder, cross = blocks()
    wanted, _ = paper(encoder, decoder, cross)
    drawn = token_relevance(Weighted(tensors(encoder), tensors(decoder), tensors(cross)))
    np.testing.assert_allclose(carry(drawn, tensors(encoder)).numpy(), wanted, rtol=1e-4)


def test_one_row_is_carried_as_all_of_them_are() -> None:
    encoder, decoder, cross = blocks(n=1)
    drawn = token_relevance(Weighted(tensors(encoder), tensors(decoder), tensors(cross)))
    every = carry(drawn, tensors(encoder))
    torch.testing.assert_close(carry(drawn[2:4].sum(0, keepdim=True), tensors(encoder))[0], every[2] + every[3])


def test_weighing_agrees_with_equation_5_and_keeps_half_precision_from_vanishing() -> None:
    rng = np.random.default_rng(0)
    pattern, gradient = rng.random((3, 4, 5)), rng.normal(size=(3, 4, 5))
    found = weigh(torch.tensor(pattern), torch.tensor(gradient))
    np.testing.assert_allclose(found.numpy(), average_heads(pattern, gradient), rtol=1e-5)
    tiny = torch.full((1, 1, 1), 1e-5, dtype=torch.float16)
    assert weigh(tiny, tiny).item() > 0


def test_with_the_decoder_bypassed_the_encoders_own_relevance_is_left() -> None:
    """With every token on one frame, what is carried is the map of `relevance`, its rows normalised."""
    rng = np.random.default_rng(1)
    patterns = [torch.tensor(rng.random((2, 8, 8)), dtype=torch.float32) for _ in range(3)]
    gradients = [torch.tensor(rng.normal(size=(2, 8, 8)), dtype=torch.float32) for _ in range(3)]
    averaged = [weigh(pattern, gradient) for pattern, gradient in zip(patterns, gradients, strict=True)]
    added = propagate(patterns, [gradient.clone() for gradient in gradients])
    bypassed = Weighted(averaged, [torch.zeros(8, 8)], [torch.eye(8)])
    carried = carry(token_relevance(bypassed), averaged) - torch.eye(8)
    torch.testing.assert_close(carried, row_shares(added))
    torch.testing.assert_close(carried.sum(0), row_shares(added).sum(0))


def test_rows_to_which_nothing_is_added_stay_without() -> None:
    added = torch.tensor([[0.0, 0.0], [3.0, 1.0]])
    torch.testing.assert_close(row_shares(added), torch.tensor([[0.0, 0.0], [0.75, 0.25]]))
    rows = torch.rand(2, 5)
    assert torch.equal(carry(rows, [torch.zeros(5, 5)] * 2), rows)


def test_small_relevance_is_not_swallowed_by_the_identity() -> None:
    encoder, decoder, cross = blocks()
    small = [1e-9 * block for block in encoder]
    wanted, _ = paper(small, decoder, cross)
    drawn = token_relevance(Weighted(tensors(small), tensors(decoder), tensors(cross)))
    np.testing.assert_allclose(carry(drawn, tensors(small)).numpy(), wanted, rtol=1e-3)


def test_one_backward_pass_weighs_every_pattern_and_leaves_the_graph() -> None:
    torch.manual_seed(0)
    leaf = torch.rand(1, 2, 4, 4, requires_grad=True)
    second = leaf.softmax(-1)
    own = torch.rand(1, 2, 3, 3, requires_grad=True)
    cross = (own[..., :1] * second[:, :, :3]).softmax(-1)
    unused = torch.rand(1, 2, 3, 3, requires_grad=True)
    unseen = torch.rand(1, 2, 3, 4, requires_grad=True)
    score = (cross.square() * torch.rand(1, 2, 3, 4)).sum() + second[0, 0, 3, 1]
    patterns = [leaf, second], [own, unused], [cross, unseen]
    gradients = torch.autograd.grad(score, [leaf, second, own, cross], retain_graph=True)
    for _ in range(2):
        found = weighted_attention(score, *patterns)
        for pattern, gradient, weighted in zip(
            [leaf, second, own, cross], gradients, [*found.encoder, found.decoder[0], found.cross[0]], strict=True
        ):
            torch.testing.assert_close(weighted, weigh(pattern[0], gradient[0]))
        assert found.decoder[1].abs().max() == 0 and found.cross[1].abs().max() == 0
    assert leaf.grad is None


@pytest.mark.parametrize("n", [1, 4])
def test_any_number_of_blocks_is_taken(n: int) -> None:
    encoder, decoder, cross = blocks(n=n)
    wanted, _ = paper(encoder, decoder, cross)
    drawn = token_relevance(Weighted(tensors(encoder), tensors(decoder), tensors(cross)))
    np.testing.assert_allclose(carry(drawn, tensors(encoder)).numpy(), wanted, rtol=1e-4)
