"""TopK, BatchTopK and Matryoshka, against slow twins with all features in float64 and autograd."""

import math
from dataclasses import replace

import pytest
import torch

from otoscope.base.errors import InputError
from otoscope.sae import compiled, plain, sparse
from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders.batchtopk import THRESHOLD_RATE, BatchTopK
from otoscope.sae.coders.coder import Moment
from otoscope.sae.coders.matryoshka import Matryoshka
from otoscope.sae.coders.topk import TopK
from tests.sae.test_sparse import frames_of, in_shares

D_IN, N_FEATURES, N_FRAMES = 12, 48, 60
CODERS = [TopK, BatchTopK, Matryoshka]
WEIGHTS = ("W_enc", "b_enc", "W_dec", "b_dec")
every_coder = pytest.mark.parametrize("kind", CODERS)


def coder_of(kind, seed=0, **changed):
    """A coder whose weights are nothing special any more."""
    coder = kind(CoderSettings(kind.name, D_IN, N_FEATURES, k=5, seed=seed, **changed))
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for weight in (coder.W_enc, coder.b_enc, coder.b_dec):
            weight += 0.1 * torch.randn(weight.shape, generator=generator)
    return coder


def moment_of(n_dead, **more):
    return Moment(torch.arange(N_FEATURES) >= N_FEATURES - n_dead, **more)


