"""The cross-attention heads that follow the sound in each of OpenAI's releases, and which release a model's shape is.

A fine-tuned model has its base's shape and, as a rule, its base's heads: its word times are read off these where its
own settings name none.
"""

from __future__ import annotations

from typing import NamedTuple

from transformers import WhisperConfig

Heads = tuple[tuple[int, int], ...]


class _Shape(NamedTuple):
    d_model: int
    encoder_blocks: int
    decoder_blocks: int
    is_english_only: bool
    n_mels: int


SHAPES = {
    "tiny": _Shape(384, 4, 4, False, 80),
    "tiny.en": _Shape(384, 4, 4, True, 80),
    "base": _Shape(512, 6, 6, False, 80),
    "base.en": _Shape(512, 6, 6, True, 80),
    "small": _Shape(768, 12, 12, False, 80),
    "small.en": _Shape(768, 12, 12, True, 80),
    "medium": _Shape(1024, 24, 24, False, 80),
    "medium.en": _Shape(1024, 24, 24, True, 80),
    "large-v2": _Shape(1280, 32, 32, False, 80),  # before large-v1, which has the same shape
    "large-v1": _Shape(1280, 32, 32, False, 80),
    "large-v3": _Shape(1280, 32, 32, False, 128),
    "large-v3-turbo": _Shape(1280, 32, 4, False, 128),
}

ALIGNMENT_HEADS: dict[str, Heads] = {
    "tiny": (
        (2, 2),
        (3, 0),
        (3, 2),
        (3, 3),
        (3, 4),
        (3, 5),
    ),
    "tiny.en": (
        (1, 0),
        (2, 0),
        (2, 5),
        (3, 0),
        (3, 1),
        (3, 2),
        (3, 3),
        (3, 4),
    ),
    "base": (
        (3, 1),
        (4, 2),
        (4, 3),
        (4, 7),
        (5, 1),
        (5, 2),
        (5, 4),
        (5, 6),
    ),
    "base.en": (
        (3, 3),
        (4, 7),
        (5, 1),
        (5, 5),
        (5, 7),
    ),
    "small": (
        (5, 3),
        (5, 9),
        (8, 0),
        (8, 4),
        (8, 7),
        (8, 8),
        (9, 0),
        (9, 7),
        (9, 9),
        (10, 5),
    ),
    "small.en": (
        (6, 6),
        (7, 0),
        (7, 3),
        (7, 8),
        (8, 2),
        (8, 5),
        (8, 7),
        (9, 0),
        (9, 4),
        (9, 8),
        (9, 10),
        (10, 0),
        (10, 1),
        (10, 2),
        (10, 3),
        (10, 6),
        (10, 11),
        (11, 2),
        (11, 4),
    ),
    "medium": (
        (13, 15),
        (15, 4),
        (15, 15),
        (16, 1),
        (20, 0),
        (23, 4),
    ),
    "medium.en": (
        (11, 4),
        (14, 1),
        (14, 12),
        (14, 14),
        (15, 4),
        (16, 0),
        (16, 4),
        (16, 9),
        (17, 12),
        (17, 14),
        (18, 7),
        (18, 10),
        (18, 15),
        (20, 0),
        (20, 3),
        (20, 9),
        (20, 14),
        (21, 12),
    ),
    "large-v2": (
        (10, 12),
        (13, 17),
        (16, 11),
        (16, 12),
        (16, 13),
        (17, 15),
        (17, 16),
        (18, 4),
        (18, 11),
        (18, 19),
        (19, 11),
        (21, 2),
        (21, 3),
        (22, 3),
        (22, 9),
        (22, 12),
        (23, 5),
        (23, 7),
        (23, 13),
        (25, 5),
        (26, 1),
        (26, 12),
        (27, 15),
    ),
    "large-v1": (
        (9, 19),
        (11, 2),
        (11, 4),
        (11, 17),
        (22, 7),
        (22, 11),
        (22, 17),
        (23, 2),
        (23, 15),
    ),
    "large-v3": (
        (7, 0),
        (10, 17),
        (12, 18),
        (13, 12),
        (16, 1),
        (17, 14),
        (19, 11),
        (21, 4),
        (24, 1),
        (25, 6),
    ),
    "large-v3-turbo": (
        (2, 4),
        (2, 11),
        (3, 3),
        (3, 6),
        (3, 11),
        (3, 14),
    ),
}
"""(block, head) of each release. Source: openai-whisper, `whisper/__init__.py`, `_ALIGNMENT_HEADS`."""


def known_heads(config: WhisperConfig, *, is_english_only: bool, name: str) -> tuple[Heads, str] | None:
    """Find the alignment heads of the release whose shape a model has.

    Returns the heads and the release's short name, or None where no release has this shape.
    """
    shape = _Shape(config.d_model, config.encoder_layers, config.decoder_layers, is_english_only, config.num_mel_bins)
    matches = [release for release, known in SHAPES.items() if known == shape]
    if not matches:
        return None
    is_first = "large-v1" in name or name.endswith("whisper-large")
    release = matches[-1] if is_first else matches[0]
    return ALIGNMENT_HEADS[release], release
