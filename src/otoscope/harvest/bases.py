"""The bases: which directions a site is read in.

`neuron`: the site's own axes; `random`: a random orthogonal matrix; `pca`: the principal components
of the calibration's speech frames; `sae:DIR`: the features of a dictionary, or of one dictionary per site;
`untrained`: the axes of the same model with random weights.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.base.short_repr import ShortRepr
from otoscope.harvest.activity import TRAINED, UNTRAINED, Activity
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.files import dictionaries_in, load_dictionary
from otoscope.sae.fit import check_model, named_site

PLAIN = ("neuron", "random", "pca", "untrained")
DICTIONARY = "sae:"

ROWS_OF_A_BLOCK = 128
"""A matrix product with a multiple of this many rows has the same bits for any number of threads."""


@dataclass(frozen=True, repr=False)
class Directions(ShortRepr):
    """How a site's activations become strengths: (x - centre) @ matrix, or a dictionary, or unchanged."""

    matrix: Float[Tensor, "d feature"] | None = None  # [d, feature]; None for the axes themselves
    centre: Float[Tensor, " d"] | None = None  # [d]; None to subtract nothing
    dictionary: Dictionary | None = None  # if given, it encodes instead

    def strengths(self, x: Float[Tensor, "frame d"]) -> Float[Tensor, "frame feature"]:
        """Read activations in these directions, in float32 on their own device."""
        x = x.float()
        if self.dictionary is not None:
            return self.dictionary.to(x.device).encode(x)
        if self.centre is not None:
            x = x - self.centre.to(x.device)
        if self.matrix is None:
            return x
        # Pad to whole blocks of rows, so that the last bits do not depend on the number of threads.
        filled = torch.nn.functional.pad(x, (0, 0, 0, -len(x) % ROWS_OF_A_BLOCK))
        return (filled @ self.matrix.to(x.device))[: len(x)]


@dataclass(frozen=True)
class Group:
    """The features of one site in one basis."""

    site: str
    basis: str  # `neuron`, `random`, `pca`, `untrained` or `sae:DIR`
    n_features: int  # number of directions
    directions: Directions  # how their strengths are computed

    @property
    def reads(self) -> tuple[str, str]:
        """Which model, `trained` or `untrained`, and which site it is read from."""
        return UNTRAINED if self.basis == "untrained" else TRAINED, self.site

    def strengths(self, activity: Activity) -> Float32[np.ndarray, "frame feature"]:
        """Read one window in these directions.

        The recording's frames are computed separately, so that their last bits do not depend on the padding.
        """
        x, n = activity.values[self.reads], activity.n_recorded
        parts = [self.directions.strengths(part).cpu().numpy() for part in (x[:n], x[n:]) if len(part)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    @property
    def name(self) -> str:
        """Its name in messages and for seeds."""
        return f"{self.site} {self.basis}"


def check_names(bases: Sequence[str]) -> None:
    """Refuse an unknown basis; dictionaries are not opened."""
    for basis in bases:
        if basis not in PLAIN and not basis.startswith(DICTIONARY):
            raise InputError(
                f"there is no basis {basis!r}: give {', '.join(PLAIN)}, or sae:DIR for a dictionary's folder."
            )


def check_bases(
    bases: Sequence[str],
    widths: Mapping[str, int] | None = None,
    *,
    model_id: str = "",
    weights_hash: str | None = None,
    force: bool = False,
    root: str | Path | None = None,
) -> int:
    """Refuse an unknown basis or a dictionary that does not fit, before any work; returns the number of features."""
    check_names(bases)
    n_features = 0
    for basis in bases:
        if basis in PLAIN:
            n_features += sum((widths or {}).values())
            continue
        dictionaries = _read(basis, root)
        for name, dictionary in dictionaries.items():
            check_model(dictionary, model_id=model_id, weights_hash=weights_hash, force=force, name=repr(name))
        placed = dictionaries if widths is None else _placed(basis, dictionaries, widths, force=force)
        n_features += sum(dictionary.n_features for dictionary in placed.values())
    return n_features


def groups_of(
    widths: Mapping[str, int],
    bases: Sequence[str],
    components: Mapping[str, Directions],
    seed: int,
    *,
    force: bool = False,
    root: str | Path | None = None,
) -> list[Group]:
    """Build the groups of features: site by site, each with its bases in order.

    `components`: the principal components of every site, if `pca` is among the bases.
    `force`: use a dictionary of another site on the only site of its width.
    `root`: folder that a relative `sae:DIR` is relative to; None for the working directory.
    """
    dictionaries = {
        basis: _placed(basis, _read(basis, root), widths, force=force)
        for basis in bases
        if basis.startswith(DICTIONARY)
    }
    groups = []
    for site, width in widths.items():
        for basis in bases:
            if basis in dictionaries:
                dictionary = dictionaries[basis].get(site)
                if dictionary is not None:
                    groups.append(Group(site, basis, dictionary.n_features, Directions(dictionary=dictionary)))
            elif basis == "random":
                groups.append(Group(site, basis, width, Directions(_orthogonal(width, site, seed))))
            elif basis == "pca":
                groups.append(Group(site, basis, width, components[site]))
            else:
                groups.append(Group(site, basis, width, Directions()))
    return groups


def principal_components(mean: np.ndarray, covariance: np.ndarray) -> Directions:
    """Compute the principal components of a site, strongest first; the largest weight of each is positive."""
    _, vectors = np.linalg.eigh(covariance)
    vectors = vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(len(largest))])
    return Directions(
        torch.from_numpy(np.ascontiguousarray(vectors, np.float32)), torch.from_numpy(mean.astype(np.float32))
    )


