"""The findings on claim 3, that the decoder is a weak language model: bigrams, neighbours, and tokens without sound.

Reads the files of the parts `bigrams`, `neighbours` and `lens`.
"""

from __future__ import annotations

from typing import Any

from otoscope.study.whole.findings import finding, is_above, number, percent, unmeasured
from otoscope.study.whole.part_files import PartFiles
from otoscope.study.whole.rules import HALF, decide_gap

PAGE = "decoder.html"
LEAST_CONTEXTS = 10
"""With fewer words, a bootstrap does not show how far off their mean may be."""
GUESSES = {
    "unigram": (
        "bigrams_counts",
        "Without sound, is what the decoder says next closer to the corpus's own bigrams than word counts are?",
        "the decoder is closer to the corpus's bigrams than word counts",
        "word counts",
    ),
    "another context": (
        "bigrams_context",
        "Does the word before bring what it says next closer to what the corpus says after that word?",
        "the decoder is closer to the corpus's bigrams with the word before than with another",
        "given another word",
    ),
}
MEASURES = {"phones": ("sound", "phone"), "spelling": ("spelling", "spelling")}


def language_model_findings(read: PartFiles) -> list[dict[str, Any]]:
    """Find whether the decoder knows language by itself.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 3.
    """
    return [*(_agrees(read, guess) for guess in GUESSES), _alike(read), _unheard(read)]


def _agrees(read: PartFiles, guess: str) -> dict[str, Any]:
    """Compare the decoder's divergence from the corpus's bigrams with that of a simpler guess."""
    name, question, short, plain = GUESSES[guess]
    agreement = read("bigrams/bigram_agreement.json")
    sounds = agreement.get("sounds") or []
    sound = next((item for item in sounds if item.get("sound") == "padding"), sounds[0] if sounds else {})
    table = sound.get("by_frequency") or {}
    decoder, other, gap = ((table.get(key) or {}).get("kl_bits") for key in ("model", guess, f"model - {guess}"))
    if not decoder or not gap or agreement.get("n_contexts", 0) < LEAST_CONTEXTS:
        lacking = f"fewer than {LEAST_CONTEXTS} words of the transcripts occur often enough"
        why = read.lacking("bigrams", "more transcripts", lacking)
        return unmeasured(name, question, why, f"{PAGE}#bigrams", short)
    how = "at the end of sentences" if agreement.get("in_sentences") else "alone, as in the study"
    return finding(
        name,
        question,
        decoder,
        (plain, other),
        decide_gap(gap, "below"),
        n=agreement.get("n_contexts"),
        n_of="words to go on from",
        words=f"What the decoder says next over {sound.get('sound_label')}, with words given {how}, diverges by "
        f"{number(decoder)} bits from the bigrams of the corpus's transcripts ({plain}: {number(other)} bits).",
        short=short,
        page=f"{PAGE}#bigrams",
        pictures=[("bigrams/bigram_agreement.png", "What the decoder says next beside the corpus's own bigrams")],
        unit="bits",
    )


def _alike(read: PartFiles) -> dict[str, Any]:
    """Compare the nearest tokens with random ones: in sound, or in spelling where no pronunciations are known."""
    alikeness = read("neighbours/sounds_alike.json")
    rows = {
        (row.get("form"), row.get("measure"), row.get("pairs")): row
        for row in alikeness.get("contrasts") or []
        if row.get("space") == "embedding"
    }
    keys = [("corrected", measure, pairs) for measure in MEASURES for pairs in ("unrelated", "all")]
    form, measure, pairs = next((key for key in keys if key in rows), ("", "phones", ""))
    alike, distance = MEASURES[measure]
    question = f"Are the tokens nearest to a word in the embedding more alike it in {alike} than words as frequent?"
    short = f"nearest tokens are alike in {alike}"
    if not form:
        why = read.lacking("neighbours", "a vocabulary with more whole words", "too few whole words could be compared")
        return unmeasured("sounds_alike", question, why, f"{PAGE}#neighbours", short)
    row, meaning, raw = (
        rows[form, measure, pairs],
        rows.get((form, "meaning", pairs)),
        rows.get(("raw", measure, pairs)),
    )
    apart = ", forms of the same word left out" if pairs == "unrelated" else ""
    words = (
        f"The mean {distance} distance from a word to the tokens nearest to it in the embedding (0 the same, 1 all "
        f"different{apart}) is {number(row.get('nearest'))} (random words as frequent: {number(row.get('random'))})."
    )
    if row.get("near_nearest"):
        near, at_random = percent(row["near_nearest"]), percent(row.get("near_random"))
        words += f" {near} of the nearest are within {number(alikeness.get('close'))}, {at_random} at random."
    if meaning:
        near, at_random = number(meaning.get("nearest")), number(meaning.get("random"))
        words += f" In meaning (cosine) they are at {near}, random words {at_random}."
    common = (alikeness.get("common") or {}).get("embedding") or {}
    if common.get("mean_share") is not None:
        words += f" The mean of all tokens, {percent(common['mean_share'])} of a token's length, is taken away first"
        words += f"; with it the nearest are at {number(raw.get('nearest'))}." if raw else "."
    return finding(
        "sounds_alike",
        question,
        row.get("nearest"),
        ("random words as frequent", row.get("random")),
        decide_gap(row.get("more_alike"), how="bootstrap over words, random less nearest"),
        n=row.get("n_words"),
        n_of="words",
        words=words,
        short=short,
        page=f"{PAGE}#neighbours",
        pictures=[("neighbours/sounds_alike.png", "Nearest tokens beside random words as frequent")],
        unit="distance",
    )


def _unheard(read: PartFiles) -> dict[str, Any]:
    question = (
        "Given the words before but no sound, does the decoder put the next token first more often than the commonest "
        "token is right?"
    )
    short = "the next token comes first without any sound"
    curve = read("lens/lens_curve.json")
    stages, plain = curve.get("stages") or [], curve.get("commonest") or {}
    last = ((stages[-1] if stages else {}).get("no_sound") or {}).get("is_likeliest")
    if not last or not plain.get("is_likeliest"):
        return unmeasured(
            "lens", question, read.lacking("lens", "clips that the model hears words in"), f"{PAGE}#lens", short
        )
    first = next((row["stage"] for row in stages if is_above((row.get("sound") or {}).get("is_likeliest"), HALF)), None)
    since = f" With its sound the next token is first in more than half of the places from {first} on." if first else ""
    chance = (curve.get("chance") or {}).get("is_likeliest")
    evenly = f"; a choice among all tokens alike: {percent(chance)}" if chance is not None else ""
    token = str(plain.get("token"))
    return finding(
        "lens",
        question,
        last,
        (f"always saying {token!r}", plain["is_likeliest"]),
        decide_gap(plain.get("no_sound_above_it")),
        n=curve.get("n_tokens"),
        n_of="tokens",
        words=f"Given the words before and padding only, the next token is the decoder's first in {percent(last)} of "
        f"the places after the last block (always saying {token!r}, the commonest: {percent(plain['is_likeliest'])}"
        f"{evenly}).{since}",
        short=short,
        page=f"{PAGE}#lens",
        pictures=[("lens/lens_curve.png", "The next token by decoder block, with its sound and without")],
    )
