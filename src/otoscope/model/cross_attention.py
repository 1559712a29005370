"""Keys and values of the decoder's cross-attention, computed once and handed to the decoder as its cache."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from jaxtyping import Float
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache

if TYPE_CHECKING:
    from otoscope.model.whisper import Whisper


class KeysValues(NamedTuple):
    """Keys and values of one block, each [window, head, frame, d_head]."""

    keys: Tensor
    values: Tensor


def cross_keys_values(model: Whisper, encoded: Float[Tensor, "window frame d_model"]) -> list[KeysValues]:
    """Compute the keys and values of every decoder block's cross-attention; edits of them apply."""
    return [_keys_values(layer.encoder_attn, encoded) for layer in model.hf.model.decoder.layers]


def _keys_values(attention: Any, encoded: Tensor) -> KeysValues:
    shape = (len(encoded), -1, attention.num_heads, attention.head_dim)
    keys = attention.k_proj(encoded).view(shape).transpose(1, 2).contiguous()
    values = attention.v_proj(encoded).view(shape).transpose(1, 2).contiguous()
    return KeysValues(keys, values)


def decoder_cache(model: Whisper, cross: Sequence[KeysValues], n_rows: int) -> dict[str, EncoderDecoderCache]:
    """Make the decoder's cache argument, with the cross-attention filled in.

    `cross`: keys and values of every block, of as many windows as there are rows or of one that all rows share.
    Returns the argument by its name: `past_key_values` up to transformers 5.23, `cache` from 5.24 on.
    """
    filled = DynamicCache()
    for block, (keys, values) in enumerate(cross):
        filled.update(keys, values, block)
        # A view: `update` would copy what the rows share for every row.
        layer = cast(Any, filled.layers[block])
        layer.keys, layer.values = keys.expand(n_rows, -1, -1, -1), values.expand(n_rows, -1, -1, -1)
    return _argument(model, filled)


class SeenKeysValues:
    """Keys and values that the decoder computed while it wrote, for another run over the same windows."""

    def __init__(self) -> None:
        self._cross: Any = None

    def keep(self, cache: object) -> None:
        """Keep the cross-attention part of one of the decoder's caches."""
        if isinstance(cache, EncoderDecoderCache):
            self._cross = cache.cross_attention_cache

    def decoder_cache(self, model: Whisper, n_windows: int) -> dict[str, EncoderDecoderCache]:
        """Make the decoder's cache argument, as `decoder_cache` does; empty unless this many windows were seen."""
        if self._cross is None or len(self._cross.layers[0].keys) != n_windows:
            return {}
        return _argument(model, self._cross)


@contextmanager
def seen_keys_values(model: Whisper) -> Iterator[SeenKeysValues]:
    """Keep the keys and values of the last windows that the decoder writes for."""
    seen, name = SeenKeysValues(), _argument_name(model)
    hook = model.hf.model.decoder.register_forward_pre_hook(
        lambda _, __, arguments: seen.keep(arguments.get(name)), with_kwargs=True
    )
    try:
        yield seen
    finally:
        hook.remove()


def _argument(model: Whisper, cross: DynamicCache) -> dict[str, EncoderDecoderCache]:
    return {_argument_name(model): EncoderDecoderCache(DynamicCache(), cross)}


def _argument_name(model: Whisper) -> str:
    return "cache" if "cache" in inspect.signature(model.hf.model.decoder.forward).parameters else "past_key_values"
