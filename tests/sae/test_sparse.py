"""The sparse codes and what is computed from them, against loops written straight from the definitions."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from otoscope.sae import compiled, kernel, plain, sparse
from otoscope.sae.code import Code, Weights
from otoscope.sae.together import Together

BACKENDS = [pytest.param(compiled, id="compiled"), pytest.param(plain, id="plain")]


def weights_of(n_features=37, d_in=12, seed=0, precision="float32"):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(2, n_features, d_in, generator=generator)
    rows[1] /= rows[1].norm(dim=1, keepdim=True)
    bias = torch.randn(n_features, generator=generator) * 0.1
    return Weights(rows[0], bias, rows[1], torch.randn(d_in, generator=generator) * 0.1, precision)


def frames_of(n, d_in=12, seed=1):
    return torch.randn(n, d_in, generator=torch.Generator().manual_seed(seed))


def strengths_of(x, weights):
    """All strengths before any are chosen, in float64."""
    return ((x.double() - weights.b_dec.double()) @ weights.W_enc.double().T + weights.b_enc.double()).numpy()


def chosen_naively(strengths, k, least=0.0):
    """The k largest of each row above `least`, the earliest first among equal ones."""
    rows = []
    for row in strengths:
        order = sorted(range(len(row)), key=lambda f: (-row[f], f))[:k]
        rows.append(sorted(f for f in order if row[f] > least))
    return rows


def rows_of(code):
    return [code.features[a:b].tolist() for a, b in zip(code.offsets[:-1], code.offsets[1:], strict=True)]


def random_code(n_frames=23, n_features=37, seed=2):
    generator = torch.Generator().manual_seed(seed)
    dense = torch.rand(n_frames, n_features, generator=generator)
    dense *= torch.rand(n_frames, n_features, generator=generator) < 0.2
    dense[3] = 0
    dense[:, 5] = 0
    counts = (dense > 0).sum(dim=1)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return Code(offsets, dense.nonzero()[:, 1].to(torch.int32), dense[dense > 0], n_features), dense


def dense_of(code: Code) -> np.ndarray:
    strength = torch.zeros(code.n_frames, code.n_features)
    strength[torch.repeat_interleave(code.offsets.diff()), code.features.long()] = code.values
    return strength.numpy()


# choosing


@pytest.mark.parametrize("loops", BACKENDS)
@pytest.mark.parametrize("k", [1, 5, 36, 37])
def test_the_k_largest_of_each_frame_are_chosen_as_far_as_they_are_above_0(loops, k):
    weights, x = weights_of(), frames_of(50)
    code = loops.choose_rows(x, weights, k)
    strengths = strengths_of(x, weights)
    assert rows_of(code) == chosen_naively(strengths, k)
    np.testing.assert_allclose(dense_of(code)[strengths < 0], 0)
    frames = np.repeat(np.arange(50), np.diff(code.offsets))
    np.testing.assert_allclose(code.values, strengths[frames, code.features], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n_features", [1, 31, 32, 33, 129, 1000])
def test_any_number_of_features_can_be_chosen_among(n_features):
    weights, x = weights_of(n_features), frames_of(9)
    k = max(1, n_features // 9)
    assert rows_of(compiled.choose_rows(x, weights, k)) == chosen_naively(strengths_of(x, weights), k)


def test_of_equal_strengths_the_earlier_features_are_chosen():
    weights = weights_of(20)
    weights = replace(weights, W_enc=weights.W_enc[:1].repeat(20, 1), b_enc=torch.zeros(20))
    code = compiled.choose_rows(weights.W_enc[:1] + weights.b_dec, weights, 6)
    assert rows_of(code) == [[0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize("loops", BACKENDS)
def test_frames_in_which_nothing_is_above_0_have_no_active_features(loops):
    weights = replace(weights_of(), b_enc=torch.zeros(37))
    x = frames_of(4)
    x[1:3] = weights.b_dec  # nothing is left once the bias is taken off
    code = loops.choose_rows(x, weights, 3)
    assert rows_of(code)[1:3] == [[], []]
    assert all(rows_of(code)[i] for i in (0, 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_the_rough_product_is_made_in_changes_no_bit(dtype, monkeypatch):
    weights, x = weights_of(300, 64), frames_of(200, 64)
    monkeypatch.setattr(compiled, "multiplies_bfloat16", lambda: dtype == torch.bfloat16)
    code = compiled.choose_rows(x, weights, 12)
    monkeypatch.setattr(compiled, "multiplies_bfloat16", lambda: dtype != torch.bfloat16)
    other = compiled.choose_rows(x, weights, 12)
    assert torch.equal(code.features, other.features)
    assert torch.equal(code.values, other.values)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("shift", [0.0, 1.0, 100.0])
def test_strengths_that_lie_close_together_are_still_chosen_in_float32(scale, shift, monkeypatch):
    """Directions that nearly coincide: bfloat16 alone cannot tell which of them are the strongest."""
    monkeypatch.setattr(compiled, "multiplies_bfloat16", lambda: True)
    monkeypatch.setattr(compiled, "_MANY_FRAMES", 0)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(1, 64, generator=generator) + 3e-3 * torch.randn(500, 64, generator=generator)
    weights = Weights(rows, shift * scale * torch.rand(500, generator=generator), rows, torch.zeros(64))
    x = scale * (rows[:40] + 0.1 * torch.randn(40, 64, generator=generator))
    code = compiled.choose_rows(x, weights, 20)
    monkeypatch.setattr(compiled, "multiplies_bfloat16", lambda: False)
    assert torch.equal(code.features, compiled.choose_rows(x, weights, 20).features)
    least = np.array([code.values[a:b].min() for a, b in zip(code.offsets[:-1], code.offsets[1:], strict=True)])
    strengths = strengths_of(x, weights)
    left_out = np.where(dense_of(code) > 0, -np.inf, strengths).max(axis=1)
    assert (left_out <= least + 1e-5 * np.abs(least)).all()


@pytest.mark.parametrize("loops", BACKENDS)
def test_the_number_of_frames_at_a_time_does_not_matter(loops):
    weights, x = weights_of(), frames_of(50)
    whole = loops.choose_rows(x, weights, 4, chunk=50)
    for chunk in (1, 7, 49):
        part = loops.choose_rows(x, weights, 4, chunk=chunk)
        assert torch.equal(whole.offsets, part.offsets)
        assert torch.equal(whole.features, part.features)
        torch.testing.assert_close(whole.values, part.values, rtol=1e-6, atol=0)


def test_the_number_of_threads_changes_no_bit():
    weights, x = weights_of(), frames_of(50)
    found = []
    before = torch.get_num_threads()
    try:
        for n_threads in (1, 2, 3):
            torch.set_num_threads(n_threads)
            code, least = sparse.choose_batch(x, weights, 4)
            learnt = sparse.learn(x, code, weights, widths=(9, 37))
            found.append((least, code, learnt))
    finally:
        torch.set_num_threads(before)
    for least, code, learnt in found[1:]:
        assert least == found[0][0]
        assert torch.equal(code.values, found[0][1].values)
        assert torch.equal(learnt.nested, found[0][2].nested)
        for name in ("W_enc", "b_enc", "W_dec"):  # the sum over frames for b_dec is torch's
            assert torch.equal(learnt.gradients[name], found[0][2].gradients[name])


@pytest.mark.parametrize("loops", BACKENDS)
@pytest.mark.parametrize("k", [1, 4, 30])
def test_the_strengths_that_are_largest_in_the_batch_are_chosen(loops, k, monkeypatch):
    monkeypatch.setattr(sparse, "loops", lambda device: loops)
    weights, x = weights_of(), frames_of(50)
    code, least = sparse.choose_batch(x, weights, k)
    strengths = strengths_of(x, weights)
    order = [i for i in np.argsort(-strengths.flatten(), kind="stable")[: k * 50] if strengths.flat[i] > 0]
    expected = np.zeros(strengths.size, bool)
    expected[order] = True
    assert np.array_equal(dense_of(code) > 0, expected.reshape(strengths.shape))
    assert least == pytest.approx(strengths.flat[order].min(), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("loops", BACKENDS)
@pytest.mark.parametrize("chunk", [1, 50])
@pytest.mark.parametrize("guess", [None, 0.0, 0.5, 3.0, 1e4])
def test_what_the_least_strength_was_guessed_to_be_does_not_matter(loops, guess, chunk, monkeypatch):
    monkeypatch.setattr(sparse, "loops", lambda device: loops)
    monkeypatch.setattr(Weights, "chunk_frames", chunk)
    weights, x = weights_of(), frames_of(50)
    code, least = sparse.choose_batch(x, weights, 3, guess=guess)
    other, other_least = sparse.choose_batch(x, weights, 3, guess=0.1)
    assert least == pytest.approx(other_least, rel=1e-6)
    assert torch.equal(code.offsets, other.offsets)
    assert torch.equal(code.features, other.features)


@pytest.mark.parametrize("loops", BACKENDS)
def test_of_equal_strengths_in_a_batch_the_earlier_ones_are_chosen(loops, monkeypatch):
    monkeypatch.setattr(sparse, "loops", lambda device: loops)
    weights = weights_of(4, 4)
    weights = replace(weights, W_enc=torch.eye(4), b_enc=torch.zeros(4), b_dec=torch.zeros(4))
    x = torch.tensor([[1.0, 2, 1, 0], [1, 1, 1, 1], [3, 1, 1, 1]])
    code, least = sparse.choose_batch(x, weights, 2)
    assert rows_of(code) == [[0, 1, 2], [0, 1], [0]]
    assert least == 1


def test_where_nothing_is_above_0_nothing_is_chosen():
    weights = replace(weights_of(), b_enc=torch.full((37,), -1e3))
    code, least = sparse.choose_batch(frames_of(8), weights, 3)
    assert code.l0 == 0
    assert not code.fired.any()
    assert least == 0


class Sharing(Together):
    """One of several threads that act as processes."""

    def __init__(self, rank, size, box, barrier):
        self.rank, self.size, self._box, self._barrier = rank, size, box, barrier

    def gather(self, values):
        self._box[self.rank] = values
        self._barrier.wait(timeout=20)
        whole = torch.cat([self._box[rank] for rank in range(self.size)])
        self._barrier.wait(timeout=20)
        return whole


def in_shares(work, x, n_shares):
    """Call `work(share, together)` for equal shares of frames at once."""
    box, barrier, found = {}, threading.Barrier(n_shares), {}

    def run(rank, share):
        found[rank] = work(share, Sharing(rank, n_shares, box, barrier))

    threads = [threading.Thread(target=run, args=given) for given in enumerate(x.chunk(n_shares))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return [found[rank] for rank in range(n_shares)]


@pytest.mark.parametrize("guess", [None, 0.7, 1e3])
@pytest.mark.parametrize("has_ties", [False, True])
def test_shares_of_a_batch_are_chosen_from_as_the_whole_is(guess, has_ties):
    weights, x = weights_of(), frames_of(48)
    if has_ties:
        x = x[:12].repeat(4, 1)
    whole, least = sparse.choose_batch(x, weights, 3)
    shares = in_shares(
        lambda share, together: sparse.choose_batch(share, weights, 3, guess=guess, together=together), x, 3
    )
    assert [rows for code, _ in shares for rows in rows_of(code)] == rows_of(whole)
    assert {found for _, found in shares} == {least}


# products


@pytest.mark.parametrize("loops", BACKENDS)
def test_frames_are_put_together_from_the_rows_of_their_features(loops):
    code, dense = random_code()
    rows, out = frames_of(37, seed=5), frames_of(23, seed=6)
    expected = out - 0.5 * dense @ rows
    starts = loops.levels(code, (37,))
    loops.add_rows(code, starts[0], starts[1], rows, -0.5, out)
    torch.testing.assert_close(out, expected)


@pytest.mark.parametrize("loops", BACKENDS)
def test_the_features_of_each_nested_dictionary_are_found(loops):
    code, dense = random_code()
    starts = loops.levels(code, (4, 20, 37))
    for level, (first, stop) in enumerate([(0, 4), (4, 20), (20, 37)]):
        assert torch.equal(starts[level + 1] - starts[level], (dense[:, first:stop] > 0).sum(dim=1))


@pytest.mark.parametrize("loops", BACKENDS)
def test_strengths_have_the_gradient_of_their_row_times_the_frames(loops):
    code, dense = random_code()
    rows, gradient = frames_of(37, seed=5), frames_of(23, seed=6)
    starts, out = loops.levels(code, (37,)), torch.empty_like(code.values)
    loops.strength_gradients(code, starts[0], starts[1], rows, gradient, 0.25, out)
    torch.testing.assert_close(out, 0.25 * (gradient @ rows.T)[dense > 0])


@pytest.mark.parametrize("loops", BACKENDS)
@pytest.mark.parametrize("between", [(0, 37), (5, 21), (5, 6)])
def test_weights_have_the_gradients_of_the_frames_their_features_are_active_in(loops, between):
    code, dense = random_code()
    x, gradient, b_dec = frames_of(23, seed=5), frames_of(23, seed=6), frames_of(1, seed=7)[0]
    strengths = frames_of(len(code.values), 1, seed=8)[:, 0]
    into = torch.ones(37, 12), torch.ones(37), torch.ones(37, 12)
    loops.ByFeature(code).add_gradients(between, strengths, gradient, 0.25, x, b_dec, into)
    change = torch.zeros_like(dense)
    change[dense > 0] = strengths
    inside = torch.zeros(37, 1)
    inside[between[0] : between[1]] = 1
    torch.testing.assert_close(into[0], 1 + inside * (change.T @ (x - b_dec)))
    torch.testing.assert_close(into[1], 1 + inside[:, 0] * change.sum(dim=0))
    torch.testing.assert_close(into[2], 1 + inside * (0.25 * dense.T @ gradient))


@pytest.mark.parametrize("loops", BACKENDS)
def test_rows_are_set_to_length_1_and_a_row_of_zeros_stays(loops):
    rows = frames_of(9)
    rows[4] = 0
    expected = torch.nn.functional.normalize(rows, dim=1)
    loops.set_to_length_one(rows)
    torch.testing.assert_close(rows, expected)


@pytest.mark.parametrize("loops", BACKENDS)
def test_nothing_along_a_row_is_left_in_its_gradient(loops):
    rows = torch.nn.functional.normalize(frames_of(9), dim=1)
    gradient = frames_of(9, seed=4)
    expected = gradient - (gradient * rows).sum(dim=1, keepdim=True) * rows
    loops.take_off_lengthwise(rows, gradient)
    torch.testing.assert_close(gradient, expected)
    torch.testing.assert_close((gradient * rows).sum(dim=1), torch.zeros(9), atol=1e-6, rtol=0)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 100])
def test_the_nth_largest_is_found_among_equal_ones_too(n):
    values = np.random.default_rng(n).integers(0, 5, n).astype(np.float32)
    for nth in range(1, n + 1):
        assert kernel._largest(values.copy(), n, nth) == np.sort(values)[::-1][nth - 1]


@pytest.mark.parametrize("n_entries", [None, 3])
def test_both_ways_of_computing_agree(n_entries, monkeypatch):
    """Losses and gradients, nested and with dead features; also where entries are handled a few at a time."""
    if n_entries:
        monkeypatch.setattr(plain, "_ENTRIES", n_entries)
    weights, x = weights_of(), frames_of(50)
    found = []
    for loops in (compiled, plain):
        monkeypatch.setattr(sparse, "loops", lambda device, loops=loops: loops)
        code, _ = sparse.choose_batch(x, weights, 3)
        dead = sparse.Dead(torch.arange(37) % 3 == 0, 4, 0.5)
        found.append(sparse.learn(x, code, weights, widths=(5, 11, 37), dead=dead))
    torch.testing.assert_close(found[0].nested, found[1].nested)
    torch.testing.assert_close(found[0].aux, found[1].aux)
    for name, gradient in found[0].gradients.items():
        torch.testing.assert_close(gradient, found[1].gradients[name], rtol=1e-5, atol=1e-6)


def test_a_loss_hands_its_gradients_out_once_and_without_a_copy():
    weight, gradient = torch.nn.Parameter(torch.ones(3)), torch.arange(3.0)
    loss = sparse.with_gradients(torch.tensor(2.0), [weight], [gradient])
    place = gradient.data_ptr()
    del gradient
    loss.backward(retain_graph=True)
    assert weight.grad is not None
    assert weight.grad.data_ptr() == place
    with pytest.raises(RuntimeError, match="used already"):
        loss.backward()
