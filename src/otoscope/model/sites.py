"""The named tensors inside a Whisper: their names, their shapes, and where the framework keeps them.

A site carries the name of OpenAI's own module, `encoder.blocks.3.mlp.1`. Each has aliases: the module path of the
framework that runs the model (`model.encoder.layers.3.activation_fn`) and, where one exists, the name that
TransformerLens uses (`encoder.blocks.3.mlp.hook_post`). This module knows a config's numbers and nothing of tensors:
listing the sites takes no memory and runs nothing.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from numbers import Integral
from typing import NamedTuple

from transformers import WhisperConfig

from otoscope.base.errors import SiteError


class Kind(Enum):
    """How a site's tensor is found at its module."""

    OUTPUT = "the module's output"
    TRANSPOSED = "the module's output, whose last two axes change places"
    ATTENTION = "the first of the module's two outputs"
    PATTERN = "the probabilities inside the attention module"


@dataclass(frozen=True)
class Site:
    """A named tensor inside the model."""

    name: str  # the name in OpenAI's words, `encoder.blocks.3.mlp.1`
    axes: tuple[str, ...]  # names of the axes, in order; the first is always `window`
    # length of each axis; None where the input decides (windows, and tokens in the decoder)
    shape: tuple[int | None, ...]
    path: str  # module path in the framework's model
    kind: Kind = Kind.OUTPUT  # how the tensor is found at that module

    @property
    def room(self) -> str:
        """`encoder` or `decoder`; the logits belong to the decoder."""
        return "encoder" if self.name.startswith("encoder.") else "decoder"

    @property
    def block(self) -> int | None:
        """Index of the site's block, or None outside the blocks."""
        match = re.match(r"(?:en|de)coder\.blocks\.(\d+)", self.name)
        return int(match[1]) if match else None

    @property
    def is_growing(self) -> bool:
        """Whether a decoder step adds tokens to the site: all of the decoder but what it computes from the sound."""
        return "token" in self.axes


class _Part(NamedTuple):
    """One row of the table: a site below a block or at the ends of the model."""

    name: str
    path: str
    lens: str = ""
    width: str = "d_model"
    kind: Kind = Kind.OUTPUT


_ATTENTION = (
    _Part("attn_ln", "self_attn_layer_norm"),
    _Part("attn.query", "self_attn.q_proj", "attn.hook_q"),
    _Part("attn.key", "self_attn.k_proj", "attn.hook_k"),
    _Part("attn.value", "self_attn.v_proj", "attn.hook_v"),
    _Part("attn.pattern", "self_attn", "attn.hook_pattern", kind=Kind.PATTERN),
    _Part("attn", "self_attn", "hook_attn_out", kind=Kind.ATTENTION),
)
_CROSS_ATTENTION = (
    _Part("cross_attn_ln", "encoder_attn_layer_norm"),
    _Part("cross_attn.query", "encoder_attn.q_proj", "cross_attn.hook_q"),
    _Part("cross_attn.key", "encoder_attn.k_proj", "cross_attn.hook_k"),
    _Part("cross_attn.value", "encoder_attn.v_proj", "cross_attn.hook_v"),
    _Part("cross_attn.pattern", "encoder_attn", "cross_attn.hook_pattern", kind=Kind.PATTERN),
    _Part("cross_attn", "encoder_attn", "hook_cross_attn_out", kind=Kind.ATTENTION),
)
_MLP = (
    _Part("mlp_ln", "final_layer_norm"),
    _Part("mlp.0", "fc1", "mlp.hook_pre", width="neuron"),
    _Part("mlp.1", "activation_fn", "mlp.hook_post", width="neuron"),
    _Part("mlp.2", "fc2", "hook_mlp_out"),
    _Part("", "", "hook_resid_post"),
)
_ROOMS = {"encoder": _ATTENTION + _MLP, "decoder": _ATTENTION + _CROSS_ATTENTION + _MLP}

CROSS_FRAME_PARTS = ("cross_attn.key", "cross_attn.value")
"""The decoder's parts that run over the encoder's frames, not over tokens."""


def _join(*parts: str) -> str:
    return ".".join(part for part in parts if part)


def _axes(room: str, part: _Part) -> tuple[str, ...]:
    """Name the axes of a block's part."""
    position = "frame" if room == "encoder" or part.name in CROSS_FRAME_PARTS else "token"
    if part.kind is not Kind.PATTERN:
        return ("window", position, part.width)
    return ("window", "head", position, "frame" if part.name == "cross_attn.pattern" else position)


