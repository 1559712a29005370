"""The record of the Decoder page: bigrams, neighbours, the lens over its blocks, its heads.

Takes the tables of these experiments, less their longest lists.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from otoscope.atlas.records.shared import dicts, part_states, pictures, some
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
    "lens": {"lens/lens_curve.png": "What each block would say, beside padding alone and chance"},
    "heads": {"lens/head_lens_mean.png": "What each head adds to the logit of the due token"},
}


def names(folder: StudyFolder) -> Iterator[str]:
    """Name the record; it is there even where the parts are not, to say why."""
    yield NAME


def make(folder: StudyFolder, name: str) -> dict[str, Any]:
    """Make the record.

    Args:
        folder: The study.
        name: `decoder`.

    Returns:
        `parts`, `pictures` by section, and `bigrams`, `agreement`, `neighbours`, `sounds_alike`, `lens`, `heads`: each
        None where the study has none.

    Raises:
        KeyError: Another name.
        InputError: A table is damaged.
    """
    if name != NAME:
        raise KeyError(name)
    return {
        "parts": part_states(folder, ["bigrams", "neighbours", "lens"]),
        "pictures": {section: pictures(folder, wanted) for section, wanted in PICTURES.items()},
        "bigrams": _bigrams(folder.json("bigrams/bigrams.json")),
        "agreement": _agreement(folder.json("bigrams/bigram_agreement.json")),
        "neighbours": _neighbours(folder.json("neighbours/neighbours.json")),
        "sounds_alike": _sounds_alike(folder.json("neighbours/sounds_alike.json")),
        "lens": _lens(folder.json("lens/lens_curve.json")),
        "heads": _heads(folder.json("lens/head_lens_mean.json")),
    }


def _bigrams(found: dict[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    keys = ("prompt", "pieces", "sound", "sound_label", "entropy_bits", "text_probability", "end_probability")
    return {
        **some(found, ("model", "language", "vocab_size", "only_text")),
        "continuations": [
            {
                **some(one, keys),
                "next": [some(token, ("text", "logit", "probability")) for token in dicts(one.get("next"))[:N_NEXT]],
            }
            for one in dicts(found.get("continuations"))
        ],
    }


def _agreement(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """Take the scores, and the contexts that pull most on what follows them."""
    if found is None:
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
        **some(found, about),
        "sounds": [
            {
                **some(sound, ("sound", "sound_label", "text_probability", "by_frequency")),
                "contexts": [
                    some(row, keys)
                    for row in sorted(dicts(sound.get("contexts")), key=lambda row: -_pull(row))[:N_CONTEXTS]
                ],
            }
            for sound in dicts(found.get("sounds"))
        ],
    }  # fmt: skip


def _pull(row: dict[str, Any]) -> float:
    """How far a context pulls what follows it above its share, in bits, times how often both occur."""
    known, unigram, weight = (float(row.get(key) or 0) for key in ("known", "unigram", "weight"))
    return weight * known * math.log2(known / unigram) if known > 0 and unigram > 0 else 0.0


def _neighbours(found: dict[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    keys = ("text", "cosine", "phone_distance", "spelling_distance", "meaning_cosine", "phones")
    return {
        **some(found, ("model", "is_tied", "n_tokens", "common", "pronunciations", "meanings")),
        "words": [
            {
                **some(word, ("word", "text", "pieces", "space", "form", "is_trained", "phones")),
                "neighbours": [some(one, keys) for one in dicts(word.get("neighbours"))],
            }
            for word in dicts(found.get("words"))
        ],
    }


def _sounds_alike(found: dict[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    about = ("n_words", "n_unknown", "k", "close", "frequencies", "n_bins", "pronunciations", "meanings", "intervals")
    return {**some(found, about), "contrasts": dicts(found.get("contrasts"))}


def _lens(found: dict[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        **some(found, ("n_clips", "n_tokens", "chance", "intervals")),
        "stages": [some(stage, ("stage", "sound", "no_sound")) for stage in dicts(found.get("stages"))],
    }


def _heads(found: dict[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    keys = ("part", "group", "block", "head", "due", "another", "difference")
    return {
        **some(found, ("n_clips", "n_tokens", "n_left_out", "unit", "groups", "intervals")),
        "parts": [some(part, keys) for part in dicts(found.get("parts"))],
    }