def twin(coder, x, is_dead):
    """The losses with all features at once: reconstruction from the papers, dead features as SAELens has them."""
    weights = [getattr(coder, name).detach().double().requires_grad_() for name in WEIGHTS]
    W_enc, b_enc, W_dec, b_dec = weights  # noqa: N806
    x, k, settings = x.double(), coder.settings.k, coder.settings
    strengths = (x - b_dec) @ W_enc.T + b_enc
    if isinstance(coder, BatchTopK):
        flat = strengths.relu().flatten()
        top = flat.topk(k * len(x))
        active = torch.zeros_like(flat).scatter(0, top.indices, top.values).reshape(strengths.shape)
    else:
        top = strengths.topk(k, dim=1)
        active = torch.zeros_like(strengths).scatter(1, top.indices, top.values.relu())
    widths = [N_FEATURES]
    if isinstance(coder, Matryoshka):
        widths = list(settings.widths) or [N_FEATURES // share for share in (16, 8, 4, 2, 1)]
    nested = [((active[:, :width] @ W_dec[:width] + b_dec - x) ** 2).sum(dim=1).mean() for width in widths]
    aux = torch.zeros((), dtype=torch.float64)
    n_dead = int(is_dead.sum())
    if n_dead and settings.aux_coefficient:
        left_over = (x - active @ W_dec - b_dec).detach()
        aux_k = settings.aux_k or D_IN // 2
        of_dead = strengths.masked_fill(~is_dead, -torch.inf)
        top = of_dead.topk(min(aux_k, n_dead), dim=1)
        revived = torch.zeros_like(strengths).scatter(1, top.indices, top.values)
        aux = ((revived @ W_dec - left_over) ** 2).sum(dim=1).mean()
        aux = settings.aux_coefficient * min(n_dead / aux_k, 1) * aux
    total = sum(nested) + aux
    total.backward()
    gradients = {name: weight.grad for name, weight in zip(WEIGHTS, weights, strict=True)}
    return total, {"mse": nested[-1], "nested": sum(nested[:-1], 0 * total), "aux": aux}, active, gradients


def assert_close(found, expected):
    torch.testing.assert_close(found.double(), expected.double(), rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


@every_coder
@pytest.mark.parametrize("loops", [pytest.param(compiled, id="compiled"), pytest.param(plain, id="plain")])
@pytest.mark.parametrize("n_dead", [0, 1, 4, 6, 30, N_FEATURES])
def test_losses_and_gradients_are_those_of_the_slow_twin(kind, loops, n_dead, monkeypatch):
    monkeypatch.setattr(sparse, "loops", lambda device: loops)
    coder, x, moment = coder_of(kind), frames_of(N_FRAMES), moment_of(n_dead)
    loss = coder.loss(x, moment)
    loss.total.backward()
    total, parts, active, gradients = twin(coder, x, moment.is_dead)
    assert_close(loss.total.detach(), total.detach())
    for name, part in loss.parts.items():
        assert_close(part, parts[name].detach())
    assert_close(sum(loss.parts.values()), total.detach())
    assert float(loss.l0) == pytest.approx(float((active > 0).sum(dim=1).double().mean()))
    assert torch.equal(loss.fired, (active > 0).any(dim=0))
    for name in WEIGHTS:
        assert_close(getattr(coder, name).grad, gradients[name])


@pytest.mark.parametrize("changed", [{"aux_k": 3}, {"aux_k": 100}, {"aux_coefficient": 2.0}, {"aux_coefficient": 0.0}])
def test_dead_features_learn_as_the_settings_say(changed):
    coder, x, moment = coder_of(TopK, **changed), frames_of(N_FRAMES), moment_of(20)
    loss = coder.loss(x, moment)
    loss.total.backward()
    total, _, _, gradients = twin(coder, x, moment.is_dead)
    assert_close(loss.total.detach(), total.detach())
    for name in WEIGHTS:
        assert_close(getattr(coder, name).grad, gradients[name])


@pytest.mark.parametrize("widths", [(48,), (1, 48), (7, 30, 48)])
def test_nested_dictionaries_are_as_wide_as_asked(widths):
    coder, x = coder_of(Matryoshka, widths=widths), frames_of(N_FRAMES)
    loss = coder.loss(x, moment_of(0))
    loss.total.backward()
    total, _, _, gradients = twin(coder, x, moment_of(0).is_dead)
    assert_close(loss.total.detach(), total.detach())
    for name in WEIGHTS:
        assert_close(getattr(coder, name).grad, gradients[name])


def test_one_nested_dictionary_is_batchtopk():
    x = frames_of(N_FRAMES)
    one, other = coder_of(Matryoshka, widths=(N_FEATURES,)), coder_of(BatchTopK)
    assert torch.equal(one.loss(x, moment_of(0)).total.detach(), other.loss(x, moment_of(0)).total.detach())


@every_coder
def test_a_loss_that_is_scaled_has_scaled_gradients(kind):
    x, moment = frames_of(N_FRAMES), moment_of(10)
    one, other = coder_of(kind), coder_of(kind)
    one.loss(x, moment).total.backward()
    (3 * other.loss(x, moment).total).backward()
    for name in WEIGHTS:
        torch.testing.assert_close(3 * getattr(one, name).grad, getattr(other, name).grad)


@every_coder
def test_the_same_batch_gives_the_same_bits(kind):
    x, moment = frames_of(N_FRAMES), moment_of(10)
    one, other = coder_of(kind), coder_of(kind)
    other.loss(frames_of(N_FRAMES, seed=8), moment)  # what it remembers of another batch must not matter
    one.loss(x, moment).total.backward()
    other.loss(x, moment).total.backward()
    for name in WEIGHTS:
        assert torch.equal(getattr(one, name).grad, getattr(other, name).grad)


@every_coder
def test_a_frozen_decoder_gets_no_gradient_and_stays(kind):
    coder = coder_of(kind, is_decoder_frozen=True)
    before = coder.W_dec.clone()
    optimizer = coder.make_optimizer(0.1)
    coder.loss(frames_of(N_FRAMES), moment_of(10)).total.backward()
    assert coder.W_dec.grad is None
    coder.project_gradients()
    optimizer.step()
    coder.after_step()
    assert torch.equal(coder.W_dec, before)


@every_coder
def test_without_gradients_there_is_a_loss_all_the_same(kind):
    coder, x = coder_of(kind), frames_of(N_FRAMES)
    with torch.no_grad():
        loss = coder.loss(x, moment_of(10))
    assert not loss.total.requires_grad
    assert float(loss.total) == pytest.approx(float(twin(coder, x, moment_of(10).is_dead)[0].detach()), rel=1e-5)


@every_coder
@pytest.mark.parametrize("name", ["W_enc", "b_enc", "W_dec", "b_dec", "x"])
def test_what_is_not_a_number_shows_in_the_loss(kind, name):
    coder, x = coder_of(kind), frames_of(N_FRAMES)
    with torch.no_grad():
        spoilt = x if name == "x" else getattr(coder, name)
        spoilt[3 if name.startswith("b_") else slice(3, 4)] = torch.nan
        if name == "W_dec":
            spoilt[:] = torch.nan
    assert math.isnan(float(coder.loss(x, moment_of(0)).total.detach()))


@every_coder
def test_shares_of_a_batch_average_to_the_whole(kind):
    """Equal shares in several processes give the loss, the gradients and the threshold of the whole batch."""
    x, moment = frames_of(N_FRAMES), moment_of(10)
    whole = coder_of(kind)
    whole.loss(x, moment).total.backward()
    whole.after_step()

    def work(share, together):
        coder = coder_of(kind)
        loss = coder.loss(share, replace(moment, together=together))
        loss.total.backward()
        coder.after_step()
        return coder

    shares = in_shares(work, x, 3)
    for name in WEIGHTS:
        mean = torch.stack([getattr(coder, name).grad for coder in shares]).mean(dim=0)
        assert_close(mean, getattr(whole, name).grad)
    if kind is not TopK:
        assert {float(coder.threshold) for coder in shares} == {float(whole.threshold)}


@every_coder
def test_decoder_rows_stay_at_length_1(kind):
    coder = coder_of(kind)
    optimizer = coder.make_optimizer(0.05)
    for seed in range(5):
        coder.loss(frames_of(N_FRAMES, seed=seed), moment_of(5)).total.backward()
        coder.project_gradients()
        torch.testing.assert_close(
            (coder.W_dec.grad * coder.W_dec).sum(dim=1).detach(), torch.zeros(N_FEATURES), atol=1e-4, rtol=0
        )
        optimizer.step()
        optimizer.zero_grad()
        coder.after_step()
        torch.testing.assert_close(coder.W_dec.detach().norm(dim=1), torch.ones(N_FEATURES))


def test_topk_encodes_as_it_trains():
    coder, x = coder_of(TopK), frames_of(N_FRAMES)
    _, _, active, _ = twin(coder, x, moment_of(0).is_dead)
    assert_close(coder.encode(x).detach(), active.detach())


@pytest.mark.parametrize("kind", [BatchTopK, Matryoshka])
def test_a_feature_is_active_above_the_threshold(kind):
    coder, x = coder_of(kind), frames_of(N_FRAMES)
    coder.loss(x, moment_of(0))
    coder.after_step()
    strengths = (x - coder.b_dec) @ coder.W_enc.T + coder.b_enc
    expected = torch.where((strengths > coder.threshold) & (strengths > 0), strengths, 0)
    torch.testing.assert_close(coder.encode(x), expected)
    assert coder.threshold > 0


def test_the_threshold_is_the_average_of_what_was_just_strong_enough():
    """From the first batch on: recent batches count more, and that the mean began at 0 does not show."""
    coder = coder_of(BatchTopK)
    least = []
    assert coder.threshold == 0
    for seed in range(4):
        x = frames_of(N_FRAMES, seed=seed)
        least.append(float(twin(coder, x, moment_of(0).is_dead)[2].detach().flatten().topk(5 * N_FRAMES).values[-1]))
        coder.loss(x, moment_of(0))
        coder.after_step()
        weights = [(1 - THRESHOLD_RATE) ** (seed - i) for i in range(seed + 1)]
        mean = sum(w * v for w, v in zip(weights, least, strict=True)) / sum(weights)
        assert float(coder.threshold) == pytest.approx(mean, rel=1e-5)


def test_looking_at_a_loss_moves_no_threshold():
    coder = coder_of(BatchTopK)
    coder.eval()
    coder.loss(frames_of(N_FRAMES), moment_of(0))
    coder.after_step()
    assert coder.threshold == 0


def test_the_threshold_is_kept_with_the_weights():
    coder, other = coder_of(BatchTopK), coder_of(BatchTopK)
    coder.loss(frames_of(N_FRAMES), moment_of(0))
    coder.after_step()
    other.load_state_dict(coder.state_dict())
    assert torch.equal(other.threshold, coder.threshold)


@every_coder
def test_the_finished_dictionary_encodes_as_the_coder_does(kind):
    coder, x = coder_of(kind), frames_of(N_FRAMES)
    coder.loss(x, moment_of(0))
    coder.after_step()
    dictionary = coder.finished(2.0, {})
    assert dictionary.architecture == ("topk" if kind is TopK else "jumprelu")
    torch.testing.assert_close(dictionary.encode(x / 2), coder.encode(x).detach())


@every_coder
def test_bfloat16_chooses_nearly_the_same(kind):
    x = frames_of(N_FRAMES)
    exact, rough = (coder_of(kind, precision=name).loss(x, moment_of(0)) for name in ("float32", "bfloat16"))
    assert float(rough.total.detach()) == pytest.approx(float(exact.total.detach()), rel=0.02)
    assert rough.l0 == exact.l0


@every_coder
def test_the_learning_rate_goes_with_one_over_the_root_of_the_features(kind):
    coders = [kind(CoderSettings(kind.name, 2, n, k=1)) for n in (2**12, 2**14)]
    assert [coder.learning_rate for coder in coders] == pytest.approx([4e-4, 2e-4])


@every_coder
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"k": 49}, "k is 49, with 48 features in the dictionary"),
        ({"k": 0}, "k is 0"),
        ({"aux_k": 0}, "aux_k is 0"),
        ({"aux_coefficient": -1.0}, "aux_coefficient is -1.0"),
        ({"aux_coefficient": math.nan}, "aux_coefficient is nan"),
        ({"precision": "float16"}, "precision is 'float16'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind, changed, message):
    with pytest.raises(InputError, match=message):
        kind(replace(CoderSettings(kind.name, D_IN, N_FEATURES, k=5), **changed))


@pytest.mark.parametrize("widths", [(10,), (10, 10, 48), (20, 10, 48), (0, 48), (10, 49)])
def test_nested_widths_that_do_not_ascend_to_all_features_are_refused(widths):
    with pytest.raises(InputError, match="widths are"):
        Matryoshka(CoderSettings("matryoshka", D_IN, N_FEATURES, k=5, widths=widths))


@pytest.mark.parametrize("n_features", [1, 2, 5, 17])
def test_few_features_have_few_nested_dictionaries(n_features):
    coder = Matryoshka(CoderSettings("matryoshka", D_IN, n_features, k=1))
    assert math.isfinite(
        float(coder.loss(frames_of(8), Moment(torch.zeros(n_features, dtype=torch.bool))).total.detach())
    )
