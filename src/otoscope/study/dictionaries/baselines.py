"""What a dictionary is measured against: the raw neurons, principal components, the mean, and nothing at all.

Each is fitted to one half of a corpus, so that it can be scored on the other beside the dictionary. Fitting keeps sums
[d, d] in float64 for each site, and some frames in float32. A baseline finds strengths and puts vectors together like
a dictionary, so that one piece of code scores them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from otoscope.audio.clip import Clip
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.harvest.activity import TRAINED, EncoderReader
from otoscope.harvest.bases import principal_components
from otoscope.model.whisper import Whisper
from otoscope.sae.centre import Massive, massive_dimensions
from otoscope.sae.scores import Reconstructs

CHUNK_FRAMES = 1024
"""Frames whose strengths are held at a time."""


@dataclass(frozen=True, eq=False)
class Constant:
    """Says the same whatever comes: zeros, or the mean. Has no features."""

    value: Float[Tensor, " d"]  # what it says
    n_features: int = 0

    def encode(self, x: Float[Tensor, "frame d"]) -> Float[Tensor, "frame 0"]:
        """Give no strengths."""
        return x.new_zeros(len(x), 0)

    def reconstruct(self, x: Float[Tensor, "frame d"]) -> Float[Tensor, "frame d"]:
        """Say it for every frame."""
        return self.value.to(x.device).expand_as(x)


@dataclass(frozen=True, eq=False)
class Neurons:
    """Keeps the k neurons of each frame that are furthest from their means, and sets the others to theirs."""

    mean: Float[Tensor, " d"]  # of each neuron
    k: int  # neurons kept

    @property
    def n_features(self) -> int:
        """As many as the site has axes."""
        return len(self.mean)

    def encode(self, x: Float[Tensor, "frame d"]) -> Float[Tensor, "frame d"]:
        """Find how far from its mean each kept neuron is."""
        away = x.float() - self.mean.to(x.device)
        kept = away.abs().topk(self.k, dim=-1).indices
        return torch.zeros_like(away).scatter(-1, kept, away.gather(-1, kept))

    def reconstruct(self, x: Float[Tensor, "frame d"]) -> Float[Tensor, "frame d"]:
        """Put the means and what is kept together."""
        return self.encode(x) + self.mean.to(x.device)


@dataclass(frozen=True, eq=False)
class Components:
    """Keeps the strongest principal components, all of them in every frame."""

    mean: Float[Tensor, " d"]  # of the frames
    directions: Float[Tensor, "d component"]  # orthonormal columns

    @property
    def n_features(self) -> int:
        """How many are kept."""
        return self.directions.shape[1]

    def encode(self, x: Float[Tensor, "frame d"]) -> Float[Tensor, "frame component"]:
        """Project."""
        return (x.float() - self.mean.to(x.device)) @ self.directions.to(x.device)

    def reconstruct(self, x: Float[Tensor, "frame d"]) -> Float[Tensor, "frame d"]:
        """Go back from the projection."""
        return self.encode(x) @ self.directions.to(x.device).T + self.mean.to(x.device)


@dataclass(frozen=True, eq=False)
class Fit:
    """What one half of a corpus says of a site."""

    mean: Float64[np.ndarray, " d"]  # of the frames that baselines are fitted to
    covariance: Float64[np.ndarray, "d d"]  # of the same
    replaced_mean: Float64[np.ndarray, " d"]  # of the frames that will be replaced
    frames: Float[Tensor, "frame d"]  # some of the fitted frames, from clips in random order
    n_frames: int  # fitted to
    # dimensions with massive activations in frames of any kind, and their share of the fitted frames' variance
    massive: Sequence[Massive] = ()

    def neurons(self, k: int) -> Neurons:
        """The raw neurons, k of them at a time; all where there are fewer."""
        return Neurons(_float(self.mean), min(k, len(self.mean)))

    def components(self, n: int) -> Components:
        """The n strongest principal components; all where there are fewer."""
        components = principal_components(self.mean, self.covariance).matrix
        assert components is not None, "a basis of components has a matrix"
        return Components(_float(self.mean), components[:, :n].contiguous())

    def mean_ablation(self) -> Constant:
        """The mean of the frames that are replaced."""
        return Constant(_float(self.replaced_mean))

    def zero_ablation(self) -> Constant:
        """Zeros."""
        return Constant(torch.zeros(len(self.mean)))

    @torch.no_grad()
    def active(self, thing: Reconstructs) -> int:
        """How many features are active in a fitted frame, on average and rounded, 1 or more."""
        n_active = sum(int((thing.encode(part) != 0).sum()) for part in self.frames.split(CHUNK_FRAMES))
        return max(1, round(n_active / len(self.frames)))


def fit(
    model: Whisper,
    clips: Iterable[Clip],
    sites: Sequence[str],
    *,
    kinds: frozenset[Kind],
    replaced: frozenset[Kind],
    pool_frames: int,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Fit]:
    """Fit baselines to every site, in one pass over clips.

    `clips`: in an order in which the first are as good as any, since the frames kept are theirs.
    `kinds`: the frames that baselines are fitted to.
    """
    reader = EncoderReader(model, sites)
    sums = {site: _Sums(width, pool_frames) for site, width in reader.widths.items()}
    for done, clip in enumerate(clips, 1):
        for activity in reader.windows(clip):
            for site, site_sums in sums.items():
                x = activity.values[TRAINED, site].float()
                check_finite(x, clip.id, site)
                site_sums.add(x, _is_of(activity.kinds, kinds), _is_of(activity.kinds, replaced))
        progress(done)
    if not all(site_sums.n for site_sums in sums.values()):
        words = " or ".join(kind.name.lower() for kind in sorted(kinds))
        raise InputError(f"no clip holds a frame of {words}, which baselines are fitted to. Give clips that do.")
    return {site: site_sums.finish() for site, site_sums in sums.items()}


def check_finite(x: Tensor, clip_id: str, site: str) -> None:
    """Refuse activations of a clip that are no numbers."""
    if not bool(x.isfinite().all()):
        raise InputError(
            f"clip {clip_id!r}: site {site!r} holds NaN or infinite values, which cannot be scored. "
            "Use --dtype float32, or leave the clip out."
        )


def fit_frames(frames: Float[Tensor, "frame d"]) -> Fit:
    """Fit baselines to frames, as `fit` does to clips; all of them are replaced."""
    sums = _Sums(frames.shape[1], len(frames))
    every = np.ones(len(frames), bool)
    sums.add(frames.float(), every, every)
    return sums.finish()


class _Sums:
    """Sums over the frames of one site."""

    def __init__(self, width: int, pool_frames: int) -> None:
        self.n, self.n_replaced, self.n_pooled = 0, 0, 0
        self._pool_frames = pool_frames
        self._pool: list[Tensor] = []
        self._sum = torch.zeros(width, dtype=torch.float64)
        self._products = torch.zeros(width, width, dtype=torch.float64)
        self._replaced_sum = torch.zeros(width, dtype=torch.float64)
        self._largest = torch.zeros(width)

    def add(self, x: Tensor, is_fitted: np.ndarray, is_replaced: np.ndarray) -> None:
        self._largest = torch.maximum(self._largest, x.abs().amax(dim=0).cpu())
        fitted = x[torch.from_numpy(is_fitted).to(x.device)].cpu()
        exact = fitted.double()
        self.n += len(exact)
        self._sum += exact.sum(dim=0)
        self._products += exact.T @ exact
        self.n_replaced += int(is_replaced.sum())
        self._replaced_sum += x[torch.from_numpy(is_replaced).to(x.device)].sum(dim=0, dtype=torch.float64).cpu()
        room = self._pool_frames - self.n_pooled
        if room > 0 and len(fitted):
            self._pool.append(fitted[:room].clone())
            self.n_pooled += len(self._pool[-1])

    def finish(self) -> Fit:
        mean = self._sum / self.n
        covariance = self._products / self.n - torch.outer(mean, mean)
        frames = torch.cat(self._pool) if self._pool else torch.zeros(0, len(mean))
        typical = float(frames.abs().median()) if len(frames) else 0.0
        return Fit(
            mean=mean.numpy(),
            covariance=covariance.numpy(),
            replaced_mean=(self._replaced_sum / max(self.n_replaced, 1)).numpy(),
            frames=frames,
            n_frames=self.n,
            massive=massive_dimensions(self._largest, typical, covariance.diagonal()),
        )


def _is_of(kinds: np.ndarray, wanted: frozenset[Kind]) -> np.ndarray:
    return np.asarray(np.isin(kinds, [int(kind) for kind in wanted]))


def _float(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