def _orthogonal(width: int, site: str, seed: int) -> Tensor:
    """Draw a uniformly random orthogonal matrix. Source: Mezzadri 2007 (arXiv math-ph/0609050), section 5."""
    normal = np.random.default_rng([seed, zlib.crc32(site.encode())]).normal(size=(width, width))
    q, r = np.linalg.qr(normal)
    return torch.from_numpy((q * np.sign(np.diag(r))).astype(np.float32))


def _read(basis: str, root: str | Path | None) -> dict[str, Dictionary]:
    """Read the dictionaries of a basis, one or all of a training run, by their names in messages."""
    folders = list(dictionaries_in(Path(root or "", basis.removeprefix(DICTIONARY))).values())
    names = [basis] if len(folders) == 1 else [f"{DICTIONARY}{folder}" for folder in folders]
    return {name: load_dictionary(folder) for name, folder in zip(names, folders, strict=True)}


def _placed(
    basis: str, dictionaries: Mapping[str, Dictionary], widths: Mapping[str, int], *, force: bool
) -> dict[str, Dictionary]:
    """Assign each dictionary of a basis to its site; of several, those of sites not in `widths` are left out."""
    placed: dict[str, Dictionary] = {}
    elsewhere = []
    for name, dictionary in dictionaries.items():
        named = named_site(dictionary.metadata, widths)
        if len(dictionaries) > 1 and named is not None and named not in widths:
            elsewhere.append(named)
            continue
        site = _site_of(name, dictionary, named, widths, force=force)
        if site in placed:
            raise InputError(
                f"{basis!r} holds more than one dictionary of site {site!r}. Name the folder of one of them: "
                f"--basis {name}."
            )
        placed[site] = dictionary
    if not placed:
        raise InputError(
            f"{basis!r} holds dictionaries of {', '.join(map(repr, elsewhere))}, none of which is among the sites "
            f"named. Add --site {elsewhere[0]}."
        )
    return placed


def _site_of(basis: str, dictionary: Dictionary, named: str | None, widths: Mapping[str, int], *, force: bool) -> str:
    """The site that a dictionary reads: the one it names, or the only one of its width."""
    if named is not None and named in widths:
        if widths[named] == dictionary.d_in:
            return named
        raise InputError(f"{basis!r} takes {dictionary.d_in} values, and its site {named!r} holds {widths[named]}.")
    if named is not None and not force:
        raise InputError(
            f"{basis!r} was trained on site {named!r}, which is not among those named. Add --site {named}, or --force "
            "to try it on another."
        )
    fitting = [site for site, width in widths.items() if width == dictionary.d_in]
    if len(fitting) != 1:
        raise InputError(
            f"{basis!r} takes {dictionary.d_in} values and does not say of which site: {len(fitting)} of the named "
            f"sites have that width. Name only the site that it was trained on."
        )
    return fitting[0]
