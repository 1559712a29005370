"""A verdict on each claim, from the files that a study's parts left: no figure comes from anywhere else.

Reads JSON alone. A part that is not there, or lacks a number, gives a finding that was not tested.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from otoscope.base.clocks import FRAME_S
from otoscope.study.difference import newcombe_interval
from otoscope.study.error_rate import wilson_interval
from otoscope.study.whole.findings import ABOVE, BELOW, claim, finding, percent, untested

STUDIED_K = 75
"""The attention window of the study that otoscope grew from, at which transcripts were still reasonably precise."""
LOSS = 0.1
"""As much may be lost of the words, in error rate, for a transcript still to count as reasonably precise."""
LISTENING, FEATURES, PHONES, DICTIONARIES, DECODER = (
    f"{name}.html" for name in ("listening", "features", "phones", "dictionaries", "decoder")
)


def verdicts(folder: Path) -> dict[str, Any]:
    """Judge the three claims.

    Args:
        folder: The study's folder, with the parts that were done.

    Returns:
        `claims`: for each its verdict, a sentence and its findings, as the Overview page shows them.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claims 1 to 3.
    """
    read = _Parts(folder)
    about = read("study.json")
    subject = f"{(about.get('model') or {}).get('id')} on {(about.get('corpus') or {}).get('name')}"
    return {
        "claims": [
            claim("local", "Acoustic features are local", subject, _local(read)),
            claim(
                "interpretable", "They are interpretable, and polysemantic below their maximum", subject, _heard(read)
            ),
            claim("language_model", "The decoder is a weak language model", subject, _decoder(read)),
        ]
    }


class _Parts:
    """Reads the files of parts; an empty object for what is not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def why(self, part: str) -> str:
        """Why a part left nothing."""
        for row in self("study.json").get("parts") or []:
            if row.get("name") == part and row.get("why"):
                return f"the part {part} was {row['state']} ({row['why']})"
        return f"the part {part} left nothing to judge by"


def _local(read: _Parts) -> list[dict[str, Any]]:
    return [_near(read), _window(read), _spliced(read), _sources(read)]


def _near(read: _Parts) -> dict[str, Any]:
    found = read("relevance/relevance_shares.json")
    frames = found.get("within_frames", 25)
    question = f"How much of the relevance to a frame of speech comes from within {frames * FRAME_S:g} s?"
    if not found.get("share"):
        return untested("relevance_near", question, read.why("relevance"), LISTENING)
    return finding(
        "relevance_near",
        question,
        found["share"],
        ("spread evenly", found.get("if_even")),
        n=found.get("n_clips"),
        n_of="clips",
        words=f"{percent(found['share']['value'])} of it does, where "
        f"{percent((found.get('if_even') or {}).get('value'))} would if it were spread evenly over the window.",
        page=LISTENING,
        pictures=[("relevance/relevance.png", "Which frames each frame listens to, in one clip")],
    )


def _window(read: _Parts) -> dict[str, Any]:
    question = f"Do transcripts stay reasonably precise when frames attend to {STUDIED_K} on either side alone?"
    found = read("window/window.json")
    curve = {point.get("k"): point for point in found.get("curve") or []}
    limited = [k for k in curve if isinstance(k, int)]
    if not limited:
        return untested("window", question, read.why("window"), LISTENING)
    k = min(limited, key=lambda one: abs(one - STUDIED_K))
    is_referenced = all((curve[one] or {}).get("reference_wer") for one in (k, None) if one in curve) and None in curve
    key = "reference_wer" if is_referenced else "wer"
    rate, free = curve[k].get(key), (curve.get(None) or {}).get(key) or {"value": 0.0}
    if not rate or rate.get("value") is None:
        return untested("window", question, read.why("window"), LISTENING)
    high = rate["high"] if rate.get("high") is not None else rate["value"]
    against = "what was said" if is_referenced else "the transcript without a limit"
    return finding(
        "window",
        question.replace(str(STUDIED_K), str(k)),
        rate,
        ("no limit", free),
        n=found.get("n_clips"),
        n_of="clips",
        words=f"With k = {k} ({k * FRAME_S:g} s) the word error rate against {against} is {percent(rate['value'])}; "
        f"without a limit it is {percent(free.get('value'))}.",
        page=LISTENING,
        pictures=[("window/window.png", "Word error rate against the attention window")],
        unit="rate",
        rule=f"holds when the whole 95% interval lies less than {100 * LOSS:g} points above the rate without a limit",
        holds=bool(high < (free.get("value") or 0.0) + LOSS),
    )


