"""Encode a window many times over and score a text each time, where only the window's first frames change.

A window that holds a short recording is mostly padding. Its encoding is computed once; for a variant only the frames
before `stop` are computed anew, attending to the keys and values that the frames after it had at first, which are held.
So the padding does not react to what changed in the recording: this is the only difference from encoding the whole
variant, and there is none where `stop` is the window's end. The cross-attention's keys and values are shared likewise.

Costs one encoding, and for each variant the share of one that lies before `stop`. Memory: the keys and values of one
window, and those of the variants that are run at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.models.whisper.modeling_whisper import WhisperEncoderLayer

from otoscope.base.clocks import MEL_FRAMES_PER_FRAME
from otoscope.model.cross_attention import KeysValues, cross_keys_values, decoder_cache
from otoscope.model.finite import finite_logits

if TYPE_CHECKING:
    from otoscope.model.whisper import Whisper

CONV_REACH_MEL_FRAMES = 4
"""More mel frames than the two convolutions look ahead. Source: Whisper's kernels of 3, with strides 1 and 2."""


class HeldWindow:
    """One window whose frames from `stop` on keep what they held at first.

    `stop`: the first frame that is held, at least 1; the model's `n_frames` holds none.
    """

    @torch.no_grad()
    def __init__(self, model: Whisper, mel: Float[Tensor, "1 n_mels mel_frame"], stop: int) -> None:
        assert not model.is_changed, "edits and attention windows do not apply to a window that is held"
        self._model = model
        self._stop = stop
        with model.reading_paused():
            whole = _encode(model, mel, model.n_frames, None)
            self._held = [_from(pair, stop) for pair in whole.keys_values]
            self._cross = [_from(pair, stop) for pair in cross_keys_values(model, whole.encoding)]

    @torch.no_grad()
    def logits(
        self, mels: Float[Tensor, "variant n_mels mel_frame"], ids: Sequence[int], first: int
    ) -> Float[Tensor, "variant token vocab"]:
        """Run variants of the window through encoder and decoder, unread: the logits at the ids from `first` on."""
        model, n = self._model, len(mels)

        def run() -> Tensor:
            encoding = _encode(model, mels, self._stop, self._held).encoding
            cross = [_joined(*pairs) for pairs in zip(cross_keys_values(model, encoding), self._cross, strict=True)]
            hidden = model.hf.model.decoder(
                input_ids=torch.tensor([list(ids)], device=model.device).expand(n, -1),
                encoder_hidden_states=encoding,
                use_cache=True,
                **decoder_cache(model, cross, n),
            ).last_hidden_state
            # Contiguous: multiplying a view would copy the vocabulary for every variant.
            logits: Tensor = model.hf.proj_out(hidden[:, first:].contiguous())
            return logits

        with model.reading_paused():
            return finite_logits(model, run)


class _Encoded(NamedTuple):
    """Final encoder output of the first frames, and the keys and values that they had in every block."""

    encoding: Tensor
    keys_values: list[KeysValues]


def _encode(model: Whisper, mel: Tensor, stop: int, held: Sequence[KeysValues] | None) -> _Encoded:
    """Run the encoder over the frames before `stop`; those after it take part as held keys and values, if any."""
    encoder = model.hf.model.encoder
    ahead = mel[..., : stop * MEL_FRAMES_PER_FRAME + CONV_REACH_MEL_FRAMES].to(model.device, model.dtype)
    heard = nn.functional.gelu(encoder.conv2(nn.functional.gelu(encoder.conv1(ahead))))
    hidden = heard.transpose(1, 2)[:, :stop] + encoder.embed_positions.weight[:stop]
    keys_values = []
    for block, layer in enumerate(encoder.layers):
        hidden, computed = _block(layer, hidden, None if held is None else held[block])
        keys_values.append(computed)
    return _Encoded(encoder.layer_norm(hidden), keys_values)


def _block(layer: WhisperEncoderLayer, hidden: Tensor, held: KeysValues | None) -> tuple[Tensor, KeysValues]:
    """Run one block of the encoder; returns its output and the keys and values of the frames computed."""
    attention, normed = layer.self_attn, layer.self_attn_layer_norm(hidden)

    def by_head(x: Tensor) -> Tensor:
        return x.view(len(x), -1, attention.num_heads, attention.head_dim).transpose(1, 2).contiguous()

    query = by_head(attention.q_proj(normed) * attention.scaling)
    computed = KeysValues(by_head(attention.k_proj(normed)), by_head(attention.v_proj(normed)))
    keys, values = computed if held is None else _joined(computed, held)
    mixed = nn.functional.scaled_dot_product_attention(query, keys, values, scale=1.0)
    hidden = hidden + attention.out_proj(mixed.transpose(1, 2).flatten(2))
    hidden = hidden + layer.fc2(layer.activation_fn(layer.fc1(layer.final_layer_norm(hidden))))
    if hidden.dtype == torch.float16:  # as the framework does, so that nothing overflows
        most = torch.finfo(hidden.dtype).max - 1000
        hidden = hidden.clamp(-most, most)
    return hidden, computed


def _from(pair: KeysValues, frame: int) -> KeysValues:
    return KeysValues(pair.keys[:, :, frame:], pair.values[:, :, frame:])


def _joined(first: KeysValues, held: KeysValues) -> KeysValues:
    """Put the frames that are held, which all variants share, after those of every variant."""
    n = len(first.keys)
    return KeysValues(
        torch.cat([first.keys, held.keys.expand(n, -1, -1, -1)], dim=2),
        torch.cat([first.values, held.values.expand(n, -1, -1, -1)], dim=2),
    )