class SiteTable:
    """Every site of one model, and the way from a name, an alias or a pattern to them.

    Args:
        config: The framework's config of the model.
        model_id: What the model is called in error messages.
    """

    def __init__(self, config: WhisperConfig, model_id: str) -> None:
        self.model_id = model_id
        self.n_blocks = {"encoder": config.encoder_layers, "decoder": config.decoder_layers}
        self.n_heads = {"encoder": config.encoder_attention_heads, "decoder": config.decoder_attention_heads}
        self._n_frames, self._d_model = config.max_source_positions, config.d_model
        self._n_neurons = {"encoder": config.encoder_ffn_dim, "decoder": config.decoder_ffn_dim}
        self._vocab_size = config.vocab_size
        self._lens: dict[str, str] = {}
        self.sites: dict[str, Site] = {site.name: site for site in self._all()}

    def _all(self) -> list[Site]:
        """List the sites in the order in which the model computes them."""
        d = self._d_model
        mel_axes, frame_axes = ("window", "mel_frame", "d_model"), ("window", "frame", "d_model")
        token_axes, shape, kind = ("window", "token", "d_model"), (None, self._n_frames, d), Kind.TRANSPOSED
        return [
            Site("encoder.conv1", mel_axes, (None, 2 * self._n_frames, d), "model.encoder.conv1", kind),
            Site("encoder.conv2", frame_axes, shape, "model.encoder.conv2", kind),
            *self._block_sites("encoder"),
            Site("encoder.ln_post", frame_axes, shape, "model.encoder.layer_norm"),
            Site("decoder.token_embedding", token_axes, (None, None, d), "model.decoder.embed_tokens"),
            *self._block_sites("decoder"),
            Site("decoder.ln", token_axes, (None, None, d), "model.decoder.layer_norm"),
            Site("logits", ("window", "token", "vocab"), (None, None, self._vocab_size), "proj_out"),
        ]

    def _block_sites(self, room: str) -> list[Site]:
        """List the sites inside the blocks of the encoder or the decoder."""
        length: dict[str, int | None] = {
            "window": None,
            "token": None,
            "frame": self._n_frames,
            "head": self.n_heads[room],
            "d_model": self._d_model,
            "neuron": self._n_neurons[room],
        }
        sites = []
        for block in range(self.n_blocks[room]):
            prefix, path_prefix = f"{room}.blocks.{block}", f"model.{room}.layers.{block}"
            for part in _ROOMS[room]:
                axes = _axes(room, part)
                shape, path = tuple(length[axis] for axis in axes), _join(path_prefix, part.path)
                site = Site(_join(prefix, part.name), axes, shape, path, part.kind)
                sites.append(site)
                if part.lens:
                    self._lens[f"{prefix}.{part.lens}"] = site.name
        return sites

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Other names a site goes by, each with the site's own name."""
        names = dict(self._lens)
        for site in self.sites.values():
            if site.kind is not Kind.PATTERN:  # a pattern shares its module with the attention's output
                names[site.path] = site.name
                names[site.path.removeprefix("model.")] = site.name
            if site.kind is Kind.ATTENTION:
                names[f"{site.path}.out_proj"] = names[f"{site.name}.out"] = site.name
        return {alias: name for alias, name in names.items() if alias not in self.sites}

    def resolve(self, name: str) -> Site:
        """Find the site that a name or an alias stands for."""
        site = self.sites.get(self.aliases.get(name, name))
        if site is None:
            raise self._unknown(name)
        return site

    def expand(self, patterns: str | Iterable[str]) -> list[str]:
        """Turn names, aliases and patterns into the names of sites.

        A `*` stands for any text without a dot, `**` for any text, `?` for one character that is not a dot.

        Returns:
            Names in the order requested, each once; sites that match one pattern are in the model's order.
        """
        names: dict[str, None] = {}
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            if not isinstance(pattern, str):
                raise SiteError(f"a site is named by text, not by {pattern!r}, for instance 'encoder.blocks.0.mlp.1'.")
            names.update(dict.fromkeys(self._matches(pattern)))
        return list(names)

    def _matches(self, pattern: str) -> list[str]:
        if not any(mark in pattern for mark in "*?"):
            return [self.resolve(pattern).name]
        regex = re.compile(_regex(pattern))
        hits = {name for name in self.sites if regex.fullmatch(name)}
        # aliases only where no name fits: 'encoder.blocks.3.*' must not match the block itself by its 'hook_resid_post'
        hits = hits or {name for alias, name in self.aliases.items() if regex.fullmatch(alias)}
        if not hits:
            raise self._unknown(pattern)
        return [name for name in self.sites if name in hits]

    def _unknown(self, name: str) -> SiteError:
        """Say that there is no such site, which blocks there are, and which names are nearest."""
        blocks = ", its ".join(f"{room} has {span(n, 'block')}" for room, n in self.n_blocks.items())
        near = difflib.get_close_matches(name, list(self.sites), n=3, cutoff=0.4)
        nearest = f" Nearest: {', '.join(near)}." if near else ""
        verb = "finds nothing in" if any(mark in name for mark in "*?") else "is not in"
        see = f" See 'otoscope sites {self.model_id}'."
        return SiteError(f"site {name!r} {verb} {self.model_id}: its {blocks}.{nearest}{see}")

    def check_blocks(self, blocks: Iterable[int] | None) -> frozenset[int]:
        """Return the encoder's blocks with these indices; None is all of them."""
        return self._check("block", blocks, self.n_blocks["encoder"], "encoder")

    def check_heads(self, heads: Iterable[int] | None, room: str = "encoder") -> frozenset[int]:
        """Return the heads with these indices; None is all of them."""
        return self._check("head", heads, self.n_heads[room], room)

    def _check(self, what: str, indices: Iterable[int] | None, n: int, room: str) -> frozenset[int]:
        if indices is None:
            return frozenset(range(n))
        chosen = list(indices) if isinstance(indices, Iterable) else [indices]
        for index in chosen:
            if isinstance(index, bool) or not isinstance(index, Integral) or not 0 <= index < n:
                raise SiteError(
                    f"{what} {index!r} is not in {self.model_id}: its {room} has {span(n, what)}. "
                    f"Name {what}s by these numbers, or give none for all of them."
                )
        return frozenset(int(index) for index in chosen)


def span(n: int, what: str) -> str:
    """Say which indices there are: `blocks 0-3`, `block 0`."""
    return f"{what}s 0-{n - 1}" if n > 1 else f"{what} 0 alone"


def _regex(pattern: str) -> str:
    """Translate a site pattern into a regular expression."""
    tokens = re.split(r"(\*\*|\*|\?)", pattern)
    rules = {"**": ".*", "*": r"[^.]*", "?": r"[^.]"}
    return "".join(rules.get(token, re.escape(token)) for token in tokens)