def _spliced(read: _Parts) -> dict[str, Any]:
    question = "Does a word go from the transcript when its own frames are replaced by padding's?"
    found = read("splice/splice_words.json")
    own, elsewhere = (found.get(key) or {} for key in ("own_frames", "as_long_elsewhere"))
    if not own.get("gone"):
        return untested("splice", question, read.why("splice"), LISTENING)
    return finding(
        "splice",
        question,
        own["gone"],
        ("as long a stretch elsewhere replaced", elsewhere.get("gone")),
        n=own.get("n"),
        n_of="words",
        words=f"It goes in {percent(own['gone']['value'])} of the cases, and exactly it alone in "
        f"{percent((own.get('exact') or {}).get('value'))}; {percent((elsewhere.get('gone') or {}).get('value'))} go "
        "when as long a stretch elsewhere is replaced.",
        page=LISTENING,
        pictures=[("splice/splice_words.png", "Words spliced out, and what went with them")],
    )


def _sources(read: _Parts) -> dict[str, Any]:
    question = "Does relevance, carried from a word through both halves, peak where the word was said?"
    found = read("words/word_scores.json")
    ways = found.get("ways") or {}
    hit = (ways.get("relevance") or {}).get("hit")
    if not hit:
        return untested("words", question, read.why("words"), LISTENING)
    blind = (ways.get("in order") or {}).get("hit")
    return finding(
        "words",
        question,
        hit,
        ("words of equal length in order", blind),
        n=found.get("n_words"),
        n_of="words",
        words=f"It does in {percent(hit['value'])} of the words; dealing out the speech to the words in order would be "
        f"right in {percent((blind or {}).get('value'))}.",
        page=LISTENING,
        pictures=[("words/word_scores.png", "How often each way finds a word's sound")],
    )


def _heard(read: _Parts) -> list[dict[str, Any]]:
    sites = read("phones/phones.json").get("sites") or []
    return [
        _detectors(read, sites, "neuron", "random", "neurons"),
        _detectors(read, sites, "neuron", "untrained", "neurons"),
        _detectors(read, sites, "sae", "neuron", "features of the dictionaries"),
        _polysemantic(read, sites),
        _reconstructed(read),
    ]


def _counts(
    sites: Sequence[Mapping[str, Any]], basis: str, n: str, of: str, where: set[str] | None = None
) -> tuple[int, int]:
    rows = [row for row in sites if _basis(row) == basis and (where is None or row.get("site") in where)]
    return sum(row.get(n) or 0 for row in rows), sum(row.get(of) or 0 for row in rows)


def _basis(row: Mapping[str, Any]) -> str:
    basis = str(row.get("basis"))
    return "sae" if basis.startswith("sae:") else basis


def _detectors(read: _Parts, sites: Sequence[Mapping[str, Any]], basis: str, base: str, name: str) -> dict[str, Any]:
    """Hold features that detect one phone against those of a plainer basis, at the sites that have both."""
    plainer = {"random": "random directions", "untrained": "neurons of an untrained model", "neuron": "neurons"}[base]
    question = f"Do more {name} detect a single phone than {plainer} of the same sites?"
    own, other = ({row.get("site") for row in sites if _basis(row) == one} for one in (basis, base))
    both = {site for site in own & other if site is not None}
    n, of = _counts(sites, basis, "n_both", "n_features", both)
    base_n, base_of = _counts(sites, base, "n_both", "n_features", both)
    if not of or not base_of:
        return untested(f"{basis}_{base}", question, read.why("phones"), PHONES)
    share, plain, gap = (
        wilson_interval(n, of),
        wilson_interval(base_n, base_of),
        newcombe_interval(n, of, base_n, base_of),
    )
    return finding(
        f"{basis}_{base}",
        question,
        vars(share) if share else None,
        (plainer, vars(plain) if plain else None),
        n=of,
        n_of="features",
        words=f"{n:,} of {of:,} {name} do ({percent(n / of)}), and {base_n:,} of {base_of:,} {plainer} "
        f"({percent(base_n / base_of)}).",
        page=PHONES,
        pictures=[("phones/detect_shares.png", "Features that detect one phone, by site and basis")],
        rule="holds when the 95% interval of the difference (Newcombe) lies above zero",
        holds=None if gap is None or gap.low is None else bool(gap.low > 0),
    )


