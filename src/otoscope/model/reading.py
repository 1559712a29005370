"""The tape: what a reading keeps of the tensors that pass the sites.

A tape holds the model's own tensors, detached but not copied, so a reading takes the memory of what it reads. Pieces
are joined when a site is first looked up: runs of the encoder along the window axis, the steps of a decoding along the
token axis and then decodings along the window axis. The tape knows sites and tensors; `hooks` fills
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from otoscope.base.errors import InputError, SiteError
from otoscope.base.short_repr import tensors_repr
from otoscope.model.sites import Kind, Site

NO_TOKEN = -1
"""Marks the positions in `Tape.tokens` after a decoding's end."""


class Tape(Mapping[str, Tensor]):
    """The tensors that passed the named sites while a reading was on: site to tensor.

    Several runs of the encoder follow each other along the window axis. Decodings too; where they differ in length the
    shorter ones are filled with zeros at their end, and `tokens` says where. A mapping of the sites that hold
    something.

    Args:
        sites: What to read.
        gradients: Keep the tensors in the graph instead of detaching them.
        resolve: Turns a name or an alias into a site.
    """

    def __init__(self, sites: Sequence[Site], *, gradients: bool, resolve: Callable[[str], Site]) -> None:
        self.sites: dict[str, Site] = {site.name: site for site in sites}
        self.gradients = gradients
        self._resolve = resolve
        self._runs: dict[str, list[list[Tensor]]] = {name: [] for name in self.sites}
        self._tokens: list[list[Tensor]] = []
        self._decoding: dict[str, int] = {}
        self._is_closed = False
        self._joined: dict[str, Tensor] = {}

    def __getitem__(self, site: str) -> Tensor:
        """Return all that passed a site, as one tensor.

        Args:
            site: Name or alias of a site that is being read.

        Returns:
            The tensor, in the axes of the site, on the model's device.

        Raises:
            SiteError: The site is not in the model, or this reading did not name it.
            InputError: Nothing has passed the site yet.
        """
        name = self._name(site)
        if name not in self._joined:
            runs = self._runs[name]
            if not runs:
                raise InputError(
                    f"nothing has passed {name!r} yet: run the {self.sites[name].room} inside the reading."
                )
            self._joined[name] = _join_runs([_join_steps(run, self.sites[name]) for run in runs], self.sites[name])
            if self._is_closed and not self.gradients:
                self._runs[name] = [[self._joined[name]]]
        return self._joined[name]

    def __contains__(self, site: object) -> bool:
        """Whether something has passed the site."""
        return isinstance(site, str) and bool(self._runs.get(site))

    def __iter__(self) -> Iterator[str]:
        return (name for name, runs in self._runs.items() if runs)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        """Write the sites with the shapes of what was read."""
        return tensors_repr("Tape", self)

    def parts(self, site: str) -> list[Tensor]:
        """Return the pieces as they passed, one per call of the model, unjoined.

        With gradients these are the tensors of the graph itself. Differentiate with respect to them when the model ran
        more than once: a joined tensor is made from them, and the model's output does not depend on it.

        Args:
            site: Name or alias of a site that is being read.

        Returns:
            The pieces in the order in which they passed; one piece where the site was looked up after the reading,
            unless with gradients.

        Raises:
            SiteError: The site is not in the model, or this reading did not name it.
        """
        return [piece for run in self._runs[self._name(site)] for piece in run]

    @property
    def tokens(self) -> Tensor:
        """Token ids the decoder was given, int64 [window, token]; -1 after a decoding's end.

        Raises:
            InputError: The decoder has not run, or no site of the decoder is being read.
        """
        if not self._tokens:
            raise InputError("no token has been read: name a site of the decoder, and run it inside the reading.")
        runs = [torch.cat(steps, dim=1) for steps in self._tokens]
        longest = max(run.shape[1] for run in runs)
        return torch.cat([F.pad(run, (0, longest - run.shape[1]), value=NO_TOKEN) for run in runs])

    @property
    def reads_decoder(self) -> bool:
        """Whether any site of the decoder is named."""
        return any(site.room == "decoder" for site in self.sites.values())

    def begin_decoding(self) -> None:
        """Open a new decoding: what the decoder gives from here on belongs to new windows."""
        self._tokens.append([])

    def add_tokens(self, ids: Tensor) -> None:
        """Note the tokens of one decoder step, [window, token]."""
        if not self._tokens:
            self.begin_decoding()
        self._tokens[-1].append(ids.detach().to(torch.int64).clone())

    def add(self, site: Site, piece: Tensor) -> None:
        """Keep what passed one site in one call of its module.

        Args:
            site: One of the sites named.
            piece: The tensor, in the site's axes; kept as it is.
        """
        runs = self._runs[site.name]
        decoding = len(self._tokens)
        if site.room == "encoder" or self._decoding.get(site.name) != decoding:
            runs.append([])
            self._decoding[site.name] = decoding
        runs[-1].append(piece)
        self._joined.pop(site.name, None)

    def close(self) -> None:
        """Note that nothing more will come, so that pieces need not be kept once they are joined."""
        self._is_closed = True

    def _name(self, site: str) -> str:
        name = self._resolve(site).name
        if name not in self.sites:
            named = ", ".join(self.sites) or "none"
            raise SiteError(f"site {name!r} is not on this tape: the reading named {named}. Name it in reading().")
        return name


def _join_steps(steps: list[Tensor], site: Site) -> Tensor:
    """Join the steps of one run along the token axis; where a pattern grows, its keys are filled up with zeros."""
    if len(steps) == 1 and not _is_square(site):
        return steps[0]
    axis = site.axes.index("token") if site.is_growing else 0
    if _is_square(site):
        n_tokens = sum(step.shape[axis] for step in steps)
        steps = [_fit(step, -1, n_tokens) for step in steps]
    return steps[0] if len(steps) == 1 else torch.cat(steps, dim=axis)


def _join_runs(runs: list[Tensor], site: Site) -> Tensor:
    """Join runs along the window axis, shorter decodings filled with zeros at their end."""
    if len(runs) == 1:
        return runs[0]
    if site.is_growing:
        axis = site.axes.index("token")
        longest = max(run.shape[axis] for run in runs)
        runs = [_fit(run, axis, longest) for run in runs]
        if _is_square(site):
            runs = [_fit(run, -1, longest) for run in runs]
    return torch.cat(runs)


def _is_square(site: Site) -> bool:
    return site.kind is Kind.PATTERN and site.axes[-1] == "token"


def _fit(x: Tensor, axis: int, length: int) -> Tensor:
    """Pad one axis with zeros, or cut it, to a length."""
    n_missing = length - x.shape[axis]
    if n_missing <= 0:
        return x.narrow(axis, 0, length) if n_missing else x
    padding = [0, 0] * (-axis - 1 if axis < 0 else x.ndim - axis - 1) + [0, n_missing]
    return F.pad(x, padding)
