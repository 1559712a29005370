"""The switchboard of one model: which edits, tapes and attention windows are on, and the hooks they need.

Everything that looks into the model or changes it goes through here, so that the order in which blocks of code are
entered and left does not matter: a site has one hook, put in when the first edit or tape wants it and taken out after
the last one. With nothing on, the model holds no hook and runs as if this module did not exist.

Edits, tapes and windows belong to the thread that put them on: hooks are shared, and what is on is looked up for the
thread that runs the model. A thread with no edit and no window of its own is refused while another thread has some,
because it is unclear whether they were meant for it.

It knows sites and modules; it does not know sound, text or where a model came from.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import Cache, WhisperForConditionalGeneration
from transformers.models.whisper.modeling_whisper import WhisperAttention

from otoscope.base.errors import InputError
from otoscope.model.attention import AttentionWindow, route, unroute, window_mask
from otoscope.model.reading import Tape
from otoscope.model.sites import Kind, Site, SiteTable

Edit = Callable[[Tensor], Tensor]
"""Takes a site's tensor, in the site's axes, and returns one of the same shape and dtype."""

_T = TypeVar("_T")

LEAVING = frozenset({"encoder.ln_post", "logits"})
"""Sites whose tensors the model returns: the caller may write into them, so a tape keeps a copy."""

ONE_BEAM = (
    "the decoder cannot be read with more than one beam: beams swap their histories at every step. "
    "Use one beam, or read sites of the encoder only."
)


class _ByThread(Generic[_T]):
    """Edits, tapes or windows that are on, each with the thread that put it on."""

    def __init__(self) -> None:
        self._items: list[tuple[int, _T]] = []

    def add(self, item: _T) -> None:
        self._items = [*self._items, (threading.get_ident(), item)]

    def remove(self, item: _T) -> None:
        self._items = [(owner, other) for owner, other in self._items if other is not item]

    @property
    def current(self) -> list[_T]:
        """Those of this thread."""
        thread = threading.get_ident()
        return [item for owner, item in self._items if owner == thread]

    @property
    def all(self) -> list[_T]:
        """Those of every thread."""
        return [item for _, item in self._items]


class Switchboard:
    """Holds what is on, and keeps the model's hooks in step with it."""

    def __init__(self, hf: WhisperForConditionalGeneration, table: SiteTable) -> None:
        self._hf = hf
        self._table = table
        self._edits: _ByThread[dict[str, list[Edit]]] = _ByThread()
        self._looks: _ByThread[dict[str, list[Edit]]] = _ByThread()
        self._tapes: _ByThread[Tape] = _ByThread()
        self._windows: _ByThread[AttentionWindow] = _ByThread()
        self._n_pauses: Counter[int] = Counter()
        self._handles: dict[str, RemovableHandle] = {}
        self._routed: dict[str, WhisperAttention] = {}
        self._masks: dict[tuple[int, int, torch.device], Tensor | None] = {}
        self._stands_in = False
        self._lock = threading.RLock()  # held while hooks change, never while the model runs

    @contextmanager
    def editing(self, edits: Mapping[str, Sequence[Edit]]) -> Iterator[None]:
        """Apply edits to sites, after the edits that are on already, until the block ends."""
        by_site = {site: list(functions) for site, functions in edits.items()}
        with self._on(self._edits, by_site):
            yield

    @contextmanager
    def looking(self, sites: Iterable[str], look: Callable[[Site, Tensor], None]) -> Iterator[None]:
        """Call `look` with what passes sites until the block ends: after all edits, and while readings are paused."""

        def shown(site: Site, x: Tensor) -> Tensor:
            look(site, x)
            return x

        by_site: dict[str, list[Edit]] = {name: [partial(shown, self._table.sites[name])] for name in sites}
        with self._on(self._looks, by_site):
            yield

    @contextmanager
    def reading(self, tape: Tape) -> Iterator[Tape]:
        """Fill a tape until the block ends."""
        with self._on(self._tapes, tape):
            try:
                yield tape
            finally:
                tape.close()

    @contextmanager
    def limiting(self, window: AttentionWindow) -> Iterator[None]:
        """Limit the encoder's attention to a window, and to those that are on already, until the block ends."""
        with self._on(self._windows, window):
            yield

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the model run without being read until the block ends; edits and windows stay on."""
        thread = threading.get_ident()
        self._n_pauses[thread] += 1
        try:
            yield
        finally:
            self._n_pauses[thread] -= 1

    @contextmanager
    def _on(self, items: _ByThread[_T], item: _T) -> Iterator[None]:
        try:
            with self._lock:
                items.add(item)
                self._refresh()
            yield
        finally:
            with self._lock:
                items.remove(item)
                self._refresh()

    @property
    def _is_paused(self) -> bool:
        return self._n_pauses[threading.get_ident()] > 0

    @property
    def edited_sites(self) -> frozenset[str]:
        """The sites that edits of this thread are on at."""
        return frozenset(site for edits in self._edits.current for site in edits)

    @property
    def changes_model(self) -> bool:
        """Whether an edit is on, or a window that limits attention."""
        return bool(self._edits.all) or any(window.k is not None for window in self._windows.all)

    @property
    def wants_gradients(self) -> bool:
        """Whether a tape keeps its tensors in the graph."""
        return not self._is_paused and any(tape.gradients for tape in self._tapes.current)

    @property
    def reads_decoder(self) -> bool:
        """Whether a tape reads the decoder."""
        return not self._is_paused and any(tape.reads_decoder for tape in self._tapes.current)

    def passes(self, site: Site, x: Tensor) -> Tensor:
        """Send one tensor through the edits of a site, in the order they were put on, and onto its tapes.

        Returns what the model goes on with: `x` itself where nothing changes it.
        """
        self._check_thread()
        for edits in (*self._edits.current, *self._looks.current):
            for edit in edits.get(site.name, ()):
                x = _checked(site, x, edit(x))
        tapes = self._tapes_of(site)
        in_graph = torch.is_grad_enabled() and any(tape.gradients for tape in tapes)
        if in_graph and not x.requires_grad:
            x = x.detach().requires_grad_()
        for tape in tapes:
            if tape.gradients and in_graph:
                x.retain_grad()
                tape.add(site, x)
            else:
                tape.add(site, x.detach().clone() if site.name in LEAVING else x.detach())
        return x

    def is_read(self, site: Site) -> bool:
        """Whether a tape reads the site now."""
        return bool(self._tapes_of(site))

    def opens(self, site: Site) -> bool:
        """Whether a pattern must be computed explicitly: it is edited, or read with gradients."""
        if any(site.name in edits for edits in (*self._edits.current, *self._looks.current)):
            return True
        return torch.is_grad_enabled() and any(tape.gradients for tape in self._tapes_of(site))

    def window_mask(self, site: Site, device: torch.device) -> Tensor | None:
        """The mask that the windows of this thread lay on a block's pattern; None outside the encoder."""
        self._check_thread()
        windows = self._windows.current
        if site.room != "encoder" or site.block is None or not windows:
            return None
        key = (threading.get_ident(), site.block, device)
        masks = self._masks
        if key not in masks:
            applied = [window for window in windows if site.block in window.blocks]
            n_heads, n_frames = (int(length or 0) for length in site.shape[1:3])
            masks[key] = window_mask(applied, n_frames, n_heads, device)
        return masks[key]

    def _check_thread(self) -> None:
        """Refuse a run where it is unclear whether another thread's edits or windows are meant for it."""
        if (self._edits.all or self._windows.all) and not (self._edits.current or self._windows.current):
            raise InputError(
                "the model runs in a thread that has no edit and no attention window on, while another thread has: "
                "they belong to the thread that puts them on. Put them on in the thread that runs the model, or run it "
                "inside `with model.edit({})` there to run it unedited."
            )

    def _tapes_of(self, site: Site) -> list[Tape]:
        return [] if self._is_paused else [tape for tape in self._tapes.current if site.name in tape.sites]

    def _refresh(self) -> None:
        """Put in the hooks that are needed and missing, take out those that are not needed any more."""
        named = {name for edits in (*self._edits.all, *self._looks.all) for name in edits} | {
            name for tape in self._tapes.all for name in tape.sites
        }
        sites = {name: self._table.sites[name] for name in named}
        patterns = {name for name, site in sites.items() if site.kind is Kind.PATTERN} | self._limited()
        self._refresh_hooks({name: site for name, site in sites.items() if site.kind is not Kind.PATTERN})
        self._refresh_routes(patterns)
        self._refresh_stand_ins(any(tape.reads_decoder for tape in self._tapes.all))
        self._masks = {}

    def _limited(self) -> set[str]:
        """Name the patterns that a window limits."""
        blocks = {block for window in self._windows.all if window.k is not None for block in window.blocks}
        return {f"encoder.blocks.{block}.attn.pattern" for block in blocks}

    def _refresh_hooks(self, sites: dict[str, Site]) -> None:
        for name in [name for name in self._handles if name not in sites and name != _STEPS]:
            self._handles.pop(name).remove()
        for name, site in sites.items():
            if name not in self._handles:
                module = self._hf.get_submodule(site.path)
                self._handles[name] = module.register_forward_hook(partial(self._hook, site))

    def _refresh_routes(self, patterns: set[str]) -> None:
        for name in [name for name in self._routed if name not in patterns]:
            unroute(self._routed.pop(name))
        for name in patterns - self._routed.keys():
            site = self._table.sites[name]
            module = cast(WhisperAttention, self._hf.get_submodule(site.path))
            route(module, site, self)
            self._routed[name] = module

    def _refresh_stand_ins(self, is_read: bool) -> None:
        """While the decoder is read, follow its steps and replace two of the framework's own methods.

        Otherwise language detection would be read as a decoding of its own, and beams would be read as windows.
        """
        if is_read == self._stands_in:
            return
        self._stands_in = is_read
        if is_read:
            self._handles[_STEPS] = self._hf.model.decoder.register_forward_pre_hook(self._step, with_kwargs=True)
            vars(self._hf).update(detect_language=self._detect_language_unread, _reorder_cache=self._refuse_beams)
        else:
            self._handles.pop(_STEPS).remove()
            del self._hf.detect_language, self._hf._reorder_cache

    def _hook(self, site: Site, module: nn.Module, args: tuple, output: Any) -> Any:
        """Send a module's output through its site; returns None, which keeps the output, where nothing changes it."""
        tensor = output[0] if site.kind is Kind.ATTENTION else output
        x = tensor.transpose(1, 2) if site.kind is Kind.TRANSPOSED else tensor
        passed = self.passes(site, x)
        if passed is x and not self.wants_gradients:
            return None
        if site.kind is Kind.TRANSPOSED:
            return passed.transpose(1, 2)
        return (passed, *output[1:]) if site.kind is Kind.ATTENTION else passed

    def _step(self, module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        """Note the tokens of one decoder step, and whether a new decoding begins with it."""
        if self._is_paused:
            return
        # Known by its type: transformers called it `past_key_values` up to 5.23, and `cache` from 5.24 on.
        cache = next((value for value in (*args, *kwargs.values()) if isinstance(value, Cache)), None)
        ids = kwargs.get("input_ids", args[0] if args else None)
        for tape in self._tapes.current:
            if tape.reads_decoder:
                if cache is None or cache.get_seq_length() == 0:
                    tape.begin_decoding()
                if ids is not None:
                    tape.add_tokens(ids)

    def _detect_language_unread(self, *args: Any, **kwargs: Any) -> Tensor:
        with self.paused():
            return type(self._hf).detect_language(self._hf, *args, **kwargs)

    def _refuse_beams(self, cache: Any, beams: Tensor) -> Any:
        if self.reads_decoder:
            raise InputError(ONE_BEAM)
        cache.reorder_cache(beams)
        return cache


_STEPS = "the decoder's steps"


def _checked(site: Site, before: Tensor, after: Any) -> Tensor:
    """Return an edit's result; refuse one that cannot replace the tensor that the edit was given."""
    expected = f"{list(before.shape)} {before.dtype} on {before.device}"
    rule = f"An edit takes {expected}, axes {list(site.axes)}, and returns the same, even where it changes nothing."
    if not isinstance(after, Tensor):
        raise InputError(f"the edit of {site.name!r} returned {_short(after)} instead of a tensor. {rule}")
    if after.shape != before.shape or after.dtype != before.dtype or after.device != before.device:
        returned = f"{list(after.shape)} {after.dtype} on {after.device}"
        raise InputError(f"the edit of {site.name!r} returned {returned}. {rule}")
    return after


def _short(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