def _polysemantic(read: _Parts, sites: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    question = "Do neurons that are pure at their strongest answer to another phone below, more than random directions?"
    n, of = _counts(sites, "neuron", "n_polysemantic", "n_pure_top")
    base_n, base_of = _counts(sites, "random", "n_polysemantic", "n_pure_top")
    share = wilson_interval(n, of) if of else None
    if share is None:
        return untested("polysemantic", question, read.why("phones"), FEATURES)
    plain = wilson_interval(base_n, base_of) if base_of else None
    gap = newcombe_interval(n, of, base_n, base_of) if base_of else None
    beside = f"; of {base_of:,} such random directions {base_n:,}" if base_of else ""
    return finding(
        "polysemantic",
        question,
        vars(share),
        ("random directions", vars(plain) if plain else None),
        n=of,
        n_of="neurons pure at the top",
        words=f"Of {of:,} neurons with one phone at their strongest, {n:,} answer to another below ({percent(n / of)})"
        f"{beside}.",
        page=FEATURES,
        rule="holds when the 95% interval of the difference (Newcombe) lies above zero",
        holds=None if gap is None or gap.low is None else bool(gap.low > 0),
    )


def _reconstructed(read: _Parts) -> dict[str, Any]:
    question = "Do the dictionaries keep what is transcribed better than as many neurons do?"
    pairs = []
    for site in read("scores/scores.json").get("sites") or []:
        rows = {row.get("name"): row for row in site.get("rows") or []}
        rates = [_rate_of(rows.get(name) or {}) for name in ("dictionary", "neurons")]
        if all(rates):
            pairs.append(rates)
    if not pairs:
        return untested("reconstruction", question, read.why("scores"), DICTIONARIES)
    worst = max(pairs, key=lambda pair: pair[0]["value"])  # the site where the dictionary does worst
    return finding(
        "reconstruction",
        question,
        worst[0],
        ("as many neurons", worst[1]),
        n=len(pairs),
        n_of="dictionaries",
        words=f"At the site where it does worst, the word error rate with the dictionary's reconstruction in place is "
        f"{percent(worst[0]['value'])}, and with as many neurons {percent(worst[1]['value'])}.",
        page=DICTIONARIES,
        pictures=[("scores/scores.png", "Dictionaries beside their baselines")],
        unit="rate",
        rule=BELOW,
    )


def _rate_of(row: Mapping[str, Any]) -> Any:
    for where in (row, row.get("heard") or {}):
        for key in ("wer", "wer_to_clean"):
            if isinstance(where.get(key), Mapping) and where[key].get("value") is not None:
                return where[key]
    return None


def _decoder(read: _Parts) -> list[dict[str, Any]]:
    return [_agrees(read), *_alike(read), _knows(read)]


def _agrees(read: _Parts) -> dict[str, Any]:
    question = (
        "With no sound at all, does the decoder put what follows a word in the corpus higher than word counts do?"
    )
    found = read("bigrams/bigram_agreement.json")
    sound: dict[str, Any] = next(iter(found.get("sounds") or []), {})
    table = sound.get("by_frequency") or {}
    gap = (table.get("model - unigram") or {}).get("rank_correlation")
    if not gap:
        return untested("bigrams", question, read.why("bigrams"), DECODER)
    own, plain = ((table.get(guess) or {}).get("rank_correlation") for guess in ("model", "unigram"))
    return finding(
        "bigrams",
        question,
        own,
        ("word counts alone", plain),
        n=found.get("n_contexts"),
        n_of="words to go on from",
        words=f"Over {sound.get('sound_label')}, the rank correlation with the bigrams of {found.get('known')} is "
        f"{(own or {}).get('value')}, and that of word counts alone {(plain or {}).get('value')}.",
        page=DECODER,
        pictures=[("bigrams/bigram_agreement.png", "Agreement with the corpus's bigrams")],
        unit="difference",
        rule="holds when the 95% interval of the difference lies above zero",
        holds=None if gap.get("low") is None else bool(gap["low"] > 0),
    )


def _alike(read: _Parts) -> list[dict[str, Any]]:
    question = "Are the nearest tokens more alike in {} than random words as frequent?"
    rows = [
        row
        for row in read("neighbours/sounds_alike.json").get("contrasts") or []
        if row.get("pairs") == "all" and row.get("space") == "embedding" and row.get("measure") in ("sound", "phones")
    ]
    if not rows:
        return [untested("sounds_alike", question.format("sound"), read.why("neighbours"), DECODER)]
    return [
        finding(
            "sounds_alike",
            question.format("sound"),
            row["nearest"],
            ("random words", row["random"]),
            n=row.get("n_words"),
            n_of="words",
            words=f"Their mean phone distance (0 alike, 1 not) is {row['nearest']['value']}, and that of random words "
            f"as frequent {row['random']['value']}.",
            page=DECODER,
            pictures=[("neighbours/sounds_alike.png", "Nearest tokens beside random words")],
            unit="difference",
            rule=BELOW,
        )
        for row in rows
    ]


def _knows(read: _Parts) -> dict[str, Any]:
    question = (
        "Does the due token stand higher before any sound is heard than at the embedding, where nothing is known?"
    )
    stages = read("lens/lens_curve.json").get("stages") or []
    if len(stages) < 2:
        return untested("lens", question, read.why("lens"), DECODER)
    first, last = (stage.get("no_sound") or {} for stage in (stages[0], stages[-1]))
    return finding(
        "lens",
        question,
        last.get("is_likeliest"),
        ("at the embedding", first.get("is_likeliest")),
        n=read("lens/lens_curve.json").get("n_tokens"),
        n_of="tokens",
        words=f"Over padding alone, the decoder's last block puts the due token first in "
        f"{percent((last.get('is_likeliest') or {}).get('value'))} of the places, given all words before.",
        page=DECODER,
        pictures=[("lens/lens_curve.png", "The due token by block, with sound and without")],
        rule=ABOVE,
    )
