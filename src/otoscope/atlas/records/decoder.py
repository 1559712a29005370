"""The record of the Decoder page: bigrams, neighbours, the logit lens over the decoder's blocks, and its heads.

Takes the tables of these experiments, with their longest lists shortened.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from otoscope.atlas.records.shared import dicts, part_states, pick, pictures
from otoscope.atlas.study_folder import StudyFolder

NAME = "decoder"
N_NEXT, N_CONTEXTS = 20, 15
PICTURES = {
    "bigrams": {
        "bigrams/bigrams.png": "The likeliest next tokens after each prompt",
        "bigrams/bigram_agreement.png": "Scores of the model's bigrams and of two baselines",
    },
    "neighbours": {
        "neighbours/neighbours.png": "The nearest tokens of each word, coloured by how alike they sound",
        "neighbours/sounds_alike.png": "How alike the nearest words and random ones are",
    },
    "lens": {"lens/lens_curve.png": "What each block would say, beside padding only and chance"},
    "heads": {"lens/head_lens_mean.png": "What each head adds to the logit of the next token"},
}


def names(folder: StudyFolder) -> Iterator[str]:
    """Name the record, which exists even if the parts do not, to say why."""
    yield NAME


def make(folder: StudyFolder, name: str) -> dict[str, Any]:
    """Make the record.

    Args:
        folder: The study.
        name: `decoder`.

    Returns:
        `parts`, `pictures` by section, and `bigrams`, `agreement`, `neighbours`, `sounds_alike`, `lens`, `heads`: each
        None if the study has no such table.

    Raises:
        KeyError: Another name.
        InputError: A table is damaged.
    """
    if name != NAME:
        raise KeyError(name)
    return {
        "parts": part_states(folder, ["bigrams", "neighbours", "lens"]),
        "pictures": {section: pictures(folder, alt_texts) for section, alt_texts in PICTURES.items()},
        "bigrams": _bigrams(folder.json("bigrams/bigrams.json")),
        "agreement": _agreement(folder.json("bigrams/bigram_agreement.json")),
        "neighbours": _neighbours(folder.json("neighbours/neighbours.json")),
        "sounds_alike": _sounds_alike(folder.json("neighbours/sounds_alike.json")),
        "lens": _lens(folder.json("lens/lens_curve.json")),
        "heads": _heads(folder.json("lens/head_lens_mean.json")),
    }


def _bigrams(result: dict[str, Any] | None) -> dict[str, Any] | None:
    if result is None:
        return None
    keys = ("prompt", "pieces", "sound", "sound_label", "entropy_bits", "text_probability", "end_probability")
    return {
        **pick(result, ("model", "language", "vocab_size", "only_text")),
        "continuations": [
            {
                **pick(continuation, keys),
                "next": [
                    pick(token, ("text", "logit", "probability")) for token in dicts(continuation.get("next"))[:N_NEXT]
                ],
            }
            for continuation in dicts(result.get("continuations"))
        ],
    }


def _agreement(result: dict[str, Any] | None) -> dict[str, Any] | None:
    """Take the scores, and the contexts that predict the next word most strongly."""
    if result is None:
        return None
    about = (
        "known",
        "in_sentences",
        "n_contexts",
        "n_prompts",
        "share_of_bigrams",
        "n_followers",
        "floor_bits",
        "intervals",
    )
    keys = ("context", "weight", "likeliest", "known", "model", "unigram", "says")
    return {
        **pick(result, about),
        "sounds": [
            {
                **pick(sound, ("sound", "sound_label", "text_probability", "by_frequency")),
                "contexts": [
                    pick(row, keys)
                    for row in sorted(dicts(sound.get("contexts")), key=lambda row: -_pull(row))[:N_CONTEXTS]
                ],
            }
            for sound in dicts(result.get("sounds"))
        ],
    }  # fmt: skip


def _pull(row: dict[str, Any]) -> float:
    """Pointwise mutual information of a context and the word after it, in bits, times how often both occur."""
    known, unigram, weight = (float(row.get(key) or 0) for key in ("known", "unigram", "weight"))
    return weight * known * math.log2(known / unigram) if known > 0 and unigram > 0 else 0.0


def _neighbours(result: dict[str, Any] | None) -> dict[str, Any] | None:
    if result is None:
        return None
    keys = ("text", "cosine", "phone_distance", "spelling_distance", "meaning_cosine", "phones")
    return {
        **pick(result, ("model", "is_tied", "n_tokens", "common", "pronunciations", "meanings")),
        "words": [
            {
                **pick(word, ("word", "text", "pieces", "space", "form", "is_trained", "phones")),
                "neighbours": [pick(neighbour, keys) for neighbour in dicts(word.get("neighbours"))],
            }
            for word in dicts(result.get("words"))
        ],
    }


def _sounds_alike(result: dict[str, Any] | None) -> dict[str, Any] | None:
    if result is None:
        return None
    about = ("n_words", "n_unknown", "k", "close", "frequencies", "n_bins", "pronunciations", "meanings", "intervals")
    return {**pick(result, about), "contrasts": dicts(result.get("contrasts"))}


def _lens(result: dict[str, Any] | None) -> dict[str, Any] | None:
    if result is None:
        return None
    return {
        **pick(result, ("n_clips", "n_tokens", "chance", "intervals")),
        "stages": [pick(stage, ("stage", "sound", "no_sound")) for stage in dicts(result.get("stages"))],
    }


def _heads(result: dict[str, Any] | None) -> dict[str, Any] | None:
    if result is None:
        return None
    keys = ("part", "group", "block", "head", "due", "another", "difference")
    return {
        **pick(result, ("n_clips", "n_tokens", "n_left_out", "unit", "groups", "intervals")),
        "parts": [pick(part, keys) for part in dicts(result.get("parts"))],
    }
