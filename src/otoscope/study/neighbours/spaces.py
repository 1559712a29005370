r"""The vectors of a decoder's tokens, raw and corrected for what all of them have in common.

In released checkpoints nine tenths of a token's length is the mean of all tokens, so that by cosine every token is near
every other. The correction removes the mean and the first principal component of text tokens. Tokens that training
hardly moved all lie at one point; they are found by bytes that UTF-8 text never holds, which cannot have been trained.
Costs one product of the vectors with themselves. Knows tensors and the tokens' texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otoscope.base.layout import count
from otoscope.model.token_text import TokenTexts
from otoscope.model.whisper import Whisper

EMBEDDING, UNEMBEDDING = "embedding", "unembedding"
CORRECTED, RAW = "corrected", "raw"

NEVER_IN_TEXT = tuple(rf"\x{byte:02x}" for byte in (0xC0, 0xC1, *range(0xF5, 0x100)))
"""Bytes that UTF-8 never uses, as `TokenTexts` writes them: tokens of them are in no transcript."""
HARDLY_MOVED = 0.1
"""A token counts as hardly trained up to this distance from the untrained ones, as a share of the distance that a tenth
of all text tokens exceed."""


@dataclass(frozen=True)
class Common:
    """What the text tokens of a vocabulary have in common."""

    mean_share: float  # length of their mean over their mean length, from 0 to 1
    component_share: float  # share of the variance around the mean that lies along the first principal component
    n_tokens: int  # text tokens that these are measured on
    n_hardly_trained: int  # text tokens that training hardly moved, left out

    def to_json(self) -> dict[str, Any]:
        """Return the table, numbers with all their digits."""
        return asdict(self)

    def text(self) -> str:
        """Say how much of a token's vector is the same in all."""
        left_out = count(self.n_hardly_trained, "token")
        return (
            f"{self.mean_share:.1%} of a token's length; corrected vectors are without it and without the first "
            f"principal component ({self.component_share:.1%} of the variance). Not counted: {left_out} that training "
            "hardly moved"
        )


def in_common(spaces: Mapping[str, Common]) -> list[tuple[str, str]]:
    """Return a label and a text of what the tokens of each space have in common, for the report."""
    return [(f"mean of all text tokens in the {name}", common.text()) for name, common in spaces.items()]


@dataclass(frozen=True, eq=False)
class TokenSpace:
    """The vectors of all tokens, of one kind and in one form."""

    name: str  # `embedding` or `unembedding`
    form: str  # `corrected`, or `raw` as the checkpoint holds them
    vectors: Float[Tensor, "token d_model"]  # on the model's device
    is_trained: Bool[np.ndarray, " token"]  # which tokens training moved
    common: Common  # what the corrected form is without


def token_vectors(model: Whisper) -> dict[str, Float[Tensor, "token d_model"]]:
    """Return the vectors of the decoder's tokens.

    Returns `embedding`: what the decoder adds for a token that it is given. `unembedding`, where it is not the same:
    the directions that make a token likely. On the model's device, in its dtype.
    """
    embedding = model.hf.get_input_embeddings().weight.detach()
    unembedding = model.hf.get_output_embeddings().weight.detach()
    is_tied = unembedding.data_ptr() == embedding.data_ptr() or torch.equal(unembedding, embedding)
    return {EMBEDDING: embedding} if is_tied else {EMBEDDING: embedding, UNEMBEDDING: unembedding}


def token_spaces(model: Whisper, table: TokenTexts) -> list[TokenSpace]:
    """Return the tokens' vectors in every space, corrected and then raw.

    Source: Mu and Viswanath 2018, "All-but-the-Top: Simple and Effective Postprocessing for Word Representations", with
    one component.
    """
    spaces = []
    for name, vectors in token_vectors(model).items():
        is_trained = ~hardly_trained(vectors, table)
        n_left_out = int((table.is_text & ~is_trained).sum())
        corrected, common = without_common(vectors.float(), table.is_text & is_trained, n_left_out)
        spaces.append(TokenSpace(name, CORRECTED, corrected, is_trained, common))
        spaces.append(TokenSpace(name, RAW, vectors, is_trained, common))
    return spaces


def hardly_trained(vectors: Float[Tensor, "token d_model"], table: TokenTexts) -> Bool[np.ndarray, " token"]:
    """Find the tokens that training hardly moved: those that lie near tokens that no text holds.

    Returns which were hardly trained; none where the vocabulary has no such bytes, or all its tokens lie equally close
    (a model that was not trained at all).
    Source: After Land and Bartolo 2024, "Fishing for Magikarp: Automatically Detecting Under-trained Tokens in Large
    Language Models"; the bytes stand in for tokens that are known to be unused.
    """
    unused = [token for token, text in enumerate(table.texts) if table.is_text[token] and text in NEVER_IN_TEXT]
    if not unused:
        return np.zeros(len(table), bool)
    values = vectors.float()
    distance = (values - values[unused].mean(dim=0)).norm(dim=1).cpu().numpy()
    far = float(np.quantile(distance[table.is_text], 0.9))
    return np.asarray(distance <= HARDLY_MOVED * far)


def without_common(
    vectors: Float[Tensor, "token d_model"], is_text: Bool[np.ndarray, " token"], n_left_out: int = 0
) -> tuple[Float[Tensor, "token d_model"], Common]:
    """Remove the mean and the first principal component of text tokens from all vectors.

    Returns the vectors without them, NaN for one that has no direction (all zeros, or a number that is not finite) and
    is not counted; and how much was removed.
    """
    has_direction = torch.isfinite(vectors).all(dim=1) & (vectors != 0).any(dim=1)
    text = vectors[torch.as_tensor(is_text, device=vectors.device) & has_direction]
    mean = text.mean(dim=0)
    centred = text - mean
    variances, components = torch.linalg.eigh((centred.T @ centred).double())
    first = components[:, -1].to(vectors.dtype)
    apart = vectors - mean
    total = float(variances.sum())
    common = Common(
        mean_share=float(mean.norm() / text.norm(dim=1).mean()),
        component_share=float(variances[-1]) / total if total > 0 else 0.0,
        n_tokens=len(text),
        n_hardly_trained=n_left_out,
    )
    corrected = apart - (apart @ first)[:, None] * first
    return corrected.masked_fill(~has_direction[:, None], torch.nan), common
