"""Whisper's layers as OpenAI names them, written again and plainly, as the twin that a mapped checkpoint must equal."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, softmax


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.value, self.out = (nn.Linear(width, width) for _ in range(3))
        self.key = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, source: Tensor, causal: bool = False) -> Tensor:
        query, key, value = (
            y.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for y in (self.query(x), self.key(source), self.value(source))
        )
        scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
        if causal:
            scores = scores + torch.full(scores.shape[-2:], -torch.inf).triu(1)
        return self.out((softmax(scores, -1) @ value).transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, cross: bool) -> None:
        super().__init__()
        self.attn, self.attn_ln = Attention(width, heads), nn.LayerNorm(width)
        self.cross_attn = Attention(width, heads) if cross else None
        self.cross_attn_ln = nn.LayerNorm(width) if cross else None
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.mlp_ln = nn.LayerNorm(width)

    def forward(self, x: Tensor, sound: Tensor | None = None) -> Tensor:
        normal = self.attn_ln(x)
        x = x + self.attn(normal, normal, causal=self.cross_attn is not None)
        if self.cross_attn is not None and self.cross_attn_ln is not None and sound is not None:
            x = x + self.cross_attn(self.cross_attn_ln(x), sound)
        return x + self.mlp(self.mlp_ln(x))


class Encoder(nn.Module):
    def __init__(self, dims: dict[str, int]) -> None:
        super().__init__()
        width = dims["n_audio_state"]
        self.conv1 = nn.Conv1d(dims["n_mels"], width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.register_buffer("positional_embedding", torch.randn(dims["n_audio_ctx"], width))
        self.blocks = nn.ModuleList(Block(width, dims["n_audio_head"], False) for _ in range(dims["n_audio_layer"]))
        self.ln_post = nn.LayerNorm(width)

    def forward(self, mel: Tensor) -> Tensor:
        x = gelu(self.conv2(gelu(self.conv1(mel)))).transpose(1, 2) + self.positional_embedding
        for block in self.blocks:
            x = block(x)
        return self.ln_post(x)


class Decoder(nn.Module):
    def __init__(self, dims: dict[str, int]) -> None:
        super().__init__()
        width = dims["n_text_state"]
        self.token_embedding = nn.Embedding(dims["n_vocab"], width)
        self.positional_embedding = nn.Parameter(torch.randn(dims["n_text_ctx"], width))
        self.blocks = nn.ModuleList(Block(width, dims["n_text_head"], True) for _ in range(dims["n_text_layer"]))
        self.ln = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, sound: Tensor) -> Tensor:
        x = self.token_embedding(tokens) + self.positional_embedding[: tokens.shape[-1]]
        for block in self.blocks:
            x = block(x, sound)
        return self.ln(x) @ self.token_embedding.weight.T


class OpenAITwin(nn.Module):
    """A random Whisper in OpenAI's layout; `checkpoint()` is what OpenAI's `.pt` file of it would hold."""

    def __init__(self, dims: dict[str, int], seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.dims, self.encoder, self.decoder = dims, Encoder(dims), Decoder(dims)
        with torch.no_grad():
            for norm in (m for m in self.modules() if isinstance(m, nn.LayerNorm)):
                norm.weight.normal_(1.0, 0.2)
                norm.bias.normal_(0.0, 0.2)

    def forward(self, mel: Tensor, tokens: Tensor) -> Tensor:
        return self.decoder(tokens, self.encoder(mel))

    def checkpoint(self) -> dict[str, dict]:
        return {"dims": dict(self.dims), "model_state_dict": {k: v.clone() for k, v in self.state_dict().items()}}


def twin_dims(n_vocab: int, *, n_mels: int = 80, width: int = 16, blocks: int = 2, heads: int = 2) -> dict[str, int]:
    """The ten numbers of an OpenAI checkpoint: a window of one second, sixteen tokens."""
    return {
        "n_mels": n_mels,
        "n_audio_ctx": 50,
        "n_audio_state": width,
        "n_audio_head": heads,
        "n_audio_layer": blocks,
        "n_vocab": n_vocab,
        "n_text_ctx": 16,
        "n_text_state": width,
        "n_text_head": heads,
        "n_text_layer": blocks,
    }
