"""The bases: which directions a site is read in.

`neuron` is the site's own axes; `random` an orthogonal matrix; `pca` the principal components of the calibration's
speech frames; `sae:DIR` the entries of a dictionary; `untrained` the axes of the same model with random weights.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.harvest.activity import TRAINED, UNTRAINED
from otoscope.sae.dictionary import Dictionary, load_dictionary

PLAIN = ("neuron", "random", "pca", "untrained")
DICTIONARY = "sae:"


@dataclass(frozen=True)
class Directions:
    """What turns a site's activations into strengths: (x - centre) @ matrix, or a dictionary, or nothing.

    Attributes:
        matrix: [d, feature], None for the axes themselves.
        centre: [d], None for none.
        dictionary: Encodes instead, if given.
    """

    matrix: Float[Tensor, "d feature"] | None = None
    centre: Float[Tensor, " d"] | None = None
    dictionary: Dictionary | None = None

    def strengths(self, x: Float[Tensor, "frame d"]) -> Float[Tensor, "frame feature"]:
        """Read activations in these directions, in float32 on their own device."""
        x = x.float()
        if self.dictionary is not None:
            return self.dictionary.to(x.device).encode(x)
        if self.centre is not None:
            x = x - self.centre.to(x.device)
        return x if self.matrix is None else x @ self.matrix.to(x.device)


@dataclass(frozen=True)
class Group:
    """The features of one site in one basis.

    Attributes:
        site: The site.
        basis: The basis's name.
        n_features: Its directions.
        directions: What they are.
    """

    site: str
    basis: str
    n_features: int
    directions: Directions

    @property
    def reads(self) -> tuple[str, str]:
        """Which model and which site it is read from."""
        return UNTRAINED if self.basis == "untrained" else TRAINED, self.site

    @property
    def name(self) -> str:
        """What it is called in messages and seeds."""
        return f"{self.site} {self.basis}"


def check_bases(bases: Sequence[str]) -> None:
    """Refuse a basis that is not known, before any work.

    Raises:
        InputError: It is none, or its dictionary cannot be read.
    """
    for basis in bases:
        if basis.startswith(DICTIONARY):
            load_dictionary(basis.removeprefix(DICTIONARY))
        elif basis not in PLAIN:
            raise InputError(f"basis {basis!r} is none: give {', '.join(PLAIN)}, or sae:DIR for a dictionary's folder.")


def groups_of(
    widths: Mapping[str, int], bases: Sequence[str], components: Mapping[str, Directions], seed: int
) -> list[Group]:
    """Build the groups of features, sites in order and the bases of each in order.

    Args:
        widths: Sites and their widths.
        bases: Names of bases.
        components: The principal components of every site, where `pca` is among the bases.
        seed: Of the random directions.

    Raises:
        InputError: A dictionary does not fit any site, or its site cannot be told.
    """
    dictionaries = {basis: load_dictionary(basis.removeprefix(DICTIONARY)) for basis in bases if ":" in basis}
    places = {basis: _site_of(basis, dictionary, widths) for basis, dictionary in dictionaries.items()}
    groups = []
    for site, width in widths.items():
        for basis in bases:
            if basis in dictionaries:
                if places[basis] == site:
                    dictionary = dictionaries[basis]
                    groups.append(Group(site, basis, dictionary.n_features, Directions(dictionary=dictionary)))
            elif basis == "random":
                groups.append(Group(site, basis, width, Directions(_orthogonal(width, site, seed))))
            elif basis == "pca":
                groups.append(Group(site, basis, width, components[site]))
            else:
                groups.append(Group(site, basis, width, Directions()))
    return groups


def principal_components(mean: np.ndarray, covariance: np.ndarray) -> Directions:
    """The principal components of a site, strongest first; each points where its largest weight is above zero."""
    _, vectors = np.linalg.eigh(covariance)
    vectors = vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(len(largest))])
    return Directions(
        torch.from_numpy(np.ascontiguousarray(vectors, np.float32)), torch.from_numpy(mean.astype(np.float32))
    )


def _orthogonal(width: int, site: str, seed: int) -> Tensor:
    """A random orthogonal matrix, evenly drawn. Source: Mezzadri 2007 (arXiv math-ph/0609050), section 5."""
    normal = np.random.default_rng([seed, zlib.crc32(site.encode())]).normal(size=(width, width))
    q, r = np.linalg.qr(normal)
    return torch.from_numpy((q * np.sign(np.diag(r))).astype(np.float32))


def _site_of(basis: str, dictionary: Dictionary, widths: Mapping[str, int]) -> str:
    """The site that a dictionary reads: the one it names, or the only one of its width."""
    metadata: Mapping[str, Any] = dictionary.metadata
    named = str(metadata.get("site") or metadata.get("hook_name") or "")
    if named in widths:
        if widths[named] != dictionary.d_in:
            raise InputError(f"{basis!r} takes {dictionary.d_in} values, and its site {named!r} holds {widths[named]}.")
        return named
    fitting = [site for site, width in widths.items() if width == dictionary.d_in]
    if named.startswith("encoder."):
        raise InputError(
            f"{basis!r} was trained on site {named!r}, which is not among those named. Add --site {named}."
        )
    if len(fitting) != 1:
        raise InputError(
            f"{basis!r} takes {dictionary.d_in} values and does not say of which site: {len(fitting)} of the named "
            f"sites have that width. Name just the site that it was trained on."
        )
    return fitting[0]
